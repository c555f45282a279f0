"""A real run of two-way quantized Adam: one process per worker, and the packed messages of its compressors on the wire.

Rank 0 is worker 0 and also the server.  The processes talk over gloo, the CPU backend of
``torch.distributed``, and this process compares what they report with the lane simulation and with
the accounting of bits.
"""

from __future__ import annotations

import importlib.util
import math
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim import random
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import simulate
from theory_sim.rules import checks
from theory_sim.rules.language import Round
from theory_sim.wire.replica import Job, Lost, Replica, work

TOLERANCE = 1e-12
POINTS = 1000
_START = 120.0  # seconds for slow machines to import torch in every process
_GRACE = 2.0  # seconds in which the rank that died shows itself after another one lost it


@dataclass(frozen=True, eq=False)
class Report:
    """A finished run beside the lane simulation and the accounting.

    Parameters
    ----------
    replicas : tuple of Replica
        By rank.
    accounted : tuple of (int, int)
        By rank, the bytes to send and to receive that `Optimizer.bits` stands for, each message in whole
        bytes.  The server's own worker sends nothing, and the frames of gloo and TCP are not counted.
    deviation : float
        Largest distance of a coordinate to the lane simulation, over the recorded steps of all ranks.
    seconds : float
        Wall time from the start of the processes to the last report.
    """

    replicas: tuple[Replica, ...]
    accounted: tuple[tuple[int, int], ...]
    deviation: float
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether the iterates of all ranks are equal, bit for bit."""
        return len({replica.digest for replica in self.replicas}) == 1

    @property
    def counted(self) -> tuple[tuple[int, int], ...]:
        """By rank, the bytes sent and received."""
        return tuple((replica.sent, replica.received) for replica in self.replicas)

    @property
    def passed(self) -> bool:
        """Whether the replicas agree, with each other and with the simulation, and every byte is accounted for."""
        return self.identical and self.deviation <= TOLERANCE and self.counted == self.accounted


def _follow_parent() -> None:
    """End this process when its parent has ended, in whatever way."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _process(job: Job, rank: int, store: str, pipe: Connection) -> None:
    """The main function of a rank: join the group, work, report ``(status, what)``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    threading.Thread(target=_follow_parent, daemon=True).start()
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    # All ranks are here, wherever the name of the host leads.
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
    try:
        dist.init_process_group(
            "gloo",
            init_method=Path(store).as_uri(),
            rank=rank,
            world_size=job.workers,
            timeout=timedelta(seconds=_START),
        )
        pipe.send(("joined", rank))
        pipe.send(("done", work(job, rank)))
        dist.destroy_process_group()
    except Lost as error:
        pipe.send(("lost", str(error)))
    except Exception as error:  # noqa: BLE001  whatever it is, the parent names it
        pipe.send(("failed", f"stopped: {str(error).rstrip('.')}"))


def _ended(code: int | None) -> str:
    """Say how a process ended."""
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name} (exit status {code})"
    return f"ended without a report (exit status {code})"


def _collect(
    processes: Sequence[Any], pipes: Sequence[Connection], started: Callable[[Sequence[int]], None]
) -> list[Replica]:
    """Return the reports of all ranks, by rank, or raise as soon as one cannot come."""
    reports: dict[str, dict[int, Any]] = {status: {} for status in ("joined", "done", "lost", "failed")}
    lost, done = reports["lost"], reports["done"]

    def failure(rank: int, what: str) -> ChildProcessError:
        return ChildProcessError(f"Rank {rank} of {len(pipes)} {what}; the run was stopped.")

    while len(done) < len(pipes):
        expected = [pipe for rank, pipe in enumerate(pipes) if rank not in done and rank not in lost]
        ready = wait(expected, _GRACE if lost else None) if expected else []
        if not ready:
            raise failure(*next(iter(lost.items())))
        for rank in [rank for rank, pipe in enumerate(pipes) if pipe in ready]:
            try:
                status, what = pipes[rank].recv()
            except EOFError:  # the process has closed its end, and so has ended
                processes[rank].join()
                raise failure(rank, _ended(processes[rank].exitcode)) from None
            reports[status][rank] = what
            if status == "failed":
                raise failure(rank, what)
            if status == "joined" and len(reports["joined"]) == len(pipes):
                started([process.pid for process in processes])
    return [done[rank] for rank in range(len(pipes))]


def _launch(job: Job, store: str, started: Callable[[Sequence[int]], None]) -> list[Replica]:
    """Start the processes, watch them to the end, and leave none behind."""
    context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":  # torch is imported once, not by every rank
        context.set_forkserver_preload(["theory_sim.wire.replica", "torch.distributed"])
    ends = [context.Pipe(duplex=False) for _ in range(job.workers)]
    processes = [
        context.Process(
            target=_process, args=(job, rank, store, ends[rank][1]), name=f"rank {rank}", daemon=True
        )
        for rank in range(job.workers)
    ]
    try:
        for process, (_, writer) in zip(processes, ends, strict=True):
            process.start()
            writer.close()
        return _collect(processes, [reader for reader, _ in ends], started)
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()
        for end in ends:
            for side in end:
                side.close()


def run(
    problem: Problem,
    optimizer: Optimizer,
    *,
    workers: int,
    steps: int,
    entropy: int = 0,
    timeout: float = 30.0,
    started: Callable[[Sequence[int]], None] = lambda pids: None,
) -> Report:
    """Run a method with messages with one process per worker and compare it with the lane simulation.

    Parameters
    ----------
    problem : Problem
        Its kernels must be importable, as those of `counterexamples` are.
    optimizer : Optimizer
        With messages both ways in every step, such as `theory_sim.efficient_adam`.
    workers : int
        Processes, >= 2.
    steps : int
        Rounds T >= 1.
    entropy : int
        Root of the random stream, as in `theory_sim.simulate`.
    timeout : float
        Seconds that a rank waits for one message, > 0.
    started : callable, optional
        Receives the process ids, by rank, once all have joined the group.

    Returns
    -------
    Report
        A mismatch is reported, not raised.

    Raises
    ------
    ImportError
        Without torch.
    ValueError
        For another optimizer, or a problem that cannot be sent to another process.
    ChildProcessError
        If a process dies, fails or does not answer; it names the rank.  No process is left behind.
    """
    if importlib.util.find_spec("torch") is None:
        raise ImportError(
            'A run over processes needs torch; install it with pip install "theory-sim[torch]".'
        )
    round_ = optimizer.step
    if not isinstance(round_, Round) or round_.reply is None or round_.start is not None or optimizer.warmup:
        raise ValueError(
            f"{optimizer.name} has no run over processes; use a method whose server replies in every step, such as "
            "efficient_adam or ef_sgd."
        )
    workers, steps = checks.count("workers", workers, 2), checks.count("steps", steps)
    timeout = checks.number("timeout", timeout, 0.0, open_low=True)
    recorded = np.unique(np.linspace(1, steps, min(steps, POINTS)).astype(int)).tolist()
    # First, so that the processes find the kernels compiled.
    lane = simulate(
        problem, optimizer, steps=steps, workers=workers, entropy=entropy, checkpoints=recorded
    ).x.values.reshape(-1, problem.dim)
    job = Job(
        problem=problem,
        optimizer=optimizer,
        workers=workers,
        steps=steps,
        recorded=frozenset(recorded),
        stream=int(random.key(entropy, 0)),
        timeout=timeout,
    )
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{problem.name} cannot be sent to another process ({error}); "
            "define its functions at the top level of a module."
        ) from None
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        replicas = _launch(job, str(Path(folder) / "store"), started)
    up, down = (steps * math.ceil(bits / 8) for bits in optimizer.bits(problem.dim, 1))
    return Report(
        replicas=tuple(replicas),
        accounted=((down * (workers - 1), up * (workers - 1)), *((up, down),) * (workers - 1)),
        deviation=float(np.max([np.abs(replica.points - lane) for replica in replicas])),
        seconds=time.perf_counter() - begin,
    )

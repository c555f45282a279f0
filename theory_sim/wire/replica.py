"""One rank of a real run of a method with messages: its worker, its messages and, on rank 0, the server.

What a worker and the server compute are the optimizer's own rules, called on vectors of numpy;
`theory_sim.wire.process_group` compares the result with the lane loop, and both read the same uniforms.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim import random
from theory_sim.compressors.compressor import Compressor, Payload
from theory_sim.engine import evaluate
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.rules import trace
from theory_sim.rules.language import Round, Stage, names

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Replica:
    """What one rank reports at the end.

    Parameters
    ----------
    rank : int
    digest : str
        SHA-256 of all its iterates, in order.
    sent, received : int
        Bytes of the tensors it sent and received.
    points : ndarray, shape (c, d)
        Its iterates at the recorded steps.
    """

    rank: int
    digest: str
    sent: int
    received: int
    points: FloatArray


@dataclass(frozen=True)
class Job:
    """What every process is told.

    Parameters
    ----------
    problem : Problem
    optimizer : Optimizer
        With a `Round` whose server replies.
    workers, steps : int
    recorded : frozenset of int
        Numbers of updates after which x is kept.
    stream : int
        Key of the random stream.
    timeout : float
        Seconds to wait for one message.
    """

    problem: Problem
    optimizer: Optimizer
    workers: int
    steps: int
    recorded: frozenset[int]
    stream: int
    timeout: float


class Lost(Exception):
    """Another rank did not answer."""


class Wire:
    """Point-to-point messages of whole bytes, counted at both ends.

    Parameters
    ----------
    timeout : float
        Seconds to wait for one message.
    """

    def __init__(self, timeout: float) -> None:
        self.sent = self.received = 0
        self.timeout = timeout

    def send(self, rank: int, data: bytes) -> None:
        """Send bytes to a rank."""
        import torch

        tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        self._complete("isend", tensor, rank)
        self.sent += tensor.numel() * tensor.element_size()

    def receive(self, rank: int, size: int) -> bytes:
        """Return the next `size` bytes from a rank."""
        import torch

        tensor = torch.empty(size, dtype=torch.uint8)
        self._complete("irecv", tensor, rank)
        self.received += tensor.numel() * tensor.element_size()
        return bytes(tensor.numpy())

    def _complete(self, operation: str, tensor: Any, rank: int) -> None:
        import torch.distributed as dist

        begin = time.monotonic()
        try:
            getattr(dist, operation)(tensor, rank).wait(timedelta(seconds=self.timeout))
        except RuntimeError as error:
            late = time.monotonic() - begin >= self.timeout
            how = f"waited {self.timeout:g} s for" if late else "lost the connection to"
            raise Lost(f"{how} rank {rank}") from error


class Rules:
    """The rules of an optimizer over vectors, and the state rows that one rank keeps."""

    def __init__(self, optimizer: Optimizer, dim: int, workers: int) -> None:
        self.optimizer = optimizer
        self.values: dict[str, Any] = {**optimizer.hyper, "d": dim, "workers": workers}
        rows = {row: np.zeros(dim) for row in (*optimizer.rows, *optimizer.worker_rows)}
        self.values |= {**rows, **dict.fromkeys(optimizer.shared, 0.0)}

    def begin(self, t: int) -> None:
        """Set the step size of step t and the rows that all coordinates share."""
        optimizer, schedule = self.optimizer, self.optimizer.schedule
        known = {"t": t, **schedule.parameters}
        factor = schedule.rule(*(known[name] for name in names(schedule.rule)))
        self.values |= {"t": t, "lr": optimizer.lr * factor}
        if optimizer.once is not None:
            self.run(Stage(optimizer.once, optimizer.shared))

    def run(self, stage: Stage, **given: Any) -> dict[str, Any]:
        """Call the rule of a stage, keep the rows that it writes, and return all that it writes."""
        known = {**self.values, **given}
        with np.errstate(all="ignore"):
            out = trace.elementwise(stage.rule)(*(known[name] for name in names(stage.rule)))
        written = dict(zip(stage.writes, out, strict=True))
        self.values |= {name: value for name, value in written.items() if name not in ("p", "x")}
        return written


def drawn_at(stream: int, t: int, first: int, count: int) -> FloatArray:
    """Return the uniforms of some slots of one step."""
    return np.array([random.uniform_at(stream, t, first + i) for i in range(count)])


def size_of(compressor: Compressor, d: int) -> int:
    """Return the bytes of a message as its receiver lays it out."""
    return -(-sum(count * width for count, width in compressor.layout(d)) // 8)


def work(job: Job, rank: int) -> Replica:
    """Run one rank, from the start to the last step."""
    problem, workers, d = job.problem, job.workers, job.problem.dim
    round_, up, down = job.optimizer.step, job.optimizer.up, job.optimizer.down
    assert isinstance(round_, Round)
    assert round_.reply is not None
    assert up is not None
    assert down is not None
    wire, rules = Wire(job.timeout), Rules(job.optimizer, d, workers)
    x = np.broadcast_to(np.asarray(problem.start, dtype=float), d).copy()
    digest, points = hashlib.sha256(), []
    # Slots as in the lane loop: the order of the components, the workers' noise, their messages, the reply.
    up_slot = workers * (1 + problem.draws) + rank * up.draws(d)
    down_slot = workers * (1 + problem.draws + up.draws(d))

    def uniforms(t: int, first: int, count: int) -> FloatArray:
        return drawn_at(job.stream, t, first, count)

    for t in range(1, job.steps + 1):
        rules.begin(t)
        # A gradient kernel knows a worker by its row, so every row is there and only the own one is used.
        drawn = uniforms(t, workers, workers * problem.draws)[:, None]
        index = (t - 1) % problem.components
        g = evaluate.gradients(problem, x[None], t=t, index=index, uniforms=drawn, workers=workers)[rank, 0]
        p = rules.run(round_.send, g=g, x=x, j=rank)["p"]
        payload = up.compress(p, uniforms=uniforms(t, up_slot, up.draws(d)))
        if round_.keep is not None:
            rules.run(round_.keep, p=p, sent=up.decompress(payload), g=g, x=x, j=rank)
        if rank == 0:
            arrived = [payload.data, *(wire.receive(other, size_of(up, d)) for other in range(1, workers))]
            mean = sum(up.decompress(Payload(data, payload.bits, d)) for data in arrived) / workers
            p = rules.run(round_.reply, mean=mean, x=x)["p"]
            answer = down.compress(p, uniforms=uniforms(t, down_slot, down.draws(d)))
            reply = down.decompress(answer)
            for other in range(1, workers):
                wire.send(other, answer.data)
        else:
            wire.send(0, payload.data)
            data = wire.receive(0, size_of(down, d))
            # The memory of the server is on rank 0; the new x does not depend on it.
            mean, p, reply = np.zeros(d), np.zeros(d), down.decompress(Payload(data, 8 * len(data), d))
        x = np.clip(rules.run(round_.apply, mean=mean, p=p, reply=reply, x=x)["x"], *problem.bounds())
        digest.update(x.tobytes())
        if t in job.recorded:
            points.append(x)
    return Replica(rank, digest.hexdigest(), wire.sent, wire.received, np.array(points))

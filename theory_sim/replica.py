"""One rank of a real run of two-way quantized Adam: its worker, its messages and, on rank 0, the server.

What a worker computes is written here in numpy, apart from the lane kernel that `theory_sim.process_group` compares it
with; both read the same uniforms.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim import random
from theory_sim.compressors.compressor import Compressor, Payload
from theory_sim.kernels import compiled
from theory_sim.problem import Problem
from theory_sim.schedule import Schedule

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
    lr, hyper, schedule
        Of the optimizer, `theory_sim.efficient_adam`.
    up, down : Compressor
    workers, steps : int
    recorded : frozenset of int
        Numbers of updates after which x is kept.
    stream : int
        Key of the random stream.
    timeout : float
        Seconds to wait for one message.
    """

    problem: Problem
    lr: float
    hyper: Mapping[str, float]
    schedule: Schedule
    up: Compressor
    down: Compressor
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


class Moments:
    """A worker's m and v, and the update lr_t m_t / sqrt(v_t + eps)."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.m, self.v, self.largest = np.zeros((3, job.problem.dim))
        self.kept = 1.0  # the product of all beta2_t, the weight that v_0 has left
        self.parameters = np.array([*job.schedule.parameters.values()], dtype=float)[:, None]

    def update(self, g: FloatArray, t: int) -> FloatArray:
        """Return u_t (d,) from the gradient g_t (d,)."""
        hyper, factor = self.job.hyper, np.empty(1)
        self.job.schedule.kernel(t, self.parameters, factor)
        beta1 = hyper["beta1"]
        beta2 = 1.0 - hyper["theta"] / t if hyper["theta"] else hyper["beta2"]
        self.m = beta1 * self.m + (1.0 - beta1) * g
        self.v = beta2 * self.v + (1.0 - beta2) * g * g
        self.kept *= beta2
        self.largest = np.maximum(self.largest, self.v)
        second = self.largest if hyper["amsgrad"] else self.v
        c1, c2 = (1.0 - beta1**t, 1.0 - self.kept) if hyper["corrected"] else (1.0, 1.0)
        scale = np.sqrt(second / c2 + hyper["eps_inside"]) + hyper["eps_outside"]
        scale[scale == 0.0] = math.inf
        return np.asarray(self.job.lr * factor[0] / c1 * self.m / scale)


def _size(compressor: Compressor, d: int) -> int:
    """Return the bytes of a message as its receiver lays it out."""
    return -(-sum(count * width for count, width in compressor.layout(d)) // 8)


def work(job: Job, rank: int) -> Replica:
    """Run one rank: Efficient-Adam (arXiv:2205.14473) with error feedback on both sides."""
    problem, workers, d = job.problem, job.workers, job.problem.dim
    up, down = job.up, job.down
    wire, moments, feedback = Wire(job.timeout), Moments(job), job.hyper["error_feedback"]
    gradient = compiled("gradient", problem.gradient)
    theta = np.array([*problem.constants.values()], dtype=float)[:, None]
    # A gradient kernel knows a worker by its row, so every row is there and only the own one is used.
    idx, noise = np.zeros((workers, 1), np.int64), np.full((workers * problem.draws, 1), 0.5)
    rows, own = np.empty((workers, d, 1)), slice(rank * problem.draws, (rank + 1) * problem.draws)
    x = np.broadcast_to(np.asarray(problem.start, dtype=float), d).copy()
    e, E = np.zeros((2, d))
    digest, points = hashlib.sha256(), []
    # Slots as in the lane loop: the order of the components, the workers' noise, their messages, the reply.
    noise_slot = workers + own.start
    up_slot = workers * (1 + problem.draws) + rank * up.draws(d)
    down_slot = workers * (1 + problem.draws + up.draws(d))

    def uniforms(t: int, first: int, count: int) -> FloatArray:
        return np.array([random.uniform_at(job.stream, t, first + i) for i in range(count)])

    for t in range(1, job.steps + 1):
        idx[:] = (t - 1) % problem.components
        noise[own, 0] = uniforms(t, noise_slot, problem.draws)
        gradient(x[:, None].copy(), t, idx, noise, theta, rows)
        p = moments.update(rows[rank, :, 0], t) + e
        payload = up.compress(p, uniforms=uniforms(t, up_slot, up.draws(d)))
        e = feedback * (p - up.decompress(payload))
        if rank == 0:
            arrived = [payload.data, *(wire.receive(other, _size(up, d)) for other in range(1, workers))]
            mean = sum(up.decompress(Payload(data, payload.bits, d)) for data in arrived) / workers
            reply = down.compress(mean + E, uniforms=uniforms(t, down_slot, down.draws(d)))
            b = down.decompress(reply)
            E = feedback * (mean + E - b)
            for other in range(1, workers):
                wire.send(other, reply.data)
        else:
            wire.send(0, payload.data)
            answer = wire.receive(0, _size(down, d))
            b = down.decompress(Payload(answer, 8 * len(answer), d))
        x = np.clip(x - b, *problem.bounds())
        digest.update(x.tobytes())
        if t in job.recorded:
            points.append(x)
    return Replica(rank, digest.hexdigest(), wire.sent, wire.received, np.array(points))

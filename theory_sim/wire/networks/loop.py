"""The loop that trains all cells and seeds of a training together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.func import vmap

from theory_sim.wire.networks.data import Array, Data, Sampler
from theory_sim.wire.networks.models import MODELS
from theory_sim.wire.networks.probes import PROBES, State
from theory_sim.wire.networks.update import Mover, stacked

if TYPE_CHECKING:
    from theory_sim.nouns.training import Training

_SLICE = 512  # samples that are evaluated at once


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch use a number of threads, products of float32 have all their bits, and sums one order on a GPU."""
    before, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    convolutions = cudnn.allow_tf32, cudnn.deterministic
    try:
        torch.set_float32_matmul_precision("highest")
        cudnn.allow_tf32, cudnn.deterministic = False, True
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision(precision)
        cudnn.allow_tf32, cudnn.deterministic = convolutions


class _Samples:
    """The data of a training on its device."""

    def __init__(self, data: Data, training: Training, device: Any, dtype: Any) -> None:
        self.data, self.count = data, min(training.samples or data.count, data.count)
        self._most = max(training.evaluated // max(data.context, 1), 1)
        inputs = torch.tensor(data.inputs, device=device)
        self._inputs = inputs if data.context else inputs.to(dtype)
        self._targets = torch.tensor(data.targets, device=device)
        self._window = torch.arange(max(data.context, 1), device=device)

    def __call__(self, positions: Array) -> tuple[Any, Any]:
        """Return inputs and targets at positions (...)."""
        at = torch.tensor(positions, device=self._targets.device)
        if self.data.context:
            at = at[..., None] + self._window
        return self._inputs[at], self._targets[at]

    def evaluated(self) -> Array:
        """Return the positions of the evaluation set, evenly spaced."""
        return np.linspace(0, self.count - 1, min(self.count, self._most)).round().astype(np.int64)


def train(
    training: Training,
    device: str = "cpu",
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Array]:
    """Train every cell and seed and return the records.

    Parameters
    ----------
    training : Training
    device : str
        What torch calls it: ``cpu``, ``cuda``.
    threads : int, optional
        Threads of torch on the CPU; sums may be taken in another order, so losses may differ in their last bits,
        and after many steps in more: claims leave room for that.
    progress : callable, optional
        Called with the finished share.

    Returns
    -------
    dict of str to ndarray
        ``loss`` (cells, seeds, checkpoints), the mean over the evaluation set; ``nonfinite_step`` (cells, seeds),
        the first step whose batch had a loss that is not finite, -1 if none; and what the probe measures.
    """
    with _threads(threads):
        try:
            return _train(training, torch.device(device), progress)
        except torch.OutOfMemoryError as error:
            raise MemoryError(f"{training.name} does not fit on {device}; use a smaller tier.") from error


def _train(training: Training, device: Any, progress: Callable[[float], None] | None) -> dict[str, Array]:
    dtype = getattr(torch, training.precision)
    model = MODELS[training.network](**training.sizes)
    samples = _Samples(model.data(), training, device, dtype)
    sampler = Sampler(training.entropy, training.seeds, training.batch, samples.count)
    made = stacked(training.optimizer, training.cells)
    starts = np.stack([model.start(training.entropy, seed) for seed in range(training.seeds)])
    x = torch.tensor(starts, dtype=dtype, device=device).expand(len(made), -1, -1).clone()
    mover = Mover(made, x, model.sizes)
    x = before = mover.first
    losses = vmap(vmap(model.of_vector, (0, 0, 0)), (0, None, None))
    nonfinite = torch.full(x.shape[:2], -1, dtype=torch.int64, device=device)
    records: dict[str, list[Array]] = {}
    every = samples(samples.evaluated())
    whole = samples(sampler(1)) if training.batch == 0 else None

    def of_evaluation(points: Any) -> Any:
        """Return the losses (C,) of parameters (C, P) on the evaluation set."""
        size, total = len(every[0]), 0.0
        for a in range(0, size, _SLICE):
            part = [
                one[a : a + _SLICE].to(points.dtype) if one.is_floating_point() else one[a : a + _SLICE]
                for one in every
            ]
            total = total + vmap(model.of_vector, (0, None, None))(points, *part) * (len(part[0]) / size)
        return total

    def record(t: int) -> None:
        with torch.no_grad():
            found = {"loss": of_evaluation(x.flatten(0, 1)).double().cpu().numpy()}
        if training.probe is not None:
            start, end = (one.flatten(0, 1).double() for one in (before, x))
            state = State(
                model, of_evaluation, start, end, made, mover.rows, training.seeds, training.entropy
            )
            found |= PROBES[training.probe](state)
        for name, values in found.items():
            records.setdefault(name, []).append(values.reshape(len(made), training.seeds, *values.shape[1:]))
        if progress is not None:
            progress(t / max(training.steps, 1))

    stops = set(training.stops)
    if 0 in stops:
        record(0)
    for t in range(1, training.steps + 1):
        inputs, targets = samples(sampler(t)) if whole is None else whole
        x = x.detach().requires_grad_()
        # The gradient of the sum, as no cell knows another: a fifth faster than vmap(grad), with the losses.
        loss = losses(x, inputs, targets)
        (g,) = torch.autograd.grad(loss.sum(), x)
        with torch.no_grad():
            bad = ~loss.isfinite() & (nonfinite < 0)
            nonfinite = torch.where(bad, t, nonfinite)
            before, x = x.detach(), mover.step(t, x.detach(), g)
        if t in stops:
            record(t)
    out = {name: np.stack(values, axis=2) for name, values in records.items()}
    return {**out, "nonfinite_step": nonfinite.cpu().numpy()}

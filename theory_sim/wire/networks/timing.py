"""How long many networks take together, and apart: one by one, by torch.optim."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import theory_sim as ts
from theory_sim.nouns.training import Training
from theory_sim.wire.networks.data import Sampler
from theory_sim.wire.networks.loop import train
from theory_sim.wire.networks.models import mlp

_LR = (1e-4, 1e-1)


def _seconds(run: Callable[[], Any], device: str) -> float:
    """Return the time of a call, the work that it left on a device included."""
    begin = time.perf_counter()
    run()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def alone(lr: float, steps: int, batch: int, device: str = "cpu") -> Any:
    """Train the MLP of the trainings once, as a user would: a vector of parameters and `torch.optim.Adam`.

    Returns
    -------
    tensor, shape (P,)
        The parameters at the end, in float32; those of the same cell in a training, but for rounding.
    """
    model = mlp()
    data = model.data()
    inputs = torch.tensor(data.inputs, dtype=torch.float32, device=device)
    targets = torch.tensor(data.targets, device=device)
    x = torch.tensor(model.start(0, 0), dtype=torch.float32, device=device).requires_grad_()
    method = torch.optim.Adam([x], lr=lr)
    sampler = Sampler(0, 1, batch, data.count)
    for t in range(1, steps + 1):
        at = torch.tensor(sampler(t)[0], device=device)
        method.zero_grad()
        model.of_vector(x, inputs[at], targets[at]).backward()
        method.step()
    return x.detach()


def compare(
    cells: int, apart: int = 16, steps: int = 200, batch: int = 32, device: str = "cpu"
) -> dict[str, float]:
    """Time the MLP with Adam in many cells together, and in a few runs one after another.

    Parameters
    ----------
    cells : int
        Step sizes of the batched run.
    apart : int
        Runs of `alone`.
    steps, batch : int
    device : str

    Returns
    -------
    dict
        ``together`` and ``apart``, seconds; ``runs``, how many separate runs take as long as the cells together.
    """
    training = Training(
        "mlp", ts.adam(), {"lr": np.geomspace(*_LR, cells)}, steps=steps, batch=batch, evaluated=64
    )
    train(replace(training, steps=2), device)  # loads what is loaded once
    alone(_LR[0], 2, batch, device)
    together = _seconds(lambda: train(training, device), device)
    rates = np.geomspace(*_LR, apart).tolist()
    separate = _seconds(lambda: [alone(lr, steps, batch, device) for lr in rates], device)
    return {"together": together, "apart": separate, "runs": together / (separate / apart)}

"""What is measured along a training beside the loss; everything in float64, at the loss of the evaluation set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from theory_sim.nouns.optimizer import Optimizer
from theory_sim.wire.networks.curvature import Array, Losses, hessian, lanczos, preconditioned
from theory_sim.wire.networks.data import normals
from theory_sim.wire.networks.models import Model

_NODES = {"sharpness": 24, "spectrum": 32}  # products with the Hessian
_DRAWS = 4  # start vectors of a block, whose quadratures are averaged
_ALONG = (0.25, 0.5, 0.75, 1.0)  # of a step, where the gradient is compared with that at its beginning


@dataclass(frozen=True)
class State:
    """A training when it is probed; C = cells times seeds.

    Parameters
    ----------
    model : Model
    losses : callable
        From parameters (C, P) to losses (C,), in float64.
    before, after : tensor, shape (C, P)
        Parameters before and after the last step; equal before the first.
    made : sequence of Optimizer
        One per cell.
    rows : mapping of str to tensor
        State of the optimizer, (cells, seeds, P) or (cells, 1, 1).
    seeds, entropy : int
    """

    model: Model
    losses: Losses
    before: Any
    after: Any
    made: Sequence[Optimizer]
    rows: Mapping[str, Any]
    seeds: int
    entropy: int

    def vector(self, seed: int, count: int) -> Any:
        """Return a random vector (count,)."""
        drawn = normals(self.entropy, seed, count, "probe")
        return torch.tensor(drawn, dtype=self.after.dtype, device=self.after.device)


def preconditioner(state: State) -> Any:
    """Return the diagonal D (C, P) of the steps of Adam: x moves by lr D^(-1) (its mean of gradients).

    D_t = (1 - beta1^t) (sqrt(v_t / (1 - beta2^t)) + eps) with bias correction (Cohen et al. 2022, equation 2);
    without, the factors are 1.
    """
    cells, seeds = len(state.made), state.seeds
    if "v" not in state.rows or "eps_outside" not in state.made[0].hyper:
        raise ValueError(f"{state.made[0].name} has no preconditioner sqrt(v) + eps; probe adam.")

    def column(name: str) -> Any:
        values = np.array([one.hyper[name] for one in state.made])[:, None, None]
        return torch.tensor(values, device=state.after.device)

    one = torch.ones((), dtype=torch.float64)
    c1, c2 = (state.rows.get(name, one).double() for name in ("c1", "c2"))
    root = (state.rows["v"].double() / c2 + column("eps_inside")).sqrt()
    return (c1 * (root + column("eps_outside"))).reshape(cells * seeds, -1)


def sharpness(state: State) -> dict[str, Array]:
    """Return ``sharpness``, the largest eigenvalue of H, and ``preconditioned``, that of D^(-1) H, each (C,)."""
    product = hessian(state.losses, state.after)
    start = state.vector(0, state.after.shape[1]).expand_as(state.after)
    maps = {"sharpness": product, "preconditioned": preconditioned(product, preconditioner(state))}
    return {name: lanczos(one, start, _NODES["sharpness"])[0][:, -1] for name, one in maps.items()}


def smoothness(state: State) -> dict[str, Array]:
    """Return ``gradient_norm`` before the last step and ``smoothness`` along it, each (C,).

    The latter is max over s of ||grad f(x + s d) - grad f(x)|| / (s ||d||), d the step (Zhang et al. 2020,
    arXiv:1905.11881, the estimate of its experiments, at four s in (0, 1]).
    """

    def gradient(x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(state.losses(x).sum(), x)[0]

    step, here = state.after - state.before, gradient(state.before)
    length = step.norm(dim=1)
    found = [(gradient(state.before + s * step) - here).norm(dim=1) / (s * length) for s in _ALONG]
    return {
        "gradient_norm": here.norm(dim=1).cpu().numpy(),
        "smoothness": torch.stack(found).amax(0).cpu().numpy(),
    }


def spectrum(state: State) -> dict[str, Array]:
    """Return ``nodes`` and ``weights`` (C, block, node) of the spectrum of each diagonal block of H.

    A block is a matrix of the network (Zhang et al. 2024, arXiv:2402.16788); the quadratures of four random
    vectors follow one another, each with a quarter of the weight.
    """
    # The vectors are cells of their own: one product with all of them.
    points = state.after.repeat(_DRAWS, 1)
    product, ends = hessian(state.losses, points), np.cumsum(state.model.sizes)
    blocks = [
        (a, b)
        for name, a, b in zip(state.model.shapes, ends - state.model.sizes, ends, strict=True)
        if name in state.model.matrices
    ]
    out: dict[str, list[Array]] = {"nodes": [], "weights": []}
    for a, b in blocks:

        def within(v: Any, a: int = a, b: int = b) -> Any:
            whole = torch.zeros_like(points)
            whole[:, a:b] = v
            return product(whole)[:, a:b]

        start = torch.cat([state.vector(i, b - a).expand(len(state.after), -1) for i in range(_DRAWS)])
        found = lanczos(within, start, min(_NODES["spectrum"], b - a))
        for key, values in zip(out, found, strict=True):
            parts = np.split(np.pad(values, ((0, 0), (0, _NODES["spectrum"] - values.shape[1]))), _DRAWS)
            out[key].append(np.concatenate(parts, axis=1) / (_DRAWS if key == "weights" else 1))
    return {key: np.stack(parts, axis=1) for key, parts in out.items()}


PROBES: dict[str, Callable[[State], dict[str, Array]]] = {
    "sharpness": sharpness,
    "smoothness": smoothness,
    "spectrum": spectrum,
}

"""Federated averaging with a server step set by its hypergradient (FedHyper), on quadratic clients.

Client i has f_i(w) = sum_j h_ij (w_j - c_ij)^2/2.  K local steps of size lr move w to c_i + (1 - lr h_i)^K (w - c_i), in
closed form; every client stands at its own point meanwhile, which a rule of the engine, that sees gradients at one
point, cannot express.  So this is a recursion in numpy.

With w_{t+1} = w_t + alpha Delta_t, d f(w_{t+1})/d alpha = <grad f(w_{t+1}), Delta_t>, and -Delta_{t+1} stands for the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Clients:
    """Curvatures h and minimisers c of the clients, both of shape (clients, d)."""

    h: FloatArray
    c: FloatArray

    @property
    def optimum(self) -> FloatArray:
        """The minimiser of the mean of all clients, shape (d,)."""
        return np.asarray(np.sum(self.h * self.c, axis=0) / np.sum(self.h, axis=0))

    def value(self, w: FloatArray) -> float:
        """Return the mean of f_i(w)."""
        return float(np.mean(np.sum(self.h * (w - self.c) ** 2, axis=1)) / 2.0)

    def gradient(self, w: FloatArray) -> FloatArray:
        """Return the mean of the gradients at w, shape (d,)."""
        return np.asarray(np.mean(self.h * (w - self.c), axis=0))

    def update(self, w: FloatArray, lr: float, local: int) -> FloatArray:
        """Return Delta, the mean of what `local` steps of the clients add to w, shape (d,)."""
        return np.asarray(np.mean(((1.0 - lr * self.h) ** local - 1.0) * (w - self.c), axis=0))


def clients(count: int = 10, d: int = 20, spread: float = 0.1, scale: float = 1.0, seed: int = 0) -> Clients:
    """Return clients with curvatures uniform on (.05, 1) and minimisers scale (c + spread e_i), c and e_i normal."""
    random = np.random.default_rng([2310, checks.count("seed", seed, 0)])
    h = random.uniform(0.05, 1.0, (checks.count("count", count), checks.count("d", d)))
    c = random.standard_normal(d) + checks.number("spread", spread, 0.0) * random.standard_normal((count, d))
    return Clients(h, checks.number("scale", scale, 0.0, open_low=True) * c)


def distances(
    some: Clients, lr: float, rounds: int, *, adapted: bool, local: int = 5, clip: float = 3.0
) -> FloatArray:
    """Return the distance from the optimum, over that of the start 0, after 0 ... `rounds` rounds.

    Parameters
    ----------
    some : Clients
    lr : float
        Local step.
    rounds : int
    adapted : bool
        False: FedAvg, alpha = 1.  True: FedHyper-G, alpha_t = alpha_{t-1} + <Delta_t, Delta_{t-1}>, clipped to
        [1/clip, clip] (Wang, Wang, Li 2024, arXiv:2310.03156).
    local : int
        Local steps of a round.
    clip : float
    """
    w, alpha, before = np.zeros(some.c.shape[1]), 1.0, None
    found = [w]
    for _ in range(rounds):
        delta = some.update(w, lr, local)
        if adapted and before is not None:
            alpha = min(max(alpha + float(delta @ before), 1.0 / clip), clip)
        w, before = w + alpha * delta, delta
        found.append(w)
    away = np.linalg.norm(np.array(found) - some.optimum, axis=1)
    return np.asarray(away / away[0])


def rounds_to(share: float, path: FloatArray) -> int:
    """Return the first round whose distance is at most a share of that of the start, -1 if there is none."""
    reached = np.nonzero(path <= share)[0]
    return int(reached[0]) if len(reached) else -1

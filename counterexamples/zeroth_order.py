"""Gradients estimated from two values of the loss: SPSA, the oracle of zeroth-order methods.

ghat = [f(x + eps z) - f(x - eps z)]/(2 eps) z with random z (Spall 1992; Malladi et al. 2023, arXiv:2305.17333,
Definition 1).  Here the estimate is what a problem hands out as its gradient, so that every optimizer of the
suite becomes its zeroth-order variant, and `workers` = n averages n draws of z: MeZO is `sgd` on it.  On a
quadratic the difference is (g . z), exactly for every eps, so that ghat is the forward gradient (g . z) z.

For E over z ~ N(0, I) in d dimensions, n draws, and any symmetric H:

    E ghat = g,    E ||ghat||^2 = (d + n + 1)/n ||g||^2,
    E ghat^T H ghat = (tr(H) ||g||^2 + (n + 1) g^T H g)/n;

with z uniform on the sphere of radius sqrt(d) the first is still g, the others for n = 1 shrink by d/(d + 2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "malladi2023"
RULE = Rule("gap", converged=0.1, diverged=2.0, relative=True)
LAWS = ("gaussian", "sphere")

FloatArray = NDArray[np.float64]


def value(x: float, h: float, quartic: float) -> float:
    """h (x^2/2 + quartic x^4/24)."""
    return h * x * x * (0.5 + quartic * x * x / 24.0)


def spsa_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """A two-point estimate for each worker; rows of theta: h, then eps, sphere, quartic."""
    workers, d, lanes = out.shape
    for worker in range(workers):
        for lane in range(lanes):
            eps, sphere, quartic = theta[d, lane], theta[d + 1, lane], theta[d + 2, lane]
            square = 0.0
            for i in range(d):
                u, v = noise[(2 * worker) * d + i, lane], noise[(2 * worker + 1) * d + i, lane]
                z = math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(6.283185307179586 * v)
                out[worker, i, lane] = z
                square += z * z
            radius = math.sqrt(d / square) if sphere == 1.0 and square > 0.0 else 1.0
            difference = 0.0
            for i in range(d):
                z = eps * radius * out[worker, i, lane]
                up = value(x[i, lane] + z, theta[i, lane], quartic)
                difference += up - value(x[i, lane] - z, theta[i, lane], quartic)
            slope = difference / (2.0 * eps)
            for i in range(d):
                out[worker, i, lane] *= radius * slope


def _terms(x: float, h: float, quartic: float) -> tuple[float, float]:
    slope = h * x * (1.0 + quartic * x * x / 6.0)
    return value(x, h, quartic), slope * slope


def _measures(gap: float, square: float) -> tuple[float, float]:
    return gap, math.sqrt(square)


@family
def spsa(
    d: int = 10,
    rank: int = 0,
    rest: float = 1e-6,
    eps: float = 1e-3,
    quartic: float = 0.0,
    *,
    law: str = "gaussian",
) -> Problem:
    """f = sum h_i (x_i^2/2 + quartic x_i^4/24), known through differences of its values only, from x_1 = (1, ..., 1).

    Parameters
    ----------
    d : int
        Coordinates.
    rank : int
        The first so many have h_i = 1, the others h_i = rest/d; 0 means all.
    rest : float
        >= 0.
    eps : float
        > 0, half the distance of the two points in units of ||z||.
    quartic : float
        >= 0; 0 is the quadratic, where eps plays no part.
    law : {"gaussian", "sphere"}
        Of z: normal, or uniform on the sphere of radius sqrt(d).

    Returns
    -------
    Problem
        Measures: gap f, gradient_norm.  Facts of the quadratic: L, mu, and effective_rank = tr(H)/L.

    Notes
    -----
    For practitioners: on the Hessian of a fine-tuned network, whose eigenvalues fall fast, the number of steps
    follows tr(H)/L and not the number of parameters, and so does the largest stable lr, about 2/(tr(H) + 2 L).
    That is what this quadratic shows; that networks have such Hessians is an observation of the paper, not of
    the toy.
    """
    checks.count("d", d)
    checks.count("rank", rank, 0, d)
    checks.number("rest", rest, 0.0)
    checks.known("law", law, LAWS)
    h = np.full(d, 1.0)
    h[rank or d :] = rest / d
    constants: dict[str, float | tuple[float, ...]] = {
        "h": tuple(h.tolist()),
        "eps": checks.number("eps", eps, 0.0, open_low=True),
        "sphere": float(LAWS.index(law)),
        "quartic": checks.number("quartic", quartic, 0.0),
    }
    facts = {"L": 1.0, "mu": float(h.min()), "effective_rank": float(h.sum())}
    return Problem(
        name="zeroth_order.spsa",
        gradient=spsa_gradient,
        constants=constants,
        dim=d,
        draws=2 * d,
        reductions={("gap", "square"): total(_terms)},
        measure=_measures,
        measures=("gap", "gradient_norm"),
        start=1.0,
        optimum=0.0,
        rule=RULE,
        facts=facts if quartic == 0.0 else {},
        paper=PAPER,
    )


def expected_gap(h: ArrayLike, lr: float, steps: int, *, law: str = "gaussian", draws: int = 1) -> FloatArray:
    """Return E f(x_t) of gradient descent with ghat on f = sum h_i x_i^2/2 from x = (1, ..., 1), t = 0 ... steps.

    The second moments M_i = E x_i^2 follow a linear recursion: with g_i = h_i x_i,
    E ghat_i^2 = (k (||g||^2 + 2 g_i^2) + (n - 1) g_i^2)/n with k = 1, on the sphere d/(d + 2).

    Parameters
    ----------
    h : array_like, shape (d,)
    lr : float
    steps : int
    law : {"gaussian", "sphere"}
    draws : int
        n.
    """
    h = np.asarray(h, dtype=float)
    factor = len(h) / (len(h) + 2.0) if law == "sphere" else 1.0
    M, found = np.ones(len(h)), np.empty(steps + 1)
    for t in range(steps + 1):
        found[t] = 0.5 * (h * M).sum()
        square = h * h * M
        second = (factor * (square.sum() + 2.0 * square) + (draws - 1) * square) / draws
        M = M - 2.0 * lr * h * M + lr * lr * second
    return found


PROBLEMS = [spsa]

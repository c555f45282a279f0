"""Quadratics with full matrices: diagonal blocks of chosen spectra, dense and rotated Hessians, regression.

f(x) = (x - c)^T H (x - c)/2.  Zhang et al., "Why Transformers Need Adam" (NeurIPS 2024, arXiv:2402.16788) put
the same eigenvalues into diagonal blocks in two ways: blocks that differ in their spectra, as those of a
Transformer do, and blocks that are alike, as those of a convolutional network.  Gradient descent sees no
difference; Adam's preconditioner is diagonal and does.  `counterexamples.preconditioning` has the oracles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterexamples.preconditioning import least, preconditioned, spread
from counterexamples.spectra import assembled, block_spectra, orthogonal, rotated
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import product, total

PAPER = "zhang2024transformers"
RULE = Rule("gradient_norm", converged=0.1, diverged=2.0, relative=True)

FloatArray = NDArray[np.float64]

SPECTRA = ("log_uniform", "wishart", "diagonal")


def _away(x: float, centre: float) -> float:
    return x - centre


def _slope(pull: float) -> float:
    """Entry i of H (x - c)."""
    return pull


def _terms(x: float, centre: float, pull: float) -> tuple[float, float]:
    return 0.5 * (x - centre) * pull, pull * pull


def _measures(gap: float, square: float) -> tuple[float, float]:
    # Rounding may leave a sum of large terms below 0.
    return max(gap, 0.0), math.sqrt(square)


def _quadratic(
    name: str, hessian: FloatArray, start: ArrayLike, facts: Mapping[str, float], paper: str = PAPER
) -> Problem:
    d = len(hessian)
    return Problem(
        name=name,
        gradient=_slope,
        constants={"centre": (0.0,) * d},
        dim=d,
        reductions={"pull": product("H", _away), ("gap", "square"): total(_terms)},
        measure=_measures,
        measures=("gap", "gradient_norm"),
        matrices={"H": hessian},
        start=tuple(np.broadcast_to(np.asarray(start, dtype=float), (d,)).tolist()),
        optimum=0.0,
        rule=RULE,
        facts=facts,
        paper=paper,
    )


def _of_spectrum(hessian: FloatArray) -> dict[str, float]:
    low, *_, high = np.linalg.eigvalsh(hessian).tolist() if len(hessian) > 1 else [hessian.item()] * 2
    return {"L": high, "mu": low, "kappa": high / low, "trace": float(np.trace(hessian))}


@family
def quadratic(hessian: Sequence[Sequence[float]] = ((2.0, 1.0), (1.0, 2.0)), x0: Any = 1.0) -> Problem:
    """f = x^T H x/2 for any positive definite H.

    Parameters
    ----------
    hessian : array_like, shape (d, d)
        H, symmetric and positive definite.
    x0 : float or array_like, shape (d,)
        Start.

    Returns
    -------
    Problem
        Measures: gap f - f*, gradient_norm.  Facts: L, mu, kappa, trace.

    Raises
    ------
    ValueError
        If H is not symmetric and positive definite.
    """
    H = np.asarray(hessian, dtype=float)
    if H.ndim != 2 or H.shape[0] != H.shape[1] or not np.array_equal(H, H.T):
        raise ValueError(f"hessian has shape {H.shape}; give a symmetric matrix.")
    facts = _of_spectrum(H)
    if not facts["mu"] > 0.0:
        raise ValueError(
            f"hessian has the eigenvalue {facts['mu']:g}; a strictly convex quadratic has positive ones."
        )
    return _quadratic("quadratics.quadratic", H, x0, facts)


@family
def diagonal(curvatures: Sequence[float] = (1.0, 5000.0), x0: Any = None) -> Problem:
    """f = sum lambda_i x_i^2/2.

    Parameters
    ----------
    curvatures : sequence of float
        lambda_i > 0.
    x0 : float or array_like, shape (d,), optional
        Start; by default the worst one for gradient descent, lambda_i x_i = 1.

    Returns
    -------
    Problem
        Measures: gap, gradient_norm.  Facts: L, mu, kappa, trace; balanced, 1 if all lambda_i x_i are equal.
    """
    values = np.array([checks.number("curvatures", one, 0.0, open_low=True) for one in curvatures])
    start = 1.0 / values if x0 is None else np.broadcast_to(np.asarray(x0, dtype=float), values.shape)
    # 1/lambda is rounded, so lambda x is 1 up to that.
    alike = np.ptp(values * start) <= 1e-15 * np.abs(values * start).max()
    facts = {**_of_spectrum(np.diag(values)), "balanced": float(alike)}
    return _quadratic("quadratics.diagonal", np.diag(values), start, facts)


@family
def blocks(
    arrangement: str = "heterogeneous", size: int = 3, instance: int = 0, *, scaled: bool = False
) -> Problem:
    """Three dense diagonal blocks with the eigenvalues 1, 2, 3, 99, 100, 101, 4998, 4999, 5000 (2402.16788, section 3).

    H_l = Q_l diag(lambda) Q_l^T with Q_l orthogonal and uniform, and x_1 normal.

    Parameters
    ----------
    arrangement : {"heterogeneous", "homogeneous"}
        Blocks {1, 2, 3}, {99, 100, 101}, {4998, 4999, 5000}, or blocks {1, 99, 4998}, {2, 100, 4999}, {3, 101, 5000}.
    size : int
        Coordinates of a block, a multiple of 3: each value occurs size/3 times.  3 makes 9 dimensions, 30 makes 90.
    instance : int
        Number of the random bases and start.
    scaled : bool
        Whether the start is scaled so that min_l c_l = 1 + 1e-12 (`counterexamples.preconditioning`): then lr = 1 is the step of the
        theorem on Adam with a fixed preconditioner.

    Returns
    -------
    Problem
        Measures: gap, gradient_norm.  Facts: L, mu, kappa; kappa_block, the largest condition number of a block;
        least and spread_block, the step and the r of the theorem; kappa_pre, the condition number that Adam's
        preconditioner leaves.
    """
    checks.count("size", size, 3)
    if size % 3:
        raise ValueError(f"size = {size} must be a multiple of 3, the number of eigenvalues of a block.")
    values = block_spectra(arrangement, size)
    random = np.random.default_rng([2402, checks.count("instance", instance, 0)])
    parts = rotated(values, orthogonal(random, 3, size))
    start = random.standard_normal((3, size))
    gradient = np.einsum("lij,lj->li", parts, start)
    top = values.max(axis=1)
    if checks.flag("scaled", scaled):
        # A trifle more, so that rounding leaves min_l c_l at 1 or above.
        scale = (1.0 + 1e-12) / float(least(gradient, top))
        start, gradient = start * scale, gradient * scale
    facts = {
        "L": float(values.max()),
        "mu": float(values.min()),
        "kappa": float(values.max() / values.min()),
        "kappa_block": float((top / values.min(axis=1)).max()),
        "spread_block": float(spread(gradient, top)),
        "least": float(least(gradient, top)),
        "kappa_pre": float(preconditioned(parts, gradient)),
    }
    return _quadratic("quadratics.blocks", assembled(parts), start.ravel(), facts)


@family
def dense(d: int = 20, spectrum: str = "wishart", kappa: float = 500.0, instance: int = 0) -> Problem:
    """One dense block, as Adam-mini's case studies have it (arXiv:2406.16793, section 2).

    Parameters
    ----------
    d : int
        >= 2.
    spectrum : {"log_uniform", "wishart", "diagonal"}
        Eigenvalues from 1 to kappa, evenly spaced in their logarithm, in a uniform basis; the covariance matrix of
        2 d normal samples; the first ones without rotation.
    kappa : float
        Condition number, > 1; wishart has its own.
    instance : int
        Number of the random basis and start.

    Returns
    -------
    Problem
        Measures: gap, gradient_norm.  Facts: L, mu, kappa, trace.
    """
    checks.count("d", d, 2)
    checks.known("spectrum", spectrum, SPECTRA)
    checks.number("kappa", kappa, 1.0, open_low=True)
    random = np.random.default_rng([2406, checks.count("instance", instance, 0)])
    values = np.logspace(0.0, math.log10(kappa), d)
    if spectrum == "wishart":
        samples = random.standard_normal((d, 2 * d))
        H = samples @ samples.T / (2 * d)
        H = 0.5 * (H + H.T)
    else:
        H = np.diag(values) if spectrum == "diagonal" else rotated(values, orthogonal(random, d))
    return _quadratic("quadratics.dense", H, random.standard_normal(d), _of_spectrum(H), "zhang2024mini")


PROBLEMS = [quadratic, diagonal, blocks, dense]

"""Toys of fine-tuning, for methods that should stop near the pre-trained point where they start.

Chen et al., "MoFO: Momentum-Filtered Optimizer for Mitigating Forgetting in LLM Fine-Tuning"
(arXiv:2407.20999).  The fine-tuning loss has many minimisers; what differs is which one is reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterexamples.objectives import bowl_slope
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import norm, product, total

PAPER = "chen2024mofo"
RULE = Rule("gradient_norm", converged=0.1, diverged=2.0, relative=True)

FloatArray = NDArray[np.float64]


def hyperplanes_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """2 a_i r_i prod_{j != i} r_j^2 with r_i = a_i x_i - b_i; rows of theta: a, then b."""
    workers, d, lanes = out.shape
    for worker in range(workers):
        for i in range(d):
            for lane in range(lanes):
                out[worker, i, lane] = (
                    2.0 * theta[i, lane] * (theta[i, lane] * x[i, lane] - theta[d + i, lane])
                )
            for j in range(d):
                for lane in range(lanes):
                    r = theta[j, lane] * x[j, lane] - theta[d + j, lane]
                    out[worker, i, lane] *= r * r if j != i else 1.0


def _residual_square(x: float, a: float, b: float) -> float:
    return math.log((a * x - b) * (a * x - b)) if a * x != b else -math.inf


def _distance(x: float) -> float:
    return x


def _of_hyperplanes(log_loss: float, distance: float) -> tuple[float, float]:
    return math.exp(log_loss), distance


@family
def hyperplanes(a: Sequence[float] = (1.0, 1.2), b: Sequence[float] = (1.0, 1.0)) -> Problem:
    """f = prod_i (a_i x_i - b_i)^2, whose minimisers are the d hyperplanes x_i = b_i/a_i; the pre-trained point is 0.

    Parameters
    ----------
    a, b : sequence of float
        Not 0, one of each per coordinate.

    Returns
    -------
    Problem
        Measures: gap f, distance ||x|| from the start.  Facts: nearest, the distance of the nearest hyperplane.

    Notes
    -----
    The form is recalled, not read: whatever it is in the paper, its point is that moving one coordinate reaches
    the nearest minimiser and moving all of them a farther one.
    """
    if np.ndim(a) != 1 or np.shape(a) != np.shape(b) or len(a) == 0:
        raise ValueError(f"a = {a!r} and b = {b!r} must be lists of the same length >= 1.")
    rows = {"a": tuple(map(float, a)), "b": tuple(map(float, b))}
    if not all(rows["a"]) or not all(rows["b"]):
        raise ValueError(f"a = {a!r} and b = {b!r} must have no 0; the start would be on a hyperplane.")
    return Problem(
        name="finetuning.hyperplanes",
        gradient=hyperplanes_gradient,
        constants=rows,
        dim=len(a),
        reductions={"log_loss": total(_residual_square), "distance": norm(_distance)},
        measure=_of_hyperplanes,
        measures=("gap", "distance"),
        unjudged="Every run ends at some minimiser; its claims ask which.",
        facts={"nearest": min(abs(v / u) for u, v in zip(rows["a"], rows["b"], strict=True))},
        paper=PAPER,
    )


def _away(x: float, centre: float) -> float:
    return x - centre


def _mean(image: float, n: float) -> float:
    return image / n


def _slope(pull: float) -> float:
    return pull


def _regression_terms(
    x: float, centre: float, origin: float, pull: float
) -> tuple[float, float, float, float, float]:
    moved = x - origin
    return (
        0.5 * (x - centre) * pull,
        pull * pull,
        moved * moved,
        abs(moved),
        1.0 if moved != 0.0 else 0.0,
    )


def _regression_measures(
    gap: float, square: float, moved: float, moved_l1: float, touched: float
) -> tuple[float, float, float, float, float]:
    return max(gap, 0.0), math.sqrt(square), math.sqrt(moved), moved_l1, touched


@family
def regression(d: int = 200, n: int = 50, instance: int = 0) -> Problem:
    """Least squares with more weights than data, f = ||A x - y||^2/(2 n), from pre-trained weights w0.

    A_ij ~ N(0, 1)/sqrt(d), w0 ~ N(0, I), y = A w0 + N(0, I).

    Parameters
    ----------
    d : int
        Weights.
    n : int
        Data, < d, so that the minimum is 0.
    instance : int
        Number of the random data.

    Returns
    -------
    Problem
        Measures: gap f; gradient_norm; from w0 the distance in the 2-norm, distance_l1, and touched, how many
        weights have moved.  Facts: nearest, the distance of the nearest minimiser; L.
    """
    checks.count("n", n)
    if checks.count("d", d) <= n:
        raise ValueError(f"d = {d} must exceed n = {n}: with fewer weights than data the minimum is not 0.")
    random = np.random.default_rng([2407, checks.count("instance", instance, 0)])
    A = random.standard_normal((n, d)) / math.sqrt(d)
    origin = random.standard_normal(d)
    # The nearest minimiser, A c = y: then A (x - c) are the residuals.
    shift = np.linalg.lstsq(A, random.standard_normal(n), rcond=None)[0]
    return Problem(
        name="finetuning.regression",
        gradient=_slope,
        constants={
            "n": float(n),
            "centre": tuple((origin + shift).tolist()),
            "origin": tuple(origin.tolist()),
        },
        dim=d,
        reductions={
            "image": product("A", _away),
            "pull": product("A", _mean, transposed=True),
            ("gap", "square", "moved", "moved_l1", "touched"): total(_regression_terms),
        },
        measure=_regression_measures,
        measures=("gap", "gradient_norm", "distance", "distance_l1", "touched"),
        matrices={"A": A},
        start=tuple(origin.tolist()),
        rule=RULE,
        facts={"nearest": float(np.linalg.norm(shift)), "L": float(np.linalg.norm(A, 2) ** 2 / n)},
        paper=PAPER,
    )


def _coordinate(x: float) -> float:
    return x


def _one() -> float:
    return 1.0


def _bowl_mean(image: float, target: float, n: float) -> float:
    return bowl_slope(image - target) / n


@family
def bowls(d: int = 20, n: int = 40, instance: int = 0) -> Problem:
    """f = mean of h(a_k . x - b_k), h(z) = z^2/(1 + z^2): smooth, bounded, not convex, with bounded gradients.

    Parameters
    ----------
    d, n : int
        Coordinates and residuals; a_k ~ N(0, I), b_k ~ N(0, 1), and x_1 = 0.
    instance : int
        Number of the random data.

    Returns
    -------
    Problem
    """
    random = np.random.default_rng([2407, 1, checks.count("instance", instance, 0)])
    A = random.standard_normal((checks.count("n", n), checks.count("d", d)))
    return Problem(
        name="finetuning.bowls",
        gradient=_slope,
        constants={"n": float(n)},
        dim=d,
        reductions={
            "image": product("A", _coordinate),
            "target": product("b", _one),
            "pull": product("A", _bowl_mean, transposed=True),
        },
        unjudged="Its claim follows the norm of the largest entries of the gradient.",
        matrices={"A": A, "b": random.standard_normal((n, 1))},
        paper=PAPER,
    )


def top_norm(gradient: ArrayLike, alpha: float) -> FloatArray:
    """Return ||g||_{1, top-alpha}, the sum of the ceil(alpha d) largest sizes of entries, over the last axis."""
    size = np.sort(np.abs(np.asarray(gradient, dtype=float)), axis=-1)
    return np.asarray(size[..., -math.ceil(alpha * size.shape[-1]) :].sum(axis=-1))


PROBLEMS = [hyperplanes, regression, bowls]

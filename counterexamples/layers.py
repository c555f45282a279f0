"""Quadratics made of layers of unequal curvature, for methods that normalise or select layers.

f(x) = scale sum_l x_l^T H_l x_l/2, and lambda_max(H_l) = L_l; layers do not interact.  You et al. 2020
(arXiv:1904.00962) bound the sum of the layers' gradient norms by the sum of the L_l, where gradient descent
has the largest of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from counterexamples.spectra import assembled, orthogonal, rotated
from theory_sim.nouns.family import family
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import product, total

PAPER = "you2020lamb"
RULE = Rule("layer_norms", converged=0.1, diverged=2.0, relative=True)

FloatArray = NDArray[np.float64]


def _coordinate(x: float) -> float:
    return x


def _slope(pull: float, noise: float) -> float:
    return pull + noise


def _uniform(u: float, spread: float) -> float:
    return spread * 3.4641016151377544 * (u - 0.5)


def _square(pull: float) -> float:
    return pull * pull


def _terms(x: float, pull: float, of_layer: float, size: float) -> tuple[float, float, float]:
    # every coordinate of a layer knows the layer's sum of squares
    return 0.5 * x * pull, math.sqrt(max(of_layer, 0.0)) / size, abs(pull) / math.sqrt(size)


def _measures(gap: float, norms: float, l1: float) -> tuple[float, float, float]:
    return max(gap, 0.0), norms, l1


def curvatures(count: int, instance: int) -> tuple[float, ...]:
    """Return random L_l, log-uniform from 0.01 to 1000."""
    return tuple((10.0 ** np.random.default_rng([1904, 1, instance]).uniform(-2.0, 3.0, count)).tolist())


@family
def quadratic(
    curvature: Sequence[float] = (),
    size: int = 6,
    instance: int = 0,
    *,
    least: float = 0.01,
    sigma: float = 0.0,
    scale: float = 1.0,
) -> Problem:
    """Layers of `size` coordinates whose largest curvatures L_l are chosen, or random over five decades.

    The eigenvalues of H_l are L_l, then spaced evenly in their logarithm down to least L_l, in a uniform basis;
    the start is normal, scaled so that f - f* = sum L_l/2.

    Parameters
    ----------
    curvature : sequence of float
        L_l > 0, one for each layer; by default five that `curvatures` draws for this instance.
    size : int
        Coordinates of a layer; with 1 every layer is its L_l alone.
    instance : int
        Number of the random curvatures, bases and start.
    least : float
        In (0, 1], the smallest eigenvalue of a layer over its largest.
    sigma : float
        Noise: uniform, with standard deviation sigma L_l in every coordinate of layer l.
    scale : float
        > 0, a factor of f, which normalised methods do not see.

    Returns
    -------
    Problem
        Measures: gap; layer_norms, sum_l ||grad_l f||; layer_l1, sum_l ||grad_l f||_1/sqrt(size).  Facts: L;
        L_layers = sum L_l; sigma_layers = sum_l of the norm of the standard deviations of a layer; gap.
    """
    checks.count("size", size)
    checks.count("instance", instance, 0)
    checks.number("least", least, 0.0, 1.0, open_low=True)
    checks.number("sigma", sigma, 0.0)
    checks.number("scale", scale, 0.0, open_low=True)
    tops = np.array(
        [checks.number("curvature", L, 0.0, open_low=True) for L in curvature or curvatures(5, instance)]
    )
    random, h = np.random.default_rng([1904, instance]), len(tops)
    values = tops[:, None] * np.logspace(0.0, math.log10(least), size)
    parts = rotated(values, orthogonal(random, h, size)) if size > 1 else values[:, :, None]
    start = random.standard_normal((h, size))
    energy = 0.5 * np.einsum("li,lij,lj->", start, parts, start)
    start *= math.sqrt(0.5 * tops.sum() / energy)
    spread = np.repeat(scale * sigma * tops, size)
    return Problem(
        name="layers.quadratic",
        gradient=_slope,
        constants={"size": float(size), "spread": tuple(spread.tolist())},
        dim=h * size,
        noise=Noise("uniform in layers", _uniform),
        reductions={
            "pull": product("H", _coordinate),
            "of_layer": product("layer", _square),
            ("gap", "norms", "l1"): total(_terms),
        },
        measure=_measures,
        measures=("gap", "layer_norms", "layer_l1"),
        matrices={"H": scale * assembled(parts), "layer": assembled(np.ones((h, size, size)))},
        start=tuple(start.ravel().tolist()),
        optimum=0.0,
        rule=RULE,
        facts={
            "L": float(scale * tops.max()),
            "L_layers": float(scale * tops.sum()),
            "sigma_layers": float(scale * sigma * math.sqrt(size) * tops.sum()),
            "gap": float(0.5 * scale * tops.sum()),
        },
        paper=PAPER,
    )


PROBLEMS = [quadratic]

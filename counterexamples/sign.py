"""Where taking the sign of a gradient fails, and the noisy quadratics on which it does not.

The counterexamples of Karimireddy, Rebjock, Stich, Jaggi 2019 (arXiv:1901.09847): a rare large gradient, a
kink, a sampled pair of squares, data that share a sign pattern, and least squares with private features.  A
kink has a subgradient to choose at a tie; ``tie`` names it, as ``at_zero`` names sign(0) in the optimizers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from counterexamples import reddi
from counterexamples.objectives import logarithm, logarithm_slope
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "karimireddy2019"
TIES = (-1.0, 0.0, 1.0)
# Signs cannot leave the line through the start on which the gap is constant; half of it is far from its end.
_STUCK = Rule("gap", converged=0.1, diverged=0.5, relative=True)
_FLOOR = (
    "Noise leaves a floor whose height depends on the step size; its claims compare averages over the path."
)


def _subgradient(z: float, tie: float) -> float:
    return 1.0 if z > 0.0 else (-1.0 if z < 0.0 else tie)


def _kink_slope(x0: float, x1: float, eps: float, tie: float) -> tuple[float, float]:
    """eps s (1, 1) + s' (1, -1), s and s' the subgradients at x1 + x2 and x1 - x2."""
    along, across = eps * _subgradient(x0 + x1, tie), _subgradient(x0 - x1, tie)
    return along + across, along - across


def _kink_measures(x0: float, x1: float, eps: float) -> tuple[float, float]:
    """f and x1 + x2."""
    return eps * abs(x0 + x1) + abs(x0 - x1), x0 + x1


def _pair_slope(x0: float, x1: float, index: int, eps: float) -> tuple[float, float]:
    """2 <a_i, x> a_i with a_i = +-(1, -1) + eps (1, 1)."""
    side = 1.0 if index == 0 else -1.0
    first, second = eps + side, eps - side
    product = 2.0 * (first * x0 + second * x1)
    return product * first, product * second


def _pair_measures(x0: float, x1: float, eps: float) -> tuple[float, float]:
    """f = 2 (x1 - x2)^2 + 2 eps^2 (x1 + x2)^2 and x1 + x2."""
    difference, part = x0 - x1, eps * (x0 + x1)
    return 2.0 * difference * difference + 2.0 * part * part, x0 + x1


def _regression_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """(<a_i, x> - b_i) a_i; the rows of theta are a (n, d), then b (n)."""
    workers, d, lanes = out.shape
    n = theta.shape[0] // (d + 1)
    for j in range(workers):
        for lane in range(lanes):
            i = idx[j, lane]
            residual = -theta[n * d + i, lane]
            for k in range(d):
                residual += theta[i * d + k, lane] * x[k, lane]
            for k in range(d):
                out[j, k, lane] = residual * theta[i * d + k, lane]


def _regression_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f, the mean of (<a_i, x> - b_i)^2/2."""
    d, lanes = x.shape
    n = theta.shape[0] // (d + 1)
    for lane in range(lanes):
        gap = 0.0
        for i in range(n):
            residual = -theta[n * d + i, lane]
            for k in range(d):
                residual += theta[i * d + k, lane] * x[k, lane]
            gap += 0.5 * residual * residual
        out[0, lane] = gap / n


def _private_features_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """X^T (X w - y)/n over the first half of the labels theta."""
    workers, d, lanes = out.shape
    n = theta.shape[0] // 2
    for j in range(workers):
        for k in range(d):
            for lane in range(lanes):
                out[j, k, lane] = 0.0
        for lane in range(lanes):
            for i in range(n):
                y = theta[i, lane]
                first = 3 + 5 * i
                last = first + (1 if y > 0.0 else 5)
                residual = y * x[0, lane] + x[1, lane] + x[2, lane] - y
                for k in range(first, last):
                    residual += x[k, lane]
                out[j, 0, lane] += residual * y / n
                out[j, 1, lane] += residual / n
                out[j, 2, lane] += residual / n
                for k in range(first, last):
                    out[j, k, lane] = residual / n


def _private_features_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Mean squared residuals on the first and on the second half."""
    lanes = x.shape[1]
    n = theta.shape[0] // 2
    for lane in range(lanes):
        for half in range(2):
            square = 0.0
            for i in range(half * n, half * n + n):
                y = theta[i, lane]
                residual = y * x[0, lane] + x[1, lane] + x[2, lane] - y
                for k in range(3 + 5 * i, 3 + 5 * i + (1 if y > 0.0 else 5)):
                    residual += x[k, lane]
                square += residual * residual
            out[half, lane] = square / n


def _normal(u: float, v: float, i: int, sigma: float, batch: float) -> float:
    """Mean of a batch, by Box and Muller; most coordinates of `sparse_noise` have none."""
    if sigma == 0.0:
        return 0.0
    angle = 6.283185307179586 * v
    wave = math.cos(angle) if i % 2 == 0 else math.sin(angle)
    return sigma * math.sqrt(-2.0 * math.log(1.0 - u) / batch) * wave


def _quadratic_slope(x: float, L: float, noise: float) -> float:
    return L * x + noise


def _quadratic_term(x: float, L: float) -> tuple[float, float, float]:
    slope = L * x
    return 0.5 * slope * x, abs(slope), slope * slope


def _quadratic_measures(gap: float, gradient_l1: float, gradient_square: float) -> tuple[float, float, float]:
    return gap, gradient_l1, gradient_square


def _skewed_slope(x: float, noise: float) -> float:
    return logarithm_slope(x) + noise


def _skewed_measures(gap: float, gradient_l1: float) -> tuple[float, float]:
    return gap, gradient_l1


@family
def linear(domain: bool = True) -> Problem:
    """First counterexample: E g = 1/4 on [-1, 1], g = 4 with probability 1/4, else -1, so E sign(g) = -1/2.

    Parameters
    ----------
    domain : bool
        Whether x is confined to [-1, 1].

    Returns
    -------
    Problem
        `reddi.stochastic` with C = 4, p = 1/4.  Measures: distance |x - x*|, gap (x - x*)/4, x* = -1.
    """
    base = reddi.stochastic(4.0, p=0.25, domain=domain)
    return replace(base, name="sign.linear", paper=PAPER)


@family
def kink(eps: float = 0.5, tie: float = 1.0) -> Problem:
    """Second counterexample: f = eps |x1 + x2| + |x1 - x2| from (1, 1), deterministic and not smooth.

    Parameters
    ----------
    eps : float
        In (0, 1).
    tie : {-1, 0, 1}
        The subgradient of each absolute value at 0.  With +-1 the sign of the subgradient is always
        +-(1, -1); with 0 it is (1, 1) at a tie x1 = x2, and the start is one.

    Returns
    -------
    Problem
        Measures: gap f, sum x1 + x2.  Facts: floor 2 eps, the least f on x1 + x2 = 2.
    """
    checks.number("eps", eps, 0.0, 1.0, open_low=True, open_high=True)
    if tie not in TIES:
        raise ValueError(f"tie = {tie!r} must be -1, 0 or 1, the subgradient of |z| at z = 0.")
    return Problem(
        name="sign.kink",
        gradient=_kink_slope,
        constants={"eps": eps, "tie": tie},
        dim=2,
        measure=_kink_measures,
        measures=("gap", "total"),
        start=1.0,
        optimum=0.0,
        rule=_STUCK,
        facts={"floor": 2.0 * eps},
        paper=PAPER,
    )


@family
def pair(eps: float = 0.5) -> Problem:
    """Third counterexample: f = <a1, x>^2 + <a2, x>^2, a_{1,2} = +-(1, -1) + eps (1, 1), from (1, 1).

    Parameters
    ----------
    eps : float
        In (0, 1), so that the signs of a1 and a2 are +-(1, -1).

    Returns
    -------
    Problem
        Two components, the gradients of the two squares; f is their sum.  Measures: gap f, sum x1 + x2.
        Facts: floor 8 eps^2, the least f on x1 + x2 = 2.
    """
    checks.number("eps", eps, 0.0, 1.0, open_low=True, open_high=True)
    return Problem(
        name="sign.pair",
        gradient=_pair_slope,
        constants={"eps": eps},
        dim=2,
        components=2,
        measure=_pair_measures,
        measures=("gap", "total"),
        start=1.0,
        optimum=0.0,
        rule=_STUCK,
        facts={"floor": 8.0 * eps * eps},
        paper=PAPER,
    )


@family
def common_signs(instance: int = 0, n: int = 20, d: int = 10) -> Problem:
    """The general class: realizable least squares whose data a_i = +-s * |a_i| share one sign pattern s.

    Parameters
    ----------
    instance : int
        Seed of s, the data, the solution and the start (`numpy.random.default_rng`).
    n, d : int
        Data points and coordinates; n >= d.

    Returns
    -------
    Problem
        n components (<a_i, x> - b_i)^2/2, f their mean, f* = 0.  Measure: gap.  Facts: s0, s1, ... the
        pattern, and floor, the least f on the line x_0 + span(s).
    """
    checks.count("instance", instance, 0)
    checks.count("d", d, 2)
    checks.count("n", n, d)
    rng = np.random.default_rng(instance)
    s = rng.choice([-1.0, 1.0], d)
    a = rng.choice([-1.0, 1.0], (n, 1)) * s * rng.uniform(0.1, 2.0, (n, d))
    b = a @ rng.normal(size=d)
    start = rng.normal(size=d)
    residual, slope = a @ start - b, a @ s
    rest = residual - slope * (slope @ residual) / (slope @ slope)
    return Problem(
        name="sign.common_signs",
        gradient=_regression_gradient,
        constants={
            **{f"a{i}": tuple(row) for i, row in enumerate(a.tolist())},
            **{f"b{i}": float(value) for i, value in enumerate(b)},
        },
        dim=d,
        components=n,
        measure=_regression_measure,
        measures=("gap",),
        unjudged="Where signs stop depends on the start; its claims compare the gap with the floor of the span.",
        start=tuple(start.tolist()),
        facts={**{f"s{k}": float(v) for k, v in enumerate(s)}, "floor": float(0.5 * np.mean(rest**2))},
        paper=PAPER,
    )


@family
def private_features(instance: int = 0, n: int = 100, p: float = 0.5) -> Problem:
    """Least squares on 2n labelled points, half for training, that only a minimum-norm solution generalises.

    Point i has the features y_i, 1, 1, then one of its own if y_i = 1 and five if y_i = -1, so d = 12 n.

    Parameters
    ----------
    instance : int
        Seed of the labels (`numpy.random.default_rng`).  Labels are independent, so that training on the
        first half is a random split.
    n : int
        Training points, >= 2.
    p : float
        P(y = 1), in (0, 1).

    Returns
    -------
    Problem
        Measures: train and test, mean squared residuals.  The gradient is that of half of `train`.

    Notes
    -----
    The construction follows Wilson et al. 2017 and the code released with Karimireddy et al. 2019.
    """
    checks.count("instance", instance, 0)
    checks.count("n", n, 2)
    checks.number("p", p, 0.0, 1.0, open_low=True, open_high=True)
    labels = np.where(np.random.default_rng(instance).random(2 * n) < p, 1.0, -1.0)
    return Problem(
        name="sign.private_features",
        gradient=_private_features_gradient,
        constants={f"y{i}": float(y) for i, y in enumerate(labels)},
        dim=12 * n,
        measure=_private_features_measure,
        measures=("train", "test"),
        unjudged="Every method fits the training half; its claims compare the losses on the other half.",
        paper=PAPER,
    )


def features(problem: Problem) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the data X (2n, d) and the labels y (2n,) of a `private_features` problem, training first."""
    y = np.array(list(problem.constants.values()))
    X = np.zeros((len(y), problem.dim))
    X[:, 0], X[:, 1:3] = y, 1.0
    for i, label in enumerate(y):
        X[i, 3 + 5 * i : (4 if label > 0.0 else 8) + 5 * i] = 1.0
    return X, y


@family
def quadratic(
    d: int = 100,
    low: float = 0.1,
    high: float = 2.0,
    sigma: float = 1.0,
    loud: float = 5.0,
    every: int = 10,
    batch: int = 1,
) -> Problem:
    """f = sum L_i x_i^2/2 from x_i = 1, with L_i from low to high and normal noise of a size per coordinate.

    Parameters
    ----------
    d : int
    low, high : float
        L_i = low + (high - low) i/(d - 1), 0 < low <= high.
    sigma, loud : float
        Standard deviation of the noise, >= 0: `loud` in coordinates 0, every, 2 every, ..., else `sigma`.
    every : int
    batch : int
        The noise is that of the mean of `batch` gradients: divided by sqrt(batch), exact for normal noise.

    Returns
    -------
    Problem
        Measures: gap, gradient_l1, gradient_square.  Facts: L_sum = sum L_i, L = max L_i,
        sigma_sum = sum sigma_i and sigma2 = sum sigma_i^2 of one gradient, gap = f(x_1).
    """
    checks.count("d", d)
    checks.number("low", low, 0.0, open_low=True)
    checks.number("high", high, low)
    checks.number("sigma", sigma, 0.0)
    checks.number("loud", loud, 0.0)
    checks.count("every", every)
    checks.count("batch", batch)
    L = low + (high - low) * np.arange(d) / max(d - 1, 1)
    spread = np.where(np.arange(d) % every == 0, loud, sigma)
    return Problem(
        name="sign.quadratic",
        gradient=_quadratic_slope,
        constants={"L": tuple(L.tolist()), "sigma": tuple(spread.tolist()), "batch": float(batch)},
        dim=d,
        noise=Noise("normal", _normal, draws=2, each="pair"),
        reductions={("gap", "gradient_l1", "gradient_square"): total(_quadratic_term)},
        measure=_quadratic_measures,
        measures=("gap", "gradient_l1", "gradient_square"),
        unjudged=_FLOOR,
        start=1.0,
        optimum=0.0,
        facts={
            "L_sum": float(L.sum()),
            "L": float(L.max()),
            "sigma_sum": float(spread.sum()),
            "sigma2": float((spread**2).sum()),
            "gap": float(0.5 * L.sum()),
        },
        paper="bernstein2018",
    )


@family
def sparse_noise(instance: int = 0) -> Problem:
    """The toy problem of signSGD: ||x||^2/2 in 100 coordinates, noise of deviation 100 on the first only.

    Parameters
    ----------
    instance : int
        Seed of the start, standard normal (`numpy.random.default_rng`).
    """
    checks.count("instance", instance, 0)
    start = np.random.default_rng(instance).normal(size=100)
    return replace(
        quadratic(100, 1.0, 1.0, 0.0, 100.0, 100),
        name="sign.sparse_noise",
        start=tuple(start.tolist()),
        facts={
            "L_sum": 100.0,
            "L": 1.0,
            "sigma_sum": 100.0,
            "sigma2": 1e4,
            "gap": 0.5 * float(start @ start),
        },
    )


@family
def skewed(large: float = 4.0, p: float = 0.2, *, d: int = 1) -> Problem:
    """f = sum |x| - ln(1 + |x|), |f'| < 1, with noise of mean 0 whose usual sign is wrong.

    Parameters
    ----------
    large : float
        Value of the noise with probability p; else it is -small = -p large/(1 - p).
    p : float
        In (0, 1/2).  With small >= 1 every usual gradient is negative, so signSGD moves up for ever.
    d : int
        Independent copies.

    Returns
    -------
    Problem
        Measures: gap, gradient_l1.  Facts: small.
    """
    checks.number("large", large, 0.0, open_low=True)
    checks.number("p", p, 0.0, 0.5, open_low=True, open_high=True)
    small = p * large / (1.0 - p)
    return Problem(
        name="sign.skewed",
        gradient=_skewed_slope,
        constants={"C": large, "small": small, "p": p},
        dim=checks.count("d", d),
        noise=replace(noise.TWO_POINT, each="coordinate", mean=None),
        reductions={("gap", "gradient_l1"): total(logarithm)},
        measure=_skewed_measures,
        measures=("gap", "gradient_l1"),
        optimum=0.0,
        # Every method starts at the minimiser; one that is driven away leaves it for ever.
        rule=Rule("gap", 0.1 * d, 1.0 * d),
        facts={"small": small, "L": 1.0},
        paper="bernstein2018",
    )


PROBLEMS = [linear, kink, pair, common_signs, private_features, quadratic, sparse_noise, skewed]

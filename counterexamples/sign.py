"""Where taking the sign of a gradient fails, and the noisy quadratics on which it does not.

The counterexamples of Karimireddy, Rebjock, Stich, Jaggi 2019 (arXiv:1901.09847): a rare large gradient, a kink, a
sampled pair of squares, data that share a sign pattern, and least squares with private features.  A kink has a
subgradient to choose at a tie; ``tie`` names it, as ``at_zero`` names sign(0) in the optimizers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from counterexamples import reddi
from theory_sim import checks
from theory_sim.nouns.problem import Problem

PAPER = "karimireddy2019"
TIES = (-1.0, 0.0, 1.0)


def kink_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """eps s1 (1, 1) + s2 (1, -1), s1 and s2 the signs of x1 + x2 and x1 - x2."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            eps = theta[0, lane]
            total = x[0, lane] + x[1, lane]
            difference = x[0, lane] - x[1, lane]
            s1 = 1.0 if total > 0.0 else (-1.0 if total < 0.0 else theta[1, lane])
            s2 = 1.0 if difference > 0.0 else (-1.0 if difference < 0.0 else theta[1, lane])
            out[j, 0, lane] = eps * s1 + s2
            out[j, 1, lane] = eps * s1 - s2


def kink_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f and x1 + x2."""
    for lane in range(x.shape[1]):
        total = x[0, lane] + x[1, lane]
        out[0, lane] = theta[0, lane] * abs(total) + abs(x[0, lane] - x[1, lane])
        out[1, lane] = total


def pair_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """2 <a_i, x> a_i with a_i = +-(1, -1) + eps (1, 1)."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            side = 1.0 if idx[j, lane] == 0 else -1.0
            first = theta[0, lane] + side
            second = theta[0, lane] - side
            product = 2.0 * (first * x[0, lane] + second * x[1, lane])
            out[j, 0, lane] = product * first
            out[j, 1, lane] = product * second


def pair_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f = 2 (x1 - x2)^2 + 2 eps^2 (x1 + x2)^2 and x1 + x2."""
    for lane in range(x.shape[1]):
        total = x[0, lane] + x[1, lane]
        difference = x[0, lane] - x[1, lane]
        part = theta[0, lane] * total
        out[0, lane] = 2.0 * difference * difference + 2.0 * part * part
        out[1, lane] = total


def regression_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def regression_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def private_features_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def private_features_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def quadratic_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """L_i x_i + sigma_i z/sqrt(batch), z normal by Box and Muller."""
    workers, d, lanes = out.shape
    pairs = (d + 1) // 2
    for j in range(workers):
        for i in range(d):
            u = 2 * (j * pairs + i // 2)
            for lane in range(lanes):
                L = theta[0, lane] + (theta[1, lane] - theta[0, lane]) * i / max(d - 1, 1)
                sigma = theta[3, lane] if i % int(theta[4, lane]) == 0 else theta[2, lane]
                error = 0.0
                if sigma > 0.0:
                    angle = 6.283185307179586 * noise[u + 1, lane]
                    wave = math.cos(angle) if i % 2 == 0 else math.sin(angle)
                    error = sigma * math.sqrt(-2.0 * math.log(1.0 - noise[u, lane]) / theta[5, lane]) * wave
                out[j, i, lane] = L * x[i, lane] + error


def quadratic_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f, ||grad f||_1 and ||grad f||^2."""
    d, lanes = x.shape
    for lane in range(lanes):
        out[0, lane] = 0.0
        out[1, lane] = 0.0
        out[2, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            L = theta[0, lane] + (theta[1, lane] - theta[0, lane]) * i / max(d - 1, 1)
            slope = L * x[i, lane]
            out[0, lane] += 0.5 * slope * x[i, lane]
            out[1, lane] += abs(slope)
            out[2, lane] += slope * slope


def skewed_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """x/(1 + |x|) + noise; noise = large with probability p, else -small."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                large = theta[0, lane]
                small = -theta[2, lane]
                error = large if noise[j * d + i, lane] < theta[1, lane] else small
                out[j, i, lane] = x[i, lane] / (1.0 + abs(x[i, lane])) + error


def skewed_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f = sum |x| - ln(1 + |x|) and ||grad f||_1."""
    d, lanes = x.shape
    for lane in range(lanes):
        gap = 0.0
        norm = 0.0
        for i in range(d):
            size = abs(x[i, lane])
            gap += size - math.log1p(size)
            norm += size / (1.0 + size)
        out[0, lane] = gap
        out[1, lane] = norm


def linear(domain: bool = True) -> Problem:
    """First counterexample: E g = 1/4 on [-1, 1], g = 4 with probability 1/4 and -1 else, so E sign(g) = -1/2.

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
    return replace(base, name="sign.linear", paper=PAPER, family=linear, arguments={"domain": domain})


def kink(eps: float = 0.5, tie: float = 1.0) -> Problem:
    """Second counterexample: f = eps |x1 + x2| + |x1 - x2| from (1, 1), deterministic and not smooth.

    Parameters
    ----------
    eps : float
        In (0, 1).
    tie : {-1, 0, 1}
        The subgradient of each absolute value at 0.  With +-1 the sign of the subgradient is always +-(1, -1); with 0
        it is (1, 1) at a tie x1 = x2, and the start is one.

    Returns
    -------
    Problem
        Measures: gap f, total x1 + x2.  Facts: floor 2 eps, the least f on x1 + x2 = 2.
    """
    checks.number("eps", eps, 0.0, 1.0, open_low=True, open_high=True)
    if tie not in TIES:
        raise ValueError(f"tie = {tie!r} must be -1, 0 or 1, the subgradient of |z| at z = 0.")
    return Problem(
        name="sign.kink",
        gradient=kink_gradient,
        constants={"eps": eps, "tie": tie},
        dim=2,
        measure=kink_measure,
        measures=("gap", "total"),
        start=1.0,
        optimum=0.0,
        facts={"floor": 2.0 * eps},
        paper=PAPER,
        family=kink,
        arguments={"eps": eps, "tie": tie},
    )


def pair(eps: float = 0.5) -> Problem:
    """Third counterexample: f = <a1, x>^2 + <a2, x>^2, a_{1,2} = +-(1, -1) + eps (1, 1), from (1, 1).

    Parameters
    ----------
    eps : float
        In (0, 1), so that the signs of a1 and a2 are +-(1, -1).

    Returns
    -------
    Problem
        Two components, the gradients of the two squares; f is their sum.  Measures: gap f, total x1 + x2.
        Facts: floor 8 eps^2, the least f on x1 + x2 = 2.
    """
    checks.number("eps", eps, 0.0, 1.0, open_low=True, open_high=True)
    return Problem(
        name="sign.pair",
        gradient=pair_gradient,
        constants={"eps": eps},
        dim=2,
        components=2,
        measure=pair_measure,
        measures=("gap", "total"),
        start=1.0,
        optimum=0.0,
        facts={"floor": 8.0 * eps * eps},
        paper=PAPER,
        family=pair,
        arguments={"eps": eps},
    )


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
        n components (<a_i, x> - b_i)^2/2, f their mean, f* = 0.  Measure: gap.  Facts: s0, s1, ... the pattern, and
        floor, the least f on the line x_0 + span(s).
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
    rows = {f"a{i}_{k}": float(a[i, k]) for i in range(n) for k in range(d)}
    return Problem(
        name="sign.common_signs",
        gradient=regression_gradient,
        constants={**rows, **{f"b{i}": float(value) for i, value in enumerate(b)}},
        dim=d,
        components=n,
        measure=regression_measure,
        measures=("gap",),
        start=tuple(start.tolist()),
        facts={**{f"s{k}": float(v) for k, v in enumerate(s)}, "floor": float(0.5 * np.mean(rest**2))},
        paper=PAPER,
        family=common_signs,
        arguments={"instance": instance, "n": n, "d": d},
    )


def private_features(instance: int = 0, n: int = 100, p: float = 0.5) -> Problem:
    """Least squares on 2n labelled points, half of them for training, that only a minimum-norm solution generalises.

    Point i has the features y_i, 1, 1, then one of its own if y_i = 1 and five if y_i = -1, in d = 12 n coordinates.

    Parameters
    ----------
    instance : int
        Seed of the labels (`numpy.random.default_rng`).  Labels are independent, so that training on the first half
        is a random split.
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
        gradient=private_features_gradient,
        constants={f"y{i}": float(y) for i, y in enumerate(labels)},
        dim=12 * n,
        measure=private_features_measure,
        measures=("train", "test"),
        paper=PAPER,
        family=private_features,
        arguments={"instance": instance, "n": n, "p": p},
    )


def features(problem: Problem) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the data X (2n, d) and the labels y (2n,) of a `private_features` problem; training comes first."""
    y = np.array(list(problem.constants.values()))
    X = np.zeros((len(y), problem.dim))
    X[:, 0], X[:, 1:3] = y, 1.0
    for i, label in enumerate(y):
        X[i, 3 + 5 * i : (4 if label > 0.0 else 8) + 5 * i] = 1.0
    return X, y


def quadratic(
    d: int = 100,
    low: float = 0.1,
    high: float = 2.0,
    sigma: float = 1.0,
    loud: float = 5.0,
    every: int = 10,
    batch: int = 1,
) -> Problem:
    """f = sum L_i x_i^2/2 from x_i = 1, with L_i from low to high and normal noise of its own size per coordinate.

    Parameters
    ----------
    d : int
    low, high : float
        L_i = low + (high - low) i/(d - 1), 0 < low <= high.
    sigma, loud : float
        Standard deviation of the noise, >= 0: `loud` in coordinates 0, every, 2 every, ..., `sigma` in the others.
    every : int
    batch : int
        The noise is that of the mean of `batch` gradients: divided by sqrt(batch), which for normal noise is exact.

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
        gradient=quadratic_gradient,
        constants={
            "low": low, "high": high, "sigma": sigma, "loud": loud, "every": float(every), "batch": float(batch)
        },
        dim=d,
        draws=2 * ((d + 1) // 2),
        measure=quadratic_measure,
        measures=("gap", "gradient_l1", "gradient_square"),
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
        family=quadratic,
        arguments={
            "d": d, "low": low, "high": high, "sigma": sigma, "loud": loud, "every": every, "batch": batch
        },
    )  # fmt: skip


def sparse_noise(instance: int = 0) -> Problem:
    """The toy problem of signSGD: ||x||^2/2 in 100 coordinates, noise of standard deviation 100 on the first only.

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
        family=sparse_noise,
        arguments={"instance": instance},
    )


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
        gradient=skewed_gradient,
        constants={"large": large, "p": p, "small": small},
        dim=checks.count("d", d),
        draws=d,
        measure=skewed_measure,
        measures=("gap", "gradient_l1"),
        optimum=0.0,
        facts={"small": small, "L": 1.0},
        paper="bernstein2018",
        family=skewed,
        arguments={"large": large, "p": p, "d": d},
    )


PROBLEMS = [linear, kink, pair, common_signs, private_features, quadratic, sparse_noise, skewed]

"""Methods that find their step size themselves: D-Adaptation, Prodigy, DoG, Mechanic.

All are for convex functions with bounded subgradients.  There the best constant step is D/(G sqrt(T)), and D, the
distance of the start from a minimiser, is what nobody knows; these methods estimate it from below on their way.
What they return is an average of the iterates, the state row "average"; the Dataset's x is where gradients are taken.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import largest, nonzero, of_beta, of_decay
from theory_sim.rules import checks
from theory_sim.rules.language import norm, total

FACTORS = (0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


def _square(g: float) -> float:
    return g * g


def _estimate(estimate: float) -> float:
    return estimate


def _begin(t: int, x: float, origin: float) -> float:
    """Return x_0, which the row keeps from the first step on."""
    return x if t == 1 else origin


# D-Adaptation, the dual averaging of Defazio and Mishchenko 2023.


def _weighted(t: int, d0: float, estimate: float, g: float, s: float) -> float:
    """s_{k+1} = s_k + d_k g_k."""
    return s + (d0 if t == 1 else estimate) * g


def _adapt(
    t: int, lr: float, d0: float, G: float, square: float, length: float,
    estimate: float, before: float, squares: float, penalty: float, weight: float,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """d_{k+1} = max(d_k, (gamma_{k+1} |s_{k+1}|^2 - sum_i gamma_i d_i^2 |g_i|^2)/(2 |s_{k+1}|))."""
    before = d0 if t == 1 else estimate
    # Without G the first step size is 1/|g_0|, as the second is.
    seen = G * G + squares if t > 1 or G > 0.0 else square
    penalty = penalty + lr / nonzero(math.sqrt(seen)) * before * before * square
    squares = squares + square
    rate = lr / nonzero(math.sqrt(G * G + squares))
    found = (rate * length * length - penalty) / (2.0 * nonzero(length))
    return largest(before, found), before, squares, penalty, weight + before


def _dadaptation(
    g: float, t: int, lr: float, G: float, x: float,
    before: float, squares: float, weight: float, origin: float, s: float, average: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """x_{k+1} = x_0 - gamma_{k+1} s_{k+1}."""
    origin = _begin(t, x, origin)
    s = s + before * g
    average = average + before / weight * (x - average)
    return origin - lr / nonzero(math.sqrt(G * G + squares)) * s, origin, s, average


# Prodigy, the dual averaging of Mishchenko and Defazio 2023.


def _squarely(t: int, d0: float, estimate: float, g: float, s: float) -> float:
    """s_{k+1} = s_k + d_k^2 g_k."""
    d = d0 if t == 1 else estimate
    return s + d * d * g


def _backwards(g: float, t: int, x: float, origin: float) -> float:
    return g * (_begin(t, x, origin) - x)


def _expedite(
    t: int, d0: float, square: float, inner: float, length: float,
    estimate: float, before: float, squares: float, numerator: float, weight: float,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """d_{k+1} = max(d_k, sum_i d_i^2 <g_i, x_0 - x_i>/|s_{k+1}|)."""
    before = d0 if t == 1 else estimate
    share = before * before
    squares, numerator = squares + share * square, numerator + share * inner
    return largest(before, numerator / nonzero(length)), before, squares, numerator, weight + share


def _prodigy(
    g: float, t: int, lr: float, G: float, x: float, estimate: float,
    before: float, squares: float, weight: float, origin: float, s: float, average: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """x_{k+1} = x_0 - s_{k+1}/sqrt(d_{k+1}^2 G^2 + sum_i d_i^2 |g_i|^2)."""
    origin = _begin(t, x, origin)
    share = before * before
    s = s + share * g
    average = average + share / weight * (x - average)
    return origin - lr / nonzero(math.sqrt(estimate * estimate * G * G + squares)) * s, origin, s, average


# Prodigy as an Adam, the released code.


def _decayed(t: int, lr: float, d0: float, beta2: float, estimate: float, g: float, s: float) -> float:
    """s = sqrt(beta2) s + (d^2/d0) lr g."""
    d = d0 if t == 1 else estimate
    return math.sqrt(beta2) * s + d / d0 * (d * lr) * g


def _size(t: int, lr: float, d0: float, beta2: float, estimate: float, g: float, s: float) -> float:
    return abs(_decayed(t, lr, d0, beta2, estimate, g, s))


def _expedite_adam(
    t: int, lr: float, d0: float, beta2: float, inner: float, length: float,
    estimate: float, before: float, numerator: float,
) -> tuple[float, float, float]:  # fmt: skip
    before = d0 if t == 1 else estimate
    numerator = math.sqrt(beta2) * numerator + before / d0 * (before * lr) * inner
    return largest(before, numerator / nonzero(length)), before, numerator


def _prodigy_adam(
    g: float, t: int, lr: float, d0: float, beta1: float, beta2: float, eps: float, weight_decay: float, x: float,
    estimate: float, before: float, origin: float, m: float, v: float, s: float,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """m and v are those of d g; the step is d lr m/(sqrt(v) + d eps)."""
    origin = _begin(t, x, origin)
    s = _decayed(t, lr, d0, beta2, before, g, s)
    m = beta1 * m + (1.0 - beta1) * (before * g)
    v = beta2 * v + (1.0 - beta2) * (before * g) * (before * g)
    step = before * lr
    return x - step * weight_decay * x - step * m / nonzero(math.sqrt(v) + estimate * eps), origin, m, v, s


# DoG, distance over gradients.


def _moved(t: int, x: float, origin: float) -> float:
    return x - _begin(t, x, origin)


def _reach(
    t: int, d0: float, square: float, moved: float, reach: float, squares: float, weight: float
) -> tuple[float, float, float]:
    """The largest distance from x_0 so far, the sum of squares, and the sum of all these distances."""
    reach = largest(d0 if t == 1 else reach, moved)
    return reach, squares + square, weight + reach


def _of_reach(reach: float) -> float:
    return reach


def _dog(
    g: float, t: int, lr: float, eps: float, decay: float, x: float,
    reach: float, squares: float, weight: float, origin: float, average: float,
) -> tuple[float, float, float]:  # fmt: skip
    share = (1.0 + decay) / (t + decay) if decay > 0.0 else reach / weight
    average = average + share * (x - average)
    return x - lr * reach * g / nonzero(math.sqrt(squares + eps)), _begin(t, x, origin), average


def mechanic_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Mechanic around SGD; rows origin, delta, average, then m, v, r, s of each factor, kept at coordinate 0.

    Hyper rows: s_init, weight_decay, eps.  A kernel, since the six tuners are a loop over rows, not over coordinates.
    """
    d, lanes = x.shape
    for lane in range(lanes):
        total_s, grad, point = 0.0, 0.0, 0.0
        for i in range(d):
            if t == 1:
                state[0, i, lane] = x[i, lane]
            grad += g[0, i, lane] * g[0, i, lane]
            point += x[i, lane] * x[i, lane]
        for j in range(6):
            total_s += state[6 + 4 * j, 0, lane]
        # g + lambda |g| (sum of s) x/|x|, the decay of the released code
        pull = hyper[1, lane] * math.sqrt(grad) * total_s / (math.sqrt(point) + hyper[2, lane])
        h = 0.0
        for i in range(d):
            h += state[1, i, lane] * (g[0, i, lane] + pull * x[i, lane])
        total_s = 0.0
        for j in range(6):
            beta = 1.0 - 10.0 ** -(j + 1.0)
            m = max(beta * state[3 + 4 * j, 0, lane], abs(h)) + 0.0 * h
            v = beta * beta * state[4 + 4 * j, 0, lane] + h * h
            r = max(beta * state[5 + 4 * j, 0, lane] + h * state[6 + 4 * j, 0, lane], 0.0)
            wealth = hyper[0, lane] / 6.0 * m + r
            s = wealth / (math.sqrt(v) + hyper[2, lane])
            state[3 + 4 * j, 0, lane], state[4 + 4 * j, 0, lane] = m, v
            state[5 + 4 * j, 0, lane], state[6 + 4 * j, 0, lane] = r, s
            total_s += s
        for i in range(d):
            state[2, i, lane] += (x[i, lane] - state[2, i, lane]) / t
            state[1, i, lane] += lr[lane] * g[0, i, lane]
            x[i, lane] = state[0, i, lane] - max(total_s, 0.0) * state[1, i, lane]


def _positive(**values: float) -> dict[str, float]:
    return {name: checks.number(name, value, 0.0, open_low=True) for name, value in values.items()}


@family
def dadaptation(
    lr: float = 1.0, d0: float = 1e-6, G: float = 0.0, *, schedule: Schedule = CONSTANT
) -> Optimizer:
    """D-Adaptation by dual averaging (Defazio, Mishchenko 2023, arXiv:2301.07733).

    It needs a first guess d0 of the distance D from the start to a minimiser, however small, and lets it grow to
    what the gradients seen so far prove.  On a convex function with exact subgradients the estimate never exceeds D.

    Parameters
    ----------
    lr : float
        > 0, a factor of the step sizes, 1 in the paper; the estimate stays below D for any.
    d0 : float
        First estimate, > 0 and <= D.
    G : float
        A bound on the norm of the gradients, where one is known; 0: the first gradient's stands for it.
    schedule : Schedule

    Notes
    -----
    Read the state row "average", which weighs x_k by d_k; the measure "estimate" is d_k.  What the toys support
    (`paper_checks.learning_rate_free`): the estimate ends near D/2, so its steps are too short by a factor 2 to 4, and
    the gap still doubles from d0 = 1e-2 to d0 = 1e-8 after 3000 steps.  Without convexity the estimate can exceed D
    without bound.  Nothing here tells how the Adam form of the released code does on a network.
    """
    return Optimizer(
        "D-Adaptation",
        _dadaptation,
        lr,
        {**_positive(d0=d0), "G": checks.number("G", G, 0.0)},
        rows=("estimate", "before", "squares", "penalty", "weight", "origin", "s", "average"),
        reductions={"square": total(_square), "length": norm(_weighted)},
        once=_adapt,
        shared=("estimate", "before", "squares", "penalty", "weight"),
        measure=_estimate,
        measures=("estimate",),
        schedule=schedule,
        boxless=True,
        paper="defazio2023dadaptation",
    )


@family
def prodigy(lr: float = 1.0, d0: float = 1e-6, G: float = 0.0, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Prodigy by dual averaging (Mishchenko, Defazio 2023, arXiv:2306.06101): D-Adaptation with weights d_k^2.

    The later, better estimates count more, so early steps at a tiny d0 are soon forgotten.

    Parameters
    ----------
    lr : float
        > 0, a factor of the step sizes, 1 in the paper; the estimate stays below D for any.
    d0 : float
        First estimate, > 0 and <= D; it has the units of x.
    G : float
        A bound on the norm of the gradients, where one is known; 0: the gradients seen are enough.
    schedule : Schedule

    Notes
    -----
    Read the state row "average", which weighs x_k by d_k^2; the measure "estimate" is d_k.  What the toys support
    (`paper_checks.learning_rate_free`): on convex functions with exact subgradients the estimate stays below D, near .6 D,
    and the gap hardly depends on d0 between 1e-8 and 1e-2.  The released optimizer is
    `prodigy_adam`.
    """
    return Optimizer(
        "Prodigy",
        _prodigy,
        lr,
        {**_positive(d0=d0), "G": checks.number("G", G, 0.0)},
        rows=("estimate", "before", "squares", "numerator", "weight", "origin", "s", "average"),
        reductions={"square": total(_square), "inner": total(_backwards), "length": norm(_squarely)},
        once=_expedite,
        shared=("estimate", "before", "squares", "numerator", "weight"),
        measure=_estimate,
        measures=("estimate",),
        schedule=schedule,
        boxless=True,
        paper="mishchenko2023prodigy",
    )


@family
def prodigy_adam(
    lr: float = 1.0,
    d0: float = 1e-6,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Prodigy as the released code has it: an Adam whose step size is an estimate d (arXiv:2306.06101).

    d is the largest r/||s||_1 so far, where r and s sum <g, x_0 - x> and g with the same weights, which forget at the rate
    sqrt(beta2).

    Parameters
    ----------
    lr : float
        > 0, a factor of the step; 1 is meant, and a schedule may lower it.
    d0 : float
        First estimate, > 0.
    beta1, beta2, eps : float
        Of Adam, without bias correction; eps is multiplied by d.
    weight_decay : float
        >= 0, decoupled.
    schedule : Schedule

    Notes
    -----
    The measure "estimate" is d.  Since r and s have the same weights, convexity and exact gradients keep it below the
    largest distance of a coordinate from its minimiser, max_i |x_0i - x*_i|, for any steps (`paper_checks.learning_rate_free`).
    With noise the argument fails, and in one dimension the estimate can exceed that distance by orders of magnitude; in 20
    dimensions this was not seen.
    """
    return Optimizer(
        "Prodigy (Adam)",
        _prodigy_adam,
        lr,
        {
            **_positive(d0=d0),
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
            **of_decay(weight_decay),
        },
        rows=("estimate", "before", "numerator", "origin", "m", "v", "s"),
        reductions={"inner": total(_backwards), "length": total(_size)},
        once=_expedite_adam,
        shared=("estimate", "before", "numerator"),
        measure=_estimate,
        measures=("estimate",),
        schedule=schedule,
        paper="mishchenko2023prodigy",
    )


@family
def dog(
    lr: float = 1.0, d0: float = 1e-6, eps: float = 1e-8, decay: float = 8.0, *, schedule: Schedule = CONSTANT
) -> Optimizer:
    """DoG, distance over gradients (Ivgi, Hinder, Carmon 2023, arXiv:2302.12022).

    The step is the largest distance from the start so far over the root of the sum of squared gradients: AdaGrad
    for the norm, with the distance walked in place of the one to go.

    Parameters
    ----------
    lr : float
        > 0, 1 in the paper.
    d0 : float
        r_eps > 0, the distance that counts before any has been walked; the released code takes
        1e-6 (1 + |x_0|).
    eps : float
        >= 0, added to the sum of squares.
    decay : float
        >= 0; the weight of x_t in the average is (1 + decay)/(t + decay), 8 in the released code; 0: weights as
        the distances, which is the average of the theory.
    schedule : Schedule

    Notes
    -----
    Read the state row "average": the paper's guarantee and its experiments are about it, and the last iterate is not
    safe.  What the toys support (`paper_checks.learning_rate_free`): the gap varies by a factor below 3 for d0 from 1e-8 to 1e-2;
    unlike the estimates of D-Adaptation and Prodigy, the distance walked can exceed D, by a few percent there.
    """
    return Optimizer(
        "DoG",
        _dog,
        lr,
        {
            **_positive(d0=d0),
            "eps": checks.number("eps", eps, 0.0),
            "decay": checks.number("decay", decay, 0.0),
        },
        rows=("reach", "squares", "weight", "origin", "average"),
        reductions={"square": total(_square), "moved": norm(_moved)},
        once=_reach,
        shared=("reach", "squares", "weight"),
        measure=_of_reach,
        measures=("reach",),
        schedule=schedule,
        paper="ivgi2023dog",
    )


@family
def mechanic(
    lr: float = 0.1,
    s_init: float = 1e-8,
    weight_decay: float = 0.01,
    eps: float = 1e-8,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Mechanic around SGD (Cutkosky, Defazio, Mehta 2023, arXiv:2306.00144): a learned factor of a base optimizer.

    SGD is run for its direction Delta only; the iterate is x_0 + (sum of s_j) Delta, where six coin-betting tuners with
    memories 1 - 10^-1 ... 1 - 10^-6 set s_j from <Delta, g>.

    Parameters
    ----------
    lr : float
        > 0, of SGD; the tuners undo it.
    s_init : float
        First factor, > 0.
    weight_decay : float
        The lambda of the released code, >= 0: a pull towards 0 as strong as lambda |g| (sum of s).
    eps : float
        >= 0.
    schedule : Schedule
        Of SGD.

    Notes
    -----
    Read the state row "average", the mean of the iterates.  What the toys support (`paper_checks.learning_rate_free`): from
    lr = .001 to lr = 10 the gap stays within one order of magnitude.
    """
    tuners = tuple(f"{name}{j}" for j in range(len(FACTORS)) for name in ("m", "v", "r", "s"))
    return Optimizer(
        "Mechanic",
        mechanic_kernel,
        lr,
        {
            **_positive(s_init=s_init),
            "weight_decay": checks.number("weight_decay", weight_decay, 0.0),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("origin", "delta", "average", *tuners),
        schedule=schedule,
        boxless=True,
        paper="cutkosky2023mechanic",
    )


OPTIMIZERS = [dadaptation, prodigy, prodigy_adam, dog, mechanic]

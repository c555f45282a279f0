"""The schedules that people train with: decays over a planned number of steps T, and those that need no plan.

Every one is a factor on the step size at step t = 1, 2, ...; after its plan has ended it keeps its last
value. With ``warmup`` = W > 0 the factor of the first W steps is (t - 1)/W, and the rest is laid over what is
left.

Frameworks count t from 0, so that their first factor is 1; `cosine`, `step_decay`, `exponential_decay` and
`rex` do that too, with z = (t - 1)/T.  The theorems on the last iterate count so that the factor *after* the
last step is 0: `linear_decay`, `polynomial_decay` and `wsd`, with 1 - t/(T + 1).  The two linear decays, this
one and `theory_sim.linear`, are proportional.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theory_sim.nouns.schedule import Array, Schedule, constant, linear, power
from theory_sim.rules import checks


def _ramp(t: int, warmup: float) -> float:
    """Return (t - 1)/warmup, at most 1."""
    return float(t - 1) / warmup if float(t - 1) < warmup else 1.0


def _share(t: int, T: float, warmup: float) -> float:
    """Return the share of the T - warmup steps that is over before step t, in [0, 1]."""
    # a plan has a step or more after its warm-up
    return min(max((float(t - 1) - warmup) / max(T - warmup, 1.0), 0.0), 1.0)


def _left(t: int, T: float, warmup: float) -> float:
    """Return the share of T - warmup + 1 steps that is left after step t, in [0, 1]."""
    return min(max((T + 1.0 - float(t)) / (T - warmup + 1.0), 0.0), 1.0)


def _cooled(t: int, T: float, cooldown: float) -> float:
    """Return the share u of the cooldown that is over after step t, 0 before it begins."""
    return min(max((float(t) - (T - cooldown * T)) / (cooldown * T + 1.0), 0.0), 1.0)


def _linear_decay(t: int, T: float, warmup: float) -> float:
    return _ramp(t, warmup) * _left(t, T, warmup)


def _polynomial_decay(t: int, T: float, p: float, warmup: float) -> float:
    left: float = _left(t, T, warmup) ** p
    return _ramp(t, warmup) * left


def _cosine(t: int, T: float, floor: float, warmup: float) -> float:
    decay = floor + (1.0 - floor) * (0.5 * (1.0 + math.cos(math.pi * _share(t, T, warmup))))
    return _ramp(t, warmup) * decay


def _cosine_restarts(t: int, period: float, floor: float, warmup: float) -> float:
    n = float(t - 1) % period
    ramp = n / warmup if n < warmup else 1.0
    share = max((n - warmup) / max(period - warmup, 1.0), 0.0)
    return ramp * (floor + (1.0 - floor) * (0.5 * (1.0 + math.cos(math.pi * share))))


def _step_decay(t: int, T: float, factor: float, warmup: float) -> float:
    # whole numbers, so that 0.3 T is met exactly
    tenths = 10.0 * (float(t - 1) - warmup)
    span = T - warmup
    if tenths < 3.0 * span:
        return _ramp(t, warmup)
    if tenths < 6.0 * span:
        return factor
    return factor * factor if tenths < 9.0 * span else factor * factor * factor


def _exponential_decay(t: int, T: float, rate: float, warmup: float) -> float:
    return _ramp(t, warmup) * math.exp(-rate * _share(t, T, warmup))


def _inverse_sqrt(t: int, warmup: float) -> float:
    return _ramp(t, warmup) * math.sqrt(max(warmup, 1.0) / max(float(t - 1), max(warmup, 1.0)))


def _rex(t: int, T: float, b: float, warmup: float) -> float:
    left = 1.0 - _share(t, T, warmup)
    return _ramp(t, warmup) * (left / (1.0 - b + b * left))


def _wsd(t: int, T: float, cooldown: float, p: float, warmup: float) -> float:
    gone: float = _cooled(t, T, cooldown) ** p
    return _ramp(t, warmup) * (1.0 - gone)


def _wsd_cosine(t: int, T: float, cooldown: float, warmup: float) -> float:
    return _ramp(t, warmup) * (0.5 * (1.0 + math.cos(math.pi * _cooled(t, T, cooldown))))


def _power_decay(
    t: int, T: float, b: float, crossover: float, decay: float, final: float, warmup: float
) -> float:
    at = min(max(float(t), warmup), T - decay * T)
    value: float = (max(at, crossover) / crossover) ** -b
    annealed: float = final ** min(max((float(t) - (T - decay * T)) / (decay * T), 0.0), 1.0)
    return _ramp(t, warmup) * value * annealed


def _infinite(
    t: int, warmup: float, cooldown: float, start: float, annealing: float, level: float, floor: float
) -> float:
    n = float(t - 1)
    share = min(max((n - warmup) / cooldown, 0.0), 1.0)
    value = level + (1.0 - level) * (0.5 * (1.0 + math.cos(math.pi * share)))
    annealed: float = (floor / level) ** min(max((n - start) / annealing, 0.0), 1.0)
    return _ramp(t, warmup) * value * annealed


def _tabulated(t: int, parameters: Any, factor: Any) -> None:
    last = parameters.shape[0] - 1
    for lane in range(factor.shape[0]):
        factor[lane] = parameters[min(t - 1, last), lane if parameters.shape[1] > 1 else 0]


def _planned(T: int, warmup: float, name: str = "T") -> dict[str, float]:
    """Return T and warmup, checked: a plan has a step or more after its warm-up."""
    steps = checks.count(name, T)
    return {"T": steps, "warmup": checks.number("warmup", warmup, 0.0, steps - 1.0)}


def linear_decay(T: int, warmup: float = 0) -> Schedule:
    """lr_t = lr (1 - t/(T + 1)): linear decay as the theorem on the last iterate has it.

    After T steps f(x_{T+1}) - f* <= D^2/(2 lr (T + 1)) + lr G^2/2 on every convex function with gradients of
    norm at most G: at the best lr that is D G/sqrt(T + 1), and constant steps lose a logarithm.  For a
    practitioner: without knowledge of the gradients, decay linearly to 0, and choose the T that you will
    train for; a peak that is 8 times too large costs a factor of about 2, not 8.

    Parameters
    ----------
    T : int
        Planned number of steps.
    warmup : float
        Steps of linear warm-up from 0.  A worst case gives no reason for one; measured gradient norms can,
        see `refined`.

    References
    ----------
    Defazio, Cutkosky, Mehta, Mishchenko 2023, arXiv:2310.07831.
    """
    return Schedule("linear_decay", _linear_decay, _planned(T, warmup), linear_decay)


def polynomial_decay(T: int, p: float = 2.0, warmup: float = 0) -> Schedule:
    """lr_t = lr (1 - t/(T + 1))^p: constant at p = 0, linear decay at p = 1.

    Parameters
    ----------
    T : int
        As in `linear_decay`.
    p : float
        >= 0.  With a peak rho times too large the worst case grows like rho^(1/(2 p + 1)): a larger p
        forgives more, and is a little worse at the best peak.
    warmup : float
        As in `linear_decay`.
    """
    given = _planned(T, warmup)
    found = {"T": given["T"], "p": checks.number("p", p, 0.0), "warmup": given["warmup"]}
    return Schedule("polynomial_decay", _polynomial_decay, found, polynomial_decay)


def cosine(T: int, floor: float = 0.0, warmup: float = 0) -> Schedule:
    """lr_t = lr (floor + (1 - floor) (1 + cos(pi z))/2), z = (t - 1)/T.

    In the worst case it is 3 % worse than linear decay at its best peak and forgives a too large peak better,
    as its end is quadratic.  A floor of 10 % keeps the noise of 10 % of the peak.

    Parameters
    ----------
    T : int
        Planned number of steps.
    floor : float
        Last factor, in [0, 1].
    warmup : float
        Steps of linear warm-up from 0.
    """
    given = _planned(T, warmup)
    found = {"T": given["T"], "floor": checks.number("floor", floor, 0.0, 1.0), "warmup": given["warmup"]}
    return Schedule("cosine", _cosine, found, cosine)


def cosine_restarts(period: int, floor: float = 0.0, warmup: float = 0) -> Schedule:
    """`cosine` anew in every period, with its warm-up: re-warming and re-decaying, one period for each new
    set of data.

    What the end of a period has gained is lost in the next warm-up; `infinite` keeps a constant level
    instead.

    Parameters
    ----------
    period : int
        Steps of one cosine.
    floor, warmup
        As in `cosine`, of each period.
    """
    given = _planned(period, warmup, "period")
    found = {
        "period": given["T"],
        "floor": checks.number("floor", floor, 0.0, 1.0),
        "warmup": given["warmup"],
    }
    return Schedule("cosine_restarts", _cosine_restarts, found, cosine_restarts)


def step_decay(T: int, factor: float = 0.1, warmup: float = 0) -> Schedule:
    """lr_t = lr times 1, factor, factor^2, factor^3 from 0, 30, 60 and 90 % of T on.

    Parameters
    ----------
    T : int
        Planned number of steps.
    factor : float
        In (0, 1].
    warmup : float
        Steps of linear warm-up from 0.
    """
    given = _planned(T, warmup)
    drop = checks.number("factor", factor, 0.0, 1.0, open_low=True)
    return Schedule(
        "step_decay", _step_decay, {"T": given["T"], "factor": drop, "warmup": given["warmup"]}, step_decay
    )


def exponential_decay(T: int, rate: float = 5.0, warmup: float = 0) -> Schedule:
    """lr_t = lr exp(-rate z), z = (t - 1)/T.

    Parameters
    ----------
    T : int
        Planned number of steps.
    rate : float
        >= 0; the last factor is exp(-rate).
    warmup : float
        Steps of linear warm-up from 0.
    """
    given = _planned(T, warmup)
    found = {"T": given["T"], "rate": checks.number("rate", rate, 0.0), "warmup": given["warmup"]}
    return Schedule("exponential_decay", _exponential_decay, found, exponential_decay)


def inverse_sqrt(warmup: float = 0) -> Schedule:
    """lr_t = lr sqrt(W/max(t - 1, W)), W = max(warmup, 1), after a linear warm-up: it needs no plan T.

    Its last iterate loses a factor sqrt(log T) in the worst case, as constant steps do; its average does not.

    Parameters
    ----------
    warmup : float
        >= 0 steps of linear warm-up from 0.
    """
    return Schedule(
        "inverse_sqrt", _inverse_sqrt, {"warmup": checks.number("warmup", warmup, 0.0)}, inverse_sqrt
    )


def rex(T: int, b: float = 0.5, warmup: float = 0) -> Schedule:
    """lr_t = lr (1 - z)/(1 - b + b (1 - z)), z = (t - 1)/T: REX at b = 1/2, `theory_sim.linear` at b = 0.

    It stays above linear decay and falls faster at the end.  In the worst case it is 1 % worse than linear
    decay.

    Parameters
    ----------
    T : int
        Planned number of steps.
    b : float
        In [0, 1).
    warmup : float
        Steps of linear warm-up from 0.

    References
    ----------
    Chen, Wolfe, Kyrillidis 2021, arXiv:2107.04197.
    """
    given = _planned(T, warmup)
    found = {"T": given["T"], "b": checks.beta("b", b), "warmup": given["warmup"]}
    return Schedule("rex", _rex, found, rex)


def _cooling(T: int, cooldown: float, warmup: float) -> dict[str, float]:
    given = _planned(T, warmup)
    share = checks.number("cooldown", cooldown, 0.0, 1.0, open_low=True)
    if given["warmup"] > given["T"] * (1.0 - share):
        raise ValueError(
            f"warmup = {warmup:g} ends after the cooldown of T = {T} begins; give at most {given['T'] * (1.0 - share):g}."
        )
    return {"T": given["T"], "cooldown": share, "warmup": given["warmup"]}


def wsd(T: int, cooldown: float = 0.2, p: float = 1.0, warmup: float = 0) -> Schedule:
    """Warm up, stay, decay (WSD, trapezoid): lr_t = lr (1 - u^p), u the share of the cooldown that is over.

    The plan T is needed only where the cooldown begins, so that one run can be cooled down from several of
    its steps.  In the worst case it is 8 % worse than linear decay (20 % cooldown), and the bound drops
    suddenly in the cooldown, as losses of language models do.

    Parameters
    ----------
    T : int
        Planned number of steps.
    cooldown : float
        Share of T in (0, 1] over which the step decays; 1 and p = 1 is `linear_decay`.
    p : float
        > 0: 1 is linear, 1/2 the cooldown "1 - sqrt", 2 is "1 - square".
    warmup : float
        Steps of linear warm-up from 0; they end before the cooldown begins.
    """
    given = _cooling(T, cooldown, warmup)
    shape = checks.number("p", p, 0.0, open_low=True)
    found = {"T": given["T"], "cooldown": given["cooldown"], "p": shape, "warmup": given["warmup"]}
    return Schedule("wsd", _wsd, found, wsd)


def wsd_cosine(T: int, cooldown: float = 0.2, warmup: float = 0) -> Schedule:
    """Warm up, stay, decay by a cosine: `wsd` with the factor (1 + cos(pi u))/2 in the cooldown.

    Parameters
    ----------
    T, cooldown, warmup
        As in `wsd`.
    """
    return Schedule("wsd_cosine", _wsd_cosine, _cooling(T, cooldown, warmup), wsd_cosine)


def power_decay(
    T: int,
    b: float = 0.51,
    crossover: float = 1.0,
    decay: float = 0.1,
    final: float = 0.01,
    warmup: float = 0,
) -> Schedule:
    """The power scheduler: lr_t = lr min(1, (t/crossover)^-b), then an exponential decay to `final` at the
    end.

    Past the crossover, and before the decay, the step does not depend on T, nor on the peak lr if the
    crossover follows it as `power_crossover` says; so a run can be prolonged.  Its worst case is that of
    1/sqrt(t) steps, up to a logarithm, and the decay at the end takes most of that away.

    Parameters
    ----------
    T : int
        Planned number of steps.
    b : float
        Exponent >= 0.
    crossover : float
        Steps > 0 up to which lr_t = lr.
    decay : float
        Share of T in (0, 1) over which the step decays at the end.
    final : float
        What the decay leaves, in (0, 1].
    warmup : float
        Steps of linear warm-up to the value at its end.

    References
    ----------
    Shen, Stallone, Mishra and others 2024, arXiv:2408.13359.
    """
    given = _planned(T, warmup)
    share = checks.number("decay", decay, 0.0, 1.0, open_low=True, open_high=True)
    if given["warmup"] > given["T"] * (1.0 - share):
        raise ValueError(f"warmup = {warmup:g} ends after the decay of T = {T} begins; make it shorter.")
    found = {
        "T": given["T"],
        "b": checks.number("b", b, 0.0),
        "crossover": checks.number("crossover", crossover, 0.0, open_low=True),
        "decay": share,
        "final": checks.number("final", final, 0.0, 1.0, open_low=True),
        "warmup": given["warmup"],
    }
    return Schedule("power_decay", _power_decay, found, power_decay)


def power_crossover(lr: float, a: float, batch: float = 1.0, b: float = 0.51) -> float:
    """Return the n at which batch a n^-b has fallen to lr: from there on the power scheduler does not depend
    on lr."""
    return float((lr / (a * batch)) ** (-1.0 / b))


def infinite(
    warmup: float, cooldown: float, start: float, annealing: float, level: float = 0.3, floor: float = 0.01
) -> Schedule:
    """A schedule without a planned end: warm up, cool down to a constant level by a cosine, anneal when told
    to.

    With n = t - 1: n/warmup; then level + (1 - level) (1 + cos(pi (n - warmup)/cooldown))/2; then `level` for
    as long as one likes; from n = start on level (floor/level)^((n - start)/annealing).  Training can go on
    from the constant part with new data.  In the worst case the constant part costs what constant steps cost;
    what the annealing gains is seen in the score.

    Parameters
    ----------
    warmup : float
        >= 0 steps.
    cooldown : float
        > 0 steps from the peak to the level.
    start : float
        n at which the annealing begins, >= warmup + cooldown.
    annealing : float
        Its length > 0 in steps.  Equation 1 as printed divides by annealing + start, which ends above the
        floor; give the sum here for that reading.
    level, floor : float
        Factors of the constant part and at the end, 0 < floor <= level <= 1.

    References
    ----------
    Singh, Janson, Mehrbod and others 2025, arXiv:2503.02844.
    """
    found = {
        "warmup": checks.number("warmup", warmup, 0.0),
        "cooldown": checks.number("cooldown", cooldown, 0.0, open_low=True),
        "start": checks.number("start", start, warmup + cooldown),
        "annealing": checks.number("annealing", annealing, 0.0, open_low=True),
        "level": checks.number("level", level, 0.0, 1.0, open_low=True),
        "floor": checks.number("floor", floor, 0.0, level, open_low=True),
    }
    return Schedule("infinite", _infinite, found, infinite)


def tabulated(values: Sequence[float]) -> Schedule:
    """lr_t = lr values[t - 1], and the last value from then on.

    It is a kernel, not a rule, so lanes on tensors refuse it, as they do every kernel written by hand.

    Parameters
    ----------
    values : sequence of float
        >= 0, at least one.
    """
    found = tuple(checks.number("values", value, 0.0) for value in values)
    if not found:
        raise ValueError("values = () is empty; give the factor of at least one step.")
    parameters = {f"s{t}": value for t, value in enumerate(found, 1)}
    return Schedule("tabulated", _tabulated, parameters, tabulated, {"values": found})


def weighted(weights: Sequence[float] | Array) -> Array:
    """Return w_t w_{t+1:T}/w_{1:T}, t = 1 ... T, the steps of theorem (L1) for weights w > 0; the last is 0.

    f(x_T) - f* is then at most (D^2 + sum w_t^2 ||g_t||^2)/(2 w_{1:T}).
    """
    w = np.asarray(weights, dtype=float)
    if w.ndim != 1 or not (w > 0.0).all() or not np.isfinite(w).all():
        raise ValueError(f"weights = {checks.shown(weights)} must be finite and positive, one for each step.")
    after = np.append(np.cumsum(w[:0:-1])[::-1], 0.0)
    return np.asarray(w * (after / w.sum()))


def refined(norms: Sequence[float] | Array, smoothing: float = 0.1) -> Schedule:
    """A schedule made from the gradient norms of an earlier run: w_t = G_t^-2, lr_t = lr w_t
    w_{t+1:T}/w_{1:T}, peak 1.

    Large early gradients give a warm-up, growing late gradients a fast end, and constant norms linear decay.
    This minimises the bound D^2/(2 w_{1:T}) + sum w_t^2 G_t^2/(2 w_{1:T}); that the next run has the same
    norms is an assumption.

    Parameters
    ----------
    norms : sequence of float
        G_t > 0, t = 1 ... T, at least two.  For Adam the paper takes l_1 norms and w_t = 1/G_t: give their
        roots.
    smoothing : float
        A running median over 2 floor(smoothing T/2) + 1 norms is taken first, as we recall the paper's tau =
        0.1; 0: none.

    References
    ----------
    Defazio, Cutkosky, Mehta, Mishchenko 2023, arXiv:2310.07831.
    """
    G = np.asarray(norms, dtype=float)
    if G.ndim != 1 or len(G) < 2 or not (G > 0.0).all() or not np.isfinite(G).all():
        raise ValueError(f"norms = {checks.shown(norms)} must be at least two finite and positive numbers.")
    width = 2 * int(checks.number("smoothing", smoothing, 0.0, 1.0) * len(G) / 2.0) + 1
    if width > 1:
        from scipy.ndimage import median_filter

        G = median_filter(G, width, mode="reflect")
    steps = weighted((G / G.min()) ** -2.0)
    return tabulated((steps / steps.max()).tolist())


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    made.__name__: made
    for made in (
        *(constant, power, linear, linear_decay, polynomial_decay, cosine, step_decay, exponential_decay),
        *(cosine_restarts, inverse_sqrt, rex, wsd, wsd_cosine, power_decay, infinite, tabulated),
    )
}

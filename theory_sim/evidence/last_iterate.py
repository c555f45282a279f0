"""What a schedule promises for its last iterate: bounds of convex, Lipschitz problems, in O(T) and without a
run.

Let f be convex, x_{t+1} = x_t - eta_t g_t, E g_t a subgradient at x_t, E||g_t||^2 <= G_t^2 and D = ||x_1 -
x*||. From sum_{t>=k} eta_t (f(x_t) - f(u)) <= ||x_k - u||^2/2 + sum_{t>=k} eta_t^2 G_t^2/2 at u = x* (k = 1)
and u = x_k, and from the identity for any numbers q_t and weights w_t > 0, with w_{a:b} = sum_{t=a}^b w_t,

    q_T = (1/w_{1:T}) sum_t w_t q_t + sum_{k<T} (1/w_{k+1:T} - 1/w_{k:T}) sum_{t>=k} w_t (q_t - q_k),

follows, with q_t = f(x_t) - f* and w_t = eta_t, what `bound` returns:

    E f(x_T) - f* <= D^2/(2 eta_{1:T}) + (1/2) sum_{t<=T} eta_t^2 G_t^2/eta_{min(t+1, T):T}.

The step at T does not move x_T; it is only a weight, and must be positive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.nouns.schedule import Schedule
from theory_sim.rules import checks

Array = np.ndarray[Any, np.dtype[np.float64]]


def _after(steps: Array) -> tuple[Array, Array]:
    """Return eta_{t:T} and eta_{min(t+1, T):T}, from the end, so that nothing cancels."""
    whole = np.cumsum(steps[::-1])[::-1]
    return whole, np.append(whole[1:], whole[-1])


def last_iterate(weights: Sequence[float] | Array, values: Sequence[float] | Array) -> float:
    """Return q_T from the right side of the identity above, for weights w and numbers q of equal length."""
    w, q = np.asarray(weights, dtype=float), np.asarray(values, dtype=float)
    whole, after = _after(w)
    tail = np.cumsum((w * q)[::-1])[::-1] - q * whole
    return float(w @ q / whole[0] + np.sum((1.0 / after - 1.0 / whole)[:-1] * tail[:-1]))


def bound(
    steps: Sequence[float] | Array, distance: float = 1.0, norms: float | Sequence[float] | Array = 1.0
) -> float:
    """Return the bound on E f(x_T) - f* for step sizes eta_1 ... eta_T.

    Parameters
    ----------
    steps : sequence of float
        Step sizes >= 0, in units of x over gradient; the last one > 0.
    distance : float
        D, in units of x.
    norms : float or sequence of float
        G, or one for every step.
    """
    eta = np.asarray(steps, dtype=float)
    whole, after = _after(eta)
    return float(distance**2 / (2.0 * whole[0]) + 0.5 * np.sum(eta**2 * np.square(norms) / after))


def factors(schedule: Schedule, T: int) -> Array:
    """Return the factors of a schedule at t = 1 ... T, checked for `bound`.

    Raises
    ------
    TypeError
        If `schedule` is not a Schedule.
    ValueError
        If T is not an integer >= 1, a factor is negative or not finite, or the last one is 0.
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(f"{schedule!r} is not a Schedule; give one, such as theory_sim.cosine({T}).")
    found = schedule.factors(checks.count("T", T))
    if not np.isfinite(found).all() or (found < 0.0).any():
        raise ValueError(
            f"{schedule} has a factor that is negative or not finite in {T} steps; the bound needs >= 0."
        )
    if found[-1] == 0.0:
        moved = int(np.flatnonzero(found)[-1]) + 1 if found.any() else 0
        raise ValueError(
            f"{schedule} has the factor 0 at step {T}, and the bound divides by the last one; ask for T = {moved} steps."
        )
    return found


def schedule_score(schedule: Schedule, T: int) -> float:
    """Return how good a schedule is in the worst case: the least `bound` over the peak, in units of D
    G/sqrt(T).

    It is sqrt(T Q/S) with S = sum s_t and Q = sum s_t^2/s_{min(t+1, T):T}, s_t the factors; 1 is the least
    that it can be, and the best of any method as we recall.  The bound itself loses a factor of about 2:
    linear decay, whose worst case is 1, scores 2.  So scores rank schedules, and what counts is whether they
    stay bounded in T.

    Parameters
    ----------
    schedule : Schedule
        Any, with factors >= 0 and a positive one at T.
    T : int
        Number of steps.

    Raises
    ------
    TypeError
        If `schedule` is not a Schedule.
    ValueError
        If T is not an integer >= 1, a factor is negative or not finite, or the last one is 0.

    References
    ----------
    Defazio, Cutkosky, Mehta, Mishchenko 2023, arXiv:2310.07831; the bound is derived above.

    Examples
    --------
    >>> round(schedule_score(constant(), 100), 4)  # sqrt(1 + 1 + 1/2 + ... + 1/99)
    2.4854
    """
    s = factors(schedule, T)
    whole, after = _after(s)
    return math.sqrt(T * float(np.sum(s * s / after)) / float(whole[0]))


def tuned(steps: Array, distance: float = 1.0, norm: float = 1.0) -> float:
    """Return the factor on step sizes for which `bound` is least: D/(G sqrt(S Q))."""
    whole, after = _after(steps)
    return distance / (norm * math.sqrt(float(whole[0]) * float(np.sum(steps**2 / after))))


def along(steps: Array, stops: Sequence[int]) -> Array:
    """Return `bound` at D = G = 1 for the run stopped at each of these n: its first n steps."""
    return np.array([bound(steps[:n]) for n in stops])


def misspecified(schedule: Schedule, T: int, rho: Sequence[float]) -> Array:
    """Return what a peak rho times too large costs where all points are within D of each other.

    Every x_k is then within D of x*, so that the bound may begin at any step k: it is the least over k of
    D^2/(2 eta_{k:T}) + (G^2/2) sum_{t>=k} eta_t^2/eta_{min(t+1, T):T}, here over its value at rho = 1.
    """
    s = factors(schedule, T)
    s = s * tuned(s)
    whole, after = _after(s)
    spread = np.cumsum((s * s / after)[::-1])[::-1]
    values = [float(np.min(0.5 / (one * whole) + 0.5 * one * spread)) for one in (1.0, *rho)]
    return np.array(values[1:]) / values[0]


def sums(schedule: Schedule, lr: float, T: int) -> dict[str, float]:
    """Return the two sums of `bound` for a run of T updates, whose end is x_{T+1}, as symbols of theorems.

    The step that x_{T+1} would take is only a weight; it is that of step T.  Nothing is returned where that
    is 0.
    """
    steps = lr * schedule.factors(checks.count("T", T))
    if not steps[-1] > 0.0 or not np.isfinite(steps).all() or (steps < 0.0).any():
        return {}
    steps = np.append(steps, steps[-1])
    whole, after = _after(steps)
    return {"step_sum": float(whole[0]), "step_spread": float(np.sum(steps**2 / after))}

"""The class *iid*: gradients drawn at random from a finite law, and a rigorous bracket of the mean drift of Adam.

They are drawn with replacement, or reshuffled: every epoch is a random order of the list.  v' = beta2 v + (1 - beta2) g^2
rises with v, and 1/(sqrt(v) + eps) falls, so rounding v down, or up, to a grid at every step brackets its
stationary law in the stochastic order, given the gradients: from the smallest v from below, from the largest from
above, after any number of steps.  Reshuffled, the state is v and what is left of the epoch, which does not
depend on v: with n gradients of two sizes there are 2 n - 2 such remainders, not n! orders.  Momentum enters lag by lag,
E g_(t-j)/(sqrt(v_t) + eps), which needs the law of v only.  Masses are sums of non-negative numbers, so their
relative rounding errors are bounded by the number of operations; the bracket is widened outwards by that bound.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.iid_check import PROVES
from theory_sim.rules import checks

Array = np.ndarray[Any, np.dtype[np.float64]]
_UNIT = 2.0**-53
_TAIL = 1e-7  # momentum weights below this share are bounded instead
_SLACK = 1e-13  # of v and of grid points, relative: a few roundings
_FORGOTTEN = 16.0  # steps times 1 - beta2: the start weighs e^-16, and any number of steps gives a bracket
_REMAINDERS = 400  # of an epoch
ORDERS = ("replacement", "reshuffled")


@dataclass(frozen=True)
class Bracket:
    """Bounds of the mean drift per step, in units of lr.

    Parameters
    ----------
    low, high : float
        The drift of E m/(sqrt(v) + eps), of the sign of the mean gradient where the method is right.
    grid : int
        Points of the grid.
    """

    low: float
    high: float
    grid: int


@dataclass(frozen=True)
class Urn:
    """What is left to draw from: transitions (from, to, component, probability) between its states.

    Parameters
    ----------
    start : tuple of float
        Probability of each state at a random time.
    moves : tuple
    """

    start: tuple[float, ...]
    moves: tuple[tuple[int, int, int, float], ...]

    @property
    def most(self) -> int:
        """The largest number of transitions that end in one state."""
        ends = [to for _, to, _, _ in self.moves]
        return max(map(ends.count, set(ends)))


def urn(weights: Sequence[int], order: str) -> Urn:
    """Return the states of an urn with `weights` copies of each gradient, that is refilled at once or when empty.

    Raises
    ------
    ValueError
        If an epoch has more than 400 remainders, or the order is unknown.
    """
    checks.known("order", order, ORDERS)
    total = sum(weights)
    if order == "replacement":
        return Urn((1.0,), tuple((0, 0, k, w / total) for k, w in enumerate(weights)))
    if math.prod(w + 1 for w in weights) > _REMAINDERS:
        raise ValueError(
            f"weights = {tuple(weights)} leave more than {_REMAINDERS} remainders of an epoch; take fewer gradients, at most 7 "
            "different ones, or order=replacement."
        )
    full = tuple(weights)
    states = [one for one in itertools.product(*(range(w, -1, -1) for w in weights)) if any(one)]
    at, ways = {one: i for i, one in enumerate(states)}, math.comb
    start = [
        math.prod(ways(w, left) for w, left in zip(full, one, strict=True)) / ways(total, sum(one)) / total
        for one in states
    ]
    moves = []
    for i, left in enumerate(states):
        for k, count in enumerate(left):
            if count:
                rest = (*left[:k], count - 1, *left[k + 1 :])
                moves.append((i, at[rest if any(rest) else full], k, count / sum(left)))
    return Urn(tuple(start), tuple(moves))


def bracket(
    gradients: Sequence[int],
    weights: Sequence[int],
    beta1: float,
    beta2: float,
    eps: float = 0.0,
    grid: int = 4000,
    order: str = "replacement",
) -> Bracket:
    """Bracket the stationary drift of Adam on random gradients, the mean over the steps of an epoch.

    Parameters
    ----------
    gradients : sequence of int
        Atoms, none of them 0, of at least two sizes.
    weights : sequence of int
        Their probabilities, times their sum; reshuffled, how often each of them is in an epoch.
    beta1, beta2 : float
        In [0, 1); beta2 up to 0.995, for the work grows like grid/(1 - beta2).
    eps : float
        Outside the root.
    grid : int
        More points give a narrower bracket.
    order : {"replacement", "reshuffled"}

    Raises
    ------
    ValueError
        If the law is none of the class.
    """
    g = np.asarray(gradients, dtype=float)
    squares = g * g
    if not (g != 0.0).all() or squares.min() == squares.max() or len(g) != len(weights) or min(weights) < 1:
        raise ValueError(
            f"gradients = {tuple(gradients)} must be integers other than 0, of two sizes, with positive weights."
        )
    checks.number("beta2", beta2, 0.0, 0.995)
    z = np.exp(np.linspace(math.log(squares.min()), math.log(squares.max()), checks.count("grid", grid, 10)))
    z[0], z[-1] = squares.min(), squares.max()
    moved = [beta2 * z + (1.0 - beta2) * q for q in squares]
    down = [np.maximum(np.searchsorted(z, v * (1.0 - _SLACK), side="right") - 1, 0) for v in moved]
    up = [np.minimum(np.searchsorted(z, v * (1.0 + _SLACK)), grid - 1) for v in moved]
    scale, drawn = 1.0 / (np.sqrt(z) + eps), urn(weights, order)

    def step(mass: Array, maps: Sequence[Any], factor: Sequence[float] | None = None) -> Array:
        new = np.zeros_like(mass)
        for before, after, k, share in drawn.moves:
            if factor is None or factor[k] > 0.0:
                size = share if factor is None else share * factor[k]
                new[after] += np.bincount(maps[k], weights=mass[before] * size, minlength=grid)
        return new

    steps = math.ceil(_FORGOTTEN / (1.0 - beta2))
    lags = math.ceil(math.log(_TAIL) / math.log(beta1)) if beta1 > 0.0 else 0
    sides = (np.maximum(g, 0.0).tolist(), np.maximum(-g, 0.0).tolist())
    bounds = []  # of the part of the drift that positive, and negative, gradients have: from v rounded down, and up
    for maps, edge in ((down, 0), (up, grid - 1)):
        mass = np.zeros((len(drawn.start), grid))
        mass[:, edge] = drawn.start
        for _ in range(steps):
            mass = step(mass, maps)
        parts = []
        for side in sides:
            given, part = step(mass, maps, side), 0.0  # the law of v after the step, times the gradient in it
            for lag in range(lags + 1):
                part += (1.0 - beta1) * beta1**lag * float((given @ scale).sum())
                given = step(given, maps) if lag < lags else given
            parts.append(part)
        bounds.append(parts)
    (most_up, most_down), (least_up, least_down) = bounds  # a small v gives long steps
    # Every mass is a sum of at most grid * most products; every further operation adds one rounding.
    error = 4.0 * (steps + lags + sum(weights) + 2) * (grid * drawn.most + 4) * _UNIT + 4.0 * _SLACK
    largest = float(np.abs(g).max()) / (math.sqrt(squares.min()) + eps)
    wide = error * largest + beta1 ** (lags + 1) * largest * (beta1 > 0.0)
    return Bracket(least_up - most_down - wide, most_up - least_down + wide, grid)


def of(record: Mapping[str, Any]) -> Bracket:
    """Return the bracket of a certificate's law."""
    beta1, beta2, eps = (float(record["hyper"][name]) for name in ("beta1", "beta2", "eps"))
    law = record["gradients"], record["weights"]
    return bracket(*law, beta1, beta2, eps, record["grid"], record["order"])


def certificate(
    gradients: Sequence[int],
    weights: Sequence[int],
    hyper: Mapping[str, str],
    grid: int,
    order: str = "replacement",
) -> dict[str, Any]:
    """Return the certificate of a law on which Adam drifts the wrong way.

    Raises
    ------
    Refused
        If the mean drift is not proved to be negative.
    """
    record = {
        "format": 1,
        "class": "iid",
        "optimizer": "adam",
        "hyper": dict(hyper),
        "gradients": list(gradients),
        "weights": list(weights),
        "order": order,
        "grid": grid,
        "proves": PROVES[order],
    }
    verify(record)
    return record


def verify(record: Mapping[str, Any]) -> str:
    """Recompute a certificate of the class *iid* and return what was found in one line.

    Raises
    ------
    Refused
        With the reason.
    """
    names = {"format", "class", "optimizer", "hyper", "gradients", "weights", "order", "grid", "proves"}
    words = tuple(record.get(name) for name in ("format", "class", "optimizer", "proves"))
    if (
        set(record) != names
        or record["order"] not in ORDERS
        or words
        != (
            1,
            "iid",
            "adam",
            PROVES[record["order"]],
        )
    ):
        raise Refused("its fields, format, class, method, order or words are others")
    g, w, grid = record["gradients"], record["weights"], record["grid"]
    try:
        if any(type(one) is not int for one in (*g, *w, grid)) or grid > 100_000:
            raise Refused("its gradients, weights and grid have to be integers")
        if set(record["hyper"]) != {"beta1", "beta2", "eps"}:
            raise Refused("its hyperparameters are not beta1, beta2 and eps")
        checks.beta("beta1", float(record["hyper"]["beta1"]))
        checks.number("eps", float(record["hyper"]["eps"]), 0.0, 1e9, open_high=True)
        found = of(record)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise Refused(checks.sentence(error).rstrip(".")) from None
    mean = sum(a * b for a, b in zip(g, w, strict=True))
    if not mean > 0 > found.high:
        raise Refused(
            f"the mean gradient is {mean}/{sum(w)}, the mean drift in [{found.low:.6g}, {found.high:.6g}]"
        )
    return f"mean gradient {mean}/{sum(w)} > 0 > mean drift in [{found.low:.6g}, {found.high:.6g}]"


def hunt(
    beta1: str, beta2: str, eps: str, most: int, order: str = "replacement"
) -> tuple[dict[str, Any] | None, list[str]]:
    """Look for the fewest components of a spike, n once and n - 1 times -1, on which Adam drifts the wrong way.

    Returns the certificate or None, and what is known of fewer components.
    """
    said: list[str] = []
    hyper = {"beta1": beta1, "beta2": beta2, "eps": eps}
    for n in range(2, most + 1):
        for grid in (500, 2000, 8000, 32_000):
            found = bracket((n, -1), (1, n - 1), float(beta1), float(beta2), float(eps), grid, order)
            if found.high < 0.0:
                return certificate((n, -1), (1, n - 1), hyper, grid, order), said
            if found.low > 0.0:
                said.append(
                    f"{n} components: proved right, the mean drift is in [{found.low:.4g}, {found.high:.4g}]"
                )
                break
        else:
            said.append(
                f"{n} components: not decided, for the mean drift, which is in [{found.low:.4g}, {found.high:.4g}], may be 0"
            )
    return None, said

"""The class *iid*: gradients drawn independently from a finite law, and a rigorous bracket of the mean drift of Adam.

v' = beta2 v + (1 - beta2) g^2 rises with v, and 1/(sqrt(v) + eps) falls, so rounding v down, or up, to a grid at
every step brackets its stationary law in the stochastic order: from the smallest v from below, from the largest
from above, after any number of steps.  Momentum enters lag by lag, E g_(t-j)/(sqrt(v_t) + eps), which needs the law of
v only.  Masses are sums of non-negative numbers, so their relative rounding errors are bounded by the number of
operations; the bracket is widened by that.
"""

from __future__ import annotations

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


def bracket(
    gradients: Sequence[int],
    weights: Sequence[int],
    beta1: float,
    beta2: float,
    eps: float = 0.0,
    grid: int = 4000,
) -> Bracket:
    """Bracket the stationary drift of Adam on independent gradients.

    Parameters
    ----------
    gradients : sequence of int
        Atoms, none of them 0, of at least two sizes.
    weights : sequence of int
        Their probabilities, times their sum.
    beta1, beta2 : float
        In [0, 1); beta2 up to 0.99, for the work grows like grid/(1 - beta2).
    eps : float
        Outside the root.
    grid : int
        More points give a narrower bracket.
    """
    g = np.asarray(gradients, dtype=float)
    p = np.asarray(weights, dtype=float) / sum(weights)
    squares = g * g
    if not (g != 0.0).all() or squares.min() == squares.max() or len(g) != len(p) or (p <= 0.0).any():
        raise ValueError(
            f"gradients = {tuple(gradients)} must be integers other than 0, of two sizes, with positive weights."
        )
    checks.number("beta2", beta2, 0.0, 0.995)
    z = np.exp(np.linspace(math.log(squares.min()), math.log(squares.max()), checks.count("grid", grid, 10)))
    z[0], z[-1] = squares.min(), squares.max()
    moved = [beta2 * z + (1.0 - beta2) * q for q in squares]
    down = [np.maximum(np.searchsorted(z, v * (1.0 - _SLACK), side="right") - 1, 0) for v in moved]
    up = [np.minimum(np.searchsorted(z, v * (1.0 + _SLACK)), grid - 1) for v in moved]
    scale = 1.0 / (np.sqrt(z) + eps)

    def step(mass: Array, maps: Sequence[Any]) -> Array:
        return np.asarray(
            sum(
                np.bincount(at, weights=mass * share, minlength=grid)
                for at, share in zip(maps, p, strict=True)
            )
        )

    steps = math.ceil(25.0 / (1.0 - beta2))
    laws = []
    for maps, start in ((down, 0), (up, grid - 1)):
        mass = np.zeros(grid)
        mass[start] = 1.0
        for _ in range(steps):
            mass = step(mass, maps)
        laws.append((mass, maps))
    lags = math.ceil(math.log(_TAIL) / math.log(beta1)) if beta1 > 0.0 else 0
    low = high = 0.0
    for k, one in enumerate(g):
        # the laws of v_(t+j), given that the gradient of step t was this one
        given: list[Array] = [
            np.asarray(np.bincount(maps[k], weights=mass, minlength=grid), dtype=float) for mass, maps in laws
        ]
        for lag in range(lags + 1):
            least, most = float(given[1] @ scale), float(given[0] @ scale)
            share = (1.0 - beta1) * beta1**lag * p[k] * one
            low += share * (least if share > 0.0 else most)
            high += share * (most if share > 0.0 else least)
            if lag < lags:
                given = [step(mass, maps) for mass, (_, maps) in zip(given, laws, strict=True)]
    # Every mass is a sum of at most grid * atoms products; every further operation adds one rounding.
    error = 4.0 * (steps + lags + 2) * (grid * len(g) + 4) * _UNIT + 4.0 * _SLACK
    largest = float(np.abs(g).max()) / (math.sqrt(squares.min()) + eps)
    wide = error * largest + beta1 ** (lags + 1) * largest * (beta1 > 0.0)
    return Bracket(float(low - wide), float(high + wide), grid)


def certificate(
    gradients: Sequence[int], weights: Sequence[int], hyper: Mapping[str, str], grid: int
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
        "grid": grid,
        "proves": PROVES,
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
    names = {"format", "class", "optimizer", "hyper", "gradients", "weights", "grid", "proves"}
    words = tuple(record.get(name) for name in ("format", "class", "optimizer", "proves"))
    if set(record) != names or words != (1, "iid", "adam", PROVES):
        raise Refused("its fields, format, class, method or words are others")
    g, w, grid = record["gradients"], record["weights"], record["grid"]
    try:
        if any(type(one) is not int for one in (*g, *w, grid)) or grid > 100_000:
            raise Refused("its gradients, weights and grid have to be integers")
        if set(record["hyper"]) != {"beta1", "beta2", "eps"}:
            raise Refused("its hyperparameters are not beta1, beta2 and eps")
        beta1, beta2, eps = (float(record["hyper"][name]) for name in ("beta1", "beta2", "eps"))
        checks.beta("beta1", beta1)
        checks.number("eps", eps, 0.0, 1e9, open_high=True)
        found = bracket(g, w, beta1, beta2, eps, grid)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise Refused(checks.sentence(error).rstrip(".")) from None
    mean = sum(a * b for a, b in zip(g, w, strict=True))
    if not mean > 0 > found.high:
        raise Refused(
            f"the mean gradient is {mean}/{sum(w)}, the mean drift in [{found.low:.6g}, {found.high:.6g}]"
        )
    return f"mean gradient {mean}/{sum(w)} > 0 > mean drift in [{found.low:.6g}, {found.high:.6g}]"


def hunt(beta1: str, beta2: str, eps: str, most: int) -> tuple[dict[str, Any] | None, list[str]]:
    """Look for the fewest components of a spike, n once and n - 1 times -1, on which Adam drifts the wrong way.

    Returns the certificate or None, and what is known of fewer components.
    """
    said: list[str] = []
    hyper = {"beta1": beta1, "beta2": beta2, "eps": eps}
    for n in range(2, most + 1):
        for grid in (1000, 4000, 16_000):
            found = bracket((n, -1), (1, n - 1), float(beta1), float(beta2), float(eps), grid)
            if found.high < 0.0:
                return certificate((n, -1), (1, n - 1), hyper, grid), said
            if found.low > 0.0:
                said.append(
                    f"{n} components: right, the mean drift is in [{found.low:.4g}, {found.high:.4g}]"
                )
                break
        else:
            said.append(f"{n} components: open, the mean drift is in [{found.low:.4g}, {found.high:.4g}]")
    return None, said

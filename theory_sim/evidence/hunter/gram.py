"""The class *gram*: cycles of momentum methods on smooth strongly convex functions of any dimension.

The Gram matrix of a K-cycle may be averaged over the rotations of the cycle, for the interpolation conditions
(Taylor, Hendrickx, Glineur 2017, Theorem 4) are linear in it and invariant.  What is left is circulant, so it is
a non-negative mix of Fourier modes, and a linear programme in floor(K/2) weights decides, where Goujaud, Taylor,
Dieuleveut 2023 (arXiv:2303.10503) solve a semidefinite one.  A mix of m modes lives in 2m dimensions (the mode
K/2 in one).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.cycle_check import PROVES
from theory_sim.evidence.hunter.linear import METHODS, Momentum
from theory_sim.rules import checks

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Cycle:
    """The best mix of modes for one K.

    Parameters
    ----------
    period : int
    margin : float
        >= 0 if there is a cycle: the least slack of an interpolation condition, for weights of sum 1.
    weights : tuple of float
        Of the modes 1 ... floor(K/2).
    """

    period: int
    margin: float
    weights: tuple[float, ...]


def conditions(method: Momentum, mu: float, L: float, period: int) -> Array:
    """Return the slack of the condition between points d apart for mode l, shape (K - 1, floor(K/2)).

    With x_t = w^t, w = exp(2 pi i l/K), y_t = C w^t and g_t = G w^t, the condition on f(y_t) - f(y_{t+d}),
    summed over t so that the values cancel, is -Re(conj(G) C (w^d - 1)) >= |w^d - 1|^2 (|G|^2/L + mu |C|^2
    - 2 mu/L Re(conj(G) C)) / (2 (1 - mu/L)).
    """
    l, d = np.arange(1, period // 2 + 1)[None, :], np.arange(1, period)[:, None]
    w = np.exp(2j * math.pi * l / period)
    alpha, beta = float(method.alpha), float(method.beta)
    G = (1.0 + beta - beta / w - w) / alpha
    C = 1.0 + beta - beta / w if method.method == "nesterov" else np.ones_like(w)
    turned = w**d - 1.0
    inner = np.conj(G) * C
    size = abs(G) ** 2 / L + mu * abs(C) ** 2 - 2.0 * mu / L * inner.real
    return np.asarray(-(inner * turned).real - size * abs(turned) ** 2 / (2.0 * (1.0 - mu / L)))


def cycle(method: Momentum, mu: float, L: float, period: int) -> Cycle:
    """Return the mix of modes with the largest margin, by HiGHS."""
    from scipy.optimize import linprog

    checks.count("period", period, 2)
    rows = conditions(method, mu, L, period)
    m = rows.shape[1]
    found = linprog(
        np.r_[np.zeros(m), -1.0], A_ub=np.c_[-rows, np.ones(len(rows))], b_ub=np.zeros(len(rows)),
        A_eq=[[1.0] * m + [0.0]], b_eq=[1.0], bounds=[(0.0, None)] * m + [(None, None)], method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise ArithmeticError(f"HiGHS gives up on period {period}: {found.message}")
    weights = np.maximum(found.x[:m], 0.0)
    weights /= weights.sum()
    # what these weights attain: the programme itself is solved to 1e-7 only
    return Cycle(period, float((rows @ weights).min()), tuple(float(one) for one in weights))


def threshold(tuned: Any, period: int, low: float, high: float, digits: int = 50) -> float:
    """Return the kappa in [low, high] from which on a tuning has a cycle of a period, by bisection.

    Parameters
    ----------
    tuned : callable
        ``tuned(kappa)`` returns the method for mu = 1 and L = kappa.
    period : int
    low, high : float
        Without and with a cycle.
    digits : int
        Halvings.

    Raises
    ------
    ValueError
        If the ends do not differ.
    """
    has = [cycle(tuned(k), 1.0, k, period).margin >= 0.0 for k in (low, high)]
    if has != [False, True]:
        raise ValueError(
            f"Between kappa = {low:g} and {high:g} no cycle of period {period} appears; move the ends."
        )
    for _ in range(digits):
        middle = 0.5 * (low + high)
        if cycle(tuned(middle), 1.0, middle, period).margin >= 0.0:
            high = middle
        else:
            low = middle
    return high


def certificate(method: Momentum, mu: Fraction, L: Fraction, found: Cycle) -> dict[str, Any]:
    """Return the certificate of a cycle: exact weights of the modes.

    Raises
    ------
    Refused
        If the conditions are not proved, as on the edge of the class.
    """
    weights = [Fraction(one).limit_denominator(10**6) for one in found.weights]
    given = (("alpha", method.alpha), ("beta", method.beta), ("mu", mu), ("L", L))
    record = {
        "format": 1,
        "class": "gram",
        "optimizer": method.method,
        "hyper": {name: str(Fraction(value)) for name, value in given},
        "period": found.period,
        "weights": [str(one) for one in weights],
        "proves": PROVES["gram"],
    }
    verify(record)
    return record


def verify(record: Mapping[str, Any]) -> str:
    """Recompute a certificate of the class *gram* in balls and return what was found in one line.

    Raises
    ------
    Refused
        With the reason.
    """
    if set(record) != {"format", "class", "optimizer", "hyper", "period", "weights", "proves"}:
        raise Refused("its fields are not those of a certificate of the class gram")
    if (record["format"], record["class"], record["proves"]) != (1, "gram", PROVES["gram"]):
        raise Refused("its format, class or words are others")
    if record["optimizer"] not in METHODS or type(record["period"]) is not int or record["period"] < 2:
        raise Refused("there is no such method or period")
    try:
        values = {name: checks.rational(name, str(text)) for name, text in record["hyper"].items()}
        weights = [checks.rational("weights", str(text)) for text in record["weights"]]
        mu, L = values.pop("mu"), values.pop("L")
        method = Momentum(record["optimizer"], **values)
        holds = 0 < mu < L and proved(method, mu, L, record["period"], weights)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise Refused(f"its numbers are none: {error}") from None
    if not holds:
        raise Refused("an interpolation condition is not proved")
    modes = [k for k, weight in enumerate(weights, 1) if weight]
    return f"a cycle of {record['period']} points in modes {modes}, L/mu = {float(L / mu):.6g}"


def proved(
    method: Momentum, mu: Fraction, L: Fraction, period: int, weights: Sequence[Fraction], bits: int = 256
) -> bool:
    """Whether every condition holds for exact weights, in balls; the numbers of the method must be exact too."""
    from theory_sim.exact.arithmetic import balls, module

    flint = module("flint")
    arithmetic = balls(bits)
    if any(weight < 0 for weight in weights) or sum(weights) <= 0 or len(weights) != period // 2:
        return False
    with arithmetic.precision():
        acb, arb = flint.acb, flint.arb

        def real(value: Fraction) -> Any:
            return arb(flint.fmpq(value.numerator, value.denominator))

        low, high, alpha, beta = real(mu), real(L), real(Fraction(method.alpha)), real(Fraction(method.beta))
        for d in range(1, period):
            total = arb(0)
            for l, weight in enumerate(weights, 1):
                angle = 2 * arb.pi() * l / period
                w = acb(angle.cos(), angle.sin())
                G = (1 + beta - beta / w - w) / alpha
                C = 1 + beta - beta / w if method.method == "nesterov" else acb(1)
                turned = acb((angle * d).cos(), (angle * d).sin()) - 1
                inner = G.conjugate() * C
                size = abs(G) ** 2 / high + low * abs(C) ** 2 - 2 * low / high * inner.real
                slack = -(inner * turned).real - size * abs(turned) ** 2 / (2 * (1 - low / high))
                total += real(weight) * slack
            if not total > 0:
                return False
    return True

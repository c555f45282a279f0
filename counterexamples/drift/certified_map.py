"""Maps of the proved sign of the drift over the closed unit square of (beta1, beta2).

The search rests on a lemma.  For C > 1 the coefficients c_k of (1) in `counterexamples.drift.certificate` do
not decrease with k, as r_k does not; so they change sign at most once, from - to +, and sum_k c_k beta1^k,
divided by beta1^K at the first c_K >= 0, is a sum of increasing functions: D changes sign at most once in
beta1, from - to +.  One negative value at (a, beta2) settles [0, a], one positive value at (b, beta2) settles
[b, 1].  Strips of beta2 are halved, the one with the largest open area first, and a and b found by bisection
with a mean value form in beta2.  Nothing is cut off near beta = 1, where (1) is regular.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from typing import Any

from counterexamples.drift.certificate import powers, setting, verdict_of
from theory_sim import exact
from theory_sim.exact.arithmetic import module
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks
from theory_sim.rules.checks import rational

FORMAT = "theory-sim certified map 1"
PROVES = (
    "Every point of a box has the drift D(beta1, beta2; n, C) of one proved sign, that of the full "
    "gradient C - (n-1) for CONVERGED and the opposite one for DIVERGED; hence Adam with these beta1, "
    "beta2 < 1, eps = 0, with or without bias correction, in cyclic order and with steps lr t^-s, 0 < s "
    "<= 1, on a box and n linear components with slopes C, -1, ..., -1 tends to the minimiser (CONVERGED) "
    "or to the opposite corner (DIVERGED) from every start; edges at beta = 1 state the limit of D, other "
    "orders, eps > 0 and the band are left open."
)
_GRID = 24  # edges in beta1 are multiples of 2^-24
_BITS = 128

MAX_N = 1000  # verifying costs n^2 operations of 4 n bits per box: seconds for n = 200, minutes for n = 1000
MAX_DIGITS = 100  # of numerators and denominators in a map
METHOD = f"one sign change in beta1, mean value form in beta2, python-flint balls of {_BITS} bits"

Interval = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Box:
    """A closed rectangle with its verdict; UNDECIDED in the band that is left open."""

    beta1: Interval
    beta2: Interval
    verdict: Verdict

    @property
    def area(self) -> Fraction:
        return (self.beta1[1] - self.beta1[0]) * (self.beta2[1] - self.beta2[0])

    def record(self) -> dict[str, Any]:
        """The JSON form, with exact rationals as strings."""
        sides = {"beta1": [*map(str, self.beta1)], "beta2": [*map(str, self.beta2)]}
        return sides if self.verdict is Verdict.UNDECIDED else {**sides, "verdict": str(self.verdict)}


@dataclass(frozen=True)
class _Strip:
    """beta2 in [low, high]: D < 0 for beta1 <= negative, D > 0 for beta1 >= positive; None: not proved."""

    low: Fraction
    high: Fraction
    negative: Fraction | None
    positive: Fraction | None

    @property
    def gap(self) -> Interval:
        return self.negative or Fraction(0), Fraction(1) if self.positive is None else self.positive

    @property
    def open(self) -> Fraction:
        return (self.gap[1] - self.gap[0]) * (self.high - self.low)


class _Search:
    """Evaluates strips for one n and C."""

    def __init__(self, n: int, C: Fraction) -> None:
        self.n, self.C, self.flint, self.balls = n, C, module("flint"), exact.balls(_BITS)

    def strip(self, low: Fraction, high: Fraction) -> _Strip:
        """Enclose the coefficients on [low, high] and bisect for both edges."""
        arb_poly, arb = self.flint.arb_poly, self.flint.arb
        with self.balls.precision():
            middle = self.balls.convert((low + high) / 2)
            interval = self.balls.convert(low).union(self.balls.convert(high))
            at_middle = arb_poly(self.coefficients(middle)[0])
            change = arb_poly(self.coefficients(interval)[1])
            offset = interval - middle

            def sign(edge: int) -> int:
                beta1 = arb(edge) / (1 << _GRID)
                value = at_middle(beta1) + offset * change(beta1)
                return 1 if value > 0 else -1 if value < 0 else 0

            edges: dict[int, Fraction | None] = {}
            for wanted, safe, failing in ((-1, 0, 1 << _GRID), (1, 1 << _GRID, 0)):
                if sign(failing) == wanted:
                    safe = failing
                elif sign(safe) != wanted:
                    edges[wanted] = None
                    continue
                while abs(safe - failing) > 1:
                    edge = (safe + failing) // 2
                    safe, failing = (edge, failing) if sign(edge) == wanted else (safe, edge)
                edges[wanted] = Fraction(safe, 1 << _GRID)
        return _Strip(low, high, edges[-1], edges[1])

    def coefficients(self, b: Any) -> tuple[list[Any], list[Any]]:
        """(C+1) u_k - (u_0 + ... + u_(n-1)), u_k = 1 / sqrt(v_k), and their derivatives in beta2."""
        n, ratio = self.n, self.balls.convert(self.C)
        b_powers = powers(b, n)
        whole = sum(b_powers, b * 0)
        whole_slope = sum((k * b_powers[k - 1] for k in range(1, n)), b * 0)
        u, slopes = [], []
        for k, power in enumerate(b_powers):
            share = power / whole
            share_slope = ((k * b_powers[k - 1] if k else 0) - share * whole_slope) / whole
            root = (1 + (ratio * ratio - 1) * share).rsqrt()
            u.append(root)
            slopes.append((1 - ratio * ratio) * share_slope * root * root * root / 2)
        total, total_slope = sum(u, b * 0), sum(slopes, b * 0)
        return [(ratio + 1) * own - total for own in u], [(ratio + 1) * own - total_slope for own in slopes]


def certified_map(n: int, C: Any, *, coverage: Any = "0.999", max_boxes: int = 100_000) -> dict[str, Any]:
    """Certify the sign of D(beta1, beta2; n, C) on the closed unit square, up to a thin band.

    Parameters
    ----------
    n : int
        Number of components, >= 2.
    C : exact number
        Large gradient, > 1 and not n - 1.
    coverage : exact number
        Share of the square, below 1, at which to stop.
    max_boxes : int
        Number of boxes at which to stop although less is covered.

    Returns
    -------
    dict
        JSON content: format, n, C, proves, method, version, boxes, band (what is open) and area, with every
        number but n an exact rational as a string; share is a decimal rounded down.
    """
    n, C = setting(n, C)
    check_size(n, C)
    goal = rational("coverage", coverage)
    if not 0 <= goal < 1:
        raise ValueError(f"coverage = {coverage} must be at least 0 and below 1.")
    checks.count("max_boxes", max_boxes, 2)
    search = _Search(n, C)
    first = search.strip(Fraction(0), Fraction(1))
    heap = [(-first.open, first.low, first)]
    left = first.open
    # Halving a strip adds at most two boxes and one piece of the band, which counts as a box here.
    while left > 1 - goal and 3 * (len(heap) + 1) <= max_boxes:
        strip = heapq.heappop(heap)[2]
        middle = (strip.low + strip.high) / 2
        halves = (search.strip(strip.low, middle), search.strip(middle, strip.high))
        for half in halves:
            heapq.heappush(heap, (-half.open, half.low, half))
        left += sum(half.open for half in halves) - strip.open
    boxes, band = _boxes(sorted((item[2] for item in heap), key=lambda strip: strip.low), n, C)
    return {
        "format": FORMAT,
        "n": n,
        "C": str(C),
        "proves": PROVES,
        "method": METHOD,
        "version": metadata.version("theory-sim"),
        "area": areas(boxes, band),
        "boxes": [box.record() for box in boxes],
        "band": [box.record() for box in band],
    }


def check_size(n: int, C: Fraction) -> None:
    """Raise ValueError for a period whose map takes hours, and for a C with too many digits."""
    if n > MAX_N:
        raise ValueError(f"n = {n} is above {MAX_N}, too large for a map; certify single cells instead.")
    if max(C.numerator, C.denominator) >= 10**MAX_DIGITS:
        raise ValueError(
            f"C has more than {MAX_DIGITS} digits above or below its fraction bar, too many for a map: round it."
        )


def _boxes(strips: list[_Strip], n: int, C: Fraction) -> tuple[list[Box], list[Box]]:
    """Cut strips into boxes, neighbours with the same edges as one."""
    merged: list[_Strip] = []
    for strip in strips:
        if merged and (merged[-1].negative, merged[-1].positive) == (strip.negative, strip.positive):
            strip = _Strip(merged.pop().low, strip.high, strip.negative, strip.positive)
        merged.append(strip)
    boxes, band = [], []
    for strip in merged:
        rows = (strip.low, strip.high)
        gap = strip.gap
        pieces = (((Fraction(0), gap[0]), verdict_of(-1, n, C)), ((gap[1], Fraction(1)), verdict_of(1, n, C)))
        boxes += [Box(columns, rows, verdict) for columns, verdict in pieces if columns[0] < columns[1]]
        if gap[0] < gap[1]:
            band.append(Box(gap, rows, Verdict.UNDECIDED))
    return boxes, band


def areas(boxes: list[Box], band: list[Box]) -> dict[str, str]:
    """Exact areas as rational strings, and the certified share as a decimal rounded down."""
    certified = sum((box.area for box in boxes), Fraction(0))
    kinds = {
        verdict.lower(): sum((box.area for box in boxes if box.verdict is verdict), Fraction(0))
        for verdict in (Verdict.CONVERGED, Verdict.DIVERGED)
    }
    exact_areas = {"certified": certified, "open": sum((box.area for box in band), Fraction(0)), **kinds}
    return {
        **{name: str(area) for name, area in exact_areas.items()},
        "share": f"{int(certified * 10**9) / 10**9:.9f}",
    }


def text(content: Mapping[str, Any]) -> str:
    """Return a certified map as JSON, one box a line."""
    lines = {name: json.dumps(value) for name, value in content.items() if name not in ("boxes", "band")}
    for name in ("boxes", "band"):
        lines[name] = "[\n" + ",\n".join(json.dumps(box) for box in content[name]) + "\n]"
    return "{\n" + ",\n".join(f'"{name}": {value}' for name, value in lines.items()) + "\n}\n"

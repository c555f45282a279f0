"""Verification of a certified map by another route than the search that wrote it.

Neither identity (1) of `counterexamples.drift.certificate` nor the lemma of `certified_map` is used.  The
drift comes from the definition, for any periodic gradients g_1 ... g_n: at the steady state m_k and v_k are,
up to positive factors that do not depend on k, sums of beta1^j g_(k-j) and of beta2^j g_(k-j)^2 over j = 0
... n-1, so the drift is, up to a positive factor, a polynomial in beta1 with the coefficients sum_k g_(k-j) /
sqrt(v_k).  It is put in Bernstein form on the box, with coefficients that are Taylor models in beta2 from
automatic differentiation; coefficients of one sign prove the box, and a piece not proved is halved in beta2.
Overlap and areas are checked with rational numbers.  What the two routes share: balls of python-flint, the
readers of exact numbers, and the steady state itself.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Mapping
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

from counterexamples.drift.certificate import setting
from counterexamples.drift.certified_map import (
    FORMAT,
    MAX_DIGITS,
    METHOD,
    PROVES,
    Box,
    Interval,
    areas,
    check_size,
)
from theory_sim import exact
from theory_sim.exact.arithmetic import module
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules.checks import rational

_BITS = 128
_PIECES = 4096  # into which one box is cut at most
_DIGITS = f"[0-9]{{1,{MAX_DIGITS}}}"
_NUMBER = re.compile(rf"{_DIGITS}(/{_DIGITS}|\.{_DIGITS})?")
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){1,3}((a|b|rc|\.post|\.dev)[0-9]{1,6}){0,3}")
_FIELDS = ("format", "n", "C", "proves", "method", "version", "area", "boxes", "band")
_SIDES = ("beta1", "beta2")


class Mismatch(ValueError):
    """A certified map that does not verify; the message says where."""


def read(path: Path) -> Any:
    """Return the parsed JSON of a file, or raise Mismatch if there is none."""
    try:
        return json.loads(path.read_text(), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise Mismatch(f"No JSON can be read ({error}).") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, or raise ValueError if it states a field twice."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("an object has a field twice")
    return record


def verify(content: Any) -> dict[str, str]:
    """Recompute every box of a certified map by a method of its own, and check the tiling and the areas.

    Parameters
    ----------
    content : object
        Parsed JSON.

    Returns
    -------
    dict of str to str
        The areas.

    Raises
    ------
    Mismatch
        At the first thing that is malformed, false or not confirmed.
    """
    n, C, boxes, band = _read(content)
    _check_tiling([*boxes, *band])
    found = areas(boxes, band)
    if found != content["area"]:
        raise Mismatch(f"area is {content['area']}, but the boxes have {found}.")
    check = BoxCheck(n, C)
    for box in boxes:
        if not check.holds(box):
            raise Mismatch(f"The verdict {box.verdict} of the box {box.record()} is not confirmed.")
    return found


def _read(content: Any) -> tuple[int, Fraction, list[Box], list[Box]]:
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise Mismatch(f"This is not a file of format {FORMAT!r}; write one with theory-sim certify.")
    if content.get("proves") != PROVES:
        raise Mismatch("The sentence under 'proves' is not the one that this version checks.")
    try:
        _exactly(content, _FIELDS)
        if type(content["n"]) is not int:
            raise TypeError
        if content["method"] != METHOD or not _VERSION.fullmatch(content["version"]):
            raise ValueError("'method' and 'version' are not what theory-sim certify writes.")
        n, C = setting(content["n"], _number(content["C"]))
        check_size(n, C)
        if not isinstance(content["boxes"], list) or not isinstance(content["band"], list):
            raise TypeError
        boxes = [_box(record, (*_SIDES, "verdict")) for record in content["boxes"]]
        band = [_box(record, _SIDES) for record in content["band"]]
        if not isinstance(content["area"], Mapping):
            raise TypeError
    except (TypeError, AttributeError) as error:
        raise Mismatch(f"The file has a field of a wrong type ({error!r}).") from None
    except ValueError as error:
        raise Mismatch(str(error)) from None
    for box in boxes:
        if box.verdict not in (Verdict.CONVERGED, Verdict.DIVERGED):
            raise Mismatch(f"A box is {box.verdict}; such boxes belong to the band.")
    return n, C, boxes, band


def _number(text: Any) -> Fraction:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ValueError(f"{str(text)[:40]!r} is not an exact number; write a rational or a decimal string.")
    return rational("number", text)


def _exactly(record: Any, names: tuple[str, ...]) -> None:
    """Raise ValueError unless a record has these fields and no other, on which nothing would be checked."""
    if not isinstance(record, Mapping):
        raise TypeError
    for name in names:
        if name not in record:
            raise ValueError(f"A record lacks a field: {name}.")
    for name in record:
        if name not in names:
            raise ValueError(f"The field {str(name)[:40]!r} is not checked by anything: remove it.")


def _box(record: Any, names: tuple[str, ...]) -> Box:
    _exactly(record, names)
    verdict = Verdict(record["verdict"]) if "verdict" in names else Verdict.UNDECIDED
    sides = []
    for name in _SIDES:
        if not isinstance(record[name], list) or len(record[name]) != 2:
            raise ValueError(f"{name} = {str(record[name])[:40]} is not a list of two numbers.")
        low, high = (_number(end) for end in record[name])
        if not 0 <= low < high <= 1:
            raise ValueError(f"{name} = {record[name]} is no interval with 0 <= low < high <= 1.")
        sides.append((low, high))
    return Box(sides[0], sides[1], verdict)


def _check_tiling(boxes: list[Box]) -> None:
    """A sweep over beta2 with the active boxes sorted by beta1; boxes may share edges only."""
    events = sorted(
        [(box.beta2[1], 0, i) for i, box in enumerate(boxes)]
        + [(box.beta2[0], 1, i) for i, box in enumerate(boxes)]
    )
    active: list[tuple[Fraction, Fraction]] = []
    for _, starts, i in events:
        side = boxes[i].beta1
        place = bisect_left(active, side)
        if not starts:
            del active[place]
            continue
        if (place and active[place - 1][1] > side[0]) or (place < len(active) and active[place][0] < side[1]):
            raise Mismatch(f"The box {boxes[i].record()} overlaps another one.")
        active.insert(place, side)
    total = sum((box.area for box in boxes), Fraction(0))
    if total != 1:
        raise Mismatch(
            f"Boxes and band have the area {float(total):.9f}, not 1: they do not cover the square."
        )


class BoxCheck:
    """Confirms boxes for one n and C with Bernstein coefficients in beta1."""

    def __init__(self, n: int, C: Fraction) -> None:
        self.n, self.C, self.flint = n, C, module("flint")
        # The shift to the box and the step to the Bernstein basis lose up to 2 bits per degree each.
        self.balls = exact.balls(_BITS + 4 * n)
        top = n - 1
        ratios = [[self.flint.fmpq(comb(j, i), comb(top, i)) for i in range(n)] for j in range(n)]
        with self.balls.precision():
            self.to_bernstein = self.flint.arb_mat(self.flint.fmpq_mat(ratios))

    def holds(self, box: Box) -> bool:
        """Whether the verdict is proved on every piece of the box."""
        sign = 1 if (box.verdict is Verdict.CONVERGED) == (self.n - 1 < self.C) else -1
        pieces, tried = [box.beta2], 0
        while pieces:
            low, high = pieces.pop()
            tried += 1
            found = self.proved(box.beta1, (low, high), sign)
            if found:
                continue
            if found is False or tried + len(pieces) > _PIECES:
                return False
            middle = (low + high) / 2
            pieces += [(low, middle), (middle, high)]
        return True

    def proved(self, beta1: Interval, beta2: Interval, sign: int) -> bool | None:
        """True if all Bernstein coefficients have the sign, over all of beta2.

        False if a point refutes it.
        """
        flint, convert, n = self.flint, self.balls.convert, self.n
        with self.balls.precision():
            middle = convert((beta2[0] + beta2[1]) / 2)
            interval = convert(beta2[0]).union(convert(beta2[1]))
            substitution = flint.arb_poly([convert(beta1[0]), convert(beta1[1] - beta1[0])])
            columns = []
            for point, order in ((middle, 0), (interval, 1)):
                coefficients = flint.arb_poly([series[order] for series in self.series(point)])
                columns.append((coefficients(substitution)).coeffs())
            rows = [[column[i] if i < len(column) else 0 for column in columns] for i in range(n)]
            bernstein = self.to_bernstein * flint.arb_mat(rows)
            offset = interval - middle
            if all((bernstein[j, 0] + offset * bernstein[j, 1]) * sign > 0 for j in range(n)):
                return True
            # The first and the last coefficient are values of the polynomial, at the ends of beta1.
            return False if any(bernstein[j, 0] * sign < 0 for j in (0, n - 1)) else None

    def series(self, point: Any) -> list[Any]:
        """Return the coefficients of the polynomial around a point, to first order in beta2."""
        n, series = self.n, self.flint.arb_series
        slopes = [self.balls.convert(self.C), *(n - 1) * [self.balls.convert(Fraction(-1))]]
        b, power, powers = series([point, 1], prec=2), series([1], prec=2), []
        for _ in range(n):
            powers.append(power)
            power *= b
        zero = series([0], prec=2)
        v = [sum((powers[j] * (slopes[k - j] * slopes[k - j]) for j in range(n)), zero) for k in range(n)]
        steps = [one.rsqrt() for one in v]
        return [sum((steps[k] * slopes[k - j] for k in range(n)), zero) for j in range(n)]

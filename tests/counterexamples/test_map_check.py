"""Verification of certified maps: true ones pass, altered ones do not."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift import certificate, certified_map, map_check
from theory_sim import Verdict, exact

pytest.importorskip("flint")


@pytest.fixture(scope="module")
def written() -> str:
    """A map with a few boxes of both verdicts, as JSON."""
    return json.dumps(certified_map.certified_map(10, 10, coverage="0.95"))


@pytest.fixture
def content(written: str) -> Any:
    """A copy of it to tamper with."""
    return json.loads(written)


def recount(content: Any) -> None:
    """Make the areas fit the boxes again, as a careful forger would."""
    boxes = [
        certified_map.Box(
            *(tuple(map(Fraction, box[name])) for name in ("beta1", "beta2")),
            Verdict(box.get("verdict", "UNDECIDED")),
        )
        for box in content["boxes"] + content["band"]
    ]
    content["area"] = certified_map.areas(boxes[: len(content["boxes"])], boxes[len(content["boxes"]) :])


def flip(content: Any) -> None:
    box = content["boxes"][0]
    box["verdict"] = "CONVERGED" if box["verdict"] == "DIVERGED" else "DIVERGED"
    recount(content)


def claim_band(content: Any) -> None:
    content["boxes"].append({**content["band"].pop(), "verdict": "DIVERGED"})
    recount(content)


def enlarge(content: Any) -> None:
    box = next(box for box in content["boxes"] if box["verdict"] == "DIVERGED")
    gap = next(gap for gap in content["band"] if gap["beta2"] == box["beta2"])
    box["beta1"][1], gap["beta1"][0] = gap["beta1"][1], gap["beta1"][1]
    content["band"].remove(gap)
    recount(content)


def change_area(content: Any) -> None:
    content["area"]["certified"] = str(Fraction(content["area"]["certified"]) + Fraction(1, 10**9))


def whole(content: Any, side: Any) -> None:
    """One box over the square, CONVERGED as C < n - 1, with another form of the interval [0, 1]."""
    content.update(C="8", boxes=[{"beta1": ["0", "1"], "beta2": ["0", "1"], "verdict": "CONVERGED"}], band=[])
    recount(content)
    assert map_check.verify(content)["certified"] == "1"
    content["boxes"][0]["beta1"] = side


TAMPERINGS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "verdict": (flip, "is not confirmed"),
    "band claimed": (claim_band, "is not confirmed"),
    "enlarged into the band": (enlarge, "is not confirmed"),
    "enlarged over the band": (lambda c: c["boxes"][0].update(beta1=["0", "1"]), "overlaps another"),
    "duplicate": (lambda c: c["boxes"].append(c["boxes"][3]), "overlaps another"),
    "missing": (lambda c: c["boxes"].pop(), "do not cover"),
    "area": (change_area, "area is"),
    "larger C": (lambda c: c.update(C="21/2"), "is not confirmed"),
    "smaller C": (lambda c: c.update(C="19/2"), "is not confirmed"),
    "negative full gradient": (lambda c: c.update(C="8"), "is not confirmed"),
    "zero full gradient": (lambda c: c.update(C="9"), "C = 9 is n - 1"),
    "n": (lambda c: c.update(n=9), "is not confirmed"),
    "sentence": (lambda c: c.update(proves="Adam converges."), "sentence"),
    "format": (lambda c: c.update(format="map 2"), "not a file of format"),
    "no boxes": (lambda c: c.pop("boxes"), "lacks a field"),
    "no area": (lambda c: c.pop("area"), "lacks a field"),
    "float endpoint": (lambda c: c["boxes"][0].update(beta1=[0.0, 0.5]), "not an exact number"),
    "float n": (lambda c: c.update(n=10.0), "wrong type"),
    "list of numbers": (lambda c: c.update(boxes=[1, 2]), "wrong type"),
    "outside": (lambda c: c["boxes"][0].update(beta1=["-1", "0"]), "not an exact number"),
    "beyond 1": (lambda c: c["boxes"][0].update(beta1=["0", "3/2"]), "no interval"),
    "reversed": (lambda c: c["boxes"][0]["beta1"].reverse(), "no interval"),
    "zero denominator": (lambda c: c["boxes"][0].update(beta1=["0", "1/0"]), "no exact number"),
    "unjudged box": (lambda c: c["boxes"][0].update(verdict="UNJUDGED"), "belong to the band"),
    "undecided box": (lambda c: c["boxes"][0].update(verdict="UNDECIDED"), "belong to the band"),
    "unknown verdict": (lambda c: c["boxes"][0].update(verdict="true"), "not a valid Verdict"),
    "box with a sentence": (lambda c: c["boxes"][0].update(note="proved"), "'note' is not checked by anything"),
    "band with a verdict": (
        lambda c: [gap.update(verdict="DIVERGED") for gap in c["band"]],
        "'verdict' is not checked by anything",
    ),
    "file with a field": (lambda c: c.update(theorem="Adam diverges."), "'theorem' is not checked by anything"),
    "no verdict": (lambda c: c["boxes"][0].pop("verdict"), "lacks a field: verdict"),
    "no edge": (lambda c: c["band"][0].pop("beta1"), "lacks a field: beta1"),
    "no version": (lambda c: c.pop("version"), "lacks a field: version"),
    "interval of digits": (lambda c: whole(c, "01"), "beta1 = 01 is not a list of two numbers"),
    "interval as an object": (lambda c: whole(c, {"0": 1, "1": 0}), "is not a list of two numbers"),
    "three ends": (lambda c: whole(c, ["0", "1", "1"]), "is not a list of two numbers"),
    "one end": (lambda c: whole(c, ["0"]), "is not a list of two numbers"),
    "Arabic-Indic digits": (lambda c: whole(c, ["\u0660", "\u0661"]), "is not an exact number"),
    "Arabic-Indic C": (lambda c: c.update(C="\u0661\u0660"), "is not an exact number"),
    "underscore": (lambda c: c.update(C="1_0"), "is not an exact number"),
    "boxes as an object": (lambda c: c.update(boxes={}), "wrong type"),
    "band as text": (lambda c: c.update(band=""), "wrong type"),
    "area with a field": (lambda c: c["area"].update(proved="1"), "area is"),
    "method": (lambda c: c.update(method="Peer review."), "'method' and 'version'"),
    "version": (lambda c: c.update(version="checked by hand"), "'method' and 'version'"),
    "version as a number": (lambda c: c.update(version=1), "wrong type"),
    "huge n": (lambda c: c.update(n=10**9), "too large for a map"),
}  # fmt: skip


def test_an_honest_map_is_confirmed(content: Any) -> None:
    assert map_check.verify(content) == content["area"]


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_caught(name: str, content: Any) -> None:
    alter, message = TAMPERINGS[name]
    alter(content)
    with pytest.raises(map_check.Mismatch, match=message) as caught:
        map_check.verify(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\x00"])
def test_what_is_no_map_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(map_check.Mismatch):
        map_check.verify(map_check.read(tmp_path / "map.json"))
    with pytest.raises(map_check.Mismatch, match="No JSON can be read"):
        map_check.read(tmp_path / "absent.json")


def test_a_field_stated_twice_is_refused(content: Any, tmp_path: Path) -> None:
    """Readers differ in which one they take."""
    text = certified_map.text(content).replace('"verdict": "', '"verdict": "UNDECIDED", "verdict": "', 1)
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(map_check.Mismatch, match="an object has a field twice"):
        map_check.read(tmp_path / "map.json")


def test_decimal_endpoints_are_read(content: Any) -> None:
    content["boxes"] = [{"beta1": ["0", "0.5"], "beta2": ["0.25", "0.5"], "verdict": "DIVERGED"}]
    content["band"] = [
        {"beta1": ["0.5", "1"], "beta2": ["0.25", "0.5"]},
        {"beta1": ["0", "1"], "beta2": ["0", "0.25"]},
        {"beta1": ["0", "1"], "beta2": ["0.5", "1"]},
    ]
    recount(content)
    assert map_check.verify(content)["certified"] == "1/8"


cells = st.fractions(0, 1, max_denominator=64)


@settings(max_examples=60)
@given(st.tuples(cells, cells), st.tuples(cells, cells), st.integers(2, 12), st.integers(1, 30))
def test_no_box_is_confirmed_that_a_point_contradicts(beta1: Any, beta2: Any, n: int, excess: int) -> None:
    """A confirmed box has the proved sign of its corners and its centre, which the point certificates know."""
    (low1, high1), (low2, high2) = sorted(beta1), sorted(beta2)
    C = n - 1 + Fraction(excess, 10)
    if low1 == high1 or low2 == high2 or C <= 1:
        return
    check = map_check.BoxCheck(n, C)
    box = certified_map.Box((low1, high1), (low2, high2), Verdict.CONVERGED)
    opposite = certified_map.Box((low1, high1), (low2, high2), Verdict.DIVERGED)
    points = [(a, b) for a in (low1, high1, (low1 + high1) / 2) for b in (low2, high2, (low2 + high2) / 2)]
    verdicts = {certificate.certify(a, b, n, C).verdict for a, b in points if a < 1 and b < 1}
    if "DIVERGED" in verdicts or "UNDECIDED" in verdicts:
        assert not check.proved(box.beta1, box.beta2, 1)
    if "CONVERGED" in verdicts or "UNDECIDED" in verdicts:
        assert not check.proved(opposite.beta1, opposite.beta2, -1)


class OfPolynomials(map_check.BoxCheck):
    """Checks boxes for a polynomial in beta1 with given coefficients, plus beta2 times others."""

    def __init__(self, coefficients: list[Any], slopes: list[Any] | None = None) -> None:
        super().__init__(len(coefficients), Fraction(2 * len(coefficients)))
        self.coefficients, self.slopes = coefficients, slopes or [0] * len(coefficients)

    def series(self, point: Any) -> list[Any]:
        rows = zip(self.coefficients, self.slopes, strict=True)
        convert = self.balls.convert
        return [
            self.flint.arb_series(
                [convert(Fraction(c)) + point * convert(Fraction(s)), convert(Fraction(s))], prec=2
            )
            for c, s in rows
        ]


UNIT = (Fraction(0), Fraction(1))


def test_signs_between_the_ends_are_seen() -> None:
    # (x - 1/4)(x - 1/2)(x - 3/4) has three sign changes; (x - 1/4)(x - 3/4) is positive at both ends, negative between.
    cubic = [Fraction(-3, 32), Fraction(11, 16), Fraction(-3, 2), 1]
    dip = [Fraction(3, 16), -1, 1]
    assert OfPolynomials(dip).proved(UNIT, UNIT, 1) is not True
    assert OfPolynomials(cubic).proved((Fraction(0), Fraction(1, 5)), UNIT, -1) is True
    assert OfPolynomials(cubic).proved((Fraction(4, 5), Fraction(1)), UNIT, 1) is True
    for side in ((Fraction(1, 5), Fraction(3, 10)), (Fraction(3, 10), Fraction(7, 10)), UNIT):
        assert not any(OfPolynomials(cubic).proved(side, UNIT, sign) for sign in (1, -1))


def test_what_changes_between_the_ends_of_beta2_is_seen() -> None:
    # 1/10 - beta2 + beta1/10 is positive at beta2 = 0 only; 1/10 at the middle of [0, 1/5] would say nothing.
    check = OfPolynomials([Fraction(1, 10), Fraction(1, 10)], [-1, 0])
    assert check.proved(UNIT, (Fraction(0), Fraction(1, 20)), 1) is True
    assert not check.proved(UNIT, (Fraction(0), Fraction(1, 4)), 1)
    assert check.proved(UNIT, (Fraction(1, 4), Fraction(1)), -1) is True


def test_the_box_that_a_slope_at_the_middle_would_confirm() -> None:
    # D > 0 at its upper corner, so it is not DIVERGED throughout; the derivative at the middle of beta2 says it is.
    box = certified_map.Box(
        (Fraction(13, 64), Fraction(49, 64)), (Fraction(0), Fraction(25, 64)), Verdict.DIVERGED
    )
    assert certificate.certify("49/64", 0, 8, "93/10").verdict == "CONVERGED"
    check = map_check.BoxCheck(8, Fraction(93, 10))
    assert not check.proved(box.beta1, box.beta2, -1)
    assert not check.holds(box)


@settings(max_examples=80)
@given(st.integers(4, 12), st.integers(1, 30), st.integers(8, 60), st.integers(0, 40), st.integers(4, 40))
def test_wide_boxes_beside_zero_are_refused_unless_all_signs_agree(
    n: int, excess: int, right: int, left: int, top: int
) -> None:
    """Where beta2 is small the drift bends most; a fine grid of points knows the truth."""
    C, low, high = n - 1 + Fraction(excess, 10), Fraction(min(left, right - 4), 64), Fraction(right, 64)
    beta1, beta2 = (max(low, Fraction(0)), high), (Fraction(0), Fraction(top, 64))
    grid = [(beta1[0] + (beta1[1] - beta1[0]) * i / 4, beta2[1] * j / 8) for i in range(5) for j in range(9)]
    verdicts = {certificate.certify(a, b, n, C).verdict for a, b in grid}
    check = map_check.BoxCheck(n, C)
    for sign, refuting in ((1, "DIVERGED"), (-1, "CONVERGED")):
        if refuting in verdicts:
            assert not check.proved(beta1, beta2, sign)


def test_the_polynomial_is_that_of_the_kernel() -> None:
    """The drift of Adam's own rule, run in balls to its steady state, has the value of the polynomial."""
    n, C, beta1, beta2 = 4, Fraction(5), Fraction(1, 2), Fraction(1, 4)
    problem = reddi.periodic(5.0, period=4, x0=0.0)
    adam = ts.adam(1e-3, 0.5, 0.25, 0.0, bias_correction=False)
    blocks = [exact.run(problem, adam, n * k, exact.balls(256)).x[0] for k in (40, 41)]
    moved = float((blocks[0] - blocks[1]) / exact.balls(256).convert(1e-3))  # lr is a binary64 number
    check = map_check.BoxCheck(n, C)
    with check.balls.precision():
        series = check.series(check.balls.convert(beta2))
        value = sum(float(one[0]) * float(beta1) ** j for j, one in enumerate(series))
    # Positive factors: m_k is (1 - beta1)/(1 - beta1^n) of its sum, v_k (1 - beta2)/(1 - beta2^n).
    scale = (1 - beta1) / (1 - beta1**n) / ((1 - beta2) / (1 - beta2**n)) ** 0.5
    assert moved == pytest.approx(value * float(scale), rel=1e-12)


def test_every_field_of_a_box_is_checked(content: Any) -> None:
    """Each number of the file changed by a little, in every box and gap: nothing is taken on trust."""
    for part in ("boxes", "band"):
        for k in range(0, len(content[part]), 5):
            for side in ("beta1", "beta2"):
                for end in (0, 1):
                    forged = json.loads(json.dumps(content))
                    old = Fraction(forged[part][k][side][end])
                    forged[part][k][side][end] = str(old + Fraction(1, 2**30) * (1 if old < 1 else -1))
                    for also in (lambda c: None, recount):
                        also(forged)
                        with pytest.raises(map_check.Mismatch):
                            map_check.verify(forged)

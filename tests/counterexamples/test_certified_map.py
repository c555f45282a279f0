"""The map of proved signs over the unit square."""

import json
import os
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterexamples import drift
from counterexamples.drift import certified_map, map_check

pytest.importorskip("flint")
full = pytest.mark.skipif(os.environ.get("THEORY_SIM_TIER") != "full", reason="5 s: THEORY_SIM_TIER=full")


@pytest.mark.parametrize(
    ("n", "C"),
    [(3, "3"), (10, "10"), (20, "20"), (20, "380"), (7, "13/2"), pytest.param(50, "50", marks=full)],
)
def test_the_map_covers_the_square_and_is_confirmed(n: int, C: str) -> None:
    content = certified_map.certified_map(n, C)
    assert Fraction(content["area"]["certified"]) >= Fraction(999, 1000)
    assert Fraction(content["area"]["certified"]) + Fraction(content["area"]["open"]) == 1
    assert len(content["boxes"]) + len(content["band"]) < 2000
    assert map_check.verify(json.loads(json.dumps(content))) == content["area"]


def test_the_map_has_the_sign_of_the_closed_form() -> None:
    content = certified_map.certified_map(10, 10)
    # Endpoints are multiples of 2^-24, so floats hold them exactly.
    sides = np.array(
        [
            [[float(Fraction(end)) for end in box[name]] for name in ("beta1", "beta2")]
            for box in content["boxes"]
        ]
    )
    converged = np.array([box["verdict"] == "CONVERGED" for box in content["boxes"]])
    undecided = 0
    for point in np.random.default_rng(0).random((500, 2)):
        inside = np.all((sides[..., 0] <= point) & (point <= sides[..., 1]), axis=1)
        undecided += not inside.any()
        assert np.all(converged[inside] == (drift.drift(*point, 10, 10) > 0))
    # The band has 0.1 % of the area: 5 or more of 500 points lie in it with probability 2e-4.
    assert undecided < 5


def test_the_area_is_that_of_the_grid() -> None:
    content = certified_map.certified_map(10, 10)
    # Midpoints of a 400 x 400 grid miss the area by at most the boundary's length over the cell size.
    assert float(Fraction(content["area"]["diverged"])) == pytest.approx(
        drift.diverging_area(10, 10, 400), abs=5e-3
    )


@settings(max_examples=50)
@given(st.integers(2, 40), st.floats(1.01, 100.0), st.floats(0.0, 0.999))
def test_the_lemma_of_one_sign_change(n: int, C: float, beta2: float) -> None:
    beta1 = np.linspace(0.0, 0.999, 200)
    values = drift.drift(beta1, beta2, n, C)
    signs = np.sign(values[np.abs(values) > 1e-12 * n * C])
    assert np.all(np.diff(signs) >= 0)


def test_more_coverage_needs_more_boxes() -> None:
    coarse, fine = (certified_map.certified_map(5, 5, coverage=coverage) for coverage in ("0.9", "0.99"))
    assert len(coarse["boxes"]) < len(fine["boxes"])
    assert Fraction(coarse["area"]["certified"]) < Fraction(fine["area"]["certified"])


def test_the_number_of_boxes_is_bounded() -> None:
    content = certified_map.certified_map(20, 20, coverage="0.999999", max_boxes=100)
    assert len(content["boxes"]) <= 100
    assert Fraction(content["area"]["certified"]) < Fraction("0.999999")
    assert map_check.verify(content) == content["area"]


def test_a_negative_full_gradient_converges_everywhere() -> None:
    # For C < n - 1 the drift at beta1 = 1 is negative, so by the lemma it is negative on the whole square.
    content = certified_map.certified_map(20, 10)
    assert content["boxes"] == [{"beta1": ["0", "1"], "beta2": ["0", "1"], "verdict": "CONVERGED"}]
    assert (content["band"], content["area"]["share"]) == ([], "1.000000000")


@pytest.mark.parametrize(("n", "C"), [(20, "9e99"), (3, "20." + "0" * 97 + "1")])
def test_the_longest_C_that_is_accepted_verifies(n: int, C: str) -> None:
    """100 digits above the fraction bar, and 99 below it."""
    content = json.loads(certified_map.text(certified_map.certified_map(n, C, coverage="0.9", max_boxes=100)))
    assert content["boxes"]
    assert map_check.verify(content) == content["area"]


def test_the_map_is_the_same_every_time() -> None:
    one, two = (certified_map.text(certified_map.certified_map(4, "4")) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": "1"}, "coverage = 1 must be at least 0 and below 1"),
        ({"max_boxes": 0}, "max_boxes = 0 must be an integer >= 2"),
        ({"n": 2000, "C": 3000}, "n = 2000 is above 1000"),
        (
            {"C": "1e100"},
            "^C has more than 100 digits above or below its fraction bar, too many for a map: round it.$",
        ),
        ({"C": "1e500"}, "C has more than 100 digits"),
        ({"C": "1e5000"}, "C has more than 100 digits"),
        ({"C": "20." + "0" * 100 + "1"}, "C has more than 100 digits"),
    ],
)
def test_arguments_are_checked(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certified_map.certified_map(**{"n": 3, "C": 3, **options})

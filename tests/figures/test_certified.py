"""The certified maps as drawn: nothing simulated contradicts what is proved, and the stored files verify."""

import pytest

from figures import certified
from tests.session import Drawings

pytest.importorskip("flint")


@pytest.mark.parametrize("n", certified.SIZES)
def test_no_simulated_verdict_contradicts_a_proof(n: int, drawings: Drawings) -> None:
    features = drawings.content("certified")["features"]
    assert features[f"n{n}_share"] >= 0.999
    assert features[f"n{n}_compared"] > 0.9 * 33**2  # the others are undecided by simulation, near the curve
    assert features[f"n{n}_contradictions"] == 0


def test_nor_in_the_corner(drawings: Drawings) -> None:
    # A third of these cells is undecided by simulation: the curve crosses the corner.
    features = drawings.content("certified")["features"]
    assert features["corner_compared"] > 0.6 * 24**2
    assert features["corner_contradictions"] == 0


@pytest.mark.parametrize("n", certified.SIZES)
def test_the_stored_map_verifies(n: int, drawings: Drawings) -> None:
    from counterexamples.drift import map_check

    content = map_check.read(drawings.file("certified", f"n{n}.json"))
    assert map_check.verify(content) == content["area"]

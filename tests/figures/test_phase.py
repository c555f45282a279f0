"""Numbers behind the phase diagram."""

import pytest

from tests.session import features_of

features = features_of("phase")


@pytest.mark.parametrize("panel", ["n10_a1", "n20_a1", "n50_a1", "n10_asmall", "n20_asmall", "n50_asmall"])
def test_the_exact_edge_lies_between_the_verdicts(panel: str, features: dict[str, float]) -> None:
    assert features[f"{panel}_edge_outside"] == 0.0
    # A cell is .2 high; for n = 50, a = 1 the drift is below .005 n, so weak, on four of them.
    assert features[f"{panel}_edge_width"] < 0.9
    # Of 164 cells with bounded steps only undecided ones may differ: two rows of ten, and two cells.
    assert features[f"{panel}_agreement"] >= 1.0 - 22 / 164


@pytest.mark.parametrize("kind", ["a1", "asmall"])
def test_the_region_grows_with_n(kind: str, features: dict[str, float]) -> None:
    for what in ("exact_area", "edge"):
        exact = [features[f"n{n}_{kind}_{what}"] for n in (10, 20, 50)]
        assert exact[0] < exact[1] < exact[2]


def test_edges_by_their_law(features: dict[str, float]) -> None:
    # To first order 1 - beta2* = 4/n^2 for a = 1, beta1 = 0: 1.398, 2.000, 2.796; the next order lowers them by .05.
    for n, first in ((10, 1.398), (20, 2.0), (50, 2.796)):
        assert features[f"n{n}_a1_edge"] == pytest.approx(first, abs=0.05)

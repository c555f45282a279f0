"""Numbers behind the phase diagram."""

import pytest

from tests.session import features_of

features = features_of("phase")


@pytest.mark.parametrize("panel", ["n10_a1", "n20_a1", "n50_a1", "n10_asmall", "n20_asmall", "n50_asmall"])
def test_the_exact_edge_lies_between_the_verdicts(panel: str, features: dict[str, float]) -> None:
    assert features[f"{panel}_edge_outside"] == 0.0
    # A cell is .054 high; for n = 50, a = 1 the drift is below .005 n, so weak, on fifteen of them.
    assert features[f"{panel}_edge_width"] < 0.9
    # No verdict against the sign of D but in the cells that touch its zeros; what differs beyond is undecided: for
    # n = 50, a = 1, where |D|/n < .006 at every beta1 above the boundary, a sixth of the cells.
    assert features[f"{panel}_opposite"] == 0.0
    assert features[f"{panel}_agreement"] > (0.8 if panel == "n50_a1" else 0.94)


def test_few_cells_are_run(features: dict[str, float]) -> None:
    # 16 x 16 of 64 x 64 in the first grid, and some cells on either side of each boundary; at 1024 it is 2 to 3 %.
    shares = [share for name, share in features.items() if name.endswith("_simulated")]
    assert len(shares) == 6
    assert 1 / 16 < min(shares) < max(shares) < 0.4


@pytest.mark.parametrize("kind", ["a1", "asmall"])
def test_the_region_grows_with_n(kind: str, features: dict[str, float]) -> None:
    for what in ("exact_area", "edge"):
        exact = [features[f"n{n}_{kind}_{what}"] for n in (10, 20, 50)]
        assert exact[0] < exact[1] < exact[2]


def test_edges_by_their_law(features: dict[str, float]) -> None:
    # To first order 1 - beta2* = 4/n^2 for a = 1, beta1 = 0: 1.398, 2.000, 2.796; the next order lowers them by .05.
    for n, first in ((10, 1.398), (20, 2.0), (50, 2.796)):
        assert features[f"n{n}_a1_edge"] == pytest.approx(first, abs=0.05)

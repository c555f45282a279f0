"""Numbers behind the maps of the hunter."""

from tests.session import features_of

features = features_of("hunter_maps")
ball = features_of("heavy_ball_cycles")


def test_periods_fill_the_map(features: dict[str, float]) -> None:
    counts = [features[f"period_{n}"] for n in (3, 4, 5, 6, 7, 0)]
    assert sum(counts) == 32 * 32
    assert counts[0] == 167
    assert counts[-1] == 334


def test_heights_span_six_decades(features: dict[str, float]) -> None:
    assert 1.0 < features["lowest_height"] < 1.2
    # c(beta1)/(1 - beta2) at beta1 = 0.98, beta2 = 0.9999, where c is 198
    assert 1.9e6 < features["highest_height"] < 2.1e6


def test_no_cycle_of_two_and_a_third_of_the_square_has_one(ball: dict[str, float]) -> None:
    # a 2-cycle needs a slope 2 (1 + beta)/alpha > L
    assert ball["cycle_2"] == 0.0
    assert 0.25 < 1.0 - ball["cycle_0"] < 0.5

"""Numbers behind the points of the bias."""

import pytest

from figures import bias
from tests.session import features_of

features = features_of("bias")


def test_every_point_with_feedback_is_sampling_error(features: dict[str, float]) -> None:
    # x is the mean of about the last 1/lr noises of variance 16/9; over 10,000 steps and 16 coordinates its
    # mean has a standard deviation of .0033, and five of them have a false-alarm probability of 6e-7 per point.
    assert len(features) == 5 * 2 * 2 * 2
    assert all(value < 5 * 0.0033 for key, value in features.items() if key.endswith("_1"))


@pytest.mark.parametrize("kind", ["l1_sign", "rms_sign"])
@pytest.mark.parametrize("what", ["gradient", "update"])
def test_signs_end_at_the_median(kind: str, what: str, features: dict[str, float]) -> None:
    assert features[f"{kind}_{what}_0_0"] == pytest.approx(4.0 / 9.0, abs=0.01)


def test_momentum_hides_the_bias_of_updates_only(features: dict[str, float]) -> None:
    for name in bias.COMPRESSORS:
        assert features[f"{name}_update_9_0"] < 0.2 * features[f"{name}_update_0_0"]
        assert features[f"{name}_gradient_9_0"] == pytest.approx(features[f"{name}_gradient_0_0"], rel=0.05)

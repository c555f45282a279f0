"""Numbers behind the figure of compressed consensus."""

import math

import numpy as np
import pytest

from counterexamples import quantized
from figures import consensus
from tests.session import features_of

features = features_of("consensus")


def test_exact_messages_follow_the_closed_form(features: dict[str, float]) -> None:
    assert features["closed_form_off"] < 1e-10


@pytest.mark.parametrize("key", ["exact", "top", "rand", "sign", "qsgd"])
def test_tuned_weights_are_faster(key: str, features: dict[str, float]) -> None:
    assert features[f"{key}_tuned"] < 0.98 < features[f"{key}_theorem"] < 1.0


def test_the_rate_of_exact_messages(features: dict[str, float]) -> None:
    # The slowest mode: (1 - gamma rho)^2 at gamma = .32.
    rate = (1.0 - 0.32 * 2.0 / 3.0 * (1.0 - math.cos(2.0 * math.pi / 9.0))) ** 2
    assert features["exact_tuned"] == pytest.approx(rate, abs=1e-4)


def test_the_closed_form_starts_at_the_start() -> None:
    start = np.reshape(quantized.consensus(9, d=50).start, (9, 50))
    assert consensus.exact_error(0.3, [0])[0] == pytest.approx(
        ((start - start.mean(axis=0)) ** 2).sum(), rel=1e-12
    )

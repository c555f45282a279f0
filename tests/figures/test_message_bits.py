"""Numbers behind the bars of bits."""

import math

import pytest

from tests.session import features_of

features = features_of("message-bits")

# Bits of a round, both directions, d = 256: full 64 d; one-way signs d + 32 + 32 d; two-way signs 2 (d + 32);
# three bits 2 (3 d + 32); top-8 of 256 2 * 8 (32 + 8).
ROUND = {
    "full": 64 * 256,
    "one_way_sign": 33 * 256 + 32,
    "sign": 2 * (256 + 32),
    "log_levels": 2 * (3 * 256 + 32),
    "top_k": 2 * 8 * 40,
}


@pytest.mark.parametrize("name", ROUND)
def test_bits_are_rounds_times_bits_of_a_round(name: str, features: dict[str, float]) -> None:
    assert features[f"{name}_bits"] == features[f"{name}_steps"] * ROUND[name]


def test_one_way_saves_less_than_two(features: dict[str, float]) -> None:
    assert 1.75 < features["one_way_sign_saving"] < 64 * 256 / ROUND["one_way_sign"] * 1.05
    assert features["sign_saving"] > 24.0


def test_sparse_messages_without_feedback_never_arrive(features: dict[str, float]) -> None:
    assert math.isnan(features["top_k_no_feedback_steps"])
    assert features["top_k_steps"] < 1.15 * features["full_steps"]

"""Numbers behind the two figures of results."""

import pytest

from tests.session import features_of

adam = features_of("results-adam")
noise = features_of("results-noise")


def test_only_adam_passes_its_bound(adam: dict[str, float]) -> None:
    assert adam["regret_adam"] > 3.0
    assert adam["regret_amsgrad"] < 0.2


@pytest.mark.parametrize("gamma", [1e-4, 1e-3, 1e-2])
def test_corners_are_left_in_proportion_to_the_speed(gamma: float, adam: dict[str, float]) -> None:
    # gamma t = 2/3, to some periods of three steps.
    assert adam[f"leaves_{gamma:g}"] == pytest.approx(2.0 / 3.0 / gamma, abs=12.0)


def test_slopes_of_the_floors(adam: dict[str, float]) -> None:
    assert adam["floor_slope_eps"] == pytest.approx(-1.0, abs=0.1)
    assert adam["floor_slope_v"] == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize("decay", ["0", "0.5", "0.8", "1.25"])
def test_adamw_is_in_its_box(decay: str, adam: dict[str, float]) -> None:
    # Five last steps, .2/20000^.6 = 5.3e-4 each.
    assert adam[f"box_{decay}"] < 5 * 5.3e-4


def test_updates_and_walks(adam: dict[str, float]) -> None:
    # sqrt((1 - .9)/(1 + .9) 200), and .6 lr T = 24.
    assert adam["last_update"] == pytest.approx((200.0 / 19.0) ** 0.5, rel=1e-9)
    assert adam["walked"] == pytest.approx(24.0, rel=0.05)
    assert adam["stayed"] < 1.0


def test_noise(noise: dict[str, float]) -> None:
    assert noise["excursion_slope"] == pytest.approx(2.0 / 3.0, abs=0.06)
    # (1 - .02*2/4)^400/2 and (1 - .02/16)^400/2, to 5 standard errors of 2000 seeds.
    assert noise["contraction_2"] == pytest.approx(0.5 * 0.99**400, abs=0.03)
    assert noise["contraction_025"] == pytest.approx(0.5 * 0.99875**400, abs=0.02)


def test_votes(noise: dict[str, float]) -> None:
    assert noise["vote_error"] < 0.03
    assert 0.4 < noise["settles_0.25"] < noise["settles_1"] < noise["settles_4"] < 0.81


def test_messages(noise: dict[str, float]) -> None:
    assert noise["floor_none"] > 1.0
    assert noise["floor_momentum"] < 0.2
    # lr^2 omega SPREAD/N^2/(1 - .64 - .01) = .04*112/16/.35.
    assert noise["gd_end"] == pytest.approx(0.8, rel=0.15)
    assert noise["diana_end"] < 1e-15

"""Claims of the hunter: data that were changed, and rules with a planted bug, make them fail."""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest

import theory_sim as ts
from paper_checks.hunter import claims, cycles, data
from tests.tampering import fails_on_tampered_grids, nan
from theory_sim.evidence.hunter import gram
from theory_sim.evidence.hunter.linear import Momentum
from theory_sim.nouns.claim import Outcome

pytest.importorskip("flint")

test_strong_fails = fails_on_tampered_grids(
    "hunter",
    ("strong", "adam", "x_final", nan),
    ("strong", "adam", "x_final", lambda x: -x),
    ("strong", "sgd", "x_final", lambda x: -x),
)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The data, free to be changed."""
    changed = copy.deepcopy(data.data())
    monkeypatch.setattr(data, "data", lambda: changed)
    return changed


def status(claim: Any) -> Outcome:
    outcome: Outcome = claim.check([], "quick").status
    return outcome


def test_a_changed_map_is_seen(kept: dict[str, Any]) -> None:
    kept["heights"][0][0] *= 1.01
    assert status(claims.the_map_of_heights_is_reproduced) is Outcome.FAIL
    kept["periods"][0][0] = 4
    assert status(claims.the_map_of_short_periods_is_reproduced) is Outcome.FAIL
    kept["cycles"][-1][-1] = 0
    assert status(cycles.cycles_fill_the_fast_corner) is Outcome.FAIL


def test_a_changed_front_is_seen(kept: dict[str, Any]) -> None:
    first = kept["fronts"]["adam"]["front"][0]
    first["gradients"] = [g + (abs(g) == 37996) for g in first["gradients"]]  # a sum of 2 fails no more
    assert status(claims.every_front_is_certified) is Outcome.FAIL


def test_a_missing_front_is_seen(kept: dict[str, Any]) -> None:
    kept["fronts"]["lion"]["front"].pop()
    assert status(claims.every_front_is_certified) is Outcome.FAIL


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("cautious_sgdm", claims.cautious_masks_break_momentum),
        ("amsgrad", claims.some_methods_never_fail),
    ],
)
def test_a_planted_bug_is_seen(name: str, claim: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_mask(g: float, lr: float, momentum: float, x: float, m: float) -> tuple[float, float]:
        m = momentum * m + g
        return x - lr * m, m

    def without_maximum(
        g: float, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float, decay: float,
        x: float, m: float, v: float, vhat: float, beta1_t: float,
    ) -> tuple[float, ...]:  # fmt: skip
        m = beta1 * m + (1.0 - beta1) * g
        v = beta2 * v + (1.0 - beta2) * g * g
        return x - lr * m / math.sqrt(v), m, v, vhat, beta1_t

    rules = {"cautious_sgdm": without_mask, "amsgrad": without_maximum}
    made = getattr(ts, name)
    monkeypatch.setattr(ts, name, lambda: replace(made(), step=rules[name]))
    assert status(claim) is Outcome.FAIL


def test_another_condition_of_the_programme_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gram.conditions

    def wrong(method: Momentum, mu: float, L: float, period: int) -> Any:
        return right(method, mu, 1.02 * L, period)

    monkeypatch.setattr(gram, "conditions", wrong)
    for claim in (
        cycles.the_heavy_ball_cycles_from_nine_plus_four_root_five,
        cycles.roots_of_unity_are_the_first_mode,
    ):
        assert status(claim) is Outcome.FAIL

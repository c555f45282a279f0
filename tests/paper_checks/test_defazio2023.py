"""Claims on last iterates see grids that are wrong, and the theorems hold with their constants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import nonsmooth
from paper_checks import annealing2024
from paper_checks.defazio2023 import claims, theorems
from tests.tampering import fails_on_tampered_grids, nan, one_nan
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.theorem import Answer

test_a_claim_sees_a_wrong_grid = fails_on_tampered_grids(
    "defazio2023",
    ("S1", "pieces_0", "gap_final", lambda gap: 3.0 * gap),
    ("S1", "pieces_0", "gap_final", one_nan),
    ("S1", "*", "gap_final", lambda gap: 0.5 * gap),
    ("S1", "cone", "gap_final", lambda gap: 1.001 * gap),
    # (L2) holds for every path, so only what is no path is seen there
    ("S2", "adam_1", "x", nan),
    ("S2", "adam_slope", "x", lambda x: 1.001 * x),
    ("S5", "chain_100", "gap_final", lambda gap: gap * (1.0 + 1e-9)),
    ("S5", "chain_cosine_100", "gap_final", lambda gap: 1.2 * gap),
)


def test_weights_are_positive_and_of_mean_one() -> None:
    for kind in claims.KINDS:
        assert claims.weights(kind).min() > 0.0
        assert claims.weights(kind).mean() == pytest.approx(1.0, rel=1e-14)


@given(st.integers(0, 50), st.integers(1, 40), st.floats(0.01, 1.0))
@settings(max_examples=10)
def test_linear_decay_respects_its_theorem(instance: int, steps: int, lr: float) -> None:
    optimizer = ts.sgd(lr, schedule=ts.linear_decay(steps))
    trial = put_on_trial(theorems.LINEAR, nonsmooth.pieces(instance), optimizer, names={"steps": steps})
    assert trial.respected is True


def test_linear_decay_of_another_plan_is_not_what_the_theorem_is_about() -> None:
    for schedule, answer in ((ts.linear_decay(9), Answer.FAILS), (ts.linear(10), Answer.UNDECIDED)):
        optimizer = ts.sgd(0.1, schedule=schedule)
        trial = put_on_trial(theorems.LINEAR, nonsmooth.cone(), optimizer, names={"steps": 10}, run=False)
        assert trial.applies is answer
    warm = ts.sgd(0.1, schedule=ts.linear_decay(10, 2))
    assert (
        put_on_trial(theorems.LINEAR, nonsmooth.cone(), warm, names={"steps": 10}, run=False).applies
        is Answer.UNDECIDED
    )


def test_the_areas_of_the_law_by_hand() -> None:
    # drops 0, 0, .2, .2, 0: m = 0, 0, .2, .38, .342
    S1, S2 = annealing2024.areas(np.array([[1.0, 1.0, 0.8, 0.6, 0.6]]), 0.9)
    assert S1[0] == pytest.approx([1, 2, 2.8, 3.4, 4])
    assert S2[0] == pytest.approx([0, 0, 0.2, 0.58, 0.922])

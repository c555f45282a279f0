"""Every claim of EF21 in the quick tier, and what must make each of them fail."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from paper_checks import ef21
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.compressors import Compressor, rand_k, top_k
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "ef21",
    ("QC13a", "without_feedback", "x", lambda x: x * (1.0 + 1e-8)),
    ("QC13a", "without_feedback", "x", np.negative),
    ("QC13a", "without_feedback", "x", nan),
    ("QC13b", "ef21", "gradient_square_mean", lambda g: 3.0 * g),
    ("QC13b", "ef21", "gradient_square_mean", nan),
    ("QC13b", "ef21", "gradient_square_mean", lambda g: 0.5 * g),
    ("QC13b", "uncompressed", "gradient_square_mean", lambda g: 1.001 * g),
    ("QC13b", "uncompressed", "gradient_square_mean", nan),
    ("QC13c", "lyapunov", "x", lambda x: x * (1.0 + 1e-9 * np.arange(x.shape[-2])[:, None])),
    ("QC13c", "lyapunov", "x", one_nan),
    ("QC13d", "error_feedback", "gap_final", lambda f: 2.0 * f),
    ("QC13d", "error_feedback", "gap_final", one_nan),
    ("QC13d", "ef21", "gap_final", lambda f: 0.5 * f),
)


@pytest.mark.parametrize(
    ("top", "rand"),
    [
        (lambda k: top_k(k + 1, 64), lambda k, scaled: rand_k(k, scaled, 64)),
        (lambda k: rand_k(k, False, 64), lambda k, scaled: rand_k(k, scaled, 64)),
        (lambda k: top_k(k, 64), lambda k, scaled: rand_k(k, not scaled, 64)),
        (lambda k: top_k(k, 64), lambda k, scaled: top_k(k, 64)),
        (lambda k: top_k(k, 64), lambda k, scaled: rand_k(max(k - 1, 1), scaled, 64)),
    ],
    ids=["one more", "random for top", "scale exchanged", "top for random", "one fewer"],
)
def test_other_compressors_fail(
    top: Callable[[int], Compressor], rand: Callable[[int, bool], Compressor]
) -> None:
    assert ef21.sparse_constants(top, rand).status is Outcome.FAIL


test_the_methods_cannot_be_exchanged = fails_with_other_sweeps(
    "ef21",
    ("QC13a", "error_feedback"),
    ("QC13b", "without_feedback", "uncompressed"),
    ("QC13b", "ef21", "ef21"),
    ("QC13d", "without_feedback", "ef21"),
)


def test_gradients_and_objective_by_hand() -> None:
    # At (1, 1, 1): <a_1, x> = 1, grad f_1 = 2 (-3, 2, 2) + 1/2, and f = 1 + 3/4.
    one = np.ones(3)
    assert ef21.gradients(one)[0].tolist() == [-5.5, 4.5, 4.5]
    assert ef21.objective(one) == 1.75
    step = 1e-6
    numeric = [
        (ef21.objective(one + step * e) - ef21.objective(one - step * e)) / (2 * step) for e in np.eye(3)
    ]
    assert ef21.gradients(one).mean(axis=0) == pytest.approx(numeric, rel=1e-8)


def test_the_bound_by_hand() -> None:
    # (3.5/lr + (2/3)(5.5^2 + 2 * 4.5^2)/(1 - sqrt(2/3)))/T, and 3.5/(lr T) if nothing is lost.
    theta = 1.0 - np.sqrt(2.0 / 3.0)
    expected = (3.5 / ef21.GAMMA + 2.0 / 3.0 * 70.75 / theta) / 50.0
    assert ef21.bound(np.array([50.0])) == pytest.approx([expected], rel=1e-12)
    assert ef21.bound(np.array([50.0]), 1.0) == pytest.approx([3.5 / ef21.GAMMA / 50.0], rel=1e-12)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_bound_fails(factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(ef21.EF21_RATE, bound=f"{factor}*({ef21.EF21_RATE.bound})")
    monkeypatch.setattr(ef21, "EF21_RATE", wrong)
    assert status("ef21.QC13b", grids_of("ef21.QC13b", runs)) is Outcome.FAIL


def test_the_step_size_of_the_theorem() -> None:
    # alpha = 1/3: theta = 1 - sqrt(2/3), beta = (2/3)/theta.
    assert pytest.approx(0.005859, abs=5e-7) == ef21.GAMMA

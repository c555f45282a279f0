"""Every claim of Karimireddy et al. in the quick tier, and what must make each of them fail."""

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import sign
from paper_checks import karimireddy2019
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, nan, one_nan
from theory_sim.optimizers.sign import ef_signsgd

test_tampered_grids_fail = fails_on_tampered_grids(
    "karimireddy2019",
    ("G3a", "linear_sign", "x_final", np.negative),
    ("G3a", "linear_sign", "x_final", lambda x: np.clip(x + 0.005, None, 1.0)),  # not the stationary walk
    ("G3a", "linear_ef", "x_final", np.negative),
    ("G3a", "linear_ef", "x_final", nan),
    ("G3b", "drift", "x_final", np.negative),
    ("G3b", "drift", "x_final", lambda x: 1.03 * x),
    ("G3b", "drift", "x_final", one_nan),
    ("G4", "kink_sign", "total_max", lambda s: s + 1e-9),
    ("G4", "kink_at_zero", "total", one_nan),
    ("G4", "kink_at_zero", "gap_min", lambda f: f - 1e-6),
    ("G4", "kink_ef", "gap_final", lambda f: f + 0.02),
    ("G4", "kink_ef", "gap_final", one_nan),
    ("G4", "kink_sgd", "gap_final", one_nan),
    ("G4", "kink_sign", "gap_final", lambda f: f + 0.02),  # the control at tie 0
    ("G5", "pair_sign", "gap", lambda f: f - 1e-6),
    ("G5", "pair_sign", "total_min", one_nan),
    ("G5", "pair_ef", "gap_final", lambda f: 10.0 * f),
    ("G5", "pair_sgd", "gap_final", one_nan),
    ("G6", "common_sign", "x", lambda x: x + 1e-8 * np.arange(x.shape[-1])),
    ("G6", "common_sign", "gap", lambda f: 0.9 * f),
    ("G6", "common_sign", "gap", one_nan),
    ("G6", "common_ef", "gap_final", one_nan),
    ("G6", "common_ef", "gap_final", lambda f: f + 5e-4),
    ("G7", "linear_signum", "x_final", np.negative),
    ("G7", "kink_signum", "gap_final", one_nan),
    ("G7", "pair_signum", "gap_final", lambda f: f + 0.03),
    ("G8", "bounds", "residual_max", nan),
    ("G8", "bounds", "density_min", nan),
    ("G8", "bounds", "residual_max", lambda values: 100.0 * values),
    ("G8", "bounds", "gradient_square_mean", lambda g: 3.0 * g),
    ("G8", "bounds", "gradient_square_mean", lambda g: 0.5 * g),
    ("G8", "bounds", "gradient_square_mean", lambda g: g / 0.6),
    ("G8", "bounds", "residual_max", lambda values: 0.5 * values),
    ("G8", "bounds", "gradient_square_mean", one_nan),
    ("G9", "features_sign", "test_final", lambda e: 0.5 * e),
    ("G9", "features_sign", "train_final", lambda e: e + 1e-3),
    ("G9", "features_sign", "x_final", lambda x: 0.0 * x),
    ("G9", "features_ef", "test_final", one_nan),
    ("G9", "features_ef", "state_final", np.negative),  # x + e is not in the span
    ("G9", "features_sgd", "x_final", one_nan),
)


test_other_methods_fail = fails_with_other_sweeps(
    "karimireddy2019",
    ("G3a", "linear_ef", "linear_sign"),
    ("G4", "kink_ef", "kink_ef", "kink_sign", "kink_sgd"),
    ("G5", "pair_ef", "pair_sign", "pair_sgd"),
    ("G6", "common_ef", "common_sign"),
    ("G9", "features_sgd", "features_ef", "features_sign"),
    ("G7", "linear_sign", "kink_sign", "pair_sign"),  # without momentum
)


def test_the_recorded_method_is_ef_signsgd() -> None:
    problem = sign.quadratic(7)
    ours, engine = (
        ts.simulate(problem, optimizer.replace(lr=0.05), steps=200, seeds=3, checkpoints=30)
        for optimizer in (karimireddy2019.RECORDED, ef_signsgd())
    )
    assert np.array_equal(ours.x, engine.x)
    assert np.array_equal(ours.state_final.sel(row="e"), engine.state_final.sel(row="e"))


def test_what_the_recorded_method_records() -> None:
    # Replayed from the iterates: without noise g_t = x_t, and x_t - x_{t+1} is what was sent.
    problem, lr, T = sign.quadratic(3, 0.5, 2.0, 0.0, 0.0), 0.3, 25
    grid = ts.simulate(problem, karimireddy2019.RECORDED.replace(lr=lr), steps=T, checkpoints=range(1, T + 1),
                       running=True)  # fmt: skip
    x = np.vstack([np.ones(3), grid.x.values[0]])
    e, deltas, residuals = np.zeros(3), [], []
    for t in range(T):
        p = lr * np.array([0.5, 1.25, 2.0]) * x[t] + e
        deltas.append(np.abs(p).sum() ** 2 / (3.0 * p @ p))
        residuals.append(e @ e)
        e = p - (x[t] - x[t + 1])
    assert grid.density_min.values[0] == pytest.approx(np.minimum.accumulate(deltas), rel=1e-9)
    assert grid.residual_max.values[0] == pytest.approx(np.maximum.accumulate(residuals), rel=1e-9)


def test_the_scaled_sign_by_hand() -> None:
    # x = (1, 1, 1), L = (1, 1, 1): ||g||_1/d = 1, so one step of lr = 1 ends at 0.
    problem = sign.quadratic(3, 1.0, 1.0, 0.0, 0.0)
    grid = ts.simulate(problem, karimireddy2019.SCALED_SIGN.replace(lr=1.0), steps=1)
    assert np.all(grid.x_final == 0.0)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["scaled sign", "ef", "sgd"])
def test_the_generalisation_runs_are_those_of_numpy(which: int) -> None:
    sweep = (karimireddy2019.FEATURES_SIGN, karimireddy2019.FEATURES_EF, karimireddy2019.FEATURES_SGD)[which]
    problem = sign.private_features(4, n=10)
    lr = (
        0.5 if which == 2 else 1.0
    )  # a tenth of the lr at n = 100: the sum of sizes over d is ten times larger
    grid = ts.simulate(problem, sweep.optimizer.replace(lr=lr), steps=15)
    X, y = sign.features(problem)
    A, b, d = X[:10], y[:10], problem.dim
    w, e = np.zeros(d), np.zeros(d)
    for _ in range(15):
        g = A.T @ (A @ w - b) / 10
        if which == 2:
            w -= lr * g
            continue
        p = lr * g + (e if which == 1 else 0.0)
        sent = np.abs(p).sum() / d * np.sign(p)
        w, e = w - sent, p - sent
    np.testing.assert_allclose(grid.x_final.values[0], w, rtol=1e-12, atol=1e-12)
    assert grid.test_final.item() == pytest.approx(np.mean((X[10:] @ w - y[10:]) ** 2), rel=1e-10)
    assert grid.train_final.item() == pytest.approx(np.mean((A @ w - b) ** 2), rel=1e-10, abs=1e-20)

"""Every claim on Adam against SGD with momentum in the quick tier, and what must make each of them fail."""

import numpy as np
import pytest
import xarray as xr

from counterexamples.generalized_smooth import hard_function, well
from paper_checks.wang2024separability import deterministic as separability
from paper_checks.wang2024separability import stochastic, variations
from tests.tampering import fails_on_tampered_grids, flipped, nan, one_nan, status, with_values
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.sweep import simulate
from theory_sim.optimizers.momentum import sgdm


def never(hits: np.ndarray) -> np.ndarray:
    return np.full_like(hits, -1)


def fewer(hits: np.ndarray) -> np.ndarray:
    """Two per cent fewer updates wherever eps was reached: below the lower bound."""
    return np.where(hits > 0, (0.98 * hits).astype(int), hits)


def more(hits: np.ndarray) -> np.ndarray:
    return np.where(hits > 0, 2 * hits, hits)


def steeper(hits: np.ndarray) -> np.ndarray:
    """The hits at the k-th value of the first axis multiplied by 4^k."""
    scale = 4 ** np.arange(len(hits)).reshape(-1, *(1,) * (hits.ndim - 1))
    return np.where(hits > 0, hits * scale, hits)


def flat(hits: np.ndarray) -> np.ndarray:
    """The hits of the first gap for every gap."""
    return np.broadcast_to(hits[:1], hits.shape).copy()


def same(hits: np.ndarray) -> np.ndarray:
    """The hits of the first gap for every gap, where momentum is the first axis."""
    return np.broadcast_to(hits[:, :1], hits.shape).copy()


test_tampered_grids_fail = fails_on_tampered_grids(
    "wang2024separability",
    ("H1", "edge", "verdict", flipped),
    ("H1b", "stability_512", "verdict", flipped),
    ("H2", "gd", "first_hit", fewer),
    ("H2", "gd", "first_hit", more),
    ("H2", "gd", "first_hit", never),
    ("H3", "gd", "first_hit", fewer),
    ("H3", "gd", "first_hit", never),
    ("H4", "gd", "first_hit", flat),
    ("H4", "gd", "first_hit", steeper),
    ("H4", "gd", "first_hit", never),
    ("H4b", "gd_0.4", "first_hit", never),
    ("H4b", "adam_norm_0.4", "first_hit_mean", never),
    ("H5a", "momentum", "first_hit", lambda hits: np.where(hits > 0, hits // 2, hits)),
    ("H5a", "momentum", "verdict", flipped),
    ("H5a", "momentum", "first_hit", never),
    ("H5b", "momentum", "first_hit", never),
    ("H5c", "momentum", "first_hit", never),
    ("H6", "joint", "first_hit", never),
    ("H6", "joint", "first_hit", same),
    ("H7", "adam_norm_0.1", "first_hit_mean", more),
    ("H7", "adam_norm_0.05", "first_hit_mean", lambda hits: (0.9 * hits).astype(int)),
    ("H7", "adam_norm_2_half", "first_hit_mean", never),
    ("H8", "adam_norm_0.1", "first_hit_mean", steeper),
    ("H8", "adam_norm_0.05", "first_hit_mean", never),
    ("H9", "initial_gd_12", "first_hit", fewer),
    ("H9", "initial_gd_6", "first_hit", never),
    ("H9", "initial_adam_12", "first_hit", more),
    ("H10", "decreasing_gd_0.4", "first_hit", never),
    ("H10", "decreasing_adam_0.4", "first_hit_mean", never),
    ("H11", "decreasing_gd_gap", "first_hit", flat),
    ("H11", "decreasing_gd_gap", "first_hit", never),
    ("H11", "decreasing_adam_gap", "first_hit_mean", steeper),
    ("H11", "decreasing_adam_gap", "first_hit_mean", flat),
    ("S1", "one_step", "gradient_norm_final", nan),
    ("S1", "one_step", "gradient_norm_final", lambda norm: 1.1 * norm),
    ("S2", "survival", "nonfinite_step", lambda step: np.where(step > 0, step // 2, step)),
    ("S2", "survival", "nonfinite_step", lambda step: np.full_like(step, 1)),
    ("S2b", "gaussian", "nonfinite_step", lambda step: np.full_like(step, 7)),
    ("S2b", "survival", "nonfinite_step", lambda step: np.full_like(step, -1)),
    ("S3", "adam", "distance_max", nan),
    ("S3", "adam", "distance_max", lambda distance: 1.2 * distance),
    ("S3", "adam", "status", lambda status: np.where(np.arange(status.size).reshape(status.shape) == 3, "NONFINITE", status)),
    ("S4", "small_step", "gradient_norm_final", nan),
    ("S4", "small_step", "gradient_norm_final", lambda norm: 10.0 * norm),
    ("S5", "known_horizon", "gradient_norm_mean", nan),
    ("S5", "known_horizon", "gradient_norm_mean", np.square),
    ("S5", "known_horizon", "gradient_norm_mean", np.ones_like),
    ("S5", "known_horizon", "gradient_norm_mean", lambda mean: mean ** (4 / 3)),
    ("S6", "agnostic_rate", "gradient_norm_mean", nan),
    ("S6", "agnostic_rate", "gradient_norm_mean", one_nan),
    ("S6", "agnostic_rate", "gradient_norm_mean", np.square),
    ("S6", "agnostic_rate", "gradient_norm_mean", lambda mean: mean ** (4 / 3)),
    ("S7", "agnostic", "gradient_norm_mean", nan),
    ("S7", "agnostic", "gradient_norm_mean", lambda mean: 1.02 * mean),
    ("S7", "agnostic", "gradient_norm_mean", lambda mean: mean[::-1]),
)  # fmt: skip


def test_too_few_escapes_are_undecided(runs: Runs) -> None:
    none = with_values(runs.grid(stochastic.SURVIVAL), "nonfinite_step", never)
    assert status("wang2024separability.S2", [none]) is Outcome.UNDECIDED


def test_the_count_of_adam_norm_by_hand() -> None:
    # lr = eps/2, no momentum: G = eps/4 at the end, N = 2 + (N - 1/2)/4; lr = eps, beta1 = .9: G = eps/38.
    assert separability.predicted(0.5, 0.0) == pytest.approx(2.5, rel=1e-14)
    assert separability.predicted(1.0, 0.9) == pytest.approx((1.0 - 1.0 / 152.0) / (37.0 / 38.0), rel=1e-14)


def test_last_decade_by_hand() -> None:
    # Slopes -1/4 +- .01 sqrt 3 of four seeds: a standard error of .01, times 3.182 at three degrees of freedom.
    T, first = np.array([10.0, 100.0]), np.array([1.0, 2.0, 3.0, 4.0])
    slopes = -0.25 + 0.01 * np.sqrt(3.0) * np.array([1.0, 1.0, -1.0, -1.0])
    rate = stochastic.last_decade(T, np.array([first, first * 10.0**slopes]), paired=True)
    assert rate.slope == pytest.approx(-0.25)
    assert rate.high - rate.slope == pytest.approx(0.03182, rel=1e-3)
    rate = stochastic.last_decade(T, np.array([first, 0.5 * first]), paired=False)
    assert rate.slope == pytest.approx(np.log10(0.5))
    assert rate.high - rate.slope == pytest.approx(
        3.182 * np.sqrt(2.0) * first.std(ddof=1) / 5.0 / np.log(10.0), rel=1e-3
    )


def test_the_threshold_by_hand() -> None:
    # Delta = 64: E takes 32, so e^(x0 - 1) = 32.5, x0 = 1 + ln 32.5 = 4.48124, M = 32.5, 2 x0/M = .275769.
    assert separability.fact("critical_lr", 64.0) == pytest.approx(
        2.0 * (1.0 + np.log(32.5)) / 32.5, rel=1e-14
    )
    # (32 - .0375) 32.5/(8 .01 x0) = 2897.6
    exact = (32.0 - 0.0375) * 32.5 / (0.08 * (1.0 + np.log(32.5)))
    assert separability.fact("lower_bound", 64.0) == pytest.approx(exact, rel=1e-14)


def test_heavy_ball_steps_are_those_of_the_averaged_form() -> None:
    # x -= lr sum beta^k g in one, x -= lr (1 - beta) sum beta^k g in the other.
    problem = hard_function()
    averaged = simulate(problem, sgdm(0.2, 0.75, convention="ema"), steps=200)
    heavy = simulate(problem, sgdm(0.05, 0.75, convention="heavy_ball"), steps=200)
    np.testing.assert_allclose(averaged.x_final, heavy.x_final, rtol=1e-9)


def test_ramp_time_is_that_of_an_integrator() -> None:
    from scipy.integrate import solve_ivp

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        u = np.minimum(np.asarray(y) / 0.3, 1.0)
        return -0.1 * u * (3.0 - u * u)

    def target(t: float, y: np.ndarray) -> float:
        return float(-slope(t, y)[0]) - 0.1

    target.terminal = True  # type: ignore[attr-defined]
    path = solve_ivp(slope, (0.0, 1e3), [variations._Y0], events=target, rtol=1e-9, atol=1e-12, max_step=1.0)
    assert variations.ramp_time() == pytest.approx(path.t_events[0][0], rel=1e-6)


def test_tuned_flags_a_winner_on_the_edge() -> None:
    hits = xr.DataArray(np.array([[[9], [5], [7]], [[4], [5], [-1]]]), dims=("delta", "lr", "seed"))
    best, edge = separability.tuned(hits)
    assert best.values.tolist() == [5.0, 4.0]
    assert edge == 1
    best, edge = separability.tuned(xr.full_like(hits, -1))
    assert np.isnan(best.values).all()
    assert edge == 0


def test_stable_interval_ends_at_the_first_diverging_step() -> None:
    C, D = "CONVERGED", "DIVERGED"
    verdict = xr.DataArray(np.array([[C], [C], [D], [C]]), dims=("lr", "seed"))
    inside = separability.stable_interval(xr.Dataset({"verdict": verdict}))
    assert inside.values.tolist() == [True, True, False, False]


def test_hazard_median_by_hand() -> None:
    # Escapes after 10 and 30 updates, two paths alive at 100: ln 2 (10 + 30 + 100 + 100)/2.
    grid = xr.Dataset({"nonfinite_step": ("seed", [10, 30, -1, -1])}, attrs={"steps": "100"})
    median, escapes = stochastic.hazard_median(grid)
    assert int(escapes) == 2
    assert float(median) == pytest.approx(np.log(2.0) * 120.0)


def test_the_well_alone_has_the_same_threshold_as_its_facts() -> None:
    for delta in variations.STABILITY_GAPS:
        facts = well(delta=delta).facts
        assert facts["critical_lr"] == pytest.approx(
            2.0 * (1.0 + np.log(delta + 0.5)) / (delta + 0.5), rel=1e-14
        )

"""The results on Adam, momentum, votes and compressed messages: numbers by hand, and what must make each claim fail."""

import math

import numpy as np
import pytest

from counterexamples import clipping, quantized, reddi
from paper_checks import (
    ahn2024,
    alacaoglu2020,
    bernstein2019,
    chen2019,
    chen2020vote,
    cutkosky2020,
    fatkhullin2023,
    kingma2015,
    mishchenko2019,
    powersgd2019,
    savarese2019,
    zaheer2018,
    zhang2020heavy,
    zhou2019,
)
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, one_nan
from theory_sim.engine import evaluate
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.theorem import Answer

# Online convex optimisation

test_kingma = fails_on_tampered_grids(
    "kingma2015",
    ("K1", "adam", "regret_mean", lambda r: 0.9 * r),
    ("K1", "adam", "regret_mean", lambda r: 1.2 * r),
    ("K2", "amsgrad", "regret_mean", lambda r: 1.05 * r),
    ("K2", "amsgrad", "regret_mean", one_nan),
)
test_kingma_needs_its_method = fails_with_other_sweeps("kingma2015", ("K1", "amsgrad"), ("K2", "adam"))
test_chen = fails_on_tampered_grids(
    "chen2019",
    ("C1", "adam", "x", lambda x: x * np.arange(1, x.shape[-1] + 1) ** 0.3),
    ("C1", "amsgrad", "x", lambda x: x + 1e-6 * (np.arange(x.shape[-1]) % 2)),
    ("C2", "logcosh", "x", lambda x: x * (1.0 + 1e-6)),
    ("C2", "logcosh", "gradient_square_mean", lambda g: 100.0 * g),
    ("C2", "logcosh", "gradient_square_mean", lambda g: 0.1 * g),
)
test_chen_needs_its_methods = fails_with_other_sweeps(
    "chen2019",
    ("C1", "amsgrad", "amsgrad", "adafom"),
    ("C1", "adam", "adam", "adafom"),
    ("C1", "adam", "amsgrad", "adam"),
)
test_alacaoglu = fails_on_tampered_grids(
    "alacaoglu2020",
    ("A1", "periodic", "regret_mean", lambda r: 10.0 * r),
    ("A1", "small", "regret_mean", lambda r: 10.0 * r),
    ("A1", "small", "regret_mean", lambda r: 0.1 * r),
    ("A2", "periodic", lambda g: g.assign(regret_mean=g.regret_mean * g.checkpoint**0.3)),
    ("A2", "periodic", lambda g: g.assign(regret_mean=g.regret_mean * g.checkpoint**-0.3)),
)
test_zhou = fails_on_tampered_grids(
    "zhou2019",
    ("S1", "stochastic", "x_final", np.negative),
    ("S1", "stochastic", "x_final", lambda x: 1.15 * x),
    ("S1", "adam", "x_final", np.negative),
    ("S2", "cyclic", "x_final", np.negative),
    ("S2", "cyclic", "x_final", lambda x: -np.abs(x)),
)
test_savarese = fails_on_tampered_grids(
    "savarese2019",
    ("B1", "corner", "regret_mean", lambda r: 0.9 * r),
    ("B2", "corner", "x", lambda x: np.roll(x, 20, axis=-1)),
    ("B2", "corner", "x_final", np.negative),
)


def test_rates_and_their_oscillation_by_hand() -> None:
    # From 0 to -3 on the gradient 3/2 at rate 2, back by 1/2 on -1/2 at rate 1, and down again at 3.
    e = chen2019.rates(np.array([[-3.0, -2.5, -7.0]]))
    assert e == pytest.approx(np.array([[2.0, 1.0, 3.0]]))
    assert chen2019.oscillation(e) == pytest.approx(np.array([[2.0, 3.0, 5.0]]))


def test_the_bound_of_kingma_and_ba_by_hand() -> None:
    # C = 3, lr = 1/2, beta2 = .05: (4*3/1 + .5*9/sqrt(.95))/sqrt(T) + 4*3*sqrt(.95)/T, at T = 100.
    wanted = (12.0 + 4.5 / math.sqrt(0.95)) / 10.0 + 12.0 * math.sqrt(0.95) / 100.0
    assert kingma2015.bound(3.0, 100) == pytest.approx(wanted, rel=1e-14)


def test_the_theorem_of_kingma_and_ba_is_contradicted_and_amsgrad_is_not_asked() -> None:
    trial = put_on_trial(kingma2015.REGRET)
    assert trial.respected is False
    assert "CONTRADICTS" in str(trial)
    # With 300 steps the bound, 1, is still above the regret.
    assert put_on_trial(kingma2015.REGRET, names={"steps": 300}).respected is True
    assert put_on_trial(kingma2015.REGRET, names={"beta1": 0.5}, run=False).applies is Answer.FAILS


def test_constant_beta1_has_a_bound_where_the_corollary_of_reddi_has_none() -> None:
    from paper_checks.reddi2018.theorems import COROLLARY_1

    problem, optimizer = alacaoglu2020.PERIODIC.problem, alacaoglu2020.PERIODIC.optimizer
    assert put_on_trial(alacaoglu2020.CONSTANT_BETA, problem, optimizer, run=False).applies is Answer.HOLDS
    assert put_on_trial(COROLLARY_1, problem, optimizer, run=False).applies is Answer.FAILS


def test_drifts_and_means_of_adashift_by_hand() -> None:
    # beta2 = 0: v is one square.  Shift 3 divides by the same slope, 1 - 1 - 1; shift 1 by the one before, 3/1 - 1/3 - 1.
    assert zhou2019.shifted_drift(0.0, 3) == pytest.approx(-1.0)
    assert zhou2019.shifted_drift(0.0, 1) == pytest.approx(3.0 - 1.0 / 3.0 - 1.0)
    # E[1/sqrt(v)] at beta2 = 0 is p/C + 1 - p.
    assert zhou2019.inverse_root(0.0, 10.0, 0.2) == pytest.approx(0.02 + 0.8, rel=1e-12)


def test_when_bounded_rates_leave_the_corner() -> None:
    # Bounds .36 and .72: 3 l = 2 u at .54 = 5*.36/(2 (gamma t + 1)), gamma t = 2/3.
    assert savarese2019.leaves(0.01) == pytest.approx(200.0 / 3.0)
    # R_T <= 4 sqrt(T)/(2*.36) + (2 sqrt(T) - 1)*.72*9 at T = 4.
    assert savarese2019.printed(4) == pytest.approx((8.0 / 0.72 + 3.0 * 6.48) / 4.0)


# Adam beside a minimum, its box, its updates

test_zaheer = fails_on_tampered_grids(
    "zaheer2018",
    ("E1", "eps", "gradient_square_mean", lambda g: 1.2 * g),
    ("E1", "eps", "gradient_square_mean", lambda g: 0.8 * g),
    ("E2", "v", lambda g: g.assign(gradient_square_mean=g.gradient_square_mean / g.workers**0.3)),
    ("E2", "eps", lambda g: g.assign(gradient_square_mean=g.gradient_square_mean * g.workers**0.3)),
)
test_zaheer_needs_its_eps = fails_with_other_sweeps("zaheer2018", ("E1", "v"), ("E2", "v", "eps"))
test_xie = fails_on_tampered_grids(
    "xie2024adamw",
    ("W1", "geometric", "x", lambda x: x * (1.0 + 1e-3)),
    ("W1", "geometric", "x", np.negative),
    ("W2", "quadratic", "x_final", lambda x: 1.05 * x),
    ("W2", "quadratic", "x_final", lambda x: np.clip(x, -0.9, 0.9)),
)
test_ahn = fails_on_tampered_grids(
    "ahn2024",
    ("U1", "random", "x", lambda x: x * (1.0 + 1e-9)),
    ("U2", "decaying", "x", lambda x: 0.99 * x),
    ("U2", "decaying", "x", one_nan),
)


def test_the_floor_of_a_batch_by_hand() -> None:
    # eps = 0, b = 1, lr = .05: a = .1, sigma^2 = 1/4, four coordinates: 4*2*.1*.25/(2 - .2) = 1/9.
    assert zaheer2018.floor(1, 0.05, 0.0) == pytest.approx(1.0 / 9.0)


def test_the_condition_of_zaheer_needs_a_beta2_near_one_for_the_usual_eps() -> None:
    names = {"eps": 1e-8, "lr": 1e-9}
    failed = put_on_trial(zaheer2018.NEIGHBOURHOOD, names=names, run=False).assessment.failed
    assert [str(row.condition) for row in failed] == ["1-beta2 of at most eps^2/(16 G^2)"]


def test_discounted_ftrl_by_hand() -> None:
    # beta = 1/2, g = (1, 1): 1, then (1/2 + 1)/sqrt(1/4 + 1), in units of sqrt((1/2)/(3/2)).
    wanted = math.sqrt(1.0 / 3.0) * np.array([1.0, 1.5 / math.sqrt(1.25)])
    assert ahn2024.followed(np.ones(2), 0.5) == pytest.approx(wanted, rel=1e-14)


# Normalised, clipped, heavy-tailed

test_cutkosky = fails_on_tampered_grids(
    "cutkosky2020",
    ("M1", "skewed", "x", lambda x: 1.1 * x),
    ("M1", "skewed", "x", lambda x: 0.9 * x),
    ("M1", "skewed", lambda g: g.assign(x=g.x.roll(momentum=1))),
    ("M2", "rate", "distance_mean", lambda d: 10.0 * d),
    ("M2", "rate", "distance_mean", lambda d: 0.1 * d),
    ("M2", "rate", lambda g: g.assign(distance_mean=g.distance_mean * g["T"] ** 0.1)),
)
test_heavy = fails_on_tampered_grids(
    "zhang2020heavy",
    ("H1", "sgd", "gap_max", lambda g: 2.0 * g),
    ("H1", "sgd", "gap_max", lambda g: 0.5 * g),
    ("H1", "sgd", lambda g: g.assign(gap_max=g.gap_max / g.checkpoint**0.2)),
    ("H2", "floor", "gap_mean", lambda g: 1.3 * g),
    ("H2", "floor", "gap_mean", lambda g: 0.7 * g),
)
test_chen_clipping = fails_on_tampered_grids(
    "chen2020clipping",
    ("P1", "uniform", "x", lambda x: x + 0.02),
    ("P1", "uniform", "x", lambda x: 1.1 * x),
    ("P2", "logcosh", "gradient_square_mean", lambda g: 5.0 * g),
    ("P2", "logcosh", "gradient_square_mean", lambda g: 0.1 * g),
    ("P2", "skewed", "position_mean", lambda x: 0.95 * x),
    ("P2", "skewed", "position_mean", lambda x: 0.0 * x),
)


def test_a_schedule_by_hand() -> None:
    optimizer = cutkosky2020.scheduled(10_000)
    assert (optimizer.lr, optimizer.hyper["momentum"]) == (pytest.approx(1e-3), pytest.approx(0.99))


def test_the_floor_under_pareto_noise_by_hand() -> None:
    # a = 3/2, c = 4: m2 = (2*2 - 1.5)/.5 = 5, k = 1 - 1/8, x^2/2 = lr m2/(4 k).
    assert zhang2020heavy.floor(4.0) == pytest.approx(0.002 * 5.0 / 3.5)


def test_pareto_noise_and_its_box() -> None:
    boxed, free = clipping.pareto(), clipping.pareto(domain=False)
    assert (boxed.domain, free.domain) == ((-1.0, 1.0), None)
    # u = 3/4 and tail 1/2: a kick of (1/4)^(-1/2) = 2, positive for v < 1/2.
    uniforms = np.array([[0.75], [0.25]])
    g = evaluate.gradients(
        clipping.pareto(0.5), np.array([[0.5]]), t=1, index=np.zeros(1, int), uniforms=uniforms
    )
    assert float(np.ravel(g)[0]) == pytest.approx(2.5)


# Votes

test_bernstein = fails_on_tampered_grids(
    "bernstein2019",
    ("Y1", "first", "x_final", lambda x: 2.0 - x),
    ("Y1", "first", lambda g: g.assign(x_final=g.x_final.roll(adversaries=1))),
    ("Y2", "run", "gradient_l1_mean", lambda g: 20.0 * g),
    ("Y2", "run", lambda g: g.assign(gradient_l1_final=g.gradient_l1_final.roll(adversaries=2))),
)
test_chen_vote = fails_on_tampered_grids(
    "chen2020vote",
    ("V1", "quiet", "x_final", lambda x: x + 0.4),
    ("V1", "quiet", "gradient_square_final", lambda g: 0.5 * g),
    ("V2", "noisy", "mean_x_mean", lambda x: x + 0.05),
    ("V2", "noisy", "mean_x_mean", lambda x: 0.0 * x + 0.8),
)


def test_mean_votes_by_hand() -> None:
    # Three voters, p = 3/4: right with p^3 + 3 p^2 q = 54/64, so 44/64; one adversary: q for p once.
    p = np.array([0.75])
    assert bernstein2019.mean_vote(p, 0, 3) == pytest.approx([44.0 / 64.0])
    # Right votes: p p q + ... with one at q: p^2 + 2 p q q - ... = P(two honest right) + P(one right)*q = 9/16 + 6/16/4.
    right = 9.0 / 16.0 + 6.0 / 16.0 * 0.25
    assert bernstein2019.mean_vote(p, 1, 3) == pytest.approx([2.0 * right - 1.0])


def test_two_equal_voters_and_far_noise() -> None:
    # Symmetric around the middle, the balance of three centers is between median and mean; with much noise the mean.
    assert chen2020vote.settles(100.0) == pytest.approx(0.8, abs=1e-3)
    assert chen2020vote.settles(0.01) == pytest.approx(0.4, abs=0.02)


# Compressed messages

test_fatkhullin = fails_on_tampered_grids(
    "fatkhullin2023",
    ("F1", "kicked", "x_final", np.negative),
    ("F1", "kicked", "x_final", lambda x: 0.0 * x),
    ("F1", "kicked", "gradient_square_mean", lambda g: 0.7 * g),
    ("F1", "kicked", "gradient_square_mean", lambda g: 1.3 * g),
    ("F2", "kicked", lambda g: g.assign(gradient_square_mean=g.gradient_square_mean.roll(momentum=1))),
    ("F2", "kicked", lambda g: g.assign(gradient_square_mean=g.gradient_square_mean.roll(lr=1))),
)
test_mishchenko = fails_on_tampered_grids(
    "mishchenko2019",
    ("D1", "paths", "gradient_square", lambda g: 1.2 * g),
    ("D1", "paths", "gradient_square", lambda g: 0.8 * g),
    ("D2", "paths", "gradient_square", lambda g: g + 0.01),
    ("D2", "paths", "gradient_square", lambda g: 1e-3 * g),
)


def test_kicks_by_hand() -> None:
    # (-4, -4), (-4, -3), (8, 7): mean 0, squared norms 32, 25 and 113.
    kicks = np.array(quantized.KICKS)
    assert kicks.sum(axis=0).tolist() == [0.0, 0.0]
    assert (kicks**2).sum() == 170.0
    uniforms = np.array([[0.1, 0.5, 0.9]])
    points = np.zeros((3, 2))
    g = evaluate.gradients(
        quantized.three_kicks(2.0), points, t=1, index=np.zeros(3, int), uniforms=uniforms
    ).reshape(3, 2)
    assert g == pytest.approx(2.0 * math.sqrt(3.0 / 170.0) * kicks, rel=1e-14)


def test_the_chain_of_ef21_by_hand() -> None:
    # The first coordinate is the last kick's, -4 twice in three.  The second is taken over when that of two kicks in a
    # row is the same, so with y_A and y_C its mean on -4 and on 8: y_A = (2/3)(2/3)(-7/2) + (2/3) y_C and
    # y_C = (1/3) y_A + (1/3)(1/3) 7, hence y_A = -4/3, y_C = 1/3.
    states, law = fatkhullin2023.stationary()
    low = states[:, 0] < 0.0
    assert law[low].sum() == pytest.approx(2.0 / 3.0)
    assert law[low] @ states[low, 1] == pytest.approx(-4.0 / 3.0)
    assert law[~low] @ states[~low, 1] == pytest.approx(1.0 / 3.0)
    assert law @ states == pytest.approx([0.0, -1.0], abs=1e-12)


def test_one_step_of_diana_by_hand() -> None:
    # lr = 1/5, omega = 1, N = 4, d = 8, e = 2: ||e||^2 = 32, H = 8*14 = 112, X = 0, S = 4*32 + 112 = 240;
    # .64*32 + .04*240/16.
    assert mishchenko2019.expected(0.5, 1)[1] == pytest.approx(0.64 * 32.0 + 0.04 * 15.0)


def test_a_power_step_of_a_matrix_of_its_rank_loses_nothing() -> None:
    rng = np.random.default_rng(0)
    M = np.outer(rng.normal(size=6), rng.normal(size=8))
    sent, _ = powersgd2019.power_step(M, rng.normal(size=(8, 1)))
    assert sent == pytest.approx(M, abs=1e-12)


def test_power_steps_without_their_parts_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_orthogonal(M: np.ndarray, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        P = M @ Q
        return P @ (M.T @ P).T, M.T @ P

    monkeypatch.setattr(powersgd2019, "power_step", not_orthogonal)
    assert powersgd2019.a_warm_start_finds_the_best_directions.check([], "quick").status is Outcome.FAIL


def test_slopes_of_reddi_for_the_corner() -> None:
    # (2 C - 4)/3 is what a block at the corner costs: C*2 - 2 - 2 in three steps.
    assert reddi.periodic(3.0, period=3).facts["slope"] == pytest.approx(1.0 / 3.0)

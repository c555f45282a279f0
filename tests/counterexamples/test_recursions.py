"""Numpy recursions and finite sums: Newton, estimators, PDHG, bilevel, federated, normalised weights; numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import counterexamples
import theory_sim as ts
from counterexamples import bilevel, estimators, federated, newton, normalization, pdhg
from theory_sim.engine.evaluate import gradients, measures

# Newton


def test_newton_steps_by_hand() -> None:
    # kappa = 2: the residuals are (3/4)^1, ^2, ^4, ^8 = .1001, ^16
    assert (newton.steps(2.0, 0.11), newton.steps(2.0, 0.1), newton.steps(2.0, 0.74)) == (3, 4, 1)
    assert [newton.steps(kappa) for kappa in (1, 10, 1e2, 1e4, 1e6)] == [0, 11, 18, 31, 44]
    # 2 log2(1e200) + log2(ln(1e6)) = 1328.771 + 3.788, where 1e-400 is no double
    assert newton.steps(1e200) == 1333
    assert counterexamples.newton.steps is newton.steps
    # (1/3)^k at kappa = 2
    assert (newton.gradient_steps(2.0, 0.1), newton.gradient_steps(1.0)) == (3, 1)
    for kappa, accuracy in ((0.5, 1e-6), (math.nan, 1e-6), (2.0, 0.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match=r"^(kappa|accuracy) = "):
            newton.steps(kappa, accuracy)


def test_newton_inverts_by_hand() -> None:
    # S = 2, alpha = 1/8: M = 1/4, 1/2 - 1/8, .75 - .28125
    assert [M.item() for M in newton.inverses([[2.0]], 2, 0.125)] == [0.25, 0.375, 0.46875]
    assert newton.inverses([[2.0]], 0)[0].item() == 0.5


def test_linear_attention_by_hand() -> None:
    # (.5/2) (2 <k_1, q> + 4 <k_2, q>) with both products 1
    assert newton.linear_attention([(1.0, 0.0), (0.0, 1.0)], [2.0, 4.0], (1.0, 1.0), 0.5) == 1.5
    assert newton.one_step(np.eye(2), np.array([2.0, 4.0]), np.ones(2), 0.5) == 1.5


# Estimators


def test_winner_take_all_by_hand() -> None:
    # Sizes 3 and 1, product 3 - 1.  Two draws with p = 3/4, 1/4 of +2 and -2: mean 2 and variance 2 (4 - 1).
    X, Y = np.array([[3.0, 1.0]]), np.array([[1.0], [-1.0]])
    mean, variance = estimators.moments(X, Y, estimators.winner_take_all(X, Y, 2))
    assert (mean.item(), variance) == (pytest.approx(2.0), pytest.approx(6.0))
    # With the first kept only one pair is left.
    how = estimators.winner_take_all(X, Y, 2, 1)
    mean, variance = estimators.moments(X, Y, how)
    assert (mean.item(), variance, how.mass) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-15), 0.75)


def test_moments_are_those_of_samples() -> None:
    random = np.random.default_rng(3)
    X, Y = random.standard_normal((3, 12)), random.standard_normal((12, 2))
    how = estimators.winner_take_all(X, Y, 6, 2)
    mean, variance = estimators.moments(X, Y, how)
    terms = np.einsum("in,nj->nij", X, Y)
    drawn = random.choice(len(how.rest), p=how.chance, size=(20_000, how.draws))
    samples = terms[how.kept].sum(axis=0) + (how.weight[:, None, None] * terms[how.rest])[drawn].sum(axis=1)
    # 5 standard errors, of the mean sqrt(variance/20000), and of the variance 2 % for a kurtosis up to 10
    assert np.linalg.norm(samples.mean(axis=0) - mean) < 5.0 * math.sqrt(variance / 20_000)
    assert samples.var(axis=0).sum() == pytest.approx(variance, rel=0.1)


def test_reinforce_by_hand() -> None:
    # Two actions of equal probability, rewards 1 and 0.  Score (1/2, -1/2): samples of it and 0, mean (1/4, -1/4), variance
    # 1/4 - 1/8; at b = 1/2 both samples are the mean.
    logits, rewards = np.zeros((1, 2)), np.array([[1.0, 0.0]])
    for b, expected in ((0.0, 0.125), (0.5, 0.0)):
        bias, variance, best = estimators.reinforce(logits, rewards, np.array([b]))
        assert (bias.item(), variance.item(), best.item()) == (0.0, expected, 0.5)


# PDHG


def test_pdhg_by_hand() -> None:
    # min x_1 + 2 x_2, x_1 + x_2 = 1: x = (1, 0), y = 1.  With step 1/2 from 0 y is 1/2, 1, 3/2; then x_1 = -(1 - 3/2)/2 and
    # y = 3/2 + (1 - 2/4)/2.
    one = np.ones((1, 1))
    some = pdhg.Programmes(np.ones((1, 1, 2)), one, np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]]), one)
    runs = pdhg.run(some, np.array([0.5]), 4, (3, 4), np.zeros((1, 2)), np.zeros((1, 1)))
    assert (runs[3]["y"].item(), runs[4]["x"][0].tolist(), runs[4]["y"].item()) == (1.5, [0.25, 0.0], 1.75)
    assert (runs[4]["x_mean"][0, 0], runs[4]["y_mean"].item()) == (0.0625, (0.5 + 1.0 + 1.5 + 1.75) / 4.0)
    assert pdhg.kkt_error(some, some.x, some.y).item() == 0.0
    # |1/4 - 1| + |7/4 - 1| + |1/4 - 7/4|
    assert pdhg.kkt_error(some, runs[4]["x"], runs[4]["y"]).item() == 3.0


def test_pdhg_factors_by_hand() -> None:
    # p = 3/4: |z|^2 = 1/4; p = 1: 0; p = 4/3: 1/3 + sqrt(4/9); p = 2: 1 + sqrt 2
    expected = [1.0, 0.5, 0.0, 1.0, 1.0 + math.sqrt(2.0)]
    assert pdhg.local_factor(np.array([0.0, 0.75, 1.0, 4.0 / 3.0, 2.0])) == pytest.approx(expected)
    # The matrix of the recursion in one dimension: x+ = x + r y, y+ = y - r (2 x+ - x), r^2 = p
    for p in (0.3, 1.2, 1.4):
        r = math.sqrt(p)
        z = np.abs(np.linalg.eigvals([[1.0, r], [-r, 1.0 - 2.0 * p]])).max()
        assert pdhg.local_factor(np.array(p)).item() == pytest.approx(z, rel=1e-12)


def test_programmes_are_solved_by_their_solutions() -> None:
    for condition in (3.0, None):
        some = pdhg.programmes(3, 5, 9, condition)
        assert pdhg.kkt_error(some, some.x, some.y).max() < 1e-12
        assert ((some.x > 0).sum(axis=1) == 5).all()
    with pytest.raises(ValueError, match="m = 5 must be below n = 5"):
        pdhg.programmes(1, 5, 5)


# Bilevel


def test_hypergradient_and_penalty_by_hand() -> None:
    # H = 1 + e^0, y* = 1, f = y^2/2: z = 1/2 and -1 * 1 * 1/2.  At alpha = 1 y_a = 2/3, (4/9 - 1)/2.  y_1 = -1/2 and
    # y_2 = 1/4: 1/8 + 1/4.
    one = np.ones((1, 1))
    problem, x = bilevel.Ridge(one, np.array([2.0]), one, np.zeros(1)), np.zeros(1)
    assert bilevel.hypergradient(problem, x).item() == -0.5
    assert bilevel.penalty_gradient(problem, x, 1.0).item() == pytest.approx(-5.0 / 18.0)
    assert bilevel.penalty_slope(problem, x).item() == 0.375
    assert bilevel.upper_value(problem, x) == 0.5
    assert bilevel.inner_error(one, np.ones(1), 0.5, 3) == 0.125


def test_twins_on_the_same_data_stay_together() -> None:
    same = bilevel.twins((5, 10), 3, 20, (10, 20), lambda t: 0.05, outlier=0.0)
    assert [same[10].tolist(), same[20].tolist()] == [[0.0, 0.0], [0.0, 0.0]]
    other = bilevel.twins((5, 10), 3, 20, (20,), lambda t: 0.05)
    assert (other[20] > 0.0).all()


# Federated


def test_federated_rounds_by_hand() -> None:
    # One client, h = 1, c = 1, lr = 1/2, two local steps: Delta = (1 - w) 3/4.  FedAvg leaves 1/4, 1/16.  FedHyper: w = 3/4,
    # Delta = 3/16, alpha = 1 + 9/64, w = 3/4 + 219/1024.
    some = federated.Clients(np.ones((1, 1)), np.ones((1, 1)))
    assert federated.distances(some, 0.5, 2, adapted=False, local=2).tolist() == [1.0, 0.25, 0.0625]
    adapted = federated.distances(some, 0.5, 2, adapted=True, local=2)
    assert adapted == pytest.approx([1.0, 0.25, 0.25 - 219.0 / 1024.0])
    assert [federated.rounds_to(share, adapted) for share in (1.0, 0.25, 0.04, 0.01)] == [0, 1, 2, -1]
    # alpha = 1 + 100^2 9/64 is clipped to 3.
    large = federated.Clients(np.ones((1, 1)), 100.0 * np.ones((1, 1)))
    assert federated.distances(large, 0.5, 2, adapted=True, local=2)[2] == pytest.approx(9.0 / 16.0 - 0.25)


# Normalised weights


def test_rayleigh_by_hand() -> None:
    # A = diag(.1, 1) at (1, 1): (a_i - .55)/2, gap .55/2 - .05.  Projected back to sqrt 2 from (1.225, .775).
    problem = normalization.rayleigh(2, size=math.sqrt(2.0))
    assert gradients(problem, [[1.0, 1.0]])[0] == pytest.approx([-0.225, 0.225])
    seen = {name: value.item() for name, value in measures(problem, [[1.0, 1.0]]).items()}
    assert seen == pytest.approx(
        {"gap": 0.225, "gradient_square": 2 * 0.225**2, "direction_square": 4 * 0.225**2, "length": math.sqrt(2.0),
         "length4": 4.0, "radial": 0.0}, abs=1e-15)  # fmt: skip
    grid = ts.simulate(problem, ts.projected_sgd(1.0), steps=1)
    assert grid.x_final.values[0] == pytest.approx(np.array([1.225, 0.775]) * math.sqrt(2.0 / 2.10125))


def test_noise_is_across_the_weights_and_decay_along() -> None:
    problem = normalization.rayleigh(4, sigma=1.0, decay=0.3)
    random = np.random.default_rng(5)
    points, uniforms = random.standard_normal((6, 4)), random.random((4, 6))
    slope = gradients(problem, points, uniforms=uniforms)
    square = np.sum(points**2, axis=1)
    np.testing.assert_allclose(np.sum(slope * points, axis=1), 0.3 * square, rtol=1e-12)
    noise = math.sqrt(12.0) * (uniforms.T - 0.5)
    across = noise - points * (np.sum(noise * points, axis=1) / square)[:, None]
    mean = gradients(normalization.rayleigh(4, decay=0.3), points)
    np.testing.assert_allclose(slope - mean, across / np.sqrt(square)[:, None], rtol=1e-9, atol=1e-12)


def test_projection_ends_at_nan() -> None:
    problem = ts.Problem("broken", lambda t, i: math.nan if t == 3 and i == 1 else 0.1, dim=2, start=1.0)
    grid = ts.simulate(problem, ts.projected_sgd(), steps=5)
    assert (grid.status.item(), grid.nonfinite_step.item()) == ("NONFINITE", 3)


def test_layer_norm_and_stacks() -> None:
    np.testing.assert_allclose(
        normalization.layer_norm(np.array([[1.0, 0.0], [3.0, 5.0]])), [[-1.0, -1.0], [1.0, 1.0]]
    )
    # Layer norm on both sides of a branch: no gain is felt, and the sum grows; after the sum it is 1.
    peri = normalization.residual_stack("peri", (1.0, 3.0), 3, 16)
    np.testing.assert_allclose(peri[0], peri[1], rtol=1e-12)
    np.testing.assert_allclose(normalization.residual_stack("post", (2.0,), 2, 16), 1.0, rtol=1e-12)
    # No branch at gain 0: the variance of the input stays.
    still = normalization.residual_stack("pre", (0.0,), 2, 16)
    assert still[0, 0] == still[0, 1]
    with pytest.raises(ValueError, match="Unknown place 'per'"):
        normalization.residual_stack("per")

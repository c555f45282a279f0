"""Maxima of linear functions: pieces by hand, minima, norms, and the closed form of the chain."""

import math

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import nonsmooth
from theory_sim.engine.evaluate import gradients, measures


def test_the_chain_of_length_two_by_hand() -> None:
    # a = (1/4, 1/2); the pieces are (-1, 0), (1/4, -1), (1/4, 1/2)
    chain = nonsmooth.chain(2)
    points = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [-1.0, 2.0]]
    # at 0 all three are equal and the first is taken; at (1, 0) the last two are
    assert gradients(chain, points).tolist() == [[-1, 0], [0.25, -1], [0.25, 0.5], [-1, 0]]
    found = measures(chain, points)
    assert found["gap"].tolist() == [0.0, 0.25, 0.75, 1.0]
    assert found["distance"] == pytest.approx([0, 1, math.sqrt(2), math.sqrt(5)])
    assert chain.facts["G_norm"] == pytest.approx(math.sqrt(17 / 16), rel=1e-15)


def test_the_chain_is_the_matrix_of_its_pieces() -> None:
    d = 7
    a = 0.5 / (d - np.arange(d))
    H = np.array([[*a[:i], -1.0, *np.zeros(d - i - 1)] for i in range(d)] + [[*a]])
    x = np.random.default_rng(0).normal(size=(50, d))
    chain = nonsmooth.chain(d)
    assert measures(chain, x)["gap"] == pytest.approx(np.max(x @ H.T, axis=1), rel=1e-13)
    assert gradients(chain, x) == pytest.approx(H[np.argmax(x @ H.T, axis=1)])
    assert (measures(chain, x)["gap"] >= 0.0).all()
    assert chain.facts["G_norm"] == pytest.approx(np.linalg.norm(H, axis=1).max(), rel=1e-14)


def test_the_longest_piece_stays_below_its_limit() -> None:
    # 1 + (pi^2/6 - 1)/4, the limit of 1 + sum_{k=2}^T 1/(4 k^2)
    limit = math.sqrt(1.0 + (math.pi**2 / 6.0 - 1.0) / 4.0)
    assert nonsmooth.chain(1000).facts["G_norm"] == pytest.approx(limit, abs=2e-4)
    assert nonsmooth.chain(1000).facts["G_norm"] < limit < 1.0777


def test_the_end_of_the_chain_by_hand() -> None:
    # two steps of 1: x = (1 - 1/4, 1), and the last piece is 3/16 + 1/2
    assert nonsmooth.chain_end([1.0, 1.0]) == pytest.approx(3 / 16 + 1 / 2, rel=1e-15)
    run = ts.simulate(nonsmooth.chain(2), ts.gd(1.0), steps=2)
    assert run.x_final.values.tolist() == [[0.75, 1.0]]
    assert run.gap_final.item() == 0.6875


def test_random_pieces_have_their_minimum_at_zero() -> None:
    for instance in range(5):
        problem = nonsmooth.pieces(instance)
        x = np.random.default_rng(instance).normal(size=(200, 6)) * 0.1
        found = measures(problem, np.vstack([np.zeros(6), x]))["gap"]
        assert found[0] == 0.0
        assert (found[1:] > 0.0).all()
        a = np.array([problem.constants[f"a{k}"] for k in range(12)])
        b = np.array([problem.constants[f"b{k}"] for k in range(12)])
        assert gradients(problem, x) == pytest.approx(a[np.argmax(x @ a.T + b, axis=1)])
        norms = np.linalg.norm(gradients(problem, x), axis=1)
        assert norms.max() <= problem.facts["G_norm"] * (1.0 + 1e-15) <= 1.0 + 1e-15
        assert np.linalg.norm(problem.start) == pytest.approx(1.0, rel=1e-15)


def test_steps_on_the_cone_add_up() -> None:
    run = ts.simulate(nonsmooth.cone(2, x0=1.0), ts.gd(0.1), steps=3)
    assert run.gap_final.item() == pytest.approx(math.sqrt(2.0) - 0.3, rel=1e-14)
    assert gradients(nonsmooth.cone(2), [[0.0, 0.0], [3.0, 4.0]]) == pytest.approx(
        np.array([[0, 0], [0.6, 0.8]])
    )


def test_impossible_instances() -> None:
    with pytest.raises(ValueError, match="n = 6 must be an integer >= 7"):
        nonsmooth.pieces(d=6, n=6)
    with pytest.raises(ValueError, match="length = 0"):
        nonsmooth.chain(0)

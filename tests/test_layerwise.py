"""LARS, LAMB and LISA against numbers by hand and against plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import layers, quadratics

FEW = {"steps": 12, "checkpoints": range(1, 13)}


def path(problem: ts.Problem, optimizer: ts.Optimizer, **fields: Any) -> np.ndarray:
    grid = ts.Sweep(problem, optimizer, **{**FEW, **fields}).run()
    return np.asarray(grid.x.isel(seed=0).transpose("checkpoint", "coordinate").values)


def first(optimizer: ts.Optimizer, x: tuple[float, ...]) -> list[float]:
    problem = quadratics.quadratic(np.eye(len(x)), x)
    return path(problem, optimizer, steps=1, checkpoints=(1,))[-1].tolist()


def test_first_steps_by_hand() -> None:
    # H = I, so g = x = (3, 4): a layer of norm 5 moves by 0.1 phi in the direction (.6, .8).
    assert first(ts.lars(0.1), (3.0, 4.0)) == pytest.approx([2.7, 3.6])
    assert first(ts.lars(0.1, low=6.0), (3.0, 4.0)) == pytest.approx([2.64, 3.52])
    assert first(ts.lars(0.1, low=1.0, high=2.0), (3.0, 4.0)) == pytest.approx([2.88, 3.84])
    assert first(ts.lars(0.1, low=1.0, high=1.0, block=1), (3.0, 4.0)) == pytest.approx([2.9, 3.9])
    # The first direction of Adam is the sign: 0.5 (1, 1)/sqrt 2.
    gone = 0.5 / 2.0**0.5
    assert first(ts.lamb(0.1, eps=0.0), (3.0, 4.0)) == pytest.approx([3.0 - gone, 4.0 - gone])
    # u = (1, 1) + 0.5 (3, 4) = (2.5, 3): norm sqrt 15.25.
    decayed = first(ts.lamb(0.1, eps=0.0, weight_decay=0.5), (3.0, 4.0))
    assert decayed == pytest.approx([3.0 - 1.25 / 15.25**0.5, 4.0 - 1.5 / 15.25**0.5])


def test_a_layer_at_zero_or_without_gradient_has_ratio_one() -> None:
    # (0, 0) gets no gradient: it stays.  With phi(0) = 0 the ratio is 1 and a pull from outside is taken as it is.
    assert first(ts.lars(0.1, block=2), (0.0, 0.0, 3.0, 4.0)) == pytest.approx([0.0, 0.0, 2.7, 3.6])
    pulled = quadratics.quadratic([[1.0, 0.5], [0.5, 1.0]], (0.0, 1.0))  # g = (.5, 1)
    x = path(pulled, ts.lars(0.1, beta1=0.0, block=1), steps=1, checkpoints=(1,))[-1]
    assert x.tolist() == pytest.approx([-0.05, 0.9])


def replay(problem: ts.Problem, step: Any) -> np.ndarray:
    x, found = np.array(problem.start), []
    for t in range(1, 13):
        x = step(t, problem.matrices["H"] @ x, x)
        found.append(x)
    return np.array(found)


def split(values: np.ndarray, block: int) -> list[slice]:
    return [slice(k, min(k + block, len(values))) for k in range(0, len(values), block)]


@pytest.mark.parametrize("block", [4, 6])
def test_lars_and_lamb_against_numpy(block: int) -> None:
    problem = layers.quadratic((1.0, 30.0), 5)  # 10 coordinates: the last layer is shorter
    m, v = np.zeros(10), np.zeros(10)

    def lars(t: int, g: np.ndarray, x: np.ndarray) -> np.ndarray:
        m[:] = 0.8 * m + 0.2 * (g + 0.1 * x)
        ratio = np.concatenate(
            [
                np.full(10, np.clip(np.linalg.norm(x[s]), 0.5, 1.0) / np.linalg.norm(m[s]))[s]
                for s in split(x, block)
            ]
        )
        return x - 0.05 * ratio * m

    found = path(problem, ts.lars(0.05, 0.8, 0.1, 0.5, 1.0, block=block))
    np.testing.assert_allclose(found, replay(problem, lars), rtol=1e-11)
    m[:] = 0.0

    def lamb(t: int, g: np.ndarray, x: np.ndarray) -> np.ndarray:
        m[:] = 0.8 * m + 0.2 * g
        v[:] = 0.9 * v + 0.1 * g * g
        u = (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3) + 0.1 * x
        ratio = np.concatenate(
            [
                np.full(10, np.clip(np.linalg.norm(x[s]), 0.5, 1.0) / np.linalg.norm(u[s]))[s]
                for s in split(x, block)
            ]
        )
        return x - 0.05 * ratio * u

    found = path(problem, ts.lamb(0.05, 0.8, 0.9, 1e-3, 0.1, 0.5, 1.0, block=block))
    np.testing.assert_allclose(found, replay(problem, lamb), rtol=1e-11)


def test_lisa_with_all_layers_is_adamw_and_otherwise_moves_the_drawn_ones() -> None:
    problem = layers.quadratic((1.0, 3.0, 10.0, 30.0), 2)
    whole = path(problem, ts.lisa(0.1, 4, 3, 0.8, 0.9, 1e-3, 0.1, layers=4))
    adamw = path(problem, ts.adamw(0.1, 0.8, 0.9, 1e-3, weight_decay=0.1))
    np.testing.assert_allclose(whole, adamw, rtol=1e-12)
    part = path(problem, ts.lisa(0.1, 2, 3, layers=4), x0=1.0)
    moved = np.diff(np.concatenate([np.ones((1, 8)), part]), axis=0).reshape(4, 3, 4, 2) != 0.0
    assert (moved.sum(axis=2) == 2).all()  # two layers in every step, both coordinates of them
    assert (moved == moved[:, :1]).all()  # the same in the three steps of a period
    assert len({tuple(one.ravel().tolist()) for one in moved[:, 0]}) > 1  # and others in another one


def test_a_layer_takes_up_its_moments_again() -> None:
    # One layer alone is Adam with gaps: f = x^2/2 in each, so that a layer's path, at its own updates, is Adam's.
    problem = layers.quadratic((1.0,) * 3, 1)
    part = path(problem, ts.lisa(0.1, 1, 2, layers=3), x0=1.0, steps=12)
    alone = path(problem, ts.adam(0.1), x0=1.0)[:, 0]
    moves = np.diff(np.concatenate([np.ones((1, 3)), part]), axis=0) != 0.0
    for k in range(3):
        np.testing.assert_allclose(part[moves[:, k], k], alone[: moves[:, k].sum()], rtol=1e-12)
    assert moves.sum() == 12


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ts.lars(low=2.0, high=1.0), "high = 1"),
        (lambda: ts.lamb(low=-1.0), "low = -1"),
        (lambda: ts.lisa(active=9), "active = 9"),
        (lambda: ts.lisa(direction="sgd"), "sgd"),
        (lambda: layers.quadratic((1.0, 0.0)), "curvature = 0"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()

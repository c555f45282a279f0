"""Low-rank projections: numbers by hand, and bugs that change them."""

import numpy as np
import pytest

from counterexamples import lowrank
from counterexamples.lowrank import Stall, descend


def test_the_recursion_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Values 3, 1.5, .5, sigma = 1, a period halving: 3 -> 1.5 -> .75 and 1.5 -> .75; .5 stays.
    problem = Stall(n=4, r=1)
    monkeypatch.setattr(Stall, "first_gradient", np.diag([0.5, 3.0, 1.5, 0.0]))
    assert problem.stalled(1.0, 0.5, 1) == pytest.approx(2 * 0.75**2 + 0.25)
    assert problem.stalled(3.5, 0.5, 1) == pytest.approx(11.5)
    with pytest.raises(ValueError, match="sigma = 0"):
        problem.stalled(0.0, 0.5, 1)


def test_one_period_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Gradient diag(3, 1.5, .5, 0), noise 1 in the corner, r = 1: the first row shrinks by (1 - lr)^2 in two steps.
    monkeypatch.setattr(Stall, "first_gradient", np.diag([3.0, 1.5, 0.5, 0.0]))
    found = descend(Stall(n=4, r=1), [1.0, 9.0], steps=4, lr=0.1, gap=2)
    assert found[:, 0] == pytest.approx([11.5, 9 * 0.81**2 + 2.5, 9 * 0.81**4 + 2.5])
    assert found[:, 1] == pytest.approx([11.5] * 3)  # the noise is picked
    exact = descend(Stall(n=4, r=1), [9.0], "exact", steps=4, lr=0.1, gap=2)
    assert exact[:, 0] == pytest.approx(found[:, 0])
    # Adam's first step is lr in every row that has a gradient: 3 -> 2.9.
    assert descend(Stall(n=4, r=1), [1.0], steps=1, lr=0.1, gap=1, moments=True)[1, 0] == pytest.approx(
        2.9**2 + 2.5
    )
    # Without noise lr = 1 solves the first row if it is in the span, and the others, which S leaves out, never move.
    whole = descend(Stall(n=4, r=3), [1.0], "random", "none", steps=1, lr=1.0, gap=1)
    monkeypatch.setattr(lowrank, "stiefel", lambda random, runs, n, r: np.eye(n)[None, :, :r])
    assert descend(Stall(n=4, r=3), [1.0], "random", "none", steps=1, lr=1.0, gap=1)[1, 0] == pytest.approx(
        2.5
    )
    assert whole[1, 0] > 2.5  # a random span misses it


def test_noise_has_one_size_in_both_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    # From a gradient of 0 one step of lr 1 with P = I in the kept rows is the noise: E||.||^2 in 6 of 10 rows.
    monkeypatch.setattr(Stall, "first_gradient", np.zeros((10, 10)))
    monkeypatch.setattr(lowrank, "stiefel", lambda random, runs, n, r: np.eye(n)[None, :, :r])
    runs = np.full(2000, 2.0)
    found = descend(Stall(10, 4), runs, "random", "isotropic", steps=1, lr=1.0, gap=1)[1]
    # sigma^2 r = 16 in 100 entries, of which 40 are moved: 6.4, known to 0.5 %
    assert found.mean() == pytest.approx(6.4, rel=0.03)
    assert descend(Stall(10, 4), runs[:1], "random", "block", steps=1, lr=1.0, gap=1)[1] == 0.0


def test_random_projections_by_hand() -> None:
    # r = n: every period multiplies the norm by keep, exactly.
    found = lowrank.random_projections(3, 3, 0.5, 4, 2)
    np.testing.assert_allclose(found, 0.25 ** np.arange(5)[:, None] * np.ones(2))


def test_columns_and_ranks_by_hand() -> None:
    assert lowrank.stable_rank(np.diag([2.0, 1.0, 1.0])) == pytest.approx(1.5)
    assert lowrank.cosines(2) == pytest.approx(np.array([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5)
    kept = lowrank.kept_columns(np.array([[1.0, 5.0, 2.0]]), np.eye(3), 2)
    assert kept.tolist() == [[0.0, 5.0, 2.0]]


def test_projected_descent_by_hand() -> None:
    # B = diag(1, 2), C = 1, P = e_2, lr = 1/4: the entry of e_2 halves, that of e_1 stays.
    B, P, one = np.diag([1.0, 2.0]), np.array([[0.0], [1.0]]), np.ones((1, 1))
    inside, whole = lowrank.projected_path(B, one, P, one, np.array([[3.0], [4.0]]), 0.25, 2)
    assert inside == pytest.approx([4.0, 2.0, 1.0])
    assert whole == pytest.approx([5.0, 13**0.5, 10**0.5])

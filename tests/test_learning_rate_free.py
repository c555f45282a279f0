"""Learning-rate-free methods: first steps by hand, plain-Python references, and their contracts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import lipschitz
from theory_sim.engine.evaluate import gradients, measures

Vector = np.ndarray[Any, Any]
Run = Callable[[Vector, Callable[[Vector], Vector], int], tuple[list[Vector], Vector]]


def _unit_slope(x: float) -> float:
    return -1.0 if x < 10.0 else 1.0


SLOPE = ts.Problem("slope", _unit_slope, unjudged="Only its first steps are looked at.")


def final(optimizer: ts.Optimizer, problem: ts.Problem, steps: int) -> tuple[Vector, dict[str, Vector]]:
    """x_2 ... x_{steps+1}, shape (steps, d), and the final rows."""
    grid = ts.simulate(problem, optimizer, steps=steps, checkpoints=range(1, steps + 1))
    rows = {str(name): np.atleast_1d(grid.state_final.sel(row=name).values[0]) for name in grid.row.values}
    return np.asarray(grid.x.values[0]).reshape(steps, problem.dim), rows


def test_d_adaptation_by_hand() -> None:
    # g = -1 and d0 = 1: s = -1, -2, -3; gamma_0 = gamma_1 = 1, gamma_2 = 1/sqrt 2, gamma_3 = 1/sqrt 3; x = 1, sqrt 2, sqrt 3.
    # The estimates 0, (4/sqrt 2 - 2)/4 and (9/sqrt 3 - 2 - 1/sqrt 2)/6 = .415 are below d0.
    path, rows = final(ts.dadaptation(d0=1.0), SLOPE, 3)
    assert path[:, 0] == pytest.approx([1.0, math.sqrt(2.0), math.sqrt(3.0)], rel=1e-15)
    assert rows["penalty"][0] == pytest.approx(2.0 + math.sqrt(0.5), rel=1e-15)
    assert rows["average"][0] == pytest.approx((0.0 + 1.0 + math.sqrt(2.0)) / 3.0, rel=1e-15)
    assert rows["estimate"][0] == 1.0
    # With d0 = .4 all of it, the estimates too, is .4 times as large as long as these are not above .4.  The first that is
    # comes with n = 9: (27 - 2 - sum_{k=2}^{8} 1/sqrt k)/18 = (25 - (4.3710 - 1))/18 = 1.2016 times .4
    path, rows = final(ts.dadaptation(d0=0.4), SLOPE, 9)
    path, before = final(ts.dadaptation(d0=0.4), SLOPE, 2)
    assert before["estimate"][0] == 0.4
    assert path[:, 0] == pytest.approx([0.4, 0.4 * math.sqrt(2.0)], rel=1e-15)
    assert rows["estimate"][0] > 0.4


def test_prodigy_by_hand() -> None:
    # d0 = 1, g = -1: x = 1, sqrt 2, sqrt 3 as above, and d_hat = (0)/1, (0 + 1)/2, (1 + sqrt 2)/3 = .805, (1 + sqrt 2 +
    # sqrt 3)/4 = 1.0366, with which the average of x_0 ... x_3 is this again.
    _, rows = final(ts.prodigy(d0=1.0), SLOPE, 4)
    expected = (1.0 + math.sqrt(2.0) + math.sqrt(3.0)) / 4.0
    assert rows["estimate"][0] == pytest.approx(expected, rel=1e-15)
    assert rows["average"][0] == pytest.approx(expected, rel=1e-15)


def test_dog_by_hand() -> None:
    # reach .5: x = .5; then reach is |x| = .5: x = .5 + .5/sqrt 2; the average with weights .5, .5 is .25, and with
    # decay 1 the weights of x_0 and x_1 are 1/3 and 2/3.
    path, rows = final(ts.dog(d0=0.5, eps=0.0, decay=0.0), SLOPE, 2)
    assert path[:, 0] == pytest.approx([0.5, 0.5 + 0.5 / math.sqrt(2.0)], rel=1e-15)
    assert rows["average"][0] == pytest.approx(0.25, rel=1e-15)
    assert final(ts.dog(d0=0.5, eps=0.0, decay=1.0), SLOPE, 2)[1]["average"][0] == pytest.approx(1.0 / 3.0)


def _average(points: list[Vector], weights: list[float]) -> Vector:
    return np.asarray(np.average(points, axis=0, weights=weights))


def _d_adaptation(d0: float, G: float, lr: float) -> Run:
    """From the definitions, with every sum formed anew in each step."""

    def run(x: Vector, slope: Callable[[Vector], Vector], steps: int) -> tuple[list[Vector], Vector]:
        points, g, d = [x], [slope(x)], [d0]
        for k in range(steps):
            seen = [G * G + sum(float(v @ v) for v in g[:i]) for i in range(k + 2)]
            gamma = [lr / math.sqrt(one or float(g[0] @ g[0])) for one in seen]
            s = np.sum([a * v for a, v in zip(d, g, strict=True)], axis=0)
            lost = sum(c * a * a * float(v @ v) for c, a, v in zip(gamma, d, g, strict=False))
            found = (gamma[k + 1] * float(s @ s) - lost) / (2.0 * math.sqrt(float(s @ s)))
            points.append(x - gamma[k + 1] * s)
            g.append(slope(points[-1]))
            d.append(max(d[-1], found))
        return points[1:], _average(points[:steps], d[:steps])

    return run


def _prodigy(d0: float, G: float, lr: float) -> Run:
    def run(x: Vector, slope: Callable[[Vector], Vector], steps: int) -> tuple[list[Vector], Vector]:
        points, g, d = [x], [slope(x)], [d0]
        for _ in range(steps):
            s = np.sum([a * a * v for a, v in zip(d, g, strict=True)], axis=0)
            inner = sum(a * a * float(v @ (x - y)) for a, v, y in zip(d, g, points, strict=True))
            squares = sum(a * a * float(v @ v) for a, v in zip(d, g, strict=True))
            d.append(max(d[-1], inner / math.sqrt(float(s @ s))))
            points.append(x - lr * s / math.sqrt(d[-1] ** 2 * G * G + squares))
            g.append(slope(points[-1]))
        return points[1:], _average(points[:steps], [a * a for a in d[:steps]])

    return run


def _dog(d0: float, eps: float, lr: float) -> Run:
    def run(x: Vector, slope: Callable[[Vector], Vector], steps: int) -> tuple[list[Vector], Vector]:
        points, squares, reach = [x], eps, []
        for _ in range(steps):
            g = slope(points[-1])
            squares += float(g @ g)
            reach.append(max(d0, *(float(np.linalg.norm(y - x)) for y in points)))
            points.append(points[-1] - lr * reach[-1] / math.sqrt(squares) * g)
        return points[1:], _average(points[:steps], reach)

    return run


def _prodigy_adam(lr: float, d0: float, beta1: float, beta2: float, eps: float, decay: float) -> Run:
    """The released code, with r and s as sums over all steps; what it returns besides is the last s."""

    def run(x: Vector, slope: Callable[[Vector], Vector], steps: int) -> tuple[list[Vector], Vector]:
        points, weighted, inner, d = [x], [], [], d0
        m, v, s = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
        for t in range(steps):
            g, y, used = slope(points[-1]), points[-1], d
            weighted.append(used**2 / d0 * lr * g)
            inner.append(used**2 / d0 * lr * float(g @ (x - y)))
            memory = [beta2 ** (0.5 * (t - i)) for i in range(t + 1)]
            s = np.sum([a * w for a, w in zip(memory, weighted, strict=True)], axis=0)
            r = math.fsum(a * w for a, w in zip(memory, inner, strict=True))
            d = max(used, r / float(np.abs(s).sum()))
            m, v = beta1 * m + (1 - beta1) * used * g, beta2 * v + (1 - beta2) * (used * g) ** 2
            points.append(y - used * lr * (decay * y + m / (np.sqrt(v) + d * eps)))
        return points[1:], s

    return run


def _mechanic(lr: float, s_init: float, weight_decay: float, eps: float) -> Run:
    """The released recursion, with the six tuners as one vector."""

    def run(x: Vector, slope: Callable[[Vector], Vector], steps: int) -> tuple[list[Vector], Vector]:
        beta = np.array([0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999])
        delta, m, v, r, s = np.zeros_like(x), *np.zeros((4, 6))
        points = [x]
        for _ in range(steps):
            y, g = points[-1], slope(points[-1])
            pulled = g + weight_decay * np.linalg.norm(g) * s.sum() * y / (np.linalg.norm(y) + eps)
            h = float(delta @ pulled)
            delta = delta + lr * g
            m, v = np.maximum(beta * m, abs(h)), beta**2 * v + h * h
            r = np.maximum(beta * r + h * s, 0.0)
            s = (m * s_init / 6.0 + r) / (np.sqrt(v) + eps)
            points.append(x - max(s.sum(), 0.0) * delta)
        return points[1:], np.mean(points[:steps], axis=0)

    return run


CASES = [
    (ts.dadaptation(0.7, 1e-3, 0.0), _d_adaptation(1e-3, 0.0, 0.7)),
    (ts.dadaptation(1.0, 1e-2, 5.0), _d_adaptation(1e-2, 5.0, 1.0)),
    (ts.prodigy(0.7, 1e-3, 0.0), _prodigy(1e-3, 0.0, 0.7)),
    (ts.prodigy(1.0, 1e-2, 5.0), _prodigy(1e-2, 5.0, 1.0)),
    (ts.dog(0.7, 1e-3, 0.1, 0.0), _dog(1e-3, 0.1, 0.7)),
    (ts.prodigy_adam(0.7, 0.02, 0.8, 0.95, 1e-3, 0.1), _prodigy_adam(0.7, 0.02, 0.8, 0.95, 1e-3, 0.1)),
    (ts.mechanic(0.1, 1e-3, 0.01), _mechanic(0.1, 1e-3, 0.01, 1e-8)),
]


@pytest.mark.parametrize(("optimizer", "reference"), CASES, ids=[str(one) for one, _ in CASES])
def test_same_iterates_and_average_as_the_reference(optimizer: ts.Optimizer, reference: Run) -> None:
    problem = lipschitz.absolute(4, spread=0.5)
    path, rows = final(optimizer, problem, 60)
    expected, average = reference(
        np.zeros(4), lambda x: np.asarray(gradients(problem, x[None])[0]).reshape(4), 60
    )
    # 60 steps of sums that are formed in another order: 1e-11 is 1e5 roundings.
    np.testing.assert_allclose(path, expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(rows.get("average", rows.get("s")), average, rtol=1e-11, atol=1e-11)


def _flat_until(x: float, t: int, bad: float) -> float:
    return math.nan if t == bad else 0.0


@pytest.mark.parametrize("constructor", [ts.dadaptation, ts.prodigy, ts.prodigy_adam, ts.dog, ts.mechanic])
def test_no_gradient_no_move_and_nan_is_nonfinite(constructor: Callable[..., ts.Optimizer]) -> None:
    flat = ts.Problem("flat", _flat_until, {"bad": 0.0}, start=0.75, unjudged="It is flat.")
    grid = ts.Sweep(flat, constructor(), {"bad": [0.0, 5.0]}, steps=10).run()
    assert grid.status.values.ravel().tolist() == ["FINITE", "NONFINITE"]
    assert grid.nonfinite_step.values.ravel().tolist() == [-1, 5]
    assert grid.x_final.values.ravel()[0] == 0.75


def test_bad_arguments() -> None:
    for constructor in (ts.dadaptation, ts.prodigy, ts.dog):
        for bad in (0.0, -1.0, math.nan):
            with pytest.raises(ValueError, match="d0 = "):
                constructor(d0=bad)
    for constructor in (ts.dadaptation, ts.prodigy):
        with pytest.raises(ValueError, match="G = -1"):
            constructor(G=-1.0)
    with pytest.raises(ValueError, match="decay = "):
        ts.dog(decay=-1.0)
    with pytest.raises(ValueError, match="s_init = "):
        ts.mechanic(s_init=0.0)


# Problems


def test_absolute_and_ridge_by_hand() -> None:
    problem = lipschitz.absolute(1, far=0.25)
    c = float(problem.constants["centre"][0])  # type: ignore[index]
    points = [[0.0], [c - 0.5 * c], [c + c]]
    assert measures(problem, points)["gap"] == pytest.approx([abs(c), abs(c) / 2, abs(c) / 4], rel=1e-15)
    assert gradients(problem, points)[:, 0].tolist() == [-np.sign(c), -np.sign(c), 0.25 * np.sign(c)]
    # Uniform noise of standard deviation 2 at u = 0 is -sqrt(12).
    noisy = gradients(lipschitz.absolute(1, sigma=2.0, far=0.25), points, uniforms=[[0.0, 0.0, 0.5]])
    assert noisy[:, 0] == pytest.approx(
        gradients(problem, points)[:, 0] - np.array([math.sqrt(12.0), math.sqrt(12.0), 0.0])
    )
    # |x| and 1/x: values .5, 2, .5 and .25, slopes 1, -1, -1/4 and -1/16
    points = [[0.5], [-2.0], [2.0], [4.0]]
    assert measures(lipschitz.ridge(), points)["gap"].tolist() == [0.5, 2.0, 0.5, 0.25]
    assert gradients(lipschitz.ridge(), points)[:, 0].tolist() == [1.0, -1.0, -0.25, -0.0625]


@pytest.mark.parametrize("problem", [lipschitz.chebyshev(), lipschitz.log_cosh(3)])
def test_the_minimiser_is_one_and_slopes_are_subgradients(problem: ts.Problem) -> None:
    c = np.array(problem.constants["centre"])
    random = np.random.default_rng(0)
    points = random.standard_normal((40, problem.dim))
    gap, slope = measures(problem, points)["gap"], gradients(problem, points)
    # A few roundings of numbers of size 1.
    assert measures(problem, c[None])["gap"].item() == pytest.approx(0.0, abs=1e-12)
    others = points[::-1]
    assert (measures(problem, others)["gap"] >= gap + np.sum(slope * (others - points), axis=1) - 1e-12).all()
    assert np.linalg.norm(slope, axis=1).max() <= problem.facts["G_norm"] + 1e-12


def test_log_cosh_far_away_is_a_line() -> None:
    # log cosh z = |z| - ln 2 up to e^(-2|z|), 4e-18 at z = 20
    c = float(lipschitz.log_cosh(1).constants["centre"][0])  # type: ignore[index]
    gap = measures(lipschitz.log_cosh(1), [[c + 20.0], [c + 1.0]])["gap"]
    assert gap == pytest.approx([20.0 - math.log(2.0), math.log(math.cosh(1.0))], rel=1e-14)

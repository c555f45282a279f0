"""Schedules by hand, and a user's own."""

from itertools import pairwise
from typing import Any

import pytest

import theory_sim as ts


def steps_of(problem: ts.Problem, schedule: ts.Schedule, steps: int) -> list[float]:
    """Step sizes actually taken: a constant gradient of 1 moves x by -lr_t."""
    grid = ts.simulate(
        problem, ts.sgd(1.0, schedule=schedule), steps=steps, x0=0.0, checkpoints=range(1, steps + 1)
    )
    x = [0.0, *grid.x.values.ravel()]
    return [a - b for a, b in pairwise(x)]


def unit_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    out[:] = 1.0


UNIT = ts.Problem("unit", unit_gradient)


def test_constant_power_and_linear() -> None:
    assert steps_of(UNIT, ts.constant(), 3) == pytest.approx([1, 1, 1])
    assert steps_of(UNIT, ts.power(0.5), 4) == pytest.approx([1, 2**-0.5, 3**-0.5, 0.5])
    assert steps_of(UNIT, ts.power(2.0), 3) == pytest.approx([1, 1 / 4, 1 / 9])
    assert steps_of(UNIT, ts.linear(4), 6) == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0])


def test_exponents_can_differ_between_lanes() -> None:
    grid = ts.Sweep(UNIT, ts.sgd(1.0, schedule=ts.power(0.0)), {"s": [0.0, 0.5, 1.0]}, steps=4, x0=0.0).run()
    expected = [-4.0, -(1 + 2**-0.5 + 3**-0.5 + 0.5), -(1 + 1 / 2 + 1 / 3 + 1 / 4)]
    assert grid.x_final.values.ravel() == pytest.approx(expected)


def warmup_kernel(t: int, parameters: Any, factor: Any) -> None:
    for lane in range(factor.shape[0]):
        factor[lane] = min(1.0, t / parameters[0, lane])


def test_a_users_own_schedule_is_a_function_and_a_line() -> None:
    warmup = ts.Schedule("warmup", warmup_kernel, {"length": 4.0})
    assert steps_of(UNIT, warmup, 5) == pytest.approx([0.25, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize(
    ("build", "message"), [(lambda: ts.power(-1), "s = -1"), (lambda: ts.linear(0), "horizon = 0")]
)
def test_impossible_schedules(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()

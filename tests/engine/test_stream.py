"""A problem's stream against the lanes: the same gradients, noise, box and measures, bit for bit."""

import inspect
import itertools
from contextlib import suppress

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import PROBLEMS, reddi, zhang
from theory_sim.nouns.order import ORDERS

STEPS = 120


def instance(name: str) -> ts.Problem:
    """A problem of the catalogue, with small values where its constructor has no defaults."""
    constructor = PROBLEMS[name]
    parameters = inspect.signature(constructor).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty]
    more = {"p": 0.4} if name == "reddi.stochastic" else {}
    for values in itertools.product((4, 0.5, 10, 2), repeat=len(needed)):
        with suppress(ValueError, TypeError):
            return constructor(**dict(zip(needed, values, strict=True)), **more)
    raise AssertionError(name)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_it_is_the_stream_of_the_lanes(name: str, order: str) -> None:
    problem = instance(name)
    workers, seeds, lr = int(problem.facts.get("workers", 2)), 3, 0.01
    given = {"order": order, "seeds": seeds, "entropy": 7, "workers": workers}
    run = ts.simulate(
        problem, ts.sgd(lr), steps=STEPS, checkpoints=range(1, STEPS + 1), running=True, **given
    )
    stream = problem.stream(**given)
    lanes = run.x.values.reshape(seeds, STEPS, problem.dim)
    x, seen = stream.start, {measure: [] for measure in problem.measures}
    for t in range(1, STEPS + 1):
        for measure, values in stream.measures(x, t).items() if problem.measures else ():
            seen[measure].append(values)
        g = stream.gradient(x, t).reshape(workers, seeds, problem.dim)
        mean = g[0].copy()
        for j in range(1, workers):
            mean += g[j]
        x = stream.project(x - lr * (mean / workers))
        np.testing.assert_array_equal(x, lanes[:, t - 1])
    for measure, values in seen.items():
        mean = np.cumsum(values, axis=0).T / np.arange(1, STEPS + 1)
        dead = run.nonfinite_step.values[:, None]
        alive = (dead < 0) | (np.arange(1, STEPS + 1) < dead)
        np.testing.assert_array_equal(mean[alive], run[f"{measure}_mean"].values[alive])


@pytest.mark.parametrize("order", ORDERS)
def test_steps_may_be_asked_for_in_any_order(order: str) -> None:
    problem = zhang.piecewise(10)
    forward, back = problem.stream(order, seeds=2), problem.stream(order, seeds=2)
    steps = range(1, 700)
    drawn = [forward.components(t) for t in steps]
    np.testing.assert_array_equal(drawn[::-1], [back.components(t) for t in reversed(steps)])
    np.testing.assert_array_equal(drawn[36:336], back.block(37, 300)[0])


def test_the_uniforms_of_a_block_are_those_of_its_steps() -> None:
    stream = reddi.stochastic(4.0, p=0.5).stream(seeds=2, workers=3)
    np.testing.assert_array_equal([stream.uniforms(t) for t in range(5, 9)], stream.block(5, 4)[1])


def test_a_seed_that_is_not_finite_stays_so_and_infinity_is_no_corner() -> None:
    stream = reddi.periodic(4.0).stream(seeds=3)
    np.testing.assert_array_equal(stream.project([[2.0], [np.inf], [np.nan]]), [[1.0], [np.nan], [np.nan]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda problem: problem.stream("cycle"), "did you mean cyclic"),
        (lambda problem: problem.stream(seeds=0), "seeds = 0"),
        (lambda problem: problem.stream(entropy=-1), "entropy = -1"),
        (lambda problem: problem.stream(workers=70_000), "use fewer"),
        (lambda problem: problem.stream().gradient([[0.0]], 0), "t = 0"),
        (lambda problem: problem.stream().gradient([0.0, 1.0], 1), "needs \\(1, 1\\)"),
    ],
)
def test_refusals(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(zhang.piecewise(4))

"""Clipping, normalisation, mixed clipping and AdamNorm against plain-Python references, and their limits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import theory_sim as ts
from theory_sim import random
from theory_sim.nouns.noise import WITHIN

D = 3
STEPS = 60
START = [1.0, -2.0, 0.5]
SPREAD = 4.0

Step = Callable[[list[list[float]]], list[float]]


def drawn_gradient(x: float, t: int, i: int, d: int, noise: float, bad: float, value: float) -> float:
    """spread (2u - 1) + x/10; in the last coordinate value^2 at step `bad`."""
    return value * value if t == bad and i == d - 1 else noise + 0.1 * x


def nan_gradient(t: int, i: int, d: int) -> float:
    """1, and NaN in the last coordinate at step 5."""
    return math.nan if t == 5 and i == d - 1 else 1.0


def problem(d: int = D, bad: float = 0.0, value: float = 0.0) -> ts.Problem:
    constants = {"width": SPREAD, "bad": bad, "value": value}
    return ts.Problem("drawn", drawn_gradient, constants, dim=d, noise=WITHIN)


def path(optimizer: ts.Optimizer, d: int = D, steps: int = STEPS) -> np.ndarray:
    """x_2 ... x_{steps+1}, shape (steps, d)."""
    grid = ts.simulate(problem(d), optimizer, steps=steps, x0=START[:d], checkpoints=range(1, steps + 1))
    return np.asarray(grid.x.values[0]).reshape(steps, d)


def replay(step: Step, d: int = D, steps: int = STEPS) -> np.ndarray:
    """The same by a rule that maps all gradients so far to the move x_{t+1} - x_t."""
    stream, x, seen, out = int(random.key(0, 0)), START[:d], [], []
    for t in range(1, steps + 1):
        u = [random.uniform_at(stream, t, 1 + i) for i in range(d)]
        seen.append([SPREAD * (2.0 * u_i - 1.0) + 0.1 * x_i for u_i, x_i in zip(u, x, strict=True)])
        x = [x_i + move for x_i, move in zip(x, step(seen), strict=True)]
        out.append(x)
    return np.array(out)


def norm(g: list[float]) -> float:
    return math.sqrt(math.fsum(v * v for v in g))


def clip(g: list[float], threshold: float) -> list[float]:
    size = norm(g)
    return g if size <= threshold else [v * threshold / size for v in g]


def average(seen: list[list[float]], beta: float) -> list[float]:
    """(1 - beta) sum_s beta^(t-s) g_s, per coordinate."""
    t = len(seen)
    return [
        math.fsum((1.0 - beta) * beta ** (t - 1 - s) * g[i] for s, g in enumerate(seen))
        for i in range(len(seen[0]))
    ]


def clipped_rule(lr: float, threshold: float) -> Step:
    return lambda seen: [-lr * v for v in clip(seen[-1], threshold)]


def normalized_rule(lr: float, offset: float) -> Step:
    return lambda seen: [-lr * v / (norm(seen[-1]) + offset) for v in seen[-1]]


def normalized_sgdm_rule(lr: float, momentum: float) -> Step:
    def step(seen: list[list[float]]) -> list[float]:
        first = [momentum ** (len(seen) - 1) * momentum * g for g in seen[0]]  # m_1 = g_1
        m = [a + b for a, b in zip(first, average(seen, momentum), strict=True)]
        return [-lr * v / norm(m) for v in m]

    return step


def mixed_rule(lr: float, threshold: float, momentum: float, mix: float) -> Step:
    def step(seen: list[list[float]]) -> list[float]:
        m, g = clip(average(seen, momentum), threshold), clip(seen[-1], threshold)
        return [-lr * (mix * a + (1.0 - mix) * b) for a, b in zip(m, g, strict=True)]

    return step


def adam_norm_rule(lr: float, beta1: float, beta2: float, eps: float) -> Step:
    def step(seen: list[list[float]]) -> list[float]:
        v = average([[norm(g) ** 2] for g in seen], beta2)[0]
        return [-lr * m / (math.sqrt(v) + eps) for m in average(seen, beta1)]

    return step


CASES: list[tuple[ts.Optimizer, Step]] = [
    *((ts.clipped_gd(0.1, c), clipped_rule(0.1, c)) for c in (0.3, 3.0, 5.0)),
    *((ts.normalized_gd(0.1, b), normalized_rule(0.1, b)) for b in (0.0, 1.5)),
    *((ts.normalized_sgdm(0.1, b), normalized_sgdm_rule(0.1, b)) for b in (0.0, 0.8)),
    *(
        (ts.mixed_clipping(0.2, c, beta, mix), mixed_rule(0.2, c, beta, mix))
        for c, beta, mix in ((0.5, 0.9, 0.7), (2.0, 0.5, 0.3), (1.0, 0.99, 0.0))
    ),
    *(
        (ts.adam_norm(0.05, b1, b2, eps), adam_norm_rule(0.05, b1, b2, eps))
        for b1, b2, eps in ((0.9, 0.99, 0.0), (0.0, 0.5, 1e-3), (0.5, 0.0, 0.0))
    ),
]


@pytest.mark.parametrize(("optimizer", "rule"), CASES, ids=[str(optimizer) for optimizer, _ in CASES])
def test_same_iterates_as_the_reference(optimizer: ts.Optimizer, rule: Step) -> None:
    # Iterates are sums of 60 moves of size below 1: 1e-12 is some thousand roundings.
    np.testing.assert_allclose(path(optimizer), replay(rule), rtol=1e-12, atol=1e-12)


@given(
    g=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=3).filter(lambda g: norm(g) > 1e-3),
    threshold=st.floats(1e-3, 1e3),
    ratio=st.floats(0.1, 10.0),
)
@example(g=[0.4], threshold=0.3, ratio=0.4 / 0.3)  # between the threshold and its root
def test_a_step_is_the_clipped_gradient_at_every_threshold(
    g: list[float], threshold: float, ratio: float
) -> None:
    # Norms around the threshold on either side, also where it is far from 1.
    g = [ratio * threshold * v / norm(g) for v in g]
    flat = ts.Problem("flat", lambda x, i, g0, g1, g2: g0 if i == 0 else (g1 if i == 1 else g2),
                      dict(zip(("g0", "g1", "g2"), [*g, 0.0, 0.0], strict=False)), dim=len(g), start=0.0)  # fmt: skip
    found = ts.simulate(flat, ts.clipped_gd(1.0, threshold), steps=1).x_final.values[0]
    np.testing.assert_allclose(found, [-v for v in clip(g, threshold)], rtol=1e-12, atol=1e-300)


def test_both_branches_of_the_clip_are_run() -> None:
    sizes = []
    clipping = clipped_rule(0.1, 3.0)

    def step(seen: list[list[float]]) -> list[float]:
        sizes.append(norm(seen[-1]))
        return clipping(seen)

    replay(step)
    assert min(sizes) < 2.0
    assert max(sizes) > 4.0


def test_reductions() -> None:
    gd, huge = path(ts.gd(0.1)), 1e300
    np.testing.assert_array_equal(path(ts.clipped_gd(0.1, huge)), gd)
    np.testing.assert_array_equal(path(ts.mixed_clipping(0.1, huge, 0.9, 0.0)), gd)
    np.testing.assert_allclose(path(ts.mixed_clipping(0.1, huge, 0.0, 0.4)), gd, rtol=1e-12, atol=1e-13)
    momentum = path(ts.sgdm(0.1, 0.9, convention="ema"))
    np.testing.assert_array_equal(path(ts.mixed_clipping(0.1, huge, 0.9, 1.0)), momentum)
    # mix = 0 forgets the momentum: clipped GD.
    clipped = path(ts.clipped_gd(0.1, 1.0))
    np.testing.assert_allclose(path(ts.mixed_clipping(0.1, 1.0, 0.9, 0.0)), clipped, rtol=1e-12, atol=1e-13)
    # mix = 1 is momentum clipping.
    clipped_momentum = replay(lambda seen: [-0.1 * v for v in clip(average(seen, 0.9), 0.5)])
    np.testing.assert_allclose(
        path(ts.mixed_clipping(0.1, 0.5, 0.9, 1.0)), clipped_momentum, rtol=1e-12, atol=1e-12
    )
    # AdamNorm without memory is normalised GD.
    np.testing.assert_allclose(
        path(ts.adam_norm(0.1, 0.0, 0.0)), path(ts.normalized_gd(0.1)), rtol=1e-12, atol=1e-13
    )


def test_adam_norm_in_one_dimension_is_adam_without_correction() -> None:
    for eps in (0.0, 0.1):
        adam = path(ts.adam(0.05, 0.9, 0.99, eps, bias_correction=False), d=1)
        np.testing.assert_allclose(
            path(ts.adam_norm(0.05, 0.9, 0.99, eps), d=1), adam, rtol=1e-12, atol=1e-13
        )


def test_clipped_steps_have_their_length() -> None:
    moves = np.diff(np.vstack([START, path(ts.clipped_gd(0.1, 0.2))]), axis=0)
    assert np.linalg.norm(moves, axis=1).max() <= 0.02 * (1.0 + 1e-12)
    moves = np.diff(np.vstack([START, path(ts.normalized_gd(0.1))]), axis=0)
    assert np.linalg.norm(moves, axis=1) == pytest.approx(0.1, rel=1e-11)


FAMILIES = (ts.clipped_gd, ts.normalized_gd, ts.normalized_sgdm, ts.mixed_clipping, ts.adam_norm)


@pytest.mark.parametrize("constructor", FAMILIES)
def test_nan_is_nonfinite(constructor: Callable[[], ts.Optimizer]) -> None:
    grid = ts.simulate(ts.Problem("broken", nan_gradient, dim=D), constructor(), steps=10)
    assert grid.status.item() == "NONFINITE"
    assert grid.nonfinite_step.item() == 5
    assert np.isnan(grid.x_final.values).all()


@pytest.mark.parametrize("constructor", FAMILIES)
def test_an_overflowing_gradient_is_nonfinite(constructor: Callable[[], ts.Optimizer]) -> None:
    grid = ts.simulate(problem(bad=5.0, value=1e200), constructor(), steps=10)  # 1e400 is infinite
    assert grid.status.item() == "NONFINITE"
    assert grid.nonfinite_step.item() == 5
    assert np.isnan(grid.x_final.values).all()


def test_a_gradient_whose_square_overflows_is_clipped_as_any_other() -> None:
    # ||g|| = 1e200: the clipped and the normalised step have the length lr, along the last coordinate.
    for optimizer in (ts.clipped_gd(0.1, 1.0), ts.normalized_gd(0.1), ts.mixed_clipping(0.1, 1.0, 0.9, 0.0)):
        grid = ts.simulate(problem(bad=5.0, value=1e100), optimizer, steps=5, x0=START, checkpoints=[4, 5])
        assert grid.status.item() == "FINITE"
        assert np.diff(grid.x.values[0], axis=0)[0] == pytest.approx([0.0, 0.0, -0.1], abs=1e-12)


def test_adam_norm_needs_the_square() -> None:
    grid = ts.simulate(problem(bad=5.0, value=1e100), ts.adam_norm(), steps=10)
    assert grid.status.item() == "NONFINITE"


@pytest.mark.parametrize("constructor", FAMILIES)
def test_no_gradient_no_move(constructor: Callable[[], ts.Optimizer]) -> None:
    grid = ts.simulate(problem().replace(width=0.0), constructor(), steps=10, x0=0.0)
    assert grid.status.item() == "FINITE"
    assert (grid.x_final.values == 0.0).all()


def test_bad_arguments() -> None:
    for constructor, name in itertools.chain(
        ((f, "lr") for f in FAMILIES), ((f, "threshold") for f in (ts.clipped_gd, ts.mixed_clipping))
    ):
        for bad in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} = "):
                constructor(**{name: bad})
    for constructor, name, bad in (
        (ts.normalized_gd, "offset", -1.0),
        (ts.normalized_sgdm, "momentum", 1.0),
        (ts.mixed_clipping, "momentum", 1.0),
        (ts.mixed_clipping, "momentum", -0.1),
        (ts.mixed_clipping, "mix", 1.1),
        (ts.mixed_clipping, "mix", -0.1),
        (ts.adam_norm, "beta1", 1.0),
        (ts.adam_norm, "beta2", math.nan),
        (ts.adam_norm, "eps", -1e-8),
    ):
        with pytest.raises(ValueError, match=f"{name} = "):
            constructor(**{name: bad})


def overflowing_norm(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            out[0, i, lane] = 1.5e308 if t == 5 else 1.0


@pytest.mark.parametrize(
    "build",
    [ts.clipped_gd, ts.normalized_gd, lambda: ts.normalized_sgdm(0.1, 0.0), ts.mixed_clipping, ts.adam_norm],
)
def test_a_norm_that_overflows_is_no_step_of_length_zero(build: Any) -> None:
    # Both components are finite, their norm 2.1e308 is not.
    grid = ts.simulate(ts.Problem("norm", overflowing_norm, dim=2), build(), steps=10)
    assert grid.status.item() == "NONFINITE"

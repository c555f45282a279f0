"""Methods that know blocks, against numpy and against their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quadratics

PROBLEM = quadratics.blocks(size=3)
H, START = PROBLEM.matrices["H"], np.array(PROBLEM.start)
STEPS = 30


def path(optimizer: ts.Optimizer, problem: ts.Problem = PROBLEM, steps: int = STEPS) -> Any:
    """The iterates x_2, x_3, ..., shape (steps, d)."""
    grid = ts.Sweep(problem, optimizer, steps=steps, checkpoints=range(1, steps + 1)).run()
    return grid.x.isel(seed=0).transpose("checkpoint", "coordinate").values


def reference(step: Callable[..., Any], **rows: Any) -> Any:
    """The same from a step (t, g, x, rows) -> x, whose rows begin at 0."""
    x, out, state = START.copy(), [], {name: np.zeros(9) for name in ("m", "v")} | rows
    for t in range(1, STEPS + 1):
        x = step(t, H @ x, x, state)
        out.append(x)
    return np.array(out)


def adam_mini(block: int, weight_decay: float = 0.0) -> Callable[..., Any]:
    """Adam-mini as its paper writes it: a loop over blocks."""

    def step(t: int, g: Any, x: Any, state: dict[str, Any]) -> Any:
        out = (1.0 - 0.01 * weight_decay) * x
        size = block or 9
        for first in range(0, 9, size):
            part = slice(first, first + size)
            state["m"][part] = 0.9 * state["m"][part] + 0.1 * g[part]
            state["v"][part] = 0.999 * state["v"][part] + 0.001 * np.mean(g[part] ** 2)
            root = np.sqrt(state["v"][part]) / math.sqrt(1.0 - 0.999**t) + 1e-8
            out[part] -= 0.01 * state["m"][part] / (1.0 - 0.9**t) / root
        return out

    return step


@pytest.mark.parametrize(("block", "weight_decay"), [(0, 0.0), (1, 0.0), (3, 0.5), (4, 0.0)])
def test_adam_mini_is_that_of_the_paper(block: int, weight_decay: float) -> None:
    # The last block of 4 coordinates in 9 has one.  Rounding over 30 steps of .01.
    ours = path(ts.adam_mini(0.01, weight_decay=weight_decay, block=block))
    assert np.allclose(ours, reference(adam_mini(block, weight_decay)), rtol=0.0, atol=1e-12)


def mofo(fraction: float, block: int, ranked: str, weight_decay: float) -> Callable[..., Any]:
    """MoFO as the published code has it, with at least one coordinate: k-th largest by sorting."""

    def step(t: int, g: Any, x: Any, state: dict[str, Any]) -> Any:
        out = (1.0 - 0.01 * weight_decay) * x
        state["m"] = 0.9 * state["m"] + 0.1 * g
        state["v"] = 0.999 * state["v"] + 0.001 * g * g
        root = np.sqrt(state["v"]) / math.sqrt(1.0 - 0.999**t) + 1e-8
        sizes = {"momentum": np.abs(state["m"]), "gradient": np.abs(g), "scaled": np.abs(state["m"]) / root}
        size = block or 9
        for first in range(0, 9, size):
            part = np.arange(first, min(first + size, 9))
            k = max(int(fraction * len(part)), 1)
            threshold = np.sort(sizes[ranked][part])[-k]
            chosen = part[sizes[ranked][part] >= threshold]
            out[chosen] -= 0.01 * state["m"][chosen] / (1.0 - 0.9**t) / root[chosen]
        return out

    return step


@pytest.mark.parametrize(
    ("fraction", "block", "ranked", "weight_decay"),
    [
        (0.34, 0, "momentum", 0.0),
        (0.4, 4, "momentum", 0.3),
        (0.67, 3, "gradient", 0.0),
        (0.5, 0, "scaled", 0.0),
        (0.01, 3, "momentum", 0.0),
    ],
)
def test_mofo_is_that_of_its_code(fraction: float, block: int, ranked: str, weight_decay: float) -> None:
    ours = path(ts.mofo(0.01, fraction, block=block, ranked=ranked, weight_decay=weight_decay))
    assert np.allclose(ours, reference(mofo(fraction, block, ranked, weight_decay)), rtol=0.0, atol=1e-12)


def test_a_filter_of_everything_is_adamw() -> None:
    ours = path(ts.mofo(0.01, 1.0, weight_decay=0.1))
    assert np.allclose(ours, path(ts.adamw(0.01, weight_decay=0.1)), rtol=0.0, atol=1e-12)


def test_ties_move_together() -> None:
    # Four equal coordinates and a smaller one, of which one should move: all four do.
    problem = quadratics.diagonal((2.0, 2.0, 2.0, 2.0, 1.0), 1.0)
    moved = path(ts.mofo(0.01, 0.2), problem, 1)[0]
    assert moved.tolist() == pytest.approx([0.99] * 4 + [1.0], abs=1e-9)


def test_fractions_and_blocks_are_axes() -> None:
    axes = {"block": [0, 1, 3], "fraction": [0.2, 0.5], "lr": [0.01, 0.02]}
    grid = ts.Sweep(PROBLEM, ts.mofo(), axes, steps=STEPS).run()
    for block in (0, 1, 3):
        one = path(ts.mofo(0.02, 0.5, block=block))[-1]
        assert np.array_equal(grid.x_final.sel(block=block, fraction=0.5, lr=0.02).values[0], one)


def test_the_denominator_of_frozen_adam_is_the_first_gradient() -> None:
    first = np.abs(H @ START)
    ours = path(ts.frozen_adam(0.5))
    assert np.allclose(ours, reference(lambda t, g, x, state: x - 0.5 * g / first), rtol=1e-12)


def test_each_block_has_its_rate() -> None:
    rates = np.repeat([0.1, 0.01, 0.0001], 3)
    ours = path(ts.blockwise_gd(1.5, (0.1, 0.01, 0.0001)))
    assert np.allclose(ours, reference(lambda t, g, x, state: x - 1.5 * rates * g), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [ts.mofo(0.01, 0.5), ts.adam_mini(0.01, block=2)])
def test_what_is_no_number_is_not_hidden(optimizer: ts.Optimizer) -> None:
    def gradient(x: float, t: int, i: int) -> float:
        return math.nan if t == 3 and i == 2 else x

    grid = ts.simulate(ts.Problem("own", gradient, dim=3, start=1.0), optimizer, steps=10)
    assert grid.status.item() == "NONFINITE"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ts.mofo(fraction=0.0), "fraction = 0"),
        (lambda: ts.mofo(ranked="norm"), "'norm'"),
        (lambda: ts.adam_mini(block=-1), "block = -1"),
        (lambda: ts.blockwise_gd(rates=()), "rates is empty"),
        (lambda: ts.blockwise_gd(rates=(0.1, 0.0)), "rates = 0"),
    ],
)
def test_wrong_values_are_refused(make: Callable[[], ts.Optimizer], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()

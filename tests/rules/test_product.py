"""Matrices of problems: products in all lanes, bit for bit, and what is refused."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim.engine import tensors
from theory_sim.engine.evaluate import gradients, measures
from theory_sim.exact import replay
from theory_sim.exact.arithmetic import digits
from theory_sim.nouns.family import family
from theory_sim.rules.language import product, total
from theory_sim.rules.product import multiply, packed

RNG = np.random.default_rng(8)


def banded(m: int, n: int) -> Any:
    """A matrix with zeros at both ends of its rows and columns, and with a row and a column of zeros."""
    A = RNG.normal(size=(m, n)) * (np.abs(np.subtract.outer(np.arange(m), np.arange(n))) <= 5)
    A[m // 2] = 0.0
    A[:, n // 3] = 0.0
    return A


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_products_are_sums_from_the_first_entry_to_the_last(lanes: int, transposed: bool) -> None:
    first, second = banded(4, 3), banded(13, 11)
    entries = np.concatenate([packed(first), packed(second)])
    assert len(packed(first)) == 2 * 4 + 2 * 3 + 4 * 3  # ranges of rows and columns, entries
    theta = np.zeros((2 + -(-len(entries) // lanes), lanes))
    theta[2:].flat[: len(entries)] = entries
    A = second.T if transposed else second
    m, n = A.shape
    work = RNG.normal(size=(1 + n + m, lanes))
    expected = np.zeros((m, lanes))
    for i in range(m):
        for k in range(n):
            expected[i] = expected[i] + A[i, k] * work[1 + k]
    multiply(theta, 2, len(packed(first)), 13, 11, int(transposed), work, 1, 1 + n)
    # Additions of zeros change no bit, so leaving them out does not either.
    assert np.array_equal(work[1 + n :], expected)


def away(x: float, centre: float) -> float:
    return x - centre


def residual(image: float, scale: float) -> float:
    return image * scale


def slope(back: float) -> float:
    return back


def terms(x: float, centre: float, back: float) -> tuple[float, float]:
    return 0.5 * (x - centre) * back, back * back


def both(gap: float, square: float) -> tuple[float, float]:
    return gap, square


A = RNG.normal(size=(3, 5))


def regression(scale: float = 0.5, **changes: Any) -> ts.Problem:
    """f = scale |A (x - c)|^2/2 in 5 dimensions with 3 samples."""
    fields: dict[str, Any] = {
        "measure": both,
        "measures": ("gap", "square"),
        "reductions": {
            "image": product("A", away),
            "back": product("A", residual, transposed=True),
            ("gap", "square"): total(terms),
        },
        "matrices": {"A": A},
    }
    centre = (1.0, 2.0, 3.0, 4.0, 5.0)
    constants = {"centre": centre, "scale": scale}
    return ts.Problem("regression", slope, constants, dim=5, **(fields | changes))


def test_a_product_of_a_product_is_a_regression() -> None:
    x, centre = RNG.normal(size=(7, 5)), np.arange(1.0, 6.0)
    expected = 0.5 * (x - centre) @ A.T @ A
    assert np.allclose(gradients(regression(), x), expected, rtol=1e-13)
    found = measures(regression(), x)
    assert np.allclose(found["gap"], 0.25 * np.sum(((x - centre) @ A.T) ** 2, axis=1), rtol=1e-13)
    assert np.allclose(found["square"], np.sum(expected**2, axis=1), rtol=1e-13)


def test_lanes_and_tiles_give_the_same_bits() -> None:
    sweep = ts.Sweep(regression(), ts.adam(), {"lr": np.linspace(0.01, 0.1, 70)}, steps=20, x0=0.0)
    grid = sweep.run(threads=1)
    for k in (0, 33, 69):
        alone = ts.Sweep(regression(), ts.adam(float(grid.lr[k])), steps=20, x0=0.0).run()
        assert np.array_equal(alone.x_final.values.ravel(), grid.x_final.values[k, 0])
    # Against numpy: rounding of a few sums of five terms, over 20 steps.
    x, m, v = np.zeros(5), np.zeros(5), np.zeros(5)
    for t in range(1, 21):
        g = 0.5 * A.T @ (A @ (x - np.arange(1.0, 6.0)))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - 0.1 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert np.allclose(x, grid.x_final.values[-1, 0], rtol=1e-12)


def test_every_value_of_an_axis_has_its_matrix() -> None:
    @family
    def stretched(factor: float = 1.0, scale: float = 0.5) -> ts.Problem:
        return regression(scale, matrices={"A": factor * A})

    def run(**fields: Any) -> Any:
        return ts.Sweep(optimizer=ts.gd(0.05), steps=5, x0=0.0, **fields)

    axis = run(problem=stretched(), axes={"factor": [1.0, 2.0, 3.0], "lr": [0.01, 0.05]})
    grid = axis.run()
    assert axis.job.lanes.matrices.tolist() == [0, 0, 1, 1, 2, 2]
    for k, factor in enumerate((1.0, 2.0, 3.0)):
        one = run(problem=stretched(factor)).run()
        assert np.array_equal(one.x_final.values.ravel(), grid.x_final.values[k, 1, 0])
    other = run(problem=stretched(), axes={"factor": [1.0, 2.0, 4.0], "lr": [0.01, 0.05]})
    assert other.job.digest != axis.job.digest  # a store keeps them apart
    shared = run(problem=stretched(), axes={"scale": [0.5, 0.25]})
    assert set(shared.job.lanes.group) == {1}  # all in one tile


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"matrices": {"A": [[1.0, 2.0], [3.0]]}}, "Matrix A has rows that are no numbers or of unequal length"),
        ({"matrices": {"A": A[0]}}, "give rows of equal length"),
        ({"matrices": {"A": A * np.nan}}, "not finite"),
        ({"matrices": {}}, "of the matrix 'A'"),
        ({"matrices": {"x": A}}, "'x' of regression is taken"),
        ({"matrices": {"A": A.T}}, "5 entries and names 'back', which has 3"),
        ({"reductions": {"back": product("A", away)}, "measure": None, "measures": ()}, "5 entries and names 'back'"),
        ({"reductions": {"back": product("A", away, transposed=True)}}, "asked for 3 entries and names 'x', which has 5"),
        ({"reductions": {("a", "back"): product("A", away)}}, "several names"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        regression(**changes)


def test_a_kernel_serves_every_dimension() -> None:
    def of(d: int) -> ts.Problem:
        return ts.Problem(
            "any", slope, {"centre": (1.0,) * d}, dim=d, matrices={"H": np.eye(d)},
            reductions={"back": product("H", away)},
        )  # fmt: skip

    assert of(3).source[0][0].digest == of(90).source[0][0].digest


def test_a_measure_folds_products() -> None:
    def measure(back: float, square: float) -> tuple[float, float]:
        return back, square

    with pytest.raises(ValueError, match="fold it with a reduction"):
        regression(measure=measure)


def test_only_compiled_lanes_multiply() -> None:
    with pytest.raises(ValueError, match="exact runs cannot multiply"):
        replay.run(regression(), ts.gd(), 3, digits(20))
    with pytest.raises(ValueError, match="only compiled lanes multiply"):
        tensors.require(ts.Sweep(regression(), ts.gd(), steps=2))
    with pytest.raises(ValueError, match="only a problem has matrices"):
        ts.Optimizer("own", lambda g, x, p: x - g * p, reductions={"p": product("A", away)})


@pytest.mark.skipif(os.environ.get("THEORY_SIM_TIER") != "full", reason="a timing")
def test_ninety_dimensions_run_five_times_as_fast_as_numpy() -> None:
    H = RNG.normal(size=(90, 90))
    problem = ts.Problem(
        "full", lambda pull: pull, dim=90, matrices={"H": H @ H.T}, reductions={"pull": product("H", lambda x: x)}
    )  # fmt: skip
    sweep = ts.Sweep(problem, ts.adam(), {"lr": np.linspace(0.001, 0.1, 64)}, steps=1000, x0=1.0)
    sweep.run(threads=1)
    begun = time.perf_counter()
    sweep.run(threads=1)
    lanes = (time.perf_counter() - begun) / 64
    x, m, v, H = np.ones(90), np.zeros(90), np.zeros(90), H @ H.T
    begun = time.perf_counter()
    for t in range(1, 1001):
        g = H @ x
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        x = x - 0.001 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert time.perf_counter() - begun > 5.0 * lanes

"""Refined grids: what is run, what is inferred, the audit, the boundary, and what is refused."""

import math
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import theory_sim as ts
from counterexamples import zhang
from theory_sim.engine.outline import outline
from theory_sim.engine.quadtree import Quadtree
from theory_sim.engine.refinement import first_stride, miss_bound, spread
from theory_sim.engine.selection import Selection
from theory_sim.nouns.axis import scale
from theory_sim.nouns.family import family

FULL = os.environ.get("THEORY_SIM_TIER") == "full"
ADAM = ts.adam(lr=0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
AXES = {"beta1": np.linspace(0.0, 0.95, 5), "beta2": 1.0 - 10.0 ** -np.linspace(0.0, 2.0, 5)}
SWEEP = ts.Sweep(zhang.piecewise(n=10, a=1.0), ADAM, AXES, steps=2000)


@cache
def refined() -> xr.Dataset:
    return SWEEP.refine(64)


def whole(grid: xr.Dataset, sweep: ts.Sweep) -> xr.Dataset:
    """The plain sweep over all values of a refined grid."""
    return replace(sweep, axes={name: grid[name].values for name in sweep.axes}).run()


def agree(grid: xr.Dataset, plain: xr.Dataset) -> None:
    """Verdicts are those of the plain sweep everywhere, and all outputs where cells were run."""
    assert (grid.verdict == plain.verdict).all()
    ran = grid.simulated.values
    for name, variable in plain.data_vars.items():
        here = grid[name].values
        assert np.array_equal(here[ran], variable.values[ran], equal_nan=variable.dtype.kind == "f"), name
        if name not in ("verdict", "status"):
            assert np.isnan(here[~ran]).all(), name
    assert (grid.status.values[~ran] == "INFERRED").all()


def test_a_refined_grid_is_the_plain_one() -> None:
    grid = refined()
    agree(grid, whole(grid, SWEEP))
    assert len(np.unique(grid.verdict)) == 3
    assert 0.1 < grid.attrs["simulated_share"] == grid.simulated.values.mean() < 0.5
    # 64 draws without a miss in the first round, whose doubt is .05/2: p with (1 - p)^64 = .025.
    assert grid.attrs["audit_bound"] == pytest.approx(1.0 - 0.025 ** (1.0 / 64.0))
    assert (grid.attrs["audit_cells"], grid.attrs["audit_misses"], grid.attrs["audit_rounds"]) == (64, 0, 1)


@pytest.mark.skipif(not FULL, reason="half a minute: THEORY_SIM_TIER=full")
def test_at_512_all_cells_agree_and_at_1024_one_in_twenty_is_run() -> None:
    grid = SWEEP.refine(512)
    agree(grid, whole(grid, SWEEP))
    assert SWEEP.refine(1024).attrs["simulated_share"] < 0.05


def test_a_cell_draws_the_same_wherever_it_stands() -> None:
    sweep = replace(SWEEP, order="reshuffled", seeds=3, steps=50)
    plain = sweep.run()
    i, j = np.array([4, 0, 2, 2]), np.array([3, 0, 1, 4])
    some = Selection.of(sweep, [i, j]).job.run()
    assert np.array_equal(some.x_final.values, plain.x_final.values[i, j])
    assert np.array_equal(some.beta2.values, AXES["beta2"][j])
    assert len(np.unique(some.x_final.values[0])) == 3  # and its seeds differ


def test_a_second_refinement_runs_nothing(tmp_path: Path) -> None:
    first = SWEEP.refine(16, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert SWEEP.refine(16, tmp_path).identical(first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def _pull(x: float, a: float, b: float, r: float) -> float:
    """Toward 0, but away from it where (a, b) is within r of (.44, .56)."""
    return -x if (a - 0.44) ** 2 + (b - 0.56) ** 2 < r * r else x


@family
def island(a: float = 0.0, b: float = 0.0, r: float = 0.03) -> ts.Problem:
    """A disc of divergence in the square of a and b."""
    return ts.Problem(
        "island", _pull, {"a": a, "b": b, "r": r}, measure=_away, measures=("distance",), start=1.0,
        optimum=0.0, rule=ts.Rule("distance", 0.1, 2.0),
    )  # fmt: skip


def _away(x: float) -> float:
    return abs(x)


def test_the_audit_finds_an_island_between_the_first_cells_and_refines_it() -> None:
    sweep = ts.Sweep(island(), ts.gd(0.1), {"a": [0.0, 1.0], "b": [0.0, 1.0]}, steps=50)
    grid = sweep.refine(65, first=4, audit=1000)
    a, b = np.meshgrid(grid.a.values, grid.b.values, indexing="ij")
    inside = (a - 0.44) ** 2 + (b - 0.56) ** 2 < 0.03**2
    assert inside.any()
    assert not inside[::16, ::16].any()  # the first grid, whose steps are 1/4, meets none of it
    assert ((grid.verdict.values[..., 0] == "DIVERGED") == inside).all()
    assert (grid.attrs["audit_rounds"], grid.attrs["audit_misses"]) == (2, 0)


@settings(max_examples=30)
@given(st.floats(0.0, math.pi), st.floats(5.0, 27.0), st.floats(5.0, 27.0), st.sampled_from([32, 33]))
def test_half_planes_are_found_whole(angle: float, i: float, j: float, points: int) -> None:
    """A square with equal corners lies on one side of a line, since it is convex."""
    tree = Quadtree(points, 8)

    def side(p: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.asarray((p[:, 0] - i) * math.cos(angle) + (p[:, 1] - j) * math.sin(angle) > 0.0).astype(int)

    tree.refine(side)
    every = np.argwhere(np.ones((points, points), bool))
    assert (tree.filled().ravel() == side(every)).all()


def test_what_is_seen_of_a_region_leads_to_all_of_it() -> None:
    """A bent strand between the first points, of which one point is known."""
    truth = np.zeros((65, 65), int)
    truth[18:31, 20:23] = 1
    truth[28:31, 20:47] = 1
    truth[33:47, 44:47] = 2  # another value, which begins two points on
    tree = Quadtree(65, 16)

    def look(p: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return truth[tuple(p.T)]

    tree.refine(look)
    assert not tree.filled().any()
    tree.put(np.array([[19, 21]]), look)
    tree.refine(look)
    assert (tree.filled() == truth).all()


def test_values_are_equally_spaced_on_the_scale_of_the_axis() -> None:
    assert spread(np.array([3.0, 1.0]), 5).tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert spread(np.geomspace(1e-3, 10.0, 9), 5) == pytest.approx([1e-3, 1e-2, 0.1, 1.0, 10.0])
    near = spread(1.0 - 10.0 ** -np.linspace(0.0, 3.0, 9), 4)
    assert near == pytest.approx([0.0, 0.9, 0.99, 0.999], abs=1e-12)
    assert scale(near) == "one"


def test_the_first_grid_of_a_resolution() -> None:
    # 1024 = 64 * 16, 1000 = 125 * 8, 257 = 64 * 4 + 1, 64 = 16 * 4
    assert [first_stride(n) for n in (1024, 1000, 257, 64)] == [16, 8, 4, 4]
    assert first_stride(1024, first=256) == 4
    with pytest.raises(
        ValueError, match=r"resolution = 1003 must be .* 64 <= m < 128, .* nearest are 1001 and 1008"
    ):
        first_stride(1003)


@pytest.mark.parametrize(("misses", "drawn"), [(0, 300), (3, 300), (7, 20)])
def test_the_bound_is_the_share_at_which_so_few_misses_are_unlikely(misses: int, drawn: int) -> None:
    bound = miss_bound(misses, drawn, 0.025)
    assert binom.cdf(misses, drawn, bound) == pytest.approx(0.025)
    assert miss_bound(5, 5, 0.025) == 1.0


def test_a_boundary_lies_between_the_two_cells_that_it_names() -> None:
    verdict = np.full((4, 4), "CONVERGED", dtype="<U9")
    verdict[1:3, 2:] = "DIVERGED"
    found = outline(verdict, {"a": np.array([0.0, 1.0, 2.0, 3.0]), "b": np.array([1.0, 10.0, 100.0, 1e3])})
    ends = {
        (f"{a:g}", f"{b:.4g}") for a, b in zip(found["boundary_a"][1], found["boundary_b"][1], strict=True)
    }
    # Halfway on the scale: 10 and 100 meet at 31.62.
    assert ends == {
        ("0.5", "1000"),
        ("0.5", "100"),
        ("1", "31.62"),
        ("2", "31.62"),
        ("2.5", "100"),
        ("2.5", "1000"),
    }
    assert set(found["boundary_verdict"][1].tolist()) == {"CONVERGED"}  # one line, not one for each side
    assert set(found["boundary_line"][1].tolist()) == {0}


def test_the_band_of_a_refined_boundary_has_a_verdict_on_each_side() -> None:
    grid = refined()
    ends = [
        grid.verdict.isel(seed=0).sel({name: grid[f"boundary_{name}_{side}"] for name in AXES}).values
        for side in ("low", "high")
    ]
    ran = grid.simulated.sel({name: grid[f"boundary_{name}_low"] for name in AXES})
    assert (ends[0] != ends[1]).all()
    assert ran.all()
    assert set(np.unique(grid.boundary_verdict)) == {"CONVERGED", "DIVERGED"}


def test_a_refined_grid_is_drawn_without_borders_of_its_cells() -> None:
    matplotlib.use("Agg")
    few = refined()[["verdict"]].isel(beta1=slice(20, 30), beta2=slice(20, 30))
    for grid, borders in ((refined(), 0), (few, 1)):
        (mesh,) = (one for one in ts.plot.phase(grid).collections if type(one).__name__ == "QuadMesh")
        assert len(mesh.get_edgecolor()) == borders


def test_a_refined_grid_can_be_exported(tmp_path: Path) -> None:
    from theory_sim.nouns.dataset import save

    save(refined(), tmp_path / "grid.nc")
    with xr.open_dataset(tmp_path / "grid.nc", engine="scipy") as kept:
        assert (kept.simulated.values.astype(bool) == refined().simulated.values).all()


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"beta1": [0.0, 0.9]}, "has 1 axis of more than one value"),
        ({"beta1": [0.0, 0.9], "beta2": [0.1, 0.5], "lr": [0.1, 0.2]}, "3 axes .* give every other axis one"),
        ({"beta1": [0.0, 0.9], "n": [3, 5]}, "'n' = .* cannot be halved"),
    ],
)
def test_what_cannot_be_refined_is_refused(axes: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SWEEP, axes=axes).refine(64)


def test_an_output_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown output 'x_finale': did you mean x_final"):
        SWEEP.refine(16, outputs=["x_finale"])


def test_other_axes_may_have_one_value_and_memory_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from theory_sim.engine import memory

    sweep = replace(SWEEP, axes={"beta2": [0.0, 0.9], "n": [10], "beta1": [0.0, 0.9]}, steps=200)
    grid = sweep.refine(16)
    assert grid.verdict.dims == ("beta2", "n", "beta1", "seed")
    agree(grid, whole(grid, sweep))
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    with pytest.raises(ValueError, match="needs about"):
        SWEEP.refine(1024)

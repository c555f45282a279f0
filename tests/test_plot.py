"""Pictures of a sweep: the scales, the cells and curves that are drawn, what is refused."""

from functools import partial

import matplotlib
import numpy as np
import pytest
import xarray as xr

import theory_sim as ts
from counterexamples import reddi, sign
from counterexamples.drift import critical_beta2, drift
from theory_sim import plot

matplotlib.use("Agg")

FACTS = reddi.periodic(10.0).facts
N, C = int(FACTS["n"]), FACTS["ratio"]
ADAM = ts.adam(lr=0.5, eps=0.0, schedule=ts.power(0.5))


def test_scales_of_axes() -> None:
    assert plot.scale(np.linspace(0.0, 0.95, 20)) == "linear"
    assert plot.scale(1.0 - 10.0 ** -np.linspace(0.0, 3.0, 9)) == "one"
    assert plot.scale(np.geomspace(1e-3, 10.0, 9)) == "log"
    assert plot.scale(np.array([0.5])) == "linear"
    assert plot.scale(np.array([3.0, 1.0, 2.0])) == "linear"


def test_a_phase_map_has_the_verdicts_where_they_belong_and_the_exact_curve() -> None:
    beta2 = 1.0 - 10.0 ** -np.linspace(0.0, 2.0, 5)
    sweep = ts.Sweep(reddi.periodic(10.0), ADAM, {"beta1": (0.0, 0.5), "beta2": beta2}, steps=20_000)
    grid = sweep.run()
    ax = plot.phase(grid, partial(drift, n=N, C=C))
    (mesh,) = (one for one in ax.collections if type(one).__name__ == "QuadMesh")
    codes = np.asarray(mesh.get_array()).reshape(5, 2)
    seen = grid.verdict.isel(seed=0).transpose("beta2", "beta1").values
    assert (codes == np.select([seen == one for one in ("CONVERGED", "DIVERGED")], (0, 1), 2)).all()
    assert {0, 1} <= set(codes.ravel().tolist())
    # Cells end halfway between the values of -log10(1 - beta2), which are .5 apart.
    edges = -np.log10(1.0 - np.asarray(mesh.get_coordinates())[:, 0, 1])
    assert edges == pytest.approx([-0.25, 0.25, 0.75, 1.25, 1.75, 2.25])
    (curve,) = ax.get_lines()
    x, y = (np.asarray(one, dtype=float) for one in curve.get_data())
    # Points of the grid are .006 apart in -log10(1 - beta2); interpolated linearly the zero is nearer.
    assert y[np.nanargmin(x)] == pytest.approx(critical_beta2(0.0, N, C)[-1], abs=2e-4)
    assert ax.get_ylabel() == r"$\beta_2$"
    assert [text.get_text() for text in ax.get_yticklabels()][:3] == ["0", ".9", ".99"]
    labels = ax.get_legend_handles_labels()[1]
    assert {"converged", "diverged", "$D=0$"} <= set(labels)


def test_seeds_that_disagree_are_undecided() -> None:
    values = np.array([[["CONVERGED", "DIVERGED"], ["CONVERGED"] * 2], [["DIVERGED"] * 2, ["UNJUDGED"] * 2]])
    grid = xr.Dataset(
        {"verdict": (("a", "b", "seed"), values)}, {"a": [1.0, 2.0], "b": [1.0, 3.0], "seed": [0, 1]}
    )
    (mesh,) = (one for one in plot.phase(grid).collections if type(one).__name__ == "QuadMesh")
    drawn = np.ma.asarray(mesh.get_array()).reshape(2, 2)
    assert drawn.filled(-1).tolist() == [[2, 1], [0, -1]]  # rows are b


def test_trajectories_and_steps() -> None:
    grid = ts.Sweep(reddi.periodic(10.0), ADAM, {"beta2": (0.1, 0.99)}, steps=1_000, checkpoints=20).run()
    ax = plot.trajectories(grid)
    assert [line.get_label().split(" = ")[1] for line in ax.get_lines()] == [
        f"{beta2:g}: {str(grid.verdict.sel(beta2=beta2).item()).lower()}" for beta2 in (0.1, 0.99)
    ]
    assert np.array_equal(ax.get_lines()[1].get_ydata(), grid.x.sel(beta2=0.99).values[0])
    many = ts.Sweep(reddi.periodic(10.0), ADAM, {"beta1": np.linspace(0, 0.9, 13)}, steps=50, checkpoints=5)
    assert len(plot.trajectories(many.run()).get_lines()) == 13

    steps = ts.Sweep(
        sign.quadratic(), ts.sgd(), {"lr": (1e-6, 0.01, 0.1)}, steps=100, seeds=2, first_hit=60.0
    ).run()
    median, never = plot.steps_to_eps(steps).get_lines()
    hits = steps.first_hit.values
    assert (hits[0] == -1).all()
    assert median.get_ydata().tolist() == np.median(hits[1:], axis=1).tolist()
    assert never.get_data()[0].tolist() == [1e-6]


def test_what_cannot_be_drawn_is_one_sentence() -> None:
    grid = ts.Sweep(reddi.periodic(10.0), ADAM, {"beta2": (0.1, 0.99)}, steps=10).run()
    with pytest.raises(
        ValueError, match=r"over 2 axes cannot show 1 \(beta2\); select one value of each other axis"
    ):
        plot.phase(grid)
    with pytest.raises(ValueError, match="The Dataset has no x; run the sweep with checkpoints"):
        plot.trajectories(grid)
    with pytest.raises(ValueError, match="has no first_hit"):
        plot.steps_to_eps(grid)
    with pytest.raises(TypeError, match=r"grid = 3 must be the Dataset that Sweep\.run returns"):
        plot.phase(3)  # type: ignore[arg-type]


def test_a_boundary_that_does_not_fit_is_one_sentence() -> None:
    values = np.array([[["CONVERGED"], ["DIVERGED"]]] * 2)
    grid = xr.Dataset({"verdict": (("a", "b", "seed"), values)}, {"a": [1.0, 2.0], "b": [1.0, 3.0]})
    with pytest.raises(TypeError, match=r"boundary = 3 must be a function of a and b\."):
        plot.phase(grid, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"cannot be called with a and b, the axes by their names: .*'c'"):
        plot.phase(grid, lambda a, c: a - c)
    with pytest.raises(ValueError, match=r"returned shape .3,. for arrays of shape .400, 400."):
        plot.phase(grid, lambda a, b: np.arange(3.0))
    with pytest.raises(ValueError, match="has no value of a; select at least one"):
        plot.phase(grid.isel(a=[]))
    # What is nowhere a number has no zero to draw, and numpy has nothing to warn of.
    assert not plot.phase(grid, lambda a, b: np.nan * a).get_lines()
    assert not plot.phase(grid, lambda a, b: 1.0).get_lines()


def test_a_selected_seed_is_drawn_like_the_only_one() -> None:
    axes = {"beta1": (0.0, 0.5), "beta2": (0.1, 0.99)}
    grid = ts.Sweep(reddi.periodic(10.0), ADAM, axes, steps=100, checkpoints=5).run()
    one = grid.isel(seed=0)
    codes = [plot.phase(each).collections[0].get_array() for each in (grid, one)]
    assert np.array_equal(*codes)
    lines = [plot.trajectories(each).get_lines() for each in (grid, one)]
    labels = [[line.get_label() for line in each] for each in lines]
    assert labels[0] == labels[1]
    (line,) = plot.trajectories(one.isel(beta1=0, beta2=0)).get_lines()
    assert np.array_equal(line.get_ydata(), lines[0][0].get_ydata())
    steps = ts.Sweep(sign.quadratic(), ts.sgd(), {"lr": (0.01, 0.1)}, steps=100, first_hit=60.0).run()
    hits = [plot.steps_to_eps(each).get_lines()[0].get_xydata() for each in (steps, steps.isel(seed=0))]
    assert np.array_equal(*hits)

"""Every figure: its files, its curves, and that it names claims that exist."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.session import Drawings
from theory_sim.app import catalogue
from theory_sim.app.runs import Runs
from theory_sim.nouns.dataset import save
from theory_sim.nouns.figure import Figure

FIGURES = catalogue.figures()
BARS = {"message-bits", "audits"}  # no curves


def drawable(name: str) -> Figure:
    """The figure, if the optional modules that it needs are installed."""
    if FIGURES[name].missing:
        pytest.skip(f"{name} needs {', '.join(FIGURES[name].missing)}")
    return FIGURES[name]


@pytest.mark.parametrize("name", FIGURES)
def test_files(name: str, drawings: Drawings) -> None:
    png = drawings.file(drawable(name).name, "png")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 10_000
    assert "<svg" in drawings.file(name, "svg").read_text()


@pytest.mark.parametrize("name", ["certified", "floor"])  # with and without files of its own
def test_the_grids_are_stored_beside_the_pictures(name: str, runs: Runs, tmp_path: Path) -> None:
    figure = drawable(name)
    png, svg, data, *others = runs.draw(figure, tmp_path)
    assert [path.name for path in (png, svg, data)] == [f"{name}.{kind}" for kind in ("png", "svg", "json")]
    grids = others[len(others) - len(figure.sweeps) :]
    assert grids
    assert [path.name for path in grids] == [f"{name}.{sweep.name}.nc" for sweep in figure.sweeps]
    assert (figure.files is None) == (others == grids)


@pytest.mark.parametrize("name", FIGURES)
def test_every_grid_can_be_stored(name: str, runs: Runs, tmp_path: Path) -> None:
    for sweep in drawable(name).sweeps:
        grid, path = runs.grid(sweep), tmp_path / f"{sweep.name}.nc"
        save(grid, path)
        with xr.open_dataset(path, engine="scipy") as stored:
            assert set(stored.data_vars) == set(grid.data_vars)


@pytest.mark.parametrize("name", FIGURES)
def test_features_and_curves_are_stored(name: str, drawings: Drawings) -> None:
    figure, content = drawable(name), drawings.content(name)
    assert content["features"]
    labels = [(curve["panel"], curve["label"]) for curve in content["curves"]]
    assert len(set(labels)) == len(labels)
    panels = set() if name in BARS else set(range(np.prod(figure.panels)))
    assert {panel for panel, _ in labels} == panels


def test_figures_name_claims_that_exist() -> None:
    for figure in FIGURES.values():
        assert set(figure.claims) <= set(catalogue.claims()), figure.name

"""What the tests of one session share, also between workers of xdist: grids and drawn figures."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from theory_sim.app import catalogue
from theory_sim.app.runs import Runs
from theory_sim.nouns.sweep import Sweep


@contextmanager
def alone(name: Path) -> Iterator[None]:
    """One process at a time may be inside, for each name."""
    name.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed, also by a crash
        yield


class SharedRuns(Runs):
    """Grids of the quick tier: one worker runs a sweep, the others read it, and none can change it."""

    def __init__(self, store: Path, locks: Path) -> None:
        super().__init__("quick", store)
        self._locks = locks
        self._seen: dict[Sweep, xr.Dataset] = {}

    def grid(self, sweep: Sweep) -> xr.Dataset:
        """Return the grid of a sweep; its arrays are read-only."""
        if sweep not in self._seen:
            actual = sweep.at(self.tier)
            with alone(self._locks / actual.job.digest):
                grid = super().grid(actual)
            for variable in grid.data_vars.values():
                variable.values.flags.writeable = False
            self._seen[sweep] = grid
        return self._seen[sweep]


class Drawings:
    """The files of the figures, each drawn once."""

    def __init__(self, runs: Runs, folder: Path) -> None:
        self._runs = runs
        self._folder = folder

    def files(self, name: str) -> list[Path]:
        """Return the files of a figure in the order in which `Figure.save` lists them."""
        folder = self._folder / name
        listing = folder / "files"
        with alone(folder):
            if not listing.exists():
                files = self._runs.draw(catalogue.figures()[name], folder)
                listing.write_text("\n".join(path.name for path in files))
        return [folder / line for line in listing.read_text().splitlines()]

    def content(self, name: str) -> dict[str, Any]:
        """Return what the JSON file of a figure holds: its features and curves."""
        found: dict[str, Any] = json.loads(self.files(name)[2].read_text())
        return found


def features_of(name: str) -> Callable[[Runs], dict[str, float]]:
    """Return a fixture: the features of a figure, computed from the shared grids."""
    figure = catalogue.figures()[name]

    @pytest.fixture(scope="module")
    def features(runs: Runs) -> dict[str, float]:
        return dict(figure.features([runs.grid(sweep) for sweep in figure.sweeps]))

    return features

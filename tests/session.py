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
    """The files of the figures, without grids, each drawn once, or not at all where it has been drawn already."""

    def __init__(self, runs: Runs, folder: Path, drawn: Path | None = None) -> None:
        self._runs = runs
        self._folder = drawn or folder
        self._made = drawn is None

    def file(self, name: str, suffix: str) -> Path:
        """Return the file of a figure with this suffix: png, svg, json, or one of its own."""
        if self._made:
            listing = self._folder / f"{name}.drawn"
            with alone(listing):
                if not listing.exists():
                    self._runs.draw(catalogue.figures()[name], self._folder, data=False)
                    listing.touch()
        return self._folder / f"{name}.{suffix}"

    def content(self, name: str) -> dict[str, Any]:
        """Return what the JSON file of a figure holds: its features and curves."""
        found: dict[str, Any] = json.loads(self.file(name, "json").read_text())
        return found


def features_of(name: str) -> Callable[[Runs], dict[str, float]]:
    """Return a fixture: the features of a figure, computed from the shared grids."""
    figure = catalogue.figures()[name]

    @pytest.fixture(scope="module")
    def features(runs: Runs) -> dict[str, float]:
        return dict(figure.features([runs.grid(sweep) for sweep in figure.sweeps]))

    return features

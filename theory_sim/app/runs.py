"""The grids of one tier: every sweep is computed once and shared by claims and figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from theory_sim.nouns.claim import Claim, Evidence, Result, failed, unjudged
from theory_sim.nouns.figure import Figure
from theory_sim.nouns.training import Source, Training
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[str, float], None]


class Runs:
    """The grids of one tier, in memory and, if a folder is given, on disk.

    Parameters
    ----------
    tier : {"quick", "full", "large"}
        Only trainings have a large one.
    store : Path, optional
        Folder of finished chunks.
    progress : callable, optional
        Called with the name of what is running and the finished share of it.
    threads : int, optional
        Threads of each sweep; default: one per core.
    device : str
        Where trainings run, as torch calls it.
    """

    def __init__(
        self,
        tier: str = "full",
        store: Path | None = None,
        progress: Progress | None = None,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.tier = tier
        self.store = store
        self.threads = threads
        self.device = device
        self._progress = progress
        self._grids: dict[object, xr.Dataset] = {}
        self._at: dict[Source, Source] = {}

    def grid(self, sweep: Source) -> xr.Dataset:
        """Return the grid of a sweep or a training at this tier, computed at most once."""
        # The same object again: its lanes and its digest are made once.
        actual = self._at.setdefault(sweep, sweep.at(self.tier))
        # The digest covers what is run; the rest decides how it is labelled and judged.
        key: tuple[object, ...]
        run: Callable[..., xr.Dataset]
        if isinstance(actual, Training):  # on one thread, so that no sum depends on their number
            key, run = (actual.on(self.device).digest, actual.name), partial(actual.run, device=self.device)
        else:
            key = (
                actual.job.digest,
                actual.judged,
                actual.name,
                bool(np.any(actual.checkpoints)),
                actual.resolution,
            )
            run = partial(actual.run, threads=self.threads)
        if key not in self._grids:
            report = self._progress
            self._grids[key] = run(
                self.store,
                progress=None if report is None else lambda share: report(actual.name, share),
            )
        return self._grids[key]

    def check(self, claim: Claim) -> Result:
        """Run the sweeps of a claim and its check; one that raises an exception has FAILED."""
        begin = time.perf_counter()
        try:
            grids = [self.grid(sweep) for sweep in claim.sweeps]
            evidence = claim.check(grids, self.tier)
            if not isinstance(evidence, Evidence):
                raise TypeError(
                    f"The check returned {checks.shown(evidence)}; return evidence, as at_most and its relatives do."
                )
        except checks.Missing as error:
            evidence = unjudged(str(error))
        except (OSError, MemoryError):  # says something of the machine, nothing of the claim
            raise
        except Exception as error:  # noqa: BLE001  whatever a check raises, it shows nothing
            evidence = failed(error)
        return Result(claim, evidence, time.perf_counter() - begin)

    def draw(self, figure: Figure, folder: Path, data: bool = True) -> list[Path]:
        """Run the sweeps of a figure and write its files, with its grids as netCDF or without."""
        return figure.save([self.grid(sweep) for sweep in figure.sweeps], folder, self.tier, data)

"""The Training noun: a network, an optimizer, named axes; `run` gives a labelled Dataset, as a Sweep does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.sweep import Axis, Sweep
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.wire.networks.job import Job

NETWORKS = ("mlp", "cnn", "transformer")
PROBES = ("sharpness", "smoothness", "spectrum")
TIERS = ("quick", "full", "large")  # large: for a GPU
NEEDS = {"torch": "torch", "sklearn": "scikit-learn"}  # modules, and what installs them


@dataclass(frozen=True, eq=False)
class Training:
    """Trainings of a small network by one optimizer over a grid of named axes, all of them together.

    Parameters
    ----------
    network : {"mlp", "cnn", "transformer"}
        See `theory_sim.wire.networks.models`: the first two learn digits, the last the characters of a text.
    optimizer : Optimizer
        A rule; messages, if it has some, are those of one worker, one for each parameter of the network.
    axes : mapping of str to sequence of float
        Hyperparameters of the optimizer, ``lr`` among them.
    steps : int
        Number of updates T >= 0.
    batch : int
        Samples per step, drawn with replacement, the same for all cells of a seed; 0 takes all.
    seeds : int
        Independent starts and batches; the same for every cell.
    checkpoints : sequence of int
        Numbers of updates, from 0, after which the loss is recorded; T always is.
    probe : {"sharpness", "smoothness", "spectrum"}, optional
        What is measured beside the loss at checkpoints; see `theory_sim.wire.networks.probes`.
    sizes : mapping of str to int
        Arguments of the constructor of the network.
    samples : int
        Use the first so many samples only; 0 for all.
    evaluated : int
        Targets of the evaluation set, at most: samples, evenly spaced, of the data that is used.
    precision : {"float32", "float64"}
    entropy : int
        Root of all seeds.
    name : str
    quick, large : mapping
        Fields that these tiers replace.
    """

    network: str
    optimizer: Optimizer
    axes: Mapping[str, Axis] = field(default_factory=dict)
    steps: int = 1000
    batch: int = 32
    seeds: int = 1
    checkpoints: Sequence[int] = ()
    probe: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    samples: int = 0
    evaluated: int = 2048
    precision: str = "float32"
    entropy: int = 0
    name: str = ""
    quick: Mapping[str, Any] = field(default_factory=dict)
    large: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.known("network", self.network, NETWORKS)
        checks.known("precision", self.precision, ("float32", "float64"))
        if self.probe is not None:
            checks.known("probe", self.probe, PROBES)
        for name, low in (
            ("steps", 0),
            ("batch", 0),
            ("seeds", 1),
            ("samples", 0),
            ("evaluated", 1),
            ("entropy", 0),
        ):
            object.__setattr__(self, name, checks.count(name, getattr(self, name), low))
        if self.batch > 1 << 16:
            raise ValueError(
                f"batch = {self.batch} is more than the 65536 uniforms of a step; give 0 for all."
            )
        for name, values in self.axes.items():
            checks.known("axis", name, self.optimizer.axes)
            if len(np.unique(np.asarray(values))) < max(len(values), 1):
                raise ValueError(f"Axis {name!r} = {checks.shown([*values])} is empty or repeats a value.")
        for cell in self.cells:
            self.optimizer.replace(**cell)
        points = [checks.count("checkpoint", c, 0) for c in self.checkpoints]
        if points != sorted(set(points)) or points[-1:] > [self.steps]:
            raise ValueError(f"checkpoints = {points} must increase and end by steps = {self.steps}.")
        for one in (*self.quick, *self.large):
            checks.known(
                "field of Training", one, {f.name for f in fields(self)} - {"quick", "large", "name"}
            )

    @cached_property
    def coordinates(self) -> dict[str, np.ndarray[Any, Any]]:
        """The axes as arrays."""
        return {name: np.asarray(values) for name, values in self.axes.items()}

    @property
    def cells(self) -> list[dict[str, float]]:
        """The hyperparameters of every cell, in C order over the axes."""
        values = (array.tolist() for array in self.coordinates.values())
        return [dict(zip(self.axes, one, strict=True)) for one in itertools.product(*values)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of (axes ..., seed)."""
        return (*(len(values) for values in self.axes.values()), self.seeds)

    @property
    def size(self) -> int:
        """Number of networks."""
        return int(np.prod(self.shape))

    @property
    def stops(self) -> tuple[int, ...]:
        """Numbers of updates after which something is recorded."""
        return tuple(sorted({*self.checkpoints, self.steps}))

    @property
    def missing(self) -> tuple[str, ...]:
        """What it needs that is not installed."""
        return tuple(name for module, name in NEEDS.items() if find_spec(module) is None)

    def require(self) -> None:
        """Raise Missing, in one sentence, unless all that it needs is installed."""
        if self.missing:
            raise checks.Missing(
                f'Training networks needs {" and ".join(self.missing)}; pip install "theory-sim[networks]".'
            )

    def at(self, tier: str) -> Training:
        """Return this training at a tier: the same object when full, other sizes when quick or large."""
        checks.known("tier", tier, TIERS)
        changes = {"quick": self.quick, "full": {}, "large": self.large}[tier]
        return replace(self, **changes, quick={}, large={}) if changes else self

    def on(self, device: str) -> Job:
        """Return what is run on a device of torch; a run elsewhere has another digest."""
        from theory_sim.wire.networks.job import Job

        return Job(self, device)

    @property
    def job(self) -> Job:
        """What is run on the CPU."""
        return self.on("cpu")

    def run(
        self,
        store: str | Path | None = None,
        *,
        threads: int = 1,
        device: str = "cpu",
        progress: Callable[[float], None] | None = None,
    ) -> xr.Dataset:
        """Train every cell and seed and return the labelled results.

        Parameters
        ----------
        store : path, optional
            Folder that keeps the result; a second run reads it.
        threads : int
            Threads of torch on the CPU.  The tensors are small, so that more hardly help, and they may change the
            last bits of sums.
        device : str
            What torch calls it: ``cpu``, ``cuda``.
        progress : callable, optional
            Called with the finished share of the work.

        Returns
        -------
        xarray.Dataset
            ``loss`` (axes ..., seed, checkpoint), the mean over the evaluation set, in nats; ``nonfinite_step``
            (axes ..., seed), the first step with a loss that is not finite, -1 if none; and what the probe measures.

        Raises
        ------
        theory_sim.rules.checks.Missing
            If torch or scikit-learn is missing.
        """
        return self.on(device).run(store, threads=threads, progress=progress)


Source = Sweep | Training  # what a claim or a figure has its data from

"""A training as work: what identifies its result, and running it; torch is imported when it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine.store import Store
from theory_sim.rules.digest import digest
from theory_sim.wire.networks.data import text

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.nouns.training import Training


_DECIDE = ("data", "loop", "models", "update")  # modules that decide a result
_PROBED = ("curvature", "probes")  # and those that decide what is probed


@cache
def _code(modules: tuple[str, ...]) -> str:
    """Return the digest of the code that trains: where it changes, trainings run anew."""
    texts = [files(__package__).joinpath(f"{name}.py").read_bytes() for name in modules]
    return hashlib.sha256(b"".join(texts)).hexdigest()


class Job:
    """What the networks make of a training.

    Parameters
    ----------
    training : Training
    device : str
    """

    def __init__(self, training: Training, device: str = "cpu") -> None:
        self.training, self.device = training, device

    @property
    def spec(self) -> dict[str, Any]:
        """What the result is of, for people, in plain JSON types."""
        one = self.training
        return {
            "network": one.network,
            "sizes": dict(one.sizes),
            "optimizer": str(one.optimizer),
            "axes": {name: values.tolist() for name, values in one.coordinates.items()},
            "steps": one.steps,
            "batch": one.batch,
            "samples": one.samples,
            "evaluated": one.evaluated,
            "seeds": one.seeds,
            "entropy": one.entropy,
            "checkpoints": list(one.stops),
            "probe": one.probe,
            "precision": one.precision,
            "device": self.device,
            # The digits have one digest, which is checked where they are read.
            "text": text(1).digest if one.network == "transformer" else "",
        }

    @property
    def digest(self) -> str:
        """16 hex digits of all that determines the result, as far as this machine goes: data, rules, code."""
        optimizer = self.training.optimizer
        sides = [side.source.digest for side in (optimizer.up, optimizer.down) if side is not None]
        rules = [optimizer.source[0].digest, optimizer.schedule.source.digest, *sides]
        return digest(self.spec, rules, _code((*_DECIDE, *(_PROBED if self.training.probe else ()))))

    def run(
        self,
        store: str | Path | None = None,
        *,
        threads: int = 1,
        progress: Callable[[float], None] | None = None,
    ) -> xr.Dataset:
        """Train, or read what the store has, and return the labelled results; see `Training.run`."""
        kept = None if store is None else Store(Path(store), self.digest, self.spec, 1, 1)
        records = None if kept is None else kept.read(0, 0, 1)
        if records is None:
            self.training.require()
            from theory_sim.wire.networks.loop import train

            records = train(self.training, self.device, threads, progress)
            if kept is not None:
                kept.write(0, 0, 1, records)
        return self._labelled(records)

    def _labelled(self, records: dict[str, np.ndarray[Any, Any]]) -> xr.Dataset:
        import xarray as xr

        one = self.training
        axes = tuple(one.coordinates)
        inner = {"nodes": ("block", "node"), "weights": ("block", "node")}
        found = {}
        for name, values in records.items():
            dims = (
                *axes,
                "seed",
                *(() if name == "nonfinite_step" else ("checkpoint",)),
                *inner.get(name, ()),
            )
            found[name] = (dims, values.reshape(*one.shape, *values.shape[2:]))
        coords = {**one.coordinates, "seed": np.arange(one.seeds), "checkpoint": [*one.stops]}
        versions = {
            name: version(name) for name in ("theory-sim", "torch", "scikit-learn") if _installed(name)
        }
        attrs = {
            "name": one.name,
            "digest": self.digest,
            **{f"version of {k}": v for k, v in versions.items()},
        }
        return xr.Dataset(found, coords, attrs)


def _installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True

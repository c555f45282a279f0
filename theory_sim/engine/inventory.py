"""What a folder of stored sweeps holds: which ones, how much of them, and whether it can be read back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim.engine.store import Store, locked

_NAME = re.compile(r"[0-9a-f]{16}\.(npz|zarr)")
_LEFT = re.compile(r"\.([0-9a-f]{32}\.npz|[0-9a-f]{16}\..+)")  # what a killed writer leaves


@dataclass(frozen=True)
class Entry:
    """A stored sweep or training.

    Parameters
    ----------
    path : Path
    spec : mapping
        What it is of; empty if that cannot be read.
    lanes, chunks, present : int
        Lanes, and chunks in all and there; 0 if that cannot be read.
    size : int
        Bytes on disk.
    """

    path: Path
    spec: Mapping[str, Any]
    lanes: int
    chunks: int
    present: int
    size: int

    @property
    def version(self) -> str:
        """The theory-sim that wrote it; empty if it does not say."""
        return str(self.spec.get("version", ""))

    @property
    def state(self) -> str:
        """Complete, unfinished, foreign (of another version) or damaged, as far as its metadata tell."""
        if not self.chunks:
            return "damaged"
        if self.present < self.chunks:
            return "unfinished"
        return "complete" if self.version == metadata.version("theory-sim") else "foreign"

    def damage(self) -> list[str]:
        """Return the names of the chunks whose bytes do not have their checksum, or of the whole if none is known."""
        if not self.chunks:
            return [self.path.name]
        if self.path.suffix == ".npz":
            store = Store(self.path.parent, self.path.stem, self.spec, self.lanes, self.lanes)
            return [] if store.read(0, 0, self.lanes) is not None else [self.path.name]
        import zarr

        group: Any = zarr.open_group(str(self.path), mode="r")
        size = group[group.attrs["records"][0]].chunks[0]
        store = Store(self.path.parent, self.path.stem, self.spec, self.lanes, size)
        found = []
        for i in range(self.chunks):
            a, b = i * size, min((i + 1) * size, self.lanes)
            if not _missing(group["done"], i) and store.read(i, a, b) is None:
                found.append(f"{self.path.name} chunk {i} (lanes {a} to {b - 1})")
        return found


def _missing(done: Any, i: int) -> bool:
    try:
        return int(done[i]) == 0
    except Exception:  # noqa: BLE001  a decoder may raise anything on damaged bytes
        return False


def _entry(path: Path) -> Entry:
    """Read what a store says of itself."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file) as content:
                spec = json.loads(str(content["spec"]))
                return Entry(path, spec, int(spec.get("lanes", 1)), 1, 1, size)
        import zarr

        group: Any = zarr.open_group(str(path), mode="r")
        spec, chunks = json.loads(group.attrs["spec"]), group["done"].shape[0]
        lanes = group[group.attrs["records"][0]].shape[0]
        present = sum(not _missing(group["done"], i) for i in range(chunks))
        return Entry(path, spec, lanes, chunks, present, size)
    except Exception:  # noqa: BLE001  as in `_missing`
        return Entry(path, {}, 0, 0, 0, size)


def entries(folder: Path) -> list[Entry]:
    """Return the stored sweeps of a folder, by name.

    Raises
    ------
    ValueError
        If there is none: then the folder is no store.
    """
    paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    if not paths and not leftovers(folder):
        raise ValueError(
            f"{folder} holds no stored sweep; name the folder that sweeps were given as their store, such as out/sweeps."
        )
    found = [_entry(path) for path in paths]
    return sorted(found, key=lambda one: (str(one.spec.get("name", "")), one.path.name))


def leftovers(folder: Path) -> list[Path]:
    """Return the files and folders that killed writers left; a running one has some too."""
    return sorted(path for path in folder.iterdir() if _LEFT.fullmatch(path.name))


def prunable(folder: Path) -> list[tuple[Path, str]]:
    """Return what is damaged, of another version, unfinished or left over, with the reason."""
    found = []
    for one in entries(folder):
        reason = "damaged" if one.damage() else one.state
        if reason != "complete":
            found.append((one.path, reason))
    return found + [(path, "left over") for path in leftovers(folder)]


def remove(paths: Sequence[Path]) -> None:
    """Remove files and groups of one folder."""
    for path in paths:
        with locked(path.parent):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

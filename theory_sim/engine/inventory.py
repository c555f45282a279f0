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

from theory_sim.engine.place import LAYOUT, SUFFIX
from theory_sim.engine.store import FORMAT, Store, locked

_NAME = re.compile(r"[0-9a-f]{16}\.(npz|zarr|blocks)")
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
        """Complete, unfinished, newer in form, foreign (of another version) or damaged, as far as its metadata tell."""
        if not self.chunks:
            return "damaged"
        if self.spec.get("format", 1) > FORMAT:
            return "newer"
        if self.present < self.chunks:
            return "unfinished"
        return "complete" if self.version == metadata.version("theory-sim") else "foreign"

    def damage(self) -> list[str]:
        """Return the names of the chunks whose bytes do not have their checksum, or of the whole if none is known."""
        if not self.chunks:
            return [self.path.name]
        if self.path.suffix == SUFFIX:
            parts = [_entry(one) for one in _named(self.path)]
            return [f"{self.path.name}/{name}" for one in parts for name in one.damage()]
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


def _spec(text: str | bytes) -> dict[str, Any]:
    """Return what a store says of itself; raise if that cannot be of theory-sim."""
    spec = json.loads(text)
    if not isinstance(spec.get("format", 1), int) or not isinstance(spec.get("name", ""), str):
        raise ValueError("format or name is of another type")
    return {**spec}


def _entry(path: Path) -> Entry:
    """Read what a store says of itself."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file) as content:
                spec = _spec(str(content["spec"]))
                return Entry(path, spec, int(spec.get("lanes", 1)), 1, 1, size)
        if path.suffix == SUFFIX:  # blocks, each of which is stored like a sweep
            spec = _spec((path / LAYOUT).read_bytes())
            parts = [_entry(one) for one in _named(path)]
            present = sum(one.present == one.chunks > 0 for one in parts)
            return Entry(path, spec, int(spec["lanes"]), int(spec["blocks"]), present, size)
        import zarr

        group: Any = zarr.open_group(str(path), mode="r")
        spec, chunks = _spec(group.attrs["spec"]), group["done"].shape[0]
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
    paths = _named(folder)
    if not paths and not leftovers(folder):
        raise ValueError(
            f"{folder} holds no stored sweep; name the folder that sweeps were given as their store, such as out/sweeps."
        )
    found = [_entry(path) for path in paths]
    return sorted(found, key=lambda one: (str(one.spec.get("name", "")), one.path.name))


def _named(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def leftovers(folder: Path) -> list[Path]:
    """Return the files and folders that killed writers left; a running one has some too."""
    return sorted(path for path in folder.iterdir() if _LEFT.fullmatch(path.name))


def prunable(folder: Path) -> list[tuple[Path, str]]:
    """Return what is damaged, of an older version, unfinished or left over, with the reason.

    Raises
    ------
    ValueError
        As `entries`, and if a newer theory-sim has written there in another form.
    """
    found, left = [], leftovers(folder)
    for one in entries(folder):
        if one.state == "newer":
            raise ValueError(
                f"{one.path} was written by theory-sim {one.version} in a newer form, of which this one does not know what "
                "can go; use that version."
            )
        reason = "damaged" if one.damage() else one.state
        if reason != "complete":
            found.append((one.path, reason))
        elif one.path.suffix == SUFFIX:
            left += leftovers(one.path)
    return found + [(path, "left over") for path in left]


def remove(paths: Sequence[Path]) -> None:
    """Remove files and groups of one folder."""
    for path in paths:
        with locked(path.parent):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

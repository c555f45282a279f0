"""Finished chunks on disk: a zarr group per sweep, written atomically, resumable and verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Records = Mapping[str, np.ndarray[Any, Any]]


def _checksum(records: Records) -> int:
    value = hashlib.sha256()
    for name in sorted(records):
        value.update(name.encode() + np.ascontiguousarray(records[name]).tobytes())
    return int.from_bytes(value.digest()[:7], "big") + 1  # 0 means missing


class Store:
    """The chunks of one sweep in ``folder/<digest>.zarr``.

    Arrays have the lane as first dimension and one zarr chunk per chunk of lanes, so no two writers share a
    file.  ``done`` holds a checksum per chunk, written last: an interrupted or damaged chunk counts as missing.

    Parameters
    ----------
    folder : Path
    digest : str
        Digest of the sweep; another sweep gets another group.
    spec : mapping
        Kept as an attribute, for people.
    lanes, size : int
        Number of lanes and lanes per chunk.
    """

    def __init__(self, folder: Path, digest: str, spec: Mapping[str, Any], lanes: int, size: int) -> None:
        import zarr

        self.lanes, self.size = lanes, size
        path = folder / f"{digest}.zarr"
        path.parent.mkdir(parents=True, exist_ok=True)
        group: Any = zarr.open_group(str(path), mode="a")
        chunks = -(-lanes // size)
        if "done" not in group or group["done"].shape != (chunks,):
            for name in list(group):
                del group[name]
            group.attrs["spec"] = json.dumps(spec, sort_keys=True, default=str)
            group.require_array(
                "done", shape=(chunks,), chunks=(1,), dtype="uint64", dimension_names=["chunk"]
            )
        self.group = group

    def write(self, i: int, start: int, stop: int, records: Records) -> None:
        """Store the records of chunk i, lanes start ... stop-1."""
        for name, values in records.items():
            if name not in self.group:
                self.group.require_array(
                    name,
                    shape=(self.lanes, *values.shape[1:]),
                    chunks=(self.size, *(max(n, 1) for n in values.shape[1:])),
                    dtype=values.dtype,
                    dimension_names=["lane", *(f"{name}_{j}" for j in range(1, values.ndim))],
                )
            if values.size:
                self.group[name][start:stop] = values
        self.group["done"][i] = _checksum(records)

    def read(self, i: int, start: int, stop: int) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the records of chunk i, or None if it is missing or damaged."""
        expected = int(self.group["done"][i])
        if expected == 0:
            return None
        try:
            records = {
                name: np.asarray(self.group[name][start:stop]) for name in self.group if name != "done"
            }
        except (OSError, ValueError, RuntimeError):  # an unreadable chunk is a missing one
            return None
        return records if _checksum(records) == expected else None

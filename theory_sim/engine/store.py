"""Finished chunks on disk, resumable and verified: a file for a small sweep, a zarr group for a large one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

Records = Mapping[str, np.ndarray[Any, Any]]

FORMAT = 1  # of the files; a later theory-sim that writes them otherwise has a higher one


def _refused(folder: Path, error: OSError) -> OSError:
    return OSError(f"store = {folder} cannot be written ({error.strerror}); choose another folder.")


class NewerError(OSError):
    """A later theory-sim wrote these files, which are no damage to be repaired."""


def _require_format(path: Path, text: str) -> None:
    spec = json.loads(text)
    if spec.get("format", 1) > FORMAT:
        raise NewerError(
            f"{path} was written by theory-sim {spec.get('version', '')} in a newer form; use that version or another folder."
        )


def _checksum(records: Records) -> int:
    value = hashlib.sha256()
    for name in sorted(records):
        value.update(name.encode() + np.ascontiguousarray(records[name]).tobytes())
    return int.from_bytes(value.digest()[:7], "big") + 1  # 0 means missing


class Store:
    """The chunks of one sweep: ``folder/<digest>.npz`` if one holds all lanes, else ``folder/<digest>.zarr``.

    Either appears under its name only when it is complete, so processes may share a folder, and each chunk
    has a checksum: what is interrupted, damaged or unreadable counts as missing and is written again.

    In the group, arrays have the lane as first dimension and one zarr chunk per chunk of lanes, so no two
    writers share a file; ``done`` holds the checksums, written last.

    Parameters
    ----------
    folder : Path
    digest : str
        Digest of the sweep; another sweep gets another name.
    spec : mapping
        Kept with the records, for people.
    lanes, size : int
        Number of lanes and lanes per chunk.
    """

    def __init__(self, folder: Path, digest: str, spec: Mapping[str, Any], lanes: int, size: int) -> None:
        self.lanes, self.size, self.spec = lanes, size, spec
        self.file, self.path = folder / f"{digest}.npz", folder / f"{digest}.zarr"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(folder, error) from error
        if (folder / "zarr.json").exists() or (folder / ".zgroup").exists():
            raise OSError(
                f"store = {folder} is a zarr group, not a folder of sweeps; give the folder around it."
            )
        self._arrays = self._opened()

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.lanes // self.size)

    def draft(self, start: int) -> Path:
        """Return the folder for how far the unfinished chunk is that begins with lane `start`."""
        return self.path.with_name(f".{self.path.stem}.{start}.draft")

    def require_writable(self) -> None:
        """Raise OSError, before the work, if nothing can be written; what is there can still be read."""
        try:
            tempfile.TemporaryFile(dir=self.path.parent).close()
        except OSError as error:
            raise _refused(self.path.parent, error) from error

    def write(self, i: int, start: int, stop: int, records: Records) -> None:
        """Store the records of chunk i, lanes start ... stop-1.

        Raises
        ------
        OSError
            If there is no place for them; what was stored before is still there.
        """
        try:
            if self.chunks == 1:
                self._write_file(records)
                return
            if self._arrays is None or not self._fits(records):
                self._arrays = self._created(records)
            for name, values in records.items():
                if values.size:
                    self._arrays[name][start:stop] = values
            self._arrays["done"][i] = _checksum(records)
        except OSError as error:
            if error.strerror is None:  # a sentence already
                raise
            raise _refused(self.path.parent, error) from error

    def read(self, i: int, start: int, stop: int) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the records of chunk i, or None if it is missing or damaged."""
        try:
            if self.chunks == 1 and self.file.exists():
                with self.file.open("rb") as file, np.load(file) as content:
                    records = {name: content[name] for name in content.files}
                expected = int(records.pop("checksum"))
                _require_format(self.file, str(records.pop("spec")))
            elif self._arrays is not None:
                expected = int(self._arrays["done"][i])
                if expected == 0:
                    return None
                kept = self._arrays.items()
                records = {name: np.asarray(array[start:stop]) for name, array in kept if name != "done"}
            else:
                return None
        except NewerError:
            raise
        except Exception:  # noqa: BLE001  a decoder may raise anything on damaged bytes
            return None
        return records if _checksum(records) == expected else None

    @property
    def _text(self) -> str:
        spec = {**self.spec, "version": metadata.version("theory-sim"), "format": FORMAT}
        return json.dumps(spec, sort_keys=True, default=str)

    def _write_file(self, records: Records) -> None:
        new = self.file.with_name(f".{uuid4().hex}.npz")
        try:
            with new.open("xb") as file:
                np.savez(file, allow_pickle=False, **records, checksum=_checksum(records), spec=self._text)
            new.replace(self.file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _opened(self) -> dict[str, Any] | None:
        """Return the arrays of the group, or None if there is none or its metadata are damaged."""
        if not self.path.exists():
            return None
        import zarr

        try:
            group: Any = zarr.open_group(str(self.path), mode="r+")
            _require_format(self.path, group.attrs["spec"])
            # A group may hold arrays that others added; older ones do not list their records.
            names = group.attrs.get("records", [name for name in group if name != "done"])
            arrays = {name: group[name] for name in (*names, "done")}
            whole = all(
                (array.shape[0], array.chunks[0]) == (self.lanes, self.size)
                for name, array in arrays.items()
                if name != "done"
            )
            return arrays if whole and arrays["done"].shape == (self.chunks,) else None
        except NewerError:
            raise
        except Exception:  # noqa: BLE001  as in `read`
            return None

    def _fits(self, records: Records) -> bool:
        assert self._arrays is not None
        return {*records, "done"} == {*self._arrays} and all(
            (values.shape[1:], values.dtype) == (self._arrays[name].shape[1:], self._arrays[name].dtype)
            for name, values in records.items()
        )

    def _created(self, records: Records) -> dict[str, Any]:
        """Put a group without chunks in the place of a missing or damaged one, and return its arrays."""
        new = Path(tempfile.mkdtemp(prefix=f".{self.path.stem}.", dir=self.path.parent))
        try:
            self._make_group(new / self.path.name, records)
            with locked(self.path.parent):
                self._arrays = self._opened()
                if self._arrays is None or not self._fits(records):  # else another process was first
                    if self.path.exists():
                        self.path.rename(new / "damaged")
                    (new / self.path.name).rename(self.path)
                    self._arrays = self._opened()
        finally:
            shutil.rmtree(new, ignore_errors=True)
        if self._arrays is None:
            raise OSError(f"The store {self.path} cannot be read back; remove it.")
        return self._arrays

    def _make_group(self, path: Path, records: Records) -> None:
        import zarr

        group: Any = zarr.open_group(str(path), mode="a")
        group.attrs.update({"spec": self._text, "records": [*records]})
        group.create_array(
            "done", shape=(self.chunks,), chunks=(1,), dtype="uint64", dimension_names=["chunk"]
        )
        for name, values in records.items():
            group.create_array(
                name,
                shape=(self.lanes, *values.shape[1:]),
                chunks=(self.size, *(max(n, 1) for n in values.shape[1:])),
                dtype=values.dtype,
                compressors=None,  # as in the file of a small sweep: what --dry-run announces is what is written
                dimension_names=["lane", *(f"{name}_{j}" for j in range(1, values.ndim))],
            )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes, and other threads, from replacing a group of this folder meanwhile."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

"""Where the blocks of a sweep are stored: a folder, or any location that fsspec knows."""

from __future__ import annotations

import io
import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from theory_sim.engine import memory, run
from theory_sim.engine.run import Records
from theory_sim.engine.store import FORMAT, NewerError, _checksum, _refused

if TYPE_CHECKING:
    from theory_sim.engine.selection import Selection
    from theory_sim.nouns.sweep import Sweep

LAYOUT = "layout.json"
SUFFIX = ".blocks"


def is_url(store: Any) -> bool:
    """Return whether a store is a location of fsspec, such as s3://bucket/sweeps, and not a folder."""
    return isinstance(store, str) and "://" in store


def place_of(store: Any, digest: str) -> Place:
    """Return the place, within a store, of the blocks of the sweep with this digest.

    Raises
    ------
    ValueError
        If fsspec, or what it needs for this protocol, is not there.
    """
    if is_url(store):
        if not store.startswith("file://"):
            return Remote(f"{store.rstrip('/')}/{digest}{SUFFIX}")
        store = store.removeprefix(
            "file://"
        )  # a folder like any other, also a relative one, as fsspec has it
    return Folder(str(Path(store).absolute() / f"{digest}{SUFFIX}"))


class Place:
    """Where the blocks of one sweep are.

    Parameters
    ----------
    name : str
        A folder or a location, as the workers see it too.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def layout(self) -> dict[str, Any] | None:
        """Return what the place says of its blocks, or None if it says nothing that can be read.

        Raises
        ------
        OSError
            If a newer theory-sim wrote it in another form.
        """
        try:
            found = json.loads(self._read(LAYOUT))
        except Exception:  # noqa: BLE001  each protocol has its own, and what cannot be written is refused there
            return None
        if not isinstance(found, dict) or not isinstance(found.get("format", 1), int):
            return None
        if found.get("format", 1) > FORMAT:
            raise NewerError(
                f"{self.name} was written by theory-sim {found.get('version', '')} in a newer form; use that version or "
                "another store."
            )
        return found

    def describe(self, text: str) -> None:
        """Let the place say this of its blocks."""
        self._write(LAYOUT, text.encode())

    def require(self, sweep: Sweep) -> None:
        """Raise OSError if the place cannot hold the records of a sweep, as far as can be known before."""

    def run(self, selection: Selection, threads: int, decide: str) -> Records:
        """Return the records of a block, which are computed and stored if they are not there."""
        raise NotImplementedError

    def _read(self, name: str) -> bytes:
        raise NotImplementedError

    def _write(self, name: str, content: bytes) -> None:
        raise NotImplementedError


class Folder(Place):
    """A folder, in which each block is a stored sweep like any other."""

    def require(self, sweep: Sweep) -> None:
        """Raise OSError if the folder cannot be written, or its disk has not the room."""
        folder = Path(self.name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(folder, error) from error
        need = memory.stored(sweep)
        have = shutil.disk_usage(folder).free + sum(
            one.stat().st_size for one in folder.glob("[0-9a-f]*.npz")
        )
        if need > have:
            raise OSError(
                f"This sweep of {sweep.size:,} lanes needs about {need / 2**30:.3g} GiB in {folder.parent}, whose disk has "
                f"{have / 2**30:.3g}; take fewer cells, seeds or checkpoints, or another store."
            )

    def run(self, selection: Selection, threads: int, decide: str) -> Records:
        """Return the records of a block, which are computed and stored if they are not there."""
        return run.run(selection, Path(self.name), threads=threads, decide=decide)

    def _read(self, name: str) -> bytes:
        return (Path(self.name) / name).read_bytes()

    def _write(self, name: str, content: bytes) -> None:
        new = Path(self.name) / f".{uuid4().hex}.npz"  # known as left over if this process is killed
        try:
            new.write_bytes(content)
            new.replace(Path(self.name) / name)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise _refused(Path(self.name), error) from error


class Remote(Place):
    """A location of fsspec, in which each block is a file that appears when it is complete."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        try:
            import fsspec
        except ImportError as error:
            raise ValueError(
                f'store = {name} needs fsspec: pip install "theory-sim[cluster]", or give a folder.'
            ) from error
        try:
            self._system, self._path = fsspec.core.url_to_fs(name)
        except (ImportError, ValueError, OSError) as error:
            raise ValueError(f"store = {name} cannot be opened ({error}); give a folder.") from error

    def run(self, selection: Selection, threads: int, decide: str) -> Records:
        """Return the records of a block, which are computed and stored if they are not there."""
        name = f"{selection.job.digest_of(None, decide)}.npz"
        found = self._records(name)
        if found is None:
            found = run.run(selection, None, threads=threads, decide=decide)
            spec = {**selection.job.spec, "version": metadata.version("theory-sim"), "format": FORMAT}
            content = io.BytesIO()
            np.savez(content, allow_pickle=False, **found, checksum=_checksum(found), spec=json.dumps(spec))
            self._write(name, content.getvalue())
        return found

    def _records(self, name: str) -> Records | None:
        try:
            with np.load(io.BytesIO(self._read(name))) as content:
                records = {one: content[one] for one in content.files}
            expected = int(records.pop("checksum"))
            del records["spec"]
        except Exception:  # noqa: BLE001  a decoder may raise anything on damaged bytes
            return None
        return records if _checksum(records) == expected else None

    def _read(self, name: str) -> bytes:
        content: bytes = self._system.cat_file(f"{self._path}/{name}")
        return content

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._system.makedirs(self._path, exist_ok=True)
            with self._system.open(f"{self._path}/{name}", "wb", autocommit=False) as file:
                file.write(content)
            file.commit()  # not before: a reader sees the whole file or none
        except Exception as error:  # each protocol has its own, such as one for missing credentials
            raise OSError(
                f"store = {self.name} cannot be written ({type(error).__name__}: {error}); look at its address and your rights, "
                "or give a folder."
            ) from error

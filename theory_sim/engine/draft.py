"""How far the lanes of an unfinished chunk are, on disk: what a killed process need not run again."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import numpy as np

from theory_sim.engine.moment import Moment

Array = np.ndarray[Any, Any]
Records = Mapping[str, Array]

EVERY = 0.5  # seconds between two saves
_SHARE = 0.03  # of the time that saves may take
_RECORDS, _MOMENTS = "records", "moments"


class Draft:
    """The lanes of one unfinished chunk, in a hidden folder beside the chunks.

    Lanes that are at their end are kept as records, the others as moments.  A file is named by its kind and the
    digest of its bytes, so a damaged one counts as missing, and processes that run the same chunk do not meet.

    Parameters
    ----------
    path : Path or None
        The folder; it is made when something is saved.  None: nothing is.
    start, stop : int
        The lanes of the chunk.
    """

    def __init__(self, path: Path | None, start: int, stop: int) -> None:
        self._path, self._lock = path, Lock()
        self._unsaved: list[tuple[Array, Records]] = []
        self._running: dict[int, Moment] = {}
        self._stale: list[Path] = []
        self._due = time.monotonic() + EVERY
        self.finished: list[tuple[Array, Records]] = []
        self.moments: list[Moment] = []
        if path is not None and path.is_dir():
            self._load(path, start, stop)

    @property
    def kept(self) -> bool:
        """Whether anything is saved."""
        return self._path is not None

    @property
    def patience(self) -> float:
        """Seconds until the next save is due."""
        return max(self._due - time.monotonic(), 0.0)

    def rest(self, course: int, moment: Moment) -> None:
        """Keep in mind where the lanes of a course are."""
        with self._lock:
            self._running[course] = moment

    def finish(self, course: int, cut: Array, records: Records) -> None:
        """Keep in mind the records of the lanes of a course."""
        with self._lock:
            self._unsaved.append((cut, records))
            self._running.pop(course, None)

    def turn(self, parts: Sequence[tuple[Array, Records]], moments: Mapping[int, Moment]) -> None:
        """Keep in mind records of some lanes, and that the others are on new courses."""
        with self._lock:
            self._unsaved += parts
            self._running = {**moments}

    def save(self) -> None:
        """Write all that is known; the next save is due when this one has cost a small share of the time."""
        begin = time.monotonic()
        if self._path is None:
            self._due = begin + EVERY
            return
        with self._lock:
            unsaved, self._unsaved = self._unsaved, []
            running = [*self._running.values()]
        before = self._stale
        # Without a place for it, such as on a full disk, an interruption costs more, and nothing is wrong.
        try:
            self._stale = [self._write(_MOMENTS, _packed(running))] if running else []
            own = [*self._stale, *([self._write(_RECORDS, _stacked(unsaved))] if unsaved else [])]
            for path in before:
                if path not in own:  # the same bytes have the same name
                    path.unlink(missing_ok=True)
        except OSError:
            with self._lock:
                self._unsaved = [*unsaved, *self._unsaved]
            self._stale = before
        now = time.monotonic()
        self._due = now + max(EVERY, (now - begin) / _SHARE)

    def _write(self, kind: str, arrays: Records) -> Path:
        assert self._path is not None
        self._path.mkdir(exist_ok=True)  # not its parents: on another machine there is no store
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        content = buffer.getbuffer()
        path = self._path / f"{kind}-{hashlib.sha256(content).hexdigest()}.npz"
        new = self._path / f".{uuid4().hex}"
        try:
            new.write_bytes(content)
            new.replace(path)
        except BaseException:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        return path

    def _load(self, path: Path, start: int, stop: int) -> None:
        """Read what an interrupted run left: of each lane its records or, else, its last moment."""
        moments: list[Moment] = []
        known: set[int] = set()

        def fresh(cut: Array) -> Array:
            inside = (cut >= start) & (cut < stop)
            return np.flatnonzero(inside & ~np.isin(cut, [*known]))

        for file in sorted(path.glob("*.npz")):
            try:
                content = file.read_bytes()
                kind, _, name = file.stem.partition("-")
                if name != hashlib.sha256(content).hexdigest():
                    continue
                with np.load(io.BytesIO(content)) as arrays:
                    read = {name: arrays[name] for name in arrays.files}
            except OSError:  # another process removed it
                continue
            self._stale.append(file)
            if kind == _MOMENTS:
                moments += _unpacked(read)
                continue
            cut = read.pop("cut")
            if len(new := fresh(cut)):
                self.finished.append((cut[new], {name: values[new] for name, values in read.items()}))
                known.update(cut[new].tolist())
        for moment in sorted(moments, key=lambda one: -one.done):
            if len(new := fresh(moment.cut)):
                self.moments.append(moment.take(new))
                known.update(moment.cut[new].tolist())
        self._unsaved = [*self.finished]  # the next save replaces the files that were read


def _stacked(parts: Sequence[tuple[Array, Records]]) -> dict[str, Array]:
    """Return records of several tiles in one, with their lanes."""
    cuts, records = zip(*parts, strict=True)
    return {
        "cut": np.concatenate(cuts),
        **{name: np.concatenate([one[name] for one in records]) for name in records[0]},
    }


def _packed(moments: Sequence[Moment]) -> dict[str, Array]:
    """Return moments as arrays of one file."""
    packed: dict[str, Array] = {}
    for j, one in enumerate(moments):
        packed |= {f"{j} cut": one.cut, f"{j} done": np.array(one.done)}
        packed |= {f"{j} {name}": values for name, values in one.arrays.items()}
    return packed


def _unpacked(packed: Records) -> Iterator[Moment]:
    """Yield the moments of a file."""
    split: dict[str, dict[str, Array]] = {}
    for name, values in packed.items():
        j, _, own = name.partition(" ")
        split.setdefault(j, {})[own] = values
    for arrays in split.values():
        yield Moment(arrays.pop("cut"), int(arrays.pop("done")), arrays)

"""Does the suite notice bugs?  Plants one plausible bug at a time and runs the tests and the claims that must fail.

    python tests/mutants.py [--tenth] [--only NAME] [--jobs N] [--json FILE] [--out DIRECTORY] [--reproduced]

The mutants are in ``tests/mutants/*.txt``.  A line ``@ FILE || TESTS`` opens the mutants of a file, with the arguments
of pytest below ``tests/`` that must notice them; every other line is one mutant::

    NAME || OLD || NEW || TESTS || CLAIMS || SURVIVES BECAUSE

OLD occurs exactly once in the file (``\\n`` is a new line) and becomes NEW.  TESTS is empty for those of the file, or
``-``: no test notices.  CLAIMS are the claims that must FAIL; with a ``?`` before it a claim is about the thing but does
not notice.  What is not noticed needs the last field; the others may be left out.

Each mutant lives alone in a copy of the repository.  Sweeps are read from a store of the unharmed suite by their digest,
that of `theory-sim reproduce`, so that only those are run that the mutant changes; kernels are compiled if their
digest is new.  Without any bug the claims must hold; ``--reproduced`` believes what reproduce has found of them.  Results
are kept too: what has not changed since, the packages, the bug and the tests that are asked, is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "mutants"
PARTS = ("theory_sim", "counterexamples", "paper_checks", "figures", "tests")
LIMIT = 60.0  # seconds for the tests of a mutant, and for its claims; what takes longer hangs, and that is noticed
# The digest of a sweep covers the kernels that it names, not the code that calls them.
ENGINE = ("theory_sim/engine/", "theory_sim/rules/")


@dataclass(frozen=True)
class Mutant:
    """One planted bug."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    claims: tuple[str, ...]
    blind: tuple[str, ...]
    survives_because: str

    @property
    def planted(self) -> str:
        """The text of the file with the bug."""
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.old!r} occurs {text.count(self.old)} times in {self.file}.")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Return all mutants, in the order of their names' files and lines."""
    found = []
    for path in sorted(DATA.glob("*.txt")):
        file, usual = "", ""
        for line in path.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            if line.startswith("@ "):
                file, usual = (part.strip() for part in line[2:].split("||"))
                continue
            fields = [part.strip() for part in line.split("||")]
            if not 3 <= len(fields) <= 6:
                raise ValueError(f"{path.name}: {line!r} has {len(fields)} fields; a mutant has 3 to 6.")
            name, old, new, tests, claims, reason = (*fields, "", "", "")[:6]
            ids = claims.split()
            found.append(
                Mutant(
                    name,
                    file,
                    old.replace("\\n", "\n"),
                    new.replace("\\n", "\n"),
                    () if tests == "-" else tuple(_arguments(tests or usual)),
                    tuple(one for one in ids if not one.startswith("?")),
                    tuple(one[1:] for one in ids if one.startswith("?")),
                    reason,
                )
            )
    return found


def _arguments(text: str) -> Iterable[str]:
    """Return arguments of pytest, with ``tests/`` before files."""
    return (f"tests/{part}" if ".py" in part else part for part in shlex.split(text))


def tenth(all_: list[Mutant]) -> list[Mutant]:
    """Return every tenth mutant of the fixed list."""
    return all_[8::10]


@dataclass
class Result:
    """What noticed a mutant.

    Parameters
    ----------
    mutant : Mutant
    tests : str
        ``"killed"``, ``"hangs"``, ``"survives"``, or ``""`` if there are none.
    claims : dict of str to str
        Status of every claim that was checked.
    seconds : float
    """

    mutant: Mutant
    tests: str = ""
    claims: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def killed_by_claims(self) -> list[str]:
        """The claims that fail."""
        return [id for id, status in self.claims.items() if status not in ("PASS", "UNDECIDED")]

    @property
    def faults(self) -> list[str]:
        """What differs from what the list says, one sentence each."""
        one, failed = self.mutant, self.killed_by_claims
        said = [f"no test notices it: {shlex.join(one.tests)}"] if self.tests == "survives" else []
        said += [f"{id} does not notice it" for id in one.claims if id not in failed]
        said += [f"{id} notices it, remove the ?" for id in one.blind if id in failed]
        open_ = not one.tests or one.blind
        if open_ and not one.survives_because:
            said.append("it is noticed by less than it should, and no reason is given")
        if one.survives_because and not open_:
            said.append("the reason is stale: everything notices it")
        return said

    def record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.mutant.name,
            "file": self.mutant.file,
            "tests": self.tests,
            "killed_by_tests": self.tests in ("killed", "hangs"),
            "killed_by_claims": self.killed_by_claims,
            "claims": self.claims,
            "survives_because": self.mutant.survives_because,
            "faults": self.faults,
            "seconds": round(self.seconds, 1),
        }


def _ours(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".nbi", ".nbc")


@cache
def _content(name: str) -> str:
    """Return the digest of a file, or of all files of a folder, below the root."""
    path = ROOT / name
    paths = sorted(filter(_ours, path.rglob("*"))) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(str(one).encode() + one.read_bytes() for one in paths)).hexdigest()


def _digest(one: Mutant) -> str:
    """Return what the result of a mutant depends on, as a number: the packages, the bug, and who is asked."""
    files = (part for part in one.tests if part.startswith("tests/"))
    helpers = ("conftest.py", "session.py", "strategies.py", "tampering.py")
    read = (*PARTS[:-1], *(f"tests/{name}" for name in helpers), *(file.split("::")[0] for file in files))
    told = (one.file, one.old, one.new, one.tests, sorted((*one.claims, *one.blind)), *map(_content, read))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


class Slot:
    """A copy of the repository in which one mutant at a time lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in PARTS:
            wanted = {path.relative_to(ROOT) for path in (ROOT / part).rglob("*") if _ours(path)}
            for path in (folder / part).rglob("*"):
                if _ours(path) and path.relative_to(folder) not in wanted:
                    path.unlink()
            for name in wanted:
                self._copy(name)
        for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"):
            self._copy(Path(name))

    def _copy(self, name: Path) -> None:
        source, target = ROOT / name, self.folder / name
        stamp = source.stat()
        if target.exists() and (target.stat().st_mtime_ns, target.stat().st_size) == (
            stamp.st_mtime_ns,
            stamp.st_size,
        ):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)

    def plant(self, mutant: Mutant, number: int) -> None:
        """Write the bug; a time stamp of its own tells Python."""
        path = self.folder / mutant.file
        path.write_text(mutant.planted)
        later = (ROOT / mutant.file).stat().st_mtime + 10.0 + number
        os.utime(path, (later, later))

    def heal(self, mutant: Mutant) -> None:
        """Write the unharmed file again."""
        self._copy(Path(mutant.file))


def _child(slot: Slot, log: Path, work: Callable[[], int], limit: float = LIMIT) -> int | None:
    """Return the exit status of some work in a fork of its own, None if it hangs."""
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            os.chdir(slot.folder)
            sys.path[:] = [str(slot.folder), *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
            os.environ["PYTHONPATH"] = str(slot.folder)
            status = work()
        except BaseException:  # noqa: BLE001  a child never returns
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    while True:
        done, how = os.waitpid(pid, os.WNOHANG)
        if done:
            _end(pid)
            return os.waitstatus_to_exitcode(how)
        if time.monotonic() - begin > limit:
            _end(pid)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.02)


def _end(group: int) -> None:
    """End what a child has left behind."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class _Hasty:
    """A plugin of pytest: an example that fails is enough, no smaller one is looked for."""

    @staticmethod
    def pytest_collection() -> None:
        from hypothesis import Phase, settings

        settings.register_profile(
            "hasty", settings.get_profile("suite"), phases=(Phase.explicit, Phase.generate)
        )
        settings.load_profile("hasty")


def _pytest(arguments: Iterable[str], folder: Path) -> int:
    import pytest

    quiet = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "--no-header", f"--basetemp={folder}"]
    quiet += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # by hypothesis, which is imported already
    return int(pytest.main([*arguments, *quiet], plugins=[_Hasty()]))


def _tell_homes(answers: Path) -> int:
    """Write down the module of every claim."""
    from theory_sim.app import catalogue

    answers.write_text(json.dumps({id: one.check.__module__ for id, one in catalogue.claims().items()}))
    return 0


def _check(ids: Iterable[str], homes: dict[str, str], store: Path, answers: Path) -> int:
    """Check claims, each on its own, so that one that raises is one that fails, without the papers of others."""
    from theory_sim.app.runs import Runs

    runs, found = Runs("quick", store), {}
    for id in ids:
        try:
            claims = {one.id: one for one in import_module(homes[id]).CLAIMS}
            found[id] = str(runs.check(claims[id]).evidence.status.value)
        except Exception as error:  # noqa: BLE001  a bug may raise anything
            traceback.print_exc()
            found[id] = f"raises {type(error).__name__}"
        answers.write_text(json.dumps(found))
    return 0


def _linked(base: Path, new: Path) -> Path:
    """Return a copy of a store to which nothing that a mutant writes gets back."""
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(base, new, copy_function=os.link) if base.exists() else new.mkdir(parents=True)
    return new


def run(mutant: Mutant, number: int, slot: Slot, homes: dict[str, str], base: Path, scratch: Path) -> Result:
    """Plant one mutant and see what notices it."""
    result, begin = Result(mutant), time.monotonic()
    log, answers, work = (scratch / f"{mutant.name}.{kind}" for kind in ("log", "json", "pytest"))
    answers.unlink(missing_ok=True)
    ids = (*mutant.claims, *mutant.blind)
    kept = not mutant.file.startswith(ENGINE)
    store = _linked(base if kept else scratch / "none", scratch / "sweeps")

    def both() -> int:
        # In one process, as half of the time goes into imports.
        return (_check(ids, homes, store, answers) if ids else 0) or (
            _pytest(mutant.tests, work) if mutant.tests else 0
        )

    slot.plant(mutant, number)
    try:
        code = _child(slot, log, both)
        known = json.loads(answers.read_text()) if answers.exists() else {}
        result.claims = {id: known.get(id, "hangs" if code is None else "crashes") for id in ids}
        if mutant.tests:
            if len(known) < len(ids):  # the claims took the process with them
                code = _child(slot, log, lambda: _pytest(mutant.tests, work))
            # 2: the tests could not even be imported; a crash of the interpreter has a negative code.
            words = {None: "hangs", 0: "survives", 1: "killed", 2: "killed"}
            result.tests = "killed" if code is not None and code < 0 else words.get(code, "")
            if not result.tests:
                raise RuntimeError(f"{mutant.name}: pytest ended with {code}, see {log}.")
    finally:
        slot.heal(mutant)
    result.seconds = time.monotonic() - begin
    return result


def _warm(
    chosen: list[Mutant], slot: Slot, folder: Path, base: Path, scratch: Path, found: dict[str, str]
) -> dict[str, str]:
    """Fill the store with the sweeps of the unharmed suite, whose claims must all hold, and return the modules of claims.

    Claims whose status is found are not checked.
    """
    digest = hashlib.sha256("".join(map(_content, PARTS[:-1])).encode()).hexdigest()[:16]
    kept, answers = folder / "results" / f"unharmed-{digest}.json", scratch / "unharmed.json"
    told = folder / "results" / f"homes-{digest}.json"
    if not told.exists():
        _child(slot, scratch / "homes.log", lambda: _tell_homes(told))
    homes: dict[str, str] = json.loads(told.read_text())
    known = found | (json.loads(kept.read_text()) if kept.exists() else {})
    wanted = {id for one in chosen for id in (*one.claims, *one.blind)}
    ids = sorted(wanted - known.keys())
    answers.unlink(missing_ok=True)
    base.mkdir(exist_ok=True)
    if ids:
        _child(slot, scratch / "unharmed.log", lambda: _check(ids, homes, base, answers), 1800.0)
        known |= json.loads(answers.read_text()) if answers.exists() else {}
        kept.write_text(json.dumps(known))
    bad = [id for id in sorted(wanted) if known.get(id) not in ("PASS", "UNDECIDED")]
    if bad:
        kept.unlink(missing_ok=True)
        raise RuntimeError(f"Without any mutant {', '.join(bad)} fail; see {scratch / 'unharmed.log'}.")
    return homes


def _preload() -> None:
    """Import what all children need and no mutant touches, once."""
    import flint  # noqa: F401
    import hypothesis  # noqa: F401
    import numba
    import pytest  # noqa: F401
    import scipy.optimize
    import scipy.stats  # noqa: F401
    import sympy  # noqa: F401
    import xarray  # noqa: F401
    import zarr  # noqa: F401

    numba.njit(lambda x: x + 1.0)(1.0)
    assert "theory_sim" not in sys.modules


def main() -> int:
    """Run the command."""
    from reproduced import statuses  # the folder of a script is in sys.path

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenth", action="store_true", help="every tenth mutant only")
    parser.add_argument("--only", metavar="NAME", help="mutants whose name begins so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="default: one per core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out", metavar="DIRECTORY", help="as of theory-sim; default: out"
    )
    parser.add_argument(
        "--reproduced",
        action="store_true",
        help="reproduce has checked the claims of these very files; their statuses are read in DIRECTORY/claims.json",
    )
    options = parser.parse_args()
    chosen = mutants()
    chosen = tenth(chosen) if options.tenth else chosen
    chosen = [one for one in chosen if one.name.startswith(options.only or "")]
    for one in chosen:
        one.planted  # noqa: B018  a line that fits no place is refused before anything runs
    numbered = {one.name: i for i, one in enumerate(mutants())}
    out = options.out.resolve()
    folder, base = out / "mutants", out.with_name(f"{out.name}.sweeps")
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != ROOT / "tests"]
    _preload()
    begin = time.monotonic()
    (folder / "results").mkdir(parents=True, exist_ok=True)
    kept = {one.name: folder / "results" / f"{_digest(one)}.json" for one in chosen}
    results = {
        one.name: Result(one, **json.loads(kept[one.name].read_text()))
        for one in chosen
        if kept[one.name].exists()
    }
    waiting = [one for one in chosen if one.name not in results]
    jobs = max(1, min(options.jobs, len(waiting)))
    slots = [Slot(folder / f"slot{j}") for j in range(jobs)]
    scratches = [folder / f"scratch{j}" for j in range(jobs)]
    for scratch in scratches:
        scratch.mkdir(exist_ok=True)
    _say("the unharmed claims")
    found = statuses(out) if options.reproduced else {}
    homes = _warm(waiting, slots[0], folder, base, scratches[0], found) if waiting else {}
    running: dict[int, tuple[int, Mutant]] = {}
    known, started = len(results), time.monotonic()
    while waiting or running:
        free = [j for j in range(jobs) if j not in {job for job, _ in running.values()}]
        if waiting and free:
            job, mutant = free[0], waiting.pop(0)
            pid = os.fork()
            if pid == 0:
                _worker(mutant, numbered[mutant.name], slots[job], homes, base, scratches[job])
            running[pid] = job, mutant
            continue
        pid, how = os.wait()
        job, mutant = running.pop(pid)
        answer = scratches[job] / "result.json"
        if os.waitstatus_to_exitcode(how) != 0:
            raise RuntimeError(f"{mutant.name} could not be run: {answer.read_text()}")
        results[mutant.name] = Result(mutant, **json.loads(answer.read_text()))
        shutil.copy(answer, kept[mutant.name])
        left = (time.monotonic() - started) / (len(results) - known) * (len(chosen) - len(results))
        _say(f"mutant {len(results)} of {len(chosen)}, {mutant.name}, {left:.0f} s left")
    _say("")
    ordered = [results[one.name] for one in chosen]
    if options.json:
        options.json.write_text(text(ordered))
    for one in ordered:
        for fault in one.faults:
            print(f"{one.mutant.name} ({one.mutant.file}): {fault}")
    print(summary(ordered), f"{time.monotonic() - begin:.0f} s.")
    return int(any(one.faults for one in ordered))


def _worker(
    mutant: Mutant, number: int, slot: Slot, homes: dict[str, str], base: Path, scratch: Path
) -> None:
    """Run one mutant in a process of its own, and leave the result in a file."""
    try:
        one = run(mutant, number, slot, homes, base, scratch)
        seen = {"tests": one.tests, "claims": one.claims, "seconds": one.seconds}
        (scratch / "result.json").write_text(json.dumps(seen))
        os._exit(0)
    except BaseException:  # noqa: BLE001  a child never returns
        (scratch / "result.json").write_text(traceback.format_exc())
        os._exit(1)


def _say(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")
    elif what:
        sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


def text(results: list[Result]) -> str:
    """Return the results as JSON, one mutant a line, with the kill matrix: the mutants that each claim notices."""
    rows = ",\n".join(json.dumps(one.record()) for one in results)
    ids = sorted({id for one in results for id in one.claims})
    matrix = {id: {one.mutant.name: one.claims[id] for one in results if id in one.claims} for id in ids}
    lines = ",\n".join(f"{json.dumps(id)}: {json.dumps(row)}" for id, row in matrix.items())
    return f'{{"mutants": [\n{rows}\n],\n"claims": {{\n{lines}\n}}}}\n'


def summary(results: list[Result]) -> str:
    """Return one sentence with the counts."""
    tests = sum(one.tests in ("killed", "hangs") for one in results)
    subject = [one for one in results if one.claims]
    claims = sum(bool(one.killed_by_claims) for one in subject)
    return f"{len(results)} mutants: {tests} noticed by tests, {claims} by a claim of the {len(subject)} that one is about,"


if __name__ == "__main__":
    sys.exit(main())

"""Many claims and figures at once: split into jobs that share no sweep, run on one process or several."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from theory_sim.app import catalogue
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Claim, Evidence, Result
from theory_sim.nouns.figure import Figure
from theory_sim.nouns.training import Source, Training
from theory_sim.rules import checks

# Estimated seconds on one core, for the time left and to see whether another process is worth its start.
_SWEEP, _UPDATE, _CLAIM, _FIGURE = 0.05, 5e-9, 0.1, 0.7
_TRAINING, _STEP = 1.0, {"mlp": 1e-4, "cnn": 3e-3, "transformer": 4e-3}  # of a step of one network
_WORTH = 8.0
_POLL = 0.2  # seconds between two looks at what the processes report


@dataclass(frozen=True)
class Job:
    """Claims and figures that one process runs, by name.

    Parameters
    ----------
    claims, figures : tuple of str
    costs : mapping of str to float
        Estimated seconds of ``"claim ID"``, ``"figure NAME"``, ``"sweep NAME"`` and ``"training NAME"``.
    """

    claims: tuple[str, ...]
    figures: tuple[str, ...]
    costs: Mapping[str, float]

    @property
    def cost(self) -> float:
        """Estimated seconds of everything."""
        return sum(self.costs.values())


@dataclass
class State:
    """How far a job is; what it returns is in `checked`, `drawn` and `undrawn`.

    Parameters
    ----------
    now : str
        What is running, such as ``"sweep shi2021.phases"``.
    shares : dict of str to float
        Finished share of everything that was begun.
    found : set of str
        Sweeps and trainings that were in the store.
    checked : dict of str to (Evidence, float)
        Evidence and seconds by claim.
    drawn : dict of str to list of Path
        Files by figure.
    undrawn : dict of str to str
        What was raised instead, by figure.
    """

    now: str = ""
    shares: dict[str, float] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    checked: dict[str, tuple[Evidence, float]] = field(default_factory=dict)
    drawn: dict[str, list[Path]] = field(default_factory=dict)
    undrawn: dict[str, str] = field(default_factory=dict)


class Done(NamedTuple):
    """What `run` returns.

    Parameters
    ----------
    results : list of Result
        One per claim, in order.
    files : dict of str to list of Path
        Files of each figure.
    undrawn : dict of str to str
        By figure that could not be drawn, a sentence that says why.
    """

    results: list[Result]
    files: dict[str, list[Path]]
    undrawn: dict[str, str]


def _label(sweep: Source) -> str:
    return f"{'training' if isinstance(sweep, Training) else 'sweep'} {sweep.name}"


def _cost(sweep: Source) -> float:
    if isinstance(sweep, Training):
        return _TRAINING + _STEP[sweep.network] * sweep.size * sweep.steps
    workers = max(sweep.workers, *map(int, sweep.axes.get("workers", ())), 1)
    return _SWEEP + _UPDATE * math.prod(sweep.shape) * sweep.steps * sweep.problem.dim * workers


def split(claims: Iterable[Claim], figures: Iterable[Figure], tier: str) -> list[Job]:
    """Return jobs that have no sweep in common, the longest first."""
    groups: list[tuple[set[str], list[Claim | Figure]]] = []
    everything: list[Claim | Figure] = [*claims, *figures]
    for one in everything:
        own = {sweep.name for sweep in one.sweeps}
        met = [group for group in groups if own & group[0]]
        names = own.union(*(names for names, _ in met))
        members = [*(member for _, members in met for member in members), one]
        groups = [*(group for group in groups if not own & group[0]), (names, members)]
    out = []
    for _, members in groups:
        checked = tuple(one.id for one in members if isinstance(one, Claim))
        drawn = tuple(one.name for one in members if isinstance(one, Figure))
        costs = {f"claim {id}": _CLAIM for id in checked} | {f"figure {name}": _FIGURE for name in drawn}
        costs |= {_label(sweep): _cost(sweep.at(tier)) for one in members for sweep in one.sweeps}
        out.append(Job(checked, drawn, costs))
    return sorted(out, key=lambda job: -job.cost)


@dataclass(frozen=True)
class Place:
    """Where a run finds and leaves its files.

    Parameters
    ----------
    store : Path
        Folder of finished chunks.
    figures : Path
        Folder of the figures' files.
    data : bool
        Whether the grids of figures are written beside them as netCDF.
    """

    store: Path
    figures: Path
    data: bool = True

    @classmethod
    def within(cls, out: Path, data: bool = True) -> Place:
        """Return the places inside a folder: sweeps and figures.

        Without data the store is beside the folder, so that the folder itself stays small; a store that is
        already there is used.
        """
        named = out.resolve() if out.name in ("", "..") else out
        inside, beside = out / "sweeps", named.with_name(f"{named.name}.sweeps")
        store = beside if not inside.exists() and (not data or beside.exists()) else inside
        return cls(store, out / "figures", data)


def _run(job: Job, tier: str, place: Place, threads: int | None, report: Callable[[State], None]) -> State:
    """Check the claims of a job and draw its figures."""
    state = State()

    def tell(now: str, share: float) -> None:
        state.now, state.shares[now] = now, share
        report(state)

    labels: dict[str, str] = {}
    runs = Runs(tier, place.store, lambda name, share: tell(labels[name], share), threads)

    def begin(now: str, sweeps: Sequence[Source]) -> None:
        labels.update({sweep.name: _label(sweep) for sweep in sweeps})
        tell(now, 0.0)

    def finish(now: str, sweeps: Sequence[Source]) -> None:
        state.found |= {name for sweep in sweeps if (name := _label(sweep)) not in state.shares}
        tell(now, 1.0)

    for id in job.claims:
        claim = catalogue.claims()[id]
        begin(f"claim {id}", claim.sweeps)
        result = runs.check(claim)
        state.checked[id] = (result.evidence, result.seconds)
        finish(f"claim {id}", claim.sweeps)
    for name in job.figures:
        figure = catalogue.figures()[name]
        begin(f"figure {name}", figure.sweeps)
        try:
            state.drawn[name] = runs.draw(figure, place.figures, place.data)
        except (OSError, MemoryError):  # says something of the machine, nothing of the figure
            raise
        except Exception as error:  # noqa: BLE001  the others are drawn whatever this one raises
            last = traceback.extract_tb(error.__traceback__)[-1]
            state.undrawn[name] = (
                f"Figure {name} was not drawn: {type(error).__name__} in {last.name} ({Path(last.filename).name}, line "
                f"{last.lineno}): {checks.sentence(error)}"
            )
        finish(f"figure {name}", figure.sweeps)
    return state


_queue: Any = None  # of a worker process, to report on


def _start(queue: Any, modules: tuple[str, ...]) -> None:
    global _queue
    _queue = queue
    catalogue.open_door(*modules)
    # The folder of chunks survives a kill, so an interrupt of the terminal need not be handled here too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _work(number: int, job: Job, tier: str, place: Place, threads: int) -> State:
    return _run(job, tier, place, threads, lambda state: _queue.put((number, state)))


def _spread(
    jobs: Sequence[Job], tier: str, place: Place, processes: int, report: Callable[[int, State], None]
) -> Iterator[State]:
    """Yield what each job returns, in order."""
    # Children of a process with threads are safe only if another one forks them.
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        context.set_forkserver_preload(
            ["theory_sim.app.jobs", "paper_checks.claim_list", "figures", "xarray"]
        )
    queue, threads = context.SimpleQueue(), max(1, (os.cpu_count() or 1) // processes)
    pool = ProcessPoolExecutor(processes, context, _start, (queue, catalogue.modules()))
    try:
        futures = [pool.submit(_work, i, job, tier, place, threads) for i, job in enumerate(jobs)]
        running = set(futures)
        while running:
            done, running = wait(running, _POLL)
            while not queue.empty():
                report(*queue.get())
            for future in done:
                future.result()  # the first error ends the run
        yield from (future.result() for future in futures)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


def run(
    claims: Sequence[Claim],
    figures: Sequence[Figure],
    tier: str,
    place: Place,
    *,
    processes: int | None = None,
    progress: Callable[[str, float], None] = lambda text, share: None,
) -> Done:
    """Check claims and draw figures.

    Parameters
    ----------
    claims : sequence of Claim
    figures : sequence of Figure
    tier : {"quick", "full"}
    place : Place
    processes : int, optional
        Results do not depend on it; default: one per core, or fewer for little work.
    progress : callable, optional
        Called with what is being done and the finished share of the estimated work.

    Returns
    -------
    Done
    """
    jobs = split(claims, figures, tier)
    total = sum(job.cost for job in jobs)
    if processes is None:
        processes = min(os.cpu_count() or 1, 1 + int(total / _WORTH))
    processes = min(checks.count("processes", processes), max(len(jobs), 1))
    states: dict[int, State] = {}

    def report(number: int, state: State) -> None:
        states[number] = state
        told = [(jobs[i].costs, one) for i, one in states.items()]
        done = sum(costs[name] * share for costs, one in told for name, share in one.shares.items())
        work = total - sum(costs[name] for costs, one in told for name in one.found)
        counts = [
            f"{what} {min(sum(len(getattr(one, found)) for _, one in told) + 1, len(wanted))} of {len(wanted)}"
            for what, found, wanted in (("claim", "checked", claims), ("figure", "drawn", figures))
            if wanted
        ]
        progress(", ".join((*counts, state.now)), done / work)

    if processes == 1:
        ended = []
        for i, job in enumerate(jobs):
            ended.append(_run(job, tier, place, None, partial(report, i)))
    else:
        ended = list(_spread(jobs, tier, place, processes, report))
    checked = {id: evidence for state in ended for id, evidence in state.checked.items()}
    files = {name: paths for state in ended for name, paths in state.drawn.items()}
    undrawn = {name: said for state in ended for name, said in state.undrawn.items()}
    return Done([Result(claim, *checked[claim.id]) for claim in claims], files, undrawn)

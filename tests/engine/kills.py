"""Kills the processes that run stored sweeps, at random moments: python -m tests.engine.kills [KILLS] [SEED].

Every run goes on until the sweep is done; then its bits must be those of a run without kills.  A process that had 4
seconds of a processor, its start among them, must have left something: on an idle machine it gets them in 4 seconds.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import theory_sim as ts
from counterexamples import zhang
from theory_sim.engine import draft
from theory_sim.engine import run as execute
from theory_sim.engine.store import Store

LONGEST = 4.0  # seconds of a processor between two kills in which something must be done


def long(steps: int) -> ts.Sweep:
    """One lane."""
    return ts.Sweep(zhang.piecewise(5), ts.adam(0.1, beta2=0.9), steps=steps, name="long")


def wide(steps: int, lanes: int = 1_000, name: str = "wide") -> ts.Sweep:
    """A chunk of lanes with everything that lasts from step to step: tables, sums, hits, a schedule."""
    return ts.Sweep(
        zhang.piecewise(5),
        ts.adam(0.1, schedule=ts.power(0.5)),
        {"beta2": np.linspace(0.5, 0.99, lanes)},
        steps=steps,
        order="reshuffled",
        checkpoints=5,
        running=True,
        first_hit=0.01,
        name=name,
    )


def many(steps: int) -> ts.Sweep:
    """Five chunks, where a chunk is as small as can be."""
    return wide(steps, 5_000, "many")


KINDS: dict[str, Callable[[int], ts.Sweep]] = {"long": long, "wide": wide, "many": many}


@dataclass
class Tally:
    """What many kills found.

    Parameters
    ----------
    kills, stuck, done : int
        Kills; how many found nothing new that the process had time for; sweeps that were finished between them.
    late : int
        Kills after 5 s and more on the clock, whatever the load, that found nothing new.
    best : float
        The largest share of a sweep that one process has done before it was killed.
    """

    kills: int = 0
    stuck: int = 0
    done: int = 0
    late: int = 0
    best: float = 0.0
    wrong: list[str] = field(default_factory=list)


def lane_steps(sweep: ts.Sweep, folder: Path) -> int:
    """Return what a store knows to be done, in finished chunks and in drafts."""
    size, total, found = execute.chunk_lanes(sweep), sweep.size, 0
    store = Store(folder, sweep.job.digest, sweep.job.spec, total, size)
    for i, start in enumerate(range(0, total, size)):
        stop = min(start + size, total)
        if store.read(i, start, stop) is not None:
            found += (stop - start) * sweep.steps
            continue
        left = draft.Draft(store.draft(start), start, stop)
        found += sum(len(cut) for cut, _ in left.finished) * sweep.steps
        found += sum(len(one.cut) * one.done for one in left.moments)
    return found


def _processor() -> float:
    """Return the seconds of a processor that the children of this process had, once they are waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kill(
    sweep: ts.Sweep,
    kills: int,
    between: tuple[float, float],
    draw: random.Random,
    *,
    chunk: float = execute._CHUNK_WORK,
    every: float = draft.EVERY,
) -> Tally:
    """Run a sweep in processes that live for random times, and over again when it is done, until so many are killed."""
    tally, expected = Tally(), sweep.run()
    command = [
        sys.executable,
        "-m",
        "tests.engine.kills",
        "--run",
        sweep.name,
        str(sweep.steps),
        str(chunk),
        str(every),
    ]
    before_all, execute._CHUNK_WORK = execute._CHUNK_WORK, chunk
    try:
        while tally.kills < kills:
            with tempfile.TemporaryDirectory() as name:
                folder, before = Path(name), 0
                while tally.kills < kills:
                    begin, used, process = time.monotonic(), _processor(), subprocess.Popen([*command, name])
                    try:
                        process.wait(draw.uniform(*between))
                        if process.returncode:
                            tally.wrong.append(f"a run ended with {process.returncode}")
                        break
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
                    tally.kills += 1
                    used, seconds = _processor() - used, time.monotonic() - begin
                    now = lane_steps(sweep, folder)
                    tally.stuck += now <= before and used >= LONGEST
                    tally.late += now <= before and seconds >= 5.0
                    tally.best = max(tally.best, (now - before) / (sweep.size * sweep.steps))
                    if now < before:
                        tally.wrong.append(f"{before - now} lane-steps are lost")
                    before = now
                tally.done += 1
                if not sweep.run(folder).identical(expected):
                    tally.wrong.append("other bits")
                if [path for path in folder.iterdir() if path.stem != sweep.job.digest]:
                    tally.wrong.append("something is left over")
    finally:
        execute._CHUNK_WORK = before_all
    return tally


def main(arguments: list[str]) -> int:
    """Run one sweep, or kill."""
    if arguments[:1] == ["--run"]:
        name, steps, chunk, every, folder = arguments[1:]
        execute._CHUNK_WORK, draft.EVERY = float(chunk), float(every)
        KINDS[name](int(steps)).run(folder, threads=1)
        return 0
    kills, seed = (int(one) for one in (*arguments, *("100", "0")[len(arguments) :]))
    draw, failed = random.Random(seed), False
    for sweep, share, chunk in (
        (long(100_000_000), 0.3, 1e12),
        (wide(3_000_000), 0.4, 1e12),
        (many(600_000), 0.3, 1.0),
    ):
        tally = kill(sweep, round(share * kills), (0.5, 8.0), draw, chunk=chunk)
        print(sweep.name, f"chunks of {chunk:g}:", tally)
        failed |= bool(tally.wrong or tally.stuck)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Inside a chunk: lanes that rest, drafts of unfinished chunks, interrupts, kills."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quantized, zhang
from tests.engine import kills
from tests.test_store import files_of_at_most
from theory_sim.compressors import qsgd
from theory_sim.engine import chunk, draft
from theory_sim.engine.draft import Draft
from theory_sim.engine.moment import Moment
from theory_sim.engine.tiles import Course, run_tile
from theory_sim.rules import build, inspection

Records = Mapping[str, np.ndarray[Any, Any]]
FULL = os.environ.get("THEORY_SIM_TIER") == "full"
STEPS = 400


def tables() -> ts.Sweep:
    """Permutations of 5, 6 and 7 components, of which one tile keeps a table."""
    axes = {"n": [5, 6, 7], "beta2": np.linspace(0.5, 0.99, 12)}
    return ts.Sweep(
        zhang.piecewise(5), ts.adam(0.1), axes, steps=STEPS, order="reshuffled", checkpoints=5, seeds=2
    )


def unequal() -> ts.Sweep:
    """Components that lanes draw in turn, each its own, with step sizes of their own."""
    axes = {"n": [5, 7], "horizon": [100, 400, 800]}
    optimizer = ts.adam(0.1, schedule=ts.linear(10))
    return ts.Sweep(zhang.piecewise(5), optimizer, axes, steps=STEPS, checkpoints=7, running=True)


def messages() -> ts.Sweep:
    """Random messages of three workers both ways, and rows of the workers."""
    return ts.Sweep(quantized.three_quadratics(), ts.ef_sgd(0.02, up=qsgd(2), down=qsgd(2)), {"lr": [0.01, 0.02]},
                    steps=STEPS, workers=3, x0=[1.0, 0.7, -0.4], seeds=3)  # fmt: skip


def escaping() -> ts.Sweep:
    """Lanes that overflow at different steps, and one that lives."""
    axes = {"lr": [0.01, 2.0, 3.0, 50.0]}
    return ts.Sweep(quantized.three_quadratics(), ts.sgd(), axes, x0=1.0, steps=STEPS, workers=3)


def together() -> ts.Sweep:
    """Components that all lanes draw together, in turn."""
    return ts.Sweep(zhang.piecewise(5), ts.adam(), {"lr": [0.01, 0.1, 1.0]}, steps=STEPS)


def sums() -> ts.Sweep:
    """Running statistics and first hits of one component after the other; serves the pair kernel too."""
    return kills.wide(STEPS, 64)


def equal(one: Records, other: Records) -> bool:
    return all(one[name].tobytes() == np.ascontiguousarray(other[name]).tobytes() for name in one)


@pytest.mark.parametrize(
    ("make", "pair"),
    [
        (tables, False),
        (unequal, False),
        (messages, False),
        (escaping, False),
        (together, False),
        (sums, False),
        (sums, True),
    ],
)
def test_a_rest_changes_no_bit(make: Callable[[], ts.Sweep], pair: bool) -> None:
    """Lanes rest at random steps; a third of them goes on from there among others, in another order."""
    sweep, draw = make(), np.random.default_rng(1)
    kernel = sweep.job.pair(64) if pair else None
    lanes, plan = sweep.job.lanes, sweep.plan
    cut = np.flatnonzero(lanes.group == lanes.group[0])
    whole = run_tile(lanes, plan, cut, pair=kernel)
    course = Course(lanes, plan, cut, pair=kernel)
    while course.done < STEPS:
        course.advance(min(STEPS, course.done + int(draw.integers(1, 90))))
        moment, places = course.moment(), draw.permutation(len(cut))
        third = len(cut) // 3
        parts = [part for part in (places[:third], places[third:]) if len(part)]
        course = Course(lanes, plan, Moment.joined([moment.take(part) for part in parts]), pair=kernel)
    home = np.argsort(course.cut)
    assert equal(whole, {name: values[home] for name, values in course.records().items()})


def test_a_moment_of_another_run_is_refused() -> None:
    sweep, other = sums(), kills.wide(STEPS, 64)
    course = Course(sweep.job.lanes, sweep.plan, np.arange(4))
    course.advance(3)
    moment = course.moment()
    moment.arrays["tile.x"].resize((2, 4), refcheck=False)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="arrays of another run"):
        Course(other.job.lanes, other.plan, moment)


class Stopped(Exception):
    """What a test raises in the middle of a chunk."""


def stop_after(sweep: ts.Sweep, folder: Path, share: float, threads: int = 1, **options: Any) -> float:
    """Run a sweep until a share of it is done, and return how much was."""
    shares = [0.0]

    def progress(done: float) -> None:
        shares.append(done)
        if done >= share:
            raise Stopped

    with pytest.raises(Stopped):
        sweep.run(folder, progress=progress, threads=threads, **options)
    return shares[-1]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves every 20 ms, and rests as often."""
    monkeypatch.setattr(draft, "EVERY", 0.02)
    monkeypatch.setattr(chunk, "_STRETCH", 0.005)


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("threads", [(1, 2), (2, 1)])
def test_an_interrupted_chunk_goes_on(tmp_path: Path, threads: tuple[int, int]) -> None:
    """Nothing that was done is done again, also by another number of threads, which cuts the lanes otherwise."""
    sweep = kills.wide(
        30_000
    )  # four tiles, of which the second is on its way, or done, after three tenths of the work
    stop_after(sweep, tmp_path, 0.3, threads[0])
    left = Draft(only(tmp_path), 0, sweep.size)
    kept = kills.lane_steps(sweep, tmp_path) / (sweep.size * sweep.steps)
    if threads[0] == 1:
        assert left.finished  # a tile that is done
    assert 0.3 <= kept < 1.0
    shares: list[float] = []
    assert sweep.run(tmp_path, progress=shares.append, threads=threads[1]).identical(sweep.run())
    assert shares[0] >= kept - 1e-12
    assert shares[-1] == 1.0
    assert only(tmp_path).suffix == ".npz"  # the draft is gone


@pytest.mark.usefixtures("hasty")
def test_an_interrupt_stops_one_long_lane_and_keeps_what_it_did(tmp_path: Path) -> None:
    """A lane that takes days rests within a step, and a fresh run to that step is where it is."""
    sweep = kills.long(10**12)
    kills.long(10).run()  # compiles
    # A process that was started in the background ignores interrupts, and so would this test.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    begin = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep.run(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin < 20.0  # of an idle machine 0.3; it would take 4 days
    (moment,) = Draft(only(tmp_path), 0, 1).moments
    assert moment.done > 1_000
    fresh = Course(sweep.job.lanes, sweep.plan, np.arange(1))
    fresh.advance(moment.done)
    assert equal(fresh.moment().arrays, moment.arrays)


@pytest.mark.usefixtures("hasty")
def test_a_damaged_draft_counts_as_missing(tmp_path: Path) -> None:
    sweep = kills.wide(3_000, 200)
    expected = sweep.run()
    for damage in range(6):
        folder = tmp_path / str(damage)
        stop_after(sweep, folder, 0.3)
        for path in only(folder).iterdir():
            content = path.read_bytes()
            middle = len(content) // 2
            if damage == 0:
                path.unlink()
            elif damage == 1:
                path.rename(path.with_name("moments-0.npz"))
            else:
                path.write_bytes(
                    (
                        b"",
                        content[:middle],
                        b"{}" + content[2:],
                        content[:middle] + b"\x55" + content[middle + 1 :],
                    )[damage - 2]
                )
        assert sweep.run(folder).identical(expected)
        assert only(folder).suffix == ".npz"


def test_of_two_moments_of_a_lane_the_later_one_counts(tmp_path: Path) -> None:
    """Two processes ran the same chunk in other tiles: lanes 0 ... 3 until step 10, 2 ... 5 until step 20."""
    sweep = sums()
    for a, b, steps in ((0, 4, 10), (2, 6, 20)):
        course = Course(sweep.job.lanes, sweep.plan, np.arange(a, b))
        course.advance(steps)
        kept = Draft(tmp_path, 0, 64)
        kept._stale = []  # the processes do not know of each other
        kept.rest(0, course.moment())
        kept.save()
    found = {int(lane): one.done for one in Draft(tmp_path, 0, 64).moments for lane in one.cut}
    assert found == {0: 10, 1: 10, 2: 20, 3: 20, 4: 20, 5: 20}
    assert {int(lane) for one in Draft(tmp_path, 3, 5).moments for lane in one.cut} == {3, 4}


def test_a_save_replaces_what_was_read(tmp_path: Path) -> None:
    sweep = sums()
    course = Course(sweep.job.lanes, sweep.plan, np.arange(8))
    for steps in (10, 20, 30):
        kept = Draft(tmp_path, 0, 64)
        course.advance(steps)
        kept.rest(0, course.moment())
        kept.save()
        assert len([*tmp_path.iterdir()]) == 1
    course.advance(STEPS)
    kept.finish(0, course.cut, course.records())
    kept.save()
    assert only(tmp_path).name.startswith("records")
    for _ in range(2):  # what is read and written again is the same file, and stays
        Draft(tmp_path, 0, 64).save()
        assert len(Draft(tmp_path, 0, 64).finished[0][0]) == 8


def test_a_short_sweep_leaves_no_draft(tmp_path: Path) -> None:
    sums().run(tmp_path)
    assert only(tmp_path).suffix == ".npz"


def test_killed_runs_lose_nothing() -> None:
    """A few of the kills of tests/engine/kills.py, whose hundred are run by hand."""
    if FULL:
        tally = kills.kill(kills.wide(1_000_000), 12, (1.0, 6.0), random.Random(3))
        assert tally.stuck == 0
    else:
        tally = kills.kill(kills.wide(100_000), 2, (1.5, 2.5), random.Random(3), every=0.1)
    assert tally.wrong == []


@pytest.mark.usefixtures("hasty")
def test_a_draft_without_a_place_costs_nothing_else(tmp_path: Path) -> None:
    """Where nothing can be written, not even a part is left, and the next save has it all."""
    sweep = sums()
    kept, course = Draft(tmp_path, 0, 64), Course(sweep.job.lanes, sweep.plan, np.arange(8))
    course.advance(STEPS)
    kept.finish(0, course.cut, course.records())
    with files_of_at_most(1_000):
        kept.save()
    assert not [*tmp_path.iterdir()]
    kept.save()
    ((cut, records),) = Draft(tmp_path, 0, 64).finished
    assert equal(course.records(), records)
    assert cut.tolist() == [*range(8)]


def test_a_rule_that_travels_is_compiled_once() -> None:
    """A rule typed at a prompt reaches a worker by value, as another object for every chunk."""
    cloudpickle = pytest.importorskip("cloudpickle")

    def pull(x: float) -> float:
        return 2.0 * x

    def step(g: float, lr: float, x: float) -> float:
        return x - lr * g

    def kernel(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
        for lane in range(x.shape[1]):
            out[0, 0, lane] = 2.0 * x[0, lane]

    for gradient in (pull, kernel):
        problem = ts.Problem("typed", gradient, start=1.0)
        sent = cloudpickle.dumps(ts.Sweep(problem, ts.Optimizer("typed", step, lr=0.1), steps=3))
        known = []
        for _ in range(3):
            chunk.run_chunk(cloudpickle.loads(sent), 0, 1, 1)
            known.append((len(build._COMPILED), len(inspection._TRIED)))
        assert known[0] == known[1] == known[2]

"""Real runs over gloo: they equal the lane simulation, and a process that dies is named."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quantized
from theory_sim import compressors
from theory_sim.wire import process_group
from theory_sim.wire.process_group import Report
from theory_sim.wire.replica import Replica

slow = pytest.mark.skipif(os.environ.get("THEORY_SIM_TIER") != "full", reason="waits for seconds")


@pytest.fixture
def torch() -> None:
    pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')


@pytest.mark.usefixtures("torch")
def test_four_processes_equal_the_lane_simulation() -> None:
    problem = quantized.quadratic(0.1, d=32, decades=1.0)
    report = process_group.run(problem, ts.efficient_adam(0.01), workers=4, steps=200)
    # A message is 32 signs and a float of 32 bits, 8 bytes; 200 rounds with each of three workers.
    assert report.counted == ((4800, 4800), (1600, 1600), (1600, 1600), (1600, 1600))
    assert report.counted == report.accounted
    assert report.identical
    assert report.deviation <= 1e-12
    assert report.passed
    points = report.replicas[3].points
    assert points.shape == (200, 32)
    assert np.abs(points[-1]).max() < np.abs(points[0]).max()  # it optimises


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    ("problem", "optimizer", "up", "down"),
    [
        (
            quantized.bowl(d=16),
            ts.efficient_adam(
                0.02, theta=0.9, up=compressors.top_k(3), down=compressors.qsgd(4), schedule=ts.power(0.5)
            ),
            # 3 (32 + 4) = 108 bits; 32 + 16 (1 + 3) = 96 bits.
            14,
            12,
        ),
        (
            quantized.different_workers(d=5),
            ts.efficient_adam(
                0.02,
                up=compressors.qsgd(2),
                down=compressors.log_levels(2),
                amsgrad=True,
                bias_correction=True,
                eps_mode="outside",
            ),
            # 32 + 5 (1 + 2) = 47 bits; 32 + 5 * 3 = 47 bits.
            6,
            6,
        ),
        (
            quantized.quadratic(0.3, d=7, p=0.2, x0=-1.0),
            ts.efficient_adam(
                0.01, up=compressors.log_levels(3), down=compressors.rand_k(2), error_feedback=False
            ),
            # 32 + 7 * 4 = 60 bits; 32 + 2 * 32 = 96 bits.
            8,
            12,
        ),
    ],
    ids=["top_k, qsgd", "qsgd, log_levels", "log_levels, rand_k"],
)
def test_every_kind_of_message_and_variant(
    problem: ts.Problem, optimizer: ts.Optimizer, up: int, down: int
) -> None:
    report = process_group.run(problem, optimizer, workers=2, steps=150, entropy=3)
    assert report.counted == ((150 * down, 150 * up), (150 * up, 150 * down))
    assert report.passed


@pytest.fixture
def long_run() -> dict[str, Any]:
    """Minutes of work, if nobody stops it."""
    optimizer = ts.efficient_adam(1e-4, schedule=ts.power(0.5))
    return {"problem": quantized.quadratic(0.1, d=2), "optimizer": optimizer, "steps": 1_000_000}


@pytest.mark.usefixtures("torch")
def test_a_process_killed_at_work_is_named_within_seconds(long_run: dict[str, Any]) -> None:
    pids: list[int] = []
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.monotonic())
        os.kill(pids[1], signal.SIGKILL)

    def started(ranks: Sequence[int]) -> None:
        pids.extend(ranks)
        threading.Timer(1.0, kill).start()

    with pytest.raises(ChildProcessError, match=r"^Rank 1 of 3 was killed by SIGKILL \(exit status -9\)"):
        process_group.run(**long_run, workers=3, started=started)
    assert time.monotonic() - killed[0] < 10.0
    for pid in pids:  # none is left behind
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.usefixtures("torch")
def test_a_process_killed_while_it_starts_is_named_within_seconds(long_run: dict[str, Any]) -> None:
    killed: list[float] = []

    def kill() -> None:
        while not (found := [one for one in multiprocessing.active_children() if one.name == "rank 0"]):
            time.sleep(0.01)
        killed.append(time.monotonic())
        found[0].kill()

    threading.Thread(target=kill).start()
    with pytest.raises(ChildProcessError, match=r"^Rank 0 of 2 was killed by SIGKILL \(exit status -9\)"):
        process_group.run(**long_run, workers=2)
    assert time.monotonic() - killed[0] < 10.0


@slow
@pytest.mark.usefixtures("torch")
def test_a_process_that_does_not_answer_is_named(long_run: dict[str, Any]) -> None:
    stopped: list[float] = []

    def stop(pids: Sequence[int]) -> None:
        stopped.append(time.monotonic())
        os.kill(pids[1], signal.SIGSTOP)

    with pytest.raises(ChildProcessError, match=r"^Rank 0 of 2 waited 1 s for rank 1; the run was stopped"):
        process_group.run(**long_run, workers=2, timeout=1.0, started=stop)
    assert time.monotonic() - stopped[0] < 10.0


@slow
@pytest.mark.usefixtures("torch")
def test_the_processes_end_with_the_one_that_started_them() -> None:
    code = (
        "import theory_sim as ts; from theory_sim.wire import process_group; from counterexamples import quantized; "
        "process_group.run(quantized.quadratic(0.1, d=2), ts.efficient_adam(1e-4), workers=2, steps=1_000_000, "
        "started=lambda pids: print(len(pids), flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"2\n"
        parent.kill()
        # They share its standard output, which ends with the last of them.
        assert parent.communicate(timeout=10.0)[0] == b""


@pytest.mark.usefixtures("torch")
def test_an_error_of_a_process_is_passed_on() -> None:
    # Updates of 1e60 exceed the 32-bit scale of a message.
    with pytest.raises(ChildProcessError, match=r"^Rank \d of 2 stopped: x has entries .*outside the range"):
        process_group.run(quantized.bowl(), ts.efficient_adam(1e60), workers=2, steps=3)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'install it with pip install "theory-sim\[torch\]"\.$'):
        process_group.run(quantized.bowl(), ts.efficient_adam(), workers=2, steps=3)


def local_problem() -> ts.Problem:
    def gradient(x: float) -> float:
        return x

    return ts.Problem("local", gradient, start=1.0)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optimizer": ts.qadam()},
            "QAdam has no run over processes; use a method whose server replies in every step, such as efficient",
        ),
        ({"workers": 1}, "workers = 1 must be an integer >= 2"),
        ({"steps": 0}, "steps = 0 must be an integer >= 1"),
        ({"timeout": -1.0}, "timeout = -1.0 must be"),
        ({"optimizer": ts.efficient_adam(up=compressors.top_k(17))}, "k = 17 exceeds the d = 16"),
        ({"problem": local_problem()}, "local cannot be sent to another process"),
    ],
)
def test_a_mistake_gets_one_sentence(changes: dict[str, Any], message: str) -> None:
    given = {"problem": quantized.bowl(), "optimizer": ts.efficient_adam(), "workers": 2, "steps": 3}
    with pytest.raises(ValueError, match=message):
        process_group.run(**{**given, **changes})


def test_a_report_passes_only_if_all_agrees() -> None:
    zero, one = (Replica(rank, "ab", 8, 9, np.zeros((1, 1))) for rank in (0, 1))
    good = Report((zero, one), ((8, 9), (8, 9)), 1e-12, 1.0)
    assert good.passed
    assert not replace(good, replicas=(zero, replace(one, digest="ac"))).passed
    assert not replace(good, accounted=((8, 9), (8, 10))).passed
    assert not replace(good, deviation=1.1e-12).passed
    assert not replace(good, deviation=float("nan")).passed

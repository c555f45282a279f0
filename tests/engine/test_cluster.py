"""Sweeps on workers of Dask: the same bits, rules that were typed, workers and schedulers that are lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import zhang
from theory_sim.engine import cluster

distributed = pytest.importorskip("distributed")
FULL = os.environ.get("THEORY_SIM_TIER") == "full"
full = pytest.mark.skipif(not FULL, reason="a minute: THEORY_SIM_TIER=full")
SWEEP = ts.Sweep(
    zhang.piecewise(5),
    ts.adam(0.1, eps=0.0, bias_correction=False),
    {"beta1": np.linspace(0.0, 0.9, 10), "beta2": np.linspace(0.0, 0.99, 20)},
    steps=50,
    seeds=4,
    order="reshuffled",
)

# Run as a script: its rules are known to no other process.
SCRIPT = """
    import sys
    import theory_sim as ts

    SLOPE = 0.5

    def pull(x, a):
        return SLOPE * a * x

    def away(x):
        return abs(x)

    @ts.family
    def line(a: float = 1.0) -> ts.Problem:
        return ts.Problem("line", pull, {"a": a}, measure=away, measures=("distance",), start=1.0, optimum=0.0)

    if __name__ == "__main__":
        sweep = ts.Sweep(line(), ts.gd(0.1), {"a": [0.1, 0.2, 0.5, 1.0], "lr": [0.1, 0.2, 0.3, 0.4]}, steps=20)
        assert sweep.run(sys.argv[1], chunk=2, workers=2).identical(sweep.run())
        print("the same bits")
"""


@pytest.fixture(scope="module")
def client():  # type: ignore[no-untyped-def]
    with cluster.connected(2, None, None) as (executor, slots):
        assert executor is not None
        assert slots == max(os.cpu_count() or 1, 2)
        yield executor._client


def test_two_workers_give_the_same_bits_and_share_the_cores(client, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    address = client.scheduler.address
    shares = []
    grid = SWEEP.run(tmp_path, chunk=100, scheduler=address, progress=shares.append)
    assert grid.identical(SWEEP.run())
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (8, 1.0)  # (10, 20) cells in boxes of (5, 5)
    threads = [one["nthreads"] for one in client.scheduler_info()["workers"].values()]
    assert len(threads) == 2
    assert sum(threads) == max(os.cpu_count() or 1, 2)
    # Ctrl-C in a terminal reaches all processes of it, and workers would each print a traceback.
    mask = client.run(lambda: signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    assert [*mask.values()] == [True, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    some = replace(SWEEP, seeds=1).refine(16, tmp_path, scheduler=address)
    assert some.drop_attrs().identical(replace(SWEEP, seeds=1).refine(16).drop_attrs())


def test_a_rule_of_a_script_runs_on_workers(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(textwrap.dedent(SCRIPT))
    said = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store")], capture_output=True, text=True, check=False
    )
    assert said.stdout == "the same bits\n", said.stderr


def test_a_scheduler_that_does_not_answer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ANSWER", 0.2)  # 10 s
    with pytest.raises(
        OSError, match=r"scheduler = tcp://127\.0\.0\.1:1 does not answer within 0\.2 s; start"
    ):
        SWEEP.run(tmp_path, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(OSError, match="scheduler = nonsense://x does not answer"):
        SWEEP.run(tmp_path, scheduler="nonsense://x")


LONG = replace(SWEEP, steps=1_000_000, seeds=1, order="cyclic")  # blocks of about 0.4 s


@full
@pytest.mark.parametrize("seed", range(3))
def test_workers_killed_at_random_cost_their_chunks_only(seed: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(seed)
    with cluster.connected(2, None, None) as (executor, _):
        assert executor is not None

        def kill() -> None:
            for _ in range(3):
                time.sleep(draw.uniform(1.0, 4.0))
                if pids := [*executor._client.run(os.getpid).values()]:
                    os.kill(int(draw.choice(pids)), signal.SIGKILL)

        thread = Thread(target=kill)
        thread.start()
        grid = LONG.run(tmp_path, chunk=8, executor=executor)
        thread.join()
    assert grid.identical(LONG.run())
    (folder,) = tmp_path.glob("*.blocks")
    blocks = [path for path in folder.glob("*.npz") if not path.name.startswith(".")]
    assert len(blocks) == 5 * 7  # (10, 20) cells in boxes of (2, 3), each once
    assert folder.joinpath("layout.json").exists()


@full
def test_a_lost_scheduler_leaves_a_store_that_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--port", "0"]
    scheduler = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--scheduler-file", str(place)], stderr=subprocess.DEVNULL
    )
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "--scheduler-file",
            str(place),
            "--nthreads",
            "1",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not place.exists():
            time.sleep(0.1)
        address = json.loads(place.read_text())["address"]

        def kill() -> None:
            while len(list(tmp_path.glob("store/*.blocks/*.npz"))) < 5:
                time.sleep(0.1)
            scheduler.kill()

        thread = Thread(target=kill)
        thread.start()
        with pytest.raises(OSError, match=r"scheduler tcp://.* is lost; what was finished is in the store"):
            LONG.run(tmp_path / "store", chunk=8, scheduler=address)
        thread.join()
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("store/*.blocks/[0-9a-f]*.npz")}
    assert len(kept) >= 5
    assert LONG.run(tmp_path / "store", chunk=8).identical(LONG.run())
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in kept}.items()

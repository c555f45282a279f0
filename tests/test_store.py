"""Chunks on disk: resume, damage, other executors, interruption."""

import json
import resource
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import zhang
from theory_sim.engine import run as execute
from theory_sim.engine import store
from theory_sim.engine.store import Store, _checksum


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> ts.Sweep:
    """1200 lanes in chunks of 512."""
    monkeypatch.setattr(execute, "_CHUNK_WORK", 512 * 50)
    monkeypatch.setattr(execute, "width_of", lambda sweep: 128)
    optimizer = ts.adam(0.1, eps=0.0, bias_correction=False)
    axes = {"beta2": np.linspace(0.0, 0.99, 300)}
    return ts.Sweep(zhang.piecewise(5), optimizer, axes, steps=50, seeds=4, order="reshuffled", checkpoints=3)


class Counter:
    """Counts the lanes that are really run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int = 10**9) -> None:
        self.lanes = 0
        original = execute.run_chunk

        def counted(sweep: ts.Sweep, start: int, stop: int, **options: Any) -> Any:
            if start >= fail_at:
                raise KeyboardInterrupt
            self.lanes += stop - start
            return original(sweep, start, stop, **options)

        monkeypatch.setattr(execute, "run_chunk", counted)


def test_a_second_run_computes_nothing(
    sweep: ts.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sweep.run(tmp_path)
    counter = Counter(monkeypatch)
    assert sweep.run(tmp_path).identical(first)
    assert counter.lanes == 0


def test_an_interrupted_run_resumes(sweep: ts.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sweep.run()
    with monkeypatch.context() as patch:
        Counter(patch, fail_at=1024)
        with pytest.raises(KeyboardInterrupt):
            sweep.run(tmp_path)
    counter = Counter(monkeypatch)
    assert sweep.run(tmp_path).identical(expected)
    assert counter.lanes == 1200 - 1024


def test_a_damaged_chunk_counts_as_missing(
    sweep: ts.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sweep.run(tmp_path)
    shutil.rmtree(next(tmp_path.glob("*.zarr")) / "x" / "c" / "1")
    counter = Counter(monkeypatch)
    assert sweep.run(tmp_path).identical(expected)
    assert counter.lanes == 512


def test_an_all_nan_chunk_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Divergence to NaN everywhere writes the fill value: "a file exists" would not mean "done"."""
    blown = ts.Sweep(zhang.piecewise(3), ts.sgd(1e200), steps=50, x0=-1e200)
    first = blown.run(tmp_path)
    assert np.isnan(first.x_final).all()
    counter = Counter(monkeypatch)
    assert blown.run(tmp_path).identical(first)
    assert counter.lanes == 0


def test_another_sweep_gets_another_group(sweep: ts.Sweep, tmp_path: Path) -> None:
    from dataclasses import replace

    sweep.run(tmp_path)
    replace(sweep, steps=51).run(tmp_path)
    assert len(list(tmp_path.glob("*.zarr"))) == 2


def test_the_store_opens_without_the_suite(sweep: ts.Sweep, tmp_path: Path) -> None:
    import xarray as xr

    grid = sweep.run(tmp_path)
    raw = xr.open_zarr(next(tmp_path.glob("*.zarr")), consolidated=False, chunks=None)
    assert np.array_equal(raw.x.values[:, -1, 0], grid.x_final.values.ravel())


def test_progress_ends_at_one(sweep: ts.Sweep) -> None:
    shares: list[float] = []
    sweep.run(progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_impossible_threads(sweep: ts.Sweep) -> None:
    with pytest.raises(ValueError, match="threads = 0"):
        sweep.run(threads=0)


def test_an_unreadable_chunk_counts_as_missing(sweep: ts.Sweep, tmp_path: Path) -> None:
    expected = sweep.run(tmp_path)
    file = next(
        path for path in (next(tmp_path.glob("*.zarr")) / "x" / "c" / "1").rglob("*") if path.is_file()
    )
    file.write_bytes(file.read_bytes()[:5])
    assert sweep.run(tmp_path).identical(expected)


def test_a_pickled_sweep_carries_no_lanes(sweep: ts.Sweep) -> None:
    import pickle

    _ = sweep.job.lanes
    assert len(pickle.dumps(sweep)) < 20_000
    assert pickle.loads(pickle.dumps(sweep)).job.digest == sweep.job.digest


def test_whole_numbers_beyond_32_bits_can_be_exported(tmp_path: Path) -> None:
    import xarray as xr

    from theory_sim.nouns.dataset import save

    sweep = ts.Sweep(
        zhang.piecewise(3), ts.sgd(0.1, schedule=ts.linear(10)), {"horizon": [10, 2**40]}, steps=3
    )
    save(sweep.run(), tmp_path / "grid.nc")
    with xr.open_dataset(tmp_path / "grid.nc", engine="scipy") as kept:
        assert kept.horizon.values.tolist() == [10, 2**40]


@pytest.fixture
def small() -> ts.Sweep:
    """One chunk."""
    return ts.Sweep(zhang.piecewise(5), ts.adam(0.1), {"beta2": np.linspace(0.0, 0.9, 40)}, steps=20)


def test_a_small_sweep_is_one_file(small: ts.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = small.run(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == f"{small.job.digest}.npz"
    with np.load(file) as content:
        assert np.array_equal(content["x"][:, -1, 0], first.x_final.values.ravel())
        spec = {**small.job.spec, "version": metadata.version("theory-sim"), "format": 1}
        assert json.loads(str(content["spec"])) == json.loads(json.dumps(spec))
    counter = Counter(monkeypatch)
    assert small.run(tmp_path).identical(first)
    assert counter.lanes == 0


def damaged(path: Path) -> Iterator[bytes | None]:
    """Contents that a crash, a full disk or a failing one leaves in place of a file; None: no file."""
    content = path.read_bytes()
    yield None
    yield b""
    yield content[: len(content) // 2]
    yield b"{}" + content[2:]
    for position in np.linspace(0, len(content) - 1, 3).astype(int):
        yield content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :]


@pytest.mark.parametrize("kind", ["sweep", "small"])
def test_any_damage_is_repaired(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    one: ts.Sweep = request.getfixturevalue(kind)
    expected = one.run(tmp_path)
    (stored,) = tmp_path.iterdir()
    inside = ("zarr.json", "done/zarr.json", "x/zarr.json", "done/c/0", "done/c/1", "x/c/0/0/0")
    paths = [stored] if kind == "small" else [stored / name for name in inside]
    for path in paths:
        whole = path.read_bytes()
        for content in damaged(path):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            assert one.run(tmp_path).identical(expected), path
            with monkeypatch.context() as patch:
                counter = Counter(patch)
                assert one.run(tmp_path).identical(expected), path
                assert counter.lanes == 0, f"{path} is not repaired"
            path.write_bytes(whole)
    assert not [left for left in tmp_path.iterdir() if left != stored]


def test_an_array_of_others_in_the_group_changes_nothing(
    sweep: ts.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zarr

    expected = sweep.run(tmp_path)
    group = zarr.open_group(str(next(tmp_path.glob("*.zarr"))), mode="a")
    group.create_array("mine", shape=(1200,), dtype="float64", dimension_names=["lane"])
    counter = Counter(monkeypatch)
    assert sweep.run(tmp_path).identical(expected)
    assert counter.lanes == 0


def test_a_group_of_one_chunk_is_still_read(
    small: ts.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = small.run(tmp_path)
    file = tmp_path / f"{small.job.digest}.npz"
    with np.load(file) as content:
        records = {name: content[name] for name in content.files if name not in ("checksum", "spec")}
    file.unlink()
    kept = Store(tmp_path, small.job.digest, small.job.spec, 40, execute.chunk_lanes(small))
    arrays = kept._created(records)
    for name, values in records.items():
        if values.size:
            arrays[name][:] = values
    arrays["done"][0] = _checksum(records)
    counter = Counter(monkeypatch)
    assert small.run(tmp_path).identical(expected)
    assert counter.lanes == 0


@pytest.mark.parametrize("kind", ["sweep", "small"])
@pytest.mark.parametrize("broken", [False, True])
def test_writers_that_race_all_succeed(
    kind: str, broken: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Threads stand for processes: a store keeps no state outside its object and the folder."""
    one: ts.Sweep = request.getfixturevalue(kind)
    expected = one.run()
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        if broken:
            one.run(folder)
            (stored,) = folder.iterdir()
            (stored if kind == "small" else stored / "zarr.json").write_bytes(b"")
        with ThreadPoolExecutor(4) as pool:
            for run in [pool.submit(one.run, folder) for _ in range(4)]:
                assert run.result().identical(expected)
        assert one.run(folder).identical(expected)


@pytest.mark.parametrize("kind", ["sweep", "small"])
def test_a_newer_store_is_refused_and_left_alone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Files of a later form are no damage: neither read nor replaced."""
    one: ts.Sweep = request.getfixturevalue(kind)
    with monkeypatch.context() as patch:
        patch.setattr(store, "FORMAT", 2)
        one.run(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OSError, match="in a newer form; use that version or another folder"):
        one.run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to write more to a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["sweep", "small"])
def test_a_full_disk_is_a_sentence_and_nothing_is_lost(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    one: ts.Sweep = request.getfixturevalue(kind)
    one.run()  # compiles
    with (
        files_of_at_most(2_000),
        pytest.raises(OSError, match=r"store = .* cannot be written \(File too large\); choose"),
    ):
        one.run(tmp_path)
    assert one.run(tmp_path).identical(one.run())

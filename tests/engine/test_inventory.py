"""What a folder of stored sweeps holds: the commands store ls, info, verify and prune, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import theory_sim as ts
from counterexamples import zhang
from theory_sim.app.cli import main
from theory_sim.engine import inventory
from theory_sim.engine import run as execute


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep in one file, and one of 300 lanes in chunks of 128, 128 and 44."""
    sweep = ts.Sweep(
        zhang.piecewise(5), ts.adam(0.1), {"beta2": np.linspace(0.0, 0.9, 40)}, steps=20, name="small"
    )
    sweep.run(tmp_path)
    monkeypatch.setattr(execute, "_CHUNK_WORK", 128 * 20)
    monkeypatch.setattr(execute, "width_of", lambda sweep: 32)
    axes = {"beta2": np.linspace(0.0, 0.9, 300)}
    ts.Sweep(zhang.piecewise(5), ts.adam(0.1), axes, steps=20, name="large").run(tmp_path)
    return tmp_path


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["store", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def group(folder: Path) -> Path:
    return next(folder.glob("*.zarr"))


def test_a_store_says_what_it_holds(folder: Path) -> None:
    large, small = inventory.entries(folder)
    assert (large.spec["name"], large.lanes, large.chunks, large.present, large.state) == (
        *("large", 300, 3, 3),
        "complete",
    )
    assert (small.spec["name"], small.lanes, small.chunks, small.state) == ("small", 40, 1, "complete")
    assert small.size == next(folder.glob("*.npz")).stat().st_size
    output = run("ls", folder).output
    assert "3 of 3" in output
    assert output.endswith(f"2 stored, {large.size + small.size:,} bytes\n")
    said = json.loads(run("info", folder, "large").output)
    assert (said["steps"], said["state"], said["digest"]) == (20, "complete", group(folder).stem)
    assert "did you mean large" in run("info", folder, "larg", code=2).output
    assert "2 stored, 4 chunks read, 0 damaged" in run("verify", folder).output
    assert run("prune", folder).output == "0 removed\n"
    assert len(inventory.entries(folder)) == 2


def test_verify_names_what_is_damaged(folder: Path) -> None:
    chunk = next(path for path in (group(folder) / "x" / "c" / "2").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:5])
    file = next(folder.glob("*.npz"))
    content = bytearray(file.read_bytes())
    content[300] ^= 1  # within the first array
    file.write_bytes(bytes(content))
    output = run("verify", folder, code=1).output
    assert f"damaged: {group(folder).name} chunk 2 (lanes 256 to 299)" in output
    assert f"damaged: {file.name}\n" in output
    assert "2 damaged" in output


@pytest.mark.parametrize("inside", ["zarr.json", "x/zarr.json", "done/zarr.json", "done/c/1"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00 no text"])
def test_damaged_metadata_are_named_and_removed(folder: Path, inside: str, content: bytes) -> None:
    (group(folder) / inside).write_bytes(content)
    name = group(folder).name
    assert f"damaged: {name}" in run("verify", folder, code=1).output
    assert run("prune", "--dry-run", folder).output == f"would remove {name}: damaged\n1 to remove\n"
    assert group(folder).exists()
    assert run("prune", folder).output == f"removed {name}: damaged\n1 removed\n"
    assert [one.spec["name"] for one in inventory.entries(folder)] == ["small"]


@pytest.mark.parametrize("spec", ['{"format": "x"}', "[1]", '{"name": 3}', '{"format": null}'])
def test_a_file_that_says_nonsense_of_itself_is_damaged(folder: Path, spec: str) -> None:
    file = next(folder.glob("*.npz"))
    with np.load(file) as content:
        kept = {**content}
    np.savez(file, **{**kept, "spec": spec})
    assert "damaged" in run("ls", folder).output
    assert f"damaged: {file.name}\n" in run("verify", folder, code=1).output
    assert f"would remove {file.name}: damaged" in run("prune", "--dry-run", folder).output
    assert "did you mean large" in run("info", folder, "larg", code=2).output


def test_a_store_is_named_by_a_folder(folder: Path) -> None:
    assert run("ls", f"file://{folder}").output == run("ls", folder).output
    said = " ".join(run("ls", "s3://bucket/sweeps", code=2).output.split())
    assert "s3://bucket/sweeps is a location of fsspec, and only folders can be looked into; copy" in said


def test_prune_removes_what_is_unfinished_foreign_or_left_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group(folder) / "done" / "c" / "1").unlink()
    assert "2 of 3" in run("ls", folder).output
    assert "0 damaged" in run("verify", folder).output  # a chunk that is not there is not damaged
    left = folder / f".{'0' * 32}.npz"
    left.write_bytes(b"")
    (folder / "grid.nc").write_bytes(b"not ours")
    assert run("prune", folder).output.endswith(f"unfinished\nremoved {left.name}: left over\n2 removed\n")
    assert {path.suffix for path in folder.iterdir()} == {".npz", ".nc"}
    monkeypatch.setattr(inventory.metadata, "version", lambda name: "99.0")
    assert "foreign" in run("prune", folder).output
    assert [path.name for path in folder.iterdir()] == ["grid.nc"]


def test_a_folder_without_sweeps_is_no_store(tmp_path: Path) -> None:
    for command in ("ls", "verify", "prune"):
        assert "holds no stored sweep" in " ".join(run(command, tmp_path, code=2).output.split())


def test_a_store_that_cannot_be_one_is_refused_before_the_work(tmp_path: Path) -> None:
    import zarr

    sweep = ts.Sweep(zhang.piecewise(5), ts.adam(0.1), steps=20)
    file = tmp_path / "file"
    file.write_bytes(b"")
    for bad in (file, file / "inside"):
        with pytest.raises(OSError, match=r"store = .* cannot be written \(.*\); choose another folder\.$"):
            sweep.run(bad)
    zarr.open_group(str(tmp_path / "theirs"), mode="w")
    with pytest.raises(OSError, match="is a zarr group, not a folder of sweeps"):
        sweep.run(tmp_path / "theirs")
    with pytest.raises(OSError, match="cannot be written"):
        sweep.run("/proc")


def test_blocks_are_one_entry(tmp_path: Path) -> None:
    axes = {"beta1": np.linspace(0.0, 0.9, 6), "beta2": np.linspace(0.0, 0.9, 10)}
    sweep = ts.Sweep(zhang.piecewise(5), ts.adam(0.1), axes, steps=20, name="cut")
    sweep.run(tmp_path, chunk=15)
    (entry,) = inventory.entries(tmp_path)
    # (6, 10) cells in boxes of at most 15: (3, 5)
    assert (entry.spec["name"], entry.lanes, entry.chunks, entry.present) == ("cut", 60, 4, 4)
    assert entry.state == "complete"
    assert "1 stored, 4 chunks read, 0 damaged" in run("verify", tmp_path).output
    (folder,) = tmp_path.iterdir()
    block = min(folder.glob("*.npz"))
    content = bytearray(block.read_bytes())
    content[300] ^= 1
    block.write_bytes(bytes(content))
    assert f"damaged: {folder.name}/{block.name}\n" in run("verify", tmp_path, code=1).output
    block.unlink()
    assert inventory.entries(tmp_path)[0].state == "unfinished"
    sweep.run(tmp_path, chunk=15)
    (folder / f".{'0' * 32}.npz").write_bytes(b"")
    assert run("prune", tmp_path).output.endswith("left over\n1 removed\n")
    layout = folder / "layout.json"
    newer = {**json.loads(layout.read_text()), "version": "99.0", "format": 99}
    layout.write_text(json.dumps(newer))
    assert "newer" in run("ls", tmp_path).output
    refused = " ".join(run("prune", tmp_path, code=2).output.split())
    assert "was written by theory-sim 99.0 in a newer form" in refused
    layout.write_text("no JSON")
    assert f"damaged: {folder.name}\n" in run("verify", tmp_path, code=1).output
    assert run("prune", tmp_path).output == f"removed {folder.name}: damaged\n1 removed\n"

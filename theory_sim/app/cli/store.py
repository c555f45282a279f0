"""Commands for a folder of stored sweeps: store ls, info, verify, prune."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from theory_sim.app import terminal
from theory_sim.app.cli.group import main
from theory_sim.engine import inventory
from theory_sim.engine.place import is_url
from theory_sim.rules import checks


class _Folder(click.Path):
    """A folder that is there, and no location of fsspec."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if is_url(value) and not value.startswith("file://"):
            self.fail(
                f"{value} is a location of fsspec, and only folders can be looked into; copy it to one."
            )
        return super().convert(value.removeprefix("file://"), param, ctx)


_PATH = click.argument("path", type=_Folder(exists=True, file_okay=False, path_type=Path))


@main.group()
def store() -> None:
    """What a folder of stored sweeps holds, such as out/sweeps; check it, and tidy it up."""


@store.command("ls")
@_PATH
def listed(path: Path) -> None:
    """List the stored sweeps: lanes, chunks that are there, bytes, version, state."""
    found = inventory.entries(path)
    rows = [
        (
            *(one.path.stem, one.spec.get("name", ""), _subject(one), str(one.spec.get("optimizer", ""))),
            *(f"{one.lanes:,}", f"{one.present} of {one.chunks}", f"{one.size:,}", one.version, one.state),
        )
        for one in found
    ]
    columns = ("digest", "name", "problem", "optimizer", "lanes", "chunks", "bytes", "version", "state")
    terminal.show("", columns, rows)
    click.echo(f"{len(found)} stored, {sum(one.size for one in found):,} bytes")


def _subject(entry: inventory.Entry) -> str:
    return str(entry.spec.get("problem", entry.spec.get("network", "")))


@store.command()
@_PATH
@click.argument("name")
def info(path: Path, name: str) -> None:
    """Print all that the store says of the sweep NAME, which is its name or its digest, as JSON."""
    found = inventory.entries(path)
    chosen = [one for one in found if name in (one.path.stem, one.spec.get("name"))]
    if not chosen:
        named = {one.spec["name"] for one in found if one.spec.get("name")}
        checks.known("stored sweep", name, named | {one.path.stem for one in found})
    for one in chosen:
        state = {"lanes": one.lanes, "chunks": one.chunks, "present": one.present, "bytes": one.size}
        record = {**one.spec, "digest": one.path.stem, **state, "state": one.state}
        click.echo(json.dumps(record, indent=1))


@store.command()
@_PATH
def verify(path: Path) -> None:
    """Compute the checksums of all chunks anew; exit status 1 and their names if some are damaged."""
    found = inventory.entries(path)
    damaged = [name for one in found for name in one.damage()]
    for name in damaged:
        click.echo(f"damaged: {name}")
    chunks = sum(one.present for one in found)
    click.echo(f"{len(found)} stored, {chunks} chunks read, {len(damaged)} damaged")
    if damaged:
        sys.exit(1)


@store.command()
@_PATH
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def prune(path: Path, dry_run: bool) -> None:
    """Remove what is damaged, of another version of theory-sim, unfinished, or left by a killed run.

    Not while a sweep is writing there: what it has begun is unfinished too.
    """
    found = inventory.prunable(path)
    for one, reason in found:
        click.echo(f"{'would remove' if dry_run else 'removed'} {one.name}: {reason}")
    if not dry_run:
        inventory.remove([one for one, _ in found])
    click.echo(f"{len(found)} {'to remove' if dry_run else 'removed'}")

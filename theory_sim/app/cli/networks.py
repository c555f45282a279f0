"""The command that trains networks: networks."""

from __future__ import annotations

import time
from pathlib import Path

import click

from theory_sim.app import catalogue, terminal
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import main, out_option
from theory_sim.app.cli.work import conclude
from theory_sim.app.runs import Runs
from theory_sim.nouns.training import TIERS, Training
from theory_sim.rules import checks


@main.command()
@click.argument(
    "names", nargs=-1, metavar="[PAPER|CLAIM]...", shell_complete=completing("papers with claims", "claims")
)
@click.option(
    "--tier",
    type=click.Choice(TIERS),
    default="full",
    show_default=True,
    help="quick: seconds; full: minutes of a CPU; large: for a GPU with 80 GB.",
)
@click.option("--device", default="cpu", show_default=True, help="What torch calls it, such as cuda.")
@click.option(
    "--time",
    "cells",
    type=click.IntRange(2),
    help="Instead: how long do so many MLPs take together, and how many one after another?",
)
@out_option
def networks(names: tuple[str, ...], tier: str, device: str, cells: int | None, out: Path) -> None:
    """Train the networks of claims, on a device, and check these; exit status 1 if one FAILS."""
    trained = {id: claim for id, claim in catalogue.claims().items() if _trains(claim.sweeps)}
    papers = {claim.paper for claim in trained.values()}
    for name in names:
        checks.known("paper or claim", name, (*papers, *trained))
    Training("mlp", catalogue.build_optimizer("adam")).require()
    _require_device(device)
    if cells is not None:
        from theory_sim.wire.networks.timing import compare

        found = compare(cells, device=device)
        click.echo(
            f"{cells} networks together {found['together']:.3g} s, 16 one after another {found['apart']:.3g} s: "
            f"together they take as long as {found['runs']:.3g} of them."
        )
        return
    chosen = [claim for claim in trained.values() if not names or {claim.id, claim.paper} & {*names}]
    begin = time.perf_counter()
    with terminal.Progress() as progress:
        runs = Runs(tier, out / "sweeps", progress, device=device)
        results = [runs.check(claim) for claim in chosen]
    conclude(results, f"{len(chosen)} claims in {time.perf_counter() - begin:.0f} s on {device}")


def _trains(sweeps: tuple[object, ...]) -> bool:
    return any(isinstance(one, Training) for one in sweeps)


def _require_device(device: str) -> None:
    """Raise ValueError unless torch can put a tensor there."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device} is not to be had: {checks.sentence(error)}") from None

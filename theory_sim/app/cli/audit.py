"""The command that puts anybody's optimizer on trial: audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from theory_sim.app import terminal
from theory_sim.app.battery import BATTERY
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import file_option, main
from theory_sim.app.explanations import NONE
from theory_sim.nouns.claim import plain
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks

if TYPE_CHECKING:
    from theory_sim.app.audit import Card

_ZOO = "zoo"


@main.command()
@click.argument("spec", shell_complete=completing("optimizers", more=(_ZOO,)))
@click.option("--steps", type=int, help="Horizon; default: one that decides each problem for Adam's family.")
@click.option("--seeds", type=int, help="Default: 4, or 1 with --grid.")
@click.option(
    "--problems",
    help="Default: battery, or reddi.periodic with --grid.  Or names, such as shi.periodic,zhang.batch:N=8,B=2.",
    shell_complete=completing("problems", more=("battery",)),
)
@click.option(
    "--lr", default="calibrate", show_default=True, help="Step size of step 1; calibrate: comparable steps."
)
@click.option("--entropy", default=0, show_default=True, help="Root of all seeds.")
@click.option("--grid", help="Instead, a verdict map: beta1=LO:HI:N,beta2=LO:HI:N.")
@file_option("--json json_file", "Also write the card here.")
@file_option("--html html_file", "Also write the card here, as one page with pictures.")
def audit(
    spec: str,
    steps: int | None,
    seeds: int | None,
    problems: str | None,
    lr: str,
    entropy: int,
    grid: str | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Put the optimizer SPEC on trial, with SGD, Adam and AMSGrad beside it.

    \b
    SPEC is one of ours    adam:beta2=0.99
    a class of torch       torch.optim:NAdam:betas=(0.9,0.999), pytorch_optimizer:AdaBelief
    a factory of optax     optax:adan
    or one of your own     path/to/file.py:make, which takes (params, lr) or (learning_rate)
    or all of them         zoo, thirty of three libraries, into --json FILE; goes on where FILE ends
    """
    try:
        size: float | str = float(lr)
    except ValueError:
        size = lr
    if steps is not None:
        checks.count("steps", steps, 1, checks.LARGEST)
    given: dict[str, Any] = {"seeds": seeds, "problems": problems}
    options: dict[str, Any] = {"steps": steps, "lr": size, "entropy": entropy}
    options |= {name: value for name, value in given.items() if value is not None}
    if spec == _ZOO:
        _zoo(json_file, steps, grid or html_file or problems or seeds or lr != "calibrate" or entropy)
        return
    with terminal.Progress() as progress:
        if grid is not None:
            from theory_sim.app import phases

            made = phases.phases(spec, phases.axes_of(grid), progress=progress, **options)
            record, page = made.record(), made.page
        else:
            from theory_sim.app import card as pages
            from theory_sim.app.audit import audit as run

            found = run(spec, progress=progress, **options)
            record, page = found.record(), lambda: pages.page(found)
    if grid is None:
        _show(found)
    else:
        click.echo(f"{made.optimizer}\nas read from its defaults: {made.settings}\n{made.note}")
    click.echo(record["conclusion"])
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(plain(record), indent=1, allow_nan=False) + "\n")
    if html_file is not None:
        html_file.parent.mkdir(parents=True, exist_ok=True)
        html_file.write_text(page())


def _show(card: Card) -> None:
    """Print what was found of an optimizer, its rows, and the theorems."""
    click.echo(f"{card.optimizer}\nas read from its defaults: {card.settings or 'nothing'}")
    if card.probe is not None:
        click.echo(f"as measured: {card.probe.said()}")
    if card.twin:
        click.echo(f"same steps as: {card.twin}")
    click.echo(card.note)
    rows = []
    for i, row in enumerate(card.rows):
        beside = [others[i].verdict for others in card.controls.values()]
        rows.append(
            (
                row.problem,
                row.verdict,
                terminal.point(row.x_final),
                row.steps,
                terminal.number(row.lr),
                *beside,
                row.note,
            )
        )
    terminal.show("", ("problem", "verdict", "x_final", "steps", "lr", *card.controls, "note"), rows)
    for row in card.rows:
        failed = row.problem in BATTERY and row.verdict != Verdict.CONVERGED.value
        said = [BATTERY[row.problem].why] if failed else []
        for one in filter(None, (*said, row.theorem if row.theorem != NONE else "")):
            click.echo(f"{row.problem}: {one}")
    if any(row.theorem == NONE for row in card.rows):
        click.echo(NONE)


def _zoo(json_file: Path | None, steps: int | None, beside: Any) -> None:
    """Make the cards of the zoo that the file lacks."""
    from theory_sim.app import zoo

    if json_file is None or beside:
        raise ValueError("audit zoo takes --json FILE, where the cards are kept, and --steps; nothing else.")
    with terminal.Progress() as progress:
        found = zoo.collect(json_file, steps=steps, progress=progress)
    click.echo(f"{json_file}: {len(found['cards'])} cards of {len(found['problems'])} problems")

"""The command that puts anybody's optimizer on trial: audit."""

from __future__ import annotations

import json
from pathlib import Path

import click

from theory_sim import checks
from theory_sim.app import terminal
from theory_sim.app.cli.group import file_option, main
from theory_sim.nouns.claim import plain


@main.command()
@click.argument("spec")
@click.option("--steps", type=int, help="Horizon; default: one that decides each problem for Adam's family.")
@click.option("--seeds", default=4, show_default=True)
@click.option(
    "--problems",
    default="battery",
    show_default=True,
    help="Or names, such as shi.periodic,zhang.batch:N=8,B=2.",
)
@click.option(
    "--lr", default="calibrate", show_default=True, help="Step size of step 1; calibrate: comparable steps."
)
@click.option("--entropy", default=0, show_default=True, help="Root of all seeds.")
@file_option("--json json_file", "Also write the card here.")
def audit(
    spec: str, steps: int | None, seeds: int, problems: str, lr: str, entropy: int, json_file: Path | None
) -> None:
    """Put the optimizer SPEC on trial, with SGD, Adam and AMSGrad beside it.

    \b
    SPEC is one of ours    adam:beta2=0.99
    a class of torch       torch.optim:NAdam:betas=(0.9,0.999), pytorch_optimizer:AdaBelief
    a factory of optax     optax:adan
    or one of your own     path/to/file.py:make, which takes (params, lr) or (learning_rate)
    """
    from theory_sim.app.audit import audit as run

    try:
        size: float | str = float(lr)
    except ValueError:
        size = lr
    if steps is not None:
        checks.count("steps", steps, 1, checks.LARGEST)
    card = run(spec, problems, steps=steps, seeds=seeds, lr=size, entropy=entropy)
    click.echo(f"{card.optimizer}\nas found: {card.settings}\n{card.note}")
    rows = []
    for i, row in enumerate(card.rows):
        x = " ".join(
            terminal.number(one) for one in (row.x_final if isinstance(row.x_final, list) else [row.x_final])
        )
        beside = [others[i].verdict for others in card.controls.values()]
        rows.append((row.problem, row.verdict, x, row.steps, terminal.number(row.lr), *beside, row.note))
    terminal.show("", ("problem", "verdict", "x_final", "steps", "lr", *card.controls, "note"), rows)
    click.echo(card.conclusion)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(plain(card.record()), indent=1, allow_nan=False) + "\n")

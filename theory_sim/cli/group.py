"""The command ``theory-sim`` itself, and the options its commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from theory_sim import checks
from theory_sim.sweep import TIERS, Sweep


class _Group(click.Group):
    """Turns the one-sentence errors of the library into one-line errors of the command, exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"Unknown command {args[0]!r}: {checks.suggestion(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def tier_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tier",
        type=click.Choice(TIERS),
        default="full",
        show_default=True,
        help="quick: fewer cells and steps, seconds; full: the settings of the papers, minutes.",
    )(function)


def out_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("out"),
        show_default=True,
        help="Folder for results; finished work there is not run again.",
    )(function)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="theory-sim")
def main() -> None:
    """Does this optimizer converge, where does it break, and does that theorem really say so?

    \b
    theory-sim list                      what is there
    theory-sim check reddi2018           does that paper's every claim hold?
    theory-sim figure phase              draw a phase diagram
    theory-sim simulate --problem reddi.periodic:C=10 --optimizer adam:beta2=0.9 --schedule power:s=0.5
    theory-sim theorem reddi2018.thm2 --beta1 0.9 --beta2 0.99 --problem reddi.periodic:C=10
    theory-sim certify --n 20 --C 20 --out map.json      where Adam provably diverges
    theory-sim distributed --workers 4   quantized Adam over real processes, packed messages on the wire
    theory-sim reproduce --tier quick    everything, in one folder
    """


def describe(sweep: Sweep) -> str:
    axes = ", ".join(f"{name}[{len(values)}]" for name, values in sweep.axes.items()) or "none"
    return (
        f"{sweep.name}\n  problem    {sweep.problem}\n  optimizer  {sweep.optimizer}\n"
        f"  axes       {axes}; {sweep.seeds} seed(s), order {sweep.order}, {sweep.steps} steps, "
        f"{sweep.size} lanes"
    )

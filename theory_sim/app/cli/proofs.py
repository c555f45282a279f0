"""Commands that put a statement on trial: theorem, certify."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from theory_sim.app import catalogue, terminal
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import main, writable
from theory_sim.nouns.claim import plain
from theory_sim.rules import checks

_POINT = ("--beta1", "--beta2")
_LARGEST_N = 1_000_000  # one point takes n operations on balls, at up to 4096 bits
_MAP = ("--coverage", "--max-boxes", "--out")


def _pairs(words: tuple[str, ...]) -> dict[str, Any]:
    """Parse ``--name value`` and ``--name=value``.

    Every value is a number or one of the words of `catalogue`.
    """
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not name.startswith("--") or len(name) == 2:
            raise ValueError(f"{word!r} is no option; write --name value, for instance --beta1 0.9.")
        if not equals:
            if not rest:
                raise ValueError(f"{word} has no value; write --name value, for instance --beta1 0.9.")
            value = rest.pop(0)
        given |= catalogue.arguments(f"{name[2:].replace('-', '_')}={value}")
    return given


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", shell_complete=completing("theorems"))
@click.argument("symbols", nargs=-1, type=click.UNPROCESSED, metavar="[--SYMBOL VALUE]...")
@click.option(
    "--problem",
    help="For instance reddi.periodic:C=10,x0=1; default: the theorem's.",
    shell_complete=completing("problems"),
)
@click.option(
    "--optimizer",
    help="For instance adam:beta2=0.99; default: the theorem's. Keeps its schedule.",
    shell_complete=completing("optimizers"),
)
@click.option("--steps", type=int, help="Default: the theorem's.")
@click.option("--seeds", type=int, help="Default: the theorem's.")
@click.option("--order", help="cyclic, reshuffled or replacement; default: the theorem's.")
@click.option("--x0", type=float, help="Start of the run; default: the problem's.")
@click.option("--run/--no-run", default=True, help="Also run it and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--latex", is_flag=True, help="Print the conclusion as LaTeX and stop.")
def theorem(
    name: str,
    symbols: tuple[str, ...],
    problem: str | None,
    optimizer: str | None,
    steps: int | None,
    seeds: int | None,
    order: str | None,
    x0: float | None,
    run: bool,
    as_json: bool,
    latex: bool,
) -> None:
    """Ask the theorem NAME about a run: does it apply, what follows, and what does the run do?

    Exit status 1 if the run contradicts it.  Any other --SYMBOL VALUE is a hyperparameter of the optimizer,
    else a parameter of the problem, else a symbol.
    """
    from theory_sim.evidence.trial import put_on_trial

    checks.known("theorem", name, catalogue.theorems())
    chosen = catalogue.theorems()[name]
    if latex:
        click.echo(chosen.latex())
        return
    if steps is not None:
        checks.count("steps", steps, high=checks.LARGEST)
    chosen_run = {"steps": steps, "seeds": seeds, "order": order, "x0": x0}
    settings = {key: value for key, value in chosen_run.items() if value is not None}
    extra: dict[str, Any] = {}
    if optimizer is not None and chosen.optimizer is not None:
        extra["schedule"] = chosen.optimizer().schedule
    trial = put_on_trial(
        chosen,
        None if problem is None else catalogue.build_problem(problem),
        None if optimizer is None else catalogue.build_optimizer(optimizer, **extra),
        names={**_pairs(symbols), **settings},
        run=run,
    )
    if as_json:
        click.echo(json.dumps(trial.record(), allow_nan=False))
        sys.exit(trial.respected is False)
    click.echo(f"{chosen.id} ({chosen.where}; constants {chosen.constants})\n{chosen.statement}")
    if trial.sweep is not None:
        click.echo(
            f"{trial.sweep.optimizer}\non {trial.sweep.problem}, order {trial.sweep.order}, "
            f"{trial.sweep.steps} steps, {trial.sweep.seeds} seed(s)"
        )
    rows = [
        (
            row.answer,
            str(row.condition),
            terminal.number(plain(row.margin)),
            row.condition.relation,
            row.reason,
        )
        for row in trial.assessment.conditions
    ]
    terminal.show("", ("answer", "condition", "margin", "relation", "reason"), rows)
    for line in trial.conclusion():
        click.echo(line)
    sys.exit(trial.respected is False)


def _refuse(names: tuple[str, ...], beside: str) -> None:
    """Raise ValueError if one of these options was given, as it would have no effect beside `beside`."""
    context = click.get_current_context()
    given = {
        parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    }
    for name in names:
        if name in given:
            raise ValueError(f"{name} has no effect beside {beside}: leave one of them out.")


def _check_target(out: Path) -> None:
    """Raise ValueError, before hours of work, for a file that cannot be written."""
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no directory {out.parent}; create it first.")
    writable(out)


@main.command()
@click.option("--n", type=int, help="Number of components, >= 2.")
@click.option(
    "--C", "large", help="Large gradient, above 1, the others being -1; exact, such as 20, 19.5 or 39/2."
)
@click.option("--a", help="Instead of --C: zhang.piecewise with this a, which has C = n - 1 + 1/a.")
@click.option("--beta1", help="With --beta2: certify this point only; 0.9 is 9/10.")
@click.option("--beta2", help="With --beta1: certify this point only.")
@click.option("--coverage", default="0.999", show_default=True, help="Share of the square at which to stop.")
@click.option("--max-boxes", default=100_000, show_default=True, help="Number of boxes at which to stop.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the map to this JSON file."
)
@click.option(
    "--verify",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check this map instead, by another method than the one that found it; exit status 1 if it is false.",
)
def certify(
    n: int | None,
    large: str | None,
    a: str | None,
    beta1: str | None,
    beta2: str | None,
    coverage: str,
    max_boxes: int,
    out: Path | None,
    file: Path | None,
) -> None:
    """Prove where Adam converges or diverges: the sign of its drift, in ball arithmetic.

    \b
    theory-sim certify --n 20 --C 20 --beta1 0.9 --beta2 0.99    one point
    theory-sim certify --n 20 --C 20 --out map.json              the square of all beta1, beta2
    theory-sim certify --verify map.json                         check such a file
    """
    certificate, certified_map = (
        import_module(f"counterexamples.drift.{x}") for x in ("certificate", "certified_map")
    )
    try:
        if file is not None:
            _refuse(("--n", "--C", "--a", *_POINT, *_MAP), "--verify")
            _verify(file)
            return
        if n is None or (large is None) == (a is None):
            raise ValueError(f"n = {n}, C = {large}, a = {a}: give --n, and --C or --a, or --verify FILE.")
        C = certificate.piecewise_ratio(n, a) if large is None else large
        if (beta1 is None) != (beta2 is None):
            raise ValueError(
                f"beta1 = {beta1} and beta2 = {beta2}: give both for one point, none for the map."
            )
        if beta1 is not None:
            _refuse(_MAP, "--beta1 and --beta2, which ask about one point")
            checks.count("n", n, 2, high=_LARGEST_N)
            cell = certificate.certify(beta1, beta2, n, C)
            said = cell.reason or f"\nproved {certificate.SCOPE}"
            click.echo(f"{cell.verdict}  D = {cell.drift}" + (f"  {said}" if cell.reason else said))
            return
        if out is None:
            raise ValueError(
                "No file to write the map to: give --out map.json, or --beta1 and --beta2 for one point."
            )
        _check_target(out)
        content = certified_map.certified_map(n, C, coverage=coverage, max_boxes=max_boxes)
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    out.write_text(certified_map.text(content))
    click.echo(f"{out}: {len(content['boxes'])} boxes prove {content['area']['share']} of the square.")


def _verify(file: Path) -> None:
    map_check = import_module("counterexamples.drift.map_check")
    try:
        areas = map_check.verify(map_check.read(file))
    except map_check.Mismatch as error:
        click.echo(f"MISMATCH: {file}: {error}")
        sys.exit(1)
    click.echo(f"{file}: every box is confirmed; they prove {areas['share']} of the square.")

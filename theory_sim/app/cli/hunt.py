"""The command that looks for the smallest counterexample: hunt."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from theory_sim.app import terminal
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import folder_option, main
from theory_sim.nouns.optimizer import Optimizer

CLASSES = {
    "periodic": "losses g_t x on [-1, 1], g periodic integers of positive sum, vanishing steps",
    "line": "cycles on mu-strongly convex, L-smooth functions of one variable",
    "sign": "sweeps over [-A lr, A lr] on mu-strongly convex, L-smooth functions of one variable",
    "orbits": "cycles on c x^2/2 for every c > 0, with a constant step size",
    "iid": "slopes n, -1, ..., -1 drawn at random, vanishing steps; the mean drift at stationarity",
    "gram": "cycles on mu-strongly convex, L-smooth functions of any dimension",
}


class _Hunt(click.Command):
    """Has exit status 1 for wrong options too: 2 means that nothing was found."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        try:
            made: click.Context = super().make_context(*arguments, **extra)
        except click.UsageError as error:
            raise click.ClickException(error.format_message()) from error
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        return made


@main.command(cls=_Hunt)
@click.argument("spec", required=False, shell_complete=completing("optimizers"))
@click.option(
    "--class", "cls", default="periodic", show_default=True, help="periodic, line, gram, sign, iid or orbits."
)
@click.option(
    "--minimise",
    default="period,height",
    show_default=True,
    help="Or strength: only the most visible one; or margin: the largest S/max|g| of each period.",
)
@click.option("--max-period", default=6, show_default=True, help="Strong examples may be longer, up to 100.")
@click.option("--max-height", default=10_000_000, show_default=True, help="Largest integer.")
@click.option("--seconds", default=60.0, show_default=True, help="After which nothing new is begun.")
@click.option(
    "--strength",
    default=0.01,
    show_default=True,
    help="Steps, in units of lr, that the strong example loses per step.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--mu", default="1", show_default=True, help="Strong convexity, of the other classes.")
@click.option("--L", "smooth", help="Smoothness, of the other classes; exact, such as 25 or 289/16.")
@click.option(
    "--order",
    default="replacement",
    show_default=True,
    help="Or reshuffled, of the class iid: epochs in random orders.",
)
@click.option(
    "--map",
    "kind",
    help="Instead, a map over --grid: height (smallest at period 3), period (shortest up to --max-period and "
    "--max-height), strength (at period --max-period), or cycle (shortest of a momentum method, with --L).",
)
@click.option("--grid", help="Axes of a map: beta1=LO:HI:N,beta2=LO:HI:N, or lr=...,momentum=....")
@click.option(
    "--verify",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recompute this certificate instead; exit status 1 if it does not hold.",
)
@folder_option(
    "Folder for certificate.json, check.py, problem.py and the figure of a hit, or for a map.", None
)
def hunt(
    spec: str | None,
    cls: str,
    minimise: str,
    max_period: int,
    max_height: int,
    seconds: float,
    strength: float,
    seed: int,
    mu: str,
    smooth: str | None,
    order: str,
    kind: str | None,
    grid: str | None,
    file: Path | None,
    out: Path | None,
) -> None:
    """Find the smallest problem on which the optimizer SPEC provably fails.

    \b
    SPEC is one of ours       adam:beta1=0.9,beta2=0.999
    or one of your own        path/to/file.py:name
    or of a library           torch.optim:Adam, optax:rmsprop; runs, no certificate
    of the classes line and gram a momentum method with its step size, sgdm:lr=0.1111,momentum=0.4444;
    of the class sign one of signsgd, signum and lion, of the class iid
    adam or rmsprop, of the class orbits adam, rmsprop or lion

    With --map and --grid, a map over two hyperparameters instead; exit status 0.

    Exit status: 0 found and certified, 2 nothing found within the bounds, 3 proved that there is none, 1 error.
    """
    from theory_sim.app.hunt import hunt as run

    try:
        if file is not None:
            status = _verified(file, spec)
        elif (kind is None) != (grid is None):
            raise ValueError(
                "A map needs both, such as --map height --grid beta1=0:0.9:10,beta2=0.1:0.99:10."
            )
        elif spec is None:
            raise ValueError("No optimizer to hunt: give one, such as adam:beta2=0.99, or --verify FILE.")
        elif kind is not None and grid is not None:
            status = _mapped(spec, kind, grid, max_period, max_height, mu, smooth, out)
        else:
            with terminal.Progress() as progress:
                found = run(
                    spec, cls, minimise=minimise, max_period=max_period, max_height=max_height, seconds=seconds,
                    strength=strength, seed=seed, mu=mu, L=smooth, order=order, progress=lambda text: progress(text, 0.0),
                )  # fmt: skip
            bounds = f"period <= {max_period}, height <= {max_height} and {seconds:g} s"
            status = _told(found, bounds, out)
    except (ValueError, ImportError, OSError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _verified(file: Path, spec: str | None) -> int:
    from theory_sim.app.hunt import verify
    from theory_sim.evidence.hunter.certificate import Refused

    if spec is not None:
        raise ValueError(
            "SPEC has no effect beside --verify: the certificate names its optimizer; leave it out."
        )
    try:
        click.echo(f"{file}: confirmed: {verify(file)}")
    except Refused as error:
        click.echo(f"{file}: refused: {error}.")
        return 1
    return 0


def _mapped(
    spec: str,
    kind: str,
    grid: str,
    period: int,
    height: int,
    mu: str,
    smooth: str | None,
    out: Path | None,
) -> int:
    """Print a map, write its files, and return the exit status."""
    from theory_sim.app.hunt import chart

    with terminal.Progress() as progress:
        found = chart(
            spec, kind, grid, max_period=period, max_height=height, mu=mu, L=smooth, progress=lambda t: progress(t, 0.0)
        )  # fmt: skip
    (rows, y), (columns, x) = found.axes.items()
    cells = [
        [f"{one:.4g}", *(f"{value:.4g}" for value in row)] for one, row in zip(y, found.values, strict=True)
    ]
    click.echo(f"{found.optimizer}: {found.what}")
    terminal.show("", [f"{rows} \\ {columns}", *(f"{one:.4g}" for one in x)], cells)
    for path in found.write(out) if out is not None else []:
        click.echo(f"written {path}")
    return 0


def _told(found: Any, bounds: str, out: Path | None) -> int:
    """Print a result, write its files, and return the exit status."""
    from theory_sim.evidence.hunter import counterexample

    one = found.optimizer
    shown = one if isinstance(one, Optimizer) else f"{one.name}({one.settings})"
    click.echo(f"{shown}\nclass {found.cls}: {CLASSES[found.cls]}")
    if found.cls != "periodic":
        for record in found.front:
            click.echo(_cycle(record))
        for text in found.searched:
            click.echo(f"searched: {text}")
        if not found.front:
            click.echo("Nothing certified within these bounds; that proves nothing beyond.")
        if found.front:
            click.echo(f"see it in a run: {found.shown.command}")
        for path in found.write(out) if found.front and out is not None else []:
            click.echo(f"written {path}")
        return int(found.status)
    if found.why_none:
        click.echo(f"There is none: with S the sum of the gradients, {found.why_none}.")
        return int(found.status)
    if found.front:
        rows = [
            (one.period, one.height, f"{one.margin:.3g}", _short(one.gradients), f"{one.drift:.3g}", one.how)
            for one in found.front
        ]
        terminal.show("", ("period", "height", "S/max|g|", "gradients", "D", "what is known"), rows)
    if found.strong is not None:
        one = found.strong
        click.echo(
            f"strong: period {one.period}, height {one.height}, loses {one.strength:.3g} lr per step; "
            f"{_short(one.gradients)}"
        )
        if one.command:
            click.echo(f"see it in a run: {one.command}")
    for line in found.searched:
        click.echo(f"searched: {line}")
    if found.seen is not None:
        click.echo(f"seen in runs, not certified: {_short(found.seen.gradients)}, D = {found.seen.drift:.3g}")
    if not found.front:
        click.echo(
            f"Nothing certified. Bounds were {bounds}; what was searched within them stands above, no more is known."
        )
    elif out is not None:
        for path in counterexample.write(out, found.front, found.strong):
            click.echo(f"written {path}")
    return int(found.status)


def _cycle(record: Mapping[str, Any]) -> str:
    """Return what a certificate of another class than periodic is about, in one line."""
    if record["class"] == "orbits":
        return f"a cycle between {record['amplitude']} lr and -{record['amplitude']} lr"
    if record["class"] == "iid":
        drawn = "with replacement" if record["order"] == "replacement" else "in epochs, reshuffled"
        large, count = record["gradients"][0], sum(record["weights"])
        return f"{count} components, slope {large} once and slope -1 {count - 1} times, drawn {drawn}"
    if record["class"] == "sign":
        shown = ", ".join(map(_number, record["gradients"]))
        return f"a sweep over [-{record['amplitude']} lr, {record['amplitude']} lr]; f' at its positive points: {shown}"
    if record["class"] == "gram":
        parts = [
            f"mode {k} with weight {_number(w)}" for k, w in enumerate(record["weights"], 1) if Fraction(w)
        ]
        return f"a cycle of {record['period']} points, a sum of Fourier modes: {', '.join(parts)}"
    return f"a cycle of {len(record['points'])} points: {', '.join(map(_number, record['points']))}"


def _number(text: str) -> str:
    """Return a rational as it is, or as a decimal where it is long."""
    return text if len(text) <= 12 else f"{float(Fraction(text)):.6g}"


def _short(gradients: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, gradients[:12]))
    return f"({shown}, ... {len(gradients) - 12} more)" if len(gradients) > 12 else f"({shown})"

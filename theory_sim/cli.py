"""The command line, ``theory-sim``."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from theory_sim import catalogue, checks, terminal
from theory_sim.claim import Outcome, Result, plain
from theory_sim.grid import save
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.papers import PAPERS
from theory_sim.runs import Runs
from theory_sim.sweep import TIERS, Sweep

SCHEDULES = ("constant", "power", "linear")


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


def _tier(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tier",
        type=click.Choice(TIERS),
        default="full",
        show_default=True,
        help="quick: fewer cells and steps, seconds; full: the settings of the papers, minutes.",
    )(function)


def _out(function: Callable[..., Any]) -> Callable[..., Any]:
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
    theory-sim reproduce --tier quick    everything, in one folder
    """


@main.command("list")
@click.argument("what", required=False)
def list_(what: str | None) -> None:
    """List optimizers, problems, papers, sweeps, figures and claims (or only WHAT)."""
    sections: dict[str, Callable[[], tuple[Sequence[str], list[Sequence[Any]]]]] = {
        "optimizers": lambda: (("name", "what"), [(name, _first_line(f)) for name, f in OPTIMIZERS.items()]),
        "problems": lambda: (
            ("name", "what"),
            [(name, _first_line(f)) for name, f in catalogue.problems().items()],
        ),
        "papers": lambda: (
            ("key", "title", "source"),
            [
                (key, paper.title, f"arXiv:{paper.arxiv}" if paper.arxiv else paper.url)
                for key, paper in PAPERS.items()
            ],
        ),
        "sweeps": lambda: (
            ("name", "optimizer on problem", "lanes", "steps"),
            [
                (name, f"{s.optimizer.name} on {s.problem.name}", s.lanes.count, s.steps)
                for name, s in catalogue.sweeps().items()
            ],
        ),
        "figures": lambda: (
            ("name", "caption"),
            [(name, figure.caption) for name, figure in catalogue.figures().items()],
        ),
        "claims": lambda: (
            ("id", "kind", "where", "statement"),
            [(c.id, c.kind, c.where, c.statement) for c in catalogue.claims().values()],
        ),
    }
    if what is not None:
        checks.known("list", what, sections)
    for title in sections if what is None else (what,):
        columns, rows = sections[title]()
        terminal.show(title, columns, rows)


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


@main.command()
@click.argument("name")
def explain(name: str) -> None:
    """Explain an optimizer, problem, paper, sweep, figure or claim."""
    claims, figures, sweeps, problems = (
        catalogue.claims(),
        catalogue.figures(),
        catalogue.sweeps(),
        catalogue.problems(),
    )
    checks.known("name", name, (*OPTIMIZERS, *problems, *PAPERS, *sweeps, *figures, *claims))
    if name in OPTIMIZERS or name in problems:
        constructor = OPTIMIZERS.get(name) or problems[name]
        click.echo(f"{name}({_defaults(constructor)})\n\n{inspect.getdoc(constructor)}")
    elif name in claims:
        claim = claims[name]
        click.echo(
            f"{claim.id} ({PAPERS[claim.paper].title}, {claim.where}; {claim.kind})\n\n{claim.statement}"
        )
        for sweep in claim.sweeps:
            click.echo(f"\nsweep {_describe(sweep)}")
    elif name in figures:
        figure = figures[name]
        click.echo(f"{figure.name}: {figure.caption}\n\nclaims: {', '.join(figure.claims) or 'none'}")
        for sweep in figure.sweeps:
            click.echo(f"\nsweep {_describe(sweep)}")
    elif name in sweeps:
        click.echo(_describe(sweeps[name]))
    else:
        click.echo(PAPERS[name])
        ids = [claim.id for claim in claims.values() if claim.paper == name]
        click.echo(f"\nclaims: {', '.join(ids) or 'none'}")
        for row in catalogue.deviations():
            if row.paper == name:
                click.echo(f"\n{row.where}\n  stated: {row.stated}\n  run:    {row.run}")


def _defaults(constructor: Callable[..., Any]) -> str:
    parameters = inspect.signature(constructor).parameters.values()
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)


def _describe(sweep: Sweep) -> str:
    axes = ", ".join(f"{name}[{len(values)}]" for name, values in sweep.axes.items()) or "none"
    return (
        f"{sweep.name}\n  problem    {sweep.problem}\n  optimizer  {sweep.optimizer}\n"
        f"  axes       {axes}; {sweep.seeds} seed(s), order {sweep.order}, {sweep.steps} steps, "
        f"{sweep.lanes.count} lanes"
    )


@main.command()
@click.argument("name")
def cite(name: str) -> None:
    """Print the BibTeX entry behind a paper key, optimizer, problem, claim or figure."""
    claims, figures, problems = catalogue.claims(), catalogue.figures(), catalogue.problems()
    checks.known("name", name, (*PAPERS, *OPTIMIZERS, *problems, *figures, *claims))
    if name in PAPERS:
        keys = [name]
    elif name in claims:
        keys = [claims[name].paper]
    elif name in figures:
        keys = [claims[id].paper for id in figures[name].claims]
    elif name in OPTIMIZERS:
        keys = [OPTIMIZERS[name]().paper]
    else:
        keys = [str(getattr(inspect.getmodule(problems[name]), "PAPER", ""))]
    keys = [key for key in keys if key]
    if not keys:
        raise ValueError(f"{name} comes from no paper: it is defined in this suite; cite theory-sim.")
    for key in dict.fromkeys(keys):
        click.echo(PAPERS[key].bibtex())


@main.command()
@click.option("--problem", required=True, help="For instance reddi.periodic:C=10,period=3.")
@click.option("--optimizer", required=True, help="For instance adam:lr=0.1,beta2=0.99,bias_correction=false.")
@click.option(
    "--schedule", default="constant", show_default=True, help="constant, power:s=0.5 or linear:horizon=1000."
)
@click.option("--steps", default=10_000, show_default=True)
@click.option("--seeds", default=1, show_default=True)
@click.option("--entropy", default=0, show_default=True, help="Root of all seeds.")
@click.option("--order", default="cyclic", show_default=True, help="cyclic, reshuffled or replacement.")
@click.option("--workers", default=1, show_default=True, help="Gradients averaged per step.")
@click.option("--x0", type=float, default=None, help="Start; default: the problem's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option(
    "--tier", type=click.Choice(TIERS), default="full", show_default=True, help="quick: a tenth of the steps."
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Also keep the run there, as simulate.nc."
)
def simulate(
    problem: str,
    optimizer: str,
    schedule: str,
    steps: int,
    seeds: int,
    entropy: int,
    order: str,
    workers: int,
    x0: float | None,
    as_json: bool,
    tier: str,
    out: Path | None,
) -> None:
    """Run one optimizer on one problem and print where it ends."""
    from theory_sim import schedule as schedules

    kind, _, rest = schedule.partition(":")
    checks.known("schedule", kind, SCHEDULES)
    try:
        built = getattr(schedules, kind)(**catalogue.arguments(rest))
    except TypeError as error:
        raise ValueError(f"schedule {schedule!r} cannot be built: {error}.") from None
    sweep = Sweep(
        catalogue.build_problem(problem),
        catalogue.build_optimizer(optimizer, schedule=built),
        steps=steps,
        seeds=seeds,
        entropy=entropy,
        order=order,
        workers=workers,
        x0=x0,
        name="simulate",
        quick={"steps": max(1, steps // 10)},
    ).at(tier)
    with terminal.Progress() as progress:
        grid = sweep.run(progress=lambda share: progress("simulate", share))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        save(grid, out / "simulate.nc")
    names = [name for name in grid.data_vars if set(grid[name].dims) <= {"seed", "coordinate"}]
    names = [name for name in names if grid[name].ndim]
    if as_json:
        values = {str(name): plain(grid[name].values.tolist()) for name in names}
        record = {"problem": str(sweep.problem), "optimizer": str(sweep.optimizer), **values}
        click.echo(json.dumps(record, allow_nan=False))
        return
    click.echo(f"{sweep.optimizer}\non {sweep.problem}, order {order}, {sweep.steps} steps")
    rows = [[seed, *(_cell(grid[name].values[seed]) for name in names)] for seed in range(seeds)]
    terminal.show("", ["seed", *map(str, names)], rows)


def _cell(value: Any) -> str:
    return str(value) if value.dtype.kind in "UOi" else " ".join(f"{v:.6g}" for v in value.ravel())


@main.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, from a timed pilot, and stop.")
@_tier
@_out
def sweep(name: str, dry_run: bool, tier: str, out: Path) -> None:
    """Run the sweep NAME and keep its grid as NAME.TIER.nc; resumes where an earlier run stopped."""
    from theory_sim import execute

    checks.known("sweep", name, catalogue.sweeps())
    chosen = catalogue.sweeps()[name].at(tier)
    if dry_run:
        click.echo(_describe(chosen))
        work = chosen.lanes.count * chosen.steps
        click.echo(
            f"  cost       {work:.3g} lane-steps, about {execute.seconds(chosen):.2g} s on this machine"
        )
        return
    with terminal.Progress() as progress:
        grid = Runs(tier, out / "sweeps", progress).grid(chosen)
    path = out / "sweeps" / f"{name}.{tier}.nc"
    save(grid, path)
    click.echo(f"{_describe(chosen)}\n  written    {path}")


@main.command()
@click.argument("names", nargs=-1, required=True)
@_tier
@_out
def figure(names: tuple[str, ...], tier: str, out: Path) -> None:
    """Draw the figures NAMES, or all: PNG, SVG, the features and curves as JSON, the grids as netCDF."""
    for name in names:
        checks.known("figure", name, (*catalogue.figures(), "all"))
    chosen = list(catalogue.figures()) if "all" in names else list(names)
    with terminal.Progress() as progress:
        runs = Runs(tier, out / "sweeps", progress)
        for name in chosen:
            for path in runs.draw(catalogue.figures()[name], out / "figures"):
                click.echo(path)


@main.command()
@click.argument("names", nargs=-1, metavar="[PAPER|CLAIM]...")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the evidence here.",
)
@_tier
@_out
def check(names: tuple[str, ...], json_file: Path | None, tier: str, out: Path) -> None:
    """Check claims of the papers; exit status 1 if one FAILS."""
    from theory_sim import report

    chosen = catalogue.select_claims(names)
    with terminal.Progress() as progress:
        runs = Runs(tier, out / "sweeps", progress)
        results = [runs.check(claim) for claim in chosen]
    _show(results)
    if json_file is not None:
        report.write_json(results, tier, json_file)
    _exit(results)


@main.command()
@_tier
@_out
def reproduce(tier: str, out: Path) -> None:
    """Run every sweep, draw every figure, check every claim; the result is OUT/index.html."""
    from theory_sim import report

    figures = list(catalogue.figures().values())
    with terminal.Progress() as progress:
        runs = Runs(tier, out / "sweeps", progress)
        results = [runs.check(claim) for claim in catalogue.claims().values()]
        files = {one.name: runs.draw(one, out / "figures") for one in figures}
    report.write_json(results, tier, out / "claims.json")
    page = report.write_html(results, figures, files, catalogue.deviations(), tier, out)
    _show(results)
    click.echo(f"{len(figures)} figures, report: {page}")
    _exit(results)


def _show(results: Sequence[Result]) -> None:
    from theory_sim import report

    rows = []
    for result in results:
        record = result.record()
        numbers = [terminal.number(record[name]) for name in ("observed", "expected", "margin")]
        rows.append((record["id"], record["status"], record["kind"], *numbers, f"{result.seconds:.1f}"))
    terminal.show("", ("claim", "status", "kind", "observed", "expected", "margin", "s"), rows)
    for result in results:
        if result.evidence.status is not Outcome.PASS:
            click.echo(
                f"{result.evidence.status}: {result.claim.id}: {result.claim.statement} {result.evidence.note}"
            )
    click.echo(report.summary(results))


def _exit(results: Sequence[Result]) -> None:
    if any(result.evidence.status is Outcome.FAIL for result in results):
        sys.exit(1)


@main.command()
@click.option("--rivals/--no-rivals", default=True, help="Also run JAX and torch where they are installed.")
def bench(rivals: bool) -> None:
    """Time the lane loop beside its rivals in the same run, and print the ratios."""
    from theory_sim import bench as benchmark

    terminal.show("", ("what", "ns per lane-step", "ratio"), benchmark.rows(rivals))

"""Commands that compute: simulate, sweep, figure, check, reproduce, bench."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from theory_sim.app import catalogue, prose, terminal
from theory_sim.app.cli.completion import names as completing
from theory_sim.app.cli.group import (
    describe,
    file_option,
    folder_option,
    judged,
    main,
    out_option,
    processes_option,
    rule_option,
    tier_option,
)
from theory_sim.app.runs import Runs
from theory_sim.engine.decide import DECIDE
from theory_sim.engine.target import BACKENDS, DTYPES, target_of
from theory_sim.nouns.claim import Outcome, Result, plain
from theory_sim.nouns.dataset import pieces, save
from theory_sim.nouns.figure import Figure
from theory_sim.nouns.sweep import TIERS, Sweep
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

_CLAIMS = click.argument(
    "names", nargs=-1, metavar="[PAPER|CLAIM]...", shell_complete=completing("papers with claims", "claims")
)


@main.command()
@click.option(
    "--problem",
    required=True,
    help="For instance reddi.periodic:C=10,period=3.",
    shell_complete=completing("problems"),
)
@click.option(
    "--optimizer",
    required=True,
    help="For instance adam:lr=0.1,beta2=0.99,bias_correction=false.",
    shell_complete=completing("optimizers"),
)
@click.option(
    "--schedule",
    default="constant",
    show_default=True,
    help="For instance power:s=0.5 or cosine:T=1000.",
    shell_complete=completing("schedules"),
)
@click.option("--steps", default=10_000, show_default=True)
@click.option("--seeds", default=1, show_default=True)
@click.option("--entropy", default=0, show_default=True, help="Root of all seeds.")
@click.option("--order", default="cyclic", show_default=True, help="cyclic, reshuffled or replacement.")
@click.option("--workers", default=1, show_default=True, help="Gradients averaged per step.")
@click.option(
    "--x0", help="Start: one number, or one per coordinate with commas between; default: the problem's."
)
@rule_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option(
    "--tier", type=click.Choice(TIERS), default="full", show_default=True, help="quick: a tenth of the steps."
)
@folder_option("Also keep the run there, as simulate.nc.", None)
def simulate(
    problem: str,
    optimizer: str,
    schedule: str,
    steps: int,
    seeds: int,
    entropy: int,
    order: str,
    workers: int,
    x0: str | None,
    rule: str | None,
    as_json: bool,
    tier: str,
    out: Path | None,
) -> None:
    """Run one optimizer on one problem and print where it ends."""
    checks.count("steps", steps, high=checks.LARGEST)
    sweep = Sweep(
        catalogue.build_problem(problem),
        catalogue.build_optimizer(optimizer, schedule=catalogue.build_schedule(schedule)),
        steps=steps,
        seeds=seeds,
        entropy=entropy,
        order=order,
        workers=workers,
        x0=None if x0 is None else _numbers(x0),
        rule=None if rule is None else catalogue.build_rule(rule),
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
    # What says nothing of any seed is left out.
    empty: dict[str, Callable[[Any], Any]] = {
        "nonfinite_step": lambda values: values < 0,
        "decides_at": np.isnan,
        "decided_at": np.isfinite,  # where all steps are run, status and verdict tell it
    }
    names = [name for name in names if name not in empty or not empty[str(name)](grid[name].values).all()]
    rows = [[seed, *(_cell(grid[name].values[seed]) for name in names)] for seed in range(seeds)]
    terminal.show("", ["seed", *map(str, names)], rows)
    click.echo(judged(sweep, grid))


def _numbers(text: str) -> float | list[float]:
    """Parse one number, or several with commas between."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--x0 {text} is no number; write for instance 0.5 or 1,-2.") from None
    return values if len(values) > 1 else values[0]


def _cell(value: Any) -> str:
    return str(value) if value.dtype.kind in "UOi" else " ".join(f"{v:.6g}" for v in value.ravel())


@main.command()
@click.argument("name", shell_complete=completing("sweeps"))
@click.option("--dry-run", is_flag=True, help="Say what it would cost, from a timed pilot, and stop.")
@click.option(
    "--backend", type=click.Choice(BACKENDS), default="numba", show_default=True, help="What runs it."
)
@click.option("--device", default="cpu", show_default=True, help="Of torch, such as cuda.")
@click.option("--dtype", type=click.Choice(DTYPES), default="float64", show_default=True, help="Of torch.")
@click.option(
    "--decide",
    type=click.Choice(DECIDE),
    default="horizon",
    show_default=True,
    help="When lanes stop: at the end, when their verdict is certain, or also when two shorter runs agree on it.",
)
@click.option(
    "--refine",
    type=click.IntRange(1),
    metavar="R",
    help="R x R values of its two axes, of which only cells beside a change of verdict are run.",
)
@click.option(
    "--max-cost",
    type=click.FloatRange(0.0),
    metavar="CORE-SECONDS",
    help="Refuse a sweep that would take more, stored chunks or not, by the estimate of --dry-run.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Run it on N processes of a cluster of Dask on this machine.",
)
@click.option("--scheduler", metavar="URL", help="Run it on a scheduler of Dask, such as tcp://node1:8786.")
@click.option(
    "--store",
    metavar="PLACE",
    help="Folder, or location such as s3://bucket/sweeps, of finished chunks; default: OUT/sweeps.",
)
@rule_option
@tier_option
@out_option
def sweep(
    name: str,
    dry_run: bool,
    backend: str,
    device: str,
    dtype: str,
    decide: str,
    refine: int | None,
    max_cost: float | None,
    workers: int | None,
    scheduler: str | None,
    store: str | None,
    rule: str | None,
    tier: str,
    out: Path,
) -> None:
    """Run the sweep NAME and keep its grid as NAME.TIER.nc; resumes where an earlier run stopped.

    The grid of another backend is NAME.TIER.BACKEND-DEVICE-DTYPE.nc, a refined one NAME.TIER.refinedR.nc, and one
    whose lanes may stop before the end NAME.TIER.certain.nc or NAME.TIER.stage.nc.  A grid beyond 256 MiB stays in
    the store, where Sweep.run(store=...) opens it.
    """
    from theory_sim.engine import refinement

    checks.known("sweep", name, catalogue.sweeps())
    chosen = catalogue.sweeps()[name].at(tier)
    if rule is not None:
        chosen = replace(chosen, rule=catalogue.build_rule(rule))
    try:
        target = target_of(backend, device, dtype)
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    if target is not None and (dry_run or max_cost is not None or refine is not None):
        raise ValueError(
            f"--dry-run, as --max-cost, times compiled tiles, and --refine runs them, not tensors; leave out --backend {backend}."
        )
    refine = chosen.resolution if refine is None else refine
    if refine is not None:
        refinement.first_stride(refine)
        if decide != "horizon":
            raise ValueError(f"--refine runs its lanes to the end; leave out --decide {decide}.")
    if max_cost is not None:
        checks.number("--max-cost", max_cost, 0.0)
    if dry_run or max_cost is not None:
        _afford(chosen, refine, max_cost, dry_run, workers, decide)
    if dry_run:
        return
    place = store or out / "sweeps"
    where: dict[str, Any] = {"workers": workers, "scheduler": scheduler}
    with terminal.Progress() as progress:
        where["progress"] = lambda share: progress(chosen.name, share)
        if refine is not None:
            grid = chosen.refine(refine, place, **where)
        else:
            grid = chosen.run(place, backend=backend, device=device, dtype=dtype, decide=decide, **where)
    own = f".refined{refine}" if refine else "" if target is None else f".{target.key.replace(' ', '-')}"
    own = own if decide == "horizon" else f".{decide}"
    path = out / "sweeps" / f"{name}.{tier}{own}.nc"
    left = grid.attrs.get("store")
    if left is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(grid, path)
    whole = chosen if refine is None else refinement.enlarged(chosen, refine)
    click.echo(f"{describe(whole)}\n  verdicts   {judged(whole, grid)}")
    if refine is not None:
        click.echo(f"  refined    {_refined(grid, refine)}")
    if decide != "horizon":
        click.echo(f"  stopped    {_stopped(chosen, grid)}")
    click.echo(f"  written    {left or path}")


def _stopped(sweep: Sweep, grid: xr.Dataset) -> str:
    """Return in words how many lane-steps were saved, and why lanes stopped."""
    work, done, reasons = sweep.size * sweep.steps, 0, Counter[str]()
    for piece in pieces(grid):
        done += int(piece.steps_run.values.sum())
        reasons.update(piece.decided_by.values.ravel().tolist())
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{1.0 - done / work:.1%} of {work:.3g} lane-steps saved; lanes by reason: {counts}"


def _afford(
    sweep: Sweep, refine: int | None, limit: float | None, said: bool, workers: int | None, decide: str
) -> None:
    """Say what a sweep would cost, and refuse one beyond the limit in core-seconds."""
    from theory_sim.engine import plan, refinement
    from theory_sim.engine.cost import cost

    share = 1.0 if refine is None else min(1.0, refinement.BOUNDARY / refine)
    whole = sweep if refine is None else refinement.enlarged(sweep, refine)
    found = cost(whole)
    work, core_seconds = share * whole.size * whole.steps, share * found.core_seconds
    if said:
        click.echo(
            f"{describe(whole)}\n  cost       {work:.3g} lane-steps, about {share * found.seconds:.2g} s "
            f"({core_seconds:.2g} core-seconds), {found.memory / 2**20:.3g} MiB of memory and "
            f"{share * found.stored / 2**20:.3g} MiB of store on this machine"
        )
        if refine is not None:
            click.echo(
                f"             if {share:.2g} of the cells are run, as for a boundary or two across the grid"
            )
        else:
            for sentence in plan.sentences(whole, found, workers):
                click.echo(f"             {sentence}")
        if decide != "horizon":
            click.echo(f"             if every lane takes all steps; --decide {decide} can only make it less")
    if limit is not None and core_seconds > limit:
        raise ValueError(
            f"{sweep.name} takes about {core_seconds:.3g} core-seconds, more than --max-cost {limit:g}; raise the limit, "
            "or run fewer cells or steps."
        )


def _refined(grid: xr.Dataset, resolution: int) -> str:
    """Return in words how much was run, and what the audit of the rest found."""
    said = grid.attrs
    lines = len(np.unique(grid.boundary_line.values))
    text = (
        f"{said['simulated_share']:.3%} of {resolution} x {resolution} cells were run; {lines} "
        f"{'line' if lines == 1 else 'lines'} of boundary"
    )
    if not said["audit_rounds"]:
        return text
    drawn = said["audit_cells"]
    return (
        f"{text}\n  audit      {said['audit_misses']} of {drawn} inferred cells drawn at random wrong in round "
        f"{said['audit_rounds']}: at most {said['audit_bound']:.2%} of the inferred\n"
        f"             cells are wrong, with confidence 95 %; a region of 1 % of them is missed with probability "
        f"{0.99**drawn:.2g}"
    )


@main.command()
@click.argument("names", nargs=-1, required=True, shell_complete=completing("figures", more=("all",)))
@processes_option
@tier_option
@out_option
def figure(names: tuple[str, ...], processes: int | None, tier: str, out: Path) -> None:
    """Draw the figures NAMES, or all: PNG, SVG, the features and curves as JSON, the grids as netCDF."""
    from theory_sim.app import jobs

    for name in names:
        checks.known("figure", name, (*catalogue.figures(), "all"))
    chosen = _drawable() if "all" in names else [catalogue.figures()[name] for name in names]
    for one in chosen:
        if one.missing:
            extra = "networks" if "torch" in one.needs else "exact"
            raise ValueError(
                f'Figure {one.name} needs {", ".join(one.missing)}: pip install "theory-sim[{extra}]".'
            )
    with terminal.Progress() as progress:
        done = jobs.run((), chosen, tier, jobs.Place.within(out), processes=processes, progress=progress)
    for one in chosen:
        for path in done.files.get(one.name, ()):
            click.echo(path)
    _left_out(done.undrawn)


@main.command()
@_CLAIMS
@file_option("--json json_file", "Also write the evidence here.")
@file_option("--junit junit_file", "Also write it as JUnit's XML, which CI systems show.")
@file_option("--markdown markdown_file", "Also write it as a table, for instance for a step summary.")
@processes_option
@tier_option
@out_option
def check(
    names: tuple[str, ...],
    json_file: Path | None,
    junit_file: Path | None,
    markdown_file: Path | None,
    processes: int | None,
    tier: str,
    out: Path,
) -> None:
    """Check claims of the papers; exit status 1 if one FAILS."""
    from theory_sim.app import evidence_files, jobs, report

    chosen = catalogue.select_claims(names)
    with terminal.Progress() as progress:
        place = jobs.Place.within(out)
        results = jobs.run(chosen, (), tier, place, processes=processes, progress=progress).results
    if json_file is not None:
        report.write_json(results, tier, json_file)
    for path, text in ((junit_file, evidence_files.junit), (markdown_file, evidence_files.markdown)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(results, tier))
    conclude(results, statements=True)


@main.command()
@_CLAIMS
@click.option(
    "--data", is_flag=True, help="Keep the grids in OUT too; else they are beside it, in OUT.sweeps."
)
@processes_option
@tier_option
@out_option
def reproduce(names: tuple[str, ...], data: bool, processes: int | None, tier: str, out: Path) -> None:
    """Run every sweep, draw every figure, check every claim; the result is a site, OUT/index.html.

    With names only these claims, or those of these papers, and the figures that show them.
    """
    from theory_sim.app import jobs, report
    from theory_sim.app.report import explorer
    from theory_sim.app.report.site import drawings, write_site

    begin = time.perf_counter()
    claims = catalogue.select_claims(names)
    figures, ledger = _drawable(), catalogue.deviations()
    if names:
        figures = [one for one in figures if {*one.claims} & {claim.id for claim in claims}]
        ledger = tuple(row for row in ledger if row.paper in {claim.paper for claim in claims})
    place = jobs.Place.within(out, data)
    with terminal.Progress() as progress:
        done = jobs.run(claims, figures, tier, place, processes=processes, progress=progress)
    figures = [figure for figure in figures if figure.name in done.files]
    runs = Runs(tier, place.store)
    groups = [claim.sweeps for claim in claims] + [figure.sweeps for figure in figures]
    maps = explorer.chosen({sweep.name: sweep for group in groups for sweep in group}, tier)
    site = report.Site(
        document=report.document(done.results, tier, begin),
        claims={claim.id: claim for claim in claims},
        figures=figures,
        drawings=drawings(figures, done.files, out),
        theorems=catalogue.theorems(),
        optimizers=catalogue.optimizers(),
        deviations=ledger,
        maps=[(sweep, runs.grid(sweep)) for sweep in maps],
    )
    page = write_site(site, out)
    drawn = f"{len(figures)} figure{'' if len(figures) == 1 else 's'}"
    conclude(done.results, f"grids: {place.store}\n{drawn}, report: {page}")
    _left_out(done.undrawn)


def _drawable() -> list[Figure]:
    """Return the figures whose optional modules are installed, and name the others."""
    figures = list(catalogue.figures().values())
    for figure in figures:
        if figure.missing:
            click.echo(f"figure {figure.name} left out: it needs {', '.join(figure.missing)}", err=True)
    return [figure for figure in figures if not figure.missing]


def _left_out(undrawn: Mapping[str, str]) -> None:
    """Say which figures could not be drawn; exit status 1 if there is one."""
    for said in undrawn.values():
        click.echo(said, err=True)
    if undrawn:
        sys.exit(1)


def conclude(results: Sequence[Result], last: str = "", statements: bool = False) -> None:
    """Print the claims, with their statements or as a table, and a last line; exit status 1 if one fails.

    Beside a table, what does not pass is said in words.
    """
    from theory_sim.app import report

    rows = []
    for result in results:
        record = result.record()
        numbers = [terminal.number(record[name]) for name in ("observed", "expected", "margin")]
        rows.append((record["id"], record["status"], record["kind"], *numbers, f"{result.seconds:.1f}"))
    if statements:
        for result, (id, status, kind, observed, expected, margin, seconds) in zip(
            results, rows, strict=True
        ):
            style = terminal.STATUS_STYLE[status].split()
            click.echo(
                f"{click.style(status, fg=style[1], bold=True)} {id} ({result.claim.where}; {kind}): observed {observed}, "
                f"expected {expected}{f', margin {margin}' if margin else ''}; {seconds} s"
            )
            click.echo(prose.wrapped(result.claim.statement, "  ", "  "))
            if result.evidence.status is not Outcome.PASS:
                click.echo(prose.wrapped(f"note: {result.evidence.note}", "  ", "  "))
    else:
        terminal.show("", ("claim", "status", "kind", "observed", "expected", "margin", "s"), rows)
        for result in results:
            if result.evidence.status is not Outcome.PASS:
                click.echo(
                    f"{result.evidence.status}: {result.claim.id}: {result.claim.statement} {result.evidence.note}"
                )
    click.echo(f"{report.summary(results)}\nof these, {report.provenance(results)}")
    if last:
        click.echo(last)
    if any(result.evidence.status is Outcome.FAIL for result in results):
        sys.exit(1)


@main.command()
@click.option("--rivals/--no-rivals", default=True, help="Also run JAX and torch where they are installed.")
@click.option("--device", help="Only lanes on tensors of this device of torch, cpu or cuda.")
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="float64", show_default=True, help="Of these tensors."
)
def bench(rivals: bool, device: str | None, dtype: str) -> None:
    """Time the lane loop beside its rivals in the same run, and print the ratios."""
    from theory_sim.app import bench as benchmark

    try:
        rows = benchmark.rows(rivals) if device is None else benchmark.tensor_rows(device, dtype)
        terminal.show("", ("what", "ns per lane-step", "ratio"), rows)
    except ImportError as error:
        raise click.UsageError(str(error)) from error

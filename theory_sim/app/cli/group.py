"""The command ``theory-sim`` itself, and the options its commands share."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from theory_sim.app import catalogue
from theory_sim.nouns.dataset import pieces
from theory_sim.nouns.sweep import TIERS, Sweep
from theory_sim.nouns.training import Source, Training
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr


def _open(context: click.Context, parameter: click.Parameter, named: tuple[str, ...]) -> None:
    """Show what the modules offer that were named before or after the command."""
    here = os.getcwd()
    if named and here not in sys.path:
        sys.path.append(here)  # last, so that no file here stands before an installed module
    context.meta[_OPENED] = (*context.meta.get(_OPENED, ()), *named)
    if context.parent is not None:  # a command, whose errors have its exit status
        catalogue.open_door(*context.meta[_OPENED])


_OPENED = "theory_sim.modules"
_MEDIAN = 1 << 20  # values, evenly among all, of which a median is taken


def _module_option() -> click.Option:
    return click.Option(
        ["-m", "--module"],
        multiple=True,
        metavar="MODULE",
        expose_value=False,
        is_eager=True,
        callback=_open,
        help="Also show what this module offers: your problems, claims, figures ...; may be repeated.",
    )


class _Group(click.Group):
    """Turns the one-sentence errors of the library into one-line errors of the command, exit status 2.

    Itself and every command have the option --module.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(_module_option())

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        command.params.append(_module_option())
        super().add_command(command, name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        except MemoryError as error:
            said = str(error).rstrip(".") or "Out of memory"
            raise click.UsageError(f"{said}: ask for fewer seeds, lanes or checkpoints.") from error
        except (OverflowError, ZeroDivisionError) as error:
            raise click.UsageError(
                f"A value leaves the range of float64 ({error}); give moderate values."
            ) from error
        except checks.Missing as error:
            raise click.UsageError(str(error)) from error
        except BrokenExecutor as error:
            raise click.UsageError(
                f"A process died, perhaps for lack of memory ({error}); try --processes 1."
            ) from error
        except BrokenPipeError:  # the reader of our output left
            raise
        except OSError as error:
            said = f"{error.filename or 'Disk'}: {error.strerror}." if error.strerror else str(error)
            raise click.UsageError(said) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"Unknown command {args[0]!r}: {checks.suggestion(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def writable(path: Path) -> None:
    """Raise ValueError, before the work, if this file or folder cannot be written; create nothing."""
    existing = next(one for one in (path, *path.absolute().parents) if one.exists())
    try:
        if existing == path and not path.is_dir():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); choose another place.") from None


def _target(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        writable(path)
    return path


def file_option(name: str, help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option for a file to write, checked before the work."""
    return click.option(
        *name.split(), type=click.Path(dir_okay=False, path_type=Path), callback=_target, help=help
    )


def folder_option(help: str, default: Path | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --out for a folder to write into, checked before the work."""
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=default,
        show_default=True,
        callback=_target,
        help=help,
    )


def tier_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tier",
        type=click.Choice(TIERS),
        default="full",
        show_default=True,
        help="quick: fewer cells and steps, seconds; full: the settings of the papers, minutes.",
    )(function)


def out_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return folder_option("Folder for results; finished work there is not run again.", Path("out"))(function)


def processes_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--processes",
        type=click.IntRange(1),
        help="Processes to share the work; default: one per core, or fewer for little work.",
    )(function)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="theory-sim")
def main() -> None:
    """Does this optimizer converge, where does it break, and does that theorem really say so?

    \b
    theory-sim list                      what is there
    theory-sim check reddi2018           does that paper's every claim hold?
    theory-sim figure phase              draw a phase diagram
    theory-sim simulate --problem reddi.periodic:C=10 --optimizer adam:lr=0.5,beta2=0.5 --schedule power:s=0.5
    theory-sim theorem reddi2018.thm1 --C 10 --beta2 0.009
    theory-sim certify --n 20 --C 20 --out map.json      where Adam provably diverges
    theory-sim distributed --workers 4   quantized Adam over real processes, packed messages on the wire
    theory-sim reproduce --tier quick    everything, in one folder
    theory-sim new-paper mine2026        a folder for claims and figures of your own: -m mine2026
    """


rule_option = click.option(
    "--rule",
    help="Verdict rule, for instance gap:converged=0.1,diverged=2,relative=true; default: the problem's.",
)


def judged(sweep: Sweep, grid: xr.Dataset) -> str:
    """Return the verdicts of a sweep in words: how many of each, and what would decide the open ones."""
    if sweep.judged is None:
        reason = sweep.problem.unjudged or f"{sweep.problem.name} has no verdict rule."
        return f"UNJUDGED: {reason}  Say what would be a failure with --rule, among {_choices(sweep)}."
    found: Counter[str] = Counter()
    needed: list[np.ndarray[Any, Any]] = []
    for piece in pieces(grid):
        found.update(piece.verdict.values.ravel().tolist())
        open_ = piece.decides_at.values
        needed.append(open_[np.isfinite(open_)])
    said = ", ".join(f"{found[verdict]} {verdict}" for verdict in sorted(found))
    if many := sum(map(len, needed)):
        kept = np.concatenate([one[:: -(-many // _MEDIAN)] for one in needed])
        said += f"; {many} of the undecided still move, "
        said += f"half of them would be decided by {np.median(kept):.2g} steps"
    return said


def _choices(sweep: Sweep) -> str:
    return (
        ", ".join(name for name in sweep.problem.measures if name not in sweep.problem.online) or "no measure"
    )


def describe(sweep: Source) -> str:
    """Return what a sweep or a training runs, in a few lines."""
    axes = ", ".join(f"{name}[{len(values)}]" for name, values in sweep.axes.items()) or "none"
    if isinstance(sweep, Training):
        sizes = ", ".join(f"{name}={value}" for name, value in sweep.sizes.items())
        batch = sweep.batch or "all"
        return (
            f"{sweep.name}\n  network    {sweep.network}({sizes})\n  optimizer  {sweep.optimizer}\n"
            f"  axes       {axes}; {sweep.seeds} seed(s), batch {batch}, {sweep.steps} steps, {sweep.size} networks"
        )
    return (
        f"{sweep.name}\n  problem    {sweep.problem}\n  optimizer  {sweep.optimizer}\n"
        f"  axes       {axes}; {sweep.seeds} seed(s), order {sweep.order}, {sweep.steps} steps, "
        f"{sweep.size} lanes"
    )

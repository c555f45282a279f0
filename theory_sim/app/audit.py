"""Anybody's optimizer on trial: finding it, making step sizes comparable, the battery, the report card."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.app import catalogue, explanations
from theory_sim.app.battery import BATTERY
from theory_sim.app.contenders import contender
from theory_sim.evidence.bout import PROBED, Bout, Contender, Ends, Native
from theory_sim.evidence.probes import Probe, probe
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import constant
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.adam import adam, amsgrad
from theory_sim.optimizers.momentum import sgd
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

STEP = 0.3
"""Mean |step| at a constant step size, by the gradients of x_1, to which step sizes are calibrated."""

CONTROLS: dict[str, Callable[[], Optimizer]] = {
    "SGD": sgd,
    "Adam": adam,
    "AMSGrad": partial(amsgrad, variant="torch"),
}
_PROBE, _ROUNDS = 0.01, 12  # the first step size that is tried, and how often it is corrected
_HORIZON = 100_000  # of a problem outside the battery
_POINTS = 150  # log-spaced records of the iterates
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Row:
    """What one optimizer did on one problem.

    Parameters
    ----------
    problem : str
    verdict : str
        That of every seed; UNDECIDED where seeds disagree.
    x_final : float or list of float or None
        The last iterate, the mean over seeds; None if it is not finite.
    steps : int
    lr : float or None
        Step size of step 1, of lr / sqrt(t); None if nothing was run.
    mean_step : float or None
        Mean |step| at this lr held constant, by the gradients of x_1.
    note : str
    theorem : str
        What the theorems that speak of the optimizer say here.
    seeds : int
        How many were run, 1 where nothing is random; 0 if nothing was run.
    """

    problem: str
    verdict: str
    x_final: Any
    steps: int
    lr: float | None
    mean_step: float | None
    note: str
    theorem: str = ""
    seeds: int = 0


@dataclass(frozen=True)
class Card:
    """The report card of an audit; `str` gives its conclusion.

    Parameters
    ----------
    optimizer : str
    settings : str
        Its hyperparameters and variants, as read from its defaults.
    lr : float or dict of str to float
        The step size that was given, or the calibrated one of each problem.
    rows : tuple of Row
    controls : mapping of str to tuple of Row
        SGD, Adam and AMSGrad of this suite on the same problems, orders, seeds and horizons.
    conclusion : str
    note : str
        How the lanes of the optimizer were run.
    probe : Probe or None
        Its conventions, as measured; None if the four sequences were not run to their ends.
    twin : str
        The optimizer of this suite that takes the same steps, empty if none was found.
    grids : mapping of str to xarray.Dataset
        By problem, where it was run: what `Sweep.run` returns, with the path at log-spaced checkpoints.  One
        of elsewhere has no rows of state.
    control_grids : mapping of str to mapping
        The same of the controls.
    optima : mapping of str to float
        By problem, where its minimiser is one number.
    """

    optimizer: str
    settings: str
    lr: Any
    rows: tuple[Row, ...]
    controls: Mapping[str, tuple[Row, ...]]
    conclusion: str
    note: str = ""
    probe: Probe | None = None
    twin: str = ""
    grids: Mapping[str, xr.Dataset] = field(default_factory=dict, repr=False, compare=False)
    control_grids: Mapping[str, Mapping[str, xr.Dataset]] = field(
        default_factory=dict, repr=False, compare=False
    )
    optima: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """Return the card in plain JSON types."""
        return {
            "optimizer": self.optimizer,
            "settings": self.settings,
            "measured": None if self.probe is None else self.probe.record(),
            "twin": self.twin,
            "lr": self.lr,
            "rows": [asdict(row) for row in self.rows],
            "why": {row.problem: BATTERY[row.problem].why for row in self.rows if row.problem in BATTERY},
            "controls": {name: [asdict(row) for row in rows] for name, rows in self.controls.items()},
            "conclusion": self.conclusion,
            "note": self.note,
        }

    def __str__(self) -> str:
        return self.conclusion


def audit(
    optimizer: Any,
    problems: str | Iterable[Any] = "battery",
    *,
    steps: int | None = None,
    seeds: int = 4,
    lr: float | str = "calibrate",
    entropy: int = 0,
    progress: Progress = lambda text, share: None,
) -> Card:
    """Put anybody's optimizer on trial, with SGD, Adam and AMSGrad in the same run.

    Steps have size lr / sqrt(t), and verdicts come from the rules of the problems, as in a `Sweep`.

    Parameters
    ----------
    optimizer : str, Optimizer, class or callable
        ``"adam:beta2=0.99"`` of this suite, ``"torch.optim:NAdam:betas=(0.9,0.999)"``,
        ``"pytorch_optimizer:AdaBelief"``, ``"optax:adan"``, ``"path/to/file.py:make"``; or what these names mean:
        an `Optimizer`, a class or factory of torch that takes ``params`` and ``lr``, a factory of optax that
        takes ``learning_rate``; or a transformation of optax, whose steps lr multiplies.
    problems : str or iterable
        ``"battery"``, or names with commas between: of the battery, or of the catalogue with arguments and an
        order, such as ``reddi.periodic:C=10@reshuffled``.  Or a list of names and Problems.
    steps : int, optional
        Horizon; default: one that decides the problem for Adam and its family, 100,000 outside the battery.
    seeds : int
        Where a problem or its order is random.
    lr : float or "calibrate"
        Step size of step 1; calibrated, it makes the mean |step| near x_1 the same for all optimizers.
    entropy : int
        Root of all seeds.
    progress : callable, optional
        Called with what is being done and the finished share of it.

    Returns
    -------
    Card
        Its `grids` are the Datasets of the runs.

    Raises
    ------
    ValueError
        If the optimizer cannot be found or built, needs a closure or sparse gradients, or its first steps
        raise; one sentence says why.
    """
    chosen, lr = prepared(problems, steps, seeds, lr, entropy)
    bouts = [replace(bout, checkpoints=_POINTS) for bout in chosen]
    tried = contender(optimizer)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        beside = {name: _started(Native(make(), name), bouts, lr, pool) for name, make in CONTROLS.items()}
        running = _beside(tried, beside) or (
            _started(tried, bouts, lr, pool) if isinstance(tried, Native) else []
        )
        found = probe(tried)
        ours = explanations.twin(tried, found)
        catalogue.theorems()  # which the rows are judged by: the papers are imported while the lanes run
        ran = [] if running else _run(tried, bouts, lr, progress)
        owners: dict[Future[list[_Ran]], Optimizer | None] = {
            future: CONTROLS[name]() for name, some in beside.items() for future in some
        }
        owners.update(dict.fromkeys(running, ours))
        judged: dict[Future[list[_Ran]], tuple[Row, ...]] = {}
        for future in as_completed(owners):  # so that few are left to judge after the last lane
            judged[future] = _rows(future.result(), owners[future])
            if running:
                progress(f"audit of {tried.name}", len(judged) / len(owners))
    ran = ran or _ended(running)
    others = {name: _ended(some) for name, some in beside.items()}
    rows = _told(running, judged) if running else _rows(ran, ours)
    controls = {name: _told(some, judged) for name, some in beside.items()}
    rates = {row.problem: row.lr for row in rows}
    return Card(
        tried.name,
        tried.settings,
        rates if isinstance(lr, str) else lr,
        rows,
        controls,
        _conclusion(tried.name, rows, controls, lr),
        tried.note,
        found,
        "" if ours is None or isinstance(tried, Native) else Native(ours, ours.name).settings,
        _grids(ran),
        {name: _grids(one) for name, one in others.items()},
        {bout.name: bout.problem.optimum for bout in bouts if bout.problem.optimum is not None},
    )


def prepared(
    problems: str | Iterable[Any], steps: int | None, seeds: int, lr: float | str, entropy: int
) -> tuple[list[Bout], float | str]:
    """Return the bouts of some problems, and the step size, after checking what was asked for."""
    checks.count("seeds", seeds, 1, 10_000)
    checks.count("entropy", entropy, 0)
    if steps is not None:
        checks.count("steps", steps, 1, checks.LARGEST)
    if isinstance(lr, str):
        checks.known("lr", lr, ("calibrate",))
    else:
        lr = checks.number("lr", lr, 0.0, open_low=True)
    found = _bouts(problems)
    return [replace(one, steps=steps or one.steps, seeds=seeds, entropy=entropy) for one in found], lr


def _bouts(problems: str | Iterable[Any]) -> list[Bout]:
    """Return the bouts of some problems by name."""
    if isinstance(problems, str):
        problems = _names(problems)
    found: dict[str, Bout] = {}
    for one in problems:
        if isinstance(one, Problem):
            found[str(one)] = Bout(str(one), one, steps=_HORIZON)
            continue
        for name in [key for key in BATTERY if one in ("battery", key, key.partition("@")[0])]:
            entry = BATTERY[name]
            found[name] = Bout(name, entry.built(), entry.order, entry.steps)
        if not any(one in ("battery", key, key.partition("@")[0]) for key in BATTERY):
            spec, _, order = str(one).partition("@")
            found[one] = Bout(one, catalogue.build_problem(spec), order or "cyclic", _HORIZON)
            _ = found[one].stream  # an unknown order is refused here
    if not found:
        raise ValueError("problems is empty; give 'battery' or names of problems.")
    return list(found.values())


def _names(text: str) -> list[str]:
    """Split names at commas, but not the arguments of one: a part ``name=value`` belongs to what precedes it."""
    found: list[str] = []
    for part in filter(None, catalogue.COMMA.split(text)):
        if found and "=" in part.partition(":")[0]:
            found[-1] += f",{part}"
        else:
            found.append(part.strip())
    return found


_Ran = tuple[Bout, Ends, float, str]
_Running = list[Future[list[_Ran]]]


def _started(tried: Native, bouts: Sequence[Bout], lr: float | str, pool: Executor) -> _Running:
    """Start every bout of an optimizer of this suite, long ones first; one of few lanes is the work of one thread."""
    work = {bout.name: bout.steps * bout.stream.seeds * bout.problem.dim for bout in bouts}
    begun = {
        bout.name: pool.submit(_run, tried, [bout], lr)
        for bout in sorted(bouts, key=lambda bout: -work[bout.name])
    }
    return [begun[bout.name] for bout in bouts]


def _beside(tried: Contender, beside: Mapping[str, _Running]) -> _Running:
    """Return the runs of the control that is the optimizer on trial, none if it is none of them."""
    if not isinstance(tried, Native):
        return []
    ours = {name: make() for name, make in CONTROLS.items()}
    kept = {"lr": 1.0, "schedule": constant()}  # which the audit sets
    same = [name for name, one in ours.items() if one.replace(**kept) == tried.optimizer.replace(**kept)]
    return beside[same[0]] if same else []


def _ended(running: _Running) -> list[_Ran]:
    return [one for future in running for one in future.result()]


def _run(
    tried: Contender, bouts: Sequence[Bout], lr: float | str, progress: Progress = lambda text, share: None
) -> list[_Ran]:
    """Run every bout with its step size: the bout, its end, its mean |step|, and a remark."""
    set_up = []
    for bout in bouts:
        progress(f"step size of {tried.name} on {bout.name}", 0.0)
        set_up.append(calibrated(tried, bout, lr))
    running = [bout for bout, _, note in set_up if bout.lr > 0.0]
    ended = iter(
        tried.run(running, lambda share: progress(f"audit of {tried.name}", share)) if running else []
    )
    return [
        (bout, next(ended) if bout.lr > 0.0 else Ends(None), mean_step, note)
        for bout, mean_step, note in set_up
    ]


def _rows(ran: Sequence[_Ran], ours: Optimizer | None) -> tuple[Row, ...]:
    return tuple(_row(*one, ours) for one in ran)


def _told(running: _Running, judged: Mapping[Future[list[_Ran]], tuple[Row, ...]]) -> tuple[Row, ...]:
    return tuple(row for future in running for row in judged[future])


def _grids(ran: Sequence[_Ran]) -> dict[str, xr.Dataset]:
    return {bout.name: ends.grid for bout, ends, _, _ in ran if ends.grid is not None}


def calibrated(tried: Contender, bout: Bout, lr: float | str) -> tuple[Bout, float, str]:
    """Return the bout with its step size (0: it is not run), the mean |step| there, and a remark."""
    one, two = (tried.rate(bout, factor * _PROBE) for factor in (1.0, 2.0))
    growth = two / one if one else 1.0
    reason = ""
    if not (math.isfinite(one) and math.isfinite(two)):
        reason = f"not finite within {PROBED} steps"
    elif one == 0.0 or two == 0.0:
        reason = f"it does not move within {PROBED} steps"
    elif abs(growth - 1.0) < 1e-3:
        reason = "it ignores lr: its steps are as long when lr doubles, so no step sizes can be set"
    if reason:
        return replace(bout, lr=0.0), math.nan, f"{reason}; not run"
    if not isinstance(lr, str):
        return replace(bout, lr=lr), tried.rate(bout, lr), ""
    notes = [] if abs(growth - 2.0) < 0.02 else [f"steps grow {growth:.3g}-fold, not 2-fold, when lr doubles"]
    size, reached = _solved(partial(tried.rate, bout), one)
    if abs(reached / STEP - 1.0) > 0.05:  # weight decay, for instance, ends the walk of a large step size
        notes.append("mean |step| with every step from x_1")
        held = partial(tried.rate, bout, held=True)
        size, reached = _solved(held, held(_PROBE))
    if not abs(reached / STEP - 1.0) <= 0.05:
        note = (
            f"no lr was found with a mean |step| of {STEP:g}, so it is not comparable; not run, give it an lr"
        )
        return replace(bout, lr=0.0), reached, note
    return replace(bout, lr=size), reached, "; ".join(notes)


def _solved(rate: Callable[[float], float], one: float) -> tuple[float, float]:
    """Return a step size with the wanted mean |step|, and what that is, from that of the first step size.

    Newton's method on logarithms: one round where steps are proportional to lr.
    """
    if not (math.isfinite(one) and one > 0.0):
        return _PROBE, math.nan
    size, reached, power = _PROBE, one, 1.0
    following = size * STEP / reached
    for _ in range(_ROUNDS):
        found = rate(following)
        if not (math.isfinite(found) and found > 0.0):
            following = math.sqrt(following * size)
            continue
        if following != size:
            power = min(max(math.log(found / reached) / math.log(following / size), 0.2), 50.0)
        size, reached = following, found
        if abs(reached / STEP - 1.0) < 1e-6:
            break
        following = size * (STEP / reached) ** (1.0 / power)
    return size, reached


def _row(bout: Bout, ends: Ends, mean_step: float, note: str, ours: Optimizer | None) -> Row:
    grid, verdict, final = ends.grid, ends.verdict, None
    notes = [note, ends.note]
    if grid is not None:
        verdicts, stopped = grid.verdict.values.tolist(), grid.nonfinite_step.values
        verdict = verdicts[0] if len(set(verdicts)) == 1 else Verdict.UNDECIDED.value
        if bout.problem.rule is None:
            notes.append(bout.problem.unjudged or f"{bout.problem.name} has no verdict rule.")
        if len(set(verdicts)) > 1:
            counts = sorted(Counter(verdicts).items())
            notes.append("seeds: " + ", ".join(f"{n} {one}" for one, n in counts))
        if (stopped > 0).any():
            first, many = stopped[stopped > 0].min(), (stopped > 0).sum()
            notes.append(f"not finite after step {first} in {many} of {len(verdicts)} runs")
        needed = grid.decides_at.values if "decides_at" in grid else np.array([])
        if bout.short and verdict != Verdict.UNJUDGED.value:
            verdict = Verdict.UNDECIDED.value
            notes.append(bout.short)
        elif verdict == Verdict.UNDECIDED.value and np.isfinite(needed).any():
            about = np.median(needed[np.isfinite(needed)])
            notes.append(f"still moving; about {about:.2g} steps would decide it")
        elif verdict == Verdict.UNDECIDED.value and len(set(verdicts)) == 1:
            notes.append(_between(bout, grid))
        x = np.atleast_1d(grid.x_final.values.mean(axis=0))
        final = (x.tolist() if len(x) > 1 else float(x[0])) if np.isfinite(x).all() else None
    began = bout.lr > 0.0 and not (grid is None and verdict == Verdict.UNJUDGED.value)
    return Row(
        problem=bout.name,
        verdict=verdict,
        x_final=final,
        steps=bout.steps if began else 0,
        lr=bout.lr if began else None,
        mean_step=mean_step if began else None,
        note="; ".join(filter(None, notes)),
        theorem=explanations.explanation(ours, bout, verdict) if grid is not None else "",
        seeds=bout.stream.seeds if began else 0,
    )


def _between(bout: Bout, grid: xr.Dataset) -> str:
    """Return the window means of an UNDECIDED run that goes nowhere, and what would have decided it."""
    rule = bout.problem.rule
    if rule is None or not np.isfinite(grid[f"{rule.measure}_window"].values).all():
        return ""
    scale = float(bout.stream.measures(bout.stream.start)[rule.measure].mean()) if rule.relative else 1.0
    means = ", ".join(f"{one:.3g}" for one in grid[f"{rule.measure}_window"].mean("seed").values)
    return (
        f"{rule.measure.replace('_', ' ')} {means} at a quarter, half and end of the steps; CONVERGED takes less than "
        f"{rule.converged * scale:.3g}, DIVERGED more than {rule.diverged * scale:.3g}, and neither with a way back"
    )


def _conclusion(
    name: str, rows: Sequence[Row], controls: Mapping[str, Sequence[Row]], lr: float | str
) -> str:
    """Return one sentence about what was run, and nothing else."""
    calibrated = f"a mean |step| of {STEP:g} near x_1" if isinstance(lr, str) else f"lr = {lr:g}"
    parts = []
    for verdict in Verdict:
        where = [row for row in rows if row.verdict == verdict]
        if not where:
            continue
        said = f"{verdict} on {', '.join(row.problem for row in where)}"
        if verdict == Verdict.DIVERGED:
            well = [
                control
                for control, others in controls.items()
                if all(
                    other.verdict == Verdict.CONVERGED
                    for row, other in zip(rows, others, strict=True)
                    if row in where
                )
            ]
            said += f" (where {' and '.join(well)} CONVERGED)" if well else ""
        parts.append(said)
    run = [row for row in rows if row.steps]
    many = f"{len(rows)} problem{'s' if len(rows) > 1 else ''}"
    size = (
        f", {_span(row.seeds for row in run)} of {_span((row.steps for row in run), 'step')} each"
        if run
        else ""
    )
    return (
        f"On {many}{size}, with lr/sqrt(t) from {calibrated}, {name}: {'; '.join(parts)}; this says nothing of other step "
        "sizes, hyperparameters, horizons, seeds or problems."
    )


def _span(numbers: Iterable[int], noun: str = "seed") -> str:
    """Return the least and the largest of some numbers with their noun: 1 seed, 1 to 4 seeds."""
    found = sorted(set(numbers))
    text = " to ".join(map(str, dict.fromkeys((found[0], found[-1]))))
    return f"{text} {noun}{'' if found == [1] else 's'}"

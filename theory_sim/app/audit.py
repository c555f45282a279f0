"""Anybody's optimizer on trial: finding it, making step sizes comparable, the battery, the report card."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.app import catalogue
from theory_sim.evidence.bout import PROBED, Bout, Contender, Ends, Native, unjudged
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.optimizers.adam import adam, amsgrad
from theory_sim.optimizers.momentum import sgd

STEP = 0.3
"""Mean |step| at a constant step size, by the gradients of x_1, to which step sizes are calibrated."""

BATTERY: dict[str, tuple[str, str, int]] = {
    "reddi.periodic": ("reddi.periodic:C=1010.0,small=10.0,period=101", "cyclic", 1_000_000),
    "zhang.piecewise@cyclic": ("zhang.piecewise:n=10,a=1.0", "cyclic", 1_000_000),
    "zhang.piecewise@reshuffled": ("zhang.piecewise:n=10,a=1.0", "reshuffled", 1_000_000),
    "shi.periodic": ("shi.periodic:C=10", "cyclic", 100_000),
    "smooth.quadratic": ("smooth.quadratic", "cyclic", 100_000),
}
"""By name: a hard instance, its order, and a horizon that decides it for Adam and its family."""

CONTROLS: dict[str, Callable[[], Optimizer]] = {
    "SGD": sgd,
    "Adam": adam,
    "AMSGrad": partial(amsgrad, variant="torch"),
}
_PROBE, _ROUNDS = 0.01, 12  # the first step size that is tried, and how often it is corrected
_HORIZON = 100_000  # of a problem outside the battery
_EXTRAS = {"torch": "torch", "jax": "optax", "optax": "optax", "pytorch_optimizer": "zoo"}
_MODULE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)(?::(.*))?")
_FILE = re.compile(r"(.+\.py):([A-Za-z_]\w*)(?::(.*))?")
_WAY = "an optimizer is a torch.optim class or factory (params, lr), or an optax factory (learning_rate)"


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
    """

    problem: str
    verdict: str
    x_final: Any
    steps: int
    lr: float | None
    mean_step: float | None
    note: str


@dataclass(frozen=True)
class Card:
    """The report card of an audit; `str` gives its conclusion.

    Parameters
    ----------
    optimizer : str
    settings : str
        Its hyperparameters and variants, as found.
    lr : float or dict of str to float
        The step size that was given, or the calibrated one of each problem.
    rows : tuple of Row
    controls : mapping of str to tuple of Row
        SGD, Adam and AMSGrad of this suite on the same problems, orders, seeds and horizons.
    conclusion : str
    note : str
        How the lanes of the optimizer were run.
    """

    optimizer: str
    settings: str
    lr: Any
    rows: tuple[Row, ...]
    controls: Mapping[str, tuple[Row, ...]]
    conclusion: str
    note: str = field(default="")

    def record(self) -> dict[str, Any]:
        """Return the card in plain JSON types."""
        found = asdict(self)
        found["rows"] = [asdict(row) for row in self.rows]
        found["controls"] = {name: [asdict(row) for row in rows] for name, rows in self.controls.items()}
        return found

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
) -> Card:
    """Put anybody's optimizer on trial, with SGD, Adam and AMSGrad in the same run.

    Steps have size lr / sqrt(t), and verdicts come from the rules of the problems, as in a `Sweep`.

    Parameters
    ----------
    optimizer : str, Optimizer, class or callable
        ``"adam:beta2=0.99"`` of this suite, ``"torch.optim:NAdam:betas=(0.9,0.999)"``,
        ``"pytorch_optimizer:AdaBelief"``, ``"optax:adan"``, ``"path/to/file.py:make"``; or what these names mean:
        an `Optimizer`, a class or factory of torch that takes ``params`` and ``lr``, a factory of optax that
        takes ``learning_rate``.
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

    Raises
    ------
    ValueError
        If the optimizer cannot be found or built, needs a closure or sparse gradients, or its first steps
        raise; one sentence says why.
    """
    checks.count("seeds", seeds, 1, 10_000)
    checks.count("entropy", entropy, 0)
    if steps is not None:
        checks.count("steps", steps, 1, checks.LARGEST)
    if isinstance(lr, str):
        checks.known("lr", lr, ("calibrate",))
    else:
        lr = checks.number("lr", lr, 0.0, open_low=True)
    bouts = [
        replace(bout, steps=steps or bout.steps, seeds=seeds, entropy=entropy) for bout in _bouts(problems)
    ]
    tried = contender(optimizer)
    rows = _rows(tried, bouts, lr)
    controls = {name: _rows(Native(make(), name), bouts, lr) for name, make in CONTROLS.items()}
    rates = {row.problem: row.lr for row in rows}
    return Card(
        tried.name,
        tried.settings,
        rates if isinstance(lr, str) else lr,
        rows,
        controls,
        _conclusion(tried.name, rows, controls, lr),
        tried.note,
    )


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
            spec, order, horizon = BATTERY[name]
            found[name] = Bout(name, catalogue.build_problem(spec), order, horizon)
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


def contender(optimizer: Any) -> Contender:
    """Return what a name, a class, a factory or an `Optimizer` puts on trial.

    Raises
    ------
    ValueError
        If it is no optimizer.
    """
    if not isinstance(optimizer, str):
        return _made(optimizer, getattr(optimizer, "__name__", "") or str(optimizer))
    in_file, in_module = _FILE.fullmatch(optimizer), _MODULE.fullmatch(optimizer)
    first = optimizer.partition(":")[0]
    if first in OPTIMIZERS or not (in_file or in_module):
        if first not in OPTIMIZERS and ("." in first or "/" in first):
            raise ValueError(
                f"{optimizer!r} names no optimizer; write a module or a file, a colon and a name: torch.optim:Adam, "
                "path/to/file.py:make."
            )
        own = catalogue.arguments(optimizer.partition(":")[2], first)
        if "lr" in own:
            raise ValueError(f"The audit sets lr itself; leave it out of {optimizer!r}, and use --lr for it.")
        return Native(catalogue.build_optimizer(optimizer), optimizer)
    match = in_file or in_module
    assert match is not None
    place, name, text = match.groups()
    found = _file(Path(place)) if in_file else _module(place)
    known = [one for one in dir(found) if not one.startswith("_")]
    checks.known(f"name in {place}", name, known)
    made = getattr(found, name)
    given = catalogue.arguments(text or "")
    for one in {"lr", "learning_rate"} & given.keys():
        raise ValueError(f"The audit sets {one} itself; leave it out of {optimizer!r}, and use --lr for it.")
    return _made(made, optimizer, given)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        way = f'pip install "theory-sim[{extra}]"' if extra else "check its name, or install it"
        raise ValueError(f"No module {error.name} can be imported; {way}.") from error
    except Exception as error:
        raise ValueError(
            f"{name} cannot be imported: {type(error).__name__}: {checks.sentence(error)}"
        ) from error


def _file(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"There is no file {path}; give path/to/file.py:make.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} cannot be run: {type(error).__name__}: {checks.sentence(error)}") from error
    return module


def _made(made: Any, name: str, given: Mapping[str, Any] | None = None) -> Contender:
    """Return a contender from an object: one of ours, or a factory of torch or optax, told by its arguments."""
    given = given or {}
    if isinstance(made, Optimizer):
        return Native(made.replace(**given) if given else made, name)
    done = hasattr(made, "update") and hasattr(made, "init") and not inspect.isclass(made)
    if not callable(made) or done:
        already = "a transformation with its step size already in it" if done else ""
        raise ValueError(f"{name} is {already or checks.article(type(made).__name__)}, no optimizer: {_WAY}.")
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        raise ValueError(f"{name} tells no arguments, so it is no optimizer: {_WAY}.") from None
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for one in given:
            checks.known(f"argument of {name.partition(':')[2].partition(':')[0]}", one, parameters)
    whole = partial(made, **given)
    if inspect.isclass(made) and not any(one.__module__.startswith("torch.optim") for one in made.__mro__):
        raise ValueError(f"{name} is a class, and no torch.optim.Optimizer: {_WAY}.")
    if inspect.isclass(made) or "params" in parameters:
        try:
            from theory_sim.wire.torch_audit import TorchContender
        except ImportError as error:
            raise ValueError(str(error)) from error
        return TorchContender(whole, name)
    if "learning_rate" in parameters:
        try:
            from theory_sim.wire.optax_audit import OptaxContender
        except ImportError as error:
            raise ValueError(str(error)) from error
        return OptaxContender(whole, name)
    if all(one.default is not one.empty or one.name in given for one in parameters.values()):
        try:
            found = whole()
        except Exception as error:
            raise ValueError(f"{name} raised {type(error).__name__}: {checks.sentence(error)}") from error
        if isinstance(found, Optimizer):
            return Native(found, name)
    raise ValueError(f"{name} takes ({', '.join(parameters)}), and is no optimizer: {_WAY}.")


def _rows(tried: Contender, bouts: Sequence[Bout], lr: float | str) -> tuple[Row, ...]:
    """Run every bout with its step size."""
    set_up = [_calibrated(tried, bout, lr) for bout in bouts]
    running = [bout for bout, _, note in set_up if bout.lr > 0.0]
    ended = iter(tried.run(running) if running else [])
    rows = []
    for bout, mean_step, note in set_up:
        rows.append(_row(bout, next(ended) if bout.lr > 0.0 else unjudged(bout, ""), mean_step, note))
    return tuple(rows)


def _calibrated(tried: Contender, bout: Bout, lr: float | str) -> tuple[Bout, float, str]:
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
    # Newton's method on logarithms: one round where steps are proportional to lr.
    size, reached, power = _PROBE, one, 1.0
    following = size * STEP / reached
    for _ in range(_ROUNDS):
        found = tried.rate(bout, following)
        if not (math.isfinite(found) and found > 0.0):
            following = math.sqrt(following * size)
            continue
        if following != size:
            power = min(max(math.log(found / reached) / math.log(following / size), 0.2), 50.0)
        size, reached = following, found
        if abs(reached / STEP - 1.0) < 1e-6:
            break
        following = size * (STEP / reached) ** (1.0 / power)
    if abs(reached / STEP - 1.0) > 0.05:
        note = (
            f"no lr was found with a mean |step| of {STEP:g}, so it is not comparable; not run, give it an lr"
        )
        return replace(bout, lr=0.0), reached, note
    note = "" if abs(growth - 2.0) < 0.02 else f"steps grow {growth:.3g}-fold, not 2-fold, when lr doubles"
    return replace(bout, lr=size), reached, note


def _row(bout: Bout, ends: Ends, mean_step: float, note: str) -> Row:
    verdicts, stopped = ends.judgement.verdict.tolist(), ends.stopped[ends.stopped > 0]
    notes = [note, ends.note]
    verdict = verdicts[0] if len(set(verdicts)) == 1 else Verdict.UNDECIDED.value
    if len(set(verdicts)) > 1:
        notes.append("seeds: " + ", ".join(f"{n} {one}" for one, n in sorted(Counter(verdicts).items())))
    if stopped.size:
        notes.append(f"not finite after step {stopped.min()} in {stopped.size} of {len(verdicts)} runs")
    needed = ends.judgement.decides_at[np.isfinite(ends.judgement.decides_at)]
    if bout.lr > 0.0 and bout.short and verdict != Verdict.UNJUDGED.value:
        verdict = Verdict.UNDECIDED.value
        notes.append(bout.short)
    elif verdict == Verdict.UNDECIDED.value and needed.size:
        notes.append(f"still moving; about {np.median(needed):.2g} steps would decide it")
    x = ends.x.mean(axis=0)
    final = x.tolist() if np.isfinite(x).all() else None
    return Row(
        problem=bout.name,
        verdict=verdict,
        x_final=final[0] if final is not None and len(final) == 1 else final,
        steps=bout.steps if bout.lr > 0.0 else 0,
        lr=bout.lr or None,
        mean_step=mean_step if bout.lr else None,
        note="; ".join(filter(None, notes)),
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
    steps = sorted({row.steps for row in rows if row.steps})
    after = f", {' to '.join(map(str, dict.fromkeys((steps[0], steps[-1]))))} steps" if steps else ""
    return (
        f"With lr/sqrt(t) from {calibrated}{after}, {name}: {'; '.join(parts)}; this says nothing of other step sizes, "
        "hyperparameters, horizons or problems."
    )

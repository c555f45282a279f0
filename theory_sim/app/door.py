"""The door: what modules outside of this suite offer to the command line, read and checked.

A module offers lists (or dicts, by name) called PROBLEMS, OPTIMIZERS, SWEEPS, CLAIMS, THEOREMS, FIGURES, PAPERS and
DEVIATIONS.  It is named by ``theory-sim -m MODULE``, or installed with an entry point of the group ``theory_sim``.
"""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from theory_sim.nouns.claim import Claim, Deviation
from theory_sim.nouns.figure import Figure
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.papers import Paper
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.theorem import Theorem
from theory_sim.nouns.training import Training
from theory_sim.rules import checks

GROUP = "theory_sim"
_NOT_THEIRS = {Path(__file__).parents[1], Path(importlib.__file__).parent}  # of the lines of a traceback
_NAME = re.compile(r"[A-Za-z][\w.-]*")  # a colon or a comma would end it on the command line


@dataclass(frozen=True)
class _List:
    """What one of the lists holds: its type in words, its types, and where each thing has its name."""

    what: str
    kinds: tuple[type, ...]
    name: str


_LISTS = {
    "PROBLEMS": _List("Problem", (Problem,), "name"),
    "OPTIMIZERS": _List("Optimizer", (Optimizer,), "name"),
    "SWEEPS": _List("Sweep or Training", (Sweep, Training), "name"),
    "CLAIMS": _List("Claim", (Claim,), "id"),
    "THEOREMS": _List("Theorem", (Theorem,), "id"),
    "FIGURES": _List("Figure", (Figure,), "name"),
    "PAPERS": _List("Paper", (Paper,), "key"),
}
BUILT = ("PROBLEMS", "OPTIMIZERS")  # these may be given by their constructors


@dataclass(frozen=True)
class Offer:
    """What one module offers.

    Parameters
    ----------
    module : str
    source : str
        How it came in, for messages: "-m mine", or its distribution.
    things : mapping of str to mapping of str to object
        For each of the lists, what it holds by name; problems and optimizers are constructors.
    deviations : tuple of Deviation
        Its ledger.
    """

    module: str
    source: str
    things: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] = ()


def installed() -> dict[str, str]:
    """Return the modules that installed distributions offer, with the name of the distribution."""
    from importlib import metadata  # takes as long as the rest of this module

    found = metadata.entry_points(group=GROUP)
    return {point.value: point.dist.name if point.dist else point.name for point in found}


def offer(name: str, source: str = "") -> Offer:
    """Import a module and return what it offers.

    Parameters
    ----------
    name : str
        As in an import statement.
    source : str
        How it came in; default: ``-m NAME``.

    Raises
    ------
    ValueError
        If it cannot be imported, offers nothing, or offers what is no noun or has no usable name.
    """
    source = source or f"-m {name}"
    module = _imported(name, source)
    if getattr(module, "__file__", None) is None and hasattr(module, "__path__"):
        raise ValueError(f"{source}: {name} is a folder, no module; run inside it, or name a module in it.")
    if not any(hasattr(module, one) for one in (*_LISTS, "DEVIATIONS")):
        raise ValueError(
            f"{source}: {getattr(module, '__file__', name)} offers nothing; "
            f"list its nouns there as {', '.join(_LISTS)} or DEVIATIONS."
        )
    things = {one: _read(module, one, source) for one in _LISTS}
    rows = getattr(module, "DEVIATIONS", ())
    if not isinstance(rows, list | tuple):
        raise ValueError(
            f"{source}: DEVIATIONS is {checks.article(type(rows).__name__)}; write it with ledger()."
        )
    for row in rows:
        if not isinstance(row, Deviation):
            raise ValueError(
                f"{source}: DEVIATIONS has {checks.shown(row)}, no Deviation; write it with ledger()."
            )
    return Offer(name, source, things, tuple(rows))


def _imported(name: str, source: str) -> ModuleType:
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        stem = re.split(r"[/\\]", name)[-1].removesuffix(".py") or "mymodule"
        raise ValueError(
            f"{source}: {name!r} is no name of a module; run in the folder of its file, with -m {stem}."
        )
    if name.endswith(".py"):
        raise ValueError(f"{source}: give the module, not its file: -m {name.removesuffix('.py')}.")
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            file = f"{error.name.replace('.', '/')}.py"
            raise ValueError(
                f"{source}: no module {error.name} is found; run in the folder that holds {file}, or install it."
            ) from None
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            one
            for one in frames
            if not (one.filename.startswith("<") or {*Path(one.filename).parents} & _NOT_THEIRS)
        ]
        at = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        raise ValueError(
            f"{source} cannot be imported: {type(error).__name__}: {checks.sentence(error).rstrip('.')}{at}; "
            f"mend it{'' if source.startswith('-m ') else ', or uninstall it'}."
        ) from error


def _read(module: ModuleType, kind: str, source: str) -> dict[str, Any]:
    """Return what a list of a module holds, by name."""
    given, kinds = getattr(module, kind, ()), _LISTS[kind]
    entries: Iterable[tuple[str | None, Any]]
    if isinstance(given, Mapping):
        entries = given.items()
    elif isinstance(given, Sequence) and not isinstance(given, str):
        entries = ((None, one) for one in given)
    else:
        raise ValueError(
            f"{source}: {kind} is {checks.article(type(given).__name__)}; make it a list or a dict, each of it {checks.article(kinds.what)}."
        )
    found: dict[str, Any] = {}
    for i, (key, thing) in enumerate(entries):
        at = f"{source}: {kind}[{i if key is None else repr(key)}]"
        name = _name(thing, key, kind, at, module.__name__)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            way = ", or offer it in a dict under one" if kind in BUILT else ""
            raise ValueError(
                f"{at} is called {checks.shown(name)}; give it a name of letters, digits, dots, _ and -, "
                f"beginning with a letter{way}."
            )
        if name in found:
            raise ValueError(f"{source}: {kind} has two things called {name!r}; rename one.")
        found[name] = _constructor(thing, f"{source}: {name}", kind) if kind in BUILT else thing
    return found


def _name(thing: Any, key: str | None, kind: str, at: str, module: str) -> Any:
    """Return what a thing is called on the command line."""
    kinds = _LISTS[kind]
    if isinstance(thing, kinds.kinds):
        own = getattr(thing, kinds.name)
        if kind in BUILT or key is None or key == own:
            return own if key is None else key
        raise ValueError(f"{at} is called {own!r} by its {kinds.name}; use one name for it.")
    if kind not in BUILT or not callable(thing) or inspect.isclass(thing):
        ways = " or a constructor of one" if kind in BUILT else ""
        raise ValueError(
            f"{at} = {checks.shown(thing)} is {checks.article(type(thing).__name__)}; give {checks.article(kinds.what)}{ways}."
        )
    if key is not None:
        return key
    name = getattr(thing, "__name__", "")
    # Our own problems are called by their family, as in reddi.periodic.
    return f"{module.rpartition('.')[2]}.{name}" if kind == "PROBLEMS" else name


def _constructor(thing: Any, what: str, kind: str) -> Callable[..., Any]:
    """Return a constructor that fails in one sentence; of a noun that is built, one that builds it anew."""
    if not isinstance(thing, Problem | Optimizer):
        (noun,) = _LISTS[kind].kinds

        @wraps(thing)
        def build(*args: Any, **kwargs: Any) -> Any:
            try:
                made = thing(*args, **kwargs)
            except (ValueError, TypeError, ArithmeticError):  # wrong values, which the catalogue tells
                raise
            except Exception as error:
                raise ValueError(f"{what} raised {type(error).__name__}: {checks.sentence(error)}") from error
            if not isinstance(made, noun):
                raise ValueError(
                    f"{what} gives {checks.shown(made)}, which is not {checks.article(noun.__name__)}; its "
                    "constructor must return one."
                )
            return made

        return build

    def again(**changes: Any) -> Problem | Optimizer:
        return thing.replace(**changes) if changes else thing

    again.__name__, again.__doc__ = thing.name, str(thing)
    values = dict(thing.arguments)
    if isinstance(thing, Problem):
        values = values or dict(thing.constants)
    else:
        values = {**(values or {"lr": thing.lr, **thing.hyper}), "schedule": thing.schedule}
    parameters = [
        inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, default=values[one]) for one in values
    ]
    again.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return again

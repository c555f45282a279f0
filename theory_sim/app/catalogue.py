"""Finding optimizers, problems, claims, theorems and figures by name.

The engine knows no paper: the three other packages are imported by name, here only, and only when asked.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from theory_sim.nouns.training import Training
from theory_sim.nouns.verdict import Rule
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules import checks

if TYPE_CHECKING:
    from theory_sim.compressors import Compressor
    from theory_sim.nouns.claim import Claim, Deviation
    from theory_sim.nouns.figure import Figure
    from theory_sim.nouns.optimizer import Optimizer
    from theory_sim.nouns.problem import Problem
    from theory_sim.nouns.schedule import Schedule
    from theory_sim.nouns.sweep import Sweep
    from theory_sim.nouns.theorem import Theorem
    from theory_sim.nouns.training import Source


@cache
def problems() -> Mapping[str, Callable[..., Problem]]:
    """Return the constructors of the counterexamples, as ``module.name``."""
    found: Mapping[str, Callable[..., Problem]] = import_module("counterexamples").PROBLEMS
    return found


@cache
def claims() -> Mapping[str, Claim]:
    """Return every claim by id, in the order of the papers."""
    return {claim.id: claim for claim in import_module("paper_checks").CLAIMS}


@cache
def theorems() -> Mapping[str, Theorem]:
    """Return every theorem by id, in the order of the papers."""
    return {theorem.id: theorem for theorem in import_module("paper_checks").THEOREMS}


@cache
def deviations() -> tuple[Deviation, ...]:
    """Return the ledger of every paper."""
    return tuple(import_module("paper_checks").DEVIATIONS)


@cache
def figures() -> Mapping[str, Figure]:
    """Return every figure by name."""
    return {figure.name: figure for figure in import_module("figures").FIGURES}


def _sources() -> list[Source]:
    used = [claim.sweeps for claim in claims().values()] + [figure.sweeps for figure in figures().values()]
    return [one for group in used for one in group]


@cache
def sweeps() -> Mapping[str, Sweep]:
    """Return every sweep that a claim or a figure uses, by name."""
    return {one.name: one for one in _sources() if not isinstance(one, Training)}


@cache
def trainings() -> Mapping[str, Training]:
    """Return every training of networks that a claim or a figure uses, by name."""
    return {one.name: one for one in _sources() if isinstance(one, Training)}


def select_claims(names: tuple[str, ...]) -> list[Claim]:
    """Return the claims with these ids or of these papers; all of them for no name.

    Raises
    ------
    ValueError
        For a name that is neither, with the nearest names.
    """
    if not names:
        return list(claims().values())
    papers = {claim.paper for claim in claims().values()}
    for name in names:
        checks.known("paper or claim", name, (*papers, *claims()))
    return [claim for claim in claims().values() if claim.id in names or claim.paper in names]


COMMA = re.compile(r",(?![^(\[]*[)\]])")  # outside of brackets
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "none": None}


def _value(text: str) -> Any:
    if text[0] in "([":
        with suppress(ValueError, SyntaxError):
            return ast.literal_eval(text)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return _WORDS.get(text.lower(), text)


def arguments(text: str, owner: str = "", names: Sequence[str] = ()) -> dict[str, Any]:
    """Parse ``"a=1,b=(0.5,2)"`` into keyword arguments: numbers, tuples of them, true, false, none or strings.

    Parameters
    ----------
    text : str
    owner : str
    names : sequence of str
        Whose arguments they are and what these are called, for the message about a bare value.

    Raises
    ------
    ValueError
        For a part that is not ``name=value``.
    """
    out: dict[str, Any] = {}
    for part in filter(None, COMMA.split(text)):
        name, equals, value = part.partition("=")
        if not (name.strip() and equals and value.strip()):
            bare = names and not equals and name.strip() not in names
            example = f"{owner}:{names[0]}={name.strip()}" if bare else "C=10,period=3"
            raise ValueError(f"{part!r} is not name=value; write for instance {example}.")
        out[name.strip()] = _value(value.strip())
    return out


def _build(what: str, text: str, known: Mapping[str, Callable[..., Any]], extra: Mapping[str, Any]) -> Any:
    name, _, rest = text.partition(":")
    checks.known(what, name, known)
    constructor, parameters = known[name], inspect.signature(known[name]).parameters
    given = {**arguments(rest, name, [*parameters]), **extra}
    for argument in given:
        checks.known(f"argument of {name}", argument, parameters)
    needed = [one.name for one in parameters.values() if one.default is one.empty and one.name not in given]
    if needed:
        example = ",".join(f"{one}={value}" for one, value in _example(constructor, needed, given).items())
        raise ValueError(
            f"{name} has no default for {' and '.join(needed)}; write for instance {name}:{example}."
        )
    try:
        return constructor(**given)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{name}({rest}) cannot be built: {error}.") from None
    except (OverflowError, ZeroDivisionError):
        raise ValueError(
            f"{name}({rest}) cannot be built: its values leave the range of float64; give moderate ones."
        ) from None


def _example(
    constructor: Callable[..., Any], needed: Sequence[str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return values that the constructor takes for the missing arguments."""
    for values in itertools.product((0.5, 4, 10, 100), repeat=len(needed)):
        with suppress(ValueError, TypeError):
            constructor(**given, **dict(zip(needed, values, strict=True)))
            return dict(zip(needed, values, strict=True))
    return dict.fromkeys(needed, 10)


def build_problem(text: str) -> Problem:
    """Build a problem from ``name`` or ``name:argument=value,...``, for instance ``reddi.periodic:C=10``."""
    problem: Problem = _build("problem", text, problems(), {})
    return problem


def build_optimizer(text: str, **extra: Any) -> Optimizer:
    """Build an optimizer from ``name`` or ``name:argument=value,...``, for instance ``adam:beta2=0.99``.

    Compressors are named, with their parameters after a dot: ``efficient_adam:up=top_k,up.k=4,down=l1_sign``.
    """
    name, _, rest = text.partition(":")
    checks.known("optimizer", name, OPTIMIZERS)
    given = arguments(rest, name, [*inspect.signature(OPTIMIZERS[name]).parameters])
    for side in ("up", "down"):
        own = {key.partition(".")[2]: given.pop(key) for key in list(given) if key.startswith(f"{side}.")}
        if side in given:
            given[side] = build_compressor(str(given[side]), **own)
        elif own:
            raise ValueError(
                f"{side}.{next(iter(own))} is a parameter of a compressor; name it first: {side}=top_k."
            )
    for argument in given.keys() & extra.keys():
        raise ValueError(f"{argument} of {name} has an option of its own; leave it out of {text!r}.")
    optimizer: Optimizer = _build("optimizer", name, OPTIMIZERS, {**given, **extra})
    return optimizer


def build_rule(text: str) -> Rule:
    """Build a verdict rule from ``measure:argument=value,...``, for instance ``gap:converged=0.1,diverged=2``."""
    measure, _, rest = text.partition(":")
    given = arguments(rest, "a rule", [*inspect.signature(Rule).parameters][1:])
    missing = {"converged", "diverged"} - given.keys()
    if missing:
        raise ValueError(
            f"The rule {text!r} lacks {' and '.join(sorted(missing))}; write for instance "
            f"{measure or 'gap'}:converged=0.1,diverged=2,relative=true."
        )
    for name in given:
        checks.known("argument of a rule", name, set(inspect.signature(Rule).parameters) - {"measure"})
    return Rule(measure, **given)


def build_schedule(text: str) -> Schedule:
    """Build a schedule from ``constant``, ``power:s=0.5`` or ``linear:horizon=1000``."""
    from theory_sim.nouns.schedule import constant, linear, power

    known: Mapping[str, Callable[..., Schedule]] = {"constant": constant, "power": power, "linear": linear}
    schedule: Schedule = _build("schedule", text, known, {})
    return schedule


def build_compressor(name: str, **parameters: Any) -> Compressor:
    """Build a compressor by the name of its constructor."""
    from theory_sim.compressors import COMPRESSORS

    compressor: Compressor = _build("compressor", name, COMPRESSORS, parameters)
    return compressor

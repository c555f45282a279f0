"""Finding optimizers, problems, claims, theorems and figures by name.

The engine knows no paper: the three other packages are imported by name, here only, and only when asked.  What
modules of others offer (`theory_sim.app.door`) is found like ours.
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

from theory_sim.app import door
from theory_sim.nouns.papers import PAPERS
from theory_sim.nouns.schedules import SCHEDULES
from theory_sim.nouns.training import Training
from theory_sim.nouns.verdict import Rule
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules import checks

if TYPE_CHECKING:
    from theory_sim.compressors import Compressor
    from theory_sim.nouns.claim import Claim, Deviation
    from theory_sim.nouns.figure import Figure
    from theory_sim.nouns.method import Method
    from theory_sim.nouns.optimizer import Optimizer
    from theory_sim.nouns.papers import Paper
    from theory_sim.nouns.problem import Problem
    from theory_sim.nouns.schedule import Schedule
    from theory_sim.nouns.sweep import Sweep
    from theory_sim.nouns.theorem import Theorem
    from theory_sim.nouns.training import Source


_modules: tuple[str, ...] = ()  # named by -m


def open_door(*modules: str) -> None:
    """Let the catalogue show what these modules offer, and none that an earlier call named.

    Modules that are installed with an entry point of the group ``theory_sim`` are shown always.

    Raises
    ------
    ValueError
        If one cannot be imported, or offers what is no noun; see `theory_sim.app.door`.
    """
    global _modules
    modules = tuple(dict.fromkeys(modules))
    for name in modules:
        door.offer(name)
    if modules != _modules:
        _modules = modules
        for function in _CACHED:
            function.cache_clear()


def modules() -> tuple[str, ...]:
    """Return the modules that `open_door` named, which another process has to name too."""
    return _modules


@cache
def offers() -> tuple[door.Offer, ...]:
    """Return what modules outside of this suite offer."""
    installed = {name: f"module {name} of {owner}" for name, owner in door.installed().items()}
    return tuple(door.offer(name, installed.get(name, "")) for name in dict.fromkeys((*installed, *_modules)))


def _joined(kind: str, ours: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ours and what is offered, by name.

    Raises
    ------
    ValueError
        If two things have one name.
    """
    found, owners = dict(ours), dict.fromkeys(ours, "theory-sim")
    for offer in offers():
        for name, thing in offer.things[kind].items():
            if name in found:
                raise ValueError(
                    f"{offer.source}: {kind} offers {name!r}, a name that is taken by {owners[name]}; rename it."
                )
            found[name], owners[name] = thing, offer.source
    return found


@cache
def optimizers() -> Mapping[str, Callable[..., Optimizer]]:
    """Return the constructors of optimizers by name."""
    return _joined("OPTIMIZERS", OPTIMIZERS)


@cache
def problems() -> Mapping[str, Callable[..., Problem]]:
    """Return the constructors of the counterexamples, as ``module.name``."""
    return _joined("PROBLEMS", import_module("counterexamples").PROBLEMS)


@cache
def methods() -> Mapping[str, Method]:
    """Return the methods that are no rule of an optimizer, by the names of their papers."""
    found: Mapping[str, Method] = import_module("counterexamples.methods").METHODS
    return found


@cache
def papers() -> Mapping[str, Paper]:
    """Return every paper by key."""
    return _joined("PAPERS", PAPERS)


def _of_papers(kind: str, ours: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join claims or theorems, each of a paper that is known or offered."""
    for offer in offers():
        for name, thing in offer.things[kind].items():
            _require_paper(offer, f"{kind} has {name!r}", thing.paper)
    return _joined(kind, ours)


def _require_paper(offer: door.Offer, what: str, key: str) -> None:
    if key not in papers():
        raise ValueError(
            f"{offer.source}: {what}, and there is no paper {key!r}: offer PAPERS = [Paper({key!r}, ...)], or "
            f"{checks.suggestion(key, papers(), listed=True)}"
        )


@cache
def claims() -> Mapping[str, Claim]:
    """Return every claim by id, in the order of the papers."""
    return _of_papers("CLAIMS", {claim.id: claim for claim in import_module("paper_checks").CLAIMS})


@cache
def theorems() -> Mapping[str, Theorem]:
    """Return every theorem by id, in the order of the papers."""
    return _of_papers("THEOREMS", {one.id: one for one in import_module("paper_checks").THEOREMS})


@cache
def deviations() -> tuple[Deviation, ...]:
    """Return the ledger of every paper."""
    rows = list(import_module("paper_checks").DEVIATIONS)
    for offer in offers():
        for row in offer.deviations:
            _require_paper(offer, f"DEVIATIONS has a row of {row.where!r}", row.paper)
            rows.append(row)
    return tuple(rows)


@cache
def figures() -> Mapping[str, Figure]:
    """Return every figure by name."""
    for offer in offers():
        for figure in offer.things["FIGURES"].values():
            for id in figure.claims:
                if id not in claims():
                    raise ValueError(
                        f"{offer.source}: figure {figure.name!r} names the claim {id!r}, which is unknown: "
                        f"{checks.suggestion(id, claims(), listed=True)}"
                    )
    return _joined("FIGURES", {figure.name: figure for figure in import_module("figures").FIGURES})


@cache
def _sources() -> Mapping[str, Source]:
    """Return every sweep and training that is offered, or that a claim or a figure uses, by name.

    Raises
    ------
    ValueError
        If two that run different things have one name, or one of a module has none.
    """
    users: list[tuple[str, Source]] = [
        (f"{offer.source}: SWEEPS", one) for offer in offers() for one in offer.things["SWEEPS"].values()
    ]
    users += [(f"claim {id}", one) for id, claim in claims().items() for one in claim.sweeps]
    users += [(f"figure {name}", one) for name, figure in figures().items() for one in figure.sweeps]
    found: dict[str, tuple[str, Source]] = {}
    for user, one in users:
        first, other = found.setdefault(one.name, (user, one))
        if not one.name:
            raise ValueError(f"{user}: a sweep has no name; give it name='...'.")
        if other is not one and _digest(other) != _digest(one):
            raise ValueError(
                f"{user}: the sweep {one.name!r} is another than that of {first}; rename one of them."
            )
    return {name: one for name, (_, one) in found.items()}


def _digest(source: Source) -> str:
    return source.on("cpu").digest if isinstance(source, Training) else source.job.digest


@cache
def sweeps() -> Mapping[str, Sweep]:
    """Return every sweep that is offered, or that a claim or a figure uses, by name."""
    return {name: one for name, one in _sources().items() if not isinstance(one, Training)}


@cache
def trainings() -> Mapping[str, Training]:
    """Return every training of networks that is offered, or that a claim or a figure uses, by name."""
    return {name: one for name, one in _sources().items() if isinstance(one, Training)}


_CACHED = (
    *(offers, optimizers, problems, papers, claims, theorems, deviations, figures),
    *(_sources, sweeps, trainings),
)


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
        raise ValueError(f"{name}({rest}) cannot be built: {str(error).rstrip('.')}.") from None
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


def instance(constructor: Callable[..., Any]) -> Any:
    """Return what a constructor builds with its defaults, and with usual values where it has none.

    Raises
    ------
    ValueError, TypeError
        If none of these suit it.
    """
    parameters = inspect.signature(constructor).parameters.values()
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    return constructor(**_example(constructor, needed, {}))


def build_problem(text: str) -> Problem:
    """Build a problem from ``name`` or ``name:argument=value,...``, for instance ``reddi.periodic:C=10``."""
    problem: Problem = _build("problem", text, problems(), {})
    return problem


def build_optimizer(text: str, **extra: Any) -> Optimizer:
    """Build an optimizer from ``name`` or ``name:argument=value,...``, for instance ``adam:beta2=0.99``.

    Compressors are named, with their parameters after a dot: ``efficient_adam:up=top_k,up.k=4,down=l1_sign``.
    """
    name, _, rest = text.partition(":")
    checks.known("optimizer", name, optimizers())
    given = arguments(rest, name, [*inspect.signature(optimizers()[name]).parameters])
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
    if "schedule" in extra and "schedule" not in inspect.signature(optimizers()[name]).parameters:
        schedule = extra.pop("schedule")
        made: Optimizer = _build("optimizer", name, optimizers(), {**given, **extra})
        return made.replace(schedule=schedule)
    optimizer: Optimizer = _build("optimizer", name, optimizers(), {**given, **extra})
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
    """Build a schedule from ``name`` or ``name:argument=value,...``, for instance ``power:s=0.5``."""
    schedule: Schedule = _build("schedule", text, SCHEDULES, {})
    return schedule


def build_compressor(name: str, **parameters: Any) -> Compressor:
    """Build a compressor by the name of its constructor."""
    from theory_sim.compressors import COMPRESSORS

    compressor: Compressor = _build("compressor", name, COMPRESSORS, parameters)
    return compressor

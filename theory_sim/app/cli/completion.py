"""Completion of names in the shell: what the catalogue knows, with a word on each for the shells that show it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from click import Context, Parameter
from click.shell_completion import CompletionItem

from theory_sim.app import catalogue
from theory_sim.compressors import COMPRESSORS
from theory_sim.nouns.schedules import SCHEDULES


def _papers_of_claims() -> Mapping[str, Any]:
    keys = dict.fromkeys(claim.paper for claim in catalogue.claims().values())
    return {key: catalogue.papers()[key] for key in keys}


_KINDS: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "optimizers": catalogue.optimizers,
    "compressors": lambda: COMPRESSORS,
    "schedules": lambda: SCHEDULES,
    "problems": catalogue.problems,
    "methods": catalogue.methods,
    "papers": catalogue.papers,
    "papers with claims": _papers_of_claims,
    "theorems": catalogue.theorems,
    "sweeps": catalogue.sweeps,
    "trainings": catalogue.trainings,
    "figures": catalogue.figures,
    "claims": catalogue.claims,
}
EVERYTHING = tuple(kind for kind in _KINDS if kind != "papers with claims")
_WIDTH = 72


def names(*kinds: str, more: Iterable[str] = ()) -> Callable[..., list[CompletionItem]]:
    """Return what completes an argument or an option with names of these kinds, and with further words."""

    def complete(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
        found: dict[str, str] = {word: "" for word in more if word.startswith(incomplete)}
        try:
            for kind in kinds:
                for name, thing in _KINDS[kind]().items():
                    if name.startswith(incomplete):
                        found.setdefault(name, _help(thing))
        except ValueError:  # a module that cannot be opened; the command itself says why
            return []
        return [CompletionItem(name, help=text) for name, text in found.items()]

    return complete


def _help(thing: Any) -> str:
    """Return the first words about a thing."""
    words = next(
        filter(None, (getattr(thing, one, "") for one in ("statement", "caption", "title", "does"))),
        inspect.getdoc(thing) if callable(thing) else "",
    )
    line = (words or "").split("\n", 1)[0]
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."

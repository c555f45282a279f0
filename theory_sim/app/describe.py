"""What a constructor builds, in text: its signature and its rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from theory_sim.app import catalogue
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import Schedule
from theory_sim.rules import language


def signature(constructor: Callable[..., Any]) -> str:
    """Return the parameters of a constructor with their defaults."""

    def shown(value: Any) -> str:
        return str(value) if isinstance(value, Schedule) else repr(value)

    parameters = inspect.signature(constructor).parameters.values()
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={shown(p.default)}" for p in parameters)


def rules(constructor: Callable[..., Any]) -> list[language.Rule]:
    """Return the rules of what a constructor builds, in the order of a step."""
    try:
        made = catalogue.instance(constructor)
    except (TypeError, ValueError):  # it has parameters that no usual value suits
        return []
    if isinstance(made, Optimizer):
        step = made.step
        stages = (step.send, step.keep, step.reply, step.apply) if isinstance(step, language.Round) else ()
        rules = [made.once, *(one.term for one in made.reductions.values()), *(s.rule for s in stages if s)]
        return [
            one for one in (*rules, None if isinstance(step, language.Round) else step) if one is not None
        ]
    if isinstance(made, Problem):
        noise = made.noise.rule if made.noise is not None else None
        terms = (one.term for one in made.reductions.values())
        return [one for one in (made.gradient, noise, *terms, made.measure) if one is not None]
    if isinstance(made, Schedule):
        return [made.rule]
    terms = (one.term for one in made.reductions.values())
    return [one for one in (*terms, made.once, made.rule) if one is not None]

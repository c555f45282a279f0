"""Step-size schedules: lr_t = lr * factor(t)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from theory_sim.rules import build, checks, inspection, rates, tile
from theory_sim.rules.language import Rule, Source
from theory_sim.rules.results import require_results

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Schedule:
    """A factor on the step size as a function of the step t = 1, 2, ...

    Parameters
    ----------
    name : str
    rule : callable
        Rule from ``t`` and the parameters by name to the factor, or a schedule kernel
        ``(t, parameters, factor)``.
    parameters : mapping of str to float
        Each can be an axis of a sweep.
    family : callable, optional
        The constructor, called again by `replace`, so that every rule is checked again.
    arguments : mapping, optional
        What the constructor takes where that is not the parameters, such as a tuple of values.
    """

    name: str
    rule: Rule
    parameters: Mapping[str, float] = field(default_factory=dict)
    family: Callable[..., Schedule] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            checks.number(name, value)
        self.source  # noqa: B018  a name that does not bind is refused here

    @cached_property
    def source(self) -> Source:
        """The kernel that gives the factor of every lane at one step."""
        return _source(self.rule, self.name, tuple(self.parameters), False)

    @cached_property
    def ahead(self) -> Source:
        """The kernel that gives the factors that all lanes share at the next steps."""
        return _source(self.rule, self.name, tuple(self.parameters), True)

    @property
    def varies(self) -> bool:
        """Whether the factor depends on t."""
        return self.rule is not _constant

    def inspect(self) -> None:
        """Raise ValueError if a kernel written by hand does not fit; see `theory_sim.rules.inspection`."""
        if build.is_raw("schedule", self.rule):
            values = np.array([*self.parameters.values()], dtype=float)[:, None]
            for lanes in (1, inspection.LANES):
                arrays = {"parameters": np.repeat(values, lanes, axis=1), "factor": np.empty(lanes)}
                labels = {"parameters": tuple(self.parameters)}
                inspection.require("schedule", self.rule, f"schedule {self.name}", arrays, labels)

    @property
    def given(self) -> Mapping[str, Any]:
        """What the constructor was called with."""
        return self.arguments or self.parameters

    def factors(self, steps: int) -> Array:
        """Return the factors at t = 1 ... steps, shape (steps,), by the kernel of the lanes in plain Python."""
        out = np.empty(checks.count("steps", steps))
        parameters = np.array([*self.parameters.values()], dtype=float)[:, None]
        build.python(self.ahead)(1, parameters, out)
        return out

    def replace(self, **changes: Any) -> Schedule:
        """Return a copy with other parameters, checked by the same rules."""
        if not changes:
            return self
        for name in changes:
            checks.known(f"parameter of {self.name}", name, self.given)
        if self.family is not None:
            return self.family(**{**self.given, **changes})
        return replace(self, parameters={**self.parameters, **changes})

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={checks.written(v)}' for k, v in self.given.items())})"

    __repr__ = __str__


@cache
def _source(rule: Rule, name: str, parameters: tuple[str, ...], ahead: bool) -> Source:
    if build.is_raw("schedule", rule):
        return rates.raw_schedule_ahead(rule) if ahead else tile.raw("schedule", rule)
    made = rates.schedule(rule, f"schedule {name}", parameters, ahead)
    require_results(rule, ("the factor",), f"schedule {name}")
    return made


def _constant() -> float:
    return 1.0


def _power(t: int, s: float) -> float:
    # 1/sqrt(t) by a correctly rounded square root
    return 1.0 / math.sqrt(float(t)) if s == 0.5 else float(t) ** -s


def _linear(t: int, horizon: float) -> float:
    return max(1.0 - float(t - 1) / horizon, 0.0)


def constant() -> Schedule:
    """lr_t = lr."""
    return Schedule("constant", _constant)


def power(s: float) -> Schedule:
    """lr_t = lr / t**s, s >= 0."""
    return Schedule("power", _power, {"s": checks.number("s", s, 0.0)}, power)


def linear(horizon: int) -> Schedule:
    """lr_t = lr * max(0, 1 - (t-1)/horizon)."""
    return Schedule("linear", _linear, {"horizon": checks.count("horizon", horizon)}, linear)


CONSTANT = constant()

"""The Problem noun: a gradient kernel, its constants, its domain and what is known about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.kernels import Kernel, check_arguments
from theory_sim.verdict import Rule


@dataclass(frozen=True, eq=False)
class Problem:
    """An objective, or a sequence of losses, given by component gradients.

    Parameters
    ----------
    name : str
    gradient : callable
        Gradient kernel ``(x, t, idx, noise, theta, out)``; see `theory_sim.kernels`.
    constants : mapping of str to float
        Rows of the kernels' ``theta`` array, in order.
    dim : int
        Number of coordinates d.
    components : int
        Number of component functions n that a sampling order chooses from.
    draws : int
        Uniforms the gradient reads per worker and step: worker j reads rows j*draws ... of ``noise``.
    measure : callable, optional
        Measure kernel ``(x, t, idx, noise, theta, out)``.
    measures : tuple of str
        Names of the rows the measure kernel fills.
    online : tuple of str
        Those measures that depend on the component drawn (such as the regret of a step), so that only
        their running means have a meaning.
    domain : (float, float), optional
        Box [low, high] in every coordinate; iterates are clamped to it after each step.
    start : float or tuple of float
        Default x_1, one number for every coordinate or d of them; it may lie outside the domain.
    optimum : float, optional
        A minimiser, in every coordinate.
    rule : Rule, optional
        How a run of this problem is judged; without one every verdict is UNDECIDED.
    facts : mapping of str to float
        Constants that theorems read: L, D0, D1, G, ...
    paper : str
        Key of `theory_sim.papers`, empty if none.
    family : callable, optional
        The constructor, called again with `parameters` by `replace`, so that derived constants follow.
    parameters : mapping
        The constructor's arguments; each can be an axis of a sweep.
    """

    name: str
    gradient: Kernel
    constants: Mapping[str, float] = field(default_factory=dict)
    dim: int = 1
    components: int = 1
    draws: int = 0
    measure: Kernel | None = None
    measures: tuple[str, ...] = ()
    online: tuple[str, ...] = ()
    domain: tuple[float, float] | None = None
    start: float | tuple[float, ...] = 0.0
    optimum: float | None = None
    rule: Rule | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    paper: str = ""
    family: Callable[..., Problem] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_arguments("gradient", self.gradient)
        for name, least in (("dim", 1), ("components", 1), ("draws", 0)):
            object.__setattr__(self, name, checks.count(name, getattr(self, name), least))
        start = tuple(checks.number("start", coordinate) for coordinate in np.atleast_1d(self.start).tolist())
        object.__setattr__(self, "start", start if np.ndim(self.start) else start[0])
        for name, value in {**self.constants, **self.facts}.items():
            checks.number(name, value)
        if self.domain is not None:
            low, high = (checks.number("domain", bound) for bound in self.domain)
            if not low < high:
                raise ValueError(f"domain = {self.domain} must satisfy low < high.")
        if (self.measure is None) != (not self.measures):
            raise ValueError(
                f"measures = {self.measures} must name the rows of the measure kernel; give both."
            )
        if self.measure is not None:
            check_arguments("measure", self.measure)
        for name in self.online:
            checks.known("measure", name, self.measures)
        if self.rule is not None:
            checks.known("measure", self.rule.measure, set(self.measures) - set(self.online))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names that can be an axis of a sweep."""
        return tuple(self.parameters if self.family is not None else self.constants)

    def replace(self, **changes: Any) -> Problem:
        """Return a copy with other parameters; everything derived from them is rebuilt.

        A start or a rule that was set by hand is kept.

        Raises
        ------
        ValueError
            If a name is no parameter of this problem or a value breaks its rule.
        """
        for name in changes:
            checks.known(f"parameter of {self.name}", name, self.axes)
        if self.family is not None:
            rebuilt = self.family(**{**self.parameters, **changes})
            own = self.family(**self.parameters)
            kept = {
                name: getattr(self, name)
                for name in ("start", "rule")
                if getattr(self, name) != getattr(own, name)
            }
            return replace(rebuilt, **kept)
        return replace(self, constants={**self.constants, **changes})

    def gradients(self, x: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Evaluate every component gradient at one point, in Python.

        Parameters
        ----------
        x : float or array_like, shape (d,)

        Returns
        -------
        ndarray, shape (components, d)
            With the noise rows at their mean 1/2.
        """
        n = self.components
        point = np.broadcast_to(np.asarray(x, dtype=float).reshape(-1, 1), (self.dim, n)).copy()
        theta = np.array([[value] * n for value in self.constants.values()]).reshape(-1, n)
        out = np.zeros((1, self.dim, n))
        self.gradient(point, 1, np.arange(n).reshape(1, n), np.full((self.draws, n), 0.5), theta, out)
        return np.ascontiguousarray(out[0].T)

    def bounds(self) -> tuple[float, float]:
        """Return the box, infinite when there is none."""
        return (-math.inf, math.inf) if self.domain is None else self.domain

    def __str__(self) -> str:
        given = self.parameters if self.family is not None else self.constants
        shown = (
            f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in given.items() if v is not None
        )
        return f"{self.name}({', '.join(shown)})"

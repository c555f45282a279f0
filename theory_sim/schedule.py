"""Step-size schedules: lr_t = lr * factor(t)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from theory_sim import checks
from theory_sim.kernels import Kernel, check_arguments


@dataclass(frozen=True)
class Schedule:
    """A factor on the step size as a function of the step t = 1, 2, ...

    Parameters
    ----------
    name : str
    kernel : callable
        Schedule kernel ``(t, parameters, factor)``; see `theory_sim.kernels`.
    parameters : mapping of str to float
        Rows of the kernel's parameter array; each can be an axis of a sweep.
    family : callable, optional
        The constructor, called again by `replace`, so that every rule is checked again.
    """

    name: str
    kernel: Kernel
    parameters: Mapping[str, float] = field(default_factory=dict)
    family: Callable[..., Schedule] | None = None

    def __post_init__(self) -> None:
        check_arguments("schedule", self.kernel)
        for name, value in self.parameters.items():
            checks.number(name, value)

    def replace(self, **changes: float) -> Schedule:
        """Return a copy with other parameters, checked by the same rules."""
        if not changes:
            return self
        for name in changes:
            checks.known(f"parameter of {self.name}", name, self.parameters)
        if self.family is not None:
            return self.family(**{**self.parameters, **changes})
        return replace(self, parameters={**self.parameters, **changes})

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v:g}' for k, v in self.parameters.items())})"


def constant_kernel(t: int, parameters: Any, factor: Any) -> None:
    """factor = 1."""
    for lane in range(factor.shape[0]):
        factor[lane] = 1.0


def power_kernel(t: int, parameters: Any, factor: Any) -> None:
    """factor = t^-s; 1/sqrt(t) by a correctly rounded square root."""
    for lane in range(factor.shape[0]):
        s = parameters[0, lane]
        factor[lane] = 1.0 / math.sqrt(float(t)) if s == 0.5 else float(t) ** -s


def linear_kernel(t: int, parameters: Any, factor: Any) -> None:
    """factor = 1 - (t-1)/horizon, and 0 after the horizon."""
    for lane in range(factor.shape[0]):
        factor[lane] = max(1.0 - float(t - 1) / parameters[0, lane], 0.0)


def constant() -> Schedule:
    """lr_t = lr."""
    return Schedule("constant", constant_kernel)


def power(s: float) -> Schedule:
    """lr_t = lr / t**s, s >= 0."""
    return Schedule("power", power_kernel, {"s": checks.number("s", s, 0.0)}, power)


def linear(horizon: int) -> Schedule:
    """lr_t = lr * max(0, 1 - (t-1)/horizon)."""
    return Schedule("linear", linear_kernel, {"horizon": checks.count("horizon", horizon)}, linear)

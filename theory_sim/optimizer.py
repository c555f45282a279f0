"""The Optimizer noun: a step kernel, its hyperparameters and its named variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from theory_sim import checks
from theory_sim.kernels import Kernel, check_arguments
from theory_sim.schedule import Schedule, constant

INITIAL_STATES = ("mean_gradient", "max_square")


@dataclass(frozen=True)
class Optimizer:
    """An update rule with values for its hyperparameters.

    Parameters
    ----------
    name : str
    step : callable
        Step kernel ``(g, t, lr, hyper, noise, state, x)``; see `theory_sim.kernels`.
    lr : float
        Step size, > 0; the kernel receives lr * schedule factor.
    hyper : mapping of str to float
        Rows of the kernel's ``hyper`` array, in order; each can be an axis of a sweep.
    rows : tuple of str
        Names of the state rows, in the kernel's order.
    schedule : Schedule
    initial : mapping of str to float or str
        Initial value of a state row, 0 where absent: a number, ``"mean_gradient"`` (the mean of the
        component gradients at the start) or ``"max_square"`` (the largest squared component gradient).
    variant : mapping of str to str
        Named choices that distinguish algorithms of the same name (order of max and correction, ...).
    draws : int
        Uniforms the kernel reads per step, as the rows of ``noise``.
    distributed : bool
        Whether the kernel sees every worker's gradient; otherwise the workers' gradients are averaged.
    paper : str
        Key of `theory_sim.papers`, empty if none.
    family : callable, optional
        The constructor, called again with `arguments` by `replace`, so that every rule is checked again.
    arguments : mapping
        The constructor's arguments.

    Examples
    --------
    A user's own optimizer is one function and one line:

    >>> def sign_step(g, t, lr, hyper, noise, state, x):
    ...     for i in range(x.shape[0]):
    ...         for lane in range(x.shape[1]):
    ...             x[i, lane] -= lr[lane] * np.sign(g[0, i, lane])
    >>> Optimizer("my sign descent", sign_step, lr=0.1).name
    'my sign descent'
    """

    name: str
    step: Kernel
    lr: float = 0.001
    hyper: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    schedule: Schedule = field(default_factory=constant)
    initial: Mapping[str, float | str] = field(default_factory=dict)
    variant: Mapping[str, str] = field(default_factory=dict)
    draws: int = 0
    distributed: bool = False
    paper: str = ""
    family: Callable[..., Optimizer] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_arguments("step", self.step)
        checks.number("lr", self.lr, 0.0, open_low=True)
        if not isinstance(self.schedule, Schedule):
            raise TypeError(
                f"schedule = {self.schedule!r} must be a Schedule; use theory_sim.power(0.5) or constant()."
            )
        for name, value in self.hyper.items():
            checks.number(name, value)
        for row, start in self.initial.items():
            checks.known(f"state row of {self.name}", row, self.rows)
            if isinstance(start, str):
                checks.known("initial state", start, INITIAL_STATES)
            else:
                checks.number(f"initial {row}", start)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names that can be an axis of a sweep."""
        names = tuple(self.arguments) if self.family is not None else ("lr", *self.hyper)
        return tuple(name for name in names if name != "schedule")

    def replace(self, **changes: Any) -> Optimizer:
        """Return a copy with other hyperparameters, checked by the same rules.

        Raises
        ------
        ValueError
            If a name is no hyperparameter of this optimizer or a value breaks its rule.
        """
        for name in changes:
            checks.known(f"hyperparameter of {self.name}", name, (*self.axes, "schedule"))
        if self.family is not None:
            return self.family(**{**self.arguments, **changes})
        own = {name: changes.pop(name) for name in ("lr", "schedule") if name in changes}
        return replace(self, hyper={**self.hyper, **changes}, **own)

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in {"lr": self.lr, **self.hyper}.items())
        variant = "".join(f", {name}={value}" for name, value in self.variant.items())
        return f"{self.name}({values}{variant}, {self.schedule})"

"""The Optimizer noun: a step kernel, its hyperparameters and its named variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from theory_sim import checks
from theory_sim.compressors.compressor import Compressor
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
        Step kernel ``(g, t, lr, hyper, noise, state, x)``, or an exchange kernel if there are compressors; see
        `theory_sim.kernels`.
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
    worker_rows : tuple of str
        Names of the state rows that each worker owns; they follow `rows`, worker by worker.
    up, down : Compressor, optional
        What the workers send, and what comes back.  Both or none: they make `step` an exchange kernel.
    nodes : int
        If positive, the iterate holds the points of this many nodes, and each node sends its d/nodes coordinates to its
        neighbours.
    boxless : bool
        Whether the method keeps its iterate in a state row, so that a box on x would not confine it; problems with a domain
        are refused.
    warmup : int
        Rounds, before the others, in which 32-bit words go both ways instead of compressed messages.
    sends : bool
        False if the compressors serve another purpose and nothing is sent.
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
    worker_rows: tuple[str, ...] = ()
    up: Compressor | None = None
    down: Compressor | None = None
    nodes: int = 0
    boxless: bool = False
    warmup: int = 0
    sends: bool = True
    paper: str = ""
    family: Callable[..., Optimizer] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.up is None) != (self.down is None):
            raise ValueError(
                f"{self.name} has one compressor only; give up and down, theory_sim.compressors.identity() for none."
            )
        for side in (self.up, self.down):
            if side is not None and not isinstance(side, Compressor):
                raise TypeError(
                    f"{side!r} is not a Compressor; call its constructor in theory_sim.compressors."
                )
        check_arguments("step" if self.up is None else "exchange", self.step)
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
        messages = [
            f"{side}.{name}"
            for side, compressor in (("up", self.up), ("down", self.down))
            if compressor is not None and side in names
            for name in compressor.arguments
        ]
        return (*(name for name in names if name not in ("schedule", "up", "down")), *messages)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The step and, if there are any, the compressors' kernels."""
        return (self.step, *(side.kernel for side in (self.up, self.down) if side is not None))

    def bits(self, d: int, steps: int) -> tuple[float, float]:
        """Return the bits that one worker, or one node, sends and receives from the server in `steps` rounds."""
        if self.up is None or self.down is None or not self.sends:
            return 0.0, 0.0
        if self.nodes:
            return steps * self.up.bits(d // self.nodes), 0.0
        full = 32.0 * d * min(steps, self.warmup)
        rounds = max(steps - self.warmup, 0)
        return full + rounds * self.up.bits(d), full + rounds * self.down.bits(d)

    def draws_of_messages(self, d: int, workers: int) -> tuple[int, int]:
        """Return the uniforms that the messages up and down of one step read."""
        if self.up is None or self.down is None:
            return 0, 0
        return (self.nodes or workers) * self.up.draws(d // (self.nodes or 1)), self.down.draws(d)

    def replace(self, **changes: Any) -> Optimizer:
        """Return a copy with other hyperparameters, checked by the same rules.

        Raises
        ------
        ValueError
            If a name is no hyperparameter of this optimizer or a value breaks its rule.
        """
        for name in changes:
            checks.known(f"hyperparameter of {self.name}", name, (*self.axes, "schedule", "up", "down"))
        for name in [name for name in changes if "." in name]:
            side, _, parameter = name.partition(".")
            compressor: Compressor = changes.get(side, getattr(self, side))
            changes[side] = compressor.replace(**{parameter: changes.pop(name)})
        if self.family is not None:
            return self.family(**{**self.arguments, **changes})
        own = {name: changes.pop(name) for name in ("lr", "schedule") if name in changes}
        return replace(self, hyper={**self.hyper, **changes}, **own)

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in {"lr": self.lr, **self.hyper}.items())
        if self.up is not None:
            values += f", up={self.up}, down={self.down}"
        variant = "".join(
            f", {name}={value}" for name, value in self.variant.items() if name not in self.hyper
        )
        return f"{self.name}({values}{variant}, {self.schedule})"

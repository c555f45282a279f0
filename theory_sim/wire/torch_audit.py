"""Optimizers of torch on trial: any class or factory, on the streams of the suite, in float64 on the CPU."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.evidence.bout import PROBED, Bout, Ends, Record, blamed, unjudged
from theory_sim.nouns.verdict import Verdict

try:
    import torch
except ImportError as error:
    raise ImportError(
        'Optimizers of torch need torch; install it with pip install "theory-sim[torch]".'
    ) from error

Array = np.ndarray[Any, Any]
_TESTED, _AGREE = 200, 1e-9
_FIRST = 0.01  # step size with which an optimizer is built before any is chosen
LAYOUTS = ("together", "grouped", "alone")
_SAID = {
    "together": "acts coordinatewise (200 steps), so all lanes are one tensor",
    "grouped": "one parameter for each lane, in one optimizer",
    "alone": "mixes the coordinates or the parameters it is given, so each lane has an optimizer of its own",
}


class _Course:
    """Lanes of several bouts and the optimizers that move them.

    The layout "together" makes all lanes one parameter with one step size: bout b moves y = x lr_1 / lr_b, as
    lr_b / lr_1 times a step of lr_1 is a step of lr_b, whatever is no function of x.
    """

    def __init__(self, contender: TorchContender, bouts: Sequence[Bout], layout: str) -> None:
        self.records = [Record(bout) for bout in bouts]
        starts = [record.stream.start.T for record in self.records]
        sizes = [one.size for one in starts]
        cuts = [slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
        self.x = np.concatenate([one.ravel() for one in starts])
        self.start, self.g = self.x.copy(), np.zeros_like(self.x)
        self.low, self.high = (
            np.repeat([bout.problem.bounds()[side] for bout in bouts], sizes) for side in (0, 1)
        )
        self.at = [self.x[cut].reshape(one.shape) for cut, one in zip(cuts, starts, strict=True)]
        self.to = [self.g[cut].reshape(1, *one.shape) for cut, one in zip(cuts, starts, strict=True)]
        lr, rates = bouts[0].lr, [bout.lr for bout in bouts]
        scale = np.repeat([one / lr for one in rates], sizes)
        self.scale = scale if layout == "together" and (scale != 1.0).any() else None
        self.y = self.x if self.scale is None else self.x / self.scale
        if layout == "together":
            made = [contender.build([self._parameter(slice(None), (-1,), slice(None))], lr)]
            rates = [lr]
        else:
            parts = [
                [self._parameter(cut, one.shape, lane) for lane in range(one.shape[1])]
                for cut, one in zip(cuts, starts, strict=True)
            ]
            if layout == "grouped":
                groups = [{"params": some, "lr": rate} for some, rate in zip(parts, rates, strict=True)]
                made = [contender.build(groups, lr)]
            else:
                made = [
                    contender.build([parameter], rate)
                    for some, rate in zip(parts, rates, strict=True)
                    for parameter in some
                ]
                rates = [rate for some, rate in zip(parts, rates, strict=True) for _ in some]
        self.optimizers = made
        self.groups = list(zip((group for one in made for group in one.param_groups), rates, strict=True))
        self.alive, self.t = np.ones_like(self.x), 0

    def _parameter(self, cut: slice, shape: tuple[int, ...], lane: Any) -> Any:
        """Return a part of y as a parameter whose gradient is that part of g; they share memory."""
        y, g = (array[cut].reshape(shape)[..., lane] for array in (self.y, self.g))
        parameter = torch.from_numpy(y).requires_grad_(True)
        parameter.grad = torch.from_numpy(g)
        return parameter

    def advance(self, first: int, last: int, still: bool = False) -> None:
        """Take the steps first ... last of size lr / sqrt(t); or, still, of size lr by the gradients of x_1."""
        points = self._parts(self.start) if still else self.at
        moving = [*zip(self.records, points, self.to, strict=True)]
        for self.t in range(first, last + 1):
            t = self.t
            for record, x, g in moving:
                if t <= record.bout.steps:
                    record.see(x, t)
                    record.stream.write(x, t, g)
                elif t == record.bout.steps + 1:
                    g[...] = 0.0
            self.g *= self.alive
            factor = 1.0 if still else 1.0 / math.sqrt(t)
            for group, lr in self.groups:
                group["lr"] = lr * factor
            for optimizer in self.optimizers:
                optimizer.step()
            self._settle(t)
            if not self.alive.any():
                break

    def _settle(self, t: int) -> None:
        """Put x into the box, and lanes that are not finite back to the start, where they stay."""
        if self.scale is not None:
            np.multiply(self.y, self.scale, out=self.x)
        if not np.isfinite(self.x).all():
            for record, x, alive in zip(self.records, self.at, self._parts(self.alive), strict=True):
                alive[:, record.stop(x, t)] = 0.0
        outside = (self.x < self.low) | (self.x > self.high) | (self.alive == 0.0)
        if outside.any():
            settled = np.where(self.alive > 0.0, np.clip(self.x, self.low, self.high), self.start)[outside]
            self.x[outside] = settled
            if self.scale is not None:
                self.y[outside] = settled / self.scale[outside]

    def _parts(self, flat: Array) -> list[Array]:
        ends = np.cumsum([x.size for x in self.at]).tolist()
        return [flat[end - x.size : end].reshape(x.shape) for x, end in zip(self.at, ends, strict=True)]

    def lost(self) -> str:
        """Return the name of a row of state that is not finite at the end, though every lane is."""
        for optimizer in self.optimizers if self.alive.all() else ():
            for state in optimizer.state.values():
                for name, value in state.items() if isinstance(state, dict) else ():
                    if torch.is_tensor(value) and value.is_floating_point() and not value.isfinite().all():
                        return str(name)
        return ""


class TorchContender:
    """An optimizer of torch on trial.

    Parameters
    ----------
    make : callable
        Class or factory; ``make(params, lr=...)`` returns a ``torch.optim.Optimizer``.
    name : str

    Raises
    ------
    ValueError
        If it cannot be built, is no optimizer, needs a closure, or its first step fails.
    """

    def __init__(self, make: Callable[..., Any], name: str) -> None:
        self._make, self.name = make, name
        parameter = torch.ones(1, dtype=torch.float64, requires_grad=True)
        parameter.grad = torch.ones_like(parameter)
        with _quiet():
            optimizer = self.build([parameter], _FIRST)
            closure = inspect.signature(optimizer.step).parameters.get("closure")
            if closure is not None and closure.default is closure.empty:
                raise ValueError(
                    f"{name} asks for a closure that evaluates the loss again, and a stream has one gradient per step; "
                    "choose an optimizer whose step needs none."
                )
            with blamed(self.name, "its first step"):
                optimizer.step()
        given = {key: value for key, value in optimizer.defaults.items() if key not in ("lr", "params")}
        self.settings = ", ".join(f"{key}={value!r}" for key, value in given.items() if value is not None)
        self.layout = ""

    def build(self, parameters: Any, lr: float) -> Any:
        """Return the optimizer of some parameters."""
        with blamed(self.name, "its construction"):
            made = self._make(parameters, lr=lr)
        if not isinstance(made, torch.optim.Optimizer):
            kind = checks.article(type(made).__name__)
            raise ValueError(f"{self.name} makes {kind}, which is no torch.optim.Optimizer.")
        train = getattr(made, "train", None)
        if callable(train):  # schedule-free methods ask for it
            train()
        return made

    def rate(self, bout: Bout, lr: float) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1.

        The step size is set after the construction, as a schedule does.
        """
        near, total = replace(bout.near(), lr=_FIRST), 0.0
        with _quiet(), blamed(self.name, "its steps"):
            course = _Course(self, [near], "alone")
            course.groups = [(group, lr) for group, _ in course.groups]
            for t in range(1, PROBED + 1):
                before = course.x.copy()
                course.advance(t, t, still=True)
                total += float(np.abs(course.x - before).mean())
        return total / PROBED if course.alive.all() else math.nan

    def run(self, bouts: Sequence[Bout]) -> list[Ends]:
        """Run every bout, in the first layout whose 200 steps are those of an optimizer for each lane."""
        with _quiet():
            self.layout = self._chosen(bouts)
            course = _Course(self, bouts, self.layout)
            broken = ""
            ended: dict[int, Ends] = {}
            done = 0
            for end in sorted({bout.steps for bout in bouts}):
                try:
                    course.advance(done + 1, end)
                except Exception as error:  # noqa: BLE001  whatever somebody else's step raises ends the run
                    said = checks.sentence(error).rstrip(".")
                    broken = f"step {course.t} raised {type(error).__name__}: {said}"
                    break
                done = end
                lost = course.lost()
                for i, (bout, record, x) in enumerate(zip(bouts, course.records, course.at, strict=True)):
                    if bout.steps == end:
                        ended[i] = record.ends(x)
                        if lost:
                            note = f"its state {lost} is not finite at the end, so this shows nothing"
                            ended[i] = unjudged(bout, note, Verdict.UNDECIDED.value)
        return [
            ended[i] if i in ended else unjudged(bout, broken, Verdict.UNDECIDED.value)
            for i, bout in enumerate(bouts)
        ]

    @property
    def note(self) -> str:
        """How the lanes were laid out."""
        return _SAID.get(self.layout, "")

    def _chosen(self, bouts: Sequence[Bout]) -> str:
        def end(layout: str) -> Array:
            torch.manual_seed(0)
            course = _Course(self, bouts, layout)
            course.advance(1, min(_TESTED, *(bout.steps for bout in bouts)) if bouts else 0)
            return np.where(course.alive > 0.0, course.x, np.nan)

        with blamed(self.name, "its steps"):
            alone = end("alone")
        for layout in LAYOUTS[:-1]:
            try:
                if np.allclose(end(layout), alone, rtol=_AGREE, atol=_AGREE, equal_nan=True):
                    return layout
            except Exception:  # noqa: BLE001, S112  whatever it cannot do with this layout, it is not used
                continue
        return "alone"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings and the random numbers of torch to ourselves."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield

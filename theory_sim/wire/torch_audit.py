"""Optimizers of torch on trial: any class or factory, on the streams of the suite, in float64 on the CPU."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np

from theory_sim.evidence.bout import PROBED, Bout, Ends, Record, Report, blamed, limited
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks

try:
    import torch
except ImportError as error:
    raise ImportError(
        'Optimizers of torch need torch; install it with pip install "theory-sim[torch]".'
    ) from error

Array = np.ndarray[Any, Any]
_TESTED, _AGREE = 200, 1e-9
_SAMPLED = 5  # values of an axis that the self-test takes
_FIRST = 0.01  # step size with which an optimizer is first built and tried
_TOLD = 500  # steps between two reports
LAYOUTS = ("together", "grouped", "alone")
_SAID = {
    "together": "acts coordinatewise (200 steps), so all lanes are one tensor",
    "grouped": "one parameter for each lane, in one optimizer",
    "alone": "mixes the coordinates or the parameters it is given, so each lane has an optimizer of its own",
}
_SAID_OF_GRIDS = {
    "together": "acts coordinatewise (200 steps), so all cells are one tensor, and so is each hyperparameter",
    "grouped": "a parameter group for each cell, in one optimizer",
    "alone": "an optimizer for each cell",
}


def _scaled(name: str) -> Callable[..., Any]:
    """Return an in-place method of torch whose scalar factor may be a tensor with a value for each element."""
    plain, key = getattr(torch.Tensor, name), "value" if name.startswith("addc") else "alpha"

    def method(x: Any, first: Any, *second: Any, **given: Any) -> Any:
        factor = given.get(key)
        if not torch.is_tensor(factor):
            return plain(x, first, *second, **given)
        if second:
            first = first * second[0] if name == "addcmul_" else first / second[0]
        return x.sub_(factor * first) if name == "sub_" else x.add_(factor * first)

    return method


@contextmanager
def _spread() -> Iterator[None]:
    """Let hyperparameters be tensors where torch's arithmetic wants numbers: `value` and `alpha`."""
    names = [f"{name}_" for name in ("add", "sub", "addcmul", "addcdiv")]
    changed = {name: _scaled(name) for name in names if name not in vars(torch.Tensor)}
    for name, method in changed.items():
        setattr(torch.Tensor, name, method)
    try:
        yield
    finally:
        for name in changed:
            delattr(torch.Tensor, name)


def _assigned(values: Mapping[str, Any], known: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return hyperparameters of a grid under the names of a torch optimizer: beta1 is the first of its betas."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        place = {"beta1": 0, "beta2": 1, "beta3": 2}.get(name)
        betas = found.get("betas", known.get("betas"))
        if name not in known and place is not None and isinstance(betas, tuple | list) and place < len(betas):
            found["betas"] = (*betas[:place], value, *betas[place + 1 :])
        else:
            numbers = [key for key, one in known.items() if isinstance(one, int | float) and key != "lr"]
            spread = [f"beta{k + 1}" for k in range(len(known.get("betas", ())))]
            checks.known(f"hyperparameter of {owner}", name, [*numbers, *spread])
            found[name] = value
    return found


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
        lr = bouts[0].lr
        scale = np.repeat([bout.lr / lr for bout in bouts], sizes)
        self.scale = scale if layout == "together" and (scale != 1.0).any() else None
        self.y = self.x if self.scale is None else self.x / self.scale
        self.mode: Any = nullcontext
        self.alive, self.t = np.ones_like(self.x), 0
        # Each parameter, with its memory and that of its gradient, and which of its numbers are of finite lanes.
        self.own: list[tuple[Any, Any, Any, Array]] = []
        lanes = [
            (self._parameter(cut, one.shape, lane), bout.lr, cell)
            for bout, cut, one in (zip(bouts, cuts, starts, strict=True) if layout != "together" else ())
            for lane, cell in enumerate(bout.cells)
        ]
        if layout == "together":
            self.optimizers = [contender.build([self._parameter(slice(None), (-1,), slice(None))], lr)]
            if bouts[0].axes:
                self.mode = _spread
                self._spread(contender, bouts)
            rates = [lr]
        elif layout == "grouped":
            members: dict[Any, list[Any]] = {}
            for parameter, rate, cell in lanes:
                members.setdefault((rate, *cell.items()), []).append(parameter)
            groups = [
                {"params": some, "lr": rate, **_assigned(dict(cell), contender.hyper, contender.name)}
                for (rate, *cell), some in members.items()
            ]
            self.optimizers, rates = [contender.build(groups, lr)], [group["lr"] for group in groups]
        else:
            self.optimizers = [contender.build([parameter], rate, cell) for parameter, rate, cell in lanes]
            rates = [rate for _, rate, _ in lanes]
        every = [group for one in self.optimizers for group in one.param_groups]
        self.groups = list(zip(every, rates, strict=True))

    def _spread(self, contender: TorchContender, bouts: Sequence[Bout]) -> None:
        """Give the one group every hyperparameter of the grid as a tensor."""
        parts = {
            name: [np.tile([cell[name] for cell in bout.cells], bout.problem.dim) for bout in bouts]
            for name in bouts[0].axes
        }
        values = {name: torch.from_numpy(np.concatenate(part)) for name, part in parts.items()}
        self.optimizers[0].param_groups[0].update(_assigned(values, contender.hyper, contender.name))

    def _parameter(self, cut: slice, shape: tuple[int, ...], lane: Any) -> Any:
        """Return a part of y as a parameter whose gradient is that part of g; they share memory."""
        y, g, alive = (array[cut].reshape(shape)[..., lane] for array in (self.y, self.g, self.alive))
        memory, slope = torch.from_numpy(y), torch.from_numpy(g)
        parameter = torch.from_numpy(y).requires_grad_(True)
        parameter.grad = slope
        self.own.append((parameter, memory, slope, alive))
        return parameter

    def _take_back(self) -> None:
        """Undo that a step has given a parameter other memory, or taken its gradient away."""
        for parameter, memory, slope, _ in self.own:
            if parameter.data_ptr() != memory.data_ptr():
                memory.copy_(parameter.data)
                parameter.data = memory
            if parameter.grad is not slope:
                parameter.grad = slope

    def advance(
        self, first: int, last: int, still: bool = False, report: Callable[[int], None] | None = None
    ) -> None:
        """Take the steps first ... last; still, of size lr by the gradients of x_1."""
        points = self._parts(self.start) if still else self.at
        moving = [*zip(self.records, points, self.to, strict=True)]
        schedule = self.records[0].bout
        with self.mode():
            for self.t in range(first, last + 1):
                t = self.t
                for record, x, g in moving:
                    if t <= record.bout.steps:
                        record.see(x, t)
                        record.stream.write(x, t, g)
                    elif t == record.bout.steps + 1:
                        g[...] = 0.0
                self.g *= self.alive
                factor = 1.0 if still else schedule.factor(t)
                for group, lr in self.groups:
                    group["lr"] = lr * factor
                with limited("step"):
                    for optimizer in self.optimizers:
                        optimizer.step()
                self._take_back()
                self._settle(t)
                for record, x in zip(self.records, self.at, strict=True):
                    record.keep(x, t)
                if not self.alive.any():
                    break
                if report is not None and t % _TOLD == 0:
                    report(t)

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
        """Return the name of a row of state that is not finite at the end, though its lane is."""
        for parameter, _, _, alive in self.own:
            living = torch.from_numpy(alive > 0.0)
            for state in (optimizer.state.get(parameter) for optimizer in self.optimizers):
                for name, value in state.items() if isinstance(state, dict) else ():
                    if torch.is_tensor(value) and value.is_floating_point():
                        # A row of another shape is of all lanes.
                        kept = value[living] if value.shape == parameter.shape else value[living.all()]
                        if not kept.isfinite().all():
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
            with blamed(self.name, "its steps"):
                plain, late, early = (self._end(*one) for one in ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0)))
        if plain == late != early:
            raise ValueError(
                f"{name} keeps the step size of its construction, so no schedule reaches it and steps lr/sqrt(t) cannot be "
                "had; let it read the lr of its parameter groups."
            )
        given = {key: value for key, value in optimizer.defaults.items() if key not in ("lr", "params")}
        self.hyper: Mapping[str, Any] = given
        self.settings = ", ".join(f"{key}={value!r}" for key, value in given.items() if value is not None)
        self.layout, self._remarks = "", [""]
        if callable(getattr(optimizer, "train", None)):
            self._remarks = ["judged where it takes gradients, and only that point is kept in a box"]

    def build(self, parameters: Any, lr: float, cell: Mapping[str, float] | None = None) -> Any:
        """Return the optimizer of some parameters, with the hyperparameters of a cell."""
        given = _assigned(cell, self.hyper, self.name) if cell else {}
        with blamed(self.name, "its construction"):
            made = self._make(parameters, lr=lr, **given)
        if not isinstance(made, torch.optim.Optimizer):
            kind = checks.article(type(made).__name__)
            raise ValueError(f"{self.name} makes {kind}, which is no torch.optim.Optimizer.")
        train = getattr(made, "train", None)
        if callable(train):  # schedule-free methods ask for it
            train()
        return made

    @property
    def source(self) -> str:
        """The library that the optimizer comes from, with its version, and torch's."""
        package = self.name.partition(":")[0].partition(".")[0]
        try:
            own = f"{package} {metadata.version(package)}"
        except (metadata.PackageNotFoundError, ValueError):
            own = ""
        torchs = f"torch {torch.__version__}"
        return torchs if package in ("", "torch") or not own else f"{own}, {torchs}"

    def _end(self, built: float, then: float) -> float:
        """Return where 20 steps at slope 1 lead from 0, by the factors of `_FIRST` it is built and run with."""
        parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = self.build([parameter], built * _FIRST)
        for group in optimizer.param_groups:
            group["lr"] = then * _FIRST
        for _ in range(20):
            parameter.grad = torch.ones_like(parameter)
            optimizer.step()
        return float(parameter.detach())

    def rate(self, bout: Bout, lr: float, held: bool = False) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1.

        Held, every step starts at x_1.
        """
        near, total = replace(bout.near(), lr=lr), 0.0  # built with it, as in the run: AdaBound remembers it
        with _quiet(), blamed(self.name, "its steps"):
            course = _Course(self, [near], "alone")
            for t in range(1, PROBED + 1):
                before = course.x.copy()
                course.advance(t, t, still=True)
                total += float(np.abs(course.x - before).mean())
                if held:
                    course.x[...] = course.start
        return total / PROBED if course.alive.all() else math.nan

    def run(self, bouts: Sequence[Bout], report: Report | None = None) -> list[Ends]:
        """Run every bout, in the first layout whose 200 steps are those of an optimizer for each lane."""
        last = max(bout.steps for bout in bouts)
        with _quiet():
            self.layout = self._chosen(bouts)
            course = _Course(self, bouts, self.layout)
            broken = ""
            ended: dict[int, Ends] = {}
            done = 0
            for end in sorted({bout.steps for bout in bouts}):
                try:
                    course.advance(
                        done + 1, end, report=None if report is None else lambda t: report(t / last)
                    )
                except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a step raises ends the run
                    said = checks.sentence(error).rstrip(".")
                    broken = f"step {course.t} raised {type(error).__name__}: {said}"
                    break
                done = end
                lost = course.lost()
                for i, (bout, record) in enumerate(zip(bouts, course.records, strict=True)):
                    if bout.steps == end:
                        ended[i] = Ends(record.dataset(self.name, self.source, self.settings))
                        if lost:
                            note = f"its state {lost} is not finite at the end, so this shows nothing"
                            ended[i] = Ends(None, note, Verdict.UNDECIDED.value)
        return [ended.get(i, Ends(None, broken, Verdict.UNDECIDED.value)) for i in range(len(bouts))]

    @property
    def note(self) -> str:
        """How the lanes were laid out, and what else is to be known of a run."""
        return "; ".join(filter(None, [*self._remarks]))

    def _chosen(self, bouts: Sequence[Bout]) -> str:
        axes = bouts[0].axes
        some = {name: values[:: max(1, len(values) // _SAMPLED)] for name, values in axes.items()}
        bouts = [replace(bout, axes=some, checkpoints=0) for bout in bouts]
        said = _SAID_OF_GRIDS if axes else _SAID
        begun = ""

        def end(layout: str) -> Array:
            torch.manual_seed(0)
            course = _Course(self, bouts, layout)
            course.advance(1, min(_TESTED, *(bout.steps for bout in bouts)))
            return np.where(course.alive > 0.0, course.x, np.nan)

        with blamed(self.name, "its steps"):
            alone, again = end("alone"), end("alone")
            drawn = not torch.equal(torch.get_rng_state(), torch.manual_seed(0).get_state())
        if not np.array_equal(alone, again, equal_nan=True):
            begun = "two runs from the same seed differ, so this card cannot be repeated"
        elif drawn:
            begun = "draws random numbers of its own, from torch's seed 0"
        chosen = "alone"
        for layout in () if begun else LAYOUTS[:-1]:
            try:
                if np.allclose(end(layout), alone, rtol=_AGREE, atol=_AGREE, equal_nan=True):
                    chosen = layout
                    break
            except Exception:  # noqa: BLE001, S112  whatever it cannot do with this layout, it is not used
                continue
        self._remarks = [begun or said[chosen], *self._remarks[-1:]]
        return chosen


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings and the random numbers of torch to ourselves."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield

"""The rules of the suite on a tensor of cells: every hyperparameter has a value per cell, and one call moves all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import build
from theory_sim.rules.language import Round, Rule, Stage, names
from theory_sim.rules.trace import elementwise

_names = cache(names)


def stacked(optimizer: Optimizer, cells: Sequence[Mapping[str, float]]) -> list[Optimizer]:
    """Return the optimizer of every cell; they share their rules.

    Raises
    ------
    ValueError
        If a cell needs other rules, or the optimizer is no rule that one worker can run.
    """
    made = [optimizer.replace(**values) for values in cells]
    first = made[0]
    reason = ""
    if not first.is_rule:
        reason = "its step is a kernel over arrays, not a rule"
    elif any(one.over == "workers" for one in first.reductions.values()) or first.nodes or first.warmup:
        reason = "it needs several workers or a warm-up"
    elif first.draws or any(side is not None and side.draws(2) for side in (first.up, first.down)):
        reason = "it draws random numbers"
    elif any(isinstance(start, str) for start in first.initial.values()):
        reason = "a row of it starts from the gradients of a problem"
    if reason:
        raise ValueError(f"{first.name} cannot train networks, as {reason}; use a rule such as adam.")
    sides = [(one.up and one.up.source.digest, one.down and one.down.source.digest) for one in made]
    if len({(one.source[0].digest, *side) for one, side in zip(made, sides, strict=True)}) > 1:
        raise ValueError(f"The cells of {first.name} need different rules; give each its own Training.")
    return made


class Mover:
    """The state of an optimizer for tensors of parameters of shape (cells, seeds, P).

    Parameters
    ----------
    made : sequence of Optimizer
        One for each cell, from `stacked`.
    x : tensor, shape (cells, seeds, P)
        The start.
    sizes : sequence of int
        Entries of each parameter of the network, in order: each is one message, and reductions over coordinates
        are over all P.
    """

    def __init__(self, made: Sequence[Optimizer], x: Any, sizes: Sequence[int]) -> None:
        self.optimizer, self.made, self.sizes = made[0], made, [*sizes]
        self.rows: dict[str, Any] = {}
        self._like = {"dtype": x.dtype, "device": x.device}
        self._lr = np.array([one.lr for one in made])
        self._schedule = np.array([[*one.schedule.parameters.values()] for one in made], dtype=float).T.copy()
        self._hyper = {name: self._column([one.hyper[name] for one in made]) for name in self.optimizer.hyper}
        self._hyper |= {"workers": 1, "d": x.shape[-1]}
        self._groups = {side: _groups([getattr(one, side) for one in made]) for side in ("up", "down")}
        # Rows start with one value for all coordinates, and grow to the shape that their rule gives them.
        for row in (*self.optimizer.rows, *self.optimizer.worker_rows):
            self.rows[row] = self._column([one.initial.get(row, 0.0) for one in made])
        round_ = self.optimizer.step
        if isinstance(round_, Round) and round_.start is not None:
            message: dict[str, Any] = {}
            self._stage(round_.start, {"x": x, **self._hyper}, message)
            self.first = self._sent(message["p"], "down")
        else:
            self.first = x

    def _column(self, values: Sequence[Any] | np.ndarray[Any, Any]) -> Any:
        return torch.tensor(np.array(values, dtype=float)[:, None, None], **self._like)

    def _called(self, rule: Rule, known: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the results of a rule, after the reductions over coordinates that it names."""
        inner = dict(known)
        for key, one in self.optimizer.reductions.items():
            own = (key,) if isinstance(key, str) else key
            if set(own) & set(_names(rule)):
                terms = self._called(one.term, known)
                inner.update(zip(own, (_fold(one.fold, term) for term in terms), strict=True))
        return elementwise(rule, torch)(**{name: inner[name] for name in _names(rule) if name in inner})

    def _stage(self, stage: Stage, known: Mapping[str, Any], out: dict[str, Any]) -> None:
        """Call a stage; its rows are kept, and x and the message are put into `out`."""
        for name, value in zip(stage.writes, self._called(stage.rule, {**self.rows, **known}), strict=True):
            (out if name in ("x", "p") else self.rows)[name] = value

    def _sent(self, p: Any, side: str) -> Any:
        """Return what the receiver of messages decodes, one for each parameter of the network.

        Compressors round floats to the words of a message, which no elementwise tensor code does, so their
        kernels run on the CPU, with the cells of one compressor as lanes.
        """
        if getattr(self.optimizer, side).name == "identity":
            return p
        message = p.double().cpu().numpy()
        out, ends = np.empty(message.shape), np.cumsum(self.sizes)
        for compressor, cells in self._groups[side]:
            hyper, lanes = np.array([*compressor.hyper.values()], dtype=float), message[cells]
            kernel, none = build.compiled(compressor.source), np.empty((0, lanes[..., 0].size))
            for a, b in zip(ends - self.sizes, ends, strict=True):
                image = np.empty((b - a, lanes[..., 0].size))
                kernel(lanes[..., a:b].reshape(-1, b - a).T.copy(), none, hyper, image)
                out[cells, :, a:b] = image.T.reshape(len(cells), -1, b - a)
        return torch.tensor(out, **self._like)

    def step(self, t: int, x: Any, g: Any) -> Any:
        """Return the parameters after step t, from 1, with gradient g."""
        optimizer, factor = self.optimizer, np.empty(len(self.made))
        build.compiled(optimizer.schedule.source)(t, self._schedule, factor)
        known: dict[str, Any] = {**self._hyper, "lr": self._column(self._lr * factor), "t": t, "g": g, "x": x}
        if optimizer.once is not None:
            self._stage(Stage(optimizer.once, optimizer.shared), known, {})
        out: dict[str, Any] = {}
        step = optimizer.step
        if not isinstance(step, Round):
            own = tuple(row for row in optimizer.rows if row not in optimizer.shared)
            self._stage(Stage(step, ("x", *own)), known, out)
            return out["x"].expand(x.shape)
        self._stage(step.send, known, out)
        known |= {"p": out["p"], "sent": self._sent(out["p"], "up")}
        if step.keep is not None:
            self._stage(step.keep, known, {})
        known["mean"] = known["sent"]
        if step.reply is not None:
            self._stage(step.reply, known, out)
            known |= {"p": out["p"], "reply": self._sent(out["p"], "down")}
        self._stage(step.apply, known, out)
        return out["x"]


def _groups(compressors: Sequence[Compressor | None]) -> list[tuple[Compressor, list[int]]]:
    """Return the different compressors, and the cells of each."""
    found: dict[tuple[float, ...], tuple[Compressor, list[int]]] = {}
    for cell, one in enumerate(compressors):
        if one is not None:
            found.setdefault(tuple(one.hyper.values()), (one, []))[1].append(cell)
    return [*found.values()]


def _fold(fold: str, term: Any) -> Any:
    if fold == "sum":
        return term.sum(-1, keepdim=True)
    # 0 * term keeps a NaN, as in lanes
    return (term + 0.0 * term).amax(-1, keepdim=True) if fold == "max" else term.norm(dim=-1, keepdim=True)

"""One tile of lanes on tensors: blocks of steps, compiled or not, and its records."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from theory_sim.engine.draws import Streams
from theory_sim.engine.tensor_loop import Loop
from theory_sim.rules import checks
from theory_sim.rules.lifted import Step, blank, rows

Array = np.ndarray[Any, Any]
Block = dict[str, Any]

STEPS = 16  # of a block: more of them compile longer and save little traffic
_ROWS = 64  # coordinates and workers times steps of a block: the length of its code
_AHEAD = 512  # steps for which small draws are made at once
_DRAWN = 1 << 18  # numbers of a kind that are
_GRAPHS: dict[Any, Callable[..., Any]] = {}


def block_steps(loop: Loop) -> int:
    """Return the steps of a block."""
    return max(1, min(STEPS, _ROWS // (loop.d * loop.w)))


def notice(text: str) -> None:
    """Warn of something that changes how lanes run, not what they give."""
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _leaves(block: Block) -> list[Any]:
    """Return the tensors of a block, in order."""
    out: list[Any] = []
    for one in block.values():
        out += _leaves(one) if isinstance(one, dict) else one if isinstance(one, list) else [one]
    return out


def _filled(block: Block, tensors: Iterator[Any]) -> Block:
    """Return a block of the same form with other tensors."""
    return {
        name: _filled(one, tensors)
        if isinstance(one, dict)
        else [next(tensors) for _ in one]
        if isinstance(one, list)
        else next(tensors)
        for name, one in block.items()
    }


def _compiled(block: Callable[[Block], Block], inputs: Block, key: Any) -> Callable[[Block], Block]:
    """Return a block compiled for inputs like these, or as it is, with a notice, where torch cannot.

    What is compiled is the list of operations that the block does, so that nothing but tensors is left.
    """
    import torch
    import torch._inductor.config
    from torch.fx.experimental.proxy_tensor import make_fx

    leaves = _leaves(inputs)
    sizes = tuple((tuple(one.shape), one.dtype, str(one.device)) for one in leaves)
    key = (key, sizes, torch.get_num_threads())
    if key not in _GRAPHS:
        graph = make_fx(lambda *tensors: _leaves(block(_filled(inputs, iter(tensors)))))(*leaves)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        made = torch.compile(graph, fullgraph=True, dynamic=False)
        try:
            # There is little but one kernel to compile: a pool of processes would cost more than it saves.
            with torch._inductor.config.patch(compile_threads=1):
                made(*leaves)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001  compilers fail in ways of their own
            notice(
                f"torch cannot compile here: {checks.sentence(error)} The lanes run uncompiled, which takes several times "
                "longer."
            )
            made = graph
        _GRAPHS[key] = made
    run = _GRAPHS[key]

    def call(given: Block) -> Block:
        return _filled(given["moving"], iter(run(*_leaves(given))))

    return call


class Stepper:
    """Advances the lanes of one tile by any number of steps.

    Parameters
    ----------
    loop : Loop
    cut : ndarray of int
    compiled : bool
    """

    def __init__(self, loop: Loop, cut: Array, compiled: bool) -> None:
        self.loop, self.compiled = loop, compiled
        self.given, self.moving, self.streams = loop.given(cut), loop.start(cut), Streams(loop, cut)
        self.count = block_steps(loop)
        self._drawn: tuple[int, int, Block] = (1, 1, {})
        self._last: Any = None  # the components of the last step
        self._blocks: dict[tuple[bool, bool], Callable[[Block], Block]] = {}

    def rate(self, t: int) -> Any:
        """Return the step size of every lane at step t."""
        return self.given["lr"][0] * self._factors(self._steps(t, 1))[0]

    def _steps(self, first: int, count: int) -> Any:
        torch, device = self.loop.torch, self.loop.target.device
        return torch.arange(first, first + count, device=device)

    def _factors(self, t: Any) -> Any:
        """Return the factors of the step size at each of some steps."""
        loop = self.loop
        if loop.each:
            return [loop.schedule(one.double(), self.given["parameters"]) for one in t]
        found = loop.schedule(t.double(), loop.lanes.schedule.ravel().tolist())
        return (loop.torch.ones_like(t, dtype=loop.torch.float64) * found).to(loop.real)

    def _ahead(self, first: int, count: int) -> Block:
        """Return what some steps draw, from what is drawn for many steps at once."""
        begin, end, drawn = self._drawn
        if first + count > end:
            # Small draws cost calls, large ones memory.
            many = max(count, min(_AHEAD, _DRAWN // len(self.streams.key)))
            steps = self._steps(end, many)
            new = {**self.streams.draw(steps), "factor": steps if self.loop.each else self._factors(steps)}
            torch = self.loop.torch
            kept = {name: torch.cat([one[first - begin :], new[name]]) for name, one in drawn.items()}
            begin, end, drawn = self._drawn = first, end + many, kept or new
        return {name: one[first - begin : first - begin + count] for name, one in drawn.items()}

    def begin(self) -> None:
        """Make the first query point of a method with messages."""
        loop = self.loop
        t = self._steps(0, 1)
        drawn = self._spread(self.streams.noises(t))
        step = Step(t[0].double(), begins=True)
        g = blank(loop.seen, loop.d)
        x, state = loop.moved(step, self.rate(1), g, drawn, self.given, self.moving)
        like = self.moving["x"][0]
        self.moving["x"] = [loop.full(one, like) for one in x[:, 0]]
        self.moving["state"] = [loop.full(one, like) for one in state.ravel()]

    def _spread(self, drawn: Block) -> dict[str, Any]:
        """Return the numbers of the last step for each lane, as rows."""
        loop, which = self.loop, self.streams.which
        return {
            name: rows([loop.spread(one[-1, q], which) for q in range(one.shape[1])], one.shape[1])
            for name, one in drawn.items()
        }

    def measures(self, t: int) -> list[Any]:
        """Return the measures at the present point, before step t."""
        loop, moving = self.loop, self.moving
        idx = blank(loop.w) if self._last is None else self._spread({"idx": self._last})["idx"]
        now = Step(loop.torch.as_tensor(float(t), dtype=loop.torch.float64, device=loop.target.device))
        row = loop.measured(now, self.rate(t), blank(loop.seen, loop.d), self.given, moving, idx)
        return [loop.full(one, moving["total"][0]) for one in row]

    def advance(self, first: int, last: int, watched: bool) -> None:
        """Take the steps first ... last."""
        loop, warmup = self.loop, self.loop.variant.warmup
        t = first
        while t <= last:
            warm = t <= warmup
            end = min(last, warmup) if warm else last
            count = self.count if t + self.count - 1 <= end else 1
            drawn = self._ahead(t, count)
            self._last = drawn["idx"]
            inputs = {
                "t": [loop.torch.as_tensor(t, device=loop.target.device)],
                "factor": drawn.pop("factor"),
                "drawn": drawn,
                "which": self.streams.which,
                "given": self.given,
                "moving": self.moving,
            }
            if count == 1 or not self.compiled:
                self.moving = loop.block(count, watched, warm)(inputs)
            else:
                if (watched, warm) not in self._blocks:
                    key = (loop.key, count, watched, warm)
                    self._blocks[watched, warm] = _compiled(loop.block(*key[1:]), inputs, key)
                self.moving = self._blocks[watched, warm](inputs)
            t += count


def run_tile(loop: Loop, cut: Array, compiled: bool) -> Mapping[str, Array]:
    """Run the lanes `cut` of the group of a loop, and return what `theory_sim.engine.tiles.run_tile` returns."""
    torch, lanes, plan = loop.torch, loop.lanes, loop.plan
    tile = Stepper(loop, cut, compiled)
    if loop.optimizer.begins:
        tile.begin()
    first = tile.measures(1)
    kept: dict[str, list[Any]] = {name: [] for name in ("x", "measures", "mean", "min", "max")}
    windows = [[torch.zeros_like(one) for one in first] for _ in plan.windows]
    sums = [torch.zeros_like(one) for one in first]
    done = 0
    for edge in plan.stops:
        inside = [a <= done and edge <= b for a, b in plan.windows]
        watched = loop.many > 0 and (plan.running or loop.watched >= 0 or any(inside))
        tile.moving["total"] = [torch.zeros_like(one) for one in tile.moving["total"]]
        tile.advance(done + 1, edge, watched)
        moving = tile.moving
        # A moment that overflowed freezes x at a finite value; that is no result either.
        (lost,), (age,) = moving["lost"], moving["age"]
        for one in moving["state"]:
            age = torch.where((lost == 0) & ~one.isfinite(), edge - 1.0, age)
            lost = lost + (one - one)
        gone = lost != 0
        moving.update(lost=[lost], age=[age], x=[one + lost for one in moving["x"]])
        for (a, b), held, own in zip(plan.windows, inside, windows, strict=True):
            if watched and held:
                for k, total in enumerate(moving["total"]):
                    own[k] += total / (b - a)
        if plan.running:
            sums = [one + total for one, total in zip(sums, moving["total"], strict=True)]
        if edge in plan.checkpoints:
            row = tile.measures(edge + 1)
            kept["x"].append(_together(moving["x"], gone))
            kept["measures"].append(_together(row, gone))
            if plan.running:
                kept["mean"].append(_together([one / edge for one in sums], gone))
                kept["min"].append(_together(moving["low"], gone))
                kept["max"].append(_together(moving["high"], gone))
        done = edge
    return {
        **_recorded(tile, kept, windows, first),
        **_ended(tile, row, done, len(cut), int(lanes.workers.max())),
    }


def _together(values: list[Any], gone: Any) -> Array:
    """Return rows as one array (L, rows) of 64 bits, NaN in lanes that are gone."""
    import torch

    if not values:
        return np.zeros((len(gone), 0))
    stacked: Array = torch.where(gone, torch.nan, torch.stack(values).double()).T.cpu().numpy()
    return stacked


def _recorded(
    tile: Stepper, kept: Mapping[str, list[Array]], windows: list[list[Any]], first: list[Any]
) -> dict[str, Array]:
    """Return the records of checkpoints and windows."""
    plan, stopped = tile.loop.plan, tile.loop.stopped(tile.moving)
    every = stopped < 0
    out = {name: np.stack(values, axis=1) for name, values in kept.items() if values}
    means = [_together(own, every) for own in windows]
    for mean, (a, b) in zip(means, plan.windows, strict=True):
        mean[((stopped > 0) & (stopped <= b)).cpu().numpy() | (a == b)] = np.nan
    out["windows"] = np.stack(means, axis=1) if means else np.zeros((len(stopped), 0, tile.loop.many))
    out["first"] = _together(first, every)
    return out


def _ended(tile: Stepper, row: list[Any], done: int, count: int, workers: int) -> dict[str, Array]:
    """Return the records of the end; `row` has the measures of the last iterate, as the last stop is a checkpoint."""
    loop, torch, moving = tile.loop, tile.loop.torch, tile.moving
    stopped, escaped = loop.stopped(moving), loop.escaped(moving)
    hits = np.full((count, 2), -1)
    if loop.watched >= 0:
        value = torch.where(stopped > 0, torch.nan, row[loop.watched])
        target = float(loop.plan.first_hit or 0.0)
        new = (value <= target, moving["path"][0] + value <= target * (done + 1))
        for k, (old, hit) in enumerate(zip(moving["hits"], new, strict=True)):
            hits[:, k] = torch.where((old < 0) & hit, done, old).cpu().numpy()
    state = _together(moving["state"], stopped > 0).reshape(count, loop.state, loop.d)
    missing = (workers - loop.w) * len(loop.optimizer.worker_rows)
    padding = np.full((count, missing, loop.d), np.nan)
    return {
        "state": np.concatenate([state, padding], axis=1),
        "hits": hits,
        "stopped": stopped.cpu().numpy(),
        "escaped": escaped.long().cpu().numpy(),
    }

"""The lane loop on tensors: `theory_sim.engine.loop.advance` in blocks of steps, one tensor for each row.

Gradient, step, measures, schedule and messages are the generated kernels themselves, on rows of tensors
(`theory_sim.rules.lifted`).  A block of steps is a function of tensors alone, so torch can compile it whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from theory_sim.engine.lanes import Lanes
from theory_sim.engine.target import Target
from theory_sim.nouns.order import order
from theory_sim.nouns.sweep import WATCHED, Plan
from theory_sim.rules.lifted import Rows, Step, blank, lifted, rows

Array = np.ndarray[Any, Any]
Block = dict[str, Any]


class Loop:
    """The kernels of one group of lanes on tensors, and the loop over their steps.

    Parameters
    ----------
    lanes : Lanes
    plan : Plan
    member : int
        Any lane of the group.
    target : Target
    """

    def __init__(self, lanes: Lanes, plan: Plan, member: int, target: Target) -> None:
        import torch

        self.torch, self.lanes, self.plan, self.target = torch, lanes, plan, target
        problem, optimizer = lanes.problem, lanes.optimizer
        self.problem, self.optimizer = problem, optimizer
        self.variant = lanes.variants[int(lanes.variant[member])]
        self.real = getattr(torch, target.dtype)
        (step, scratch), (watch, more) = optimizer.source, optimizer.watch
        (gradient, of_gradient), (measure, of_measure) = problem.source
        sides = (self.variant.up, self.variant.down)
        self.kernels = {
            source.kind: lifted(source, torch, self.real)
            for source in (step, watch, gradient, measure, optimizer.schedule.source)
        }
        self.sides = [None if one is None else lifted(one.source, torch, self.real) for one in sides]
        self.of_messages = [[] if one is None else [*one.hyper.values()] for one in sides]
        self.d, self.w = problem.dim, int(lanes.workers[member])
        self.own = len(problem.measures)
        self.many = self.own + len(optimizer.measures)
        self.state = len(optimizer.rows) + self.w * len(optimizer.worker_rows)
        self.scratch = max(scratch + 3 * self.d, more, of_gradient, of_measure)
        self.seen = self.w if optimizer.sees_workers else 1
        self.each = lanes.schedule.shape[-1] > 1
        self.watched = -1
        if plan.first_hit is not None:
            self.watched = next(k for k, name in enumerate(problem.measures) if name in WATCHED)
        sources = (step, watch, gradient, measure, optimizer.schedule.source)
        compressors = [None if one is None else one.source.digest for one in sides]
        # All that a block of steps consists of, besides its tensors.
        self.key = (
            *(one.digest for one in sources),
            *(
                *compressors,
                str(self.of_messages),
                self.d,
                self.w,
                self.state,
                self.scratch,
                self.own,
                self.many,
            ),
            *(
                self.seen,
                self.each,
                self.watched,
                plan.first_hit,
                plan.running,
                problem.bounds(),
                target.dtype,
            ),
        )
        messages = self.variant.draws_of_messages(self.d, self.w)
        drawn = order(lanes.order)
        self.sampled = bool((lanes.size > 1).any())
        counts = {
            "u": self.w if drawn.draws and self.sampled else 0,
            "noise": self.w * problem.draws,
            "own": optimizer.draws,
            "up": messages[0],
            "down": messages[1],
        }
        first = np.cumsum([0, self.w, *[counts[name] for name in ("noise", "own", "up")]]).tolist()
        self.slots = {name: (first[k], counts[name]) for k, name in enumerate(counts)}

    # Inputs -----------------------------------------------------------------------------------------------

    def tensor(self, values: Any, dtype: Any = None) -> Any:
        """Return an array as a tensor of the device."""
        one = np.array(values)  # a copy, as torch wants arrays that it may write to
        return self.torch.asarray(one).to(self.target.device, dtype or self.real)

    def row(self, values: Array, cut: Array, dtype: Any = None) -> Any:
        """Return what lanes have as a tensor, of no dimension if all lanes of the sweep share it."""
        same = bool((values == values[0]).all())
        return self.tensor(values[0] if same else values[cut], dtype)

    def given(self, cut: Array) -> Block:
        """Return what stays the same over the steps: step sizes, constants, parameters of the schedule."""
        lanes = self.lanes
        return {
            "lr": [self.row(lanes.lr, cut)],
            "hyper": [self.row(one, cut) for one in lanes.hyper],
            "theta": [self.row(one, cut) for one in lanes.theta],
            "parameters": [self.row(one, cut) for one in lanes.schedule] if self.each else [],
        }

    def start(self, cut: Array) -> Block:
        """Return what a step changes, at x_1."""
        lanes, torch = self.lanes, self.torch
        state = [self.tensor(one[cut]) for row in lanes.state for one in row]
        own = self.state * self.d - len(state)
        zero = torch.zeros_like(self.tensor(lanes.x0[0][cut]))
        wide, whole = zero.double(), zero.long()
        out = {
            "x": [self.tensor(one[cut]) for one in lanes.x0],
            "state": [*state, *(zero.clone() for _ in range(own))],
            # 0 while the lane is finite, then NaN; its last finite step; the largest coordinate after that one
            "lost": [zero.clone()],
            "age": [wide.clone()],
            "reach": [] if self.boxed else [zero.clone()],
            "total": [wide.clone() for _ in range(self.many)],
        }
        extremes = self.many if self.plan.running else 0
        out["low"] = [torch.full_like(wide, math.inf) for _ in range(extremes)]
        out["high"] = [torch.full_like(wide, -math.inf) for _ in range(extremes)]
        out["hits"] = [torch.full_like(whole, -1) for _ in range(2 if self.watched >= 0 else 0)]
        out["path"] = [wide.clone() for _ in range(1 if self.watched >= 0 else 0)]
        return out

    @property
    def boxed(self) -> bool:
        """Whether the problem has a box."""
        low, high = self.problem.bounds()
        return low > -math.inf or high < math.inf

    def stopped(self, moving: Block) -> Any:
        """Return the first step whose iterate is not finite, 0 for lanes that go on."""
        return self.torch.where(moving["lost"][0] == 0, 0.0, moving["age"][0] + 1).long()

    def escaped(self, moving: Block) -> Any:
        """Return which lanes became infinite where there is no box, which makes NaN of infinity."""
        gone = self.stopped(moving) > 0
        return gone & moving["reach"][0].isinf() if moving["reach"] else gone & ~gone

    # Rows of one step -------------------------------------------------------------------------------------

    def schedule(self, t: Any, parameters: list[Any]) -> Any:
        """Return the factor of the step size at a tensor of steps."""
        factor = blank()
        self.kernels["schedule"](Step(t), rows(parameters, len(parameters)), factor)
        return factor[0]

    def measured(self, t: Step, lr: Any, seen: Rows, given: Block, moving: Block, idx: Rows) -> list[Any]:
        """Return the measures of the problem and of the optimizer."""
        x, state, theta, hyper, work = self.arrays(given, moving)
        row = blank(self.many)
        if self.own:
            self.kernels["measure"](x, t, idx, blank(0), theta, row[: self.own], work)
        if self.own < self.many:
            self.kernels["watch"](seen, t, rows([lr]), hyper, state, x, row[self.own :], work)
        return [row[k, 0] for k in range(self.many)]

    def arrays(self, given: Block, moving: Block) -> tuple[Rows, ...]:
        """Return x, state, theta, hyper and scratch as rows."""
        return (
            rows(moving["x"], self.d),
            rows(moving["state"], self.state, self.d),
            rows(given["theta"], len(given["theta"])),
            rows(given["hyper"], len(given["hyper"])),
            blank(self.scratch),
        )

    def moved(
        self, t: Step, lr: Any, g: Rows, drawn: Mapping[str, Rows], given: Block, moving: Block
    ) -> tuple[Rows, Rows]:
        """Return x and the state after the step kernel."""
        x, state, _, hyper, work = self.arrays(given, moving)
        up, down = self.sides
        self.kernels["step"](
            g, t, rows([lr]), hyper, drawn["own"], state, x,
            up, self.of_messages[0], drawn["up"], down, self.of_messages[1], drawn["down"], work,
        )  # fmt: skip
        return x, state

    def full(self, value: Any, like: Any) -> Any:
        """Return a number, or a tensor without lanes, for every lane."""
        if self.torch.is_tensor(value) and value.dim() and value.dtype == like.dtype:
            return value
        return (self.torch.ones_like(like) * value).to(like.dtype)

    def gradients(self, t: Step, idx: Rows, noise: Rows, given: Block, moving: Block) -> Rows:
        """Return the gradients that the step sees: of every worker, or their mean."""
        x, _, theta, _, work = self.arrays(given, moving)
        g = blank(self.w, self.d)
        self.kernels["gradient"](x, t, idx, noise, theta, g, work)
        if self.w == 1 or self.seen > 1:
            return g
        mean = blank(1, self.d)
        for i in range(self.d):
            for j in range(self.w):
                mean[0, i, 0] = g[j, i, 0] if j == 0 else mean[0, i, 0] + g[j, i, 0]
            mean[0, i, 0] = mean[0, i, 0] / self.w
        return mean

    def step(
        self,
        t: Any,
        lr: Any,
        drawn: Mapping[str, Rows],
        given: Block,
        moving: Block,
        watched: bool,
        warm: bool,
    ) -> Block:
        """Return what moves, after one step; the order of things is that of `theory_sim.engine.loop.advance`."""
        torch, now, like = self.torch, Step(t.double(), warm=warm), moving["x"][0]
        moving = dict(moving)
        g = self.gradients(now, drawn["idx"], drawn["noise"], given, moving)
        if watched:
            self.observe(t, self.measured(now, lr, g, given, moving, drawn["idx"]), moving)
        x, state = self.moved(now, lr, g, drawn, given, moving)
        moving["state"] = [self.full(one, like) for one in state.ravel()]
        points = [self.full(one, like) for one in x[:, 0]]
        (lost,) = moving["lost"]
        going = lost == 0
        if moving["reach"]:
            reach = torch.zeros_like(like)
            for one in points:
                reach = torch.where(one.abs() > reach, one.abs(), reach)
            moving["reach"] = [torch.where(going, reach, moving["reach"][0])]
        for one in points:
            lost = lost + (one - one)  # NaN from infinity and NaN
        moving["lost"] = [lost]
        finite = lost == 0
        moving["age"] = [torch.where(finite, t.double(), moving["age"][0])]
        low, high = self.problem.bounds()
        moving["x"] = [
            torch.where(finite, one.clamp(low, high) if self.boxed else one, math.nan) for one in points
        ]
        return moving

    def observe(self, t: Any, row: list[Any], moving: Block) -> None:
        """`theory_sim.rules.observe.observe` on tensors."""
        torch = self.torch
        row = [self.full(one, moving["total"][0]) for one in row]
        moving["total"] = [total + value for total, value in zip(moving["total"], row, strict=True)]
        if self.plan.running:
            pairs = [*zip(moving["low"], moving["high"], row, strict=True)]
            # 0 * (value - value) is NaN where the value is not finite
            moving["low"] = [torch.where(v < low, v, low) + (v - v) for low, _, v in pairs]
            moving["high"] = [torch.where(v > high, v, high) + (v - v) for _, high, v in pairs]
        if self.watched >= 0:
            here, target = row[self.watched], self.plan.first_hit
            path = moving["path"][0] + here
            going = moving["lost"][0] == 0
            hit = (here <= target, path <= target * t)
            moving["path"] = [path]
            moving["hits"] = [
                torch.where(going & (old < 0) & new, t - 1, old)
                for old, new in zip(moving["hits"], hit, strict=True)
            ]

    # Blocks -----------------------------------------------------------------------------------------------

    def block(self, count: int, watched: bool, warm: bool) -> Callable[[Block], Block]:
        """Return `count` steps as one function of tensors."""

        def run(inputs: Block) -> Block:
            given: Block = inputs["given"]
            moving: Block = inputs["moving"]
            for k in range(count):
                t = inputs["t"][0] + k
                drawn = {
                    name: rows(
                        [self.spread(one[k, q], inputs["which"]) for q in range(one.shape[1])], one.shape[1]
                    )
                    for name, one in inputs["drawn"].items()
                }
                own = self.schedule(t.double(), given["parameters"]) if self.each else None
                lr = given["lr"][0] * (inputs["factor"][k] if own is None else own)
                moving = self.step(t, lr, drawn, given, moving, watched, warm)
            return moving

        return run

    @staticmethod
    def spread(values: Any, which: list[Any]) -> Any:
        """Return the numbers of the streams for each lane."""
        if len(values) == 1:
            return values[0]
        return values[which[0]] if which else values

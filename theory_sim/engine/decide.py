"""When a lane needs no more steps: which verdicts are final before the horizon, and why.

A verdict is about the horizon T: its rule compares the window means at T/4, T/2 and T.  What an earlier mean says about
a later one is a guess unless something else is known, so there are two kinds of reason to stop.

- **Certain.**  The verdict at T is known.  NONFINITE: such a lane stays NaN.  LEVEL: the mean at T/2 is neither below
  ``converged`` nor above ``diverged``, and the rule asks for one of them; the lane is UNDECIDED at T, where a box
  keeps it from escaping.  REPEATS: a lane that draws nothing, and of whose rules none names t, has the very bits that
  it had some periods before, so it repeats itself for ever; the steps between the windows are left out, and all bits of
  its result are those of the whole run.
- **Stage.**  The rule, asked at T/64, T/32, ... T/2 as if each were the horizon, says CONVERGED, or DIVERGED, twice in
  a row.  This is the rule's word about a shorter run, not about T: of 7,154 lanes stopped so in seven sweeps of the
  suite's quick tier none would have gone over to the opposite verdict by T, and 133 would have become UNDECIDED, 70 of
  them in ``zou2019.stochastic``, whose lanes drift for long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine.moment import Moment
from theory_sim.nouns.sweep import Plan
from theory_sim.nouns.verdict import Rule, Verdict
from theory_sim.rules import build, checks
from theory_sim.rules.declared import reached
from theory_sim.rules.language import Round

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Sweep

Array = np.ndarray[Any, Any]
Records = Mapping[str, Array]

DECIDE = ("horizon", "certain", "stage")
REASONS = ("NEVER", "HORIZON", "NONFINITE", "LEVEL", "REPEATS", "STAGE")
HORIZON, NONFINITE, LEVEL, REPEATS, STAGE = range(1, 6)
_DOUBLINGS = 6  # the first stage ends at T/2^6
_PERIODS = 12  # which 1, 2, 3, 4 and 6 divide: orbits of as many passes over the components are found
_SHORTEST = 64  # steps of a stage


def require(sweep: Sweep, decide: str) -> None:
    """Raise ValueError for an unknown way to decide, or a sweep without a rule to decide by."""
    checks.known("way to decide", decide, DECIDE)
    if decide != "horizon" and sweep.judged is None:
        raise ValueError(f"{sweep.problem.name} has no verdict to decide; give the sweep a rule.")


def period(sweep: Sweep) -> int:
    """Return steps after which a lane that has the same bits again repeats itself for ever, or 0 if none are known.

    Nothing may be drawn, depend on t, or sum up the path.
    """
    problem, optimizer, plan, lanes = sweep.problem, sweep.optimizer, sweep.plan, sweep.job.lanes
    plain = optimizer.is_rule and problem.is_rule and optimizer.up is None and not optimizer.schedule.varies
    if not plain or isinstance(optimizer.step, Round) or plan.running or plan.first_hit is not None:
        return 0
    if sweep.job.random or (lanes.size != lanes.size[0]).any():
        return 0
    if problem.measure is not None and build.is_raw("measure", problem.measure):
        return 0
    of_optimizer = [one for one in (optimizer.step, optimizer.once, optimizer.measure) if one is not None]
    of_problem = [one for one in (problem.gradient, problem.measure) if one is not None]
    named = [reached(one, optimizer.reductions) for one in of_optimizer]
    named += [reached(one, problem.reductions) for one in of_problem]
    return 0 if any("t" in one for one in named) else _PERIODS * int(lanes.size[0])


class Stages:
    """The steps at which the lanes of a sweep are looked at, and what is found there.

    Parameters
    ----------
    sweep : Sweep
    decide : {"horizon", "certain", "stage"}
    """

    def __init__(self, sweep: Sweep, decide: str = "horizon") -> None:
        self.sweep, self.decide, self.steps = sweep, decide, sweep.steps

    @cached_property
    def horizons(self) -> list[int]:
        """T/64, T/32, ... T/2, those of a few steps left out."""
        if self.decide == "horizon":
            return []
        return [end for k in range(_DOUBLINGS, 0, -1) if (end := self.steps >> k) >= _SHORTEST]

    @cached_property
    def plan(self) -> Plan:
        """The plan of the sweep, with a checkpoint where lanes may stop and the windows that are judged there."""
        own = self.sweep.plan
        ends = self.horizons if self.decide == "stage" else self.horizons[-1:]
        windows = {window for end in ends if self.decide == "stage" for window in self._rule.windows(end)}
        return replace(
            own,
            checkpoints=tuple(sorted({*own.checkpoints, *ends})),
            windows=tuple(sorted({*own.windows, *windows})) if windows else own.windows,
        )

    @cached_property
    def period(self) -> int:
        """See `period`; 0 where the first horizon is shorter."""
        found = period(self.sweep) if self.horizons else 0
        return found if self.horizons and found < self.horizons[0] else 0

    @cached_property
    def rests(self) -> list[int]:
        """Every step at which all lanes are looked at, the last one T."""
        marks = {end - self.period for end in self.horizons if self.period}
        return sorted({*self.horizons, *marks, self.steps})

    @property
    def _rule(self) -> Rule:
        rule = self.sweep.judged
        assert rule is not None
        return rule

    def mark(self, moment: Moment) -> Moment:
        """Return a moment that remembers itself."""
        own = {f"own.{name}": moment.arrays[f"tile.{name}"] for name in ("x", "state")}
        return replace(moment, arrays={**moment.arrays, **own})

    def unmarked(self, moment: Moment) -> Moment:
        """Return a moment that remembers nothing but its reason."""
        arrays = {
            name: values for name, values in moment.arrays.items() if name not in ("own.x", "own.state")
        }
        return replace(moment, arrays=arrays)

    def reasons(self, moment: Moment, records: Records) -> Array:
        """Return for each lane at a horizon the reason why its verdict is final, or 0."""
        found = np.zeros(len(moment.cut), np.int64)
        at = moment.done
        if self.decide == "stage" and at > self.horizons[0]:
            now, before = (self._judged(records, end) for end in (at, at // 2))
            found[(now == before) & (now != Verdict.UNDECIDED.value)] = STAGE
        if self._ends(at) and self.sweep.problem.domain is not None:
            found[self._between(records)] = LEVEL
        if "own.x" in moment.arrays:
            found[_same(moment, "x") & _same(moment, "state")] = REPEATS
        found[records["stopped"] > 0] = NONFINITE
        return found

    def repeating(self, moment: Moment) -> Moment:
        """Return lanes that repeat themselves from here on, which remember that."""
        ones = np.ones(len(moment.cut), np.int64)
        own = {"own.decided": moment.done * ones, "own.skipped": 0 * ones}
        return replace(moment, arrays={**self.unmarked(moment).arrays, **own})

    def ended(self, records: Records, at: int, reason: Array, own: Records) -> dict[str, Array]:
        """Return the records of lanes that stop after `at` updates, as those of a run by the plan of the sweep.

        Their last checkpoint is where they are, and those that they do not reach are NaN; ``decided``, ``reason``
        and ``steps`` (L,) say after how many updates the verdict was known, why (0: by the rule at T), and how many
        steps were run.  `own` is what the lanes remember of themselves.
        """
        first, plan, kept = self.sweep.plan, self.plan, dict(records)
        for name in ("x", "measures", "mean", "min", "max"):
            if name in kept:
                values = kept[name][:, [plan.checkpoints.index(c) for c in first.checkpoints]]
                values[:, -1] = (
                    kept[name][:, plan.checkpoints.index(at)] if at in plan.checkpoints else np.nan
                )
                kept[name] = values
        windows, staged = kept["windows"], reason == STAGE
        kept["windows"] = windows[:, [plan.windows.index(one) for one in first.windows]]
        if staged.any():
            places = [plan.windows.index(one) for one in self._rule.windows(at)]
            kept["windows"][staged] = windows[staged][:, places]
        ones = np.ones(len(reason), np.int64)
        kept["decided"] = own.get("own.decided", at * (reason > 0))
        kept["reason"] = REPEATS * ones if "own.decided" in own else reason
        kept["steps"] = at - own.get("own.skipped", 0 * ones)
        return kept

    def _ends(self, at: int) -> bool:
        return at == self.steps // 2

    def _measure(self) -> int:
        return self.sweep.problem.measures.index(self._rule.measure)

    def _judged(self, records: Records, end: int) -> Array:
        k, finite = self._measure(), records["stopped"] == 0
        places = [self.plan.windows.index(one) for one in self._rule.windows(end)]
        start, parts = records["first"][:, k], records["windows"][:, places, k]
        return self._rule.judge(parts, end, start, finite, np.zeros_like(finite)).verdict

    def _between(self, records: Records) -> Array:
        """Return which lanes have a mean at T/2 that is neither that of a converged run nor of a diverged one."""
        k, windows = self._measure(), self._rule.windows(self.steps)
        places = [self.plan.windows.index(one) for one in windows]
        parts, start = records["windows"][:, places, k], records["first"][:, k]
        between: Array = self._rule.between(parts, self.steps, start)
        return between


def _same(moment: Moment, name: str) -> Array:
    """Return which lanes have the bits in all rows that they had at the mark; -0 and 0 are not the same."""
    now, before = (np.ascontiguousarray(moment.arrays[f"{owner}.{name}"]) for owner in ("tile", "own"))
    equal: Array = (now.view(np.int64) == before.view(np.int64)).reshape(-1, now.shape[-1]).all(axis=0)
    return equal

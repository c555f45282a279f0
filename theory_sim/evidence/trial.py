"""A theorem on trial: whether it applies to one run, what it says then, and what the run did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine import evaluate
from theory_sim.evidence.last_iterate import sums
from theory_sim.nouns.order import order
from theory_sim.nouns.schedule import power
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.theorem import Answer, Assessment
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.nouns.optimizer import Optimizer
    from theory_sim.nouns.problem import Problem
    from theory_sim.nouns.theorem import Theorem

_SETTINGS = ("steps", "seeds", "x0", "workers", "order")
_PROBES = 16
# A condition on one of these hyperparameters decides about the variant, which says which of them eps is.
_DECIDED_BY = {"eps_mode": ("eps_inside", "eps_outside")}
_APPLIES = {
    Answer.HOLDS: "applies",
    Answer.FAILS: "does not apply",
    Answer.UNDECIDED: "may or may not apply: UNDECIDED",
}


@dataclass(frozen=True, eq=False)
class Trial:
    """What a theorem says about a run, beside what the run did.

    Parameters
    ----------
    theorem : Theorem
    sweep : Sweep, optional
        The run; None if the theorem has no default problem or optimizer and none was given.
    values : mapping of str to number
        The symbols that were resolved.
    assessment : Assessment
    observed : float or str or None
        The theorem's quantity, averaged over seeds; a verdict; None if the run did not happen or has no such
        quantity.
    error : float
        Standard error of `observed` over seeds, NaN for one seed or a verdict.
    ended : str
        Verdict of the run, empty if it did not happen.
    note : str
        Why nothing was observed.
    foreign : str
        Why the theorem may not speak about this optimizer or problem, empty if it does.
    resolution : float
        The observed number may be off by so much if every step adds a rounding of the measure at x_1.
    """

    theorem: Theorem
    sweep: Sweep | None
    values: Mapping[str, Any]
    assessment: Assessment
    observed: float | str | None = None
    error: float = math.nan
    ended: str = ""
    note: str = ""
    foreign: str = ""
    resolution: float = 0.0

    @property
    def applies(self) -> Answer:
        """The answer of the assessment, but UNDECIDED instead of HOLDS for what the theorem is not about."""
        answer = self.assessment.applies
        return Answer.UNDECIDED if self.foreign and answer is Answer.HOLDS else answer

    @property
    def ratio(self) -> float:
        """Observed over bound; NaN unless both are numbers."""
        if not isinstance(self.observed, float) or self.assessment.bound == 0.0:
            return math.nan
        return self.observed / self.assessment.bound

    @property
    def respected(self) -> bool | None:
        """Whether the run agrees with what the theorem concludes; None if that or how the run ended is not
        known.

        A mean over seeds may be on the wrong side by the quantile of Student's t that has a false alarm in
        3.5e6 for normal values (5 standard errors of many seeds, 17 of eight); one random seed contradicts no
        mean.  A verdict is contradicted by a run whose seeds all settled on the opposite one, by level and
        trend (`theory_sim.Rule`); a run that is not decided contradicts none.  Recalled constants are never
        asserted.
        """
        theorem, bound = self.theorem, self.assessment.bound
        if self.applies is not Answer.HOLDS or self.observed is None or theorem.constants == "recalled":
            return None
        bounded = isinstance(self.observed, float) and not math.isnan(bound)
        kept = self._within() if bounded else (None if theorem.verdict is None else True)
        if kept is False or theorem.verdict is None or self.ended == theorem.verdict.value:
            return kept
        return False if self.ended in (Verdict.CONVERGED.value, Verdict.DIVERGED.value) else None

    def _within(self) -> bool | None:
        """Whether the observed number is on the right side of the bound; None if it does not tell."""
        bound, upper = self.assessment.bound, self.theorem.side == "upper"
        assert isinstance(self.observed, float)
        if math.isnan(self.observed):  # the run overflowed: above every finite bound, if it is one from above
            return False if upper and bound < math.inf else None
        # Both sides are evaluated in float64, so a tight bound may be missed by rounding; and one that falls to 0, as
        # rho^T does, falls below what the run resolves.
        slack = 1e-9 * abs(bound) + self.resolution
        if self.error > 0.0 and self.sweep is not None:
            slack = _quantile(self.sweep.seeds) * self.error
        excess = self.observed - bound if upper else bound - self.observed
        if excess <= slack:
            return True
        return None if self.sweep is not None and self.sweep.seeds == 1 and _random(self.sweep) else False

    def conclusion(self) -> list[str]:
        """Return what follows and what was seen, one sentence each."""
        theorem, answer = self.theorem, self.applies
        lines = [f"{theorem.id} {_APPLIES[answer]}"]
        lines += [
            f"  {row.answer}: {row.condition}, {row.reason or f'margin {row.margin:.6g}'}"
            for row in self.assessment.conditions
            if row.answer is not Answer.HOLDS
        ]
        if self.foreign:
            lines.append(f"  {Answer.UNDECIDED}: {self.foreign}")
        if answer is Answer.HOLDS:
            sign = "<=" if theorem.side == "upper" else ">="
            if not math.isnan(self.assessment.bound):
                lines.append(f"bound: {theorem.quantity} {sign} {self.assessment.bound:.6g}")
            elif theorem.bound:
                lines.append(f"no bound: {self.assessment.reason}")
            if theorem.verdict is not None:
                lines.append(f"verdict: {theorem.verdict}")
        if self.ended:
            seen = ""
            if isinstance(self.observed, float):
                spread = "" if math.isnan(self.error) else f" (standard error {self.error:.2g})"
                share = "" if math.isnan(self.ratio) else f", {self.ratio:.4g} of the bound"
                seen = f"{theorem.quantity} = {self.observed:.6g}{spread}{share}; "
            lines.append(f"run: {seen}ended {self.ended}")
            if isinstance(self.observed, float) and not math.isfinite(self.observed):
                lines.append(f"the run is not finite: {theorem.quantity} is {self.observed}")
        if self.note:
            lines.append(f"note: {self.note}")
        if self.respected is not None:
            lines.append(f"the run {'agrees with' if self.respected else 'CONTRADICTS'} the theorem")
        elif answer is Answer.HOLDS and self.ended and theorem.verdict not in (None, Verdict(self.ended)):
            lines.append(f"the run is {self.ended}, so it neither agrees with the theorem nor contradicts it")
        return lines

    def __str__(self) -> str:
        return "\n".join(self.conclusion())

    def record(self) -> dict[str, Any]:
        """Return everything as plain JSON types; numbers that are not finite are None."""
        from theory_sim.nouns.claim import plain

        rows = [
            {
                "condition": str(row.condition),
                "relation": row.condition.relation,
                "answer": row.answer.value,
                "margin": row.margin,
                "reason": row.reason,
            }
            for row in self.assessment.conditions
        ]
        record: dict[str, Any] = plain(
            {
                "theorem": self.theorem.id,
                "constants": self.theorem.constants,
                "problem": "" if self.sweep is None else str(self.sweep.problem),
                "optimizer": "" if self.sweep is None else str(self.sweep.optimizer),
                "steps": None if self.sweep is None else self.sweep.steps,
                "seeds": None if self.sweep is None else self.sweep.seeds,
                "values": {
                    name: value if isinstance(value, str) else float(value)
                    for name, value in self.values.items()
                },
                "applies": self.applies.value,
                "foreign": self.foreign,
                "conditions": rows,
                "quantity": self.theorem.quantity,
                "side": self.theorem.side,
                "bound": self.assessment.bound,
                "verdict": None if self.theorem.verdict is None else self.theorem.verdict.value,
                "reason": self.assessment.reason,
                "observed": self.observed,
                "error": self.error,
                "ended": self.ended,
                "ratio": self.ratio,
                "respected": self.respected,
                "note": self.note,
            }
        )
        return record


def run_symbols(sweep: Sweep) -> dict[str, Any]:
    """Return the symbols that a run defines.

    Returns
    -------
    dict of str to float or str
        ``T`` (updates), ``workers``, ``order`` (the word for the order of the components), ``x0`` if the
        start is one number, ``s`` if the step size is lr/t^s, ``stochastic`` (0 if every step sees the
        gradient of the objective) and ``unbiased`` (1 if it sees it in expectation, given x_t, the noise of
        every problem having mean 0), and ``gap_1``, ``distance_1``, ...: every measure of the problem at x_1
        that does not depend on what is drawn.
    """
    problem, schedule = sweep.problem, sweep.optimizer.schedule
    found: dict[str, Any] = {
        "T": sweep.steps,
        "workers": sweep.workers,
        "order": sweep.order,
        **_noise(sweep),
    }
    start = problem.start if sweep.x0 is None else sweep.x0
    if np.ndim(start) == 0:
        found["x0"] = float(np.asarray(start))
    if not schedule.varies:
        found["s"] = 0.0
    elif schedule.family is power:
        found["s"] = schedule.parameters["s"]
    if problem.measure is not None:
        at = evaluate.measures(problem, _start(sweep, 1))
        found |= {f"{name}_1": float(at[name][0]) for name in problem.measures if name not in problem.online}
    return found


def _start(sweep: Sweep, count: int) -> np.ndarray[Any, Any]:
    """Return the start x_1 as so many equal points, shape (count, d)."""
    start = np.asarray(sweep.problem.start if sweep.x0 is None else sweep.x0, dtype=float).ravel()
    return np.array(np.broadcast_to(start, (count, sweep.problem.dim)))


def _noise(sweep: Sweep) -> dict[str, float]:
    """Find out by probing, at the start and beside it, whether gradients depend on more than x."""
    problem, generator = sweep.problem, np.random.default_rng(0)
    lanes = _PROBES if problem.draws or problem.components > 1 else 1
    x = _start(sweep, lanes)
    # The first and the last component and uniform are among the probes: a rare event is often at an end.
    index = generator.integers(0, problem.components, lanes)
    index[: min(lanes, 2)] = (0, problem.components - 1)[:lanes]
    uniforms = generator.random((problem.draws, lanes))
    uniforms[:, : min(lanes, 2)] = (0.0, 1.0 - 2.0**-53)[:lanes]
    drawn = moving = False
    for points in (x, x + 0.01 * generator.standard_normal((1, problem.dim))):
        first, second = (
            evaluate.gradients(problem, points, t=t, index=index, uniforms=uniforms) for t in (1, 2)
        )
        drawn |= not np.array_equal(first, np.broadcast_to(first[:1], first.shape), equal_nan=True)
        moving |= not np.array_equal(first, second, equal_nan=True)
    # Workers with objectives of their own: a step sees the mean only if all of them take part.
    whole = problem.facts.get("workers", sweep.workers) == sweep.workers and not moving
    independent = problem.components == 1 or order(sweep.order).unbiased or not drawn
    return {"stochastic": float(drawn or not whole), "unbiased": float(whole and independent)}


def _random(sweep: Sweep) -> bool:
    """Return whether seeds differ: gradients, messages or the optimizer itself are drawn."""
    own = sweep.optimizer.draws + sum(sweep.optimizer.draws_of_messages(sweep.problem.dim, sweep.workers))
    return sweep.job.random and (own > 0 or _noise(sweep)["stochastic"] > 0.0)


@cache
def _quantile(seeds: int) -> float:
    """Return the quantile of Student's t that is exceeded as rarely as five deviations of a normal."""
    from scipy import stats

    return float(stats.t.isf(stats.norm.sf(5.0), seeds - 1))


def put_on_trial(
    theorem: Theorem,
    problem: Problem | None = None,
    optimizer: Optimizer | None = None,
    *,
    names: Mapping[str, Any] | None = None,
    run: bool = True,
) -> Trial:
    """Ask a theorem about a run, and run it.

    Parameters
    ----------
    theorem : Theorem
    problem, optimizer : optional
        Default: the theorem's.
    names : mapping of str to float
        Each name is a hyperparameter or a schedule parameter of the optimizer, else a parameter of the
        problem, else steps, seeds, x0, workers or order of the run, else a symbol of the theorem.
    run : bool
        False: only assess.

    Returns
    -------
    Trial

    Raises
    ------
    ValueError
        For a name that is none of these, with the nearest one, and for a symbol that the run itself fixes.
    """
    own = theorem.optimizer() if theorem.optimizer is not None else None
    problem = problem or (theorem.problem() if theorem.problem is not None else None)
    optimizer = optimizer or own
    settings = {key: value for key, value in theorem.run.items() if key != "running"}
    problem, optimizer, chosen, given = _assign(theorem, problem, optimizer, dict(names or {}))
    if problem is None or optimizer is None:
        values = _resolve(theorem, problem, optimizer, {}, given)
        missing = " and ".join(
            word for word, thing in (("problem", problem), ("optimizer", optimizer)) if not thing
        )
        return Trial(
            theorem,
            None,
            values,
            theorem.assess(values),
            note=f"no run: the theorem names no default {missing}",
            foreign=_foreign(theorem, problem, optimizer),
        )
    sweep = Sweep(problem, optimizer, **{**settings, **chosen}, running=True, name=theorem.id)
    trial = replace(_assess(theorem, sweep, given), note="" if run else "not run")
    return replace(trial, **_observe(theorem, problem, sweep.run())) if run else trial


def trials(theorem: Theorem, sweep: Sweep, **given: float) -> list[Trial]:
    """Put a theorem on trial in every cell of a sweep, which is run once.

    Parameters
    ----------
    theorem : Theorem
    sweep : Sweep
        Without checkpoints.
    **given : float
        Symbols that neither the problem nor the optimizer nor the run states.

    Returns
    -------
    list of Trial
        In C order over the axes.
    """
    sweep = replace(sweep, running=True)
    grid = sweep.run()
    found = []
    for index in np.ndindex(*sweep.shape[:-1]):
        places = dict(zip(sweep.axes, index, strict=True))
        names = {name: sweep.coordinates[name][k].item() for name, k in places.items()}
        problem, optimizer, settings, _ = _assign(theorem, sweep.problem, sweep.optimizer, names)
        cell = replace(sweep, **{"problem": problem, "optimizer": optimizer, "axes": {}, **settings})
        seen = _observe(theorem, cell.problem, grid.isel(places))
        found.append(replace(_assess(theorem, cell, given), **seen))
    return found


def _assess(theorem: Theorem, sweep: Sweep, given: Mapping[str, float]) -> Trial:
    """Resolve the symbols of a run and decide the conditions."""
    seen = run_symbols(sweep)
    symbols = {name: value for name, value in seen.items() if name not in sweep.optimizer.arguments}
    values = _resolve(theorem, sweep.problem, sweep.optimizer, symbols, given)
    missing = set(theorem.symbols) - values.keys()
    if missing and missing <= {"step_sum", "step_spread"}:  # a pass over all steps, so only where it decides
        values |= sums(sweep.optimizer.schedule, sweep.optimizer.lr, sweep.steps)
    foreign = _foreign(theorem, sweep.problem, sweep.optimizer)
    first = seen.get(f"{theorem.quantity.rpartition('_')[0]}_1", 0.0)
    rounding = sweep.steps * 2.0**-52 * abs(first) if math.isfinite(first) else 0.0
    return Trial(theorem, sweep, values, theorem.assess(values), foreign=foreign, resolution=rounding)


def _resolve(
    theorem: Theorem,
    problem: Problem | None,
    optimizer: Optimizer | None,
    symbols: Mapping[str, Any],
    given: Mapping[str, float],
) -> dict[str, Any]:
    """Return the values of all symbols; what is given must not contradict what is known."""
    known = theorem.gather(problem, optimizer, **symbols)
    for name, value in given.items():
        if name in known and known[name] != value:
            owner = "run" if name in symbols else "problem or the optimizer"
            raise ValueError(
                f"{name} = {value:g} contradicts the {owner}, which has {name} = {known[name]:g}; change the "
                "problem, the optimizer or the run instead."
            )
    return known | {name: value for name, value in given.items() if name in theorem.symbols}


def _foreign(theorem: Theorem, problem: Problem | None, optimizer: Optimizer | None) -> str:
    """Say in one clause why the theorem may not be about this problem or optimizer; empty if it is."""
    if theorem.own_problem and theorem.problem is not None and problem is not None:
        named = theorem.problem()
        if problem.family not in (named.family, *theorem.families) or problem.gradient is not named.gradient:
            return f"the theorem is about {named.name}, and says nothing about {problem.name}"
    if theorem.optimizer is None or optimizer is None:
        return ""
    own = theorem.optimizer()
    undecided = "and whether it covers"
    if optimizer.family is not own.family or optimizer.name != own.name:
        return f"the theorem is about {own.name}, {undecided} {optimizer.name} is not decided here"
    named_here = {*theorem.symbols, *theorem.covers}
    for name, value in optimizer.variant.items():
        covered = {name, *_DECIDED_BY.get(name, ())} & named_here
        if value != own.variant.get(name) and not covered:
            return (
                f"the theorem is about {own.name} with {name} = {own.variant.get(name)}, "
                f"{undecided} {name} = {value} is not decided here"
            )
    return ""


def _assign(
    theorem: Theorem, problem: Problem | None, optimizer: Optimizer | None, names: dict[str, Any]
) -> tuple[Problem | None, Optimizer | None, dict[str, Any], dict[str, Any]]:
    """Give every name to the first that knows it; return problem, optimizer, run settings and symbols."""
    hyper = set(optimizer.axes) if optimizer is not None else set()
    scheduled = set(optimizer.schedule.parameters) if optimizer is not None else set()
    parameters = set(problem.axes) if problem is not None else set()
    changes: dict[str, dict[str, Any]] = {
        "hyper": {},
        "schedule": {},
        "problem": {},
        "settings": {},
        "given": {},
    }
    for name, value in names.items():
        if name in hyper:
            changes["hyper"][name] = value
        elif name in scheduled:
            changes["schedule"][name] = value
        elif name in parameters:
            changes["problem"][name] = value
        elif name in _SETTINGS:
            changes["settings"][name] = value
        elif name in theorem.symbols:
            changes["given"][name] = checks.number(name, value)
        else:
            checks.known(
                f"name for {theorem.id}",
                name,
                {*hyper, *scheduled, *parameters, *_SETTINGS, *theorem.symbols},
            )
    if optimizer is not None and (changes["hyper"] or changes["schedule"]):
        schedule = optimizer.schedule.replace(**changes["schedule"])
        optimizer = optimizer.replace(**changes["hyper"], schedule=schedule)
    if problem is not None and changes["problem"]:
        problem = problem.replace(**changes["problem"])
    return problem, optimizer, changes["settings"], changes["given"]


def _observe(theorem: Theorem, problem: Problem, grid: xr.Dataset) -> dict[str, Any]:
    """Return observed, error, ended and note of a run."""
    verdicts = grid["verdict"].values.ravel()
    same = set(verdicts.tolist())
    seen: dict[str, Any] = {"ended": verdicts[0] if len(same) == 1 else Verdict.UNDECIDED.value}
    if len(same) > 1:
        seen["note"] = f"{np.sum(verdicts == Verdict.DIVERGED.value)} of {verdicts.size} seeds diverged"
    elif "decides_at" in grid and np.isfinite(grid["decides_at"].values).all():
        seen["note"] = (
            f"at its present pace it would be decided by {grid['decides_at'].values.max():.2g} steps"
        )
    elif seen["ended"] == Verdict.UNJUDGED.value and theorem.verdict is not None:
        seen["note"] = problem.unjudged or f"{problem.name} has no verdict rule"
    if theorem.quantity in ("", "verdict"):
        return {**seen, "observed": seen["ended"]}
    if theorem.quantity in problem.facts:
        return {**seen, "observed": float(problem.facts[theorem.quantity])}
    if theorem.quantity not in grid:
        known = ", ".join(problem.measures) or "nothing"
        return {
            **seen,
            "note": f"the run has no {theorem.quantity}: {problem.name} measures {known}; "
            "choose another problem",
        }
    values = grid[theorem.quantity].values.ravel().astype(float)
    error = float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan
    return {**seen, "observed": float(values.mean()), "error": error}

"""From the flat records of lanes to a labelled xarray Dataset."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine.decide import HORIZON, LEVEL, NONFINITE, REASONS, REPEATS, STAGE
from theory_sim.nouns.verdict import Judgement, Rule, Status, Verdict, wilson

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.engine.target import Target
    from theory_sim.nouns.sweep import Sweep

Array = np.ndarray[Any, Any]


def assemble(
    sweep: Sweep,
    records: Mapping[str, np.ndarray[Any, Any]],
    target: Target | None = None,
    decide: str = "horizon",
) -> xr.Dataset:
    """Label the records of a sweep.

    Parameters
    ----------
    sweep : Sweep
    records : mapping of str to ndarray
        What `theory_sim.engine.tiles.run_tile` returns, for all N lanes.
    target : Target, optional
        The tensors that the lanes ran on, for the attributes.
    decide : str
        Key of `theory_sim.engine.decide.DECIDE`.

    Returns
    -------
    xarray.Dataset
        Over cells = (axes ..., seed):

        - ``x_final`` (cells[, coordinate]): the iterate after T updates, NaN if the lane is not finite;
          scalar problems have no coordinate dimension;
        - ``state_final`` (cells, row[, coordinate]): the optimizer's state rows by name, ``e_2``
          for row e of worker 2;
        - with messages, ``bits_up`` and ``bits_down`` (cells[, checkpoint]): bits one worker
          sent and received;
        - ``status`` (cells): FINITE or NONFINITE; ``nonfinite_step`` (cells): the update that was not finite,
          or -1; an overflow of the optimizer's state is noticed at the next checkpoint, window edge or end;
        - ``verdict`` (cells): CONVERGED, DIVERGED or UNDECIDED by the rule, UNJUDGED without one;
        - ``decides_at`` (cells): extrapolated steps that decide an UNDECIDED run that still moves, else NaN;
        - ``decided_at`` (cells): updates after which the verdict was known: T for what the rule says at T,
          ``nonfinite_step`` for a lane that is not finite, fewer for one that was decided before T; -1 for an
          UNDECIDED lane that needed all T and for UNJUDGED ones;
        - unless every lane runs to T, ``decided_by`` (cells): HORIZON, NONFINITE, LEVEL, REPEATS, STAGE, or NEVER,
          the reasons of `theory_sim.engine.decide`, and ``steps_run`` (cells); the attribute ``lane_steps_saved``
          is their sum that was not run.  What LEVEL and STAGE have stopped is as it was after ``decided_at``
          updates, with NaN at later checkpoints, and STAGE was judged by the windows that end there;
        - ``<measure>_final`` (cells) and, with checkpoints, ``x`` and ``<measure>`` (cells, checkpoint);
        - if running, ``<measure>_mean``, ``_min``, ``_max`` (cells[, checkpoint]) over x_1 ... x_c;
        - with first_hit, ``first_hit`` and ``first_hit_mean`` (cells): updates made, -1 if never;
        - ``<rule measure>_window`` (cells, window_end): the window means that the rule judged, at T/4, T/2, T;
        - ``diverged_fraction``, ``diverged_low``, ``diverged_high`` (axes): share of seeds,
          Wilson 95 % interval.
    """
    import xarray as xr

    problem, plan = sweep.problem, sweep.plan
    axes = sweep.dims
    cells, shape = (*axes, "seed"), sweep.shape
    many = bool(np.any(sweep.checkpoints))

    def folded(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return values.reshape(*shape, *values.shape[1:])

    finite = records["stopped"] == 0
    coordinate = () if problem.dim == 1 else ("coordinate",)
    x = folded(records["x"][..., 0] if problem.dim == 1 else records["x"])
    state = records["state"][..., 0] if problem.dim == 1 else records["state"]
    last: Any = (*(slice(None),) * len(shape), -1)
    data: dict[str, Any] = {
        "x_final": ((*cells, *coordinate), x[last]),
        "status": (cells, folded(np.where(finite, Status.FINITE.value, Status.NONFINITE.value))),
        "nonfinite_step": (cells, folded(np.where(finite, -1, records["stopped"]))),
    }
    names = [*sweep.optimizer.rows]
    for j in range(int(sweep.job.lanes.workers.max())):
        names += [f"{row}_{j}" for row in sweep.optimizer.worker_rows]
    if names:
        data["state_final"] = ((*cells, "row", *coordinate), folded(state))
    if sweep.optimizer.up is not None:
        ran = records.get("steps", np.array([sweep.steps]))
        sent = np.stack([_bits(sweep, np.minimum(c, ran)) for c in plan.checkpoints], axis=1)
        for side, way in enumerate(("bits_up", "bits_down")):
            values = folded(sent[..., side])
            data[way] = ((*cells, "checkpoint"), values) if many else (cells, values[last])
    if many:
        data["x"] = ((*cells, "checkpoint", *coordinate), x)
    online = {*problem.online, *sweep.optimizer.online}
    for k, measure in enumerate((*problem.measures, *sweep.optimizer.measures)):
        if measure not in online:
            values = folded(records["measures"][..., k])
            data[f"{measure}_final"] = (cells, values[last])
            if many:
                data[measure] = ((*cells, "checkpoint"), values)
        if plan.running:
            for statistic in ("mean", "min", "max"):
                values = folded(records[statistic][..., k])
                data[f"{measure}_{statistic}"] = (
                    ((*cells, "checkpoint"), values) if many else (cells, values[last])
                )
    if plan.first_hit is not None:
        data["first_hit"] = (cells, folded(records["hits"][:, 0]))
        data["first_hit_mean"] = (cells, folded(records["hits"][:, 1]))
    rule = sweep.judged
    if rule is None:
        data["verdict"] = (cells, np.full(shape, Verdict.UNJUDGED.value, dtype="<U9"))
        data["decided_at"] = (cells, np.full(shape, -1))
        share = low = high = np.full(shape[:-1], np.nan)
    else:
        k, first, escaped = problem.measures.index(rule.measure), records["first"], records["escaped"] > 0
        reason = records.get("reason", np.zeros(len(finite), int))
        horizon = np.where(reason == STAGE, records.get("decided", 0), sweep.steps)
        judged = _judged(rule, records["windows"][..., k], horizon, first[:, k], finite, escaped)
        data["verdict"] = (cells, folded(judged.verdict))
        data["decides_at"] = (cells, folded(judged.decides_at))
        open_ = (judged.verdict == Verdict.UNDECIDED.value) & (reason == 0)
        reason = np.where(finite, np.where(open_ | (reason > 0), reason, HORIZON), NONFINITE)
        at = np.where(
            np.isin(reason, (LEVEL, REPEATS)), records.get("decided", 0), np.where(open_, -1, horizon)
        )
        data["decided_at"] = (cells, folded(np.where(finite, at, records["stopped"])))
        if "steps" in records:
            data["decided_by"] = (cells, folded(np.array(REASONS)[reason]))
            data["steps_run"] = (cells, folded(records["steps"]))
        data[f"{rule.measure}_window"] = ((*cells, "window_end"), folded(judged.means))
        diverged = (folded(judged.verdict) == Verdict.DIVERGED.value).sum(axis=-1)
        # Lanes without randomness are one observation, however many seeds repeat it.
        trials = sweep.seeds if sweep.job.random else 1
        share, (low, high) = diverged / sweep.seeds, wilson(diverged * trials / sweep.seeds, trials)
    data["diverged_fraction"] = (axes, share)
    data["diverged_low"], data["diverged_high"] = (axes, low), (axes, high)
    coords: dict[str, Any] = {**sweep.labels, "seed": np.arange(sweep.seeds)}
    if names:
        coords["row"] = np.array(names)
    if many:
        coords["checkpoint"] = list(plan.checkpoints)
    if rule is not None:
        coords["window_end"] = [sweep.steps // 4, sweep.steps // 2, sweep.steps]
    attrs: dict[str, Any] = provenance(sweep, target, decide)
    if "steps" in records:
        attrs["lane_steps_saved"] = float(sweep.size * sweep.steps - records["steps"].sum())
    return xr.Dataset(data, coords, attrs=attrs)


def _judged(
    rule: Rule, parts: Array, horizon: Array, first: Array, finite: Array, escaped: Array
) -> Judgement:
    """Judge every lane at its own horizon."""
    if len(found := np.unique(horizon)) == 1:
        return rule.judge(parts, int(found[0]), first, finite, escaped)
    home = np.argsort(horizon, kind="stable")
    every = []
    for end in found:
        here = horizon == end
        every.append(rule.judge(parts[here], int(end), first[here], finite[here], escaped[here]))
    back = np.argsort(home, kind="stable")
    return Judgement(
        *(np.concatenate([getattr(one, name) for one in every])[back] for name in Judgement._fields)
    )


def _bits(sweep: Sweep, ran: Array) -> Array:
    """Return (N, 2): the bits sent and received in as many rounds as each lane ran."""
    bits = np.zeros((sweep.job.lanes.count, 2))
    for steps in np.unique(ran):
        here = np.broadcast_to(ran == steps, len(bits))
        bits[here] = sweep.job.lanes.bits(int(steps))[here]
    return bits


@cache
def _versions(*more: str) -> dict[str, str]:
    from importlib import metadata

    return {name: metadata.version(name) for name in ("theory-sim", "numpy", "numba", *more)}


def provenance(sweep: Sweep, target: Target | None = None, decide: str = "horizon") -> dict[str, str]:
    """Return where a result comes from: versions, digest, objects, order, seeds and tensors, as strings."""
    versions = _versions() if target is None else _versions("torch")
    return {
        "title": sweep.name or f"{sweep.optimizer.name} on {sweep.problem.name}",
        "source": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "python": platform.python_version(),
        "problem": str(sweep.problem),
        "optimizer": str(sweep.optimizer),
        "digest": sweep.job.digest_of(target, decide),
        "order": sweep.order,
        "steps": str(sweep.steps),
        "entropy": str(sweep.entropy),
        "seeds": str(sweep.seeds),
        "workers": " ".join(map(str, np.unique(sweep.job.lanes.workers))),
        "x0": str(sweep.problem.start if sweep.x0 is None else sweep.x0),
        "rule": str(sweep.judged),
        "references": " ".join(
            dict.fromkeys(key for key in (sweep.problem.paper, sweep.optimizer.paper) if key)
        ),
        **({} if target is None else {"backend": target.key}),
        **({} if decide == "horizon" else {"decide": decide}),
    }

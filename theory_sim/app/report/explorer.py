"""The explorer: maps of verdicts over two axes, whose cells are computed again in the page by the rules themselves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from theory_sim.app import explanations, phases
from theory_sim.app.report.pages import Page, Site, sweeps_at
from theory_sim.nouns.claim import plain
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.training import Source, Training
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules.build import is_raw
from theory_sim.rules.javascript import HELPERS, javascript
from theory_sim.rules.language import Round, Rule, names

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.engine.lanes import Lanes

Array = np.ndarray[Any, Any]
CODES = {
    Verdict.CONVERGED.value: "C",
    Verdict.DIVERGED.value: "D",
    Verdict.UNDECIDED.value: "U",
    "NONFINITE": "N",
}
_SIDE, _SELECTED, _CELLS = 8, 4, 20_000  # least values of an axis of a map, most of a selector, most cells


def chosen(sources: Mapping[str, Source], tier: str) -> list[Sweep]:
    """Return the sweeps at a tier that are maps: two long axes, one seed, one coordinate, a verdict."""
    found = []
    for sweep in sources.values():
        if isinstance(sweep, Training) or sweep.resolution is not None:
            continue
        at = sweeps_at(sweep, tier)
        lengths = [len(values) for values in at["axes"].values()]
        long = [length for length in lengths if length >= _SIDE]
        fits = len(long) == 2 and all(n <= _SELECTED for n in lengths if n < _SIDE)
        one = at["seeds"] == 1 and sweep.problem.dim == 1 and sweep.judged is not None
        if fits and one and np.prod(lengths) <= _CELLS:
            found.append(sweep.at(tier))
    return found


def _is_plain(sweep: Sweep) -> bool:
    """Return whether a path follows from rules alone: no draws, no messages, no reductions, no kernel by hand."""
    problem, optimizer = sweep.problem, sweep.optimizer
    if isinstance(optimizer.step, Round):
        return False
    rules = (problem.gradient, optimizer.step, optimizer.schedule.rule)
    given = {"x", "t", "index", *problem.theta}
    moving = {"g", "x", "t", "lr", *optimizer.hyper, *optimizer.rows}
    return (
        sweep.order == "cyclic"
        and sweep.workers == 1
        and not (problem.draws or optimizer.draws or optimizer.begins or optimizer.reductions)
        and optimizer.once is None
        and not any(
            is_raw(kind, rule) for kind, rule in zip(("gradient", "step", "schedule"), rules, strict=True)
        )
        and set(names(problem.gradient)) <= given
        and set(names(optimizer.step)) <= moving
        and not optimizer.distributed
    )


def _function(rule: Rule) -> dict[str, Any]:
    return {"arguments": list(names(rule)), "text": javascript(rule)}


def _factored(values: Array, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return an array over all cells by the axes on which it depends."""
    table = np.broadcast_to(values, (int(np.prod(shape)),)).reshape(shape)
    axes = [k for k in range(len(shape)) if not (table == table.take([0], axis=k)).all()]
    small = table[tuple(slice(None) if k in axes else 0 for k in range(len(shape)))]
    return {"axes": axes, "values": small.ravel().tolist()}


def _run(sweep: Sweep) -> dict[str, Any] | None:
    """Return what a page needs to run any cell, None if rules alone do not say it."""
    if not _is_plain(sweep):
        return None
    lane: Lanes = sweep.job.lanes
    problem, optimizer, shape = sweep.problem, sweep.optimizer, sweep.shape[:-1]
    rows = {
        "lr": lane.lr,
        "size": lane.size,
        "x": lane.x0[0],
        **dict(zip(optimizer.hyper, lane.hyper, strict=True)),
        **dict(zip(optimizer.schedule.parameters, lane.schedule, strict=True)),
        **dict(zip(problem.theta, lane.theta, strict=True)),
        **{row: lane.state[k, 0] for k, row in enumerate(optimizer.rows)},
    }
    try:
        functions = {
            "gradient": _function(problem.gradient),
            "step": _function(cast("Rule", optimizer.step)),
            "factor": _function(optimizer.schedule.rule),
        }
    except ValueError:  # a rule that indexes
        return None
    return {
        **functions,
        "rows": list(optimizer.rows),
        "box": list(problem.domain) if problem.domain is not None else None,
        "steps": sweep.steps,
        "values": {name: _factored(np.asarray(values), shape) for name, values in rows.items()},
    }


@cache
def _curve(n: int, ratio: float) -> list[list[float | None]]:
    """Return beta1 and beta2 along the curve where Adam's exact drift vanishes, its pieces separated by None."""
    from contourpy import contour_generator

    beta1 = np.linspace(0.0, 0.999, 150)
    beta2 = np.concatenate([np.linspace(0.0, 0.99, 150), 1.0 - np.geomspace(0.0095, 1e-5, 30)])
    field = phases.drift({"beta1": beta1, "beta2": beta2}, (n, ratio)).T
    pieces = contour_generator(beta1, beta2, field).lines(0.0)
    points = [point for piece in pieces for point in (*np.asarray(piece).round(4).tolist(), [None, None])]
    return [list(one) for one in zip(*points[:-1], strict=True)] if points else [[], []]


def _cycle(sweep: Sweep, **changes: float) -> tuple[int, float] | None:
    """Return period and ratio of the slopes of a sweep's problem; a name may add a start after a comma."""
    problem = sweep.problem.replace(**changes)
    return explanations.cycle(replace(problem, name=problem.name.partition(",")[0]), sweep.order)


def _roots(sweep: Sweep, axes: Mapping[str, Array]) -> dict[str, Any]:
    """Return the drift of RMSProp, Adam with beta1 = 0, over the slope C and beta2, and the curve where it vanishes."""
    none, fine = np.zeros(1), 1.0 - np.geomspace(0.9, 1e-5, 400)
    field, curve = [], []
    for C in range(int(axes["C"].min()), int(axes["C"].max()) + 1):
        found = _cycle(sweep, C=C)
        if found is None:
            return {}
        if C in axes["C"]:
            field.append(phases.drift({"beta1": none, "beta2": axes["beta2"]}, found)[0])
        along = phases.drift({"beta1": none, "beta2": fine}, found)[0]
        turn = np.flatnonzero((along[:-1] < 0.0) & (along[1:] >= 0.0))
        curve += [[C, round(float(fine[k + 1]), 6)] for k in turn[-1:]]
    cells = np.array(field) if [*axes] == ["C", "beta2"] else np.array(field).T
    return {
        "drift": {"": [float(f"{value:.4g}") for value in cells.ravel()]},
        "curve": [list(one) for one in zip(*curve, strict=True)],
    }


def _exact(sweep: Sweep, axes: Mapping[str, Array], selectors: Sequence[str]) -> dict[str, Any]:
    """Return Adam's drift in every cell, and period and ratio of its slopes, for every choice of the selectors."""
    if axes.keys() == {"C", "beta2"} and sweep.optimizer.name == "RMSProp":
        return _roots(sweep, axes)
    if {"beta1", "beta2"} - axes.keys() or sweep.optimizer.name != "Adam":
        return {}
    drifts, cycles = {}, {}
    over = {name: axes[name] for name in axes if name not in selectors}
    for place in itertools.product(*(range(len(axes[name])) for name in selectors)):
        values = {name: axes[name][k].item() for name, k in zip(selectors, place, strict=True)}
        changes = {name: value for name, value in values.items() if name in sweep.problem.axes}
        found = _cycle(sweep, **changes)
        if found is None:
            return {}
        key = ",".join(map(str, place))
        drifts[key] = [float(f"{value:.4g}") for value in phases.drift(over, found).ravel()]
        cycles[key] = [found[0], found[1]]
    return {"drift": drifts, "cycle": cycles}


def record(sweep: Sweep, grid: xr.Dataset) -> dict[str, Any]:
    """Return a map in plain JSON types, cells in C order over all axes.

    Parameters
    ----------
    sweep : Sweep
        At its tier.
    grid : xarray.Dataset
        Of that sweep.
    """
    axes = {name: np.asarray(values) for name, values in sweep.axes.items()}
    selectors = [name for name, values in axes.items() if len(values) < _SIDE]
    verdicts = grid.verdict.values.ravel()
    later = grid.decides_at.values.ravel()
    over = [name for name in axes if name not in selectors]
    horizontal = "beta1" if "beta1" in over else over[0]
    return {
        "name": sweep.name,
        "problem": str(sweep.problem),
        "optimizer": str(sweep.optimizer),
        "order": sweep.order,
        "axes": {name: values.tolist() for name, values in axes.items()},
        "selectors": selectors,
        "horizontal": horizontal,
        "vertical": next(name for name in over if name != horizontal),
        "verdicts": "".join(CODES.get(str(verdict), "?") for verdict in verdicts),
        "decides": {str(k): float(f"{later[k]:.3g}") for k in np.flatnonzero(np.isfinite(later)).tolist()},
        "end": plain(grid.x_final.values.ravel().tolist()),
        "steps": sweep.steps,
        "run": _run(sweep),
        **_exact(sweep, axes, selectors),
    }


def pages(site: Site) -> Iterator[Page]:
    """Yield ``explorer.html`` and its scripts."""
    records = sorted((record(*one) for one in site.maps), key=lambda one: "cycle" not in one)
    cycles = sorted({tuple(one) for found in records for one in found.get("cycle", {}).values()})
    curves = [{"cycle": one, "line": _curve(*one)} for one in cycles]
    maps, lines = (json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in (records, curves))
    # Functions are text in the data; the page makes them with `Function`, out of reach of what users name.
    yield Page("assets/maps.js", f"window.MAPS={maps};\nwindow.CURVES={lines};\n")
    template = resources.files("theory_sim.app").joinpath("templates", "site", "explorer.js")
    yield Page("assets/explorer.js", f'"use strict";\n{HELPERS}{template.read_text()}')
    yield site.render("explorer.html.j2", "explorer.html", records=records)

"""A fine grid of verdicts of which only the cells beside a change are run, and an audit of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim import random
from theory_sim.engine import cluster, memory
from theory_sim.engine.outline import outline
from theory_sim.engine.quadtree import Quadtree
from theory_sim.engine.selection import Selection
from theory_sim.nouns.axis import scale, scaled
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks
from theory_sim.rules.digest import digest

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.nouns.sweep import Sweep

Array = np.ndarray[Any, Any]
INFERRED = "INFERRED"
CONFIDENCE = 0.95
BOUNDARY = 40.0  # cells run per value of an axis, as a guess: a boundary or two across the grid
_FIRST = 64  # steps of the first grid
_ROUNDS = 16  # of audits, until one finds nothing
_DRAWN = 1 << 16  # slots of a step of the random stream
_MOST = 1 << 15  # values of an axis


def first_stride(resolution: int, first: int | None = None) -> int:
    """Return the stride 2^k of the first grid on an axis of m 2^k or m 2^k + 1 values, with first <= m < 2 first.

    Raises
    ------
    ValueError
        If the resolution has not this form; the next ones that have are named.
    """
    resolution = checks.count("resolution", resolution, 8, _MOST)
    first = min(_FIRST, resolution // 4) if first is None else checks.count("first", first, 4)

    def stride(values: int) -> int:
        found = 0
        for n in (values, values - 1):
            fits = [1 << k for k in range(1, 16) if n % (1 << k) == 0 and first <= n >> k < 2 * first]
            found = max([found, *fits])
        return found

    found = stride(resolution)
    if not found:
        below, above = (
            next((n for n in span if stride(n)), None)
            for span in (range(resolution, 2 * first - 1, -1), range(resolution, 2 * resolution + 4 * first))
        )
        raise ValueError(
            f"resolution = {resolution} must be m 2^k or m 2^k + 1 with {first} <= m < {2 * first}, so that grids "
            f"nest; the nearest are {' and '.join(str(n) for n in (below, above) if n)}."
        )
    return found


def refined_axes(sweep: Sweep) -> tuple[str, str]:
    """Return the two axes of more than one value.

    Raises
    ------
    ValueError
        Unless there are exactly two, and they hold real numbers.
    """
    wide = [name for name, values in sweep.coordinates.items() if len(values) > 1]
    if len(wide) != 2:
        raise ValueError(
            f"{sweep.name or 'This sweep'} has {len(wide)} {'axis' if len(wide) == 1 else 'axes'} of more than one value "
            f"({', '.join(wide) or 'none'}), and exactly two are refined; "
            f"{'add an axis' if len(wide) < 2 else 'give every other axis one value'}."
        )
    for name in wide:
        values = sweep.coordinates[name]
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise ValueError(
                f"Axis {name!r} = {checks.shown(values.tolist())} cannot be halved; refine an axis of finite real "
                "numbers, written as floats."
            )
    return wide[0], wide[1]


def spread(values: Array, resolution: int) -> Array:
    """Return so many values from the least to the largest, equally spaced on the scale of the axis."""
    values = np.sort(values)
    forward, inverse = scaled(scale(values))
    low, high = forward(values[[0, -1]])
    fine = inverse(np.linspace(low, high, resolution))
    fine[0], fine[-1] = values[0], values[-1]  # which rounding may have moved
    return fine


def enlarged(sweep: Sweep, resolution: int) -> Sweep:
    """Return the sweep over the whole fine grid.

    Raises
    ------
    ValueError
        As `refined_axes`, and if there is no verdict rule.
    """
    names = refined_axes(sweep)
    if sweep.judged is None:
        raise ValueError(f"{sweep.problem.name} has no verdict to refine; give the sweep a rule.")
    axes = {name: spread(sweep.coordinates[name], resolution) for name in names}
    return replace(sweep, axes={**sweep.coordinates, **axes}, resolution=None, quick={})


def miss_bound(misses: int, drawn: int, doubt: float) -> float:
    """Return the upper end of the one-sided Clopper-Pearson interval of a binomial share, at level 1 - doubt.

    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404.
    """
    from scipy.stats import beta

    return 1.0 if misses >= drawn else float(beta.ppf(1.0 - doubt, misses + 1, drawn - misses))


class _Cells:
    """The cells that were run: their places, their outputs, and a number for each combination of verdicts."""

    def __init__(
        self,
        sweep: Sweep,
        names: tuple[str, str],
        run: Callable[[Selection], xr.Dataset],
        outputs: Sequence[str] | None,
    ) -> None:
        self._sweep, self._names, self._run, self._outputs = sweep, names, run, outputs
        self.places: list[Array] = []
        self.parts: list[xr.Dataset] = []
        self.digests: list[str] = []
        self.kinds: dict[tuple[str, ...], int] = {}

    def __call__(self, points: Array) -> Array:
        """Run the cells at points (n, 2) and return the numbers of their verdicts, shape (n,)."""
        column = dict(zip(self._names, points.T, strict=True))
        nowhere = np.zeros(len(points), int)
        selection = Selection.of(self._sweep, [column.get(name, nowhere) for name in self._sweep.axes])
        part = self._run(selection)
        for name in self._outputs or ():
            checks.known("output", name, {str(one) for one in part.data_vars})
        self.places.append(points)
        kept = list(part.data_vars) if self._outputs is None else [*{"verdict", *self._outputs}]
        self.parts.append(part[kept])
        self.digests.append(selection.job.digest)
        seen = part.verdict.transpose("cell", "seed").values
        return np.array([self.kinds.setdefault(tuple(row), len(self.kinds)) for row in seen.tolist()])


def refine(
    sweep: Sweep,
    resolution: int = 1024,
    store: str | Path | None = None,
    *,
    first: int | None = None,
    audit: int | None = None,
    outputs: Sequence[str] | None = None,
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Any = None,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Run a fine grid over the two axes of a sweep, but only the cells beside a change of verdict.

    A first grid is run, then cells of halved steps wherever two known verdicts of a cell differ, in any seed, down to
    neighbours; a cell without a difference gives its verdict to what is inside.  Then inferred cells drawn at random
    are run too: one that is wrong is refined around, and the audit is repeated until it finds none, at most 16 times.
    Round r has the doubt .05/(r (r + 1)), whose sum is .05, so the bound holds whenever the rounds end.

    Parameters
    ----------
    sweep, resolution, store, first, audit, outputs, threads, workers, scheduler, executor, progress
        See `theory_sim.Sweep.refine`.

    Returns
    -------
    xarray.Dataset
        What `Sweep.run` gives on the whole grid, where inferred cells have a verdict, the status INFERRED and
        NaN in every numeric output (whole numbers become floats), and

        - ``simulated`` (axes): whether the cell was run, of which the bits are those of a plain sweep;
        - ``boundary_<axis>``, ``boundary_<axis>_low``, ``boundary_<axis>_high`` (vertex): polylines around the
          regions of equal verdicts, and the two neighbouring cells between which each vertex lies;
        - ``boundary_line``, ``boundary_verdict`` (vertex): which polyline, around which verdict;
        - attributes ``simulated_share``, ``audit_cells`` (drawn in the last round), ``audit_misses`` (wrong among
          them), ``audit_rounds``, and ``audit_bound``: with confidence .95 at most this share of the cells inferred
          before the last round is wrong, by the exact binomial bound; a region of the share q of them is missed
          by a round with probability (1 - q)^audit_cells.

    Raises
    ------
    ValueError
        As `theory_sim.Sweep.refine`.
    """
    names = refined_axes(sweep)
    stride = first_stride(resolution, first)
    drawn = checks.count("audit", resolution if audit is None else audit, 1, _DRAWN)
    fine = enlarged(sweep, resolution)
    memory.require(fine)
    done = 0

    def run(selection: Selection) -> xr.Dataset:
        nonlocal done
        part = selection.job.run(store, threads=threads, executor=elsewhere)
        done += 1
        if progress is not None:  # grids from the first to the last, two more, and the audit
            progress(min(done / (stride.bit_length() + 3), 0.99))
        return part

    cells = _Cells(fine, names, run, outputs)
    tree = Quadtree(resolution, stride)
    with cluster.connected(workers, scheduler, executor) as (elsewhere, _):
        tree.refine(cells)
        audited = _audited(fine, tree, cells, drawn)
    if progress is not None:
        progress(1.0)
    return _assembled(fine, names, cells, tree, audited)


def _audited(sweep: Sweep, tree: Quadtree, cells: _Cells, drawn: int) -> dict[str, float]:
    """Run inferred cells drawn at random and refine around wrong ones, until none is; say what was found."""
    stream = int(random.key(sweep.entropy, sweep.seeds))  # the first that no lane draws from
    bound, misses, rounds = 0.0, 0, 0
    while rounds < _ROUNDS and len(unknown := np.argwhere(tree.known < 0)):
        rounds += 1
        guess = tree.filled()
        draws = np.array([random.uniform_at(stream, rounds, slot) for slot in range(drawn)])
        # With replacement, so that the number of wrong ones is binomial.
        chosen = unknown[(draws * len(unknown)).astype(int)]
        tree.put(np.unique(chosen, axis=0), cells)
        misses = int((tree.known[tuple(chosen.T)] != guess[tuple(chosen.T)]).sum())
        bound = miss_bound(misses, drawn, (1.0 - CONFIDENCE) / (rounds * (rounds + 1)))
        if not misses:
            break
        tree.refine(cells)
    return {
        "simulated_share": float((tree.known >= 0).mean()),
        "audit_cells": drawn if rounds else 0,
        "audit_misses": misses,
        "audit_rounds": rounds,
        "audit_bound": bound,
    }


def _assembled(
    sweep: Sweep, names: tuple[str, str], cells: _Cells, tree: Quadtree, said: Mapping[str, float]
) -> xr.Dataset:
    """Put the cells that were run into the whole grid, with the verdicts of the others and the boundary."""
    import xarray as xr

    i, j = np.concatenate(cells.places).T
    shape, dims = sweep.shape[:-1], tuple(sweep.axes)
    column = dict(zip(names, (i, j), strict=True))
    place = tuple(column.get(name, np.zeros(len(i), int)) for name in dims)
    verdicts = np.array(list(cells.kinds))[tree.filled()]
    data: dict[str, Any] = {"simulated": (dims, (tree.known >= 0).reshape(shape))}
    for name, variable in cells.parts[0].data_vars.items():
        values = np.concatenate([part[name].values for part in cells.parts])
        missing = (INFERRED, "<U9") if values.dtype.kind == "U" else (np.nan, float)
        whole = np.full((*shape, *values.shape[1:]), *missing)
        whole[place] = values
        if name == "verdict":
            whole = verdicts.reshape(*shape, sweep.seeds)
        data[str(name)] = ((*dims, *variable.dims[1:]), whole)
    agreed = (verdicts == verdicts[..., :1]).all(axis=-1)
    one = np.where(agreed, verdicts[..., 0], Verdict.UNDECIDED.value)
    data |= outline(one, {name: sweep.coordinates[name] for name in names})
    own = cells.parts[0].coords
    coords: dict[str, Any] = {
        **sweep.coordinates,
        **{str(n): own[n].variable for n in own if "cell" not in own[n].dims},
    }
    attributes = {**cells.parts[0].attrs, "digest": digest(cells.digests), **said}
    return xr.Dataset(data, coords, attrs=attributes)

"""Pictures of a sweep's Dataset: phase maps, trajectories, steps to a target; what the suite's figures draw with.

matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns.axis import scale, scaled
from theory_sim.nouns.figure import PALETTE, VERDICT_COLORS
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["phase", "scale", "steps_to_eps", "trajectories"]

Array = np.ndarray[Any, Any]
_FINE = 400  # points a side on which a boundary is found
_FINEST = 2048  # cells a side that are drawn, at most
_FRAMED = 40  # cells a side up to which each has a white frame
_LINES = 12  # trajectories that are told apart by their labels


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def _checked(grid: Any, name: str, way_out: str = "it must be what Sweep.run returns") -> xr.Dataset:
    """Return the Dataset, with a seed axis where one seed was selected."""
    import xarray as xr

    if not isinstance(grid, xr.Dataset):
        raise TypeError(f"grid = {checks.shown(grid)} must be the Dataset that Sweep.run returns.")
    if name not in grid:
        raise ValueError(f"The Dataset has no {name}; {way_out}.")
    empty = [str(dim) for dim, size in grid.sizes.items() if not size]
    if empty:
        raise ValueError(f"The Dataset has no value of {', '.join(empty)}; select at least one.")
    return grid if "seed" in grid[name].dims else grid.drop_vars("seed", errors="ignore").expand_dims("seed")


def _field(boundary: Callable[..., Any], values: dict[str, Array]) -> Array:
    """Return the values of a boundary, which must be a function of the axes by their names."""
    if not callable(boundary):
        raise TypeError(f"boundary = {checks.shown(boundary)} must be a function of {' and '.join(values)}.")
    try:
        inspect.signature(boundary).bind(**values)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"boundary cannot be called with {' and '.join(values)}, the axes by their names: "
            f"{checks.sentence(error)}"
        ) from None
    shape = next(iter(values.values())).shape
    field = np.asarray(boundary(**values), dtype=float)
    if field.shape not in ((), shape):
        raise ValueError(
            f"boundary returned shape {field.shape} for arrays of shape {shape}; it must keep it."
        )
    return np.broadcast_to(field, shape)


def _swept(grid: xr.Dataset, name: str, count: int) -> list[Hashable]:
    """Return the axes of a variable with more than one value, which must be so many, apart from the seeds."""
    dims = [dim for dim in grid[name].dims if dim not in ("seed", "checkpoint", "coordinate")]
    wide = [dim for dim in dims if grid.sizes[dim] > 1]
    chosen = wide if len(wide) >= count else [*wide, *(d for d in dims if d not in wide)][:count]
    if len(chosen) != count:
        raise ValueError(
            f"A picture over {count} {'axis' if count == 1 else 'axes'} cannot show {len(wide)} ({', '.join(map(str, wide)) or 'none'}); "
            "select one value of each other axis, for instance grid.sel(n=10), or sweep over more."
        )
    return chosen


def set_scale(ax: Axes, side: str, values: Array) -> None:
    """Draw one side of a picture on the scale that its values ask for, with ticks at .9, .99, .999 near 1.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    side : {"x", "y"}
    values : ndarray, shape (n,)
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    kind = scale(values)
    if kind == "log":
        ax.set(**{f"{side}scale": "log"})
    if kind != "one":
        return
    getattr(ax, f"set_{side}scale")("function", functions=scaled("one"))
    most = int(np.ceil(-np.log10(1.0 - values[-1])))
    axis = getattr(ax, f"{side}axis")
    axis.set_major_locator(FixedLocator([0.0, *(1.0 - 10.0**-k for k in range(1, most + 1))]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.6g}".replace("0.", ".", 1)))


def _edges(values: Array) -> Array:
    """Return the edges of cells around values, halfway between them on their own scale."""
    forward, inverse = scaled(scale(values))
    u = forward(values)
    if len(u) == 1:
        return inverse(np.array([u[0] - 0.5, u[0] + 0.5]))
    middle = (u[1:] + u[:-1]) / 2.0
    return inverse(np.concatenate([[u[0] - (u[1] - u[0]) / 2.0], middle, [u[-1] + (u[-1] - u[-2]) / 2.0]]))


def _label(name: Hashable) -> str:
    """Return the name of an axis as the papers write it."""
    text = str(name)
    stem = text.rstrip("0123456789")
    if stem in ("beta", "alpha", "gamma", "kappa", "delta"):
        return rf"$\{stem}_{text[len(stem) :]}$" if text != stem else rf"$\{stem}$"
    return text


def phase(
    grid: xr.Dataset,
    boundary: Callable[..., Any] | None = None,
    ax: Axes | None = None,
    *,
    label: str = "$D=0$",
) -> Axes:
    """Draw the verdicts of a sweep over two axes, and an exact boundary over them.

    An axis of weights that crowd at 1 is drawn as the distance from 1 on a logarithmic scale.  A cell whose
    seeds have different verdicts counts as UNDECIDED.

    Parameters
    ----------
    grid : xarray.Dataset
        What `Sweep.run` or `Sweep.refine` returns, with two axes of more than one value; the first is drawn to
        the right.
    boundary : callable, optional
        A function of the two axes *by their names*, of arrays, whose zeros are the boundary: for Adam on
        Reddi's problem ``functools.partial(counterexamples.drift.drift, n=3, C=10.0)``.
    ax : matplotlib.axes.Axes, optional
        New axes of `matplotlib.pyplot` if absent.
    label : str
        Of the boundary, in the legend.

    Returns
    -------
    matplotlib.axes.Axes
        With labels, and with handles for a legend of the verdicts there are and of the boundary.

    Raises
    ------
    TypeError
        If grid is no Dataset, or boundary no function of the two axes.
    ValueError
        If it has not two axes, or boundary returns another shape than it is given.
    """
    from matplotlib.colors import ListedColormap

    name = "verdict"
    grid = _checked(grid, name)
    first, second = _swept(grid, name, 2)
    rest: dict[Hashable, Any] = {d: 0 for d in grid[name].dims if d not in (first, second, "seed")}
    # No picture shows more; of a grid that is read from a store nothing else is kept.
    grid = grid.isel({d: slice(None, None, -(-grid.sizes[d] // _FINEST)) for d in (first, second)})
    seen = grid[name].isel(rest).transpose(second, first, "seed").values
    agreed = (seen == seen[..., :1]).all(axis=-1)
    verdict = np.where(agreed, seen[..., 0], Verdict.UNDECIDED.value)
    x, y = (np.asarray(grid[axis].values, dtype=float) for axis in (first, second))
    ax = _axes(ax)
    set_scale(ax, "x", x)
    set_scale(ax, "y", y)
    codes = np.select([verdict == one for one in VERDICT_COLORS], range(len(VERDICT_COLORS)), -1)
    edges = _edges(x), _edges(y)
    ax.pcolormesh(
        *edges,
        np.ma.masked_less(codes, 0),
        cmap=ListedColormap(list(VERDICT_COLORS.values())),
        vmin=-0.5,
        vmax=len(VERDICT_COLORS) - 0.5,
        alpha=0.75,
        edgecolors="white" if max(len(x), len(y)) <= _FRAMED else "none",
        linewidth=0.3,
        rasterized=max(len(x), len(y)) > _FRAMED,  # else seams show between cells without frames
    )
    for one, color in VERDICT_COLORS.items():
        if (verdict == one).any():
            ax.scatter([], [], marker="s", s=60.0, color=color, alpha=0.75, label=one.lower())
    if boundary is not None:
        fine = [_within(values, ends) for values, ends in zip((x, y), edges, strict=True)]
        values = dict(zip(map(str, (first, second)), np.meshgrid(*fine), strict=True))
        field = _field(boundary, values)
        if (field < 0.0).any() and (field > 0.0).any():
            from contourpy import contour_generator

            lines = contour_generator(fine[0], fine[1], np.nan_to_num(field)).lines(0.0)
            curve = np.vstack([np.vstack([line, [[np.nan, np.nan]]]) for line in map(np.asarray, lines)])[:-1]
            ax.plot(curve[:, 0], curve[:, 1], color="black", lw=1.8, label=label)
    ax.set(
        xlabel=_label(first),
        ylabel=_label(second),
        xlim=(edges[0][0], edges[0][-1]),
        ylim=(edges[1][0], edges[1][-1]),
    )
    return ax


def _within(values: Array, edges: Array) -> Array:
    """Return many points of an axis, equally spaced on its scale, from edge to edge but not below 0 for weights."""
    forward, inverse = scaled(scale(values))
    low = max(edges[0], 0.0) if values[0] >= 0.0 else edges[0]
    high = min(edges[-1], 1.0 - 1e-9) if values[-1] < 1.0 else edges[-1]
    ends = forward(np.array([low, high]))
    return inverse(np.linspace(float(ends[0]), float(ends[1]), _FINE))


def trajectories(grid: xr.Dataset, ax: Axes | None = None, *, of: str = "x") -> Axes:
    """Draw what was recorded at the checkpoints, one line a lane, in the colours of the verdicts.

    Parameters
    ----------
    grid : xarray.Dataset
        What `Sweep.run` returns with checkpoints.
    ax : matplotlib.axes.Axes, optional
    of : str
        A recorded variable: ``x`` (each coordinate is a line), or a measure such as ``distance``.

    Returns
    -------
    matplotlib.axes.Axes
        With up to 12 lanes, each has a colour and a label of its own.

    Raises
    ------
    TypeError
        If grid is no Dataset.
    ValueError
        If there is no such variable, or it was not recorded at checkpoints.
    """
    grid = _checked(
        grid, of, "run the sweep with checkpoints, for instance checkpoints=50, and name what it records"
    )
    if "checkpoint" not in grid[of].dims:
        raise ValueError(
            f"{of} has no checkpoints; run the sweep with checkpoints, for instance checkpoints=50."
        )
    cells = [dim for dim in grid[of].dims if dim != "checkpoint"]
    wide = [dim for dim in cells if grid.sizes[dim] > 1]
    lanes = grid[of].stack(lane=cells).transpose("lane", "checkpoint")
    verdicts = grid["verdict"].broadcast_like(grid[of].isel(checkpoint=0)).stack(lane=cells).values
    ax = _axes(ax)
    steps = grid["checkpoint"].values
    few = len(lanes.lane) <= _LINES
    for i, (line, verdict) in enumerate(zip(lanes, verdicts, strict=True)):
        said = ", ".join(f"{_label(dim)} = {line[dim].item():.6g}" for dim in wide)
        if few:
            ax.plot(steps, line.values, color=PALETTE[i % len(PALETTE)], ls=("-", "--")[i // len(PALETTE)],
                    label=f"{said}: {verdict.lower()}" if said else verdict.lower())  # fmt: skip
        else:
            ax.plot(steps, line.values, color=VERDICT_COLORS.get(verdict, "0.5"), lw=0.7)
    set_scale(ax, "x", steps.astype(float))
    ax.set(xlabel="step", ylabel=_label(of))
    return ax


def steps_to_eps(grid: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the first step at which the gap reached its target, over one axis, by median and range of the seeds.

    Lanes that never reached it are open triangles at the horizon.

    Parameters
    ----------
    grid : xarray.Dataset
        What `Sweep.run` returns with ``first_hit``, with one axis of more than one value.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If grid is no Dataset.
    ValueError
        If it was run without first_hit, or has not one axis.
    """
    name = "first_hit"
    grid = _checked(grid, name, "run the sweep with a target, for instance first_hit=0.01")
    (axis,) = _swept(grid, name, 1)
    rest = {d: 0 for d in grid[name].dims if d not in (axis, "seed")}
    hits = grid[name].isel(rest).transpose(axis, "seed").values.astype(float)
    x, horizon = np.asarray(grid[axis].values, dtype=float), float(grid.attrs["steps"])
    reached = hits >= 0.0
    steps = np.where(reached, hits, np.inf)
    middle, low, high = np.median(steps, axis=1), steps.min(axis=1), steps.max(axis=1)
    ax = _axes(ax)
    whole = np.isfinite(middle)
    ax.plot(x[whole], middle[whole], "o-", color=PALETTE[0], label="median of the seeds")
    if hits.shape[1] > 1:
        ax.fill_between(x, low, np.minimum(high, horizon), where=np.isfinite(low), color=PALETTE[0], alpha=0.2,
                        linewidth=0.0, label="from the least to the most")  # fmt: skip
    if not reached.all():
        never = x[~reached.all(axis=1)]
        ax.plot(never, np.full(len(never), horizon), "^", color=PALETTE[1], markerfacecolor="none",
                label="not reached by every seed")  # fmt: skip
    set_scale(ax, "x", x)
    ax.set(xlabel=_label(axis), ylabel="steps", yscale="log")
    return ax

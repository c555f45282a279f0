"""The report card of an audit as one HTML page, with the paths drawn inside it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.app import report, terminal
from theory_sim.app.battery import BATTERY
from theory_sim.nouns.figure import PALETTE, STYLE

if TYPE_CHECKING:
    import xarray as xr
    from markupsafe import Markup
    from matplotlib.axes import Axes

    from theory_sim.app.audit import Card

SIZE = (4.8, 2.5)  # inches: 9 points stay readable where the picture is as wide as a phone


_BROAD: dict[str, Any] = {"lw": 4.0, "alpha": 0.55}


def svg(name: str, draw: Callable[[Axes], None], size: tuple[float, float] = SIZE) -> Markup:
    """Return a picture as an element of a page, whose text and lines have the colour of the page's text.

    Parameters
    ----------
    name : str
        What it shows; makes the ids in it its own.
    draw : callable
    size : (float, float)
        Inches.
    """
    from markupsafe import Markup, escape
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    own: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with rc_context({**STYLE, **own}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"#(000000|262626)\b", "currentColor", text)
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 role="img">', text, count=1)
    mark = re.sub(r"\W+", "-", name)  # ids are of the page
    text = re.sub(r'\bid="', f'id="{mark}-', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{mark}-", text)
    head, _, rest = text.partition(">")
    return Markup(f"{head} aria-label='{escape(name)}'>{rest}")


def _path(grid: xr.Dataset, measure: str) -> tuple[Any, Any]:
    """Return numbers of steps, and the iterate of seed 0 there, or a measure of it where it has coordinates."""
    shown = grid[measure] if "coordinate" in grid.dims and measure in grid else grid.x
    if "coordinate" in shown.dims:
        shown = shown.isel(coordinate=0)
    return shown.checkpoint.values, shown.isel(seed=0).values


def _paths(problem: str, grids: Mapping[str, xr.Dataset], optimum: float | None) -> Markup:
    """Draw the path of every optimizer on a problem, the audited one first and broadest."""
    first = next(iter(grids.values()))
    rule = re.search(r"measure='(\w+)'", first.attrs["rule"])
    measure = rule.group(1) if rule is not None else ""
    scalar = "coordinate" not in first.dims

    def draw(ax: Axes) -> None:
        # Thin lines over a broad one, so that equal paths show.
        for place, (grid, color) in enumerate(zip(grids.values(), PALETTE, strict=False)):
            ax.plot(*_path(grid, measure), color=color, **(_BROAD if place == 0 else {"lw": 1.1}))
        if scalar and optimum is not None:
            ax.axhline(optimum, color="black", lw=0.8, ls=":")
        if not scalar and measure:
            values = np.concatenate([_path(grid, measure)[1] for grid in grids.values()])
            ax.set_yscale("log" if (values[np.isfinite(values)] > 0.0).all() else "linear")
        ax.set(xscale="log", xlabel="steps taken", ylabel="x" if scalar else measure.replace("_", " "))

    return svg(f"paths on {problem}", draw)


def page(card: Card) -> str:
    """Return the card as an HTML page that needs no network."""
    sections = []
    for number, row in enumerate(card.rows):
        beside = {name: rows[number] for name, rows in card.controls.items()}
        found = {
            card.optimizer: card.grids.get(row.problem),
            **{name: grids.get(row.problem) for name, grids in card.control_grids.items()},
        }
        grids = {name: grid for name, grid in found.items() if grid is not None}
        optimum = card.optima.get(row.problem)
        sections.append(
            {
                "problem": row.problem,
                "lines": {card.optimizer: row, **beside},
                "plot": _paths(row.problem, grids, optimum) if grids else "",
                "optimum": optimum,
                "why": BATTERY[row.problem].why if row.problem in BATTERY else "",
            }
        )
    names = [card.optimizer, *card.controls]
    return report.template("card.html.j2").render(
        title=card.optimizer,
        card=card,
        sections=sections,
        colors=dict(zip(names, PALETTE, strict=False)),
        number=terminal.number,
        point=terminal.point,
    )

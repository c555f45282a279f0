"""Figures: which sweeps, how to draw them, and the numbers that a test can compare."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns.claim import plain
from theory_sim.nouns.dataset import save
from theory_sim.nouns.training import Source
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito's palette: distinguishable with every common colour-vision deficiency.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
VERDICT_COLORS = {"CONVERGED": "#56B4E9", "DIVERGED": "#D55E00", "UNDECIDED": "#F0E442"}

STYLE: dict[Any, Any] = {
    "axes.prop_cycle": f"cycler('color', {list(PALETTE)})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "mathtext.fontset": "dejavuserif",
    "savefig.dpi": 200,
    "svg.hashsalt": "theory-sim",
    "figure.constrained_layout.use": False,
}


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure of the suite.

    Parameters
    ----------
    name : str
        Command-line name and stem of the files.
    caption : str
        What is shown, with the settings that matter.
    panels : (int, int)
        Rows and columns of axes.
    size : (float, float)
        Inches.
    sweeps : tuple of Sweep or Training
    draw : callable
        ``draw(axes, grids)`` with a flat array of axes and one Dataset per sweep.
    features : callable
        ``features(grids) -> {name: number}``: areas, edges, slopes; what a test compares instead of pixels.
    claims : tuple of str
        Ids of the claims it illustrates.
    needs : tuple of str
        Optional modules without which it cannot be drawn.
    files : callable, optional
        ``files() -> {suffix: text}``: more files stored beside the picture, as ``name.suffix``.
    """

    name: str
    caption: str
    panels: tuple[int, int]
    size: tuple[float, float]
    sweeps: tuple[Source, ...]
    draw: Callable[[np.ndarray[Any, np.dtype[np.object_]], Sequence[xr.Dataset]], None]
    features: Callable[[Sequence[xr.Dataset]], Mapping[str, float]]
    claims: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    files: Callable[[], Mapping[str, str]] | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules among `needs` that are not installed."""
        return tuple(name for name in self.needs if find_spec(name) is None)

    def _numbers(self, grids: Sequence[xr.Dataset]) -> dict[str, float]:
        """Return the features, each of which must be a number."""
        found = self.features(grids)
        try:
            return {name: float(value) for name, value in found.items()}
        except (AttributeError, TypeError, ValueError):
            raise ValueError(
                f"The features of figure {self.name} are {checks.shown(found)}; return a dict of numbers by name."
            ) from None

    def save(
        self, grids: Sequence[xr.Dataset], folder: Path, tier: str = "full", data: bool = True
    ) -> list[Path]:
        """Write ``name.png``, ``name.svg``, ``name.json`` (features, panels, curves) and one ``.nc`` per sweep.

        Parameters
        ----------
        grids : sequence of xarray.Dataset
            One per sweep, in order.
        folder : Path
        tier : {"full", "quick"}
            What was run; a picture of the quick tier says so in its corner.
        data : bool
            Whether the ``.nc`` files are written, which can be large.

        Returns
        -------
        list of Path
            The files, the PNG first.
        """
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Canvas
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        folder.mkdir(parents=True, exist_ok=True)
        with rc_context(STYLE):
            mark = 0.12 / self.size[1] if tier == "quick" and self.sweeps else 0.0  # a line on top
            engine = ConstrainedLayoutEngine(rect=(0.0, 0.0, 1.0, 1.0 - mark))
            figure = Canvas(figsize=self.size, dpi=STYLE["savefig.dpi"], layout=engine)
            axes = figure.subplots(*self.panels, squeeze=False)
            self.draw(axes.ravel(), grids)
            _letter(axes.ravel())
            if mark:
                figure.text(0.998, 0.998, "quick tier", ha="right", va="top", fontsize=6.5, color="0.45")
            # Measuring every text takes long, so it is done once for both files.
            engine.execute(figure)
            figure.set_layout_engine(None)
            png, svg = folder / f"{self.name}.png", folder / f"{self.name}.svg"
            _write_png(figure, png)
            figure.savefig(svg, metadata={"Date": None})
            panels = [
                {"title": ax.get_title() or ax.get_title("left"), "x": ax.get_xlabel(), "y": ax.get_ylabel()}
                for ax in axes.ravel()
            ]
            curves = [curve for panel, ax in enumerate(axes.ravel()) for curve in _curves(panel, ax)]
        values = folder / f"{self.name}.json"
        features = self._numbers(grids)
        content = {
            "name": self.name,
            "caption": self.caption,
            "features": features,
            "panels": panels,
            "curves": curves,
        }
        values.write_text(json.dumps(plain(content), allow_nan=False))
        files = [png, svg, values]
        for suffix, text in (self.files() if self.files is not None else {}).items():
            path = folder / f"{self.name}.{suffix}"
            path.write_text(text)
            files.append(path)
        for sweep, grid in zip(self.sweeps, grids, strict=True) if data else ():
            path = folder / f"{self.name}.{sweep.name}.nc"
            save(grid, path)
            files.append(path)
        return files


def _write_png(figure: Canvas, path: Path) -> None:
    """Write a picture with 256 colours, which looks the same and takes a quarter of the space."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 0})
    picture = Image.open(buffer).convert("RGB")
    # Off by at most 14 of 255 in the pictures of this suite; an octree merges light grey areas with white.
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette, place = few.getpalette() or [], 3 * few.tobytes()[0]
    palette[place : place + 3] = picture.tobytes()[:3]  # the background is exactly what it was
    few.putpalette(palette)
    dpi = STYLE["savefig.dpi"]
    few.save(path, dpi=(dpi, dpi))


def _letter(axes: np.ndarray[Any, np.dtype[np.object_]]) -> None:
    """Give the panels (a), (b), ... where their titles do not begin with letters already."""
    shown = [ax for ax in axes if ax.get_visible() and ax.axison]
    if len(shown) < 2 or any(ax.get_title(at).startswith("(") for ax in shown for at in ("left", "center")):
        return
    for letter, ax in zip(ascii_lowercase, shown, strict=False):
        title = ax.get_title()
        if title:
            ax.set_title(f"({letter}) {title}")
        else:
            ax.set_title(f"({letter})", loc="left")


def _curves(panel: int, ax: Axes) -> list[dict[str, Any]]:
    """Every labelled line of a panel, so that overlays drawn from closed forms are part of the data."""
    return [
        {
            "panel": panel,
            "label": str(line.get_label()),
            "x": np.asarray(line.get_xdata(), dtype=float).tolist(),
            "y": np.asarray(line.get_ydata(), dtype=float).tolist(),
        }
        for line in ax.get_lines()
        if not str(line.get_label()).startswith("_")
    ]

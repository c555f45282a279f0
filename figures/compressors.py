"""Constants of the compressors by dimension: exact worst cases, vectors that attain them, normal vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.choco2019 import variance
from theory_sim.compressors import (
    Compressor,
    bf16,
    dynamic8,
    dynamic_levels,
    fp16,
    l1_sign,
    linear8,
    log_levels,
    low_rank,
    natural,
    natural_dithering,
    nearest_power,
    qsgd,
    rand_k,
    rms_sign,
    terngrad,
    top_k,
    two_mean,
    uniform,
)
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Array = np.ndarray[Any, np.dtype[np.float64]]

SIZES = (4, 16, 64, 256, 1024, 4096)


@dataclass(frozen=True)
class Row:
    """A compressor of the figure: by dimension, the map and the vector that attains its constant."""

    label: str
    build: Callable[[int], Compressor]
    worst: Callable[[int], Array]
    least: int = 4


def _one_hot(d: int) -> Array:
    return np.asarray(np.eye(d)[d // 2])


def _flat(value: float) -> Callable[[int], Array]:
    return lambda d: np.full(d, value)


def _beside(rest: Callable[[int], float], first: float = 1.0) -> Callable[[int], Array]:
    """One entry `first`, the others equal."""
    return lambda d: np.array([first] + [rest(d)] * (d - 1))


def _between(d: int) -> float:
    """The midpoint of two levels of the dynamic map that loses most beside an entry -1, in a block of 256."""
    levels = dynamic_levels()
    middles, gaps = (levels[1:] + levels[:-1]) / 2.0, np.diff(levels) / 2.0
    n = min(d, 256) - 1
    lost = ((1.0 + levels[0]) ** 2 + n * gaps**2) / (1.0 + n * middles**2)
    return float(middles[lost.argmax()])


def _log_rest(d: int) -> float:
    return max((0.125, 0.75), key=lambda t: min(t, abs(1.0 - t)) ** 2 / (1.0 / (d - 1) + t * t))


CONTRACTIONS = (
    Row("top-$d/4$", lambda d: top_k(d // 4, 64), _flat(1.0)),
    Row("scaled sign", lambda d: l1_sign(word=64), _one_hot),
    Row("log levels, $k=2$", lambda d: log_levels(2, word=64), _beside(_log_rest)),
    Row(
        r"rank 1 of $\sqrt{d}\times\sqrt{d}$",
        lambda d: low_rank(1, word=64),
        lambda d: np.eye(math.isqrt(d)).ravel(),
    ),
    Row("nearest power of 2", lambda d: nearest_power(), _flat(1.5)),
    Row("uniform, 4 bits", lambda d: uniform(4, word=64), _beside(lambda d: 0.5 / 7.0)),
    Row("two-mean", lambda d: two_mean(word=64), _one_hot),
)
UNBIASED = (
    Row("rand-$d/4$, scaled", lambda d: rand_k(d // 4, True, 64), _flat(1.0)),
    Row("QSGD, $s=1$", lambda d: qsgd(1, word=64), _flat(1.0)),
    Row("QSGD, $s=4$", lambda d: qsgd(4, word=64), _flat(1.0), least=64),
    Row("TernGrad", lambda d: terngrad(word=64), _beside(lambda d: 1.0 / (1.0 + math.sqrt(d)))),
    Row("natural dithering, $s=4$", lambda d: natural_dithering(4, word=64), _flat(1.0), least=1024),
    Row("natural", lambda d: natural(), _flat(4.0 / 3.0)),
)
FINE = (
    Row("RMS-sign", lambda d: rms_sign(word=64), _one_hot),
    Row("dynamic 8 bits, blocks of 256", lambda d: dynamic8(word=64), _beside(_between, -1.0)),
    Row("linear 8 bits, blocks of 256", lambda d: linear8(word=64), _beside(lambda d: 0.5 / 127.0)),
    Row("bf16", lambda d: bf16(), _flat(1.0 + 2.0**-8)),
    Row("fp16", lambda d: fp16(), _flat(1.0 + 2.0**-11)),
)
PANELS = (CONTRACTIONS, UNBIASED, FINE)


def _error(compressor: Compressor, x: Array) -> float:
    """E ||C(x) - x||^2/||x||^2, exactly; of a scaled rand-k, where x does not count, from 100 messages."""
    if compressor.name == "rand_k":
        images = [compressor.quantize(x, seed=seed) for seed in range(100)]
        return float(np.mean([((y - x) ** 2).sum() for y in images]) / (x @ x))
    if compressor.unbiased:
        return variance(compressor, x)
    return float(((compressor.quantize(x) - x) ** 2).sum() / (x @ x))


@cache
def measured(panel: int) -> tuple[Array, Array, Array]:
    """Return the constant, the error of the worst vector, the mean over 8 normal ones, shape (row, size)."""
    rng = np.random.default_rng(1024)
    vectors = {d: rng.normal(size=(8, d)) for d in SIZES}
    exact, worst, normal = [], [], []
    for row in PANELS[panel]:
        for d in SIZES:
            one = row.build(d)
            exact.append(1.0 - one.delta(d))
            # Blocks of 256: one block at the worst vector, the others 0.
            x = (
                row.worst(min(d, 256))
                if "block" in one.hyper and one.hyper["block"] == 256.0
                else row.worst(d)
            )
            worst.append(_error(one, x) if d >= row.least else math.nan)
            normal.append(float(np.mean([_error(one, x) for x in vectors[d]])))
    shape = (len(PANELS[panel]), len(SIZES))
    return np.reshape(exact, shape), np.reshape(worst, shape), np.reshape(normal, shape)


def _draw_column(worst_case: Axes, usual: Axes, panel: int) -> None:
    """The constants and the vectors that attain them; below, the error of normal vectors."""
    exact, worst, normal = measured(panel)
    if panel == 0:  # delta, else the error itself
        exact, worst = 1.0 - exact, 1.0 - worst
    for i, row in enumerate(PANELS[panel]):
        # Two-mean has the constant of the scaled sign: dashes and smaller markers show both.
        over = row.label == "two-mean"
        style: dict[str, Any] = {"color": PALETTE[i], "ls": (0, (3, 4)) if over else "-"}
        size = 2.5 if over else 4.5
        worst_case.plot(SIZES, exact[i], label=row.label, **style)
        worst_case.plot(SIZES, worst[i], "o", color=PALETTE[i], markersize=size)
        usual.plot(
            SIZES, normal[i], label=row.label, marker="o", markersize=size, markerfacecolor="white", **style
        )
    for ax in (worst_case, usual):
        ax.set(xscale="log", yscale="log", xlim=(3, 5500))
        ax.set_xticks(SIZES, [str(d) for d in SIZES])
        ax.minorticks_off()
    usual.set_xlabel("dimension $d$")


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    from matplotlib.lines import Line2D

    error = r"$\mathbb{E}\,\|C(x)-x\|^2/\|x\|^2$"
    titles = (r"(a) contractions: $\delta$", r"(b) unbiased: $\omega$", "(c) fine codes, and no contraction")
    names = (r"$\delta=1-\sup$ error", r"$\omega=\sup$ error", "sup error")
    for panel, (title, name) in enumerate(zip(titles, names, strict=True)):
        top, bottom = axes[panel], axes[3 + panel]
        _draw_column(top, bottom, panel)
        top.set(title=title, ylabel=name)
        bottom.set(title=f"({'def'[panel]}) the same, normal vectors", ylabel=f"error {error}")
        bottom.legend(*top.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.24), ncol=2,
                      columnspacing=1.0)  # fmt: skip
        if panel:  # the same quantity, the same scale
            both = [*top.get_ylim(), *bottom.get_ylim()]
            for ax in (top, bottom):
                ax.set_ylim(min(both), max(both))
    axes[3].set_ylim(2e-3, 1.5)
    for ax in (axes[2], axes[5]):
        ax.axhline(1.0, color="0.5", linestyle=":", linewidth=1.0)
    look: dict[str, Any] = {"color": "0.3", "marker": "o", "markersize": 4.5}
    handles = [
        Line2D([], [], color="0.3", label="exact constant"),
        Line2D([], [], linestyle="", label="the vector that attains it", **look),
        Line2D([], [], markerfacecolor="white", label="mean over 8 normal vectors", **look),
    ]
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncol=3)


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Largest ratio of a normal vector to the constant, how far worst vectors are off, limits at d = 4096."""
    found = {}
    for panel, name in enumerate(("contractions", "unbiased", "fine")):
        exact, worst, normal = measured(panel)
        found[f"{name}_off"] = float(np.nanmax(np.abs(worst / exact - 1.0)))
        # A scaled rand-k has the same error for every x, estimated from 100 messages.
        skip = 1 if name == "unbiased" else 0
        found[f"{name}_normal"] = float((normal / exact)[skip:].max())
    found["sign_normal_delta"] = float(1.0 - measured(0)[2][1, -1])
    found["rms_normal"] = float(measured(2)[2][0, -1])
    found["natural_normal"] = float(measured(1)[2][5, -1])
    found["rms_crosses"] = float(np.array(SIZES)[measured(2)[0][0] > 1.0][0])
    return found


FIGURES = [
    Figure(
        name="compressors",
        caption=(
            "Constants of the compressors by dimension. Error: E||C(x) - x||^2/||x||^2. (a) delta of contractions, one less the "
            "largest error (two-mean has that of the scaled sign); (b) omega of unbiased maps, the largest error; for QSGD with 4 "
            "levels and natural dithering with 4 the constant is attained from d = 64 and 1024 on, and a bound below; (c) the "
            "largest error itself. Lines are the exact worst cases, full markers the vectors that attain them. (d, e, f) The "
            "error of the same compressors on normal vectors, mean over 8. Above the dotted line C is no contraction."
        ),
        panels=(2, 3),
        size=(11.0, 7.0),
        sweeps=(),
        draw=_draw,
        features=_features,
        claims=(
            *("ef21.QC01", "onebitadam2021.QC02", "onebitadam2021.QC03"),
            *("choco2019.QC04", "choco2019.QC05", "dettmers2022.QC25a"),
        ),
    )
]

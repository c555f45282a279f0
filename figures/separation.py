"""Adam against momentum gradient descent on E + S (Wang et al. 2024, 2403.15146): updates and stability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.generalized_smooth import well
from paper_checks.wang2024separability.deterministic import (
    ADAM_NORM,
    CLIPPED,
    EPS,
    GD,
    MOMENTUM,
    NORMALIZED,
    TARGETS,
    fact,
    near_threshold,
    stable_interval,
    steps_to_eps,
    tuned,
)
from paper_checks.wang2024separability.variations import (
    DECREASING_ADAM_GAP,
    DECREASING_GD_GAP,
    GD_TARGETS,
    STABILITY,
    STABILITY_GAPS,
    prescribed,
)
from theory_sim import plot
from theory_sim.evidence.rates import Rate, theil_sen
from theory_sim.nouns.figure import PALETTE, Figure
from theory_sim.nouns.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]
Grids = Sequence["xr.Dataset"]
Curve = tuple[Array, Array]

_SWEEPS = (
    GD,
    MOMENTUM,
    NORMALIZED,
    CLIPPED,
    *ADAM_NORM.values(),
    *GD_TARGETS.values(),
    DECREASING_GD_GAP,
    DECREASING_ADAM_GAP,
)


def _gaps(grids: Grids) -> dict[str, Curve]:
    """Updates against Delta at constant steps."""
    gd, momentum, normalized, clipped = grids[:4]
    adam = grids[4 + TARGETS.index(EPS)]
    stable, _ = tuned(momentum.first_hit.where(stable_interval(momentum), -1))
    return {
        "GD": (gd.delta.values, tuned(gd.first_hit)[0].values),
        r"GDM, $\beta=0.5$": (momentum.delta.values, stable.sel(momentum=0.5).values),
        r"GDM, $\beta=0.9$": (momentum.delta.values, stable.sel(momentum=0.9).values),
        "clipped GD": (clipped.delta.values, steps_to_eps(clipped.first_hit).values),
        "NGD": (normalized.delta.values, steps_to_eps(normalized.first_hit_mean).values),
        "AdamNorm": (adam.delta.values, steps_to_eps(prescribed(adam, EPS, 0.9, 0.99)).values),
    }


def _targets(grids: Grids) -> dict[str, Curve]:
    """Updates against 1/eps at constant steps, Delta = 64."""
    inverse = 1.0 / np.array(TARGETS)
    adam, gd = grids[4 : 4 + len(TARGETS)], grids[4 + len(TARGETS) : 4 + 2 * len(TARGETS)]
    cells = [prescribed(grid, 0.5 * eps, 0.0, 0.9) for eps, grid in zip(TARGETS, adam, strict=True)]
    slow = [float(steps_to_eps(cell).sel(delta=64.0)) for cell in cells]
    return {
        "GD": (inverse, np.array([float(tuned(grid.first_hit)[0]) for grid in gd])),
        "AdamNorm": (inverse, np.array(slow)),
    }


def _decreasing(grids: Grids) -> dict[str, Curve]:
    """Updates against Delta at steps eta_1/sqrt(t), the best eta_1."""
    gd, adam = grids[-2:]
    best = tuned(adam.first_hit_mean)[0]
    return {
        "GD": (gd.delta.values, tuned(gd.first_hit)[0].values),
        "AdamNorm": (adam.delta.values, best.sel(beta1=0.9, beta2=0.99).values),
    }


_COLORS = {
    "GD": PALETTE[1],
    r"GDM, $\beta=0.5$": PALETTE[4],
    r"GDM, $\beta=0.9$": PALETTE[3],
    "clipped GD": PALETTE[2],
    "NGD": PALETTE[5],
    "AdamNorm": PALETTE[0],
}


def _rate(curve: Curve, start: float = 0.0) -> Rate:
    keep = curve[0] >= start
    return theil_sen(curve[0][keep], curve[1][keep])


def _plot(ax: Any, curves: dict[str, Curve], start: float = 0.0) -> None:
    for name, curve in curves.items():
        rate = _rate(curve, start)
        label = f"{name}: {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]"
        ax.plot(*curve, "o-", ms=3.5, color=_COLORS[name], label=label)


def _guide(ax: Any, x: Array, y: float, slope: float) -> None:
    """A dotted line of the given slope through (x[0], y), labelled below its middle."""
    ax.plot(x, y * (x / x[0]) ** slope, color="0.55", ls=":", lw=1.0, zorder=0)
    root = float(np.sqrt(x[-1] / x[0]))
    ax.annotate(f"slope {slope:g}", (x[0] * root, y * root**slope), xytext=(5, -9), textcoords="offset points",
                color="0.35", fontsize=7.5)  # fmt: skip


def _ticks(ax: Any, values: Any) -> None:
    ax.set_xticks(values, [f"{value:g}" for value in values])


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Grids) -> None:
    """Updates against Delta, against 1/eps, against the step, and against Delta at decreasing steps."""
    gd = grids[0]
    for ax in axes:
        ax.set(xscale="log", yscale="log")
        ax.minorticks_off()
    curves = _gaps(grids)
    _plot(axes[0], curves, 32.0)
    fine = np.geomspace(gd.delta.values[0], gd.delta.values[-1], 60)
    bound = [fact("lower_bound", delta) for delta in fine.tolist()]
    axes[0].plot(fine, bound, color="black", ls="--", lw=1.0, label="lower bound of GD, any step")
    for slope, share in ((1.0, 0.4), (2.0, 1.2)):
        _guide(axes[0], fine[len(fine) // 2 :], share * float(bound[0]), slope)
    axes[0].set(
        xlabel=r"$\Delta$",
        ylabel=r"updates $N$ until $\varepsilon$",
        ylim=(40.0, 4.0 * float(np.max(curves["NGD"][1]))),
    )
    _ticks(axes[0], gd.delta.values[::2])
    axes[0].set_title(rf"constant steps, $\varepsilon={EPS:g}$")

    targets = _targets(grids)
    _plot(axes[1], targets)
    inverse = 1.0 / np.array(TARGETS)
    exact = [fact("lower_bound", 64.0, eps) for eps in TARGETS]
    axes[1].plot(inverse, exact, color="black", ls="--", lw=1.0, label="lower bound of GD, any step")
    _guide(axes[1], inverse[2:], 0.35 * targets["GD"][1][2], 2.0)
    _ticks(axes[1], inverse)
    axes[1].set(
        xlabel=r"$1/\varepsilon$",
        ylabel=r"updates $N$ until $\varepsilon$",
        title=r"constant steps, $\Delta=64$",
    )

    for color, delta in zip(PALETTE, gd.delta.values[::2], strict=False):
        counts = steps_to_eps(gd.first_hit).sel(delta=delta)
        axes[2].plot(gd.lr, counts, "o-", ms=3.5, color=color, label=rf"$\Delta={delta:g}$")
        axes[2].axvline(fact("critical_lr", delta), color=color, ls="--", lw=0.9)
        free = fact("lower_bound", delta) * fact("critical_lr", delta)
        axes[2].plot(gd.lr, free / gd.lr, color=color, ls=":", lw=0.8)
    axes[2].plot([], [], color="0.3", ls="--", lw=0.9, label=r"$2x_0/M$, exact")
    axes[2].plot([], [], color="0.3", ls=":", lw=0.8, label="lower bound at this step")
    axes[2].set(
        xlabel=r"step size $\eta$",
        ylabel=r"updates $N$ until $\varepsilon$",
        title="GD, every step of the grid",
        ylim=(100.0, None),
    )
    _ticks(axes[2], (0.02, 0.05, 0.1, 0.2, 0.5, 1.0))

    slow = _decreasing(grids)
    _plot(axes[3], slow)
    late = slow["GD"][0][1:]
    _guide(axes[3], late, 0.25 * slow["GD"][1][1], 4.0)
    _ticks(axes[3], slow["AdamNorm"][0][::2])
    axes[3].set(
        xlabel=r"$\Delta$",
        ylabel=r"updates $N$ until $\varepsilon$",
        ylim=(300.0, 2.0 * float(np.max(slow["GD"][1]))),
    )
    axes[3].set_title(rf"steps $\eta_1/\sqrt{{t}}$, best $\eta_1$, $\varepsilon={EPS:g}$")
    for ax, title in zip(
        axes,
        ("exponent in $\\Delta$", r"exponent in $1/\varepsilon$", None, "exponent in $\\Delta$"),
        strict=True,
    ):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncol=2, columnspacing=1.0, title=title)


def features(grids: Grids) -> dict[str, float]:
    """Exponents with their intervals, distance of GD to its lower bound, tightness of the threshold."""
    found: dict[str, float] = {}
    plain = {"GD": "gd", r"GDM, $\beta=0.5$": "gdm_0.5", r"GDM, $\beta=0.9$": "gdm_0.9", "clipped GD": "clipped",
             "NGD": "ngd", "AdamNorm": "adam_norm"}  # fmt: skip
    kinds = (("delta", _gaps, 32.0), ("inverse_eps", _targets, 0.0), ("decreasing", _decreasing, 0.0))
    for kind, curves, start in kinds:
        for name, curve in curves(grids).items():
            rate = _rate(curve, start)
            key = f"{plain[name]}_{kind}"
            found |= {key: rate.slope, f"{key}_low": rate.low, f"{key}_high": rate.high}
    gd = grids[0]
    bound = [fact("lower_bound", delta) for delta in gd.delta.values.tolist()]
    found["gd_over_bound"] = float(np.max((near_threshold(gd).values / bound)[gd.delta.values >= 64.0]))
    reached = steps_to_eps(gd.first_hit) > 0
    share = [
        float(gd.lr.where(reached.sel(delta=delta)).max()) / fact("critical_lr", delta)
        for delta in gd.delta.values.tolist()
    ]
    found["largest_step_over_threshold"] = max(share)
    return found


def draw_stability(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Grids) -> None:
    """The (beta, s) plane for three gaps: where heavy-ball momentum converges on E."""
    for ax, delta, grid in zip(axes, STABILITY_GAPS, grids, strict=True):
        share = grid.lr.values / well(delta=delta).facts["critical_lr"]
        plot.phase(grid.assign_coords(lr=share), ax=ax)
        height = share[1] - share[0]
        beta, verdict = grid.momentum.values, grid.verdict.isel(seed=0).transpose("lr", "momentum").values
        ax.axhline(1.0, color="black", lw=1.4, label=r"$\eta=2x_0/M$, exact at $\beta=0$")
        edge = share[np.argmax(verdict == Verdict.DIVERGED.value, axis=0)] - height / 2.0
        ax.step(beta, edge, where="mid", color="0.25", lw=1.0, ls="--", label="first diverging step")
        ax.set(xlabel=r"momentum $\beta$", ylabel="", title=rf"$\Delta={delta:g}$")
    axes[0].set_ylabel(r"first step length $\eta$ over $2x_0/M$")
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncol=len(labels))


def features_stability(grids: Grids) -> dict[str, float]:
    """Per gap: stable cells, first diverging and largest stable step over 2 x0/M, at beta = 0 and all."""
    found: dict[str, float] = {}
    for delta, grid in zip(STABILITY_GAPS, grids, strict=True):
        share = grid.lr.values / well(delta=delta).facts["critical_lr"]
        stable = grid.verdict.isel(seed=0).values == Verdict.CONVERGED.value
        key = f"delta{delta:g}"
        found[f"{key}_stable"] = float(np.mean(stable))
        found[f"{key}_edge_at_0"] = float(share[~stable[0]].min() - (share[1] - share[0]) / 2.0)
        found[f"{key}_largest"] = float(np.max(share * stable.any(axis=0)))
        found[f"{key}_islands"] = float(np.mean(stable & (~stable).cumsum(axis=1).astype(bool)))
    return found


FIGURES = [
    Figure(
        name="separation",
        caption=(
            "Updates until eps on F(x, y) = E(x) + S(y), L0 = L1 = 1; legends give Theil-Sen exponents with 95 % intervals "
            "(in (a) from Delta = 32). (a) GD and GD with momentum at their best constant step (first hit; for "
            "momentum below the first diverging step), AdamNorm(.9, .99) at the step eps and NGD at eps/2 (average of the "
            "gradient norm), clipped GD with the constants of Zhang et al. (first hit); dashed, the bound that no step of GD can "
            "beat. (b) In eps the exponents are the same, AdamNorm(0, .9) at eps/2. (c) Every step of the grid, with the exact "
            "threshold 2 x0/M, x0 being the start and M = |E'(x0)|. (d) Steps eta_1/sqrt(t) at the best eta_1, GD by first hit, "
            "AdamNorm(.9, .99) by the average. Dotted guides: limits for large Delta. On these ranges the exact bound itself grows "
            "with the exponent 1.78 in (a), and twice 1.64 for its square in (d); at Delta = 10^6 it is 1.93."
        ),
        panels=(2, 2),
        size=(9.2, 8.4),
        sweeps=_SWEEPS,
        draw=draw,
        features=features,
        claims=(
            "wang2024separability.H1",
            "wang2024separability.H2",
            "wang2024separability.H4",
            "wang2024separability.H4b",
            "wang2024separability.H5b",
            "wang2024separability.H7",
            "wang2024separability.H11",
        ),
    ),
    Figure(
        name="stability",
        caption=(
            "Heavy-ball momentum on the well E from the gap Delta: verdict after 4,000 steps (2,000 in the quick tier) over "
            "the momentum and the step in units of 2 x0/M, the exact threshold of gradient descent, where x0 is the start and M = |E'(x0)|. For beta > 0 the stable "
            "steps are no interval: islands follow the first diverging step, none of them far above 2 x0/M."
        ),
        panels=(1, 3),
        size=(9.0, 3.5),
        sweeps=STABILITY,
        draw=draw_stability,
        features=features_stability,
        claims=("wang2024separability.H1b", "wang2024separability.H5a"),
    ),
]

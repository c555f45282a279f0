"""A paper of somebody else, complete: a problem, an optimizer, a theorem, claims, a sweep and a figure.

It stands in a folder of its own and imports the public names of theory-sim only:

    theory-sim -m heavy2026 list --paper heavy2026
    theory-sim -m heavy2026 check heavy2026
    theory-sim -m heavy2026 figure heavy2026-stability
    theory-sim -m heavy2026 theorem heavy2026.thm1 --lr 0.5
"""

import numpy as np

import theory_sim as ts

PAPERS = [ts.Paper("heavy2026", "Nobody, N.", "Where a Heavy Ball Falls off a Parabola", "unpublished", 2026)]


def _slope(x, curvature):
    return curvature * x


def _height(x, curvature):
    return 0.5 * curvature * x * x


def _measures(gap):
    return gap


@ts.family
def parabola(curvature=1.0):
    """f = curvature x^2/2 on the line, from x_1 = 1."""
    return ts.Problem(
        "heavy2026.parabola",
        _slope,
        {"curvature": curvature},
        reductions={"gap": ts.total(_height)},
        measure=_measures,
        measures=("gap",),
        start=1.0,
        optimum=0.0,
        rule=ts.Rule("gap", converged=1e-3, diverged=1e3, relative=True),
        facts={"L": curvature},
        paper="heavy2026",
    )


PROBLEMS = {"heavy2026.parabola": parabola}


def _roll(g, lr, momentum, x, m):
    m = momentum * m + g
    return x - lr * m, m


@ts.family
def heavy(lr=0.1, momentum=0.5, *, schedule=None):
    """The heavy ball (Polyak 1964): m = momentum m + g, x = x - lr m."""
    return ts.Optimizer(
        "heavy", _roll, lr, {"momentum": momentum}, rows=("m",), schedule=schedule or ts.constant(),
        paper="heavy2026",
    )  # fmt: skip


OPTIMIZERS = [heavy]

# Half steps of 0.1, so that no cell lies on the boundary lr = 2 (1 + momentum) exactly.
STABILITY = ts.Sweep(
    parabola(),
    heavy(),
    axes={"lr": np.arange(40) * 0.1 + 0.05, "momentum": [0.0, 0.25, 0.5, 0.75]},
    steps=4000,
    name="heavy2026.stability",
    quick={"steps": 2000},
)
# No claim uses it: it can be run by its name.
LONG = ts.Sweep(parabola(), heavy(), {"curvature": [1.0, 2.0]}, steps=100, name="heavy2026.long")
SWEEPS = [STABILITY, LONG]


@ts.claim("heavy2026.C1", "Theorem 1", "region", STABILITY, constants="derived")
def the_heavy_ball_is_stable_below_the_line(grid):
    """On curvature L the heavy ball converges for lr < 2 (1 + momentum)/L and diverges above."""
    # The roots of z^2 - (1 + b - lr L) z + b are in the unit disc iff |1 + b - lr L| < 1 + b.
    inside = grid.lr < 2.0 * (1.0 + grid.momentum)
    wrong = (grid.verdict.isel(seed=0) == "CONVERGED") != inside
    return ts.at_most(float(wrong.sum()), 0.0, f"wrong cells of {wrong.size}")


@ts.claim("heavy2026.C2", "Theorem 1, proof", "exact", constants="derived")
def the_boundary_of_no_momentum_is_that_of_gradient_descent():
    """Without momentum the boundary is lr = 2/L."""
    return ts.within(2.0 * (1.0 + 0.0), 2.0, 0.0, "at L = 1")


CLAIMS = [the_heavy_ball_is_stable_below_the_line, the_boundary_of_no_momentum_is_that_of_gradient_descent]

THEOREMS = [
    ts.Theorem(
        "heavy2026.thm1",
        "Theorem 1",
        "The heavy ball converges on a parabola for short steps.",
        (ts.Condition("lr < 2*(1 + momentum)/L", "short steps"), ts.Condition("momentum < 1")),
        verdict=ts.Verdict.CONVERGED,
        problem=parabola,
        optimizer=heavy,
        run={"steps": 4000},
    )
]


def draw(axes, grids):
    """Verdicts in the (lr, momentum) plane under the line."""
    (grid,), ax = grids, axes[0]
    for verdict, color in ts.VERDICT_COLORS.items():
        lr, momentum = np.nonzero((grid.verdict.isel(seed=0) == verdict).values)
        if lr.size:
            ax.plot(grid.lr.values[lr], grid.momentum.values[momentum], "s", color=color, ms=5, label=verdict)
    momentum = np.linspace(0.0, 1.0)
    ax.plot(2.0 * (1.0 + momentum), momentum, "k-", label="lr = 2 (1 + momentum)/L")
    ax.set(xlabel="lr", ylabel="momentum", xlim=(0.0, 4.1))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def features(grids):
    """The number of cells that converge."""
    return {"converged": float((grids[0].verdict == "CONVERGED").sum())}


FIGURES = [
    ts.Figure(
        "heavy2026-stability",
        "Where the heavy ball converges on a parabola, under the line of Theorem 1.",
        (1, 1),
        (6.0, 2.6),
        (STABILITY,),
        draw,
        features,
        claims=("heavy2026.C1",),
    )
]

DEVIATIONS = ts.ledger(
    "heavy2026", ("Theorem 1", "Any L.", "L = 1: lr L decides, by a change of units.", "C1")
)

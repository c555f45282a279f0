"""A problem of one's own: a slope rule, a noise, what is measured, and what counts as converged."""

import math

import theory_sim as ts
from theory_sim.nouns import noise
from theory_sim.rules.language import total


def slope(x, curvature, noise):
    return curvature * x + noise


def terms(x, curvature):
    return 0.5 * curvature * x * x, (curvature * x) ** 2


def measures(gap, square):
    return gap, math.sqrt(square)


valley = ts.Problem(
    "valley",
    slope,
    {"curvature": (1.0, 10.0), "sigma": 0.5},
    dim=2,
    noise=noise.UNIFORM,
    reductions={("gap", "square"): total(terms)},
    measure=measures,
    measures=("gap", "gradient_norm"),
    start=1.0,
    optimum=0.0,
    rule=ts.Rule("gradient_norm", 0.1, 2.0, relative=True),
    facts={"L": 10.0, "mu": 1.0},
)
run = ts.Sweep(valley, ts.sgd(schedule=ts.power(0.5)), {"lr": [0.01, 0.1, 0.3]}, steps=5_000, seeds=3).run()
for lr in run.lr.values:
    cell = run.sel(lr=lr)
    print(f"lr = {lr:g}: {cell.verdict.values}, mean gap {cell.gap_final.mean().item():.2g}")

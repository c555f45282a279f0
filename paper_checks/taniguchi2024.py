"""Taniguchi et al., "ADOPT: Modified Adam can converge with any beta2 with the optimal rate" (arXiv:2411.02853).

Checked: the toy problem, on which Adam needs a beta2 that depends on the problem, AMSGrad is slow where the gradients
are large, and ADOPT reaches the minimiser for every beta2.  Its gradients are k^2 with probability 1/k and -k
otherwise, so that Adam with eps = 0 sees the ratio k : -1 of `counterexamples.monte_carlo.linear`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import theory_sim as ts
from counterexamples import monte_carlo, reddi
from counterexamples.drift import first_order_beta2
from theory_sim.claim import Claim, Deviation, Evidence, all_of, at_least, at_most, undecided, within

if TYPE_CHECKING:
    import xarray as xr

Grids = Sequence["xr.Dataset"]

BETA1 = 0.9
BETA2 = [0.1, 0.5, 0.9, 0.99, 0.999, 0.9999]


def damped_kernel(t: int, parameters: Any, factor: Any) -> None:
    """factor = 1/sqrt(1 + decay t)."""
    for lane in range(factor.shape[0]):
        factor[lane] = 1.0 / math.sqrt(1.0 + parameters[0, lane] * float(t))


def toy(k: float) -> ts.Problem:
    """f(x) = x on [-1, 1] with gradient k^2 with probability 1/k, else -k; the mean is 1 for every k > 1."""
    base = reddi.stochastic(C=k * k, small=k, p=1.0 / k)
    return replace(base, name="taniguchi2024.toy", paper="taniguchi2024", family=toy, parameters={"k": k})


SCHEDULE = ts.Schedule("damped", damped_kernel, {"decay": 0.01})
ADAM = ts.Sweep(
    toy(10.0),
    ts.adam(lr=0.01, beta1=BETA1, schedule=SCHEDULE),
    {"k": [10.0, 50.0], "beta2": BETA2},
    steps=10_000_000,
    seeds=16,
    x0=0.0,
    checkpoints=[10_000, 100_000, 1_000_000, 10_000_000],
    entropy=2024,
    name="taniguchi2024.adam",
    quick={"steps": 1_000_000, "checkpoints": [10_000, 100_000, 1_000_000]},
)
AMSGRAD = replace(
    ADAM, optimizer=ts.amsgrad(lr=0.01, beta1=BETA1, schedule=SCHEDULE), name="taniguchi2024.amsgrad"
)
ADOPT = replace(ADAM, optimizer=ts.adopt(lr=0.01, beta1=BETA1, schedule=SCHEDULE), name="taniguchi2024.adopt")

# Held by the box, an iterate makes excursions from its corner with exponential tails and mean size lr_T k^2/2 or
# less (variance over twice the drift of the worst case, ADOPT with beta2 -> 0: .005 at k = 10, T = 1e6).  The mean over
# seeds is asserted to .02; one of 16 seeds in .1 has a false alarm of exp(-20) at k = 10.
CORNER, EXCURSION = 0.02, 0.1


def _in_corner(grid: xr.Dataset, side: float, k: float, beta2: Sequence[float], what: str) -> Evidence:
    """All cells end in the corner side = -1, the minimiser, or side = +1."""
    away = 1.0 - side * grid["x_final"].sel(k=k, beta2=list(beta2))
    where = f"{what}, k = {k:g}, beta2 in {list(beta2)}: distance from {side:+g}"
    return all_of(
        [
            at_most(float(away.mean("seed").max(skipna=False)), CORNER, f"{where}, mean"),
            at_most(float(away.max(skipna=False)), EXCURSION, f"{where}, any seed"),
        ]
    )


def _x2a(grids: Grids, tier: str) -> Evidence:
    adam, amsgrad, adopt = grids
    return all_of(
        [
            _in_corner(adam, +1.0, 10.0, [0.1, 0.5, 0.9], "Adam"),
            _in_corner(adam, -1.0, 10.0, [0.99, 0.999, 0.9999], "Adam"),
            _in_corner(amsgrad, -1.0, 10.0, BETA2, "AMSGrad"),
            _in_corner(adopt, -1.0, 10.0, BETA2, "ADOPT"),
        ]
    )


def _x2b(grids: Grids, tier: str) -> Evidence:
    parts = []
    steps = 1_000_000 if tier == "full" else 100_000
    for k, bracket in ((10, (0.95, 0.985)), (50, (0.998, 0.9996))):
        # One unit of 1 - beta2 at k = 50 moves the field so little that its zero needs the long run.
        if tier == "quick" and k == 50:
            continue
        root = monte_carlo.critical_beta2(
            BETA1, k, float(k), "replacement", bracket=bracket, steps=steps, lanes=128, entropy=2024
        )
        share, formula = 1.0 - root.value, 1.0 - float(first_order_beta2(BETA1, k, float(k), "replacement"))
        # First order in 1 - beta2, which at beta1 = .9 has to be small against 1 - beta1 = .1 : 3 % seen at k = 10.
        tolerance = 0.08 * formula + 4.0 * root.standard_error
        parts.append(within(share, formula, tolerance, f"critical 1 - beta2 of Adam at k = {k}"))
    for k in (10, 50):
        x = grids[0]["x_final"].sel(k=float(k))
        mean, error = x.mean("seed").values, x.std("seed", ddof=1).values / math.sqrt(x.sizes["seed"])
        for beta2, at, spread in zip(BETA2, mean, error, strict=True):
            field = monte_carlo.vector_field(
                monte_carlo.linear(k, float(k)),
                BETA1,
                beta2,
                steps=100_000,
                lanes=128,
                entropy=2024,
            )
            # Where either the field or the mean of the run has no certain sign there is nothing to compare.
            if field.sign(5.0) != 0 and abs(at) > 5.0 * spread:
                parts.append(
                    at_least(
                        -at * field.sign(), 0.0, f"Adam moves against the field, k = {k}, beta2 = {beta2}"
                    )
                )
    parts.append(at_least(len(parts), 9.0 if tier == "quick" else 11.0, "comparisons with a certain sign"))
    return all_of(parts)


def _x2c(grids: Grids, tier: str) -> Evidence:
    adam, amsgrad, adopt = grids
    early = [0.1, 0.5, 0.9, 0.99]
    x, slow = (grid["x"].sel(k=50.0).isel(checkpoint=-1).sel(beta2=early) for grid in (adopt, amsgrad))
    ahead = slow - x  # same seeds
    error = ahead.std("seed", ddof=1) / math.sqrt(x.sizes["seed"])
    path = adopt["x"].sel(k=50.0).mean("seed")
    return all_of(
        [
            _in_corner(adam, +1.0, 50.0, early, "Adam"),
            at_least(
                float((ahead.mean("seed") - 5.0 * error).min(skipna=False)),
                0.0,
                f"ADOPT is left of AMSGrad at k = 50, beta2 in {early}, 5 standard errors",
            ),
            at_most(
                float(path.diff("checkpoint").isel(checkpoint=slice(1, None)).max(skipna=False)),
                0.0,
                "ADOPT moves left in every decade from 1e5 steps on, mean x, every beta2",
            ),
        ]
    )


def _x2d(grids: Grids, tier: str) -> Evidence:
    adam, amsgrad, adopt = grids
    x = adopt["x_final"].sel(k=50.0)
    if tier == "quick":
        return undecided(
            float(x.mean("seed").max()), "-1", "at k = 50 the way from 0 to -1 takes more than 3e6 steps"
        )
    return all_of(
        [
            # From 0 the drift of 1e7 steps is -1.8 or more and the noise .34 in standard deviation, so that a few of
            # 16 seeds are late; the excursions from the corner are lr_T k^2/2 = .04 on average.
            at_most(
                float(x.mean("seed").max(skipna=False)), -0.88, "ADOPT, k = 50: largest mean x over beta2"
            ),
            at_most(float(x.max(skipna=False)), -0.4, "ADOPT, k = 50: largest x over seeds and beta2"),
            # Adam at .9999 is slowed by the distance to its boundary: drift 1.1.
            at_most(
                float(adam["x_final"].sel(k=50.0, beta2=0.9999).mean("seed")),
                -0.7,
                "Adam, k = 50, beta2 = .9999: mean x",
            ),
            at_least(
                float(amsgrad["x_final"].sel(k=50.0, beta2=0.1).mean("seed")),
                -0.5,
                "AMSGrad, k = 50, beta2 = .1: mean x, still on its way",
            ),
        ]
    )


CLAIMS = [
    Claim(
        "taniguchi2024.X2a",
        "Toy problem, k = 10",
        "At k = 10 ADOPT and AMSGrad reach the minimiser -1 for every beta2; Adam does for beta2 >= .99 and goes to the "
        "maximiser +1 for beta2 <= .9.",
        "region",
        _x2a,
        (ADAM, AMSGRAD, ADOPT),
    ),
    Claim(
        "taniguchi2024.X2b",
        "Toy problem: beta2 must be chosen for the problem",
        "Adam's end is the one its vector field points to; the critical beta2 depends on k, "
        "1 - beta2* ~ 2/k^2 to first order up to the factor for beta1.",
        "tight",
        _x2b,
        (ADAM,),
    ),
    Claim(
        "taniguchi2024.X2c",
        "Toy problem, k = 50: order of the methods",
        "At k = 50 Adam goes to +1 for beta2 <= .99, while ADOPT moves left for every beta2 and faster than AMSGrad.",
        "order",
        _x2c,
        (ADAM, AMSGRAD, ADOPT),
    ),
    Claim(
        "taniguchi2024.X2d",
        "Toy problem, k = 50: limits",
        "At k = 50 ADOPT comes near -1 for every beta2; Adam needs beta2 = .9999, and AMSGrad with a small beta2 is "
        "still on its way after 1e7 steps.",
        "region",
        _x2d,
        (ADAM, AMSGRAD, ADOPT),
    ),
]

DEVIATIONS = [
    Deviation(
        "taniguchi2024",
        "Toy problem, settings",
        "As we recall it: f(x) = x on [-1, 1], gradient k^2 with probability 1/k and -k otherwise, k = 10 and 50, "
        "lr_t = .01/sqrt(1 + .01 t), beta1 = .9.",
        "These; the mean 1 is checked. Supplied here: x_0 = 0, beta2 from .1 to .9999, 1e7 steps, 16 seeds, Adam with "
        "bias correction and eps = 1e-8, AMSGrad as Reddi et al. print it.",
        ("taniguchi2024.X2a", "taniguchi2024.X2c"),
    ),
    Deviation(
        "taniguchi2024",
        "Toy problem, k = 50",
        "ADOPT converges for every beta2.",
        "The way to -1 takes about 3e6 steps: at 1e6 steps mean x is between -.85 and -.4. At beta2 = .999 Adam is just "
        "beyond its boundary (.9992) and has reached neither corner at 1e7 steps; that cell is not asserted.",
        ("taniguchi2024.X2c", "taniguchi2024.X2d"),
    ),
    Deviation(
        "taniguchi2024",
        "Algorithm",
        "The released code clips the normalised gradient at t^(1/4).",
        "Without clipping, Algorithm 2 as we recall it; the first step only sets v.",
        ("taniguchi2024.X2a",),
    ),
]

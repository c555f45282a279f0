"""Taniguchi et al., "ADOPT: Modified Adam can converge with any beta2 with the optimal rate"
(arXiv:2411.02853).

Checked: the toy problem, on which Adam needs a beta2 that depends on the problem, AMSGrad is slow where the
gradients are large, and ADOPT reaches the minimiser for every beta2.  Its gradients are k^2 with probability
1/k and -k otherwise, so that Adam with eps = 0 sees the ratio k : -1 of
`counterexamples.drift.monte_carlo.linear`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift import first_order_beta2, monte_carlo
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, undecided, within
from theory_sim.nouns.family import family

if TYPE_CHECKING:
    import xarray as xr

# The field is the same whatever the grid, and one process checks the claim on many grids.
drift, critical_beta2 = cache(monte_carlo.drift), cache(monte_carlo.critical_beta2)
BETA1 = 0.9
BETA2 = [0.1, 0.5, 0.9, 0.99, 0.999, 0.9999]


def _damped(t: int, decay: float) -> float:
    return 1.0 / math.sqrt(1.0 + decay * float(t))


@family
def toy(k: float) -> ts.Problem:
    """f(x) = x on [-1, 1] with gradient k^2 with probability 1/k, else -k; the mean is 1 for every k > 1."""
    base = reddi.stochastic(C=k * k, small=k, p=1.0 / k)
    return replace(base, name="taniguchi2024.toy", paper="taniguchi2024")


SCHEDULE = ts.Schedule("damped", _damped, {"decay": 0.01})
ADAM, AMSGRAD, ADOPT = SWEEPS = tuple(
    ts.Sweep(
        toy(10.0),
        optimizer,
        {"k": [10.0, 50.0], "beta2": BETA2},
        steps=10_000_000,
        seeds=16,
        x0=0.0,
        checkpoints=[10_000, 100_000, 1_000_000, 10_000_000],
        entropy=2024,
        name=f"taniguchi2024.{name}",
        quick={"steps": 1_000_000, "checkpoints": [10_000, 100_000, 1_000_000]},
    )
    for name, optimizer in (
        ("adam", ts.adam(lr=0.01, beta1=BETA1, schedule=SCHEDULE)),
        ("amsgrad", ts.amsgrad(lr=0.01, beta1=BETA1, schedule=SCHEDULE)),
        ("adopt", ts.adopt(lr=0.01, beta1=BETA1, schedule=SCHEDULE)),
    )
)

# Held by the box, an iterate makes excursions from its corner with exponential tails and mean size lr_T k^2/2
# or less (variance over twice the drift of the worst case, ADOPT with beta2 -> 0: .005 at k = 10, T = 1e6).
# The mean over seeds is asserted to .02; one of 16 seeds in .1 has a false alarm of exp(-20) at k = 10.
CORNER, EXCURSION = 0.02, 0.1


def _in_corner(grid: xr.Dataset, side: float, k: float, beta2: Sequence[float], what: str) -> Evidence:
    """Check that all cells end in the corner side = -1, the minimiser, or side = +1."""
    away = 1.0 - side * grid["x_final"].sel(k=k, beta2=list(beta2))
    where = f"{what}, k = {k:g}, beta2 in {list(beta2)}: distance from {side:+g}"
    mean = at_most(float(away.mean("seed").max(skipna=False)), CORNER, f"{where}, mean")
    return all_of([mean, at_most(float(away.max(skipna=False)), EXCURSION, f"{where}, any seed")])


@claim("taniguchi2024.X2a", "Toy problem, k = 10", "region", *SWEEPS, constants="recalled")
def adopt_converges_for_every_beta2(adam: xr.Dataset, amsgrad: xr.Dataset, adopt: xr.Dataset) -> Evidence:
    """At k = 10 ADOPT and AMSGrad reach the minimiser -1 for every beta2; Adam does for beta2 >= .99 and goes
    to the maximiser +1 for beta2 <= .9."""
    parts = [
        _in_corner(adam, +1.0, 10.0, [0.1, 0.5, 0.9], "Adam"),
        _in_corner(adam, -1.0, 10.0, [0.99, 0.999, 0.9999], "Adam"),
        _in_corner(amsgrad, -1.0, 10.0, BETA2, "AMSGrad"),
        _in_corner(adopt, -1.0, 10.0, BETA2, "ADOPT"),
    ]
    return all_of(parts)


@claim(
    "taniguchi2024.X2b",
    "Toy problem: beta2 must be chosen for the problem",
    "tight",
    ADAM,
    constants="recalled",
)
def adam_ends_where_its_field_points(grid: xr.Dataset, tier: str) -> Evidence:
    """Adam's end is the one its vector field points to; the critical beta2 depends on k, 1 - beta2* ~ 2/k^2
    to first order up to the factor for beta1."""
    run: dict[str, Any] = {"lanes": 128, "entropy": 2024}
    steps, brackets = 100_000, {10: (0.95, 0.985)}
    if tier == "full":
        # One unit of 1 - beta2 at k = 50 moves the field so little that its zero needs the long run.
        steps, brackets[50] = 1_000_000, (0.998, 0.9996)
    parts = []
    for k, bracket in brackets.items():
        case = BETA1, k, float(k), "replacement"
        root = critical_beta2(*case, bracket=bracket, steps=steps, **run)
        formula = 1.0 - float(first_order_beta2(*case))
        # First order in 1 - beta2, which at beta1 = .9 has to be small against 1 - beta1 = .1: 3 % seen at k
        # = 10.
        tolerance = 0.08 * formula + 4.0 * root.standard_error
        parts.append(within(1.0 - root.value, formula, tolerance, f"critical 1 - beta2 of Adam at k = {k}"))
    # The power of k, without momentum: noise of 2 and 3 % in the two roots.
    roots, formulas = [], []
    for k, bracket, steps in ((10, (0.95, 0.99), 30_000), (20, (0.985, 0.9985), 60_000)):
        case = 0.0, k, float(k), "replacement"
        roots.append(critical_beta2(*case, bracket=bracket, steps=steps, **run))
        formulas.append(1.0 - float(first_order_beta2(*case)))
    slope, formula = (math.log2(far / near) for near, far in ([1.0 - root.value for root in roots], formulas))
    scatter = math.hypot(*(root.standard_error / (1.0 - root.value) for root in roots)) / math.log(2.0)
    note = (
        f"exponent of 1 - beta2* in k from 10 to 20 at beta1 = 0, against that of the formula, {formula:.3f}"
    )
    parts.append(within(slope, formula, 4.0 * scatter, note))
    for k in (10, 50):
        x = grid["x_final"].sel(k=float(k))
        mean, error = x.mean("seed").values, x.std("seed", ddof=1).values / math.sqrt(x.sizes["seed"])
        for beta2, at, spread in zip(BETA2, mean, error, strict=True):
            field = drift(BETA1, beta2, k, float(k), "replacement", steps=100_000, **run)
            # Where either the field or the mean of the run has no certain sign there is nothing to compare.
            if field.sign(5.0) != 0 and abs(at) > 5.0 * spread:
                note = f"Adam moves against the field, k = {k}, beta2 = {beta2}"
                parts.append(at_least(-at * field.sign(), 0.0, note))
    parts.append(at_least(len(parts), 10.0 if tier == "quick" else 12.0, "comparisons with a certain sign"))
    return all_of(parts)


@claim(
    "taniguchi2024.X2c", "Toy problem, k = 50: order of the methods", "order", *SWEEPS, constants="recalled"
)
def adopt_is_faster_than_amsgrad(adam: xr.Dataset, amsgrad: xr.Dataset, adopt: xr.Dataset) -> Evidence:
    """At k = 50 Adam goes to +1 for beta2 <= .99, while ADOPT moves left for every beta2 and faster than
    AMSGrad."""
    early = [0.1, 0.5, 0.9, 0.99]
    x, slow = (grid["x"].sel(k=50.0).isel(checkpoint=-1).sel(beta2=early) for grid in (adopt, amsgrad))
    ahead = slow - x  # same seeds
    error = ahead.std("seed", ddof=1) / math.sqrt(x.sizes["seed"])
    least = float((ahead.mean("seed") - 5.0 * error).min(skipna=False))
    decades = adopt["x"].sel(k=50.0).mean("seed").diff("checkpoint").isel(checkpoint=slice(1, None))
    left = "ADOPT moves left in every decade from 1e5 steps on, mean x, every beta2"
    parts = [
        _in_corner(adam, +1.0, 50.0, early, "Adam"),
        at_least(least, 0.0, f"ADOPT is left of AMSGrad at k = 50, beta2 in {early}, 5 standard errors"),
        at_most(float(decades.max(skipna=False)), 0.0, left),
    ]
    return all_of(parts)


@claim("taniguchi2024.X2d", "Toy problem, k = 50: limits", "region", *SWEEPS, constants="recalled")
def adopt_comes_close(adam: xr.Dataset, amsgrad: xr.Dataset, adopt: xr.Dataset, tier: str) -> Evidence:
    """At k = 50 ADOPT comes near -1 for every beta2; Adam needs beta2 = .9999, and AMSGrad with a small beta2
    is still on its way after 1e7 steps."""
    x = adopt["x_final"].sel(k=50.0)
    if tier == "quick":
        note = "at k = 50 the way from 0 to -1 takes more than 3e6 steps"
        return undecided(float(x.mean("seed").max()), "-1", note)
    mean = float(x.mean("seed").max(skipna=False))
    needed = float(adam["x_final"].sel(k=50.0, beta2=0.9999).mean("seed"))
    late = float(amsgrad["x_final"].sel(k=50.0, beta2=0.1).mean("seed"))
    parts = [
        # From 0 the drift of 1e7 steps is -1.8 or more and the noise .34 in standard deviation, so that a few
        # of 16 seeds are late; the excursions from the corner are lr_T k^2/2 = .04 on average.
        at_most(mean, -0.88, "ADOPT, k = 50: largest mean x over beta2"),
        at_most(float(x.max(skipna=False)), -0.4, "ADOPT, k = 50: largest x over seeds and beta2"),
        # Adam at .9999 is slowed by the distance to its boundary: drift 1.1.
        at_most(needed, -0.7, "Adam, k = 50, beta2 = .9999: mean x"),
        at_least(late, -0.5, "AMSGrad, k = 50, beta2 = .1: mean x, still on its way"),
    ]
    return all_of(parts)


CLAIMS = [
    adopt_converges_for_every_beta2, adam_ends_where_its_field_points, adopt_is_faster_than_amsgrad,
    adopt_comes_close,
]  # fmt: skip

DEVIATIONS = ledger("taniguchi2024",
    ("Toy problem, settings",
     "As we recall it: f(x) = x on [-1, 1], gradient k^2 with probability 1/k and -k otherwise, k = 10 and "
     "50, lr_t = .01/sqrt(1 + .01 t), beta1 = .9.",
     "These; the mean 1 is checked. Supplied here: x_0 = 0, beta2 from .1 to .9999, 1e7 steps, 16 seeds, "
     "Adam with bias correction and eps = 1e-8, AMSGrad as Reddi et al. print it.", "X2a", "X2c"),
    ("Toy problem, k = 50", "ADOPT converges for every beta2.",
     "The way to -1 takes about 3e6 steps: at 1e6 steps mean x is between -.85 and -.4. At beta2 = .999 Adam "
     "is just beyond its boundary (.9992) and has reached neither corner at 1e7 steps; that cell is not "
     "asserted.", "X2c", "X2d"),
    ("Algorithm", "The released code clips the normalised gradient at t^(1/4).",
     "Without clipping, Algorithm 2 as we recall it; the first step only sets v.", "X2a"),
)  # fmt: skip

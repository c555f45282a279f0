"""Zhang, Li, Chen, Luo, Sun, "Adam Converges Without Any Modification on Update Rules" (2026,
arXiv:2603.02092).

The extended version of arXiv:2208.09632 (`paper_checks.zhang2022.claims`): sampling with replacement in place
of reshuffling, the role of the batch size, and a concentration lemma for the second moment v.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift import batch_problem, critical_beta2, first_order_beta2
from counterexamples.drift.monte_carlo import Estimate
from theory_sim.nouns.claim import Deviation, Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.family import family
from theory_sim.rules.language import total

if TYPE_CHECKING:
    import xarray as xr

_BATCH = "2603.02092, dependence of the boundary on the batch size"
_ORDERS = "reshuffling of 2208.09632 against sampling with replacement of 2603.02092"
_LEMMA = "2603.02092, concentration of v, as given in the thesis of Y. Zhang, section 2"


@claim("zhang2026.Z3", _BATCH, "exact", constants="derived")
def larger_batches_lower_the_boundary() -> Evidence:
    """A larger batch lowers beta2*: with N = 60 samples 1 - beta2* increases with every divisor B, and
    follows the first-order formula within 2 % up to B = 6; 4B/N^2 only as B/N -> 0."""
    parts = []
    problems = [batch_problem(60, B) for B in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20)]
    for beta1 in (0.0, 0.9):
        share = np.array([1.0 - critical_beta2(beta1, n, C)[-1] for n, C in problems])
        increase = f"N=60, beta1={beta1}: 1 - beta2* increases with B"
        parts.append(at_least(float(np.min(np.diff(share))), np.nextafter(0.0, 1.0), increase))
        formula = np.array([1.0 - first_order_beta2(beta1, n, C, "cyclic") for n, C in problems[:6]])
        error = float(np.max(np.abs(formula / share[:6] - 1.0)))
        parts.append(at_most(error, 0.02, f"beta1={beta1}: error of the first-order formula for B <= 6"))
    for N in (600, 6000):
        exact = 1.0 - critical_beta2(0.0, *batch_problem(N, 2))[-1]
        note = f"N={N}, B=2: error of 4B/N^2, which is (2B - 1)/N to first order"
        parts.append(at_most(abs(8.0 / N**2 / exact - 1.0), 4.0 / N, note))
    return all_of(parts)


def _slope_drawn(slope: float) -> float:
    return slope


@family
def batches(N: int, B: int) -> ts.Problem:
    """N linear samples, one of slope N and the others -1, in N/B batches of B; the measure is the slope
    drawn.

    `counterexamples.drift.batch_problem` has the parameters N and B; B = 1 gives C = n = N.
    """
    n, C = batch_problem(N, B)
    return ts.Problem(
        name="zhang2026.batches",
        gradient=reddi.periodic_gradient,
        constants={"C": C, "small": 1.0},
        components=n,
        reductions={"slope": total(reddi.periodic_gradient, over="workers")},
        measure=_slope_drawn,
        measures=("slope",),
        online=("slope",),
        paper="zhang2026",
    )


def _settled(steps: int, axes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Return a run of so many steps after the burn-in, over these axes and beta2."""
    # Six memories 1/(1 - beta2) at the largest beta2 of the boundary sweeps, a multiple of every n.
    burn_in = 60_000
    shares = np.geomspace(0.3, 1e-4, 29)
    checkpoints = (burn_in, burn_in + steps)
    return {"axes": {**axes, "beta2": 1.0 - shares}, "steps": burn_in + steps, "checkpoints": checkpoints}


BOUNDARY_N, BOUNDARY_B = (
    tuple(
        ts.Sweep(
            batches(60, 1),
            ts.adam(
                lr=1.0, beta1=0.0, beta2=0.9, eps=0.0
            ),  # bias correction only shortens the transient of v
            seeds=16,
            order=order,
            running=True,
            name=f"zhang2026.boundary_{name}_{order}",
            **_settled(300_000, full),
            quick=_settled(60_000, quick),
        )
        for order in ("reshuffled", "replacement")
    )
    for name, full, quick in (
        ("n", {"N": (5, 10, 20, 50, 100), "B": (1,)}, {"N": (5, 10, 20), "B": (1,)}),
        ("batch", {"N": (60,), "B": (1, 2, 3, 4, 6, 10, 12)}, {"N": (60,), "B": (3, 6, 10)}),
    )
)


def slope_excess(cell: xr.Dataset, N: int, B: int) -> Any:
    """Return the mean slope between the checkpoints less that of all components, shape (beta2, seed)."""
    n, C = batch_problem(N, B)
    stops = cell.checkpoint.values
    sums = cell.slope_mean.values * stops
    return (sums[..., 1] - sums[..., 0]) / (stops[1] - stops[0]) - (C - (n - 1)) / n


def critical_share(grid: xr.Dataset, N: int, B: int) -> Estimate:
    """Estimate 1 - beta2* (beta1 = 0) from a boundary grid.

    With replacement, most of the noise of the mean of g/sqrt(v) is that of the mean of g, whose expectation
    is known: it is the control variate.  A cubic through four neighbours gives the root.
    """
    cell = grid.sel(N=N, B=B)
    steps = int(cell.checkpoint[1] - cell.checkpoint[0])
    field = -cell.x.diff("checkpoint").values[..., 0] / steps
    if grid.attrs["order"] == "replacement":
        excess = slope_excess(cell, N, B)
        centred = excess - excess.mean(axis=-1, keepdims=True)
        gain = (field * centred).sum(axis=-1) / (centred**2).sum(axis=-1)
        field = field - gain[:, None] * excess
    mean, share = field.mean(axis=-1), np.log1p(-cell.beta2.values)
    first = int(np.argmax(mean > 0.0))
    near = slice(first - 2, first + 2)
    if first < 2 or len(mean[near]) < 4 or np.any(mean[:first] > 0.0) or np.any(mean[first:] <= 0.0):
        return Estimate(math.nan, math.nan)
    root = math.exp(np.polyval(np.polyfit(mean[near], share[near], 3), 0.0))
    error = field[first].std(ddof=1) / math.sqrt(field.shape[-1])
    steepness = abs((mean[first] - mean[first - 1]) / (share[first] - share[first - 1]))
    return Estimate(root, root * error / steepness)


@claim("zhang2026.Z7", _ORDERS, "tight", *BOUNDARY_N, constants="derived")
def replacement_halves_the_tolerance(reshuffled: xr.Dataset, replacement: xr.Dataset, tier: str) -> Evidence:
    """To first order in 1/n, sampling with replacement tolerates half the 1 - beta2 of reshuffling (C = n,
    beta1 = 0)."""
    parts = []
    for N in (20, 50) if tier == "full" else (20,):
        share, half = critical_share(reshuffled, N, 1), critical_share(replacement, N, 1)
        ratio = share.value / half.value
        error = ratio * half.standard_error / half.value
        parts.append(within(ratio, 2.0, 0.15, f"n={N}: standard error {error:.3f}"))
        parts.append(at_most(5.0 * error, 0.15, f"n={N}: false alarms below 1e-6: five standard errors fit"))
        # The control variate takes what a biased sampler does away, so it is asked itself; all beta2 see the same draws.
        cell = replacement.sel(N=N, B=1)
        draws = (cell.sizes["seed"] * int(cell.checkpoint[1] - cell.checkpoint[0])) / (N - 1)
        drawn = float(slope_excess(cell, N, 1)[0].mean()) / ((N + 1) / N)  # of standard deviation draws^-1/2
        parts.append(
            at_most(abs(drawn) * math.sqrt(draws), 5.0, f"n={N}: excess of large slopes, standard errors")
        )
    return all_of(parts)


_N, _BETA2, _DELTA = 10, 0.9999, 1.0 / 40.0  # delta = 1/(4n)


def concentration(n: int, beta2: float, delta: float) -> tuple[float, float, float]:
    """Return C_lo, C_up and the bound on the chance to leave [C_lo, C_up] (thesis of Y. Zhang, section 2)."""
    spread = (1.0 - beta2) * 4.0 * n / ((1.0 - 2.0 * n * delta) * beta2**n)
    exponent = delta**2 / ((1.0 - beta2) * (28.0 / (3.0 * n) + 8.0 * delta / 3.0))
    return 1.0 - spread, (1.0 - 2.0 * spread) ** -0.5, n * math.exp(-exponent)


def _ratio(g: float, beta2: float, square: float, conditional: float, v: float) -> tuple[float, float]:
    """x = sqrt(E v_t / v_t), E given the past if conditional is 1 and stationary if 0; it moves nothing."""
    memory = beta2 * conditional
    expected = memory * v + (1.0 - memory) * square
    v = beta2 * v + (1.0 - beta2) * g * g
    return math.sqrt(expected / v), v


def _ratio_and_outside(x: float, low: float, high: float) -> tuple[float, float]:
    return x, 0.0 if low <= x <= high else 1.0


_LOW, _HIGH, _CHANCE = concentration(_N, _BETA2, _DELTA)
_SQUARE = (_N * _N + _N - 1) / _N
CONCENTRATION = ts.Sweep(
    ts.Problem(
        name="zhang2026.concentration",
        gradient=reddi.periodic_gradient,
        constants={"C": float(_N), "small": 1.0, "low": _LOW, "high": _HIGH},
        components=_N,
        measure=_ratio_and_outside,
        measures=("ratio", "outside"),
        start=1.0,
        paper="zhang2026",
    ),
    ts.Optimizer(
        name="second moment",
        step=_ratio,
        hyper={"beta2": _BETA2, "square": _SQUARE, "conditional": 1.0},
        rows=("v",),
        initial={"v": _SQUARE},
        paper="zhang2026",
    ),
    {"conditional": (0.0, 1.0)},
    steps=2_000_000,
    seeds=8,
    order="replacement",
    running=True,
    name="zhang2026.concentration",
    quick={"steps": 200_000},
)


@claim("zhang2026.Z10", _LEMMA, "tight", CONCENTRATION, constants="read")
def the_second_moment_concentrates(grid: xr.Dataset) -> Evidence:
    """With replacement, 1/sqrt(v_k) stays within [C_lo, C_up]/sqrt(E_k v_k), E_k given the steps before k (n = 10,
    beta2 = 0.9999, delta = 1/40), as one step changes it by (1-beta2) g^2/(2 v) only; with the stationary mean in place of E_k it
    is outside on the share of steps that the normal law with the variance of v has there."""
    past = grid.sel(conditional=1.0)
    low, high = float(past.ratio_min.min()), float(past.ratio_max.max())
    share = grid.outside_mean.sel(conditional=0.0).values
    # Var v = (1-beta2)/(1+beta2) Var g^2 with g^2 = n^2 with probability 1/n, else 1.
    spread = math.sqrt((1.0 - _BETA2) / (1.0 + _BETA2) * (_N**2 - 1) ** 2 * (_N - 1) / _N**2) / _SQUARE
    normal = NormalDist(1.0, spread)
    outside = 1.0 - normal.cdf(_LOW**-2) + normal.cdf(_HIGH**-2)
    # The runs start at the mean: the variance lacks a share exp(-2 (1 - beta2) t), on average over the run at most this.
    start = 0.5 / ((1.0 - _BETA2) * int(grid.attrs["steps"]))
    error = float(share.std(ddof=1)) / math.sqrt(share.size)
    # A step from v changes sqrt(E v/v) from 1 by (1-beta2) (g^2 - E g^2)/(2 v), g^2 = n^2 or 1; v stays within six
    # standard deviations of its mean.
    down, up = (0.5 * (1.0 - _BETA2) * abs(square - _SQUARE) / _SQUARE for square in (_N**2, 1.0))
    noise = f"share of steps outside around the stationary mean; the lemma allows {_CHANCE:.4f}"
    return all_of(
        [
            at_most((1.0 - low) / (1.0 - _LOW), 1.0, "1 - smallest sqrt(E_k v / v), over that of the window"),
            at_most((high - 1.0) / (_HIGH - 1.0), 1.0, "largest - 1, over that of the window"),
            within(
                (1.0 - low) / down,
                1.0,
                6.0 * spread / (1.0 - 6.0 * spread),
                "1 - smallest, over that of a step",
            ),
            within(
                (high - 1.0) / up,
                1.0,
                6.0 * spread / (1.0 - 6.0 * spread),
                "largest - 1, over that of a step",
            ),
            within(float(share.mean()), outside, 4.0 * error + outside * start, noise),
            at_least(float(share.mean()), _CHANCE, "the lemma does not hold around the stationary mean"),
        ]
    )


CLAIMS = [larger_batches_lower_the_boundary, replacement_halves_the_tolerance, the_second_moment_concentrates]

DEVIATIONS = ledger("zhang2026",
    ("2603.02092, after eq. 2.5", "With a = 1/(n-1)^2 the affine-variance constant is D1 = 2 n^2.",
     "D1 = n^2 ((n/(n-1))^2 + (n-1)^-3), below 2 n^2 for n >= 4 but 2.375 n^2 at n = 3."),
    (_BATCH, "beta2* falls as the batch grows; we know of no law stated for the piecewise function.",
     "1 - beta2* = 4B/N^2 at beta1 = 0 holds only for B much smaller than N: at N = 60 it is 2 % off at B = "
     "1, 18 % at B = 6 and 64 % at B = 20, where the first-order formula in n_B = N/B, C_B = (N-B+1)/B is 3 "
     "% off.", "Z3"),
    (_ORDERS, "The tolerance with replacement is measured by runs.",
     "The slopes drawn serve as control variate, which would also take away what a biased sampler does; the "
     "mean of the slopes is therefore compared with its expectation in a part of its own.", "Z7"),
    (_LEMMA, "C_lo/sqrt(E_k v) <= 1/sqrt(v_k) <= C_up/sqrt(E_k v), E_k conditional on the past.",
     "Read as the past before step k: one step changes v by (1 - beta2)(g^2 - v), so the window is never "
     "left. Around its stationary mean v has variance (1 - beta2)/2 Var(g^2), and the window is left on a "
     "large share of the steps, more than the lemma's probability allows.", "Z10"),
)  # fmt: skip
DEVIATIONS += [  # names a claim of the earlier version as well
    Deviation("zhang2026", "convergence theorems of both versions",
     "beta2 >= 1 - O((1 - beta1^n)/n^5) is enough; as we recall it, 1 - O((1 - beta1^n)/(n^2 rho)) in "
     "2208.09632.",
     "For a = 1 and beta1 = 0 the boundary is 1 - beta2* = 4/n^2 to first order in cyclic order and "
     "reshuffled, and 2/n^2 with replacement. The constants are hidden, so only the distance of the "
     "exponents is shown.", ("zhang2022.Z2", "zhang2026.Z7")),
]  # fmt: skip

"""Wang et al., "On the Convergence of Adam under Non-uniform Smoothness: Separability from SGDM and Beyond".

arXiv:2403.15146, deterministic part: how many steps gradient descent, its momentum version and AdamNorm need on
F(x, y) = E(x) + S(y) of `counterexamples.generalized_smooth` as the gap Delta, the target eps and the initial gradient
grow.  Gradient descent is judged by its first hit of ||grad F|| <= eps at its best step, AdamNorm by the average of the
gradient norm at a prescribed step.  The initial gradient alone and decreasing steps are in
`paper_checks.wang2024separability_variations`, the stochastic part in `paper_checks.wang2024separability_stochastic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.generalized_smooth import hard_function
from theory_sim.claim import Claim, Deviation, Evidence, all_of, at_least, at_most, within
from theory_sim.optimizers.clipped import adam_norm, clipped_gd, normalized_gd
from theory_sim.optimizers.momentum import gd, sgdm
from theory_sim.rates import exponent_within, theil_sen
from theory_sim.sweep import Sweep
from theory_sim.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr

Grids = Sequence["xr.Dataset"]
Array = np.ndarray[Any, np.dtype[np.float64]]

EPS = 0.1
TARGETS = (0.4, 0.2, 0.1, 0.05, 0.025)
GAPS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


def fact(name: str, delta: float, eps: float = EPS) -> float:
    """Return a fact of F with L0 = L1 = 1."""
    return hard_function(eps=eps, delta=delta).facts[name]


def around(deltas: Sequence[float], fractions: Sequence[float], eps: float = EPS) -> Array:
    """Return the steps fraction * 2 x0/M of every gap, increasing: one axis serves all gaps."""
    return np.sort([fact("critical_lr", delta, eps) * f for delta in deltas for f in fractions])


def steps_to_eps(hits: xr.DataArray) -> xr.DataArray:
    """Return the number of updates as floats, NaN where eps was not reached, without the seed."""
    counts = hits.isel(seed=0)
    return counts.where(counts > 0).astype(float)


def tuned(hits: xr.DataArray) -> tuple[xr.DataArray, int]:
    """Return the fewest updates over the step sizes, and how many winners lie on an end of that grid."""
    counts = steps_to_eps(hits)
    best = counts.min("lr")
    return best, int((counts.isel(lr=[0, -1]) == best).any("lr").sum())


def violations(count: float, note: str) -> list[Evidence]:
    """Return a failing part if something happened that must not, and nothing otherwise."""
    return [] if count == 0 else [at_most(count, 0, note)]


def exponent(x: Any, steps: Any, low: float, high: float, note: str, on_edge: int = 0) -> list[Evidence]:
    """Judge the Theil-Sen exponent of the fewest updates, once every one is known and inside its grid."""
    values = np.asarray(steps, dtype=float)
    parts = violations(on_edge, f"{note}: best steps on an end of their grid")
    parts += violations(float(np.sum(~np.isfinite(values))), f"{note}: cells in which no run reaches eps")
    return parts or [exponent_within(theil_sen(x, values), low, high, note)]


# Constant steps of gradient descent, with and without momentum.

EDGE_OFFSET = 1e-9
EDGE = Sweep(
    hard_function(),
    gd(),
    axes={
        "delta": (*GAPS, 2048.0),
        "lr": around((*GAPS, 2048.0), (1.0 - EDGE_OFFSET, 1.0 + EDGE_OFFSET)),
    },
    steps=2_000,
    name="wang2024separability.edge",
)

GD = Sweep(
    hard_function(),
    gd(),
    axes={"delta": GAPS, "lr": around(GAPS, (0.5, 0.9, 0.999, 1.05))},
    steps=460_000,
    first_hit=EPS,
    name="wang2024separability.gd",
    quick={
        "axes": {"delta": GAPS[:5], "lr": around(GAPS[:5], (0.5, 0.9, 0.999, 1.05))},
        "steps": 36_000,
    },
)


def near_threshold(grid: xr.Dataset) -> xr.DataArray:
    """Return the updates that GD needs at .999 of its threshold, for every gap."""
    lr = [0.999 * fact("critical_lr", delta) for delta in grid.delta.values.tolist()]
    index = [int(np.argmin(np.abs(grid.lr.values - value))) for value in lr]
    return steps_to_eps(grid.first_hit).isel(lr=("delta", index))


def _h1(grids: Grids, tier: str) -> Evidence:
    grid = grids[0]
    limits = [fact("critical_lr", delta) for delta in grid.delta.values.tolist()]
    above = grid.lr.values > np.array(limits)[:, None]
    expected = np.where(above, Verdict.DIVERGED.value, Verdict.CONVERGED.value)
    agree = float(np.mean(grid.verdict.values[..., 0] == expected))
    note = (
        f"share of {above.size} (Delta, lr) cells, among them (1 -+ {EDGE_OFFSET:g}) 2 x0/M for every Delta"
    )
    return at_least(agree, 1.0, note)


def _h2(grids: Grids, tier: str) -> Evidence:
    grid = grids[0]
    bound = [fact("lower_bound", delta) for delta in grid.delta.values.tolist()]
    every = steps_to_eps(grid.first_hit).values / np.array(bound)[:, None]
    reached = np.isfinite(every)
    least = float(np.min(every, where=reached, initial=np.inf))
    tight = near_threshold(grid).values / bound
    large = grid.delta.values >= 64.0
    return all_of(
        [
            at_least(least, 1.0, f"least N/bound of {int(reached.sum())} runs that reach eps, {every.size} in all"),
            within(float(tight[large].max()), 1.0, 0.01, "largest N/bound at .999 of the threshold, Delta >= 64"),
        ]
    )  # fmt: skip


def _h3(grids: Grids, tier: str) -> Evidence:
    delta = float(grids[0].delta[-1])
    x0 = 0.5 * fact("critical_lr", delta) * fact("M", delta)
    scaled = float(near_threshold(grids[0])[-1]) * 2.0 * x0 / delta**2
    limit = 1.0 / (16.0 * EPS**2)
    return within(scaled, limit, 0.01 * limit, f"N 2 x0/Delta^2 at Delta = {delta:g}")


def _h4(grids: Grids, tier: str) -> Evidence:
    window = grids[0].sel(delta=slice(32.0, None))
    steps, edge = tuned(window.first_hit)
    delta = window.delta.values
    closed = theil_sen(delta, [fact("lower_bound", d) for d in delta.tolist()])
    logs = np.array([fact("critical_lr", d) * fact("M", d) for d in delta.tolist()])
    note = "the lower bound's own exponent on this window"
    parts = exponent(delta, steps * logs, 1.95, 2.05, "N x0, the logarithm divided out", edge)
    # .03: N/bound falls from 1.004 to 1.001 over the window, which is -.001 in the exponent.
    parts += exponent(delta, steps, closed.low - 0.03, closed.high + 0.03, f"best N, {note} {closed}")
    if tier == "full":
        parts += exponent(delta, steps, 1.75, 2.05, "best N")
    return all_of(parts)


# m = beta m + g and x -= lr m: with lr = (1 - beta) times the step of the EMA form the two are the same method.
# A step first becomes unstable near .69 (beta = .5) and .3 (beta = .9) of 2 x0/M; islands of stable steps follow,
# the last of them near 1.
_MOMENTA = (0.5, 0.9)
_SHARES = (*np.arange(0.24, 0.355, 0.01), *np.arange(0.6, 0.75, 0.02), 0.9, 0.97, 1.0, 1.03, 1.1, 2.0, 4.0)
_WINDOW = (256.0, 512.0, 1024.0, 2048.0)
MOMENTUM = Sweep(
    hard_function(),
    sgdm(convention="heavy_ball"),
    axes={"momentum": _MOMENTA, "delta": _WINDOW, "lr": around(_WINDOW, _SHARES)},
    steps=1_250_000,
    first_hit=EPS,
    name="wang2024separability.momentum",
    quick={
        "axes": {"momentum": _MOMENTA, "delta": GAPS[3:6], "lr": around(GAPS[3:6], _SHARES)},
        "steps": 95_000,
    },
)


def stable_interval(grid: xr.Dataset) -> xr.DataArray:
    """Return which steps lie below the smallest diverging step of their (momentum, Delta)."""
    below: xr.DataArray = (grid.verdict.isel(seed=0) != Verdict.DIVERGED.value).cumprod("lr") > 0
    return below


def _h5a(grids: Grids, tier: str) -> Evidence:
    grid = grids[0]
    deltas = grid.delta.values.tolist()
    bound = np.array([fact("lower_bound", d) for d in deltas])[:, None]
    limit = np.array([fact("critical_lr", d) for d in deltas])[:, None]
    share = (1.0 - grid.momentum.values)[:, None, None]
    counts = steps_to_eps(grid.first_hit).transpose("momentum", "delta", "lr").values
    reached = np.isfinite(counts)
    far = np.broadcast_to(grid.lr.values > 1.1 * limit, counts.shape)
    diverged = grid.verdict.isel(seed=0).transpose("momentum", "delta", "lr").values == Verdict.DIVERGED.value
    # One update moves y by at most 2 eps lr/(1 - beta).
    travel = counts * grid.lr.values / (share * bound * limit)
    note = (
        f"N over (y-distance)(1-beta)/(2 eps lr), least of {int(reached.sum())} runs that reach eps; all {int(far.sum())} runs "
        "with lr > 1.1 * 2 x0/M diverge"
    )
    return all_of(
        [
            at_least(float(np.min(travel, where=reached, initial=np.inf)), 1.0, note),
            *violations(int(np.sum(~diverged & far)), "runs with lr > 1.1 * 2 x0/M that do not diverge"),
            *violations(int(np.sum(~reached.any(axis=-1))), "(beta, Delta) without a run that reaches eps"),
        ]
    )


def _h5b(grids: Grids, tier: str) -> Evidence:
    grid = grids[0]
    steps, edge = tuned(grid.first_hit.where(stable_interval(grid), -1))
    parts: list[Evidence] = []
    for beta in _MOMENTA:
        name = f"momentum {beta}, best N below the first diverging step"
        parts += exponent(grid.delta.values, steps.sel(momentum=beta), 1.75, 2.1, name, edge)
    return all_of(parts)


def _h5c(grids: Grids, tier: str) -> Evidence:
    steps, edge = tuned(grids[0].first_hit)
    parts: list[Evidence] = []
    for beta in _MOMENTA:
        name = f"momentum {beta}, best N over all steps, islands included"
        parts += exponent(grids[0].delta.values, steps.sel(momentum=beta), 1.75, 2.1, name, edge)
    return all_of(parts)


_BETAS = (0.0, 0.9, 0.97, 0.99, 0.995, 0.997, 0.999, 0.9995, 0.9998, 0.9999)
JOINT = Sweep(
    hard_function(),
    sgdm(convention="ema"),
    axes={
        "momentum": _BETAS,
        "delta": (64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0),
        "lr": np.geomspace(0.002, 60.0, 96),
    },
    steps=24_000,
    first_hit=EPS,
    name="wang2024separability.joint",
    quick={
        "axes": {
            "momentum": _BETAS,
            "delta": (64.0, 128.0, 256.0, 512.0),
            "lr": np.geomspace(0.01, 60.0, 32),
        },
        "steps": 6_000,
    },
)


def _h6(grids: Grids, tier: str) -> Evidence:
    steps, edge = tuned(grids[0].first_hit)
    best = steps.min("momentum")
    winners = steps.momentum.values[steps.fillna(np.inf).argmin("momentum").values]
    flag = ", the last at the end of its grid" if winners.max() == _BETAS[-1] else ""
    note = f"best N over (lr, beta), best beta {', '.join(f'{beta:g}' for beta in winners)}{flag}"
    return all_of(exponent(grids[0].delta.values, best, -math.inf, 1.5, note, edge))


# AdamNorm and other normalised methods at a prescribed step.


def _prescribed(name: str, deltas: Sequence[float], eps: float, L0: float = 1.0, L1: float = 1.0) -> Sweep:
    few = tuple(deltas[:5])
    return Sweep(
        hard_function(L0=L0, L1=L1, eps=eps, delta=deltas[0]),
        adam_norm(),
        axes={
            "delta": tuple(deltas),
            "lr": (0.5 * eps / L0, eps / L0),
            "beta1": (0.0, 0.9),
            "beta2": (0.9, 0.99),
        },
        steps=math.ceil(2.7 * L0 * max(deltas) / eps**2),
        first_hit=eps,
        name=f"wang2024separability.{name}",
        quick={
            "axes": {
                "delta": few,
                "lr": (0.5 * eps / L0, eps / L0),
                "beta1": (0.0, 0.9),
                "beta2": (0.9, 0.99),
            },
            "steps": math.ceil(2.7 * L0 * max(few) / eps**2),
        },
    )


ADAM_NORM = {eps: _prescribed(f"adam_norm_{eps:g}", GAPS if eps == EPS else (64.0,), eps) for eps in TARGETS}
OTHER_CONSTANTS = (
    _prescribed("adam_norm_2_half", (64.0, 256.0), 0.05, L0=2.0, L1=0.5),
    _prescribed("adam_norm_4_fifth", (256.0,), 0.1, L0=4.0, L1=0.2),
)
SMALL_TARGETS = (ADAM_NORM[0.1], ADAM_NORM[0.05], ADAM_NORM[0.025], *OTHER_CONSTANTS)

NORMALIZED = Sweep(
    hard_function(),
    normalized_gd(lr=0.5 * EPS),
    axes={"delta": GAPS},
    steps=280_000,
    first_hit=EPS,
    name="wang2024separability.normalized",
    quick={"axes": {"delta": GAPS[:5]}, "steps": 70_000},
)
CLIPPED = Sweep(
    hard_function(),
    clipped_gd(
        lr=0.1, threshold=1.0
    ),  # Zhang et al. 2020, Theorem 3: eta_c = 1/(10 L0), gamma = 1/(10 L1 eta_c)
    axes={"delta": GAPS},
    steps=140_000,
    first_hit=EPS,
    name="wang2024separability.clipped",
    quick={"axes": {"delta": GAPS[:5]}, "steps": 40_000},
)


def scaled_steps(sweep: Sweep, grid: xr.Dataset, share: float, beta1: float, beta2: float) -> Array:
    """Return N eps^2/(L0 Delta) of AdamNorm by the average criterion at lr = share eps/L0, for every gap."""
    eps, L0 = sweep.problem.facts["target"], sweep.problem.facts["L0"]
    cell = grid.sel(beta1=beta1, beta2=beta2).sel(lr=share * eps / L0, method="nearest")
    return np.asarray(steps_to_eps(cell.first_hit_mean).values * eps**2 / (L0 * grid.delta.values))


def _ratio(grids: Grids, share: float, beta1: float, beta2: float, middle: float, half: float) -> Evidence:
    large = [grid.sel(delta=slice(64.0, None)) for grid in grids]
    runs = zip(SMALL_TARGETS, large, strict=True)
    values = np.concatenate([scaled_steps(sweep, grid, share, beta1, beta2) for sweep, grid in runs])
    note = f"N eps^2/(L0 Delta) on {values.size} instances, {values.min():.3f} to {values.max():.3f}"
    return all_of([within(float(value), middle, half, note) for value in values])


def _h7(grids: Grids, tier: str) -> Evidence:
    return _ratio(grids, 1.0, 0.9, 0.99, 1.04, 0.11)


def _h8(grids: Grids, tier: str) -> Evidence:
    return _ratio(grids, 0.5, 0.0, 0.9, 2.5, 0.1)


# What is claimed, and where the text and the computation part.

_GDM = "2403.15146, lower bound for GD with momentum"
_NORM = "2403.15146, upper bound for deterministic AdamNorm"

CLAIMS = [
    Claim(
        "wang2024separability.H1",
        _GDM,
        "On E + S gradient descent converges below the step 2 x0/M and diverges above it, M = E'(x0) the initial "
        "gradient, for Delta = 16 ... 2048 and steps that differ from the threshold by one part in 1e9.",
        "exact",
        _h1,
        (EDGE,),
    ),
    Claim(
        "wang2024separability.H2",
        _GDM,
        "No constant step of gradient descent reaches eps in fewer updates than the lower bound "
        "(Delta/2 - 15 eps^2/(4 L0)) M/(8 eps^2 x0), and the step .999 * 2 x0/M meets it within 1 %.",
        "tight",
        _h2,
        (GD,),
    ),
    Claim(
        "wang2024separability.H3",
        _GDM,
        "N 2 x0/Delta^2 tends to 1/(16 eps^2), L0 = L1 = 1: the number of updates is quadratic in the gap up to the "
        "logarithm in x0.",
        "tight",
        _h3,
        (GD,),
    ),
    Claim(
        "wang2024separability.H4",
        _GDM,
        "At its best step gradient descent needs Delta^1.75 ... Delta^2.05 updates, with the exponent of the lower bound "
        "on the same window, and Delta^2 once the logarithm is divided out.",
        "rate",
        _h4,
        (GD,),
    ),
    Claim(
        "wang2024separability.H5a",
        _GDM,
        "With a fixed momentum beta = .5 or .9 no run beats 1 - beta times the bound of gradient descent scaled by its "
        "own step, and no step (first step length) above 1.1 * 2 x0/M converges.",
        "lower",
        _h5a,
        (MOMENTUM,),
    ),
    Claim(
        "wang2024separability.H5b",
        _GDM,
        "With a fixed momentum and the best step of the stable interval the number of updates is quadratic in Delta up "
        "to the logarithm.",
        "rate",
        _h5b,
        (MOMENTUM,),
    ),
    Claim(
        "wang2024separability.H5c",
        _GDM,
        "The same with the best of all steps, isolated stable ones beyond the first diverging step included.",
        "rate",
        _h5c,
        (MOMENTUM,),
    ),
    Claim(
        "wang2024separability.H6",
        _GDM,
        "On E + S the quadratic law is not one for every momentum: with step and momentum tuned together for each Delta "
        "the exponent is below 1.5.",
        "rate",
        _h6,
        (JOINT,),
    ),
    Claim(
        "wang2024separability.H7",
        _NORM,
        "AdamNorm(.9, .99) at the prescribed step eps/L0 brings the average gradient norm to eps in .93 ... 1.15 times "
        "L0 Delta/eps^2 updates, whatever L1, for L1 eps/L0 <= .1 and Delta >= 64.",
        "tight",
        _h7,
        SMALL_TARGETS,
    ),
    Claim(
        "wang2024separability.H8",
        _NORM,
        "AdamNorm(0, .9) at the step eps/(2 L0) does so in 2.4 ... 2.6 times L0 Delta/eps^2 updates.",
        "tight",
        _h8,
        SMALL_TARGETS,
    ),
]

DEVIATIONS = [
    Deviation(
        "wang2024separability",
        "2403.15146, full text",
        "Theorems for AdamNorm, GD and SGD with momentum; no experiment is known to us.",
        "The statements are taken from the abstract and from public reviews. All numbers here belong to E + S with "
        "explicit constants; bands for exponents were chosen after first runs and describe these instances.",
    ),
    Deviation(
        "wang2024separability",
        _GDM,
        "The problem is fixed first, then any step and any momentum need order (L1^2 Delta^2 + L0 Delta)/eps^2 updates up "
        "to logarithms; instances for different hyperparameters sit in different coordinates.",
        "Two coordinates, E + S. They show the law for every step and each fixed momentum, not for a momentum that "
        "depends on Delta: tuned together the exponent is about 1.1. The step is that of m = beta m + g, 1 - beta times "
        "that of the averaged form.",
        ("wang2024separability.H5a", "wang2024separability.H5b", "wang2024separability.H6"),
    ),
    Deviation(
        "wang2024separability",
        _GDM,
        "The number of updates of the best step.",
        "For beta > 0 the stable steps are no interval: after the first diverging step islands of stable steps follow, "
        "up to about 2 x0/M. The best step over a finite grid may or may not hit one, so its exponent is jagged and for "
        "beta = .9 stays undecided; within the stable interval it is 1.86.",
        ("wang2024separability.H5b", "wang2024separability.H5c"),
    ),
    Deviation(
        "wang2024separability",
        _NORM,
        "Average gradient norm <= eps after order L0 Delta/eps^2 updates, for suitable step and small eps.",
        "The step eps/L0 is ours. No bias correction and v_0 = 0: the large first gradients stay in v for about "
        "2 ln(M)/(1 - beta2) updates, so beta2 <= .99 here. For L1 eps/L0 near 1 the ratio rises: 2.15 at eps = .4, "
        "Delta = 64.",
        ("wang2024separability.H7", "wang2024separability.H8"),
    ),
]

"""Wang et al., "On the Convergence of Adam under Non-uniform Smoothness: Separability from SGDM and Beyond".

arXiv:2403.15146, deterministic part: how many steps gradient descent, its momentum version and AdamNorm need
on F(x, y) = E(x) + S(y) of `counterexamples.generalized_smooth` as the gap Delta, the target eps and the
initial gradient grow.  Gradient descent is judged by its first hit of ||grad F|| <= eps at its best step,
AdamNorm by the average of the gradient norm at a prescribed step.  The initial gradient alone and decreasing
steps are in `paper_checks.wang2024separability.variations`, the stochastic part in
`paper_checks.wang2024separability.stochastic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.generalized_smooth import hard_function
from theory_sim.evidence.rates import exponent_within, theil_sen
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.clipped import adam_norm, clipped_gd, normalized_gd
from theory_sim.optimizers.momentum import gd, sgdm

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

EPS = 0.1
TARGETS = (0.4, 0.2, 0.1, 0.05, 0.025)
GAPS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
_FEW = GAPS[:5]
_GDM = "2403.15146, lower bound for GD with momentum"
_NORM = "2403.15146, upper bound for deterministic AdamNorm"


def fact(name: str, delta: float, eps: float = EPS) -> float:
    """Return a fact of F with L0 = L1 = 1."""
    return hard_function(eps=eps, delta=delta).facts[name]


def _facts(name: str, grid: xr.Dataset) -> Array:
    return np.array([fact(name, delta) for delta in grid.delta.values.tolist()])


def around(deltas: Sequence[float], fractions: Sequence[float], eps: float = EPS) -> Array:
    """Return the steps fraction * 2 x0/M of every gap, increasing: one axis serves all gaps."""
    return np.sort([fact("critical_lr", delta, eps) * f for delta in deltas for f in fractions])


def steps_to_eps(hits: xr.DataArray) -> xr.DataArray:
    """Return the number of updates as floats, NaN where eps was not reached, without the seed."""
    counts = hits.isel(seed=0)
    return counts.where(counts > 0).astype(float)


def tuned(hits: xr.DataArray) -> tuple[xr.DataArray, int]:
    """Return the fewest updates over the steps, and in how many cases an end of the grid of steps is best."""
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


def to_eps(name: str, problem: Problem, optimizer: Optimizer, axes: Any, steps: int, **fields: Any) -> Sweep:
    """Return a sweep that counts the updates until the gradient norm is the eps of the problem."""
    fields |= {"first_hit": problem.facts["target"], "name": f"wang2024separability.{name}"}
    return Sweep(problem, optimizer, axes, steps, **fields)


# Constant steps of gradient descent, with and without momentum.

EDGE_OFFSET = 1e-9
_EDGE_GAPS = (*GAPS, 2048.0)
_EDGE: dict[str, Any] = {
    "delta": _EDGE_GAPS,
    "lr": around(_EDGE_GAPS, (1.0 - EDGE_OFFSET, 1.0 + EDGE_OFFSET)),
}
EDGE = Sweep(hard_function(), gd(), _EDGE, steps=2_000, name="wang2024separability.edge")


def _steps(deltas: Sequence[float]) -> dict[str, Any]:
    return {"delta": deltas, "lr": around(deltas, (0.5, 0.9, 0.999, 1.05))}


_GD_QUICK = {"axes": _steps(_FEW), "steps": 36_000}
GD = to_eps("gd", hard_function(), gd(), _steps(GAPS), 460_000, quick=_GD_QUICK)


def near_threshold(grid: xr.Dataset) -> xr.DataArray:
    """Return the updates that GD needs at .999 of its threshold, for every gap."""
    index = [int(np.argmin(np.abs(grid.lr.values - 0.999 * limit))) for limit in _facts("critical_lr", grid)]
    return steps_to_eps(grid.first_hit).isel(lr=("delta", index))


@claim("wang2024separability.H1", _GDM, "exact", EDGE, constants="derived")
def gd_diverges_above_the_threshold_alone(grid: xr.Dataset) -> Evidence:
    """On E + S gradient descent converges below the step 2 x0/M and diverges above it, M = E'(x0) the initial
    gradient, for Delta = 16 ... 2048 and steps that differ from the threshold by one part in 1e9."""
    above = grid.lr.values > _facts("critical_lr", grid)[:, None]
    expected = np.where(above, Verdict.DIVERGED.value, Verdict.CONVERGED.value)
    agree = float(np.mean(grid.verdict.values[..., 0] == expected))
    cells = f"{above.size} (Delta, lr) cells, among them (1 -+ {EDGE_OFFSET:g}) 2 x0/M for every Delta"
    return at_least(agree, 1.0, f"share of {cells}")


@claim("wang2024separability.H2", _GDM, "tight", GD, constants="derived")
def no_step_of_gd_beats_the_lower_bound(grid: xr.Dataset) -> Evidence:
    """No constant step of gradient descent reaches eps in fewer updates than the lower bound (Delta/2 - 15
    eps^2/(4 L0)) M/(8 eps^2 x0), and the step .999 * 2 x0/M meets it within 1 %."""
    bound = _facts("lower_bound", grid)
    every = steps_to_eps(grid.first_hit).values / bound[:, None]
    reached = np.isfinite(every)
    least = np.min(every, where=reached, initial=np.inf)
    tight = (near_threshold(grid).values / bound)[grid.delta.values >= 64.0]
    runs = f"{int(reached.sum())} runs that reach eps, {every.size} in all"
    note = "largest N/bound at .999 of the threshold, Delta >= 64"
    return all_of([at_least(least, 1.0, f"least N/bound of {runs}"), within(tight.max(), 1.0, 0.01, note)])


@claim("wang2024separability.H3", _GDM, "tight", GD, constants="derived")
def the_law_of_gd_is_quadratic_up_to_a_logarithm(grid: xr.Dataset) -> Evidence:
    """N 2 x0/Delta^2 tends to 1/(16 eps^2), L0 = L1 = 1: the number of updates is quadratic in the gap up to
    the logarithm in x0."""
    delta = float(grid.delta[-1])
    x0 = 0.5 * fact("critical_lr", delta) * fact("M", delta)
    scaled = float(near_threshold(grid)[-1]) * 2.0 * x0 / delta**2
    limit = 1.0 / (16.0 * EPS**2)
    return within(scaled, limit, 0.01 * limit, f"N 2 x0/Delta^2 at Delta = {delta:g}")


@claim("wang2024separability.H4", _GDM, "rate", GD, constants="derived")
def the_best_step_of_gd_has_the_exponent_of_the_bound(grid: xr.Dataset, tier: str) -> Evidence:
    """At its best step gradient descent needs Delta^1.75 ... Delta^2.05 updates, with the exponent of the
    lower bound on the same window, and Delta^2 once the logarithm is divided out."""
    window = grid.sel(delta=slice(32.0, None))
    steps, edge = tuned(window.first_hit)
    delta = window.delta.values
    closed = theil_sen(delta, _facts("lower_bound", window))
    logs = _facts("critical_lr", window) * _facts("M", window)
    note = f"best N, the lower bound's own exponent on this window {closed}"
    parts = exponent(delta, steps * logs, 1.95, 2.05, "N x0, the logarithm divided out", edge)
    # .03: N/bound falls from 1.004 to 1.001 over the window, which is -.001 in the exponent.
    parts += exponent(delta, steps, closed.low - 0.03, closed.high + 0.03, note)
    return all_of(parts + (exponent(delta, steps, 1.75, 2.05, "best N") if tier == "full" else []))


# m = beta m + g, x -= lr m: with lr = (1 - beta) times the step of the EMA form the two are the same method.
# A step first becomes unstable near .69 (beta = .5) and .3 (beta = .9) of 2 x0/M; islands of stable steps
# follow, the last of them near 1.
_MOMENTA = (0.5, 0.9)
_SHARES = (*np.arange(0.24, 0.355, 0.01), *np.arange(0.6, 0.75, 0.02), 0.9, 0.97, 1.0, 1.03, 1.1, 2.0, 4.0)


def _with_momentum(deltas: Sequence[float]) -> dict[str, Any]:
    return {"momentum": _MOMENTA, "delta": deltas, "lr": around(deltas, _SHARES)}


_HEAVY_BALL = sgdm(convention="heavy_ball")
_MOMENTUM_QUICK = {"axes": _with_momentum(GAPS[3:6]), "steps": 95_000}
_LARGE = _with_momentum(_EDGE_GAPS[4:])
MOMENTUM = to_eps("momentum", hard_function(), _HEAVY_BALL, _LARGE, 1_250_000, quick=_MOMENTUM_QUICK)


def stable_interval(grid: xr.Dataset) -> xr.DataArray:
    """Return which steps lie below the smallest diverging step of their (momentum, Delta)."""
    below: xr.DataArray = (grid.verdict.isel(seed=0) != Verdict.DIVERGED.value).cumprod("lr") > 0
    return below


@claim("wang2024separability.H5a", _GDM, "lower", MOMENTUM, constants="derived")
def no_step_of_a_fixed_momentum_beats_the_bound(grid: xr.Dataset) -> Evidence:
    """With a fixed momentum beta = .5 or .9 no run beats 1 - beta times the bound of gradient descent scaled
    by its own step, and no step (first step length) above 1.1 * 2 x0/M converges."""
    bound, limit = _facts("lower_bound", grid)[:, None], _facts("critical_lr", grid)[:, None]
    share = (1.0 - grid.momentum.values)[:, None, None]
    counts = steps_to_eps(grid.first_hit).transpose("momentum", "delta", "lr").values
    reached = np.isfinite(counts)
    far = np.broadcast_to(grid.lr.values > 1.1 * limit, counts.shape)
    diverged = grid.verdict.isel(seed=0).transpose("momentum", "delta", "lr").values == Verdict.DIVERGED.value
    # One update moves y by at most 2 eps lr/(1 - beta).
    travel = counts * grid.lr.values / (share * bound * limit)
    note = (
        f"N over (y-distance)(1-beta)/(2 eps lr), least of {int(reached.sum())} runs that reach eps; "
        f"all {int(far.sum())} runs with lr > 1.1 * 2 x0/M diverge"
    )
    parts = [at_least(np.min(travel, where=reached, initial=np.inf), 1.0, note)]
    parts += violations(int(np.sum(~diverged & far)), "runs with lr > 1.1 * 2 x0/M that do not diverge")
    parts += violations(int(np.sum(~reached.any(axis=-1))), "(beta, Delta) without a run that reaches eps")
    return all_of(parts)


def _exponents_by_momentum(grid: xr.Dataset, hits: xr.DataArray, which: str) -> Evidence:
    steps, edge = tuned(hits)
    parts: list[Evidence] = []
    for beta in _MOMENTA:
        name = f"momentum {beta}, best N {which}"
        parts += exponent(grid.delta.values, steps.sel(momentum=beta), 1.75, 2.1, name, edge)
    return all_of(parts)


@claim("wang2024separability.H5b", _GDM, "rate", MOMENTUM, constants="derived")
def the_stable_interval_is_quadratic(grid: xr.Dataset) -> Evidence:
    """With a fixed momentum and the best step of the stable interval the number of updates is quadratic in
    Delta up to the logarithm."""
    stable = grid.first_hit.where(stable_interval(grid), -1)
    return _exponents_by_momentum(grid, stable, "below the first diverging step")


@claim("wang2024separability.H5c", _GDM, "rate", MOMENTUM, constants="derived")
def all_steps_are_quadratic(grid: xr.Dataset) -> Evidence:
    """With a fixed momentum the number of updates is quadratic in Delta up to the logarithm too if the best
    of all steps is taken, isolated stable ones beyond the first diverging step included."""
    return _exponents_by_momentum(grid, grid.first_hit, "over all steps, islands included")


_BETAS = (0.0, 0.9, 0.97, 0.99, 0.995, 0.997, 0.999, 0.9995, 0.9998, 0.9999)
# The best step is an island of stability, so that both grids must be fine.
_JOINT_GAPS = tuple(64.0 * 2.0 ** (k / 2.0) for k in range(11))
_JOINT = {"momentum": _BETAS, "delta": _JOINT_GAPS, "lr": np.geomspace(0.002, 60.0, 384)}
_JOINT_FEW = {"momentum": _BETAS, "delta": GAPS[2:6], "lr": np.geomspace(0.01, 60.0, 32)}
_JOINT_QUICK = {"axes": _JOINT_FEW, "steps": 6_000}
JOINT = to_eps("joint", hard_function(), sgdm(convention="ema"), _JOINT, 24_000, quick=_JOINT_QUICK)


@claim("wang2024separability.H6", _GDM, "rate", JOINT)
def step_and_momentum_tuned_together_are_faster(grid: xr.Dataset) -> Evidence:
    """On E + S the quadratic law is not one for every momentum: with step and momentum tuned together for
    each Delta the exponent is below 1.5, and no less than 1."""
    steps, edge = tuned(grid.first_hit)
    best = steps.min("momentum")
    winners = steps.momentum.values[steps.fillna(np.inf).argmin("momentum").values]
    flag = ", the last at the end of its grid" if winners.max() == _BETAS[-1] else ""
    note = f"best N over (lr, beta), best beta {', '.join(f'{beta:g}' for beta in winners)}{flag}"
    return all_of(exponent(grid.delta.values, best, 1.0, 1.5, note, edge))


# AdamNorm and other normalised methods at a prescribed step.


def _prescribed(name: str, deltas: Sequence[float], eps: float, L0: float = 1.0, L1: float = 1.0) -> Sweep:
    betas = {"lr": (0.5 * eps / L0, eps / L0), "beta1": (0.0, 0.9), "beta2": (0.9, 0.99)}

    def up_to(few: Sequence[float]) -> dict[str, Any]:
        return {"axes": {"delta": few, **betas}, "steps": math.ceil(2.7 * L0 * max(few) / eps**2)}

    problem = hard_function(L0=L0, L1=L1, eps=eps, delta=deltas[0])
    return to_eps(name, problem, adam_norm(), **up_to(deltas), quick=up_to(deltas[:5]))


ADAM_NORM = {eps: _prescribed(f"adam_norm_{eps:g}", GAPS if eps == EPS else (64.0,), eps) for eps in TARGETS}
OTHER_CONSTANTS = (
    _prescribed("adam_norm_2_half", (64.0, 256.0), 0.05, L0=2.0, L1=0.5),
    _prescribed("adam_norm_4_fifth", (256.0,), 0.1, L0=4.0, L1=0.2),
)
SMALL_TARGETS = (ADAM_NORM[0.1], ADAM_NORM[0.05], ADAM_NORM[0.025], *OTHER_CONSTANTS)

_NORMALIZED, _NORMALIZED_QUICK = normalized_gd(lr=0.5 * EPS), {"axes": {"delta": _FEW}, "steps": 70_000}
NORMALIZED = to_eps(
    "normalized", hard_function(), _NORMALIZED, {"delta": GAPS}, 280_000, quick=_NORMALIZED_QUICK
)
# Zhang et al. 2020, Theorem 3: eta_c = 1/(10 L0), gamma = 1/(10 L1 eta_c).
_CLIPPED, _CLIPPED_QUICK = clipped_gd(lr=0.1, threshold=1.0), {"axes": {"delta": _FEW}, "steps": 40_000}
CLIPPED = to_eps("clipped", hard_function(), _CLIPPED, {"delta": GAPS}, 140_000, quick=_CLIPPED_QUICK)


def predicted(share: float, beta1: float) -> float:
    """Return N eps^2/(L0 Delta) of AdamNorm by the average criterion at lr = share eps/L0, as Delta grows.

    A step of length lr lowers F by lr G, so that the gap costs a sum Delta/lr of gradients.  At the end x is on a
    2-cycle: G is constant, m_t = G_t (1-beta1)/(1+beta1), and a step is 2 G/L0, whence G = r eps, r = share
    (1-beta1)/(2 (1+beta1)).  The ramp, with half the gap and slope 2 eps, takes Delta/(4 eps lr) of the N updates:
    N eps = Delta/lr + r eps (N - Delta/(4 eps lr)).
    """
    r = share * (1.0 - beta1) / (2.0 * (1.0 + beta1))
    return (1.0 - r / 4.0) / (1.0 - r) / share


def _ratio(grids: Sequence[xr.Dataset], share: float, beta1: float, beta2: float) -> Evidence:
    """Compare N eps^2/(L0 Delta) of AdamNorm with its prediction, for Delta >= 64."""
    scaled = []
    for sweep, grid in zip(SMALL_TARGETS, grids, strict=True):
        eps, L0 = sweep.problem.facts["target"], sweep.problem.facts["L0"]
        cell = grid.sel(delta=slice(64.0, None), beta1=beta1, beta2=beta2).sel(
            lr=share * eps / L0, method="nearest"
        )
        scaled.append(steps_to_eps(cell.first_hit_mean).values * eps**2 / (L0 * cell.delta.values))
    values = np.concatenate(scaled)
    note = f"N eps^2/(L0 Delta) on {values.size} instances, {values.min():.3f} to {values.max():.3f}"
    return all_of([within(value, predicted(share, beta1), 0.1, note) for value in values])


@claim("wang2024separability.H7", _NORM, "tight", *SMALL_TARGETS, constants="derived")
def adam_norm_is_linear_in_the_gap(*grids: xr.Dataset) -> Evidence:
    """AdamNorm(.9, .99) at the prescribed step eps/L0 brings the average gradient norm to eps in 1.02 +- .1
    times L0 Delta/eps^2 updates, whatever L1, for L1 eps/L0 <= .1 and Delta >= 64."""
    return _ratio(grids, 1.0, 0.9, 0.99)


@claim("wang2024separability.H8", _NORM, "tight", *SMALL_TARGETS, constants="derived")
def adam_norm_without_momentum_is_linear_in_the_gap(*grids: xr.Dataset) -> Evidence:
    """AdamNorm(0, .9) at the step eps/(2 L0) brings the average gradient norm to eps in 2.5 +- .1 times L0
    Delta/eps^2 updates."""
    return _ratio(grids, 0.5, 0.0, 0.9)


CLAIMS = [
    gd_diverges_above_the_threshold_alone,
    no_step_of_gd_beats_the_lower_bound,
    the_law_of_gd_is_quadratic_up_to_a_logarithm,
    the_best_step_of_gd_has_the_exponent_of_the_bound,
    no_step_of_a_fixed_momentum_beats_the_bound,
    the_stable_interval_is_quadratic,
    all_steps_are_quadratic,
    step_and_momentum_tuned_together_are_faster,
    adam_norm_is_linear_in_the_gap,
    adam_norm_without_momentum_is_linear_in_the_gap,
]
DEVIATIONS = ledger(
    "wang2024separability",
    (
        "2403.15146, full text",
        "Theorems for AdamNorm, GD and SGD with momentum; no experiment is known to us.",
        "The statements are taken from the abstract and from public reviews. All numbers here belong to E + "
        "S with explicit constants; bands for exponents were chosen after first runs and describe these "
        "instances.",
    ),
    (
        _GDM,
        "The problem is fixed first, then any step and any momentum need order (L1^2 Delta^2 + L0 "
        "Delta)/eps^2 updates up to logarithms; instances for different hyperparameters sit in different "
        "coordinates.",
        "Two coordinates, E + S. They show the law for every step and each fixed momentum, not for a "
        "momentum that depends on Delta: tuned together the exponent is about 1.1; with 6 values of Delta and 96 steps "
        "for 11 and 384 its interval is too wide to decide. The step is that of m = "
        "beta m + g, 1 - beta times that of the averaged form.",
        *("H5a", "H5b", "H6"),
    ),
    (
        _GDM,
        "The number of updates of the best step.",
        "For beta > 0 the stable steps are no interval: after the first diverging step islands of stable "
        "steps follow, up to about 2 x0/M. The best step over a finite grid may or may not hit one, so its "
        "exponent is jagged and for beta = .9 stays undecided; within the stable interval it is 1.86.",
        "H5b",
        "H5c",
    ),
    (
        _NORM,
        "Average gradient norm <= eps after order L0 Delta/eps^2 updates, for suitable step and small eps.",
        "The step eps/L0 is ours. No bias correction and v_0 = 0: the large first gradients stay in v for "
        "about 2 ln(M)/(1 - beta2) updates, so beta2 <= .99 here. For L1 eps/L0 near 1 the ratio rises: "
        "2.15 at eps = .4, Delta = 64. The limits 1.02 and 2.5 for large Delta are derived, the .1 around them is for "
        "the transients and was chosen after first runs.",
        "H7",
        "H8",
    ),
)

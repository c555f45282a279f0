"""Shi, Li, Hong, Sun, "RMSProp converges with proper hyper-parameter" (ICLR 2021).

Checked: the phase diagram of Figure 1, its published threshold at C = 10, the sufficient conditions of
Theorem 4.3 and of the divergence result it quotes, full-batch convergence (Theorems 4.1 and 4.2), and the two
regimes of Table 1 on the ten quadratics of the appendix.  All gradients have the ratio C : -1, so that
`counterexamples.drift` is exact: its sign says which way vanishing steps go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import drift, shi, smooth, zhang
from paper_checks.shi2021.theorems import QUADRATICS, THEOREM_43
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Answer

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]


def _rescaled(problem: ts.Problem, family: Callable[[int], ts.Problem]) -> ts.Problem:
    """Divide every slope by 10 sqrt(C): with eps = 0 and v_0 = 1 the iterates are those of v_0 = 100 C."""
    C = int(problem.facts["ratio"])
    scale = 10.0 * math.sqrt(C)
    return replace(
        problem,
        name=f"{problem.name}, v_0 = 100 C",
        constants={k: v if k == "optimum" else v / scale for k, v in problem.theta.items()},
        facts={k: v / scale if k in ("slope", "G") else v for k, v in problem.facts.items()},
        family=family,
        arguments={"C": C},
    )


def printed(C: int) -> ts.Problem:
    """The problem that the paper prints, `shi.periodic`, in the units in which its initial v is 1."""
    return _rescaled(shi.periodic(C), printed)


def two_hit(C: int) -> ts.Problem:
    """The problem that the paper's code ran, `shi.two_hit`, in the units in which its initial v is 1."""
    return _rescaled(shi.two_hit(C), two_hit)


SPACING = 0.1  # of the axis -log10(1 - beta2) of Figure 1
BETA2 = 1.0 - 10.0 ** (-SPACING * np.arange(1, 41))


def _diagram(name: str, problem: ts.Problem, rows: range, quick: Sequence[int]) -> ts.Sweep:
    return ts.Sweep(
        problem,
        ts.rmsprop(lr=1.0, v0=1.0, schedule=ts.power(0.5)),
        {"C": rows, "beta2": BETA2},
        steps=1_000_000,
        name=f"shi2021.{name}",
        quick={"axes": {"C": quick, "beta2": BETA2}},
    )


PHASES = _diagram("phases", printed(2), range(2, 33), range(2, 33, 3))
PHASES_TWO_HIT = _diagram("phases_two_hit", two_hit(3), range(3, 33), (3, *range(5, 33, 3)))

# Two values of beta2, 2e-6 apart, at C = 10.  The step is so small that x stays inside the box, and after
# 2000 steps the start is forgotten (.956^2000 = 1e-39): over one more period x moves by -lr times the drift.
PERIOD = 10
SETTLED = 2000
CREEP = ts.rmsprop(lr=1e-6, v0=1.0)
ROOT, ROOT_TWO_HIT = (
    ts.Sweep(
        problem, CREEP, {"beta2": beta2}, steps=SETTLED + PERIOD, x0=0.0, checkpoints=[SETTLED], name=name
    )
    for name, problem, beta2 in (
        ("shi2021.root", shi.periodic(PERIOD), [0.955442, 0.955444]),
        ("shi2021.root_two_hit", shi.two_hit(PERIOD), [0.634371, 0.634373]),
    )
)

FULL_BATCH = ts.Sweep(
    smooth.quadratic(),
    ts.adam(lr=0.1, beta2=0.5, eps=0.0, bias_correction=False, schedule=ts.power(0.5)),
    {"beta1": [*np.arange(10) / 10, 0.95, 0.99], "beta2": [*np.arange(1, 20) / 20, 0.99, 0.999]},
    steps=100_000,
    checkpoints=range(50_000, 100_000, 53),  # 53: prime, to meet every phase of an oscillation
    name="shi2021.full_batch",
)


def _decades(steps: int) -> dict[str, Any]:
    """Record at log-spaced ends of periods of ten, every power of ten included."""
    spaced = np.geomspace(10, steps, 10 * round(math.log10(steps)) - 9)
    return {"steps": steps, "checkpoints": sorted({10 * round(k / 10) for k in spaced})}


_LONG: dict[str, Any] = {**_decades(10_000_000), "quick": _decades(1_000_000)}
REALIZABLE = ts.Sweep(
    zhang.quadratics(0.0),
    QUADRATICS,
    {"beta2": [0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.955, 0.956, 0.96, 0.98, 0.99, 0.995, 0.999]},
    x0=0.01,
    name="shi2021.realizable",
    **_decades(1_000_000),
)
NONREALIZABLE = ts.Sweep(
    zhang.quadratics(1.0),
    QUADRATICS,
    {"beta2": [0.1, 0.2, 0.4, 0.6, 0.8, 0.99, 0.995, 0.998, 0.999]},
    x0=0.0,
    name="shi2021.nonrealizable",
    **_LONG,
)
PUBLISHED_LEVEL = ts.Sweep(
    zhang.quadratics(100.0), QUADRATICS, {"a": [100.0, 1e4]}, x0=0.01, name="shi2021.published_level", **_LONG
)


def exponent(beta2: Any) -> Any:
    """Return u = -log10(1 - beta2), the horizontal axis of Figure 1."""
    return -np.log10(1.0 - np.asarray(beta2))


def gradients(C: int, large: int = 1) -> list[float]:
    """Return one period: C `large` times, then -1; 1 is the printed problem, 2 what the first code ran."""
    return [float(C)] * large + [-1.0] * (C - large)


def critical_exponent(C: int, large: int = 1) -> float:
    """Return u of the exact critical beta2 at beta1 = 0, or NaN if RMSProp always converges."""
    roots = drift.periodic_critical_beta2(gradients(C, large), 0.0)
    return float(exponent(roots[-1])) if roots.size else math.nan


def agreement(grid: xr.Dataset, large: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return where the caption's criterion at the end agrees with the sign of the drift, over (C, beta2)."""
    distance = grid["distance_window"].values[..., 0, -1]
    beta2 = grid["beta2"].values
    drifts = np.array([drift.periodic_drift(gradients(int(C), large), 0.0, beta2) for C in grid["C"].values])
    return np.asarray(np.isfinite(distance) & ((distance < shi.RULE.converged) == (drifts > 0.0)))


@claim("shi2021.S1", "Figure 1", "region", PHASES, PHASES_TWO_HIT, constants="read")
def the_diagram_is_the_sign_of_the_drift(*grids: xr.Dataset) -> Evidence:
    """On the period-C problem RMSProp converges right of a curve in the (-log10(1-beta2), C) plane and
    diverges left of it; the curve is the zero of the drift, for the problem as printed and for the one first
    coded."""
    parts = []
    for large, grid in enumerate(grids, start=1):
        agree = agreement(grid, large)
        curve = np.array([critical_exponent(int(C), large) for C in grid["C"].values])
        away = np.abs(exponent(grid["beta2"].values)[None, :] - curve[:, None]) / SPACING
        wrong = np.where(np.isnan(away), np.inf, away)[~agree]
        share = f"share of {agree.size} cells that agree, {large} large per period"
        parts.append(at_least(agree.mean(), 0.98, share))
        farthest = f"cells between the curve and the farthest of the {wrong.size} cells that disagree"
        parts.append(at_most(wrong.max(initial=0.0), 1.0, farthest))
    return all_of(parts)


@claim("shi2021.S2a", "Figure 1", "exact", constants="derived")
def the_critical_beta2_rises_with_C() -> Evidence:
    """The critical beta2 rises with C; 1 - beta2* = 4/(C^2-1) (1 + C/(C^2-1)) to first order, and C = 2
    always converges."""
    C = np.arange(3, 33)
    exact = np.array([critical_exponent(int(c)) for c in C])
    error = np.abs(4.0 / (C**2 - 1.0) * (1.0 + C / (C**2 - 1.0)) * 10.0**exact - 1.0)
    parts = [
        at_least(drift.drift(0.0, np.arange(1, 100) / 100, 2, 2.0).min(), 0.0, "drift at C = 2"),
        at_least(np.diff(exact).min(), 0.0, "smallest increase of -log10(1-beta2*), C = 3..32"),
        at_most(error[C >= 10].max(), 0.02, "relative error of the first-order formula, C = 10..32"),
    ]
    return all_of(parts)


@claim("shi2021.S2b", "Theorem 4.3; divergence bound quoted in section 1", "exact", constants="read")
def sufficient_conditions_lie_on_their_sides() -> Evidence:
    """Both sufficient conditions lie on their side of the exact boundary: on the ten quadratics Theorem 4.3 asks for
    1 - beta2 <= 2.94e-8, where .0446 is enough; the divergence bound C^(-4/(C-2)) stays below the boundary."""
    facts = zhang.quadratics(0.0).facts
    n = int(facts["n"])
    # T_2 to first order in 1 - beta2, with d = 1: sqrt(5) n^2 D1 ((4 n^2 - 1)/2 + n/2) (1 - beta2).
    slope = math.sqrt(5.0) * n**2 * facts["D1_sum"] * ((4 * n**2 - 1) / 2 + n / 2)
    first = (math.sqrt(2.0) - 1.0) / (2.0 * math.sqrt(2.0)) / slope
    # The relative error is of order n (1 - beta2) = 3e-7; a millionth is beyond it.
    answers = [
        THEOREM_43.assess(
            {"n": n, "d": 1, "D1_sum": facts["D1_sum"], "beta2": 1 - Fraction(share)}
        ).conditions[-1]
        for share in (first * (1.0 - 1e-6), first * (1.0 + 1e-6))
    ]
    turns = [answer.answer for answer in answers] == [Answer.HOLDS, Answer.FAILS]
    exact = 1.0 - float(drift.critical_beta2(0.0, n, facts["ratio"])[-1])
    C = np.arange(5, 33)
    quoted = C ** (-4.0 / (C - 2.0))
    roots = 1.0 - np.array([10.0 ** -critical_exponent(int(c)) for c in C])
    needs = f"ten quadratics: Theorem 4.3 needs 1 - beta2 <= {first:.3g}, exact {exact:.4f}"
    below = f"exact minus quoted bound, C = 5..32 (at C = 10: {roots[5]:.4f} and {quoted[5]:.4f})"
    return all_of(
        [
            at_least(float(turns), 1.0, "the condition on T_2 turns there, within a millionth"),
            at_least(exact / first, 1.0, needs),
            at_least(np.min(roots - quoted), 0.0, below),
        ]
    )


@claim("shi2021.S3", "Section 1, text on Figure 1", "exact", ROOT, ROOT_TWO_HIT, constants="read")
def the_published_threshold_has_two_large_gradients(*grids: xr.Dataset) -> Evidence:
    """At C = 10 the transition of the printed problem is at beta2 = .955443; the published transition,
    between .63 and .64, is that of a sequence with two large gradients per period, .634372."""
    parts, roots = [], []
    for large, grid in enumerate(grids, start=1):
        beta2, x = grid["beta2"].values, grid["x"].values[:, 0, :]
        moved = (x[:, 0] - x[:, 1]) / CREEP.lr
        error = np.max(np.abs(moved - drift.periodic_drift(gradients(PERIOD, large), 0.0, beta2)))
        roots.append(float(drift.periodic_critical_beta2(gradients(PERIOD, large), 0.0)[-1]))
        parts += [
            at_least(min(-moved[0], moved[1]), 0.0, f"{large} large: the run turns within {beta2}"),
            # x is of size 1e-2 and the step 1e-6: rounding leaves 1e-18/1e-6 per step.
            at_most(error, 1e-10, "displacement minus closed form"),
            within(roots[-1], beta2.mean(), 1e-6, "exact root"),
        ]
    below = drift.drift(0.0, np.linspace(0.0, 0.4, 401), PERIOD, 10.0)
    parts += [
        within(roots[1], 0.635, 0.005, "published range [.63, .64] holds the root for 2 large"),
        at_least(abs(roots[0] - 0.635), 0.005, "and not the root for 1 large"),
        at_most(np.max(below), 0.0, "1 large: largest drift for beta2 <= .4"),
    ]
    return all_of(parts)


@claim("shi2021.S4", "Theorems 4.1 and 4.2", "tight", FULL_BATCH, constants="read")
def full_gradients_converge(grid: xr.Dataset) -> Evidence:
    """With full gradients RMSProp converges for every beta2 in (0, 1), and Adam for every beta1 < sqrt(beta2). Our
    instance: x^2/2 from x_1 = 1, lr_t = .1/sqrt(t), m_0 = v_0 = 0, no bias correction; for beta1 <= .1 the run ends in
    the cycle x_{t+1} = -x_t of size lr_t (1-beta1)/(2 (1+beta1))."""
    beta1, beta2 = grid["beta1"].values[:, None], grid["beta2"].values[None, :]
    largest = grid["distance"].values[:, :, 0, :].max(axis=-1)
    safe = np.broadcast_to(beta1 < np.sqrt(beta2), largest.shape)
    note = (
        f"largest |x| at {grid.sizes['checkpoint']} times of the second half, {safe.sum()} pairs with "
        f"beta1 < sqrt(beta2); {largest[~safe].max():.2g} for the {np.sum(~safe)} others"
    )
    # On a cycle +-a, m = (1-beta1)/(1+beta1) g and v = a^2, so that 2 a = lr_t m/sqrt(v).  v remembers 1/(1-beta2)
    # steps, in which a falls by half of their share of t.  At beta2 = .999 x is 0 by then: v falls more slowly than x.
    few = grid.sel(beta1=slice(None, 0.11), beta2=slice(None, 0.991))
    step = 0.1 / np.sqrt(few["checkpoint"]) * (1.0 - few["beta1"]) / (1.0 + few["beta1"])
    size = (few["distance"].isel(seed=0) / (0.5 * step)).transpose("beta1", "beta2", "checkpoint").values
    lag = 1.0 / (1.0 - few["beta2"].values) / float(few["checkpoint"][0])
    off = np.abs(size - 1.0).max(axis=(0, 2)) / lag
    cycle = f"|x_t| over the size of the cycle, {size.min():.5f} to {size.max():.5f}: distance from 1 in 1/((1-beta2) t)"
    # .001 is 3.2 times the last step size, and the iterate starts at 1.
    return all_of([at_most(off.max(), 1.0, cycle), at_most(largest[safe].max(), 1e-3, note)])


def _worst(values: Array, expected: float, tolerance: float, note: str) -> Evidence:
    """Apply `within` to the value that is farthest away; a NaN counts as farthest."""
    return within(values[np.argmax(np.abs(values - expected))], expected, tolerance, f"{note} (the worst)")


def _last_decade(grid: xr.Dataset) -> tuple[int, Array, Array]:
    """Return T, and x at T/10 and T, for every cell."""
    T = int(grid["checkpoint"][-1])
    return T, grid["x"].sel(checkpoint=T // 10).values[:, 0], grid["x"].sel(checkpoint=T).values[:, 0]


def _grows_like_the_root(before: Array, after: Array, beta2: Array) -> Evidence:
    """Check that |x| grows like sqrt(T) in the last decade where beta2 <= .8."""
    slopes = np.log10((after / before)[beta2 <= 0.8])
    return _worst(slopes, 0.5, 0.05, "log-slope in the last decade, beta2 <= .8")


@claim("shi2021.S5a", "Table 1 and appendix, realizable", "rate", REALIZABLE, constants="read")
def realizable_quadratics_converge_above_the_threshold(grid: xr.Dataset) -> Evidence:
    """Realizable ten quadratics: for beta2 above .9554 the iterate converges, below it diverges like 2 lr
    |D|/n sqrt(K)."""
    beta2, lr = grid["beta2"].values, QUADRATICS.lr
    T, before, after = _last_decade(grid)
    change = np.abs(after) - np.abs(before)
    D = drift.drift(0.0, beta2, 10, 10.0)
    predicted = -2.0 * lr * D / 10.0 * (math.sqrt(T) - math.sqrt(T / 10))
    # Nearer to the boundary |D|/n is not large against lr_t/|x|, the change of the gradients in a period.
    growth = (change / predicted)[beta2 <= 0.9]
    steps = np.abs(after[beta2 >= 0.98]) * math.sqrt(T) / lr
    parts = [
        _grows_like_the_root(before, after, beta2),
        _worst(growth, 1.0, 0.002, "growth over 2 lr |D|/n sqrt(T), beta2 <= .9"),
        at_least(np.min(-change * np.sign(D)), 0.0, "smallest change of |x| in the direction of the drift"),
        at_most(steps.max(), 3.0, "largest |x_T| in last step sizes, beta2 >= .98"),
    ]
    return all_of(parts)


@claim("shi2021.S5b", "Table 1 and appendix, non-realizable", "tight", NONREALIZABLE, constants="read")
def nonrealizable_quadratics_settle_at_a_bias(grid: xr.Dataset, tier: str) -> Evidence:
    """Non-realizable ten quadratics: for small beta2 the iterate diverges like sqrt(K), for beta2 near 1 it
    stays bounded and settles at the nonzero point where the drift vanishes."""
    beta2 = grid["beta2"].values
    T, before, after = _last_decade(grid)
    high = beta2 > 0.8
    limit = np.array([drift.quadratics_bias(0.0, float(b), 1.0) for b in beta2[high]])
    # At beta2 = .999 a tenth of the way is left after 1e6 steps and a fortieth after 1e7.
    tolerance = 0.03 if tier == "full" else 0.12
    note = f"x_T over the zero of the drift, T = {T}, beta2 >= .99"
    settled = _worst(after[high] / limit, 1.0, tolerance, note)
    return all_of([_grows_like_the_root(before, after, beta2), settled])


@claim("shi2021.S5c", "Appendix, non-realizable run", "tight", PUBLISHED_LEVEL, constants="read")
def the_published_level_is_a_transient(grid: xr.Dataset) -> Evidence:
    """The level that the published run shows is a transient: x is on its way to a limit proportional to a, at the
    speed 2 lr |D|/n sqrt(T) of the drift D at x = 0, which is the same for data a hundred times larger."""
    T, before, after = _last_decade(grid)
    beta2, lr = QUADRATICS.hyper["beta2"], QUADRATICS.lr
    limit = np.array([drift.quadratics_bias(0.0, beta2, float(a)) for a in grid["a"]])
    # At x = 0 the gradients are -10 a and 10/9 a, in the ratio 9: their sum is 0, and Adam still moves.
    way = 2.0 * lr * float(drift.drift(0.0, beta2, 10, 9.0)) / 10.0 * (math.sqrt(T) - math.sqrt(T / 10))
    parts = []
    for a, moved, share in zip(grid["a"].values.tolist(), after - before, after / limit, strict=True):
        # The drift falls to 0 on the way to the limit, by no more than the share of it that is done; 1 % for the start.
        note = f"a = {a:g}: way in the last decade to T = {T}, over that of the drift at 0; {share:.2g} of all is done"
        parts.append(within(moved / way, 1.0, 0.01 + abs(share), note))
    return all_of(
        [*parts, at_most(np.max(after / limit), 0.25, f"share of the way to {limit[0]:.3g} done at T = {T}")]
    )


CLAIMS = [
    the_diagram_is_the_sign_of_the_drift, the_critical_beta2_rises_with_C,
    sufficient_conditions_lie_on_their_sides, the_published_threshold_has_two_large_gradients,
    full_gradients_converge, realizable_quadratics_converge_above_the_threshold,
    nonrealizable_quadratics_settle_at_a_bias, the_published_level_is_a_transient,
]  # fmt: skip

DEVIATIONS = ledger("shi2021",
    ("Section 1, text on Figure 1", "At C = 10 the transition is between beta2 = .63 and .64.",
     "The authors' script of that time fires the large gradient at two phases of the period (k mod C <= 1), "
     "not at one. The exact root of that sequence is .634372; the printed problem has .955443. Both diagrams "
     "are run.", "S1", "S3"),
    ("Section 1, text on Figure 1", "At C = 10 RMSProp diverges for beta2 < .4.",
     "True, but not by the bound quoted there, which gives C^(-4/(C-2)) = .316; the exact drift is negative "
     "up to .9554.", "S2b", "S3"),
    ("Figure 1, settings",
     "The script that was first published has 2e4 steps, beta2 = 1 - 10^(-i/24) and the last half of the "
     "run; later settings are 1e6 steps, beta2 = 1 - 10^(-i/10), C = 2..32 and the last quarter.",
     "The later settings, for both sequences. At 2e4 steps a quarter of the cells are called divergent only "
     "because they have not arrived; errors are always of this kind.", "S1"),
    ("Figure 1, criterion",
     "Caption: distance to -1 below .01 on average. Script: mean of log10 of the distance below -2.",
     "The caption's. By Jensen's inequality the script's can only call more cells convergent; run side by "
     "side, the two give the same map at 1e6 steps and differ in 132 of 1240 cells at 2e4.", "S1"),
    ("Figure 1, start and eps",
     "x_1 = 100, outside the box; v_0 = 100 C, which differs from row to row; denominator sqrt(v + eps).",
     "Exactly this start: with eps = 0, as in the scripts, only v_0 over the squared gradient matters, so "
     "slopes are divided by 10 sqrt(C) and v_0 is 1. It is forgotten after a few times 1/(1-beta2) <= 1e4 "
     "steps; v_0 = 0 changes 4 of 1240 cells.", "S1"),
    ("Theorem 4.3", "Sufficient: T_2(beta2) <= (sqrt 2 - 1)/(2 sqrt 2), that is beta2 >= 1 - O(n^-3.5).",
     "On the ten quadratics (n = 10, D1 = 109) this asks for 1 - beta2 <= 2.9e-8. The boundary is at .0446, "
     "1.5 million times larger; for the period-C problem it is 4/C^2.", "S2a", "S2b"),
    ("Theorems 4.1 and 4.2", "Convergence for every f with Lipschitz gradients.",
     "One quadratic in one dimension: any method that converges there would pass, so the limit cycle of RMSProp, "
     "which is known, is checked as well. For larger beta1 the end is no cycle of length two: what is asked of it, "
     "|x| <= .001, was read off a first run.", "S4"),
    ("Table 1",
     "beta2 near 0 diverges and beta2 near 1 converges (realizable) or oscillates (not), after at least 1e7 "
     "epochs.",
     "Ten quadratics of the appendix, cyclic, lr_t = .1/sqrt(t), 1e6 and 1e7 steps. With vanishing steps the "
     "non-realizable run does not oscillate for ever: it settles at a bias that is known in closed form.",
     "S5a", "S5b"),
    ("Appendix, non-realizable run", "Shows an oscillation level of RMSProp at beta2 = .999 after 1e7 steps.",
     "At 1e7 steps x = -.31 for a = 100 and -.33 for a = 10^4, while the limits are -2.27 and -227: the "
     "level is a transient of the step size and says nothing about the neighbourhood.", "S5c"),
)  # fmt: skip

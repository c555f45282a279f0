"""Dereich and Jentzen, "Convergence rates for the Adam optimizer" (arXiv:2407.21078), and two later papers.

Also Dereich, Jentzen, Kassing, arXiv:2511.04622, and the symmetry theorem of Dereich, Do, Jentzen and von
Wurstemberger (2025).  Checked, on quadratics (x - X)^2/2 with X in {0, k}: with fixed betas and vanishing
steps Adam converges to the zero of the Adam vector field E[m/sqrt(v)] and not to E X; the distance is of
order 1 in 1 - beta2 and in 1/batch; it vanishes for symmetric X; fluctuations are of order 1/2 in the step.

First order, derived here: at a fixed x, expand 1/sqrt(v) around E v = E g^2.  With e = 1 - beta2, s^2 = Var X
and mu_3 = E(X - E X)^3 the zero of E[m/sqrt(v)] is  E X - (e/2) (1 - beta1)/(1 - beta1 beta2) mu_3/s^2 +
O(e^2), since Cov(m, v) = e (1 - beta1)/(1 - beta1 beta2) Cov(g, g^2).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import twopoint
from counterexamples.drift.monte_carlo import Estimate, vector_field
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within

if TYPE_CHECKING:
    import xarray as xr

K, P = 10.0, 0.1
STEPS = {"quick": 100_000, "full": 400_000}  # per lane of the Monte-Carlo field
LANES = 256
ENTROPY = 2024

# Standard errors allowed between a simulated zero and a formula: 4 leave a false alarm of 6e-5 per
# comparison.
SIGMAS = 4.0


def _half(steps: int) -> dict[str, Any]:
    """Record about 250 times in the second half of a run."""
    return {"steps": steps, "checkpoints": range(steps // 2, steps + 1, steps // 500)}


RUNS = ts.Sweep(
    twopoint.two_point(K, P),
    ts.adam(lr=0.5, eps=1e-8, schedule=ts.power(0.5)),
    {"beta1": [0.0, 0.9], "beta2": [0.9, 0.99, 0.999]},
    seeds=32,
    entropy=ENTROPY,
    name="dereich2024.runs",
    **_half(5_000_000),
    quick=_half(500_000),
)
CONSTANT_STEPS = ts.Sweep(
    twopoint.two_point(K, P),
    ts.adam(beta1=0.9, beta2=0.99, eps=1e-8),
    {"lr": [0.003, 0.01, 0.03, 0.1]},
    seeds=64,
    entropy=ENTROPY,
    name="dereich2024.constant_steps",
    **_half(200_000),
    quick=_half(50_000),
)


def first_order(beta1: float, beta2: float, k: float = K, p: float = P, batch: int = 1) -> float:
    """Return the bias x_inf - E X to first order in 1 - beta2, for batches of size `batch`."""
    facts = twopoint.two_point(k, p).facts
    memory = (1.0 - beta1) / (1.0 - beta1 * beta2)
    return -0.5 * (1.0 - beta2) * memory * facts["third"] / (facts["sigma2"] * batch)


def second_order(beta2: float, k: float = K, p: float = P, batch: int = 1) -> float:
    """Return the bias at beta1 = 0 to second order in e = 1 - beta2.

    The expansion of E[g/sqrt(v)] continued by one order gives first_order * (1 + e (1 + 3/4 (V/s^4 -
    mu_5/(s^2 mu_3) + 2))) with V = mu_4 - s^4 and mu_j the central moments of a batch mean.
    """
    above, below = k * (1.0 - p), -k * p
    mu = {j: p * above**j + (1.0 - p) * below**j for j in (2, 3, 4, 5)}
    # Cumulants of a mean of M draws are those of one draw over M^(j-1).
    cumulants = mu[2], mu[3], mu[4] - 3.0 * mu[2] ** 2, mu[5] - 10.0 * mu[2] * mu[3]
    kappa = {j: cumulant / float(batch) ** (j - 1) for j, cumulant in enumerate(cumulants, start=2)}
    spread = 2.0 + kappa[4] / kappa[2] ** 2
    skew = 10.0 + kappa[5] / (kappa[2] * kappa[3])
    e = 1.0 - beta2
    return first_order(0.0, beta2, k, p, batch) * (1.0 + e * (1.0 + 0.75 * (spread - skew + 2.0)))


@cache
def bias(
    beta1: float, beta2: float, p: float = P, batch: int = 1, *, tier: str = "full", entropy: int = ENTROPY
) -> Estimate:
    """Return the zero of the Monte-Carlo Adam vector field minus E X, with the same noise at every point.

    The standard error is that of the field over its slope at the zero.
    """
    from scipy.optimize import brentq

    mean = K * p
    width = max(3.0 * abs(first_order(beta1, beta2, K, p, batch)), 0.01 * K)
    run: dict[str, Any] = {"workers": batch, "steps": STEPS[tier], "lanes": LANES, "entropy": entropy}

    def at(point: float) -> Estimate:
        return vector_field(twopoint.frozen(K, p, point), beta1, beta2, **run)

    zero = brentq(lambda point: at(point).value, mean - width, mean + width, xtol=1e-6)
    slope = (at(zero + 0.5 * width).value - at(zero - 0.5 * width).value) / width
    return Estimate(zero - mean, at(zero).standard_error / abs(slope))


@claim(
    "dereich2024.X1a", "Adam vector field (2407.21078); symmetry theorem (2025)", "tight", constants="derived"
)
def the_bias_has_a_known_first_order(tier: str) -> Evidence:
    """For X in {0, 10} with P(X = 10) = .1 the zero of the Adam vector field is biased towards the more
    frequent value by (1/2) (1-beta2) (1-beta1)/(1-beta1 beta2) mu_3/(Var X * batch), to first order in 1 -
    beta2."""
    # 5 %: what the next order, at most 1 - beta2 = 10 %, leaves after partial cancellation by the third.
    cases = [(b1, b2, 1, 0.05) for b1, b2 in ((0.0, 0.9), (0.0, 0.95), (0.0, 0.98), (0.0, 0.99), (0.9, 0.99))]
    # The next order is 3.5 (1 - beta2) = 17 % for large batches, see `second_order`.
    cases += [(0.0, 0.95, batch, 0.15) for batch in (2, 4, 8)]
    parts = []
    for beta1, beta2, batch, share in cases:
        zero = bias(beta1, beta2, batch=batch, tier=tier)
        formula = first_order(beta1, beta2, batch=batch)
        note = f"bias at ({beta1}, {beta2})" if batch == 1 else f"bias at (0, {beta2}), batch {batch}"
        parts.append(within(zero.value, formula, share * abs(formula) + SIGMAS * zero.standard_error, note))
    return all_of(parts)


@claim("dereich2024.X1b", "Adam vector field (2407.21078)", "tight", constants="derived")
def the_bias_has_a_known_second_order(tier: str) -> Evidence:
    """What the first-order bias leaves at beta1 = 0 is the second-order term derived from the fourth and
    fifth moments: extrapolated to beta2 = 1 for single draws, and at beta2 = .95 for batches of 4 and 8."""

    def beyond(beta2: float, batch: int = 1) -> tuple[float, float, float]:
        """Bias over first order less 1, its standard error, and the second order; all over 1 - beta2."""
        zero, first = bias(0.0, beta2, batch=batch, tier=tier), first_order(0.0, beta2, batch=batch)
        second = second_order(beta2, batch=batch) / first - 1.0
        share = 1.0 - beta2
        return (zero.value / first - 1.0) / share, zero.standard_error / abs(first) / share, second / share

    (far, noise, second), (near, more, _) = beyond(0.9), beyond(0.95)
    # The line through .1 and .05 has lost the third order; what is left is .1 .05 = .005 times the fourth.
    parts = [
        within(
            2.0 * near - far,
            second,
            0.25 + SIGMAS * math.hypot(2.0 * more, noise),
            "single draws, extrapolated",
        )
    ]
    for batch in (4, 8):
        found, error, second = beyond(0.95, batch)
        # The third order: no more than 15 (1 - beta2) of this; 8 and 10 are seen at batches of 8 and 4.
        note = f"(bias over first order - 1)/(1 - beta2) at (0, .95), batch {batch}"
        parts.append(within(found, second, 15.0 * 0.05 + SIGMAS * error, note))
    return all_of(parts)


@claim("dereich2024.X1c", "Error orders (2511.04622)", "rate", constants="read")
def the_bias_is_of_order_one(tier: str) -> Evidence:
    """The bias is of order 1 in 1 - beta2 and of order 1 in 1/batch."""
    one, near = bias(0.0, 0.95, tier=tier), bias(0.0, 0.99, tier=tier)
    eight = bias(0.0, 0.95, batch=8, tier=tier)

    def exponent(large: Estimate, small: Estimate, ratio: float) -> tuple[float, float]:
        relative = math.hypot(large.standard_error / large.value, small.standard_error / small.value)
        return math.log(large.value / small.value) / math.log(ratio), relative / math.log(ratio)

    in_share, error_share = exponent(one, near, 5.0)
    in_batch, error_batch = exponent(one, eight, 8.0)
    parts = [
        # The second order turns the exponents into 1.025 and 1.10.
        within(in_share, 1.0, 0.05 + SIGMAS * error_share, "exponent of 1 - beta2, from .05 to .01"),
        within(-in_batch, -1.0, 0.12 + SIGMAS * error_batch, "exponent of the batch, from 1 to 8"),
    ]
    return all_of(parts)


@claim("dereich2024.X1d", "Symmetry theorem (2025)", "exact", constants="read")
def symmetric_laws_have_no_bias(tier: str) -> Evidence:
    """For symmetrically distributed X the zero of the Adam vector field is E X."""
    parts = []
    for beta1, beta2 in ((0.0, 0.9), (0.0, 0.99), (0.9, 0.99)):
        zero = bias(beta1, beta2, p=0.5, tier=tier)
        note = f"bias of symmetric X at ({beta1}, {beta2}), {SIGMAS:g} standard errors"
        parts.append(within(zero.value, 0.0, SIGMAS * zero.standard_error, note))
        largest = 1e-3 if tier == "full" else 2e-3
        parts.append(at_most(zero.standard_error, largest, "standard error, X in {0, 10}"))
    return all_of(parts)


@claim(
    "dereich2024.X1e",
    "Convergence to zeros of the Adam vector field (2407.21078)",
    "tight",
    RUNS,
    constants="read",
)
def adam_settles_at_the_zero_of_its_field(grid: xr.Dataset, tier: str) -> Evidence:
    """With fixed betas and steps .5/sqrt(t), Adam with bias correction and eps = 1e-8 settles at the zero of
    the Adam vector field, not at the minimiser E X."""
    x = grid["x"].mean("checkpoint")  # over the second half
    settled, errors = x.mean("seed"), x.std("seed", ddof=1) / math.sqrt(grid.sizes["seed"])
    # The fluctuations of x at the last step size shift its mean by their variance, 3e-4 at 5e6 steps and 1e-3
    # at 5e5, times a curvature of order 1.
    shift = 3.0 * 0.5 / math.sqrt(float(grid["checkpoint"][0]))
    parts = []
    for beta1 in grid["beta1"].values.tolist():
        for beta2 in grid["beta2"].values.tolist():
            zero = bias(beta1, beta2, tier=tier)
            cell, error = (float(values.sel(beta1=beta1, beta2=beta2)) for values in (settled, errors))
            tolerance = SIGMAS * math.hypot(error, zero.standard_error) + shift
            note = f"mean x of the run at ({beta1}, {beta2}) and zero of the field"
            parts.append(within(cell, K * P + zero.value, tolerance, note))
    # The run must be told from a run that converges to E X = 1, where the bias is largest.
    far = K * P - settled.values[0, 0]
    return all_of([*parts, at_least(far, 0.3, "distance of the limit from E X at (0, .9)")])


@claim("dereich2024.X1f", "Error orders (2511.04622)", "rate", CONSTANT_STEPS, constants="read")
def fluctuations_are_of_order_one_half(grid: xr.Dataset) -> Evidence:
    """With constant steps the fluctuations around the limit are of order 1/2 in the step."""
    spread = grid["x"].std(("seed", "checkpoint")).values
    slope = float(np.polyfit(np.log(grid["lr"].values), np.log(spread), 1)[0])
    note = "exponent of the step in the root mean square of x - E x, lr = .003 ... .1"
    return within(slope, 0.5, 0.03, note)


CLAIMS = [
    the_bias_has_a_known_first_order, the_bias_has_a_known_second_order, the_bias_is_of_order_one,
    symmetric_laws_have_no_bias, adam_settles_at_the_zero_of_its_field, fluctuations_are_of_order_one_half,
]  # fmt: skip

DEVIATIONS = ledger("dereich2024",
    ("Setting", "General stochastic optimization problems and general rates.",
     "The two-point law on the line, k = 10 and p = .1, where every moment of the bias formula is explicit.",
     "X1a", "X1e"),
    ("Bias",
     "States that the limit differs from the minimiser and orders of the error; we know no printed constant.",
     "The constant of the first order and, at beta1 = 0, the second order are derived in this file. The "
     "first order alone is 13 % off at beta2 = .95 and batch 8, and 25 % off at beta1 = beta2 = .9, where 1 "
     "- beta2 is not small against 1 - beta1; that pair is not asserted. The third order is not derived: what is "
     "allowed for it was chosen after a first run.", "X1a", "X1b"),
    ("Vector field", "An expectation at stationarity.",
     "Monte Carlo with x frozen, 2.5e7 steps per value (1e8 in full), common random numbers at every point, "
     "so that its zero is found by bracketing; its standard error is that of the field over its slope.",
     "X1a", "X1d"),
)  # fmt: skip

"""Zhou, Zhang, Lu, Wang, Zhang, Yu, "AdaShift: Decorrelation and Convergence of Adaptive Learning Rate Methods"
(ICLR 2019, arXiv:1810.00143).

Adam divides a gradient by a v that contains it, so that a large one counts less; a v of gradients seen before is
independent of it if gradients are.  Then the mean step is -lr E[g] E[1/sqrt(v)], which has the right sign for every
beta2.  In a periodic sequence nothing is independent: a shift by the whole period divides by v of the same slope again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift import periodic_drift
from paper_checks.theorems.conditions import UNBIASED, VANISHING
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.nouns.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

BETA2 = (0.5, 0.9)
C, DELTA, LR = 10.0, 1.0, 1e-3
SHIFTS = (1, 2, 3)

SHIFTED = Theorem(
    id="zhou2019.shift",
    where="convergence of AdaShift without momentum on stochastic slopes",
    statement="If the slopes are independent, AdaShift without momentum and with vanishing steps ends at the best corner "
    "for every beta2, where Adam may end at the worst.",
    conditions=(
        Condition("slope > 0", "the optimum is -1"),
        UNBIASED,
        *VANISHING,
        Condition("beta1 == 0", "no momentum"),
        Condition("eps == 0", "no eps"),
    ),
    quantity="verdict",
    verdict=Verdict.CONVERGED,
    assumes=("The slopes are independent.",),
    problem=lambda: reddi.stochastic(C, delta=DELTA),
    own_problem=True,
    optimizer=lambda: ts.adashift(0.5, beta2=0.5, schedule=ts.power(0.5)),
    run={"steps": 40_000, "seeds": 8},
)

_FREE: dict[str, Any] = {"axes": {"beta2": BETA2}, "steps": 4_000, "seeds": 64, "entropy": 1810}
STOCHASTIC = ts.Sweep(
    reddi.stochastic(C, delta=DELTA, domain=False),
    ts.adashift(LR),
    name="zhou2019.stochastic",
    **_FREE,
)
ADAM = ts.Sweep(
    reddi.stochastic(C, delta=DELTA, domain=False),
    ts.rmsprop(LR),
    name="zhou2019.adam",
    **_FREE,
)
_CYCLE: dict[str, Any] = {"steps": 100_000, "checkpoints": (99_000, 100_000)}
CYCLIC = ts.Sweep(
    reddi.periodic(3.0, period=3),
    ts.adashift(0.5, schedule=ts.power(0.5)),
    {"shift": SHIFTS, "beta2": (0.05, 0.3)},
    name="zhou2019.cyclic",
    **_CYCLE,
)


def inverse_root(beta2: float, C: float, p: float) -> float:
    """Return E[1/sqrt(v)] of the stationary v of slopes C (probability p) or -1, by a sum over their last 18.

    What 18 slopes leave of v, a share beta2^18, is given its mean; at beta2 = .9 that is 15 %, and the remaining
    spread changes the result by 1e-3.
    """
    values, weights = np.zeros(1), np.ones(1)
    mean = p * C * C + (1.0 - p)
    values += mean
    for _ in range(18):
        values = np.concatenate([beta2 * values + (1.0 - beta2) * C * C, beta2 * values + (1.0 - beta2)])
        weights = np.concatenate([p * weights, (1.0 - p) * weights])
    return float(weights @ (1.0 / np.sqrt(values)))


def _pace(grid: xr.Dataset) -> tuple[Array, Array]:
    """Return the mean of -(x_T - x_1)/(lr T) over the seeds and its standard error, per beta2."""
    pace = -grid.x_final.values.reshape(len(BETA2), -1) / (LR * int(grid.attrs["steps"]))
    return pace.mean(axis=1), pace.std(axis=1, ddof=1) / np.sqrt(pace.shape[1])


@claim("zhou2019.S1", "decorrelation of v and g", "tight", STOCHASTIC, ADAM, constants="derived")
def a_shifted_v_keeps_the_sign(shifted: xr.Dataset, adam: xr.Dataset) -> Evidence:
    """On independent slopes, 10 or -1 with mean 1, AdaShift moves by -lr E[g] E[1/sqrt(v)] per step, towards the
    optimum, where RMSProp with the same beta2 moves away from it."""
    p = reddi.stochastic(C, delta=DELTA).facts["p"]
    parts = []
    pace, error = _pace(shifted)
    away, _ = _pace(adam)
    for k, beta2 in enumerate(BETA2):
        wanted = DELTA * inverse_root(beta2, C, p)
        note = f"beta2 = {beta2:g}: mean step of AdaShift, standard error {error[k]:.2g}"
        # 1 %: the tail of v in `inverse_root`.
        parts.append(within(pace[k], wanted, 5.0 * error[k] + 0.01 * wanted, note))
        parts.append(at_least(pace[k] / error[k], 10.0, "in standard errors"))
    exact = p * C / np.sqrt((1.0 - BETA2[0]) * C * C) - (
        1.0 - p
    )  # beta2 small: v is that of the slope itself
    parts.append(
        at_most(away[0], 0.0, f"beta2 = .5: mean step of RMSProp, {exact:.2g} if v forgot all before")
    )
    return all_of(parts)


@claim("zhou2019.S2", "correlation in periodic order", "exact", CYCLIC, constants="derived")
def a_shift_by_the_period_is_adam(grid: xr.Dataset) -> Evidence:
    """On the cyclic slopes (3, -1, -1) a shift by the period of 3 ends at the wrong corner, where Adam's drift points,
    and shifts by 1 and 2 at the best one."""
    ends = grid.x_final.isel(seed=0)
    parts = []
    for beta2 in grid.beta2.values.tolist():
        drift = {shift: shifted_drift(beta2, shift) for shift in SHIFTS}
        same = float(periodic_drift([3.0, -1.0, -1.0], 0.0, beta2))
        parts.append(within(drift[3], same, 1e-12, f"beta2 = {beta2:g}: drift with shift 3 is Adam's"))
        for shift in SHIFTS:
            x = float(ends.sel(shift=shift, beta2=beta2))
            # x_T is within two steps of 3 lr/sqrt(T (1 - beta2)) of its corner.
            parts.append(within(x, -np.sign(drift[shift]), 0.02, f"beta2 = {beta2:g}, shift {shift}: x_T"))
    return all_of(parts)


def shifted_drift(beta2: float, shift: int) -> float:
    """Return the sum of g_t/sqrt(v_{t-shift}) over a period of (3, -1, -1) in the periodic state."""
    g = np.array([3.0, -1.0, -1.0])
    past = [
        (1.0 - beta2) * sum(beta2**k * g[(t - k) % 3] ** 2 for k in range(3)) / (1.0 - beta2**3)
        for t in range(3)
    ]
    return float(sum(g[t] / np.sqrt(past[(t - shift) % 3]) for t in range(3)))


CLAIMS = [a_shifted_v_keeps_the_sign, a_shift_by_the_period_is_adam]
THEOREMS = [SHIFTED]

DEVIATIONS = ledger("zhou2019",
    ("Algorithm", "v averages the maximum over a block of shifted squares, n = 10.",
     "One coordinate, so the maximum is no operation; n is 1, 2 or 3. m averages the last n gradients as in the paper.",
     "S1", "S2"),
    ("Theorems on the net update factor", "The net update factor of a large gradient is the smaller, the larger it is; "
     "with a shift it does not depend on it.", "The text was not at hand, only its abstract and a note of its author. "
     "What is checked is the mean step, derived here, for independent slopes.", "S1"),
    ("Online setting", "Convergence in the online and the stochastic counterexample.",
     "Decorrelation needs independent gradients: in cyclic order a shift by the period is Adam again.", "S2"),
)  # fmt: skip

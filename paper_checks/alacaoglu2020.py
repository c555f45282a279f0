"""Alacaoglu, Malitsky, Mertikopoulos, Cevher, "A New Regret Analysis for Adam-Type Algorithms" (ICML 2020,
arXiv:2003.09729): AMSGrad with a constant beta1, which Corollary 1 of Reddi et al. excludes.

Their idea gives this, with constants of our own.  By g_t = m_t + beta1/(1-beta1) (m_t - m_{t-1}) and m_0 = 0 the regret
against x in the box is, coordinate by coordinate,

    sum m_t (x_t - x) + beta1/(1-beta1) [m_T (x_T - x) + sum m_{t-1} (x_{t-1} - x_t)].

1. x_{t+1} = P(x_t - e_t m_t) with e_t = lr_t/sqrt(vhat_t), which does not grow: sum m_t (x_t - x) <= D^2/(2 e_T) +
   sum e_t m_t^2/2.
2. abs(x_{t-1} - x_t) <= e_{t-1} abs(m_{t-1}), and m_T (x_T - x) <= e_T m_T^2 + D^2/(4 e_T).
3. e_t m_t^2 <= lr_t G abs(m_t)/sqrt(v_t) <= lr_t G U, U = (1-beta1)/sqrt((1-beta2)(1 - beta1^2/beta2)), and 1/e_T <=
   sqrt(T) G/lr, sum lr_t <= 2 lr sqrt(T).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import theory_sim as ts
from counterexamples import reddi
from paper_checks.theorems.conditions import BETA1, BETA2, BOUNDED, NO_EPS, ROOT
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Condition, Theorem

if TYPE_CHECKING:
    import xarray as xr

BETAS = (0.0, 0.5, 0.9, 0.97)
SLOPES = (3.0, 10.0, 30.0)

CONSTANT_BETA = Theorem(
    id="alacaoglu2020.amsgrad",
    where="regret of AMSGrad with constant beta1; constants of our own",
    statement="The average regret of AMSGrad with lr_t = lr/sqrt(t) and a constant beta1 is of order 1/sqrt(T).",
    conditions=(
        ROOT,
        BETA1,
        *BETA2,
        BOUNDED,
        *NO_EPS,
        Condition("decay == 1", "beta1 is constant"),
        Condition("Abs(x0) <= D_inf/2", "the start is in the box"),
    ),
    bound="d*G/sqrt(T)*(D_inf^2*(2 - beta1)/(4*lr*(1 - beta1))"
    " + lr*(1 + beta1)/sqrt((1 - beta2)*(1 - beta1^2/beta2)))",
    quantity="regret_mean",
    assumes=(
        "Every loss is convex on a box of l_inf diameter D_inf.",
        "Regret against any fixed point of the box.",
    ),
    problem=lambda: reddi.periodic(10.0, x0=1.0),
    optimizer=lambda: ts.amsgrad(0.5, 0.9, 0.99, schedule=ts.power(0.5)),
    run={"steps": 10_000},
)

PERIODIC = ts.Sweep(
    reddi.periodic(10.0, x0=1.0),
    ts.amsgrad(0.5, 0.9, 0.99, schedule=ts.power(0.5)),
    {"C": SLOPES, "beta1": BETAS, "lr": (0.1, 0.5, 2.0)},
    steps=300_000,
    checkpoints=60,
    running=True,
    name="alacaoglu2020.periodic",
    quick={"steps": 30_000},
)

# Slopes (3, -1, -1) and beta2 = 1/10, where Adam, without the maximum, ends at the wrong corner.
SMALL = ts.Sweep(
    reddi.periodic(3.0, period=3, x0=1.0),
    ts.amsgrad(2.0, 0.0, 0.1, schedule=ts.power(0.5)),
    {"beta1": (0.0, 0.1, 0.2, 0.3)},
    steps=300_000,
    checkpoints=60,
    running=True,
    name="alacaoglu2020.small",
    quick={"steps": 30_000},
)


def bounds(grid: xr.Dataset) -> np.ndarray:
    """Return the bound of every cell and checkpoint, in the order C, beta1, lr, checkpoint."""
    T = grid.checkpoint.values.astype(float)
    theorem = CONSTANT_BETA
    rows = [
        theorem.evaluate({"d": 1, "G": C, "D_inf": 2.0, "lr": lr, "beta1": beta1, "beta2": 0.99, "T": T})
        for C in SLOPES
        for beta1 in BETAS
        for lr in grid.lr.values.tolist()
    ]
    return np.array(rows).reshape(len(SLOPES), len(BETAS), -1, len(T))


@claim(
    "alacaoglu2020.A1", "regret of AMSGrad with constant beta1", "upper", PERIODIC, SMALL, constants="derived"
)
def regret_with_constant_beta1(grid: xr.Dataset, small: xr.Dataset) -> Evidence:
    """With constant beta1 in {0, .5, .9, .97} the average regret of AMSGrad on Reddi's slopes is below a bound of order
    1/sqrt(T) at every T; with beta2 = .1 and beta1 up to .3 it is a fifth of it and more without momentum."""
    ratio = grid.regret_mean.isel(seed=0).transpose("C", "beta1", "lr", "checkpoint").values / bounds(grid)
    note = f"mean regret over the bound, {ratio[..., 0].size} cells, T up to {int(grid.checkpoint[-1])}"
    parts = [at_most(np.max(ratio), 1.0, note)]
    T = small.checkpoint.values.astype(float)
    for beta1 in small.beta1.values.tolist():
        known = {"d": 1, "G": 3.0, "D_inf": 2.0, "lr": 2.0, "beta1": beta1, "beta2": 0.1, "T": T}
        share = small.regret_mean.sel(beta1=beta1).isel(seed=0).values / CONSTANT_BETA.evaluate(known)
        parts.append(
            at_most(np.max(share), 1.0, f"beta2 = .1, beta1 = {beta1:g}: mean regret over the bound")
        )
        if beta1 == 0.0:
            parts.append(
                at_least(np.min(share[T >= 100]), 0.2, "beta2 = .1, no momentum: the same, T >= 100")
            )
    return all_of(parts)


@claim("alacaoglu2020.A2", "constant beta1 against none", "tight", PERIODIC, constants="derived")
def momentum_does_not_change_the_order(grid: xr.Dataset) -> Evidence:
    """Without momentum and with beta1 = .5 the regret of AMSGrad on Reddi's slopes grows like sqrt(T) in the end; with
    more it grows no faster, down to not at all where momentum holds x at the best corner for good."""
    T = grid.checkpoint.values
    times = [T[np.searchsorted(T, T[-1] / divisor)] for divisor in (16, 4, 1)]
    before, early, late = (grid.regret_mean.sel(checkpoint=one, lr=2.0).isel(seed=0) * one for one in times)
    wanted = (times[2] ** 0.5 - times[1] ** 0.5) / (times[1] ** 0.5 - times[0] ** 0.5)
    first, second = (
        (early - before).transpose("C", "beta1").values,
        (late - early).transpose("C", "beta1").values,
    )
    note = "growth of the regret from T/4 to T over that from T/16 to T/4"
    # 10 %: the checkpoints cut a period of up to 30 steps.
    parts = [
        within(float(value), wanted, 0.1 * wanted, f"{note}, beta1 <= .5")
        for value in (second[:, :2] / first[:, :2]).ravel()
    ]
    excess = np.max((second - 1.1 * wanted * np.maximum(first, 0.0)) / late.values)
    held = float(np.max(second[0, 2:]))
    return all_of(
        [
            *parts,
            at_most(excess, 1e-9, "every beta1: growth beyond that, share of the regret"),
            within(held, 0.0, 1e-9, "C = 3, beta1 >= .9: regret of the last three quarters"),
        ]
    )


CLAIMS = [regret_with_constant_beta1, momentum_does_not_change_the_order]
THEOREMS = [CONSTANT_BETA]

DEVIATIONS = ledger("alacaoglu2020",
    ("Theorem for AMSGrad", "D^2 sqrt(T)/(2 alpha (1-beta1)) sum vhat_T^(1/2) + alpha sqrt(1 + log T)/sqrt((1-beta2) (1 - "
     "gamma)) sum ||g||, as we recall it.",
     "The text was not at hand. The bound here is derived by the same decomposition of g_t, without the logarithm and "
     "with constants of our own. Without momentum between a quarter and two thirds of it are spent at beta2 = .1; with the usual betas a thousandth.", "A1"),
    ("Assumptions", "Convex losses on a bounded set.", "Linear losses in periodic order on [-1, 1].", "A1", "A2"),
)  # fmt: skip

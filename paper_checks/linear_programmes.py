"""PDHG on linear programmes (Applegate et al., arXiv:2106.04756): averages, last iterates, and how long a step may be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from counterexamples import pdhg
from paper_checks.theorems.recursions import PDHG
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger
from theory_sim.nouns.theorem import Answer

Array = np.ndarray[Any, np.dtype[np.float64]]

CONDITION, M = 3.0, 8
STEPS = (1000, 4000)
BELOW, BEYOND = (0.5, 1.0, 1.2, 1.32), (1.35, 1.5)


def globally(count: int) -> tuple[Array, Array, Array]:
    """Return from the start 0, with tau = sigma = 1/||A||, the last KKT error and k times that of the averages at both k."""
    some = pdhg.programmes(count, M, 2 * M, CONDITION)
    step = 1.0 / np.linalg.norm(some.A, 2, axis=(1, 2))
    runs = pdhg.run(some, step, STEPS[-1], STEPS, np.zeros_like(some.x), np.zeros_like(some.y))
    means = [k * pdhg.kkt_error(some, one["x_mean"], one["y_mean"]) for k, one in runs.items()]
    last = runs[STEPS[-1]]
    return pdhg.kkt_error(some, last["x"], last["y"]), means[0], means[1]


def distances(count: int, product: float) -> Array:
    """Return the distances after 60 and 120 steps from a start 1e-6 beside the solution, shape (2, count).

    The step has the given square; the largest singular value in the support is 1.
    """
    some = pdhg.programmes(count, M, 2 * M, CONDITION)
    random = np.random.default_rng(11)
    # In the support only, where the linear recursion lives; 1e-6 keeps it there for growth by 1e5.
    x = some.x.copy()
    x[:, :M] += 1e-6 * random.standard_normal((count, M))
    y = some.y + 1e-6 * random.standard_normal(some.y.shape)
    runs = pdhg.run(some, np.full(count, math.sqrt(product)), 120, (60, 120), x, y)
    return np.array(
        [
            np.sqrt(np.sum((one["x"] - some.x) ** 2, axis=1) + np.sum((one["y"] - some.y) ** 2, axis=1))
            for one in runs.values()
        ]
    )


def predicted(product: float) -> tuple[bool, float]:
    """Return whether the theorem applies, and the factor per step at this square of the step."""
    found = PDHG.assess({"step": math.sqrt(product), "s_max": 1.0, "s_min": 1.0 / CONDITION})
    values = pdhg.local_factor(product * np.linspace(1.0, 1.0 / CONDITION, M) ** 2)
    return found.applies is Answer.HOLDS, found.bound if found.applies is Answer.HOLDS else float(
        values.max()
    )


@claim("applegate2021.D1", "PDHG: averages, last iterates, steps", "tight", constants="derived")
def averages_are_one_over_k_and_the_last_iterate_is_linear(tier: str) -> Evidence:
    """With tau sigma ||A||^2 = 1 the KKT error of PDHG's average, times k, is the same at k = 1000 and 4000, while the last
    iterate has reached 1e-9; near the solution the factor per step is the derived one, and steps are too long from tau
    sigma = 4/3 over the squared norm of the columns in the support on, not of A."""
    count = 6 if tier == "quick" else 24
    last, first, second = globally(count)
    # What is left of the average's error is the sum of all errors over k; KKT errors have kinks, hence 1 %.
    parts = [
        at_most(np.max(last), 1e-9, f"KKT error of the last iterate, {count} programmes"),
        at_most(
            np.max(np.abs(second / first - 1.0)),
            0.01,
            "k times the KKT error of the average, relative change",
        ),
        at_least(np.min(second), 1.0, "which is not 0"),
    ]
    for product in (*BELOW, *BEYOND):
        applies, factor = predicted(product)
        before, after = distances(count, product)
        rate = (after / before) ** (1.0 / 60.0)
        note = f"tau sigma ||A_B||^2 = {product:g}: factor per step"
        if product in BELOW:
            # Complex eigenvalues turn: a distance may change by e^(.6) within 60 steps at the same modulus.
            parts += [
                at_most(0.0 if applies else 1.0, 0.5, "the theorem applies"),
                at_most(np.max(rate), 1.01 * factor, note),
            ]
            parts += [at_least(np.max(rate), 0.99 * factor, note), at_most(np.max(rate), 1.0, note)]
        else:
            parts += [at_most(1.0 if applies else 0.0, 0.5, "the theorem does not apply")]
            parts += [at_least(np.min(rate), 1.0 + 0.5 * (factor - 1.0), note)]
    return all_of(parts)


CLAIMS = [averages_are_one_over_k_and_the_last_iterate_is_linear]

DEVIATIONS = ledger(
    "applegate2021",
    (
        "convergence",
        "PDHG averages converge like 1/k for tau sigma ||A||^2 <= 1; restarts make it linear.",
        "Plain PDHG, recalled; no restarts, preconditioning or presolving. Programmes of 8 rows and 16 columns with a unique, nondegenerate "
        "solution whose support has condition number 3, so that 4000 steps suffice. That k times the error of the average is constant follows "
        "once the last iterate has converged: the average's error is the sum of all errors over k.",
        "D1",
    ),
    (
        "steps",
        "tau sigma ||A||^2 <= 1.",
        "How long a step may be near the solution is decided by the columns in its support: 4/3 over their squared norm, which is derived and sharp. "
        "Programmes with tau sigma ||A||^2 = 2, and some with 4, still converge for this reason, others with 4 overflow. "
        "That 4/3 is also the sharp constant in general is recalled, not asserted.",
        "D1",
    ),
)

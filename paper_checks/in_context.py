"""Regression in context (Fu, Chen, Jia, Sharan, arXiv:2310.17086): iterative Newton's steps, linear attention."""

from __future__ import annotations

import math

import numpy as np

from counterexamples import newton
from paper_checks.theorems.recursions import NEWTON
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within

COUNTS = {1e1: (11, 69), 1e2: (18, 691), 1e4: (31, 69_078), 1e6: (44, 6_907_756)}
# The matrices' own recursion: at kappa = 1e6 its rounding, of the order of kappa^2 1e-16, hides the last steps.
MATRICES = (1e1, 1e2, 1e3, 1e4)


def residuals(kappa: float) -> list[float]:
    """Return ||I - S M_k|| of the recursion on matrices, up to one step after `newton.steps`."""
    X, _ = newton.regression(kappa)
    S = X.T @ X
    found = newton.inverses(S, newton.steps(kappa) + 1)
    return [float(np.linalg.norm(np.eye(len(S)) - S @ M, 2)) for M in found]


@claim("fu2023.I1", "iterative Newton", "exact", constants="derived")
def newton_takes_the_logarithm_of_the_steps_of_descent() -> Evidence:
    """To bring every residual to 1e-6 iterative Newton takes 11, 18, 31 and 44 steps at condition numbers 10, 1e2, 1e4 and
    1e6, gradient descent with its best step 69, 691, 69078 and 6907756; run on matrices it follows (1 - 1/kappa^2)^(2^k)
    and takes as many."""
    parts = [
        within(found, expected, 0.0, f"{name} at kappa = {kappa:g}")
        for kappa, counts in COUNTS.items()
        for name, found, expected in zip(
            ("Newton", "descent"), (newton.steps(kappa), newton.gradient_steps(kappa)), counts, strict=True
        )
    ]
    for kappa in MATRICES:
        seen = residuals(kappa)
        count = newton.steps(kappa)
        bounds = [NEWTON.assess({"alpha": 1.0, "lam": 1.0 / kappa, "T": k}).bound for k in range(count)]
        # Rounding of S M_k, 1e-16 times lam_max m_k, which is kappa: relative to residuals above 1e-6.
        error = np.max(np.abs(np.array(seen[:count]) / bounds - 1.0))
        parts += [
            at_most(error, 1e-15 * kappa / 1e-6 + 1e-9, f"kappa = {kappa:g}: matrices against the formula"),
            at_least(seen[count - 1], 1e-6, f"kappa = {kappa:g}: one step fewer is not enough"),
            at_most(seen[count], 1e-6, f"kappa = {kappa:g}: these steps are enough"),
        ]
    return all_of(parts)


@claim("fu2023.I2", "linear attention", "exact", constants="none")
def linear_attention_is_one_step_of_descent() -> Evidence:
    """Linear attention over 40 examples of a prompt predicts what one step of gradient descent from 0 predicts, and not
    what least squares does."""
    X, y = newton.regression(100.0)
    queries = np.random.default_rng(17).standard_normal((100, X.shape[1]))
    attended = np.array([newton.linear_attention(X, y, query, 0.7) for query in queries])
    stepped = np.array([newton.one_step(X, y, query, 0.7) for query in queries])
    fitted = queries @ np.linalg.lstsq(X, y, rcond=None)[0]
    size = float(np.abs(stepped).max())
    # Sums of 40 products in another order.
    return all_of(
        [
            at_most(np.abs(attended - stepped).max() / size, 1e-12, "attention against one step, relative"),
            at_least(
                np.abs(attended - fitted).max() / math.sqrt(np.mean(fitted**2)), 0.1, "against least squares"
            ),
        ]
    )


CLAIMS = [newton_takes_the_logarithm_of_the_steps_of_descent, linear_attention_is_one_step_of_descent]

DEVIATIONS = ledger(
    "fu2023",
    (
        "iterative Newton",
        "Trained Transformers match iterative Newton, about three of its steps per layer.",
        "No Transformer is trained. What is checked is the recursion: its residual is derived in counterexamples.newton, with "
        "alpha = 1/lam_max^2; counts are ceil(2 log2(kappa) + log2(ln 1e6)). The matrices are 20 x 20, from 40 data, and in "
        "double precision their recursion is followed up to kappa = 1e4.",
        "I1",
    ),
    (
        "linear attention",
        "One layer of linear attention can be a step of gradient descent.",
        "With keys x_i, values y_i, no softmax and the right scale, an identity; nothing is said of what training finds.",
        "I2",
    ),
)

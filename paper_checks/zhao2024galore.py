"""Zhao et al., "GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection" (arXiv:2403.03507).

The theorem on fixed projections is about the projected gradient only, and the gradient of its model has low rank
because what decays slowest is left over.  Where the projection follows noise, see `paper_checks.he2024golore`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from counterexamples.lowrank import cosines, kept_columns, projected_path, stable_rank, stiefel
from counterexamples.spectra import orthogonal, rotated
from paper_checks.theorems.conditions import CONSTANT, POSITIVE
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger
from theory_sim.nouns.theorem import Condition, Theorem

Array = np.ndarray[Any, np.dtype[np.float64]]

CONTRACTION = Theorem(
    id="zhao2024galore.thm3",
    where="2403.03507, theorem on fixed projections, for one constant pair B, C",
    statement="With gradients G_t = A - B W_t C, B and C positive semidefinite, and fixed projections P and Q, the projected "
    "gradient R_t = P^T G_t Q has ||R_T|| <= (1 - lr kappa)^T ||R_0||, kappa = lambda_min(P^T B P) lambda_min(Q^T C Q), for lr "
    "<= 1/(lambda_max(P^T B P) lambda_max(Q^T C Q)).  Attained by the slowest direction.",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("lr*fastest <= 1", "no direction is overshot"),
        Condition("kappa_min >= 0", "B and C are positive semidefinite"),
    ),
    bound="(1 - lr*kappa_min)**T*norm_1",
    quantity="norm of the projected gradient",
    meaning={
        "kappa_min": "lambda_min(P^T B P) lambda_min(Q^T C Q)",
        "fastest": "lambda_max(P^T B P) lambda_max(Q^T C Q)",
        "norm_1": "||P^T G_0 Q||_F",
    },
)

M, N, RANK, STEPS = 20, 15, 4, 50
# Products of 20 x 20 matrices of size 1 round by 1e-15, 50 times; what is small in R_t is so beside ||G_t||.
ROUNDING = 1e-12


def _semidefinite(random: np.random.Generator, d: int) -> Array:
    samples = random.standard_normal((d, d))
    return np.asarray(samples @ samples.T / d)


def _ends(H: Array) -> tuple[Array, Array]:
    """Return eigenvalues in increasing order and eigenvectors."""
    values, vectors = np.linalg.eigh(H)
    return values, vectors


def _excess(paths: tuple[Array, Array], lr: float, kappa: float, fastest: float) -> Array:
    """Return ||R_T|| less its bound, over the largest ||G_t||, T = 1 ... STEPS; NaN unless the conditions hold."""
    inside, whole = paths
    given = {"lr": lr, "s": 0.0, "fastest": fastest, "kappa_min": kappa, "norm_1": float(inside[0])}
    if math.isnan(CONTRACTION.assess({**given, "T": 1}).bound):
        return np.array([math.nan])
    bound = CONTRACTION.evaluate({**given, "T": np.arange(1, len(inside))})
    return np.asarray((inside[1:] - bound) / whole.max())


@claim("zhao2024galore.G3", "2403.03507, theorem on fixed projections", "tight", constants="derived")
def the_projected_gradient_contracts(tier: str) -> Evidence:
    """With fixed projections the projected gradient contracts by 1 - lr kappa or faster, attained by the slowest direction; but
    the gradient itself does not: nine tenths of its norm are still there after 50 steps."""
    random = np.random.default_rng([2403, 3])
    worst, attained, left = [], [], []
    for _ in range(200 if tier == "full" else 40):
        B, C = _semidefinite(random, M), _semidefinite(random, N)
        P, Q = stiefel(random, 1, M, RANK)[0], stiefel(random, 1, N, RANK)[0]
        (b, U), (c, V) = _ends(P.T @ B @ P), _ends(Q.T @ C @ Q)
        kappa, fastest = float(b[0] * c[0]), float(b[-1] * c[-1])
        lr = 0.999 / fastest
        paths = projected_path(B, C, P, Q, random.standard_normal((M, N)), lr, STEPS)
        worst.append(float(np.max(_excess(paths, lr, kappa, fastest))))
        left.append(float(paths[1][-1] / paths[1][0]))
        slowest = P @ np.outer(U[:, 0], V[:, 0]) @ Q.T
        paths = projected_path(B, C, P, Q, slowest, lr, STEPS)
        attained.append(float(np.max(np.abs(_excess(paths, lr, kappa, fastest)))))
    return all_of(
        [
            at_most(float(np.max(worst)), ROUNDING, "||R_t|| less its bound, random gradients"),
            at_most(
                float(np.max(attained)), ROUNDING, "||R_t|| less its bound, the slowest direction, either way"
            ),
            at_least(min(left), 0.9, "||G_50|| over ||G_0||"),
        ]
    )


@claim("zhao2024galore.SR", "2403.03507, lemma on the stable rank of gradients", "exact", constants="derived")
def gradients_end_at_the_rank_of_the_slowest_part() -> Evidence:
    """With G_{t+1} = (I - lr B) G_t the stable rank ||G||_F^2/||G||_2^2 falls to that of the projection of G_0 to the eigenspace
    of lambda_min(B), at most its dimension k and 1 for k = 1; it is still above it after 1/lr steps."""
    parts, d, lr = [], 20, 0.5
    for k in (1, 2, 4):
        random = np.random.default_rng([2403, 4, k])
        values = np.concatenate([np.full(k, 1e-3), np.logspace(-2.0, 0.0, d - k)])
        basis = orthogonal(random, d)
        B, G = rotated(values, basis), random.standard_normal((d, d))
        slowest = basis[:, :k]
        limit = stable_rank(slowest @ slowest.T @ G)
        late = np.linalg.matrix_power(np.eye(d) - lr * B, 8000) @ G
        early = np.linalg.matrix_power(np.eye(d) - lr * B, 2) @ G
        # The next eigenvalue has lost e^(-4.5 10^-3 8000) = 2e-16 more by then.
        parts.append(
            at_most(abs(stable_rank(late) / limit - 1.0), 1e-9, f"stable rank after 8000 steps, k = {k}")
        )
        parts.append(at_most(limit, k + ROUNDING, f"its limit is at most k = {k}"))
        parts.append(
            at_least(stable_rank(early) / limit, 1.2, f"stable rank after 2 steps over its limit, k = {k}")
        )
    return all_of(parts)


@claim(
    "zhao2024galore.G4",
    "relatives: projections to columns of a fixed orthogonal matrix",
    "tight",
    constants="derived",
)
def the_best_columns_keep_their_share(tier: str) -> Evidence:
    """Keeping the r columns of an orthogonal n x n matrix Q, such as the discrete cosine transform, on which G is largest,
    loses at most 1 - r/n of ||G||_F^2, attained where all columns of G Q are equally long."""
    random, n = np.random.default_rng([2403, 5]), 16
    lost, attained = [], []
    for k in range(200 if tier == "full" else 50):
        Q = cosines(n) if k % 2 else orthogonal(random, n)
        for r in (1, 5, 16):
            G = random.standard_normal((12, n)) * random.exponential(1.0, n)
            lost.append(
                np.linalg.norm(G - kept_columns(G, Q, r)) ** 2 / np.linalg.norm(G) ** 2 - (1.0 - r / n)
            )
            even = orthogonal(random, n) @ Q.T
            attained.append(np.linalg.norm(even - kept_columns(even, Q, r)) ** 2 / n - (1.0 - r / n))
    unit = np.max(np.abs(cosines(n).T @ cosines(n) - np.eye(n)))
    return all_of(
        [
            at_most(float(max(lost)), ROUNDING, "lost share less 1 - r/n, random matrices"),
            at_most(
                float(np.max(np.abs(attained))), ROUNDING, "lost share less 1 - r/n, columns of equal length"
            ),
            at_most(float(unit), ROUNDING, "the cosine matrix is orthogonal"),
        ]
    )


CLAIMS = [
    the_projected_gradient_contracts,
    gradients_end_at_the_rank_of_the_slowest_part,
    the_best_columns_keep_their_share,
]
THEOREMS = [CONTRACTION]
DEVIATIONS = ledger(
    "zhao2024galore",
    (
        "2403.03507, theorem on fixed projections",
        "B_t and C_t are averages that depend on W through Lipschitz constants L_A, L_B, L_C, which join the rate.",
        "One constant pair B, C, for which these constants vanish. The theorem says nothing of the part of the gradient "
        "outside the projections, which a fixed projection leaves where it is.",
        "G3",
    ),
    (
        "2403.03507, stable rank of the gradient",
        "The stable rank falls to the multiplicity of the smallest eigenvalue.",
        "The multiplicity bounds the limit, which is the stable rank of the start's projection: less than k for k > 1.",
        "SR",
    ),
    (
        "2403.03507, Algorithm",
        "Adam in the subspace, scale 0.25, gap 200, rank 128, language models.",
        "Gradient descent on the model where the theorem is proved. Memory and language models are not in these toys.",
        "G3",
    ),
)  # fmt: skip

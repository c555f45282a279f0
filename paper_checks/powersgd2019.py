"""Vogels, Karimireddy, Jaggi, "PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization" (NeurIPS 2019,
arXiv:1905.13727).

A message M of n rows and columns, n the smaller number, is replaced by P Q^T with r columns each, from one step of subspace
iteration: P = orth(M Q), Q = M^T P.  Then P Q^T = P P^T M is the projection of M on r directions, which loses a share of at
most 1 of ||M||^2; the best choice, r singular vectors, loses at most 1 - r/n, exactly that when all singular values are
equal.  With Q kept from message to message (warm start) the projection tends to the best one: by theta the largest angle to it,
tan(theta) shrinks by (s_{r+1}/s_r)^2 per message, and what is lost too much by its square.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory_sim.compressors import low_rank
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Condition, Theorem

Array = np.ndarray[Any, np.dtype[np.float64]]

SHAPE = (6, 8)
RANKS = (1, 2, 4)

CONTRACTION = Theorem(
    id="powersgd2019.contraction",
    where="compression operator; the best approximation of a rank",
    statement="The best approximation of rank r of a matrix with n rows or columns, the smaller number, loses at most 1 - r/n of its "
    "squared norm.",
    conditions=(
        Condition("rank >= 1", "a positive rank"),
        Condition("rank <= smaller", "a rank of at most the smaller side"),
    ),
    bound="(1 - rank/smaller)*square",
    quantity="squared error of a message",
    meaning={
        "rank": "singular values kept",
        "smaller": "the smaller of rows and columns",
        "square": "squared norm of the message",
    },
)


def power_step(M: Array, Q: Array) -> tuple[Array, Array]:
    """Return P Q^T and the new Q of Algorithm 1: P = orth(M Q), Q = M^T P."""
    P, _ = np.linalg.qr(M @ Q)
    new = M.T @ P
    return P @ new.T, new


def with_values(values: Array, rng: np.random.Generator) -> Array:
    """Return a random matrix of `SHAPE` with these singular values."""
    left, _ = np.linalg.qr(rng.normal(size=(SHAPE[0], SHAPE[0])))
    right, _ = np.linalg.qr(rng.normal(size=(SHAPE[1], SHAPE[1])))
    return np.asarray(left @ np.diag(values) @ right[: SHAPE[0]])


def lost(M: Array, sent: Array) -> float:
    """Return ||M - sent||^2."""
    return float(np.sum((M - sent) ** 2))


@claim("powersgd2019.L1", "compression operator", "tight", constants="derived")
def low_rank_loses_the_small_singular_values() -> Evidence:
    """The compressor low_rank(r) loses the squared singular values beyond the r largest, at most 1 - r/n of the squared norm, and
    exactly that when all are equal."""
    rng = np.random.default_rng(1905)
    parts = []
    for rank in RANKS:
        compressor = low_rank(rank, SHAPE[0], 64)
        limit = CONTRACTION.assess({"rank": rank, "smaller": SHAPE[0], "square": 1.0}).bound
        for _ in range(4):
            values = np.sort(rng.exponential(size=SHAPE[0]))[::-1]
            M = with_values(values, rng)
            share = lost(M, compressor.quantize(M.ravel()).reshape(SHAPE)) / float(np.sum(values**2))
            wanted = float(np.sum(values[rank:] ** 2) / np.sum(values**2))
            parts.append(within(share, wanted, 1e-12, f"rank {rank}: share of the squared norm that is lost"))
            parts.append(at_most(share, limit, f"rank {rank}: the same, against 1 - r/n"))
        flat = with_values(np.ones(SHAPE[0]), rng)
        share = lost(flat, compressor.quantize(flat.ravel()).reshape(SHAPE)) / SHAPE[0]
        parts.append(within(share, limit, 1e-12, f"rank {rank}: equal singular values"))
    return all_of(parts)


@claim("powersgd2019.L2", "warm start", "rate", constants="derived")
def a_warm_start_finds_the_best_directions() -> Evidence:
    """On a constant message the power step with a warm start loses what the best approximation loses and an excess that falls by
    (s_{r+1}/s_r)^4 per message; without a warm start the excess stays."""
    rng = np.random.default_rng(13727)
    parts = []
    for rank, ratio in ((1, 0.8), (2, 0.6), (4, 0.7)):
        values = np.concatenate([np.ones(rank), np.full(SHAPE[0] - rank, ratio)])
        M = with_values(values, rng)
        best = (SHAPE[0] - rank) * ratio**2
        Q = rng.normal(size=(SHAPE[1], rank))
        excess = []
        for _ in range(14):
            sent, Q = power_step(M, Q)
            excess.append(lost(M, sent) - best)
        # From the 4th message on tan(theta)^2 is small; at the last one the excess is above 1e-13 of rounding.
        kept = [k for k in range(4, 13) if excess[k + 1] > 1e-11]
        fall = np.array([excess[k + 1] / excess[k] for k in kept])
        note = f"rank {rank}, ratio {ratio:g}: fall of the excess per message over its fourth power"
        parts.append(within(float(fall[-1]) / ratio**4, 1.0, 0.02, note))
        cold = float(
            np.mean([lost(M, power_step(M, rng.normal(size=(SHAPE[1], rank)))[0]) - best for _ in range(50)])
        )
        parts.append(
            at_least(
                cold / excess[4], 3.0, f"rank {rank}: mean excess without a warm start over that of message 5"
            )
        )
        parts.append(at_least(min(excess), -1e-12, f"rank {rank}: least excess over the best approximation"))
    return all_of(parts)


CLAIMS = [low_rank_loses_the_small_singular_values, a_warm_start_finds_the_best_directions]
THEOREMS = [CONTRACTION]

DEVIATIONS = ledger("powersgd2019",
    ("Algorithm 1", "Distributed, with error feedback, the mean of the workers' factors and post-compression momentum.",
     "Only the compression, on one constant message. The suite's low_rank takes the exact singular vectors, which the power step tends "
     "to. One cold power step is no contraction in the worst case: a Q orthogonal to M loses everything.", "L1", "L2"),
)  # fmt: skip

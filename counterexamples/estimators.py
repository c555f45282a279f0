"""Stochastic estimators whose mean and variance are finite sums: WTA-CRS of matrix products, REINFORCE with baselines.

No rule of the engine is needed: both are one draw, not a recursion, and their moments are computed, not sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How X Y, the sum over i of column i of X times row i of Y, is estimated from k such pairs.

    Parameters
    ----------
    kept : ndarray of int, shape (C,)
        Pairs that are always taken, with weight 1.
    rest : ndarray of int, shape (n - C,)
    chance : ndarray, shape (n - C,)
        Probability of each of the rest in one draw.
    weight : ndarray, shape (n - C,)
        Factor of a pair of the rest that is drawn.
    draws : int
        k - C.
    mass : float
        P_C, the probability that the kept pairs have in plain column-row sampling.
    """

    kept: NDArray[np.int64]
    rest: NDArray[np.int64]
    chance: FloatArray
    weight: FloatArray
    draws: int
    mass: float


def winner_take_all(X: FloatArray, Y: FloatArray, k: int, C: int = 0) -> Sampling:
    """Return WTA-CRS (Liu et al. 2023, arXiv:2305.15265): the C likeliest pairs are kept and k - C of the rest drawn.

    Parameters
    ----------
    X, Y : ndarray, shapes (m, n) and (n, q)
    k, C : int
        0 <= C < k <= n.  C = 0 is column-row sampling with p_i proportional to ||X_:i|| ||Y_i:||.
    """
    checks.count("k", k, 1, X.shape[1])
    checks.count("C", C, 0, k - 1)
    p = np.linalg.norm(X, axis=0) * np.linalg.norm(Y, axis=1)
    p = p / p.sum()
    order = np.argsort(-p, kind="stable")
    kept, rest = order[:C], order[C:]
    left = 1.0 - float(p[kept].sum())
    return Sampling(kept, rest, p[rest] / left, left / ((k - C) * p[rest]), k - C, 1.0 - left)


def moments(X: FloatArray, Y: FloatArray, how: Sampling) -> tuple[FloatArray, float]:
    """Return the mean of the estimator, shape (m, q), and its variance, summed over entries."""
    terms = np.einsum("in,nj->nij", X, Y)
    weighted = how.weight[:, None, None] * terms[how.rest]
    mean = np.einsum("n,nij->ij", how.chance, weighted)
    square = float(np.sum(how.chance * np.sum(weighted**2, axis=(1, 2))))
    total = terms[how.kept].sum(axis=0) + how.draws * mean
    return total, how.draws * (square - float(np.sum(mean**2)))


def softmax(logits: FloatArray) -> FloatArray:
    """Return probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def reinforce(
    logits: FloatArray, rewards: FloatArray, baseline: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return bias and variance of grad log pi(a) (r(a) - b), a ~ pi = softmax(logits), and the best constant b.

    Parameters
    ----------
    logits, rewards : ndarray, shape (N, actions)
    baseline : ndarray, shape (N,)
        b, which must not depend on the action; ReMax (Li et al. 2023, arXiv:2310.10505) takes the reward of the greedy action.

    Returns
    -------
    (ndarray, ndarray, ndarray)
        Largest error of an entry of the mean, variance summed over entries, and b* = E[w r]/E[w], w = ||grad log pi||^2,
        at which the variance is least: it is below that of b = 0 iff b is between 0 and 2 b*.  All of shape (N,).
    """
    pi = softmax(logits)
    score = np.eye(pi.shape[1]) - pi[:, None, :]  # of action a, with respect to every logit
    sample = score * (rewards - baseline[:, None])[:, :, None]
    mean = np.einsum("na,nai->ni", pi, sample)
    exact = pi * (rewards - np.sum(pi * rewards, axis=1, keepdims=True))
    variance = np.einsum("na,nai->n", pi, sample**2) - np.sum(mean**2, axis=1)
    size = np.sum(score**2, axis=2)
    best = np.sum(pi * size * rewards, axis=1) / np.sum(pi * size, axis=1)
    return np.abs(mean - exact).max(axis=1), variance, best

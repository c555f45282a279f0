"""Liu et al., "COSMOS: A Hybrid Adaptive Optimizer for Memory-Efficient Training of LLMs" (arXiv:2502.17410)."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterexamples.spectra import orthogonal
from counterexamples.spectral import Adam, Cosmos, Momentum, newton_schulz
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger

Array = np.ndarray[Any, np.dtype[np.float64]]


def _unit(D: Array) -> Array:
    return np.asarray(D / np.linalg.norm(D))


@claim("liu2025cosmos.C1", "2502.17410, Algorithm", "exact", constants="derived")
def cosmos_lies_between_two_methods() -> Evidence:
    """With rank 0 a direction of COSMOS is Muon's without Nesterov, with full rank Adam's in the eigenbasis of G^T G, each scaled to norm
    sqrt(m n); the ranks in between differ from both."""
    random, m, n = np.random.default_rng([2502, 1]), 7, 5
    Q = orthogonal(random, n)
    # Orthogonal rows of decreasing length in a fixed basis: its eigenvectors are those of every G^T G.
    columns = np.geomspace(10.0, 1.0, n)
    gradients = [orthogonal(random, m)[:, :n] * columns @ Q.T for _ in range(8)]
    none, half, full = Cosmos(0), Cosmos(2), Cosmos(n)
    momentum, adam = Momentum(0.95), Adam(0.95, 0.95)
    muons, adams, between, sizes = [], [], [], []
    for t, G in enumerate(gradients, start=1):
        found = [one(G, t) for one in (none, half, full)]
        sizes += [abs(np.linalg.norm(D) / np.sqrt(m * n) - 1.0) for D in found]
        # the sum of gradients and their average differ by a factor, which Newton-Schulz does not see
        muon = newton_schulz(momentum(G, t))
        turned = adam(G @ Q, t) @ Q.T
        muons.append(np.max(np.abs(_unit(found[0]) - _unit(muon))))
        adams.append(np.max(np.abs(_unit(found[2]) - _unit(turned))))
        between.append(min(np.linalg.norm(_unit(found[1]) - _unit(other)) for other in (muon, turned)))
    return all_of(
        [
            # 1e-7 is added to the norm, which the average has 20 times smaller than the sum
            at_most(float(max(muons)), 1e-5, "rank 0 less Muon, scaled to norm 1"),
            at_most(float(max(adams)), 1e-7, "full rank less Adam in the eigenbasis, scaled to norm 1"),
            at_least(float(min(between)), 0.05, "rank 2 less the nearer of both"),
            at_most(float(max(sizes)), 1e-12, "norm over sqrt(m n)"),
        ]
    )


CLAIMS = [cosmos_lies_between_two_methods]
DEVIATIONS = ledger(
    "liu2025cosmos",
    (
        "2502.17410, Algorithm",
        "A rank-r part as SOAP, one-sided, and the rest as Muon, for memory.",
        "The limits of its rank, from the published code; where the span starts is our choice. Nothing is claimed of memory, speed or "
        "of which rank is best.",
        "C1",
    ),
)  # fmt: skip

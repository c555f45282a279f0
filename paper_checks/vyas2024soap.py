"""Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam" (arXiv:2409.11321, ICLR 2025)."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterexamples.spectra import orthogonal
from counterexamples.spectral import Adam, Soap, adafactor, kronecker, shampoo, train
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger

Array = np.ndarray[Any, np.dtype[np.float64]]


@claim("vyas2024soap.S1", "2409.11321, Claim 1", "exact", constants="derived")
def shampoo_is_adafactor_in_its_eigenbasis() -> Evidence:
    """Shampoo with power 1/2, sqrt(tr L) L^(-1/2) G R^(-1/2) with L and R the means of G G^T and G^T G, is Adafactor in the eigenbasis
    of L and R, for every gradient; with power 1/4 it is not."""
    random, worst, other = np.random.default_rng([2409, 2]), 0.0, np.inf
    for m, n in ((4, 6), (9, 5), (7, 7)):
        data = random.standard_normal((40, m, n)) * random.exponential(1.0, (m, n))
        L = (data @ np.swapaxes(data, 1, 2)).mean(axis=0)
        R = (np.swapaxes(data, 1, 2) @ data).mean(axis=0)
        left, right = np.linalg.eigh(L)[1], np.linalg.eigh(R)[1]
        turned = left.T @ data @ right
        rows, columns = (turned**2).sum(axis=2).mean(axis=0), (turned**2).sum(axis=1).mean(axis=0)
        for G in data[:5]:
            ours = left @ adafactor(left.T @ G @ right, rows, columns) @ right.T
            size = np.linalg.norm(ours)
            worst = max(worst, float(np.linalg.norm(shampoo(G, L, R) - ours) / size))
            quarter = left @ (left.T @ G @ right / np.outer(rows, columns) ** 0.25) @ right.T
            cosine = float((quarter * ours).sum() / size / np.linalg.norm(quarter))
            other = min(other, 1.0 - cosine)
    # roots of matrices of condition number 1e3 are right to 1e-12
    return all_of(
        [
            at_most(worst, 1e-9, "Shampoo less Adafactor in its eigenbasis, relative"),
            at_least(other, 1e-3, "one less the cosine to power 1/4"),
        ]
    )


LR = np.array([0.01, 0.05])
# lr/eps <= 1/2: what is 0 but for rounding is not blown up; a smaller eps makes Adam unstable there
EPS = 0.1


@claim("vyas2024soap.S2", "2409.11321, Algorithm 3", "exact", constants="derived")
def soap_is_adam_in_a_basis_of_its_own() -> Evidence:
    """SOAP does not see rotations, f(Q1 W Q2) for f(W), as Adam does; where all gradients have the same singular vectors it is Adam on the
    singular values, one step late, since the first gradient only starts its averages."""
    parts, steps = [], 60
    A, C, W = kronecker(6, 5, 100.0, 1, turned=False)
    random = np.random.default_rng([2409, 3])
    Q1, Q2 = orthogonal(random, 6), orthogonal(random, 5)
    for name, make, low, high in (("SOAP", Soap, 0.0, 1e-7), ("Adam", Adam, 1e-2, np.inf)):
        straight = train(make(), A, C, W, LR, steps)
        turned = train(make(), Q1 @ A @ Q1.T, Q2.T @ C @ Q2, Q1 @ W @ Q2, LR, steps)
        gap = float(np.max(np.abs(turned - Q1 @ straight @ Q2)))
        # eigenvectors of averages of few gradients are right to 1e-10 only, and eps is 1e-8
        note = f"{name}: path of the rotated problem less the rotated path"
        parts.append(at_most(gap, high, note) if np.isfinite(high) else at_least(gap, low, note))
    # A and C are diagonal: W = diag(w) stays so, and Q1 diag(w) Q2 has these singular vectors for ever.
    A, C, _ = kronecker(6, 5, 4.0, 1, turned=False)
    w = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    D = np.zeros((6, 5))
    D[np.arange(5), np.arange(5)] = w
    soap = train(Soap(every=1, eps=EPS), Q1 @ A @ Q1.T, Q2.T @ C @ Q2, Q1 @ D @ Q2, LR, 30, decay=False)
    adam = train(Adam(0.95, 0.95, EPS), A, C, D, LR, 29, decay=False)
    off = float(np.max(np.abs(Q1.T @ soap @ Q2.T - adam)))
    moved = float(np.max(np.abs(adam - D)))
    parts.append(at_most(off, 1e-11, "SOAP less Adam on the singular values, 29 steps"))
    parts.append(at_least(moved, 0.1, "they move"))
    return all_of(parts)


CLAIMS = [shampoo_is_adafactor_in_its_eigenbasis, soap_is_adam_in_a_basis_of_its_own]
DEVIATIONS = ledger(
    "vyas2024soap",
    (
        "2409.11321, Claim 1",
        "Idealised Shampoo and Adafactor, with means over the data.",
        "The same, over 40 random gradients. The running averages of the algorithm change the basis as they go, so that SOAP is Adam in "
        "Shampoo's basis only where that basis stays.",
        "S1",
        "S2",
    ),
    (
        "2409.11321, Algorithm 3",
        "The basis is refreshed by one step of the power method with QR, every 10 steps.",
        "Exact eigenvectors, every 10 steps or in each. With lr curvature/eps above 2 entries that are 0 but for rounding grow: Adam on the "
        "singular values and SOAP are the same only for a larger eps. Speed on language models is not in this toy; on a quadratic SOAP's end is listed beside "
        "Muon's in jordan2024muon.M1.",
        "S2",
    ),
)  # fmt: skip

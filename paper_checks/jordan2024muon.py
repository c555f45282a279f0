"""Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024, a note with code).

What its Newton-Schulz polynomial does to singular values, in which sense an orthogonal factor is the steepest
descent, and where that pays on quadratics: not where steps are ample beside the condition number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from counterexamples import spectral
from counterexamples.spectra import orthogonal
from counterexamples.spectral import Adam, Method, Momentum, Muon, Soap
from paper_checks.theorems.conditions import CONSTANT, POSITIVE
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Condition, Theorem

Array = np.ndarray[Any, np.dtype[np.float64]]

DESCENT = Theorem(
    id="jordan2024muon.descent",
    where="note, orthogonal factor of the gradient; theorem ours",
    statement="Descent with the exact orthogonal factor of the gradient and without momentum has a mean of ||grad f||_* of at most "
    "gap_1/(lr T) + lr L/2, L the Lipschitz constant of grad f from the spectral to the nuclear norm.  Attained.",
    conditions=(POSITIVE, CONSTANT, Condition("beta == 0", "no momentum")),
    bound="gap_1/(lr*T) + lr*L/2",
    quantity="mean nuclear norm of the gradient",
    meaning={
        "L": "Lipschitz constant of grad f from the spectral to the nuclear norm",
        "beta": "weight of the old momentum",
    },
)


def nuclear(G: Array) -> Array:
    """Return the sum of singular values of matrices (..., m, n)."""
    return np.asarray(np.linalg.svd(G, compute_uv=False).sum(axis=-1))


@claim("jordan2024muon.U1", "note, Newton-Schulz coefficients", "exact", constants="read")
def newton_schulz_has_a_band_of_singular_values(tier: str) -> Evidence:
    """Five steps of (3.4445, -4.7750, 2.0315) take singular values in [.01, 1] of G/||G||_F into [.682, 1.134] and those in [.003, 1] up to
    1.202, both attained, but 1e-5 to .0048; they act on singular values alone, so that NS(Q1 G Q2) = Q1 NS(G) Q2, which
    the sign of entries does not satisfy."""
    grid = 200_001 if tier == "full" else 40_001
    band = spectral.quintic(np.geomspace(0.01, 1.0, grid))
    wide = spectral.quintic(np.geomspace(0.003, 1.0, grid))
    parts = [
        within(float(band.min()), 0.6818, 1e-4, "least image of [.01, 1]"),
        within(float(band.max()), 1.1344, 1e-4, "largest image of [.01, 1]"),
        within(float(wide.max()), 1.2024, 1e-4, "largest image of [.003, 1]"),
        within(float(spectral.quintic(1e-5)), 0.00485, 1e-5, "image of 1e-5"),
        at_least(float(spectral.quintic(1e-5, 10)), 0.68, "ten steps lift 1e-5"),
    ]
    random = np.random.default_rng([2024, 7])
    for m, n in ((30, 20), (8, 24)):
        G, Q, R = random.standard_normal((m, n)), orthogonal(random, m), orthogonal(random, n)
        found = spectral.newton_schulz(G)
        seen = np.sort(np.linalg.svd(found, compute_uv=False))
        meant = np.sort(spectral.quintic(np.linalg.svd(G, compute_uv=False) / (np.linalg.norm(G) + 1e-7)))
        # five steps with matrices of norm 1, whose polynomial has a slope of up to 3.4^5 = 500 at 0
        parts.append(at_most(float(np.max(np.abs(seen - meant))), 1e-10, f"singular values, {m} x {n}"))
        turned = spectral.newton_schulz(Q @ G @ R) - Q @ found @ R
        parts.append(
            at_most(float(np.max(np.abs(turned))), 1e-10, f"NS(Q1 G Q2) less Q1 NS(G) Q2, {m} x {n}")
        )
        signs = np.sign(Q @ G @ R) - Q @ np.sign(G) @ R
        parts.append(at_least(float(np.max(np.abs(signs))), 0.1, "the same for signs"))
        exact = spectral.polar(G)
        cosine = float((found * exact).sum() / np.linalg.norm(found) / np.linalg.norm(exact))
        parts.append(within(cosine, 0.98, 0.015, f"cosine to the orthogonal factor, {m} x {n}"))
    return all_of(parts)


def _path(A: Array, C: Array, W: Array, lr: float, steps: int) -> float:
    """Return the mean nuclear norm of the gradient at W_1 ... W_T of descent with the exact orthogonal factor."""
    norms = []
    for _ in range(steps):
        G = A @ W @ C
        norms.append(float(nuclear(G)))
        W = W - lr * spectral.polar(G)
    return float(np.mean(norms))


@claim("jordan2024muon.U2", "note, steepest descent in the spectral norm", "tight", constants="derived")
def the_orthogonal_factor_is_the_steepest_descent(tier: str) -> Evidence:
    """<G, U V^T> = ||G||_*, and no matrix of spectral norm 1 has more; descent with it has a mean ||grad f||_* of at most gap/(lr T) + lr L/2,
    where f = <W, A W C>/2 has L = sum sigma_i(A) sigma_i(C), attained up to 1/(4 T)."""
    random, steps, parts = np.random.default_rng([2024, 8]), 200, []
    for _ in range(20):
        G, D = random.standard_normal((2, 7, 5))
        parts.append(
            within(float((G * spectral.polar(G)).sum() / nuclear(G)), 1.0, 1e-12, "<G, U V^T>/||G||_*")
        )
        parts.append(
            at_most(float((G * D).sum() / np.linalg.norm(D, 2) / nuclear(G)), 1.0, "another direction")
        )
    worst = 0.0
    for instance in range(20 if tier == "full" else 4):
        A, C, W = spectral.kronecker(8, 8, 100.0, instance, turned=True)
        sizes = [np.linalg.svd(one) for one in (A, C)]
        L = float((sizes[0][1] * sizes[1][1]).sum())
        for lr in (0.01, 0.1):
            given = {"lr": lr, "s": 0.0, "beta": 0.0, "L": L, "T": steps}
            bound = DESCENT.assess({**given, "gap_1": float(spectral.loss(A, C, W))}).bound
            worst = max(worst, _path(A, C, W, lr, steps) / bound)
            # Half a step from 0 in the direction that is steepest for A and C together: to and fro.
            edge = 0.5 * lr * sizes[0][0] @ sizes[1][0].T
            bound = DESCENT.assess({**given, "gap_1": float(spectral.loss(A, C, edge))}).bound
            share = _path(A, C, edge, lr, steps) / bound
            parts.append(
                within(share, 1.0 / (1.0 + 0.25 / steps), 1e-10, f"to and fro over its bound, lr = {lr:g}")
            )
    return all_of([*parts, at_most(worst, 1.0, "mean ||grad f||_* over its bound, random starts")])


# Condition number and steps: ample, where kappa = 1000 needs about sqrt(1000) steps per digit with momentum; scarce.
SETTINGS = {"ample": (1e3, 500), "scarce": (1e6, 100)}
METHODS: Mapping[str, tuple[Callable[[], Method], tuple[float, float]]] = {
    "momentum": (Momentum, (0.1, 6.0)),
    "Adam": (Adam, (0.01, 3.0)),
    "SOAP": (Soap, (0.01, 3.0)),
    "Muon": (Muon, (0.01, 5.0)),
    "Muon, exact factor": (lambda: Muon(orthogonal_factor=spectral.polar), (0.01, 5.0)),
}


@cache
def tuned(setting: str, name: str, turned: bool, count: int) -> tuple[Array, Array]:
    """Return the grid of lr and log10 f_T/f_1 on it, infinity where a run is not finite."""
    kappa, steps = SETTINGS[setting]
    make, (low, high) = METHODS[name]
    A, C, W = spectral.kronecker(20, 20, kappa, 0, turned=turned)
    lr = np.geomspace(low, high, count)
    with np.errstate(all="ignore"):  # too large an lr overflows, and is no best one
        end = np.log10(
            spectral.loss(A, C, spectral.train(make(), A, C, W, lr, steps)) / spectral.loss(A, C, W)
        )
    return lr, np.where(np.isfinite(end), end, np.inf)


def _best(setting: str, name: str, turned: bool, count: int, parts: list[Evidence]) -> float:
    _, end = tuned(setting, name, turned, count)
    at = int(np.argmin(end))
    # Adam on an axis-aligned quadratic is at the end of binary64 for a third of the grid.
    inside = 0 < at < count - 1
    parts.append(at_least(float(inside), 1.0, f"{setting}, {name}: the best lr is inside the grid"))
    return float(end[at])


@claim("jordan2024muon.M1", "note, claims of speed; ours, on quadratics", "order", constants="none")
def muon_pays_only_where_steps_are_scarce(tier: str) -> Evidence:
    """On the Kronecker quadratic of condition number 1000, 500 steps, each method at its best linear decay, momentum ends at least
    five decades below Muon, in any basis, and the exact orthogonal factor does not help Muon by a decade; at 1e6 with 100 steps Muon is at
    least a decade below momentum and Adam in a rotated basis."""
    count, parts = 31 if tier == "full" else 16, list[Evidence]()
    for turned in (False, True):
        ends = {
            name: _best("ample", name, turned, count, parts) for name in METHODS if turned or name != "Adam"
        }
        where = "rotated" if turned else "aligned"
        note = f"ample, {where}: " + ", ".join(f"{name} {end:.1f}" for name, end in ends.items())
        parts.append(at_least(ends["Muon"] - ends["momentum"], 5.0, note))
        parts.append(at_most(ends["Muon"], -7.5, f"ample, {where}: Muon converges"))
        parts.append(within(ends["Muon, exact factor"], ends["Muon"], 1.0, f"ample, {where}: exact factor"))
    names = ("momentum", "Adam", "Muon")
    ends = {name: _best("scarce", name, True, count, parts) for name in names}
    for name in names[:2]:
        parts.append(
            at_least(
                ends[name] - ends["Muon"], 1.0, f"scarce: {name} {ends[name]:.1f}, Muon {ends['Muon']:.1f}"
            )
        )
    return all_of(parts)


CLAIMS = [
    newton_schulz_has_a_band_of_singular_values,
    the_orthogonal_factor_is_the_steepest_descent,
    muon_pays_only_where_steps_are_scarce,
]
THEOREMS = [DESCENT]
DEVIATIONS = ledger(
    "jordan2024muon",
    (
        "note, Newton-Schulz",
        "Singular values end near 1.",
        "They end in a band, [.68, 1.13] for those above 1 % of the norm, and smaller ones lower: the polynomial is fast, it does not "
        "converge. In a matrix of high rank many singular values are below 1 % of the Frobenius norm.",
        "U1",
    ),
    (
        "note, speed",
        "Faster than AdamW in training.",
        "No network is trained here. On smooth quadratics without noise Muon is no faster than momentum where steps are ample: like every "
        "normalised step it is as long as lr, wherever the minimum is. Where they are scarce beside the condition number it is "
        "faster, for a direction of little curvature moves as fast as the others. The thresholds 5, 1 and -7.5 decades were set after a "
        "first run.",
        "M1",
    ),
)  # fmt: skip

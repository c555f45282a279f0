"""Richtarik et al., "EF21: A New, Simpler, Theoretically Better, and Practically Faster Error Feedback".

Richtarik, Sokolov, Fatkhullin, NeurIPS 2021, arXiv:2106.05203.  The constants of the sparse compressors in
its examples; on three quadratics compressed gradient descent without feedback grows at an exact rate, and
EF21 decreases its Lyapunov function at the step size of its theorem.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.quantized import VECTORS, three_quadratics
from paper_checks.theorems.compression import EF21_RATE
from theory_sim.compressors import Compressor, identity, rand_k, top_k
from theory_sim.evidence.cases import Array, errors
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.feedback import ef21, ef_sgd

if TYPE_CHECKING:
    import xarray as xr

EXACT = 1e-12  # of sums of up to 1024 squares

# Sparse compressors.
SIZES = ((4, 1), (16, 4), (64, 7), (256, 64))  # (d, k)


def sparse_constants(top: Callable[[int], Compressor], rand: Callable[[int, bool], Compressor]) -> Evidence:
    """Compare ``top(k)`` and ``rand(k, False)`` with delta = k/d, ``rand(k, True)`` with omega = d/k - 1."""
    rng = np.random.default_rng(2106)
    parts = []
    for d, k in SIZES:
        lost = 1.0 - k / d
        parts.append(within(top(k).delta(d), k / d, EXACT, "delta of top-k as the library states it"))
        stated = rand(k, True).error(d)
        parts.append(
            within(stated, d / k - 1.0, EXACT * d, "omega of scaled rand-k as the library states it")
        )
        flat, normal = np.ones(d), rng.normal(size=d)
        parts.append(within(errors(top(k), flat, 1, 0)[0], lost, EXACT, "top-k of equal entries"))
        worst = max(errors(top(k), x, 1, 0)[0] for x in rng.standard_cauchy((200, d)))
        parts.append(at_most(worst, lost, "top-k of 200 heavy-tailed vectors"))
        drawn = np.abs(errors(rand(k, False), flat, 50, d) - lost)
        parts.append(at_most(float(drawn.max()), EXACT, "rand-k of equal entries, every draw"))
        # 4000 draws: a standard error of at most .6 % of the mean, so 3 % is five of them.
        mean = float(errors(rand(k, False), normal, 4000, d).mean())
        parts.append(within(mean / lost, 1.0, 0.03, "rand-k of a normal vector over 1 - k/d, 4000 draws"))
        mean = float(errors(rand(k, True), normal, 4000, d + 1).mean())
        parts.append(within(mean / (d / k - 1.0), 1.0, 0.03, "scaled rand-k over d/k - 1, 4000 draws"))
    return all_of(parts)


@claim("ef21.QC01", "examples of compressors", "exact", constants="derived")
def sparse_messages() -> Evidence:
    """Top-k loses at most 1 - k/d of ||x||^2, exactly that when all entries are equal; rand-k loses 1 - k/d
    of every x in expectation, and scaled by d/k it has omega = d/k - 1.
    """
    return sparse_constants(lambda k: top_k(k, 64), lambda k, scaled: rand_k(k, scaled, 64))


# Three quadratics.
L, L_TILDE = three_quadratics().facts["L"], three_quadratics().facts["L_tilde"]
ALPHA = 1.0 / 3.0  # of top-1 in R^3
THETA = 1.0 - math.sqrt(1.0 - ALPHA)
BETA = (1.0 - ALPHA) / THETA
GAMMA = 1.0 / (L + L_TILDE * math.sqrt(BETA / THETA))
STEPS = 2_000

_TOP = top_k(1, word=64)
_PLAIN: dict[str, Any] = {"up": _TOP, "down": identity(64)}
_RUN: dict[str, Any] = {"axes": {"lr": (GAMMA, 0.01)}, "workers": 3, "steps": STEPS, "running": True}
_RECORDS = range(
    1, STEPS + 1
)  # every step: error feedback ends in a cycle, which a coarser record would alias
WITHOUT, FEEDBACK, EF21, UNCOMPRESSED = (
    Sweep(three_quadratics(), optimizer, checkpoints=_RECORDS, name=f"ef21.{name}", **_RUN)
    for name, optimizer in (
        ("without_feedback", ef_sgd(GAMMA, error_feedback=False, **_PLAIN)),
        ("error_feedback", ef_sgd(GAMMA, **_PLAIN)),
        ("ef21", ef21(GAMMA, up=_TOP)),
        ("uncompressed", ef21(GAMMA, up=identity(64))),
    )
)


def anywhere(instance: int = 0) -> Problem:
    """The three quadratics from a standard normal start, drawn by `numpy.random.default_rng(instance)`."""
    start = np.random.default_rng(instance).normal(size=3)
    return replace(
        three_quadratics(),
        name="three_quadratics.anywhere",
        start=tuple(start.tolist()),
        family=anywhere,
        arguments={"instance": instance},
    )


_STARTS: dict[str, Any] = {"axes": {"instance": range(200)}, "workers": 3, "steps": 20}
LYAPUNOV = Sweep(anywhere(), ef21(GAMMA, up=_TOP), checkpoints=range(1, 21), name="ef21.lyapunov", **_STARTS)


def gradients(x: Array) -> Array:
    """Return grad f_j, shape (..., 3 workers, 3), at points x (..., 3)."""
    a = np.array(VECTORS)
    return np.asarray(2.0 * (x @ a.T)[..., None] * a + 0.5 * x[..., None, :])


def objective(x: Array) -> Array:
    """Return f at points x (..., 3)."""
    a = np.array(VECTORS)
    return np.asarray(((x @ a.T) ** 2).mean(axis=-1) + 0.25 * (x**2).sum(axis=-1))


def replay(x: Array, lr: float) -> tuple[Array, Array]:
    """Replay EF21 with top-1 along a path.

    Parameters
    ----------
    x : ndarray, shape (T + 1, instances, 3)
        x^0 ... x^T.
    lr : float

    Returns
    -------
    G, off : ndarray, shape (T + 1, instances) and (T, instances)
        mean_i ||g_i^t - grad f_i(x^t)||^2, and the largest |x^{t+1} - x^t + lr mean_i g_i^t| over |x^t|.
    """
    public = np.zeros((*x.shape[1:-1], 3, 3))
    G, off = [], []
    for t in range(len(x)):
        true = gradients(x[t])
        p = true - public
        kept = np.abs(p).argmax(axis=-1)[..., None]
        public = public + np.where(np.arange(3) == kept, p, 0.0)
        G.append(((public - true) ** 2).sum(axis=-1).mean(axis=-1))
        if t + 1 < len(x):
            step = np.abs(x[t + 1] - x[t] + lr * public.mean(axis=-2)).max(axis=-1)
            off.append(step / np.abs(x[t]).max(axis=-1))
    return np.array(G), np.array(off)


def bound(T: Array, alpha: float = ALPHA) -> Array:
    """Return 2 (f(x^0) - f*)/(gamma T) + G^0/(theta T) from (1, 1, 1), with (1 - alpha) mean ||grad f_i||^2 as G^0."""
    start = np.ones(3)
    spread = float((gradients(start) ** 2).sum(axis=-1).mean())
    known = {"gap_1": float(objective(start)), "spread_1": spread, "lr": GAMMA, "T": T, "delta_up": alpha}
    return np.asarray(EF21_RATE.evaluate(known))


def growth(lr: Any, t: Any) -> Any:
    """Return (1 + 11 lr/6)^t, the coordinates of x_t without feedback."""
    return (1.0 + 11.0 * np.asarray(lr) / 6.0) ** t


def descent(lr: Any, t: Any) -> Any:
    """Return f after t steps of gradient descent from (1, 1, 1), an eigenvector to mu = 7/6."""
    return 1.75 * (1.0 - 7.0 / 6.0 * np.asarray(lr)) ** (2 * np.asarray(t))


@claim(
    "ef21.QC13a",
    "divergence of distributed compressed gradient descent",
    "exact",
    WITHOUT,
    constants="derived",
)
def exact_growth(grid: xr.Dataset) -> Evidence:
    """On the three quadratics from (1, 1, 1), gradient descent with top-1 messages and no feedback is x_t =
    (1 + 11 lr/6)^t (1, 1, 1), for every lr.
    """
    x = grid.x.isel(seed=0).sel(checkpoint=range(1, 51)).transpose("lr", "checkpoint", "coordinate")
    exact = growth(grid.lr.values[:, None], np.arange(1, 51))[..., None]
    worst = float(np.abs(x.values / exact - 1.0).max())
    last = float(x.sel(lr=0.01).values[-1, 0])
    return at_most(worst, 1e-9, f"largest |x_t/(1 + 11 lr/6)^t - 1|, t <= 50; x_50 = {last:.9f} at lr = .01")


@claim("ef21.QC13b", "theorem for smooth functions", "upper", EF21, UNCOMPRESSED, constants="derived")
def bound_holds(grid: xr.Dataset, plain: xr.Dataset) -> Evidence:
    """At lr = 1/(L + Ltilde sqrt(beta/theta)) EF21 with top-1 satisfies mean ||grad f||^2 <= 2 (f(x^0) -
    f*)/(lr T) + G^0/(theta T) at every T. With exact messages it is descent along an eigenvector to mu = 7/6, whose
    mean is 1/(2 - lr mu) of the bound in the end.
    """
    T = grid.checkpoint.values.astype(float)
    mean, exact = (one.gradient_square_mean.isel(seed=0).sel(lr=GAMMA).values for one in (grid, plain))
    ratio, last = mean / bound(T), float(exact[-1] / bound(T, 1.0)[-1])
    note = "mean ||grad f||^2 over the bound, every recorded T <= 2000"
    parts = [
        at_most(float(ratio.max()), 1.0, note),
        # 2 gap/lr is 73 % of the bound, and half of that is attained.
        at_least(float(ratio.max()), 0.25, f"{note}, no vacuous bound"),
        # What is left of the sum after 2000 steps, (1 - lr mu)^4000, is 1e-12.
        within(
            last * (2.0 - GAMMA * 7.0 / 6.0), 1.0, 1e-9, "exact messages, T = 2000: share of 1/(2 - lr mu)"
        ),
    ]
    return all_of(parts)


@claim("ef21.QC13c", "proof of the theorem for smooth functions", "upper", LYAPUNOV, constants="derived")
def lyapunov_falls(grid: xr.Dataset) -> Evidence:
    """Psi = f - f* + lr/(2 theta) mean ||g_i - grad f_i||^2 falls by at least lr ||grad f||^2/2 in every
    step, which sums to the bound.
    """
    starts = np.array([[anywhere(int(k)).start for k in grid.instance.values]])
    x = np.concatenate([starts, grid.x.isel(seed=0).transpose("checkpoint", "instance", "coordinate").values])
    G, off = replay(x, GAMMA)
    psi = objective(x) + GAMMA / (2.0 * THETA) * G
    square = (gradients(x).mean(axis=-2) ** 2).sum(axis=-1)
    rise = (psi[1:] - psi[:-1] + 0.5 * GAMMA * square[:-1]) / psi[:-1]
    same = at_most(float(off.max()), EXACT, "the path against a replay of the algorithm")
    fall = at_most(float(rise.max()), 1e-14, "largest (Psi_{t+1} - Psi_t + lr ||grad f||^2/2)/Psi_t")
    return all_of([same, fall])


@claim("ef21.QC13d", "control", "tight", FEEDBACK, EF21)
def feedback_follows_descent(feedback: xr.Dataset, ef21: xr.Dataset) -> Evidence:
    """On the same problem error feedback and EF21 converge with the same messages: after 2000 steps, at the
    step size of EF21's theorem and at .01, f is between .5 and 1.5 times what gradient descent reaches.
    """
    parts = []
    for name, grid in (("error feedback", feedback), ("EF21", ef21)):
        ratio = grid.gap_final.values[:, 0] / descent(grid.lr.values, STEPS)
        note = f"{name}: final f over that of descent: {', '.join(f'{value:.3f}' for value in ratio)}"
        # No constant is known; that the factor stays near 1 over 12 and 20 decades is what is asserted.
        parts += [within(float(value), 1.0, 0.5, note) for value in ratio]
    return all_of(parts)


CLAIMS = [sparse_messages, exact_growth, bound_holds, lyapunov_falls, feedback_follows_descent]

DEVIATIONS = ledger(
    "ef21",
    (
        "example of divergence",
        "Compressed descent without feedback diverges exponentially on the example of Beznosikov et al.",
        "The growth is (1 + 11 lr/6)^t at every lr, so a smaller step only delays it; 2.480264475 at lr = "
        ".01, t = 50. Ties in top-1 do not occur, the three magnitudes being 5.5, 4.5 and 4.5 times |x_1|.",
        "QC13a",
    ),
    (
        "theorem for smooth functions",
        "Step size and bound are quoted as we recall them; the paper writes alpha for what is delta here.",
        f"With alpha = 1/3 (top-1 in R^3): theta = {THETA:.6f}, beta = {BETA:.6f}, L = 103/6, Ltilde = 34.5, "
        f"lr = {GAMMA:.6f}. That the Lyapunov function falls from 200 random starts is checked separately; "
        "summing it gives the bound, whose constants are then derived and not recalled.",
        *("QC13b", "QC13c"),
    ),
    (
        "comparison with error feedback",
        "EF21 is practically faster than error feedback.",
        "Not seen on the three quadratics: at equal steps both follow gradient descent, f = 1.87e-12 for "
        "EF21 and 1.80e-12 for error feedback after 2000 steps at the step size of EF21's theorem.",
        "QC13d",
    ),
)

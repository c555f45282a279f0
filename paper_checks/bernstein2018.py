"""Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD: Compressed Optimisation for Non-Convex Problems".

ICML 2018, arXiv:1802.04434.  The rate of signSGD in the l1 norm and its version with a majority vote, on
quadratics whose curvatures and noise differ between coordinates; the lemma that bounds how often a sign is
wrong, and noise that breaks it; the toy problem of sparse noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import sign
from paper_checks.theorems.sign import MAJORITY_VOTE
from theory_sim.evidence.cases import worst_at_most
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import power
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.momentum import sgd
from theory_sim.optimizers.sign import majority_vote, signsgd, signum

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, Any]

QUADRATIC = sign.quadratic()
FACTS = QUADRATIC.facts
STEPS = (50, 200, 800)
VOTERS = 9


def _sweep(name: str, problem: Problem, optimizer: Optimizer, steps: int, seeds: int, **fields: Any) -> Sweep:
    fields |= {"entropy": 1802, "name": f"bernstein2018.{name}"}
    return Sweep(problem, optimizer, steps=steps, seeds=seeds, **fields)


# The rate: K steps of 1/sqrt(||L||_1 K), each on a batch of K.


def _rate(name: str, optimizer: Optimizer, K: int, workers: int = 1) -> Sweep:
    problem, paced = QUADRATIC.replace(batch=K), optimizer.replace(lr=1.0 / math.sqrt(FACTS["L_sum"] * K))
    return _sweep(f"{name}_{K}", problem, paced, K, 32, workers=workers, running=True, quick={"seeds": 8})


SIGN = tuple(_rate("sign", signsgd(), K) for K in STEPS)
VOTE = tuple(_rate("vote", majority_vote(), K, VOTERS) for K in STEPS)


# Without noise f falls by lr ||g||_1 - lr^2 ||L||_1/2 in a step, and 1/sqrt(||L||_1 K) = 1/K leads to f* in K steps.
ATTAINED = int(FACTS["L_sum"])
NOISELESS = _sweep(
    "noiseless", sign.quadratic(sigma=0.0, loud=0.0), signsgd(1.0 / ATTAINED), ATTAINED, 1, running=True
)
# A vote with steps so small that x stays at 1: the signs of 100 signal-to-noise ratios from .02 to 2.
FROZEN = _sweep("frozen", QUADRATIC, majority_vote(1e-8), 1_000, 8, workers=VOTERS, quick={"seeds": 4})


def bound(K: int, workers: int = 1) -> float:
    """Return Theorem 1's bound on the mean of ||grad f||_1 over K steps, K^2 gradients per worker.

    M = 1 is Theorem 1, M > 1 the vote under unimodal symmetric noise (Theorem 2).
    """
    lr = 1.0 / math.sqrt(FACTS["L_sum"] * K)
    symbols = {"lr": lr, "T": K, "batch": K, "workers": workers, "gap_1": FACTS["gap"]}
    return float(MAJORITY_VOTE.evaluate({**FACTS, **symbols}))


def noise_term(workers: int) -> float:
    """Return what the bound allows for S P(vote wrong) at M workers: half its noise term at sigma = 1."""
    symbols = {
        "sigma_sum": 1.0,
        "workers": workers,
        "lr": 1.0,
        "T": 1,
        "batch": 1,
        "gap_1": 0.0,
        "L_sum": 0.0,
    }
    return 0.5 * float(MAJORITY_VOTE.evaluate(symbols))


def _bounded(grids: Sequence[xr.Dataset], workers: int) -> list[Evidence]:
    means = [float(grid.gradient_l1_mean.mean(skipna=False)) for grid in grids]
    pairs = [(mean, bound(K, workers)) for mean, K in zip(means, STEPS, strict=True)]
    shown = ", ".join(f"{mean:.1f} <= {limit:.1f}" for mean, limit in pairs)
    note = f"mean of ||grad f||_1 over its bound at K = 50, 200, 800 with M = {workers}: {shown}"
    return [at_most(mean / limit, 1.0, note) for mean, limit in pairs]


@claim("bernstein2018.G1a", "Theorem 1", "tight", *SIGN, NOISELESS, constants="derived")
def signsgd_stays_below_its_bound(*grids: xr.Dataset) -> Evidence:
    """K steps of signSGD of size 1/sqrt(||L||_1 K) on batches of K keep the mean of ||grad f||_1 below K^-1/2
    (sqrt(||L||_1) (delta + 1/2) + 2 ||sigma||_1), where delta = f(x_1) - f*; without noise K = ||L||_1 attains it."""
    *noisy, exact = grids
    noise = 2.0 * FACTS["sigma_sum"] / math.sqrt(ATTAINED)
    ratio = exact.gradient_l1_mean.values.item() / (bound(ATTAINED) - noise)
    attained = within(ratio, 1.0, 1e-12, f"the same without noise at K = {ATTAINED}")
    return all_of([*_bounded(noisy, 1), attained])


def wrong_vote(wrong: Array, voters: int) -> Array:
    """Return the probability that the majority of an odd number of voters is wrong."""
    from scipy import stats

    return np.asarray(stats.binom.cdf((voters - 1) // 2, voters, 1.0 - wrong))


@claim("bernstein2018.G1b", "Theorem 2, majority vote", "tight", *VOTE, FROZEN, constants="derived")
def the_majority_vote_stays_below_its_bound(*grids: xr.Dataset) -> Evidence:
    """With a majority vote of M workers and unimodal symmetric noise the same bound holds with
    ||sigma||_1/sqrt(M): the vote is wrong as often as the binomial law says, and |g| P(wrong) is at most
    sigma/sqrt(M), and .16 of it for normal noise whatever M is."""
    *votes, frozen = grids
    S = np.array(QUADRATIC.constants["L"]) / np.array(QUADRATIC.constants["sigma"])
    chance = wrong_vote(wrong_sign(S)["normal"], VOTERS)
    signs = FROZEN.optimizer.lr * int(frozen.attrs["steps"])
    seen = 0.5 * (1.0 - (1.0 - frozen.x_final.mean("seed").values) / signs)
    trials = int(frozen.attrs["steps"]) * frozen.sizes["seed"]
    spread = trials * chance * (1.0 - chance)
    often = (
        spread >= 10.0
    )  # rarer votes are counted together: their squares are far from those of normal variables
    squares = ((seen - chance)[often] * trials) ** 2 / spread[often]
    # A standardised binomial square has the mean 1 and the variance 2 + (1 - 6 p q)/(trials p q).
    wide = np.sqrt(np.sum(2.0 + (1.0 - 6.0 * spread[often] / trials) / spread[often])) / often.sum()
    rare = float(trials * (seen - chance)[~often].sum() / max(math.sqrt(spread[~often].sum()), 1.0))
    square = f"mean over {often.sum()} coordinates of the squared excess of wrong votes in {trials}, binomial law 1"
    fine = np.geomspace(0.01, 10.0, 400)
    found = {
        (law, M): float(np.max(fine * wrong_vote(wrong, M)) / noise_term(M))
        for law, wrong in wrong_sign(fine).items()
        for M in (1, 9, 49)
    }
    normal = [value for (law, _), value in found.items() if law == "normal"]
    least = "normal noise: least over M of the largest; .17 at M = 1, .21 in the limit"
    return all_of(
        [
            *_bounded(votes, VOTERS),
            within(float(squares.mean()), 1.0, 6.0 * float(wide), f"{square}; six standard deviations"),
            within(rare, 0.0, 6.0, "wrong votes of the other coordinates together, standard deviations"),
            worst_at_most(
                {f"{law}, M = {M}": value for (law, M), value in found.items()},
                1.0,
                "S P(vote wrong) over what the bound allows",
            ),
            at_least(min(normal), 0.16, least),
        ]
    )


SGD_STEPS = 40_000
_SLOW = sgd(1.0 / (FACTS["L"] * math.sqrt(SGD_STEPS)))
_AT_END: dict[str, Any] = {"checkpoints": (SGD_STEPS,), "running": True, "quick": {"seeds": 1}}
SGD = _sweep("sgd", QUADRATIC, _SLOW, SGD_STEPS, 4, **_AT_END)


def sgd_square(L: Array, sigma: Array, lr: float, x: Array, steps: Array) -> Array:
    """Return E x_k^2 of SGD on sum L_i x_i^2/2 from x, shape (d, k)."""
    keep = (1.0 - lr * L[:, None]) ** 2
    still = (lr * sigma[:, None]) ** 2 / (1.0 - keep)
    return np.asarray(still + (x[:, None] ** 2 - still) * keep ** (steps - 1))


@claim("bernstein2018.G1c", "comparison with SGD after Theorem 1", "tight", SGD, constants="derived")
def sgd_stays_below_its_bound(grid: xr.Dataset) -> Evidence:
    """N steps of SGD of size 1/(L sqrt(N)) on single gradients keep the mean of ||grad f||_2^2 below N^-1/2
    (2 L delta + ||sigma||_2^2), L = max L_i; its expectation is known exactly on a quadratic."""
    limit = (2.0 * FACTS["L"] * FACTS["gap"] + FACTS["sigma2"]) / math.sqrt(SGD_STEPS)
    mean = float(grid.gradient_square_mean.mean(skipna=False))
    L, sigma = (np.array(QUADRATIC.constants[name]) for name in ("L", "sigma"))
    square = sgd_square(L, sigma, _SLOW.lr, np.ones(L.size), np.arange(1, SGD_STEPS + 1))
    exact = float((L[:, None] ** 2 * square).sum() / SGD_STEPS)
    # x^2 of an autoregression: variance 2 E(x^2)^2 at most, correlation (1 - lr L)^(2 k).
    memory = 1.0 / (_SLOW.lr * L)
    error = math.sqrt(
        float((2.0 * (L**2 * square.mean(axis=1)) ** 2 * memory).sum()) / SGD_STEPS / grid.sizes["seed"]
    )
    note = f"mean of ||grad f||_2^2 over N = {SGD_STEPS} steps of one gradient"
    return all_of(
        [within(mean, exact, 4.0 * error, f"{note}, against its expectation"), at_most(mean, limit, note)]
    )


# How often a sign is wrong.


def snr_bound(S: Array) -> Array:
    """Return the lemma's bound on P(wrong sign): (2/9)/S^2 if S > 2/sqrt(3), else 1/2 - S/(2 sqrt(3))."""
    return np.where(2.0 / math.sqrt(3.0) < S, 2.0 / 9.0 / S**2, 0.5 - S / (2.0 * math.sqrt(3.0)))


def wrong_sign(S: Array) -> dict[str, Array]:
    """Return P(noise < -S) for four unimodal symmetric laws of variance 1."""
    from scipy import stats

    root = math.sqrt(3.0)
    laws = {"normal": stats.norm(), "Laplace": stats.laplace(scale=math.sqrt(0.5)),
            "uniform": stats.uniform(-root, 2.0 * root), "t3": stats.t(3, scale=1.0 / root)}  # fmt: skip
    return {name: np.asarray(law.cdf(-S)) for name, law in laws.items()}


@claim("bernstein2018.G2a", "Lemma on unimodal symmetric noise", "exact", constants="recalled")
def the_lemma_bounds_wrong_signs() -> Evidence:
    """A sign is wrong with probability at most (2/9)/S^2 if S = |g_i|/sigma_i > 2/sqrt(3), else 1/2 - S/(2
    sqrt(3)); uniform noise attains the second branch."""
    S = np.linspace(0.01, 10.0, 9991)
    parts = [
        at_most(np.max(chance - snr_bound(S)), 1e-12, f"{name}: largest P(wrong) - bound on S = .01 ... 10")
        for name, chance in wrong_sign(S).items()
    ]
    small = S[2.0 / math.sqrt(3.0) >= S]
    gap = np.max(np.abs(wrong_sign(small)["uniform"] - snr_bound(small)))
    return all_of([*parts, at_most(gap, 1e-12, "uniform noise attains the bound for S <= 2/sqrt(3)")])


SKEWED_LR = 0.1
_SKEWED: dict[str, Any] = {
    "axes": {"beta": (0.0, 0.9, 0.99)},
    "checkpoints": 40,
    "x0": 1.0,
    "quick": {"seeds": 16, "steps": 30_000},
}
SKEWED = _sweep("skewed", sign.skewed(), signum(SKEWED_LR, schedule=power(0.5)), 100_000, 64, **_SKEWED)


@claim("bernstein2018.G2b", "assumption of the lemma", "tight", SKEWED, constants="derived")
def skewed_noise_breaks_the_lemma(grid: xr.Dataset) -> Evidence:
    """Without symmetry the lemma fails: with noise 4 (probability .2) or -1 on |x| - ln(1 + |x|), |f'| < 1,
    signSGD moves away from the minimum by .6 lr per step for ever, and Signum with beta >= .9 does not."""
    plain = grid.sel(beta=0.0)
    T = int(grid.checkpoint[-1])
    t = np.arange(1, T + 1)
    # Every step is +lr with probability .8 and -lr with .2, wherever x is: mean .6 lr, variance .64 lr^2.
    exact = 1.0 + 0.6 * SKEWED_LR * float(np.sum(1.0 / np.sqrt(t)))
    error = SKEWED_LR * math.sqrt(0.64 * float(np.sum(1.0 / t)) / grid.sizes["seed"])
    parts = [
        within(float(plain.x_final.mean(skipna=False)), exact, 5.0 * error, f"signSGD: mean x_T, T = {T}"),
        at_least(float(plain.gradient_l1_final.min(skipna=False)), 0.9, "signSGD: least |f'(x_T)| of a seed"),
    ]
    for beta in (0.9, 0.99):
        last = float(grid.gradient_l1_final.sel(beta=beta).mean(skipna=False))
        parts.append(at_most(last, 0.2, f"Signum, beta={beta}: mean |f'(x_T)| = {last:.3f}"))
    return all_of(parts)


# Sparse noise.


def _toy(name: str, optimizer: Optimizer) -> Sweep:
    fields: dict[str, Any] = {"checkpoints": (5_000, 10_000), "running": True}
    axes, few = {"instance": range(5)}, {"axes": {"instance": range(2)}}
    return _sweep(name, sign.sparse_noise(), optimizer, 10_000, 64, axes=axes, quick=few, **fields)


TOY_LR = 0.001
TOY_SGD, TOY_SIGN = _toy("toy_sgd", sgd(TOY_LR)), _toy("toy_sign", signsgd(0.01))


def _late(grid: xr.Dataset) -> tuple[float, float]:
    """Return the loss averaged over the second half of the run, and its standard error.

    All starts see the noise of a seed, so that only seeds are independent.
    """
    mean = grid.gap_mean.mean("instance", skipna=False).transpose("checkpoint", "seed").values
    late = 2.0 * mean[1] - mean[0]
    return float(late.mean()), float(late.std(ddof=1) / math.sqrt(late.size))


@claim("bernstein2018.G10", "appendix, toy problem", "tight", TOY_SGD, TOY_SIGN, constants="read")
def sparse_noise_hurts_sgd_more(plain_grid: xr.Dataset, signed_grid: xr.Dataset) -> Evidence:
    """On ||x||^2/2 in 100 coordinates with noise of standard deviation 100 on one of them, the expected loss of SGD
    after 10,000 steps is at least twice that of signSGD (steps .001 and .01), and runs have the expected losses.
    """
    (plain, noise), (signed, sign_noise) = _late(plain_grid), _late(signed_grid)
    lr, sigma, steps = 0.01, 100.0, np.arange(5_001, 10_001)
    starts = [np.array(sign.sparse_noise(k).start) for k in plain_grid.instance.values.tolist()]
    spread = np.r_[sigma, np.zeros(99)]
    of_sgd, of_sign = 0.0, 0.0
    for x in starts:
        of_sgd += 0.5 * float(sgd_square(np.ones(100), spread, TOY_LR, x, steps).sum()) / steps.size
        # A sign is right with probability 1/2 + x/(sigma sqrt(2 pi)); the other coordinates are on a cycle of
        # size lr, of mean square lr^2/3.
        pull = 2.0 * lr / (sigma * math.sqrt(2.0 * math.pi))
        square = lr * lr / (2.0 * pull) + (x[0] ** 2 - lr * lr / (2.0 * pull)) * (1.0 - 2.0 * pull) ** (
            steps - 1
        )
        of_sign += 0.5 * (float(square.mean()) + 99.0 * lr * lr / 3.0)
    values = f"SGD {plain:.2f} over signSGD {signed:.2f}, steps 5001 to 10000"
    parts = [
        within(
            mean,
            total / len(starts),
            5.0 * error,  # a mean of 64 skewed values is beyond once in 1e5
            f"{name}: loss against its expectation, standard error {error:.2g}",
        )
        for name, mean, total, error in (
            ("SGD", plain, of_sgd, noise),
            ("signSGD", signed, of_sign, sign_noise),
        )
    ]
    # Of the expectations: the ratio of 100 runs has a standard deviation of .3.
    return all_of([at_least(of_sgd / of_sign, 2.0, f"ratio of the expected losses; {values}"), *parts])


CLAIMS = [
    signsgd_stays_below_its_bound,
    the_majority_vote_stays_below_its_bound,
    sgd_stays_below_its_bound,
    the_lemma_bounds_wrong_signs,
    skewed_noise_breaks_the_lemma,
    sparse_noise_hurts_sgd_more,
]
DEVIATIONS = ledger(
    "bernstein2018",
    (
        "Theorems 1 and 2",
        "The bounds are for any objective with coordinate-wise curvatures L_i and noise sigma_i.",
        "A quadratic in 100 coordinates from x_1 = (1, ..., 1), L_i from .1 to 2, normal noise of standard "
        "deviation 1, in every tenth coordinate 5. A batch of K is one normal draw with sigma_i/sqrt(K), "
        "which has the same law. Theorems 1 and 2 are quoted as we recall them and as a public reading note "
        "transcribes them; the paper itself was not at hand. Theorem 1 and the comparison with SGD were "
        "derived again, and the vote from P(vote wrong) <= sqrt((1/(4 e^2) - 1)/M)/2, e = 1/2 "
        "- P(wrong).",
        *("G1a", "G1b", "G1c"),
    ),
    (
        "Theorem 1",
        "The bound has the dependence K^-1/2, and with M workers the noise term falls by sqrt(M).",
        "On this quadratic the curvature term dominates: nine voters lower the bound by 23 % and the "
        "measured mean by 1 to 2 % (full tier, K = 50, 200, 800). The curvature term is attained without noise; "
        "the factor 2 of the noise term is not, as |g| P(wrong) is at most .17 sigma for normal noise, so for the "
        "vote the inequality on |g| P(vote wrong) is checked itself. Wrong votes that are rarer than ten in a "
        "run are counted together: taken one by one their squares failed the claim for one of 15 entropies.",
        "G1a",
        "G1b",
    ),
    (
        "appendix, toy problem",
        "Loss curves of 10 repeats over 10,000 steps.",
        "A single final loss of SGD scatters by more than its mean, so the loss is averaged over steps 5001 "
        "to 10000, over 5 starts (2 in the quick tier) and 64 seeds; starts share the noise of a seed, so only "
        "seeds count as independent. signSGD is not stationary by then: its noisy coordinate relaxes in about "
        "12,500 steps.",
        "G10",
    ),
)

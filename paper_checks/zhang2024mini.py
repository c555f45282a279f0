"""Zhang, Chen, Li, Ding, Wu, Kingma, Ye, Luo, Sun, "Adam-mini: Use Fewer Learning Rates To Gain More"
(arXiv:2406.16793).

Adam-mini keeps one second moment for each dense block of the Hessian.  What its case studies say of quadratics is
checked: its two degenerate cases, how a diagonal preconditioner fits a Hessian that is not diagonal, and who is
faster on dense blocks.  "Faster" is by the decades log10 f_T/f_1 after T steps, each method with its best step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import preconditioning, quadratics
from counterexamples.spectra import rotated
from theory_sim.engine.evaluate import measures
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

# A1: the degenerate partitions, on the 90 dimensions of three dense blocks.
_SHORT: dict[str, Any] = {"steps": 100, "checkpoints": range(1, 101)}
_WIDE = quadratics.blocks(size=30)
_ROOT = 90.0**0.5


def _run(name: str, optimizer: ts.Optimizer, **fields: Any) -> ts.Sweep:
    return ts.Sweep(_WIDE, optimizer, name=f"zhang2024mini.{name}", **(_SHORT | fields))


ADAM = _run("adam", ts.adam(0.01))
SINGLE = _run("single", ts.adam_mini(0.01, block=1))
WHOLE = _run("whole", ts.adam_mini(0.01, 0.0, 0.0, 0.0))
NORMALISED = _run("normalised", ts.normalized_gd(0.01 * _ROOT))
MOMENTUM = _run("momentum", ts.adam_mini(0.01, 0.9, 0.0, 0.0))


def momentum_path(lr: float, beta1: float) -> Array:
    """Return the iterates of gradient descent with corrected momentum m/(1 - beta1^t) and step lr sqrt(d)/||g_t||."""
    x, H = np.array(_WIDE.start), _WIDE.matrices["H"]
    m, path = np.zeros_like(x), []
    for t in range(1, 101):
        g = H @ x
        m = beta1 * m + (1.0 - beta1) * g
        x = x - lr * _ROOT / np.linalg.norm(g) * m / (1.0 - beta1**t)
        path.append(x)
    return np.array(path)


def _path(grid: xr.Dataset) -> Array:
    return np.asarray(grid.x.isel(seed=0).transpose("checkpoint", "coordinate").values)


@claim(
    "zhang2024mini.A1", "Algorithm 1", "exact", ADAM, SINGLE, WHOLE, NORMALISED, MOMENTUM, constants="derived"
)
def the_partition_ends_at_adam_and_at_normalised_descent(*grids: xr.Dataset) -> Evidence:
    """With blocks of one coordinate Adam-mini takes the steps of Adam, up to rounding; with one block and beta2 = 0
    those of normalised gradient descent of length lr sqrt(d), with momentum where Adam-mini has it."""
    adam, single, whole, normalised, momentum = map(_path, grids)
    apart = float(np.max(np.abs(adam - whole)))
    return all_of(
        [
            # (1 - beta2) g g is rounded in another order.
            at_most(np.max(np.abs(adam - single)), 1e-12, "blocks of one: |x - x of Adam|, 100 steps"),
            # Rounding of a sum of 90 squares, over 100 steps of length .1.
            at_most(np.max(np.abs(whole - normalised)), 1e-12, "one block: |x - x of normalised descent|"),
            at_most(
                np.max(np.abs(momentum - momentum_path(0.01, 0.9))), 1e-11, "one block, beta1 = .9: the same"
            ),
            at_least(apart, 0.01, "the two ends differ"),
        ]
    )


# A2: the fit of a diagonal preconditioner, without a step.
ANGLES = (0.0, 0.05, 0.15, 0.4, 1.0)
DIMENSION = 50
CONDITIONS = (10.0, 500.0, 5000.0)
_BASES, _STARTS = 20, 25


@cache
def fit(kappa: float) -> tuple[Array, Array]:
    """Return the medians of tau(H) and r(H) over 20 bases and 25 starts of each, for every angle of `ANGLES`.

    H = Q diag(lambda) Q^T, lambda evenly spaced from 1 to kappa in their logarithm, Q = exp(angle K).
    """
    values = np.logspace(0.0, np.log10(kappa), DIMENSION)
    taus, ratios = [], []
    for angle in ANGLES:
        several = [rotated(values, preconditioning.rotation(DIMENSION, angle, one)) for one in range(_BASES)]
        random = np.random.default_rng([2406, 2])
        starts = random.standard_normal((_BASES, _STARTS, DIMENSION))
        each = map(preconditioning.relative_condition, several, starts)
        taus.append(np.median([preconditioning.tau(H) for H in several]))
        ratios.append(np.median(np.concatenate(list(each))))
    return np.array(taus), np.array(ratios)


@claim("zhang2024mini.A2", "section 2.2, effectiveness of the preconditioner", "order")
def a_diagonal_preconditioner_hurts_on_dense_hessians() -> Evidence:
    """In 50 dimensions and from kappa = 500 on, Adam's preconditioner lowers the condition number of a diagonal Hessian and
    raises it on a dense one, by a factor r that grows as tau falls; at kappa = 10 it always raises it."""
    parts = []
    for kappa in CONDITIONS:
        taus, ratios = fit(kappa)
        name = f"kappa = {kappa:g}"
        parts.append(within(taus[0], 1.0, 1e-12, f"{name}: tau of the diagonal Hessian"))
        parts.append(at_least(-np.max(np.diff(taus)), 0.0, f"{name}: tau falls with the angle"))
        parts.append(at_least(ratios[-1], 2.0, f"{name}: r of the dense Hessian"))
        if kappa < 500.0:
            parts.append(at_least(np.min(ratios), 2.0, f"{name}: least r over all angles"))
            continue
        parts.append(at_most(ratios[0], 0.5, f"{name}: r of the diagonal Hessian"))
        parts.append(at_least(np.min(np.diff(ratios)), 0.0, f"{name}: rise of r from angle to angle"))
    return all_of(parts)


# A3: three dense blocks of 30, eigenvalues about 2, 100 and 4999.
RATES = tuple(np.logspace(-4, 0, 17).tolist())
MINI_RATES = tuple(np.logspace(-3, 1, 17).tolist())
_BETA1 = (0.0, 0.9)
_CASE: dict[str, dict[str, Any]] = {
    "gd": {"optimizer": ts.gd(2.0 / 5001.0), "axes": {}},
    "blockwise": {"optimizer": ts.blockwise_gd(), "axes": {}},
    "tuned_adam": {"optimizer": ts.adam(), "axes": {"beta1": _BETA1, "lr": RATES}},
    "tuned_mini": {"optimizer": ts.adam_mini(block=30), "axes": {"beta1": _BETA1, "lr": MINI_RATES}},
}
CASE = tuple(
    _run(
        name,
        one["optimizer"],
        axes={"instance": range(3), **one["axes"]},
        steps=300,
        checkpoints=[*range(10, 301, 10)],
    )
    for name, one in _CASE.items()
)


def start_gaps(problem: ts.Problem, instances: Sequence[int]) -> Array:
    """Return f(x_1) of the instances of a problem."""
    found = []
    for instance in instances:
        one = problem.replace(instance=instance)
        found.append(measures(one, [one.start])["gap"][0])
    return np.array(found)


_FLOOR = 1e-300  # instead of a loss that has underflowed


def best(sweep: ts.Sweep, grid: xr.Dataset) -> Array:
    """Return log10 f/f_1 of the lane that is best at the end, shape (instance, checkpoint)."""
    gap = grid.gap.isel(seed=0)
    axes = [name for name in gap.dims if name not in ("instance", "checkpoint")]
    values = gap.transpose("instance", *axes, "checkpoint").values
    lanes = values.reshape(len(values), -1, values.shape[-1])
    last = np.where(np.isfinite(lanes[:, :, -1]), lanes[:, :, -1], np.inf)
    chosen = lanes[np.arange(len(lanes)), np.argmin(last, axis=1)]
    first = start_gaps(sweep.problem, grid.instance.values.tolist())
    return np.asarray(np.log10(np.maximum(chosen / first[:, None], _FLOOR)))


@claim("zhang2024mini.A3", "section 2.1, random quadratic with three dense blocks", "order", *CASE)
def one_step_size_for_each_block_beats_adam(*grids: xr.Dataset) -> Evidence:
    """On three dense blocks of 30, gradient descent with the best step size of each block is below tuned Adam by more
    than 60 decades in 300 steps, and tuned Adam below gradient descent with one best step by 10; tuned Adam-mini is
    below tuned Adam by more than 40."""
    last = {name: best(sweep, grid)[:, -1] for name, sweep, grid in zip(_CASE, CASE, grids, strict=True)}
    gd, blockwise, adam, mini = last.values()
    return all_of(
        [
            at_least(
                np.min(adam - blockwise), 60.0, "blockwise descent below tuned Adam, least of 3 instances"
            ),
            at_least(np.min(gd - adam), 10.0, "tuned Adam below descent of one step size"),
            at_most(np.max(gd - adam), 20.0, "the same, largest of 3 instances"),
            at_least(np.min(adam - mini), 40.0, "tuned Adam-mini below tuned Adam"),
            at_least(np.min(gd), -1.0, "descent of one step size has hardly begun"),
        ]
    )


# A4: one dense block, and a diagonal one.  Descent with momentum takes the same fractions of 2/(L + mu) for all.
SPECTRA = (("wishart", 20), ("wishart", 100), ("log_uniform", 20), ("diagonal", 20))
SINGLE_BLOCK = {
    "gd": (ts.gd(), "steps"),
    "sgdm": (ts.sgdm(momentum=0.9), "steps"),
    "adam": (ts.adam(), RATES),
    "adam0": (ts.adam(beta1=0.0), RATES),
}
_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
_INSTANCES = 5


def _rates(problem: ts.Problem, method: str) -> tuple[float, ...]:
    if SINGLE_BLOCK[method][1] != "steps":
        return RATES
    facts = [problem.replace(instance=instance).facts for instance in range(_INSTANCES)]
    best_steps = [2.0 / (one["L"] + one["mu"]) for one in facts]
    fractions = (1.0,) if method == "gd" else _FRACTIONS
    return tuple(np.unique(np.outer(best_steps, fractions)).tolist())


def _single(spectrum: str, d: int, method: str) -> ts.Sweep:
    problem = quadratics.dense(d, spectrum)
    return ts.Sweep(
        problem,
        SINGLE_BLOCK[method][0],
        {"instance": range(_INSTANCES), "lr": _rates(problem, method)},
        steps=1000,
        checkpoints=[1000],
        name=f"zhang2024mini.{spectrum}_{d}_{method}",
    )


DENSE = tuple(_single(spectrum, d, method) for spectrum, d in SPECTRA for method in SINGLE_BLOCK)


@claim("zhang2024mini.A4", "section 2.1, one dense block", "order", *DENSE)
def one_step_size_beats_adam_on_a_dense_block(*grids: xr.Dataset) -> Evidence:
    """On one dense Wishart block, after 1000 steps, gradient descent is below Adam without momentum by more than 20
    decades, and with momentum .9 on both sides it is not above; on a dense block of kappa = 500 neither loses by
    two decades, on a diagonal one Adam wins; Adam with momentum is below descent without it except on Wishart blocks."""
    ends = {
        sweep.name.partition(".")[2]: float(np.median(best(sweep, grid)[:, -1]))
        for sweep, grid in zip(DENSE, grids, strict=True)
    }
    parts = []
    for d in (20, 100):
        plain = ends[f"wishart_{d}_adam0"] - ends[f"wishart_{d}_gd"]
        heavy = ends[f"wishart_{d}_adam"] - ends[f"wishart_{d}_sgdm"]
        parts += [
            at_least(plain, 20.0, f"Wishart, d = {d}: descent below Adam without momentum"),
            at_least(heavy, -0.5, f"Wishart, d = {d}: with momentum on both sides"),
            at_least(
                ends[f"wishart_{d}_adam"] - ends[f"wishart_{d}_gd"],
                2.0,
                f"Wishart, d = {d}: unequal momentum",
            ),
        ]
    dense, diagonal = "log_uniform_20", "diagonal_20"
    parts += [
        within(
            ends[f"{dense}_adam0"] - ends[f"{dense}_gd"], 0.0, 2.0, "kappa = 500, dense: without momentum"
        ),
        at_least(ends[f"{dense}_adam"] - ends[f"{dense}_sgdm"], 2.0, "kappa = 500, dense: with momentum"),
        at_most(ends[f"{diagonal}_adam0"] - ends[f"{diagonal}_gd"], -5.0, "kappa = 500, diagonal: Adam wins"),
        *(
            at_least(ends[f"{one}_gd"] - ends[f"{one}_adam"], 20.0, f"kappa = 500, {one}: unequal momentum")
            for one in (dense, diagonal)
        ),
    ]
    return all_of(parts)


CLAIMS = [
    the_partition_ends_at_adam_and_at_normalised_descent,
    a_diagonal_preconditioner_hurts_on_dense_hessians,
    one_step_size_for_each_block_beats_adam,
    one_step_size_beats_adam_on_a_dense_block,
]

DEVIATIONS = ledger("zhang2024mini",
    ("Algorithm 1", "Memory, speed and loss of language models.",
     "Nothing of these is run: the toys are quadratics without noise, on which the Hessian's blocks are known.", "A1", "A3"),
    ("section 2.2, tau", "tau as a measure of how diagonal the Hessian is; texts of the authors orient it in both ways.",
     "tau = sum |H_ii| / sum |H_ij|, 1 for a diagonal Hessian. r is kappa(D H)/kappa(H) with D = Diag(1/|H x_1|), which has the "
     "spectrum of D^(1/2) H D^(1/2). The path of rotations exp(angle K) is chosen here. r is a median over twenty K: of a single one it "
     "is not monotone, since r varies by a factor 2 among starts and bases.", "A2"),
    ("section 2.2, tau", "r falls as tau grows.",
     "For kappa of at least 500. A Hessian of kappa = 10 is conditioned so well that the preconditioner always hurts, least at a "
     "small angle.", "A2"),
    ("section 2.1, random quadratic with three dense blocks", "30 eigenvalues drawn from each of {1, 2, 3}, {99, 100, 101}, {4998, 4999, 5000}.",
     "Each value occurs ten times in its block. Adam and Adam-mini have beta2 = .999, the better of beta1 = 0 and .9 and the best of 17 step "
     "sizes for each instance; gradient descent has 2/5001, blockwise descent 1/2, 1/100 and 1/5000. The paper's Adam with beta2 = 1 "
     "is another method: see the claims of zhang2024transformers.", "A3"),
    ("section 2.1, one dense block", "One good step size beats Adam on a dense block.",
     "True with the same momentum on both sides, by tens of decades on a Wishart block; on a dense block with eigenvalues spread over "
     "two decades the two are alike without momentum. Adam with beta1 = .9 beats descent without momentum there by 30 decades, "
     "so that a comparison with Adam's default says the opposite.", "A4"),
)  # fmt: skip

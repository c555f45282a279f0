"""You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes" (arXiv:1904.00962).

The paper's theorems are O(.) statements, which we recall without the text at hand.  What is checked are the
exact inequalities behind them, for any constant step and without moments, derived here: f falls in a step by
lr phi_l ||grad_l f|| in layer l, but for 2 lr phi_l ||noise_l|| and lr^2 phi_l^2 L_l/2, and phi_l is in [low, high].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.layers import quadratic
from paper_checks.theorems.conditions import CONSTANT, NO_MOMENTUM, POSITIVE, UNBIASED
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import linear
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.layerwise import lamb, lars
from theory_sim.optimizers.momentum import gd

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

SIZE = 6
_BOUND = "gap_1/(low*lr*T) + lr*high**2*L_layers/(2*low) + 2*high*sigma_layers/(low*sqrt(workers))"
_MEANING = {
    "low": "least phi(||x_l||)",
    "high": "largest phi(||x_l||)",
    "block": "coordinates of a layer for the optimizer",
    "size": "coordinates of a layer of the problem",
}
_CONDITIONS = (
    POSITIVE,
    CONSTANT,
    NO_MOMENTUM,
    Condition("weight_decay == 0", "no weight decay"),
    Condition("low > 0", "phi is bounded away from 0"),
    Condition("block == size", "the layers of the optimizer are those of the problem"),
    UNBIASED,
)

LARS = Theorem(
    id="you2020lamb.lars",
    where="1904.00962, theorem on LARS, for any constant step; constants ours",
    statement="The mean of E sum_l ||grad_l f|| of LARS without momentum is at most gap_1/(low lr T) + lr high^2 L/(2 low) + 2 "
    "(high/low) sigma, with L and sigma summed over the layers: the average of the L_l where gradient descent has the largest.",
    conditions=_CONDITIONS,
    bound=_BOUND,
    quantity="layer_norms_mean",
    meaning=_MEANING,
    problem=quadratic,
    optimizer=lambda: lars(0.025, 0.0, low=0.5, high=2.0, block=SIZE),
    run={"steps": 400},
)

LAMB = Theorem(
    id="you2020lamb.lamb",
    where="1904.00962, theorem on LAMB with beta2 = 0, for any constant step; constants ours",
    statement="The mean of E sum_l ||grad_l f||_1/sqrt(d_l) of LAMB without moments is at most gap_1/(low lr T) + lr high^2 L/(2 "
    "low) + 2 (high/low) sigma, with L and sigma summed over the layers.",
    conditions=(
        *_CONDITIONS,
        Condition("beta2 == 0", "a direction of signs"),
        Condition("eps == 0", "no eps"),
    ),
    bound=_BOUND,
    quantity="layer_l1_mean",
    meaning={**_MEANING, "eps": "eps added to the root, in gradients"},
    problem=quadratic,
    optimizer=lambda: lamb(0.025, 0.0, 0.0, 0.0, low=0.5, high=2.0, block=SIZE),
    run={"steps": 400},
)

STEPS = 400
# gap = L/2 by construction, so that lr = sqrt(2 gap/(high^2 L T)) minimises the bound.
BEST = 1.0 / (2.0 * math.sqrt(STEPS))
PHI: dict[str, Any] = {"low": 0.5, "high": 2.0, "block": SIZE}
METHODS: dict[str, tuple[Theorem, Optimizer]] = {
    "lars": (LARS, lars(BEST, 0.0, **PHI)),
    "lamb": (LAMB, lamb(BEST, 0.0, 0.0, 0.0, **PHI)),
}


def _random(name: str, optimizer: Optimizer) -> Sweep:
    return Sweep(quadratic(), optimizer, {"instance": range(200)}, STEPS, running=True, name=f"you2020lamb.random_{name}",
                 quick={"axes": {"instance": range(16)}})  # fmt: skip


def _noisy(name: str, optimizer: Optimizer) -> Sweep:
    return Sweep(quadratic(sigma=0.3), optimizer, {"instance": range(20)}, STEPS, seeds=16, running=True,
                 name=f"you2020lamb.noisy_{name}", quick={"axes": {"instance": range(3)}})  # fmt: skip


CURVATURE = (1.0, 10.0, 100.0, 1000.0)
LAYERS, STIFF = len(CURVATURE), quadratic(CURVATURE, 1)


def _to_and_fro(name: str, optimizer: Optimizer) -> Sweep:
    """Layers of one coordinate and phi = 1 from lr/2: every step leads to the other side."""
    settled = replace_arguments(optimizer, lr=0.1, low=1.0, high=1.0, block=1)
    return Sweep(STIFF, settled, x0=0.05, steps=STEPS, running=True, name=f"you2020lamb.attained_{name}")


def replace_arguments(optimizer: Optimizer, **changes: Any) -> Optimizer:
    """Return the same method with other arguments of its constructor."""
    assert optimizer.family is not None
    return optimizer.family(**{**optimizer.arguments, **changes})


RANDOM = tuple(_random(name, optimizer) for name, (_, optimizer) in METHODS.items())
NOISY = tuple(_noisy(name, optimizer) for name, (_, optimizer) in METHODS.items())
ATTAINED = tuple(_to_and_fro(name, optimizer) for name, (_, optimizer) in METHODS.items())


def _bound(sweep: Sweep, theorem: Theorem, **arguments: Any) -> float:
    """Return the bound of a sweep at one instance, NaN unless every condition holds."""
    problem = sweep.problem if not arguments else quadratic(**{**sweep.problem.arguments, **arguments})
    gap = problem.facts["gap"]
    if sweep.x0 is not None:
        gap = 0.5 * problem.facts["L_layers"] * float(np.asarray(sweep.x0)) ** 2
    run = {"s": 0.0, "unbiased": 1.0, "T": sweep.steps, "workers": 1.0, "gap_1": gap}
    return theorem.assess(theorem.gather(problem, sweep.optimizer, **run)).bound


@claim(
    "you2020lamb.L1",
    "1904.00962, theorems on LARS and LAMB",
    "tight",
    *RANDOM,
    *NOISY,
    *ATTAINED,
    constants="derived",
)
def the_layerwise_bounds_hold_and_are_attained(*grids: xr.Dataset) -> Evidence:
    """On random layers of curvatures over five decades the means of sum_l ||grad_l f|| of LARS, and of sum_l
    ||grad_l f||_1/sqrt(d_l) of LAMB, without moments, stay below their bounds with and without noise; layers that go to and
    fro attain both bounds up to 1/(4 T)."""
    parts = []
    for k, (name, (theorem, _)) in enumerate(METHODS.items()):
        for kind, sweeps in (("random", RANDOM), ("noisy", NOISY)):
            grid = grids[k if kind == "random" else k + 2]
            mean = grid[theorem.quantity].values
            # the bound is on the expectation; the mean over a path and five layers scatters far less than the slack
            values = mean.mean(axis=-1)
            bounds = [_bound(sweeps[k], theorem, instance=int(i)) for i in grid.instance.values]
            note = f"{name}, {kind} layers, over the bound of {len(bounds)} instances"
            parts.append(at_most(float(np.max(values / bounds)), 1.0, note))
        sweep, grid = ATTAINED[k], grids[4 + k]
        ratio = grid[theorem.quantity].item() / _bound(sweep, theorem)
        exact = 1.0 / (1.0 + 1.0 / (4.0 * sweep.steps))
        # 400 steps to and fro add up roundings of 1e-16
        parts.append(within(ratio, exact, 1e-12, f"{name}, to and fro, over its bound"))
    return all_of(parts)


CLIPPED: dict[str, Any] = {"block": SIZE, "low": 1.0, "high": 2.0}
MOMENTS = {"lars": lars(0.02, **CLIPPED), "lamb": lamb(0.02, eps=0.0, **CLIPPED)}
SCALES = (1.0, 1024.0, 3.7e-5)
PATHS = tuple(
    Sweep(quadratic(), optimizer, {"scale": SCALES}, 50, checkpoints=range(1, 51), name=f"you2020lamb.path_{name}")
    for name, optimizer in MOMENTS.items()
)  # fmt: skip


def layer_norms(x: Array, size: int) -> Array:
    """Return ||x_l|| of iterates of shape (..., d), shape (..., layer)."""
    return np.asarray(np.linalg.norm(x.reshape(*x.shape[:-1], -1, size), axis=-1))


@claim("you2020lamb.L2", "1904.00962, Algorithms 1 and 2", "exact", *PATHS, constants="derived")
def steps_have_the_length_of_phi(*grids: xr.Dataset) -> Evidence:
    """A step of LARS and of LAMB moves layer l by exactly lr phi(||x_l||), momentum or not, and multiplying the loss
    by a constant changes nothing: not one bit for a power of two."""
    parts = []
    for (name, optimizer), grid in zip(MOMENTS.items(), grids, strict=True):
        x = grid.x.isel(seed=0).transpose("scale", "checkpoint", "coordinate").values
        moved = layer_norms(np.diff(x, axis=1), SIZE)
        low, high = optimizer.hyper["low"], optimizer.hyper["high"]
        size = layer_norms(x[:, :-1], SIZE)
        phi = np.clip(size, low, high)
        shares = [float(np.mean(one)) for one in (size < low, size > high, (size > low) & (size < high))]
        error = np.max(np.abs(moved / (optimizer.lr * phi) - 1.0))
        # x is up to 50 steps long: differences carry 50 roundings of 1e-16 of x, which is up to 500 steps
        parts.append(at_most(error, 1e-12, f"{name}: length of a step over lr phi"))
        parts.append(
            at_least(min(shares), 0.02, f"{name}: share of steps with phi at either end and between")
        )
        parts.append(at_most(np.max(np.abs(x[1] - x[0])), 0.0, f"{name}: 1024 times the loss"))
        # of numbers of size 1, each of 50 steps rounds anew
        parts.append(at_most(np.max(np.abs(x[2] - x[0])), 1e-11, f"{name}: 3.7e-5 times the loss"))
    return all_of(parts)


ROUND = quadratic(CURVATURE, SIZE, least=1.0)
STEEPEST = max(CURVATURE)
TUNED = (
    Sweep(ROUND, gd(), {"lr": np.geomspace(0.02, 1.0, 18) * 2.0 / STEEPEST}, STEPS, name="you2020lamb.tuned_gd"),
    Sweep(ROUND, gd(schedule=linear(STEPS)), {"lr": np.linspace(1.0, 2.4, 29) * 2.0 / STEEPEST}, STEPS,
          name="you2020lamb.tuned_gd_linear"),
    Sweep(ROUND, lars(beta1=0.0, low=1.0, high=1.0, block=SIZE, schedule=linear(STEPS)), {"lr": np.geomspace(1e-3, 1.0, 25)},
          STEPS, name="you2020lamb.tuned_lars"),
    Sweep(ROUND, lamb(beta1=0.0, beta2=0.0, eps=0.0, low=1.0, high=1.0, block=SIZE, schedule=linear(STEPS)),
          {"lr": np.geomspace(1e-3, 1.0, 25)}, STEPS, name="you2020lamb.tuned_lamb"),
)  # fmt: skip


def farthest(grid: xr.Dataset) -> Array:
    """Return max_l ||x_l|| over its value at the start, for each lr; infinite where a run is not finite."""
    x = grid.x_final.isel(seed=0).transpose("lr", "coordinate").values
    start = layer_norms(np.asarray(ROUND.start), SIZE)
    worst = np.max(layer_norms(x, SIZE) / start, axis=-1)
    return np.where(np.isfinite(worst), worst, math.inf)


def _inside(values: Sequence[float]) -> bool:
    """Return whether the least value is not at an end of the grid."""
    return 0 < int(np.argmin(values)) < len(values) - 1


@claim(
    "you2020lamb.L3", "1904.00962, comparison with SGD: L_avg for L_max", "order", *TUNED, constants="derived"
)
def one_step_size_serves_all_layers(*grids: xr.Dataset) -> Evidence:
    """With curvatures 1, 10, 100, 1000 in four round layers and 400 steps, gradient descent at a stable lr leaves (1 - lr)^400 >=
    (1 - 2/1000)^400 = .449 of the flattest layer; linear decay may begin above 2/1000, and at the best peak leaves .405.
    LARS and LAMB without moments, at the best linear decay, leave less than .01 of every layer."""
    constant, decayed, *normalised = map(farthest, grids)
    lr = grids[0].lr.values
    floor = (1.0 - 2.0 / STEEPEST) ** STEPS
    stable = lr < 2.0 / STEEPEST
    exact = np.max(np.abs(constant[stable][:-1] / (1.0 - lr[stable][:-1]) ** STEPS - 1.0))
    # The steepest layer grows at first and shrinks later: its mean log, (a - 1) log(a - 1)/a - 1 at lr = a/1000, is
    # below 0 up to a = 4.59.
    peak = float(grids[1].lr.values[np.argmin(decayed)])
    product = float(np.prod(1.0 - peak * (1.0 - np.arange(STEPS) / STEPS)))
    parts = [
        at_least(float(np.min(constant)), floor, "gradient descent: least share of the farthest layer"),
        # 400 factors, each rounded by 1e-16
        at_most(exact, 1e-10, "gradient descent against (1 - lr)^400"),
        within(float(np.min(decayed)) / product, 1.0, 1e-10, "linear decay, tuned: over prod (1 - lr_t)"),
        within(float(np.min(decayed)), 0.4051, 1e-4, "linear decay, tuned: share of the farthest layer"),
        at_least(float(_inside(decayed.tolist())), 1.0, "linear decay: the best peak is inside the grid"),
    ]
    for name, values in zip(("LARS", "LAMB"), normalised, strict=True):
        parts.append(at_most(float(np.min(values)), 0.01, f"{name}: share of the farthest layer, tuned"))
        parts.append(
            at_least(float(_inside(values.tolist())), 1.0, f"{name}: the best lr is inside the grid")
        )
    return all_of(parts)


CLAIMS = [
    the_layerwise_bounds_hold_and_are_attained,
    steps_have_the_length_of_phi,
    one_step_size_serves_all_layers,
]
THEOREMS = [LARS, LAMB]
DEVIATIONS = ledger(
    "you2020lamb",
    (
        "1904.00962, theorems on LARS and LAMB",
        "O(.) statements with batch = T, lr = sqrt(2 gap/(high^2 ||L||_1 T)); LAMB with beta2 > 0 has a bound with G^2 d.",
        "The text was not available. Checked are inequalities with constants, derived here, of which these statements are the "
        "orders, for any constant step. They need phi >= low > 0. Nothing is asserted of momentum and of beta2 > 0.",
        "L1",
    ),
    (
        "1904.00962, weight decay and trust ratio",
        "phi is a function between two positive constants.",
        "Public code has phi = min(||x||, 10), which is 0 at 0; there the ratio is set to 1, and so it is here. With phi the identity "
        "and the minimiser at 0 a step of lr = 1 lands on it, whatever the curvature: the comparison has phi = 1.",
        "L2",
        "L3",
    ),
    (
        "1904.00962, comparison with SGD",
        "L_avg replaces L_max.",
        "Shown where it is largest: no noise, few steps beside the condition number. With many steps gradient descent converges "
        "linearly and a normalised step cannot. Linear decay is stable on a layer once the later steps undo the growth of the "
        "first, so its peak is up to 2.3 times 2/L_max and descent gains a little by it. The grids of lr and the threshold .01 "
        "were set after a first run.",
        "L3",
    ),
)  # fmt: skip

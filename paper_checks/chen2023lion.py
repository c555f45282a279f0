"""Chen et al., "Symbolic Discovery of Optimization Algorithms" (arXiv:2302.06675): Lion's update.

c_t = beta1 m_{t-1} + (1-beta1) g_t; x -= lr (sign(c_t) + weight_decay x); m_t = beta2 m_{t-1} + (1-beta2)
g_t.  The reading of Lion as a method for min f over ||x||_inf <= 1/weight_decay is that of Chen et al. 2024
(arXiv:2310.05898).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import separable, smooth
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.sign import lion, lion_k

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

BETA1, BETA2 = 0.9, 0.99
DECAYS = (0.2, 0.5, 1.0, 2.0)
_ALGORITHM = "2302.06675, Algorithm 2 (Lion)"

# The box: |x_i| - 1/weight_decay shrinks by 1 - lr weight_decay per step, whatever the gradients are.

_FAR = tuple((-1.0) ** i * (i + 1.0) for i in range(20))
BOX = Sweep(
    separable.box_quadratic(heavy=1.0),
    lion(),
    {"lr": (0.001, 0.01, 0.1, 0.5), "weight_decay": DECAYS},
    steps=3000,
    seeds=8,
    x0=_FAR,
    checkpoints=(*range(1, 301), *range(350, 3001, 50)),
    entropy=24,
    name="chen2023lion.box",
    quick={"seeds": 2},
)


@claim("chen2023lion.L1", f"{_ALGORITHM}; 2310.05898, phase 1", "upper", BOX, constants="derived")
def the_distance_from_the_box_shrinks(grid: xr.Dataset) -> Evidence:
    """For 0 < lr weight_decay <= 1 the distance of every coordinate from the box |x_i| <= 1/weight_decay
    shrinks by the factor 1 - lr weight_decay per step or more, under Cauchy noise too, and the box is never left
    again; the factor is attained whenever the sign points outwards."""
    if not np.isfinite(grid.x.values).all():
        return at_most(math.nan, 0.0, "a run is not finite")
    outside = (abs(grid.x) - 1.0 / grid.weight_decay).clip(min=0.0)
    outside = outside.transpose("lr", "weight_decay", "seed", "coordinate", "checkpoint").values
    rate = (1.0 - grid.lr * grid.weight_decay).values[:, :, None, None, None]
    start = np.maximum(np.abs(_FAR) - 1.0 / np.array(DECAYS)[:, None], 0.0)[None, :, None, :, None]
    steps = grid.checkpoint.values
    each = np.where(np.diff(steps) == 1)[0]
    one = np.max(outside[..., each + 1] - rate * outside[..., each])
    every = np.max(outside - rate**steps * start)
    # Rounding of |x| <= 20: a few units in the last place per step, over 3000 steps.
    once = f"one step: excess minus (1 - lr weight_decay) times the one before <= {one:.1g}"
    often = f"t steps: excess minus (1 - lr weight_decay)^t times the first <= {every:.1g}"
    before, after = outside[..., each], outside[..., each + 1]
    ratio = np.divide(after, rate * before, out=np.zeros_like(after), where=before > 0.1)
    attained = within(
        np.max(ratio), 1.0, 1e-10, "one step from outside: largest over (1 - lr weight_decay) times it"
    )
    inside = at_least(np.mean(outside[..., -1] == 0.0), 0.5, "share of coordinates in the box at the end")
    return all_of([at_most(one, 1e-12, once), at_most(every, 1e-10, often), attained, inside])


# Where Lion ends: a cycle of size lr around the minimiser over the box.


def _kkt(steps: int, *lr: float) -> dict[str, Any]:
    """Return the fields of a sweep that records the last 1000 steps."""
    tail = range(steps - 1000, steps + 1, 5)
    return {"axes": {"lr": lr, "weight_decay": DECAYS}, "steps": steps, "checkpoints": tail}


KKT = Sweep(
    separable.box_quadratic(),
    lion(),
    **_kkt(200_000, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    x0=0.0,
    name="chen2023lion.kkt",
    quick=_kkt(40_000, 1e-3, 3e-3, 1e-2),
)


def kkt_score(grid: xr.Dataset) -> Array:
    """Return ||grad f||_1 + weight_decay <grad f, x> over the tail, shape (lr, weight_decay, checkpoint).

    In the box it is >= 0, and 0 exactly at the KKT points: it sums |g_i| (1 + weight_decay sign(g_i) x_i).
    """
    a, c = separable.box_curvatures(20), separable.box_centres(20)
    x = grid.x.isel(seed=0).transpose("lr", "weight_decay", "checkpoint", "coordinate").values
    gradient = a * (x - c) + KKT.problem.constants["coupling"] * x.sum(axis=-1, keepdims=True)
    decay = grid.weight_decay.values[None, :, None]
    return np.asarray(np.abs(gradient).sum(axis=-1) + decay * (gradient * x).sum(axis=-1))


def box_distance(grid: xr.Dataset) -> Array:
    """Return the largest ||x - x*||_inf over the tail, shape (lr, weight_decay)."""
    x = grid.x.isel(seed=0).transpose("lr", "weight_decay", "checkpoint", "coordinate").values
    coupling = KKT.problem.theta["coupling"]
    best = [separable.box_optimum(20, coupling, 1.0 / decay) for decay in grid.weight_decay.values.tolist()]
    return np.asarray(np.abs(x - np.array(best)[None, :, None, :]).max(axis=(2, 3)))


@claim("chen2023lion.L2", f"{_ALGORITHM}; 2310.05898, phase 2", "weak", KKT, constants="derived")
def lion_minimises_over_the_box(grid: xr.Dataset) -> Evidence:
    """With weight decay Lion minimises f over the box, up to a cycle: it ends within 5 lr of the constrained
    minimiser of a coupled quadratic, and not within half a step of it, for four sizes of the box and every lr."""
    lr, decay = grid.lr.values[:, None], grid.weight_decay.values
    distance, score = box_distance(grid) / lr, kkt_score(grid).max(axis=-1) / lr
    coupling = KKT.problem.theta["coupling"]
    best = np.array([separable.box_optimum(20, coupling, 1.0 / one) for one in decay.tolist()])
    # A coordinate moves by lr |1 + weight_decay x_i| or lr |1 - weight_decay x_i|, and one of two points that far
    # apart is at least half as far from x*_i.
    least = 0.5 * (1.0 - decay * np.abs(best).min(axis=1))
    size = np.max(np.abs(grid.x.values) * decay[:, None, None, None]) - 1.0
    return all_of(
        [
            at_most(distance.max(), 5.0, "last 1000 steps: ||x - x*||_inf over lr"),
            at_least(np.min(distance / least), 0.99, "||x - x*||_inf over half a step"),
            at_most(score.max(), 50.0, "KKT score over lr"),
            at_most(size, 1e-12, "weight_decay |x_i| - 1: in the box"),
        ]
    )


# One dimension: the cycle of length two and the edge of stability of the box.


def _cycle(name: str, optimizer: Optimizer) -> Sweep:
    axes, name = {"weight_decay": (0.5, 1.0, 1.5, 1.9)}, f"chen2023lion.{name}"
    tail = range(3900, 4001)
    return Sweep(smooth.quadratic(), optimizer, axes, steps=4000, x0=0.5, checkpoints=tail, name=name)


CYCLE = _cycle("cycle", lion(lr=1.0))
# 1 + beta2 - 2 beta1 < 0: no cycle of length two.
NO_CYCLE = _cycle("no_cycle", lion(lr=1.0, beta1=0.99, beta2=0.9))


def alternation(grid: xr.Dataset) -> Array:
    """Return the largest |x_t + x_{t+1}| over the tail, per weight decay: 0 on a cycle of length two."""
    x = grid.x.values[:, 0, :]
    return np.asarray(np.abs(x[:, 1:] + x[:, :-1]).max(axis=-1))


@claim("chen2023lion.L3", _ALGORITHM, "exact", CYCLE, NO_CYCLE, constants="derived")
def lion_ends_in_a_cycle_of_length_two(grid: xr.Dataset, control: xr.Dataset) -> Evidence:
    """On x^2/2 with the default betas Lion ends in the cycle x_{t+1} = -x_t of size lr/(2 - q), q = lr
    weight_decay, which is in the box iff q <= 1."""
    q = grid.weight_decay.values  # lr = 1
    size = np.abs(grid.x.values[:, 0, :])
    inside = size.max(axis=-1) <= (1.0 + 1e-9) / q
    wrong = np.mean(inside != (q <= 1.0))
    error = np.abs(size - 1.0 / (2.0 - q[:, None])).max()
    turn = alternation(grid).max()
    note = "share of q = lr weight_decay at which being in the box differs from q <= 1"
    none = "beta1 = .99, beta2 = .9: no cycle of length two"
    return all_of(
        [
            at_most(error, 1e-8, f"|x_t| - lr/(2 - q) <= {error:.1g}"),
            at_most(turn, 1e-8, f"|x_t + x_{{t+1}}| <= {turn:.1g}"),
            at_most(wrong, 0.0, note),
            at_least(alternation(control).min(), 1e-3, none),
        ]
    )


# Lion is Signum(beta2) on extrapolated gradients g_t + k (g_t - g_{t-1}), k = (beta2 - beta1)/(1 - beta2).


def _filter(name: str, optimizer: Optimizer) -> Sweep:
    problem, name = separable.cosines(sigma=0.0), f"chen2023lion.{name}"
    return Sweep(problem, optimizer, steps=400, checkpoints=range(1, 401), name=name)


LINEAR = _filter("linear", lion_k(0.5, BETA1, BETA2, potential="l2"))
SIGN = _filter("sign", lion(0.05, BETA1, BETA2))


def moves_and_average(grid: xr.Dataset, lr: float) -> tuple[Array, Array]:
    """Return (x_t - x_{t+1})/lr and the beta2-average of extrapolated gradients, shape (t, d), g_0 = 0."""
    problem = LINEAR.problem
    start = np.full((1, problem.dim), problem.start)
    x = np.concatenate([start, grid.x.isel(seed=0).transpose("checkpoint", "coordinate").values])
    a = np.array(problem.constants["a"])
    gradients = a * np.sin(x[:-1])
    before = np.concatenate([np.zeros_like(start), gradients[:-1]])
    extrapolated = gradients + (BETA2 - BETA1) / (1.0 - BETA2) * (gradients - before)
    average, averages = np.zeros(problem.dim), []
    for g in extrapolated:
        average = BETA2 * average + (1.0 - BETA2) * g
        averages.append(average)
    return -np.diff(x, axis=0) / lr, np.array(averages)


def impulse_response(length: int) -> Array:
    """Return h_k with c_t = sum_k h_k g_{t-k}: h_0 = 1 - beta1, h_k = (1 - beta2) beta1 beta2^(k-1)."""
    k = np.arange(1, length)
    return np.concatenate([[1.0 - BETA1], (1.0 - BETA2) * BETA1 * BETA2 ** (k - 1.0)])


@claim("chen2023lion.N3", f"{_ALGORITHM}; 2310.14616, abstract", "exact", LINEAR, SIGN, constants="derived")
def lion_is_signum_on_extrapolated_gradients(linear: xr.Dataset, sign: xr.Dataset) -> Evidence:
    """Lion's c_t is the beta2-average of g_t + k (g_t - g_{t-1}) with k = (beta2 - beta1)/(1 - beta2) (9 at
    the defaults): Signum on extrapolated gradients."""
    moves, average = moves_and_average(linear, 0.5)
    signs, expected = moves_and_average(sign, 0.05)
    clear = np.abs(expected) > 1e-12
    gain = (1.0 - BETA1) ** 2 + BETA1**2 * (1.0 - BETA2) / (1.0 + BETA2)
    response = impulse_response(4000)  # beta2^8000 = 1e-35 of the sum of squares is left
    error = np.abs(moves - average).max()
    wrong = np.where(clear, np.abs(signs - np.sign(expected)), 0.0).max()
    return all_of(
        [
            at_most(error, 1e-12, f"c_t minus the average of extrapolated gradients <= {error:.1g}"),
            at_most(wrong, 1e-12, f"their signs: {wrong:.1g}"),
            at_least(clear.mean(), 0.9, "share of signs compared"),
            at_most(abs(np.sum(response**2) - gain), 1e-14, f"noise gain {gain:.5f}"),
            at_most(abs(np.sum(response) - 1.0), 1e-14, "the filter averages"),
        ]
    )


CLAIMS = [
    the_distance_from_the_box_shrinks,
    lion_minimises_over_the_box,
    lion_ends_in_a_cycle_of_length_two,
    lion_is_signum_on_extrapolated_gradients,
]
DEVIATIONS = ledger(
    "chen2023lion",
    (
        _ALGORITHM,
        "Lion is presented through experiments; no convergence statement is made.",
        "The box, the cycle and the filter are consequences of the update rule, derived here; the "
        "constrained problem is that of arXiv:2310.05898. The quadratic, its box and all steps are ours. The box "
        "and the place of the minimiser do not depend on the betas, so L1 and L2 do not test them; L3 and N3 do. "
        "The bounds 5 lr and 50 lr of L2 are read off a first run.",
        *("L1", "L2", "L3", "N3"),
    ),
    (
        _ALGORITHM,
        "The cycle of length two attracts the iterates.",
        "It is stable, not globally attracting, and it needs 1 + beta2 - 2 beta1 > 0; it is reached here "
        "from x_1 = 0.5, m_0 = 0 at the default betas.",
        "L3",
    ),
)

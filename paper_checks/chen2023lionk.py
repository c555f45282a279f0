"""Chen, Liu, Liang, Liu, "Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts"
(arXiv:2310.05898).

Lion-K replaces the sign by grad K of a convex K and minimises alpha f(x) + (gamma/lambda) K*(lambda x), with
lambda the weight decay and K* the conjugate; K = ||.||_1 gives Lion and the constraint ||x||_inf <= 1/lambda.
The continuous time limit  x' = grad K(m + e m') - lambda x,  m' = -alpha grad f(x) - gamma m  has a Lyapunov
function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from counterexamples import separable
from paper_checks.chen2023lion import KKT, kkt_score
from theory_sim.engine.evaluate import component_gradients
from theory_sim.evidence.rates import exponent_within, least_squares
from theory_sim.nouns.claim import Deviation, Evidence, all_of, at_least, at_most, claim, ledger
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.sign import lion_k

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]


class Flow(NamedTuple):
    """Coefficients of the continuous-time Lion-K; the theorem asks for epsilon gamma <= 1."""

    alpha: float
    gamma: float
    epsilon: float
    decay: float


FLOWS = (
    Flow(1.0, 1.0, 0.0, 1.0),
    Flow(1.0, 1.0, 1.0, 0.5),
    Flow(2.0, 0.5, 0.9, 1.0),
    Flow(0.5, 3.0, 0.3, 2.0),
    Flow(1.0, 0.1, 9.0, 0.1),
)


class Potential(NamedTuple):
    """K, its conjugate and its gradient, the first two summed over coordinates."""

    value: Callable[[Array], Array]
    conjugate: Callable[[Array], Array]
    gradient: Callable[[Array], Array]


POTENTIALS = {
    # The start is inside |lambda x_i| < 1 and x' points inwards on its edge.
    "smooth_l1": Potential(
        lambda m: np.sqrt(m * m + 1.0).sum(axis=0),
        lambda z: -np.sqrt(np.maximum(1.0 - z * z, 0.0)).sum(axis=0),
        lambda m: m / np.sqrt(m * m + 1.0),
    ),
    "l2": Potential(lambda m: 0.5 * (m * m).sum(axis=0), lambda z: 0.5 * (z * z).sum(axis=0), lambda m: m),
}


def objective(x: Array) -> Array:
    """Return (x_1 - 1)^2/2 + x_2^2/4 + sin(3 x_1) + x_1 x_2/2, which is not convex but bounded below."""
    first, second = x
    bowl = 0.5 * (first - 1.0) ** 2 + 0.25 * second**2
    return np.asarray(bowl + np.sin(3.0 * first) + 0.5 * first * second)


def objective_gradient(x: Array) -> Array:
    """Return the gradient of `objective`."""
    first, second = x
    return np.array([first - 1.0 + 3.0 * np.cos(3.0 * first) + 0.5 * second, 0.5 * second + 0.5 * first])


def lyapunov(x: Array, m: Array, flow: Flow, potential: Potential) -> Array:
    """Return H = alpha f + (gamma/l) K*(l x) + (1 - e gamma)/(1 + e l) (K*(l x) + K(m) - l <m, x>)."""
    dual = potential.conjugate(flow.decay * x)
    weight = (1.0 - flow.epsilon * flow.gamma) / (1.0 + flow.epsilon * flow.decay)
    duality_gap = dual + potential.value(m) - flow.decay * (m * x).sum(axis=0)
    return np.asarray(flow.alpha * objective(x) + flow.gamma / flow.decay * dual + weight * duality_gap)


def trajectory(flow: Flow, potential: Potential, time: float = 20.0) -> tuple[Array, Array]:
    """Return x and m every 0.01 units of time from lambda x = (0.6, -0.5), m = (1, 2), shapes (2, times)."""
    from scipy.integrate import solve_ivp

    def field(_: float, state: Array) -> Array:
        x, m = state[:2], state[2:]
        change = -flow.alpha * objective_gradient(x) - flow.gamma * m
        return np.concatenate([potential.gradient(m + flow.epsilon * change) - flow.decay * x, change])

    start = np.concatenate([np.array([0.6, -0.5]) / flow.decay, [1.0, 2.0]])
    times = np.arange(0.0, time, 0.01)
    path = solve_ivp(field, (0.0, time), start, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-12)
    return path.y[:2], path.y[2:]


@claim("chen2023lionk.L4", "2310.05898, Lyapunov function in continuous time", "upper", constants="recalled")
def the_lyapunov_function_never_rises() -> Evidence:
    """Along continuous-time Lion-K with epsilon gamma <= 1 the function H never increases, for two
    potentials, five sets of coefficients and a non-convex f."""
    parts = []
    for name, potential in POTENTIALS.items():
        for flow in FLOWS:
            H = lyapunov(*trajectory(flow, potential), flow, potential)
            rise, fall = np.max(np.diff(H)), H[0] - H[-1]
            # 1e-8: a hundred times the relative tolerance of the integrator.
            note = f"{name}, {tuple(flow)}: H rises by at most {rise:.1g} per 0.01"
            parts += [at_most(rise, 1e-8, note), at_least(fall, 0.1, f"and falls by {fall:.3g} in all")]
    return all_of(parts)


@claim(
    "chen2023lionk.KKT",
    "2310.05898, Lion as min f over ||x||_inf <= 1/lambda",
    "rate",
    KKT,
    constants="derived",
)
def the_kkt_score_is_proportional_to_the_step(grid: xr.Dataset) -> Evidence:
    """The KKT score ||grad f||_1 + lambda <grad f, x> of Lion's iterates is non-negative in the box and falls
    in proportion to the step size: with a constant step the KKT conditions hold up to O(lr)."""
    score = kkt_score(grid)
    if not np.isfinite(score).all():
        return at_most(math.nan, 0.0, "a run is not finite")
    rate = exponent_within(
        least_squares(grid.lr.values, score.mean(axis=(1, 2)), seed=0),
        0.8,
        1.2,
        "mean score of the tail, in lr",
    )
    return all_of([at_least(score.min(), -1e-12, "smallest score: it is >= 0 in the box"), rate])


SMOOTH = Sweep(
    separable.box_quadratic(),
    lion_k(0.01, potential="smooth_l1"),
    {"weight_decay": (0.2, 0.5, 1.0, 2.0)},
    steps=50_000,
    x0=0.0,
    name="chen2023lionk.smooth",
)


@claim("chen2023lionk.K1", "2310.05898, objective of Lion-K", "exact", SMOOTH, constants="read")
def lion_k_minimises_the_regularised_objective(grid: xr.Dataset) -> Evidence:
    """With K = sum sqrt(m_i^2 + 1) Lion-K converges to the minimiser of f(x) + K*(lambda x)/lambda."""
    residual, size = [], []
    for decay in grid.weight_decay.values.tolist():
        x = grid.x_final.sel(weight_decay=decay, seed=0).values
        # d/dx (1/l) K*(l x) = l x/sqrt(1 - (l x)^2) = -grad f, that is l x = grad K(-grad f).
        g = component_gradients(SMOOTH.problem, x)[0]
        residual.append(np.abs(decay * x + g / np.sqrt(g * g + 1.0)).max())
        size.append(decay * np.abs(x).max())
    worst = np.max(residual)
    note = f"||lambda x - grad K(-grad f(x))||_inf <= {worst:.1g}"
    felt = at_least(np.min(size), 0.1, "lambda ||x||_inf: the regulariser is felt")
    return all_of([at_most(worst, 1e-10, note), felt])


CLAIMS = [
    the_lyapunov_function_never_rises,
    the_kkt_score_is_proportional_to_the_step,
    lion_k_minimises_the_regularised_objective,
]
DEVIATIONS = [
    Deviation(
        "chen2023lionk",
        "2310.05898, discrete time",
        "Lion converges to the constrained minimiser.",
        "The Lyapunov argument needs a differentiable K. With K = ||.||_1 and a constant step Lion ends in "
        "a cycle of size O(lr) around the minimiser, so the KKT score is O(lr), not 0.",
        (
            "chen2023lionk.KKT",
            "chen2023lion.L2",
        ),
    ),
    *ledger(
        "chen2023lionk",
        (
            "2310.05898, Lyapunov function",
            "H is stated for general K.",
            "H is quoted as we recall it and verified numerically for K = sum sqrt(m^2 + 1) and ||m||^2/2, f "
            "in two dimensions, time 20, steps of 0.01, relative tolerance 1e-10; the coefficients are ours.",
            "L4",
        ),
        (
            "2310.05898, where Lion-K ends",
            "The minimiser is that of the regularised objective for any betas.",
            "So KKT and K1 cannot tell other betas in the update; chen2023lion.L3 and N3 do.",
            "KKT",
            "K1",
        ),
        (
            "2310.05898, order of the updates",
            "Some presentations evaluate grad K at a combination with the updated momentum.",
            "Lion's own order: the step uses the old momentum, beta1 m_{t-1} + (1 - beta1) g_t.",
            "K1",
        ),
    ),
]

"""Separable data, logistic regression with large steps, and the perceptrons that it tends to.

Samples z_i = y_i a_i with multiplicities m_i, n = sum m_i; a sample is solved when <z_i, theta> > 0.  All
methods are theta_{t+1} = theta_t + lr sum_i m_i w_i z_i/N from theta_1 = 0, and differ in the weights w_i and
in N:

=====================  =====================================================  ==================
loss                   w_i                                                    N
=====================  =====================================================  ==================
logistic               1/(1 + exp <z_i, theta>), so that it is gradient descent   n
normalized_logistic    the same                                               sum m_i w_i
batch                  1 if <z_i, theta> <= 0 else 0; 1/2 in the first step   1
normalized_batch       the same                                               sum m_i w_i
classical              1 for the first sample with <z_i, theta> <= 0          1
=====================  =====================================================  ==================

For almost all data theta_t/lr of the first two tends to theta_t of the two below as lr -> infinity, n theta_t
for the first (Tyurin 2024, arXiv:2412.08424, Theorem 3.2).  A perceptron does the same at any scale; without
the paper's 1/n its sums are exact for data like 1/2 and -1, so that a sample on the boundary is seen there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import simulate
from theory_sim.optimizers.momentum import gd
from theory_sim.rules import checks

Array = np.ndarray[Any, np.dtype[np.float64]]

PAPER = "tyurin2024"
# The flags of a loss: hard (perceptron) weights, divided by their sum, one sample at a time.
LOSSES = {
    "logistic": (0.0, 0.0, 0.0),
    "normalized_logistic": (0.0, 1.0, 0.0),
    "batch": (1.0, 0.0, 0.0),
    "normalized_batch": (1.0, 1.0, 0.0),
    "classical": (1.0, 0.0, 1.0),
}
METHODS = {
    "lr_gd": "logistic",
    "normalized_lr_gd": "normalized_logistic",
    "batch_perceptron": "batch",
    "normalized_batch_perceptron": "normalized_batch",
}

_FIRST, _LONGEST = 1_000, 1_000_000_000


def direction(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Return minus the direction of the method, and 0 once every sample is solved if the run is to end
    there."""
    workers, d, lanes = out.shape
    k = (theta.shape[0] - 4) // (d + 1)
    for lane in range(lanes):
        hard, normalized, single = theta[0, lane] > 0.0, theta[1, lane] > 0.0, theta[2, lane] > 0.0
        n, total, wrong = 0.0, 0.0, 0.0
        for i in range(d):
            out[0, i, lane] = 0.0
        for s in range(k):
            margin, many = 0.0, theta[4 + s, lane]
            for i in range(d):
                margin += theta[4 + k + s * d + i, lane] * x[i, lane]
            n += many
            if hard:
                weight = 0.0 if margin > 0.0 else (0.5 if t == 1 and not single else 1.0)
            else:
                weight = 1.0 / (1.0 + math.exp(margin))
            if single:
                weight = weight / many if wrong == 0.0 else 0.0
            if not margin > 0.0:
                wrong += many
            total += many * weight
            for i in range(d):
                out[0, i, lane] -= many * weight * theta[4 + k + s * d + i, lane]
        divisor = total if normalized else (1.0 if hard else n)
        solved = wrong == 0.0 and (hard or theta[3, lane] > 0.0)
        for i in range(d):
            out[0, i, lane] = 0.0 if solved else out[0, i, lane] / divisor
        for j in range(1, workers):
            for i in range(d):
                out[j, i, lane] = out[0, i, lane]


def measures(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Return 1 if a sample is unsolved, how many are, the logistic loss and the norm of its gradient."""
    d, lanes = x.shape
    k = (theta.shape[0] - 4) // (d + 1)
    slope = np.empty(d)
    for lane in range(lanes):
        n, wrong, loss = 0.0, 0.0, 0.0
        for i in range(d):
            slope[i] = 0.0
        for s in range(k):
            margin, many = 0.0, theta[4 + s, lane]
            for i in range(d):
                margin += theta[4 + k + s * d + i, lane] * x[i, lane]
            n += many
            wrong += many if not margin > 0.0 else 0.0
            loss += many * (max(-margin, 0.0) + math.log1p(math.exp(-abs(margin))))
            for i in range(d):
                slope[i] += many / (1.0 + math.exp(margin)) * theta[4 + k + s * d + i, lane]
        square = 0.0
        for i in range(d):
            square += slope[i] * slope[i]
        out[0, lane] = 1.0 if wrong > 0.0 else 0.0
        out[1, lane] = wrong
        out[2, lane] = loss / n
        out[3, lane] = math.sqrt(square) / n


def margin_of(samples: Array) -> float:
    """Return mu, the largest min_i <z_i, u> over unit vectors u: the distance of 0 to the hull of the z_i.

    The nearest point of the hull is a multiple of Z^T a, a >= 0 the solution of min ||Z^T a||^2 + (sum a -
    1)^2.

    Raises
    ------
    ValueError
        If the samples cannot be separated.
    """
    from scipy.optimize import nnls

    z = np.asarray(samples, dtype=float)
    a, _ = nnls(np.vstack([z.T, np.ones(len(z))]), np.append(np.zeros(z.shape[1]), 1.0))
    u = z.T @ a
    found = float(np.min(z @ u) / np.linalg.norm(u)) if np.any(u) else 0.0
    if not found > 1e-12 * float(np.max(np.linalg.norm(z, axis=1))):
        raise ValueError("The samples cannot be separated by a hyperplane through 0; give others.")
    return found


def _problem(name: str, z: Array, many: Sequence[float], loss: str, stop: bool) -> Problem:
    checks.known("loss", loss, LOSSES)
    hard, normalized, single = LOSSES[loss]
    return Problem(
        name=f"perceptron.{name}",
        unjudged="What counts is after how many updates every sample is solved.",
        gradient=direction,
        constants={
            "hard": hard,
            "normalized": normalized,
            "single": single,
            "stop": float(checks.flag("stop", stop)),
            **{f"m{s}": float(one) for s, one in enumerate(many)},
            **{f"z{s}": tuple(row) for s, row in enumerate(z.tolist())},
        },
        dim=z.shape[1],
        measure=measures,
        measures=("unsolved", "wrong", "loss", "loss_gradient"),
        start=0.0,
        facts={
            "n": float(sum(many)),
            "margin": margin_of(z),
            "radius": float(np.max(np.linalg.norm(z, axis=1))),
            "hard": hard,
            "normalized": normalized,
            "single": single,
            "stop": float(stop),
        },
        paper=PAPER,
    )


@family
def imbalanced(n: int = 1000, loss: str = "logistic", *, stop: bool = True) -> Problem:
    """One sample (0.5, -1) and n - 1 samples (0.5, 1), the lower bound of Theorem 5.1: margin 1/2, R^2 = 5/4.

    The majority leads the first step astray, and the one sample that is left has the weight 1/n: the batch
    perceptron needs floor(0.3 n - 0.8) + 2 updates, normalisation two, n >= 5.  For a practitioner: with a
    rare class the number of small steps grows like n/lr, that of large ones tends to 0.3 n, and dividing the
    step by the mean weight of the samples removes n; the loss does not tell when the rare class is learnt.
    On balanced data normalisation need not help.

    Parameters
    ----------
    n : int
        Samples, >= 2.
    loss : {"logistic", "normalized_logistic", "batch", "normalized_batch", "classical"}
        The method; see the module.
    stop : bool
        Whether the run stands still once every sample is solved, as updates are counted.

    Returns
    -------
    Problem
        Measures: unsolved (0 or 1), wrong, the logistic loss and the norm of its gradient.
    """
    many = [1.0, checks.count("n", n, 2) - 1.0]
    return _problem("imbalanced", np.array([[0.5, -1.0], [0.5, 1.0]]), many, loss, stop)


@family
def overshoot(loss: str = "logistic", *, stop: bool = False) -> Problem:
    """(1, -1) labelled +1 and (-1, -4) labelled -1, of Theorem 4.1: the loss explodes in the step before it
    vanishes.

    Parameters
    ----------
    loss, stop
        As in `imbalanced`.
    """
    return _problem("overshoot", np.array([[1.0, -1.0], [1.0, 4.0]]), [1.0, 1.0], loss, stop)


@family
def gaussian(
    n: int = 50,
    d: int = 10,
    instance: int = 0,
    loss: str = "logistic",
    *,
    gap: float = 0.0,
    stop: bool = True,
) -> Problem:
    """n normal samples in d dimensions, on the right side of a random hyperplane through 0.

    Parameters
    ----------
    n, d : int
    instance : int
        Seed of the data.
    loss : str
        As in `imbalanced`.
    gap : float
        >= 0: samples are moved away from the hyperplane by it.
    stop : bool
        As in `imbalanced`.
    """
    checks.count("n", n)
    checks.count("d", d)
    generator = np.random.default_rng([checks.count("instance", instance, 0), n, d])
    u = generator.standard_normal(d)
    u /= np.linalg.norm(u)
    a = generator.standard_normal((n, d))
    side = a @ u
    z = a * np.sign(side)[:, None] + checks.number("gap", gap, 0.0) * u
    return _problem("gaussian", z, [1.0] * n, loss, stop)


@family
def basis(d: int = 10, loss: str = "classical", *, stop: bool = True) -> Problem:
    """The d unit vectors: R^2/mu^2 = d, and the classical perceptron needs exactly d updates.

    Parameters
    ----------
    d : int
    loss, stop
        As in `imbalanced`.
    """
    return _problem("basis", np.eye(checks.count("d", d)), [1.0] * d, loss, stop)


def solved_after(problem: Problem, gamma: float = 1.0, steps: int = _FIRST) -> int:
    """Return after how many updates of gradient descent with step gamma every sample is solved.

    Parameters
    ----------
    problem : Problem
        Of this module, with ``stop``: an unsolved task is 1 up to the end, so the count is its sum over the
        path.
    gamma : float
    steps : int
        First guess, which grows tenfold until the run is long enough.

    Raises
    ------
    ValueError
        If 10^9 updates do not solve it.
    """
    while steps <= _LONGEST:
        run = simulate(problem, gd(gamma), steps=steps, running=True)
        if run.unsolved_final.item() == 0.0:
            return round(float(run.unsolved_mean.item()) * steps)
        steps *= 10
    raise ValueError(
        f"{problem} is not solved after {_LONGEST} updates with step {gamma:g}; take a larger step."
    )


def updates(method: str, n: int, gamma: float | None = None) -> int:
    """Return how many updates a method needs on `imbalanced` data until every sample is solved.

    Parameters
    ----------
    method : {"batch_perceptron", "normalized_batch_perceptron", "lr_gd", "normalized_lr_gd"}
    n : int
        Samples.
    gamma : float, optional
        Step > 0 of the methods of logistic regression; the perceptrons have none.

    Raises
    ------
    ValueError
        If an argument is outside its range, or 10^9 updates do not suffice.

    Examples
    --------
    >>> updates("batch_perceptron", 1000), updates("normalized_lr_gd", 1000, 1.0)
    (301, 16)
    """
    checks.known("method", method, METHODS)
    perceptron = method.endswith("perceptron")
    if perceptron != (gamma is None):
        raise ValueError(
            f"gamma = {gamma} {'has no meaning for' if perceptron else 'is needed by'} {method}; "
            f"{'leave it out' if perceptron else 'give the step size'}."
        )
    step = 1.0 if gamma is None else checks.number("gamma", gamma, 0.0, open_low=True)
    return solved_after(imbalanced(n, METHODS[method]), step)


PROBLEMS = [imbalanced, overshoot, gaussian, basis]

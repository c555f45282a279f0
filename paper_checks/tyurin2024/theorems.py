"""Theorems of Tyurin, "From Logistic Regression to the Perceptron Algorithm" (arXiv:2412.08424).

Let mu be the margin, u its unit vector, R the largest norm, and p_i >= 0 the weights of the samples in a
step, so that theta grows by sum p_i z_i.  Then <theta_{T+1}, u> >= mu sum_t sum_i p_i.

- Perceptrons: p_i > 0 only where <z_i, theta> <= 0, so ||theta||^2 grows by (sum p_i)^2 R^2 at most.  With
  sum p_i = 1 (5.2, 5.3) T^2 mu^2 <= T R^2.  With sum p_i = s_t in [1/n, 1] (3.3) (sum s_t)^2 mu^2 <= R^2 sum
  s_t, and T/n <= sum s_t; a first step of 1/2 is 1/n and more for n >= 2, and n = 1 is solved by it.
- Normalised logistic regression: p_i = gamma sigma_i/Z, sigma_i = 1/(1 + exp m_i), Z = sum sigma_i, m_i =
  <z_i, theta>.  By Jensen sum (sigma_i/Z) m_i <= log sum (sigma_i/Z) (1/sigma_i - 1) = log(n/Z - 1), which is
  log(2 n - 1) at most while one m_i <= 0.  So T^2 gamma^2 mu^2 <= T (gamma^2 R^2 + 2 gamma log(2 n - 1)).
- Theorem 5.1: n theta_2 = (n/4, (n - 2)/2), and every step then adds (1/2, -1), with 5/4 to the product of
  the one sample that is unsolved; it was n/8 - (n - 2)/2 and must be positive.

An unsolved task is 1, and the runs stop when it is solved, so the mean of ``unsolved`` over T updates is
their number over T.
"""

from __future__ import annotations

from counterexamples import perceptron
from paper_checks.theorems.conditions import CONSTANT, POSITIVE
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.momentum import gd

_WHERE = "2412.08424, Theorem"
_START = Condition("x0 == 0", "theta_1 = 0")
_HARD = Condition("hard == 1", "a perceptron")
_ALL = Condition("single == 0", "all unsolved samples at once")
_PLAIN = Condition("normalized == 0", "weights over the number of samples")
_NORMALIZED = Condition("normalized == 1", "weights over their sum")
_STOP = Condition("stop == 1", "the run stops when it is solved")
_EVERY = (POSITIVE, CONSTANT, _START)
_FAMILIES = (perceptron.gaussian, perceptron.overshoot, perceptron.basis)


BATCH = Theorem(
    id="tyurin2024.thm33",
    where=f"{_WHERE} 3.3",
    statement="The batch perceptron solves separable data after at most n R^2/mu^2 updates.",
    conditions=(*_EVERY, _HARD, _PLAIN, _ALL),
    bound="n*radius^2/(margin^2*T)",
    quantity="unsolved_mean",
    constants="read",
    problem=lambda: perceptron.imbalanced(10, "batch"),
    optimizer=lambda: gd(1.0),
    own_problem=True,
    families=_FAMILIES,
    run={"steps": 100},
)

COUNT = Theorem(
    id="tyurin2024.thm51",
    where=f"{_WHERE} 5.1, the data; the count is derived here",
    statement="On one sample (1/2, -1) and n - 1 samples (1/2, 1) the batch perceptron needs floor(0.3 n - "
    "0.8) + 2 updates: a number of order n although R^2/mu^2 = 5.",
    conditions=(
        *_EVERY,
        _HARD,
        _PLAIN,
        _ALL,
        Condition("T >= floor((3*n - 8)/10) + 2", "a run that is long enough"),
    ),
    bound="(floor((3*n - 8)/10) + 2)/T",
    side="lower",
    quantity="unsolved_mean",
    problem=lambda: perceptron.imbalanced(100, "batch"),
    optimizer=lambda: gd(1.0),
    own_problem=True,
    run={"steps": 100},
)

CLASSICAL = Theorem(
    id="tyurin2024.thm52",
    where=f"{_WHERE} 5.2 (Novikoff)",
    statement="The classical perceptron solves separable data after at most R^2/mu^2 updates. The bound is "
    "attained by unit vectors.",
    conditions=(*_EVERY, _HARD, _PLAIN, Condition("single == 1", "one unsolved sample at a time")),
    bound="radius^2/(margin^2*T)",
    quantity="unsolved_mean",
    constants="read",
    problem=perceptron.basis,
    optimizer=lambda: gd(1.0),
    own_problem=True,
    families=(perceptron.gaussian, perceptron.overshoot, perceptron.imbalanced),
    run={"steps": 100},
)

NORMALIZED_BATCH = Theorem(
    id="tyurin2024.thm53",
    where=f"{_WHERE} 5.3",
    statement="The normalised batch perceptron solves separable data after at most R^2/mu^2 updates, "
    "without the factor n.",
    conditions=(*_EVERY, _HARD, _NORMALIZED, _ALL),
    bound="radius^2/(margin^2*T)",
    quantity="unsolved_mean",
    constants="read",
    problem=lambda: perceptron.imbalanced(10, "normalized_batch"),
    optimizer=lambda: gd(1.0),
    own_problem=True,
    families=_FAMILIES,
    run={"steps": 100},
)

NORMALIZED_LOGISTIC = Theorem(
    id="tyurin2024.thm61",
    where=f"{_WHERE} 6.1",
    statement="Gradient descent on logistic regression, with the step divided by the mean weight of the "
    "samples, solves separable data after at most R^2/mu^2 + 2 log(2 n - 1)/(lr mu^2) updates.",
    conditions=(*_EVERY, Condition("hard == 0", "logistic regression"), _NORMALIZED, _STOP),
    bound="(radius^2 + 2*log(2*n - 1)/lr)/(margin^2*T)",
    quantity="unsolved_mean",
    constants="read",
    problem=lambda: perceptron.imbalanced(10, "normalized_logistic"),
    optimizer=lambda: gd(1.0),
    own_problem=True,
    families=_FAMILIES,
    run={"steps": 100},
)

THEOREMS = [BATCH, COUNT, CLASSICAL, NORMALIZED_BATCH, NORMALIZED_LOGISTIC]

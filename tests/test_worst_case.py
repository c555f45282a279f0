"""Theorem >= performance estimation >= search, for gradient descent and the heavy ball, with L = 1.

Performance estimation (Drori and Teboulle 2014, arXiv:1206.3209; Taylor, Hendrickx, Glineur 2017,
arXiv:1502.05666) gives the exact worst case over all dimensions as a semidefinite program, solved here by
PEPit with CLARABEL.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from paper_checks.theorems import momentum
from theory_sim.evidence.search import least_value, piecewise, search
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.theorem import Theorem
from theory_sim.optimizers.momentum import gd, sgdm

FULL = os.environ.get("THEORY_SIM_TIER") == "full"  # longer searches
ONE = (1,) if FULL else ()  # a single step
SOLVER = 1e-6  # CLARABEL stops at a relative gap of 1e-8; some programs are badly scaled
TIGHT = {momentum.GD_CONVEX, momentum.GD_NONCONVEX, momentum.GD_STRONGLY_CONVEX}


@dataclass(frozen=True)
class Case:
    """One method, one class of functions and one quantity, for T updates.

    The optimizer is `gd`, or `sgdm` in the heavy-ball convention; `ratio` is a key of
    `theory_sim.evidence.search.RATIOS`, the quantity over what is normalised to 1; `mu` is the least
    curvature, -1 for smooth functions.
    """

    theorem: Theorem
    optimizer: Optimizer
    ratio: str
    mu: float
    steps: int

    @property
    def momentum(self) -> float:
        return self.optimizer.hyper.get("momentum", 0.0)

    def __str__(self) -> str:
        return f"{self.theorem.id}, {self.optimizer}, T = {self.steps}"

    def bound(self) -> float:
        """Return the theorem's bound, NaN if the theorem does not apply."""
        own = {"L": 1.0, "mu": self.mu, "T": self.steps, "s": 0.0, "stochastic": 0.0, "m0": 0.0}
        lr = self.optimizer.lr
        # A gap is at most L R^2/2.
        start = {"gap_1": 1.0} if self.ratio.endswith("delta") else {"distance_1": 1.0, "gap_1": 0.5}
        return self.theorem.assess({**own, "lr": lr, "alpha": lr, "momentum": self.momentum, **start}).bound

    def search(self) -> float:
        """Search for the worst function of piecewise constant curvature.

        Non-convex ones have local optima.
        """
        smooth = self.mu < 0.0
        pieces, generations = (max(2 * self.steps, 2), 300) if smooth else (3, 100)
        budget = {"low": self.mu, "high": 1.0, "pieces": pieces, "generations": generations}
        found = (
            search(self.optimizer, self.steps, self.ratio, **budget, seed=seed) for seed in range(1 + smooth)
        )
        return max(one.ratio for one in found)

    def estimate(self) -> float:
        """Return the exact worst case by performance estimation, up to the solver's tolerance."""
        from PEPit import PEP, Expression
        from PEPit.functions import SmoothFunction, SmoothStronglyConvexFunction

        problem = PEP()
        x = previous = problem.set_initial_point()
        if self.mu < 0.0:
            function, least, distance = problem.declare_function(SmoothFunction, L=1.0), Expression(), None
        else:
            function = problem.declare_function(SmoothStronglyConvexFunction, mu=self.mu, L=1.0)
            minimiser = function.stationary_point()
            least, distance = function(minimiser), (x - minimiser) ** 2
        squares, gaps = [], []
        for _ in range(self.steps + 1):
            g, f = function.oracle(x)
            squares.append(g**2)
            gaps.append(f - least)
            if self.mu < 0.0:  # with f >= f*, a step 1/L from x shows it; this is all that f* adds
                problem.add_constraint(0.5 * g**2 <= f - least)
            x, previous, last = x - self.optimizer.lr * g + self.momentum * (x - previous), x, x
        measured: list[Any] = {
            "gap over L R^2": lambda: [gaps[-1]],
            "mean gap over L R^2": lambda: [sum(gaps[1:-1], gaps[0]) / self.steps],
            "gap over delta": lambda: [gaps[-1]],
            "least square over L delta": lambda: squares[:-1],
            "mean square over L delta": lambda: [sum(squares[1:-1], squares[0]) / self.steps],
            "distance over R": lambda: [(last - minimiser) ** 2],
        }[self.ratio]()
        for one in measured:
            problem.set_performance_metric(one)
        problem.set_initial_condition((gaps[0] if self.ratio.endswith("delta") else distance) <= 1.0)
        value = float(problem.solve(verbose=0, solver="CLARABEL"))
        return math.sqrt(value) if self.ratio == "distance over R" else value


FAMILIES = [
    (momentum.GD_CONVEX, gd(1.0), "gap over L R^2", 0.0, (*ONE, 2, 4)),
    (momentum.GD_CONVEX, gd(0.5), "gap over L R^2", 0.0, (3,)),
    (momentum.GD_CONJECTURE, gd(1.5), "gap over L R^2", 0.0, (*ONE, 3)),
    (momentum.GD_NONCONVEX, gd(1.0), "least square over L delta", -1.0, (1, 2, 3) if FULL else (2,)),
    (momentum.GD_NONCONVEX, gd(0.6), "least square over L delta", -1.0, (2,)),
    (momentum.GD_STRONGLY_CONVEX, gd(1.5), "distance over R", 0.1, (3,)),
    (momentum.HEAVY_BALL_CONVEX, sgdm(0.5, 0.5), "mean gap over L R^2", 0.0, (*ONE, 3)),
    (momentum.HEAVY_BALL_STRONGLY_CONVEX, sgdm(0.5, 0.6), "gap over delta", 0.1, (*ONE, 3)),
    (
        momentum.HEAVY_BALL_NONCONVEX,
        sgdm(0.5, 0.7),
        "mean square over L delta",
        -1.0,
        (1, 2) if FULL else (2,),
    ),
]
CASES = [Case(*family, T) for *family, horizons in FAMILIES for T in horizons]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_bound_is_above_the_estimate_is_above_the_search(case: Case) -> None:
    pytest.importorskip("PEPit")
    theorem, estimate, found = case.bound(), case.estimate(), case.search()
    print(f"{case}: {theorem:.6f} >= {estimate:.6f} >= {found:.6f}")
    assert not math.isnan(theorem)
    if case.theorem.constants != "recalled":
        assert theorem >= estimate * (1.0 - SOLVER)
    assert estimate >= found * (1.0 - SOLVER)
    if case.theorem in TIGHT:
        assert estimate == pytest.approx(theorem, rel=1e-3)
    # The worst functions known are of the family that is searched; 1e-3 is what its budget reaches.
    assert found == pytest.approx(estimate, rel=1e-3)


@pytest.mark.parametrize("T", [1, 2, 5, 20])
def test_the_huber_function_attains_the_bound_of_gradient_descent(T: int) -> None:
    # f' = 1/(2T+1) along the path of T steps from 1, which ends outside the knot, at (T+1)/(2T+1).
    knot = 1.0 / (2 * T + 1)
    run = ts.simulate(piecewise((knot,), (1.0, 0.0), 1.0), gd(1.0), steps=T)
    assert run.gap_final.item() == pytest.approx(1.0 / (4 * T + 2), rel=1e-12)


def test_the_problem_of_a_search_attains_its_ratio() -> None:
    found = search(sgdm(0.5, 0.6), 3, "gap over delta", low=0.1, generations=20)
    run = ts.simulate(found.problem, sgdm(0.5, 0.6), steps=3, checkpoints=(1,), running=True)
    assert run.gap_final.item() / run.gap_mean.values.ravel()[0] == pytest.approx(found.ratio, rel=1e-9)
    assert found.problem.facts["mu"] >= 0.1
    assert found.problem.facts["L"] <= 1.0
    again = search(sgdm(0.5, 0.6), 3, "gap over delta", low=0.1, generations=20)
    assert again.ratio == found.ratio


def test_a_search_in_two_coordinates_is_one_of_the_family() -> None:
    # Curvatures .1 and 1: the distance contracts by max(|1 - .15|, |1 - 1.5|) at best in one coordinate.
    found = search(gd(1.5), 2, "distance over R", low=0.1, d=2, generations=60)
    assert found.problem.dim == 2
    assert found.ratio == pytest.approx(0.85**2, rel=1e-3)


def test_piecewise_function_by_hand() -> None:
    # f'' = 1 on x < 1, -1 on (1, 1.5), 1 above: f'(1.5) = 1/2, f(2) = 1/2 + 3/8 + 1/4 + 1/8 = 5/4, f'(2) = 1.
    problem = piecewise((1.0, 1.5), (1.0, -1.0, 1.0), 2.0)
    run = ts.simulate(problem, gd(0.5), steps=1, running=True)
    assert run.gap_mean.item() == pytest.approx(1.25, rel=1e-15)
    assert run.gradient_square_mean.item() == 1.0
    assert run.x_final.item() == 1.5
    assert run.gap_final.item() == pytest.approx(0.875, rel=1e-15)
    assert problem.facts == {"L": 1.0, "mu": -1.0}


def test_least_value_against_a_fine_grid() -> None:
    rng = np.random.default_rng(7)
    for _ in range(30):
        knots = np.sort(rng.uniform(-1.0, 1.0, 4))
        curvatures = rng.uniform(-1.0, 1.0, 5)
        curvatures[[0, -1]] = np.abs(curvatures[[0, -1]]) + 0.1
        x = np.linspace(-40.0, 40.0, 800_001)
        second = curvatures[np.searchsorted(knots, 0.5 * (x[1:] + x[:-1]))]
        slope = np.concatenate([[0.0], np.cumsum(second * np.diff(x))])
        slope -= np.interp(0.0, x, slope)
        value = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(x))])
        value -= np.interp(0.0, x, value)
        # Steps of 1e-4: f is within 1e-8 of its minimum, f' within 1e-4 of its knots over a length of 10.
        assert least_value(knots[:, None], curvatures[:, None])[0] == pytest.approx(value.min(), abs=2e-3)
    assert least_value(np.array([[0.5]]), np.array([[1.0], [-0.1]]))[0] == -math.inf
    assert least_value(np.array([[0.5]]), np.array([[1.0], [0.0]]))[0] == 0.0
    assert least_value(np.array([[-0.5]]), np.array([[0.0], [-1.0]]))[0] == -math.inf


@pytest.mark.parametrize(
    ("knots", "curvatures", "message"),
    [
        ((1.0, 0.5), (1.0, 1.0, 1.0), "must increase"),
        ((1.0,), (1.0,), "one number more"),
        ((1.0,), (1.0, -1.0), "not bounded from below"),
    ],
)
def test_bad_functions_are_refused(knots: tuple, curvatures: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        piecewise(knots, curvatures)


def test_a_theorem_bounds_only_what_it_covers() -> None:
    assert math.isnan(Case(momentum.GD_CONVEX, gd(1.5), "gap over L R^2", 0.0, 2).bound())

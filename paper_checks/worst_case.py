"""Worst cases of gradient descent and the heavy ball: theorem, performance estimation and the search for a bad function.

Performance estimation (Drori and Teboulle 2014, arXiv:1206.3209; Taylor, Hendrickx, Glineur 2017, arXiv:1502.05666)
gives the exact worst case over all dimensions as a semidefinite program, solved here by PEPit with CLARABEL.  So
theorem >= performance estimation >= search, with L = 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paper_checks.theorems import momentum
from theory_sim.adversary import Worst, search
from theory_sim.optimizer import Optimizer
from theory_sim.optimizers.momentum import gd, sgdm
from theory_sim.theorem import Theorem


@dataclass(frozen=True)
class Case:
    """One method, one class of functions and one quantity, for T updates.

    Parameters
    ----------
    theorem : Theorem
    optimizer : Optimizer
        `gd`, or `sgdm` in the heavy-ball convention.
    steps : int
        T.
    ratio : str
        Key of `theory_sim.adversary.RATIOS`: the quantity over what is normalised to 1.
    mu : float
        Least curvature: -1 for smooth functions, 0 for convex ones.
    initial : mapping of str to float
        The start, as the theorem needs it.
    """

    theorem: Theorem
    optimizer: Optimizer
    steps: int
    ratio: str
    mu: float
    initial: dict[str, float]

    @property
    def momentum(self) -> float:
        """Momentum of the heavy ball, 0 for gradient descent."""
        return self.optimizer.hyper.get("momentum", 0.0)

    @property
    def name(self) -> str:
        """Theorem, optimizer and number of updates."""
        return f"{self.theorem.id}, {self.optimizer}, T = {self.steps}"

    def bound(self) -> float:
        """Return the theorem's bound.

        Raises
        ------
        ValueError
            If the theorem does not apply.
        """
        own = {"alpha": self.optimizer.lr, "momentum": self.momentum, "m0": 0.0}
        values = {
            "L": 1.0,
            "mu": self.mu,
            "lr": self.optimizer.lr,
            "T": self.steps,
            "s": 0.0,
            "stochastic": 0.0,
            **own,
            **self.initial,
        }
        assessment = self.theorem.assess(values)
        if math.isnan(assessment.bound):
            raise ValueError(f"{self.name} has no bound: {assessment.reason}; change the case.")
        return assessment.bound

    def search(self) -> Worst:
        """Search for the worst function with piecewise constant curvature; non-convex ones have bad local optima."""
        smooth = self.mu < 0.0
        found = [
            search(
                self.optimizer, self.steps, self.ratio, low=self.mu, high=1.0,
                pieces=max(2 * self.steps, 2) if smooth else 3, generations=300 if smooth else 100, seed=seed,
            )
            for seed in range(2 if smooth else 1)
        ]  # fmt: skip
        return max(found, key=lambda one: one.ratio)

    def estimate(self) -> float:
        """Return the exact worst case by performance estimation, an upper bound up to the solver's tolerance.

        Raises
        ------
        ImportError
            Without PEPit, which the extra `test` installs.
        """
        from PEPit import PEP, Expression
        from PEPit.functions import SmoothFunction, SmoothStronglyConvexFunction

        problem = PEP()
        if self.mu < 0.0:
            function, least = problem.declare_function(SmoothFunction, L=1.0), Expression()
        else:
            function = problem.declare_function(SmoothStronglyConvexFunction, mu=self.mu, L=1.0)
            minimiser = function.stationary_point()
            least = function(minimiser)
        x = previous = problem.set_initial_point()
        if self.mu >= 0.0:
            distance = (x - minimiser) ** 2
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


_DISTANCE = {"distance_1": 1.0, "gap_1": 0.5}  # a gap is at most L R^2/2
_GAP = {"gap_1": 1.0}


def _cases(
    theorem: Theorem,
    optimizer: Callable[[], Optimizer],
    ratio: str,
    mu: float,
    initial: dict[str, float],
    *steps: int,
) -> list[Case]:
    return [Case(theorem, optimizer(), T, ratio, mu, initial) for T in steps]


CASES = [
    *_cases(momentum.GD_CONVEX, lambda: gd(1.0), "gap over L R^2", 0.0, _DISTANCE, 1, 2, 4),
    *_cases(momentum.GD_CONVEX, lambda: gd(0.5), "gap over L R^2", 0.0, _DISTANCE, 3),
    *_cases(momentum.GD_CONJECTURE, lambda: gd(1.5), "gap over L R^2", 0.0, _DISTANCE, 1, 3),
    *_cases(momentum.GD_NONCONVEX, lambda: gd(1.0), "least square over L delta", -1.0, _GAP, 1, 2, 3),
    *_cases(momentum.GD_NONCONVEX, lambda: gd(0.6), "least square over L delta", -1.0, _GAP, 2),
    *_cases(momentum.GD_STRONGLY_CONVEX, lambda: gd(1.5), "distance over R", 0.1, _DISTANCE, 3),
    *_cases(momentum.HEAVY_BALL_CONVEX, lambda: sgdm(0.5, 0.5), "mean gap over L R^2", 0.0, _DISTANCE, 1, 3),
    *_cases(momentum.HEAVY_BALL_STRONGLY_CONVEX, lambda: sgdm(0.5, 0.6), "gap over delta", 0.1, _GAP, 1, 3),
    *_cases(momentum.HEAVY_BALL_NONCONVEX, lambda: sgdm(0.5, 0.7), "mean square over L delta", -1.0, _GAP, 1, 2),
]  # fmt: skip


@dataclass(frozen=True)
class Gap:
    """The three numbers of a case; theorem >= estimate >= search."""

    case: Case
    theorem: float
    estimate: float
    search: float

    def __str__(self) -> str:
        share = (
            f"{self.estimate / self.theorem:.4f} of the bound, search {self.search / self.estimate:.4f} of it"
        )
        return f"{self.case.name}: {self.theorem:.6f} >= {self.estimate:.6f} ({share}) >= {self.search:.6f}"


def gaps(cases: list[Case] = CASES) -> list[Gap]:
    """Return theorem, performance estimation and search of every case; needs PEPit.

    Examples
    --------
    >>> for gap in gaps():  # doctest: +SKIP
    ...     print(gap)
    """
    return [Gap(case, case.bound(), case.estimate(), case.search().ratio) for case in cases]

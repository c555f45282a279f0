"""The battery of an audit: hard instances that tell optimizers apart, each with a horizon that decides it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from theory_sim.app import catalogue
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule


@dataclass(frozen=True)
class Entry:
    """A row of the battery.

    Parameters
    ----------
    problem : str
        Its hard preset, as a name of the catalogue with arguments.
    why : str
        Why it is here and what failing means, with the source.
    steps : int
        The horizon.
    order : str
    rule : Rule, optional
        When a run counts as converged or diverged, where not by the problem's own rule.
    """

    problem: str
    why: str
    steps: int
    order: str = "cyclic"
    rule: Rule | None = None

    def record(self) -> dict[str, Any]:
        """Return what is run in plain JSON types."""
        own = "" if self.rule is None else str(self.rule)
        return {"problem": self.problem, "order": self.order, "steps": self.steps, "rule": own}

    def built(self) -> Problem:
        """Return the problem with the rule."""
        made = catalogue.build_problem(self.problem)
        return made if self.rule is None else replace(made, rule=self.rule)


BATTERY: dict[str, Entry] = {
    "smooth.quadratic": Entry(
        "smooth.quadratic",
        "Everybody must solve x^2/2 without noise; failing means that the step sizes do not suit the optimizer at all.",
        20_000,
    ),
    "reddi.periodic": Entry(
        "reddi.periodic:C=1535,small=10,period=151",
        "One slope of 1535 pays for 150 of -10 (Reddi et al. 2018, section 3); failing means that rare large gradients "
        "are scaled down by their own size.",
        100_000,
    ),
    "shi.periodic": Entry(
        "shi.periodic:C=10",
        "The same with period 10 (Shi et al. 2021, Figure 1); failing means that even ten steps are longer than "
        "the memory of the scaling, or that the size of a gradient is thrown away.",
        100_000,
    ),
    "zhang.piecewise@cyclic": Entry(
        "zhang.piecewise:n=10,a=1.0,x0=5.0",
        "All components vanish at the minimum and no box holds the iterate (Zhang et al. 2022, Proposition 3.3); "
        "failing means that the mean step leads away for ever.",
        100_000,
    ),
    "zhang.piecewise@reshuffled": Entry(
        "zhang.piecewise:n=10,a=1.0,x0=5.0",
        "The same components in a new order in every epoch; failing means that the mean step leads away in random "
        "orders too.",
        100_000,
        "reshuffled",
    ),
    "sign.linear": Entry(
        "sign.linear",
        "A slope is 4 with probability 1/4, else -1 (Karimireddy et al. 2019, counterexample 1); failing means that "
        "the usual sign outvotes the mean.",
        50_000,
    ),
    "sign.pair": Entry(
        "sign.pair",
        "Two smooth squares whose gradients have the signs +-(1, -1) (Karimireddy et al. 2019, counterexample 3); "
        "failing means that signs of single gradients keep the iterate on a line.",
        20_000,
    ),
    "sign.skewed": Entry(
        "sign.skewed:large=20.0,p=0.1",
        "Noise of mean 0 is 20 with probability 1/10, else -20/9, and outweighs a slope below 1 (after Bernstein et "
        "al. 2018 and Koloskova et al. 2023); failing means that bounding single gradients biases the mean.",
        100_000,
    ),
    "generalized_smooth.hard_function": Entry(
        "generalized_smooth.hard_function:L0=1.0,L1=30.0,eps=0.02,delta=0.1,split=0.0068",
        "A gentle ramp beside exponential walls, (L0, L1)-smooth (Wang et al. 2024, arXiv:2403.15146); failing means "
        "that a step that suits the ramp is thrown over the walls.",
        50_000,
    ),
    "noisy_well.noisy_well": Entry(
        "noisy_well.noisy_well:delta=1000000.0,sigma=0.0",
        "Without noise, from high up on an exponential wall (Zhang et al. 2020, arXiv:1905.11881); not CONVERGED means "
        "that steps stay as short as the largest gradient seen made them.",
        100_000,
        rule=Rule("distance", converged=0.1, diverged=1.0, relative=True),
    ),
    "clipping.cauchy": Entry(
        "clipping.cauchy",
        "Symmetric noise so heavy that it has no mean (the extreme of Zhang et al. 2020, arXiv:1912.03194); failing "
        "means that single kicks are not bounded.",
        30_000,
    ),
}  # fmt: skip
"""By the name that a card gives it: what `theory_sim.audit` runs when asked for the battery."""

"""The opposite of every conclusion is contradicted by the theorem's own run, or it is said why it is not."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from counterexamples import nonsmooth
from theory_sim.app import catalogue
from theory_sim.evidence.trial import Trial, put_on_trial
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedules import linear_decay
from theory_sim.nouns.theorem import Theorem
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.momentum import gd

OPPOSITE = {Verdict.CONVERGED: Verdict.DIVERGED, Verdict.DIVERGED: Verdict.CONVERGED}
TURNED = {"upper": "lower", "lower": "upper"}

_NO_RUN = "it has no run of its own"
_RECALLED = "recalled constants are never asserted"
_HIDDEN = "the theorem hides the constant of its threshold"
_SEEN = "it needs a value of what the run sees, such as the sum of its gradients"
# Theorems that their own run cannot contradict, whatever they conclude.
SILENT = {
    "reddi2018.thm4": _SEEN,
    "reddi2018.thm5": _SEEN,
    "chen2019.thm31": _SEEN,
    "zou2019.powers": _RECALLED,
    "zhang2022.thm31": _HIDDEN,
    "zhang2026.convergence": _HIDDEN,
    "defossez2022.thm4": _NO_RUN,
    "drori2014.conjecture": _RECALLED,
    "qadam2021.memory": _NO_RUN,
    "karimireddy2019.memory": _NO_RUN,
    "efficientadam2023.memory": _NO_RUN,
    "qadam2021.D1_measured": _SEEN,
    "efficientadam2023.D2_measured": _SEEN,
    "choco2019.rate": _NO_RUN,
    "zhao2024galore.thm3": _NO_RUN,
    "jordan2024muon.descent": _NO_RUN,
    "he2024golore.stall": _NO_RUN,
    "powersgd2019.contraction": _NO_RUN,
    "defazio2023dadaptation.gap": _SEEN,
    "mishchenko2023prodigy.gap": _SEEN,
    "ivgi2023dog.gap": _SEEN,
    "fu2023.residual": _NO_RUN,
    "applegate2021.local": _NO_RUN,
    "chen2024aid.inner": _NO_RUN,
    "liu2023wtacrs.variance": _NO_RUN,
}
# Runs of theorems on sums that a run keeps, where these are known before it: |x| from 1, with all gradients 1
# up to the kink, and linear decay over T steps, which is T + 1 equal weights lr.  With lr = 1/100 and T = 100
# the gap ends at 1/2; without the decay z_t = 1 - (t - 1)/100, and the weighted regret is (101 - 50.5)/100.
# The best weights have lr = 1/sqrt(T + 1): of 1, 1 - (3 + 2 + 1)/8 is left after 3 steps.
_DECAY = gd(0.01, schedule=linear_decay(100)), 100
ON_A_SLOPE: dict[str, tuple[Optimizer, int, dict[str, float]]] = {
    "defazio2023.weights": (*_DECAY, {"weights_sum": 1.01, "weights_square": 0.0101}),
    "defazio2023.regret": (*_DECAY, {"weights_sum": 1.01, "regret": 0.505}),
    "defazio2023.refined": (gd(0.5, schedule=linear_decay(3)), 3, {"precision": 4.0}),
}
# Bounds that the run meets, so that it is on the right side of the opposite, too.
ATTAINED = {
    "zhang2026.d1": "it is an equality",
    "malladi2023.thm1": "the run has H = L I and the largest step, where it is an equality",
    "malladi2023.isotropic": "it is an equality",
    "defazio2023.regret": "the run is on a slope, where it is an equality",
    "tyurin2024.thm51": "it is an equality: a count of the updates",
    "tyurin2024.thm52": "the run is its worst case, unit vectors",
    "abbaszadehpeivasti2021.gd": "the run is its worst case",
    "drori2014.thm3.1": "the run is its worst case",
    "zhang2024transformers.prop1": "the run has the best step, which attains it",
    "zhang2024transformers.cycle": "the run stays on the cycle, where it is an equality",
    "karimireddy2019.ce1": "it is an equality in expectation",
    "karimireddy2019.ce2": "the run stays at the kink, where it is an equality",
    "karimireddy2019.ce3": "the run stays in the valley, where it is an equality",
}
# Bounds of which the run does not contradict a thousandth, most of them because it is that far below.
_PATH = "a worst case over the path, which this run, which settles at the minimum, is far from"
_LOGARITHM = "a bound with the dimension, the logarithm and the worst gradient of every step"
LOOSE = {
    "zou2019.rmsprop": _LOGARITHM,
    "defossez2022.thm1": _LOGARITHM,
    "karimireddy2019.ef_sgd": "four seeds contradict a mean only beyond 157 standard errors, more than all of it",
    "ghadimi2015.thm4": "the run contracts faster than its rate",
    "vankov2024.nonconvex": _PATH,
    "koloskova2023.deterministic": _PATH,
    "zhang2020clipping.thm3": _PATH,
    "zhang2020clipping.gd": _PATH,
    "ahn2024.growth": "a thousand times a negative bound from below is a weaker one",
}
# What its own run contradicts as it stands.
FALSE = {
    "zhang2026.d1_printed": "D1 is above 2 n^2 at n = 3, the instance of the run",
    "kingma2015.thm41": "on Reddi's slopes the regret is linear",
}

VERDICTS = [
    pytest.param(theorem, id=id)
    for id, theorem in catalogue.theorems().items()
    if theorem.verdict is not None and id not in SILENT
]
BOUNDS = [
    pytest.param(theorem, id=id)
    for id, theorem in catalogue.theorems().items()
    if theorem.bound and id not in SILENT.keys() | FALSE.keys()
]


@cache
def own_trial(theorem: Theorem) -> Trial:
    if theorem.id not in ON_A_SLOPE:
        return put_on_trial(theorem)
    optimizer, steps, sums = ON_A_SLOPE[theorem.id]
    return put_on_trial(theorem, nonsmooth.cone(), optimizer, names={"steps": steps, "domain": 0, **sums})


def planted(theorem: Theorem, **conclusion: Any) -> Trial:
    """The theorem's own run, held against another conclusion."""
    trial = own_trial(theorem)
    wrong = replace(theorem, **conclusion)
    return replace(trial, theorem=wrong, assessment=wrong.assess(trial.values))


def test_exceptions_are_theorems() -> None:
    assert (
        SILENT.keys() | ATTAINED.keys() | LOOSE.keys() | FALSE.keys() | ON_A_SLOPE.keys()
        <= catalogue.theorems().keys()
    )


@pytest.mark.parametrize("id", SILENT)
def test_silent_theorems_have_no_trial(id: str) -> None:
    assert own_trial(catalogue.theorems()[id]).respected is None


@pytest.mark.parametrize("id", FALSE)
def test_false_theorems_are_contradicted(id: str) -> None:
    theorem = catalogue.theorems()[id]
    assert own_trial(theorem).respected is False
    assert planted(theorem, side=TURNED[theorem.side]).respected is True


@pytest.mark.parametrize("theorem", VERDICTS)
def test_the_opposite_verdict(theorem: Theorem) -> None:
    assert theorem.verdict is not None
    assert own_trial(theorem).respected is True
    wrong = planted(theorem, verdict=OPPOSITE[theorem.verdict])
    assert wrong.respected is False, wrong.conclusion()
    assert replace(wrong, ended=Verdict.UNDECIDED.value).respected is None


@pytest.mark.parametrize("theorem", BOUNDS)
def test_the_other_side_of_a_bound(theorem: Theorem) -> None:
    assert own_trial(theorem).respected is True
    wrong = planted(theorem, side=TURNED[theorem.side])
    assert wrong.respected is (theorem.id in ATTAINED), wrong.conclusion()


@pytest.mark.parametrize("theorem", BOUNDS)
def test_a_thousandth_of_a_bound(theorem: Theorem) -> None:
    factor = "1/1000" if theorem.side == "upper" else "1000"
    wrong = planted(theorem, bound=f"({theorem.bound})*{factor}")
    assert not math.isnan(wrong.assessment.bound)
    assert wrong.respected is (theorem.id in LOOSE), wrong.conclusion()

"""A theorem beside a run: which name goes where, what is observed, and what is left undecided."""

import json
import math
from dataclasses import replace

import pytest

import theory_sim as ts
from counterexamples import reddi, smooth
from theory_sim.theorem import Answer, Condition, Theorem
from theory_sim.trial import Trial, put_on_trial, run_symbols, trials
from theory_sim.verdict import Verdict

# |x_{T+1}| of gradient descent on x^2/2 is (1 - lr)^T |x_1|; the mean over x_1 ... x_T is the geometric sum.
DESCENT = Theorem(
    id="robbins1951.descent",
    where="folklore",
    statement="Gradient descent on a quadratic contracts.",
    conditions=(Condition("lr < 1", "no overshooting"), Condition("T >= start", "long enough")),
    bound="distance_1*shrink/T",
    quantity="distance_mean",
    where_symbols={"shrink": "(1 - (1 - lr)^T)/lr"},
    meaning={"start": "least number of steps"},
    problem=smooth.quadratic,
    optimizer=lambda: ts.gd(0.1),
    run={"steps": 20},
)


def test_the_bound_is_met_with_equality() -> None:
    trial = put_on_trial(DESCENT, names={"start": 1})
    # (1 - .9^20)/(.1 x 20) = .4392116725...
    assert trial.assessment.bound == pytest.approx((1.0 - 0.9**20) / 2.0, rel=1e-14)
    assert trial.ratio == pytest.approx(1.0, rel=1e-12)
    assert trial.respected
    assert trial.conclusion()[0] == "robbins1951.descent applies"


def test_names_go_to_the_optimizer_then_the_problem_then_the_run_then_the_theorem() -> None:
    trial = put_on_trial(
        DESCENT, names={"lr": 0.5, "sigma": 0.0, "d": 2, "steps": 7, "x0": 2.0, "start": 3}, run=False
    )
    assert trial.sweep is not None
    assert (trial.sweep.optimizer.lr, trial.sweep.problem.dim, trial.sweep.steps) == (0.5, 2, 7)
    assert trial.values["T"] == 7
    assert trial.values["start"] == 3
    assert trial.values["distance_1"] == math.sqrt(8.0)
    assert trial.note == "not run"
    assert trial.observed is None


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(
        ValueError, match=r"Unknown name for robbins1951\.descent 'strat': did you mean start"
    ):
        put_on_trial(DESCENT, names={"strat": 1})
    with pytest.raises(ValueError, match="contradicts the run, which has T = 20"):
        put_on_trial(DESCENT, names={"T": 30})


def test_a_missing_symbol_is_named_and_nothing_is_assumed() -> None:
    trial = put_on_trial(DESCENT)
    assert trial.applies is Answer.UNDECIDED
    assert trial.conclusion()[1] == (
        "  UNDECIDED: long enough, it needs start (least number of steps), which neither the problem nor the optimizer "
        "states; give a value"
    )
    assert trial.respected is None


def test_a_symbol_inside_an_abbreviation_is_named() -> None:
    inner = replace(DESCENT, where_symbols={"outer": "hidden + 1", "shrink": "outer*2"}, conditions=())
    assert "needs hidden" in put_on_trial(inner).assessment.reason


def test_a_failing_condition_has_its_margin() -> None:
    trial = put_on_trial(DESCENT, names={"lr": 1.5, "start": 1})
    assert trial.applies is Answer.FAILS
    assert trial.conclusion()[1] == "  FAILS: no overshooting, margin -0.5"
    assert math.isnan(trial.assessment.bound)
    assert trial.ended == "CONVERGED"


def test_a_boundary_case_is_decided_exactly() -> None:
    margin = replace(DESCENT, conditions=(Condition("lr + lr + lr <= 3/10"),))
    # In floats .1 + .1 + .1 > .3.
    assert put_on_trial(margin, run=False).applies is Answer.HOLDS
    tiny = replace(DESCENT, conditions=(Condition("lr > 0"),))
    assert put_on_trial(tiny, names={"lr": 1e-200}, run=False).applies is Answer.HOLDS


def test_another_algorithm_is_undecided() -> None:
    trial = put_on_trial(DESCENT, optimizer=ts.sgdm(0.1), names={"start": 1})
    assert trial.assessment.applies is Answer.HOLDS
    assert trial.applies is Answer.UNDECIDED
    assert "whether it covers" in trial.foreign
    assert trial.respected is None


def test_a_wrong_theorem_is_contradicted() -> None:
    wrong = replace(DESCENT, bound="distance_1*shrink/(2*T)")
    trial = put_on_trial(wrong, names={"start": 1})
    assert trial.respected is False
    assert trial.conclusion()[-1] == "the run CONTRADICTS the theorem"


def test_a_run_that_is_too_short_contradicts_no_verdict() -> None:
    ends = replace(DESCENT, bound="", quantity="verdict", verdict=Verdict.CONVERGED, conditions=())
    # (1 - .1)^20 = .12 is not below the rule's .1; at 50 steps it is .005.
    assert put_on_trial(ends).respected is None
    assert put_on_trial(ends, names={"steps": 50}).respected is True
    assert put_on_trial(replace(ends, verdict=Verdict.DIVERGED), names={"steps": 50}).respected is False


def test_a_problem_without_the_quantity_says_what_it_measures() -> None:
    trial = put_on_trial(DESCENT, smooth.logcosh(), names={"start": 1})
    assert trial.observed is None
    assert "measures gradient_square, gap" in trial.note


def test_a_theorem_without_a_run_is_still_assessed() -> None:
    bare = replace(DESCENT, problem=None, optimizer=None)
    trial = put_on_trial(bare, names={"lr": 0.1, "T": 20, "start": 1, "distance_1": 1.0})
    assert trial.applies is Answer.HOLDS
    assert trial.assessment.bound == pytest.approx((1.0 - 0.9**20) / 2.0)
    assert trial.note == "no run: the theorem names no default problem and optimizer"


def test_the_record_is_json() -> None:
    record = put_on_trial(DESCENT, names={"start": 1, "seeds": 3}).record()
    assert json.loads(json.dumps(record, allow_nan=False))["applies"] == "HOLDS"
    assert record["respected"] is True
    assert record["seeds"] == 3


def test_booleans_are_numbers() -> None:
    corrected = replace(DESCENT, conditions=(Condition("bias_correction <= 0"),), optimizer=ts.adam)
    assert put_on_trial(corrected, run=False).applies is Answer.FAILS


def test_run_symbols() -> None:
    sweep = ts.Sweep(reddi.periodic(3.0, period=3, x0=0.5), ts.gd(0.1, schedule=ts.power(0.25)), steps=9)
    # regret depends on the slope drawn, so it has no value at the start
    assert run_symbols(sweep) == {
        "T": 9, "workers": 1, "x0": 0.5, "s": 0.25, "distance_1": 1.5, "gap_1": pytest.approx(0.5),
    }  # fmt: skip
    several = ts.Sweep(smooth.quadratic(2), ts.gd(0.1, schedule=ts.linear(10)), x0=[3.0, 4.0])
    assert run_symbols(several)["distance_1"] == 5.0
    assert "s" not in run_symbols(several)
    assert "x0" not in run_symbols(several)


def test_trials_over_a_sweep_are_those_of_its_cells() -> None:
    sweep = ts.Sweep(smooth.quadratic(), ts.gd(0.1), {"lr": [0.1, 0.5], "x0": [1.0, 3.0]}, steps=20)
    found = trials(DESCENT, sweep, start=1)
    assert len(found) == 4

    def shown(trial: Trial) -> tuple[object, ...]:
        return (trial.applies, trial.assessment.bound, trial.observed, trial.ended)

    single = [
        put_on_trial(DESCENT, names={"lr": lr, "x0": x0, "start": 1})
        for lr in (0.1, 0.5)
        for x0 in (1.0, 3.0)
    ]
    assert [shown(trial) for trial in found] == [shown(trial) for trial in single]

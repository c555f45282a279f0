"""A theorem beside a run: which name goes where, what is observed, and what is left undecided."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

import theory_sim as ts
from counterexamples import quantized, reddi, sequences, smooth
from theory_sim.compressors import identity, rand_k
from theory_sim.evidence.trial import Trial, _quantile, put_on_trial, run_symbols, trials
from theory_sim.nouns.theorem import Answer, Condition, Theorem
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.feedback import ef_sgd

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


@pytest.mark.parametrize(("bound", "respected"), [("0", True), ("-1e-12", False)])
def test_rounding_contradicts_no_bound_that_falls_to_zero(bound: str, respected: bool) -> None:
    # x_t = .9^(t - 1): after 400 steps the distance is 5e-19, below 400 roundings 2e-16 of numbers about x_1 = 1.
    zero = replace(DESCENT, bound=bound, quantity="distance_final")
    assert put_on_trial(zero, names={"start": 1, "steps": 400}).respected is respected


def test_a_verdict_is_contradicted_by_the_settled_opposite_only() -> None:
    ends = replace(DESCENT, bound="", quantity="verdict", verdict=Verdict.CONVERGED, conditions=())
    opposite = replace(ends, verdict=Verdict.DIVERGED)
    # (1 - .1)^20 = .12 is not below the rule's .1; .35 at 10 and .12 at 20 go on to be below 0 at 40, half of 80.
    # At 50 steps it is .005.
    for theorem in (ends, opposite):
        early = put_on_trial(theorem)
        assert early.respected is None
        assert early.note == "at its present pace it would be decided by 80 steps"
        assert early.conclusion()[-1].startswith("the run is UNDECIDED, so it neither agrees")
    assert put_on_trial(ends, names={"steps": 50}).respected is True
    other = put_on_trial(opposite, names={"steps": 50})
    assert other.respected is False
    assert other.conclusion()[-1] == "the run CONTRADICTS the theorem"
    both = replace(DESCENT, verdict=Verdict.DIVERGED, conditions=())
    assert put_on_trial(both, names={"steps": 50}).respected is False
    assert put_on_trial(replace(both, bound="0"), names={"steps": 50}).respected is False


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
    corrected = replace(DESCENT, conditions=(Condition("bias_correction == 0"),), optimizer=ts.adam)
    assert put_on_trial(corrected, run=False).applies is Answer.FAILS


def test_run_symbols() -> None:
    sweep = ts.Sweep(reddi.periodic(3.0, period=3, x0=0.5), ts.gd(0.1, schedule=ts.power(0.25)), steps=9)
    # regret depends on the slope drawn, so it has no value at the start
    assert run_symbols(sweep) == {
        "T": 9, "workers": 1, "x0": 0.5, "s": 0.25, "distance_1": 1.5, "gap_1": pytest.approx(0.5),
        "order": "cyclic", "stochastic": 1.0, "unbiased": 0.0,
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


@pytest.mark.parametrize(
    ("problem", "fields", "stochastic", "unbiased"),
    [
        (smooth.quadratic(), {}, 0.0, 1.0),  # it draws, but multiplies by 0
        (smooth.quadratic(sigma=1.0), {}, 1.0, 1.0),
        (reddi.stochastic(1e6, p=1e-6), {}, 1.0, 1.0),  # a rare slope
        (reddi.periodic(3.0), {"order": "cyclic"}, 1.0, 0.0),
        (reddi.periodic(3.0), {"order": "reshuffled"}, 1.0, 0.0),
        (reddi.periodic(3.0), {"order": "replacement"}, 1.0, 1.0),
        (quantized.three_quadratics(), {"workers": 3}, 0.0, 1.0),
        (quantized.three_quadratics(), {"workers": 2}, 1.0, 0.0),  # the third objective is never seen
        (sequences.geometric(0.5), {}, 1.0, 0.0),  # known in advance, but not the gradient of one objective
    ],
)
def test_whether_a_step_sees_the_gradient(
    problem: ts.Problem, fields: dict[str, Any], stochastic: float, unbiased: float
) -> None:
    found = run_symbols(ts.Sweep(problem, ts.gd(0.1), **fields))
    assert (found["stochastic"], found["unbiased"]) == (stochastic, unbiased)


def test_the_order_of_a_run_is_a_word() -> None:
    cyclic = replace(
        DESCENT, conditions=(Condition("order == cyclic"),), problem=lambda: reddi.periodic(3.0), bound="T"
    )
    trial = put_on_trial(cyclic, run=False)
    assert (trial.applies, trial.values["order"]) == (Answer.HOLDS, "cyclic")
    assert json.loads(json.dumps(trial.record()))["values"]["order"] == "cyclic"
    for order in ("reshuffled", "replacement"):
        trial = put_on_trial(cyclic, names={"order": order}, run=False)
        assert trial.applies is Answer.FAILS
        assert trial.conclusion()[1] == f"  FAILS: order == cyclic, order is {order}"
    with pytest.raises(ValueError, match=r"Unknown .*order 'cylic': did you mean cyclic"):
        put_on_trial(cyclic, names={"order": "cylic"}, run=False)


def test_a_theorem_about_its_own_problem_says_nothing_about_others() -> None:
    own = replace(DESCENT, own_problem=True, conditions=())
    assert put_on_trial(own, names={"d": 2}).respected is True
    trial = put_on_trial(own, smooth.logcosh(1, 0.0))
    assert trial.applies is Answer.UNDECIDED
    assert trial.foreign == "the theorem is about smooth.quadratic, and says nothing about smooth.logcosh"
    assert [one.applies for one in trials(own, ts.Sweep(smooth.logcosh(1, 0.0), ts.gd(0.1), steps=5))] == [
        Answer.UNDECIDED
    ]


def test_another_variant_is_undecided_unless_a_condition_or_the_statement_covers_it() -> None:
    heavy = replace(DESCENT, optimizer=lambda: ts.sgdm(0.1, 0.0), conditions=())
    ema = ts.sgdm(0.1, 0.0, convention="ema")
    assert put_on_trial(heavy, optimizer=ema).applies is Answer.UNDECIDED
    assert "convention = ema is not decided here" in put_on_trial(heavy, optimizer=ema).foreign
    assert put_on_trial(replace(heavy, covers=("convention",)), optimizer=ema).applies is Answer.HOLDS
    corrected = replace(heavy, optimizer=lambda: ts.adam(bias_correction=False))
    assert put_on_trial(corrected, optimizer=ts.adam(), run=False).applies is Answer.UNDECIDED
    named = replace(corrected, conditions=(Condition("bias_correction <= 1"),))
    assert put_on_trial(named, optimizer=ts.adam(), run=False).applies is Answer.HOLDS


def test_a_run_that_is_not_finite_keeps_no_upper_bound_and_breaks_no_lower_one() -> None:
    upper = replace(DESCENT, conditions=(), bound="1")
    lower = replace(upper, side="lower")
    for observed in (math.nan, math.inf):
        above, below = (
            replace(put_on_trial(one, run=False), observed=observed, ended="DIVERGED")
            for one in (upper, lower)
        )
        assert above.respected is False
        assert f"the run is not finite: distance_mean is {observed}" in above.conclusion()
        assert below.respected is (None if math.isnan(observed) else True)


def test_a_symbol_cannot_contradict_a_fact() -> None:
    smooth_one = replace(DESCENT, conditions=(Condition("lr*L <= 1"),))
    message = "L = 0.01 contradicts the problem or the optimizer, which has L = 1"
    with pytest.raises(ValueError, match=message):
        put_on_trial(smooth_one, names={"L": 0.01})
    with pytest.raises(ValueError, match=message):
        put_on_trial(replace(smooth_one, optimizer=None), names={"L": 0.01})
    assert put_on_trial(smooth_one, names={"L": 1.0}).applies is Answer.HOLDS


def test_recalled_constants_are_never_asserted() -> None:
    for bound in ("1", "0"):
        recalled = replace(DESCENT, constants="recalled", conditions=(), bound=bound)
        assert put_on_trial(recalled).respected is None


def test_the_mean_of_few_seeds_has_the_false_alarms_of_student() -> None:
    # One degree of freedom is Cauchy: P(t > q) = arccot(q)/pi = p = erfc(5/sqrt 2)/2.
    p = math.erfc(5.0 / math.sqrt(2.0)) / 2.0
    assert _quantile(2) == pytest.approx(1.0 / math.tan(math.pi * p), rel=1e-6)
    assert _quantile(10**6) == pytest.approx(5.0, rel=1e-3)
    # Nine standard errors above the bound are a contradiction for 64 seeds (5.7), and none for 8 (17.3).
    trial = put_on_trial(replace(DESCENT, conditions=(), bound="1"), names={"seeds": 8}, run=False)
    trial = replace(trial, observed=1.9, error=0.1)
    assert trial.respected is True
    assert trial.sweep is not None
    assert replace(trial, sweep=replace(trial.sweep, seeds=64)).respected is False


def test_one_random_seed_contradicts_no_mean() -> None:
    wrong = replace(DESCENT, conditions=(), bound="0")
    assert put_on_trial(wrong, names={"sigma": 1.0}).respected is None
    assert put_on_trial(wrong, names={"sigma": 1.0, "seeds": 64}).respected is False
    assert put_on_trial(wrong, names={"sigma": 0.0}).respected is False
    drawn = replace(wrong, optimizer=lambda: ef_sgd(0.1, up=rand_k(1, word=64), down=identity(word=64)))
    assert put_on_trial(drawn, names={"d": 2}).respected is None

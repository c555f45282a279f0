"""What no other test noticed when mutants were planted."""

import importlib
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

import theory_sim as ts
from counterexamples import drift, quantized, reddi, zhang
from counterexamples.drift import critical
from counterexamples.drift.certified_map import Box
from counterexamples.drift.map_check import BoxCheck
from paper_checks.reddi2018 import theorems as reddi2018
from paper_checks.theorems import compression, momentum
from paper_checks.theorems.values import drift_of
from theory_sim import exact, random
from theory_sim.compressors import identity, l1_sign, qsgd, top_k
from theory_sim.engine import job, loop
from theory_sim.evidence.rates import least_squares
from theory_sim.evidence.trial import put_on_trial, run_symbols
from theory_sim.exact.arithmetic import module
from theory_sim.nouns.noise import NORMAL_PAIRS
from theory_sim.nouns.theorem import Answer
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.parts import largest


def test_theorem_3_is_about_an_iterate_that_is_not_confined() -> None:
    trial = put_on_trial(reddi2018.THEOREM_3, reddi.stochastic(320.0, delta=1.0), run=False)
    assert [str(row.condition) for row in trial.assessment.failed] == ["the iterate is not confined"]
    assert trial.applies is Answer.FAILS


def test_the_small_gradients_count_when_the_large_one_is_smaller() -> None:
    # v_0 = C^2 (1 - beta2) + beta2 up to beta2^5: with C^2 = 1e-20 it is the share of the others that decides.
    found = drift.drift(0.0, 1e-17, 5, 1e-10)
    assert found == pytest.approx(1e-10 / math.sqrt(1e-20 + 1e-17) - 4.0, rel=1e-12)


def test_a_box_is_refused_whose_derivative_turns_inside() -> None:
    # At beta1 = 49/64, beta2 = 0 the drift is +0.75, while the slope at the middle of the box says otherwise.
    sides = (Fraction(13, 64), Fraction(49, 64)), (Fraction(0), Fraction(25, 64))
    assert not BoxCheck(8, Fraction(93, 10)).holds(Box(*sides, Verdict.DIVERGED))


def test_a_box_is_refused_whose_middle_is_of_the_other_sign() -> None:
    class Dipping(BoxCheck):
        """(1 - 2 beta1)^2 - 1/10: positive at both ends of beta1, whatever beta2 is."""

        def series(self, point: Any) -> list[Any]:
            return [self.flint.arb_series([c], prec=2) for c in (0.9, -4.0, 4.0)]

    unit = Fraction(0), Fraction(1)
    assert Dipping(3, Fraction(3)).proved(unit, unit, 1) is None


def test_three_roots_in_one_piece_are_three(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cubic(critical._Line):
        """32 (b - 1/4) (b - 1/2) (b - 3/4), from -3 to 3."""

        def sign(self, beta2: Fraction) -> int:
            value = (4 * beta2 - 1) * (2 * beta2 - 1) * (4 * beta2 - 3)
            return (value > 0) - (value < 0)

        def enclosures(self, low: Fraction, high: Fraction) -> tuple[Any, Any]:
            arb, fmpq = module("flint").arb, module("flint").fmpq

            def ball(value: Fraction) -> Any:
                return arb(fmpq(value.numerator, value.denominator))

            b, middle = ball(low).union(ball(high)), ball((low + high) / 2)
            slope = 96 * b * b - 96 * b + 22
            value = (4 * middle - 1) * (2 * middle - 1) * (4 * middle - 3)
            return value + slope * (b - middle), slope

    monkeypatch.setattr(critical, "_Line", Cubic)
    found = critical.enclose_critical_beta2(0, 3, 5, width="1e-6")
    assert not found.open
    assert [round(float(low), 4) for low, _ in found.roots] == [0.25, 0.5, 0.75]


def test_of_equal_magnitudes_the_first_is_kept_until_the_end() -> None:
    assert top_k(2).quantize([1.0, -1.0, 1.0]).tolist() == [1.0, -1.0, 0.0]


def away(x: float) -> float:
    return -1e200 * x


def positive(x: float) -> float:
    return 1.0 if x > 0.0 else 0.0


def test_a_window_in_which_a_lane_dies_has_no_mean() -> None:
    # The measure makes a number of NaN; x overflows in update 2, which is the window that ends at T/4.
    problem = ts.Problem(
        name="away",
        gradient=away,
        measure=positive,
        measures=("sign",),
        rule=ts.Rule("sign", 0.1, 0.5),
        start=1.0,
    )
    run = ts.simulate(problem, ts.gd(1.0), steps=8)
    assert run.nonfinite_step.item() == 2
    assert np.isnan(run.sign_window.values).all()


def test_the_digest_of_a_sweep_sees_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest() -> str:
        job._engine.cache_clear()
        return ts.Sweep(reddi.periodic(3.0), ts.gd(0.1), steps=10).job.digest

    before = digest()
    monkeypatch.setattr(loop, "advance", positive)
    assert digest() != before
    monkeypatch.undo()
    assert digest() == before


def test_residuals_are_drawn_larger_for_the_two_parameters_fitted() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.0, 0.4, 0.3, 0.1])
    found = least_squares(x, y, seed=3, resamples=400)
    line = np.polyfit(np.log(x), np.log(y), 1)
    fitted = np.polyval(line, np.log(x))
    residuals = (np.log(y) - fitted) * math.sqrt(4 / 2)
    drawn = np.random.default_rng(3).integers(4, size=(400, 4))
    slopes = [np.polyfit(np.log(x), fitted + residuals[row], 1)[0] for row in drawn]
    assert [found.low, found.high] == pytest.approx(np.quantile(slopes, [0.025, 0.975]), rel=1e-9)


def test_a_bound_that_is_missed_by_a_hundredth_is_contradicted() -> None:
    sharp = put_on_trial(momentum.GD_NONCONVEX)
    assert sharp.ratio == pytest.approx(1.0, abs=1e-9)
    assert sharp.respected
    tighter = replace(momentum.GD_NONCONVEX, bound=f"99/100*({momentum.GD_NONCONVEX.bound})")
    assert put_on_trial(tighter).respected is False


def rare(index: int) -> float:
    return 1.0 if index == 99_999 else 0.0


def test_a_last_component_that_differs_from_all_others_is_seen() -> None:
    problem = ts.Problem(name="rare", gradient=rare, components=100_000)
    assert run_symbols(ts.Sweep(problem, ts.sgd(0.1), order="replacement"))["stochastic"] == 1.0


def test_what_a_message_loses_is_measured_by_the_norm() -> None:
    found = compression.MEMORY.gather(quantized.bowl(d=16), ts.ef_sgd(up=top_k(4)))
    assert found["q_up"] == pytest.approx(math.sqrt(1.0 - 4 / 16), rel=1e-15)


def test_what_may_be_zero_is_not_negative() -> None:
    number = exact.symbols().number(sympy.Symbol("q", nonpositive=True))
    assert number <= 0
    with pytest.raises(exact.Undecidable):
        bool(number < 0)


def test_two_messages_of_a_step_have_numbers_of_their_own() -> None:
    torch = pytest.importorskip("torch")
    bridge = importlib.import_module("theory_sim.torch_bridge")
    twins = [torch.linspace(0.1, 1.0, 32, requires_grad=True) for _ in range(2)]
    optimizer = bridge.QuantizedAdam(twins, 0.01, (0.0, 0.0), 1.0, compressor=qsgd(2))
    for tensor in twins:
        tensor.grad = tensor.detach().clone()
    optimizer.step()
    assert not torch.equal(*twins)


def test_a_maximum_with_nan_is_nan() -> None:
    assert math.isnan(largest(1.0, math.nan))
    assert math.isnan(largest(1.0, math.inf))
    assert largest(1.0, 2.0) == 2.0


def test_a_run_that_stalls_half_way_has_not_converged_on_the_divergence_function() -> None:
    rule = zhang.piecewise().rule
    assert rule is not None
    finite = np.ones(2, bool)
    found = rule.judge(np.repeat([[0.5], [0.05]], 12, axis=1), 1_000, np.ones(2), finite, ~finite)
    assert found.verdict.tolist() == ["UNDECIDED", "CONVERGED"]


def test_the_two_normals_of_a_pair_are_the_two_legs_of_one_radius() -> None:
    u, v = 0.3, 0.1
    first, second = (NORMAL_PAIRS.rule(u, v, i, 2.0) for i in (4, 5))
    assert math.hypot(first, second) == pytest.approx(2.0 * math.sqrt(-2.0 * math.log1p(-u)), rel=1e-12)
    assert math.atan2(second, first) == pytest.approx(2.0 * math.pi * v, rel=1e-12)


def test_the_norm_of_a_gradient_of_the_bowl_grows_with_the_dimension() -> None:
    facts = quantized.bowl(0.5, d=16).facts
    assert facts["G_norm"] == pytest.approx(4.0 * facts["G"], rel=1e-15)
    assert facts["G"] == pytest.approx(3.0 * math.sqrt(3.0) / 8.0 + 0.5, rel=1e-15)


def test_the_gap_of_a_graph_counts_negative_eigenvalues() -> None:
    method = ts.choco(nodes=2, matrix=[[0.1, 0.9], [0.9, 0.1]])  # eigenvalues 1 and -0.8
    found = compression.CHOCO_CONSENSUS.gather(compression.measured_consensus(2, d=10), method)
    assert (found["rho"], found["beta"]) == pytest.approx((0.2, 1.8), rel=1e-12)


def test_a_drift_whose_sign_rounding_hides_is_left_out() -> None:
    (root,) = drift.critical_beta2(0.0, 10, 10.0)
    for shift, known in ((0.0, set()), (1e-6, {"drift"})):
        method = ts.adam(0.1, 0.0, float(root) + shift, 0.0, bias_correction=False)
        assert drift_of(zhang.piecewise(10), method).keys() == known


def down(x: float) -> float:
    return 1.0


def undefined_at_one(x: float) -> float:
    return math.nan if x == 1.0 else x


def test_a_measure_that_was_no_number_once_has_no_least_value() -> None:
    problem = ts.Problem(
        name="down",
        gradient=down,
        measure=undefined_at_one,
        measures=("size",),
        unjudged="x falls.",
        start=2.0,
    )
    run = ts.simulate(problem, ts.gd(1.0), steps=4, checkpoints=[1, 4], running=True)
    assert run.size_min.values.ravel().tolist() == pytest.approx([2.0, math.nan], nan_ok=True)
    assert run.size_max.values.ravel().tolist() == pytest.approx([2.0, math.nan], nan_ok=True)


def test_the_sign_of_zero_is_plus() -> None:
    # One bit cannot say 0: of (0, 3, -3) the scale is 2, and 0 becomes +2.
    for compressor in (l1_sign(), l1_sign(word=64)):
        assert compressor.quantize(np.array([0.0, 3.0, -3.0])).tolist() == [2.0, 2.0, -2.0]


def numbers(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any, up: Any, down: Any) -> None:
    for lane in range(x.shape[1]):
        x[0, lane] = noise[0, lane]
        x[1, lane] = up.noise[0, lane]


def one(i: int) -> float:
    return 1.0


def test_messages_and_the_optimizer_draw_numbers_of_their_own() -> None:
    optimizer = ts.Optimizer("numbers", numbers, up=qsgd(1), down=identity(64), draws=1, distributed=True)
    x = ts.simulate(ts.Problem(name="constant", gradient=one, dim=2), optimizer, steps=3).x_final
    # Slot 0 belongs to the order of the one worker, slot 1 to the optimizer, then come the messages.
    expected = [random.uniform_at(int(random.key(0, 0)), 3, slot) for slot in (1, 2)]
    assert x.values.ravel().tolist() == expected


def clock(t: int) -> float:
    return float(t)


def test_a_measure_of_an_iterate_knows_its_step() -> None:
    # x_(T+1) is what T updates give; means are over x_1 ... x_T.
    problem = ts.Problem(name="clock", gradient=down, measure=clock, measures=("clock",), unjudged="A clock.")
    run = ts.simulate(problem, ts.gd(1.0), steps=9, checkpoints=[4, 9], running=True)
    assert run.clock.values.ravel().tolist() == [5.0, 10.0]
    assert run.clock_mean.values.ravel().tolist() == [2.5, 5.0]


def two_levels(x: float) -> tuple[float, float]:
    return 100.0, abs(x)


def test_a_relative_rule_starts_from_its_own_measure() -> None:
    # |x| stays at 1: neither half nor twice where it began, but a hundredth of the other measure.
    problem = ts.Problem(
        name="two", gradient=rare, measure=two_levels, measures=("other", "size"), start=1.0,
        rule=ts.Rule("size", converged=0.5, diverged=2.0, relative=True),
    )  # fmt: skip
    assert ts.simulate(problem, ts.gd(0.1), steps=8).verdict.item() == "UNDECIDED"

"""Axes of every kind, coupled rows, tiers, digests, and one sentence for each mistake."""

import inspect
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import PROBLEMS, reddi, shi, zhang
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer


def adam(**changes: Any) -> Optimizer:
    return ts.adam(**{"lr": 0.1, "eps": 0.0, "bias_correction": False, "schedule": ts.power(0.5), **changes})


def test_a_grid_equals_its_single_runs() -> None:
    axes = {"beta2": [0.5, 0.9], "n": [3, 4], "s": [0.5, 0.75], "lr": [0.1, 0.2], "x0": [0.0, -3.0]}
    grid = ts.Sweep(zhang.piecewise(5), adam(), axes, steps=50, seeds=2, order="reshuffled").run()
    assert grid.x_final.shape == (2, 2, 2, 2, 2, 2)
    for cell in ({"beta2": 0.9, "n": 3, "s": 0.75, "lr": 0.2, "x0": -3.0}, {"beta2": 0.5, "n": 4, "s": 0.5}):
        cell = {name: cell.get(name, values[0]) for name, values in axes.items()}
        one = ts.simulate(
            zhang.piecewise(cell["n"]),
            adam(lr=cell["lr"], beta2=cell["beta2"], schedule=ts.power(cell["s"])),
            steps=50,
            seeds=2,
            order="reshuffled",
            x0=cell["x0"],
        )
        assert np.array_equal(grid.sel(cell).x_final, one.x_final)


def test_derived_constants_follow_a_problem_axis() -> None:
    grid = ts.Sweep(shi.periodic(3), adam(), {"C": range(2, 6)}, steps=30).run()
    singles = [ts.simulate(shi.periodic(C), adam(), steps=30).x_final.item() for C in range(2, 6)]
    assert grid.x_final.values.ravel().tolist() == singles


def test_an_argument_that_is_no_row_can_be_an_axis() -> None:
    # eps fills one of two rows, depending on eps_mode.
    optimizer = adam(eps_mode="inside")
    grid = ts.Sweep(zhang.piecewise(5), optimizer, {"eps": [0.0, 1.0], "beta2": [0.5, 0.9]}, steps=30).run()
    for eps in (0.0, 1.0):
        for beta2 in (0.5, 0.9):
            one = ts.simulate(zhang.piecewise(5), adam(eps=eps, beta2=beta2, eps_mode="inside"), steps=30)
            assert grid.sel(eps=eps, beta2=beta2).x_final.item() == one.x_final.item()


def coupled(r: float = 1.0) -> Optimizer:
    base = ts.generic_adam(lr=0.1, c=0.01 + 0.99 * r, r=r)
    return replace(base, family=coupled, arguments={"r": r})


def test_rows_that_move_together_are_rebuilt_together() -> None:
    grid = ts.Sweep(zhang.piecewise(5), coupled(), {"r": [0.25, 1.0]}, steps=30).run()
    for r in (0.25, 1.0):
        one = ts.simulate(zhang.piecewise(5), ts.generic_adam(lr=0.1, c=0.01 + 0.99 * r, r=r), steps=30)
        assert grid.sel(r=r).x_final.item() == one.x_final.item()


def test_initial_moments_by_name() -> None:
    # zhang.piecewise(3) at 0: gradients 3, -1, -1; mean 1/3, largest square 9.
    sweep = ts.Sweep(zhang.piecewise(3), adam(m0="mean_gradient", v0="max_square"), steps=1)
    assert sweep.job.lanes.state[:, 0, 0] == pytest.approx([1 / 3, 9.0])


def test_order_and_seeds() -> None:
    grid = ts.Sweep(zhang.piecewise(5), adam(), steps=40, seeds=3, order="replacement").run()
    assert len(set(grid.x_final.values)) == 3
    again = ts.Sweep(zhang.piecewise(5), adam(), steps=40, seeds=2, order="replacement").run()
    assert np.array_equal(grid.x_final[:2], again.x_final)  # more seeds do not change the first ones
    other = ts.Sweep(zhang.piecewise(5), adam(), steps=40, seeds=3, order="replacement", entropy=1).run()
    assert not set(grid.x_final.values) & set(other.x_final.values)


def test_quick_is_the_same_sweep_with_fewer_cells() -> None:
    sweep = ts.Sweep(zhang.piecewise(5), adam(), {"beta2": [0.1, 0.5, 0.9]}, steps=100, quick={"steps": 10})
    assert sweep.at("full") is sweep
    assert sweep.at("quick").steps == 10
    assert sweep.at("quick").axes == sweep.axes


def test_the_digest_sees_everything_that_matters() -> None:
    base: dict[str, Any] = {
        "problem": zhang.piecewise(5),
        "optimizer": adam(),
        "axes": {"beta2": [0.1, 0.5]},
        "steps": 100,
    }
    changes: list[dict[str, Any]] = [
        {"problem": zhang.piecewise(6)},
        {"problem": zhang.piecewise(5, x0=1.0)},
        {"optimizer": adam(lr=0.2)},
        {"optimizer": adam(v0=1.0)},
        {"optimizer": adam(eps=1e-3)},
        {"optimizer": adam(eps=1e-3, eps_mode="inside")},  # with eps = 0 the runs are the same
        {"optimizer": adam(schedule=ts.power(0.6))},
        {"axes": {"beta2": [0.1, 0.6]}},
        {"steps": 101},
        {"seeds": 2},
        {"order": "reshuffled"},
        {"x0": 0.5},
        {"workers": 2},
        {"entropy": 1},
        {"checkpoints": 3},
        {"running": True},
        {"first_hit": 0.1},
        {"rule": ts.Rule("distance", 0.1, 0.2, window=0.1)},
    ]
    digests = {ts.Sweep(**{**base, **change}).job.digest for change in [{}, *changes]}
    assert len(digests) == len(changes) + 1
    assert ts.Sweep(**base).job.digest in digests


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), steps=0), "steps = 0 must be an integer >= 1"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), steps=-3), "steps = -3"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), steps=1.5), "steps = 1.5"),  # type: ignore[arg-type]
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), seeds=0), "seeds = 0"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), order="shuffled"), "did you mean reshuffled"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"beta2": []}), "shape (0,); give a non-empty list"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"beta2": [[0.5]]}), "give a non-empty list"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"beta3": [0.5]}).job.lanes, "did you mean beta"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"beta2": [0.5, 1.0]}).job.lanes, "beta2 = 1.0"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"beta2": [0.5, np.nan]}).job.lanes, "beta2 = nan"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"s": [-1.0]}).job.lanes, "s = -1.0"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), {"n": [1]}).job.lanes, "n = 1 must be an integer >= 2"),
        (
            lambda: ts.Sweep(zhang.piecewise(5), adam(), {"bias_correction": [False, True]}).job.lanes,
            "changes rows of Adam from",
        ),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), x0=[1.0, 2.0]).job.lanes, "x0 has shape"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), x0=np.inf).job.lanes, "must be finite"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), steps=9, checkpoints=[3, 2]), "must increase"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), steps=9, checkpoints=[10]), "end by steps = 9"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), rule=ts.Rule("gapp", 0.1, 1.0)), "did you mean gap"),
        (lambda: ts.Sweep(zhang.piecewise(5), adam(), quick={"step": 3}), "did you mean steps"),
        (lambda: ts.Sweep(reddi.stochastic(3.0, 0.5), adam(), workers=40_000), "use fewer"),
        (lambda: adam(schedule="power"), "must be a Schedule"),
        (lambda: ts.Sweep(reddi.periodic(3.0), adam(), first_hit=0.1), "needs the measure 'gradient_norm'"),
        (lambda: ts.Sweep(zhang.piecewise(3), adam(), first_hit=-0.1), "first_hit = -0.1"),
    ],
)
def test_a_mistake_gets_one_sentence(build: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as caught:
        build()
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize("values", [[1, 2, 3], [3, 2, 1], [1, 3, 8]])
def test_a_whole_number_that_is_refused_is_refused_before_lanes_are_built(values: list[int]) -> None:
    # 3 does not divide 16: at an end of consecutive numbers, and between others
    with pytest.raises(ValueError, match="B = 3 must divide N = 16"):
        ts.Sweep(zhang.batch(16, 2), adam(), {"B": values})


def test_an_ambiguous_axis_is_refused() -> None:
    clash = ts.Problem("clash", offset_gradient(1.0), {"beta2": 1.0})
    with pytest.raises(ValueError, match="names both an optimizer and a problem parameter"):
        _ = ts.Sweep(clash, adam(), {"beta2": [0.5]}).job.lanes


def test_a_problem_without_a_rule_is_unjudged() -> None:
    silent = replace(zhang.piecewise(5), rule=None)
    grid = ts.simulate(silent, adam(), steps=5)
    assert grid.verdict.item() == "UNJUDGED"
    assert grid.status.item() == "FINITE"
    assert np.isnan([grid.diverged_fraction, grid.diverged_low, grid.diverged_high]).all()


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_every_problem_has_a_rule_or_says_why_not(name: str) -> None:
    values = {"C": 10, "eps": 0.1, "N": 10, "B": 2, "ratio": 0.5, "tail": 2.5}
    parameters = inspect.signature(PROBLEMS[name]).parameters.values()
    given: dict[str, Any] = {one.name: values[one.name] for one in parameters if one.default is one.empty}
    problem = PROBLEMS[name](**given, **({"delta": 0.5} if name == "reddi.stochastic" else {}))
    # Some have a rule at one value of a parameter only.
    for one in (
        problem,
        problem.replace(a=2.0) if isinstance(problem.arguments.get("a"), float) else problem,
    ):
        assert (one.rule is None) == bool(one.unjudged)
        assert one.rule is not None or one.unjudged.endswith(".")


def test_verdicts_compare_with_names_and_members() -> None:
    grid = ts.simulate(zhang.piecewise(10), adam(beta1=0.5, beta2=0.1), steps=20_000)
    assert (grid.verdict == "DIVERGED").all()
    assert (grid.verdict == ts.Verdict.DIVERGED).all()
    assert grid.diverged_fraction.item() == 1.0


def test_provenance_names_versions_and_seeds() -> None:
    attributes = ts.simulate(zhang.piecewise(5), adam(), steps=3).attrs
    assert "theory-sim" in attributes["source"]
    assert attributes["references"] == "zhang2022 reddi2018"
    assert {"digest", "entropy", "order", "problem", "optimizer"} <= set(attributes)


def test_a_chosen_start_survives_a_replacement() -> None:
    assert zhang.piecewise(10, x0=-3.0).replace(n=20).start == -3.0
    assert zhang.piecewise(10).replace(n=20).start == 0.0
    grid = ts.Sweep(zhang.quadratics(), adam(), {"x0": [0.5, 1.0]}, steps=1, checkpoints=1).run()
    assert grid.x_final.values[0, 0] < grid.x_final.values[1, 0]


def offset_gradient(offset: float) -> Any:
    def gradient() -> float:
        return offset

    return gradient


def test_the_digest_sees_captured_values_and_shapes() -> None:
    gradients = [offset_gradient(1.0), offset_gradient(2.0)]
    problems = [ts.Problem("mine", gradient) for gradient in gradients]
    problems += [ts.Problem("mine", gradients[0], components=2), ts.Problem("mine", gradients[0], dim=3)]
    problems += [replace(reddi.periodic(10.0), constants={**reddi.periodic(10.0).constants, "C": 20.0})]
    assert len({ts.Sweep(problem, ts.sgd()).job.digest for problem in problems}) == len(problems)
    ends = [ts.simulate(problem, ts.sgd(1.0), steps=1, x0=0.0).x_final.item() for problem in problems[:2]]
    assert ends == [-1.0, -2.0]


def test_the_period_follows_the_slope_only_by_default() -> None:
    assert ts.Sweep(reddi.periodic(10.0), adam(), {"C": [5.0, 20.0]}).job.lanes.size.tolist() == [5, 20]
    fixed = ts.Sweep(reddi.periodic(3.0, period=3), adam(), {"C": [3.0, 5.0]})
    assert fixed.job.lanes.size.tolist() == [3, 3]


def test_an_axis_cannot_change_the_rule_or_take_a_name_of_the_dataset() -> None:
    with pytest.raises(ValueError, match="changes the verdict rule"):
        _ = ts.Sweep(zhang.quadratics(0.0), adam(), {"a": [0.0, 1.0]}).job.lanes
    seeded = ts.Problem("seeded", offset_gradient(1.0), {"seed": 1.0})
    with pytest.raises(ValueError, match="'seed' is a name of the Dataset"):
        ts.Sweep(seeded, adam(), {"seed": [1.0, 2.0]})


def test_a_horizon_can_be_an_axis() -> None:
    sweep = ts.Sweep(zhang.piecewise(), ts.sgd(0.1, schedule=ts.linear(10)), {"horizon": [5, 10]}, steps=20)
    assert sweep.run().horizon.values.tolist() == [5, 10]
    with pytest.raises(ValueError, match="horizon = 0"):
        _ = ts.Sweep(zhang.piecewise(), ts.sgd(0.1, schedule=ts.linear(10)), {"horizon": [0, 10]}).job.lanes


@pytest.mark.parametrize("lr", [1, np.float32(1.0), np.int64(1)])
def test_whole_and_narrow_numbers_are_numbers(lr: Any) -> None:
    expected = ts.simulate(zhang.piecewise(), ts.sgd(1.0), steps=3).x_final
    assert np.array_equal(ts.simulate(zhang.piecewise(), ts.sgd(lr), steps=3).x_final, expected)
    axis = ts.Sweep(zhang.piecewise(), ts.sgd(), {"lr": np.array([lr])}, steps=3.0, seeds=1.0).run()  # type: ignore[arg-type]
    assert axis.x_final.item() == expected.item()


def test_repeated_seeds_are_one_observation_without_randomness() -> None:
    cyclic = ts.Sweep(zhang.piecewise(), adam(beta2=0.5, beta1=0.0), steps=20_000, seeds=50).run()
    assert cyclic.diverged_fraction.item() == 1.0
    assert cyclic.diverged_low.item() == pytest.approx(0.2065, abs=1e-3)  # one of one, not 50 of 50
    drawn = ts.Sweep(
        zhang.piecewise(), adam(beta2=0.5, beta1=0.0), steps=20_000, seeds=50, order="reshuffled"
    )
    assert drawn.run().diverged_low.item() == pytest.approx(0.929, abs=1e-3)


def test_one_step_has_no_half_horizon() -> None:
    grid = ts.simulate(reddi.periodic(3.0), adam(lr=1e-9), steps=1, x0=-1.0)
    assert grid.verdict.item() == "UNDECIDED"


def test_a_constructor_is_no_noun() -> None:
    with pytest.raises(TypeError, match="is not an Optimizer; call its constructor"):
        ts.Sweep(zhang.piecewise(), ts.adam)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is not a Problem; call its constructor"):
        ts.Sweep(zhang.piecewise, ts.adam())  # type: ignore[arg-type]


def test_what_was_replaced_by_hand_survives_an_axis() -> None:
    by_hand = replace(ts.adam(), lr=0.5, name="mine", initial={"v": 1.0})
    problem = replace(zhang.piecewise(5), facts={"peak": 7.0}, start=0.5)
    sweep = ts.Sweep(problem, by_hand, {"beta1": [0.1, 0.9], "a": [2.0, 3.0]}, steps=20)
    lanes = sweep.job.lanes
    assert (lanes.lr == 0.5).all()
    assert (lanes.x0 == 0.5).all()
    assert (lanes.state[1] == 1.0).all()
    one = by_hand.replace(beta1=0.1).replace(beta2=0.5)
    assert (one.name, one.lr, one.hyper["beta1"], one.hyper["beta2"]) == ("mine", 0.5, 0.1, 0.5)
    assert one.replace(lr=0.25).lr == 0.25
    assert problem.replace(a=2.0).replace(a=4.0).facts == {"peak": 7.0}
    plain = ts.Sweep(
        zhang.piecewise(5, x0=0.5), replace(ts.adam(0.5), initial={"v": 1.0}), sweep.axes, steps=20
    )
    np.testing.assert_array_equal(sweep.run().x_final.values, plain.run().x_final.values)


def test_an_entry_of_hyperparameters_that_was_replaced_stands_or_is_refused() -> None:
    base = ts.adam(eps=1e-3)
    name = next(name for name, value in base.hyper.items() if value == 1e-3)
    by_hand = replace(base, hyper={**base.hyper, name: 0.5})
    assert by_hand.replace(beta1=0.3).hyper == {**base.hyper, name: 0.5, "beta1": 0.3}
    with pytest.raises(
        ValueError, match=f"hyper\\['{name}'\\] of Adam was replaced by hand, and eps would change it too"
    ):
        by_hand.replace(eps=0.25)


def test_rules_and_compressors_that_a_constructor_makes_anew_are_no_change_by_hand() -> None:
    @family
    def scaled(lr: float = 0.1, factor: float = 1.0, other: float = 0.0) -> ts.Optimizer:
        return ts.Optimizer("scaled", lambda g, lr, x: x - factor * lr * g, lr)

    one = replace(scaled(factor=3.0), lr=0.5).replace(other=1.0)
    assert one.lr == 0.5
    assert one.arguments["factor"] == 3.0
    sent = replace(ts.efficient_adam(), name="mine").replace(lr=0.5)
    assert (sent.name, sent.lr) == ("mine", 0.5)

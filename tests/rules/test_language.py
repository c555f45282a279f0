"""Rules: names bind, and every mistake gets one clear sentence where the noun is built."""

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim.exact import replay
from theory_sim.exact.arithmetic import digits
from theory_sim.nouns.noise import Noise
from theory_sim.rules import trace
from theory_sim.rules.language import Reduction, Round, Stage, largest, norm, required, total
from theory_sim.rules.language import names as names_of


def descend(g: float, lr: float, x: float) -> float:
    return x - lr * g


def heavy(g: float, lr: float, beta: float, x: float, m: float) -> tuple[float, float]:
    m = beta * m + g
    return x - lr * m, m


def optimizer(step: Any = heavy, **fields: Any) -> ts.Optimizer:
    return ts.Optimizer("own", step, **{"hyper": {"beta": 0.5}, "rows": ("m",), **fields})


def problem(gradient: Any, **fields: Any) -> ts.Problem:
    return ts.Problem("mine", gradient, **fields)


def test_names_are_those_of_the_arguments() -> None:
    assert names_of(heavy) == ("g", "lr", "beta", "x", "m")
    assert required(lambda a, b=1.0: a) == ("a",)


def test_names_bind_whatever_their_order() -> None:
    problems = [
        ts.Problem("one", lambda x, a, b: a * x + b, {"a": 2.0, "b": -1.0}, start=1.0),
        ts.Problem("other", lambda b, x, a: a * x + b, {"b": -1.0, "a": 2.0}, start=1.0),
    ]
    steps = [heavy, lambda m, x, beta, g, lr: (x - lr * (beta * m + g), beta * m + g)]
    ends = {
        ts.simulate(one, optimizer(step, lr=0.1), steps=9).x_final.item()
        for one in problems
        for step in steps
    }
    assert len(ends) == 1


def test_a_default_value_stands_for_a_name_that_is_not_declared() -> None:
    def gradient(x: float, slope: float = 3.0) -> float:
        return slope

    ends = [
        ts.simulate(problem(gradient, constants=constants), ts.sgd(1.0), steps=1).x_final.item()
        for constants in ({}, {"slope": 5.0})
    ]
    assert ends == [-3.0, -5.0]


def test_reductions_are_folded_over_coordinates_and_workers() -> None:
    def step(g: float, lr: float, x: float, size: float, top: float, length: float) -> float:
        return size + 100.0 * top + 10_000.0 * length

    reductions = {
        "size": total(lambda x: abs(x)),
        "top": largest(lambda x: x),
        "length": norm(lambda x: x),
    }
    one = ts.Optimizer("own", step, reductions=reductions)
    grid = ts.simulate(ts.Problem("flat", lambda: 0.0, dim=2), one, steps=1, x0=[3.0, -4.0])
    assert grid.x_final.values.ravel().tolist() == [50_307.0, 50_307.0]

    voted = ts.Optimizer(
        "vote", lambda x, votes: votes, reductions={"votes": total(lambda g: g, over="workers")}
    )
    grid = ts.simulate(ts.Problem("ranks", lambda j: 1.0 + j), voted, steps=1, workers=3)
    assert grid.x_final.item() == 6.0


def test_a_reduction_may_name_another() -> None:
    reductions = {"mean": total(lambda x, d: x / d), "spread": total(lambda x, mean: (x - mean) ** 2)}
    one = ts.Optimizer("own", lambda spread: spread, reductions=reductions)
    grid = ts.simulate(ts.Problem("flat", lambda: 0.0, dim=3), one, steps=1, x0=[1.0, 2.0, 6.0])
    assert grid.x_final.values.ravel().tolist() == [14.0] * 3  # about the mean 3: 4 + 1 + 9


def halved(k: int) -> Any:
    return 2**-k


def scaled(x: float, *, by: float = 1.0) -> float:
    return by * x


def keywords(x: float, **more: float) -> float:
    return x


def endless(x: float) -> float:
    return x if x < 1.0 else endless(0.5 * x)


def kernel_with_keywords(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    out[0, 0, :] = scaled(1.0, by=2.0)


class Callable_:
    def __call__(self, g: float, lr: float, x: float) -> float:
        return x


def lazy_values(x: float) -> Any:
    return [x]


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    # names
    "unknown": (
        lambda: optimizer(lambda g, lr, x, m, betta: (x, m)),
        "Rule <lambda> of own names 'betta', which is not declared: did you mean beta",
    ),
    "unknown in a gradient": (
        lambda: problem(lambda x, slope: slope, constants={"slop": 1.0}),
        "names 'slope', which is not declared: did you mean slop",
    ),
    "unknown in a term": (
        lambda: optimizer(lambda x, m, size: (x, m), reductions={"size": total(lambda gg: gg)}),
        "names 'gg', which is not declared: did you mean g",
    ),
    "unknown in a noise": (
        lambda: problem(lambda x, noise: noise, noise=Noise("own", lambda u, sigmas: sigmas)),
        "names 'sigmas', which is not declared",
    ),
    "unknown in a schedule": (lambda: ts.Schedule("own", lambda t, s: t**-s), "names 's', which is not declared"),
    "an optimizer's name in a gradient": (lambda: problem(lambda x, lr: x), "names 'lr', which is not declared"),
    "duplicate": (lambda: optimizer(rows=("m", "m")), "State row 'm' of own is taken; give it another name."),
    "row and hyperparameter": (lambda: optimizer(rows=("beta",)), "State row 'beta' of own is taken"),
    "reserved row": (lambda: optimizer(rows=("x",)), "State row 'x' of own is taken"),
    "reserved hyperparameter": (lambda: optimizer(hyper={"lr": 1.0}), "Hyperparameter 'lr' of own is taken"),
    "reserved reduction": (
        lambda: optimizer(reductions={"g": total(lambda g: g)}),
        "Reduction 'g' of own is taken",
    ),
    "reserved constant": (lambda: problem(lambda x: x, constants={"t": 1.0}), "Constant 't' of mine is taken"),
    "the number of workers where only their mean is seen": (
        lambda: optimizer(lambda g, x, m, workers: (x - g / workers, m)),
        "Rule <lambda> of own names 'workers', and sees only the mean of their gradients; fold over the workers with "
        "a reduction, or send messages with a Round.",
    ),
    "the number of workers in a measure": (
        lambda: optimizer(measure=lambda workers: workers, measures=("n",)),
        "names 'workers', and sees only the mean",
    ),
    "the number of workers in a term": (
        lambda: optimizer(reductions={"s": total(lambda m, workers: m)}),
        "names 'workers', and sees only the mean",
    ),
    "a constant named as a coordinate": (
        lambda: problem(lambda x, x1: x1 * x, constants={"x1": 2.0}, dim=3),
        "Constant 'x1' of mine is taken; give it another name.",
    ),
    "a reduction named as a constant": (
        lambda: problem(lambda x, a: a * x, constants={"a": 2.0}, reductions={"a": total(lambda x: x)}),
        "Reduction 'a' of mine is taken; give it another name.",
    ),
    "reserved in messages": (
        lambda: ts.Optimizer("own", Round(Stage(lambda g: g, ("p",)), Stage(lambda x: x, ("x",))), rows=("p",)),
        "State row 'p' of own is taken",
    ),
    "no identifier": (lambda: optimizer(rows=("m 1",)), "State row 'm 1' of own is no name; use letters"),
    "letters for names": (lambda: optimizer(rows="mv"), "rows = 'mv' must be a tuple of names, such as ('m', 'v')."),
    "unknown place": (
        lambda: ts.Optimizer("own", Round(Stage(lambda g: g, ("q",)), Stage(lambda x: x, ("x",)))),
        "Unknown place of own 'q'",
    ),
    # results
    "a result too few": (lambda: optimizer(descend), "Rule descend of own returns 1 number; it must return 2: the new x, m."),
    "a result too many": (lambda: optimizer(lambda x, m: (x, m, m)), "returns 3 numbers; it must return 2: the new x, m."),
    "a row that is not declared": (lambda: optimizer(rows=()), "names 'm', which is not declared"),
    "two for a gradient": (lambda: problem(lambda x: (x, x)), "returns 2 numbers; it must return 1: coordinate 0."),
    "one for a plane": (
        lambda: problem(lambda x0, x1: x0, dim=2),
        "returns 1 number; it must return 2: coordinate 0, coordinate 1.",
    ),
    "two for a term": (
        lambda: optimizer(reductions={"size": total(lambda g: (g, g))}),
        "returns 2 numbers; it must return 1: size.",
    ),
    "two for a schedule": (lambda: ts.Schedule("own", lambda t: (t, t)), "it must return 1: the factor."),
    "measures": (
        lambda: problem(lambda x: x, measure=lambda x: x, measures=("gap", "distance")),
        "returns 1 number; it must return 2: gap, distance.",
    ),
    "nothing": (lambda: problem(lambda x: None), "uses or returns None on some branch; it must return numbers on all of them."),
    "a list": (lambda: problem(lazy_values), "Rule lazy_values of mine returns [0.5]; it must return real numbers."),
    "text": (lambda: problem(lambda x: "a"), "returns 'a'; it must return real numbers."),
    "a complex number": (lambda: problem(lambda x: 1j * x), "returns 0.5j; it must return real numbers."),
    # what cannot be called
    "an index": (lambda: problem(lambda x: x[0]), "Rule <lambda> of mine cannot be called: 'float' object is not subscriptable."),
    "no domain": (lambda: problem(lambda x: math.log(-abs(x) - 1.0)), "fails for every number tried: math domain error."),
    "an undefined name": (lambda: problem(lambda x: x + nowhere), "uses 'nowhere', which is not defined where it was written."),  # noqa: F821
    # whole numbers, which are cut to 64 bits where they are compiled
    "a negative power": (
        lambda: ts.Schedule("own", lambda t: 2**-t),
        "Rule <lambda> of schedule own has 2 ** -t, which can leave the 64 bits of compiled whole numbers; "
        "begin with a real number, 2.0.",
    ),
    "a high power": (lambda: ts.Schedule("own", lambda t: t**20), "has t ** 20, which can leave"),
    "a square of the step": (lambda: ts.Schedule("own", lambda t: 1.0 / (t * t)), "a real number, float(t)."),
    "a power on one branch": (lambda: problem(lambda x, t: x * t**3 if x > 0.7 else x), "has t ** 3, which can"),
    "a power in a helper": (lambda: problem(lambda x, index: x * halved(index)), "has 2 ** -index, which can"),
    "a power of a default": (lambda: problem(lambda x, t, base=3: x * base**t), "number, float(base)."),
    "a cube of indices": (lambda: problem(lambda x, i, d: x + i * d * d), "has (i * d) * d, which can leave"),
    "a shift": (lambda: problem(lambda x, t: x * (1 << t)), "shifts a whole number; multiply by a power of 2.0."),
    # calls that compiled code has not
    "keyword only": (
        lambda: problem(lambda *, x: x), "Rule <lambda> of mine takes 'x' by keyword only, which compiled code cannot do; drop the * before it.",
    ),
    "a helper with keywords": (
        lambda: problem(lambda x: scaled(x, by=2.0)),
        "Rule <lambda> of mine calls scaled, which takes 'by' by keyword only, which compiled code cannot do; drop the * before it.",
    ),
    "a helper with any keywords": (
        lambda: problem(lambda x: keywords(x, by=2.0)),
        "calls keywords, which takes any keyword, which compiled code cannot do; drop the **.",
    ),
    "keywords in a kernel": (
        lambda: ts.Sweep(problem(kernel_with_keywords), ts.gd(0.1), steps=1),
        "Kernel kernel_with_keywords of mine calls scaled, which takes 'by' by keyword only",
    ),
    "a call of itself": (lambda: problem(lambda x: endless(x)), "calls endless, which calls itself; write a loop."),
    # no plain functions
    "a built-in": (lambda: optimizer(print), "<built-in function print> is no rule: give a plain Python function"),
    "a partial": (lambda: optimizer(functools.partial(heavy, beta=0.5)), "is no rule: give a plain Python function"),
    "an object": (lambda: optimizer(Callable_()), "is no rule: give a plain Python function"),
    "a number": (lambda: problem(1.0), "1.0 is no rule: give a plain Python function"),
    "a term that is none": (lambda: total(abs), "<built-in function abs> is no rule"),
    "stars": (lambda: problem(lambda *x: x[0]), "<lambda> takes *x; a rule names each of its arguments."),
    "a rule for a reduction": (
        lambda: optimizer(reductions={"size": lambda g: g}),
        "Reduction 'size' of own is <function",
    ),
    # declarations
    "fold": (lambda: Reduction("product", lambda g: g), "Unknown fold 'product'"),
    "over": (lambda: Reduction("sum", lambda g: g, "lanes"), "Unknown range of a reduction 'lanes'"),
    "shared": (lambda: optimizer(shared=("v",)), "Unknown state row of own 'v'"),
    "shared without a rule": (
        lambda: optimizer(lambda g, lr, beta, x: x, shared=("m",)),
        "shared = ('m',) of own are written by the rule once, which it lacks; give it.",
    ),
    "a measure named as an output": (
        lambda: optimizer(reductions={"s": total(lambda m: m)}, measure=lambda s: s, measures=("x",)),
        "Measure 'x' of own is taken; give it another name.",
    ),
    "a reduction of itself": (
        lambda: optimizer(reductions={"s": total(lambda m, s: m + s)}),
        "Reduction 's' of own names itself; give its term another argument.",
    ),
    "an axis and a measure": (
        lambda: ts.Sweep(
            problem(lambda x, gap: gap * x, constants={"gap": 1.0}, measure=lambda x: x, measures=("gap",)),
            optimizer(), {"gap": [1.0, 2.0]}, checkpoints=2,
        ),
        "'gap' is an axis and a measure with checkpoints; rename the parameter.",
    ),
    "measure without names": (lambda: problem(lambda x: x, measure=lambda x: x), "give both."),
    "constants of another length": (
        lambda: problem(lambda x, a: a * x, constants={"a": (1.0, 2.0)}, dim=3),
        "a has 2 values for the 3 coordinates of mine.",
    ),
    "two uniforms": (lambda: Noise("own", lambda u, v: u + v), "names v, its second uniform; give draws=2."),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_sentence(name: str) -> None:
    build, message = MISTAKES[name]
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as caught:
        build()
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_results_are_numbers_of_binary64_whatever_a_rule_returns() -> None:
    def gradient(kind: float, x: float) -> float:
        return x > 0.0 if kind == 0.0 else 3 if kind == 1.0 else np.float32(0.1)

    sweep = ts.Sweep(
        problem(gradient, constants={"kind": 0.0}), ts.sgd(1.0), {"kind": [0, 1, 2]}, steps=1, x0=1.0
    )
    assert sweep.run().x_final.values.ravel().tolist() == [0.0, -2.0, 1.0 - float(np.float32(0.1))]


@pytest.mark.parametrize(
    "value", [lambda x: True, lambda x: 7, lambda x: np.float32(0.1)], ids=["bool", "int", "float32"]
)
@pytest.mark.parametrize("lanes", [1, 40])
def test_steps_are_taken_in_binary64(value: Any, lanes: int) -> None:
    """A step that is given, and returns, whole or narrow numbers stores them as 64-bit floats.

    So does the pair kernel.
    """

    def step(g: float, lr: float, x: float, m: float) -> tuple[float, float]:
        return x / 3.0 - g / 7.0, g

    one = ts.Optimizer("own", step, rows=("m",))
    grid = ts.Sweep(problem(value), one, {"lr": np.linspace(0.1, 0.2, lanes)}, steps=2, x0=0.1).run()
    g, x = float(value(0.0)), 0.1
    for _ in range(2):
        x = x / 3.0 - g / 7.0
    assert grid.x_final.dtype == np.float64
    assert (grid.x_final.values == x).all()
    assert (grid.state_final.values == g).all()


def test_a_name_after_a_default_value_is_bound() -> None:
    def step(g: float, lr: float, x: float, scale: float = 1.0, shift: float = 0.0) -> float:
        return x - lr * scale * (g + shift)

    own = ts.Optimizer("own", step, 1.0, {"shift": 0.0})
    sweep = ts.Sweep(problem(lambda x: 0.0 * x), own, {"shift": [0.0, 1.0, 2.0]}, steps=3)
    assert sweep.run().x_final.values.ravel().tolist() == [0.0, -3.0, -6.0]


def test_the_term_of_a_reduction_may_have_any_name() -> None:
    def term(x: float) -> tuple[float, float]:
        return x, x * x

    own = problem(
        lambda x: x, dim=2, start=(1.0, 3.0), reductions={("a", "b"): total(term)},
        measure=lambda a, b: (a, b), measures=("sum", "squares"), 
    )  # fmt: skip
    run = ts.simulate(own, ts.gd(1e-300), steps=1)
    assert (run.sum_final.item(), run.squares_final.item()) == (4.0, 10.0)


def test_a_rule_may_name_only_some_of_the_points() -> None:
    def gradient(x1: float) -> tuple[float, float]:
        return 1.0, x1

    run = ts.simulate(problem(gradient, dim=2, start=1.0), ts.gd(0.5), steps=1, seeds=20)
    assert run.x_final.values.tolist() == [[0.5, 0.5]] * 20


@pytest.mark.parametrize("dim", [1, 10])
def test_a_constant_may_be_named_x1_where_no_coordinate_is(dim: int) -> None:
    one = problem(lambda x, x1: x1 * x, constants={"x1": 2.0}, dim=dim, start=1.0)
    assert (ts.simulate(one, ts.gd(0.25), steps=1).x_final == 0.5).all()


def test_rules_that_see_every_worker_know_their_number() -> None:
    own = ts.Optimizer(
        "own", lambda x, slope, workers: x + 10.0 * workers + slope, 0.1,
        reductions={"slope": total(lambda g: g, over="workers")},
    )  # fmt: skip
    run = ts.Sweep(problem(lambda x, j: 0.0 * x + j), own, {"workers": [1, 2, 4]}, steps=1).run()
    assert run.x_final.values.ravel().tolist() == [10.0, 21.0, 46.0]


def test_a_measure_of_the_optimizer_sees_the_mean_gradient() -> None:
    """Worker j has the gradient j, so the mean of 4 workers is 1.5."""
    own = ts.Optimizer(
        "own", descend, 0.1, reductions={"slope": total(lambda g: g)}, measure=lambda slope: slope,
        measures=("slope",),
    )  # fmt: skip
    run = ts.simulate(problem(lambda x, j: 0.0 * x + j), own, steps=3, workers=4, running=True)
    assert run.slope_mean.item() == 1.5


@pytest.mark.parametrize("seeds", [1, 40])
@pytest.mark.parametrize("s", [0.0, 1.0])
def test_a_measure_of_the_optimizer_sees_what_the_next_step_starts_from(seeds: int, s: float) -> None:
    """x counts the steps; after c of them t = c + 1 and lr_t = 1/t^s."""
    own = ts.Optimizer(
        "own", lambda x: x + 1.0, 1.0, reductions={"place": total(lambda x: x)},
        measure=lambda place, t, lr: (place, t, lr), measures=("place", "step", "rate"),
        schedule=ts.power(s),
    )  # fmt: skip
    run = ts.simulate(problem(lambda x: x), own, steps=6, checkpoints=(1, 4), running=True, seeds=seeds).isel(
        seed=seeds - 1
    )
    steps = np.array([2.0, 5.0, 7.0])
    assert (run.place.values == steps - 1.0).all()
    assert (run.step.values == steps).all()
    assert (run.rate.values == 1.0 / steps**s).all()
    means = [np.mean([1.0 / t**s for t in range(1, c + 1)]) for c in (1, 4, 6)]  # over x_1 ... x_c
    np.testing.assert_allclose(run.rate_mean.values, means, rtol=1e-15)


def test_powers_of_whole_numbers_are_the_same_in_every_arithmetic() -> None:
    def factor(t: int, s: float) -> float:
        small = 2.0**-t + float(t) ** 20 + t**-s
        return small + (t % 10) ** 3 + 1000 * t - (-t) // 3 + (t > 2) * t

    def move(lr: float, x: float) -> float:
        return x + lr

    problem, schedule = ts.Problem("none", lambda x: 0.0), ts.Schedule("own", factor, {"s": 0.25})
    own = ts.Optimizer("own", move, 1.0, schedule=schedule)
    steps = 30
    compiled = ts.simulate(problem, own, steps=steps).x_final.item()
    exact = replay.run(problem, own, steps, digits(40)).x[0]
    arrays = trace.elementwise(factor)
    assert compiled == pytest.approx(float(exact), rel=1e-14)
    assert sum(float(arrays(t, 0.25)[0]) for t in range(1, steps + 1)) == pytest.approx(
        float(exact), rel=1e-14
    )

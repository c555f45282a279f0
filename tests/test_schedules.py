"""Schedules of the literature: values by hand, every machine that runs one, and printing and typing them again."""

import math
import os
from fractions import Fraction
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import smooth
from tests.test_schedule import UNIT, steps_of
from theory_sim.app import catalogue
from theory_sim.app.cli import main
from theory_sim.exact.replay import balls, run
from theory_sim.nouns.schedules import SCHEDULES, weighted
from theory_sim.rules.javascript import javascript

T = 12
# One of each, with every argument away from its default.
EACH = {
    "constant": ts.constant(),
    "power": ts.power(0.7),
    "linear": ts.linear(T),
    "linear_decay": ts.linear_decay(T, 3),
    "polynomial_decay": ts.polynomial_decay(T, 1.5, 3),
    "cosine": ts.cosine(T, 0.1, 3),
    "cosine_restarts": ts.cosine_restarts(5, 0.1, 2),
    "step_decay": ts.step_decay(T, 0.5, 3),
    "exponential_decay": ts.exponential_decay(T, 3.0, 3),
    "inverse_sqrt": ts.inverse_sqrt(3),
    "rex": ts.rex(T, 0.7, 3),
    "wsd": ts.wsd(T, 0.4, 0.5, 3),
    "wsd_cosine": ts.wsd_cosine(T, 0.4, 3),
    "power_decay": ts.power_decay(T, 0.6, 2.0, 0.25, 0.1, 4),
    "infinite": ts.infinite(3, 4, 8, 3, 0.4, 0.02),
    "tabulated": ts.tabulated((0.5, 1.0, 0.25)),
}


def test_every_schedule_is_tried() -> None:
    assert EACH.keys() == SCHEDULES.keys()
    assert {name: made.name for name, made in EACH.items()} == {name: name for name in EACH}


# z = (t - 1)/4 = 0, 1/4, 1/2, 3/4, 1: REX is (1 - z)/(1 - z/2) = 1, (3/4)/(7/8), (1/2)/(3/4), (1/4)/(5/8), 0.
# cos(pi z) = 1, sqrt(1/2), 0, ...; 1 - t/5 for the decays that count the step after the last.
HALF = 0.5 * (1.0 + math.sqrt(0.5))
VALUES = {
    "rex": (ts.rex(4), [1, 6 / 7, 2 / 3, 0.4, 0, 0]),
    "rex is linear at b = 0": (ts.rex(4, 0.0), [1, 0.75, 0.5, 0.25, 0, 0]),
    "cosine": (ts.cosine(4), [1, HALF, 0.5, 1 - HALF, 0, 0]),
    "cosine with a floor": (ts.cosine(4, 0.2), [1, 0.2 + 0.8 * HALF, 0.6, 1 - 0.8 * HALF, 0.2, 0.2]),
    "cosine_restarts": (ts.cosine_restarts(2), [1, 0.5, 1, 0.5, 1]),
    "cosine_restarts, warmed up": (ts.cosine_restarts(3, 0.2, 1), [0, 1, 0.6, 0, 1, 0.6]),
    "linear_decay": (ts.linear_decay(4), [0.8, 0.6, 0.4, 0.2, 0, 0]),
    # the warm-up ends with step 2, and two steps are left of three
    "warmed up": (ts.linear_decay(4, 2), [0, 0.5, 2 / 3, 1 / 3, 0]),
    "polynomial_decay": (ts.polynomial_decay(4, 2.0), [0.64, 0.36, 0.16, 0.04, 0]),
    "polynomial_decay at p = 0": (ts.polynomial_decay(4, 0.0), [1, 1, 1, 1, 1]),
    "step_decay": (ts.step_decay(10), [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]),
    "exponential_decay": (ts.exponential_decay(2, math.log(16.0)), [1, 0.25, 1 / 16, 1 / 16]),
    "inverse_sqrt": (ts.inverse_sqrt(), [1, 1, 2**-0.5, 3**-0.5, 0.5]),
    "inverse_sqrt, warmed up": (ts.inverse_sqrt(2), [0, 0.5, 1, (2 / 3) ** 0.5, 0.5**0.5]),
    # the last 2 of 10 steps are cooled, u = 1/3 and 2/3; the step after them would be 0
    "wsd": (ts.wsd(10), [1, 1, 1, 1, 1, 1, 1, 1, 2 / 3, 1 / 3, 0]),
    "wsd, 1 - sqrt": (ts.wsd(5, 0.4, 0.5), [1, 1, 1, 1 - 3**-0.5, 1 - (2 / 3) ** 0.5, 0]),
    "wsd, 1 - square": (ts.wsd(5, 0.4, 2.0), [1, 1, 1, 8 / 9, 5 / 9, 0]),
    "wsd_cosine": (ts.wsd_cosine(5, 0.4), [1, 1, 1, 0.75, 0.25, 0]),
    # t^-1 from t = 2 on, held at t = 8, and then .01^(1/2), .01^1
    "power_decay": (
        ts.power_decay(10, 1.0, 2.0, 0.2, 0.01),
        [1, 1, 2 / 3, 1 / 2, 2 / 5, 1 / 3, 2 / 7, 1 / 4, 1 / 40, 1 / 400, 1 / 400],
    ),
    "tabulated": (ts.tabulated((0.5, 2.0)), [0.5, 2, 2]),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_by_hand(name: str) -> None:
    schedule, expected = VALUES[name]
    # 1e-15: one or two roundings
    assert schedule.factors(len(expected)) == pytest.approx(expected, rel=1e-15, abs=1e-16)


def test_the_infinite_schedule_at_the_published_numbers() -> None:
    found = ts.infinite(10, 20, 70, 30).factors(101)[[0, 5, 10, 20, 30, 69, 70, 85, 100]]
    # halfway down the cosine .3 + .7/2; halfway through the annealing sqrt(.3 x .01)
    assert found == pytest.approx([0, 0.5, 1, 0.65, 0.3, 0.3, 0.3, 0.003**0.5, 0.01], rel=1e-14)


def test_the_crossover_of_the_power_scheduler() -> None:
    n = ts.power_crossover(0.02, 4.0)
    assert n == pytest.approx(32495.5, rel=1e-6)
    assert 4.0 * n**-0.51 == pytest.approx(0.02, rel=1e-14)


# Each takes most of a second to compile: one that is asked for by many, and one that is no rule.
COMPILED = [*EACH] if os.environ.get("THEORY_SIM_TIER") == "full" else ["cosine", "tabulated"]


@pytest.mark.parametrize("name", COMPILED)
def test_lanes_see_the_factors(name: str) -> None:
    taken = steps_of(UNIT, EACH[name], T + 3)
    # x is a sum of up to 15 steps, so a difference of its values is off by 15 roundings at most
    assert taken == pytest.approx(EACH[name].factors(T + 3).tolist(), abs=15 * 15 * 2.0**-53)


@pytest.mark.parametrize("name", EACH)
def test_a_printed_schedule_typed_again_is_the_same(name: str) -> None:
    schedule = EACH[name]
    text = str(schedule).replace("(", ":", 1)[:-1].rstrip(":")
    again = catalogue.build_schedule(text.replace(", ", ",") if name != "tabulated" else text)
    assert str(again) == str(schedule)
    assert again.factors(T).tolist() == schedule.factors(T).tolist()
    assert str(eval(str(schedule), {}, dict(SCHEDULES))) == str(schedule)


RULES = [name for name in EACH if name != "tabulated"]


@pytest.mark.parametrize("name", RULES)
def test_balls_enclose_the_factors(name: str) -> None:
    problem = smooth.quadratic(1)
    exact = run(problem, ts.sgd(0.1, schedule=EACH[name]), T, balls(80), exactly={"lr": Fraction(1, 10)})
    # a gradient of x multiplies x by 1 - lr_t
    expected = math.prod(1.0 - 0.1 * factor for factor in EACH[name].factors(T))
    assert float(exact.x[0].mid()) == pytest.approx(expected, rel=1e-14)


def test_tensors_see_the_factors() -> None:
    pytest.importorskip("torch")
    for name in ("step_decay", "cosine", "infinite", "power_decay"):
        sweep = ts.Sweep(smooth.quadratic(1), ts.sgd(0.1, schedule=EACH[name]), steps=T)
        there = sweep.run(backend="torch", device="cpu")
        assert there.x_final.item() == pytest.approx(sweep.run().x_final.item(), rel=1e-13), name


@pytest.mark.parametrize("name", RULES)
def test_the_page_can_compute_it(name: str) -> None:
    assert javascript(EACH[name].rule).startswith("(")


def test_the_command_line_knows_every_schedule() -> None:
    run = CliRunner().invoke
    listed = run(main, ["list", "schedules"]).output
    assert [name for name in SCHEDULES if name not in listed] == []
    told = run(main, ["explain", "rex"]).output
    assert "arXiv:2107.04197" in told
    assert "return _ramp(t, warmup) * (left / (1.0 - b + b * left))" in told
    given = ["--problem", "smooth.quadratic", "--optimizer", "sgd:lr=0.5", "--steps", "2", "--schedule"]
    # x = 1, then 1/2 after a factor of 1, then 3/8 after one of 1/2
    assert "0.375" in run(main, ["simulate", *given, "cosine:T=2"]).output
    assert "did you mean cosine" in run(main, ["simulate", *given, "cosin:T=2"]).output


def test_parameters_are_axes() -> None:
    sweep = ts.Sweep(
        UNIT, ts.sgd(1.0, schedule=ts.wsd(4)), {"cooldown": [0.5, 1.0], "p": [0.5, 1.0]}, steps=4, x0=0.0
    )
    for cooldown in (0.5, 1.0):
        for p in (0.5, 1.0):
            moved = -sweep.run().x_final.sel(cooldown=cooldown, p=p).item()
            assert moved == pytest.approx(ts.wsd(4, cooldown, p).factors(4).sum(), rel=1e-14)


@given(st.integers(1, 40), st.floats(0.0, 0.99))
def test_rex_is_above_linear_decay_and_below_one(steps: int, b: float) -> None:
    found, line = ts.rex(steps, b).factors(steps), ts.linear(steps).factors(steps)
    assert (found >= line - 1e-15).all()
    assert (found <= 1.0 + 1e-15).all()


@given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=30))
def test_weights_and_what_is_left_of_them(weights: list[float]) -> None:
    w = [Fraction(one) for one in weights]
    expected = [float(one * sum(w[k + 1 :]) / sum(w)) for k, one in enumerate(w)]
    assert weighted(weights) == pytest.approx(expected, rel=1e-13, abs=0.0)


def test_constant_norms_refine_to_linear_decay() -> None:
    # w = 1: (T - t)/T, over its peak (T - 1)/T, which the median of equal numbers does not change
    for smoothing in (0.0, 0.5):
        found = ts.refined([3.0] * 5, smoothing).factors(5)
        assert found == pytest.approx([1, 3 / 4, 1 / 2, 1 / 4, 0], rel=1e-15)


def test_a_median_takes_one_spike_away() -> None:
    norms = [1.0] * 9
    norms[4] = 100.0
    assert ts.refined(norms, 0.4).factors(9) == pytest.approx(ts.refined([1.0] * 9, 0.0).factors(9))
    assert ts.refined(norms, 0.0).factors(9)[4] < 1e-3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ts.cosine(0), "T = 0 must be an integer"),
        (lambda: ts.cosine(10, warmup=9.5), "warmup = 9.5"),
        (lambda: ts.rex(10, 1.0), "b = 1.0"),
        (lambda: ts.cosine_restarts(0), "period = 0"),
        (lambda: ts.wsd(10, warmup=9), "ends after the cooldown"),
        (lambda: ts.power_decay(10, decay=0.5, warmup=9), "ends after the decay"),
        (lambda: ts.infinite(5, 5, 9, 1), "start = 9"),
        (lambda: ts.infinite(5, 5, 10, 1, 0.1, 0.2), "floor = 0.2"),
        (lambda: ts.tabulated(()), "empty"),
        (lambda: ts.tabulated((1.0, math.nan)), "values = nan"),
        (lambda: ts.refined([1.0, 0.0]), "norms"),
        (lambda: weighted([1.0, -1.0]), "weights"),
        (lambda: ts.tabulated((1.0,)).replace(s1=2.0), "Unknown parameter of tabulated"),
        (
            lambda: ts.Sweep(smooth.quadratic(1), ts.sgd(schedule=EACH["tabulated"]), steps=2).run(
                backend="torch"
            ),
            "kernel written by hand",
        ),
    ],
)
def test_impossible_schedules(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()

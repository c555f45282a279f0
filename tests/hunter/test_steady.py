"""Limit systems: what rules become for t -> infinity, identities, and the drift in floats, balls and runs."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from theory_sim.evidence.hunter import blackbox, orbit
from theory_sim.evidence.hunter.candidates import Candidates
from theory_sim.evidence.hunter.certificate import exact
from theory_sim.evidence.hunter.formula import ONE, ZERO, affine, make, name, number
from theory_sim.evidence.hunter.steady import NoFormula, steady
from theory_sim.nouns.optimizer import Optimizer

pytest.importorskip("flint")

FULL = os.environ.get("THEORY_SIM_TIER") == "full"

M, V = "beta1 * m + (1 - beta1) * g", "beta2 * v + (1 - beta2) * g * g"


def test_bias_corrections_are_gone_in_the_limit() -> None:
    found = steady(ts.adam())
    update = f"({M}) / (sqrt({V} + eps_inside) + eps_outside)"
    assert found.formulas == {"m": M, "v": V, "update": update}
    assert steady(ts.adam(bias_correction=False)).formulas == found.formulas


def test_powers_of_the_step_have_their_limits() -> None:
    # mu_t = beta1 (1 - 0.96^(t decay)/2) tends to beta1, and to beta1/2 if the decay is 0
    assert "0.5" not in steady(ts.nadam()).formulas["update"]
    assert "0.5" in steady(ts.nadam(momentum_decay=0.0)).formulas["update"]
    # rho_t tends to 2/(1 - beta2) - 1, where the rectifier is 1
    branch = steady(ts.radam()).formulas["update"].partition(" if ")
    assert branch[0] == f"({M}) / (sqrt({V}) + eps)"
    assert branch[2] == f"2 / (1 - beta2) - 1 > threshold else {M}"


@pytest.mark.parametrize(
    ("optimizer", "identity"),
    [
        (ts.sgd(), "D = S"),
        (ts.sgdm(momentum=0.9), "D = S / (1 - momentum)"),
        (ts.sgdm(convention="ema"), "D = S"),
        (ts.amsgrad(), "D = S / (sqrt(vhat + eps_inside) + eps_outside)"),
        (ts.amsgrad(variant="torch"), "D = S / (sqrt(vhat + eps_inside) + eps_outside)"),
        (ts.amsgrad(decay=0.9), "D = S / (sqrt(vhat + eps_inside) + eps_outside)"),
        (ts.adagrad(), "D = S / (sqrt(v) + eps)"),
        (ts.adam_nc(), "D = S / sqrt(v)"),
        (ts.generic_adam(), "D = S / sqrt(v)"),
    ],
)
def test_methods_without_a_counterexample_have_an_identity(optimizer: Optimizer, identity: str) -> None:
    assert str(steady(optimizer).identity).partition(";")[0] == identity


FAILING = [
    ts.adam(), ts.rmsprop(), ts.nadam(), ts.adabelief(), ts.adamax(), ts.adopt(), ts.ademamix(), ts.lion(),
    ts.signum(), ts.signsgd(), ts.clipped_gd(), ts.normalized_gd(), ts.cautious_sgdm(), ts.radam(), ts.adan(),
    ts.cautious_lion(), ts.rmsprop_momentum(), ts.centered_rmsprop(), ts.generalized_signsgd(),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", FAILING, ids=lambda one: one.name)
def test_what_can_fail_has_no_identity(optimizer: Optimizer) -> None:
    assert steady(optimizer).identity is None


@pytest.mark.parametrize(
    ("optimizer", "why"),
    [
        (ts.adamw(), "set weight_decay=0"),
        (ts.yogi(), "no moving average and no maximum"),
        (ts.ef_signsgd(), "not proportional to lr"),
        (ts.ef_sgd(), "sends messages"),
        (ts.schedule_free_sgd(), "keeps its iterate"),
    ],
)
def test_what_has_no_formula_says_why(optimizer: Optimizer, why: str) -> None:
    with pytest.raises(NoFormula, match=why):
        steady(optimizer)


def test_a_circle_of_rows_is_refused() -> None:
    def ring(g: float, lr: float, x: float, a: float, b: float) -> tuple[float, float, float]:
        return x - lr * a, 0.5 * b + g, 0.5 * a

    with pytest.raises(NoFormula, match="in a circle: a, b"):
        steady(Optimizer("ring", ring, rows=("a", "b")))


def test_what_alternates_for_ever_has_no_limit() -> None:
    # (-1)^t is no number for t -> infinity, though pow(-1, inf) is 1 in floats
    def turning(g: float, lr: float, t: int, x: float) -> float:
        return x - lr * (-1.0) ** t * g

    with pytest.raises(NoFormula, match="has no limit"):
        steady(Optimizer("turning", turning, rows=()))


# beta2 = 0.9: the state forgets at 0.9^3 per period, 1e-16 after 120 periods
RUNS: list[tuple[Callable[[], Optimizer], tuple[int, ...]]] = [
    (lambda: ts.adamax(beta2=0.9), (7, -1, -2)),
    (lambda: ts.lion(), (8, -4, -3)),
    (lambda: ts.cautious_sgdm(), (22, 0, -21)),
    (lambda: ts.adam(beta2=0.9), (5, -1, -2)),
    (lambda: ts.rmsprop(beta2=0.9), (22, -6, -15)),
    (lambda: ts.adabelief(beta2=0.9), (7, -1, -2, 3)),
    (lambda: ts.adopt(beta2=0.9), (7, -1, -2)),
    (lambda: ts.cautious_lion(), (7, -4, -1)),
    (lambda: ts.adan(beta1=0.9, beta3=0.9), (7, -4, -1)),
    (lambda: ts.generalized_signsgd(beta2=0.9), (7, -4, -1)),
]


# every rule is compiled, which takes seconds
@pytest.mark.parametrize(("make_one", "gradients"), RUNS if FULL else RUNS[:1])
def test_drifts_in_floats_in_balls_and_of_runs_agree(
    make_one: Callable[[], Optimizer], gradients: tuple[int, ...]
) -> None:
    optimizer = make_one()
    system = steady(optimizer)
    found, size = (one[0] for one in Candidates(system).drifts(gradients))
    ball = orbit.drift(system, exact(system), gradients)
    assert abs(found - float(ball.mid())) <= 1e-12 * size  # a few hundred roundings
    # corrections die out like 0.999^t or faster; after 2000 steps of what is left 1e-9 and less
    run = blackbox.drifts(optimizer, np.array([gradients], dtype=float), 1000)[0]
    assert abs(run - found) <= 1e-6 * size


def test_a_maximum_is_on_its_orbit_wherever_the_period_begins() -> None:
    # m = 0 and beta2 = 1/2: u = 7, 3.5, 2 after the gradients 7, -1, -2, so D = 1 - 2/7 - 1
    found = Candidates(steady(ts.adamax(beta1=0.0, beta2=0.5, eps=0.0)))
    drifts = found.drifts([(7, -1, -2), (-1, -2, 7), (-2, 7, -1)])[0]
    assert np.allclose(drifts, -2 / 7, rtol=0, atol=1e-15)
    # updates 9/9, 1/4.5, -1/2.25 begin with the peak; from u = 0 on, -1 before it would count as -1/1
    assert np.allclose(found.drifts([(9, 1, -1), (1, -1, 9)])[0], 7 / 9, rtol=0, atol=1e-15)


@given(
    g=st.lists(st.integers(-30, 30), min_size=2, max_size=6),
    beta1=st.sampled_from(["0", "0.5", "0.9"]),
    beta2=st.sampled_from(["0.1", "0.9", "0.999"]),
)
def test_the_drift_of_adam_is_odd_and_scales(g: list[int], beta1: str, beta2: str) -> None:
    if not any(g):
        return
    system = steady(ts.adam(eps=0.0))
    hyper = {"beta1": Fraction(beta1), "beta2": Fraction(beta2), "eps_inside": Fraction(0)}
    hyper["eps_outside"] = Fraction(0)
    one, minus, triple = (orbit.drift(system, hyper, [k * a for a in g]) for k in (1, -1, 3))
    assert (one + minus).contains(0)
    assert (one - triple).contains(0)


def test_the_argument_of_a_sign_must_not_vanish() -> None:
    # beta = 1/2 and (2, -1): m1 = (m2 + 2)/2 and m2 = (m1 - 1)/2, so m1 = 1 and m2 = 0
    system = steady(ts.signum(beta=0.5))
    assert orbit.wrong(system, exact(system), (2, -1)) is None
    # a drift of 0 is not wrong: 2 clipped at 1, and -1
    clipped = steady(ts.clipped_gd(threshold=1.0))
    assert orbit.wrong(clipped, exact(clipped), (2, -1)) is False
    # g = 0 gives a mask m g that is 0 at every state: nothing is undecided
    masked = steady(ts.cautious_sgdm())
    assert orbit.wrong(masked, exact(masked), (22, 0, -21)) is True
    assert orbit.wrong(masked, exact(masked), (22, 0, -20)) is False


def test_algebra() -> None:
    a, b = name("a"), name("b")
    assert make("+", a, make("-", b, a)) is b
    assert make("*", a, ZERO) is ZERO
    assert make("/", a, a) is ONE
    assert make("**", a, number(2.0)) is make("*", a, a)
    assert affine(make("+", make("*", a, b), b), "a") == (b, b)
    assert affine(make("*", a, a), "a") is None
    with pytest.raises(ValueError, match="no limit"):
        make("*", number(math.inf), ZERO)


def test_frozen_dataclass_values_follow_the_optimizer() -> None:
    changed = replace(ts.adam(), hyper={**ts.adam().hyper, "beta2": 0.5})
    assert steady(changed).values["beta2"] == 0.5

"""Theorems of Reddi et al. 2018: bounds hold where the conditions do, and fail where the theorems are sharp."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import reddi, shi
from counterexamples.linear import MODELS, hindsight_regret, linear
from paper_checks.reddi2018 import theorems as reddi2018
from paper_checks.reddi2018.theory import ROOT, paper_adam
from tests.strategies import axis, examples
from theory_sim.evidence.trial import Trial, put_on_trial, trials
from theory_sim.nouns.theorem import Answer, Theorem

FEW = settings(derandomize=True, deadline=None)


def agree(found: list[Trial]) -> None:
    for trial in found:
        assert trial.applies is Answer.HOLDS, trial.conclusion()
        assert trial.respected, trial.conclusion()


def failed(trial: Trial) -> list[str]:
    return [str(row.condition) for row in trial.assessment.failed]


@settings(FEW, max_examples=examples(8))
@given(
    C=axis(2.01, 50.0, 2, log=True),
    share=st.floats(0.01, 1.0),
    small=st.sampled_from([0.125, 1.0, 8.0]),
    lr=axis(0.01, 3.0, 2, log=True),
    s=axis(0.0, 0.5, 2),
)
def test_theorem_1(C: list[float], share: float, small: float, lr: list[float], s: list[float]) -> None:
    # A product of a power of two loses nothing, so C/small is the C drawn.
    problem = reddi.periodic(3.0 * small, small=small, period=3, x0=1.0)
    optimizer = paper_adam(0.0, 0.999999 * share / (1.0 + max(C) ** 2))
    axes = {"C": [small * c for c in C], "lr": lr, "s": s}
    agree(trials(reddi2018.THEOREM_1, ts.Sweep(problem, optimizer, axes, steps=1_000)))


@pytest.mark.parametrize(
    ("names", "condition"),
    [
        ({"x0": 0.999}, "the start is the wrong corner, x_1 = 1"),
        ({"beta2": 0.1001}, "beta2 at most 1/(1+C^2)"),
        ({"beta1": 0.1}, "no momentum"),
        ({"period": 4, "C": 4.0, "beta2": 0.05}, "period 3"),
        ({"s": 0.6}, "the step size falls at most like 1/sqrt(t)"),
        ({"eps": 1e-12}, "no eps inside the root"),
    ],
)
def test_theorem_1_names_the_one_condition_that_fails(names: dict[str, float], condition: str) -> None:
    assert failed(put_on_trial(reddi2018.THEOREM_1, names=names, run=False)) == [condition]


def test_theorem_1_without_its_beta2_adam_converges() -> None:
    # The exact critical beta2 at C = n = 3 is .472313.
    trial = put_on_trial(reddi2018.THEOREM_1, names={"beta2": 0.6, "steps": 30_000})
    assert failed(trial) == ["beta2 at most 1/(1+C^2)"]
    assert trial.ended == "CONVERGED"
    assert isinstance(trial.observed, float)
    assert trial.observed < (2.0 * 3.0 - 4.0) / 3.0


def smallest_period(beta1: float, beta2: float) -> int:
    """Smallest period C, to a factor 1.2, at which the conditions of Theorem 2 hold."""
    C = 4
    while (
        put_on_trial(
            reddi2018.THEOREM_2,
            reddi.periodic(float(C), x0=1.0),
            names={"beta1": beta1, "beta2": beta2},
            run=False,
        ).applies
        is not Answer.HOLDS
    ):
        C = math.ceil(1.2 * C)
    return C


@settings(FEW, max_examples=examples(8))
@given(
    beta2=st.floats(0.05, 0.95),
    part=st.floats(0.0, 0.8),
    lr=axis(0.01, 3.0, 4, log=True),
    s=axis(0.0, 0.5, 2),
)
def test_theorem_2(beta2: float, part: float, lr: list[float], s: list[float]) -> None:
    beta1, beta2 = round(part * math.sqrt(beta2), 4), round(beta2, 4)
    # s = 1/2 is the hardest: the later steps, which carry x back, are the smallest.
    C = smallest_period(beta1, beta2)
    sweep = ts.Sweep(
        reddi.periodic(float(C), x0=1.0), paper_adam(beta1, beta2), {"lr": lr, "s": s}, steps=10 * C + C // 3
    )
    agree(trials(reddi2018.THEOREM_2, sweep))


def test_theorem_2_on_a_period_too_short() -> None:
    trial = put_on_trial(reddi2018.THEOREM_2, reddi.periodic(10.0, x0=1.0), names={"beta2": 0.99})
    assert failed(trial) == ["the small slopes carry x back within a period"]
    # beta2 = .99 is above the exact critical .955443 at C = 10.
    assert trial.ended == "CONVERGED"
    assert trial.respected is None


def test_theorem_2_for_another_algorithm_or_problem_is_undecided() -> None:
    optimizer = ts.rmsprop(0.5, 0.9, schedule=ROOT)
    trial = put_on_trial(reddi2018.THEOREM_2, optimizer=optimizer, names={}, run=False)
    assert trial.applies is Answer.UNDECIDED
    assert "RMSProp" in trial.foreign
    trial = put_on_trial(reddi2018.THEOREM_2, linear(d=1), names={"x0": 1.0}, run=False)
    assert trial.applies is Answer.UNDECIDED
    reasons = [row.reason for row in trial.assessment.conditions]
    assert any("n (number of components)" in reason for reason in reasons)


@settings(FEW, max_examples=examples(8))
@given(beta1=axis(0.0, 0.6, 2), beta2=axis(0.4, 0.9, 4), n=st.integers(8, 20))
def test_theorem_2_exact(beta1: list[float], beta2: list[float], n: int) -> None:
    sweep = ts.Sweep(
        reddi.periodic(float(n), x0=0.5), paper_adam(0.0, 0.5), {"beta1": beta1, "beta2": beta2}, steps=20_000
    )
    for trial in trials(reddi2018.THEOREM_2_EXACT, sweep):
        drift = trial.values.get("drift", 0.0)
        # At 2e4 steps x has moved by lr |D|/n 2 sqrt(2e4): across the box and ten times more from |D|/n = .1.
        if abs(drift) / n > 0.1 and trial.values["beta1"] < math.sqrt(trial.values["beta2"]):
            assert trial.ended == ("DIVERGED" if drift < 0.0 else "CONVERGED"), trial.conclusion()
            assert trial.applies is (Answer.HOLDS if drift < 0.0 else Answer.FAILS)


def sufficient_slope(beta1: float, beta2: float, delta: float) -> float:
    """C of Theorem 3, written out again."""
    gamma = beta1 / math.sqrt(beta2)
    K = 2.0 * (1.0 - beta1) / math.sqrt(beta2 * (1.0 - beta2))
    B = 1.0 / math.sqrt(1.0 - beta2) + beta1 * K / (1.0 - gamma)
    return max(2.0 * (1.0 + delta), 4.0 * (1.0 + delta) ** 3 * B**2 / (1.0 - beta1) ** 2)


@settings(FEW, max_examples=examples(4))
@given(
    beta1=st.sampled_from([0.0, 0.0, 0.2, 0.5]),
    beta2=st.floats(0.3, 0.95),
    delta=st.floats(0.1, 2.0),
    factor=axis(1.001, 3.0, 2),
    lr=axis(0.01, 1.0, 2, log=True),
)
def test_theorem_3(beta1: float, beta2: float, delta: float, factor: list[float], lr: list[float]) -> None:
    # False alarms: `respected` has one in 3.5e6, 1000 instances: below 1e-3.
    beta2, delta = round(beta2, 4), round(delta, 4)
    C = sufficient_slope(beta1, beta2, delta)
    sweep = ts.Sweep(
        reddi.stochastic(C * 2.0, delta=delta, domain=False),
        paper_adam(beta1, beta2),
        {"C": [C * f for f in factor], "lr": lr},
        steps=60,
        seeds=300,
    )
    agree(trials(reddi2018.THEOREM_3, sweep))


def test_theorem_3_at_a_small_slope_the_step_points_to_the_optimum() -> None:
    # (.9, .99), delta = 1: the sign turns near C = 200, the theorem asks for 2.7e6.
    optimizer = paper_adam(0.9, 0.99)
    problem = reddi.stochastic(20.0, delta=1.0, domain=False)
    trial = put_on_trial(reddi2018.THEOREM_3, problem, optimizer, names={"steps": 5_000, "seeds": 100})
    assert failed(trial) == ["C at least 4 (1 + delta)^3 B^2/(1-beta1)^2"]
    assert isinstance(trial.observed, float)
    assert trial.observed + 5.0 * trial.error < 1.0  # the bound that does not follow


@settings(FEW, max_examples=examples(16))
@given(
    C=st.sampled_from([3.0, 10.0, 30.0]),
    beta1=axis(0.0, 0.7, 2),
    beta2=axis(0.5, 0.999, 2),
    decay=axis(0.01, 0.95, 2),
    lr=axis(0.05, 5.0, 2, log=True),
    T=st.integers(1, 3_000),
)
def test_corollaries(
    C: float, beta1: list[float], beta2: list[float], decay: list[float], lr: list[float], T: int
) -> None:
    problem = reddi.periodic(C, x0=1.0)
    axes: dict[str, Any] = {"beta1": beta1, "decay": decay, "lr": lr}
    amsgrad = ts.amsgrad(0.5, 0.5, 0.9, decay=0.5, schedule=ROOT)
    found = trials(reddi2018.COROLLARY_1, ts.Sweep(problem, amsgrad, {**axes, "beta2": beta2}, steps=T))
    agree([trial for trial in found if trial.values["beta1"] < math.sqrt(trial.values["beta2"])])
    nc = ts.adam_nc(0.5, 0.5, decay=0.5, schedule=ROOT)
    agree(trials(reddi2018.COROLLARY_2, ts.Sweep(problem, nc, axes, steps=T)))


def test_a_constant_beta1_is_outside_the_corollary() -> None:
    trial = put_on_trial(reddi2018.COROLLARY_1, names={"decay": 1.0}, run=False)
    assert failed(trial) == ["beta1_t decays geometrically"]
    assert math.isnan(trial.assessment.bound)


def both_sides(
    optimizer: ts.Optimizer, model: str, T: int, seeds: int, entropy: int
) -> list[tuple[dict[str, float], float]]:
    """Per seed, the data of Theorems 4 and 5 by a numpy recursion, and the average regret of the engine's iterates."""
    fields: dict[str, Any] = {
        "steps": T,
        "checkpoints": range(1, T + 1),
        "entropy": entropy,
        "seeds": seeds,
    }
    run = ts.simulate(linear(model), optimizer, **fields)
    sums = ts.simulate(linear(model, domain=False), ts.sgd(1.0), **fields)
    found = []
    t = np.arange(1.0, T + 1.0)[:, None]
    for seed in range(seeds):
        g = np.diff(-sums.x.values[seed], axis=0, prepend=0.0)
        x = run.x.values[seed]
        regret = hindsight_regret(g, np.concatenate([np.zeros((1, g.shape[1])), x[:-1]]))[-1] / T
        norms = np.sqrt(np.cumsum(g * g, axis=0))
        if "beta2" in optimizer.hyper:
            v, path = np.zeros(g.shape[1]), []
            for row in g:
                v = optimizer.hyper["beta2"] * v + (1.0 - optimizer.hyper["beta2"]) * row**2
                path.append(v)
            root = np.sqrt(np.maximum.accumulate(path, axis=0))
        else:
            root = norms / np.sqrt(t)
        over = root * np.sqrt(t) / optimizer.lr
        weight = optimizer.hyper["beta1"] * optimizer.hyper["decay"] ** (t - 1.0)
        data = {"roots": root[-1].sum(), "weighted": (weight * over).sum(), "norms": norms[-1].sum()}
        if "beta2" not in optimizer.hyper:
            # sqrt(v_t)/lr_t is norm/lr exactly; nine decimals keep rounding from turning
            # equality into a violation.
            data |= {"zeta": optimizer.lr, "slack": np.round(over - norms / optimizer.lr, 9).min() + 0.0}
            data["growth"] = np.round(np.diff(over, axis=0), 9).min() + 0.0
        found.append(({name: float(value) for name, value in data.items()}, float(regret)))
    return found


@settings(FEW, max_examples=examples(10))
@given(
    model=st.sampled_from(list(MODELS)),
    beta1=st.floats(0.0, 0.9),
    decay=st.floats(0.1, 1.0),
    beta2=st.floats(0.85, 0.999),
    lr=st.floats(0.05, 5.0),
    T=st.integers(2, 200),
    entropy=st.integers(0, 10**6),
)
def test_theorems_4_and_5(
    model: str, beta1: float, decay: float, beta2: float, lr: float, T: int, entropy: int
) -> None:
    amsgrad = ts.amsgrad(lr, round(beta1, 4), round(beta2, 4), decay=decay, schedule=ROOT)
    nc = ts.adam_nc(lr, round(beta1, 4), decay=decay, schedule=ROOT)
    for theorem, optimizer in ((reddi2018.THEOREM_4, amsgrad), (reddi2018.THEOREM_5, nc)):
        for data, regret in both_sides(optimizer, model, T, 10, entropy):
            trial = put_on_trial(theorem, linear(model), optimizer, names={"steps": T, **data}, run=False)
            assert trial.applies is Answer.HOLDS, trial.conclusion()
            # Rounding of sums of at most 200 terms.
            assert regret <= trial.assessment.bound * (1.0 + 1e-9)


def test_theorem_4_names_the_data_it_needs() -> None:
    trial = put_on_trial(reddi2018.THEOREM_4, run=False)
    assert trial.applies is Answer.HOLDS
    assert "norms (sum over coordinates" in trial.assessment.reason


@settings(FEW, max_examples=examples(8))
@given(
    C=axis(2.05, 20.0, 2, log=True),
    part=st.floats(0.0, 1.0),
    eps=st.floats(-8.0, 4.0),
    lr=axis(0.01, 3.0, 2, log=True),
    s=axis(0.0, 1.0, 2),
)
def test_theorem_6(C: list[float], part: float, eps: float, lr: list[float], s: list[float]) -> None:
    # scale^2 = 100 eps or more makes e at most 1/100, where half the beta2 of Theorem 1 is small
    # enough at s = 0 and 1/2.
    amount = float(f"{10.0**eps:.4g}")
    scale = 10.0 * math.sqrt(amount)
    problem = reddi.periodic(3.0 * scale, small=scale, period=3, x0=1.0)
    optimizer = paper_adam(0.0, 0.5 * part / (1.0 + max(C) ** 2), amount)
    sweep = ts.Sweep(problem, optimizer, {"C": [scale * c for c in C], "lr": lr, "s": s}, steps=600)
    found = trials(reddi2018.THEOREM_6, sweep)
    agree([trial for trial in found if trial.applies is Answer.HOLDS])
    agree([trial for trial in found if trial.values["s"] <= 0.5])


def test_theorem_6_a_large_eps_does_repair_fixed_slopes() -> None:
    trial = put_on_trial(
        reddi2018.THEOREM_6,
        reddi.rescaled(100.0, scale=1.0),
        paper_adam(0.0, 0.01, 100.0),
        names={"steps": 30_000},
    )
    assert set(failed(trial)) == {"x returns in the first block", "x returns in every later block"}
    assert trial.ended == "CONVERGED"


def test_theorem_1_is_theorem_6_without_eps() -> None:
    for C in (2.0001, 2.5, 5.0, 100.0):
        problem = reddi.periodic(C, period=3, x0=1.0)
        optimizer = paper_adam(0.0, 0.999999 / (1.0 + C * C))
        for theorem in (reddi2018.THEOREM_1, reddi2018.THEOREM_6):
            assert put_on_trial(theorem, problem, optimizer, run=False).applies is Answer.HOLDS


OWN = [
    reddi2018.THEOREM_1,
    reddi2018.THEOREM_2,
    reddi2018.THEOREM_2_EXACT,
    reddi2018.THEOREM_3,
    reddi2018.THEOREM_6,
]


@pytest.mark.parametrize("theorem", OWN, ids=lambda theorem: theorem.id)
def test_a_counterexample_is_about_its_own_problem(theorem: Theorem) -> None:
    trial = put_on_trial(theorem, shi.two_hit(3), run=False)
    assert trial.applies is not Answer.HOLDS
    assert "says nothing about shi.two_hit" in trial.foreign


CYCLIC = [reddi2018.THEOREM_1, reddi2018.THEOREM_2, reddi2018.THEOREM_2_EXACT, reddi2018.THEOREM_6]


@pytest.mark.parametrize("theorem", CYCLIC, ids=lambda theorem: theorem.id)
@pytest.mark.parametrize("order", ["reshuffled", "replacement"])
def test_the_slopes_come_in_cyclic_order(theorem: Theorem, order: str) -> None:
    assert theorem.problem is not None
    assert theorem.optimizer is not None
    sweep = ts.Sweep(theorem.problem(), theorem.optimizer(), steps=30, order=order)
    assert failed(trials(theorem, sweep)[0]) == ["components in cyclic order"]


@pytest.mark.parametrize(
    "theorem",
    [reddi2018.THEOREM_1, reddi2018.THEOREM_2, reddi2018.THEOREM_3, reddi2018.THEOREM_6],
    ids=lambda theorem: theorem.id,
)
def test_the_moments_start_at_rest(theorem: Theorem) -> None:
    assert failed(put_on_trial(theorem, names={"m0": 1.0}, run=False)) == ["m starts at 0"]
    assert failed(put_on_trial(theorem, names={"v0": 1.0}, run=False)) == ["v starts at 0"]


def test_a_library_version_of_amsgrad_is_undecided() -> None:
    data = {"roots": 1.0, "weighted": 1.0, "norms": 1.0}
    names = {"steps": 100, **data}
    for variant in ("torch", "optax", "keras"):
        optimizer = ts.amsgrad(0.5, 0.9, 0.99, variant=variant, schedule=ROOT)
        trial = put_on_trial(reddi2018.THEOREM_4, optimizer=optimizer, names=names)
        assert trial.applies is Answer.UNDECIDED
        assert trial.respected is None
        assert f"variant = {variant} is not decided here" in trial.foreign
    # eps_mode is no other algorithm where eps is 0, which conditions say.
    inside = ts.amsgrad(0.5, 0.9, 0.99, eps_mode="inside", schedule=ROOT)
    assert put_on_trial(reddi2018.THEOREM_4, optimizer=inside, names=names, run=False).applies is Answer.HOLDS

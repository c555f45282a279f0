"""Theorems on compressed messages: instances that satisfy them, and what breaks when one condition does not hold.

A deterministic inequality may be missed by rounding, 1e-9 relative.  Where a mean over seeds stands for an
expectation, the bound is at least twice the observation on these instances, tens of standard errors away.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import quantized
from paper_checks.compression_bounds import recorded
from paper_checks.theorems import compression
from paper_checks.theorems.compression import EXACT, THEOREMS
from tests.strategies import INSTANCES, bounded_inputs, contractions, examples
from theory_sim.compressors import Compressor, identity, l1_sign, rand_k, rms_sign, top_k, weights
from theory_sim.evidence.trial import put_on_trial, run_symbols, trials
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.theorem import Answer, Theorem
from theory_sim.optimizers.feedback import ef21, ef_sgd
from theory_sim.optimizers.gossip import choco
from theory_sim.optimizers.quantized import efficient_adam, qadam
from theory_sim.optimizers.server import comp_ams

SHARES = (0.01, 0.1, 0.5, 0.999)  # of the largest step size
LAW = settings(max_examples=INSTANCES, derandomize=True, deadline=None)
GRIDS = settings(max_examples=examples(2 * len(SHARES)), derandomize=True, deadline=None)
Drawn = tuple[ts.Problem, dict[str, float], dict[str, list[float]]]
SLACK = 1.0 + 1e-9


def bound(theorem: Theorem, **values: float) -> float:
    """The bound of a theorem that applies."""
    assessment = theorem.assess(values)
    assert assessment.applies is Answer.HOLDS, assessment
    return assessment.bound


def q(compressor: Compressor, d: int) -> float:
    return math.sqrt(1.0 - compressor.delta(d))


# Every theorem, put beside its own run.


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.id)
def test_default_run_respects_the_theorem(theorem: Theorem) -> None:
    trial = put_on_trial(theorem)
    if theorem.problem is None:
        assert trial.assessment.applies is Answer.UNDECIDED
        assert "no default problem" in trial.note
    elif "D" in theorem.symbols:
        assert trial.assessment.applies is Answer.HOLDS
        assert "D (mean over t of" in trial.assessment.reason
    else:
        assert trial.assessment.applies is Answer.HOLDS
        assert trial.respected, trial.record()


# The memory.


@LAW
@given(data=st.data(), d=st.integers(1, 12))
def test_memory_of_one_link(data: st.DataObject, d: int) -> None:
    compressor = data.draw(contractions(d))
    inputs = data.draw(bounded_inputs((25, d)))
    pull = data.draw(st.booleans())  # an adversary that pushes along the memory
    e, largest = np.zeros(d), 0.0
    for u in inputs:
        push = e / np.linalg.norm(e) if pull and e.any() else u
        p = push + e
        e = p - compressor.quantize(p)
        largest = max(largest, float(np.linalg.norm(e)))
    norm = bound(compression.MEMORY, q_up=q(compressor, d), U=1.0)
    square = bound(compression.MEMORY_SQUARED, delta_up=compressor.delta(d), U=1.0)
    # A map without loss leaves the rounding of p, of size 1.
    assert largest <= norm * SLACK + 1e-12
    assert norm**2 <= square * SLACK + 1e-12


@LAW
@given(contraction=st.floats(0.0, 0.999), U=st.floats(1e-6, 1e6))
def test_memory_bound_is_attained_by_a_scaled_identity(contraction: float, U: float) -> None:
    # C(p) = (1 - q) p gives e' = q (u + e), whose limit for constant u is q U/(1 - q).
    e = 0.0
    for _ in range(math.ceil(40.0 / (1.0 - contraction))):
        e = contraction * (U + e)
    assert e == pytest.approx(bound(compression.MEMORY, q_up=contraction, U=U), rel=1e-9)


def test_memory_without_contraction_is_unbounded() -> None:
    # C = 0 has q = 1: the memory is the sum of the inputs.
    assert (
        compression.MEMORY.assess({"q_up": 1.0, "U": 1.0}).failed[0].condition.name
        == "the messages up are contractions"
    )
    assert compression.MEMORY_SQUARED.assess({"delta_up": 0.0, "U": 1.0}).applies is Answer.FAILS


@LAW
@given(d=st.integers(2, 64), k=st.integers(1, 63))
def test_memory_of_a_random_map_in_the_mean_square(d: int, k: int) -> None:
    """Rand-k on a constant input: a coordinate is kept with probability p = k/d, else its memory grows."""
    k = min(k, d)
    p = k / d
    # E e' = (1-p)(u + E e) and E e'^2 = (1-p) E (u + e)^2, in units of u = 1/sqrt(d).
    first = (1.0 - p) / p
    second = (1.0 - p) * (1.0 + 2.0 * first) / p
    norm = bound(compression.MEMORY, q_up=math.sqrt(1.0 - p), U=1.0)
    assert second <= norm**2 * SLACK
    assert norm**2 <= bound(compression.MEMORY_SQUARED, delta_up=p, U=1.0) * SLACK


def test_memory_of_rand_k_in_the_engine() -> None:
    # The closed form above with p = 1/4: E e^2 = 3/4 (1 + 6) * 4 = 21 per coordinate of a
    # constant gradient 1, d = 4.
    def slope(x: np.ndarray, t: int, idx: object, noise: object, theta: object, out: np.ndarray) -> None:
        out[:] = 1.0

    problem = ts.Problem("slope", slope, dim=4)
    optimizer = ef_sgd(1.0, up=rand_k(1, word=64), down=EXACT)
    grid = Sweep(problem, optimizer, steps=100, seeds=4_000, name="slope").run()
    squares = grid.state_final.sel(row="e_0").values[..., :] ** 2
    mean = squares.sum(axis=-1)
    # (3/4)^100 of the start is left; 5 standard errors: one false alarm in 3.5e6.
    assert abs(mean.mean() - 84.0) <= 5.0 * mean.std() / math.sqrt(mean.size)


@LAW
@given(data=st.data(), d=st.integers(1, 8), workers=st.integers(1, 3))
def test_memory_of_two_links(data: st.DataObject, d: int, workers: int) -> None:
    up, down = data.draw(contractions(d)), data.draw(contractions(d))
    inputs = data.draw(bounded_inputs((12, workers, d)))
    e, E, largest = np.zeros((workers, d)), np.zeros(d), 0.0
    for u in inputs:
        p = u + e
        sent = np.array([up.quantize(one) for one in p])
        e = p - sent
        E = E + sent.mean(axis=0)
        E = E - down.quantize(E)
        largest = max(largest, float(np.linalg.norm(E + e.mean(axis=0))))
    assert (
        largest <= bound(compression.MEMORY_TWO_WAY, q_up=q(up, d), q_down=q(down, d), U=1.0) * SLACK + 1e-12
    )


# Quantized Adam.


@LAW
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 16), eps=st.floats(1e-3, 1.0), spiked=st.booleans())
def test_path_of_the_preconditioner(seed: int, d: int, eps: float, spiked: bool) -> None:
    """Step 3 and 4 of the proof: sum trace K_t <= d/sqrt(eps) and sum ||K_t||_F^2 <= d/eps."""
    rng = np.random.default_rng(seed)
    vhat, trace, square = np.zeros(d), 0.0, 0.0
    for t in range(30):
        g = np.eye(d)[t % d] * 10.0**t if spiked else rng.normal(size=d) * 10.0 ** rng.uniform(-2, 2)
        new = np.maximum(vhat, 0.1 * g * g)
        K = 1.0 / np.sqrt(vhat + eps) - 1.0 / np.sqrt(new + eps)
        vhat = new
        trace, square = trace + K.sum(), square + (K * K).sum()
    assert trace <= d / math.sqrt(eps) * SLACK
    assert square <= d / eps * SLACK


def test_operator_norms_of_the_path_have_no_bound_free_of_the_dimension() -> None:
    # Lemma 2 of arXiv:2506.01863 has 1/sqrt(eps) = 10 in place of d/sqrt(eps) = 160.  One coordinate at a
    # time with v = (1 - .9) g^2 and g = 1: every step costs 10 - 1/sqrt(.11) = 6.985, 16 of them 111.76.
    each = 1.0 / math.sqrt(0.01) - 1.0 / math.sqrt(0.1 * 1.0**2 + 0.01)
    assert 16 * each == pytest.approx(111.76, abs=0.01)


def largest_step(problem: ts.Problem, beta1: float, eps: float) -> float:
    facts = problem.facts
    return eps * (1.0 - beta1) / (4.0 * facts["L"] * math.sqrt(facts["G"] ** 2 + eps))


@st.composite
def adam_settings(draw: st.DrawFn) -> Drawn:
    """A bowl, beta2 and eps, and axes of 8 cells that D1 and D2 admit."""
    problem = quantized.bowl(round(draw(st.floats(0.0, 1.0)), 3), d=draw(st.sampled_from([2, 5, 8])))
    beta1, eps = draw(st.sampled_from([0.1, 0.5, 0.9])), draw(st.sampled_from([0.01, 0.1, 1.0, 10.0]))
    largest = largest_step(problem, beta1, eps)
    axes = {"beta1": sorted({0.0, beta1}), "lr": [share * largest for share in SHARES]}
    return problem, {"beta2": draw(st.sampled_from([0.0, 0.9, 0.999])), "eps": eps}, axes


def check_both(theorems: tuple[Theorem, Theorem], sweep: Sweep, plain: ts.Optimizer) -> None:
    """The bounds with the proven and the measured D, and the bound on D, hold in the cells of a recorded sweep."""
    proven, measured = theorems
    grid = sweep.run()
    reach = grid.reach_max.max("seed", skipna=False).values if "reach_max" in grid else np.zeros(1)
    beta1, lr = np.meshgrid(grid.beta1, grid.lr, indexing="ij")
    values = proven.gather(sweep.problem, plain, **run_symbols(sweep))
    # The cell with the largest step and the most momentum stands for the conditions of all.
    assessment = proven.assess({**values, "beta1": beta1[-1, -1], "lr": lr[-1, -1], "reach": reach.max()})
    arrays = {**values, "beta1": beta1, "lr": lr}
    D = grid.displacement_mean.mean("seed", skipna=False).values
    observed = grid.gradient_square_mean.mean("seed", skipna=False).values
    limit = measured.evaluate({**arrays, "D": D})
    assert (observed <= limit * SLACK).all()
    if reach.max() <= 0.5 or not values.get("delta_x"):
        assert assessment.applies is Answer.HOLDS, assessment
        # The bound grows with D, so this compares D with its bound.
        assert (limit <= proven.evaluate(arrays) * SLACK).all()
    else:
        box = "quantized weights stay in the box |x_i| <= 1/2"
        assert [str(row.condition) for row in assessment.failed] == [box]


@GRIDS
@given(data=st.data(), drawn=adam_settings(), k=st.integers(-1, 6), inside=st.booleans())
def test_d1(data: st.DataObject, drawn: Drawn, k: int, inside: bool) -> None:
    problem, hyper, axes = drawn
    up = data.draw(contractions(problem.dim))
    down = EXACT if k < 0 else weights(k)
    sweep = Sweep(
        problem,
        recorded(up=up, down=down, weighted=True, **hyper),
        axes=axes,
        steps=data.draw(st.sampled_from([20, 150])),
        seeds=4,
        x0=0.3 if inside else 1.5,
        running=True,
    )
    plain = qadam(up=up, down=down, amsgrad=True, **hyper)
    check_both((compression.D1, compression.D1_MEASURED), sweep, plain)


@GRIDS
@given(data=st.data(), drawn=adam_settings(), workers=st.sampled_from([1, 2, 5]))
def test_d2(data: st.DataObject, drawn: Drawn, workers: int) -> None:
    problem, hyper, axes = drawn
    up, down = data.draw(contractions(problem.dim)), data.draw(contractions(problem.dim))
    sweep = Sweep(
        problem,
        recorded(up=up, down=down, **hyper),
        axes=axes,
        steps=data.draw(st.sampled_from([20, 150])),
        seeds=4,
        workers=workers,
        running=True,
    )
    plain = efficient_adam(up=up, down=down, amsgrad=True, **hyper)
    check_both((compression.D2, compression.D2_MEASURED), sweep, plain)


@pytest.mark.parametrize(
    ("theorem", "names", "condition"),
    [
        (compression.D1, {"workers": 2}, "one worker"),
        (compression.D1, {"lr": 0.0083}, "lr at most eps (1 - beta1)/(4 L C0)"),  # the cap is .008204
        (compression.D1, {"amsgrad": False}, "the running maximum of v"),
        (compression.D1, {"bias_correction": True}, "no bias correction"),
        (compression.D1, {"error_feedback": False}, "error feedback"),
        (compression.D2, {"lr": 0.0083}, "lr at most eps (1 - beta1)/(4 L C0)"),
        (compression.D2, {"amsgrad": False}, "the running maximum of v"),
        (compression.D2_MEASURED, {"error_feedback": False}, "error feedback"),
        (compression.EF_SGD, {"error_feedback": False}, "error feedback"),
        (compression.EF21_RATE, {"lr": 0.0059}, "lr at most 1/(L + L_tilde sqrt(beta/theta))"),  # the cap is .005859
        (compression.EF21_RATE, {"workers": 2}, "exact gradients"),
        (compression.COMP_AMS, {"lr": 0.01}, "lr at most eps/(6 L C0)"),
        (compression.CHOCO_CONSENSUS, {"mixing": 0.5}, "the mixing step gamma*, up to rounding"),
    ],
)  # fmt: skip
def test_one_condition_fails_by_name(theorem: Theorem, names: dict[str, float], condition: str) -> None:
    trial = put_on_trial(theorem, names=names, run=False)
    assert [str(row.condition) for row in trial.assessment.failed] == [condition]


def test_compressors_outside_the_theory_leave_it_undecided() -> None:
    # RMS-sign is no contraction on R^16, so q has no value; the box has no reach before the run.
    loose = qadam(0.005, eps=1.0, up=rms_sign(), down=EXACT, amsgrad=True)
    one_way = put_on_trial(compression.D1, optimizer=loose, run=False)
    assert one_way.assessment.applies is Answer.UNDECIDED
    boxed = put_on_trial(
        compression.D1, optimizer=qadam(0.005, eps=1.0, down=weights(3), amsgrad=True), run=False
    )
    assert boxed.assessment.applies is Answer.UNDECIDED
    assert any("reach (largest |x_i|" in row.reason for row in boxed.assessment.conditions)
    # sqrt(16) 2^-4/2
    assert boxed.values["delta_x"] == 0.125


# Compressed SGD.


@LAW
@given(
    data=st.data(),
    sigma=st.floats(0.0, 1.0),
    lr=st.sampled_from([0.003, 0.03, 0.3, 1.0]),
    workers=st.integers(1, 3),
)
def test_ef_sgd(data: st.DataObject, sigma: float, lr: float, workers: int) -> None:
    problem = quantized.bowl(round(sigma, 3), d=data.draw(st.sampled_from([2, 5, 8])))
    up = data.draw(st.one_of(contractions(problem.dim), st.just(rand_k(1, word=64))))
    trial = put_on_trial(
        compression.EF_SGD,
        problem,
        ef_sgd(lr, up=up, down=EXACT),
        names={"steps": data.draw(st.sampled_from([10, 100])), "workers": workers},
    )
    assert trial.assessment.applies is Answer.HOLDS
    assert trial.respected, trial.record()


@pytest.mark.parametrize("feedback", [True, False])
def test_without_feedback_the_bound_of_ef_sgd_is_broken(feedback: bool) -> None:
    # On the three quadratics top-1 messages without feedback grow as (1 + 11 lr/6)^t.
    sweep = Sweep(
        quantized.three_quadratics(),
        ef_sgd(1e-5, up=top_k(1, word=64), down=EXACT, error_feedback=feedback),
        steps=600_000,
        workers=3,
        running=True,
    )
    grid = sweep.run()
    # Three workers: none has a gradient of more than three times the mean square.
    G_norm = math.sqrt(3.0 * float(grid.spread_max[0]))
    values = compression.EF_SGD.gather(sweep.problem, sweep.optimizer, **run_symbols(sweep), G_norm=G_norm)
    assessment = compression.EF_SGD.assess(values)
    limit = float(compression.EF_SGD.evaluate(values))
    assert assessment.applies is (Answer.HOLDS if feedback else Answer.FAILS)
    assert (float(grid.gradient_square_mean[0]) <= limit) is feedback


# EF21.


@LAW
@given(
    data=st.data(), d=st.integers(1, 6), workers=st.integers(1, 4), share=st.sampled_from([0.1, 0.5, 0.999])
)
def test_ef21_on_random_quadratics(data: st.DataObject, d: int, workers: int, share: float) -> None:
    """The Lyapunov function falls in every step.

    Rate and gap follow.  A loop of our own, f_i = x'A_i x/2 - b_i'x.
    """
    compressor = data.draw(contractions(d))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    roots = rng.normal(size=(workers, d, d))
    A = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(d)
    b = rng.normal(size=(workers, d))
    mean_A, mean_b = A.mean(axis=0), b.mean(axis=0)
    best = np.linalg.solve(mean_A, mean_b)
    L = float(np.linalg.eigvalsh(mean_A)[-1])
    L_tilde = math.sqrt(float(np.mean(np.linalg.eigvalsh(A)[:, -1] ** 2)))
    delta = compressor.delta(d)
    theta = 1.0 - math.sqrt(1.0 - delta)
    lr = share / (L + L_tilde * math.sqrt((1.0 - delta) / theta / theta))
    x = 3.0 * rng.normal(size=d)
    known = {
        "s": 0.0,
        "delta_up": delta,
        "stochastic": 0,
        "lr": lr,
        "L": L,
        "L_tilde": L_tilde,
    }

    def gap(point: np.ndarray) -> float:
        return float(0.5 * (point - best) @ mean_A @ (point - best))

    steps = 15
    known |= {"T": steps, "gap_1": gap(x), "spread_1": float(np.mean(np.sum((A @ x - b) ** 2, axis=1)))}
    rate, height = bound(compression.EF21_RATE, **known), bound(compression.EF21_LYAPUNOV, **known)
    scale = max(height, 1e-300)
    public = np.array([compressor.quantize(g) for g in A @ x - b])
    squares = []
    for _ in range(steps):
        gradients = A @ x - b
        squares.append(float(np.sum(gradients.mean(axis=0) ** 2)))
        energy = gap(x) + lr / (2 * theta) * float(np.mean(np.sum((public - gradients) ** 2, axis=1)))
        assert gap(x) <= height * SLACK
        x = x - lr * public.mean(axis=0)
        gradients = A @ x - b
        public = public + np.array([compressor.quantize(g) for g in gradients - public])
        after = gap(x) + lr / (2 * theta) * float(np.mean(np.sum((public - gradients) ** 2, axis=1)))
        assert after <= energy - 0.5 * lr * squares[-1] + 1e-9 * scale
    assert np.mean(squares) <= rate * SLACK


@pytest.mark.parametrize("theorem", [compression.EF21_RATE, compression.EF21_LYAPUNOV], ids=lambda t: t.id)
def test_ef21_in_the_engine(theorem: Theorem) -> None:
    for x0 in (1.0, -0.3, (20.0, -3.0, 5.0)):
        for steps in (1, 30, 500):
            trial = put_on_trial(theorem, names={"x0": x0, "steps": steps, "lr": 0.0058})
            assert trial.respected, trial.record()
    # 34 times the largest step diverges off the diagonal, and the bound goes with it.
    loud = put_on_trial(
        theorem, optimizer=ef21(0.2, up=top_k(1, word=64)), names={"steps": 60, "x0": (1.0, 0.0, 0.0)}
    )
    values = {name: float(value) for name, value in loud.values.items()}
    assert loud.assessment.applies is Answer.FAILS
    assert loud.observed > float(theorem.evaluate(values))


# COMP-AMS.


@GRIDS
@given(drawn=adam_settings(), k=st.integers(1, 2), workers=st.sampled_from([1, 2, 5]))
def test_comp_ams(drawn: Drawn, k: int, workers: int) -> None:
    problem, hyper, axes = drawn
    up = top_k(k, word=64)
    Q = 1.0 - up.delta(problem.dim)
    C0 = math.sqrt(4.0 * (1.0 + Q) ** 3 / (1.0 - Q) ** 2 * problem.facts["G_norm"] ** 2 + hyper["eps"])
    largest = hyper["eps"] / (6.0 * problem.facts["L"] * C0)
    axes = {**axes, "lr": [share * largest for share in SHARES]}
    sweep = Sweep(problem, comp_ams(up=up, **hyper), axes=axes, steps=50, seeds=4, workers=workers)
    for trial in trials(compression.COMP_AMS, sweep):
        assert trial.assessment.applies is Answer.HOLDS
        assert trial.respected, trial.record()


# CHOCO.


@LAW
@given(data=st.data(), nodes=st.integers(3, 9), d=st.integers(1, 6), steps=st.sampled_from([1, 10, 100]))
def test_choco_consensus(data: st.DataObject, nodes: int, d: int, steps: int) -> None:
    up = data.draw(contractions(d))
    problem = compression.measured_consensus(nodes, d)
    optimizer = choco(0.1, nodes, up=up)
    # The ring has the eigenvalues (1 + 2 cos(2 pi k/n))/3.
    values = (1.0 + 2.0 * np.cos(2.0 * math.pi * np.arange(nodes) / nodes)) / 3.0
    rho, beta = 1.0 - np.sort(np.abs(values))[-2], 1.0 - values.min()
    mixing = compression.gossip_step(rho, beta, up.delta(d))
    trial = put_on_trial(
        compression.CHOCO_CONSENSUS, problem, optimizer.replace(mixing=mixing), names={"steps": steps}
    )
    assert trial.assessment.applies is Answer.HOLDS
    assert trial.respected, trial.record()


def test_choco_with_a_large_mixing_step_does_not_agree() -> None:
    trial = put_on_trial(
        compression.CHOCO_CONSENSUS,
        compression.measured_consensus(9, 10),
        choco(0.1, 9, mixing=1.0, up=top_k(1, word=64)),
    )
    values = {name: float(value) for name, value in trial.values.items()}
    assert trial.assessment.applies is Answer.FAILS
    assert not trial.observed <= float(compression.CHOCO_CONSENSUS.evaluate(values))


def test_choco_rate_says_nothing_at_simulation_scale() -> None:
    # A 9-ring without compression: rho = (2/3)(1 - cos 40 deg) = .155970,
    # c = rho^2/82 = 2.9667e-4, 24/c^2 = 2.727e8.
    optimizer = choco(math.sqrt(9 / 10_001), 9, up=identity(word=64))
    graph = compression._graph(quantized.consensus(9), optimizer)
    mixing = compression.gossip_step(graph["rho"], graph["beta"], 1.0)
    values = {"delta_up": 1.0, "mixing": mixing, "T": 10_000, "s": 0.0, "lr": optimizer.lr, **graph}
    values |= {"L": 1.0, "G_norm": 1.0, "gap": 0.0, "sigma2": 0.0}
    assert bound(compression.CHOCO_SGD, **values) == pytest.approx(2.727e8 * 9 / 10_001, rel=1e-3)
    short = compression.CHOCO_SGD.assess({**values, "T": 500, "lr": math.sqrt(9 / 501)})
    assert [str(row.condition) for row in short.failed] == ["T at least 64 n L^2"]


def test_l1_sign_constants_by_hand() -> None:
    # d = 16: q^2 = 15/16; q/(1-q) = q (1+q)/(1-q^2) = 16 q (1+q) = 30.49, and both ways 30.49 +
    # 30.49 * 61.98 = 1920.
    one = q(l1_sign(), 16)
    assert bound(compression.MEMORY, q_up=one, U=1.0) == pytest.approx(30.492, abs=1e-3)
    assert bound(compression.MEMORY_TWO_WAY, q_up=one, q_down=one, U=1.0) == pytest.approx(1920.4, abs=0.5)
    assert bound(compression.MEMORY_SQUARED, delta_up=1.0 / 16.0, U=1.0) == 960.0


@pytest.mark.parametrize(
    "theorem", [compression.EF21_RATE, compression.EF21_LYAPUNOV], ids=lambda theorem: theorem.id
)
def test_ef21_needs_full_gradients(theorem: Theorem) -> None:
    trial = put_on_trial(theorem, quantized.bowl(1.0), names={"L_tilde": 1.0}, run=False)
    assert [str(row.condition) for row in trial.assessment.failed] == ["exact gradients"]


def test_consensus_is_about_gradients_that_are_zero() -> None:
    trial = put_on_trial(compression.CHOCO_CONSENSUS, quantized.bowl(d=90), run=False)
    assert trial.applies is Answer.UNDECIDED
    assert "says nothing about quantized.bowl" in trial.foreign

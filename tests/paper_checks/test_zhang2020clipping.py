"""Every claim on (L0, L1)-smoothness and clipping in the quick tier, and what must make each of them fail."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterexamples import clipping, zoo
from paper_checks import zhang2020clipping as paper
from tests.tampering import fails_on_tampered_grids, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.problem import Problem
from theory_sim.optimizers.clipped import clipped_gd
from theory_sim.optimizers.momentum import gd

test_tampered_grids_fail = fails_on_tampered_grids(
    "zhang2020clipping",
    ("Z5", "normalized", "gradient_norm_mean", nan),
    ("Z5", "normalized", "gradient_norm_mean", one_nan),
    ("Z5", "normalized", "gradient_norm_mean", lambda g: 1.05 * g),
    ("Z5", "normalized", "gradient_norm_mean", lambda g: 0.1 * g),
    ("Z6", "hard_theorem", "first_hit", lambda n: -np.ones_like(n)),  # never reached
    ("Z6", "hard_theorem", "first_hit", lambda n: n - 20),  # faster than the ramp allows
    ("Z6", "hard_theorem", "first_hit", lambda n: 10 * n),
    ("Z6", "hard_simple", "first_hit", lambda n: 20 * n),
    ("Z6", "hard_halved", "first_hit", lambda n: 20 * n),
    ("Z6", "hard_theorem", "gap_mean", nan),
    (
        "Z6",
        "slope_theorem",
        "gap_mean",
        lambda f: np.where(np.arange(f.size).reshape(f.shape) == 0, math.nan, f),
    ),
    ("Z6", "slope_simple", "first_hit", lambda n: n // 2),
    ("Z7", "certificate_well", "gap_final", nan),
    ("Z7", "certificate_well", "gap_final", one_nan),
    ("Z7", "certificate_quartic", "gradient_norm_mean", one_nan),
    ("Z7", "certificate_well", "gap_final", lambda f: 1.01 * f),
    ("Z7", "certificate_quartic", "gradient_norm_mean", lambda g: 2.0 * g),
    ("Z8", "bias", "position_mean", nan),
    ("Z8", "bias", "position_mean", one_nan),
    ("Z8", "bias", "position_mean", np.negative),
    ("Z8", "bias", "position_mean", np.zeros_like),  # no bias, and no error either
    ("Z8", "bias", "position_mean", lambda x: 1.1 * x),
)


def test_another_optimizer_fails(runs: Runs) -> None:
    # x^4 from 10, |f'| = 4000: gradient descent with the step of the clipped rule, 1/160, diverges.
    grids = [runs.grid(sweep) for sweep in paper.HITS]
    assert paper.HITS[3].name.endswith("quartic_theorem")
    grids[3] = replace(paper.HITS[3], optimizer=gd(paper.HITS[3].optimizer.lr)).run()
    assert status("zhang2020clipping.Z6", grids) is Outcome.FAIL
    # A step that is too long for its threshold overshoots.
    grids = [runs.grid(sweep) for sweep in paper.CERTIFICATES]
    sweep = paper.CERTIFICATES[0].at("quick")
    grids[0] = replace(
        sweep, optimizer=clipped_gd(), axes={**sweep.axes, "lr": [2.0, 2.001, 2.002, 2.003, 2.004]}
    ).run()
    assert status("zhang2020clipping.Z7", grids) is Outcome.FAIL
    # Not clipped at all: no bias.
    bias = paper.BIAS.at("quick")
    free = replace(bias, axes={**bias.axes, "threshold": [1e6, *bias.axes["threshold"][1:]]}).run()
    free = free.assign_coords(threshold=list(bias.axes["threshold"]))
    assert status("zhang2020clipping.Z8", [free]) is Outcome.FAIL


def wrong_facts(problem: Problem, share: float) -> Problem:
    """The problem with smaller constants than it has."""
    return replace(problem, facts={**problem.facts, **{k: share * problem.facts[k] for k in ("L0", "L1")}})


@pytest.mark.parametrize("share", [0.98, 1.02])
def test_wrong_constants_fail(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "HARD", ())
    # Too small a pair is violated, too large a one is not attained.
    for name, problem, region, tight in [member for member in paper.ZOO if member[3]]:
        monkeypatch.setattr(paper, "ZOO", ((name, wrong_facts(problem, share), region, tight),))
        assert status("zhang2020clipping.Z1", []) is Outcome.FAIL, name


def test_a_member_of_the_class_is_no_negative_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "NEGATIVE", ("cosh",))
    points = np.linspace(0.1, 25.0, 250)[:, None]
    monkeypatch.setattr(paper, "negative_points", lambda name: (zoo.cosh(), points))
    assert status("zhang2020clipping.Z2", []) is Outcome.FAIL


def test_pairs_with_wrong_constants_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    name, problem, size = paper.PAIRS[1]
    monkeypatch.setattr(paper, "PLANE", ())
    monkeypatch.setattr(paper, "PAIRS", ((name, wrong_facts(problem, 0.9), size),))
    assert status("zhang2020clipping.Z3", []) is Outcome.FAIL  # r reaches 1/(0.9 L1)
    assert status("zhang2020clipping.Z4", []) is Outcome.FAIL
    monkeypatch.setattr(paper, "PAIRS", ((name, wrong_facts(problem, 2.0), size),))
    assert status("zhang2020clipping.Z3", []) is Outcome.FAIL  # the factor stays below 1.6


@given(u=st.floats(1e-8, 20.0))
def test_phi_and_its_conjugate(u: float) -> None:
    # phi* (s) = sup_u (s u - phi(u)) is attained at u = ln(1 + s): Fenchel's equality.
    s = math.expm1(u)
    assert float(clipping.phi(u)) + float(clipping.phi_star(s)) == pytest.approx(s * u, rel=1e-9)
    # phi(u) <= u^2/(2 - u) for u < 2, on which the simple step rests.
    if u < 2.0:
        assert float(clipping.phi(u)) <= u * u / (2.0 - u)


def test_constants_by_hand() -> None:
    # phi(1/9) = 1/162 + 1/4374 + 1/157464 + 1/(120 * 9^5) + ... = 0.00640806
    assert pytest.approx(0.9423275, abs=1e-6) == clipping.CLIPPED_SHARE
    # phi(0.1) = e^0.1 - 1.1 = 0.005170918
    assert pytest.approx(1.0341836, abs=1e-7) == clipping.KAPPA


def test_rules_are_the_steps_of_their_papers() -> None:
    L0, L1 = 2.0, 3.0
    G = np.array([0.01, 0.5, 10.0])
    steps = clipping.step_sizes(L0, L1, G)
    simple, halved = clipping.simple_rule(L0, L1), clipping.halved_rule(L0, L1)
    assert simple.lr / (G + simple.hyper["offset"]) == pytest.approx(steps["simple"])
    assert halved.lr * np.minimum(1.0, halved.hyper["threshold"] / G) == pytest.approx(steps["clipped"])
    stated = clipping.theorem_rule(L0, L1)
    assert (stated.lr, stated.hyper["threshold"]) == pytest.approx((0.05, 2.0 / 3.0))
    assert clipping.theorem_rule(1.0, 0.01).hyper["threshold"] == 10.0


def test_the_certificate_implies_the_stated_bound() -> None:
    for L0, L1, eps in ((1, 1, 0.1), (1, 5, 0.01), (1, 5, 10.0), (3, 0.01, 0.1), (0.1, 0.02, 50.0)):
        found = clipping.complexity_bounds("theorem", 7.0, eps, L0, L1)
        assert found["certificate"] <= found["Theorem 3"]


@pytest.mark.parametrize("rule", clipping.RULES)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_complexities_fail(
    rule: str, factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids, right = [runs.grid(sweep) for sweep in paper.HITS], clipping.complexity_bounds

    def wrong(name: str, *known: float) -> dict[str, float]:
        return {one: (factor if name == rule else 1.0) * bound for one, bound in right(name, *known).items()}

    attained = {name: paper._attained(name, 1.0, 0.01) for name in clipping.RULES}
    monkeypatch.setattr(paper, "_attained", lambda name, L0, L1: attained[name])
    monkeypatch.setattr(clipping, "complexity_bounds", wrong)
    assert status("zhang2020clipping.Z6", grids) is Outcome.FAIL


def test_complexities_by_hand() -> None:
    # L0 = 2, L1 = 3, eps = .5, Delta = 7: 2*2*7/.25 + 3*3*7/.5 = 112 + 126, and twice that; 20*2*7/.25 +
    # 20*9*7/2 = 1120 + 630; eta = .05, gamma = 2/3: 7/(.89658164 * .05 * .25).
    assert clipping.complexity_bounds("simple", 7.0, 0.5, 2.0, 3.0)["certificate"] == pytest.approx(238.0)
    assert clipping.complexity_bounds("halved", 7.0, 0.5, 2.0, 3.0)["certificate"] == pytest.approx(476.0)
    found = clipping.complexity_bounds("theorem", 7.0, 0.5, 2.0, 3.0)
    assert found == pytest.approx({"certificate": 7.0 / (0.89658164 * 0.0125), "Theorem 3": 1750.0}, rel=1e-7)
    # On the slope .101 a halved step gains .101^2/2.
    assert paper._attained("halved", 1.0, 0.01)["certificate"] == pytest.approx(
        1.0 / (0.5 * 0.101**2 * 2.0 * (200.0 + 0.3)), rel=1e-12
    )


def test_one_nan_is_no_value_of_a_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    # A maximum or minimum that leaves NaN out would pass.
    right = paper.measures

    def broken(name: str) -> Callable[..., dict[str, np.ndarray]]:
        def found(problem: Problem, points: np.ndarray) -> dict[str, np.ndarray]:
            values = dict(right(problem, points))
            if name in values:
                values[name] = values[name].copy()
                values[name][7] = math.nan
            return values

        return found

    monkeypatch.setattr(paper, "ZOO", paper.ZOO[:1])
    monkeypatch.setattr(paper, "HARD", ())
    monkeypatch.setattr(paper, "NEGATIVE", ("hyperbola",))
    monkeypatch.setattr(paper, "PAIRS", paper.PAIRS[1:2])
    monkeypatch.setattr(paper, "PLANE", ())
    for claim, name in (("Z1", "gradient_norm"), ("Z1", "curvature"), ("Z2", "curvature"), ("Z4", "gap")):
        monkeypatch.setattr(paper, "measures", broken(name))
        assert status(f"zhang2020clipping.{claim}", []) is Outcome.FAIL, (claim, name)
    monkeypatch.setattr(paper, "measures", right)
    gradient = paper.gradient_at
    hole = np.arange(paper._COUNT["quick"])[:, None] == 7
    monkeypatch.setattr(
        paper, "gradient_at", lambda problem, x: np.where(hole, math.nan, gradient(problem, x))
    )
    assert status("zhang2020clipping.Z3", []) is Outcome.FAIL

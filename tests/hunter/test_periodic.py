"""Hunts in the class periodic: fronts that are known, proofs that there is none, planted bugs, the black box."""

import json
import math
import os
import shlex
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.app.hunt import build
from theory_sim.evidence.hunter import blackbox, certificate, check, orbit, reduction
from theory_sim.evidence.hunter.candidates import Candidates
from theory_sim.evidence.hunter.periodic import with_margin
from theory_sim.evidence.hunter.steady import steady
from theory_sim.nouns.optimizer import Optimizer

pytest.importorskip("flint")

FULL = pytest.mark.skipif(os.environ.get("THEORY_SIM_TIER") != "full", reason="compiles many rules")


def heights(spec: str, periods: int) -> dict[int, int]:
    return {one.period: one.height for one in ts.hunt(spec, max_period=periods, strength=0.0).front}


def test_the_smallest_of_reddi_is_found() -> None:
    found = ts.hunt("adam:beta1=0,beta2=0.1", max_period=3)
    assert (found.status, found.front[0].gradients) == (0, (3, -1, -1))
    assert "enumeration" in found.front[0].how
    assert found.front[0].verify().startswith("S = 1 > 0 > D")
    assert found.strong is not None
    assert found.strong.strength >= 0.01


def test_a_front_of_rmsprop() -> None:
    # each height below is excluded by enumeration, and each of these by the standard library's checker
    assert heights("rmsprop:beta2=0.9", 6) == {3: 22, 4: 12, 5: 8, 6: 6}


@FULL
def test_sign_and_mask_methods() -> None:
    assert heights("lion:beta1=0.9,beta2=0.99", 5) == {3: 8, 5: 4}
    assert heights("cautious_sgdm", 4) == {3: 22, 4: 12}


def test_a_height_beyond_enumeration() -> None:
    found = ts.hunt("adam:beta1=0.9,beta2=0.99", max_period=3)
    assert found.front[0].height == 3783
    assert "not found by a search, no proof" in found.front[0].how


def test_the_largest_margin() -> None:
    # RMSProp(0.9) at period 3: 22 is the lowest height, so the largest S/max|g| is in [1/22, 1/21)
    found = ts.hunt("rmsprop:beta2=0.9", minimise="margin", max_period=4, strength=0.0)
    three, four = found.front
    assert (three.period, four.period) == (3, 4)
    assert 0.97 / 22 < three.margin < 1 / 21
    assert 0.97 / 12 < four.margin < 1 / 11
    assert all(one.verify().startswith("S = ") for one in found.front)
    assert "largest S/max|g|" in three.how


def test_a_margin_is_put_into_a_direction() -> None:
    # on (2, -1, -1) S = 0.25 * 2, as 2 stays the largest; on (-1, -1, 2) S = 0.25 (2 + S); on (1, 1, -2) S = 0.25 (2 - S)
    for direction, whole in (((2, -1), (2, -1, -0.5)), ((-1, -1), (-1, -1, 8 / 3)), ((1, 1), (1, 1, -1.6))):
        g = with_margin(np.array(direction, dtype=float), 0.25)
        assert np.allclose(g, np.array(whole) / np.abs(whole).max(), rtol=1e-15)
        assert math.isclose(g.sum(), 0.25)


@pytest.mark.parametrize("name", ["amsgrad", "adagrad", "adam_nc", "sgd", "sgdm"])
def test_never_a_hit_where_there_is_none(name: str) -> None:
    for seed in range(200):
        found = ts.hunt(name, seed=seed)
        assert (found.status, found.front) == (3, ())
        assert found.why_none.startswith("D = S")


def test_enumeration_agrees_with_a_plain_loop() -> None:
    # RMSProp with beta2 = 1/2 and period 3: v solved by hand, v_k = sum_j 2^-(j+1) g_(k-j)^2 / (1 - 2^-3)
    import itertools

    def drift(g: tuple[int, ...]) -> float:
        v = [sum(0.5 ** (j + 1) * g[(k - j) % 3] ** 2 for j in range(3)) / (1 - 0.5**3) for k in range(3)]
        return math.fsum(a / math.sqrt(b) for a, b in zip(g, v, strict=True))

    every = itertools.product(range(-5, 6), repeat=3)
    failing = [g for g in every if sum(g) > 0 and drift(g) < -1e-12]
    least = min(max(map(abs, g)) for g in failing)
    assert heights("rmsprop:beta2=0.5", 3) == {3: least}
    candidates = Candidates(steady(ts.rmsprop(beta2=0.5)))
    assert np.allclose(candidates.drifts(failing)[0], [drift(g) for g in failing], rtol=0, atol=1e-13)


BUGS = """
import math
import theory_sim as ts

def unsquared(g, lr, beta1, beta2, x, m, v):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g if g > 0 else -g)
    return x - lr * m / math.sqrt(v), m, v

def not_averaged(g, lr, beta1, beta2, x, m, v):
    m = g
    v = beta2 * v + (1 - beta2) * g * g
    return x - lr * m / math.sqrt(v), m, v

hyper = {"beta1": 0.9, "beta2": 0.9}
first = ts.Optimizer("first", unsquared, hyper=hyper, rows=("m", "v"))
second = ts.Optimizer("second", not_averaged, hyper=hyper, rows=("m", "v"))
"""


def test_planted_bugs_are_found_with_a_short_period(tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text(BUGS)
    correct = heights("adam:beta1=0.9,beta2=0.9", 4)
    for name in ("first", "second") if os.environ.get("THEORY_SIM_TIER") == "full" else ("first",):
        found = ts.hunt(f"{own}:{name}", max_period=4, strength=0.0)
        assert found.status == 0
        assert found.front[0].period <= 4
        # the bug fails lower than the correct rule does at the same period, or where that never fails
        assert found.front[0].height < correct.get(found.front[0].period, math.inf)
        assert certificate.verify(dict(found.front[0].certificate), build).startswith("S = ")


@FULL
def test_the_black_box_finds_what_formulas_find() -> None:
    hit, _ = blackbox.hunt(ts.adam(beta1=0.0, beta2=0.1, eps=0.0), 3, 3, burn_in=40)
    assert hit is not None
    assert hit.gradients == (3, -1, -1)


@FULL
def test_the_black_box_finds_nothing_or_refuses() -> None:
    assert blackbox.hunt(ts.ef_signsgd(), 3, 3, burn_in=100)[0] is None
    with pytest.raises(ValueError, match="moves x by itself"):
        blackbox.hunt(ts.adamw(), 2, 1, burn_in=5)


@FULL
def test_a_hit_of_the_black_box_is_reduced_and_not_certified() -> None:
    found = ts.hunt("extrapolated_signum:beta=0.5", max_period=3, max_height=4)
    assert (found.status, found.front) == (2, ())
    assert found.seen is not None
    assert blackbox.fails(found.optimizer, found.seen.gradients)


def test_reduction_drops_lowers_and_divides() -> None:
    # what fails: a largest entry above 2 with the others -1 or less; the smallest such is (3, -1, -1)
    fails = Candidates(steady(ts.adam(beta1=0.0, beta2=0.1, eps=0.0)))
    small = reduction.reduced(
        (1010, *[-10] * 100), lambda g: bool(len(g) > 1 and fails.drifts(g)[0][0] < -1e-9)
    )
    assert len(small) == 3
    assert sum(small) > 0 > fails.drifts(small)[0][0]
    assert math.gcd(*small) == 1


def test_the_command_writes_what_anyone_can_check(tmp_path: Path) -> None:
    out = tmp_path / "hit"
    ran = CliRunner().invoke(main, ["hunt", "rmsprop:beta2=0.9", "--max-period", "3", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    record = json.loads((out / "certificate.json").read_text())
    assert {"class", "optimizer", "hyper", "gradients", "proves"} <= record.keys()
    assert record["hyper"]["beta2"] == "0.9"
    for name, status in (("certificate.json", 0), ("check.py", 1)):
        alone = subprocess.run(
            [sys.executable, "-I", "check.py", name], cwd=out, capture_output=True, check=False
        )
        assert alone.returncode == status, alone.stderr
    assert CliRunner().invoke(main, ["hunt", "--verify", str(out / "strong.json")]).exit_code == 0
    program = (out / "problem.py").read_text()
    assert len(program.splitlines()) <= 10
    shown = subprocess.run(
        [sys.executable, "problem.py"], cwd=out, capture_output=True, text=True, check=True
    )
    assert float(shown.stdout.split()[2]) > 0.9  # from the best point, -1, to near the worst
    assert (out / "figure.png").stat().st_size > 10_000
    (command,) = (line for line in ran.output.splitlines() if line.startswith("see it in a run: "))
    again = CliRunner().invoke(main, shlex.split(command.removeprefix("see it in a run: "))[1:])
    assert "DIVERGED" in again.output


def test_exit_statuses(tmp_path: Path) -> None:
    def status(*words: str) -> int:
        return CliRunner().invoke(main, ["hunt", *words]).exit_code

    assert status("amsgrad") == 3
    assert status("adam", "--max-period", "2", "--max-height", "50") == 2
    assert status("adam", "--class", "heavy") == 1
    assert status("nothing") == 1
    assert status() == 1
    assert status("adam", "--max-period", "three") == 1
    assert status("adam", "--minimise", "period") == 1
    assert status("sgdm", "--class", "gram", "--L", "4", "--minimise", "margin") == 1
    assert status("adam", "--out", "/dev/null/hit") == 1
    forged = tmp_path / "forged.json"
    forged.write_text("{}")
    assert status("--verify", str(forged)) == 1
    said = CliRunner().invoke(main, ["hunt", "adam", "--class", "heavy"]).output
    assert "Unknown class 'heavy'" in said


def test_the_sequence_is_a_problem_of_the_catalogue() -> None:
    problem = ts.app.catalogue.build_problem("sequences.periodic:gradients=(3,-1,-1),x0=-1")
    assert (problem.optimum, problem.components, problem.start) == (-1.0, 3, -1.0)
    method = ts.adam(lr=0.5, beta1=0.0, beta2=0.1, eps=0.0, schedule=ts.power(0.5))
    assert ts.simulate(problem, method, steps=3000).verdict.item() == "DIVERGED"
    with pytest.raises(ValueError, match="sum to 0"):
        ts.app.catalogue.build_problem("sequences.periodic:gradients=(1,-1)")


def test_the_sequence_is_a_problem_of_the_audit() -> None:
    from theory_sim.app.audit import _names

    name = "sequences.periodic:gradients=(22,-6,-15),x0=-1"
    assert _names(f"{name},shi.periodic") == [name, "shi.periodic"]


def test_powers_of_a_user_rule_reach_the_checker() -> None:
    def belief(
        g: float, lr: float, beta1: float, beta2: float, x: float, m: float, s: float
    ) -> tuple[float, ...]:
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2
        return x - lr * m / s**0.5, m, s

    mine = Optimizer("mine", belief, hyper={"beta1": 0.9, "beta2": 0.99}, rows=("m", "s"))
    record = certificate.make(mine, "mine.py:mine", steady(mine), (3782, -1785, -1996))
    assert check.check(record).startswith("S = 1 > 0 > D")


def test_a_user_optimizer_is_named_by_its_file_only() -> None:
    with pytest.raises(ValueError, match="no optimizer"):
        ts.hunt(3)
    rule = ts.hunt(Optimizer("mine", _half, rows=()), max_period=3)
    assert rule.why_none.startswith("D =")


def _half(g: float, lr: float, x: float) -> float:
    return x - lr * 0.5 * g


@given(
    a=st.integers(1, 10**6), b=st.integers(1, 10**6), beta1=st.integers(0, 999), beta2=st.integers(0, 999),
    eps=st.sampled_from(["0", "1e-8", "0.3", "7"]), inside=st.booleans(),
)  # fmt: skip
@settings(max_examples=40)
def test_no_pair_fails_adam_whatever_eps_is(
    a: int, b: int, beta1: int, beta2: int, eps: str, inside: bool
) -> None:
    if a <= b:
        return
    system = steady(ts.adam())
    rest = dict.fromkeys(("eps_inside", "eps_outside"), Fraction(0))
    hyper = {"beta1": Fraction(beta1, 1000), "beta2": Fraction(beta2, 1000), **rest}
    hyper["eps_inside" if inside else "eps_outside"] = Fraction(eps)
    assert orbit.wrong(system, hyper, (a, -b)) is False


def test_what_is_known_of_a_period_is_said_in_words() -> None:
    two, three = ts.hunt("rmsprop:beta2=0.9", max_period=3, strength=0.0).searched
    assert str(two).startswith(
        "period 2: no sequence of any height fails, which is proved: for (a, -b), a > b > 0, D has"
    )
    assert str(three) == "period 3: no sequence of height <= 21 fails, by enumeration; one of height 22 fails"
    # signs: no formula proves it, so what is said of a period of 2 is what was looked at
    two = ts.hunt("signum:beta=0.5", max_period=2, max_height=4).searched[0]
    assert str(two).startswith("period 2: no sequence of height <= 4 fails, by enumeration")
    # (2, -1) has a momentum of 0 after its second step, as in test_steady: a sign of 0 decides nothing
    assert (
        "; but 1 of these sequences is undecided, for D or the argument of a sign or mask is 0 there"
        in str(two)
    )

"""Sweeps of sign methods: condition numbers, exact certificates, and a run of the optimizer's own rule."""

import copy
import json
import random
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.evidence.hunter import sign, sweep_check


@pytest.mark.parametrize(
    ("beta1", "beta2", "amplitude", "kappa"),
    [
        ("0.9", "0.9", "7/2", 1.0),  # Signum on a quadratic
        ("0.9", "0.9", 10, 181.0),
        ("0.9", "0.9", 15, 1287.542),
        ("0.9", "0.99", 10, 195.377),  # Lion
        ("0.99", "0.99", 12, 1.0),
        ("0", "0", "1/2", 1.0),  # signSGD goes to and fro by half a step
    ],
)
def test_the_smallest_condition_number(beta1: str, beta2: str, amplitude: str | int, kappa: float) -> None:
    # to the digits given, and the tolerance 1e-7 of HiGHS
    assert sign.smallest(beta1, beta2, amplitude).kappa == pytest.approx(kappa, rel=1e-5)


def test_sign_sgd_sweeps_no_further() -> None:
    # with beta = 0 the sign is that of g, which is negative below the minimiser: no second step on that side
    assert sign.smallest("0", "0", 1).kappa == float("inf")
    with pytest.raises(ValueError, match="2 amplitude"):
        sign.smallest("0", "0", "1/3")


def test_a_certified_sweep_is_what_the_rule_does() -> None:
    found = sign.certified("0.9", "0.9", "7/2")
    assert found is not None
    kappa, g = found
    assert kappa < Fraction(102, 100)
    assert sign.proved("0.9", "0.9", "7/2", kappa, g)
    assert not sign.proved("0.9", "0.9", "7/2", kappa, [-one for one in g])
    # run: x from 7/2 down to -7/2 and back, lr = 1, in rationals
    rule, beta = ts.signum(beta=0.9).step, Fraction(9, 10)
    points = [Fraction(7, 2), Fraction(5, 2), Fraction(3, 2), Fraction(1, 2)]
    slope = dict(zip(points, g, strict=True)) | {-p: -one for p, one in zip(points, g, strict=True)}
    fed = Fraction(0)
    for t in range(7):
        fed = beta * fed + (1 - beta) * slope[Fraction(7, 2) - t]
    m, x, seen = -fed / (1 + beta**7), Fraction(7, 2), []
    for _ in range(28):  # two periods
        x, m = rule(slope[x], 1, beta, 0, x, m)
        seen.append(x)
    down = [Fraction(7, 2) - t for t in range(1, 8)]
    assert seen == [*down, *(-one for one in down)] * 2


def test_the_command_and_both_checkers(tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    ran = CliRunner().invoke(
        main, ["hunt", "signum:beta=0.9", "--class", "sign", "--L", "182", "--out", str(out)]
    )
    assert ran.exit_code == 0, ran.output
    assert "a sweep over [-10 lr, 10 lr]" in ran.output
    record = json.loads((out / "certificate.json").read_text())
    assert sweep_check.check(record)
    assert CliRunner().invoke(main, ["hunt", "--verify", str(out / "certificate.json")]).exit_code == 0
    with pytest.raises(ValueError, match="no sign method"):
        ts.hunt("adam", "sign", L=10)
    rng, passed = random.Random(5), 0
    for _ in range(150):
        forged = copy.deepcopy(record)
        field = rng.choice(["gradients", "hyper", "kappa", "amplitude", "optimizer", "proves"])
        place, key = (forged, field) if isinstance(forged[field], str) else (forged[field], None)
        if key is None:
            key = rng.choice([*place]) if isinstance(place, dict) else rng.randrange(len(place))
        at = rng.randrange(len(place[key]))
        place[key] = place[key][:at] + rng.choice("0123456789") + place[key][at + 1 :]
        if forged == record:
            continue
        found = []
        for check in (sweep_check.check, sign.verify):
            try:
                check(forged)
                found.append(True)
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
                found.append(False)
        assert found[0] == found[1], forged
        passed += found[0]
    assert 0 < passed < 100

"""Cycles of momentum methods: thresholds known in closed form, certificates, forgeries, and runs on the functions."""

import copy
import json
import math
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.evidence.hunter import cycle_check, gram, line
from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.linear import Momentum, momentum, polyak, standard

pytest.importorskip("flint")

EDGE = (
    2.0 + math.sqrt(5.0)
) ** 2  # of the 3-cycle at Polyak's parameters: r^2 - 4 r - 1 = 0, r the root of kappa
INSIDE = polyak(Fraction(289, 16), Fraction(17, 4))  # kappa = 18.0625


def test_the_threshold_of_the_heavy_ball_in_any_dimension() -> None:
    assert abs(gram.threshold(polyak, 3, 10.0, 30.0) - EDGE) <= 1e-9
    with pytest.raises(ValueError, match="move the ends"):
        gram.threshold(polyak, 3, 20.0, 30.0)


def test_the_threshold_on_the_line_is_the_same() -> None:
    # the linear programme is solved to about 1e-9 of its entries
    for kappa, has in ((EDGE * (1 - 1e-5), False), (EDGE * (1 + 1e-5), True)):
        assert (line.cycle(polyak(kappa), 1.0, kappa, 3).margin >= 0.0) == has


def test_no_shorter_or_longer_cycle_below_the_threshold() -> None:
    assert all(gram.cycle(polyak(17.9), 1.0, 17.9, K).margin < 0.0 for K in range(2, 16))
    assert all(line.cycle(polyak(17.9), 1.0, 17.9, K).margin < 0.0 for K in range(2, 6))


def test_nesterov_at_its_standard_tuning_has_none() -> None:
    for kappa in (4.0, 10.0, 100.0, 1000.0):
        assert all(gram.cycle(standard(kappa), 1.0, kappa, K).margin < 0.0 for K in range(2, 13))


def test_gradient_descent_cycles_from_two_over_the_smoothness() -> None:
    # K = 2: x, -x with g = 2 x/alpha, so the slope 2/alpha has to be in [mu, L]
    for alpha, has in ((1.9, False), (2.1, True)):
        assert (gram.cycle(Momentum("heavy_ball", alpha, 0.0), 0.1, 1.0, 2).margin >= 0.0) == has
        assert (line.cycle(Momentum("heavy_ball", alpha, 0.0), 0.1, 1.0, 2).margin >= 0.0) == has


def test_orders_up_to_rotation_and_reflection() -> None:
    # 2, 6, 24 orders; 1 + ... : of three points one, for the reflection of (0, 1, 2) is a rotation of (0, 2, 1)
    assert [len(list(line.orders(K))) for K in (2, 3)] == [1, 1]
    assert 3 <= len(list(line.orders(4))) <= 4


def certificates() -> list[dict[str, Any]]:
    points = line.cycle(INSIDE, 1.0, 289 / 16, 3).points
    mu, L = Fraction(1), Fraction(289, 16)
    return [
        line.certificate(INSIDE, mu, L, points),
        gram.certificate(INSIDE, mu, L, gram.cycle(INSIDE, 1.0, 289 / 16, 3)),
        gram.certificate(
            polyak(Fraction(36), Fraction(6)), mu, Fraction(36), gram.cycle(polyak(36.0), 1.0, 36.0, 4)
        ),
    ]


def verified(record: Any) -> bool:
    try:
        (line if record.get("class") == "line" else gram).verify(record)
    except Refused:
        return False
    return True


def checked(record: Any) -> bool:
    try:
        cycle_check.check(record)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def test_rational_certificates_and_forgeries() -> None:
    rng, passed = random.Random(3), 0
    for original in certificates():
        assert verified(original)
        assert checked(original)
        for _ in range(25):
            record = copy.deepcopy(original)
            field = rng.choice(
                ["hyper", "points" if "points" in record else "weights", "optimizer", "proves"]
            )
            if isinstance(record[field], str):
                record[field] += "x"
            else:
                key = rng.choice([*record[field]] if field == "hyper" else range(len(record[field])))
                text = record[field][key]
                at = rng.randrange(len(text))
                record[field][key] = text[:at] + rng.choice("0123456789") + text[at + 1 :]
            if record == original:
                continue
            assert verified(record) == checked(record), record
            passed += checked(record)
    assert 0 < passed < 60


def test_a_run_repeats_the_points() -> None:
    # the function of the certificate: straight between its points; run in floats for ten periods
    record = certificates()[0]
    x = [float(Fraction(text)) for text in record["points"]]
    y = np.array(sorted(x))
    g = np.array([float(INSIDE.gradient(x[(t + 1) % 3], x[t], x[t - 1])) for t in np.argsort(x)])
    before, now = x[-1], x[0]
    alpha, beta = float(INSIDE.alpha), float(INSIDE.beta)
    for _ in range(30):
        before, now = now, now + beta * (now - before) - alpha * float(np.interp(now, y, g))
    # ten periods: an error of 1e-16 grows by at most (1 + beta + alpha L)^30 < 1e19 in theory, and hardly in fact
    assert abs(now - x[0]) < 1e-6


def test_optimizers_of_the_suite_and_the_command(tmp_path: Path) -> None:
    assert momentum(ts.sgdm(lr=0.1, momentum=0.5)) == Momentum("heavy_ball", Fraction(1, 10), Fraction(1, 2))
    ema = momentum(ts.sgdm(lr=0.1, momentum=0.5, convention="ema"))
    assert ema == Momentum("heavy_ball", Fraction(1, 20), Fraction(1, 2))
    with pytest.raises(ValueError, match="no stationary momentum method"):
        ts.hunt("adam", "gram", L=4)
    with pytest.raises(ValueError, match="0 < mu < L"):
        ts.hunt("sgdm", "gram", mu=5, L=4)
    with pytest.raises(ValueError, match="needs the smoothness"):
        ts.hunt("sgdm", "line")
    out = tmp_path / "cycle"
    words = ["hunt", "sgdm:lr=0.1111,momentum=0.4444", "--L", "25", "--max-period", "3", "--out", str(out)]
    for cls in ("line", "gram"):
        assert CliRunner().invoke(main, [*words, "--class", cls]).exit_code == 0
        assert cycle_check.check(json.loads((out / "certificate.json").read_text()))
        assert CliRunner().invoke(main, ["hunt", "--verify", str(out / "certificate.json")]).exit_code == 0
    none = CliRunner().invoke(
        main, ["hunt", "nesterov:lr=0.04,momentum=0.6666", "--class", "gram", "--L", "25"]
    )
    assert none.exit_code == 2
    assert "no cycle" in none.output

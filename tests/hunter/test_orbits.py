"""2-cycles of Adam on quadratics: exact, in runs, and whether they attract."""

import copy
import json
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.evidence.hunter import orbit_check, orbits
from theory_sim.evidence.hunter.certificate import Refused

pytest.importorskip("flint")


@pytest.mark.parametrize(
    ("beta1", "beta2"), [("0", "0.9"), ("0.5", "0.9"), ("0.9", "0.999"), ("0.1", "0.999")]
)
def test_multipliers_by_complex_steps(beta1: str, beta2: str) -> None:
    b1, b2 = float(beta1), float(beta2)
    A = (1 - b1) / (2 * (1 + b1))

    def step(s: np.ndarray) -> np.ndarray:
        x, m, v = s
        m, v = b1 * m + (1 - b1) * x, b2 * v + (1 - b2) * x * x
        return np.array([x - m / np.sqrt(v), m, v])

    start = np.array([A, -(1 - b1) / (1 + b1) * A, A * A])
    columns = [step(step(start + 1e-20j * np.eye(3)[j])).imag / 1e-20 for j in range(3)]
    expected = np.sort(np.abs(np.linalg.eigvals(np.array(columns).T)))
    found = np.array(
        [high for _, high in orbits.multipliers("adam", {"beta1": beta1, "beta2": beta2}, Fraction(1)).sizes]
    )
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_rmsprop_falls_into_it_and_adam_leaves_it() -> None:
    # the distance to the cycle shrinks by beta2 = 0.9 in two steps: 0.9^200 < 1e-9
    def run(b1: float, b2: float, steps: int) -> tuple[float, float]:
        rule = ts.adam(bias_correction=False).step
        A = (1 - b1) / (2 * (1 + b1))
        x, m, v = 1.01 * A, -(1 - b1) / (1 + b1) * A, A * A
        for _ in range(steps):
            x, m, v = rule(x, 1.0, b1, b2, 0.0, 0.0, x, m, v)
        return abs(x), A

    x, A = run(0.0, 0.9, 400)
    assert x == pytest.approx(A, abs=1e-8)
    x, A = run(0.9, 0.99, 400)
    assert abs(x - A) > 0.1 * A


def test_certificates_and_the_command(tmp_path: Path) -> None:
    record = orbits.certificate("adam", {"beta1": "0.5", "beta2": "0.9"})
    assert record["amplitude"] == "1/6"
    assert orbit_check.check(record).startswith("a cycle between 1/6 lr and -1/6 lr that repels")
    assert "1/6 lr that repels" in orbits.verify(record)
    for changes in (
        {"amplitude": "1/5"},
        {"hyper": {"beta1": "0.6", "beta2": "0.9"}},
        {"proves": "more"},
        {"format": 2},
    ):
        with pytest.raises(Refused):
            orbits.verify({**record, **changes})
        with pytest.raises((ValueError, LookupError)):
            orbit_check.check({**record, **changes})
    other = {**record, "hyper": {"beta1": "0.5", "beta2": "0.7"}}  # beta2 does not matter
    assert orbit_check.check(other)
    assert orbits.verify(other)
    assert orbits.amplitude("adam", {"beta1": Fraction(0)}) == Fraction(1, 2)
    out = tmp_path / "orbit"
    ran = CliRunner().invoke(main, ["hunt", "rmsprop:beta2=0.9", "--class", "orbits", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "attracts" in ran.output
    assert orbit_check.check(json.loads((out / "certificate.json").read_text()))
    assert CliRunner().invoke(main, ["hunt", "--verify", str(out / "certificate.json")]).exit_code == 0
    with pytest.raises(ValueError, match="bias_correction=false"):
        ts.hunt("adam", "orbits")


@pytest.mark.parametrize("beta2", ["0.05", "0.3", "0.9", "0.999"])
def test_multipliers_of_rmsprop_by_its_characteristic_polynomial(beta2: str) -> None:
    # half a period and the mirror image: z^2 - (3 beta2 - 1) z + beta2, derived by hand from x' = x - x'/sqrt(v')
    b = float(beta2)
    expected = np.sort(np.abs(np.roots([1.0, 1.0 - 3.0 * b, b])) ** 2)
    found = orbits.multipliers("rmsprop", {"beta2": beta2}, Fraction(1, 2))
    assert np.allclose([high for _, high in found.sizes], expected, rtol=1e-12)
    assert found.attracts is True


def test_lion_by_hand() -> None:
    # (0.9, 0.99): at x = 1/2, m = -0.005/1.99 and the sign's argument is 0.05 - 0.9 * 0.005/1.99 > 0
    hyper = {"beta1": Fraction(9, 10), "beta2": Fraction(99, 100)}
    assert orbits.states("lion", hyper, Fraction(1, 2))["m"] == Fraction(-5, 1990)
    assert orbits.comes_back("lion", hyper, Fraction(1, 2))
    # 2 beta1 = 1 + beta2: that argument is 0, which no sign decides
    edge = {"beta1": Fraction(19, 20), "beta2": Fraction(9, 10)}
    assert not orbits.comes_back("lion", edge, Fraction(1, 2))
    assert orbits.amplitude("lion", edge) == 1


@pytest.mark.parametrize(
    ("method", "hyper"),
    [
        ("rmsprop", {"beta2": "0.9"}),
        ("lion", {"beta1": "0.99", "beta2": "0.9"}),
        ("adam", {"beta1": "0.1", "beta2": "0.99"}),
    ],
)
def test_forged_orbits_are_refused_by_both(method: str, hyper: dict[str, str]) -> None:
    record, rng, passed = orbits.certificate(method, hyper), random.Random(3), 0
    for _ in range(40):
        forged = copy.deepcopy(record)
        field = rng.choice(["hyper", "amplitude", "optimizer", "proves"])
        if field == "hyper":
            forged["hyper"][rng.choice([*hyper])] = rng.choice(["0.5", "0.95", "1", "-0.1", "x"])
        elif field == "optimizer":
            forged[field] = rng.choice(["adam", "rmsprop", "lion", "sgd", 3])
        else:
            forged[field] = rng.choice(["1/2", "3", "1/3", "x", "-1/2", "101", orbit_check.PROVES["lion"]])
        if forged == record:
            continue
        found = []
        for check in (orbit_check.check, orbits.verify):
            try:
                check(forged)
                found.append(True)
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
                found.append(False)
        assert found[0] == found[1], forged
        passed += found[0]
    assert passed < 25


def test_both_say_whether_it_attracts() -> None:
    # Schur and Cohn in rationals beside eigenvalues in balls, on a grid
    for beta1 in ("0", "0.05", "0.1", "0.3", "0.6", "0.9"):
        for beta2 in ("0.3", "0.9", "0.999"):
            record = orbits.certificate("adam", {"beta1": beta1, "beta2": beta2})
            found = orbits.multipliers("adam", record["hyper"], Fraction(1)).attracts
            word = {True: "attracts", False: "repels", None: "neither"}[found]
            assert f"that {word}" in orbit_check.check(record)

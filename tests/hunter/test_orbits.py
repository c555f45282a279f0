"""2-cycles of Adam on quadratics: exact, in runs, and whether they attract."""

import json
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
    found = np.array([high for _, high in orbits.multipliers(beta1, beta2).sizes])
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
    record = orbits.certificate("0.5", "0.9")
    assert record["amplitude"] == "1/6"
    assert orbit_check.check(record) == orbits.verify(record)
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
    assert orbit_check.check(other) == orbits.verify(other)
    assert orbits.amplitude(Fraction(0)) == Fraction(1, 2)
    out = tmp_path / "orbit"
    ran = CliRunner().invoke(main, ["hunt", "rmsprop:beta2=0.9", "--class", "orbits", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "attracts" in ran.output
    assert orbit_check.check(json.loads((out / "certificate.json").read_text()))
    assert CliRunner().invoke(main, ["hunt", "--verify", str(out / "certificate.json")]).exit_code == 0
    with pytest.raises(ValueError, match="bias_correction=false"):
        ts.hunt("adam", "orbits")

"""Certificates as problems: the engine runs the certificate's method on them and shows the failure, and others arrive."""

import shlex
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app import catalogue
from theory_sim.app.cli import main
from theory_sim.evidence.hunter import gram, iid, line, orbits, sign
from theory_sim.evidence.hunter.exhibit import exhibit, problem_text, with_plateaus
from theory_sim.evidence.hunter.linear import Momentum, polyak
from theory_sim.evidence.hunter.programs import program

pytest.importorskip("flint")

ONE, TOP = Fraction(1), Fraction(25)
BALL = polyak(TOP, Fraction(5))


def of_line() -> dict[str, Any]:
    return line.certificate(BALL, ONE, TOP, line.cycle(BALL, 1.0, 25.0, 3).points)


def of_gram(method: Momentum = BALL, top: Fraction = TOP, period: int = 3) -> dict[str, Any]:
    return gram.certificate(method, ONE, top, gram.cycle(method, 1.0, float(top), period))


def of_sign() -> dict[str, Any]:
    return sign.certificate("signum", {"beta": "0.9"}, Fraction(10), 182)


def of_mixed() -> dict[str, Any]:
    """Four points in three dimensions: the modes 1 and 2."""
    method = polyak(Fraction(36), Fraction(6))
    found = gram.Cycle(4, 0.0, (0.9, 0.1))
    return gram.certificate(method, ONE, Fraction(36), found)


def of_nesterov() -> dict[str, Any]:
    method = Momentum("nesterov", Fraction(1, 14), Fraction(9, 10))
    return of_gram(method, TOP, 3)


@pytest.mark.parametrize(
    ("record", "tolerance"),
    [(of_line, 1e-9), (of_gram, 1e-9), (of_mixed, 1e-9), (of_nesterov, 1e-9), (of_sign, 0.0)],
)
def test_the_engine_repeats_the_cycle_and_gradient_descent_arrives(record: Any, tolerance: float) -> None:
    one = exhibit(record())
    _, x = one.path(one.method, 40 * one.period)
    start = np.broadcast_to(np.array(one.problem.start, dtype=float), (one.problem.dim,))
    # the cycle attracts where there is room for it, so rounding does not grow; a lattice has none
    assert np.abs(x[0, one.period - 1 :: one.period] - start).max() <= tolerance * np.abs(start).max()
    assert np.abs(x[0, : one.period] - start).max() > 0.1 * np.abs(start).max()
    found = ts.simulate(one.problem, one.method, steps=400)
    assert found.verdict.item() == "DIVERGED"
    assert ts.simulate(one.problem, one.right, steps=4000).verdict.item() != "DIVERGED"


def test_the_command_line_names_the_same_problem() -> None:
    one = exhibit(of_gram())
    assert catalogue.build_problem(problem_text(one.problem)).arguments == one.problem.arguments
    words = shlex.split(one.command)
    assert words[0] == "theory-sim"
    ran = CliRunner().invoke(main, words[1:])
    assert ran.exit_code == 0, ran.output
    assert "DIVERGED" in ran.output


def test_slopes_of_the_problem_are_those_of_the_class() -> None:
    one = exhibit(of_line()).problem
    assert 1.0 <= one.facts["mu"] <= one.facts["L"] <= 25.0
    knots = [(Fraction(0), Fraction(0)), (Fraction(1), Fraction(3)), (Fraction(2), Fraction(5))]
    wide = with_plateaus(knots, ONE, Fraction(4), Fraction(2))
    slopes = [(h - f) / (b - a) for (a, f), (b, h) in pairwise(wide)]
    assert slopes[::2] == [2, 2, 2]  # around the three points
    assert all(1 <= one <= 4 for one in slopes)
    assert with_plateaus(knots, Fraction(2), Fraction(3), Fraction(3)) == knots  # slopes 3 and 2: no room


def test_the_gradient_of_a_hull_by_hand() -> None:
    # the hull of (-2, 0), (2, 0), (0, 0) is a segment; with mu = 1, L = 3 and x = (x_1, x_2) the projection of 2 x is
    # (clip(2 x_1, -2, 2), 0), so gradient descent with lr = 1 goes to x - x - p = -(clip(2 x_1), 0)
    for x, after in (((0.5, 7.0), (-1.0, 0.0)), ((3.0, -1.0), (-2.0, 0.0)), ((-0.25, 0.0), (0.5, 0.0))):
        problem = catalogue.build_problem(f"cycles.hull:vertices=(-2,0,2,0,0,0),d=2,mu=1,L=3,x0={x}")
        found = ts.simulate(problem, ts.gd(lr=1.0), steps=1).x_final.values.ravel()
        assert np.allclose(found, after, rtol=0.0, atol=1e-14)


def test_a_hull_interpolates_the_points_of_its_cycle() -> None:
    one = exhibit(of_mixed())
    assert one.problem.dim == 3
    rng = np.random.default_rng(2)
    # (L - mu)-smooth and mu-strongly convex: <g - h, x - y> is between mu and L times |x - y|^2, at random points
    lr = 1e-3

    def gradient(x: Any) -> Any:
        start = tuple(float(q) for q in x)
        moved = ts.simulate(one.problem.replace(x0=start), ts.gd(lr=lr), steps=1).x_final.values.ravel()
        return (x - moved) / lr

    for _ in range(6):
        x, y = rng.normal(size=(2, 3))
        inner, square = float((gradient(x) - gradient(y)) @ (x - y)), float((x - y) @ (x - y))
        assert 1.0 - 1e-9 <= inner / square <= 36.0 + 1e-9


def test_refusals_of_the_problems() -> None:
    for text, why in (
        ("cycles.piecewise:points=(1,0),gradients=(0,1)", "must increase"),
        ("cycles.piecewise:points=(0,1),gradients=(0,1,2)", "as many of both"),
        ("cycles.hull:vertices=(1,0,1,0),d=2", "must be 0"),
        ("cycles.hull:vertices=(1,0,1),d=2", "coordinates of two or more"),
        ("cycles.hull:vertices=(1,-1),d=1,mu=2,L=1", "L = 1"),
    ):
        with pytest.raises(ValueError, match=why):
            catalogue.build_problem(text)


@pytest.mark.parametrize("order", iid.ORDERS)
def test_a_law_drifts_to_the_worst_corner(order: str) -> None:
    record = iid.certificate((5, -1), (1, 4), {"beta1": "0", "beta2": "0.5", "eps": "0"}, 200, order)
    one = exhibit(record)
    assert one.order == order
    _, x = one.path(one.method, one.steps, seeds=4)
    assert x[:, -1].min() > 0.9
    _, x = one.path(one.right, one.steps, seeds=4)
    assert x[:, -1].max() < -0.9


@pytest.mark.parametrize(
    ("spec", "period"),
    [
        ("rmsprop:beta2=0.9", 2),
        ("lion:beta1=0.99,beta2=0.9", 14),
        ("adam:beta1=0.1,eps=0,bias_correction=false", 2),
    ],
)
def test_an_orbit_in_the_engine(spec: str, period: int) -> None:
    found = ts.hunt(spec, "orbits")
    one = found.shown
    _, x = one.path(one.method, 6 * period)
    assert one.period == period
    # Lion's lattice is exact; the others attract, and a step makes an error of an ulp
    assert np.abs(x[0, period - 1 :: period, 0] - one.problem.start).max() <= 1e-12


def test_the_files_of_a_class(tmp_path: Path) -> None:
    out = tmp_path / "hit"
    words = ["hunt", "sgdm:lr=0.1111,momentum=0.4444", "--class", "gram", "--L", "25", "--out", str(out)]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 0, ran.output
    assert "see it in a run: theory-sim simulate" in ran.output
    assert {one.name for one in out.iterdir()} == {
        "certificate.json", "check.py", "problem.py", "figure.png", "figure.svg"
    }  # fmt: skip
    alone = subprocess.run(
        [sys.executable, "-I", "check.py"], cwd=out, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 2
    assert alone.stderr.strip() == "Name one certificate: python check.py certificate.json"


def test_a_program_of_the_class_gram(tmp_path: Path) -> None:
    (tmp_path / "problem.py").write_text(program(of_mixed()))
    ran = subprocess.run(
        [sys.executable, "-I", "problem.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    rows = [[float(q) for q in line.split("x =")[1].split()] for line in ran.stdout.splitlines()]
    assert np.allclose(rows[0], rows[4], rtol=0.0, atol=1e-9)
    assert np.allclose(rows[0], rows[16], rtol=0.0, atol=1e-9)
    assert not np.allclose(rows[0], rows[2], rtol=0.0, atol=0.1)


def test_methods_of_the_class_orbits() -> None:
    for spec in ("adam", "lion:weight_decay=0.1", "sgd"):
        with pytest.raises(ValueError, match="weight_decay=0"):
            ts.hunt(spec, "orbits")
    assert orbits.amplitude("lion", {"beta1": Fraction(9, 10), "beta2": Fraction(99, 100)}) == Fraction(1, 2)

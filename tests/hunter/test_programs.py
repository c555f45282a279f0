"""What stands as problem.py beside certificates of cycles, sweeps and laws: it runs alone and shows what is proved."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.evidence.hunter import orbits, sign
from theory_sim.evidence.hunter.programs import program


def shown(text: str, folder: Path) -> list[float]:
    """Every x that the program prints."""
    (folder / "problem.py").write_text(text)
    ran = subprocess.run(
        [sys.executable, "-I", "problem.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    return [float(line.split("x =")[1].split()[0]) for line in ran.stdout.splitlines()]


def test_a_cycle_on_the_line(tmp_path: Path) -> None:
    found = ts.hunt("sgdm:lr=0.1111,momentum=0.4444", "line", L=25, max_period=3)
    x = shown(program(found.front[0]), tmp_path)
    points = [float(Fraction(text)) for text in found.front[0]["points"]]
    assert len(x) == 13
    # 12 steps, each of which makes an error of some 1e-16 larger by 1 + 2 beta + alpha L < 5 at most: 5^12 < 1e9
    assert x == pytest.approx([*points * 4, points[0]], abs=1e-7)


def test_a_sweep(tmp_path: Path) -> None:
    x = shown(program(sign.certificate("lion", {"beta1": "0.9", "beta2": "0.99"}, Fraction(3), 60)), tmp_path)
    down = [3.0, 2.0, 1.0, 0.0, -1.0, -2.0]
    assert x == [*down, *(-one for one in down), *down, *(-one for one in down), 3.0]


def test_a_two_cycle(tmp_path: Path) -> None:
    x = shown(program(orbits.certificate("adam", {"beta1": "0.1", "beta2": "0.99"})), tmp_path)
    A = 0.9 / 2.2  # (1 - beta1)/(2 (1 + beta1))
    assert x == pytest.approx([A, -A] * 10 + [A], abs=1e-9)  # it attracts: errors do not grow


def test_a_law(tmp_path: Path) -> None:
    found = ts.hunt("adam:beta1=0.9,beta2=0.9,eps=0", "iid", max_period=8)
    (x,) = shown(program(found.front[0]), tmp_path)
    assert x > 0.5  # from the best point, -1, to near the worst


def test_orbits_of_rmsprop_and_lion(tmp_path: Path) -> None:
    x = shown(program(orbits.certificate("rmsprop", {"beta2": "0.9"})), tmp_path)
    assert x == pytest.approx([0.5, -0.5] * 10 + [0.5], abs=1e-9)  # it attracts: errors do not grow
    x = shown(program(orbits.certificate("lion", {"beta1": "0.9", "beta2": "0.8"})), tmp_path)
    assert x == [1.0, 0.0, -1.0, 0.0] * 2 + [1.0]

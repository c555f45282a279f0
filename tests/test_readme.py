"""The README's code runs, and CI runs the README's commands."""

import math
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.engine.evaluate import gradients, measures

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(
    "code", blocks("python"), ids=["break", "grid", "own", "audit", "refine", "messages", "schedules"]
)
def test_the_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "example.py"  # kernels are cached beside their file
    file.write_text(code.replace("10_000_000", "10_000"))
    exec(compile(code.replace("10_000_000", "10_000"), str(file), "exec"), {})  # noqa: S102
    matplotlib.pyplot.close("all")


def test_the_first_commands_print_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    section = README[README.index("## Three minutes") : README.index("## Everything")]
    shown = re.findall(r"^\$ theory-sim (.*)\n((?:(?!\$ |```).*\n)+)", section, flags=re.MULTILINE)
    assert [command.split()[0] for command, _ in shown] == ["simulate", "check"]
    for command, output in shown:
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output
        seconds = re.compile(r"; \d+\.\d s$", flags=re.MULTILINE)
        assert seconds.sub("", result.stdout) == seconds.sub("", output)  # progress goes to stderr
    assert "1 DIVERGED" in shown[0][1]


def test_the_commands_of_the_readme_exist() -> None:
    told = {*re.findall(r"theory-sim (?:-m \w+ )?([a-z][a-z-]*)", README)} | {
        *re.findall(r"^\| `([a-z]+)", README)
    }
    assert {"doctor", "errata", "new-paper", "reproduce"} <= told
    assert told - {"is", "runs"} <= {*main.commands}


def test_ci_runs_the_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    for block in blocks("sh"):
        for command in block.strip().splitlines():
            assert command in ci


def test_the_picture_is_there() -> None:
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")


GUIDE = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.DOTALL)


def run_block(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": f"guide_{number}"}
    exec(compile(GUIDE[number], f"CONTRIBUTING.md, block {number}", "exec"), names)  # noqa: S102
    return names


@pytest.mark.parametrize(
    ("number", "most"), [(0, 20), (1, 40), (2, 20)], ids=["optimizer", "messages", "problem"]
)
def test_the_examples_of_the_guide_are_short(number: int, most: int) -> None:
    lines = [
        line for line in GUIDE[number].splitlines() if line.strip() and not re.match("from|import", line)
    ]
    assert len(lines) <= most


def test_the_optimizer_of_the_guide_is_laprop() -> None:
    laprop = run_block(0)["laprop"]
    problem = run_block(2)["valley"](1, 10.0)
    grid = ts.simulate(problem, laprop(0.1, 0.9, 0.99, 1e-8), steps=50)
    m = v = 0.0
    x = 1.0
    for t in range(1, 51):
        g = 1.0 * x
        v = 0.99 * v + 0.01 * g * g
        m = 0.9 * m + 0.1 * g / (math.sqrt(v / (1.0 - 0.99**t)) + 1e-8)
        x -= 0.1 * m / (1.0 - 0.9**t)
    assert grid.x_final.item() == pytest.approx(x, rel=1e-13)


def test_the_method_with_messages_of_the_guide_runs() -> None:
    method, problem = run_block(1)["momentum_ef"](0.05), run_block(2)["valley"](4, 10.0)
    sweep = ts.Sweep(problem, method, {"workers": [1, 3], "up.k": [1, 4]}, steps=2_000)
    grid = sweep.run()
    assert (grid.gap_final < 1e-12).all()
    # One float of 32 bits and an index of 2 bits in each of 2000 rounds.
    assert grid.bits_up.sel({"up.k": 1}).values.ravel().tolist() == [68_000.0, 68_000.0]


def test_the_problem_of_the_guide_by_hand() -> None:
    valley = run_block(2)["valley"]
    grid = ts.simulate(valley(2, 10.0), ts.gd(0.1), steps=1)
    # x = (1 - .1, 1 - 1): gap = .81/2, gradient (.9, 0)
    assert grid.gap_final.item() == pytest.approx(0.405)
    assert grid.gradient_norm_final.item() == pytest.approx(0.9)


def test_the_matrix_of_the_guide_is_least_squares() -> None:
    # A^T (A x - b) at x = (1, 1) with A = [[1, .5], [0, 1]], b = (1, 2): A x - b = (.5, -1), so (.5, -.75).
    made = run_block(3)["least_squares"]()
    assert gradients(made, [[1.0, 1.0]]).tolist() == [[0.5, -0.75]]
    assert {name: value.item() for name, value in measures(made, [[1.0, 1.0]]).items()} == {
        "loss": 0.625,
        "gradient_l1": 1.25,
    }


def test_the_claim_of_the_guide_passes() -> None:
    names = run_block(4)
    assert names["CLAIMS"][0].check([names["RUN"].run()], "full").status == "PASS"

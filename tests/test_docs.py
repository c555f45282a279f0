"""The documentation: every example runs and prints what its page shows, and the pages name what exists."""

import contextlib
import io
import json
import pkgutil
import re
import runpy
from pathlib import Path
from typing import Any

import matplotlib
import pytest

import counterexamples

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
NEEDS = {"torch_on_trial": "torch", "certify": "flint", "hunt": "flint"}


def output(example: Path) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(example), run_name="__main__")
    return printed.getvalue()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_its_page_shows(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if example.stem in NEEDS:
        pytest.importorskip(NEEDS[example.stem])
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)  # where it leaves its picture
    assert output(example) == example.with_suffix(".out").read_text()


def test_every_example_is_on_a_page_with_what_it_prints() -> None:
    pages = "\n".join(path.read_text() for path in [*DOCS.glob("*.rst"), *DOCS.glob("guides/*.rst")])
    shown = set(re.findall(r"literalinclude:: (?:\.\./)?examples/(\w+\.\w+)", pages))
    assert shown == {path.name for path in (DOCS / "examples").iterdir() if path.suffix in (".py", ".out")}


def test_the_reference_has_every_module_of_problems() -> None:
    told = (DOCS / "pages.py").read_text()
    for module in pkgutil.iter_modules(counterexamples.__path__, "counterexamples."):
        assert f'"{module.name}"' in told


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flint")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    book = json.loads((DOCS / "teaching.ipynb").read_text())
    names: dict[str, Any] = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102  our own cells
    verdicts = {name: run.verdict.item() for name, run in names["runs"].items()}
    assert verdicts == {"SGD": "CONVERGED", "Adam": "DIVERGED", "AMSGrad": "CONVERGED"}
    assert {"CONVERGED", "DIVERGED"} <= set(names["grid"].verdict.values.ravel().tolist())
    assert names["found"].front[0].period == 3

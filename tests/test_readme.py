"""The README's code runs, and CI runs the README's commands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"), ids=["break", "grid", "own", "messages"])
def test_the_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "example.py"  # kernels are cached beside their file
    file.write_text(code.replace("10_000_000", "10_000"))
    exec(compile(code.replace("10_000_000", "10_000"), str(file), "exec"), {})  # noqa: S102
    matplotlib.pyplot.close("all")


def test_ci_runs_the_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    for block in blocks("sh"):
        for command in block.strip().splitlines():
            assert command in ci


def test_the_picture_is_there() -> None:
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")

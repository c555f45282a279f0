"""The doctor says what is there, and what is not well."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from theory_sim.app import doctor
from theory_sim.app.cli import main
from theory_sim.optimizers import adam as rules


def test_a_healthy_machine() -> None:
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    for what in ("python", "numba ", "cache", "SIMD", "cores usable", "numba threading", "extra exact"):
        assert what in result.output
    assert "All is well." in result.output
    (line,) = (line for line in result.output.splitlines() if line.startswith("self-test"))
    assert line.endswith("[ok]")


def test_a_cache_that_is_lost_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The folder in use was chosen before; that of the environment is another, as if it could not be written.
    doctor._cache()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    found = doctor._cache()
    assert found.well is False
    assert "give XDG_CACHE_HOME a folder that can be written" in found.found


def test_the_self_test_notices_another_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_a_bit(*given: float) -> tuple[float, ...]:
        x, m, v = rules.adam_rule(*given)
        return x * (1.0 + 2.0**-52), m, v

    monkeypatch.setattr(doctor, "adam_rule", off_by_a_bit)
    assert doctor.self_test().well is False


def test_every_extra_is_looked_at_as_a_whole() -> None:
    extras = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    wanted = extras["optional-dependencies"]
    assert set(doctor._EXTRAS) == set(wanted)
    counts = {name: len(modules) for name, modules in doctor._EXTRAS.items()}
    assert counts == {name: len(lines) for name, lines in wanted.items()}  # one module for each distribution

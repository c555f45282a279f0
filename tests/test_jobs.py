"""Claims and figures over processes: nothing is run twice, nothing depends on the number of processes."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from click.testing import CliRunner

import theory_sim as ts
from counterexamples import zhang
from theory_sim.app import catalogue, jobs, terminal
from theory_sim.app.cli import main
from theory_sim.nouns.claim import Claim, at_most


def sweep(name: str, **more: Any) -> ts.Sweep:
    return ts.Sweep(zhang.piecewise(3), ts.sgd(0.1), steps=5, name=name, **more)


def claim(label: str, *names: str) -> Claim:
    sweeps = tuple(map(sweep, names))
    return Claim(
        f"reddi2018.{label}", "nowhere", "s", "upper", lambda grids, tier: at_most(len(grids), 9), sweeps
    )


def test_jobs_share_no_sweep_and_the_longest_is_first() -> None:
    long = Claim(
        "reddi2018.L", "nowhere", "s", "upper", lambda grids, tier: at_most(0, 1), (sweep("x", seeds=10**8),)
    )
    claims = [claim("A", "a"), claim("B", "b"), claim("C"), claim("D", "c", "d"), claim("E", "b", "d"), long]
    split = jobs.split(claims, [], "full")
    assert [job.claims for job in split] == [
        ("reddi2018.L",),
        ("reddi2018.B", "reddi2018.D", "reddi2018.E"),
        ("reddi2018.A",),
        ("reddi2018.C",),
    ]
    assert [job.cost for job in split] == sorted((job.cost for job in split), reverse=True)


def test_every_claim_and_figure_of_the_suite_is_in_one_job() -> None:
    claims, figures = catalogue.claims(), catalogue.figures()
    split = jobs.split(claims.values(), figures.values(), "quick")
    assert sorted(id for job in split for id in job.claims) == sorted(claims)
    assert sorted(name for job in split for name in job.figures) == sorted(figures)
    swept = [name for job in split for name in job.costs if name.startswith("sweep ")]
    assert len(swept) == len(set(swept)) == len(catalogue.sweeps())


def test_processes_change_nothing(tmp_path: Path) -> None:
    claims = catalogue.select_claims(("reddi2018.R1a", "reddi2018.R2", "reddi2018.R7a"))
    figures = [catalogue.figures()["stability"]]
    (one, here, _), (two, there, _) = (
        jobs.run(claims, figures, "quick", jobs.Place.within(tmp_path / str(n)), processes=n) for n in (1, 2)
    )
    assert [(r.claim, r.evidence) for r in one] == [(r.claim, r.evidence) for r in two]
    assert [r.claim for r in one] == claims
    for path, other in zip(here["stability"], there["stability"], strict=True):
        assert path.name == other.name
        assert path.read_bytes() == other.read_bytes(), path.name


def test_progress_counts_claims_and_leaves_out_what_the_store_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [claim("A", "a"), claim("B", "b"), claim("C")]
    monkeypatch.setattr(catalogue, "claims", lambda: {one.id: one for one in claims})
    for _ in range(2):
        told: list[tuple[str, float]] = []
        place = jobs.Place.within(tmp_path)
        jobs.run(claims, [], "full", place, processes=1, progress=lambda *one, told=told: told.append(one))
        assert told[0] == ("claim 1 of 3, claim reddi2018.A", 0.0)
        shares = [share for _, share in told]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0)
        assert told[-1][0] == "claim 3 of 3, claim reddi2018.C"
    assert not any("sweep" in text for text, _ in told)  # the second time, nothing was run


def test_a_figure_that_raises_leaves_the_others_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = catalogue.figures()["stability"]

    def broken(*grids: xr.Dataset) -> None:
        raise KeyError("beta3")

    bad = replace(good, name="broken", draw=broken)
    monkeypatch.setattr(catalogue, "figures", lambda: {one.name: one for one in (bad, good)})
    done = jobs.run([], [bad, good], "quick", jobs.Place.within(tmp_path), processes=1)
    assert [*done.files] == ["stability"]
    (said,) = done.undrawn.values()
    assert said.startswith("Figure broken was not drawn: KeyError in broken (test_jobs.py, line ")
    command = ["reproduce", good.claims[0], "--tier", "quick", "--processes", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert f"1 figure, report: {tmp_path / 'index.html'}" in result.output
    assert said in result.output


def test_an_error_in_a_process_is_that_error(tmp_path: Path) -> None:
    out = tmp_path / "file"
    out.write_text("no folder")
    claims = catalogue.select_claims(("reddi2018.R1a", "reddi2018.R7a"))
    with pytest.raises(OSError, match=r"sweeps cannot be written \(Not a directory\); choose another folder"):
        jobs.run(claims, [], "quick", jobs.Place.within(out), processes=2)


def test_grids_are_beside_a_site_unless_they_are_asked_for_or_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    inside, beside = out / "sweeps", tmp_path / "out.sweeps"
    assert jobs.Place.within(out).store == inside
    assert jobs.Place.within(out, data=False).store == beside
    assert jobs.Place.within(Path("."), data=False).store == Path.cwd().with_name(f"{Path.cwd().name}.sweeps")
    beside.mkdir()  # a site was written: what other commands find there is not run again
    assert jobs.Place.within(out).store == beside
    inside.mkdir(parents=True)
    assert jobs.Place.within(out, data=False).store == inside


class Screen(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("screen", "lines"), [(Screen(True), 3), (Screen(False), 1)], ids=["terminal", "log"]
)
def test_progress_says_how_long_the_rest_takes(
    screen: Screen, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(terminal.sys, "stderr", screen)
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock[0])
    with terminal.Progress() as progress:
        for second in range(11):
            clock[0] = 0.25 * second if second < 8 else 4.0 * second - 28.0
            progress("half" if second == 10 else "less", 0.25 + clock[0] / 32.0)
    said = screen.getvalue().replace("\r\033[K", "\n").split("\n")
    assert len([line for line in said if line]) == lines
    assert "half, 12 s left" in said


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(True)
    monkeypatch.setattr(terminal.sys, "stderr", screen)
    with terminal.Progress() as progress:
        progress("sweep", 0.5)
    assert screen.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99.0, "99 s"), (720.0, "12 min"), (12600.0, "3.5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text

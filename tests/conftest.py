"""Hypothesis profile, the grids and figures of a session, and shared problems."""

import json
from pathlib import Path

import pytest
from hypothesis import settings

from tests.session import Drawings, SharedRuns
from theory_sim import Problem, Rule
from theory_sim.rules.language import largest

# The first call of a kernel compiles for seconds, which is no flakiness; examples are the same in every run.
settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of one pytest run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sweeps",
        type=Path,
        help="a store of finished sweeps to read from and add to, such as the out.sweeps of reproduce; default: a new one",
    )
    parser.addoption(
        "--checked", type=Path, help="a claims.json of reproduce, whose claims need not be checked once more"
    )


@pytest.fixture(scope="session")
def runs(session_folder: Path, request: pytest.FixtureRequest) -> SharedRuns:
    """The grids of the quick tier, each sweep run once per session."""
    store = request.config.getoption("--sweeps") or session_folder / "grids"
    return SharedRuns(store, session_folder / "locks")


@pytest.fixture(scope="session")
def checked(request: pytest.FixtureRequest) -> dict[str, str]:
    """What reproduce has found of claims a moment ago, by id."""
    file = request.config.getoption("--checked")
    return {one["id"]: one["status"] for one in json.loads(file.read_text())["claims"]} if file else {}


@pytest.fixture(scope="session")
def drawings(runs: SharedRuns, session_folder: Path) -> Drawings:
    """The figures of the quick tier, each drawn once per session."""
    return Drawings(runs, session_folder / "figures")


def pull_gradient(x: float, curvature: float, target: float) -> float:
    return curvature * (x - target)


def distance_to_target(x: float, target: float) -> float:
    return abs(x - target)


def largest_distance(away: float) -> float:
    return away


@pytest.fixture
def pull() -> Problem:
    """f(x) = curvature (x - target)^2/2 on the line."""
    return Problem(
        name="pull",
        gradient=pull_gradient,
        constants={"curvature": 1.0, "target": 0.0},
        reductions={"away": largest(distance_to_target)},
        measure=largest_distance,
        measures=("distance",),
        start=1.0,
        optimum=0.0,
        rule=Rule("distance", converged=1e-3, diverged=10.0),
    )

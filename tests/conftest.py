"""Hypothesis profile, the grids and figures of a session, and shared problems."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.reproduced import statuses
from tests.session import Drawings, SharedRuns
from theory_sim import Problem, Rule
from theory_sim.app.jobs import Place
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
        "--reproduced",
        type=Path,
        help="what `theory-sim reproduce --tier quick` has written (out) of these very files: its sweeps are read, and "
        "its claims and figures are neither checked nor drawn again; default: everything is run",
    )


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("--reproduced"):
        try:
            statuses(folder)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="session")
def reproduced(request: pytest.FixtureRequest) -> Path | None:
    """The output of reproduce that need not be made again."""
    folder: Path | None = request.config.getoption("--reproduced")
    return folder


@pytest.fixture(scope="session")
def runs(session_folder: Path, reproduced: Path | None) -> SharedRuns:
    """The grids of the quick tier, each sweep run once per session."""
    store = Place.within(reproduced, data=False).store if reproduced else session_folder / "grids"
    return SharedRuns(store, session_folder / "locks")


@pytest.fixture(scope="session")
def checked(reproduced: Path | None) -> dict[str, str]:
    """What reproduce has found of claims a moment ago, by id."""
    return statuses(reproduced) if reproduced else {}


@pytest.fixture(scope="session")
def drawings(runs: SharedRuns, session_folder: Path, reproduced: Path | None) -> Drawings:
    """The figures of the quick tier, each drawn once per session."""
    return Drawings(runs, session_folder / "figures", reproduced / "figures" if reproduced else None)


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

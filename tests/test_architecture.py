"""The shape of the house: import direction, light import, public names, papers, packaging."""

import ast
import importlib
import importlib.metadata
import inspect
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import theory_sim
from theory_sim.app import catalogue
from theory_sim.nouns.papers import PAPERS, paper
from theory_sim.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[1]
LAYERS = ["theory_sim", "counterexamples", "paper_checks", "figures"]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_run_one_way(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    for path in (ROOT / layer).rglob("*.py"):
        assert not imports(path) & above, path


def top_level_imports(nodes: list[ast.stmt]) -> Iterator[str]:
    """Modules of theory_sim that are imported when a module is, not for types only."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "theory_sim":
            whole = node.module == "theory_sim"
            yield from (name.name for name in node.names) if whole else [str(node.module).split(".")[1]]
        elif isinstance(node, ast.If | ast.Try) and "TYPE_CHECKING" not in ast.dump(node):
            yield from top_level_imports([*node.body, *node.orelse])


def rooms() -> dict[str, set[str]]:
    """The rooms of theory_sim, and which others each of them imports."""
    folder = ROOT / "theory_sim"
    arrows: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        if room != "__init__":
            arrows.setdefault(room, set()).update(top_level_imports(ast.parse(path.read_text()).body))
    return {room: others - {room} for room, others in arrows.items()}


def test_the_house_has_few_rooms_and_no_circle() -> None:
    arrows = rooms()
    assert len(arrows) <= 12
    floor: dict[str, int] = {}
    while len(floor) < len(arrows):
        free = [r for r, others in arrows.items() if r not in floor and others <= floor.keys()]
        assert free, f"a circle among {sorted(arrows.keys() - floor.keys())}"
        floor |= dict.fromkeys(free, max(floor.values(), default=0) + 1)
    # Nouns import no engine, and nothing but the application knows the command line.
    assert floor["rules"] < floor["nouns"] < floor["engine"] < floor["app"]


def test_no_module_is_shadowed_by_a_function() -> None:
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
            found = getattr(package, path.stem, None)
            assert found is None or path.stem == "__init__" or inspect.ismodule(found), path


def test_importing_the_engine_is_light() -> None:
    heavy = [
        "numba",
        "xarray",
        "matplotlib",
        "sympy",
        "scipy",
        "zarr",
        "torch",
        "jax",
        "optax",
        "distributed",
        "rich",
        "click",
    ]
    code = f"import sys, theory_sim; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_are_sorted_and_importable() -> None:
    # Constants first, as ruff sorts them.
    assert theory_sim.__all__ == sorted(theory_sim.__all__, key=lambda name: (not name.isupper(), name))
    for name in theory_sim.__all__:
        assert getattr(theory_sim, name).__doc__


def test_every_paper_can_be_found() -> None:
    # These are not on arXiv; everything else has an arXiv identifier.
    elsewhere = {"robbins1951", "polyak1964", "duchi2011", "tieleman2012", "shi2021", "seide2014"}
    elsewhere |= {"sutskever2013", "dozat2016", "zaheer2018", "jordan2024muon", "hunter"}
    assert {key for key, one in PAPERS.items() if not one.arxiv} == elsewhere
    assert all(PAPERS[key].url.startswith("https://") for key in elsewhere - {"hunter"})


def test_everything_resolves_to_a_paper() -> None:
    for claim in catalogue.claims().values():
        assert claim.paper in PAPERS
    for constructor in OPTIMIZERS.values():
        assert constructor().paper in PAPERS
    for theorem in catalogue.theorems().values():
        assert theorem.paper in PAPERS
    for row in catalogue.deviations():
        assert row.paper in PAPERS
        assert set(row.claims) <= set(catalogue.claims())
    for figure in catalogue.figures().values():
        assert set(figure.claims) <= set(catalogue.claims())
    with pytest.raises(ValueError, match="did you mean reddi2018"):
        paper("reddi18")


def test_the_benchmark_names_an_existing_sweep() -> None:
    from theory_sim.app import bench

    assert "shi2021.phases" in catalogue.sweeps()
    assert "shi2021.phases" in Path(bench.__file__).read_text()


def test_names_are_unique() -> None:
    claims, figures = (list(getattr(catalogue.import_module(name), attribute)) for name, attribute in
                       (("paper_checks", "CLAIMS"), ("figures", "FIGURES")))  # fmt: skip
    assert len({claim.id for claim in claims}) == len(claims)
    assert len({figure.name for figure in figures}) == len(figures)
    by_name: dict[str, list[Any]] = {}
    for sweep in (sweep for user in (*claims, *figures) for sweep in user.sweeps):
        others = by_name.setdefault(sweep.name, [sweep])
        if not any(
            sweep is one for one in others
        ):  # most are one object; a digest expands the lanes of the full tier
            others.append(sweep)
    for others in by_name.values():
        assert len(others) == 1 or len({one.job.digest for one in others}) == 1
    assert "" not in by_name


def test_the_figures_package_is_ours() -> None:
    """The index has a distribution `figures` that would overwrite our package silently."""
    import figures

    # An editable install lists no files, so there the location alone tells.
    assert set(importlib.metadata.packages_distributions().get("figures", ["theory-sim"])) == {"theory-sim"}
    assert Path(figures.__file__).parents[1] == Path(theory_sim.__file__).parents[1]


def test_the_wheel_contains_the_four_packages_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(LAYERS)
    kept = {"base.html.j2", "index.html.j2", "site.css", "site.js", "explorer.js", "plotly-cartesian.min.js"}
    assert {f"theory_sim/app/templates/site/{name}" for name in kept} <= set(names)
    assert "theory_sim/py.typed" in names

"""The door: a module of somebody else is found like ours, and one that is wrong is told in one sentence."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.shell_completion import BashComplete, ShellComplete
from click.testing import CliRunner, Result

import theory_sim as ts
from theory_sim.app import catalogue, door
from theory_sim.app.cli import main

EXTERNAL = Path(__file__).parent / "external"
NEW = "import theory_sim as ts\nPAPERS = [ts.Paper('own2026', 'A', 'T', 'unpublished', 2026)]\n"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def closed() -> Iterator[None]:
    """Close the door after a test, and forget the modules that came in."""
    known, path = set(sys.modules), list(sys.path)
    yield
    for name in [
        one
        for one in sys.modules
        if one in ("mine", "other", "heavy2026", "folder", "lee2026") and one not in known
    ]:
        del sys.modules[name]
    sys.path[:] = path
    catalogue.open_door()
    for function in catalogue._CACHED:  # what was installed for a test is gone
        function.cache_clear()


@pytest.fixture
def outside(closed: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(EXTERNAL)
    return EXTERNAL


@pytest.fixture
def write(closed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_paper_of_somebody_else_is_found_like_ours(outside: Path, tmp_path: Path) -> None:
    door = ("-m", "heavy2026")
    listed = run(*door, "list", "--paper", "heavy2026").output
    for name in ("heavy2026.parabola", "heavy2026.C1", "heavy2026.thm1", "heavy2026.long", "heavy2026-stab"):
        assert name in listed
    assert "reddi2018" not in listed
    assert "[100]" not in run("explain", *door, "heavy2026").output
    assert "stated: Any L." in run("explain", *door, "heavy2026").output
    assert "m = momentum * m + g" in run("explain", "heavy", *door).output
    assert "@unpublished{heavy2026" in run("cite", *door, "heavy2026.C1").output
    # lr = .5 < 2 (1 + .5)/1, and lr = 3.2 is not.
    assert "applies" in run(*door, "theorem", "heavy2026.thm1", "--lr", "0.5", "--no-run").output
    far = run(*door, "theorem", "heavy2026.thm1", "--lr", "3.2", "--no-run").output
    assert "does not apply" in far
    output = run("list", "claims", "--paper", "reddi2018", "amsgrad").output
    assert "reddi2018.R8b" in output
    assert "heavy2026" not in output
    # The door closes after each command.
    assert "Unknown name" in run("explain", "heavy2026", code=2).output


def test_claims_of_somebody_else_run_on_several_processes(outside: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"claims.{name}" for name in ("json", "junit", "markdown")}
    given = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    arguments = ("--tier", "quick", "--out", str(tmp_path), *given)
    # Two jobs, so two processes, each of which has to import the module.
    output = run("-m", "heavy2026", "check", "heavy2026", "--processes", "2", *arguments).output
    assert "PASS heavy2026.C1 (Theorem 1; region): observed 0, expected <= 0, margin 0" in output
    assert "On curvature L the heavy ball converges" in output
    assert "2 PASS, 0 FAIL, 0 UNDECIDED" in output
    suite = ElementTree.parse(files["junit"]).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "0", "0")
    assert "| PASS | heavy2026.C2 | Without momentum" in files["markdown"].read_text()
    # The named sweep, the figure of the stored sweep, and an own problem under an own optimizer.
    swept = run("sweep", "heavy2026.long", "-m", "heavy2026", "--out", str(tmp_path)).output
    assert "2 CONVERGED" in swept
    drawn = run("-m", "heavy2026", "figure", "heavy2026-stability", *arguments[:4]).output
    assert "heavy2026-stability.png" in drawn
    page = run("-m", "heavy2026", "reproduce", "heavy2026", *arguments[:4]).output
    assert f"grids: {tmp_path}" in page
    assert f"1 figure, report: {tmp_path / 'index.html'}" in page
    assert "Heavy Ball" in (tmp_path / "index.html").read_text()
    paper = (tmp_path / "papers" / "heavy2026.html").read_text()
    assert "theory-sim -m heavy2026 check heavy2026.C1 --tier quick" in paper


NO_NOUNS = {
    "x = 1": "offers nothing; list its nouns there as PROBLEMS, OPTIMIZERS",
    "import nothing_like_it": "-m mine cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it'",
    "CLAIMS = [\n": "-m mine cannot be imported: SyntaxError",
    "raise SystemExit(0)": "-m mine cannot be imported: SystemExit",
    "CLAIMS = []\n1 / 0": "mine.py, line 2); mend it",
    "CLAIMS = 3": "CLAIMS is an int; make it a list or a dict, each of it a Claim",
    "CLAIMS = 'abc'": "CLAIMS is a str; make it a list",
    "CLAIMS = [3]": "CLAIMS[0] = 3 is an int; give a Claim.",
    "PROBLEMS = [3]": "PROBLEMS[0] = 3 is an int; give a Problem or a constructor of one.",
    "OPTIMIZERS = [int]": "OPTIMIZERS[0] = <class 'int'> is a type; give an Optimizer or a constructor of one.",
    "OPTIMIZERS = [lambda: 0]": "OPTIMIZERS[0] is called '<lambda>'; give it a name",
    "OPTIMIZERS = {'a:b': lambda: 0}": "OPTIMIZERS['a:b'] is called 'a:b'; give it a name of letters",
    "OPTIMIZERS = {3: lambda: 0}": "is called 3; give it a name of letters",
    "DEVIATIONS = ['x']": "DEVIATIONS has 'x', no Deviation; write it with ledger().",
    "DEVIATIONS = 3": "DEVIATIONS is an int",
}
CLAIM = "c = ts.Claim({id!r}, 'T', 's', 'exact', lambda grids, tier: ts.at_most(0, 1))\nCLAIMS = [c]\n"
NAMES = {
    NEW + CLAIM.format(id="own2026.C1") + "CLAIMS = [c, c]": "CLAIMS has two things called 'own2026.C1'",
    NEW + CLAIM.format(id="own2026.C1") + "CLAIMS = {'x': c}": "is called 'own2026.C1' by its id; use one name",
    NEW
    + CLAIM.format(id="own2026").replace("CLAIMS", "X"): "a dot and a label, as in reddi2018.R1 (mine.py, line 3); mend it",
    NEW + CLAIM.format(id="owm2026.C1"): "there is no paper 'owm2026': offer PAPERS = [Paper('owm2026', ...)], or did",
    NEW + CLAIM.format(id="reddi2018.R1a"): "CLAIMS offers 'reddi2018.R1a', a name that is taken by theory-sim",
    NEW + "OPTIMIZERS = [ts.adam]": "OPTIMIZERS offers 'adam', a name that is taken by theory-sim; rename it.",
    NEW + "OPTIMIZERS = {'own': lambda: 3}": "-m mine: own gives 3, which is not an Optimizer",
    NEW + "OPTIMIZERS = {'own': lambda: [][0]}": "-m mine: own raised IndexError: list index out of range.",
    NEW.replace("own2026", "zou2019"): "PAPERS offers 'zou2019', a name that is taken by theory-sim",
    NEW + "DEVIATIONS = ts.ledger('out2026', ('T', 's', 'r'))": "there is no paper 'out2026'",
    NEW
    + "F = ts.Figure('f', 'c', (1, 1), (2, 2), (), None, None, claims=('own2026.C9',))\nFIGURES = [F]": (
        "figure 'f' names the claim 'own2026.C9', which is unknown"
    ),
    NEW
    + "from counterexamples import shi\nSWEEPS = [ts.Sweep(shi.periodic(4), ts.sgd(), name='shi2021.phases')]": (
        "the sweep 'shi2021.phases' is another than that of -m mine: SWEEPS; rename one of them."
    ),
    NEW + "from counterexamples import shi\nSWEEPS = [ts.Sweep(shi.periodic(4), ts.sgd())]": "is called ''",
}  # fmt: skip


@pytest.mark.parametrize(("source", "message"), [*NO_NOUNS.items(), *NAMES.items()])
def test_a_wrong_module_gets_one_sentence(source: str, message: str, write: Path) -> None:
    (write / "mine.py").write_text(source)
    command = ["list"]
    if "own gives" in message or "own raised" in message:
        assert "own" in run("-m", "mine", "list", "--paper", "own2026").output  # these do not build it
        assert "own()" in run("-m", "mine", "explain", "own").output
        command = ["simulate", "--problem", "zhang.piecewise", "--optimizer", "own"]
    elif "out2026" in message:  # the ledger is read when it is asked for
        command = ["explain", "own2026"]
    said = " ".join(run("-m", "mine", *command, code=2).output.split())
    assert said.startswith("Error: ")
    assert message in said.replace("│ ", "")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "no module absent is found; run in the folder that holds absent.py"),
        (
            "mine.part",
            "no module mine.part is found; run in the folder that holds mine/part.py, or",
        ),
        ("absent.part", "no module absent is found"),
        ("mine.py", "give the module, not its file: -m mine."),
        ("there/mine.py", "is no name of a module; run in the folder of its file, with -m mine."),
        ("folder", "folder is a folder, no module; run inside it"),
        ("", "is no name of a module"),
    ],
)
def test_a_module_that_is_not_there(name: str, message: str, write: Path) -> None:
    (write / "mine.py").write_text(NEW)
    (write / "folder").mkdir()
    assert message in " ".join(run("list", "-m", name, code=2).output.split())


def test_the_hunt_keeps_its_exit_status_for_errors(write: Path) -> None:
    # There 2 means that nothing was found.
    assert "no module absent" in run("-m", "absent", "hunt", "adam", code=1).output


def test_two_modules_of_which_one_takes_the_name_of_the_other(write: Path) -> None:
    for name in ("mine", "other"):
        (write / f"{name}.py").write_text(NEW)
    said = " ".join(run("-m", "mine", "list", "-m", "other", code=2).output.split())
    assert "-m other: PAPERS offers 'own2026', a name that is taken by -m mine; rename it." in said
    assert "own2026" in run("-m", "mine", "list", "papers", "-m", "mine").output  # twice is once


def test_nouns_that_are_built_already_take_arguments(write: Path) -> None:
    source = (
        "from dataclasses import replace\nimport theory_sim as ts\nfrom counterexamples import zhang\n"
        "OPTIMIZERS = {'quick': ts.adam(0.5), 'bare': ts.Optimizer('b', step, 0.5, {'k': 1.0})}\n"
        "PROBLEMS = {'small': zhang.piecewise(3), 'other': zhang.piecewise}\n"
    )
    step = "def step(g, lr, k, x):\n    return x - lr * k * g\n"
    (write / "mine.py").write_text(step + source)
    sys.path.append(str(write))
    catalogue.open_door("mine")
    assert catalogue.build_optimizer("quick:beta2=0.9").hyper["beta2"] == 0.9
    assert catalogue.build_optimizer("quick").lr == 0.5
    assert catalogue.build_optimizer("bare:k=3,lr=0.25").hyper["k"] == 3.0
    assert catalogue.build_problem("small").arguments["n"] == 3
    assert catalogue.build_problem("small:n=5").arguments["n"] == 5
    assert catalogue.build_problem("other:n=4").arguments["n"] == 4
    with pytest.raises(ValueError, match="Unknown argument of bare 'q'"):
        catalogue.build_optimizer("bare:q=3")


def test_a_constructor_need_not_know_of_schedules(write: Path) -> None:
    source = "import theory_sim as ts\n\n\ndef step(g, lr, x):\n    return x - lr * g\n\n\n"
    source += "@ts.family\ndef plain(lr=0.1):\n    return ts.Optimizer('plain', step, lr, {})\n\n\n"
    source += "def other(lr=0.1):\n    return ts.Optimizer('other', step, lr, {})\n\n\nOPTIMIZERS = [plain, other]\n"
    (write / "mine.py").write_text(source)
    sys.path.append(str(write))
    catalogue.open_door("mine")
    for name in ("plain", "other"):
        made = catalogue.build_optimizer(f"{name}:lr=0.5", schedule=ts.power(0.5))
        assert (made.lr, made.schedule) == (0.5, ts.power(0.5))
        again = made.replace(lr=0.25)
        assert (again.lr, again.schedule) == (0.25, ts.power(0.5))
        last = again.replace(lr=1.0, schedule=ts.linear(100))
        assert (last.lr, last.schedule) == (1.0, ts.linear(100))


def install(folder: Path, module: str) -> None:
    """What pip leaves of a distribution with an entry point."""
    info = folder / "mine_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{door.GROUP}]\nmine = {module}\n")


def test_an_installed_module_is_shown_without_being_named(
    write: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (write / "mine.py").write_text(NEW)
    install(write, "mine")
    monkeypatch.syspath_prepend(write)
    for function in catalogue._CACHED:
        function.cache_clear()
    assert "own2026" in run("list", "papers").output
    assert "own2026" in run("-m", "mine", "list", "papers").output  # named too, it is the same


def test_an_installed_module_that_breaks_is_named_with_its_distribution(
    write: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (write / "mine.py").write_text("1 / 0")
    install(write, "mine")
    monkeypatch.syspath_prepend(write)
    for function in catalogue._CACHED:
        function.cache_clear()
    said = " ".join(run("list", "papers", code=2).output.split())
    assert "module mine of mine-dist cannot be imported: ZeroDivisionError" in said
    assert "or uninstall it" in said


def test_a_new_paper_works_as_written(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = run("new-paper", "lee2026", "--title", 'A "quoted" mine2026').output
    assert "theory-sim -m lee2026 check lee2026" in output
    folder = write / "lee2026"
    assert 'title="A \\"quoted\\" mine2026"' in (folder / "lee2026.py").read_text()
    assert "theory-sim -m lee2026 check lee2026" in (folder / ".github/workflows/claims.yml").read_text()
    for path in folder.rglob("*"):
        assert path.is_dir() or path.name == "lee2026.py" or "mine2026" not in path.read_text()
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTEST_ADDOPTS": ""}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(tests, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    monkeypatch.chdir(folder)  # which is not in sys.path, as it is not in that of the command
    assert str(folder) not in sys.path
    checked = run("-m", "lee2026", "check", "lee2026", "--tier", "quick", "--out", str(write / "out")).output
    assert "1 PASS" in checked
    monkeypatch.chdir(write)
    refused = " ".join(run("new-paper", "lee2026", code=2).output.split())
    assert "lee2026 exists and is not empty" in refused


@pytest.mark.parametrize("key", ["Lee", "2026", "a-b", "class", "zhang2022", "json", "numpy", "figures", ""])
def test_a_key_that_is_no_module_is_refused(key: str, write: Path) -> None:
    assert f"KEY = {key!r}" in run("new-paper", key, code=2).output
    assert not list(write.iterdir())


def completions(arguments: list[str], incomplete: str) -> list[str]:
    shell = ShellComplete(main, {}, "theory-sim", "_THEORY_SIM_COMPLETE")
    return [item.value for item in shell.get_completions(arguments, incomplete)]


@pytest.mark.parametrize(
    ("arguments", "incomplete", "some"),
    [
        (["figure"], "ph", ["phase"]),
        (["check"], "reddi2018.R1", ["reddi2018.R10a", "reddi2018.R10b", "reddi2018.R11", "reddi2018.R1a", "reddi2018.R1b"]),
        (["check"], "dereich", ["dereich2024", *(f"dereich2024.X1{label}" for label in "abcdef")]),
        (["reproduce"], "orvi", ["orvieto2025", *(f"orvieto2025.O{i}" for i in (1, 2, 3))]),
        (["sweep"], "shi2021.phases", ["shi2021.phases", "shi2021.phases_two_hit"]),
        (["theorem"], "reddi2018.thm1", ["reddi2018.thm1"]),
        (["simulate", "--optimizer"], "amsg", ["amsgrad"]),
        (["simulate", "--problem"], "reddi.p", ["reddi.periodic"]),
        (["audit"], "zo", ["zoo"]),
        (["explain"], "top", ["top_k"]),
        (["list"], "cl", ["claims"]),
        (["list", "--paper"], "bern", ["bernstein2018", "bernstein2019"]),
        (["-m", "heavy2026", "figure"], "heav", ["heavy-tails", "heavy2026-stability", "heavy_ball_cycles"]),
        (["check", "-m", "heavy2026"], "heavy2026.C", ["heavy2026.C1", "heavy2026.C2"]),
        (["-m", "absent", "figure"], "phase", []),
        (["-m", "broken", "figure"], "phase", []),
    ],
)  # fmt: skip
def test_names_complete(arguments: list[str], incomplete: str, some: list[str], outside: Path) -> None:
    found = completions(arguments, incomplete)
    if arguments[0] != "-m" or arguments[1] == "heavy2026":
        assert sorted(found) == some
    else:  # without the module there are ours, or nothing, but no traceback
        assert set(found) <= {"phase"}


def test_bash_completes_names(tmp_path: Path) -> None:
    """The script that click writes for bash calls the command with the words of the line."""
    command = tmp_path / "theory-sim"
    command.write_text(f"#!{sys.executable}\nfrom theory_sim.app.cli import main\nmain()\n")
    command.chmod(0o755)
    source = BashComplete(main, {}, "theory-sim", "_THEORY_SIM_COMPLETE").source()
    line = 'COMP_WORDS=(theory-sim audit amsg); COMP_CWORD=2; _theory_sim_completion theory-sim; echo "${COMPREPLY[@]}"'
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(root)}
    done = subprocess.run(
        ["bash", "-c", f"{source}\n{line}"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["amsgrad"]

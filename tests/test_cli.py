"""The command line, through click's runner."""

import json
import re
from concurrent.futures import BrokenExecutor
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from theory_sim.app import catalogue
from theory_sim.app.cli import main
from theory_sim.nouns.claim import Claim, at_most


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("command", [None, *main.commands])
def test_help(command: str | None) -> None:
    assert "Usage" in run(*([command] if command else []), "--help").output


def test_list_names_everything() -> None:
    output = run("list").output
    for name in ("amsgrad", "reddi.periodic", "zhang2022", "phase", "reddi2018.R7a"):
        assert name in output


def test_list_takes_a_paper_and_words() -> None:
    ids = re.findall(r"│ (\w+\.\w+) ", run("list", "claims", "--paper", "shi2021").output)
    assert ids == [id for id, claim in catalogue.claims().items() if claim.paper == "shi2021"]
    words = run("list", "claims", "AMSGrad", "regret").output
    assert "reddi2018.R6a" in words
    assert "shi2021" not in words
    everything = run("list", "--paper", "karimireddy2019").output
    for name in ("ef_signsgd", "sign.pair", "karimireddy2019.G4", "sign-failures"):
        assert name in everything
    assert (
        "Nothing is listed for xyz and paper shi2021."
        in run("list", "claims", "xyz", "--paper", "shi2021").output
    )
    assert "did you mean shi2021" in run("list", "--paper", "shi2022", code=2).output


def test_explain_prints_text_without_markup_and_the_rule() -> None:
    for name, words in {
        "adam": ("bias_correction : bool\n    Whether the moments", "m = beta1 * m + (1.0 - beta1) * g"),
        "reddi.periodic": ("C : float\n    Large slope, > 0.", "return C if index == 0 else -small"),
        "zhang.batch": ("Parameters:\n", "def "),
        "qsgd": ("Parameters:\n", "def "),
    }.items():
        output = run("explain", name).output
        text, _, rules = output.partition("\ndef ")
        assert "----" not in text
        assert "`" not in text
        assert max(map(len, text.splitlines())) <= 100
        assert words[0] in text
        assert words[1] in f"\ndef {rules}"
    claim = run("explain", "shi2021.S1").output
    assert "figures: shi" in claim
    assert "theory-sim check shi2021.S1" in claim


@pytest.mark.parametrize(
    "name", ["adam", "top_k", "reddi.periodic", "reddi2018", "reddi2018.thm2", "phase", "reddi2018.R7a"]
)
def test_explain_and_cite(name: str) -> None:
    assert len(run("explain", name).output) > 100
    assert "@inproceedings{" in run("cite", name).output


@pytest.mark.parametrize("name", catalogue.methods())
def test_methods_that_are_no_rule_are_explained(name: str) -> None:
    method = catalogue.methods()[name]
    module, _, code = method.code.rpartition(".")
    assert callable(getattr(import_module(module), code))
    assert set(method.claims) <= set(catalogue.claims())
    assert any(catalogue.claims()[id].paper == method.paper for id in method.claims)
    shown = " ".join(run("explain", name).output.split())
    assert f"theory-sim check {method.claims[0]}" in shown
    assert "What the toys support: " in shown
    assert name in run("list", "methods").output
    assert method.paper in run("cite", name).output


def test_cite_what_has_no_paper() -> None:
    assert "comes from no paper" in run("cite", "smooth.quadratic", code=2).output


def test_simulate_prints_where_a_run_ends() -> None:
    arguments = [
        "simulate",
        "--problem",
        "reddi.periodic:C=10",
        "--optimizer",
        "adam:lr=0.5,beta1=0,beta2=0.5",
    ]
    arguments += ["--schedule", "power:s=0.5", "--steps", "2000", "--seeds", "2"]
    output = run(*arguments).output
    assert output.count(" DIVERGED ") == 2
    assert output.endswith("\n2 DIVERGED\n")
    record = json.loads(run(*arguments, "--json").output)
    assert record["verdict"] == ["DIVERGED", "DIVERGED"]
    assert record["x_final"][0] == pytest.approx(1.0, abs=0.1)


def test_json_has_no_nan() -> None:
    arguments = ["--problem", "smooth.quadratic", "--optimizer", "sgd:lr=3.5", "--steps", "5000", "--json"]
    record = json.loads(run("simulate", *arguments).output, parse_constant=pytest.fail)
    assert (record["status"], record["x_final"]) == (["NONFINITE"], [None])


def test_words_for_flags() -> None:
    arguments = ["simulate", "--problem", "zhang.piecewise", "--steps", "2", "--optimizer"]
    assert "bias_correction=False" in run(*arguments, "adam:bias_correction=no").output
    assert "must be True or False" in run(*arguments, "adam:bias_correction=maybe", code=2).output


def test_simulate_keeps_a_run(tmp_path: Path) -> None:
    import xarray as xr

    arguments = ["--problem", "zhang.piecewise", "--optimizer", "sgd", "--steps", "50", "--tier", "quick"]
    assert "5 steps" in run("simulate", *arguments, "--out", str(tmp_path)).output
    with xr.open_dataset(tmp_path / "simulate.nc", engine="scipy") as kept:
        assert kept.attrs["steps"] == "5"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "did you mean check"),
        (["list", "claim"], "did you mean claims"),
        (["explain", "adm"], "did you mean adam"),
        (["check", "reddi18"], "did you mean reddi2018"),
        (["figure", "phases"], "did you mean phase"),
        (["sweep", "nothing"], "Unknown sweep"),
        (["check", "--tier", "fast"], "'fast' is not one of"),
        (["simulate", "--problem", "reddi.periodc", "--optimizer", "adam"], "did you mean reddi.periodic"),
        (["simulate", "--problem", "reddi.periodic:C", "--optimizer", "adam"], "is not name=value"),
        (["simulate", "--problem", "reddi.periodic:D=3", "--optimizer", "adam"], "Unknown argument"),
        (
            ["simulate", "--problem", "reddi.periodic", "--optimizer", "adam"],
            "for instance reddi.periodic:C=4",
        ),
        (["simulate", "--problem", "zhang.batch", "--optimizer", "adam"], "no default for N and B"),
        (["simulate", "--problem", "zhang.batch:N=8", "--optimizer", "adam"], "instance zhang.batch:B=4"),
        (["simulate", "--problem", "zhang.piecewise:20", "--optimizer", "adam"], "zhang.piecewise:n=20"),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam:0.1"], "instance adam:lr=0.1"),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam:lr=abc"], "lr = 'abc' is not a"),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam:lr=true"], "lr = True is not a"),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam:schedule=x"], "leave it out"),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "amsgrads"], "did you mean amsgrad?"),
        (["certify", "--verify", "/nonexistent"], "does not exist"),
        (
            ["certify", "--n", "100000000", "--C", "20", "--beta1", ".9", "--beta2", ".99"],
            "n = 100000000 is too",
        ),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam:beta2=1"], "beta2 = 1 must be"),
        (
            ["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam:beta2=nan"],
            "beta2 = nan must be",
        ),
        (["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam", "--steps", "-1"], "steps = -1"),
        (
            ["simulate", "--problem", "zhang.piecewise", "--optimizer", "adam", "--schedule", "pow"],
            "Unknown schedule",
        ),
        *(
            (["simulate", "--problem", problem, "--optimizer", "sgd", *more], message)
            for problem, more, message in (
                ("zhang.piecewise", ["--schedule", "power:0.5"], "instance power:s=0.5"),
                ("zhang.piecewise", ["--schedule", "power"], "instance power:s=0.5"),
                ("zhang.piecewise", ["--steps", "99999999999999999999"], "is too large; give at most"),
                ("zhang.piecewise", ["--seeds", "100000000000"], "take fewer cells, seeds or checkpoints"),
                ("zhang.piecewise", ["--x0", "1,2"], "x0 has shape (2,)"),
                ("zhang.piecewise", ["--x0", "one"], "write for instance 0.5 or 1,-2"),
                ("twopoint.two_point:k=1e308", [], "has values beyond float64"),
                ("zoo.power_norm:p=1e308", [], "has values beyond float64"),
                ("generalized_smooth.hard_function:L1=5e-324", [], "has values beyond float64"),
            )
        ),
    ],
)
def test_a_mistake_gets_one_sentence_and_status_2(arguments: list[str], message: str) -> None:
    assert message in " ".join(run(*arguments, code=2).output.split())


def test_dry_run_says_what_it_costs(tmp_path: Path) -> None:
    output = run("sweep", "zhang2022.phase", "--tier", "quick", "--dry-run", "--out", str(tmp_path)).output
    assert "lane-steps, about" in output
    assert "MiB of memory" in output
    assert not list(tmp_path.iterdir())


def test_the_memory_of_a_sweep_is_that_of_its_lanes_and_records() -> None:
    from counterexamples import smooth
    from theory_sim import Sweep, sgdm
    from theory_sim.engine.memory import required

    sweep = Sweep(smooth.quadratic(d=3), sgdm(), seeds=1000, steps=100, checkpoints=[10, 100])
    grid = sweep.run()
    assert 0.5 * grid.nbytes < required(sweep) < 4.0 * grid.nbytes


def test_a_start_in_several_coordinates() -> None:
    arguments = [
        "--problem",
        "smooth.quadratic:d=3",
        "--optimizer",
        "sgd:lr=1e-300",
        "--steps",
        "1",
        "--json",
    ]
    assert json.loads(run("simulate", *arguments, "--x0", "1,-2,3.5").output)["x_final"] == [[1.0, -2.0, 3.5]]


def test_the_entropy_is_any_integer_of_a_seed_sequence() -> None:
    arguments = [
        "--problem",
        "zhang.piecewise",
        "--optimizer",
        "sgd",
        "--order",
        "replacement",
        "--steps",
        "9",
    ]
    ends = {run("simulate", *arguments, "--json", "--entropy", str(2**53 + i)).output for i in range(9)}
    assert len(ends) > 3


def test_sweep_counts_its_verdicts(tmp_path: Path) -> None:
    output = run("sweep", "zhang2022.phase", "--tier", "quick", "--out", str(tmp_path)).output
    (line,) = (line for line in output.splitlines() if line.startswith("  verdicts"))
    said, _, still = line.replace("verdicts", "").partition(";")
    counts = dict(reversed(part.split()) for part in said.split(","))
    assert sum(map(int, counts.values())) == catalogue.sweeps()["zhang2022.phase"].at("quick").size
    assert set(counts) <= {"CONVERGED", "DIVERGED", "UNDECIDED"}
    assert re.fullmatch(
        r" \d+ of the undecided still move, half of them would be decided by \S+ steps", still
    )


def test_a_verdict_needs_a_rule_and_takes_one() -> None:
    command = ["simulate", "--problem", "smooth.bounded", "--optimizer", "gd:lr=0.1", "--steps", "2000"]
    silent = " ".join(run(*command).output.split())
    assert "UNJUDGED: Its theorems bound averages" in silent
    assert "--rule, among gradient_square, gradient_43, gap" in silent
    assert json.loads(run(*command, "--json").output)["verdict"] == ["UNJUDGED"]
    judged = run(*command, "--rule", "gap:converged=0.1,diverged=2,relative=true").output
    assert "1 CONVERGED" in judged
    for rule, words in {
        "gap": "lacks converged and diverged; write for instance gap:converged=0.1",
        "gap:converged=2,diverged=1": "diverged = 1",
        "gapp:converged=0.1,diverged=1": "did you mean gap",
        "gap:converged=0.1,diverged=2,windw=0.1": "did you mean window",
    }.items():
        assert words in " ".join(run(*command, "--rule", rule, code=2).output.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--problem", "zhang.piecewise", "--optimizer", "sgd", "--out"],
        ["check", "reddi2018.R1a", "--out"],
        ["check", "reddi2018.R1a", "--json"],
        ["figure", "phase", "--out"],
        ["reproduce", "--out"],
        ["sweep", "zhang2022.phase", "--out"],
    ],
)
@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x"])
def test_a_place_that_cannot_be_written_is_named_before_the_run(
    arguments: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from theory_sim.nouns.sweep import Sweep

    monkeypatch.setattr(Sweep, "run", lambda *_, **__: pytest.fail("the run began"))
    said = " ".join(run(*arguments, place, code=2).output.split())
    assert f"{place} cannot be written" in said


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "Out of memory: ask for fewer"),
        (OSError(28, "No space left on device", "out/sweeps"), "out/sweeps: No space left on device."),
        (OverflowError("too big"), "leaves the range of float64 (too big)"),
        (BrokenExecutor("gone"), "A process died"),
    ],
)
def test_an_error_of_the_machine_gets_one_sentence(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(catalogue, "build_problem", fail)
    arguments = ["simulate", "--problem", "zhang.piecewise", "--optimizer", "sgd"]
    assert message in " ".join(run(*arguments, code=2).output.split())


def test_a_table_without_a_title_has_no_line_above_it() -> None:
    arguments = ["--problem", "zhang.piecewise", "--optimizer", "sgd", "--steps", "1"]
    assert "" not in run("simulate", *arguments).output.rstrip("\n").split("\n")


def always(observed: float) -> Claim:
    return Claim(
        "reddi2018.T", "nowhere", "A test claim.", "upper", lambda grids, tier: at_most(observed, 1.0)
    )


@pytest.mark.parametrize(("observed", "code"), [(0.5, 0), (2.0, 1), (float("nan"), 1)])
def test_exit_status_follows_the_claims(
    observed: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = always(observed)
    monkeypatch.setattr(catalogue, "claims", lambda: {claim.id: claim})
    file = tmp_path / "deep" / "claims.json"
    output = run("check", "--tier", "quick", "--out", str(tmp_path), "--json", str(file), code=code).output
    assert ("1 PASS" if code == 0 else "1 FAIL") in output
    (record,) = json.loads(file.read_text())["claims"]
    assert {"id", "paper", "status", "kind", "observed", "expected", "margin", "seconds"} <= set(record)


def test_certify_one_point() -> None:
    pytest.importorskip("flint")
    point = ("certify", "--n", "20", "--C", "20", "--beta1", "0.9", "--beta2")
    proved = run(*point, "0.99").output
    assert proved.startswith("CONVERGED  D = [0.14712505845098")
    assert "in cyclic order, with eps = 0 and steps lr t^-s" in proved
    assert run(*point, "0.9").output.startswith("DIVERGED")
    # zhang.piecewise with a = 1 has C = n, and sign descent (0, 0) has D = 2 - n.
    piecewise = run("certify", "--n", "3", "--a", "1", "--beta1", "0", "--beta2", "0")
    assert piecewise.output.startswith("DIVERGED  D = -1.0000000000000000000\nproved for ")
    zero = run("certify", "--n", "2", "--C", "3", "--beta1", "0", "--beta2", "0").output
    assert zero == "UNDECIDED  D = 0  D = 0 exactly, so D has no proved sign.\n"


def test_certify_writes_a_map_and_verifies_it(tmp_path: Path) -> None:
    pytest.importorskip("flint")
    path = tmp_path / "map.json"
    assert (
        "of the square"
        in run("certify", "--n", "5", "--C", "5", "--coverage", "0.99", "--out", str(path)).output
    )
    assert "every box is confirmed" in run("certify", "--verify", str(path)).output
    content = json.loads(path.read_text())
    content["boxes"][0]["verdict"] = "CONVERGED"
    path.write_text(json.dumps(content))
    assert run("certify", "--verify", str(path), code=1).output.startswith("MISMATCH")
    assert run("certify", "--verify", str(tmp_path / "absent.json"), code=2).output.count("Error") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beta1", "0.9", "--beta2", "0.99", "--out", "map.json"], "--out has no effect beside --beta1"),
        (["--beta1", "0.9", "--beta2", "0.99", "--coverage", "0.9"], "--coverage has no effect beside"),
        # The default, but said aloud.
        (["--beta1", "0.9", "--beta2", "0.99", "--max-boxes", "100000"], "--max-boxes has no effect beside"),
        (["--out", "absent/map.json"], "there is no directory absent; create it first"),
        (["--out", "map.json", "--C", "1e500"], "C has more than 100 digits"),
        (["--out", "map.json", "--C", "1e5000"], "C has more than 100 digits"),
    ],
)
def test_certify_refuses_what_it_would_drop(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flint")
    monkeypatch.chdir(tmp_path)
    said = run("certify", "--n", "20", "--C", "20", *arguments, code=2).output
    assert message in " ".join(said.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--n", "4"),
        ("--C", "5"),
        ("--a", "1"),
        ("--beta1", "0.3"),
        ("--beta2", "0.3"),
        ("--out", "b.json"),
        ("--coverage", "0.999"),
    ],
)
def test_certify_verifies_nothing_but_the_file(name: str, value: str, tmp_path: Path) -> None:
    pytest.importorskip("flint")
    path = str(tmp_path / "map.json")
    run("certify", "--n", "5", "--C", "5", "--coverage", "0.9", "--out", path)
    said = run("certify", "--verify", path, name, value, code=2).output
    assert f"{name} has no effect beside --verify" in " ".join(said.split())


def test_distributed_compares_processes_with_the_simulation() -> None:
    pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')
    arguments = ["--workers", "2", "--compressor", "top_k:k=2", "--down", "l1_sign", "--steps", "20"]
    output = run("distributed", *arguments, "--problem", "quantized.bowl:d=16").output
    rows = [[cell.strip() for cell in row.split("│")] for row in output.splitlines()]
    # A message up is 2 (32 + 4) bits = 9 bytes, one down 16 + 32 bits = 6 bytes.
    assert [row[3:7] for row in rows if row[1:2] == ["0"]] == [["120", "120", "180", "180"]]
    assert [row[3:7] for row in rows if row[1:2] == ["1"]] == [["180", "180", "120", "120"]]
    assert output.count("PASS") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compressor", "l1_sgn"], "did you mean l1_sign"),
        (["--compressor", "top_k"], "has no default for k"),
        (["--compressor", "top_k:k=300"], "k = 300 exceeds the d = 256"),
        (["--optimizer", "qadam"], "QAdam has no run over processes"),
        (["--optimizer", "adam"], "Adam has no run over processes"),
        (["--workers", "1"], "workers = 1 must be an integer >= 2"),
        (["--timeout", "0"], "timeout = 0.0 must be"),
    ],
)
def test_a_mistake_in_a_distributed_run_is_named(arguments: list[str], message: str) -> None:
    pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')
    assert message in " ".join(run("distributed", *arguments, code=2).output.split())


def theorem(*arguments: str) -> str:
    return str(run("theorem", *arguments).output)


def test_theorem_says_what_fails_and_what_the_run_did() -> None:
    said = theorem(
        "reddi2018.thm2", "--beta1", "0.9", "--beta2", "0.99", "--problem", "reddi.periodic:C=10,x0=1"
    )
    assert "reddi2018.thm2 does not apply" in said
    assert "FAILS: the small slopes carry x back within a period, margin -10.5" in said
    assert "ended CONVERGED" in said


def test_theorem_compares_a_run_with_its_bound() -> None:
    record = json.loads(theorem("reddi2018.thm1", "--C=5", "--beta2=0.03", "--json"))
    assert record["applies"] == "HOLDS"
    assert record["bound"] == 2.0  # (2 x 5 - 4)/3
    assert record["ratio"] >= 1.0
    assert record["respected"] is True


def test_theorem_without_a_run_and_as_latex() -> None:
    assert "note: not run" in theorem("defossez2022.thm2", "--no-run")
    assert theorem("defossez2022.thm2", "--latex").startswith(r"\text{gradient\_square\_mean} \le")


def test_theorem_names_a_missing_fact() -> None:
    assert "it needs G (bound on every coordinate" in theorem(
        "defossez2022.thm2", "--problem", "smooth.quadratic", "--no-run"
    )


def test_theorem_names_the_nearest_name() -> None:
    for arguments, message in (
        (["reddi2018.thm22"], "Unknown theorem 'reddi2018.thm22': did you mean reddi2018.thm2"),
        (["reddi2018.thm2", "--beta3", "0.9"], "Unknown name for reddi2018.thm2 'beta3': did you mean beta2"),
        (["reddi2018.thm2", "--beta1"], "--beta1 has no value"),
        (["reddi2018.thm2", "beta1=0.9"], "'beta1=0.9' is no option"),
    ):
        assert message in run("theorem", *arguments, code=2).output


def test_explain_prints_the_rule_itself() -> None:
    assert "return x - lr * (m / c1) / nonzero(" in run("explain", "adam").output
    assert "v0=0.0, schedule=constant())" in run("explain", "adam").output
    assert "def unsent(p: float, sent: float)" in run("explain", "ef_sgd").output
    assert "math.tanh(x)" in run("explain", "smooth.logcosh").output


def test_reproduce_writes_a_site_and_keeps_the_grids_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "figures", dict)
    out = tmp_path / "out"
    output = run(
        "reproduce", "reddi2018.R1a", "--tier", "quick", "--processes", "1", "--out", str(out)
    ).output
    assert "1 PASS, 0 FAIL, 0 UNDECIDED" in output
    assert "reddi2018.R1a" in (out / "index.html").read_text()
    document = json.loads((out / "claims.json").read_text())
    assert document["command"].startswith("theory-sim")
    assert document["seconds"] > 0.0
    assert not (out / "sweeps").exists()
    assert any((tmp_path / "out.sweeps").iterdir())

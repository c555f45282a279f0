"""Anybody's optimizer on trial: twins of ours, awkward ones, refusals, the card."""

import functools
import importlib.util
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from click.testing import CliRunner, Result

import theory_sim as ts
from counterexamples import noisy_well
from theory_sim.app import audit as audits
from theory_sim.app.cli import main
from theory_sim.engine.evaluate import component_gradients
from theory_sim.evidence import bout as bouts
from theory_sim.evidence.bout import Bout, Native
from theory_sim.nouns.noise import Noise
from theory_sim.optimizers import OPTIMIZERS

TORCH = {
    "torch.optim:Adam": ts.adam(),
    "torch.optim:Adam:amsgrad=true": ts.amsgrad(variant="torch", eps=1e-8),
    "torch.optim:RMSprop": ts.rmsprop(beta2=0.99, eps=1e-8),
    "torch.optim:SGD:momentum=0.9": ts.sgdm(),
}
OPTAX = {
    "optax:adam": ts.adam(),
    "optax:amsgrad": ts.amsgrad(variant="optax", eps=1e-8),
    "optax:rmsprop:decay=0.99,eps_in_sqrt=false": ts.rmsprop(beta2=0.99, eps=1e-8),
    "optax:sgd:momentum=0.9": ts.sgdm(),
    "optax:lion:weight_decay=0.0": ts.lion(),
}
ON = "shi.periodic"
FULL = os.environ.get("THEORY_SIM_TIER") == "full"
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
needs_optax = pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="needs optax")


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["audit", *arguments])
    assert result.exit_code == code, result.output
    return result


def agree(spec: str, ours: ts.Optimizer) -> None:
    """The same rates and the same Datasets as ours, but for rows of state, on every problem of the battery."""
    theirs, native = audits.contender(spec), Native(ours, "ours")
    bouts = []
    for bout in audits._bouts("battery"):
        lr = audits.calibrated(native, bout, "calibrate")[0].lr
        assert theirs.rate(bout, lr) == pytest.approx(audits.STEP, rel=1e-4)
        bouts.append(replace(bout, steps=2000, seeds=3, lr=lr, checkpoints=20))
    for bout, a, b in zip(bouts, theirs.run(bouts), native.run(bouts), strict=True):
        assert a.grid is not None
        assert b.grid is not None
        same = b.grid.drop_dims("row", errors="ignore")
        xr.testing.assert_allclose(a.grid, same, rtol=1e-9, atol=1e-9)  # both round; 2000 steps
        assert a.grid.sizes == same.sizes
        assert a.grid.attrs.keys() == same.attrs.keys()
        for name in same.attrs.keys() - {"optimizer", "source", "digest", "references"}:
            assert a.grid.attrs[name] == same.attrs[name], name
        assert a.grid.verdict.values.tolist() == same.verdict.values.tolist()
        assert bout.name == a.grid.attrs["title"]
    assert getattr(theirs, "layout", "together") == "together"  # in boxes and at several lr too


@needs_torch
@pytest.mark.parametrize("spec", TORCH)
def test_twins_of_torch_take_our_steps(spec: str) -> None:
    agree(spec, TORCH[spec])


@needs_optax
@pytest.mark.parametrize("spec", OPTAX)
def test_twins_of_optax_take_our_steps(spec: str) -> None:
    agree(spec, OPTAX[spec])


@pytest.mark.skipif(not FULL, reason="the horizons of the battery take torch a minute")
@pytest.mark.parametrize(
    "spec",
    [
        *(pytest.param(one, marks=needs_torch) for one in TORCH),
        *(pytest.param(one, marks=needs_optax) for one in OPTAX),
    ],
)
def test_twins_get_our_verdicts(spec: str) -> None:
    """At the horizons of the battery; the quick tier has those of the kept cards, and 2,000 steps of every row."""
    found, ours = (ts.audit(one) for one in (spec, {**TORCH, **OPTAX}[spec]))
    assert [row.verdict for row in found.rows] == [row.verdict for row in ours.rows]
    assert found.controls == ours.controls
    wrong = any(name in spec.lower() for name in ("adam", "rmsprop", "lion"))
    assert found.rows[1].verdict == ("DIVERGED" if wrong and "amsgrad" not in spec else "CONVERGED")


def test_the_battery_decides_about_adam_and_its_family() -> None:
    adam, amsgrad = ts.audit(ts.adam(), "reddi.periodic"), ts.audit("amsgrad:variant=torch", "reddi.periodic")
    assert [adam.rows[0].verdict, amsgrad.rows[0].verdict] == ["DIVERGED", "CONVERGED"]
    assert {name: rows[0].verdict for name, rows in adam.controls.items()} == {
        "SGD": "CONVERGED", "Adam": "DIVERGED", "AMSGrad": "CONVERGED",
    }  # fmt: skip
    assert "(where SGD and AMSGrad CONVERGED)" in adam.conclusion
    assert str(adam) == adam.conclusion
    assert adam.rows[0].mean_step == pytest.approx(audits.STEP)
    assert adam.lr == {"reddi.periodic": adam.rows[0].lr}


if importlib.util.find_spec("torch") is not None:
    import torch

    class Signs(torch.optim.Optimizer):
        """Signed steps, with whatever goes wrong."""

        def __init__(self, params: Any, lr: float = 0.1, wrong: str = "") -> None:
            super().__init__(params, {"lr": lr})
            self.wrong, self.t = wrong, 0

        def size(self, p: Any) -> Any:
            return torch.sign(p.grad)

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            self.t += 1
            late = self.t > 5000
            if self.wrong == "raises" and late:
                raise RuntimeError("boom\nin line 2")
            for group in self.param_groups:
                for p in group["params"]:
                    lr = 0.01 if self.wrong == "ignores" else 0.0 if self.wrong == "still" else group["lr"]
                    p.sub_(lr * self.size(p) * (torch.nan if self.wrong == "nan" and late else 1.0))
                    if self.wrong == "lost" and late:
                        self.state[p]["v"] = p / 0.0

    class Normed(Signs):
        """One norm for each parameter."""

        def size(self, p: Any) -> Any:
            return p.grad / torch.linalg.vector_norm(p.grad)

    class Whole(Signs):
        """One norm for all parameters."""

        def size(self, p: Any) -> Any:
            every = [one.grad.ravel() for group in self.param_groups for one in group["params"]]
            return p.grad / torch.linalg.vector_norm(torch.cat(every))

    class Kept(Signs):
        """Steps of the lr of the construction, or of its square over the present one, as AdaBound's bounds remember it."""

        def __init__(self, params: Any, lr: float = 0.1, power: float = 0.0) -> None:
            super().__init__(params, lr)
            self.built, self.power = lr, power

        def size(self, p: Any) -> Any:
            lr = self.param_groups[0]["lr"]
            return torch.sign(p.grad) * (self.built / lr) ** (1.0 if self.power == 0.0 else self.power)

    class NoStep(torch.optim.Optimizer):
        """No step."""

        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__(params, {"lr": lr})


@needs_torch
def test_the_step_size_of_the_construction_counts() -> None:
    with pytest.raises(
        ValueError, match="Kept keeps the step size of its construction, so no schedule reaches it"
    ):
        audits.audit(Kept, "reddi.periodic", steps=100)
    # lr (built/lr)^2 with built = lr, as in a run: the mean |step| is lr.
    made = audits.audit(functools.partial(Kept, power=2.0), "shi.periodic", steps=100)
    assert made.rows[0].lr == pytest.approx(audits.STEP)


@needs_torch
@pytest.mark.parametrize(
    ("wrong", "verdict", "note"),
    [
        ("ignores", "UNJUDGED", "it ignores lr"),
        ("still", "UNJUDGED", "it does not move"),
        ("nan", "UNDECIDED", "not finite after step 5001 in 1 of 1 runs"),
        ("raises", "UNDECIDED", "step 5001 raised RuntimeError: boom"),
        ("lost", "UNDECIDED", "its state v is not finite"),
        ("", "DIVERGED", ""),
    ],
)
def test_what_goes_wrong_is_a_line_on_the_card(wrong: str, verdict: str, note: str) -> None:
    make = functools.partial(Signs, wrong=wrong)
    card = ts.audit(lambda params, lr: make(params, lr=lr), "shi.periodic", steps=6000)
    assert (card.rows[0].verdict, note in card.rows[0].note) == (verdict, True), card.rows[0]
    assert f"{verdict} on shi.periodic" in card.conclusion


@needs_torch
@pytest.mark.parametrize(
    ("name", "layout"),
    [("Signs", "together"), ("Normed", "grouped"), ("Whole", "alone"), ("AdamW", "grouped")],
)
def test_lanes_share_a_tensor_only_where_that_changes_nothing(name: str, layout: str) -> None:
    from theory_sim.wire.torch_audit import TorchContender

    problem = audits._bouts("smooth.quadratic:d=2,sigma=0.5")[0].problem
    bouts = [
        Bout("two", problem, steps=300, seeds=3, lr=0.05),
        replace(audits._bouts("zhang.piecewise")[1], steps=250, seeds=2, lr=0.3),
    ]
    make = globals().get(name) or getattr(torch.optim, name)
    tried = TorchContender(make, name)
    together = tried.run(bouts)
    assert tried.layout == layout
    for bout, ends in zip(bouts, together, strict=True):
        alone = TorchContender(make, name)
        alone._chosen = lambda bouts: "alone"  # type: ignore[method-assign]
        (one,) = alone.run([bout])
        assert ends.grid is not None
        assert one.grid is not None
        xr.testing.assert_allclose(ends.grid, one.grid, rtol=1e-9)


@needs_torch
def test_an_optimizer_without_comparable_steps_is_not_run_until_it_has_an_lr() -> None:
    card = ts.audit("torch.optim:Rprop", "shi.periodic", steps=2000)
    assert (card.rows[0].verdict, card.rows[0].x_final, card.rows[0].steps) == ("UNJUDGED", None, 0)
    assert "not comparable; not run" in card.rows[0].note or "ignores lr" in card.rows[0].note
    assert ts.audit("torch.optim:Adafactor", "shi.periodic", steps=2000, lr=0.1).rows[0].steps == 2000


@needs_torch
def test_what_gives_no_answer_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a factory, a first step, and a step late in a run that never end."""
    audits.contender(
        Signs
    )  # the first optimizer of a process makes torch import more of itself, which takes seconds
    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    monkeypatch.setitem(bouts.LIMITS, "build", 1.0)
    monkeypatch.setitem(bouts.LIMITS, "step", 1.0)
    file, module = tmp_path / "own.py", tmp_path / "stuck.py"
    module.write_text("while True: pass\n")
    file.write_text("import time\n\n\ndef make(params, lr):\n    time.sleep(60)\n")
    for spec, what in ((f"{module}:make", "cannot be run"), (f"{file}:make", "its construction raised")):
        with pytest.raises(ValueError, match=f"{what}.*TimeoutError: no answer within 1 seconds"):
            ts.audit(spec)

    def stuck(params: Any, lr: float, after: int) -> Any:
        made = Signs(params, lr)
        step = made.step

        def slow(closure: Any = None) -> None:
            step()
            while made.t > after:
                pass

        made.step = slow
        return made

    with pytest.raises(ValueError, match="its first step raised TimeoutError"):
        ts.audit(functools.partial(stuck, after=0), "shi.periodic")
    # calibration takes 1,000 steps, the run 3,000
    (row,) = ts.audit(functools.partial(stuck, after=2000), "shi.periodic", steps=3000).rows
    assert (row.verdict, row.x_final) == ("UNDECIDED", None)
    assert "step 2001 raised TimeoutError: no answer within 1 seconds" in row.note
    # An alarm that was set before, by the plugin that ends a test that hangs, is as it was, but for the time since.
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    assert signal.getsignal(signal.SIGALRM) == before[0]
    assert (left == 0.0) == (before[1] == 0.0)
    assert left <= before[1]


def test_an_alarm_of_somebody_else_goes_on() -> None:
    def theirs(number: int, frame: Any) -> None:
        """Ring for nobody."""

    before, left = signal.signal(signal.SIGALRM, theirs), signal.getitimer(signal.ITIMER_REAL)[0]
    try:
        for seconds in (10.0 * bouts.LIMITS["step"], 0.5 * bouts.LIMITS["step"]):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            with bouts.limited("step"):
                # One that rings before the limit stays in force.
                assert (signal.getsignal(signal.SIGALRM) == theirs) == (seconds < bouts.LIMITS["step"])
            assert signal.getsignal(signal.SIGALRM) == theirs
            assert 0.5 * seconds < signal.getitimer(signal.ITIMER_REAL)[0] <= seconds
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


@needs_torch
def test_a_file_imports_its_neighbours(tmp_path: Path) -> None:
    """Also when the factory is called, and those of its own folder where two folders have the same names."""
    made = {}
    for rate in (1.0, 0.5):
        folder = tmp_path / f"of_{rate:g}"
        folder.mkdir()
        (folder / "shared_part.py").write_text(f"FACTOR = {rate}\n")
        (folder / "later_part.py").write_text(f"FACTOR = {rate}\n")
        file = folder / "own.py"
        file.write_text(
            "import torch\nfrom shared_part import FACTOR\n\n\ndef make(params, lr):\n    import later_part\n\n"
            "    assert later_part.FACTOR == FACTOR\n"
            "    return torch.optim.SGD(params, lr=lr, momentum=1.0 - FACTOR)\n"
        )
        made[rate] = ts.audit(f"{file}:make", "smooth.quadratic", steps=500)
    # At a constant gradient a heavy ball of momentum m settles at 1/(1 - m) = 2 times the step of SGD.
    assert made[1.0].rows[0].lr == pytest.approx(2.0 * made[0.5].rows[0].lr, rel=2e-2)


def test_a_horizon_too_short_for_the_rule_decides_nothing() -> None:
    row = ts.audit("sgd", "reddi.periodic", steps=2000).rows[0]
    assert row.verdict == "UNDECIDED"
    assert "2000 steps are too few" in row.note


def test_a_control_is_named_where_it_converged_on_every_problem_that_is_meant() -> None:
    def rows(*verdicts: str) -> list[audits.Row]:
        return [
            audits.Row(name, one, 0.0, 10, 0.1, 0.3, "") for name, one in zip("abc", verdicts, strict=True)
        ]

    controls = {
        "SGD": rows("CONVERGED", "UNDECIDED", "CONVERGED"),
        "AMSGrad": rows("CONVERGED", "CONVERGED", "DIVERGED"),
    }
    said = audits._conclusion("tried", rows("DIVERGED", "DIVERGED", "CONVERGED"), controls, 0.1)
    assert "CONVERGED on c; DIVERGED on a, b (where AMSGrad CONVERGED);" in said


def test_what_is_refused_where_it_runs_has_taken_no_steps() -> None:
    card = ts.audit("schedule_free_sgd", "shi.periodic", steps=1000)
    (row,) = card.rows
    assert (row.verdict, row.steps, row.lr, row.mean_step) == ("UNJUDGED", 0, None, None)
    assert "outside the box" in row.note
    assert "1000 steps" not in card.conclusion


def test_bounds_that_do_not_shrink_with_lr_are_measured() -> None:
    """Slope 1: m is 1 - 0.5^t, and gamma so large that the rate is final_lr, whatever lr."""
    problem = ts.Problem("slope", lambda c: c, {"c": 1.0})
    method = ts.adabound(beta1=0.5, final_lr=0.05, gamma=1e14)
    bout = Bout("slope", problem)
    mean = 0.05 * (1.0 - (1.0 - 0.5**1000) / 1000)
    assert Native(method, "ours").rate(bout, 0.01) == pytest.approx(mean, rel=1e-6)
    assert Native(method, "ours").rate(bout, 3.0) == pytest.approx(mean, rel=1e-6)


def test_steps_are_measured_where_even_tiny_ones_change_the_slope() -> None:
    """On the wall of slope 1e6 SGD's 1,000 tiny steps would go a hundredth, heavy ball's a tenth."""
    problem = noisy_well.noisy_well(delta=1e6, sigma=0.0)
    bout = Bout("wall", problem)
    mean = 0.01 * abs(float(component_gradients(problem, problem.start)[0, 0]))
    assert Native(ts.sgd(), "ours").rate(bout, 0.01) == pytest.approx(mean, rel=1e-5)
    _, _, note = audits.calibrated(Native(ts.sgdm(), "ours"), bout, "calibrate")
    assert note == ""


def test_a_step_size_can_be_given() -> None:
    card = ts.audit("sgd", ["smooth.quadratic"], steps=1000, lr=0.5)
    assert (card.lr, card.rows[0].lr) == (0.5, 0.5)
    assert card.rows[0].mean_step == pytest.approx(0.5, rel=1e-2)
    assert "lr = 0.5" in card.conclusion


def test_problems_by_name() -> None:
    names = "zhang.piecewise,reddi.periodic:C=10,period=3@replacement,shi.periodic"
    found = [bout.name for bout in audits._bouts(names)]
    assert found == [
        "zhang.piecewise@cyclic", "zhang.piecewise@reshuffled", "reddi.periodic:C=10,period=3@replacement",
        "shi.periodic",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["choco", "eight_bit_adam", "qadam", "lion"])
def test_every_kind_of_ours_can_be_tried_or_says_why_not(name: str) -> None:
    arguments = [name, "--steps", "2000", "--problems", "shi.periodic"]
    if name == "choco":
        assert "nodes" in run(*arguments, code=2).output
    else:
        assert name in OPTIMIZERS
        assert "shi.periodic" in run(*arguments).output


def test_the_command_writes_the_card(tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    given = ["adam:beta2=0.99", "--steps", "3000", "--problems", "shi.periodic", "--json", str(file)]
    assert "this says nothing of other step sizes" in " ".join(run(*given).output.split())
    card = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert card["optimizer"] == "adam:beta2=0.99"
    assert {"problem", "verdict", "x_final", "steps", "note"} <= card["rows"][0].keys()
    assert card["rows"][0]["x_final"] == pytest.approx(-1.0, abs=0.1)
    assert card["controls"].keys() == {"SGD", "Adam", "AMSGrad"}


def kicked(t: int, x: float, noise: float) -> float:
    """Two wells, at -1 and 1, and the first step decides between them."""
    return noise if t == 1 else x * x * x - x


def test_seeds_that_disagree_decide_nothing() -> None:
    problem = ts.Problem(
        "two wells", kicked, noise=Noise("sides", lambda u: -1.0 if u < 0.5 else 1.0), optimum=1.0,
        measure=lambda x: abs(x - 1.0), measures=("distance",), rule=ts.Rule("distance", 0.1, 1.5),
    )  # fmt: skip
    card = ts.audit("sgd", [problem], steps=2000, seeds=8, lr=0.5)
    (grid,) = card.grids.values()
    ends = grid.verdict.values.tolist()
    assert {*ends} == {"CONVERGED", "DIVERGED"}
    assert card.rows[0].verdict == "UNDECIDED"
    assert (
        f"seeds: {ends.count('CONVERGED')} CONVERGED, {ends.count('DIVERGED')} DIVERGED" in card.rows[0].note
    )


def test_an_optimizer_of_ours_is_named_without_its_lr() -> None:
    """The audit sets lr, so a card that shows another one would say what was not run."""
    card = ts.audit(ts.sgd(lr=0.123), "shi.periodic", steps=500)
    assert "0.123" not in str(card.record())
    assert card.optimizer.startswith("sgd(")


@needs_torch
def test_files_with_dataclasses_and_partial_factories(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport torch\n\n"
        "@dataclass\nclass Settings:\n    momentum: float = 0.9\n\n"
        "def make(params, lr): return torch.optim.SGD(params, lr=lr, momentum=Settings().momentum)\n"
    )
    steps = {"steps": 2000, "problems": "shi.periodic"}
    of_file, of_partial = (
        ts.audit(one, **steps) for one in (f"{file}:make", functools.partial(torch.optim.SGD, momentum=0.9))
    )
    assert of_file.rows == of_partial.rows
    assert of_partial.optimizer == "SGD(momentum=0.9)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adm"], "did you mean adam"),
        (["adam:beta3=1"], "did you mean"),
        (["adam:lr=0.1"], "use --lr"),
        (["torch.optim.Adam"], "torch.optim:Adam"),
        (["nomodule:Adam"], "No module nomodule"),
        (["math:sqrt"], "no optimizer"),
        (["math:pi"], "is a float, no optimizer"),
        (["pathlib:Path"], "is a class, and no torch.optim.Optimizer"),
        (["math:sqr"], "did you mean sqrt"),
        (["/no/file.py:make"], "There is no file /no/file.py"),
        (["/no/file.py"], "a colon and a name"),
        (["adam", "--problems", "shi.periodc"], "did you mean shi.periodic"),
        (["adam", "--problems", ""], "problems is empty"),
        (["adam", "--problems", "shi.periodic:C=3@cycle"], "did you mean cyclic"),
        (["adam", "--steps", "0"], "steps = 0"),
        (["adam", "--seeds", "0"], "seeds = 0"),
        (["adam", "--lr", "-1"], "lr = -1"),
        (["adam", "--lr", "calibrated"], "did you mean calibrate"),
    ],
)
def test_refusals(arguments: list[str], message: str) -> None:
    output = run(*arguments, code=2).output
    assert message in " ".join(output.replace("│", "").split())
    assert "Traceback" not in output


@needs_torch
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("torch.optim:LBFGS", "asks for a closure"),
        ("torch.optim:SparseAdam", "does not support dense gradients"),
        ("torch.optim:Adamm", "did you mean Adam"),
        ("torch.optim:lr_scheduler", "is a module, no optimizer"),
        ("torch.nn:Linear", "no torch.optim.Optimizer"),
        ("torch:sum", "no optimizer"),
        ("torch.optim:Adam:betas=3", "its construction raised TypeError"),
        ("torch.optim:Adam:bta=3", "did you mean"),
        ("torch.optim:Adam:lr=3", "sets lr itself"),
        ("torch.optim:Muon", "2D"),
        ("{file}:factory", "which is no torch.optim.Optimizer"),
        ("{file}:raises", "raised KeyError: 'nope'"),
        ("{file}:two", "takes (a, b)"),
        ("{file}:mak", "did you mean make"),
        ("{broken}:make", "cannot be run: ZeroDivisionError"),
    ],
)
def test_refusals_with_torch(spec: str, message: str, tmp_path: Path) -> None:
    file, broken = tmp_path / "own.py", tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    file.write_text(
        "def factory(params, lr): return 3\ndef raises(params, lr): raise KeyError('nope')\n"
        "def two(a, b): return 1\ndef make(params, lr): return None\n"
    )
    test_refusals([spec.format(file=file, broken=broken)], message)


@needs_torch
def test_a_class_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="its first step raised NotImplementedError"):
        ts.audit(NoStep)

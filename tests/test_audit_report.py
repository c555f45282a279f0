"""What an audit says besides verdicts: conventions, twins, theorems, the page, maps, the kept cards."""

import functools
import importlib.util
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner, Result

import theory_sim as ts
from figures import audits as figure
from theory_sim.app import audit as audits
from theory_sim.app import explanations, phases, zoo
from theory_sim.app.battery import BATTERY, Entry
from theory_sim.app.card import page
from theory_sim.app.cli import main
from theory_sim.app.contenders import contender
from theory_sim.evidence.bout import Bout, Native
from theory_sim.evidence.probes import probe

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
needs_optax = pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="needs optax")
GRID = "beta1=0:0.8:3,beta2=0.3:0.99:4"
ON = "reddi.periodic:C=4"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["audit", *arguments])
    assert result.exit_code == code, result.output
    return result


TWINS = {
    "torch.optim:Adam": ts.adam(),
    "torch.optim:Adam:amsgrad=true": ts.amsgrad(variant="torch", eps=1e-8),
    "torch.optim:RMSprop": ts.rmsprop(beta2=0.99, eps=1e-8),
    "torch.optim:SGD:momentum=0.9": ts.sgdm(),
    "optax:amsgrad": ts.amsgrad(variant="optax", eps=1e-8),
    "optax:lion": ts.lion(weight_decay=1e-3),
}
CALM = 1 / np.mean(1 / np.sqrt(1 - 0.99 ** np.arange(291, 301)))


# First over settled step, gradient 1e-8 over 1, spike of 1e6 among ones, by hand:
# SGD is proportional to g.  Heavy ball settles at 1/(1 - 0.9) = 10 and a spike adds 1e6 to it.  Signs see no size.
# RMSProp's v is (1 - b)g^2 at first, (1 - b^t)g^2 at t = 291 ... 300; the spike's step is 1e6/sqrt(0.01 1e12) = 10.
# Adam is corrected, and eps = 1e-8 halves the steps of gradients of 1e-8.
@pytest.mark.parametrize(
    ("optimizer", "first", "tiny", "spike"),
    [
        (ts.sgd(), 1.0, 1e-8, 1e6),
        (ts.sgdm(), 0.1, 1e-8, 1e5 + 0.9),
        (ts.signsgd(), 1.0, 1.0, 1.0),
        (ts.rmsprop(beta2=0.99, eps=0.0), 10 * CALM, 1.0, 10 * CALM),
        (ts.adam(), 1.0, 0.5, None),
    ],
)
def test_conventions_are_measured(
    optimizer: ts.Optimizer, first: float, tiny: float, spike: float | None
) -> None:
    found = probe(Native(optimizer, "tried"))
    assert found is not None
    assert found.first == pytest.approx(first, rel=1e-3)  # settled is a mean over ten steps
    assert found.tiny == pytest.approx(tiny, rel=1e-3)
    if spike is not None:
        assert found.spike == pytest.approx(spike, rel=0.06)  # the calm is that of t = 190 ... 199
    assert f"{found.tiny:.3g} of the step of a gradient of 1 (eps)" in found.said()


def test_the_theorem_that_explains_a_verdict_is_named() -> None:
    rows = [ts.audit(one, "reddi.periodic").rows[0] for one in ("adam:eps=0.0", "adam", "nadam")]
    assert rows[0].verdict == "DIVERGED"
    assert rows[0].theorem.startswith(
        "reddi2018.thm2_exact applies and says DIVERGED (assumed, not checked: The large slope comes first"
    )
    # The theorem's eps is 0, and 1e-8 is not: nothing is assumed.
    assert (
        "no theorem applies for certain; the nearest is reddi2018.thm2_exact, which says DIVERGED, and one condition "
        "keeps it from speaking: no eps outside the root (margin -1e-08)" in rows[1].theorem
    )
    assert rows[2].theorem == "no theorem of the suite speaks of this optimizer"


def test_a_theorem_that_gives_no_bound_here_says_what_it_needs() -> None:
    (row,) = ts.audit("sgd", "quadratics.quadratic", steps=100).rows
    assert row.theorem.startswith("defazio2023.last_iterate applies, without a bound: it needs G_norm (")


def test_an_assumption_that_nobody_checks_is_said() -> None:
    """shi2021.thm41 wants Lipschitz gradients, which an (L0, L1)-smooth function has not."""
    row = ts.audit("rmsprop", "generalized_smooth.hard_function", steps=300).rows[0]
    assert (
        "assumed, not checked: f is bounded below and every component has an L-Lipschitz gradient"
        in row.theorem
    )


def bout_of(name: str) -> Bout:
    return audits.prepared(name, None, 1, 0.1, 0)[0][0]


# n = 2, slopes (C, -1) with C = 3: m = (C b1^k - b1^(1-k))/(1 + b1), v = (C^2 b2^k + b2^(1-k))/(1 + b2), k = 0, 1.
def by_hand(beta1: float, beta2: float, C: float = 3.0) -> float:
    m = [(C - beta1) / (1.0 + beta1), (C * beta1 - 1.0) / (1.0 + beta1)]
    v = [(C * C + beta2) / (1.0 + beta2), (C * C * beta2 + 1.0) / (1.0 + beta2)]
    return m[0] / math.sqrt(v[0]) + m[1] / math.sqrt(v[1])


@pytest.mark.parametrize(
    ("optimizer", "D"),
    [
        (ts.adam(beta1=0.5, beta2=0.3), by_hand(0.5, 0.3)),
        (ts.adam(beta1=0.1, beta2=0.1), by_hand(0.1, 0.1)),
        (ts.rmsprop(beta2=0.3), by_hand(0.0, 0.3)),
        (ts.amsgrad(variant="torch"), 2.0),  # C - 1
    ],
)
def test_the_exact_drift_is_on_the_card(optimizer: ts.Optimizer, D: float) -> None:
    bout = bout_of("reddi.periodic:C=3.0,period=2")
    found = explanations.exact_drift(optimizer, bout)
    assert found is not None
    assert found[0] == pytest.approx(D, rel=1e-12)
    said = explanations.explanation(optimizer, bout, "CONVERGED")
    assert f"it leads {'to' if D > 0.0 else 'away from'} the optimum" in said
    assert "over a period of 2 slopes (3, -1, ..., -1)" in said
    assert "with eps = 0 and steps that vanish" in said


@pytest.mark.parametrize(
    ("optimizer", "problem"),
    [
        (ts.sgd(), "reddi.periodic:C=4"),
        (ts.adamw(), "reddi.periodic:C=4"),
        (ts.adam(), "reddi.periodic:C=4@reshuffled"),
        (ts.adam(), "sign.linear"),
        (ts.adam(), "reddi.periodic:C=1,period=3"),  # the mean slope is negative
    ],
)
def test_no_drift_is_claimed_where_none_is_known(optimizer: ts.Optimizer, problem: str) -> None:
    assert explanations.exact_drift(optimizer, bout_of(problem)) is None
    assert "drift" not in explanations._of_drift(optimizer, bout_of(problem))


@needs_torch
@pytest.mark.parametrize(
    ("spec", "twin"),
    [
        ("Adam", "adam(beta1=0.9, beta2=0.999, eps=1e-08, bias_correction=True"),
        ("Adam:betas=(0.5,0.9)", "adam(beta1=0.5, beta2=0.9"),
        ("Adam:amsgrad=true", "amsgrad(beta1=0.9, beta2=0.999, eps=1e-08, variant=torch"),
        ("SGD:momentum=0.9", "sgdm(momentum=0.9"),
        ("SGD:momentum=0.9,nesterov=true", ""),
        ("Adam:weight_decay=0.1", ""),
    ],
)
def test_a_twin_is_told_by_its_steps(spec: str, twin: str) -> None:
    tried = contender(f"torch.optim:{spec}")
    found = explanations.twin(tried, probe(tried))
    assert (found is None) == (twin == "")
    assert found is None or Native(found, "").settings.startswith(twin)


@needs_torch
def test_weight_decay_keeps_step_sizes_comparable() -> None:
    """A decay of 0.01 ends the walk by the gradients of x_1 early, whatever lr, so steps start at x_1."""
    (row,) = ts.audit("torch.optim:AdamW", "smooth.quadratic", steps=500).rows
    assert row.theorem == "no theorem of the suite speaks of this optimizer"
    assert "mean |step| with every step from x_1" in row.note
    assert row.mean_step == pytest.approx(0.3)


def test_the_datasets_of_a_card_are_those_of_sweeps() -> None:
    card = ts.audit("adam", "zhang.piecewise", steps=3000, seeds=2)
    assert card.grids.keys() == {"zhang.piecewise@cyclic", "zhang.piecewise@reshuffled"}
    grid = card.grids["zhang.piecewise@reshuffled"]
    assert grid.sizes["seed"] == 2
    assert (
        grid.verdict.values.tolist()
        == card.control_grids["Adam"][grid.attrs["title"]].verdict.values.tolist()
    )
    assert grid.checkpoint.values[-1] == 3000
    np.testing.assert_array_equal(grid.x.isel(checkpoint=-1), grid.x_final)


@pytest.fixture(scope="module")
def html() -> str:
    return page(ts.audit("adam:beta2=0.99", "shi.periodic,smooth.quadratic:d=2", steps=2000))


def test_the_page_needs_no_network(html: str) -> None:
    assert not re.search(r'(src|href)="?(http|//)', html)
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\(http", html)
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip


def test_the_page_shows_every_problem_and_control(html: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(pictures) == 2
    for picture in pictures:
        root = ElementTree.fromstring(picture.replace("xlink:href", "href"))
        broad = [one for one in root.iter() if "stroke-width: 4" in one.get("style", "")]
        assert len(broad) == 1
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', html)) <= {*ids}
    assert "#000000" not in "".join(pictures)
    for text in (
        "SGD",
        "AMSGrad",
        "this says nothing of other step sizes",
        "prefers-color-scheme: dark",
        "viewport",
    ):
        assert text in html
    assert html.count('<th scope="row">') == 8


def test_the_page_escapes_what_it_is_given(tmp_path: Path) -> None:
    card = ts.audit(ts.Optimizer("<b>", lambda g, lr, x: x - lr * g, lr=0.1), "smooth.quadratic", steps=100)
    assert "<b>" not in page(card)


def test_the_command_writes_page_and_map(tmp_path: Path) -> None:
    file, data = tmp_path / "map.html", tmp_path / "map.json"
    given = [
        "adam",
        "--grid",
        GRID,
        "--problems",
        ON,
        "--steps",
        "4000",
        "--html",
        str(file),
        "--json",
        str(data),
    ]
    said = " ".join(run(*given).output.split())
    assert "as the sign of Adam's exact drift; this says nothing of other step sizes" in said
    found = json.loads(data.read_text(), parse_constant=pytest.fail)
    assert np.shape(found["maps"][0]["verdicts"]) == np.shape(found["maps"][0]["drift"]) == (3, 4)
    assert "<svg" in file.read_text()


def mapped(spec: str, steps: int = 6000, problem: str = ON) -> tuple[phases.Phases, phases.Map]:
    found = phases.phases(spec, phases.axes_of(GRID), problem, steps=steps)
    return found, found.maps[0]


def decided(one: phases.Map, other: phases.Map) -> np.ndarray:
    return (one.verdicts != "UNDECIDED") & (other.verdicts != "UNDECIDED")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("torch.optim:Adam", marks=needs_torch),
        pytest.param("optax:adam", marks=needs_optax),
    ],
)
def test_maps_of_other_libraries_are_ours(spec: str) -> None:
    (theirs, a), (_, b) = mapped(spec), mapped("adam")
    both = decided(a, b)
    assert both.sum() >= 9
    assert (a.verdicts == b.verdicts)[both].all()
    assert {*b.verdicts[both]} == {"CONVERGED", "DIVERGED"}
    assert a.lr == pytest.approx(b.lr, rel=1e-6)
    assert a.grid is not None
    assert b.grid is not None
    xr.testing.assert_allclose(a.grid.distance_window, b.grid.distance_window, rtol=1e-6)  # so is lr
    if spec.startswith("torch"):
        assert "so all cells are one tensor" in theirs.note


def test_the_verdicts_of_a_map_are_those_of_the_exact_drift() -> None:
    _, one = mapped("adam")
    wrong = phases.drift(phases.axes_of(GRID), (4, 4.0)) < 0.0
    assert one.cycle == (4, 4.0)
    np.testing.assert_array_equal(one.verdicts, np.where(wrong, "DIVERGED", "CONVERGED"))


@needs_torch
def test_a_grid_has_a_group_for_each_cell_where_tensors_are_refused() -> None:
    """NAdam keeps a product of its beta1 as one number."""
    axes, on = {"beta1": [0.0, 0.9], "beta2": [0.5, 0.9]}, "smooth.quadratic"
    found, ours = (phases.phases(one, axes, on, steps=50, lr=0.05) for one in ("torch.optim:NAdam", "nadam"))
    assert found.note == "a parameter group for each cell, in one optimizer"
    assert found.maps[0].grid is not None
    assert ours.maps[0].grid is not None
    xr.testing.assert_allclose(found.maps[0].grid.x_final, ours.maps[0].grid.x_final, rtol=1e-9)


@needs_torch
def test_methods_of_torch_are_left_as_they_were() -> None:
    import torch

    before = {name: getattr(torch.Tensor, name) for name in ("add_", "sub_", "addcmul_", "addcdiv_")}
    phases.phases("torch.optim:RMSprop", {"alpha": [0.5, 0.9], "eps": [1e-8, 0.1]}, ON, steps=300)
    assert {name: getattr(torch.Tensor, name) for name in before} == before
    assert not before.keys() & vars(torch.Tensor).keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beta1=0:0.9:3", "must have two axes"),
        ("beta1=0:0.9:3,beta1=0:0.9:3", "must have two axes"),
        ("beta1=0.9:0:3,beta2=0:0.9:3", "must go up"),
        ("beta1=0:1:3,beta2=0:0.9:3", "leaves [0, 1)"),
        ("beta1=0:0.9,beta2=0:0.9:3", "is no axis"),
        ("beta1=0:0.9:1,beta2=0:0.9:3", "is no axis"),
        ("beta1=0:nan:3,beta2=0:0.9:3", "is no axis"),
        ("beta1=0:0.9:3,gamma=0:0.9:3", "Unknown"),
    ],
)
def test_refused_grids(text: str, message: str) -> None:
    output = run("adam", "--grid", text, "--steps", "100", code=2).output
    assert message in " ".join(output.replace("│", "").split())


@needs_torch
def test_unknown_hyperparameters_of_torch_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown hyperparameter of torch"):
        phases.phases("torch.optim:Adam", {"beta1": [0.0, 0.9], "beta3": [0.5, 0.9]}, ON, steps=300)


def test_cards_are_kept_and_made_only_once(tmp_path: Path) -> None:
    file = tmp_path / "cards.json"
    first = zoo.collect(file, ("sgd",), steps=300)
    kept = json.loads(file.read_text())
    assert kept == json.loads(json.dumps(first))
    kept["cards"]["sgd"]["note"] = "kept"
    file.write_text(json.dumps(kept))
    assert zoo.collect(file, ("sgd",), steps=300)["cards"]["sgd"]["note"] == "kept"
    assert zoo.collect(file, ("sgd",), steps=400)["cards"]["sgd"]["note"] != "kept"


def test_the_zoo_wants_a_file_only() -> None:
    assert "takes --json FILE" in run("zoo", code=2).output
    assert "takes --json FILE" in run("zoo", "--json", "x.json", "--lr", "0.1", code=2).output


def test_the_figure_shows_thirty_optimizers_of_three_libraries() -> None:
    made = figure.cards()
    assert tuple(made["cards"]) == zoo.SPECS
    assert {spec.partition(":")[0].partition(".")[0] for spec in made["cards"]} == {
        "torch", "optax", "pytorch_optimizer",
    }  # fmt: skip
    assert {"torch", "optax", "jax", "pytorch_optimizer"} <= made["versions"].keys()
    found = figure.features([])
    for problem in made["problems"]:
        verdicts = ("converged", "diverged", "undecided", "unjudged")
        assert sum(found[f"{problem}_{one}"] for one in verdicts) == found["optimizers"] == 30
    # Adam and AMSGrad part on the example of Reddi et al., whoever wrote them.
    place = made["problems"].index("reddi.periodic")
    ends = {spec: card["rows"][place]["verdict"] for spec, card in made["cards"].items()}
    assert (ends["torch.optim:Adam"], ends["torch.optim:Adam:amsgrad=true"]) == ("DIVERGED", "CONVERGED")


def kept_bouts() -> list[Bout]:
    """What the kept cards are of."""
    found = []
    for name, kept in figure.cards()["battery"].items():
        rule = BATTERY[name].rule if kept["rule"] else None
        assert kept["rule"] == ("" if rule is None else str(rule))
        entry = Entry(kept["problem"], "", kept["steps"], kept["order"], rule)
        found.append(Bout(name, entry.built(), entry.order, entry.steps, seeds=4))
    return found


def test_kept_cards_have_the_verdicts_of_our_optimizers() -> None:
    made = figure.cards()
    (bout,) = [one for one in kept_bouts() if one.name == "reddi.periodic"]
    for name, make in audits.CONTROLS.items():
        (now,) = audits._rows(audits._run(Native(make(), name), [bout], "calibrate"), None)
        cards = [(made["controls"][name], 1e-9)]
        cards += [(made["cards"]["torch.optim:Adam"]["rows"], 1e-6)] if name == "Adam" else []
        for rows, off in cards:
            (kept,) = [row for row in rows if row["problem"] == "reddi.periodic"]
            assert (now.verdict, now.x_final) == (kept["verdict"], pytest.approx(kept["x_final"], abs=off))


@pytest.mark.parametrize("spec", TWINS)
def test_kept_cards_of_twins_have_our_verdicts_on_every_problem(spec: str) -> None:
    """Orbits at a kink differ by what two programs round differently; verdicts do not."""
    made = figure.cards()
    ours = audits._rows(audits._run(Native(TWINS[spec], spec), kept_bouts(), "calibrate"), None)
    kept = made["cards"][spec]["rows"]
    assert [(row.problem, row.verdict) for row in ours] == [(row["problem"], row["verdict"]) for row in kept]
    if spec == "optax:lion":  # whose decay shortens the walk by which lr is measured; ours is measured at x_1
        return
    for bout, row, other in zip(kept_bouts(), ours, kept, strict=True):
        # Either search ends within 1e-6 of the wanted step, and ours measures 1e-9 of a step beside x_1: a unit
        # in the last place of x_1 is that share of it.
        rounded = np.abs(bout.problem.start).max() * np.finfo(float).eps / (1e-9 * audits.STEP)
        assert row.lr == pytest.approx(other["lr"], rel=2e-6 + rounded), row.problem


if importlib.util.find_spec("torch") is not None:
    import torch

    class Own(torch.optim.Optimizer):
        """Gradient descent with the manners of other people's code."""

        def __init__(self, params: Any, lr: float = 0.1, manner: str = "") -> None:
            super().__init__(params, {"lr": lr})
            self.manner, self.t = manner, 0

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            self.t += 1
            for group in self.param_groups:
                for p in group["params"]:
                    change = -group["lr"] * p.grad
                    if self.manner == "draws":
                        change = change * (1.0 + 0.1 * torch.rand_like(p))
                    if self.manner == "exits":
                        raise SystemExit(3)
                    if self.manner == "rebinds":
                        p.data = p.data + change
                    elif self.manner != "every third" or self.t % 3 == 0:
                        p.add_(change)
                    if self.manner == "takes gradients away":
                        p.grad = None


@needs_torch
@pytest.mark.parametrize("manner", ["", "rebinds", "takes gradients away", "every third", "draws"])
def test_manners_of_other_peoples_code(manner: str) -> None:
    make = functools.partial(Own, manner=manner)
    card = ts.audit(lambda params, lr: make(params, lr=lr), "smooth.quadratic", steps=2000)
    assert (card.rows[0].verdict, card.rows[0].mean_step) == ("CONVERGED", pytest.approx(0.3))
    assert ("draws random numbers of its own" in card.note) == (manner == "draws")
    # Every third step must be three times as long for the same mean.
    assert card.rows[0].lr == pytest.approx(
        {"every third": 0.9, "draws": 0.3 / 1.05}.get(manner, 0.3), rel=0.01
    )


@needs_torch
def test_a_step_that_ends_the_process_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="its first step raised SystemExit"):
        contender(functools.partial(Own, manner="exits"))

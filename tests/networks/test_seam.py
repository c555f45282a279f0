"""Trainings as sources of claims and figures: tiers, refusals, and what happens without torch or scikit-learn."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app import catalogue, jobs
from theory_sim.app.cli import main
from theory_sim.app.runs import Runs
from theory_sim.nouns import training as noun
from theory_sim.nouns.claim import Claim, Outcome, at_most
from theory_sim.nouns.training import Training

SMALL = Training("mlp", ts.adam(), {"lr": (0.01,)}, 4, 4, sizes={"width": 2}, evaluated=16, name="small")


def absent(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let these modules be not installed, as far as a Training can tell."""
    real = noun.find_spec
    monkeypatch.setattr(noun, "find_spec", lambda name: None if name in modules else real(name))


def claim(training: Training) -> Claim:
    return Claim(
        "zhang2022.X", "nowhere", "s", "upper", lambda grids, tier: at_most(float(grids[0].loss[0, 0, 0]), 9.0), (training,)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("modules", "said"),
    [(("torch",), "needs torch;"), (("sklearn", "torch"), "needs torch and scikit-learn;")],
)
def test_a_claim_without_the_extra_is_not_run(
    modules: Any, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    absent(monkeypatch, *modules)
    evidence = Runs("quick", tmp_path).check(claim(SMALL)).evidence
    assert (evidence.status, evidence.observed) == (Outcome.UNJUDGED, "not run")
    assert said in evidence.note
    assert 'pip install "theory-sim[networks]"' in evidence.note


def test_claims_and_figures_share_a_training(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason='networks need torch: pip install "theory-sim[networks]"')
    pytest.importorskip("sklearn", reason='networks need scikit-learn: pip install "theory-sim[networks]"')
    runs = Runs("quick", tmp_path)
    assert runs.check(claim(SMALL)).evidence.status is Outcome.PASS
    assert runs.grid(SMALL) is runs.grid(SMALL)
    assert Runs("quick", tmp_path).grid(SMALL).identical(runs.grid(SMALL))
    assert len([*tmp_path.iterdir()]) == 1


def test_tiers_replace_fields() -> None:
    training = Training("mlp", ts.adam(), quick={"steps": 3}, large={"seeds": 9}, name="t")
    assert training.at("full") is training
    assert (training.at("quick").steps, training.at("large").seeds, training.at("large").steps) == (
        3,
        9,
        1000,
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"network": "mpl"}, "did you mean mlp"),
        ({"network": "mlp", "probe": "sharp"}, "did you mean sharpness"),
        ({"network": "mlp", "batch": 70_000}, "more than the 65536 uniforms"),
        ({"network": "mlp", "axes": {"lr": (0.1, 0.1)}}, "repeats a value"),
        ({"network": "mlp", "steps": 5, "checkpoints": (6,)}, "end by steps = 5"),
        ({"network": "mlp", "quick": {"stepz": 5}}, "did you mean steps"),
        ({"network": "mlp", "axes": {"momentum": (0.5,)}}, "Unknown axis 'momentum'"),
    ],
)
def test_bad_trainings_are_one_sentence(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Training(optimizer=ts.adam(), **given)


def test_jobs_know_trainings() -> None:
    split = jobs.split(catalogue.claims().values(), catalogue.figures().values(), "quick")
    named = [name for job in split for name in job.costs if name.startswith("training ")]
    assert sorted(named) == sorted(f"training {name}" for name in catalogue.trainings())


def test_every_training_has_a_tier_for_the_ci_and_one_for_a_gpu() -> None:
    for name, training in catalogue.trainings().items():
        quick, large = training.at("quick"), training.at("large")
        assert quick.size * quick.steps <= training.size * training.steps <= large.size * large.steps, name
        assert large.size * large.steps > 0 or training.probe == "spectrum"


def test_the_command_refuses_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "torch")
    result = CliRunner().invoke(main, ["networks", "zhang2022.N1"])
    assert result.exit_code == 2
    assert 'pip install "theory-sim[networks]"' in result.output
    result = CliRunner().invoke(main, ["networks", "reddi2018"])
    assert result.exit_code == 2
    assert "Unknown paper or claim" in result.output


def test_the_catalogue_shows_trainings() -> None:
    result = CliRunner().invoke(main, ["explain", "zhang2022.networks"])
    assert "network    mlp" in result.output
    result = CliRunner().invoke(main, ["list", "trainings"])
    assert "cohen2022.edge" in result.output

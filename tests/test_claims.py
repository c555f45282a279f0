"""Every claim at the quick tier: it holds, it needs its grids, and the ledgers name claims that exist."""

import os

import pytest

from tests.tampering import grids_of, lost, status
from theory_sim.app import catalogue, errata
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.training import Training

CLAIMS = catalogue.claims()
FULL = os.environ.get("THEORY_SIM_TIER") == "full"
ERRATA = errata.errata()
UNDECIDED = {
    "reddi2018.R8b": "AMSGrad on random slopes has not reached -1 within 1e6 steps.",
    "reddi2018.R9b": "Adam at beta2 = .9999 has not reached -1 within 1e6 steps.",
    "taniguchi2024.X2d": "At k = 50 ADOPT needs 3e6 steps and more to its corner; the quick tier has 1e6.",
    "zhang2022.N4": "One seed has no spread, so the threshold's slope has no interval.",
    "zhang2022.N5": "One seed and one epoch do not tell the best beta2 of different batches apart.",
    "zhang2024transformers.N2": "One seed shows no spread.",
    "zhang2020clipping.N1": "On 240 steps the gradient norm of the Transformer hardly varies.",
    "wang2024separability.H5b": "With momentum .9 three gaps give an interval that crosses the band.",
    "wang2024separability.H5c": "With momentum .9 three gaps give an interval that exceeds the band.",
}
# What these say of a grid without results is not FAIL.
NOT_REFUTED = {
    "reddi2018.R8b": "undecided for any data of the quick tier",
    "taniguchi2024.X2d": "undecided for any data of the quick tier",
    "wang2024separability.S2": "no path out of the basin decides nothing",
    "crawshaw2022.C1": "a tuned step at the edge of its grid decides nothing",
}
# These read counts and verdicts, no numbers.
COUNTS = {
    *("zhang2022.Z1a", "zhang2022.Z1b", "zhang2022.V1", "crawshaw2022.C1"),
    *(
        f"wang2024separability.H{label}"
        for label in ["1", "1b", "2", "3", "4", "4b", "5a", "5b", "5c", "6", "7", "8", "9", "10", "11"]
    ),
    *("wang2024separability.S2", "wang2024separability.S2b"),
}
# All grids together only: S2b says that Gaussian paths never leave.
TOGETHER = {"wang2024separability.S2b"}
# Rows of the ledgers on what is not run or not known.
SHOWN_BY_NO_CLAIM = {
    ("zhang2026", "2603.02092, after eq. 2.5"),
    ("defossez2022", "Theorem 4 (with momentum)"),
    ("wang2022", "experiments"),
    ("wang2024separability", "2403.15146, full text"),
    ("wang2024separability", "2403.15146, stopping-time version of the upper bound"),
    ("compams2022", "error feedback"),
}


def needs_installed(name: str) -> None:
    """Skip what needs an extra that is not installed; without it a claim is reported as not run."""
    for sweep in CLAIMS[name].sweeps:
        if isinstance(sweep, Training) and sweep.missing:
            extra = 'pip install "theory-sim[networks]"'
            pytest.skip(f"{name} trains networks, which needs {' and '.join(sweep.missing)}: {extra}")


@pytest.mark.parametrize("name", CLAIMS)
def test_claim(name: str, runs: Runs, checked: dict[str, str]) -> None:
    needs_installed(name)
    if name in checked:
        found, told = Outcome(checked[name]), ""
    else:
        result = runs.check(CLAIMS[name])
        found, told = result.evidence.status, str(result.record())
    assert found is (Outcome.UNDECIDED if name in UNDECIDED else Outcome.PASS), told
    for erratum in ERRATA:  # what the list of errata says of the claim is what was seen
        assert erratum.claims.get(name, found) == found, erratum.id


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.sweeps])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of means over no run
def test_lost_grids_never_pass(name: str, runs: Runs) -> None:
    needs_installed(name)
    grids = grids_of(name, runs)
    changed = [lost(grid, "fiU" if name in COUNTS else "f") for grid in grids]
    data = {"all grids": changed}
    if name not in TOGETHER:
        one_by_one = list(enumerate(CLAIMS[name].sweeps))
        # Of many alike the first and the last stand for all, but in the full tier.
        for i, sweep in one_by_one if FULL else {*one_by_one[:1], *one_by_one[-1:]}:
            data[sweep.name] = [*grids[:i], changed[i], *grids[i + 1 :]]
    allowed = {Outcome.FAIL, Outcome.UNDECIDED} if name in NOT_REFUTED else {Outcome.FAIL}
    assert {what for what, some in data.items() if status(name, some) not in allowed} == set()


def test_every_paper_has_a_ledger_and_its_rows_name_claims_that_exist() -> None:
    assert {claim.paper for claim in CLAIMS.values()} <= {row.paper for row in catalogue.deviations()}
    for row in catalogue.deviations():
        assert set(row.claims) <= set(CLAIMS), row
        assert row.claims or (row.paper, row.where) in SHOWN_BY_NO_CLAIM, row


def test_ids_and_names_are_unique() -> None:
    import paper_checks

    assert len(paper_checks.CLAIMS) == len(CLAIMS)
    sweeps = {sweep for owner in (*CLAIMS.values(), *catalogue.figures().values()) for sweep in owner.sweeps}
    assert len(sweeps) == len(catalogue.sweeps()) + len(catalogue.trainings())

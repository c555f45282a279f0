"""Every claim on 8-bit states in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from paper_checks import dettmers2022
from theory_sim.claim import Outcome
from theory_sim.compressors import dynamic8, dynamic_levels, linear8
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in dettmers2022.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def one_nan(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[-1] = np.nan
    return values


TAMPERED: list[tuple[str, int, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("QC26a", 0, "x_final", lambda x: 2.0 * x),
    ("QC26a", 0, "x_final", one_nan),
    ("QC26a", 1, "x_final", lambda x: 1.5 * x),
    ("QC26a", 1, "x_final", one_nan),
    ("QC26a", 2, "x_final", lambda x: np.clip(x, -0.1, 0.1)),
    ("QC26a", 2, "x_final", lambda x: np.full_like(x, np.nan)),
    ("QC26b", 1, "x_final", lambda x: np.clip(x, -0.01, 0.01)),
    ("QC26b", 2, "x_final", lambda x: np.clip(x, -0.01, 0.01)),
    ("QC26b", 2, "x_final", lambda x: 2.0 * x),
    ("QC26b", 3, "x_final", lambda x: 2.0 * x),
    ("QC26b", 3, "x_final", one_nan),
]


@pytest.mark.parametrize(
    ("label", "which", "name", "change"), TAMPERED, ids=[f"{t[0]}-{t[2]}-{i}" for i, t in enumerate(TAMPERED)]
)
def test_claim_fails_on_a_tampered_grid(
    label: str, which: int, name: str, change: Callable[[np.ndarray], np.ndarray], runs: Runs
) -> None:
    claim = CLAIMS[label]
    grids = [runs.grid(sweep) for sweep in claim.sweeps]
    grid = grids[which]
    grids[which] = grid.assign({name: (grid[name].dims, change(grid[name].values.copy()))})
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_the_maps_cannot_be_exchanged(runs: Runs) -> None:
    dynamic, linear = dettmers2022.dynamic, dettmers2022.linear
    assert dettmers2022.map_facts(linear).status is Outcome.FAIL
    assert dettmers2022.normal_errors(linear, dynamic, 2**14).status is Outcome.FAIL
    full, one, other, split = (runs.grid(sweep) for sweep in CLAIMS["QC26b"].sweeps)
    assert CLAIMS["QC26a"].check([full, other, one], "quick").status is Outcome.FAIL
    assert CLAIMS["QC26b"].check([full, other, one, split], "quick").status is Outcome.FAIL


def test_larger_blocks_fail() -> None:
    # Blocks of 2048 err by .0097 on average, blocks of 64 by .0075; .0085 +- 5 % is asserted.
    for block in (64, 2048):
        result = dettmers2022.normal_errors(partial(dynamic8, block, word=64), dettmers2022.linear, 2**16)
        assert result.status is Outcome.FAIL


def test_edges_in_closed_form() -> None:
    # Half the smallest level of v: .325e-6/2, and 1/510.
    assert dettmers2022.tolerated(dettmers2022.dynamic) == pytest.approx(-0.5 * np.log10(1.625e-7), rel=1e-9)
    assert dettmers2022.tolerated(dettmers2022.linear) == pytest.approx(0.5 * np.log10(510.0), rel=1e-9)


@pytest.mark.parametrize("signed", [True, False])
def test_observed_levels_are_those_of_the_map(signed: bool) -> None:
    np.testing.assert_allclose(
        dettmers2022.levels(dettmers2022.dynamic, signed), dynamic_levels(signed), rtol=1e-12, atol=1e-20
    )
    linear = dettmers2022.levels(lambda flag: linear8(256, flag, 64), signed)
    assert len(linear) == (255 if signed else 256)


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in dettmers2022.CLAIMS}
    assert all(set(entry.claims) <= known for entry in dettmers2022.DEVIATIONS)

"""The claims on RR-Adam in the quick tier, what must make them fail, and the schedule by epochs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from paper_checks import wang2022
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in wang2022.CLAIMS}

Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def with_values(grid: xr.Dataset, name: str, change: Change) -> xr.Dataset:
    """The grid with one variable changed."""
    return grid.assign({name: (grid[name].dims, change(grid[name].values.copy()))})


def nan(values: np.ndarray) -> np.ndarray:
    return np.full_like(values, np.nan, dtype=float)


def one_nan(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[-1] = np.nan
    return values


def one_nan_at_no_momentum(values: np.ndarray) -> np.ndarray:
    values[0, 0, 1, 0, 0] = np.nan
    return values


TAMPERED: list[tuple[str, int, str, Change]] = [
    ("R1", 0, "gradient_norm", nan),
    ("R1", 0, "gradient_norm", one_nan_at_no_momentum),
    ("R1", 0, "gradient_norm", np.square),
    ("R1", 0, "gradient_norm", np.sqrt),
    ("R1", 0, "gradient_norm", lambda v: v + 0.01),
    ("R1", 0, "gradient_norm", lambda v: v[::-1]),
    ("R2", 0, "gradient_norm", nan),
    ("R2", 0, "gradient_norm", one_nan),
    ("R2", 0, "gradient_norm", lambda v: 2.0 * v),
]


@pytest.mark.parametrize(
    ("label", "which", "name", "change"), TAMPERED, ids=[f"{t[0]}-{t[2]}-{i}" for i, t in enumerate(TAMPERED)]
)
def test_claim_fails_on_a_tampered_grid(
    label: str, which: int, name: str, change: Change, runs: Runs
) -> None:
    claim = CLAIMS[label]
    grids = [runs.grid(sweep) for sweep in claim.sweeps]
    grids[which] = with_values(grids[which], name, change)
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_the_step_is_constant_inside_an_epoch() -> None:
    schedule = wang2022.epoch_power(3)
    factor = np.empty(1)
    parameters = np.array([[value] for value in schedule.parameters.values()])
    seen = []
    for t in range(1, 8):
        schedule.kernel(t, parameters, factor)
        seen.append(factor[0])
    assert seen == pytest.approx([1.0] * 3 + [2**-0.5] * 3 + [3**-0.5], rel=1e-15)


def test_bad_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="epoch = 0 must be an integer >= 1"):
        wang2022.epoch_power(0)


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in wang2022.CLAIMS}
    assert all(set(entry.claims) <= known for entry in wang2022.DEVIATIONS)

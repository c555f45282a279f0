"""Every claim of Zhang et al. in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr

from counterexamples import zhang
from counterexamples.drift import quadratics_bias
from paper_checks import zhang2022
from theory_sim.claim import Outcome
from theory_sim.runs import Runs
from theory_sim.sweep import simulate
from theory_sim.verdict import Verdict

CLAIMS = {claim.id.split(".")[1]: claim for claim in zhang2022.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def with_values(grid: xr.Dataset, name: str, change: Callable[[np.ndarray], np.ndarray]) -> xr.Dataset:
    """The grid with one variable changed."""
    return grid.assign({name: (grid[name].dims, change(grid[name].values.copy()))})


def flipped(verdict: np.ndarray) -> np.ndarray:
    """CONVERGED and DIVERGED exchanged, as a wrong sign in the step would."""
    swap = {"CONVERGED": "DIVERGED", "DIVERGED": "CONVERGED"}
    return np.vectorize(lambda name: swap.get(name, name))(verdict)


def one_in_thirteen_undecided(verdict: np.ndarray) -> np.ndarray:
    verdict.reshape(-1)[::13] = Verdict.UNDECIDED.value
    return verdict


def left_branch_flipped(verdict: np.ndarray) -> np.ndarray:
    verdict[:, :, 1] = flipped(verdict[:, :, 1])
    return verdict


def nan(values: np.ndarray) -> np.ndarray:
    return np.full_like(values, np.nan)


TAMPERED: list[tuple[str, int, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("Z1a", 0, "verdict", flipped),
    ("Z1a", 0, "verdict", one_in_thirteen_undecided),
    ("Z1a", 0, "verdict", left_branch_flipped),
    ("Z1b", 0, "verdict", flipped),
    ("Z1b", 1, "x", np.negative),
    ("Z4", 0, "distance", nan),
    ("Z4", 0, "distance", lambda x: np.ones_like(x)),
    ("Z4", 0, "distance", np.square),  # decay like 1/T
    ("Z5", 0, "x", nan),
    ("Z5", 0, "x", lambda x: x + 1e-3),  # not homogeneous in a
    ("Z5", 0, "x", lambda x: 0.0 * x + 1e-9),  # no neighbourhood
    ("Z6", 0, "x", nan),
    ("Z6", 0, "x", np.negative),
    ("Z6", 0, "x", lambda x: 1.01 * x),  # 1 % of the limit is many times the offset checked
    ("Z8", 0, "verdict", flipped),
    ("Z8", 0, "x_final", np.negative),
    ("Z8", 0, "x_final", nan),
    ("Z9", 0, "gradient_norm", nan),
    ("Z9", 0, "gradient_norm", lambda g: g[..., ::-1]),
    ("Z9", 0, "distance_final", lambda d: 2.0 * d),
    ("Z9", 1, "gradient_norm_final", lambda g: g[::-1]),
]


@pytest.mark.parametrize(
    ("label", "which", "name", "change"), TAMPERED, ids=[f"{t[0]}-{t[2]}-{i}" for i, t in enumerate(TAMPERED)]
)
def test_claim_fails_on_a_tampered_grid(
    label: str, which: int, name: str, change: Callable[[np.ndarray], np.ndarray], runs: Runs
) -> None:
    claim = CLAIMS[label]
    grids = [runs.grid(sweep) for sweep in claim.sweeps]
    grids[which] = with_values(grids[which], name, change)
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_reshuffled_verdicts_are_not_those_of_the_cyclic_drift(runs: Runs) -> None:
    # The two boundaries differ where C is much larger than n: the cyclic closed form is the wrong oracle there.
    grids: Sequence[xr.Dataset] = [runs.grid(zhang2022.RESHUFFLED)]
    assert CLAIMS["Z1a"].check(grids, "quick").status is Outcome.FAIL


def test_frozen_field_of_the_cyclic_order_is_the_closed_form(runs: Runs) -> None:
    sweep = zhang2022.FROZEN
    grid = simulate(
        zhang.piecewise(10, 1 / 81),
        sweep.optimizer.replace(beta1=0.5, beta2=0.4),
        steps=1_500,
        seeds=2,
        x0=0.0,
        checkpoints=(500, 1_500),
    ).expand_dims(n=[10], a=[1 / 81], beta1=[0.5], beta2=[0.4])
    field, error = zhang2022.frozen_field(grid)
    # x ~ 1e-6 * 1000 steps carries 1e-16/1e-3 relative rounding.
    assert field == pytest.approx(zhang2022.cell_drift(grid), rel=1e-9)
    assert error == pytest.approx(0.0, abs=1e-12)


def test_bias_slope_is_the_limit_of_the_exact_bias() -> None:
    assert zhang2022.bias_slope(0.0) == pytest.approx(-200 / 9)
    for beta1 in (0.0, 0.5, 0.9):
        # The next term is of relative order 25 (1 - beta2).
        exact = quadratics_bias(beta1, 1 - 1e-6) / 1e-6
        assert exact == pytest.approx(zhang2022.bias_slope(beta1), rel=1e-4)


def test_sawtooth_by_hand() -> None:
    # beta1 = 0: one step of 3 lr up, then nine of lr/3 down; after j steps 3 - (j-1)/3, summed over j = 1..9: 15.
    assert zhang2022.sawtooth(0.0) == pytest.approx(15.0)
    # Equal weights, beta1 -> 1: no step moves x.
    assert zhang2022.sawtooth(1.0 - 1e-9) == pytest.approx(0.0, abs=1e-6)


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in zhang2022.CLAIMS}
    assert all(set(entry.claims) <= known for entry in zhang2022.DEVIATIONS)

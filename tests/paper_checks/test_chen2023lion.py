"""The claims on Lion and Lion-K in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from paper_checks import chen2023lion, chen2023lionk
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in (*chen2023lion.CLAIMS, *chen2023lionk.CLAIMS)}

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


TAMPERED: list[tuple[str, int, str, Change]] = [
    ("L1", 0, "x", one_nan),
    ("L1", 0, "x", lambda x: 1.01 * x),
    ("L1", 0, "x", lambda x: x[..., ::-1, :]),
    ("L2", 0, "x", nan),
    ("L2", 0, "x", lambda x: x + 0.01),
    ("L2", 0, "x", np.negative),
    ("L3", 0, "x", nan),
    ("L3", 0, "x", lambda x: x + 1e-7),
    ("L3", 0, "x", np.abs),
    ("L3", 1, "x", lambda x: x * (-1.0) ** np.arange(x.shape[-1]) * 0.0),
    ("N3", 0, "x", nan),
    ("N3", 0, "x", lambda x: x + 1e-9 * np.arange(x.shape[-2])[:, None]),
    ("N3", 1, "x", np.negative),
    ("KKT", 0, "x", nan),
    ("KKT", 0, "x", lambda x: x + 0.05),
    ("KKT", 0, "x", lambda x: 20.0 * x),  # outside the box the score is negative
    ("K1", 0, "x_final", nan),
    ("K1", 0, "x_final", lambda x: x + 1e-9),
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


@pytest.mark.parametrize("label", ["L3", "N3"])
def test_other_runs_fail(label: str, runs: Runs) -> None:
    # The control's grid in place of the checked one, and the run with signs in place of the linear one.
    grids = [runs.grid(sweep) for sweep in CLAIMS[label].sweeps]
    assert CLAIMS[label].check(grids[::-1], "quick").status is Outcome.FAIL


def test_the_filter_is_its_impulse_response() -> None:
    # The average of extrapolated gradients of a unit impulse: (1 - beta2)(1 + k) = 1 - beta1, then beta1 (1 - beta2) beta2^(k-1).
    k = (0.99 - 0.9) / (1 - 0.99)
    impulse = np.eye(1, 30)[0]
    average, seen = 0.0, []
    for now, before in zip(impulse, [0.0, *impulse[:-1]], strict=True):
        average = 0.99 * average + 0.01 * (now + k * (now - before))
        seen.append(average)
    np.testing.assert_allclose(seen, chen2023lion.impulse_response(30), rtol=0, atol=1e-15)


def test_objective_gradient_is_the_derivative() -> None:
    x, h = np.array([[0.3, -2.0], [1.1, 0.4]]), 1e-6
    for i, unit in enumerate(np.eye(2)):
        step = h * unit[:, None]
        slope = (chen2023lionk.objective(x + step) - chen2023lionk.objective(x - step)) / (2 * h)
        np.testing.assert_allclose(slope, chen2023lionk.objective_gradient(x)[i], atol=1e-8)


@pytest.mark.parametrize("name", chen2023lionk.POTENTIALS)
def test_conjugates(name: str) -> None:
    # K(m) + K*(z) = m z at z = grad K(m), and the inequality of Fenchel elsewhere.
    potential = chen2023lionk.POTENTIALS[name]
    m = np.linspace(-2.0, 2.0, 9)[None]
    z = potential.gradient(m)
    np.testing.assert_allclose(potential.value(m) + potential.conjugate(z), (m * z).sum(axis=0), atol=1e-14)
    other = np.linspace(0.9, -0.9, 9)[None]
    assert (potential.value(m) + potential.conjugate(other) >= (m * other).sum(axis=0)).all()


def test_the_sign_of_the_cross_term_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    # H with + lambda <m, x> is no Lyapunov function: the check of L4 sees it.
    right = chen2023lionk.lyapunov
    monkeypatch.setattr(chen2023lionk, "lyapunov", lambda x, m, *rest: right(x, -m, *rest))
    assert CLAIMS["L4"].check([], "quick").status is Outcome.FAIL


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in (*chen2023lion.CLAIMS, *chen2023lionk.CLAIMS)}
    assert all(set(entry.claims) <= known for entry in (*chen2023lion.DEVIATIONS, *chen2023lionk.DEVIATIONS))

"""Every claim of 1-bit Adam in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import theory_sim as ts
from counterexamples.quantized import quadratic
from paper_checks import onebitadam2021
from theory_sim.claim import Outcome
from theory_sim.compressors import l1_sign, rms_sign, two_mean
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in onebitadam2021.CLAIMS}


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
    ("QC24a", 1, "gap_mean", lambda f: 0.3 * f),
    ("QC24a", 1, "gap_mean", one_nan),
    ("QC24a", 2, "gap_mean", lambda f: 2.0 * f),
    ("QC24a", 3, "gap_mean", one_nan),
    ("QC24a", 0, "gap_mean", one_nan),
    ("QC24b", 1, "bits_up", lambda b: b + 1.0),
    ("QC24b", 0, "bits_down", lambda b: 0.5 * b),
    ("QC24c", 1, "gap_mean", lambda f: 0.5 * f),
    ("QC24c", 1, "gap_mean", one_nan),
    ("QC24c", 2, "gap_mean", lambda f: 0.5 * f),
    ("QC24d", 0, "gap_mean", lambda f: 0.3 * f),
    ("QC24d", 0, "gap_mean", one_nan),
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


def test_the_one_bit_compressors_cannot_be_exchanged() -> None:
    fail = Outcome.FAIL
    assert onebitadam2021.l1_constants(lambda: rms_sign(word=64)).status is fail
    assert onebitadam2021.l1_constants(lambda: two_mean(64)).status is fail
    assert onebitadam2021.l1_constants(lambda: l1_sign(block=3, word=64)).status is fail
    assert onebitadam2021.rms_constants(lambda: l1_sign(word=64)).status is fail
    assert onebitadam2021.rms_constants(lambda: rms_sign(block=3, word=64)).status is fail


def test_the_naive_method_is_not_1_bit_adam(runs: Runs) -> None:
    adam, _, rms, _ = (runs.grid(sweep) for sweep in CLAIMS["QC24a"].sweeps)
    good = rms.isel(lr=0)
    assert CLAIMS["QC24a"].check([adam, good, rms, rms], "quick").status is Outcome.FAIL
    assert CLAIMS["QC24d"].check([adam, rms], "quick").status is Outcome.FAIL


@pytest.mark.parametrize("workers", [1, 3])
def test_the_naive_method_against_numpy(workers: int) -> None:
    # Without noise, so that the workers agree; x, E, e, m and v after 40 steps.
    problem, lr, d = quadratic(d=5, decades=1.0), 0.05, 5
    grid = ts.simulate(problem, onebitadam2021.naive(lr, rms_sign(word=64)), steps=40, workers=workers)
    curvature = np.logspace(0.0, -1.0, d)
    x, e, E, m, v = np.ones(d), *np.zeros((4, d))

    def sign(p: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt((p**2).mean()) * np.where(p >= 0.0, 1.0, -1.0))

    for t in range(1, 41):
        p = curvature * x + e
        e = p - sign(p)
        q = sign(p) + E
        E = q - sign(q)
        m, v = 0.9 * m + 0.1 * sign(q), 0.999 * v + 0.001 * sign(q) ** 2
        x = x - lr * m / (1.0 - 0.9**t) / (np.sqrt(v / (1.0 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(grid.x_final.values[0], x, rtol=1e-10)
    np.testing.assert_allclose(grid.state_final.sel(row="e_0").values[0], e, rtol=1e-9, atol=1e-12)


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in onebitadam2021.CLAIMS}
    assert all(set(entry.claims) <= known for entry in onebitadam2021.DEVIATIONS)

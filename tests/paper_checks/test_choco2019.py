"""Every claim of CHOCO in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paper_checks import choco2019
from theory_sim.claim import Outcome
from theory_sim.compressors import Compressor, natural, natural_dithering, qsgd, terngrad
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in choco2019.CLAIMS}


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
    ("QC27a", 0, "x", lambda x: x + 1e-9 * np.arange(x.shape[-2])[:, None]),
    ("QC27a", 2, "x", one_nan),
    ("QC27b", 0, "x", lambda x: x * np.linspace(1.0, 4.0, x.shape[-2])[:, None]),
    ("QC27b", 1, "state_final", lambda s: s + 1e3),
    ("QC27b", 3, "x", lambda x: np.full_like(x, np.nan)),
    ("QC27b", 4, "state_final", lambda s: np.full_like(s, np.nan)),
    ("QC27c", 1, "x", lambda x: np.repeat(x[:1], 2, axis=0)),
    ("QC27c", 2, "x", lambda x: np.full_like(x, np.nan)),
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


def test_other_dithers_fail() -> None:
    fail = Outcome.FAIL
    assert choco2019.qsgd_constants(lambda s: qsgd(s + 1, word=64)).status is fail
    assert choco2019.qsgd_constants(lambda s: qsgd(s, 0.9, 64)).status is fail  # biased
    assert choco2019.qsgd_constants(lambda s: natural_dithering(s, word=64)).status is fail

    def tern() -> Compressor:
        return terngrad(word=64)

    def dither(s: int) -> Compressor:
        return natural_dithering(s, word=64)

    assert choco2019.ternary_constants(tern, natural, dither).status is Outcome.PASS
    assert choco2019.ternary_constants(lambda: qsgd(1, word=64), natural, dither).status is fail
    assert choco2019.ternary_constants(tern, lambda: natural(0.9), dither).status is fail
    assert choco2019.ternary_constants(tern, tern, dither).status is fail
    assert choco2019.ternary_constants(tern, natural, lambda s: dither(s - 1 or 1)).status is fail


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_another_scaling_fails(factor: float) -> None:
    result = choco2019.scaled([lambda a: terngrad(1.0 if a == 1.0 else factor * a, 64)], 64)
    assert result.status is Outcome.FAIL


def test_constants_of_the_ring() -> None:
    # Eigenvalues of the ring's matrix: (1 + 2 cos(2 pi k/9))/3.
    W = np.zeros((9, 9))
    for i in range(9):
        W[i, [i - 1, i, (i + 1) % 9]] = 1.0 / 3.0
    eigenvalues = np.sort(np.linalg.eigvalsh(W))
    assert pytest.approx(1.0 - np.abs(eigenvalues[:-1]).max(), rel=1e-12) == choco2019.RHO
    assert pytest.approx(1.0 - eigenvalues[0], rel=1e-12) == choco2019.SPREAD
    assert pytest.approx(0.155970, abs=5e-7) == choco2019.RHO


def test_the_weight_of_the_theorem_by_hand() -> None:
    # delta = 1: .024327/(2.4955 + .024327 + 6.6886 + .52161 - 1.24776).
    assert choco2019.theorem_mixing(1.0) == pytest.approx(0.024327 / 8.48229, rel=2e-4)


def test_variance_of_two_values_by_hand() -> None:
    # TernGrad of (1, 1/2): the second entry is 1 or 0 with probability 1/2, variance 1/4; ||x||^2 = 5/4.
    assert choco2019.variance(terngrad(word=64), np.array([1.0, 0.5])) == pytest.approx(0.2, rel=1e-14)
    assert choco2019.variance(natural(), np.array([1.0, 2.0])) == 0.0


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in choco2019.CLAIMS}
    assert all(set(entry.claims) <= known for entry in choco2019.DEVIATIONS)

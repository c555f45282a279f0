"""Every claim of EF21 in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paper_checks import ef21
from theory_sim.claim import Outcome
from theory_sim.compressors import Compressor, rand_k, top_k
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in ef21.CLAIMS}


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
    ("QC13a", 0, "x", lambda x: x * (1.0 + 1e-8)),
    ("QC13a", 0, "x", np.negative),
    ("QC13a", 0, "x", lambda x: np.full_like(x, np.nan)),
    ("QC13b", 0, "gradient_square_mean", lambda g: 3.0 * g),
    ("QC13b", 0, "gradient_square_mean", lambda g: np.full_like(g, np.nan)),
    ("QC13c", 0, "x", lambda x: x * (1.0 + 1e-9 * np.arange(x.shape[-2])[:, None])),
    ("QC13c", 0, "x", one_nan),
    ("QC13d", 0, "gap_final", lambda f: 2.0 * f),
    ("QC13d", 0, "gap_final", one_nan),
    ("QC13d", 1, "gap_final", lambda f: 0.5 * f),
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


@pytest.mark.parametrize(
    ("top", "rand"),
    [
        (lambda k: top_k(k + 1, 64), lambda k, scaled: rand_k(k, scaled, 64)),
        (lambda k: rand_k(k, False, 64), lambda k, scaled: rand_k(k, scaled, 64)),
        (lambda k: top_k(k, 64), lambda k, scaled: rand_k(k, not scaled, 64)),
        (lambda k: top_k(k, 64), lambda k, scaled: top_k(k, 64)),
        (lambda k: top_k(k, 64), lambda k, scaled: rand_k(max(k - 1, 1), scaled, 64)),
    ],
    ids=["one more", "random for top", "scale exchanged", "top for random", "one fewer"],
)
def test_other_compressors_fail(
    top: Callable[[int], Compressor], rand: Callable[[int, bool], Compressor]
) -> None:
    assert ef21.sparse_constants(top, rand).status is Outcome.FAIL


def test_the_methods_cannot_be_exchanged(runs: Runs) -> None:
    grids = {name: runs.grid(getattr(ef21, name)) for name in ("WITHOUT", "FEEDBACK", "EF21")}
    assert CLAIMS["QC13a"].check([grids["FEEDBACK"]], "quick").status is Outcome.FAIL
    assert CLAIMS["QC13b"].check([grids["WITHOUT"]], "quick").status is Outcome.FAIL
    assert CLAIMS["QC13d"].check([grids["WITHOUT"], grids["EF21"]], "quick").status is Outcome.FAIL


def test_gradients_and_objective_by_hand() -> None:
    # At (1, 1, 1): <a_1, x> = 1, grad f_1 = 2 (-3, 2, 2) + 1/2, and f = 1 + 3/4.
    one = np.ones(3)
    assert ef21.gradients(one)[0].tolist() == [-5.5, 4.5, 4.5]
    assert ef21.objective(one) == 1.75
    step = 1e-6
    numeric = [
        (ef21.objective(one + step * e) - ef21.objective(one - step * e)) / (2 * step) for e in np.eye(3)
    ]
    assert ef21.gradients(one).mean(axis=0) == pytest.approx(numeric, rel=1e-8)


def test_the_step_size_of_the_theorem() -> None:
    # alpha = 1/3: theta = 1 - sqrt(2/3), beta = (2/3)/theta.
    assert pytest.approx(0.005859, abs=5e-7) == ef21.GAMMA


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in ef21.CLAIMS}
    assert all(set(entry.claims) <= known for entry in ef21.DEVIATIONS)

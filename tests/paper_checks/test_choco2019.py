"""Every claim of CHOCO in the quick tier, and what must make each of them fail."""

from dataclasses import replace

import numpy as np
import pytest

from paper_checks import choco2019
from tests.tampering import fails_on_tampered_grids, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.compressors import Compressor, natural, natural_dithering, qsgd, terngrad
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "choco2019",
    ("QC27a", "exact", "x", lambda x: x + 1e-9 * np.arange(x.shape[-2])[:, None]),
    ("QC27a", "rand", "x", one_nan),
    ("QC27a", "exact", "x", one_nan),
    ("QC27a", "tree_exact", "x", one_nan),
    ("QC27a", "tree_top", "x", one_nan),
    ("QC27b", "exact", "x", lambda x: x * np.linspace(1.0, 4.0, x.shape[-2])[:, None]),
    ("QC27b", "top", "state_final", lambda s: s + 1e3),
    ("QC27b", "sign", "x", nan),
    ("QC27b", "qsgd", "state_final", nan),
    ("QC27c", "top", "x", lambda x: np.repeat(x[:1], 2, axis=0)),
    ("QC27c", "rand", "x", nan),
)


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
    assert choco2019.MIXING["exact"][0] == pytest.approx(0.024327 / 8.48229, rel=2e-4)


@pytest.mark.parametrize("constant", ["10", "25", "820"])
def test_a_wrong_rate_fails(constant: str, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = choco2019.CHOCO_CONSENSUS
    wrong = {**theorem.where_symbols, "c": f"rho^2*delta_up/{constant}"}
    monkeypatch.setattr(choco2019, "CHOCO_CONSENSUS", replace(theorem, where_symbols=wrong))
    assert status("choco2019.QC27b", grids_of("choco2019.QC27b", runs)) is Outcome.FAIL


def test_one_weight_for_all_edges_fails(runs: Runs) -> None:
    # The tree with 1/4 on every edge, a symmetric doubly stochastic matrix too.
    grids = grids_of("choco2019.QC27a", runs)
    wrong = np.where(choco2019.TREE > 0.0, 0.25, 0.0) * (1.0 - np.eye(6))
    wrong += np.diag(1.0 - wrong.sum(axis=1))
    one = choco2019.ON_TREE[0]
    grids[len(choco2019.GOSSIP)] = replace(one, optimizer=one.optimizer.replace(matrix=wrong)).run()
    assert status("choco2019.QC27a", grids) is Outcome.FAIL


def test_metropolis_weights_by_hand() -> None:
    assert choco2019.TREE[0].tolist() == pytest.approx([0.25, 0.25, 0.25, 0.25, 0.0, 0.0])
    assert choco2019.TREE[4].tolist() == pytest.approx([0.0, 0.0, 0.0, 1 / 3, 1 / 3, 1 / 3])


def test_variance_of_two_values_by_hand() -> None:
    # TernGrad of (1, 1/2): the second entry is 1 or 0 with probability 1/2, variance 1/4; ||x||^2 = 5/4.
    assert choco2019.variance(terngrad(word=64), np.array([1.0, 0.5])) == pytest.approx(0.2, rel=1e-14)
    assert choco2019.variance(natural(), np.array([1.0, 2.0])) == 0.0

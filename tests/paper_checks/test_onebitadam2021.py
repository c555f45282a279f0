"""Every claim of 1-bit Adam in the quick tier, and what must make each of them fail."""

import numpy as np
import pytest

import theory_sim as ts
from counterexamples.quantized import quadratic
from paper_checks import onebitadam2021
from tests.tampering import fails_on_tampered_grids, grids_of, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.compressors import l1_sign, rms_sign, two_mean
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "onebitadam2021",
    ("QC24a", "naive", "gap_mean", lambda f: 0.3 * f),
    ("QC24a", "naive", "gap_mean", one_nan),
    ("QC24a", "rms", "gap_mean", lambda f: 2.0 * f),
    ("QC24a", "l1", "gap_mean", one_nan),
    ("QC24a", "adam", "gap_mean", one_nan),
    ("QC24b", "rms", "bits_up", lambda b: b + 1.0),
    ("QC24b", "adam", "bits_down", lambda b: 0.5 * b),
    ("QC24c", "rms", "gap_mean", lambda f: 0.5 * f),
    ("QC24c", "rms", "gap_mean", one_nan),
    ("QC24c", "warmups", "gap_mean", lambda f: 0.5 * f),
    ("QC24d", "one_way", "gap_mean", lambda f: 0.3 * f),
    ("QC24d", "one_way", "gap_mean", one_nan),
)


def test_the_one_bit_compressors_cannot_be_exchanged() -> None:
    fail = Outcome.FAIL
    assert onebitadam2021.l1_constants(lambda: rms_sign(word=64)).status is fail
    assert onebitadam2021.l1_constants(lambda: two_mean(64)).status is fail
    assert onebitadam2021.l1_constants(lambda: l1_sign(block=3, word=64)).status is fail
    assert onebitadam2021.rms_constants(lambda: l1_sign(word=64)).status is fail
    assert onebitadam2021.rms_constants(lambda: rms_sign(block=3, word=64)).status is fail


def test_the_naive_method_is_not_1_bit_adam(runs: Runs) -> None:
    adam, _, rms, _ = grids_of("onebitadam2021.QC24a", runs)
    good = rms.isel(lr=0)
    assert status("onebitadam2021.QC24a", [adam, good, rms, rms]) is Outcome.FAIL
    assert status("onebitadam2021.QC24d", [adam, rms]) is Outcome.FAIL


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

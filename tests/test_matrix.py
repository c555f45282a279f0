"""Muon as a kernel against the numpy recursion, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quadratics, spectral


@pytest.mark.parametrize(("m", "n"), [(3, 4), (4, 3)])
def test_muon_against_numpy(m: int, n: int) -> None:
    A, C, W = spectral.kronecker(m, n, 30.0, 0, turned=True)
    H = np.kron(A, C)
    problem = quadratics.quadratic(0.5 * (H + H.T), W.ravel())
    grid = ts.Sweep(problem, ts.muon(0.1, columns=n), {"lr": [0.1, 0.03]}, steps=20).run()
    found = grid.x_final.isel(seed=0).transpose("lr", "coordinate").values.reshape(2, m, n)
    expected = spectral.train(spectral.Muon(), A, C, W, [0.1, 0.03], 20, decay=False)
    # the polynomial, with a slope of up to 480 at 0, rounds anew in each of 20 steps
    np.testing.assert_allclose(found, expected, atol=1e-9)
    decayed = (
        ts.Sweep(problem, ts.muon(0.1, weight_decay=0.5, columns=n), steps=1).run().x_final.values.ravel()
    )
    step = spectral.train(spectral.Muon(), A, C, W, 0.1, 1, decay=False).ravel() - W.ravel()
    np.testing.assert_allclose(decayed, 0.95 * W.ravel() + step, atol=1e-12)


def test_without_columns_it_is_a_unit_vector_and_a_rest_is_a_row_of_its_own() -> None:
    # g = (3, 4): the singular value 1 becomes the polynomial's, whatever the length.
    size = spectral.quintic(1.0).item()
    step = ts.Sweep(quadratics.quadratic(np.eye(2), (3.0, 4.0)), ts.muon(0.1), steps=1).run().x_final.values
    np.testing.assert_allclose(
        step.ravel(), [3.0 - 0.06 * size, 4.0 - 0.08 * size], rtol=1e-6
    )  # 1e-7 is added
    # Three coordinates, two columns: a row (3, 4), and the rest (7).
    problem = quadratics.quadratic(np.eye(3), (3.0, 4.0, 7.0))
    step = ts.Sweep(problem, ts.muon(0.1, columns=2), steps=1).run().x_final.values
    np.testing.assert_allclose(
        step.ravel(), [3.0 - 0.06 * size, 4.0 - 0.08 * size, 7.0 - 0.1 * size], rtol=1e-6
    )

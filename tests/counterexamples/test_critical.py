"""Critical values of beta2 with proofs."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterexamples import drift
from counterexamples.drift import certificate, critical

pytest.importorskip("flint")

# (beta1, n, C) with 0, 1 and 2 critical values.
CASES = [("0", 3, 3, 1), ("0.5", 3, 3, 0), ("0.5", 5, 5, 1), ("0.9", 10, 10, 2), ("0.99", 50, 50, 2),
         ("0.5", 20, 380, 2), ("0.99", 101, 101, 2), ("0", 101, 101, 1)]  # fmt: skip


@pytest.mark.parametrize(("beta1", "n", "C", "count"), CASES)
def test_every_root_is_enclosed(beta1: str, n: int, C: int, count: int) -> None:
    found = critical.enclose_critical_beta2(beta1, n, C)
    assert len(found.roots) == count
    assert found.open == ()
    # The scan's roots are as good as the drift's rounding over its slope.
    np.testing.assert_allclose(
        [float(low) for low, _ in found.roots], drift.critical_beta2(float(beta1), n, C), rtol=1e-11
    )
    for low, high in found.roots:
        assert 0 < high - low <= Fraction(1, 10**30)
        assert {certificate.certify(beta1, end, n, C).verdict for end in (low, high)} == {
            "CONVERGED",
            "DIVERGED",
        }


@settings(max_examples=25)
@given(st.fractions(0, 1, max_denominator=50).filter(lambda b: b < 1), st.integers(2, 30), st.integers(1, 40))
def test_no_root_of_the_scan_is_missed(beta1: Fraction, n: int, excess: int) -> None:
    C = n - 1 + Fraction(excess, 10)
    if C <= 1:
        return
    found = critical.enclose_critical_beta2(beta1, n, C, width="1e-15")
    assert found.open == ()
    scan = drift.critical_beta2(float(beta1), n, float(C))
    np.testing.assert_allclose([float(low) for low, _ in found.roots], scan, rtol=1e-9, atol=1e-12)


def test_a_root_at_zero_is_exact() -> None:
    # D(0, 0; 2, C) = 2 - n = 0.
    assert critical.enclose_critical_beta2(0, 2, 3).roots == ((0, 0),)


def test_known_digits() -> None:
    # n = 3, C = 3, beta1 = 0: C/sqrt(v_0) = 1/sqrt(v_1) + 1/sqrt(v_2) by bisection in 40 digits.
    import mpmath

    with mpmath.workdps(45):

        def v(b: mpmath.mpf, k: int) -> mpmath.mpf:
            return 1 + 8 * b**k / (1 + b + b * b)

        root = mpmath.findroot(
            lambda b: 3 / mpmath.sqrt(v(b, 0)) - 1 / mpmath.sqrt(v(b, 1)) - 1 / mpmath.sqrt(v(b, 2)),
            (0.4, 0.5), solver="anderson", tol=1e-80,
        )  # fmt: skip
        ((low, high),) = critical.enclose_critical_beta2(0, 3, 3).roots
        ends = [mpmath.mpf(end.numerator) / end.denominator for end in (low, high)]
        assert ends[0] <= root <= ends[1]


def test_lack_of_precision_leaves_intervals_open() -> None:
    # 64 bits cannot shrink the interval to 1e-30; what is left still holds one root.
    ((low, high),) = critical.enclose_critical_beta2(0, 10, 10, max_bits=64).roots
    assert Fraction(1, 10**30) < high - low < Fraction(1, 10**12)


@pytest.mark.parametrize("width", ["0", "-1"])
def test_width_is_checked(width: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        critical.enclose_critical_beta2(0, 3, 3, width=width)

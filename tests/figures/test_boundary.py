"""Numbers behind the boundary figure."""

import math

import pytest

from counterexamples.drift import batch_problem, critical_beta2, first_order_beta2
from tests.session import features_of

features = features_of("boundary")


def test_exponents_in_n_are_near_minus_2(features: dict[str, float]) -> None:
    # Exactly -2 as n grows; between n = 10 and 20 the formula's own exponent with replacement is -2.09.
    formula = [1.0 - float(first_order_beta2(0.0, n, float(n), "replacement")) for n in (10, 20)]
    slope = math.log(formula[1] / formula[0]) / math.log(2.0)
    assert features["exponent_n_replacement"] == pytest.approx(slope, abs=0.1)
    assert features["exponent_n_reshuffled"] == pytest.approx(-2.0, abs=0.1)


def test_replacement_halves_the_threshold(features: dict[str, float]) -> None:
    assert features["ratio_n20"] == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("B", [3, 6, 10])
def test_batches_follow_their_formula(B: int, features: dict[str, float]) -> None:
    n, C = batch_problem(60, B)
    for order in ("reshuffled", "replacement"):
        root, error = (features[f"{order}_N60_B{B}{end}"] for end in ("", "_error"))
        formula = 1.0 - float(first_order_beta2(0.0, n, C, order))
        # The second-order term is below (1 + 1/n) of its size; five standard errors (Student,
        # 15 d.o.f.: 2e-4).
        assert root == pytest.approx(formula, abs=5 * error + 0.05 * formula)
    exact = 1.0 - float(critical_beta2(0.0, n, C)[-1])
    assert features[f"reshuffled_N60_B{B}"] == pytest.approx(exact, rel=0.05)

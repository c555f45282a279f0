"""The claims on Lion and Lion-K in the quick tier, and what must make each of them fail."""

import numpy as np
import pytest

from paper_checks import chen2023lion, chen2023lionk
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, nan, one_nan, status
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "chen2023lion",
    ("L1", "box", "x", one_nan),
    ("L1", "box", "x", lambda x: 1.01 * x),
    ("L1", "box", "x", lambda x: x[..., ::-1, :]),
    ("L2", "kkt", "x", nan),
    ("L1", "box", lambda grid: grid.assign_coords(weight_decay=0.9 * grid.weight_decay)),
    ("L2", "kkt", "x", lambda x: x + 0.01),
    ("L2", "kkt", "x", lambda x: np.repeat(x.mean(axis=-1, keepdims=True), x.shape[-1], axis=-1)),  # no cycle
    ("L2", "kkt", "x", np.negative),
    ("L3", "cycle", "x", nan),
    ("L3", "cycle", "x", lambda x: x + 1e-7),
    ("L3", "cycle", "x", np.abs),
    ("L3", "no_cycle", "x", lambda x: x * (-1.0) ** np.arange(x.shape[-1]) * 0.0),
    ("N3", "linear", "x", nan),
    ("N3", "linear", "x", lambda x: x + 1e-9 * np.arange(x.shape[-2])[:, None]),
    ("N3", "sign", "x", np.negative),
)
test_tampered_grids_of_lion_k_fail = fails_on_tampered_grids(
    "chen2023lionk",
    ("KKT", "kkt", "x", nan),
    ("KKT", "kkt", "x", lambda x: x + 0.05),
    ("KKT", "kkt", "x", lambda x: 20.0 * x),  # outside the box the score is negative
    ("K1", "smooth", "x_final", nan),
    ("K1", "smooth", "x_final", lambda x: x + 1e-9),
)


# The control in place of the checked run, and the run with signs in place of the linear one.
test_other_runs_fail = fails_with_other_sweeps(
    "chen2023lion", ("L3", "no_cycle", "cycle"), ("N3", "sign", "linear")
)


def test_the_filter_is_its_impulse_response() -> None:
    # The average of extrapolated gradients of a unit impulse: (1 - beta2)(1 + k) = 1 - beta1, then beta1
    # (1 - beta2) beta2^(k-1).
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
    assert status("chen2023lionk.L4", []) is Outcome.FAIL

"""The claims on Adam-mini's case studies, and what must make each of them fail."""

from __future__ import annotations

import numpy as np
import pytest

from paper_checks import zhang2024mini as checked
from tests.tampering import fails_on_tampered_grids, nan, status
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "zhang2024mini",
    ("A1", "single", "x", lambda v: v + 1e-9),
    ("A1", "normalised", "x", lambda v: v + 1e-9),
    ("A1", "momentum", "x", lambda v: v + 1e-9),
    ("A1", "single", "x", nan),
    ("A3", "blockwise", "gap", lambda v: v**0.3),
    ("A3", "tuned_adam", "gap", lambda v: v * 1e10),
    ("A3", "tuned_adam", "gap", lambda v: v * 1e-30),
    ("A3", "tuned_mini", "gap", lambda v: v**0.3),
    ("A3", "gd", "gap", lambda v: v * 1e-3),
    ("A3", "tuned_mini", "gap", nan),
    ("A4", "wishart_20_gd", "gap", lambda v: v**0.2),
    ("A4", "wishart_100_sgdm", "gap", lambda v: v**0.5),
    ("A4", "log_uniform_20_adam0", "gap", lambda v: v * 1e-4),
    ("A4", "log_uniform_20_sgdm", "gap", lambda v: v**0.5),
    ("A4", "diagonal_20_adam0", "gap", lambda v: v**0.3),
)


@pytest.mark.parametrize("factor", [-1.0, 0.1, 5.0, np.nan])
def test_another_fit_fails(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = checked.fit
    monkeypatch.setattr(checked, "fit", lambda kappa: (fit(kappa)[0], factor * fit(kappa)[1]))
    assert status("zhang2024mini.A2", []) is Outcome.FAIL

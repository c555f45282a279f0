"""The claims on RR-Adam in the quick tier, what must make them fail, and the schedule by epochs."""

import numpy as np
import pytest

from paper_checks import wang2022
from tests.tampering import fails_on_tampered_grids, nan, one_nan


def one_nan_at_no_momentum(values: np.ndarray) -> np.ndarray:
    values[0, 0, 1, 0, 0] = np.nan
    return values


test_tampered_grids_fail = fails_on_tampered_grids(
    "wang2022",
    ("R1", "tilted", "gradient_norm", nan),
    ("R1", "tilted", "gradient_norm", one_nan_at_no_momentum),
    ("R1", "tilted", "gradient_norm", np.square),
    ("R1", "tilted", "gradient_norm", np.sqrt),
    ("R1", "tilted", "gradient_norm", lambda v: v + 0.01),
    ("R1", "tilted", "gradient_norm", lambda v: v[::-1]),
    ("R2", "concentrated", "gradient_norm", nan),
    ("R2", "concentrated", "gradient_norm", one_nan),
    ("R2", "concentrated", "gradient_norm", lambda v: 1.02 * v),
    ("R2", "concentrated", "gradient_norm", lambda v: 0.98 * v),
)


def test_the_step_is_constant_inside_an_epoch() -> None:
    schedule = wang2022.epoch_power(3)
    seen = [schedule.rule(t, **schedule.parameters) for t in range(1, 8)]
    assert seen == pytest.approx([1.0] * 3 + [2**-0.5] * 3 + [3**-0.5], rel=1e-15)


def test_bad_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="epoch = 0 must be an integer >= 1"):
        wang2022.epoch_power(0)

"""Every claim on 8-bit states in the quick tier, and what must make each of them fail."""

from functools import partial

import numpy as np
import pytest

from paper_checks import dettmers2022
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.compressors import dynamic8, dynamic_levels, linear8
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "dettmers2022",
    ("QC26a", "full", "x_final", lambda x: 2.0 * x),
    ("QC26a", "full", "x_final", one_nan),
    ("QC26a", "dynamic", "x_final", lambda x: 1.5 * x),
    ("QC26a", "dynamic", "x_final", one_nan),
    ("QC26a", "linear", "x_final", lambda x: np.clip(x, -0.1, 0.1)),
    ("QC26a", "linear", "x_final", nan),
    ("QC26b", "dynamic", "x_final", lambda x: np.clip(x, -0.01, 0.01)),
    ("QC26b", "linear", "x_final", lambda x: np.clip(x, -0.01, 0.01)),
    ("QC26b", "linear", "x_final", lambda x: 2.0 * x),
    ("QC26b", "sorted", "x_final", lambda x: 2.0 * x),
    ("QC26b", "sorted", "x_final", one_nan),
)


def test_the_maps_cannot_be_exchanged() -> None:
    dynamic, linear = dettmers2022.dynamic, dettmers2022.linear
    assert dettmers2022.map_facts(linear).status is Outcome.FAIL
    assert dettmers2022.normal_errors(linear, dynamic, 2**14).status is Outcome.FAIL


test_sweeps_cannot_be_exchanged = fails_with_other_sweeps(
    "dettmers2022",
    ("QC26a", "full", "linear", "dynamic"),
    ("QC26b", "full", "linear", "dynamic", "sorted"),
)


class LastLeftOut:
    """The dynamic map with a scale that ignores the last entry of a block."""

    def __init__(self, signed: bool) -> None:
        self.right = dettmers2022.dynamic(signed)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        blocks = x.reshape(-1, dettmers2022.BLOCK).copy()
        scale = np.abs(blocks[:, :-1]).max(axis=1)
        blocks[:, -1] = np.clip(blocks[:, -1], -scale, scale)
        return self.right.quantize(blocks.ravel())


def test_a_scale_without_the_last_entry_fails() -> None:
    result = dettmers2022.normal_errors(LastLeftOut, dettmers2022.linear, 2**17)  # type: ignore[arg-type]
    assert result.status is Outcome.FAIL


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_smallest_level_wrong_by_two_fails(
    factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = dettmers2022.tolerated
    monkeypatch.setattr(dettmers2022, "tolerated", lambda build: right(build) - 0.5 * np.log10(factor))
    assert status("dettmers2022.QC26b", grids_of("dettmers2022.QC26b", runs)) is Outcome.FAIL


def test_larger_blocks_fail() -> None:
    # Blocks of 2048 err by .0097 on average, blocks of 64 by .0075; .0085 +- 5 % is asserted.
    for block in (64, 2048):
        result = dettmers2022.normal_errors(partial(dynamic8, block, word=64), dettmers2022.linear, 2**16)
        assert result.status is Outcome.FAIL


def test_edges_in_closed_form() -> None:
    # Half the smallest level of v: .325e-6/2, and 1/510.
    assert dettmers2022.tolerated(dettmers2022.dynamic) == pytest.approx(-0.5 * np.log10(1.625e-7), rel=1e-9)
    assert dettmers2022.tolerated(dettmers2022.linear) == pytest.approx(0.5 * np.log10(510.0), rel=1e-9)


@pytest.mark.parametrize("signed", [True, False])
def test_observed_levels_are_those_of_the_map(signed: bool) -> None:
    np.testing.assert_allclose(
        dettmers2022.levels(dettmers2022.dynamic, signed), dynamic_levels(signed), rtol=1e-12, atol=1e-20
    )
    linear = dettmers2022.levels(lambda flag: linear8(256, flag, 64), signed)
    assert len(linear) == (255 if signed else 256)

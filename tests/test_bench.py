"""The benchmark compares like with like."""

import math
import sys

import numpy as np
import pytest

from theory_sim.app import bench


@pytest.mark.parametrize(("workers", "d"), [(3, 16), (2, 64)])
def test_the_rival_in_torch_does_the_same_arithmetic(workers: int, d: int) -> None:
    pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')
    ours = bench.two_way(workers, d, 50).run(threads=1).x_final.values.T
    theirs = bench.two_way_torch(workers, d, 50).numpy()
    assert theirs.shape == ours.shape == (d, bench.MESSAGE_LANES)
    # The order of a sum can move a 32-bit scale by one unit, 6e-8 of it; updates are below
    # 0.1, and there are 50.
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=50 * 0.1 * 6e-8)


def test_the_arithmetic_of_the_roofline_is_that_of_a_worker() -> None:
    m, v, e, norm = np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1)
    bench.moments_loop(1, np.full((1, 1), 2.0), m, v, e, norm)
    # m = 0.1 * 2, v = 0.001 * 4, p = 0.01 m / sqrt(v + 1e-8).
    assert m[0, 0] == pytest.approx(0.2, rel=1e-15)
    assert v[0, 0] == pytest.approx(0.004, rel=1e-12)
    assert e[0, 0] == norm[0] == pytest.approx(0.002 / math.sqrt(0.00400001), rel=1e-12)


def test_rows_say_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(bench, "WORKERS", (2,))
    monkeypatch.setattr(bench, "DIMENSIONS", (64,))
    rows = list(bench.message_rows(rivals=True))
    assert [value for _, value, _ in rows].count("not installed") == 1
    assert all(float(value) > 0.0 for _, value, _ in rows if value != "not installed")
    assert rows[-1][0].strip() == "N = 2, d = 64"


def test_tensors_are_timed_beside_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')
    sweep = bench.first_job(40, 64)
    # x, m, v, whether and until when the lane is finite come and go, and beta2 is read: 8 bytes each, in 16 steps.
    assert bench.traffic(sweep, bench.Target()) == (2 * 5 + 1) * 8 / 16
    # Only the last step that was finite keeps 64 bits.
    assert bench.traffic(sweep, bench.Target(dtype="float32")) == (2 * 4 * 4 + 2 * 8 + 4) / 16
    assert bench.bandwidth("cpu", "float64", 1 << 16) > 1e6
    # Blocks as they are: what is compiled is tested elsewhere.
    monkeypatch.setattr(torch, "compile", lambda graph, **given: graph)
    monkeypatch.setattr(bench, "COPIED", 1 << 16)
    rows = list(bench.tensor_rows("cpu", "float64", 64, 40))
    assert len(rows) == 3
    assert all(float(value) > 0.0 for _, value, _ in rows[:2])
    assert "our time" in rows[1][2] or "faster" in rows[1][2]
    assert "of a copy" in rows[2][2]

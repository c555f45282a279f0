"""D1 and D2 beside their runs in the quick tier, and what must make the checks fail."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from counterexamples import quantized
from paper_checks import compression_bounds as paper
from tests.tampering import fails_on_tampered_grids, grids_of, status
from theory_sim.app.runs import Runs
from theory_sim.compressors import Compressor, l1_sign, log_levels, rand_k, top_k, weights
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.quantized import efficient_adam, qadam

Change = Callable[[xr.Dataset], xr.Dataset]


def recorded(name: str, factor: float) -> Change:
    """Multiply one recorded measure."""
    return lambda grid: grid.assign({name: factor * grid[name]})


def one_admitted_nan(grid: xr.Dataset) -> xr.Dataset:
    values = grid.gradient_square_mean.values.copy()
    values.reshape(-1)[0] = math.nan  # beta1 = 0, eps = 1, the smallest lr: an admitted cell
    return grid.assign(gradient_square_mean=(grid.gradient_square_mean.dims, values))


def scaled(factor: float) -> Change:
    return lambda grid: grid.assign(gradient_square_mean=factor * grid.gradient_square_mean)


# The bound is 2.6 times the closest observation.  D is up to .65 of its bound on the grids.
test_tampered_grids_of_d1_fail = fails_on_tampered_grids(
    "qadam2021",
    ("QC17", "*", scaled(3.0)),
    ("QC17", "*", one_admitted_nan),
    ("QC17", "*", recorded("displacement_mean", 2.0)),
    ("QC17", "*", recorded("displacement_mean", math.nan)),
    ("QC17", "*", recorded("reach_max", 0.0)),  # never out of the box
    ("QC17", "*", recorded("reach_max", math.nan)),
)
test_tampered_grids_of_d2_fail = fails_on_tampered_grids(
    "efficientadam2023",
    ("QC17", "*", scaled(3.0)),
    ("QC17", "*", one_admitted_nan),
    ("QC17", "*", recorded("displacement_mean", 40.0)),
    ("QC17", "*", recorded("displacement_mean", math.nan)),
    # A run that stays at its start keeps the squared gradient of the start, 1.29.
    ("QC17", "*", "gradient_square_mean", lambda values: np.full_like(values, 1.29)),
)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    "up", [l1_sign(word=64), log_levels(2, word=64), top_k(2, word=64), rand_k(3, word=64)], ids=str
)
def test_recorded_runs_are_the_runs_of_the_library(up: Compressor, weighted: bool) -> None:
    problem, hyper = quantized.bowl(d=6), {"lr": 0.02, "beta1": 0.7, "eps": 0.3, "beta2": 0.95}
    down = weights(4) if weighted else up
    plain = (qadam if weighted else efficient_adam)(up=up, down=down, amsgrad=True, **hyper)
    mine = paper.recorded(up=up, down=down, weighted=weighted, **hyper)
    fields = {"steps": 200, "seeds": 3, "workers": 3}
    one, other = (Sweep(problem, optimizer, name="same", **fields).run() for optimizer in (plain, mine))
    # The mean over workers is summed in another order.
    np.testing.assert_allclose(one.x_final, other.x_final, rtol=0.0, atol=1e-11)


def test_displacement_by_hand() -> None:
    # One coordinate, no noise, beta1 = beta2 = 0 and eps large: u_t = lr g_t/sqrt(g_t^2 + eps).  Q_x with
    # k = 0 has the points -1/2, 0, 1/2, so y = 1/2 while x > 1/4 and y - x is what is kept.
    optimizer = paper.recorded(0.01, 0.0, 1.0, beta2=0.0, up=paper.EXACT, down=weights(0), weighted=True)
    grid = Sweep(quantized.bowl(0.0, d=1), optimizer, steps=3, x0=0.4, running=True, name="hand").run()
    slope = 1.0 / 1.25**2  # 2 y/(1 + y^2)^2 at y = 1/2
    moved = 0.01 * slope / math.sqrt(slope**2 + 1.0)
    expected = [abs(0.5 - (0.4 - n * moved)) for n in range(3)]
    assert grid.displacement_mean.item() == pytest.approx(sum(expected) / 3.0, rel=1e-12)
    assert grid.displacement_max.item() == pytest.approx(expected[-1], rel=1e-12)
    assert grid.reach_max.item() == pytest.approx(0.4, rel=1e-12)


def test_every_setting_of_the_grid_is_admitted() -> None:
    # 4 x 4 (beta1, eps, lr) hold 10 admitted cells for one worker: 4, 2, 3 and 1 step sizes
    # under the four caps.
    lr = np.array(paper._steps(2_000, (1,)))
    counts = [int((lr <= paper.cap(b, e) * (1 + 1e-12)).sum()) for b in paper.BETA1 for e in paper.EPS]
    assert sorted(counts) == [1, 2, 3, 4]
    assert lr[-1] == pytest.approx(math.sqrt(1 / 2_000))


def test_compared_rejects_a_cell_above_the_cap(runs: Runs) -> None:
    sweep = paper.TWO_WAY["none", 2_000]
    table = paper.compared(runs.grid(sweep), sweep, paper.D2, paper.D2_MEASURED)
    lr = np.array(sweep.axes["lr"])
    admitted = sum(int((lr <= paper.cap(b, e) * (1 + 1e-12)).sum()) for b in paper.BETA1 for e in paper.EPS)
    assert len(table["observed"]) == admitted * len(paper.WORKERS)


def test_recorded_checks_its_arguments() -> None:
    with pytest.raises(ValueError, match="beta1"):
        paper.recorded(beta1=1.0, up=paper.EXACT, down=paper.EXACT)


@pytest.mark.parametrize("name", ["D1_MEASURED", "D2_MEASURED"])
@pytest.mark.parametrize("factor", [0.25, 2.0])
def test_a_wrong_bound_fails(name: str, factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = getattr(paper, name)
    monkeypatch.setattr(paper, name, replace(theorem, bound=f"{factor}*({theorem.bound})"))
    claim = "qadam2021.QC17" if name.startswith("D1") else "efficientadam2023.QC17"
    assert status(claim, grids_of(claim, runs)) is Outcome.FAIL

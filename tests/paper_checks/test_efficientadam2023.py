"""Every claim about Efficient-Adam in the quick tier, and what must make each of them fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from counterexamples import quantized
from paper_checks import efficientadam2023, efficientadam2023_speed
from paper_checks.efficientadam2023_speed import COST, SPEED, arrival
from theory_sim.claim import Outcome
from theory_sim.compressors import qsgd
from theory_sim.optimizers.quantized import efficient_adam
from theory_sim.runs import Runs

MODULES = (efficientadam2023, efficientadam2023_speed)
CLAIMS = {claim.id.split(".")[1]: claim for module in MODULES for claim in module.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def one_nan(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[-1] = np.nan
    return values


def all_nan(values: np.ndarray) -> np.ndarray:
    return np.full_like(values, np.nan)


TAMPERED: list[tuple[str, int, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("QC10", 0, "state_final", lambda s: s + 1e-15),
    ("QC10", 1, "state_final", all_nan),
    ("QC10", 2, "x", lambda x: x + 1e-14),
    ("QC10", 7, "x", one_nan),
    ("QC10", 10, "state_final", lambda s: 0.0 * s),
    ("QC16", 0, "gradient_square_mean", lambda g: g + 1e-4 * np.arange(g.shape[-1])),
    ("QC16", 1, "gradient_square_mean", one_nan),
    ("QC16", 4, "gradient_square_mean", lambda g: 1.1 * g),
    ("QC16", 3, "gradient_square_mean", one_nan),
    ("QC23", 0, "mean_x_mean", lambda x: x + 0.02),
    ("QC23", 3, "mean_x_mean", one_nan),
    ("QC19a", 0, "gradient_square", lambda g: 1.6 * g),
    ("QC19a", 2, "gradient_square", all_nan),
    ("QC19a", 7, "gradient_square", lambda g: g + 1.0),
    ("QC19b", 3, "gradient_square", lambda g: 4.0 * g),
    ("QC19b", 0, "gradient_square", all_nan),
    ("QC20", 5, "gradient_square", lambda g: 1.5 * g),
    ("QC20", -1, "gradient_square", all_nan),
    ("QC20", -4, "gradient_square", all_nan),
    ("QC21", 2, "bits_up", lambda b: 2.0 * b),
    ("QC21", 1, "bits_down", lambda b: b / 32.0),
]


@pytest.mark.parametrize(
    ("label", "which", "name", "change"), TAMPERED, ids=[f"{t[0]}-{t[2]}-{i}" for i, t in enumerate(TAMPERED)]
)
def test_claim_fails_on_a_tampered_grid(
    label: str, which: int, name: str, change: Callable[[np.ndarray], np.ndarray], runs: Runs
) -> None:
    claim = CLAIMS[label]
    grids = [runs.grid(sweep) for sweep in claim.sweeps]
    grid = grids[which]
    grids[which] = grid.assign({name: (grid[name].dims, change(grid[name].values.copy()))})
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_no_speed_up_without_larger_steps_fails(runs: Runs) -> None:
    alone = runs.grid(SPEED["local", 1])
    claim = CLAIMS["QC19a"]
    grids = []
    for sweep in claim.sweeps:
        lr = sweep.at("quick").axes["lr"]
        grids.append(alone.assign_coords(lr=list(lr)))
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_bits_of_a_grid_that_ends_too_early_are_undecided(runs: Runs) -> None:
    grids = [runs.grid(COST[name]).isel(lr=[0]) for name in ("full", "one_way_sign", "sign")]
    assert CLAIMS["QC21"].check(grids, "quick").status is Outcome.UNDECIDED


def test_without_feedback_sparse_messages_never_arrive(runs: Runs) -> None:
    kept, lost = (runs.grid(COST[name]) for name in ("top_k", "top_k_no_feedback"))
    assert arrival(kept, 0.3).steps < 450
    assert math.isinf(arrival(lost, 0.3).steps)


def test_arrival_by_hand(runs: Runs) -> None:
    # Means over seeds .4, .25, .2 at 5, 10, 15 for the middle lr, later for the others.
    grid = runs.grid(COST["full"]).isel(checkpoint=slice(0, 3), seed=[0, 1])
    values = np.ones((3, 2, 3))
    values[1] = [[0.5, 0.25, 0.1], [0.3, 0.25, 0.3]]
    values[2] = [[0.5, 0.5, 0.1], [0.5, 0.5, 0.1]]
    dims = ("lr", "seed", "checkpoint")
    seen = arrival(grid.assign(gradient_square=(dims, values)), 0.3)
    # 10 rounds of 2 * 32 * 256 bits.
    assert (seen.steps, seen.inside, seen.bits) == (10.0, True, 10 * 2 * 32 * 256)
    assert seen.lr == float(grid.lr[1])


def test_the_quantizers_of_the_exact_statement_are_idempotent() -> None:
    assert all(one.idempotent for one in efficientadam2023.IDEMPOTENT.values())


def test_a_quantizer_that_is_not_idempotent_leaves_an_error_at_the_server() -> None:
    sweep = efficientadam2023.TWO_WAY["top_k"]
    grid = replace(sweep, optimizer=efficient_adam(0.05, up=qsgd(2))).run()
    assert efficientadam2023.server_error(grid) > 1e-4


def test_equal_noise_balances_at_the_minimiser_by_coincidence() -> None:
    # s1 = 10 (x-1), s2 = x+1 at 9/11: -20/11 and 20/11, so any common noise balances.
    assert quantized.local_moment_point(quantized.different_workers(sigma=3.0)) == pytest.approx(9.0 / 11.0)


def test_the_distance_to_the_virtual_iterate_is_far_below_its_bound() -> None:
    # Without bias correction the first update has |u_i| = lr (1 - beta1)/sqrt(1 - beta2), and lr falls like 1/sqrt(t).
    # The bound is q/(1-q) + q (1+q)/(1-q)^2 = 1,920 with q^2 = 15/16.
    largest = 0.05 * 0.1 / math.sqrt(0.001) * 4.0
    seen = []
    for steps in (5, 20, 50, 200):
        grid = replace(efficientadam2023.FOUR, steps=steps, checkpoints=0).run()
        state = grid.state_final
        e = np.mean([state.sel(row=f"e_{j}").values for j in range(4)], axis=0)
        seen.append(np.linalg.norm(state.sel(row="E").values + e, axis=-1).max())
    q = math.sqrt(15.0 / 16.0)
    assert q / (1.0 - q) + q * (1.0 + q) / (1.0 - q) ** 2 == pytest.approx(1920.5, abs=0.1)
    assert 0.01 < max(seen) / largest < 1.0


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in CLAIMS.values()}
    assert all(set(entry.claims) <= known for module in MODULES for entry in module.DEVIATIONS)

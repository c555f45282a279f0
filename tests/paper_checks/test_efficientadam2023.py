"""Every claim about Efficient-Adam in the quick tier, and what must make each of them fail."""

import math
from dataclasses import replace

import numpy as np
import pytest

from counterexamples import quantized
from paper_checks.efficientadam2023 import quantizers as efficientadam2023
from paper_checks.efficientadam2023.speed import COST, SPEED, arrival
from tests.tampering import fails_on_tampered_grids, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.compressors import qsgd
from theory_sim.nouns.claim import Outcome
from theory_sim.optimizers.quantized import efficient_adam

test_tampered_grids_fail = fails_on_tampered_grids(
    "efficientadam2023",
    ("QC10", "two_way_top_k", "state_final", lambda s: s + 1e-15),
    ("QC10", "two_way_l1_sign", "state_final", nan),
    ("QC10", "two_way_log_levels", "x", lambda x: x + 1e-14),
    ("QC10", "one_way_log_levels", "x", one_nan),
    ("QC10", "two_way_of_four", "state_final", lambda s: 0.0 * s),
    ("QC16", "quiet_l1_sign", "gradient_square_mean", lambda g: g + 1e-4 * np.arange(g.shape[-1])),
    ("QC16", "quiet_log_levels", "gradient_square_mean", one_nan),
    ("QC16", "noisy_l1_sign", "gradient_square_mean", lambda g: 1.1 * g),
    ("QC16", "noisy_full", "gradient_square_mean", one_nan),
    ("QC23", "two_workers_full", "mean_x_mean", lambda x: x + 0.02),
    ("QC23", "three_workers_l1_sign", "mean_x_mean", one_nan),
    ("QC19a", "speed_local_1", "gradient_square", lambda g: 1.6 * g),
    ("QC19a", "speed_local_4", "gradient_square", nan),
    ("QC19a", "speed_sign_8", "gradient_square", lambda g: g + 1.0),
    ("QC19b", "speed_server_8", "gradient_square", lambda g: 4.0 * g),
    ("QC19b", "speed_server_1", "gradient_square", nan),
    ("QC20", "speed_sign_2", "gradient_square", lambda g: 1.5 * g),
    ("QC20", "cost_log_levels", "gradient_square", nan),
    ("QC20", "cost_full", "gradient_square", nan),
    ("QC21", "cost_sign", "bits_up", lambda b: 2.0 * b),
    ("QC21", "cost_sign", "bits_up", lambda b: 1.01 * b),
    ("QC21", "cost_sign", "gradient_square", lambda g: 1.3 * g),
    ("QC21", "cost_one_way_sign", "bits_down", lambda b: b / 32.0),
)


def test_no_speed_up_without_larger_steps_fails(runs: Runs) -> None:
    alone = runs.grid(SPEED["local", 1])
    grids = [alone.assign_coords(lr=grid.lr.values) for grid in grids_of("efficientadam2023.QC19a", runs)]
    assert status("efficientadam2023.QC19a", grids) is Outcome.FAIL


def test_bits_of_runs_that_never_arrive_show_nothing(runs: Runs) -> None:
    grids = [runs.grid(COST[name]).isel(checkpoint=slice(3)) for name in ("full", "one_way_sign", "sign")]
    assert status("efficientadam2023.QC21", grids) is Outcome.FAIL


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
    assert (seen.steps, seen.bits) == (10.0, 10 * 2 * 32 * 256)
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
    # Without bias correction the first update has |u_i| = lr (1 - beta1)/sqrt(1 - beta2), and lr falls like
    # 1/sqrt(t). The bound is q/(1-q) + q (1+q)/(1-q)^2 = 1,920 with q^2 = 15/16.
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

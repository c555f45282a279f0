"""The lane loop: arithmetic by hand, independence of tiles and threads, non-finite lanes, the box, workers."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import reddi, smooth, zhang
from theory_sim import random
from theory_sim.engine.tiles import run_tile, tile_width
from theory_sim.rules.language import largest


def plain_adam(order: str = "cyclic", **changes: Any) -> ts.Sweep:
    optimizer = ts.adam(0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
    axes = {"beta1": np.linspace(0.0, 0.9, 7), "beta2": np.linspace(0.05, 0.95, 11)}
    return ts.Sweep(zhang.piecewise(5), optimizer, axes, steps=200, seeds=3, order=order, **changes)


def test_two_steps_by_hand() -> None:
    # Reddi's problem, C = 3, period 3, x_1 = 0.5, beta1 = 1/2, beta2 = 1/2, lr = 0.1 constant:
    # g_1 = 3: m = 1.5, v = 4.5, x_2 = 0.5 - 0.1 * 1.5/sqrt(4.5); g_2 = -1: m = 0.25, v = 2.75.
    optimizer = ts.adam(0.1, 0.5, 0.5, eps=0.0, bias_correction=False)
    grid = ts.simulate(reddi.periodic(3.0), optimizer, steps=2, x0=0.5)
    expected = 0.5 - 0.1 * 1.5 / math.sqrt(4.5) - 0.1 * 0.25 / math.sqrt(2.75)
    assert grid.x_final.item() == pytest.approx(expected, abs=1e-16)


def test_checkpoints_and_running_statistics_by_hand(pull: ts.Problem) -> None:
    # x halves each step from 1: after c updates x = 2^-c; running statistics cover x_1 ... x_c.
    grid = ts.simulate(pull, ts.sgd(0.5), steps=4, checkpoints=(1, 2, 4), running=True)
    assert grid.checkpoint.values.tolist() == [1, 2, 4]
    assert grid.x.values.tolist() == [[0.5, 0.25, 0.0625]]
    assert grid.distance.values.tolist() == [[0.5, 0.25, 0.0625]]
    assert grid.distance_mean.values.tolist() == [[1.0, 0.75, (1 + 0.5 + 0.25 + 0.125) / 4]]
    assert grid.distance_min.values.tolist() == [[1.0, 0.5, 0.125]]
    assert grid.distance_max.values.tolist() == [[1.0, 1.0, 1.0]]


def test_window_means_are_what_the_rule_says(pull: ts.Problem) -> None:
    # window 1/4 of horizons 2, 4 and 8, one update at least: the mean over x_{a+1} ... x_b with (a, b] = (1, 2],
    # (3, 4] and (6, 8].
    grid = ts.simulate(pull, ts.sgd(0.5), steps=8, rule=ts.Rule("distance", 1e-3, 10.0, window=0.25))
    assert grid.distance_window.values.tolist() == [[2.0**-1, 2.0**-3, (2.0**-6 + 2.0**-7) / 2]]


@pytest.mark.parametrize("order", ["cyclic", "reshuffled", "replacement"])
def test_tiles_and_threads_do_not_change_a_bit(order: str) -> None:
    sweep = plain_adam(order, checkpoints=5, running=True)
    whole = run_tile(sweep.job.lanes, sweep.plan, np.arange(sweep.job.lanes.count))
    for width in (1, 8, 50, 256):
        parts = [
            run_tile(sweep.job.lanes, sweep.plan, np.arange(a, min(a + width, sweep.job.lanes.count)))
            for a in range(0, sweep.job.lanes.count, width)
        ]
        for name, values in whole.items():
            assert np.array_equal(values, np.concatenate([part[name] for part in parts]), equal_nan=True), (
                name
            )
    one, two = sweep.run(threads=1), sweep.run(threads=2)
    assert one.identical(two)


def test_stops_do_not_change_a_bit() -> None:
    with_stops = plain_adam("reshuffled", checkpoints=(1, 17, 100, 101, 200)).run()
    without = plain_adam("reshuffled").run()
    assert np.array_equal(with_stops.x_final, without.x_final)


def blow_up_gradient(t: int, large: float, when: float) -> float:
    """1, and a large value from step `when` on."""
    return large if t >= when else 1.0


def farthest(away: float) -> float:
    return away


FARTHEST = {"reductions": {"away": largest(lambda x: abs(x))}, "measure": farthest, "measures": ("distance",)}


def bad_values(value: float, domain: tuple[float, float] | None = None) -> ts.Problem:
    return ts.Problem(
        "bad values",
        blow_up_gradient,
        {"large": value, "when": 5.0},
        domain=domain,
        **FARTHEST,
        rule=ts.Rule("distance", 0.5, 1.0),
    )


@pytest.mark.parametrize("domain", [None, (-1.0, 1.0)])
def test_an_overflowing_lane_is_reported_and_its_neighbours_are_untouched(domain: Any) -> None:
    axes = {"when": [2.0, 7.0, 1000.0]}
    problem = bad_values(1.7e308, domain)
    grid = ts.Sweep(problem, ts.sgd(10.0), axes, steps=20).run()
    assert grid.status.values.ravel().tolist() == ["NONFINITE", "NONFINITE", "FINITE"]
    assert grid.nonfinite_step.values.ravel().tolist() == [2, 7, -1]
    assert np.isnan(grid.x_final.values[:2]).all()
    assert (grid.verdict.values[:2] != "CONVERGED").all()
    alone = ts.Sweep(problem, ts.sgd(10.0), {"when": [1000.0]}, steps=20).run()
    assert grid.x_final.values[2] == alone.x_final.values[0]


def test_overflow_is_divergence_only_without_a_box() -> None:
    free = ts.simulate(bad_values(1.7e308), ts.sgd(10.0), steps=20)
    boxed = ts.simulate(bad_values(1.7e308, (-1.0, 1.0)), ts.sgd(10.0), steps=20)
    assert (free.verdict.item(), boxed.verdict.item()) == ("DIVERGED", "UNDECIDED")


def nan_gradient(x: float, t: int, i: int, d: int, when: float) -> float:
    """0/0 from step `when` on, in the last coordinate."""
    return (x - x) / (x - x) if t >= when and i == d - 1 else 1.0


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("optimizer", [ts.sgd(), ts.adam(), ts.amsgrad(), ts.adopt()], ids=lambda o: o.name)
def test_a_nan_is_nonfinite_undecided_and_never_a_corner(optimizer: ts.Optimizer, dim: int) -> None:
    problem = ts.Problem(
        "nan",
        nan_gradient,
        {"when": 4.0},
        dim=dim,
        domain=(-1.0, 1.0),
        **FARTHEST,
        rule=ts.Rule("distance", 10.0, 10.0),
    )
    # It starts in the corner to which it is driven, and a lane without a NaN stays there.
    axes = {"when": [4.0, 99.0]}
    grid = ts.Sweep(problem, optimizer, axes, steps=10, x0=-1.0, checkpoints=(3, 10), running=True).run()
    assert grid.status.values.ravel().tolist() == ["NONFINITE", "FINITE"]
    assert grid.nonfinite_step.values.ravel().tolist() == [4, -1]
    assert grid.verdict.values.ravel().tolist() == ["UNDECIDED", "CONVERGED"]
    assert np.isfinite(grid.x.values[0, 0, 0]).all()
    assert np.isnan(grid.x.values[0, 0, 1]).all()
    assert np.isnan(grid.distance_mean.values[0, 0, 1])


@given(lr=st.floats(0.01, 50.0), beta2=st.floats(0.0, 0.99), x0=st.floats(-3.0, 3.0))
def test_the_box_is_respected(lr: float, beta2: float, x0: float) -> None:
    optimizer = ts.adam(lr, 0.5, beta2, eps=0.0, bias_correction=False)
    grid = ts.simulate(reddi.periodic(5.0), optimizer, steps=12, x0=x0, checkpoints=range(1, 13))
    assert (abs(grid.x) <= 1.0).all()


def test_a_start_outside_the_box_is_used_before_the_first_clamp(pull: ts.Problem) -> None:
    boxed = replace(pull, domain=(-1.0, 1.0))
    assert ts.simulate(boxed, ts.sgd(0.99), steps=1, x0=3.0).x_final.item() == pytest.approx(0.03)


def test_workers_are_averaged() -> None:
    # The average of w uniform errors replays by hand from the counter-based stream.
    problem = smooth.quadratic(d=2, sigma=1.0)
    grid = ts.simulate(problem, ts.sgd(1.0), steps=1, workers=3, x0=0.0)
    key = int(random.key(0, 0))
    # slots 0 ... 2 belong to the order of the three workers; worker j's noise starts at 3 + 2 j.
    u = np.array([[random.uniform_at(key, 1, 3 + 2 * j + i) for i in range(2)] for j in range(3)])
    expected = -math.sqrt(12.0) * (u - 0.5).mean(axis=0)
    assert grid.x_final.values.ravel() == pytest.approx(expected, rel=1e-14)


def noisy_step(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    for lane in range(x.shape[1]):
        x[0, lane] = noise[0, lane]


def test_an_optimizer_may_draw_its_own_uniforms(pull: ts.Problem) -> None:
    grid = ts.simulate(pull, ts.Optimizer("noise", noisy_step, draws=1), steps=2)
    assert grid.x_final.item() == random.uniform_at(int(random.key(0, 0)), 2, 1)


def all_workers(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    for lane in range(x.shape[1]):
        x[0, lane] = g.shape[0]


def test_a_distributed_optimizer_sees_every_worker(pull: ts.Problem) -> None:
    optimizer = ts.Optimizer("count", all_workers, distributed=True)
    assert ts.simulate(pull, optimizer, steps=1, workers=5).x_final.item() == 5.0


def test_all_lanes_dead_ends_early_and_stays_dead() -> None:
    grid = ts.simulate(bad_values(1.7e308), ts.sgd(10.0), steps=10**9, checkpoints=(10, 10**9))
    assert grid.nonfinite_step.item() == 5  # a billion steps would take seconds, not milliseconds
    assert np.isnan(grid.x.values).all()


def test_tile_width_follows_the_cache() -> None:
    assert tile_width(8) == 256
    assert tile_width(60) == 128  # 64 KiB / 480 bytes = 136
    assert tile_width(10**6) == 64


def test_memory_is_flat_in_the_number_of_steps(pull: ts.Problem) -> None:
    import tracemalloc

    peaks = []
    for steps in (1_000, 100_000):
        ts.simulate(pull, ts.sgd(0.1), steps=steps, checkpoints=5, running=True)
        tracemalloc.start()
        ts.simulate(pull, ts.sgd(0.1), steps=steps, checkpoints=5, running=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_the_final_state_is_labelled() -> None:
    # g_1 = 3, g_2 = -1 with beta1 = beta2 = 1/2: m = 0.25, v = 2.75, as above.
    grid = ts.simulate(reddi.periodic(3.0), ts.adam(0.1, 0.5, 0.5, bias_correction=False), steps=2)
    assert grid.state_final.sel(row="m").item() == 0.25
    assert grid.state_final.sel(row="v").item() == 2.75


def test_first_hits_by_hand() -> None:
    # One quadratic branch: x + 2 halves each update from -1.5 + 2 = 1/2, |f'| = (x + 2)/n with n = 2.
    # Norms 1/4, 1/8, 1/16, 1/32 after 0, 1, 2, 3 updates; their running means 1/4, 3/16, 7/48, 15/128.
    problem = zhang.piecewise(2, 1.0)
    fixed = replace(problem, gradient=halving_gradient)
    for target, hit, mean in ((0.25, 0, 0), (0.1, 2, -1), (0.15, 1, 2), (1 / 32, 3, -1), (0.01, -1, -1)):
        grid = ts.simulate(fixed, ts.sgd(0.5), steps=3, x0=-1.5, first_hit=target)
        assert (grid.first_hit.item(), grid.first_hit_mean.item()) == (hit, mean), target


def halving_gradient(x: float) -> float:
    return x + 2.0


@pytest.mark.parametrize(
    "optimizer", [ts.adam(), ts.amsgrad(), ts.rmsprop(), ts.adagrad()], ids=lambda o: o.name
)
def test_a_second_moment_that_overflows_is_not_a_fixed_point(optimizer: ts.Optimizer) -> None:
    # g^2 = 1e400 is infinite, g/sqrt(v) is 0: x would stand still for ever.
    # It happens in update 5 and is noticed where the run stops next: the first window is (6, 7], of 28/4 updates.
    grid = ts.simulate(bad_values(1e200), optimizer, steps=28, checkpoints=(4, 28))
    assert (grid.status.item(), grid.nonfinite_step.item()) == ("NONFINITE", 6)
    assert grid.verdict.item() == "UNDECIDED"

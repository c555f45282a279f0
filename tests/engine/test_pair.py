"""Gradient and step in one kernel against the general loop: equal bit for bit, for every rule of the suite."""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import config

import theory_sim as ts
from counterexamples import averaged, quantized, reddi, shi, smooth, zhang
from theory_sim.engine import chunk
from theory_sim.engine.tiles import pair_of, run_tile
from theory_sim.nouns.noise import NORMAL_PAIRS, SIGN, STUDENT
from theory_sim.optimizers import OPTIMIZERS

FULL = os.environ.get("THEORY_SIM_TIER") == "full"
DEFAULT = {name: constructor() for name, constructor in OPTIMIZERS.items()}
# One kernel serves methods of one stage without reductions, messages or kernels of their own.
PAIRED = [
    name
    for name, one in DEFAULT.items()
    if one.is_rule and one.up is None and one.once is None and not one.reductions
]
VARIANTS = {
    **{name: OPTIMIZERS[name] for name in PAIRED},
    **{f"amsgrad, {name}": lambda name=name, **more: ts.amsgrad(variant=name, **more) for name in ("torch", "optax", "keras")},
    **{f"lion_k, {name}": lambda name=name, **more: ts.lion_k(potential=name, **more) for name in ("l1", "l2")},
    "adam, uncorrected": lambda **more: ts.adam(bias_correction=False, **more),
    "adopt, clipped": lambda **more: ts.adopt(clipped=True, **more),
    "yogi, uncorrected": lambda **more: ts.yogi(bias_correction=False, **more),
    "sgdm, ema": lambda **more: ts.sgdm(convention="ema", **more),
}  # fmt: skip


def both(sweep: ts.Sweep, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Run a sweep with the pair kernel and without."""
    monkeypatch.setattr(chunk, "WORTH", 0)
    assert chunk.pair_for(sweep, threads=1) is not None
    paired = sweep.run()
    monkeypatch.setattr(chunk, "pair_for", lambda sweep, threads: None)
    return paired, sweep.run()


def test_most_methods_have_a_pair() -> None:
    assert len(PAIRED) > 12
    assert {"sgd", "adam", "amsgrad", "adopt", "lion", "generic_adam", "extrapolated_signum"} <= {*PAIRED}


# Powers of t with branches, a hidden iterate, a root, a maximum, a sign; a kernel of each takes a second to compile.
COMPILED = ("adam", "amsgrad", "lion", "radam", "schedule_free_adamw")


def every_step_size(name: str, lanes: int) -> ts.Sweep:
    method = VARIANTS[name](schedule=ts.power(0.5))
    return ts.Sweep(
        zhang.piecewise(4) if method.boxless else reddi.periodic(5.0),
        method,
        axes={"lr": np.geomspace(1e-6, 0.9, lanes)},
        steps=203,
        checkpoints=(1, 50, 100),
        running=True,
    )


@pytest.mark.parametrize("name", VARIANTS if FULL else COMPILED)
def test_compiled_optimizers_give_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paired, general = both(every_step_size(name, 300), monkeypatch)  # one whole tile and a padded one
    assert paired.identical(general)
    assert len(np.unique(paired.x_final)) > 10


@pytest.mark.parametrize("name", VARIANTS)
def test_every_optimizer_gives_the_same_bits_in_plain_python(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    paired, general = both(every_step_size(name, 20), monkeypatch)
    assert paired.identical(general)
    assert len(np.unique(paired.x_final)) > 10


# adopt starts with its second gradient
@pytest.mark.parametrize(
    "name", ["sgd", "adam", "amsgrad", "signum", "adopt"] if FULL else ["adopt", "signum"]
)
def test_three_noisy_coordinates_give_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = ts.Sweep(
        smooth.quadratic(d=3, sigma=1.0),
        OPTIMIZERS[name](),
        axes={"lr": np.geomspace(1e-6, 0.5, 33)},
        steps=101,
        seeds=3,
        checkpoints=7,
    )
    paired, general = both(sweep, monkeypatch)
    assert paired.identical(general)
    assert len(np.unique(paired.x_final)) > 100  # steps of a sign meet often


PROBLEMS: dict[str, tuple[ts.Problem, dict[str, Any]]] = {
    "pieces": (zhang.piecewise(4), {}),
    "quadratics": (zhang.quadratics(1.0), {}),
    "averaged": (averaged.piecewise(), {}),
    "two hits": (shi.two_hit(6), {}),
    "reshuffled": (zhang.piecewise(4), {"order": "reshuffled", "seeds": 3}),
    "replacement": (shi.periodic(6), {"order": "replacement", "seeds": 3}),
    "two-point noise in a box": (reddi.stochastic(3.0, 0.5), {"seeds": 3}),
    "constants by coordinate": (quantized.quadratic(0.3, d=5, decades=1.0), {"seeds": 3}),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("schedule", [ts.constant(), ts.power(0.7)], ids=str)
def test_every_problem_gives_the_same_bits(
    name: str, schedule: ts.Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows of the verdict, a first hit and running statistics are taken inside the pair kernel too.
    problem, options = PROBLEMS[name]
    more = {"first_hit": 0.1} if "gradient_norm" in problem.measures else {}
    sweep = ts.Sweep(
        problem,
        ts.adam(0.1, schedule=schedule),
        axes={"beta2": np.linspace(0.1, 0.99, 40)},
        steps=400,
        running=True,
        **options,
        **more,
    )
    paired, general = both(sweep, monkeypatch)
    assert paired.identical(general)


@pytest.mark.parametrize("noise", [NORMAL_PAIRS, STUDENT, SIGN], ids=lambda noise: noise.name)
def test_every_kind_of_noise_gives_the_same_bits(noise: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gradient(x: float, i: int, noise: float) -> float:
        return (1.0 + i) * x + noise

    problem = ts.Problem("noisy", gradient, {"sigma": 0.5, "tail": 0.2}, dim=3, noise=noise, start=1.0)
    sweep = ts.Sweep(problem, ts.sgd(), {"lr": np.geomspace(1e-3, 0.2, 17)}, steps=30, seeds=2)
    paired, general = both(sweep, monkeypatch)
    assert paired.identical(general)
    assert len(np.unique(paired.x_final)) > 90


def test_schedules_that_differ_between_lanes_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = ts.adam(0.1, schedule=ts.power(0.5))
    sweep = ts.Sweep(reddi.periodic(3.0), optimizer, {"s": np.linspace(0.1, 1.0, 70)}, steps=90)
    paired, general = both(sweep, monkeypatch)
    assert paired.identical(general)
    assert len(np.unique(paired.x_final)) > 20


def grow(x: float, rate: float) -> float:
    return -rate * x


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("domain", [None, (-1e200, 1e200)])
def test_lanes_that_stop_being_finite_stop_at_the_same_step(
    domain: tuple[float, float] | None, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = ts.Problem("grow", grow, {"rate": 1.0}, start=1.0, domain=domain, dim=dim)
    rates = np.concatenate(
        [
            1e30 * np.linspace(1.0, 1.001, 100),
            np.linspace(-1e-3, 1e-3, 101),
            1e300 * np.linspace(1.0, 1.001, 100),
        ]
    )
    sweep = ts.Sweep(problem, ts.sgd(1.0), axes={"rate": rates}, steps=60, checkpoints=(20, 45))
    paired, general = both(sweep, monkeypatch)
    assert paired.identical(general)
    # x_{t+1} = (1 + rate) x_t: 1e300 overflows at once more, and 1e30 after 11 steps unless the
    # box holds it at 1e200
    assert set(np.unique(paired.nonfinite_step)) == ({-1, 2, 11} if domain is None else {-1, 2})


@pytest.mark.parametrize("dim", [1, 3])
def test_one_coordinate_that_is_no_number_ends_its_lane(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def gradient(t: int, i: int, d: int, when: float) -> float:
        return math.nan if t == when and i == d - 1 else 0.01

    when = np.where(np.arange(45) % 3 == 0, 100.0, 1.0) + np.arange(45)
    problem = ts.Problem("nan", gradient, {"when": 1.0}, dim=dim, domain=(-1.0, 1.0))
    sweep = ts.Sweep(problem, ts.adam(0.1), {"when": when}, steps=50, checkpoints=10)
    paired, general = both(sweep, monkeypatch)
    assert paired.identical(general)
    assert paired.nonfinite_step.values[:, 0].tolist() == [-1 if one >= 100.0 else one for one in when]


WIDTHS = {1: (1, 32, 128), 31: (31, 32, 128), 33: (33, 64, 128), 64: (64, 128), 100: (100, 128)}
FEW = {1: (1, 64), 31: (31, 64), 33: (64,), 64: (64,)}  # a kernel for each width


@pytest.mark.parametrize(("lanes", "widths"), (WIDTHS if FULL else FEW).items())
def test_lanes_that_fill_no_tile_give_the_same_bits(lanes: int, widths: tuple[int, ...]) -> None:
    job = ts.Sweep(
        zhang.piecewise(5), ts.adam(0.1), {"beta2": np.linspace(0.0, 0.9, lanes)}, steps=70, seeds=1
    ).job
    plan, cut = job.sweep.plan, np.arange(lanes)
    general = run_tile(job.lanes, plan, cut)
    for width in widths:
        paired = run_tile(job.lanes, plan, cut, pair=pair_of(job.lanes, width))
        for name, values in general.items():
            assert np.array_equal(paired[name], values, equal_nan=True), (width, name)


OTHERS: dict[str, Callable[[], ts.Sweep]] = {
    "two workers": lambda: ts.Sweep(reddi.periodic(3.0), ts.adam(), workers=2),
    "a reduction": lambda: ts.Sweep(smooth.quadratic(), ts.clipped_gd()),
    "two stages": lambda: ts.Sweep(smooth.quadratic(), ts.adam_norm()),
    "a vote": lambda: ts.Sweep(reddi.periodic(3.0), ts.majority_vote()),
    "messages": lambda: ts.Sweep(quantized.bowl(), ts.ef_sgd()),
    "stored rows": lambda: ts.Sweep(quantized.bowl(), ts.eight_bit_adam()),
    "a kernel": lambda: ts.Sweep(smooth.quadratic(), ts.gossip_signum(nodes=1)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_runs_keep_the_general_loop(name: str) -> None:
    assert pair_of(OTHERS[name]().job.lanes, 64) is None


def test_few_lanes_are_not_worth_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "WORTH", 0)
    assert chunk.pair_for(ts.Sweep(reddi.periodic(3.0), ts.adam(), seeds=15), threads=1) is None
    assert chunk.pair_for(ts.Sweep(reddi.periodic(3.0), ts.adam(), seeds=16), threads=1) is not None


def test_the_first_lane_to_die_in_a_full_tile_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # 64 lanes fill tiles of 32 without padding, so that no lane is dead before these die.
    rates = np.where(np.arange(64) % 7 == 3, 1e300, 1e-3) * np.linspace(1.0, 1.001, 64)
    problem = ts.Problem("grow", grow, {"rate": 1.0}, start=1.0)
    paired, general = both(ts.Sweep(problem, ts.sgd(1.0), {"rate": rates}, steps=60), monkeypatch)
    assert paired.identical(general)
    # x_{t+1} = (1 + rate) x_t: 1e300 overflows at the second step
    assert paired.nonfinite_step.values[:, 0].tolist() == [2 if rate > 1.0 else -1 for rate in rates]

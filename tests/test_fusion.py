"""The generated loop against the general one: equal bit for bit, and only where a kernel has the simple shape."""

from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import averaged, reddi, shi, zhang
from theory_sim import fusion, random
from theory_sim.optimizers import OPTIMIZERS

SPLICED = [
    name
    for name, constructor in OPTIMIZERS.items()
    if constructor().up is None and name not in ("gossip_signum", "generic_adam", "adam_nc")
]


def both(sweep: ts.Sweep, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Run a sweep spliced and not."""
    monkeypatch.setattr(fusion, "WORTH", 0)
    assert fusion.loop_for(sweep.lanes) is not None
    spliced = sweep.run()
    monkeypatch.setattr(fusion, "WORTH", 1 << 62)
    return spliced, sweep.run()


@pytest.mark.parametrize("name", SPLICED)
def test_every_optimizer_gives_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = ts.Sweep(
        reddi.periodic(5.0),
        OPTIMIZERS[name](schedule=ts.power(0.5)),
        axes={"lr": np.geomspace(1e-6, 0.9, 300)},  # one whole tile and a padded one
        steps=203,
        checkpoints=(1, 50, 100),
    )
    spliced, general = both(sweep, monkeypatch)
    assert spliced.identical(general)
    assert len(np.unique(spliced.x_final)) > 10


@pytest.mark.parametrize(
    "problem", [zhang.piecewise(4), zhang.quadratics(1.0), averaged.piecewise(), shi.two_hit(6)], ids=str
)
@pytest.mark.parametrize("schedule", [ts.constant(), ts.power(0.7)], ids=str)
def test_every_problem_gives_the_same_bits(
    problem: ts.Problem, schedule: ts.Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The windows of the verdict run in the general loop: the two take over from each other in the middle.
    sweep = ts.Sweep(
        problem, ts.adam(0.1, schedule=schedule), axes={"beta2": np.linspace(0.1, 0.99, 40)}, steps=400
    )
    spliced, general = both(sweep, monkeypatch)
    assert spliced.identical(general)


def grow(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                out[j, i, lane] = -theta[0, lane] * x[i, lane]


@pytest.mark.parametrize("domain", [None, (-1e200, 1e200)])
def test_lanes_that_stop_being_finite_stop_at_the_same_step(
    domain: tuple[float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = ts.Problem("grow", grow, {"rate": 1.0}, start=1.0, domain=domain)
    rates = np.concatenate([np.full(100, 1e30), np.linspace(-1e-3, 1e-3, 101), np.full(100, 1e300)])
    sweep = ts.Sweep(problem, ts.sgd(1.0), axes={"rate": rates}, steps=60, checkpoints=(20, 45))
    spliced, general = both(sweep, monkeypatch)
    assert spliced.identical(general)
    # x_{t+1} = (1 + rate) x_t: 1e300 overflows at once more, and 1e30 after 11 steps unless the box holds it at 1e200
    assert set(np.unique(spliced.nonfinite_step)) == ({-1, 2, 11} if domain is None else {-1, 2})


def layout(optimizer: ts.Optimizer) -> fusion.Layout:
    return fusion.Layout(len(optimizer.hyper), 1, len(optimizer.rows))


def pull(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        out[0, 0, lane] = theta[0, lane] * x[0, lane]


def carried(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    total = 0.0
    for lane in range(x.shape[1]):
        total += x[0, lane]
        out[0, 0, lane] = total


def counted(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    sign = 1
    for lane in range(x.shape[1]):
        if x[0, lane] > 0.5:
            sign = -1
        out[0, 0, lane] = sign * x[0, lane]


def kept(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        if x[0, lane] > 0.5:
            last = x[0, lane]
        out[0, 0, lane] = last


def handed_on(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        last = x[0, lane]
        out[0, 0, lane] = last
    for lane in range(x.shape[1]):
        out[0, 0, lane] += last


def rewritten(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    a = 1.0 / t
    for lane in range(x.shape[1]):
        out[0, 0, lane] = a * x[0, lane]
    a = 1.0 - a
    for lane in range(x.shape[1]):
        out[0, 0, lane] += a * x[0, lane]


def shifted(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    t = t - 1
    for lane in range(x.shape[1]):
        out[0, 0, lane] = t * x[0, lane]


def decaying(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        theta[0, lane] *= 0.9
        out[0, 0, lane] = theta[0, lane] * x[0, lane]


def sometimes(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        if t % 2 == 1:
            out[0, 0, lane] = x[0, lane]


def misplaced(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        out[0, 0, 0] = x[0, lane]


def neighbour(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        out[0, 0, lane] = x[0, 0]


def noisy(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        out[0, 0, lane] = noise[0, lane]


def leaves(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        if x[0, lane] > 0.0:
            break
        out[0, 0, lane] = x[0, lane]


def foreign(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    for lane in range(x.shape[1]):
        out[0, 0, lane] = pow(x[0, lane], 2.0)


UNFIT = [
    carried,
    counted,
    kept,
    handed_on,
    rewritten,
    shifted,
    decaying,
    sometimes,
    misplaced,
    neighbour,
    noisy,
    leaves,
    foreign,
]


def names_of_the_loop(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    common = 1.0 / t
    for lane in range(x.shape[1]):
        now = x[0, lane]
        point = 2.0 * now
        bad = point - common
        out[0, 0, lane] = 1.0 + bad
        out[0, 0, lane] += now


def test_only_the_simple_shape_is_spliced() -> None:
    step = ts.sgd()
    assert fusion.source(random.cyclic, pull, step.step, layout(step)) is not None
    for kernel in UNFIT:
        assert fusion.source(random.cyclic, kernel, step.step, layout(step)) is None, kernel.__name__
    assert fusion.source(random.reshuffled, pull, step.step, layout(step)) is None


def test_locals_cannot_meet_the_names_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ts.Problem("names", names_of_the_loop, {"rate": 1.0}, start=1.0)
    spliced, general = both(ts.Sweep(problem, ts.sgd(0.01), {"lr": (0.01, 0.02)}, steps=100), monkeypatch)
    assert spliced.identical(general)


def test_other_runs_keep_the_general_loop() -> None:
    for sweep in (
        ts.Sweep(reddi.stochastic(3.0, 0.5), ts.adam()),
        ts.Sweep(reddi.periodic(3.0), ts.adam(), workers=2),
        ts.Sweep(reddi.periodic(3.0), ts.adam(), order="replacement"),
        ts.Sweep(reddi.periodic(3.0), ts.adam(schedule=ts.power(0.5)), {"s": (0.1, 0.5)}),
    ):
        assert fusion.loop_for(sweep.lanes) is None

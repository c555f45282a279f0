"""Sign methods against plain-Python references, their reductions, and gradients that are no numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from theory_sim import random
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.verdict import Status
from theory_sim.optimizers import sign

STEPS, D, PULL = 120, 5, 0.05
START = np.linspace(-1.0, 2.0, D)
Vector = list[float]
Step = Callable[[Vector, list[Vector], int], Vector]  # (x, gradients of the workers, t) -> next x


NOISE = Noise("flat", lambda u: 0.0 if u < 0.3 else 4.0 * u - 2.6)


def drawn_gradient(
    x: float, t: int, i: int, d: int, j: int, noise: float, scale: float, pull: float, bad: float, kind: float
) -> float:
    """scale (r + pull (i+1) x_i); worker 0, coordinate d-1, step `bad` breaks."""
    if t == bad and j == 0 and i == d - 1:
        return math.nan if kind == 0.0 else kind * math.inf
    return scale * (noise + pull * (i + 1) * x)


def drawn(pull: float = PULL, d: int = D, **constants: float) -> ts.Problem:
    rows = {"scale": 1.0, "pull": pull, "bad": 0.0, "kind": 0.0} | constants
    return ts.Problem("drawn", drawn_gradient, rows, dim=d, noise=NOISE, start=tuple(START[:d].tolist()))


def gradients(x: Vector, t: int, pull: float, workers: int) -> list[Vector]:
    """What `drawn_gradient` gives at scale 1: without component sampling the noise starts at slot `workers`."""
    stream, d = int(random.key(0, 0)), len(x)
    u = [[random.uniform_at(stream, t, workers + j * d + i) for i in range(d)] for j in range(workers)]
    return [
        [(0.0 if one < 0.3 else 4.0 * one - 2.6) + pull * (i + 1) * x[i] for i, one in enumerate(row)]
        for row in u
    ]


def path(optimizer: ts.Optimizer, problem: ts.Problem | None = None, workers: int = 1) -> Any:
    """The Dataset with a checkpoint after every step."""
    return ts.simulate(
        problem or drawn(), optimizer, steps=STEPS, workers=workers, checkpoints=range(1, STEPS + 1)
    )


def same_bits(one: ts.Optimizer, other: ts.Optimizer, problem: ts.Problem | None = None) -> None:
    first, second = path(one, problem).x.values, path(other, problem).x.values
    assert np.isfinite(first).all()
    assert np.array_equal(first, second)


# --------------------------------------------------------------------------------------------------------------------
# References: written from the papers, averages as explicit sums over the gradients seen so far


def sgn(z: float, at_zero: float) -> float:
    return math.copysign(1.0, z) if z != 0.0 else at_zero


def average(seen: list[float], beta: float) -> float:
    T = len(seen)
    return math.fsum((1.0 - beta) * beta ** (T - 1 - s) * y for s, y in enumerate(seen))


def started(seen: list[float], beta: float) -> float:
    """The average with m_1 = g_1: the first gradient has weight beta^(T-1)."""
    T = len(seen)
    return beta ** (T - 1) * seen[0] + average(seen[1:], beta) if T > 1 else seen[0]


class History:
    """The averaged gradients, by coordinate."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = [[] for _ in range(D)]

    def add(self, gs: list[Vector]) -> list[list[float]]:
        for i in range(D):
            self.seen[i].append(sum(g[i] for g in gs) / len(gs))
        return self.seen


def signum_reference(lr: float, beta: float, zero: float) -> Step:
    history = History()
    return lambda x, gs, t: [
        x_i - lr * sgn(average(seen, beta), zero) for x_i, seen in zip(x, history.add(gs), strict=True)
    ]


def vote_reference(lr: float, zero: float) -> Step:
    return lambda x, gs, t: [
        x_i - lr * sgn(sum(sgn(g[i], zero) for g in gs), zero) for i, x_i in enumerate(x)
    ]


def disturbed_reference(lr: float, zero: float, adversaries: int) -> Step:
    def step(x: Vector, gs: list[Vector], t: int) -> Vector:
        turned = [[-1.0 if j < adversaries else 1.0] * D for j in range(len(gs))]
        votes = [sum(turn[i] * sgn(g[i], zero) for turn, g in zip(turned, gs, strict=True)) for i in range(D)]
        return [x_i - lr * sgn(vote, zero) for x_i, vote in zip(x, votes, strict=True)]

    return step


def ef_reference(lr: float, zero: float) -> Step:
    e = [0.0] * D

    def step(x: Vector, gs: list[Vector], t: int) -> Vector:
        p = [lr * g_i + e_i for g_i, e_i in zip(gs[0], e, strict=True)]
        size = math.fsum(abs(p_i) for p_i in p) / D
        sent = [size * sgn(p_i, zero) for p_i in p]
        e[:] = [p_i - d_i for p_i, d_i in zip(p, sent, strict=True)]
        return [x_i - d_i for x_i, d_i in zip(x, sent, strict=True)]

    return step


def generalized_reference(lr: float, beta1: float, beta2: float, eps: float) -> Step:
    history = History()
    momenta: list[list[float]] = [[] for _ in range(D)]

    def step(x: Vector, gs: list[Vector], t: int) -> Vector:
        out = []
        for x_i, seen, past in zip(x, history.add(gs), momenta, strict=True):
            past.append(started(seen, beta1))
            scale = math.sqrt(average([m * m for m in past], beta2)) + eps
            out.append(x_i - lr * past[-1] / scale if scale else x_i)
        return out

    return step


def extrapolated_reference(lr: float, beta: float, zero: float) -> Step:
    """x is where gradients are taken; the iterates are the first two of `pair`."""
    history, iterate = History(), START.tolist()

    def step(y: Vector, gs: list[Vector], t: int) -> Vector:
        old = list(iterate)
        iterate[:] = [
            x_i - lr * sgn(started(seen, beta), zero) for x_i, seen in zip(old, history.add(gs), strict=True)
        ]
        return [new + beta / (1.0 - beta) * (new - x_i) for new, x_i in zip(iterate, old, strict=True)]

    return step


def lion_reference(
    lr: float, beta1: float, beta2: float, decay: float, slope: Callable[[float], float]
) -> Step:
    history = History()

    def step(x: Vector, gs: list[Vector], t: int) -> Vector:
        out = []
        for x_i, seen in zip(x, history.add(gs), strict=True):
            c = beta1 * average(seen[:-1], beta2) + (1.0 - beta1) * seen[-1]
            out.append(x_i - lr * (slope(c) + decay * x_i))
        return out

    return step


REFERENCES: dict[str, tuple[Callable[[], ts.Optimizer], Callable[[], Step], int]] = {}
for _zero in (0.0, 1.0):
    _z = {"at_zero": _zero}
    REFERENCES |= {
        f"signsgd {_zero:g}": (
            lambda z=_z: sign.signsgd(0.03, **z),
            lambda z=_zero: signum_reference(0.03, 0.0, z),
            1,
        ),
        f"signum {_zero:g}": (
            lambda z=_z: sign.signum(0.03, 0.8, **z),
            lambda z=_zero: signum_reference(0.03, 0.8, z),
            1,
        ),
        f"signum {_zero:g}, 3 workers": (
            lambda z=_z: sign.signum(0.03, 0.8, **z),
            lambda z=_zero: signum_reference(0.03, 0.8, z),
            3,
        ),
        f"vote {_zero:g}, 1 worker": (
            lambda z=_z: sign.majority_vote(0.03, **z),
            lambda z=_zero: vote_reference(0.03, z),
            1,
        ),
        f"vote {_zero:g}, 2 workers": (
            lambda z=_z: sign.majority_vote(0.03, **z),
            lambda z=_zero: vote_reference(0.03, z),
            2,
        ),
        f"disturbed vote {_zero:g}, 5 workers": (
            lambda z=_z: sign.disturbed_vote(0.03, 2, **z),
            lambda z=_zero: disturbed_reference(0.03, z, 2),
            5,
        ),
        f"vote {_zero:g}, 5 workers": (
            lambda z=_z: sign.majority_vote(0.03, **z),
            lambda z=_zero: vote_reference(0.03, z),
            5,
        ),
        f"ef {_zero:g}": (lambda z=_z: sign.ef_signsgd(0.03, **z), lambda z=_zero: ef_reference(0.03, z), 1),
        f"extrapolated {_zero:g}": (
            lambda z=_z: sign.extrapolated_signum(0.03, 0.7, **z),
            lambda z=_zero: extrapolated_reference(0.03, 0.7, z),
            1,
        ),
        f"lion {_zero:g}": (
            lambda z=_z: sign.lion(0.03, 0.7, 0.9, 0.1, **z),
            lambda z=_zero: lion_reference(0.03, 0.7, 0.9, 0.1, lambda c: sgn(c, z)),
            1,
        ),
    }
REFERENCES |= {
    "generalized": (
        lambda: sign.generalized_signsgd(0.03, 0.8, 0.95), lambda: generalized_reference(0.03, 0.8, 0.95, 0.0), 1
    ),
    "generalized, eps": (
        lambda: sign.generalized_signsgd(0.03, 0.8, 0.9, 0.1), lambda: generalized_reference(0.03, 0.8, 0.9, 0.1), 1
    ),
    "lion-k, l1": (
        lambda: sign.lion_k(0.03, 0.7, 0.9, 0.1, potential="l1"),
        lambda: lion_reference(0.03, 0.7, 0.9, 0.1, lambda c: sgn(c, 0.0)), 1
    ),
    "lion-k, smooth": (
        lambda: sign.lion_k(0.03, 0.7, 0.9, 0.1), lambda: lion_reference(0.03, 0.7, 0.9, 0.1, lambda c: c / math.hypot(c, 1.0)), 1
    ),
    "lion-k, l2": (
        lambda: sign.lion_k(0.03, 0.7, 0.9, 0.1, potential="l2"),
        lambda: lion_reference(0.03, 0.7, 0.9, 0.1, lambda c: c), 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("pull", [0.0, PULL])  # without pull, 3 gradients in 10 are exactly 0
@pytest.mark.parametrize("name", REFERENCES)
def test_iterates_are_those_of_the_reference(name: str, pull: float) -> None:
    optimizer, reference, workers = REFERENCES[name]
    ours = path(optimizer(), drawn(pull), workers).x.values[0]
    step, x, theirs = reference(), START.tolist(), []
    for t in range(1, STEPS + 1):
        x = step(x, gradients(x, t, pull, workers), t)
        theirs.append(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_every_sign_method_has_a_reference() -> None:
    assert {type_.__name__ for type_ in sign.OPTIMIZERS} == {
        optimizer().family.__name__  # type: ignore[union-attr]
        for optimizer, _, _ in REFERENCES.values()
    }


def test_the_two_conventions_differ_where_a_gradient_is_zero() -> None:
    moves = [
        np.diff(path(sign.signsgd(0.5, at_zero=zero), drawn(0.0)).x.values[0], axis=0) for zero in (0, 1)
    ]
    still = moves[0] == 0.0
    # 119 x 5 draws that are 0 with probability .3: between .2 and .4 but for 1e-7 (5.3 standard deviations).
    assert 0.2 < still.mean() < 0.4
    assert np.all(moves[1][still] == -0.5)
    assert np.array_equal(moves[0][~still], moves[1][~still])


def test_ties_of_the_vote() -> None:
    # Two workers that disagree: sign(0) again decides.
    assert not np.array_equal(
        *(path(sign.majority_vote(0.5, at_zero=zero), drawn(0.0), 2).x.values for zero in (0.0, 1.0))
    )


# --------------------------------------------------------------------------------------------------------------------
# Reductions


def turning_gradient(x: float, t: int, i: int) -> float:
    """sin(3 t + i) + 0.05 x_i, without noise, so that "mean_gradient" is g_1."""
    return math.sin(3.0 * t + i) + 0.05 * x


TURNING = ts.Problem("turning", turning_gradient, dim=D, start=tuple(START.tolist()))


def test_signum_without_momentum_is_signsgd() -> None:
    same_bits(sign.signum(0.03, 0.0), sign.signsgd(0.03))


def test_a_vote_of_one_is_signsgd() -> None:
    same_bits(sign.majority_vote(0.03), sign.signsgd(0.03))


def test_extrapolation_without_momentum_is_signsgd() -> None:
    same_bits(sign.extrapolated_signum(0.03, 0.0), sign.signsgd(0.03))


def test_generalized_signsgd_without_second_average_is_signum_started_at_the_gradient() -> None:
    ours = path(sign.generalized_signsgd(0.03, 0.8, 0.0), TURNING).x.values
    signum = path(sign.signum(0.03, 0.8, m0="mean_gradient"), TURNING).x.values
    # m/sqrt(m^2) is +-1 up to a rounding.
    np.testing.assert_allclose(ours, signum, rtol=0.0, atol=1e-12)


def test_lion_with_equal_betas_and_no_decay_is_signum() -> None:
    same_bits(sign.lion(0.03, 0.8, 0.8), sign.signum(0.03, 0.8))


def test_lion_k_with_the_l1_norm_is_lion() -> None:
    same_bits(sign.lion_k(0.03, 0.7, 0.9, 0.1, potential="l1"), sign.lion(0.03, 0.7, 0.9, 0.1))


def test_lion_k_with_a_square_is_sgd_with_averaged_momentum() -> None:
    same_bits(sign.lion_k(0.03, 0.8, 0.8, potential="l2"), ts.sgdm(0.03, 0.8, convention="ema"))


def test_error_feedback_in_one_dimension_is_sgd() -> None:
    same_bits(sign.ef_signsgd(0.03), ts.sgd(0.03), drawn(d=1))


@pytest.mark.parametrize("schedule", [ts.constant(), ts.power(0.5)], ids=str)
def test_error_feedback_has_the_virtual_iterate_of_sgd(schedule: ts.Schedule) -> None:
    # x_t - e_t = x_0 - sum lr_s g_s, the gradients taken at x_s: checked at every horizon up to 40.
    optimizer = sign.ef_signsgd(0.03, schedule=schedule)
    x = [START.tolist(), *path(optimizer).x.values[0].tolist()]
    sgd = START.copy()
    for t in range(1, 41):
        lr = 0.03 / math.sqrt(t) if schedule.varies else 0.03
        sgd = sgd - lr * np.array(gradients(x[t - 1], t, PULL, 1)[0])
        grid = ts.simulate(drawn(), optimizer, steps=t)
        virtual = grid.x_final.values[0] - grid.state_final.sel(row="e").values[0]
        np.testing.assert_allclose(virtual, sgd, rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(
    power=st.integers(-300, 300), name=st.sampled_from(["signsgd", "signum", "lion", "generalized", "vote"])
)
def test_signs_do_not_feel_the_scale(power: int, name: str) -> None:
    # A power of two scales without rounding; squares of 2^+-300 still are floats.
    optimizer = {
        "signsgd": sign.signsgd(0.03),
        "signum": sign.signum(0.03, 0.8),
        "lion": sign.lion(0.03, 0.7, 0.9, 0.1),
        "generalized": sign.generalized_signsgd(0.03, 0.8, 0.95),
        "vote": sign.majority_vote(0.03),
    }[name]
    one, other = (path(optimizer, drawn(scale=scale)).x.values for scale in (1.0, 2.0**power))
    assert np.array_equal(one, other)


# --------------------------------------------------------------------------------------------------------------------
# No numbers


METHODS: dict[str, ts.Optimizer] = {
    "signsgd": sign.signsgd(),
    "signsgd, 1": sign.signsgd(at_zero=1.0),
    "signum": sign.signum(),
    "vote": sign.majority_vote(),
    "vote, 1": sign.majority_vote(at_zero=1.0),
    "ef": sign.ef_signsgd(),
    "generalized": sign.generalized_signsgd(),
    "generalized, no second average": sign.generalized_signsgd(beta2=0.0),
    "extrapolated": sign.extrapolated_signum(),
    "lion": sign.lion(),
    "lion-k, l1": sign.lion_k(potential="l1"),
    "lion-k, smooth": sign.lion_k(),
    "lion-k, l2": sign.lion_k(potential="l2"),
}


@pytest.mark.parametrize("kind", [0.0, 1.0, -1.0], ids=["nan", "inf", "-inf"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", METHODS)
def test_a_gradient_that_is_no_number_never_has_a_sign(name: str, workers: int, kind: float) -> None:
    grid = path(METHODS[name], drawn(bad=7.0, kind=kind), workers)
    assert grid.status.item() == Status.NONFINITE.value
    assert grid.nonfinite_step.item() == 7
    assert np.isnan(grid.x_final).all()
    assert np.isfinite(grid.x.sel(checkpoint=6)).all()
    assert np.isnan(grid.x.sel(checkpoint=7)).all()


# --------------------------------------------------------------------------------------------------------------------
# Arguments


@pytest.mark.parametrize("constructor", sign.OPTIMIZERS, ids=lambda one: one.__name__)
def test_the_step_size_must_be_positive(constructor: Callable[..., ts.Optimizer]) -> None:
    for lr in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"lr = .* must be a finite number in \(0, inf\)"):
            constructor(lr)


@pytest.mark.parametrize(
    ("constructor", "arguments", "message"),
    [
        (sign.signsgd, {"at_zero": 0.5}, r"at_zero = 0.5 must be 0 \(numpy's sign\) or 1"),
        (sign.signsgd, {"at_zero": -1.0}, "at_zero = -1.0 must be 0"),
        (sign.majority_vote, {"at_zero": math.nan}, "at_zero = nan must be 0"),
        (sign.ef_signsgd, {"at_zero": 2}, "at_zero = 2 must be 0"),
        (sign.extrapolated_signum, {"at_zero": 2}, "at_zero = 2 must be 0"),
        (sign.lion, {"at_zero": 2}, "at_zero = 2 must be 0"),
        (sign.signum, {"beta": 1.0}, r"beta = 1.0 must be a finite number in \[0, 1\)"),
        (sign.signum, {"beta": -0.1}, "beta = -0.1 must be"),
        (sign.signum, {"m0": "gradient"}, "Unknown initial state 'gradient'"),
        (sign.signum, {"m0": math.inf}, "initial m = inf must be a finite number"),
        (sign.extrapolated_signum, {"beta": 1.0}, "beta = 1.0 must be"),
        (sign.generalized_signsgd, {"beta1": 1.0}, "beta1 = 1.0 must be"),
        (sign.generalized_signsgd, {"beta2": math.nan}, "beta2 = nan must be"),
        (sign.generalized_signsgd, {"eps": -1e-8}, "eps = -1e-08 must be"),
        (sign.lion, {"beta1": 1.5}, "beta1 = 1.5 must be"),
        (sign.lion, {"weight_decay": -1.0}, "weight_decay = -1.0 must be"),
        (sign.lion_k, {"beta2": 1.0}, "beta2 = 1.0 must be"),
        (sign.lion_k, {"potential": "l3"}, "Unknown potential 'l3': did you mean l"),
    ],
)
def test_arguments_are_checked(
    constructor: Callable[..., ts.Optimizer], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        constructor(**arguments)


def test_an_axis_is_checked_by_the_same_rules() -> None:
    with pytest.raises(ValueError, match=r"at_zero = 0\.5 must be 0"):
        ts.Sweep(drawn(), sign.signsgd(), {"at_zero": (0.0, 0.5)}, steps=1).run()


def huge_gradient() -> float:
    return 1e160


def test_a_smooth_sign_does_not_lose_a_huge_momentum() -> None:
    # c/sqrt(c^2 + 1) is 1 for c = 1e160, although c^2 overflows: three steps of 0.1 down.
    grid = ts.simulate(ts.Problem("huge", huge_gradient), ts.lion_k(0.1), steps=3, x0=0.0)
    assert grid.x_final.item() == pytest.approx(-0.3)

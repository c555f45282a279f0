"""Laws that every update rule obeys, and the contracts of the constructors."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

import theory_sim as ts
from counterexamples.drift import update_bound
from theory_sim import compressors
from theory_sim.nouns.noise import Noise
from theory_sim.optimizers import (
    OPTIMIZERS,
    adam,
    adaptive,
    cautious,
    descendants,
    momentum,
    schedule_free,
)
from theory_sim.rules import build, tile

COORDINATEWISE = [
    constructor
    for family in (momentum, adaptive, adam, descendants, cautious, schedule_free)
    for constructor in family.OPTIMIZERS
]


NOISE = Noise("flat", lambda u: 0.0 if u < 0.2 else 4.0 * u - 2.4)


def scaled_gradient(t: int, i: int, d: int, noise: float, scale: float, bad: float) -> float:
    """The noise times scale; NaN in the last coordinate at step `bad`."""
    return math.nan if t == bad and i == d - 1 else scale * noise


def problem() -> ts.Problem:
    return ts.Problem("scaled", scaled_gradient, {"scale": 1.0, "bad": 0.0}, dim=3, noise=NOISE)


# Laws


# Not below 1e-3 unless 0: v underflows, and then nothing is free of scale.
betas = st.one_of(st.just(0.0), st.floats(1e-3, 0.999))
SCALE_FREE = {
    "adam": {"eps": 0.0},
    "adam, uncorrected": {"eps": 0.0, "bias_correction": False},
    **{f"amsgrad, {variant}": {"eps": 0.0, "variant": variant} for variant in adam.AMSGRAD_VARIANTS},
    "rmsprop": {"eps": 0.0},
    "rmsprop_momentum": {"eps": 0.0},
    "centered_rmsprop": {"eps": 0.0},
    "adagrad": {"eps": 0.0},
    "generic_adam": {},
    "adam_nc": {},
    "adopt": {"eps": 0.0},
    "adopt, clipped": {"eps": 0.0, "clipped": True},
    "adashift": {"eps": 0.0},
    "adashift, by three": {"eps": 0.0, "shift": 3},
    "accumulating_adam": {"eps": 0.0},
    "adamw": {"eps": 0.0, "weight_decay": 0.0},
    "nadam": {"eps": 0.0},
    "adamax": {"eps": 0.0},
    "adabelief": {"eps": 0.0},
    "yogi": {"eps": 0.0, "v0": 0.0},
    "yogi, uncorrected": {"eps": 0.0, "v0": 0.0, "bias_correction": False},
    "adan": {"eps": 0.0},
    "ademamix": {"eps": 0.0},
    "cautious_adamw": {"eps": 0.0, "weight_decay": 0.0},
    "cautious_adamw, rescaled": {"eps": 0.0, "weight_decay": 0.0, "rescale": True},
    "cautious_lion": {},
    "schedule_free_adamw": {"eps": 0.0},
}
FIXED_STEP = {
    "gd": {},
    "sgd": {},
    **{f"sgdm, {convention}": {"convention": convention} for convention in momentum.CONVENTIONS},
    "nesterov": {},
    "dampened_sgdm": {},
    "radam": {"eps": 0.0},
    "adabound": {"eps": 0.0},
    "bounded_adam": {},
    "cautious_sgdm": {"rescale": True},
    "schedule_free_sgd": {},
}


def with_betas(name: str, beta1: float, beta2: float, arguments: dict[str, Any]) -> ts.Optimizer:
    constructor = OPTIMIZERS[name.split(",")[0]]
    known = {"beta1": beta1, "momentum": beta1, "beta2": beta2}
    names = inspect.signature(constructor).parameters
    return constructor(**arguments, **{key: value for key, value in known.items() if key in names})


@pytest.mark.parametrize("name", SCALE_FREE)
@settings(max_examples=15)
@given(beta1=betas, beta2=betas, exponent=st.integers(-300, 300).filter(bool))
def test_without_eps_the_size_of_the_gradients_does_not_matter(
    name: str, beta1: float, beta2: float, exponent: int
) -> None:
    # Powers of two scale m and sqrt(v) without rounding (v stays above 2^-700), so that not
    # one bit may change.
    optimizer = with_betas(name, beta1, beta2, SCALE_FREE[name])
    axes = {"scale": [1.0, 2.0**exponent]}
    grid = ts.Sweep(problem(), optimizer, axes, steps=30, checkpoints=range(1, 31)).run()
    assert (grid.status == "FINITE").all()
    assert np.array_equal(grid.x.values[0], grid.x.values[1])


@pytest.mark.parametrize("constructor", COORDINATEWISE)
@settings(max_examples=15)
@given(beta1=betas, beta2=betas)
def test_mirrored_gradients_mirror_the_path(
    constructor: Callable[..., ts.Optimizer], beta1: float, beta2: float
) -> None:
    optimizer = with_betas(constructor.__name__, beta1, beta2, {})
    axes = {"scale": [1.0, -1.0]}
    grid = ts.Sweep(problem(), optimizer, axes, steps=30, x0=0.0, checkpoints=range(1, 31)).run()
    assert np.array_equal(grid.x.values[0], -grid.x.values[1])
    assert np.abs(grid.x.values).max() > 0.0


gradients = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-60, 1e60), st.floats(-1e60, -1e-60)), min_size=1, max_size=40
)


@njit
def called(
    step: Any, g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any,
    up: Any, up_hyper: Any, up_noise: Any, down: Any, down_hyper: Any, down_noise: Any, work: Any,
) -> None:  # fmt: skip
    """Call a step as the lane loop does; Python itself cannot."""
    step(g, t, lr, hyper, noise, state, x, up, up_hyper, up_noise, down, down_hyper, down_noise, work)


def step_by_step(optimizer: ts.Optimizer, sequence: list[float]) -> Iterator[tuple[float, Any]]:
    """Every update -(x_{t+1} - x_t) at lr = 1 and the state after it, from the compiled kernel."""
    kernel = build.compiled(optimizer.source[0])
    message = (build.compiled(tile.empty("compress")), np.zeros(0), np.zeros((0, 1)))
    hyper = np.array([[value] for value in optimizer.hyper.values()])
    state = np.zeros((len(optimizer.rows), 1, 1))
    for t, g in enumerate(sequence, 1):
        x = np.zeros((1, 1))
        called(
            kernel,
            np.full((1, 1, 1), g),
            t,
            np.ones(1),
            hyper,
            np.zeros((0, 1)),
            state,
            x,
            *message,
            *message,
            np.zeros((3, 1)),
        )
        yield -x[0, 0], state[:, 0, 0].copy()


@given(gradients, betas, betas)
def test_no_update_of_adam_exceeds_its_bound(sequence: list[float], beta1: float, beta2: float) -> None:
    bound = float(update_bound(beta1, beta2))
    for move, _ in step_by_step(ts.adam(1.0, beta1, beta2, 0.0, bias_correction=False), sequence):
        assert abs(move) <= bound * (1.0 + 1e-9)


@given(gradients, betas)
def test_equal_betas_make_v_minus_m_squared_a_variance(sequence: list[float], beta: float) -> None:
    for move, (m, v) in step_by_step(ts.adam(1.0, beta, beta, 0.0, bias_correction=False), sequence):
        assert m * m <= v * (1.0 + 1e-12)  # equality for constant gradients and beta = 0
        assert abs(move) <= 1.0 + 1e-12


@given(gradients, betas, betas)
def test_amsgrad_never_divides_by_less(sequence: list[float], beta1: float, beta2: float) -> None:
    top = 0.0
    for _, (_, v, vhat, _) in step_by_step(ts.amsgrad(1.0, beta1, beta2), sequence):
        assert vhat == max(top, v)
        top = vhat


# Contracts


def parameters(*names: str) -> list[Any]:
    """Every (constructor, argument) pair in which the constructor has the argument."""
    return [
        pytest.param(constructor, name, id=f"{constructor.__name__}-{name}")
        for constructor in OPTIMIZERS.values()
        for name in names
        if name in inspect.signature(constructor).parameters
    ]


@pytest.mark.parametrize(("constructor", "name"), parameters("beta", "beta1", "beta2", "momentum"))
@pytest.mark.parametrize("value", [1.0, -0.1, math.nan, math.inf, "a"])
def test_averaging_weights_lie_in_zero_one(
    constructor: Callable[..., ts.Optimizer], name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=rf"^{name} = {value!r}"):
        constructor(**{name: value})
    with pytest.raises(ValueError, match=rf"^{name} = {value!r}"):
        constructor().replace(**{name: value})


@pytest.mark.parametrize(("constructor", "name"), parameters("lr"))
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_steps_are_positive_and_finite(
    constructor: Callable[..., ts.Optimizer], name: str, value: float
) -> None:
    for make in (constructor, constructor().replace):
        with pytest.raises(ValueError, match=rf"^lr = {value!r} must be a finite number in \(0, inf\)"):
            make(**{name: value})


@pytest.mark.parametrize(("constructor", "name"), parameters("eps", "v0"))
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_eps_and_initial_moments_are_finite(
    constructor: Callable[..., ts.Optimizer], name: str, value: float
) -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        constructor(**{name: value})


@pytest.mark.parametrize(("constructor", "name"), parameters("eps"))
def test_eps_is_not_negative(constructor: Callable[..., ts.Optimizer], name: str) -> None:
    with pytest.raises(ValueError, match=r"^eps = -1e-08 must be a finite number in \[0, inf\)"):
        constructor(eps=-1e-8)


@pytest.mark.parametrize("constructor", OPTIMIZERS.values())
def test_a_misspelt_hyperparameter_gets_a_suggestion(constructor: Callable[..., ts.Optimizer]) -> None:
    optimizer = constructor()
    for name in {"lr", *optimizer.arguments}:
        with pytest.raises(
            ValueError, match=rf"Unknown hyperparameter of .* '{name}_': did you mean .*{name}"
        ):
            optimizer.replace(**{f"{name}_": 0.5})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ts.adam(eps_mode="inner"), "Unknown eps_mode 'inner': did you mean inside"),
        (lambda: ts.amsgrad(variant="pytorch"), "Unknown variant 'pytorch': did you mean torch"),
        (lambda: ts.amsgrad(variant="torch", decay=0.9), "decay = 0.9 is defined for variant='paper' only"),
        (lambda: ts.amsgrad(decay=0.0), r"decay = 0.0 must be a finite number in \(0, 1\]"),
        (lambda: ts.generic_adam(c=0.0), r"c = 0.0 must be a finite number in \(0, inf\)"),
        (lambda: ts.generic_adam(r=-1.0), r"r = -1.0 must be a finite number in \[0, inf\)"),
        (lambda: ts.sgdm(convention="nesterov"), "Unknown convention 'nesterov'"),
        (
            lambda: ts.adam(m0="mean_gradiant"),
            "Unknown initial state 'mean_gradiant': did you mean mean_gradient",
        ),
    ],
)
def test_rules_of_single_arguments(build: Callable[[], ts.Optimizer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", [*SCALE_FREE, *FIXED_STEP])
def test_no_gradient_no_move(name: str) -> None:
    # 0/0 for every rule that divides.
    optimizer = with_betas(name, 0.9, 0.99, {**SCALE_FREE, **FIXED_STEP}[name])
    grid = ts.Sweep(problem(), optimizer, {"scale": [0.0]}, steps=20, x0=0.75).run()
    assert (grid.status == "FINITE").all()
    assert (grid.x_final == 0.75).all()


CHOICES = [
    partial(ts.adopt, clipped=True),
    partial(ts.yogi, bias_correction=False),
    *(partial(constructor, rescale=True) for constructor in cautious.OPTIMIZERS),
]


@pytest.mark.parametrize("constructor", [*COORDINATEWISE, *CHOICES])
def test_a_nan_gradient_ends_its_own_lane_only(constructor: Callable[..., ts.Optimizer]) -> None:
    def run(bad: list[float]) -> Any:
        sweep = ts.Sweep(
            problem(), constructor(), {"bad": bad}, steps=20, x0=[-1.0, 0.5, 2.0], checkpoints=20
        )
        return sweep.run()

    mixed, clean = run([0.0, 7.0, -1.0, 20.0]), run([0.0])  # no step is 0 or -1
    assert mixed.status.values[:, 0].tolist() == ["FINITE", "NONFINITE", "FINITE", "NONFINITE"]
    assert mixed.nonfinite_step.values[:, 0].tolist() == [-1, 7, -1, 20]
    assert np.isnan(mixed.x_final.values[[1, 3]]).all()
    assert (mixed.verdict == "UNJUDGED").all()
    for name in ("x", "state_final") if constructor().rows else ("x",):
        for lane in (0, 2):
            assert np.array_equal(mixed[name].values[lane], clean[name].values[0]), name
    before = mixed.checkpoint.values < 7
    assert np.array_equal(mixed.x.values[1][:, before], clean.x.values[0][:, before])


# Records

PATH = ((2 / 3, 1 / 3, 0, 0), (1 / 3, 1 / 3, 1 / 3, 0), (0, 1 / 3, 1 / 3, 1 / 3), (0, 0, 1 / 3, 2 / 3))
CANDIDATES = (
    *(1 / 3, 3, 2, 6, True, False, "max_square", "mean_gradient", "inside", "outside", "ema", "heavy_ball"),
    *(*adam.AMSGRAD_VARIANTS, "l2", "none", PATH, ts.power(1 / 3), compressors.top_k(2), compressors.qsgd(2, 1 / 3)),
    *("gradient", (0.1, 0.2)),
)  # fmt: skip


class Names(dict[str, Any]):
    """What a printed optimizer may name; any other word is a string."""

    def __missing__(self, name: str) -> str:
        return name


def retyped(optimizer: ts.Optimizer) -> ts.Optimizer:
    schedules = {"constant": ts.constant, "power": ts.power, "linear": ts.linear}
    made = eval(str(optimizer), {}, Names(OPTIMIZERS, **compressors.COMPRESSORS, **schedules))
    assert isinstance(made, ts.Optimizer)
    return made


def digest(optimizer: ts.Optimizer) -> str:
    twelve = ts.Problem("twelve", scaled_gradient, {"scale": 1.0, "bad": 0.0}, dim=12, noise=NOISE)
    return ts.Sweep(twelve, optimizer, steps=2).job.digest


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_printed_optimizer_retyped_is_the_same_run(name: str) -> None:
    constructor = OPTIMIZERS[name]
    known = inspect.signature(constructor).parameters
    plain = constructor(**({"eps": 0.1} if "eps" in known else {}))  # without eps its place does not matter
    assert retyped(plain).arguments.keys() == plain.arguments.keys()
    seen = {digest(plain): str(plain)}
    for parameter in plain.arguments:
        found = 0
        for value in CANDIDATES:
            try:
                changed = plain.replace(**{parameter: value})
                key = digest(changed)
            except (ValueError, TypeError):
                continue
            assert digest(retyped(changed)) == key
            found += seen.setdefault(key, str(changed)) == str(changed) != str(plain)
        assert found, parameter
    assert len(set(seen.values())) == len(seen)  # what runs differently is printed differently


def test_what_was_replaced_by_hand_is_printed() -> None:
    changed = replace(ts.adam(v0="max_square"), lr=1 / 3, measure=lambda t: 1.0 * t, measures=("size",))
    assert str(changed).startswith("adam(lr=0.3333333333333333, ")
    assert str(changed).endswith("v0=max_square, schedule=constant(), own measure, own measures)")
    own = ts.Optimizer("mine", lambda g, lr, x, v: (x - lr * g, v), rows=("v",), initial={"v": "max_square"})
    assert str(own) == "mine(lr=0.001, initial={'v': 'max_square'}, schedule=constant())"

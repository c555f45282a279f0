"""Update rules against torch, against plain-Python references, and against each other."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim import random
from theory_sim.nouns.noise import Noise
from theory_sim.optimizers import OPTIMIZERS, adam, adaptive, momentum

STEPS = 200
D = 7
START = np.linspace(-1.0, 2.0, D)
PULL = 0.05
COORDINATEWISE = [constructor for family in (momentum, adaptive, adam) for constructor in family.OPTIMIZERS]

Change = Callable[[float, int], float]


NOISE = Noise("flat", lambda u: 0.0 if u < 0.2 else 4.0 * u - 2.4)


def drawn_gradient(x: float, i: int, pull: float, noise: float) -> float:
    return noise + pull * (i + 1) * x


@cache
def draws(t: int) -> list[float]:
    """r of step t for seed 0 of entropy 0: without component sampling the noise starts at slot 1."""
    stream = int(random.key(0, 0))
    uniforms = (random.uniform_at(stream, t, 1 + i) for i in range(D))
    return [0.0 if u < 0.2 else 4.0 * u - 2.4 for u in uniforms]


def gradient(x: list[float], t: int, pull: float = PULL) -> list[float]:
    """What `drawn_gradient` gives."""
    return [r + pull * (i + 1) * x_i for i, (r, x_i) in enumerate(zip(draws(t), x, strict=True))]


def path(optimizer: ts.Optimizer, pull: float = PULL, steps: int = STEPS, x0: Any = START) -> tuple[Any, Any]:
    """Iterates x_2 ... x_{steps+1}, shape (steps, d), and the whole Dataset."""
    problem = ts.Problem("drawn", drawn_gradient, {"pull": pull}, dim=D, noise=NOISE)
    grid = ts.simulate(problem, optimizer, steps=steps, x0=list(x0), checkpoints=range(1, steps + 1))
    return grid.x.values[0], grid


def replayed(change: Callable[[], Change], pull: float = PULL, steps: int = STEPS) -> Any:
    """The same path by a scalar rule, one closure per coordinate."""
    rules = [change() for _ in range(D)]
    x, out = START.tolist(), []
    for t in range(1, steps + 1):
        g = gradient(x, t, pull)
        x = [x_i + rule(g_i, t) for x_i, rule, g_i in zip(x, rules, g, strict=True)]
        out.append(x)
    return np.array(out)


def close(ours: Any, theirs: Any) -> None:
    """1e-12 relative; iterates are sums of numbers of size 1, so that is also the absolute scale near 0."""
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


# --------------------------------------------------------------------------------------------------------------------
# torch.optim


TORCH = {
    "Adam": (ts.adam(0.01, 0.8, 0.95, 1e-3), {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3}),
    "Adam, defaults": (ts.adam(), {}),
    "Adam, amsgrad": (
        ts.amsgrad(0.01, 0.8, 0.9, 1e-3, variant="torch"),
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "amsgrad": True},
    ),
    "RMSprop": (ts.rmsprop(0.01, 0.9, 1e-3), {"lr": 0.01, "alpha": 0.9, "eps": 1e-3}),
    "Adagrad": (ts.adagrad(0.1, 1e-3), {"lr": 0.1, "eps": 1e-3}),
    "RMSprop, momentum": (
        ts.rmsprop_momentum(0.01, 0.9, 1e-3, 0.8),
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "momentum": 0.8},
    ),
    "RMSprop, centered": (
        ts.centered_rmsprop(0.01, 0.9, 1e-3),
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "centered": True},
    ),
    "RMSprop, both": (
        ts.centered_rmsprop(0.01, 0.9, 1e-3, 0.8),
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "centered": True, "momentum": 0.8},
    ),
    "SGD": (ts.sgd(0.02), {"lr": 0.02}),
    "SGD, momentum": (ts.sgdm(0.02, 0.9), {"lr": 0.02, "momentum": 0.9}),
    "SGD, Nesterov": (ts.nesterov(0.02, 0.9), {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "SGD, dampened": (ts.dampened_sgdm(0.02, 0.9, 0.7), {"lr": 0.02, "momentum": 0.9, "dampening": 0.7}),
}


@pytest.mark.parametrize("name", TORCH)
def test_same_iterates_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, arguments = TORCH[name]
    x = torch.tensor(START.tolist(), dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name.split(",")[0])([x], **arguments)
    theirs = []
    for t in range(1, STEPS + 1):
        x.grad = torch.tensor(gradient(x.tolist(), t), dtype=torch.float64)
        optimizer.step()
        theirs.append(x.tolist())
    close(path(ours)[0], np.array(theirs))


# --------------------------------------------------------------------------------------------------------------------
# References: scalar rules written from the papers, as sums over the gradients seen so far


def average(seen: list[float], beta: float, start: float = 0.0) -> float:
    """Exponential average beta^t start + (1 - beta) sum_s beta^(t-s) seen_s."""
    t = len(seen)
    return beta**t * start + math.fsum((1.0 - beta) * beta ** (t - 1 - s) * y for s, y in enumerate(seen))


def ratio(numerator: float, denominator: float) -> float:
    """0 where the denominator is 0: no gradient seen, no move."""
    return numerator / denominator if denominator else 0.0


def root(v: float, eps: float, eps_mode: str) -> float:
    return math.sqrt(v + eps) if eps_mode == "inside" else math.sqrt(v) + eps


def sgd_rule(lr: float) -> Change:
    return lambda g, t: -lr * g


def sgdm_rule(lr: float, momentum: float, convention: str = "heavy_ball", m0: float = 0.0) -> Change:
    seen: list[float] = []
    unit = 1.0 if convention == "heavy_ball" else 1.0 - momentum

    def change(g: float, t: int) -> float:
        seen.append(g)
        decayed = (momentum ** (t - 1 - s) * y for s, y in enumerate(seen))
        return -lr * (momentum**t * m0 + unit * math.fsum(decayed))

    return change


def nesterov_rule(lr: float, momentum: float, m0: float = 0.0) -> Change:
    seen: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append(g)
        decayed = (momentum ** (t - s) * y for s, y in enumerate(seen))
        return -lr * (g + momentum ** (t + 1) * m0 + math.fsum(decayed))

    return change


def dampened_sgdm_rule(lr: float, momentum: float, dampening: float) -> Change:
    seen: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append((1.0 - dampening) * g if seen else g)
        return -lr * math.fsum(momentum ** (t - 1 - s) * y for s, y in enumerate(seen))

    return change


def adam_rule(
    lr: float,
    beta1: float,
    beta2: float,
    eps: float = 1e-8,
    bias_correction: bool = True,
    eps_mode: str = "outside",
    m0: float = 0.0,
    v0: float = 0.0,
) -> Change:
    seen: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append(g)
        m, v = average(seen, beta1, m0), average([y * y for y in seen], beta2, v0)
        if bias_correction:
            m, v = m / (1.0 - beta1**t), v / (1.0 - beta2**t)
        return -lr * ratio(m, root(v, eps, eps_mode))

    return change


def amsgrad_rule(
    lr: float,
    beta1: float,
    beta2: float,
    eps: float = 0.0,
    variant: str = "paper",
    decay: float = 1.0,
    eps_mode: str = "outside",
) -> Change:
    seen: list[float] = []
    memory = {"m": 0.0, "top": 0.0}

    def change(g: float, t: int) -> float:
        seen.append(g)
        v = average([y * y for y in seen], beta2)
        beta1_t = beta1 * decay ** (t - 1)
        memory["m"] = beta1_t * memory["m"] + (1.0 - beta1_t) * g
        c1, c2 = 1.0 - beta1**t, 1.0 - beta2**t
        memory["top"] = max(memory["top"], v / c2 if variant == "optax" else v)
        m, top = memory["m"], memory["top"]
        if variant == "paper":
            return -lr * ratio(m, root(top, eps, eps_mode))
        if variant == "torch":
            return -lr * ratio(m / c1, root(top / c2, eps, eps_mode))
        if variant == "optax":
            return -lr * ratio(m / c1, root(top, eps, eps_mode))
        return -lr * math.sqrt(c2) / c1 * ratio(m, root(top, eps, eps_mode))

    return change


def adagrad_rule(lr: float, eps: float = 0.0, v0: float = 0.0) -> Change:
    seen: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append(g)
        return -lr * ratio(g, math.sqrt(v0 + math.fsum(y * y for y in seen)) + eps)

    return change


def rmsprop_rule(
    lr: float, beta2: float, eps: float = 0.0, eps_mode: str = "outside", v0: float = 0.0
) -> Change:
    return adam_rule(lr, 0.0, beta2, eps, False, eps_mode, 0.0, v0)


def rmsprop_momentum_rule(
    lr: float, beta2: float, eps: float, momentum: float, eps_mode: str = "outside", centered: bool = False
) -> Change:
    seen: list[float] = []
    moves: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append(g)
        v = average([y * y for y in seen], beta2)
        variance = max(v - average(seen, beta2) ** 2, 0.0) if centered else v
        moves.append(ratio(g, root(variance, eps, eps_mode)))
        return -lr * math.fsum(momentum ** (t - 1 - s) * y for s, y in enumerate(moves))

    return change


def centered_rmsprop_rule(**arguments: Any) -> Change:
    return rmsprop_momentum_rule(**arguments, centered=True)


def generic_adam_rule(
    lr: float, beta1: float, c: float, r: float, decay: float = 1.0, v0: float = 0.0
) -> Change:
    memory = {"m": 0.0, "v": v0}

    def change(g: float, t: int) -> float:
        theta = max(1.0 - c / t**r, 0.0)
        beta1_t = beta1 * decay ** (t - 1)
        memory["v"] = theta * memory["v"] + (1.0 - theta) * g * g
        memory["m"] = beta1_t * memory["m"] + (1.0 - beta1_t) * g
        return -lr * ratio(memory["m"], math.sqrt(memory["v"]))

    return change


def adam_nc_rule(lr: float, beta1: float, decay: float = 1.0) -> Change:
    seen: list[float] = []
    memory = {"m": 0.0}

    def change(g: float, t: int) -> float:
        seen.append(g)
        beta1_t = beta1 * decay ** (t - 1)
        memory["m"] = beta1_t * memory["m"] + (1.0 - beta1_t) * g
        return -lr * ratio(memory["m"], math.sqrt(math.fsum(y * y for y in seen) / t))

    return change


def adopt_rule(lr: float, beta1: float, beta2: float, eps: float = 1e-6, clipped: bool = False) -> Change:
    seen: list[float] = []
    normalized: list[float] = []

    def change(g: float, t: int) -> float:
        if not seen:  # v_0 = g_0^2
            seen.append(g)
            return 0.0
        v = average([y * y for y in seen[1:]], beta2, seen[0] ** 2)
        one, bound = ratio(g, max(math.sqrt(v), eps)), float(t - 1) ** 0.25
        normalized.append(math.copysign(min(abs(one), bound), one) if clipped else one)
        seen.append(g)
        return -lr * average(normalized, beta1)

    return change


def accumulating_adam_rule(lr: float, beta2: float, eps: float = 1e-8) -> Change:
    seen: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append(g)
        v = math.fsum(beta2 ** (t - 1 - s) * y * y for s, y in enumerate(seen))
        return -lr * math.sqrt((1.0 - beta2**t) / (1.0 - beta2)) * ratio(g, math.sqrt(eps + v))

    return change


def adashift_rule(lr: float, beta1: float, beta2: float, eps: float = 0.0, shift: int = 1) -> Change:
    seen: list[float] = []

    def change(g: float, t: int) -> float:
        seen.append(g)
        if t <= shift:
            return 0.0
        old = seen[: t - shift]
        v = average([y * y for y in old], beta2) / (1.0 - beta2 ** len(old))
        weights = [beta1**k for k in range(shift)]
        m = math.fsum(w * y for w, y in zip(weights, reversed(seen), strict=False)) / math.fsum(weights)
        return -lr * ratio(m, math.sqrt(v) + eps)

    return change


RULES: dict[str, Callable[..., Change]] = {
    "gd": sgd_rule,
    "sgd": sgd_rule,
    "sgdm": sgdm_rule,
    "nesterov": nesterov_rule,
    "dampened_sgdm": dampened_sgdm_rule,
    "adam": adam_rule,
    "amsgrad": amsgrad_rule,
    "adagrad": adagrad_rule,
    "rmsprop": rmsprop_rule,
    "rmsprop_momentum": rmsprop_momentum_rule,
    "centered_rmsprop": centered_rmsprop_rule,
    "generic_adam": generic_adam_rule,
    "adam_nc": adam_nc_rule,
    "adopt": adopt_rule,
    "adashift": adashift_rule,
    "accumulating_adam": accumulating_adam_rule,
}


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every constructor with every variant."""
    yield "gd", {"lr": 0.03}
    yield "sgd", {"lr": 0.03}
    for convention, m0 in itertools.product(("heavy_ball", "ema"), (0.0, 0.7)):
        yield "sgdm", {"lr": 0.02, "momentum": 0.8, "convention": convention, "m0": m0}
    for m0 in (0.0, 0.7):
        yield "nesterov", {"lr": 0.02, "momentum": 0.8, "m0": m0}
    for dampening in (0.0, 0.8, 1.0):
        yield "dampened_sgdm", {"lr": 0.02, "momentum": 0.8, "dampening": dampening}
    betas = {"lr": 0.02, "beta1": 0.8, "beta2": 0.93}
    modes = ("outside", "inside")
    for bias_correction, eps_mode, eps in itertools.product((True, False), modes, (0.0, 0.1)):
        choice = {"eps": eps, "bias_correction": bias_correction, "eps_mode": eps_mode}
        yield "adam", {**betas, **choice}
        yield "adam", {**betas, **choice, "m0": 0.5, "v0": 2.0}
    yield "adam", {"lr": 0.02, "beta1": 0.0, "beta2": 0.0, "eps": 0.0}
    yield "adam", {"lr": 0.001, "beta1": 0.9, "beta2": 0.999}
    for variant, eps_mode, eps in itertools.product(("paper", "torch", "optax", "keras"), modes, (0.0, 0.1)):
        yield "amsgrad", {**betas, "eps": eps, "variant": variant, "eps_mode": eps_mode}
    yield "amsgrad", {**betas, "decay": 0.9}
    for eps, v0 in itertools.product((0.0, 0.1), (0.0, 3.0)):
        yield "adagrad", {"lr": 0.1, "eps": eps, "v0": v0}
    for eps_mode, eps, v0 in itertools.product(modes, (0.0, 0.1), (0.0, 3.0)):
        yield "rmsprop", {"lr": 0.02, "beta2": 0.9, "eps": eps, "eps_mode": eps_mode, "v0": v0}
    for eps_mode, eps, mixed in itertools.product(modes, (0.01, 0.1), (0.0, 0.8)):
        choice = {"lr": 0.02, "beta2": 0.9, "eps": eps, "momentum": mixed, "eps_mode": eps_mode}
        yield "rmsprop_momentum", choice
        yield "centered_rmsprop", choice
    for c, r in ((0.1, 0.0), (1.0, 0.5), (0.5, 1.0), (3.0, 1.0)):  # 3/t > 1 at first: theta_t = 0
        yield "generic_adam", {"lr": 0.02, "beta1": 0.8, "c": c, "r": r}
    yield "generic_adam", {"lr": 0.02, "beta1": 0.8, "c": 0.5, "r": 0.5, "decay": 0.9, "v0": 1.5}
    for decay in (1.0, 0.9):
        yield "adam_nc", {"lr": 0.02, "beta1": 0.8, "decay": decay}
    for eps, clipped in itertools.product((0.0, 1e-6, 0.5), (False, True)):
        yield "adopt", {**betas, "eps": eps, "clipped": clipped}
    for shift, eps in itertools.product((1, 2, 3), (0.0, 0.1)):
        yield "adashift", {**betas, "eps": eps, "shift": shift}
    for eps in (0.0, 1e-8, 0.5):
        yield "accumulating_adam", {"lr": 0.02, "beta2": 0.93, "eps": eps}


def label(case: tuple[str, dict[str, Any]]) -> str:
    return f"{case[0]} " + " ".join(str(value) for value in case[1].values())


@pytest.mark.parametrize("case", list(cases()), ids=label)
def test_same_iterates_as_the_reference(case: tuple[str, dict[str, Any]]) -> None:
    name, arguments = case
    close(path(OPTIMIZERS[name](**arguments))[0], replayed(lambda: RULES[name](**arguments)))


def test_the_references_cover_every_constructor_and_argument() -> None:
    assert set(RULES) == {constructor.__name__ for constructor in COORDINATEWISE}
    used: dict[str, set[str]] = {}
    for name, arguments in cases():
        used.setdefault(name, set()).update(arguments)
    for constructor in COORDINATEWISE:
        assert used[constructor.__name__] == {*inspect.signature(constructor).parameters} - {"schedule"}


def test_schedules_scale_the_step() -> None:
    def change() -> Change:
        rule = adam_rule(0.1, 0.8, 0.93)
        return lambda g, t: rule(g, t) / math.sqrt(t)

    close(path(ts.adam(0.1, 0.8, 0.93, schedule=ts.power(0.5)))[0], replayed(change))


def test_moments_cannot_start_at_gradients_that_are_drawn() -> None:
    with pytest.raises(ValueError, match="drawn draws noise; give a number"):
        path(ts.adam(m0="mean_gradient"))


def test_bias_correction_is_accurate_for_beta_near_one() -> None:
    # 1 - beta^t = t (1 - beta) to 1e-7 here; 1 - beta**t would have lost nine digits.
    beta = 1.0 - 2.0**-40
    _, grid = path(ts.adam(0.01, beta, beta))
    for row in ("c1", "c2"):
        expected = -math.expm1(STEPS * math.log1p(-(2.0**-40)))
        assert grid.state_final.sel(row=row).values == pytest.approx(expected, rel=1e-13)


# --------------------------------------------------------------------------------------------------------------------
# Reductions between optimizers


def test_adam_without_memory_is_sign_descent() -> None:
    x, _ = path(ts.adam(0.125, 0.0, 0.0, 0.0, bias_correction=False))
    # lr = 1/8 and sqrt(g^2) = |g| are exact, so that every step is exactly 1/8 of the sign.
    assert np.array_equal(x, replayed(lambda: lambda g, t: -0.125 * ((g > 0) - (g < 0))))


@pytest.mark.parametrize("eps_mode", ["outside", "inside"])
def test_adam_without_momentum_is_rmsprop(eps_mode: str) -> None:
    plain = ts.adam(0.02, 0.0, 0.9, 0.01, bias_correction=False, eps_mode=eps_mode)
    assert np.array_equal(path(plain)[0], path(ts.rmsprop(0.02, 0.9, 0.01, eps_mode=eps_mode))[0])


def test_generic_adam_with_constant_weights_is_adam() -> None:
    # beta2 = 7/8: 1 - c = beta2 without rounding.
    plain = ts.adam(0.02, 0.8, 0.875, 0.0, bias_correction=False, v0=0.5)
    assert np.array_equal(path(plain)[0], path(ts.generic_adam(0.02, 0.8, 0.125, 0.0, v0=0.5))[0])


def test_adam_nc_keeps_the_mean_of_squares() -> None:
    _, grid = path(ts.adam_nc(0.02), pull=0.0)
    squares = [[g * g for g in gradient([0.0] * D, t, 0.0)] for t in range(1, STEPS + 1)]
    np.testing.assert_allclose(grid.state_final.sel(row="v").values[0], np.mean(squares, axis=0), rtol=1e-12)


def test_adagrad_is_adam_nc_without_momentum_at_decaying_steps() -> None:
    # Reddi et al. write AdaGrad with the mean of squares and alpha/sqrt(t).
    close(path(ts.adagrad(0.1))[0], path(ts.adam_nc(0.1, 0.0, schedule=ts.power(0.5)))[0])


def test_accumulating_adam_is_adam_without_momentum() -> None:
    close(path(ts.accumulating_adam(0.02, 0.93, 0.0))[0], path(ts.adam(0.02, 0.0, 0.93, 0.0))[0])


def test_the_two_momentum_conventions_differ_by_the_step() -> None:
    heavy_ball, ema = ts.sgdm(0.02, 0.75), ts.sgdm(0.02 / 0.25, 0.75, convention="ema")
    close(path(heavy_ball)[0], path(ema)[0])
    assert np.abs(path(heavy_ball)[0] - path(ema.replace(lr=0.02))[0]).max() > 0.1


def test_sgdm_without_momentum_is_sgd() -> None:
    for convention in ("heavy_ball", "ema"):
        assert np.array_equal(path(ts.sgdm(0.02, 0.0, convention=convention))[0], path(ts.sgd(0.02))[0])


def test_the_four_amsgrads_are_four_algorithms() -> None:
    paths = {name: path(ts.amsgrad(0.02, 0.8, 0.9, 0.1, variant=name))[0] for name in adam.AMSGRAD_VARIANTS}
    for one, other in itertools.combinations(paths, 2):
        assert np.abs(paths[one] - paths[other]).max() > 1e-3, (one, other)


def test_keras_and_torch_amsgrad_differ_in_eps_only() -> None:
    exact = [path(ts.amsgrad(0.02, 0.8, 0.9, 0.0, variant=name))[0] for name in ("keras", "torch")]
    close(*exact)


def test_the_maximum_matters() -> None:
    plain = path(ts.adam(0.02, 0.8, 0.9, 0.0, bias_correction=False))[0]
    assert np.abs(plain - path(ts.amsgrad(0.02, 0.8, 0.9))[0]).max() > 1e-2


@pytest.mark.parametrize(("name", "arguments"), list(cases()), ids=map(label, cases()))
def test_replace_keeps_everything_else(name: str, arguments: dict[str, Any]) -> None:
    optimizer = OPTIMIZERS[name](**arguments, schedule=ts.power(0.25))
    changed = optimizer.replace(lr=0.5)
    assert (changed.lr, optimizer.lr) == (0.5, arguments["lr"])
    for field in ("step", "hyper", "rows", "initial", "variant", "schedule", "paper"):
        assert getattr(changed, field) == getattr(optimizer, field), field

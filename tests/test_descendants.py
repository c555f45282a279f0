"""Descendants of Adam, cautious and schedule-free methods against papers, torch, optax, pytorch_optimizer."""

from __future__ import annotations

import importlib
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
from theory_sim.optimizers import OPTIMIZERS, cautious, descendants, schedule_free

STEPS = 300
D = 6
START = np.linspace(-1.0, 2.0, D)
CONSTRUCTORS = [*descendants.OPTIMIZERS, *cautious.OPTIMIZERS, *schedule_free.OPTIMIZERS]
Array = np.ndarray
Step = Callable[[Array, int, Array], Array]  # of the gradient, t and x


NOISE = Noise("flat", lambda u: 0.0 if u < 0.2 else 4.0 * u - 2.4)


def drawn_gradient(x: float, i: int, noise: float) -> float:
    """Pure noise, often 0, in the first coordinate; the others are pulled to 0."""
    return noise + 0.05 * i * x


PROBLEM = ts.Problem("drawn", drawn_gradient, dim=D, noise=NOISE)


@cache
def draws(t: int) -> Array:
    uniforms = (random.uniform_at(int(random.key(0, 0)), t, 1 + i) for i in range(D))
    return np.array([0.0 if u < 0.2 else 4.0 * u - 2.4 for u in uniforms])


def gradient(x: Array, t: int) -> Array:
    """What `drawn_gradient` gives."""
    return draws(t) + 0.05 * np.arange(D) * x


def path(optimizer: ts.Optimizer) -> Any:
    """The Dataset of iterates x_2 ... x_{STEPS+1}."""
    return ts.simulate(PROBLEM, optimizer, steps=STEPS, x0=START.tolist(), checkpoints=range(1, STEPS + 1))


def followed(step: Step) -> Array:
    x, out = START, []
    for t in range(1, STEPS + 1):
        x = step(gradient(x, t), t, x)
        out.append(x)
    return np.array(out)


def close(ours: Any, theirs: Any) -> None:
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------------------------------
# References from the papers: averages as sums over all that was seen, powers as powers


class History(list[Array]):
    """What was seen so far, and its exponential averages."""

    def average(self, beta: float, start: float = 0.0) -> Array:
        t = len(self)
        weights = (1.0 - beta) * beta ** np.arange(t - 1.0, -1.0, -1.0)
        return beta**t * start + np.tensordot(weights, np.array(self), 1)

    def corrected(self, beta: float) -> Array:
        return self.average(beta) / (1.0 - beta ** len(self))


def ratio(numerator: Array, denominator: Array) -> Array:
    """0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(D), where=denominator != 0.0)


def masked(update: Array, g: Array, rescale: bool) -> Array:
    """Update coordinates that have the sign of the gradient; rescaled by d/(k + 1)."""
    kept = (np.sign(update) == np.sign(g)) & (g != 0.0)
    return np.where(kept, update, 0.0) * (D / (kept.sum() + 1.0) if rescale else 1.0)


def adamw(
    lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    mask: Callable[..., Array] | None = None,
) -> Step:  # fmt: skip
    seen, squares = History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        squares.append(g * g)
        update = ratio(seen.corrected(beta1), np.sqrt(squares.corrected(beta2)) + eps)
        return (1.0 - lr * weight_decay) * x - lr * (mask(update, g) if mask else update)

    return step


def nadam(lr: float, beta1: float, beta2: float, eps: float, momentum_decay: float) -> Step:
    seen, squares = History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        squares.append(g * g)
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (momentum_decay * np.arange(1, t + 2)))
        mhat = mu[t] * seen.average(beta1) / (1.0 - mu.prod()) + (1.0 - mu[t - 1]) * g / (
            1.0 - mu[:-1].prod()
        )
        return x - lr * ratio(mhat, np.sqrt(squares.corrected(beta2)) + eps)

    return step


def radam(lr: float, beta1: float, beta2: float, eps: float, threshold: float) -> Step:
    seen, squares = History(), History()
    longest = 2.0 / (1.0 - beta2) - 1.0

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        squares.append(g * g)
        rho = longest - 2.0 * t * beta2**t / (1.0 - beta2**t)
        if rho <= threshold:
            return x - lr * seen.corrected(beta1)
        r = math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
        l_t = ratio(np.full(D, math.sqrt(1.0 - beta2**t)), np.sqrt(squares.average(beta2)) + eps)
        return x - lr * r * seen.corrected(beta1) * l_t

    return step


def adamax(lr: float, beta1: float, beta2: float, eps: float) -> Step:
    seen = History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        ages = beta2 ** np.arange(t - 1.0, -1.0, -1.0)
        return x - lr * ratio(seen.corrected(beta1), (ages[:, None] * (np.abs(seen) + eps)).max(axis=0))

    return step


def adabelief(lr: float, beta1: float, beta2: float, eps: float) -> Step:
    seen, beliefs = History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        beliefs.append((g - seen.average(beta1)) ** 2 + eps / (1.0 - beta2))
        return x - lr * ratio(seen.corrected(beta1), np.sqrt(beliefs.corrected(beta2)) + eps)

    return step


def yogi(
    lr: float, beta1: float, beta2: float, eps: float, bias_correction: bool = True, m0: float = 0.0,
    v0: float = 1e-6,
) -> Step:  # fmt: skip
    seen, v = History(), np.full(D, v0)

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        v[:] = np.where(v < g * g, v + (1 - beta2) * g * g, np.where(v > g * g, v - (1 - beta2) * g * g, v))
        c1, c2 = (1.0 - beta1**t, 1.0 - beta2**t) if bias_correction else (1.0, 1.0)
        return x - lr * ratio(seen.average(beta1, m0) / c1, np.sqrt(v / c2) + eps)

    return step


def adabound(lr: float, beta1: float, beta2: float, eps: float, final_lr: float, gamma: float) -> Step:
    seen, squares = History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        squares.append(g * g)
        with np.errstate(divide="ignore"):
            rate = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) / (np.sqrt(squares.average(beta2)) + eps)
        rate = np.clip(rate, final_lr - final_lr / (gamma * t + 1), final_lr + final_lr / (gamma * t))
        return x - rate * seen.average(beta1)

    return step


def bounded_adam(lr: float, beta1: float, beta2: float, low: float, high: float, gamma: float) -> Step:
    seen, squares = History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        squares.append(g * g)
        with np.errstate(divide="ignore"):
            rate = 1.0 / np.sqrt(squares.average(beta2))
        shrunk = (high - low) / (2.0 * (gamma * t + 1.0))
        rate = np.clip(rate, (low + high) / 2.0 - shrunk, (low + high) / 2.0 + shrunk)
        return x - lr * rate * seen.average(beta1)

    return step


def adan(lr: float, beta1: float, beta2: float, beta3: float, eps: float, weight_decay: float = 0.0) -> Step:
    seen, changes, squares = History(), History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        changes.append(g - (seen[-1] if seen else g))
        seen.append(g)
        squares.append((g + beta2 * changes[-1]) ** 2)
        update = seen.corrected(beta1) + beta2 * changes.corrected(beta2)
        return (x - lr * ratio(update, np.sqrt(squares.corrected(beta3)) + eps)) / (1.0 + weight_decay * lr)

    return step


def ademamix(
    lr: float, beta1: float, beta2: float, beta3: float, alpha: float, eps: float, weight_decay: float
) -> Step:
    seen, squares = History(), History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        squares.append(g * g)
        update = seen.corrected(beta1) + alpha * seen.average(beta3)
        return x - lr * (ratio(update, np.sqrt(squares.corrected(beta2)) + eps) + weight_decay * x)

    return step


def cautious_adamw(rescale: bool = False, **arguments: float) -> Step:
    return adamw(**arguments, mask=lambda update, g: masked(update, g, rescale))


def cautious_lion(
    lr: float, beta1: float, beta2: float, weight_decay: float, at_zero: float = 0.0, rescale: bool = False
) -> Step:
    seen = History()

    def step(g: Array, t: int, x: Array) -> Array:
        m = seen.average(beta2) if seen else np.zeros(D)
        seen.append(g)
        c = beta1 * m + (1.0 - beta1) * g  # where it is 0 the update is masked, whatever its sign
        return x - lr * (masked(np.sign(c), g, rescale) + weight_decay * x)

    return step


def cautious_sgdm(lr: float, momentum: float, rescale: bool = False) -> Step:
    seen = History()

    def step(g: Array, t: int, x: Array) -> Array:
        seen.append(g)
        return x - lr * masked(seen.average(momentum) / (1.0 - momentum), g, rescale)

    return step


def averaged(lr: float, beta: float, update: Step) -> Step:
    """Schedule-free form of a method without momentum: y from the mean of z_2, ..., z_{t+1}."""
    z = [START]

    def step(g: Array, t: int, y: Array) -> Array:
        z.append(z[-1] - lr * update(g, t, y))
        return (1.0 - beta) * z[-1] + beta * np.mean(z[1:], axis=0)

    return step


def schedule_free_sgd(lr: float, beta: float) -> Step:
    return averaged(lr, beta, lambda g, t, y: g)


def schedule_free_adamw(lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Step:
    squares = History()

    def update(g: Array, t: int, y: Array) -> Array:
        squares.append(g * g)
        return ratio(g, np.sqrt(squares.corrected(beta2)) + eps) + weight_decay * y

    return averaged(lr, beta1, update)


REFERENCES: dict[str, Callable[..., Step]] = {
    one.__name__: one
    for one in (adamw, nadam, radam, adamax, adabelief, yogi, adabound, bounded_adam, adan, ademamix, cautious_adamw,
                cautious_lion, cautious_sgdm, schedule_free_sgd, schedule_free_adamw)
}  # fmt: skip


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every constructor with every choice."""
    betas = {"lr": 0.02, "beta1": 0.8, "beta2": 0.93}
    for eps, weight_decay in itertools.product((0.0, 0.1), (0.0, 0.3)):
        decayed = {"eps": eps, "weight_decay": weight_decay}
        yield "adamw", {**betas, **decayed}
        yield "adan", {**betas, "beta3": 0.95, **decayed}
        yield "ademamix", {**betas, "beta3": 0.99, "alpha": 2.0, **decayed}
        yield "schedule_free_adamw", {**betas, **decayed}
        for rescale in (False, True):
            yield "cautious_adamw", {**betas, **decayed, "rescale": rescale}
    for low, high in ((0.3, 2.0), (0.7, 0.7), (1e-3, 1e3)):
        yield "bounded_adam", {**betas, "low": low, "high": high, "gamma": 0.1}
    for eps in (0.0, 0.1):
        for momentum_decay in (0.0, 0.004, 1.0):
            yield "nadam", {**betas, "eps": eps, "momentum_decay": momentum_decay}
        for threshold in (4.0, 5.0, 20.0):
            yield "radam", {**betas, "eps": eps, "threshold": threshold}
        yield "adamax", {**betas, "eps": eps}
        yield "yogi", {**betas, "eps": eps or 0.01, "bias_correction": True, "m0": 0.5, "v0": 2.0}
        yield "yogi", {**betas, "eps": eps or 0.01, "bias_correction": False, "v0": 0.1}
        yield "adabound", {**betas, "eps": eps, "final_lr": 0.05, "gamma": 0.01}
    for eps in (1e-4, 0.1):
        yield "adabelief", {**betas, "eps": eps}
    for at_zero, weight_decay, rescale in itertools.product((0.0, 1.0), (0.0, 0.3), (False, True)):
        choice = {"at_zero": at_zero, "weight_decay": weight_decay, "rescale": rescale}
        yield "cautious_lion", {**betas, **choice}
    for rescale in (False, True):
        yield "cautious_sgdm", {"lr": 0.02, "momentum": 0.8, "rescale": rescale}
    for beta in (0.0, 0.5, 0.9):
        yield "schedule_free_sgd", {"lr": 0.1, "beta": beta}


@pytest.mark.parametrize(("name", "arguments"), list(cases()), ids=str)
def test_same_iterates_as_the_reference(name: str, arguments: dict[str, Any]) -> None:
    close(path(OPTIMIZERS[name](**arguments)).x.values[0], followed(REFERENCES[name](**arguments)))


def test_the_references_cover_every_constructor_and_argument() -> None:
    assert set(REFERENCES) == {constructor.__name__ for constructor in CONSTRUCTORS}
    used: dict[str, set[str]] = {}
    for name, arguments in cases():
        used.setdefault(name, set()).update(arguments)
    for constructor in CONSTRUCTORS:
        assert used[constructor.__name__] == {*inspect.signature(constructor).parameters} - {"schedule"}


# ------------------------------------------------------------------------------------------------------------
# Libraries

B = (0.8, 0.93)
TORCH = {
    "AdamW": (ts.adamw(0.02, *B, 1e-3, 0.3), {"lr": 0.02, "betas": B, "eps": 1e-3, "weight_decay": 0.3}),
    "AdamW, defaults": (ts.adamw(), {}),
    "NAdam": (
        ts.nadam(0.02, *B, 1e-3, 0.1), {"lr": 0.02, "betas": B, "eps": 1e-3, "momentum_decay": 0.1},
    ),
    "NAdam, defaults": (ts.nadam(), {}),
    "RAdam": (ts.radam(0.02, *B, 1e-3), {"lr": 0.02, "betas": B, "eps": 1e-3}),
    "RAdam, defaults": (ts.radam(), {}),
    "Adamax": (ts.adamax(0.02, *B, 1e-3), {"lr": 0.02, "betas": B, "eps": 1e-3}),
    "Adamax, defaults": (ts.adamax(), {}),
}  # fmt: skip


def by_torch(make: Callable[[list[Any]], Any]) -> Step:
    """The step of an optimizer of torch that is made from its parameters."""
    import torch

    x = torch.tensor(START.tolist(), dtype=torch.float64, requires_grad=True)
    optimizer = make([x])

    def step(g: Array, t: int, _: Array) -> Array:
        x.grad = torch.from_numpy(g.copy())
        optimizer.step()
        return x.detach().numpy().copy()

    return step


@pytest.fixture
def double() -> Iterator[None]:
    """torch keeps NAdam's product of mu_t in single precision, unless its default is double."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", TORCH)
def test_same_iterates_as_torch(name: str) -> None:
    import torch

    ours, arguments = TORCH[name]
    make = getattr(torch.optim, name.split(",")[0])
    close(path(ours).x.values[0], followed(by_torch(lambda params: make(params, **arguments))))


ADAM = {"b1": 0.8, "b2": 0.93, "eps": 1e-3}
OPTAX: dict[str, tuple[ts.Optimizer, Callable[[Any], Any]]] = {
    "adamw": (ts.adamw(0.02, *B, 1e-3, 0.3), lambda optax: optax.adamw(0.02, **ADAM, weight_decay=0.3)),
    "adamax": (ts.adamax(0.02, *B, 1e-3), lambda optax: optax.adamax(0.02, **ADAM)),
    "adabelief": (
        ts.adabelief(0.02, *B, 1e-3),
        lambda optax: optax.adabelief(0.02, **ADAM, eps_root=1e-3),
    ),
    "adabelief, defaults": (ts.adabelief(), lambda optax: optax.adabelief(0.001)),
    "yogi": (ts.yogi(0.02, *B, 1e-3, m0=1e-6), lambda optax: optax.yogi(0.02, **ADAM)),
    "ademamix": (
        ts.ademamix(0.02, *B, 0.99, 2.0, 1e-3, 0.3),
        lambda optax: optax.contrib.ademamix(0.02, **ADAM, b3=0.99, alpha=2.0, weight_decay=0.3),
    ),
    "adopt": (ts.adopt(0.02, *B, 1e-3), lambda optax: optax.contrib.adopt(0.02, **ADAM, use_clipping=False)),
    "adopt, clipped": (
        ts.adopt(0.02, *B, 1e-3, clipped=True),
        lambda optax: optax.contrib.adopt(0.02, **ADAM),
    ),
    "nesterov": (ts.nesterov(0.02, 0.9), lambda optax: optax.sgd(0.02, 0.9, nesterov=True)),
    "rmsprop, momentum": (
        ts.rmsprop_momentum(0.02, 0.9, 1e-3, 0.8, eps_mode="inside"),
        lambda optax: optax.rmsprop(0.02, 0.9, 1e-3, momentum=0.8),
    ),
    "rmsprop, centered": (
        ts.centered_rmsprop(0.02, 0.9, 1e-3, 0.8),
        lambda optax: optax.rmsprop(0.02, 0.9, 1e-3, momentum=0.8, centered=True, eps_in_sqrt=False),
    ),
    "schedule-free SGD": (
        ts.schedule_free_sgd(0.1, 0.8),
        lambda optax: optax.contrib.schedule_free_sgd(0.1, b1=0.8),
    ),
    "schedule-free AdamW": (
        ts.schedule_free_adamw(0.02, *B, 1e-3, 0.3),
        lambda optax: optax.contrib.schedule_free_adamw(0.02, **ADAM, weight_decay=0.3),
    ),
}


def by_optax(make: Callable[[Any], Any]) -> Step:
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    jax.config.update("jax_enable_x64", True)
    importlib.import_module("optax.contrib")
    transformation = make(optax)
    memory = {"state": transformation.init(jax.numpy.asarray(START))}
    update = jax.jit(transformation.update)

    def step(g: Array, t: int, x: Array) -> Array:
        moves, memory["state"] = update(jax.numpy.asarray(g), memory["state"], jax.numpy.asarray(x))
        return x + np.asarray(moves)

    return step


@pytest.mark.parametrize("name", OPTAX)
def test_same_iterates_as_optax(name: str) -> None:
    pytest.importorskip("optax")
    ours, make = OPTAX[name]
    close(path(ours).x.values[0], followed(by_optax(make)))


COMMON = {"lr": 0.02, "betas": B, "eps": 1e-3}
PYTORCH_OPTIMIZER = {
    "AdaBelief": (ts.adabelief(0.02, *B, 1e-3), COMMON),
    "Yogi": (ts.yogi(0.02, *B, 1e-3, m0=1e-6), COMMON),
    "AdaBound": (ts.adabound(0.02, *B, 1e-3, 0.05, 0.01), {**COMMON, "final_lr": 0.05, "gamma": 0.01}),
    "Adan": (
        ts.adan(0.02, *B, 0.95, 1e-3, 0.3),
        {**COMMON, "betas": (*B, 0.95), "weight_decay": 0.3},
    ),
    "AdEMAMix": (
        ts.ademamix(0.02, *B, 0.99, 2.0, 1e-3, 0.3),
        {**COMMON, "betas": (*B, 0.99), "alpha": 2.0, "weight_decay": 0.3, "weight_decouple": True},
    ),
    # AdEMAMix without its slow average is AdamW, and has the mask that its AdamW lacks.
    "AdEMAMix, cautious": (
        ts.cautious_adamw(0.02, *B, 1e-3, 0.3, rescale=True),
        {
            **COMMON,
            "betas": (*B, 0.99),
            "alpha": 0.0,
            "weight_decay": 0.3,
            "weight_decouple": True,
            "cautious": True,
        },
    ),
    "Lion, cautious": (
        ts.cautious_lion(0.02, *B, 0.3, rescale=True),
        {"lr": 0.02, "betas": B, "weight_decay": 0.3, "cautious": True},
    ),
    "ScheduleFreeSGD": (ts.schedule_free_sgd(0.1, 0.8), {"lr": 0.1, "momentum": 0.8}),
    "ScheduleFreeAdamW": (
        ts.schedule_free_adamw(0.02, *B, 1e-3, 0.3),
        {**COMMON, "weight_decay": 0.3},
    ),
}


@pytest.mark.parametrize("name", PYTORCH_OPTIMIZER)
def test_same_iterates_as_pytorch_optimizer(name: str) -> None:
    library = pytest.importorskip("pytorch_optimizer")
    ours, arguments = PYTORCH_OPTIMIZER[name]
    make = getattr(library, name.split(",")[0])
    close(path(ours).x.values[0], followed(by_torch(lambda params: make(params, **arguments))))


# ------------------------------------------------------------------------------------------------------------
# Reductions between optimizers


def same(one: ts.Optimizer, other: ts.Optimizer) -> None:
    close(path(one).x.values[0], path(other).x.values[0])


def test_without_its_own_part_each_is_what_it_descends_from() -> None:
    adam = ts.adam(0.02, 0.8, 0.93, 1e-3)
    same(ts.adamw(0.02, 0.8, 0.93, 1e-3, 0.0), adam)
    same(ts.ademamix(0.02, 0.8, 0.93, 0.99, 0.0, 1e-3), adam)
    same(ts.adan(0.02, 0.8, 0.0, 0.93, 1e-3), adam)
    same(ts.adabound(0.02, 0.0, 0.9, final_lr=0.05, gamma=1e12), ts.sgd(0.05))
    same(ts.schedule_free_adamw(0.02, 0.0, 0.93, 1e-3, 0.3), ts.adamw(0.02, 0.0, 0.93, 1e-3, 0.3))


def test_the_average_of_schedule_free_methods_is_the_mean_of_z() -> None:
    grid = path(ts.schedule_free_sgd(0.1, 0.0))  # beta = 0: y is z
    average = grid.state_final.sel(row="average").values[0]
    close(average, grid.x.values[0].mean(axis=0))


def test_one_coordinate_is_kept_whole_or_not_at_all() -> None:
    # Rescaled with d = 1 the factor is 1/2: the same path at twice the step size.
    for name, arguments in (("cautious_sgdm", {}), ("cautious_adamw", {"weight_decay": 0.0})):
        problem = ts.Problem("one", drawn_gradient, noise=NOISE)
        plain, halved = (
            ts.simulate(
                problem,
                OPTIMIZERS[name](lr, rescale=rescale, **arguments),
                steps=STEPS,
                x0=1.0,
                checkpoints=50,
            )
            for lr, rescale in ((0.01, False), (0.02, True))
        )
        close(plain.x.values, halved.x.values)


def test_tensors_are_rescaled_as_lanes_are() -> None:
    pytest.importorskip("torch")
    from theory_sim.torch_bridge import torch_optimizer

    for constructor in cautious.OPTIMIZERS:
        method = constructor(0.02, rescale=True)
        close(path(method).x.values[0], followed(by_torch(torch_optimizer(method))))


def test_the_mask_matters() -> None:
    for masked_one, plain in (
        (ts.cautious_sgdm(0.02), ts.sgdm(0.02)),
        (ts.cautious_lion(0.02), ts.lion(0.02)),
        (ts.cautious_adamw(0.02), ts.adamw(0.02)),
    ):
        assert np.abs(path(masked_one).x.values - path(plain).x.values).max() > 0.1


def test_a_box_would_not_confine_schedule_free_methods() -> None:
    from counterexamples import reddi

    with pytest.raises(ValueError, match="outside the box"):
        ts.simulate(reddi.periodic(3.0), ts.schedule_free_sgd(), steps=3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ts.adamw(weight_decay=-1.0), r"weight_decay = -1.0 must be a finite number in \[0, inf\)"),
        (lambda: ts.nadam(momentum_decay=-1.0), "momentum_decay = -1.0 must be"),
        (lambda: ts.radam(threshold=3.0), r"threshold = 3.0 must be a finite number in \[4, inf\)"),
        (lambda: ts.adan(beta3=1.0), "beta3 = 1.0 must be"),
        (lambda: ts.ademamix(alpha=-1.0), "alpha = -1.0 must be"),
        (lambda: ts.adabound(final_lr=0.0), "final_lr = 0.0 must be"),
        (lambda: ts.adabound(gamma=0.0), "gamma = 0.0 must be"),
        (lambda: ts.yogi(v0=-1.0), "v0 = -1.0 must be"),
        (lambda: ts.yogi(bias_correction=1), "bias_correction = 1 must be True or False"),
        (lambda: ts.cautious_lion(rescale="mean"), "rescale = 'mean' must be True or False"),
        (lambda: ts.adopt(clipped=0.25), "clipped = 0.25 must be True or False"),
        (lambda: ts.dampened_sgdm(dampening=1.5), "dampening = 1.5 must be"),
    ],
)
def test_rules_of_single_arguments(build: Callable[[], ts.Optimizer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_bounds_of_adabound_follow_the_schedule_and_not_the_step_size() -> None:
    sweep = ts.Sweep(PROBLEM, ts.adabound(0.02), {"lr": [0.01, 0.02]}, steps=STEPS, x0=START.tolist())
    alone = [path(ts.adabound(lr)).x.values[0][-1] for lr in (0.01, 0.02)]
    assert np.array_equal(sweep.run().x_final.values[:, 0], alone)
    # With gamma this large every rate is final_lr, here at step t final_lr/sqrt(t).
    bounded = ts.adabound(0.02, 0.0, 0.9, final_lr=0.05, gamma=1e14, schedule=ts.power(0.5))
    same(bounded, ts.sgd(0.05, schedule=ts.power(0.5)))

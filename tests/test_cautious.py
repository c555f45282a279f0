"""Cautious masks on any base method, against the published definition and the methods that are written out."""

import importlib.util
import inspect
import math
import os
from collections.abc import Callable

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import sign
from theory_sim.nouns.noise import NORMAL
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules.language import text

D, STEPS, LR = 5, 120, 0.05
START = (1.0, -2.0, 0.5, 3.0, -0.3)
Array = np.ndarray
FULL = os.environ.get("THEORY_SIM_TIER") == "full"
COMPILED = ("[adam-False]", "[adam-True]")


@pytest.fixture(autouse=True)
def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the rules as Python, but one base with both masks: to compile sixty takes a minute."""
    from numba import config

    if not FULL and not request.node.name.endswith(COMPILED):
        monkeypatch.setattr(config, "DISABLE_JIT", 1)


def slope(x: float, noise: float, curvature: float) -> float:
    return curvature * x + noise


NOISY = ts.Problem(
    "noisy", slope, {"curvature": (1.0, 3.0, 0.2, 0.7, 2.0), "sigma": 1.0}, dim=D, noise=NORMAL, start=START
)


def gradients_of(run: Callable[[Array, int], Array]) -> Array:
    """Follow a step (g, t) -> change of x on the stream of `NOISY`, and return the path."""
    stream, x, path = NOISY.stream(), np.array([START]), []
    for t in range(1, STEPS + 1):
        x = x + run(stream.gradient(x, t)[0], t)
        path.append(x[0])
    return np.array(path)


def rmsprop() -> Callable[[Array, int], Array]:
    v = np.zeros(D)

    def update(g: Array, t: int) -> Array:
        v[:] = 0.9 * v + 0.1 * g * g
        return g / (np.sqrt(v) + 1e-3)

    return update


def adam(beta1: float = 0.8, beta2: float = 0.95, belief: bool = False) -> Callable[[Array, int], Array]:
    """Adam, or AdaBelief, whose second moment is about the first (arXiv:2010.07468, Algorithm 2)."""
    m, v = np.zeros(D), np.zeros(D)

    def update(g: Array, t: int) -> Array:
        m[:] = beta1 * m + (1.0 - beta1) * g
        square = (g - m) ** 2 if belief else g * g
        v[:] = beta2 * v + (1.0 - beta2) * square + (1e-3 if belief else 0.0)
        return m / (1.0 - beta1**t) / (np.sqrt(v / (1.0 - beta2**t)) + 1e-3)

    return update


def adamax(beta1: float = 0.8, beta2: float = 0.95) -> Callable[[Array, int], Array]:
    m, u = np.zeros(D), np.zeros(D)

    def update(g: Array, t: int) -> Array:
        m[:] = beta1 * m + (1.0 - beta1) * g
        u[:] = np.maximum(beta2 * u, np.abs(g))
        return m / (1.0 - beta1**t) / u

    return update


B = {"beta1": 0.8, "beta2": 0.95}
BASES = {
    "adam": (ts.adam(LR, **B, eps=1e-3), adam),
    "adabelief": (ts.adabelief(LR, **B, eps=1e-3), lambda: adam(belief=True)),
    "adamax": (ts.adamax(LR, **B, eps=0.0), adamax),
    "rmsprop": (ts.rmsprop(LR, 0.9, 1e-3), rmsprop),
}


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("name", BASES)
def test_any_base_is_masked_as_published(name: str, rescale: bool) -> None:
    """Liang et al. 2024, Algorithm 1: x - lr alpha mask u with mask = [u g > 0] and alpha = d/(k + 1)."""
    base, make = BASES[name]
    update = make()

    def run(g: Array, t: int) -> Array:
        u = update(g, t)
        kept = u * g > 0.0
        return -LR * (D / (kept.sum() + 1.0) if rescale else 1.0) * kept * u

    expected = gradients_of(run)
    every = range(1, STEPS + 1)
    found = ts.Sweep(NOISY, ts.cautious(base, rescale=rescale), steps=STEPS, checkpoints=every).run()
    # x - x' loses what lr u is below the digits of x, 1e-16; the noisy path is contracting.
    np.testing.assert_allclose(found.x.values.reshape(STEPS, D), expected, rtol=0.0, atol=1e-12)
    free = ts.Sweep(NOISY, base, steps=STEPS, checkpoints=every).run()
    masks = name != "rmsprop"  # whose update always has the sign of g
    assert rescale or masks == (np.abs(found.x.values - free.x.values).max() > 1e-3)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize(
    ("base", "written"),
    [
        (ts.adamw(LR, **B, weight_decay=0.3), ts.cautious_adamw(LR, **B, weight_decay=0.3)),
        (ts.lion(LR, 0.8, 0.9, 0.3), ts.cautious_lion(LR, 0.8, 0.9, 0.3)),
        (ts.sgdm(LR), ts.cautious_sgdm(LR)),
    ],
)
def test_it_takes_the_steps_of_the_methods_that_are_written_out(
    base: ts.Optimizer, written: ts.Optimizer, rescale: bool
) -> None:
    """Decay too: it is not masked."""
    one, other = (
        ts.Sweep(NOISY, made, steps=STEPS).run()
        for made in (ts.cautious(base, rescale=rescale), written.replace(rescale=rescale))
    )
    np.testing.assert_allclose(one.x_final, other.x_final, rtol=0.0, atol=1e-13)  # as above
    rows = [row for row in one.row.values if row != "scale"]
    np.testing.assert_allclose(one.state_final.sel(row=rows), other.state_final.sel(row=rows), rtol=1e-9)


MASKABLE = [
    name
    for name, made in OPTIMIZERS.items()
    if not name.startswith("cautious") and made().up is None and made().is_rule
    and not made().sees_workers and not made().boxless
]  # fmt: skip


def test_every_rule_at_one_coordinate_can_be_masked() -> None:
    assert len(MASKABLE) >= 30
    for name in MASKABLE:
        base = OPTIMIZERS[name]()
        made = ts.cautious(base)
        assert made.rows == base.rows
        assert made.axes == (*base.axes, "rescale")
        grid = ts.Sweep(sign.quadratic(d=2), made, steps=3).run()
        assert np.isfinite(grid.x_final.values).all(), name


def test_hyperparameters_are_those_of_the_base() -> None:
    made = ts.cautious(ts.nadam(0.1, beta1=0.8))
    assert made.replace(beta1=0.5).hyper["beta1"] == 0.5
    assert made.replace(beta1=0.5, rescale=True).variant["rescale"] == "true"
    assert str(made).startswith("cautious(nadam)(lr=0.1, beta1=0.8")
    with pytest.raises(ValueError, match="beta1 = 1"):
        made.replace(beta1=1.0)
    grid = ts.Sweep(NOISY, made, {"beta1": [0.0, 0.8]}, steps=20).run()
    one = ts.Sweep(NOISY, made.replace(beta1=0.0), steps=20).run()
    np.testing.assert_array_equal(grid.x_final.sel(beta1=0.0), one.x_final)


def test_a_rule_of_ones_own_is_masked_and_shown() -> None:
    def own(g: float, lr: float, x: float, m: float, pull: float = 0.5) -> tuple[float, float]:
        return x - lr * m * pull, g

    made = ts.cautious(ts.Optimizer("Own", own, 0.1, rows=("m",)))
    assert "chosen(x, new, plain, g)" in text(made.step)
    assert [*inspect.signature(made.step).parameters] == ["g", "lr", "x", "m", "pull"]
    one = ts.Problem("one", lambda t: 1.0 if t < 3 else -1.0)
    # m is the gradient before: 0, 1, 1, -1; the masks are 0, 1, 0, 1, so x falls by .05 and then rises by it.
    path = ts.Sweep(one, made, steps=4, checkpoints=range(1, 5)).run().x.values.ravel()
    np.testing.assert_allclose(path, [0.0, -0.05, -0.05, 0.0], atol=1e-15)


def test_what_is_not_finite_is_not_masked_away() -> None:
    """0/0 in the base is no coordinate that stays."""

    def broken(g: float, t: int, lr: float, x: float) -> float:
        return x - lr * (g if t < 3 else math.nan)

    for rescale in (False, True):
        made = ts.cautious(ts.Optimizer("Broken", broken, 0.1), rescale=rescale)
        grid = ts.Sweep(NOISY, made, steps=10).run()
        assert grid.nonfinite_step.values.tolist() == [3]


def test_tiny_steps_keep_their_sign() -> None:
    """1e-200 times 1e-200 is 0, and still both are positive."""
    flat = ts.Problem("flat", lambda c: c, {"c": 1e-200})
    grid = ts.Sweep(flat, ts.cautious(ts.sgd(1.0)), steps=1).run()
    assert float(grid.x_final[0]) == -1e-200


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ef_sgd", "it sends or stores compressed messages"),
        ("gossip_signum", "its step is a kernel over arrays"),
        ("majority_vote", "it needs the gradient of every worker"),
        ("schedule_free_adamw", "it keeps its iterate in the state"),
        ("cautious_lion", "it is masked already"),
    ],
)
def test_what_has_no_update_to_mask_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ts.cautious(OPTIMIZERS[name]())


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_it_moves_tensors_too() -> None:
    import torch

    from theory_sim.torch_bridge import torch_optimizer

    made = ts.cautious(ts.nadam(0.1), rescale=True)
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer, stream = torch_optimizer(made)([x]), NOISY.stream()
    for t in range(1, 51):
        x.grad = torch.from_numpy(stream.gradient(x.detach().numpy()[None], t)[0])
        optimizer.step()
    lanes = ts.Sweep(NOISY, made, steps=50).run().x_final.values.ravel()
    np.testing.assert_allclose(x.detach().numpy(), lanes, rtol=0.0, atol=1e-12)

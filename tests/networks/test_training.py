"""Networks trained together are networks trained one by one, with the library's own optimizers and layers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim import random
from theory_sim.compressors import identity, log_levels
from theory_sim.nouns.training import Training

torch = pytest.importorskip("torch", reason='networks need torch: pip install "theory-sim[networks]"')
pytest.importorskip("sklearn", reason='networks need scikit-learn: pip install "theory-sim[networks]"')

from theory_sim.torch_bridge import torch_optimizer
from theory_sim.wire.networks import data, loop, models, timing, update

TEXT = {"width": 8, "depth": 1, "context": 8}


def batches(training: Training, model: models.Model, seed: int) -> Any:
    """The samples of every step, drawn one number at a time."""
    given = model.data()
    stream = int(random.key(training.entropy, len(data.PURPOSES) * seed))
    window = np.arange(max(given.context, 1))
    for t in range(1, training.steps + 1):
        drawn = [random.uniform_at(stream, t, slot) for slot in range(training.batch)]
        at = np.array([int(u * given.count) for u in drawn])
        at = at[:, None] + window if given.context else at
        yield torch.tensor(given.inputs[at]), torch.tensor(given.targets[at])


def one_by_one(training: Training, cell: dict[str, float], seed: int, method: Any) -> float:
    """The final loss of one cell, by a loop as a user writes it."""
    model = models.MODELS[training.network](**training.sizes)
    start = torch.tensor(model.start(training.entropy, seed))
    parameters = {name: one.clone().requires_grad_() for name, one in model.named(start).items()}
    optimizer = method([*parameters.values()], **cell)
    for inputs, targets in batches(training, model, seed):
        optimizer.zero_grad()
        model.loss(parameters, inputs, targets).backward()
        optimizer.step()
    return loss_of(training, model, parameters)


def loss_of(training: Training, model: models.Model, parameters: Any) -> float:
    given = model.data()
    most = min(given.count, training.evaluated // max(given.context, 1))
    at = np.linspace(0, given.count - 1, most).round().astype(int)
    at = at[:, None] + np.arange(given.context) if given.context else at
    with torch.no_grad():
        return float(model.loss(parameters, torch.tensor(given.inputs[at]), torch.tensor(given.targets[at])))


def torch_adam(parameters: Any, lr: float, beta1: float, beta2: float) -> Any:
    return torch.optim.Adam(parameters, lr=lr, betas=(beta1, beta2))


def torch_sgdm(parameters: Any, lr: float, momentum: float) -> Any:
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


CASES = {
    "mlp-adam": ("mlp", {"width": 5}, ts.adam(), {"lr": (0.01, 0.1), "beta1": (0.0, 0.9), "beta2": (0.9, 0.99)}, torch_adam),
    "cnn-sgdm": ("cnn", {"width": 2}, ts.sgdm(), {"lr": (0.01, 0.1), "momentum": (0.5, 0.9)}, torch_sgdm),
    "transformer-adam": ("transformer", TEXT, ts.adam(), {"lr": (0.01,), "beta1": (0.9,), "beta2": (0.9, 0.99)}, torch_adam),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_together_is_one_by_one_with_torch_optim(name: str) -> None:
    network, sizes, optimizer, axes, method = CASES[name]
    training = Training(
        network, optimizer, axes, 12, 4, seeds=2, sizes=sizes, evaluated=64, precision="float64", entropy=7
    )
    grid = training.run(threads=1)
    for i, cell in enumerate(training.cells):
        for seed in range(2):
            apart = one_by_one(training, cell, seed, method)
            together = grid.loss.isel(checkpoint=-1).values.reshape(-1, 2)[i, seed]
            # Sums of float64 in another order, over 12 steps.
            assert together == pytest.approx(apart, rel=1e-10)


@pytest.mark.parametrize(
    "optimizer",
    [
        ts.clipped_gd(0.1, 0.2),
        ts.lion(1e-3),
        ts.adam(0.01, schedule=ts.power(0.5)),
        ts.adamw(0.01),
        ts.amsgrad(0.01),
    ],
    ids=lambda one: one.name,
)
def test_rules_are_those_of_the_bridge(optimizer: ts.Optimizer) -> None:
    """On one tensor of all parameters; the reductions of the bridge are over one tensor."""
    training = Training("mlp", optimizer, {"lr": (0.01, 0.03)}, 8, 4, sizes={"width": 4}, precision="float64")
    model, grid = models.mlp(4), training.run(threads=1)
    for i, lr in enumerate((0.01, 0.03)):
        x = torch.tensor(model.start(0, 0)).requires_grad_()
        mover = torch_optimizer(optimizer.replace(lr=lr))([x])
        for inputs, targets in batches(training, model, 0):
            mover.zero_grad()
            model.of_vector(x, inputs, targets).backward()
            mover.step()
        # The same operations; only sums over a batch have another order.
        assert grid.loss.values[i, 0, -1] == pytest.approx(
            loss_of(training, model, model.named(x)), rel=1e-10
        )


def reference_qadam(g: list[np.ndarray], sizes: list[int], k: int, feedback: bool) -> np.ndarray:
    """QAdam of one worker by numpy: x after the gradients g, one message for each part of the vector."""
    beta1, beta2, eps, lr = 0.9, 0.999, 1e-8, 0.01
    m = v = e = x = np.zeros(sum(sizes))
    for one in g:
        v, m = beta2 * v + (1.0 - beta2) * one**2, beta1 * m + (1.0 - beta1) * one
        p = lr * m / np.sqrt(v + eps) + (e if feedback else 0.0)
        sent = np.concatenate([log_levels(k).quantize(part) for part in np.split(p, np.cumsum(sizes)[:-1])])
        e, x = p - sent, x - sent
    return x


@pytest.mark.parametrize("feedback", [True, False])
def test_messages_are_those_of_one_worker(feedback: bool) -> None:
    sizes, draws = [3, 5], np.random.default_rng(0).normal(size=(6, 2, 1, 8))
    made = update.stacked(
        ts.qadam(0.01, up=log_levels(0), down=identity(64)),
        [{"error_feedback": feedback, "up.k": 0}, {"error_feedback": feedback}],
    )
    x = torch.zeros(2, 1, 8, dtype=torch.float64)
    mover = update.Mover(made, x, sizes)
    for t, g in enumerate(draws, start=1):
        x = mover.step(t, x, torch.tensor(g))
    for cell in range(2):
        expected = reference_qadam([*draws[:, cell, 0]], sizes, 0, feedback)
        np.testing.assert_allclose(x[cell, 0], expected, rtol=1e-12, atol=0.0)


def test_cells_may_have_compressors_with_other_parameters() -> None:
    made = update.stacked(ts.qadam(0.01), [{"up.k": 0}, {"up.k": 2}])
    draws = np.random.default_rng(1).normal(size=(4, 6))
    x = torch.zeros(2, 1, 6, dtype=torch.float64)
    mover = update.Mover(made, x, [6])
    for t, g in enumerate(draws, start=1):
        x = mover.step(t, x, torch.tensor(g).expand(2, 1, 6))
    ends = [reference_qadam([*draws], [6], k, True) for k in (0, 2)]
    np.testing.assert_allclose(x[:, 0], ends, rtol=1e-12)
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def as_module(parameters: dict[str, Any]) -> Any:
    """The CNN as layers of torch.nn."""
    from torch import nn

    layers: list[Any] = []
    for i in range(3):
        outs, ins = parameters[f"conv{i}.weight"].shape[:2]
        layers += [nn.Conv2d(ins, outs, 3, padding=1), nn.ReLU(), *([nn.AvgPool2d(2)] if i < 2 else [])]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(parameters["out.weight"].shape[1], 10)).double()
    with torch.no_grad():
        for own, given in zip(net.parameters(), parameters.values(), strict=True):
            own.copy_(given)
    return net


def test_a_batch_of_cnns_is_each_of_them() -> None:
    model, given = models.cnn(3), data.digits()
    x = torch.tensor(0.1 * np.random.default_rng(0).normal(size=(3, sum(model.sizes))))
    inputs, targets = torch.tensor(given.inputs[:20]), torch.tensor(given.targets[:20])
    many = torch.func.vmap(model.of_vector, (0, None, None))(x, inputs, targets)
    for i in range(3):
        logits = as_module(model.named(x[i]))(inputs.reshape(-1, 1, 8, 8))
        alone = torch.nn.functional.cross_entropy(logits, targets)
        assert float(many[i]) == pytest.approx(float(alone.detach()), rel=1e-12)


def test_the_transformer_is_that_of_torch() -> None:
    """Attention by torch's own function, a look-up for the product with indicators; and it sees no later token."""
    from torch.nn import functional

    model = models.transformer(**TEXT, heads=2)
    p = model.named(torch.tensor(0.5 * np.random.default_rng(0).normal(size=sum(model.sizes))))
    tokens, targets = (
        torch.tensor(one[100:108])[None] for one in (model.data().inputs, model.data().targets)
    )
    h = functional.embedding(tokens, p["embed"]) + p["position"]
    a = functional.layer_norm(h, (8,), p["block0.gain1"], eps=1e-5)
    q, k, v = ((a @ p[f"block0.{name}"].T).view(1, 8, 2, 4).transpose(1, 2) for name in "qkv")
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(1, 8, 8)
    h = h + mixed @ p["block0.o"].T
    a = functional.layer_norm(h, (8,), p["block0.gain2"], eps=1e-5)
    h = h + functional.gelu(a @ p["block0.up"].T) @ p["block0.down"].T
    logits = functional.layer_norm(h, (8,), p["gain"], eps=1e-5) @ p["unembed"].T
    expected = functional.cross_entropy(logits[0], targets[0])
    assert float(model.loss(p, tokens, targets)) == pytest.approx(float(expected), rel=1e-12)


def test_threads_change_the_last_bits_only_and_the_store_gives_the_same(tmp_path: Path) -> None:
    training = Training("mlp", ts.adam(), {"lr": (1e-3, 1e-2)}, 20, 8, seeds=2, sizes={"width": 4})
    one, two = training.run(tmp_path, threads=1), training.run(threads=2)
    # 20 steps in float32: another order of a sum changes 1e-7 of it.
    np.testing.assert_allclose(one.loss.values, two.loss.values, rtol=1e-5)
    assert training.run(threads=1).identical(one)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    assert training.run(tmp_path).identical(one)
    assert replace(training, entropy=1).job.digest != training.job.digest
    assert training.on("cuda").digest != training.job.digest


def test_a_loss_that_is_not_finite_is_dated() -> None:
    training = Training("mlp", ts.sgd(), {"lr": (0.1, 1e38)}, 5, 8, sizes={"width": 4})
    grid = training.run(threads=1)
    # Steps of 1e38 times the gradient leave float32, whose largest number is 3.4e38, after a few.
    assert grid.nonfinite_step.values[0, 0] == -1
    assert grid.nonfinite_step.values[1, 0] >= 2
    assert not np.isfinite(grid.loss.values[1, 0, -1])


@pytest.mark.parametrize(
    ("optimizer", "axes", "said"),
    [
        (ts.rmsprop(), {"beta3": (1.0,)}, "Unknown axis"),
        (ts.adam(), {"beta1": (1.5,)}, "beta1 = 1.5"),
        (ts.adam(), {"bias_correction": (True, False)}, "different rules"),
        (ts.adam(m0="mean_gradient"), {}, "starts from the gradients"),
        (ts.majority_vote(), {}, "several workers"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(optimizer: ts.Optimizer, axes: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        loop.train(Training("mlp", optimizer, axes, 1))


def test_the_sample_is_uniform_and_the_start_normal() -> None:
    positions = np.concatenate([data.Sampler(0, 2, 500, 10)(t).ravel() for t in range(1, 6)])
    counts = np.bincount(positions, minlength=10)  # 5,000 draws: 500 each, standard deviation 21
    assert np.abs(counts - 500).max() < 5 * 21
    drawn = data.normals(0, 0, 70_000, "start")  # over the slots of one step
    assert abs(drawn.mean()) < 5 / np.sqrt(70_000)
    assert drawn.std() == pytest.approx(1.0, abs=5 / np.sqrt(2 * 70_000))
    assert len(np.unique(drawn)) == len(drawn)


def test_the_text_is_long_and_its_tokens_are_its_characters() -> None:
    given = data.text(16)
    assert len(given.inputs) > 200_000
    assert (given.inputs[1:] == given.targets[:-1]).all()
    assert 0 <= given.inputs.min() <= given.inputs.max() < data.CHARACTERS
    said = "".join("\n" if token == 0 else chr(token + 31) for token in given.inputs[:4000])
    assert "statement" in said


def test_what_is_timed_apart_is_what_is_timed_together() -> None:
    grid = Training("mlp", ts.adam(), {"lr": (0.01, 0.03)}, 10, 8, evaluated=256).run()
    model = models.mlp()
    for i, lr in enumerate((0.01, 0.03)):
        x = timing.alone(lr, 10, 8).double()
        loss = loss_of(replace(Training("mlp", ts.adam()), evaluated=256), model, model.named(x))
        # Ten steps of float32, whose sums have another order.
        assert grid.loss.values[i, 0, -1] == pytest.approx(loss, rel=1e-4)
    found = timing.compare(2, apart=2, steps=2, batch=2)
    assert found["runs"] == pytest.approx(2 * found["together"] / found["apart"])

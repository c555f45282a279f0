"""The optimizer for torch: Adam without a compressor, QAdam with one, and the law of error feedback."""

import copy
import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip('needs torch: pip install "theory-sim[torch]"', allow_module_level=True)

import torch

import theory_sim as ts
from counterexamples import quantized
from theory_sim import compressors
from theory_sim.torch_bridge import QuantizedAdam

SHAPES = ((3, 4), (5,), ())


def parameters(dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in SHAPES]


def run(optimizer: torch.optim.Optimizer, steps: int = 200) -> list[torch.Tensor]:
    """Feed gradients that do not depend on the parameters; return these."""
    generator = torch.Generator().manual_seed(1)
    tensors: list[torch.Tensor] = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    for _ in range(steps):
        for tensor in tensors:
            tensor.grad = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        optimizer.step()
    return tensors


@pytest.mark.parametrize("amsgrad", [False, True])
def test_without_a_compressor_it_is_adam(amsgrad: bool) -> None:
    ours = QuantizedAdam(parameters(), 0.01, bias_correction=True, eps_mode="outside", amsgrad=amsgrad)
    theirs = torch.optim.Adam(parameters(), 0.01, amsgrad=amsgrad)
    for one, other in zip(run(ours), run(theirs), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"theta": 0.9, "bias_correction": True},
    {"amsgrad": True, "eps_mode": "outside", "error_feedback": False},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=["plain", "theta", "no feedback"])
@pytest.mark.parametrize("compressor", [compressors.l1_sign(), compressors.log_levels(2)], ids=str)
def test_on_a_quadratic_it_is_qadam(variant: dict[str, Any], compressor: ts.Compressor) -> None:
    problem = quantized.quadratic(d=8, decades=1.0, spread=0.5)
    method = ts.qadam(0.02, up=compressor, down=compressors.identity(word=64), **variant)
    path = ts.simulate(problem, method, steps=200, checkpoints=range(1, 201)).x.values[0]
    rows = np.array([*problem.theta.values()])[2:].reshape(3, 8)
    curvature, center = torch.from_numpy(rows[0].copy()), torch.from_numpy(rows[1].copy())
    x = torch.ones(8, dtype=torch.float64, requires_grad=True)
    optimizer = QuantizedAdam([x], 0.02, compressor=compressor, **variant)
    for t in range(200):
        optimizer.zero_grad()
        (0.5 * curvature * (x - center) ** 2).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(x.detach().numpy(), path[t], rtol=0, atol=1e-12)


@pytest.mark.parametrize("scope", ["tensor", "group"])
@pytest.mark.parametrize(
    "compressor",
    [compressors.top_k(1), compressors.l1_sign(block=4), compressors.qsgd(4), compressors.rand_k(1)],
    ids=str,
)
def test_the_sum_of_updates_arrives_up_to_the_error(compressor: ts.Compressor, scope: str) -> None:
    """x_t - e_t moves by u_t whatever the compressor, and these gradients do not depend on x."""
    optimizer = QuantizedAdam(parameters(), 0.01, compressor=compressor, scope=scope)
    plain = run(QuantizedAdam(parameters(), 0.01))
    for one, other in zip(run(optimizer), plain, strict=True):
        torch.testing.assert_close(one - optimizer.state[one]["error"], other, rtol=0, atol=1e-12)


def test_a_message_is_a_tensor_or_a_group() -> None:
    # top_k(1) keeps one coordinate of every message: of three tensors, or of all 18 coordinates.
    for scope, changed in (("tensor", 3), ("group", 1)):
        before = torch.cat([tensor.detach().reshape(-1) for tensor in parameters()])
        tensors = run(QuantizedAdam(parameters(), compressor=compressors.top_k(1), scope=scope), steps=1)
        after = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        assert int((before != after).sum()) == changed


def test_a_saved_state_continues_the_run() -> None:
    made = {"lr": 0.01, "compressor": compressors.qsgd(2), "theta": 0.5}
    whole = run(QuantizedAdam(parameters(), **made), steps=1)
    first = QuantizedAdam(parameters(), **made)
    run(first, steps=1)
    copies = [tensor.detach().clone().requires_grad_() for tensor in whole]
    second = QuantizedAdam(copies, **made)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(first, steps=20)
    run(second, steps=20)
    for group, other in zip(first.param_groups, second.param_groups, strict=True):
        for one, two in zip(group["params"], other["params"], strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_groups_single_precision_and_closures() -> None:
    one, two = torch.ones(4, requires_grad=True), torch.ones(6, requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    groups = [{"params": [one, unused], "compressor": compressors.l1_sign()}, {"params": [two], "lr": 0.05}]
    optimizer = QuantizedAdam(groups, 0.02)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (one**2).sum() + (two**2).sum()
        loss.backward()
        return loss.item()

    losses = [optimizer.step(closure) for _ in range(300)]
    assert losses[0] == 10.0
    assert losses[-1] < 0.01
    assert one.dtype == optimizer.state[one]["error"].dtype == torch.float32
    assert unused.tolist() == [1.0, 1.0]
    assert unused not in optimizer.state


def test_a_coordinate_without_gradient_stays() -> None:
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.tensor([0.0, 1.0])
    QuantizedAdam([x], 0.1, eps=0.0).step()
    assert x[0].item() == 1.0
    assert x[1].item() < 1.0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"lr": 0.0}, ValueError, "lr = 0.0 must be"),
        ({"betas": (0.9, 1.0)}, ValueError, "beta2 = 1.0 must be"),
        ({"theta": 2.0}, ValueError, "theta = 2.0 must be"),
        ({"scope": "groups"}, ValueError, "did you mean group"),
        ({"eps_mode": "in"}, ValueError, "Unknown eps_mode"),
        ({"amsgrad": 1}, ValueError, "amsgrad = 1 must be True or False"),
        ({"compressor": compressors.l1_sign}, TypeError, "is not a Compressor"),
    ],
)
def test_a_mistake_gets_one_sentence(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        QuantizedAdam(parameters(), **changes)


@pytest.mark.parametrize("compressor", [None, compressors.l1_sign()])
def test_a_gradient_that_is_not_finite_is_refused(compressor: compressors.Compressor | None) -> None:
    first, second = (torch.ones(2, requires_grad=True) for _ in range(2))
    first.grad, second.grad = torch.ones(2), torch.tensor([1.0, float("nan")])
    optimizer = QuantizedAdam([first, second], compressor=compressor)
    with pytest.raises(ValueError, match="is not finite; nothing has moved"):
        optimizer.step()
    assert torch.equal(first, torch.ones(2))
    assert not optimizer.state


def test_a_compressor_can_be_set_later() -> None:
    x = torch.ones(3, requires_grad=True)
    x.grad = torch.ones(3)
    optimizer = QuantizedAdam([x])
    optimizer.step()
    optimizer.param_groups[0]["compressor"] = compressors.l1_sign()
    optimizer.step()
    assert optimizer.state[x]["error"].shape == (3,)


def test_betas_are_two_numbers() -> None:
    with pytest.raises(ValueError, match="must be two numbers"):
        QuantizedAdam([torch.ones(1, requires_grad=True)], betas=(0.9,))


def test_without_torch_the_extra_is_named() -> None:
    code = "import sys; sys.modules['torch'] = None; import theory_sim.torch_bridge"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert 'install it with pip install "theory-sim[torch]".' in done.stderr.splitlines()[-1]

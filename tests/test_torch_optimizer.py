"""Optimizers of the suite on tensors of torch: the same paths as their lanes, groups, saved states, refusals."""

import copy
import importlib.util
import inspect
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip('needs torch: pip install "theory-sim[torch]"', allow_module_level=True)

import torch

import theory_sim as ts
from theory_sim import random
from theory_sim.compressors import qsgd
from theory_sim.engine import evaluate
from theory_sim.nouns import noise
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules.language import largest, norm, total
from theory_sim.torch_bridge import QuantizedAdam, torch_optimizer

STEPS = 200


def slope(x: float, noise: float, curvature: float) -> float:
    return curvature * x + noise


NOISY = ts.Problem(
    "noisy quadratic", slope, {"curvature": (1.0, 3.0, 0.2, 0.7), "sigma": 0.1}, dim=4, noise=noise.NORMAL,
    start=(1.0, -2.0, 0.5, 0.0),
)  # fmt: skip
REFUSED = {
    **dict.fromkeys(("choco", "ef_sgd", "ef21", "ef21_sgdm", "diana", "qadam", "efficient_adam"), "sends or stores compressed messages"),
    **dict.fromkeys(("comp_ams", "onebit_adam", "eight_bit_adam"), "sends or stores compressed messages"),
    **dict.fromkeys(("gossip_signum", "mechanic", "adam_mini", "blockwise_gd", "mofo"), "is a kernel over arrays, not a rule"),
    **dict.fromkeys(("lars", "lamb", "lisa", "muon"), "is a kernel over arrays, not a rule"),
    **dict.fromkeys(("majority_vote", "disturbed_vote"), "needs the gradient of every worker"),
}  # fmt: skip


def follow(
    optimizer: torch.optim.Optimizer, x: torch.Tensor, steps: range = range(1, STEPS + 1)
) -> np.ndarray:
    """Move x along the gradients, with the noise, of the lane number 0; return the path."""
    key, path = int(random.key(0, 0)), []
    for t in steps:
        drawn = [[random.uniform_at(key, t, 1 + slot)] for slot in range(NOISY.draws)]
        point = x.detach().numpy().astype(float)[None]
        x.grad = torch.from_numpy(evaluate.gradients(NOISY, point, t=t, uniforms=drawn)[0]).to(x)
        optimizer.step()
        path.append(x.detach().numpy().copy())
    return np.array(path)


def start(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(NOISY.start, dtype=dtype, requires_grad=True)


def lanes(method: ts.Optimizer) -> np.ndarray:
    return ts.simulate(NOISY, method, steps=STEPS, checkpoints=range(1, STEPS + 1)).x.values[0]


def built(constructor: Callable[..., ts.Optimizer], **own: Any) -> ts.Optimizer:
    known = inspect.signature(constructor).parameters
    given = {"lr": 0.03, "schedule": ts.power(0.5), "d0": 10.0, **own}
    return constructor(**{name: value for name, value in given.items() if name in known})


@pytest.mark.parametrize("name", sorted(OPTIMIZERS.keys() - REFUSED.keys()))
def test_tensors_follow_the_lanes(name: str) -> None:
    method = built(OPTIMIZERS[name])
    x = start()
    optimizer = torch_optimizer(method)([x])
    path = follow(optimizer, x)
    # Roots and exponentials of torch may be off by 1 ulp, and its sums are in another order.
    np.testing.assert_allclose(path, lanes(method), rtol=0, atol=1e-12)
    assert np.abs(path[-1] - path[0]).max() > 1e-3
    state = ts.simulate(NOISY, method, steps=STEPS).state_final if method.rows else {}
    assert optimizer.state[x]["step"] == STEPS
    assert set(optimizer.state[x]) == {"step", *method.rows}
    for row in method.rows:
        np.testing.assert_allclose(
            np.broadcast_to(np.asarray(optimizer.state[x][row]), 4)[0],
            state.sel(row=row).values.ravel()[0],
            atol=1e-10,
        )


def test_a_rule_of_sums_and_products_keeps_every_bit() -> None:
    for method in (built(ts.sgdm), built(ts.lion, schedule=ts.linear(500)), built(ts.sgd)):
        x = start()
        assert (follow(torch_optimizer(method)([x]), x) == lanes(method)).all()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_does_not_qualify_says_why(name: str) -> None:
    with pytest.raises(ValueError, match=f"cannot move tensors, as .*{REFUSED[name]}") as caught:
        torch_optimizer(OPTIMIZERS[name]())
    assert "\n" not in str(caught.value)


def test_a_start_at_the_gradients_of_a_problem_is_refused() -> None:
    method = ts.Optimizer(
        "mine", lambda g, lr, x, m: (x - lr * m, g), rows=("m",), initial={"m": "mean_gradient"}
    )
    with pytest.raises(ValueError, match="a row of it starts from the gradients of a problem"):
        torch_optimizer(method)


def table(g: float, lr: float, x: float) -> float:
    return x - lr * (g, 2.0 * g)[int(x > 0.0)]


def test_a_rule_that_is_no_arithmetic_is_refused() -> None:
    with pytest.raises(ValueError, match="is no arithmetic of its names"):
        torch_optimizer(ts.Optimizer("table", table))


def test_groups_override_values_by_name() -> None:
    one, two, three = start(), start(), start()
    groups = [{"params": [one]}, {"params": [two], "lr": 0.1, "beta1": 0.5, "eps": 0.1}, {"params": [three]}]
    optimizer = torch_optimizer(ts.adam(0.03))(groups)
    optimizer.param_groups[2]["bias_correction"] = False
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.0 if t == STEPS else 1.0)
    methods = (ts.adam(0.03), ts.adam(0.1, beta1=0.5, eps=0.1), ts.adam(0.03, bias_correction=False))
    for t in range(1, STEPS + 1):
        for x in (one, two, three):
            drawn = [[random.uniform_at(int(random.key(0, 0)), t, 1 + slot)] for slot in range(NOISY.draws)]
            x.grad = torch.from_numpy(
                evaluate.gradients(NOISY, x.detach().numpy()[None], t=t, uniforms=drawn)[0]
            )
        optimizer.step()
        scheduler.step()
    for x, method in zip((one, two, three), methods, strict=True):
        np.testing.assert_allclose(x.detach().numpy(), lanes(method)[-1], rtol=0, atol=1e-12)
    optimizer.step()  # at lr = 0, where a schedule of torch may end
    np.testing.assert_allclose(one.detach().numpy(), lanes(methods[0])[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"lr": -1.0}, "lr = -1.0 must be"),
        ({"beta1": 1.0}, "beta1 = 1.0 must be"),
        ({"beta": 0.5}, "Unknown entry of a group 'beta'"),
        ({"bias_correction": 1}, "must be True or False"),
    ],
)
def test_a_mistake_in_a_group_gets_one_sentence(group: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        torch_optimizer(ts.adam())([{"params": [start()], **group}])


@pytest.mark.parametrize("name", ["amsgrad", "adam_norm", "accumulating_adam", "mixed_clipping"])
def test_a_saved_state_continues_the_run(name: str, tmp_path: Any) -> None:
    method = built(OPTIMIZERS[name])
    x = start()
    first = torch_optimizer(method)([x])
    follow(first, x, range(1, 51))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    y = x.detach().clone().requires_grad_()
    second = torch_optimizer(method)([y])
    second.load_state_dict(torch.load(tmp_path / "state.pt"))
    rest = range(51, STEPS + 1)
    assert (follow(first, x, rest) == follow(second, y, rest)).all()
    assert (copy.deepcopy(x) == y).all()


def test_a_state_of_another_optimizer_is_refused() -> None:
    first, second = (torch_optimizer(one)([start()]) for one in (ts.lion(0.1), ts.adam(0.1)))
    with pytest.raises(ValueError, match=r"The state is of Lion, and this is Adam"):
        second.load_state_dict(first.state_dict())
    # The same names, other methods: rows mean something else.
    for one, other in ((ts.gd(), ts.sgd()), (ts.amsgrad(), ts.amsgrad(variant="torch"))):
        a, b = (torch_optimizer(made)([start()]) for made in (one, other))
        assert a.param_groups[0].keys() == b.param_groups[0].keys()
        with pytest.raises(ValueError, match=f"The state is of {one.name}.*, and this is {other.name}"):
            b.load_state_dict(a.state_dict())
    elsewhere = torch.optim.SGD([start()], lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match="The state is of an optimizer of elsewhere"):
        torch_optimizer(ts.sgdm())([start()]).load_state_dict(elsewhere.state_dict())


@pytest.mark.parametrize("given", ["adam", ts.adam], ids=["a name", "a constructor"])
def test_what_is_no_optimizer_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="must be an Optimizer, such as"):
        torch_optimizer(given)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_its_own_way(copied: Callable[[Any], Any]) -> None:
    for made in (
        torch_optimizer(ts.adam(0.1)),
        lambda params: QuantizedAdam(params, 0.1, compressor=qsgd(2), entropy=7),
    ):
        first = made([start()])
        (x,) = first.param_groups[0]["params"]
        follow(first, x, range(1, 11))
        second = copied(first)
        (y,) = second.param_groups[0]["params"]
        assert (follow(first, x, range(11, 31)) == follow(second, y, range(11, 31))).all()


def test_a_value_that_changes_in_every_step_is_not_kept() -> None:
    x = start()
    optimizer = torch_optimizer(ts.adam(0.1))([x])
    for t in range(1, 150):
        optimizer.param_groups[0]["beta1"] = 0.9 - 1e-3 * t
        follow(optimizer, x, range(t, t + 1))
    assert len(optimizer._made) <= 100
    follow(QuantizedAdam([x], betas=[0.9, 0.99]), x, range(1, 3))  # type: ignore[arg-type]  # a list, as files have it


def swapped(g: float, lr: float, x: float, before: float, older: float) -> tuple[float, float, float]:
    """Rows that are x and each other before the step."""
    return x - lr * g, x, before


def test_rows_are_those_before_the_step() -> None:
    method = ts.Optimizer("memory", swapped, 0.1, rows=("before", "older"))
    x = start()
    optimizer = torch_optimizer(method)([x])
    path = follow(optimizer, x)
    assert (path == lanes(method)).all()
    assert (optimizer.state[x]["before"].numpy() == path[-2]).all()
    assert (optimizer.state[x]["older"].numpy() == path[-3]).all()


def size(g: float) -> float:
    return abs(g)


def itself(g: float) -> float:
    return g


def relative(g: float, top: float, mean: float, length: float) -> tuple[float, float]:
    return g / (top + length), mean


def mixed(
    g: float,
    lr: float,
    x: float,
    i: int,
    d: int,
    top: float,
    length: float,
    share: float,
    bias: float,
    k: float = 2.0,
) -> float:
    return x - lr * k * (g / (top + length) + share + bias) / (1 + i + d)


def average(g: float) -> float:
    return g


def test_reductions_of_reductions_places_and_default_values() -> None:
    reductions: Mapping[Any, Any] = {
        "top": largest(size),
        "length": norm(itself),
        "mean": total(average),
        ("share", "bias"): total(relative),
    }
    method = ts.Optimizer("mixed", mixed, 0.1, reductions=reductions)
    x = start()
    np.testing.assert_allclose(follow(torch_optimizer(method)([x]), x), lanes(method), rtol=0, atol=1e-12)


def beyond(g: float) -> float:
    return 1e200 * abs(g) * 1e200


def shrunk(g: float, lr: float, x: float, top: float) -> float:
    return x - lr * g / top


def test_a_maximum_that_is_not_finite_is_lost_as_in_lanes() -> None:
    method = ts.Optimizer("shrunk", shrunk, 0.1, reductions={"top": largest(beyond)})
    x = start()
    follow(torch_optimizer(method)([x]), x, range(1, 2))
    assert x.isnan().all()


def test_tensors_of_any_shape_and_precision() -> None:
    matrix, number, single = (
        torch.ones(2, 3, dtype=torch.float64),
        torch.ones((), dtype=torch.float64),
        torch.ones(5),
    )
    tensors = [one.requires_grad_() for one in (matrix, number, single)]
    for method in (ts.adam(0.1), ts.clipped_gd(0.1), ts.adam_norm(0.1)):
        optimizer = torch_optimizer(method)(tensors)
        for one in tensors:
            one.data.fill_(1.0)
        before = sum(one.detach().double().square().sum().item() for one in tensors)
        for _ in range(20):
            optimizer.zero_grad()
            sum((one**2).sum().double() for one in tensors).backward()  # type: ignore[union-attr]
            optimizer.step()
        assert sum(one.detach().double().square().sum().item() for one in tensors) < before
        assert single.dtype == torch.float32
        assert all(
            row.dtype == torch.float32
            for row in optimizer.state[single].values()
            if torch.is_tensor(row) and row.dim()
        )


def test_gradients_that_are_not_finite_or_not_dense_move_nothing() -> None:
    first, second = start(), start()
    first.grad, second.grad = (
        torch.ones(4, dtype=torch.float64),
        torch.full((4,), float("inf"), dtype=torch.float64),
    )
    optimizer = torch_optimizer(ts.sgdm())([first, second])
    with pytest.raises(ValueError, match="is not finite; nothing has moved"):
        optimizer.step()
    second.grad = torch.ones(4, dtype=torch.float64).to_sparse()
    with pytest.raises(ValueError, match="sparse or complex"):
        optimizer.step()
    assert first.tolist() == list(NOISY.start)  # type: ignore[arg-type]
    assert not optimizer.state

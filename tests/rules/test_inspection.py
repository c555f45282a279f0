"""Kernels written by hand: what is refused before they are compiled, and what when they run."""

import math
import time
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim.app import catalogue
from theory_sim.rules import inspection

LINES = {
    "gradient": "def kernel(x, t, idx, noise, theta, out):\n    w, d, L = out.shape\n    for j in range(w):\n        for i in range(d):\n",
    "measure": "def kernel(x, t, idx, noise, theta, out):\n    d, L = x.shape\n    for j in range(1):\n        for i in range(1):\n",
    "step": "def kernel(g, t, lr, hyper, noise, state, x):\n    d, L = x.shape\n    for j in range(1):\n        for i in range(d):\n",
}


def kernel(kind: str, *lines: str) -> Any:
    """A kernel whose innermost lines, over the lanes, are these."""
    space: dict[str, Any] = {"math": math, "np": np}
    body = "".join(f"                {line}\n" for line in lines)
    exec(compile(f"{LINES[kind]}            for lane in range(L):\n{body}", "<prompt>", "exec"), space)  # noqa: S102
    return space["kernel"]


def slope(x: float, a: float) -> float:
    return a * x


def refusal(kind: str, *lines: str, **more: Any) -> str:
    """What is said when a sweep with a kernel of these lines is constructed."""
    problem = {"gradient": slope, "constants": {"a": 1.0, "b": 0.5}, "start": 1.0}
    optimizer = {"step": "sgd", "hyper": {"beta1": 0.9, "beta2": 0.99}, "rows": ("m", "v")}
    made = kernel(kind, *lines)
    if kind == "gradient":
        problem["gradient"] = made
    elif kind == "measure":
        problem |= {"measure": made, "measures": ("gap", "length")}
    else:
        optimizer["step"] = made
    workers = more.pop("workers", 1)
    base = ts.gd(0.1) if kind != "step" else ts.Optimizer("belief", **{**optimizer, **more})  # type: ignore[arg-type]
    own = more if kind != "step" else {}
    with pytest.raises(ValueError, match=r"^[^\n]{10,400}$") as refused:
        ts.Sweep(ts.Problem("valley", **{**problem, **own}), base, steps=5, workers=workers)  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize(
    ("kind", "lines", "said"),
    [
        ("step", ("x[i, lane] -= hyper[2, lane]",), "uses hyper[2], and hyper has beta1, beta2; declare it in hyper=."),
        ("step", ("x[i, lane] -= state[t + 1, i, lane]",), "reads state[2, 0], and state has m, v; declare it in rows=."),
        ("step", ("state[2][i, lane] = 1.0",), "uses state[2], and state has m, v; declare it in rows=."),
        ("step", ("x[i, lane] = noise[0, lane]",), "uses noise[0], and noise has 0 rows; declare them in draws=."),
        ("step", ("x[i + 1, lane] = 0.0",), "writes x[1, 0], and x has the shape (1, lanes)."),
        ("step", ("g[0, i, lane] *= 0.5",), "writes g, which it may only read; use a local variable."),
        ("step", ("hyper[0, lane] = 1.0",), "writes hyper, which it may only read; use a local variable."),
        ("gradient", ("out[j, i, lane] = theta[2, lane]",), "uses theta[2], and theta has a, b; declare it in constants=."),
        ("gradient", ("out[j, i, lane] = theta[-3, lane]",), "uses theta[-3], and theta has a, b; declare it in constants=."),
        ("gradient", ("theta[0, lane] = 2.0",), "writes theta, which it may only read; use a local variable."),
        ("gradient", ("out[j, i, lane] += x[i, lane]",), "reads out before it writes it, at t = 1; start from a number."),
        ("gradient", ("pass",), "does not write out[0, 0] at t = 1; write every row, in every lane."),
        ("gradient", ("if t < 3:", "    out[j, i, lane] = 1.0"), "does not write out[0, 0] at t = 3; write every row, in every lane."),
        ("gradient", ("if x[i, lane] > 0:", "    out[j, i, lane] = x[i, lane, 0]"), "uses x[:, :, 0], and x has the shape (1, lanes)."),
        ("gradient", ("out[j, i, lane] = 1j",), "cannot be run: float() argument must be a string or a real number, not 'complex'."),
        ("gradient", ("out[j, i, lane] = math.sqrt(-1.0)",), "fails for every point tried at t = 1: math domain error."),
        ("measure", ("out[0, lane] = 1.0",), "does not write out[1] at t = 1; write every row, in every lane."),
        ("measure", ("out[2, lane] = 1.0",), "uses out[2], and out has gap, length; declare it in measures=."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(kind: str, lines: tuple[str, ...], said: str) -> None:
    owner = "belief" if kind == "step" else "valley"
    assert refusal(kind, *lines) == f"Kernel kernel of {owner} {said}"


def test_an_undefined_name_is_named() -> None:
    assert (
        refusal("gradient", "out[j, i, lane] = foo")
        == "kernel uses 'foo', which is not defined where it was written."
    )


def test_a_branch_that_no_trial_takes_is_scanned() -> None:
    said = refusal("gradient", "out[j, i, lane] = theta[7, lane] if x[i, lane] < -1e9 else 1.0")
    assert "uses theta[7]" in said
    said = refusal("step", "x[i, lane] -= 0.1", "if x[i, lane] > 1e9:", "    state[5, i, lane] += 1.0")
    assert "uses state[5, :]" in said


def test_a_kernel_for_one_worker_is_refused_for_two() -> None:
    assert "does not write out[1, 0]" in refusal("gradient", "out[0, i, lane] = x[i, lane]", workers=2)


def test_every_coordinate_counts() -> None:
    assert "does not write out[0, 1]" in refusal("gradient", "out[j, 0, lane] = x[i, lane]", dim=2)
    assert "and x has the shape (1, lanes)" in refusal("gradient", "out[j, i, lane] = x[1, lane]")


def test_an_argument_that_is_assigned_is_not_scanned() -> None:
    made = kernel("gradient", "theta = np.zeros((9, L))", "out[j, i, lane] = x[i, lane] + theta[8, lane]")
    assert "theta" not in {name for name, _ in inspection.constant_indices(made)}
    ts.Sweep(ts.Problem("assigned", made), ts.gd(0.1), steps=1)


def test_an_array_that_is_chosen_is_left_to_the_run() -> None:
    made = kernel("gradient", "out[j, i, lane] = (np.ones((9, L)) if t > 0 else theta)[8, lane]")
    ts.Sweep(ts.Problem("chosen", made, {"a": 1.0}), ts.gd(0.1), steps=1)


@pytest.mark.parametrize("index", ["int(x[i, lane] * 40.0)", "t - 3", "int(theta[0, lane])"])
def test_an_index_computed_from_data_is_refused_when_it_runs(index: str) -> None:
    """The trials take none of them: the step, the point or the constant must be one that only the run has."""
    at = f"({index} if t == 7 else 0)"
    made = kernel("gradient", f"out[j, i, lane] = theta[{at}, lane]")
    problem = ts.Problem("valley", made, {"a": 1.0}, start=1.0)
    if index.startswith("int(theta"):
        problem = problem.replace(a=5.0)
    with pytest.raises(
        ValueError, match=r"^A kernel of valley or GD computes an index outside its arrays at step 7; "
    ):
        ts.simulate(problem, ts.gd(0.1), steps=10)


def test_an_index_of_a_rule_is_checked_too() -> None:
    table = np.array([1.0, 2.0])

    def looked_up(x: float, t: int) -> float:
        return float(table[t - 1]) + x

    with pytest.raises(ValueError, match="computes an index outside its arrays"):
        ts.simulate(ts.Problem("table", looked_up), ts.gd(0.1), steps=3)
    assert ts.simulate(ts.Problem("table", looked_up), ts.gd(0.1), steps=2).x_final.item() == pytest.approx(
        -0.29
    )


def test_nothing_is_changed_and_nothing_tried_twice() -> None:
    calls = []

    def momentum(g: Any, t: Any, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
        calls.append(t)
        state[0] += g[0]
        x -= lr * state[0]

    shapes = {"g": (1, 1, 2), "lr": (2,), "hyper": (0, 2), "noise": (0, 2), "state": (1, 1, 2), "x": (1, 2)}
    arrays = {name: np.ones(shape) for name, shape in shapes.items()}
    for _ in range(3):
        inspection.require("step", momentum, "mine", arrays)
    assert all((array == 1.0).all() for array in arrays.values())
    assert len(calls) == len(inspection.STEPS)  # a step returns nothing, so that once tells all
    inspection.require("step", momentum, "mine", {**arrays, "state": np.ones((2, 1, 2))})
    assert len(calls) == 2 * len(inspection.STEPS)


def test_the_kernels_of_the_catalogue_fit_and_cost_little() -> None:
    """Every kernel written by hand of the quick tier, tried anew, takes well below a second."""
    sweeps = [sweep.at("quick") for sweep in catalogue.sweeps().values()]
    inspection._TRIED.clear()
    begin = time.process_time()
    for sweep in sweeps:
        sweep.problem.inspect(sweep.workers)
        sweep.optimizer.inspect(sweep.problem.dim, sweep.workers)
    assert inspection._TRIED
    assert time.process_time() - begin < 2.0  # 0.4 s on an idle machine


def pull(g: float, lr: float, x: float, beta: float, m: float) -> tuple[float, float]:
    return x - lr * m, beta * m + g


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hyper": {}}, "names 'beta', which is not declared"),
        ({"hyper": {"Beta": 0.9}}, "names 'beta', which is not declared: did you mean Beta"),
        ({"rows": ()}, "names 'm', which is not declared"),
        ({"rows": ("m", "v")}, "returns 2 numbers; it must return 3: the new x, m, v"),
        ({"rows": ("m", "m")}, "State row 'm' of mine is taken"),
        ({"rows": ("beta",)}, "State row 'beta' of mine is taken"),
        ({"hyper": {"beta": 0.9, "lr": 1.0}}, "Hyperparameter 'lr' of mine is taken"),
        ({"rows": "m"}, "rows = 'm' must be a tuple of names"),
    ],
)
def test_a_rule_names_what_is_declared(change: dict[str, Any], said: str) -> None:
    """A rule cannot index: a name that is misspelt, missing or taken is refused where the optimizer is constructed."""
    with pytest.raises(ValueError, match=said):
        ts.Optimizer("mine", pull, **{"hyper": {"beta": 0.9}, "rows": ("m",), **change})

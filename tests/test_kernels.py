"""The registry: options, argument counts, the disk cache, functions without a file."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim import compressors, kernels, random
from theory_sim.app import catalogue
from theory_sim.optimizers import OPTIMIZERS

COMPRESSED = [
    compressor(**({"k": 1} if "k" in inspect.signature(compressor).parameters else {}), **more)
    for compressor, more in (
        (one, {name: 2 for name in ("levels", "bits", "rank") if name in inspect.signature(one).parameters})
        for one in compressors.COMPRESSORS.values()
    )
]


def every_kernel() -> list[tuple[str, Any]]:
    found = [("sampler", sampler) for sampler, _, _ in random.ORDERS.values()] + [("uniform", random.uniform)]
    for optimizer in (constructor() for constructor in OPTIMIZERS.values()):
        found += [("step" if optimizer.up is None else "exchange", optimizer.step)]
    found += [("compress", compressor.kernel) for compressor in COMPRESSED]
    found += [("step", ts.amsgrad(variant=name).step) for name in ("torch", "optax", "keras")]
    found += [("schedule", one.kernel) for one in (ts.constant(), ts.power(0.5), ts.linear(10))]
    for name in (
        "reddi.periodic:C=10",
        "reddi.stochastic:C=10,delta=1",
        "zhang.piecewise",
        "zhang.quadratics",
    ):
        problem = catalogue.build_problem(name)
        found += [("gradient", problem.gradient), ("measure", problem.measure)]
    return list(dict.fromkeys(found))  # two optimizers may share a kernel


@pytest.mark.parametrize(
    ("kind", "kernel"), every_kernel(), ids=lambda value: getattr(value, "__name__", value)
)
def test_kernels_are_compiled_strictly(kind: str, kernel: Any) -> None:
    options = kernels.compiled(kind, kernel).targetoptions
    assert options["error_model"] == "numpy"
    assert options["nogil"]
    assert not options.get("fastmath")
    assert not options.get("parallel")


@pytest.mark.parametrize(
    ("kind", "kernel"), every_kernel(), ids=lambda value: getattr(value, "__name__", value)
)
def test_kernels_call_nothing_of_another_module(kind: str, kernel: Any) -> None:
    outside = (
        set(kernel.__code__.co_names)
        - set(dir(__builtins__))
        - {"float", "int", "min", "max", "abs", "range"}
    )
    modules = {"math", "np", "sqrt", "inf", "nan", "shape", "uint64", "tanh", "log1p", "exp", "hypot"}
    compressing = {
        "view",
        "copysign",
        "isnan",
        "float32",
        "float64",
        "int64",
        "rint",
        "floor",
        "ceil",
        "size",
    }
    arrays = {"empty", "full", "zeros", "linalg", "svd", "frexp", "ldexp", "ascontiguousarray"}
    assert outside <= (modules | compressing | arrays if kind == "compress" else modules)


def test_wrong_number_of_arguments_is_named() -> None:
    with pytest.raises(ValueError, match=r"step kernel .* must take \(g, t, lr, hyper, noise, state, x\)"):
        ts.Optimizer("short", lambda g, t: None)


def test_a_function_typed_at_a_prompt_runs(pull: ts.Problem) -> None:
    namespace: dict[str, Any] = {}
    source = "def step(g, t, lr, hyper, noise, state, x):\n    x[0] -= lr * g[0, 0]\n"
    exec(compile(source, "<prompt>", "exec"), namespace)  # noqa: S102  what a prompt does
    grid = ts.simulate(pull, ts.Optimizer("typed", namespace["step"], lr=0.5), steps=3)
    assert grid.x_final.item() == 0.125  # 1 -> 1/2 -> 1/4 -> 1/8
    assert len(kernels.digest(namespace["step"])) == 12


def test_a_new_optimizer_does_not_recompile_the_loop(pull: ts.Problem) -> None:
    from theory_sim.simulate import _compiled_advance

    def halve(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
        for lane in range(x.shape[1]):
            x[0, lane] *= 0.5

    before = len(_compiled_advance().signatures)
    assert ts.simulate(pull, ts.Optimizer("halve", halve), steps=2).x_final.item() == 0.25
    assert len(_compiled_advance().signatures) == before == 1


SMALL = """
import numpy as np, theory_sim as ts
from counterexamples import reddi, zhang
runs = [
    ts.Sweep(reddi.periodic(4.0), ts.adam(0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5)),
             {"beta2": [0.3, 0.6, 0.9]}, steps=40),
    ts.Sweep(zhang.piecewise(5), ts.amsgrad(0.1, variant="optax"), {"beta1": [0.0, 0.5]}, steps=40, seeds=2,
             order="reshuffled"),
    ts.Sweep(reddi.stochastic(5.0, delta=1.0), ts.adam(0.1), steps=40, seeds=3, workers=2),
]
print([sweep.run().x_final.values.tobytes().hex() for sweep in runs])
"""


def test_plain_python_gives_the_same_bits() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SMALL],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "NUMBA_DISABLE_JIT": disabled},
        ).stdout
        for disabled in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 100


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """The cache folder does not change between the second and the third process."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    listings = []
    for _ in range(3):
        subprocess.run([sys.executable, "-c", SMALL], check=True, capture_output=True, env=environment)
        listings.append(sorted(path.name for path in tmp_path.rglob("*.nb[ci]")))
    assert listings[0] == listings[1] == listings[2]
    assert any("advance" in name for name in listings[0])
    assert np.unique(listings[0]).size == len(listings[0])

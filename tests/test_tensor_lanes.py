"""Lanes on tensors against the compiled tiles: the same numbers drawn, the same Dataset, the same verdicts.

Both backends run the same rules in the same order, so they differ by the rounding of exp, log, powers and hypot alone:
by some units of 2^-53 per step, which steps that do not magnify carry to 1e-12 in 1,000 of them.
"""

import inspect
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import theory_sim as ts
from counterexamples import quantized, reddi, separable, zhang, zoo
from theory_sim import compressors, random
from theory_sim.app import catalogue
from theory_sim.app.cli import main
from theory_sim.engine import tensor_tile, tensors
from theory_sim.engine.target import Target
from theory_sim.nouns.order import ORDERS
from theory_sim.optimizers import OPTIMIZERS

torch = pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')
draws = pytest.importorskip("theory_sim.engine.draws")

TOLERANCE = 1e-12  # of the module's first paragraph, relative to what exceeds 1
NEEDED = {"C": 10.0, "eps": 0.5, "N": 6, "B": 2, "ratio": 0.5, "tail": 0.4}  # parameters without default
BY_HAND = {
    "cycles.hull",
    "cycles.piecewise",
    "sequences.periodic",
    "zoo.polynomial",
    "zoo.logistic",
    "zoo.logistic_regression",
    "sign.common_signs",
    "sign.private_features",
}
# Products with matrices, which only compiled lanes know.
BY_HAND |= {f"quadratics.{name}" for name in ("quadratic", "diagonal", "blocks", "dense")}
BY_HAND |= {"lipschitz.chebyshev", "finetuning.hyperplanes", "finetuning.regression", "finetuning.bowls"}
BY_HAND |= {"gossip.heterogeneous", "quantized.different_workers", "quantized.three_quadratics"}
BY_HAND |= {"nonsmooth.chain", "nonsmooth.pieces", "layers.quadratic", "zeroth_order.spsa"}
BY_HAND |= {f"perceptron.{name}" for name in ("imbalanced", "overshoot", "gaussian", "basis")}
# Optimizers whose step or default compressor is no rule of arithmetic.
SORTED = {"gossip_signum", "choco", "ef_sgd", "ef21", "ef21_sgdm", "diana", "qadam", "eight_bit_adam"}
SORTED |= {"mechanic", "adam_mini", "blockwise_gd", "mofo", "lars", "lamb", "lisa", "muon"}


def on_tensors(sweep: ts.Sweep, **given: Any) -> xr.Dataset:
    return sweep.run(backend="torch", threads=1, **given)


def agree(found: xr.Dataset, expected: xr.Dataset, tolerance: float = TOLERANCE) -> None:
    """The same variables, dimensions, types, coordinates, and values up to rounding."""
    assert list(found.data_vars) == list(expected.data_vars)
    for name in expected.data_vars:
        one, other = found[name], expected[name]
        assert (one.dims, one.dtype) == (other.dims, other.dtype), name
        if other.dtype.kind == "f":
            scale = np.maximum(1.0, np.abs(np.nan_to_num(other.values, posinf=1.0, neginf=1.0)))
            np.testing.assert_allclose(
                one.values / scale, other.values / scale, rtol=0, atol=tolerance, err_msg=name
            )
        else:
            assert (one.values == other.values).all(), name
    for name in expected.coords:
        assert (found[name].values == expected[name].values).all()


def test_uniforms_are_those_of_the_lanes() -> None:
    keys = np.array([random.key(3, seed) for seed in range(5)], dtype=np.uint64)
    steps = [0, 1, 2, 77, 10**6, 2**40]
    found = draws.uniforms(
        torch.tensor(steps)[:, None, None], 2, torch.arange(3)[:, None], torch.from_numpy(keys.view(np.int64))
    )
    expected = [[[random.uniform_at(int(k), t, 2 + q) for k in keys] for q in range(3)] for t in steps]
    assert (found.numpy() == np.array(expected)).all()


def test_every_order_draws_the_components_of_the_lanes() -> None:
    assert draws.ORDERS.keys() == ORDERS.keys()
    rng, workers = np.random.default_rng(0), 2
    size = np.array([1, 2, 5, 7])
    u = rng.random((40, workers, len(size)))
    for name, order in ORDERS.items():
        idx, table = np.zeros((workers, len(size)), np.int64), np.zeros((8, workers, len(size)), np.int64)
        expected = []
        for t in range(1, 41):
            order.kernel(t, size, u[t - 1], table, idx)
            expected.append(idx.copy())
        own, found = torch.zeros((7, workers, len(size)), dtype=torch.int64), []
        for a in (0, 3, 16):  # in parts of any length
            part = slice(a, {0: 3, 3: 16, 16: 40}[a])
            t = torch.arange(1, 41)[part, None, None]
            found.append(
                draws.ORDERS[name](t, torch.from_numpy(size), torch.from_numpy(u[part]), own).numpy()
            )
        assert (np.concatenate(found) == np.array(expected)).all(), name


@pytest.mark.parametrize("order", ORDERS)
def test_trajectories_after_a_thousand_steps(order: str) -> None:
    adam = ts.adam(0.1, eps=0.0, schedule=ts.power(0.5))
    axes = {"beta1": [0.0, 0.9], "beta2": [0.5, 0.99], "n": [5, 10], "s": [0.5, 0.7]}
    sweep = ts.Sweep(
        zhang.piecewise(n=10, a=1.0), adam, axes, 1003, seeds=2, order=order, checkpoints=6, running=True
    )
    agree(on_tensors(sweep), sweep.run(threads=1))


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    problem = quantized.quadratic(sigma=1.0, p=0.3, d=4)
    sweep = ts.Sweep(
        problem, optimizer, {"lr": [0.003, 0.1]}, 20, seeds=2, workers=4, checkpoints=3, running=True
    )
    if name in SORTED:
        with pytest.raises(ValueError, match='use backend="numba"'):
            on_tensors(sweep)
    else:
        agree(on_tensors(sweep), sweep.run(threads=1))


@pytest.mark.parametrize("name", sorted(catalogue.problems().keys() - {"reddi.stochastic"}))
def test_every_problem(name: str) -> None:
    constructor = catalogue.problems()[name]
    missing = [
        one.name for one in inspect.signature(constructor).parameters.values() if one.default is one.empty
    ]
    problem = constructor(**{one: NEEDED[one] for one in missing})
    hit = 0.1 if {"gradient_norm", "gradient_l1"} & {*problem.measures} else None
    workers = int(problem.facts.get("workers", 2))
    sweep = ts.Sweep(
        problem,
        ts.adam(0.1),
        {"beta1": [0.0, 0.9]},
        20,
        2,
        "reshuffled",
        None,
        workers,
        3,
        True,
        first_hit=hit,
    )
    if name in BY_HAND:
        with pytest.raises(ValueError, match='use backend="numba"'):
            on_tensors(sweep)
    else:
        agree(on_tensors(sweep), sweep.run(threads=1))


def test_workers_and_messages_as_axes() -> None:
    """Groups of lanes of several sizes, in the order of the axes; messages both ways, a warm-up, a drawn start."""
    problem = quantized.quadratic(sigma=1.0, p=0.3, d=4)
    signs = compressors.l1_sign(block=2)
    for method in (
        ts.efficient_adam(0.1),
        ts.onebit_adam(0.1, warmup=7),
        ts.comp_ams(0.1, up=compressors.qsgd(2), error_feedback=False),
        ts.ef_sgd(0.1, up=signs, down=compressors.uniform(3)),
    ):
        sweep = ts.Sweep(problem, method, {"lr": [0.1, 0.01], "workers": [1, 3]}, 40, 2, checkpoints=4)
        agree(on_tensors(sweep), sweep.run(threads=1))


def descent(g: float, lr: float, x: float) -> float:
    return x - lr * g


def clock(lr: float, t: int) -> tuple[float, float]:
    return lr, float(t)


def test_measures_of_an_optimizer_see_the_step_ahead() -> None:
    method = ts.Optimizer(
        "clock", descent, 0.1, schedule=ts.power(1.0), measure=clock, measures=("rate", "number")
    )
    sweep = ts.Sweep(quantized.quadratic(sigma=0.0, d=1), method, steps=20, checkpoints=[4, 20], running=True)
    found = on_tensors(sweep)
    agree(found, sweep.run(threads=1))
    assert found.number.values.ravel().tolist() == [5.0, 21.0]
    np.testing.assert_allclose(found.rate.values.ravel(), [0.1 / 5.0, 0.1 / 21.0], rtol=1e-15)


def test_verdicts_of_a_map() -> None:
    """Every cell that either backend decides has the same verdict in both."""
    adam = ts.adam(0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
    axes = {"beta1": np.linspace(0.0, 0.95, 9), "beta2": np.linspace(0.0, 0.95, 9)}
    sweep = ts.Sweep(zhang.piecewise(n=10, a=1.0), adam, axes, steps=2000)
    expected, found = sweep.run(threads=1).verdict.values, on_tensors(sweep).verdict.values
    decided = (expected != "UNDECIDED") | (found != "UNDECIDED")
    assert {"CONVERGED", "DIVERGED"} <= {*expected[decided]}
    assert (found == expected)[decided].all()


def overflow(g: float, lr: float, x: float, m: float) -> tuple[float, float]:
    return x - lr * g / 1e9, 1e60 * (m + 1.0)


def test_what_stops_being_finite() -> None:
    """Escape without a box, NaN in one, and a moment that overflows while x stays."""
    steep = quantized.quadratic(sigma=0.0, d=2)
    inner = ts.Optimizer("overflow", overflow, 0.1, rows=("m",))
    for sweep in (
        ts.Sweep(steep, ts.sgd(1.0), {"lr": [0.1, 50.0, 500.0]}, 400, checkpoints=5, running=True),
        ts.Sweep(steep, inner, steps=100, checkpoints=5),
        ts.Sweep(reddi.periodic(10.0), ts.adam(1e308, eps=0.0), {"beta1": [0.0, 0.9]}, 40),
    ):
        expected = sweep.run(threads=1)
        agree(on_tensors(sweep), expected)
    rule = ts.Rule(steep.measures[0], 0.1, 1.0)
    escaped = on_tensors(ts.Sweep(steep, ts.sgd(1.0), {"lr": [0.1, 500.0]}, 400, rule=rule))
    assert escaped.status.values.ravel().tolist() == ["FINITE", "NONFINITE"]
    assert escaped.verdict.values.ravel()[1] == "DIVERGED"


def test_single_precision() -> None:
    """The same order of components, rounded arithmetic, a Dataset of 64 bits under a name of its own."""
    adam = ts.adam(0.1, beta2=0.9, schedule=ts.power(0.5))
    sweep = ts.Sweep(
        zhang.piecewise(n=10, a=1.0), adam, {"beta1": [0.0, 0.5]}, 300, 3, "reshuffled", checkpoints=3
    )
    expected, found = sweep.run(threads=1), on_tensors(sweep, dtype="float32")
    # 300 steps, each off by a few units of 2^-24 = 6e-8 of numbers below 10; and not by less, as it would be in 64 bits.
    off = np.abs(found.x.values - expected.x.values).max()
    assert 1e-9 < off < 300 * 4 * 6e-8 * 10
    assert found.x.dtype == np.float64
    assert (found.x.values == found.x.values.astype(np.float32)).all()
    assert len({one.attrs["digest"] for one in (found, expected, on_tensors(sweep))}) == 3
    noisy = ts.Sweep(quantized.quadratic(sigma=1.0, p=0.3, d=2), ts.sgd(0.1), steps=50, seeds=3)
    np.testing.assert_allclose(
        on_tensors(noisy, dtype="float32").x_final, noisy.run().x_final, rtol=0, atol=1e-5
    )


def test_a_stored_grid_is_that_of_its_backend_and_type(tmp_path: Path) -> None:
    sweep = ts.Sweep(zhang.piecewise(n=10, a=1.0), ts.adam(0.1), {"beta1": [0.0, 0.5]}, 30)
    seen: list[float] = []
    runs: list[dict[str, str]] = [{"backend": "torch"}, {"backend": "torch", "dtype": "float32"}, {}]
    first = [sweep.run(tmp_path, progress=seen.append, **given) for given in runs]  # type: ignore[arg-type]
    assert len(seen) >= 3
    assert len({*tmp_path.glob("*.npz")}) == 3
    seen.clear()
    again = [sweep.run(tmp_path, progress=seen.append, **given) for given in runs]  # type: ignore[arg-type]
    assert seen == []
    for one, other in zip(first, again, strict=True):
        xr.testing.assert_identical(one, other)
    assert first[1].attrs["backend"] == "torch cpu float32"


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tensors._CHUNK, "cpu", 3)  # three chunks of the seven lanes
    sweep = ts.Sweep(zhang.piecewise(n=10, a=1.0), ts.adam(0.1), {"beta1": np.linspace(0.0, 0.9, 7)}, 30)

    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.5:
            raise Stop

    with pytest.raises(Stop):
        on_tensors(sweep, store=tmp_path, progress=stop)
    seen: list[float] = []
    agree(on_tensors(sweep, store=tmp_path, progress=seen.append), sweep.run(threads=1))
    # Of the second chunk the shares were told before it was kept; so the first of three is not run again.
    assert seen == pytest.approx([6 / 7, 1.0])


def test_less_memory_means_narrower_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is taken to hold 300 lanes: a fault that no test machine has by itself."""
    whole, widths = tensors.run_tile, []

    def short(loop: Any, cut: np.ndarray, compiled: bool) -> Any:
        widths.append(len(cut))
        if len(cut) > 300:
            raise torch.OutOfMemoryError("no memory left")
        return whole(loop, cut, compiled)

    sweep = ts.Sweep(zhang.piecewise(n=10, a=1.0), ts.adam(0.1), {"beta1": np.linspace(0.0, 0.9, 600)}, 10)
    expected = sweep.run(threads=1)
    monkeypatch.setattr(tensors, "run_tile", short)
    monkeypatch.setattr(tensors, "_EAGER", 1024)
    with pytest.warns(RuntimeWarning, match="cpu is out of memory; the run goes on with") as caught:
        agree(on_tensors(sweep), expected)
    assert [str(one.message).split()[-4] for one in caught] == ["512", "256"]
    assert widths == [600, 512, 256, 256, 88]  # a tile for 1024 is halved until it holds at most 300


def raw_step(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            x[i, lane] -= lr[lane] * g[0, i, lane]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"optimizer": ts.Optimizer("own", raw_step, 0.1)}, "The step of own is a kernel written by hand"),
        ({"problem": zoo.polynomial()}, "The gradient of zoo.polynomial is a kernel written by hand"),
        ({"optimizer": ts.ef_sgd(0.1)}, "The compressor top_k is a kernel written by hand"),
        (
            {"optimizer": ts.qadam(0.1, up=compressors.log_levels(2))},
            r"cannot run on tensors \(Rule _power is no arithmetic",
        ),
        ({"backend": "jax"}, "Unknown backend 'jax'"),
        ({"dtype": "float16"}, "Unknown dtype 'float16'"),
        ({"device": "nowhere"}, "device = 'nowhere' cannot be used here"),
        ({"backend": "numba", "device": "cuda"}, "device = 'cuda' needs tensors; give backend=\"torch\""),
        ({"backend": "numba", "dtype": "float32"}, "dtype = 'float32' needs tensors"),
    ],
)
def test_a_refusal_is_one_sentence(given: dict[str, Any], message: str) -> None:
    problem = given.pop("problem", separable.wells())
    sweep = ts.Sweep(problem, given.pop("optimizer", ts.sgd(0.1)), steps=5)
    with pytest.raises(ValueError, match=message) as caught:
        sweep.run(**{"backend": "torch", **given})
    assert str(caught.value).count(". ") == 0
    assert str(caught.value)[-1] in ".?"


def test_the_command_line(tmp_path: Path) -> None:
    def sweep(*given: str) -> Any:
        name = min(catalogue.sweeps().values(), key=lambda one: one.at("quick").steps * 1000 + one.size).name
        return CliRunner().invoke(main, ["sweep", name, "--tier", "quick", "--out", str(tmp_path), *given])

    refused = sweep("--backend", "torch", "--device", "nowhere")
    assert refused.exit_code == 2
    assert "cannot be used here" in refused.output
    assert "times compiled tiles" in sweep("--backend", "torch", "--dry-run").output


@pytest.mark.skipif(
    shutil.which("g++") is None or os.environ.get("THEORY_SIM_TIER") != "full",
    reason="torch compiles tensors of the CPU with g++, for half a minute",
)
def test_compiled_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 2 of the 35 steps are compiled; the one that is left over runs by itself."""
    monkeypatch.setattr(tensor_tile, "STEPS", 2)
    problem, axes = quantized.quadratic(sigma=1.0, p=0.3, d=1), {"beta1": np.linspace(0.0, 0.9, 20)}
    sweep = ts.Sweep(problem, ts.adam(0.1), axes, 35, seeds=2, checkpoints=[35], running=True)
    # Headers that are compiled first pay from the second kernel on.
    alone = torch._inductor.config.patch(cpp_cache_precompile_headers=False)
    with warnings.catch_warnings(), alone:
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch about itself
        found = sweep.job.run(threads=1, target=Target(compiled=True))
    agree(found, sweep.run(threads=1))


@pytest.mark.filterwarnings(
    "ignore:`torch.jit:DeprecationWarning"
)  # of torch about itself, at its first import
def test_without_a_compiler_there_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_tile, "STEPS", 3)
    sweep = ts.Sweep(zhang.piecewise(n=10, a=1.0), ts.sgd(0.1), {"lr": np.linspace(0.01, 0.9, 30)}, 36)
    broken = {"cpp.cxx": (None, "/nowhere/g++"), "fx_graph_cache": False}
    with (
        torch._inductor.config.patch(broken),
        pytest.warns(RuntimeWarning, match="torch cannot compile here: "),
    ):
        found = sweep.job.run(threads=1, target=Target(compiled=True))
    agree(found, sweep.run(threads=1))

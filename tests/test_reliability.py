"""No wrong number without a message: lanes that died, casts, functions in memory, the store, bad input, odd places."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

import theory_sim as ts
from counterexamples import (
    generalized_smooth,
    linear,
    noisy_well,
    quantized,
    reddi,
    sign,
    smooth,
    twopoint,
    zhang,
    zoo,
)
from theory_sim.nouns.family import family
from theory_sim.nouns.noise import Noise
from theory_sim.rules import build


def same(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether two grids hold the same bits."""
    return all(one[name].values.tobytes() == other[name].values.tobytes() for name in one.data_vars)


def once_not_a_number(t: int, at: float) -> float:
    return math.nan if t == at else 1.0


@pytest.mark.parametrize("workers", [1, 2], ids=["pair", "loop"])
@pytest.mark.parametrize("domain", [None, (-1.0, 1.0)], ids=["free", "box"])
def test_a_lane_that_revives_is_dead_whatever_its_neighbours(workers: int, domain: Any) -> None:
    """The new x is NaN at one step and, written from t alone, finite at the next; a later step reaches the target."""

    def revived(g: float, t: int) -> float:
        return g if math.isnan(g) else 1.0 / t

    moments = np.concatenate([np.arange(1.0, 21.0), np.arange(100.0, 125.0)])
    rule = ts.Rule("gradient_norm", 10.0, 20.0)
    problem = ts.Problem(
        *("dying", once_not_a_number, {"at": 1.0}),
        measure=lambda x: abs(x),
        measures=("gradient_norm",),
        rule=rule,
        domain=domain,
        start=1.0,
    )
    optimizer = ts.Optimizer("absolute", revived, lr=0.1)
    plan: dict[str, Any] = {
        "steps": 60,
        "checkpoints": 8,
        "workers": workers,
        "running": True,
        "first_hit": 0.03,
    }
    grid = ts.Sweep(problem, optimizer, {"at": moments}, **plan).run(threads=1)
    met = moments <= 60
    assert (grid.nonfinite_step.values[met, 0] == moments[met]).all()
    assert (grid.nonfinite_step.values[~met] == -1).all()
    assert (grid.status.values[met] == "NONFINITE").all()
    assert (grid.verdict.values[met] == "UNDECIDED").all()
    assert (grid.verdict.values[~met] == "CONVERGED").all()
    assert (grid.first_hit.values[met] == -1).all()
    assert (grid.first_hit.values[~met] == 34).all()
    assert np.isnan(grid.x_final.values[met]).all()
    for moment in (6.0, 7.0, 20.0, 110.0):  # alone, or with one neighbour, as among all
        few = {"at": [moment]} if moment < 20 else {"at": [5.0, moment]}
        alone = ts.Sweep(problem, optimizer, few, **plan).run()
        assert same(alone.sel(at=moment), grid.sel(at=moment))


def test_random_moments_of_death_are_all_found() -> None:
    """Thousand lanes that each meet NaN once, by chance, and revive: none is CONVERGED."""

    def spiked(noise: float) -> float:
        return math.nan if noise < 0.02 else 1.0

    def revived(g: float, t: int) -> float:
        return g if math.isnan(g) else 1.0 / t

    plain = Noise("plain", lambda u: u, mean=lambda: 0.5)
    problem = ts.Problem("spiked", spiked, noise=plain, measure=lambda x: abs(x), measures=("distance",),
                         rule=ts.Rule("distance", 10.0, 20.0))  # fmt: skip
    grids = [
        ts.Sweep(problem, ts.Optimizer("absolute", step), steps=200, seeds=1000).run()
        for step in (revived, lambda g, t: g if math.isnan(g) else 1.0 / t)
    ]
    stopped = grids[0].nonfinite_step.values
    assert 900 < (stopped > 0).sum() < 1000
    assert ((grids[0].status == "NONFINITE").values == (stopped > 0)).all()
    assert ((grids[0].verdict == "CONVERGED").values == (stopped < 0)).all()
    assert same(*grids)


@pytest.mark.parametrize("kind", [float, int, bool, np.float32], ids=lambda kind: kind.__name__)
def test_gradients_of_every_type_become_float64(kind: Any) -> None:
    """4e9 squared overflows 64-bit integers, and float32 loses digits: the step must see float64, in both loops."""
    functions = {
        float: lambda index: 4000000000.0 if index == 0 else -1.0,
        int: lambda index: 4000000000 if index == 0 else -1,
        bool: lambda index: index == 0,
        np.float32: lambda index: np.float32(0.1) if index == 0 else np.float32(-1.0),
    }
    exact = {bool: lambda index: 1.0 if index == 0 else 0.0, float: functions[float], int: functions[float],
             np.float32: lambda index: 0.10000000149011612 if index == 0 else -1.0}  # fmt: skip

    def squares(g: float, lr: float, x: float, v: float) -> tuple[float, float]:
        v = v + g * g
        return x - lr * g / math.sqrt(v + 1e-30), v

    def run(gradient: Any, workers: int) -> xr.Dataset:
        problem = ts.Problem("typed", gradient, components=3)
        sweep = ts.Sweep(problem, ts.Optimizer("squares", squares, rows=("v",)), {"lr": np.geomspace(0.1, 1, 32)},
                         steps=30, workers=workers)  # fmt: skip
        return sweep.run()

    for workers in (1, 2):  # the kernel of gradient and step at once, and the loop
        assert same(run(functions[kind], workers), run(exact[kind], workers))
    assert (run(functions[kind], 1).x_final == run(functions[kind], 2).x_final).all()


def test_what_runs_is_the_function_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of a rule is edited while the process lives: another kernel is compiled, of the same function."""
    file = tmp_path / "edited_rules.py"
    text = "def slope(x: float) -> float:\n    return 1.0 * x\n"
    file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import edited_rules  # type: ignore[import-not-found]

    problem = ts.Problem("edited", edited_rules.slope, start=1.0)
    before = ts.Sweep(problem, ts.gd(0.1), {"lr": [0.1, 0.2]}, steps=5).run()
    file.write_text(text.replace("1.0", "-7.0"))
    lrs = np.concatenate(
        [[0.1, 0.2], np.linspace(0.3, 0.9, 30)]
    )  # many lanes: the kernel of gradient and step
    after = ts.Sweep(problem, ts.gd(0.1), {"lr": lrs}, steps=5).run()
    assert (after.x_final.values[:2] == before.x_final.values).all()


def test_a_module_of_the_user_called_math_is_refused() -> None:
    mine = ModuleType("mymath")
    mine.pi = 3.0  # type: ignore[attr-defined]
    space: dict[str, Any] = {"math": mine}
    exec("def slope(x):\n    return math.pi * x\n", space)  # noqa: S102  as at a prompt
    with pytest.raises(ValueError, match="reads the module 'mymath'"):
        ts.Problem("aliased", space["slope"])


def test_another_name_of_math_runs() -> None:
    space: dict[str, Any] = {"m": math, "numbers": np}
    exec("def slope(x):\n    return m.sqrt(numbers.abs(x))\n", space)  # noqa: S102
    assert (
        ts.simulate(ts.Problem("aliased", space["slope"], start=4.0), ts.gd(0.5), steps=1).x_final.item()
        == 3.0
    )


POWER = 2


def multiple(x: float, k: float) -> float:
    return k * x


@family
def powered(c: float = 1.0) -> ts.Problem:
    """A constant that the constructor derives."""
    return ts.Problem("powered", multiple, {"k": c**POWER}, start=1.0)


def test_an_edited_constructor_gets_another_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = []
    for power in (2, 3):
        monkeypatch.setitem(globals(), "POWER", power)
        sweeps.append(ts.Sweep(powered(), ts.gd(0.1), {"c": [1.0, 2.0]}, steps=5))
        sweeps[-1].run(store=tmp_path)
    assert sweeps[0].job.digest != sweeps[1].job.digest
    monkeypatch.setitem(globals(), "POWER", 3)
    assert same(
        sweeps[1].run(store=tmp_path), ts.Sweep(powered(), ts.gd(0.1), {"c": [1.0, 2.0]}, steps=5).run()
    )


def scaled(table: Any) -> ts.Problem:
    """A rule that captures an array."""

    def slope(x: float, t: int) -> float:
        return float(table[t - 1]) * x

    return ts.Problem("scaled", slope, start=1.0)


@pytest.mark.parametrize(("entry", "value"), [(0, 0.1000000001), (700, 0.2), (0, -0.0)])
def test_every_bit_of_a_captured_array_counts(tmp_path: Path, entry: int, value: float) -> None:
    """Neither the eight digits nor the dots that repr shows."""
    base = np.full(2000, 0.1) if value else np.zeros(2000)
    changed = base.copy()
    changed[entry] = value
    sweeps = [ts.Sweep(scaled(table), ts.gd(0.1), steps=1500) for table in (base, changed)]
    assert sweeps[0].job.digest != sweeps[1].job.digest
    for sweep in sweeps:
        sweep.run(store=tmp_path)
    assert same(sweeps[1].run(store=tmp_path), sweeps[1].run())
    assert sweeps[0].job.digest == ts.Sweep(scaled(base.copy()), ts.gd(0.1), steps=1500).job.digest


def test_a_value_behind_a_module_is_refused() -> None:
    consts = ModuleType("consts")
    consts.SCALE = 1.0  # type: ignore[attr-defined]
    space: dict[str, Any] = {"consts": consts}
    exec("def slope(x):\n    return consts.SCALE * x\n", space)  # noqa: S102
    with pytest.raises(ValueError, match="reads the module 'consts'"):
        ts.Problem("scaled", space["slope"])


HELPERS = """
import theory_sim as ts
def helper(x):
    return 2.0 * x
def slope(x):
    return (lambda y: y + 1.0)(helper(x))
print(ts.Sweep(ts.Problem("p", slope), ts.gd(0.1), steps=3).job.digest)
"""


def digest_of(text: str, seed: str = "0") -> str:
    """The digest that another process prints."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def test_the_digest_of_helpers_and_lambdas_is_the_same_in_every_process() -> None:
    first = digest_of(HELPERS)
    assert len(first) == 16
    assert first == digest_of(HELPERS, "1")
    assert first != digest_of(HELPERS.replace("2.0", "2.0000000000000004"))


def belief(g: Any, t: Any, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            state[0, i, lane] = hyper[0, lane] * state[0, i, lane] + g[0, i, lane]
            x[i, lane] -= lr[lane] * state[0, i, lane]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            {"hyper": {"beta": 0.9}},
            r"Kernel belief of mine uses state\[0, :\], and state has no rows; declare it in rows=\.",
        ),
        (
            {"rows": ("m",)},
            r"Kernel belief of mine uses hyper\[0\], and hyper has no rows; declare it in hyper=\.",
        ),
    ],
)
def test_forgotten_rows_and_hyperparameters_are_named(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ts.Sweep(smooth.quadratic(), ts.Optimizer("mine", belief, **declared), steps=5)


@pytest.mark.parametrize(
    "name", ["x", "state", "seed", "status", "verdict", "x_final", "first_hit", "bits_up"]
)
def test_a_measure_cannot_take_the_name_of_an_output(name: str) -> None:
    with pytest.raises(ValueError, match=f"Measure {name!r} of p is taken; give it another name"):
        ts.Problem("p", lambda x: x, measure=lambda x: x, measures=(name,))


def descent(g: float, x: float, lr: float) -> float:
    return x - lr * g


@pytest.mark.parametrize(
    "made",
    [
        lambda: ts.Problem("p", lambda x: x, measure=lambda x: (x, x), measures=("a", "a")),
        lambda: ts.Problem("p", lambda x: x, measure=lambda x: x, measures="a"),  # type: ignore[arg-type]
        lambda: ts.Optimizer("o", lambda x, a: (x, a, a), rows=("a", "a")),
        lambda: ts.Optimizer("o", lambda x, a, b: (x, a, b), rows="ab"),  # type: ignore[arg-type]
        lambda: ts.Optimizer("o", descent, hyper={"lr": 0.1}),
        lambda: ts.Sweep(
            ts.Problem("p", lambda x, seed: seed * x, {"seed": 1.0}), ts.gd(0.1), {"seed": [1.0]}
        ),
    ],
    ids=["twice", "text", "rows twice", "rows text", "lr", "axis"],
)
def test_names_that_collide_are_refused(made: Callable[[], Any]) -> None:
    with pytest.raises(
        ValueError,
        match=r"is taken; give it another name\.|must be a tuple of names|is a name of the Dataset",
    ):
        made()


def positional(x: float, t: int, /) -> float:
    return x


def named(x: float, t: int) -> float:
    return x


def positional_kernel(x: Any, t: Any, /, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    out[0] = x


def test_positional_only_arguments_run() -> None:
    grids = [
        ts.Sweep(ts.Problem("p", one, start=1.0), ts.gd(0.1), {"lr": np.geomspace(0.1, 1, 32)}, steps=9).run()
        for one in (positional, named, positional_kernel)
    ]
    assert same(grids[0], grids[1])
    assert same(grids[0], grids[2])


EVALUATE = """
from counterexamples import smooth
from theory_sim.engine import evaluate
print(evaluate.gradients(smooth.quadratic(), [[0.125]]).item())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a folder of the kernel's own, which nobody can write to")
@pytest.mark.parametrize("folder", ["/proc", "/dev/null"])
def test_a_cache_folder_that_cannot_be_written_does_no_harm(folder: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment = {**kept, "XDG_CACHE_HOME": folder, "HOME": folder}
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "0.125\n", done.stderr


def test_a_user_without_a_home_does_no_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert build.folder.__wrapped__().parent == tmp_path


P, G = smooth.quadratic(), ts.gd(0.1)


def sweep(problem: ts.Problem = P, optimizer: ts.Optimizer = G, axes: Any = None, **more: Any) -> ts.Sweep:
    return ts.Sweep(problem, optimizer, {} if axes is None else axes, **{"steps": 10, **more})


def undefined(x: float) -> float:
    return x + nothing_of_this_name  # type: ignore[name-defined]  # noqa: F821


def unsupported(x: float) -> float:
    return math.fsum([x, x])


def evaluated(x: float) -> float:
    return float(eval("1.0")) * x


def asserting(x: float) -> float:
    assert x < 0.9
    return x


def unsupported_kernel(x: Any, t: Any, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    out[:] = np.linalg.matrix_power(np.eye(2), 2, casting=None)[0, 0] if t < 0 else 1.0


BAD: dict[str, Callable[[], Any]] = {
    "rule": lambda: sweep(rule="x"),
    "axes None": lambda: ts.Sweep(P, G, None),  # type: ignore[arg-type]
    "axes 1": lambda: sweep(axes=1),
    "axes abc": lambda: sweep(axes="abc"),
    "axes pairs": lambda: sweep(axes=[("lr", [0.1])]),
    "axis number": lambda: sweep(axes={1: [0.1]}),
    "axis unknown": lambda: sweep(axes={"lrr": [0.1]}),
    "axis empty": lambda: sweep(axes={"lr": []}),
    "axis text": lambda: sweep(axes={"lr": "0.1"}),
    "axis texts": lambda: sweep(axes={"lr": ["0.1"]}),
    "axis bool": lambda: sweep(axes={"lr": [True]}),
    "axis bytes": lambda: sweep(axes={"lr": [b"1"]}),
    "axis set": lambda: sweep(axes={"lr": {0.1, 0.2}}),
    "axis ragged": lambda: sweep(axes={"lr": [[0.1], [0.1, 0.2]]}),
    "axis complex": lambda: sweep(axes={"lr": [1j]}),
    "axis dict": lambda: sweep(axes={"lr": [{}]}),
    "axis nan": lambda: sweep(axes={"lr": [math.nan]}),
    "axis out of range": lambda: sweep(axes={"lr": [0.1, 0.0]}),
    "axis huge": lambda: sweep(axes={"lr": [10**400]}),
    "axis twice": lambda: sweep(axes={"lr": [0.1, 0.1]}),
    "axis masked": lambda: sweep(axes={"lr": np.ma.masked_array([0.1, 0.2], [0, 1])}),
    "period": lambda: sweep(reddi.periodic(4.0), axes={"period": [2**64]}),
    "components": lambda: ts.Problem("p", named, components=2**63),
    "dim": lambda: ts.Problem("p", named, dim=2**63),
    "axis n": lambda: sweep(zhang.piecewise(5), axes={"n": [2**70]}),
    "steps": lambda: sweep(steps=2**62),
    "steps text": lambda: sweep(steps="10"),
    "seeds": lambda: sweep(smooth.quadratic(d=1000), seeds=10**7).run(),
    "seeds huge": lambda: sweep(seeds=10**11).run(),
    "cells": lambda: sweep(axes={"lr": np.geomspace(0.1, 1, 10**5), "x0": np.linspace(0, 1, 10**5)}).run(),
    "permutations": lambda: sweep(ts.Problem("p", named, components=10**12), order="reshuffled").run(),
    "checkpoints": lambda: sweep(checkpoints=10**9, steps=10**10),
    "checkpoints 1.5": lambda: sweep(checkpoints=[1.5]),
    "checkpoints text": lambda: sweep(checkpoints="3"),
    "checkpoints [True]": lambda: sweep(checkpoints=[True]),
    "checkpoints True": lambda: sweep(checkpoints=True),
    "checkpoints falling": lambda: sweep(checkpoints=[3, 2]),
    "running": lambda: sweep(running=1),
    "workers": lambda: sweep(workers=2**40),
    "order": lambda: sweep(order=None),
    "entropy": lambda: sweep(entropy="1"),
    "x0 text": lambda: sweep(x0="a"),
    "x0 mapping": lambda: sweep(x0={}),
    "x0 bool": lambda: sweep(x0=True),
    "swapped": lambda: ts.Sweep(G, P),  # type: ignore[arg-type]
    "executor": lambda: sweep().run(executor=1),
    "threads": lambda: sweep().run(threads="2"),  # type: ignore[arg-type]
    "store": lambda: sweep().run(store=3),  # type: ignore[arg-type]
    "progress": lambda: sweep().run(progress=3),  # type: ignore[arg-type]
    "draws": lambda: ts.Optimizer("o", descent, draws=-1),
    "nodes": lambda: ts.Optimizer("o", descent, nodes=-1),
    "warmup": lambda: ts.Optimizer("o", descent, warmup=-1),
    "schedule list": lambda: ts.adam(schedule=[]),  # type: ignore[arg-type]
    "schedule mapping": lambda: ts.adam(schedule={}),  # type: ignore[arg-type]
    "lr text": lambda: ts.adam(lr="0.1"),  # type: ignore[arg-type]
    "lr bool": lambda: ts.adam(lr=True),
    "lr bytes": lambda: ts.adam(lr=b"1"),  # type: ignore[arg-type]
    "hyper": lambda: ts.Optimizer("o", descent, hyper=["a"]),  # type: ignore[arg-type]
    "rows": lambda: ts.Optimizer("o", descent, rows=3),  # type: ignore[arg-type]
    "d bytes": lambda: smooth.quadratic(d=b"1"),  # type: ignore[arg-type]
    "constants": lambda: ts.Problem("p", named, ["a"]),  # type: ignore[arg-type]
    "noise": lambda: ts.Problem("p", named, noise="normal"),  # type: ignore[arg-type]
    "reduction": lambda: ts.Problem("p", named, reductions={"s": 3}),  # type: ignore[dict-item]
    "rule of a problem": lambda: ts.Problem("p", named, rule="a"),  # type: ignore[arg-type]
    "start": lambda: ts.Problem("p", named, start=(1.0, 2.0)),
    "domain abc": lambda: linear.linear(domain="abc"),  # type: ignore[arg-type]
    "domain nan": lambda: linear.linear(domain=math.nan),  # type: ignore[arg-type]
    "domain {}": lambda: linear.linear(domain={}),  # type: ignore[arg-type]
    "box abc": lambda: ts.Problem("p", named, domain="abc"),  # type: ignore[arg-type]
    "box nan": lambda: ts.Problem("p", named, domain=math.nan),  # type: ignore[arg-type]
    "box of three": lambda: ts.Problem("p", named, domain=(1.0, 2.0, 3.0)),  # type: ignore[arg-type]
    "batch": lambda: zhang.batch(N=2**70, B=1),
    "signs": lambda: sign.common_signs(n=2**70),
    "nu": lambda: noisy_well.noisy_well(nu=1e308),
    "spread": lambda: quantized.quadratic(spread=1e308),
    "eps": lambda: generalized_smooth.hard_function(eps=5e-324),
    "L1": lambda: generalized_smooth.hard_function(L1=5e-324),
    "k": lambda: twopoint.two_point(k=1e308),
    "p": lambda: zoo.power_norm(p=1e308),
    "no function": lambda: ts.Problem("p", None),  # type: ignore[arg-type]
    "undefined name": lambda: ts.Problem("p", undefined),
    "unsupported call": lambda: sweep(ts.Problem("p", unsupported)).run(),
    "integer": lambda: ts.Schedule("large", lambda t: t + 2**63),
    "None": lambda: ts.Problem("p", lambda x: x if x < 0.9 else None),
    "raise": lambda: ts.Problem("p", asserting),
    "eval": lambda: sweep(ts.Problem("p", evaluated)).run(),
    "unsupported kernel": lambda: sweep(ts.Problem("p", unsupported_kernel)).run(),
}


@pytest.mark.parametrize("made", BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_one_sentence(made: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"\A[^\n]{15,399}[.?]\Z"):
        made()


def test_the_table_of_bad_input_does_not_hide_good_input() -> None:
    grid = sweep(axes={"lr": [0.1, 0.2]}, checkpoints=[1, 3], running=True, x0=2, entropy=2**200 + 1).run()
    assert json.dumps(grid.attrs)
    assert (grid.status == "FINITE").all()


def test_a_dead_lane_hits_nothing_whatever_its_neighbours() -> None:
    """|x| has gradients of size 1 away from 0, and a comparison turns the NaN of a dead lane into 0."""

    def step(x: float, t: int) -> float:
        return math.log(-1.0) if x < 0.0 and t == 3 else x

    problem = ts.Problem(
        "absolute", lambda x: math.copysign(1.0, x), measure=lambda x: 1.0 if abs(x) > 0.0 else 0.0,
        measures=("gradient_norm",),
    )  # fmt: skip
    for starts in ([-1.0], [-1.0, 1.0]):
        axes = {"x0": starts}
        run = ts.Sweep(problem, ts.Optimizer("own", step), axes, steps=8, first_hit=0.5).run()
        assert run.nonfinite_step.values[0, 0] == 3
        assert (run.first_hit == -1).all()
        assert (run.first_hit_mean == -1).all()

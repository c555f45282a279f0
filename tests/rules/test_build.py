"""Compiled kernels and digests: what is compiled is the function in memory, and a digest sees all that it reads."""

import importlib.util
import math
import os
import subprocess
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim import compressors, random
from theory_sim.app import catalogue
from theory_sim.engine import loop
from theory_sim.engine.loop import compiled_advance
from theory_sim.nouns.order import ORDERS
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules import build, checks, tile, trace
from theory_sim.rules.digest import captured, digest
from theory_sim.rules.language import Source


def every_source() -> dict[str, Source]:
    """A kernel of every kind and family."""
    found = {name: constructor().source[0] for name, constructor in OPTIMIZERS.items()}
    found |= {f"order {name}": tile.raw("sampler", order.kernel) for name, order in ORDERS.items()}
    found["uniform"] = tile.raw("uniform", random.uniform)
    for one in (compressors.l1_sign(), compressors.qsgd(4), compressors.low_rank(1), compressors.dynamic8()):
        found[str(one)] = one.source
    found |= {str(one): one.source for one in (ts.constant(), ts.power(0.5), ts.linear(10))}
    for name in (
        "reddi.periodic:C=10",
        "reddi.stochastic:C=10,delta=1",
        "zhang.piecewise",
        "zhang.quadratics",
    ):
        (gradient, _), (measure, _) = catalogue.build_problem(name).source
        found |= {f"{name}, gradient": gradient, f"{name}, measure": measure}
    return found


SOURCES = every_source()


@pytest.mark.parametrize("name", SOURCES)
def test_kernels_are_compiled_strictly(name: str) -> None:
    kernel = build.compiled(SOURCES[name])
    if not build.jitting():
        return
    # One that checks its indices is the dispatcher itself.
    options = getattr(kernel, "call", kernel).targetoptions
    assert options["error_model"] == "numpy"
    assert options["nogil"]
    assert not options.get("fastmath")
    assert not options.get("parallel")
    assert build.is_cached(SOURCES[name])


def test_the_table_of_kernels_is_that_of_the_signatures() -> None:
    for kind, arguments in build.ARGUMENTS.items():
        assert f"({', '.join(arguments)})" in build.__doc__ or kind == "exchange"  # type: ignore[operator]


# Compiled is the function in memory

MODULE = """
SLOPE = 1.0

def helper(x):
    return SLOPE * x

def gradient(x):
    return helper(x)
"""


def imported(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def end(gradient: Callable[..., float], **constants: float) -> float:
    """x_2 from x_1 = 1 at lr = 1."""
    return ts.simulate(
        ts.Problem("mine", gradient, constants, start=1.0), ts.sgd(1.0), steps=1
    ).x_final.item()


def test_what_is_compiled_is_the_function_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MODULE)
    one = imported(file, "mine")
    # The file changes after the import, and a second import under the same name sees the change.
    file.write_text(MODULE.replace("SLOPE = 1.0", "SLOPE = 0.25"))
    assert end(one.gradient) == 0.0
    assert end(imported(file, "mine").gradient) == 0.75
    assert end(one.gradient) == 0.0
    file.unlink()
    assert end(one.gradient) == 0.0


def test_a_value_that_changes_between_two_problems_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MODULE)
    module = imported(file, "mine")
    ends = []
    for slope in (1.0, 0.5):
        module.SLOPE = slope
        ends.append(digest(module.gradient))
    assert len(set(ends)) == 2


PROMPT = """
SCALE = 1.0
table = np.array([1.0, 3.0])

def helper(x):
    return SCALE * x

def gradient(x):
    return helper(x)

def kernel(x, t, idx, noise, theta, out):
    out[0, 0, :] = SCALE * x[0, :]

def looked_up(x, t):
    return table[t % 2] * x

def move(g, lr, x):
    return x - lr * g * SCALE

def factor(t):
    return SCALE / t
"""


@pytest.mark.parametrize("what", ["gradient", "kernel", "move", "factor"])
def test_a_value_that_changes_at_a_prompt_is_seen_by_what_is_there_already(what: str, tmp_path: Path) -> None:
    space: dict[str, Any] = {"np": np}
    exec(PROMPT, space)  # noqa: S102
    problem = ts.Problem("p", space[what] if what in ("gradient", "kernel") else lambda x: x, start=1.0)
    schedule = ts.Schedule("s", space["factor"] if what == "factor" else lambda t: 1.0)
    step = space["move"] if what == "move" else lambda g, lr, x: x - lr * g
    sweep = ts.Sweep(problem, ts.Optimizer("o", step, 0.25, schedule=schedule), steps=1)
    ends, digests = [], set()
    for scale in (1.0, 2.0, 1.0):
        space["SCALE"] = scale
        ends.append(sweep.run(tmp_path).x_final.item())
        digests.add(sweep.job.digest)
        again = ts.Sweep(problem, ts.Optimizer("o", step, 0.25, schedule=schedule), steps=1)
        assert again.run().x_final.item() == ends[-1]
    assert ends == [0.75, 0.5, 0.75]
    assert len(digests) == 2


def test_everything_that_is_made_of_a_rule_follows_what_it_captures() -> None:
    space: dict[str, Any] = {"np": np}
    exec(PROMPT, space)  # noqa: S102
    rule, problem = space["gradient"], ts.Problem("p", space["gradient"], start=1.0)
    starting = ts.Optimizer(
        "o", lambda lr, x, m: (x - lr * m, m), 0.25, rows=("m",), initial={"m": "mean_gradient"}
    )
    sweep = ts.Sweep(problem, starting, steps=1)

    def seen() -> list[float]:
        return [trace.elementwise(rule)(np.array([1.0]))[0].item(), sweep.run().x_final.item()]

    assert seen() == [1.0, 0.75]
    space["SCALE"] = 2.0
    assert seen() == [2.0, 0.5]
    exec("def helper(x):\n    return 3.0 * x", space)  # noqa: S102  a helper is written anew
    assert seen() == [3.0, 0.25]
    exec("def helper(x):\n    return table[int(x)] * x", space)  # noqa: S102  and indices are checked from now on
    assert sweep.run().x_final.item() == 0.25
    table = ts.Problem("t", space["looked_up"], start=1.0)
    assert ts.simulate(table, ts.gd(0.25), steps=1).x_final.item() == 0.25
    space["table"][1] = 2.0  # in place
    assert ts.simulate(table, ts.gd(0.25), steps=1).x_final.item() == 0.5
    assert sweep.run().x_final.item() == 0.5
    space["table"] = np.array([1.0])
    with pytest.raises(ValueError, match="computes an index outside its arrays"):
        sweep.run()


def test_asking_whether_a_value_changed_costs_little() -> None:
    source = ts.adam().source[0]
    slow, quick = (
        min(timeit.repeat(one, number=20, repeat=5))
        for one in (lambda: digest(dict(source.functions)), lambda: source.digest)
    )
    assert quick < slow / 20


def test_two_functions_of_one_name_are_two() -> None:
    def scaled(factor: float) -> Callable[[float], float]:
        def gradient(x: float) -> float:
            return factor * x

        return gradient

    assert [end(scaled(factor)) for factor in (0.5, 0.25, 0.5)] == [0.5, 0.75, 0.5]


def test_a_rule_typed_at_a_prompt_is_compiled_and_kept() -> None:
    namespace: dict[str, Any] = {}
    exec("def step(g, lr, x):\n    return x - lr * g / 3.7\n", namespace)  # noqa: S102  what a prompt does
    one = ts.Optimizer("typed", namespace["step"], lr=3.7)
    problem = ts.Problem("slope", lambda x: 0.5 * x, start=1.0)
    assert ts.simulate(problem, one, steps=3).x_final.item() == pytest.approx(0.125)
    if build.jitting():
        assert build.is_cached(one.source[0])


def test_a_new_rule_does_not_compile_the_loop_again() -> None:
    if not build.jitting():
        return
    before = compiled_advance()
    assert (
        ts.simulate(
            ts.Problem("flat", lambda: 0.0, start=1.0), ts.Optimizer("own", lambda x: x / 2), steps=2
        ).x_final
        == 0.25
    )
    assert compiled_advance() is before


@pytest.mark.parametrize(
    "gradient",
    [lambda x: float(f"{x:g}"), lambda x: float(sorted(["a", x], key=str)[1] == x), lambda x: float(str(x))],
    ids=["format", "sorted", "text"],
)
def test_what_cannot_be_compiled_is_one_sentence(gradient: Callable[[float], float]) -> None:
    if build.jitting():
        with pytest.raises(
            ValueError, match=r"^<lambda> cannot be compiled \(.*\); a rule uses numbers"
        ) as caught:
            end(gradient)
        assert "\n" not in str(caught.value)


# Digests

TABLE = (0.1, 0.2)
ARRAY = np.arange(3000.0)


def with_array(x: float) -> float:
    return ARRAY[1500] * x


def test_a_digest_sees_every_value_that_a_rule_captures(monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(factor: Any) -> Callable[[float], float]:
        return lambda x: factor * x

    def nested(factor: float) -> Callable[[float], float]:
        def outer(x: float) -> float:
            def inner(y: float) -> float:
                return factor * y

            return inner(x)

        return outer

    def helped(factor: float) -> Callable[[float], float]:
        inner = scaled(factor)
        return lambda x: inner(x)

    def default(factor: float) -> Callable[..., float]:
        return lambda x, a=factor: a * x

    close = (1.0, math.nextafter(1.0, 2.0), 2, 2.0, True)
    for make in (scaled, nested, helped, default):
        assert len({digest(make(value)) for value in close}) == len(close), make.__name__
        assert digest(make(0.1)) == digest(make(0.1))
    assert digest(scaled((1.0, 2.0))) != digest(scaled((1.0, 3.0)))
    assert digest(scaled(np.zeros(3))) != digest(scaled(np.zeros((3, 1))))
    assert digest(scaled(np.zeros(3))) != digest(scaled(np.zeros(3, np.float32)))
    # -0 is not 0, and the middle of an array that numpy would print as "..." counts
    assert digest(scaled(0.0)) != digest(scaled(-0.0))
    before = digest(with_array)
    changed = ARRAY.copy()
    changed[1500] = math.nextafter(1500.0, 0.0)
    monkeypatch.setitem(globals(), "ARRAY", changed)
    assert digest(with_array) != before


def test_a_digest_sees_code_and_constants() -> None:
    rules = [lambda x: x + 1.0, lambda x: x - 1.0, lambda x: x + 2.0, lambda x: x + 1, lambda y: y + 1.0]
    assert len({digest(rule) for rule in rules}) == len(rules)
    assert digest(lambda x: x + 1.0) == digest(rules[0])  # where it stands does not matter
    assert digest(1, "1") != digest("1", 1)
    assert digest([1, 2], [3]) != digest([1], [2, 3])


def test_a_rule_that_calls_itself_has_a_digest() -> None:
    def halved(x: float) -> float:
        return x if x < 1.0 else halved(x / 2.0)

    assert len(digest(halved)) == 16


def reads_a_module(x: float) -> float:
    return checks.number("x", x)


def reads_nothing_there(x: float) -> float:
    return x + nowhere  # type: ignore[name-defined]  # noqa: F821


def test_a_rule_that_reads_a_module_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"reads_a_module reads the module 'theory_sim\.rules\.checks'; a rule or kernel uses math",
    ):
        digest(reads_a_module)
    with pytest.raises(ValueError, match="uses 'nowhere', which is not defined where it was written"):
        captured(reads_nothing_there)
    with pytest.raises(ValueError, match=r"reads the module 'theory_sim\.rules\.checks'"):
        _ = ts.Sweep(ts.Problem("mine", reads_a_module, start=1.0), ts.sgd(), steps=1).job.digest


# Other processes

SMALL = """
import sys, numpy as np, theory_sim as ts
from counterexamples import quantized, reddi, smooth, zhang
namespace = {}
exec("def step(g, lr, x):\\n    return x - lr * g / 3.7", namespace)
runs = [
    ts.Sweep(reddi.periodic(4.0), ts.adam(0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5)),
             {"beta2": np.linspace(0.3, 0.9, 70)}, steps=40),  # more tiles than one: threads ask for the loop at once
    ts.Sweep(smooth.quadratic(d=3, sigma=1.0), ts.Optimizer("typed", namespace["step"]), steps=40, seeds=2),
    ts.Sweep(quantized.three_quadratics(), ts.efficient_adam(), steps=40, workers=3),
    ts.Sweep(zhang.piecewise(5), ts.amsgrad(0.1, variant="optax"), {"beta1": [0.0, 0.5]}, steps=40, seeds=2,
             order="reshuffled"),
    ts.Sweep(reddi.stochastic(5.0, delta=1.0), ts.adam(0.1), steps=40, seeds=3, workers=2),
][: int(sys.argv[1])]
print([sweep.run().x_final.values.tobytes().hex() for sweep in runs])
print([sweep.job.digest for sweep in runs])
"""


def started(count: int, **environment: str) -> str:
    """What a process of its own prints of the first small sweeps."""
    return subprocess.run(
        [sys.executable, "-c", SMALL, str(count)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    ).stdout


def test_plain_python_gives_the_same_bits_and_digests() -> None:
    outputs = [started(5, NUMBA_DISABLE_JIT=disabled, PYTHONHASHSEED=disabled) for disabled in ("0", "1")]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 100


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """The cache folder does not change between the first and the second process, the rule typed at a prompt included."""
    listings = []
    for _ in range(2):
        started(3, NUMBA_CACHE_DIR=str(tmp_path))
        found = (path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc", ".py"))
        listings.append(sorted((path.name, path.stat().st_mtime_ns) for path in found))
    assert listings[0] == listings[1]
    assert any("advance" in name for name, _ in listings[0])
    assert sum(name.startswith("step_") and name.endswith(".py") for name, _ in listings[0]) == 3


def test_a_folder_that_replaces_one_that_cannot_be_written_is_gone_with_its_process(tmp_path: Path) -> None:
    code = """
import os, theory_sim as ts
from theory_sim.engine import evaluate
from theory_sim.rules import build
evaluate.gradients(ts.Problem("p", lambda x: x), [[0.5]])
print(build.folder(), any(build.folder().glob("*.py")), flush=True)
child = os.fork()
if child == 0:
    raise SystemExit
os.waitpid(child, 0)
print(build.folder().exists())
"""
    blocked, folders = tmp_path / "file", tmp_path / "folders"
    blocked.write_text("")
    folders.mkdir()
    space = {**os.environ, "XDG_CACHE_HOME": str(blocked), "TMPDIR": str(folders)}
    space.pop("NUMBA_CACHE_DIR", None)
    out = subprocess.run([sys.executable, "-c", code], env=space, capture_output=True, text=True, check=True)
    made, written, kept = out.stdout.split()
    assert Path(made).parent == folders
    assert (written, kept) == ("True", "True")
    assert not Path(made).exists()


def test_the_loop_is_compiled_anew_when_a_function_that_it_calls_changes() -> None:
    """numba's own cache looks at the file of the loop only; what it calls is in other files."""
    before = digest(loop.advance)
    changed = FunctionType(loop.advance.__code__, {**loop.advance.__globals__, "observe": lambda *_: None})
    assert digest(changed) != before
    assert loop.compiled_advance() is not None
    assert (build.folder() / f"advance_{before}.py").exists()

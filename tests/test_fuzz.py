"""Malformed kernels and rules: each is refused with one sentence, or runs right; none crashes the process."""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import theory_sim as ts

CASES = 500
COMPILED = 20
STEPS = 7
FULL = os.environ.get("THEORY_SIM_TIER") == "full"

NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-2",
    "-3",
    "7",
    "1000000000000",
    "-1000000000000",
    "0.5",
    "math.nan",
    "math.inf",
    "-math.inf",
    "True",
    "1e308",
    "4000000000",
]
ROWS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-3",
    "1000000000000",
    "t",
    "i",
    "j",
    "lane",
    "d",
    "0.5",
    "'a'",
    "None",
    ":",
]
COMPUTED = [
    "int(3.0*x[i,lane])",
    "t // 3",
    "t - 4",
    "int(1e300*x[i,lane])",
    "int(theta[0,lane]) + t // 5",
    "i + 1",
    "lane * 2",
]
VALUES = [
    *NUMBERS,
    *(
        "1j",
        "'a'",
        "'1'",
        "None",
        "[1.0]",
        "(1.0, 2.0)",
        "{}",
        "np.float32(0.1)",
        "np.int8(3)",
        "np.float64(0.1)",
    ),
    *(
        "undefined",
        "eval('1.0')",
        "open",
        "print",
        "max(1.0)",
        "max(1.0, 2)",
        "abs(-3)",
        "sum",
        "list(1.0)",
        "os.getpid()",
    ),
    *(
        "stdlib.random()",
        "math.foo(1.0)",
        "math.sqrt(-1.0)",
        "math.log(0.0)",
        "np.foo",
        "np.exp(800.0)",
        "1.0 / 0.0",
        "1 / 0",
    ),
    *(
        "0 ** -1",
        "10 ** 30",
        "2 ** 63",
        "len(1.0)",
        "math",
        "math.pi",
        "(lambda: 1.0)",
        "table[0]",
        "table[5]",
        "table[t]",
    ),
]
ARRAYS = {
    "gradient": ("x", "idx", "noise", "theta", "out"),
    "measure": ("x", "idx", "noise", "theta", "out"),
    "step": ("g", "lr", "hyper", "noise", "state", "x"),
    "schedule": ("parameters", "factor"),
}
DIMENSIONS = {"out": 3, "g": 3, "state": 3, "lr": 1, "factor": 1}
HEADS = {
    "gradient": "x, t, idx, noise, theta, out",
    "measure": "x, t, idx, noise, theta, out",
    "step": "g, t, lr, hyper, noise, state, x",
    "schedule": "t, parameters, factor",
}
RIGHT = {
    "gradient": ("out[j, i, lane]", "theta[0, lane] * x[i, lane]"),
    "measure": ("out[0, lane]", "abs(x[0, lane])"),
    "step": ("x[i, lane]", "x[i, lane] - 0.1 * g[0, i, lane]"),
    "schedule": ("factor[lane]", "1.0 / t"),
}
BODY = {
    "gradient": "w, d, L = out.shape\n    for j in range(w):\n        for i in range(d):\n            for lane in range(L):\n",
    "measure": "i, j, d = 0, 0, 1\n    for jj in range(1):\n        for ii in range(1):\n            for lane in range(x.shape[1]):\n",
    "step": "d, L = x.shape\n    j = 0\n    for jj in range(1):\n        for i in range(d):\n            for lane in range(L):\n",
    "schedule": "i, j, d = 0, 0, 1\n    x = np.ones((1, 300))\n    theta = x\n    for jj in range(1):\n        for ii in range(1):\n            for lane in range(factor.shape[0]):\n",
}
RULES = {
    "gradient": ("x", "curvature", "index", "t", "noise", "m", "beta", "q", "i", "d", "x0", "lr"),
    "measure": ("x", "curvature", "t", "d", "g", "q", "max", "i"),
    "step": ("g", "lr", "x", "beta", "m", "t", "q", "math", "hyper", "i"),
    "schedule": ("t", "power", "q", "lr"),
}


def place(draw: random.Random, kind: str) -> str:
    """An element of an array of a kernel, often one that it does not have."""
    name = draw.choice(ARRAYS[kind])
    many = DIMENSIONS.get(name, 2) if kind != "measure" else 2
    many += draw.choice([0] * 12 + [1, -1])
    rows = [draw.choice(ROWS + COMPUTED * 2) for _ in range(max(many - 1, 0))]
    return f"{name}[{', '.join([*rows, draw.choice(['lane'] * 9 + ['0', 'lane + 1'])])}]"


def raw_text(draw: random.Random, kind: str) -> str:
    """The text of a kernel with one or two things changed from a right one."""
    target, value = RIGHT[kind]
    line = f"{target} = {value}"
    for _ in range(draw.choice([1, 1, 2])):
        other = place(draw, kind)
        line = draw.choice([
            f"{target} = {draw.choice(VALUES)}",
            f"{target} = {other}",
            f"{target} = {value} + {other}",
            f"{other} = {value}",
            f"{other} = {draw.choice(VALUES)}\n                {line}",
            f"{target} += {value}",
            "pass",
            f"if t < {draw.choice([1, 3, 5])}:\n                    {target} = {value}",
            f"{target} = {value} if t < 4 else {other}",
            f"if t == 5:\n                    {other} = 1.0\n                {line}",
        ])  # fmt: skip
    head = HEADS[kind] if draw.random() < 0.95 else HEADS[kind].rpartition(", ")[0]
    return f"def kernel({head}):\n    {BODY[kind]}                {line}\n"


def rule_text(draw: random.Random, kind: str) -> str:
    """The text of a rule with wrong names or values."""
    names = draw.sample(RULES[kind][: draw.choice([3, 3, 5, 12])], draw.randint(1, 3))
    value = draw.choice(
        [*VALUES, *names, *(f"{name} * 2.0" for name in names), f"{names[0]} if {names[0]} < 0.9 else None"]
    )
    value = draw.choice([value, value, f"{value}, {names[0]}", f"{names[0]} + {value}"])
    star = draw.choice([""] * 20 + ["*", "/"])
    head = {"": ", ".join(names), "*": f"*{names[0]}", "/": f"{', '.join(names)}, /"}[star]
    return f"def kernel({head}):\n    return {value}\n"


def case(number: int) -> tuple[str, str]:
    """The kind and the text of one case."""
    draw = random.Random(number)
    kind = draw.choice(list(ARRAYS))
    return kind, raw_text(draw, kind) if draw.random() < 0.6 else rule_text(draw, kind)


def sweep(number: int) -> ts.Sweep:
    """The sweep of one case: everything but one function is right."""
    kind, text = case(number)
    space: dict[str, Any] = {
        "math": math,
        "np": np,
        "os": os,
        "stdlib": random,
        "table": np.array([1.0, 2.0]),
    }
    exec(compile(text, f"<case {number}>", "exec"), space)  # noqa: S102  as at a prompt
    kernel = space["kernel"]
    gradient, measure, step = slope, distance, descent
    schedule = ts.constant()
    rows: tuple[str, ...] = ()
    if kind == "gradient":
        gradient = kernel
    elif kind == "measure":
        measure = kernel
    elif kind == "step":
        step = kernel
        rows = ("m",) if number % 2 else ()
    else:
        schedule = ts.Schedule("fuzzed", kernel, {"power": 0.5})
    constants = {"curvature": 0.5, "target": 0.0}
    problem = ts.Problem(
        "fuzzed", gradient, constants, start=0.9, measure=measure, measures=("distance",), components=2
    )
    optimizer = ts.Optimizer("fuzzed", step, 0.1, {"beta": 0.9}, rows, schedule=schedule)
    return ts.Sweep(problem, optimizer, steps=STEPS, seeds=2, checkpoints=range(1, STEPS))


def slope(x: float, curvature: float) -> float:
    return curvature * x


def distance(x: float) -> float:
    return abs(x)


def descent(g: float, x: float, lr: float) -> float:
    return x - lr * g


def outcome(number: int) -> dict[str, str]:
    """What becomes of a case: the sentence that refuses it, or the bits of its result, the same twice."""
    try:
        grids = [sweep(number).run(threads=1) for _ in range(2)]
    except (ValueError, TypeError) as error:
        return {"refused": str(error)}
    bits = [b"".join(np.ascontiguousarray(grid[name].values).tobytes() for name in sorted(grid.data_vars)
                     if grid[name].dtype.kind in "fi") for grid in grids]  # fmt: skip
    return {"ran": bits[0].hex() if bits[0] == bits[1] else "other bits the second time"}


def outcomes(numbers: Sequence[int], *, jit: bool) -> dict[int, dict[str, str]]:
    """The outcomes of some cases, from a process of their own."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": str(int(not jit)), "PYTHONWARNINGS": "ignore"}
    given = " ".join(map(str, numbers))
    done = subprocess.run(
        [sys.executable, __file__], input=given, capture_output=True, text=True, env=environment, check=False
    )
    found = {one["case"]: one for one in map(json.loads, done.stdout.splitlines())}
    lost = [number for number in numbers if number not in found]
    assert not lost, (done.returncode, case(lost[0]), done.stderr[-2000:])
    assert done.returncode == 0
    assert "Exception ignored" not in done.stderr, done.stderr[:2000]
    return found


def check(found: dict[int, dict[str, str]]) -> None:
    for number, one in found.items():
        if "refused" in one:
            assert "\n" not in one["refused"], case(number)
            assert 0 < len(one["refused"]) < 400, (case(number), one)
        else:
            assert one["ran"] != "other bits the second time", case(number)


def test_malformed_functions_are_refused_or_run_right() -> None:
    """All of them in plain Python, and those that run, in part, compiled: with the same bits, or refused as well."""
    plain = outcomes(range(CASES), jit=False)
    check(plain)
    ran = [number for number in range(CASES) if "ran" in plain[number]]
    assert CASES / 20 < len(ran) < CASES / 2  # the cases are malformed, and not all in the same way
    chosen = range(CASES) if FULL else ran[:: -(-len(ran) // COMPILED)]
    compiled = outcomes(chosen, jit=True)
    check(compiled)
    for number, one in compiled.items():
        if "ran" in one:
            assert one["ran"] == plain[number].get("ran"), (case(number), one, plain[number])


if __name__ == "__main__":
    for line in sys.stdin.read().split():
        print(json.dumps({"case": int(line), **outcome(int(line))}), flush=True)

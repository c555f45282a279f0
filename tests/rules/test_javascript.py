"""Rules as JavaScript, run by node, against the same rules called in Python."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import reddi, zhang
from theory_sim.app import catalogue
from theory_sim.app.describe import rules
from theory_sim.app.report.explorer import record
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules.javascript import HELPERS, javascript
from theory_sim.rules.language import names

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node is installed")
WHOLE = {"t", "index", "i", "j", "d", "workers"}


def ran(script: str) -> Any:
    assert NODE is not None
    done = subprocess.run([NODE, "-"], input=script, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def translated() -> list[Callable[..., Any]]:
    """Every rule of the suite that is arithmetic; the others index their arguments."""
    found = []
    sources: tuple[Mapping[str, Callable[..., Any]], ...] = (OPTIMIZERS, catalogue.problems())
    for make in (make for source in sources for make in source.values()):
        for rule in rules(make):
            try:
                javascript(rule)
            except ValueError:
                continue
            found.append(rule)
    return list(dict.fromkeys(found))


def test_every_rule_gives_the_same_numbers() -> None:
    chosen, rng = translated(), np.random.default_rng(5)
    assert len(chosen) > 100
    calls, expected = [], []
    for rule in chosen:
        for _ in range(4):
            # In (0, 1), where hyperparameters, uniforms and roots are at home; every other one negative in x, g, m.
            given = [
                int(rng.integers(1, 9)) if name in WHOLE
                else float(rng.uniform(0.05, 0.95)) * (-1.0 if name in "xgm" and rng.random() < 0.5 else 1.0)
                for name in names(rule)
            ]  # fmt: skip
            try:
                value = rule(*given)
            except (ArithmeticError, ValueError):  # outside of its domain, where Python raises
                continue
            calls.append([javascript(rule), given])
            expected.append([float(one) for one in (value if isinstance(value, tuple) else (value,))])
    script = f"""{HELPERS}
const calls = {json.dumps(calls)};
const found = calls.map(([text, given]) => eval(text)(...given).map(Number).map(
  (one) => (Number.isFinite(one) ? one : String(one))));
console.log(JSON.stringify(found));"""
    found = ran(script)
    assert len(found) == len(expected) > 300
    for (text, given), ours, theirs in zip(calls, expected, found, strict=True):
        # Powers and exponentials of two libraries may differ in the last place, and a sum cancels some digits.
        same = [
            math.isclose(a, float(b), rel_tol=1e-12, abs_tol=1e-14) or math.isnan(a)
            for a, b in zip(ours, theirs, strict=True)
        ]
        assert all(same), (text, given, ours, theirs)


def test_names_and_numbers_that_javascript_spells_otherwise() -> None:
    def rule(new: float, var: float) -> tuple[float, ...]:
        low = math.inf if new == 0.5 else -math.inf
        return low, new % var, new // var, float(np.rint(new * 5.0)), math.copysign(var, -new)

    values = [(0.5, -0.2), (-0.7, 0.3), (0.3, 0.2)]
    found = ran(f"{HELPERS}const f = {javascript(rule)};console.log(JSON.stringify({json.dumps(values)}.map("
                "(one) => f(...one).map(String))));")  # fmt: skip
    for given, theirs in zip(values, found, strict=True):
        assert [float(one) for one in theirs] == pytest.approx([*rule(*given)], rel=1e-15)


@pytest.mark.parametrize(
    "sweep",
    [
        ts.Sweep(
            zhang.piecewise(4), ts.adam(0.1, eps=0.0, bias_correction=False, m0="mean_gradient", schedule=ts.power(0.5)),
            {"n": [4, 7], "beta1": np.linspace(0.0, 0.8, 8), "beta2": np.linspace(0.1, 0.9, 9)}, steps=300,
            checkpoints=[1, 10, 300], name="test.piecewise",
        ),
        ts.Sweep(
            reddi.periodic(10.0), ts.amsgrad(0.5, schedule=ts.power(0.3)),
            {"beta2": np.linspace(0.1, 0.9, 8), "lr": np.linspace(0.1, 0.9, 8)}, steps=300,
            checkpoints=[1, 10, 300], name="test.periodic",
        ),
    ],
    ids=lambda sweep: sweep.name,
)  # fmt: skip
def test_paths_of_the_explorer_are_those_of_the_lanes(sweep: ts.Sweep) -> None:
    grid = sweep.run()
    shown = record(sweep, grid)
    script = (resources.files("theory_sim.app") / "templates" / "site" / "explorer.js").read_text()
    found = ran(f"""globalThis.window = globalThis;
{HELPERS}{script}
const map = {json.dumps(shown)}, lengths = Object.values(map.axes).map((values) => values.length), paths = [];
for (let cell = 0; cell < map.verdicts.length; cell += 1) {{
  let rest = cell;
  const places = lengths.map(() => 0);
  for (let k = lengths.length - 1; k >= 0; k -= 1) {{ places[k] = rest % lengths[k]; rest = Math.floor(rest / lengths[k]); }}
  if (explorer.cellOf(map, places) !== cell) throw new Error("cells are counted otherwise");
  paths.push(explorer.pathOf(map, places, [1, 10, 300]));
}}
console.log(JSON.stringify(paths));""")
    ours = grid.x.values.reshape(len(found), 3)
    # Equal bits where no power is taken; else powers differ in the last place.
    assert np.allclose(found, ours, rtol=1e-9, atol=1e-9)
    assert np.array_equal(found, ours) or sweep.optimizer.schedule.parameters["s"] != 0.5
    assert shown["end"] == grid.x_final.values.ravel().tolist()

"""Rules on arrays against the same rules called lane by lane, for every rule of the suite: equal bit for bit.

A rule of + - * / sqrt min max abs is called with numbers of Python: IEEE 754 rounds these in one way.  The
libm of Python and the loops of numpy may differ in the last digits of exp, log, cos, hypot or a power, which
a rule may magnify without bound; so other rules are called with numpy's functions, and the functions of the
two compared on their own.
"""

import importlib.util
import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import reddi
from theory_sim.app import catalogue
from theory_sim.nouns import noise, schedule
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules import build, trace
from theory_sim.rules.language import Round, Rule, names

LANES = 400
WHOLE = {"t": (1, 50), "i": (0, 6), "j": (0, 4), "d": (1, 7), "workers": (1, 5), "index": (0, 6), "n": (2, 8)}
FLAGS = {"at_zero", "amsgrad", "bias_correction", "error_feedback"}
WEIGHTS = {"u", "beta", "beta1", "beta2", "momentum", "decay", "p", "mix", "tail", "theta", "theta_t"}
EXACT = {
    "+",
    "-",
    "*",
    "/",
    "neg",
    "abs",
    "sqrt",
    "where",
    "float",
    "name",
    "number",
    "<",
    "<=",
    ">",
    ">=",
    "==",
    "!=",
    "isfinite",
    "isnan",
}


NEEDED = {"C": 10.0, "eps": 0.5, "N": 6, "B": 2, "ratio": 0.5, "tail": 0.4}  # no default


def of_optimizer(one: ts.Optimizer) -> Iterator[Rule]:
    if isinstance(one.step, Round):
        stages = (one.step.send, one.step.keep, one.step.reply, one.step.apply, one.step.start)
        yield from (stage.rule for stage in stages if stage is not None)
    elif one.is_rule:
        yield one.step
    yield from (rule for rule in (one.once, one.measure) if rule is not None)
    yield from (reduction.term for reduction in one.reductions.values())


def of_problem(one: ts.Problem) -> Iterator[Rule]:
    if not build.is_raw("gradient", one.gradient):
        yield one.gradient
    if one.measure is not None and not build.is_raw("measure", one.measure):
        yield one.measure
    yield from (reduction.term for reduction in one.reductions.values())
    if one.noise is not None:
        yield from (rule for rule in (one.noise.rule, one.noise.mean) if rule is not None)


def choices(constructor: Any) -> Iterator[ts.Optimizer]:
    """An optimizer with every value of its named choices."""
    known = {
        "variant": ("paper", "torch", "optax", "keras"),
        "convention": ("heavy_ball", "ema"),
        "potential": ("l1", "smooth_l1", "l2"),
        "bias_correction": (False, True),
        "amsgrad": (False, True),
        "clipped": (False, True),
        "rescale": (False, True),
    }
    parameters = inspect.signature(constructor).parameters
    yield constructor()
    for name, values in known.items():
        if name in parameters:
            yield from (constructor(**{name: value}) for value in values)


def every_rule() -> dict[str, Rule]:
    found: list[Rule] = []
    for constructor in OPTIMIZERS.values():
        for one in choices(constructor):
            found += of_optimizer(one)
    for constructor in catalogue.problems().values():
        parameters = inspect.signature(constructor).parameters.values()
        given = {one.name: NEEDED[one.name] for one in parameters if one.default is one.empty}
        found += of_problem(
            constructor(**given, **({"delta": 1.0} if constructor is reddi.stochastic else {}))
        )
    for module in (noise, schedule):
        kept = [one for one in vars(module).values() if isinstance(one, noise.Noise | ts.Schedule)]
        found += [one.rule for one in kept]
    found += [ts.power(0.5).rule, ts.linear(10).rule]
    return {f"{rule.__module__}.{rule.__qualname__}": rule for rule in found}


RULES = every_rule()


def lanes(name: str, rng: np.random.Generator) -> np.ndarray:
    """Values of a name as rules meet them: signs and sizes that vary, zeros, ties."""
    if name in WHOLE:
        return rng.integers(*WHOLE[name], LANES)
    if name in FLAGS:
        return rng.integers(0, 2, LANES).astype(float)
    if name in WEIGHTS:
        return rng.choice([0.0, 0.5, 0.999, *rng.random(5)], LANES)
    values = rng.choice([-1.0, 1.0], LANES) * 10.0 ** rng.uniform(-6.0, 3.0, LANES)
    return np.where(rng.random(LANES) < 0.2, rng.choice([0.0, 1.0, -1.0], LANES), values)


def operations(rule: Rule) -> set[str]:
    seen, open_ = {}, list(trace.expressions(rule))
    while open_:
        node = open_.pop()
        if isinstance(node, trace.Expression) and id(node) not in seen:
            seen[id(node)] = node
            open_ += [part for part in node.parts if isinstance(part, trace.Expression)]
    return {node.operation for node in seen.values()}


class Numpy:
    """Stands for math: the functions of numpy."""

    def __getattr__(self, name: str) -> Any:
        return (
            getattr(math, name)
            if name in ("pi", "e", "inf", "nan")
            else getattr(np, {"pow": "power"}.get(name, name))
        )


NUMPY = {"math": Numpy(), "np": Numpy(), "float": lambda value: np.asarray(value, dtype=float)}
LIBRARIES: dict[str, Any] = {"numpy": np}
if importlib.util.find_spec("torch") is not None:
    import torch

    LIBRARIES["torch"] = torch


class Tensors:
    """Stands for torch: its tensors and choices, with the functions of numpy, which its own follow to 2 ulp."""

    def __getattr__(self, name: str) -> Any:
        if name not in trace.FUNCTIONS:
            return getattr(torch, name)
        return lambda *given: torch.asarray(getattr(np, name)(*(np.asarray(one) for one in given)))


TABLES = {"counterexamples.quantized._three_slope"}  # reads a table by its worker: no arithmetic


def test_all_kinds_of_rules_are_here() -> None:
    assert len(RULES) > 100
    ends = {name.rpartition(".")[2] for name in RULES}
    assert {
        "corrected_rule",
        "_amsgrad_keras",
        "_weights",
        "move_by_reply",
        "_vote",
        "_power",
        "_student",
        "_begin",
    } <= ends


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", sorted(RULES.keys() - TABLES))
def test_arrays_follow_single_lanes(name: str, library: str) -> None:
    rule, rng = RULES[name], np.random.default_rng(len(name))
    given = [lanes(one, rng) for one in names(rule)]
    exact, compared = operations(rule) <= EXACT, 0
    arrays, made, off = given, LIBRARIES[library], 0.0
    if library == "torch":
        arrays = [torch.asarray(one, dtype=torch.float64) for one in given]
        made = torch if operations(rule) <= EXACT - {"sqrt"} else Tensors()
        off = 1e-9 if "**" in operations(rule) else 0.0  # powers of torch are its own: 1 ulp, magnified
    with np.errstate(all="ignore"):
        found = trace.elementwise(rule, made)(*arrays)
        columns = [np.broadcast_to(np.asarray(one, dtype=float), (LANES,)) for one in found]
        for lane in range(LANES):
            try:
                if exact:
                    out = rule(*(one[lane].item() for one in given))
                else:
                    out = build.rebound(rule, NUMPY)(*(one[lane : lane + 1] for one in given))
            except (
                ArithmeticError,
                ValueError,
            ):  # 1/0 or the root of a negative number, which arrays make inf or NaN
                continue
            compared += 1
            many = out if isinstance(out, tuple) else (out,)
            assert len(many) == len(columns)
            for column, value in zip(columns, many, strict=True):
                assert np.isclose(column[lane], np.ravel(value)[0], rtol=off, atol=0.0, equal_nan=True)
                assert np.isnan(column[lane]) or np.signbit(column[lane]) == np.signbit(np.ravel(value)[0])
    assert compared > LANES / 20


@pytest.mark.skipif("torch" not in LIBRARIES, reason='needs torch: pip install "theory-sim[torch]"')
@pytest.mark.parametrize("name", sorted(RULES.keys() - TABLES))
def test_numbers_join_tensors_of_any_device(name: str) -> None:
    """The device without memory stands for every other one: what it computes with must be there too."""
    for numbers in ((), names(RULES[name])[1:], names(RULES[name])[:-1]):
        given = [0.5 if one in numbers else torch.ones(3, device="meta") for one in names(RULES[name])]
        for one in trace.elementwise(RULES[name], torch)(*given):
            assert not torch.is_tensor(one) or str(one.device) == "meta"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_rules_that_read_a_table_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no arithmetic of its names"):
        trace.elementwise(RULES[name])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "name", [one for one in trace.FUNCTIONS if one not in ("isfinite", "isnan", "floor", "rint")]
)
def test_functions_of_arrays_and_of_python_differ_by_two_ulp_at_most(name: str, library: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], 4000) * 10.0 ** rng.uniform(-8.0, 2.0, 4000)
    x = np.abs(x) if name in ("sqrt", "log", "log1p") else x
    given = (x, x[::-1].copy()) if name in ("hypot", "copysign") else (x,)
    expected = np.array(
        [getattr(math, name)(*one) for one in zip(*(row.tolist() for row in given), strict=True)]
    )
    made = LIBRARIES[library]
    found = np.asarray(getattr(made, name)(*(made.asarray(one) for one in given)))
    assert (np.abs(found - expected) <= 2.0 * np.spacing(np.abs(expected))).all()


def clamped(x: float, low: float) -> float:
    return max(min(x, 1.0), low)


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, -0.0, 0.0])
@pytest.mark.parametrize("low", [-1.0, -0.0, 0.0])
def test_extremes_of_arrays_are_those_of_python(x: float, low: float) -> None:
    (found,) = trace.elementwise(clamped)(np.array([x]), np.array([low]))
    assert np.asarray(found).tobytes() == np.array([clamped(x, low)]).tobytes()


def branch(x: float, low: float) -> float:
    return 1.0 / x + low % x + (-x) ** 0.5 + math.log(x) if x > 0.0 else low


@pytest.mark.parametrize("x", [0.0, -1.0, -1000.0])
def test_a_branch_of_numbers_that_is_not_taken_never_raises(x: float) -> None:
    (found,) = trace.elementwise(branch)(x, 0.25)
    assert type(found) is float
    assert found == 0.25


def chosen(x: float, low: float) -> float:
    return (0.1 if x > 0.0 else 0.2) * math.copysign(low, x)


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_among_arrays_keep_all_their_bits(library: str) -> None:
    made = LIBRARIES[library]
    (found,) = trace.elementwise(chosen, made)(made.asarray([1.0, -1.0], dtype=made.float64), 0.3)
    assert found.tolist() == [0.1 * 0.3, -0.2 * 0.3]


def test_a_choice_of_choices_becomes_expressions() -> None:
    def rule(x: float, y: float) -> float:
        if x > 0.0:
            return y if y > x else -y
        return 1.0 if y == x else 0.0

    x, y = np.array([1.0, 1.0, -1.0, -1.0]), np.array([2.0, 0.5, -1.0, 3.0])
    assert trace.elementwise(rule)(x, y)[0].tolist() == [2.0, -0.5, 1.0, 0.0]


def test_what_is_no_arithmetic_is_refused() -> None:
    for rule, message in (
        (lambda x: x[0], "is no arithmetic of its names"),
        (lambda x: math.erf(x), "erf is not known on arrays; a rule may use sqrt"),
        (lambda x: f"{x}", "is no number, and a rule knows numbers only"),
        (lambda x: sum(1.0 if x > k else 2.0 for k in range(12)), "branches more than 512 ways; simplify it"),
    ):
        with pytest.raises(ValueError, match=message):
            trace.elementwise(rule)


def coded(p: float, size: float) -> float:
    short = float(np.float32(p)) if (p > 0.0) | (size > 2.0) else np.rint(p)
    return short if (p != 0.5) & (size != 0.0) else -1.0


@pytest.mark.parametrize("library", LIBRARIES)
def test_words_and_whole_levels(library: str) -> None:
    """What compressors do: 32-bit words, ties to even, and conditions joined without a branch."""
    made, rng = LIBRARIES[library], np.random.default_rng(0)
    p, size = rng.choice([0.5, 0.1, 1e300, -1.5, -2.5, -0.3], 60), rng.choice([0.0, 1.0, 3.0], 60)
    with np.errstate(over="ignore"):
        (found,) = trace.elementwise(coded, made)(made.asarray(p), made.asarray(size))
        expected = [coded(*one) for one in zip(p.tolist(), size.tolist(), strict=True)]
        assert np.asarray(found).tolist() == expected
        assert [
            trace.elementwise(coded)(*one)[0] for one in zip(p.tolist(), size.tolist(), strict=True)
        ] == expected
    assert {math.inf, -2.0, 0.0, -1.0, float(np.float32(0.1))} <= {*expected}


def quotient(x: float, y: float) -> float:
    return x / (y if y != 0.0 else math.inf)


def power(x: float, y: float) -> float:
    return x**2 if y != 0.0 else x**3


def test_what_both_sides_of_a_choice_share_is_computed_once() -> None:
    (node,) = trace.expressions(quotient)
    assert node.operation == "/"
    assert node.parts[1].operation == "where"
    # An exponent stays a number, whose size is known.
    assert trace.expressions(power)[0].operation == "where"

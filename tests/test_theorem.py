"""The theorem noun: parsing, conditions decided exactly, and what is missing or undecided is named."""

import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import reddi
from theory_sim.evidence import sequences as asymptotics
from theory_sim.nouns.expression import parse
from theory_sim.nouns.theorem import Answer, Condition, Theorem

BASE = Theorem(
    id="reddi2018.test",
    where="nowhere",
    statement="A test.",
    conditions=(Condition("beta1 < sqrt(beta2)", "bounded"), Condition("lr <= eps*(1 - beta1)/(4*L)")),
    bound="2*gamma*gap/(lr*T)",
    quantity="gap_mean",
    where_symbols={"gamma": "beta1/sqrt(beta2)"},
    meaning={"L": "smoothness"},
)
VALUES = {"beta1": 0.5, "beta2": 0.81, "lr": 0.0125, "eps": 0.1, "L": 1.0, "gap": 3.0, "T": 10}


def test_symbols_are_what_must_be_given() -> None:
    assert BASE.symbols == ("L", "T", "beta1", "beta2", "eps", "gap", "lr")
    assert BASE.paper == "reddi2018"


def test_names_of_sympy_functions_and_constants_can_be_symbols() -> None:
    assert {str(symbol) for symbol in parse("E + S*N + beta - gamma^2 + Max(Q, 1)").free_symbols} == {
        "E",
        "S",
        "N",
        "beta",
        "gamma",
        "Q",
    }


def test_margins_and_the_bound_by_hand() -> None:
    assessment = BASE.assess(VALUES)
    assert assessment.applies is Answer.HOLDS
    # sqrt(.81) - .5 = .4, and .1 x .5/4 - .0125 = 0 exactly, where floats would leave a
    # rounding error either way.
    assert [row.margin for row in assessment.conditions] == [0.4, 0.0]
    assert assessment.bound == pytest.approx(2.0 * (0.5 / 0.9) * 3.0 / (0.0125 * 10), rel=1e-15)
    assert BASE.evaluate(VALUES | {"gamma": 1.0}) == pytest.approx(assessment.bound, rel=1e-15)


def test_equality_fails_a_strict_condition_only() -> None:
    assert BASE.assess(VALUES | {"beta1": 0.9}).failed[0].margin == 0.0
    assert not Condition("a <= b").strict
    assert Condition("a > b").strict
    # Irrational on both sides, and equal: (sqrt 2 + sqrt 3)^2 = 5 + 2 sqrt 6.
    equal = replace(BASE, conditions=(Condition("sqrt(a) + sqrt(b) <= sqrt(5 + 2*sqrt(6))"),))
    assert equal.assess(VALUES | {"a": 2, "b": 3}).applies is Answer.HOLDS
    strict = replace(BASE, conditions=(Condition("sqrt(a) + sqrt(b) < sqrt(5 + 2*sqrt(6))"),))
    assert strict.assess(VALUES | {"a": 2, "b": 3}).applies is Answer.FAILS


def test_an_equality_holds_exactly_or_not_at_all() -> None:
    equal = replace(BASE, conditions=(Condition("10*a + b == Min(c, 3/10)"),))
    # In floats .1 + .2 != .3.
    assert equal.assess(VALUES | {"a": 0.01, "b": 0.2, "c": 1}).conditions[0].margin == 0.0
    assert equal.assess(VALUES | {"a": 0.01, "b": 0.2, "c": 1}).applies is Answer.HOLDS
    for a, margin in ((0.02, -0.1), (0.0, -0.1), (0.01 + 1e-15, -1e-14)):
        found = equal.assess(VALUES | {"a": a, "b": 0.2, "c": 1})
        assert found.applies is Answer.FAILS
        assert found.failed[0].margin == pytest.approx(margin, rel=0.1)
    unknown = equal.assess(VALUES | {"a": 0.01, "b": 0.2})
    assert unknown.applies is Answer.UNDECIDED
    assert "needs c" in unknown.conditions[0].reason
    irrational = replace(BASE, conditions=(Condition("sqrt(a) + sqrt(b) == sqrt(5 + 2*sqrt(6))"),))
    assert irrational.assess(VALUES | {"a": 2, "b": 3}).applies is Answer.HOLDS


def test_a_word_is_compared_with_a_word() -> None:
    worded = replace(BASE, conditions=(Condition("order == reshuffled", "fresh permutations"),))
    assert "order" in worded.symbols
    assert worded.assess({"order": "reshuffled"}).applies is Answer.HOLDS
    other = worded.assess({"order": "cyclic"}).conditions[0]
    assert (other.answer, other.margin, other.reason) == (Answer.FAILS, -1.0, "order is cyclic")
    missing = worded.assess({}).conditions[0]
    assert missing.answer is Answer.UNDECIDED
    assert missing.reason.startswith("it needs order (sampling order of the components")
    for relation, message in (
        ("order == cylic", "Unknown order 'cylic': did you mean cyclic"),
        ("order >= cyclic", "compares words, which are equal or not; write =="),
    ):
        with pytest.raises(ValueError, match=message):
            Condition(relation)
    with pytest.raises(ValueError, match="Unknown order 'sorted'"):
        worded.assess({"order": "sorted"})


HOSTILE = [
    "log.eval.__func__.__globals__['__builtins__']['__import__']('os').system('touch {file}')",
    "__import__('os').system('touch {file}')",
    "open('{file}', 'w')",
    "exec('1')",
    "(lambda: 1)()",
    "[a for a in (1, 2)]",
    "a if b else c",
    "a and b",
    "a.real",
    "a[0]",
    "{{a: 1}}",
    "'text'",
    "f'{{a}}'",
    "1j",
    "sqrt",
    "sqrt(*a)",
    "Max(a, evaluate=b)",
    "Sum(a)",
    "Sum(a, (1, 2, 3))",
    "(a, b)",
    "(a := 1)",
    "a // b",
    "a % b",
    "~a",
    "not a",
    "True and 1",
    "beta(1)",
    "pi(1)",
    "a b",
    "a\nb",
    "a) + (b",
    "a # b",
    "",
    "1e99999999",
    "\0",
    "-" * 100_000 + "a",
    "(" * 1_000 + "a" + ")" * 1_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_parsed_and_never_run(text: str, tmp_path: Path) -> None:
    text = text.replace("{file}", str(tmp_path / "made")).replace("{{", "{").replace("}}", "}")
    with pytest.raises(
        ValueError, match=r"is no expression; write|, but only numbers, names, |exponent beyond"
    ):
        parse(text)
    with pytest.raises(ValueError):
        replace(BASE, bound=text or " ")
    with pytest.raises(ValueError):
        asymptotics.sequence(text)
    with pytest.raises(ValueError):
        Condition(f"{text} <= 1")
    assert list(tmp_path.iterdir()) == []


def test_the_refused_piece_is_named() -> None:
    with pytest.raises(ValueError, match=r"'1 \+ a\.real' contains 'a\.real', but only numbers"):
        Condition("1 + a.real <= b")
    with pytest.raises(ValueError, match=r"'Abs\(a, b, c\)' is no expression of sympy: "):
        parse("Abs(a, b, c)")
    with pytest.raises(ValueError, match=r"9\*\*9\*\*9 has an exponent beyond 10000; write a smaller number"):
        parse("a + 9^9^9")


PIECES = st.sampled_from(
    [*"ab1e.^*/+-() ,'_[]:\n", "sqrt(", "Max(", "Abs", "Sum(a, (k, 1, ", "log", "0.5", "9", "oo"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    assert isinstance(found, sympy.Basic)
    assert {str(symbol) for symbol in found.free_symbols} <= set(re.findall(r"\w+", text))


def test_numbers_are_read_as_they_are_written() -> None:
    assert parse("0.1") == parse("1/10") == sympy.Rational(1, 10)
    assert parse("1e-3 + 1_000.5") == sympy.Rational(1000501, 1000)
    assert parse("-2^2") == -4
    assert parse("Sum(1/k, (k, 1, 3))").doit() == sympy.Rational(11, 6)


def test_precision_does_not_run_out_next_to_one() -> None:
    # 1 - beta2^n at 1 - beta2 = 1e-15: floats lose the first digit, exact numbers none.
    close = replace(BASE, conditions=(Condition("1 - beta2^n <= n*(1 - beta2)"),), bound="1 - beta2^n")
    assessment = close.assess(VALUES | {"beta2": 1.0 - 1e-15, "n": 1000})
    share = Fraction(1) - Fraction("0.999999999999999")
    assert assessment.applies is Answer.HOLDS
    assert assessment.bound == pytest.approx(float(1 - (1 - share) ** 1000), rel=1e-14)


def test_what_cannot_be_evaluated_is_undecided_with_the_reason() -> None:
    missing = BASE.assess({name: value for name, value in VALUES.items() if name != "L"})
    assert missing.applies is Answer.UNDECIDED
    assert missing.conditions[1].reason.startswith("it needs L (smoothness), which neither")
    assert missing.reason == "its conditions are UNDECIDED"
    complex_root = BASE.assess(VALUES | {"beta2": -1.0})
    assert complex_root.conditions[0].answer is Answer.UNDECIDED
    assert "not a finite real number" in complex_root.conditions[0].reason
    no_gap = BASE.assess({name: value for name, value in VALUES.items() if name != "gap"})
    assert no_gap.applies is Answer.HOLDS
    assert math.isnan(no_gap.bound)
    assert "needs gap" in no_gap.reason


def test_an_abbreviation_that_has_no_value_is_named() -> None:
    assessment = BASE.assess(VALUES | {"beta2": 0.0, "beta1": -0.5})
    # beta1 < sqrt(beta2) holds, but gamma = -1/2 / 0.
    assert assessment.conditions[0].answer is Answer.HOLDS
    assert assessment.reason == "gamma is not a finite real number at these values"


def test_values_come_from_the_caller_then_the_optimizer_then_the_problem() -> None:
    problem, optimizer = reddi.periodic(10.0), ts.adam(0.25, 0.5, 0.75, bias_correction=True)
    named = replace(
        BASE, bound="lr*d*G*small*bias_correction", conditions=(Condition("C > 0"), Condition("beta2 > 0"))
    )
    found = named.gather(problem, optimizer, beta2=0.9)
    assert found == {
        "lr": 0.25, "d": 1, "G": 10.0, "small": 1.0, "bias_correction": 1.0, "C": 10.0, "beta2": 0.9, "beta1": 0.5,
    }  # fmt: skip


def test_the_bound_over_arrays() -> None:
    many = BASE.evaluate({**VALUES, "lr": np.array([0.01, 0.02])})
    assert many[0] == pytest.approx(2.0 * many[1])
    with pytest.raises(ValueError, match=r"The bound of reddi2018\.test needs T; give a value"):
        BASE.evaluate({name: value for name, value in VALUES.items() if name != "T"})


def test_latex_shows_bound_and_abbreviations() -> None:
    assert r"\gamma = \frac{\beta_{1}}{\sqrt{\beta_{2}}}" in BASE.latex()
    assert r"\le" in BASE.latex()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "thm1"}, "a paper's key, a dot and a label"),
        ({"side": "above"}, "Unknown side 'above'"),
        ({"constants": "guessed"}, "Unknown provenance 'guessed'"),
        ({"bound": ""}, "concludes nothing"),
    ],
)
def test_what_a_theorem_must_have(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(BASE, **changes)
    for relation in ("a < b < c", "a", "a = b", "a != b"):
        with pytest.raises(ValueError, match="must have exactly one of"):
            Condition(relation)


def test_latex_escapes_names_and_shows_a_verdict() -> None:
    assert BASE.latex().startswith(r"\text{gap\_mean} \le ")
    ends = replace(BASE, bound="", quantity="verdict", verdict=ts.Verdict.DIVERGED, where_symbols={})
    assert ends.latex() == r"\text{verdict} = \text{DIVERGED}"


def test_a_keyword_can_be_a_symbol() -> None:
    decaying = replace(BASE, conditions=(Condition("lambda < 1"),), bound="1/(1 - lambda)", where_symbols={})
    assert decaying.symbols == ("lambda",)
    assert decaying.assess({"lambda": 0.75}).bound == 4.0
    assert decaying.evaluate({"lambda": 0.75}) == 4.0
    assert r"\lambda" in decaying.latex()


@pytest.mark.parametrize("value", [True, "abc", None, 1j, [1.0], np.True_])
def test_a_value_that_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(
        ValueError, match=r"lr = .* is not a real number; give an int, a float or a Fraction\."
    ):
        BASE.assess({**VALUES, "lr": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "relation", ["Max(1/a, b) >= 0", "Min(1/a, log(a)) <= 1", "Max(b, c) > 0", "floor(1/a) > 0"]
)
def test_what_cannot_be_compared_is_undecided(relation: str) -> None:
    assessment = replace(BASE, conditions=(Condition(relation),)).assess({"a": 0, "b": 1, "c": math.nan})
    assert assessment.applies is Answer.UNDECIDED
    assert "not a finite real number" in assessment.conditions[0].reason


def test_a_theorem_about_its_own_problem_has_one() -> None:
    with pytest.raises(ValueError, match=r"reddi2018\.test is about its own problem; give its constructor"):
        replace(BASE, own_problem=True)

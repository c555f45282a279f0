"""Checks of user input: what counts as a number and as an integer."""

import math
import subprocess
import sys
from fractions import Fraction
from importlib import metadata
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim.rules import checks


@pytest.mark.parametrize("value", [True, np.True_, "1", b"1", bytearray(b"1"), None, [1]], ids=repr)
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^x = .* is not a number"):
        checks.number("x", value)
    with pytest.raises(ValueError, match=r"^n = .* must be an integer >= 1"):
        checks.count("n", value)


def test_an_integer_beyond_float64_is_no_number() -> None:
    with pytest.raises(ValueError, match="is not a number"):
        checks.number("x", 10**400)


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf, Fraction(1, 2), 0, -1, 10**9 + 0.5], ids=repr)
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(ValueError, match="must be an integer >= 1"):
        checks.count("n", value)


@pytest.mark.parametrize(
    "value", [1, 3.0, np.int32(7), np.float64(2.0), Fraction(4), 2**53 + 1, 10**40 + 1], ids=repr
)
def test_whole_numbers_are_kept_exactly(value: Any) -> None:
    assert checks.count("n", value) == int(value)


def test_a_count_can_be_too_large() -> None:
    assert checks.count("n", 5, high=5) == 5
    with pytest.raises(ValueError, match="n = 6 is too large; give at most 5"):
        checks.count("n", 6, high=5)


def test_text_is_no_hyperparameter() -> None:
    with pytest.raises(ValueError, match=r"lr = '0.1' is not a number"):
        ts.adam(lr="0.1")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "said"), [("adamw", "did you mean adam?"), ("adm", "did you mean adam?")])
def test_only_the_nearest_names_are_suggested(name: str, said: str) -> None:
    assert checks.suggestion(name, ["adam", "qadam", "sgd"]) == said


@pytest.mark.parametrize(("what", "hint"), [("figure", True), ("name of a rule", False)])
def test_only_what_the_command_line_lists_is_cut_short(what: str, hint: bool) -> None:
    names = [f"long_{k}" for k in range(20)]
    with pytest.raises(ValueError, match="Unknown") as caught:
        checks.known(what, "@", names)
    assert ("(theory-sim list shows all, -m MODULE adds yours)" in str(caught.value)) is hint
    assert ("long_9" in str(caught.value)) is not hint


def test_nouns_have_their_article() -> None:
    assert checks.article("optimizer parameter") == "an optimizer parameter"
    assert checks.article("Problem") == "a Problem"


def test_the_version_is_that_of_the_package_and_is_looked_up_late() -> None:
    assert ts.__version__ == metadata.version("theory-sim")
    code = "import sys, theory_sim; print('importlib.metadata' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"
    with pytest.raises(AttributeError, match="module 'theory_sim' has no attribute 'versions'"):
        _ = ts.versions

"""Docstrings as text for a terminal."""

import pytest

from theory_sim.app import prose

DOCSTRING = """Return ``x`` of `thing`.

A paragraph that
runs on.

Parameters
----------
a, b : float
    What they
    are.
c : int, optional
    Default: 3.

Examples
--------
>>> thing(1)
2
>>> thing(2)
"""


def test_a_docstring_without_its_markup() -> None:
    assert prose.formatted(DOCSTRING).rstrip() == (
        "Return x of thing.\n\nA paragraph that runs on.\n\nParameters:\na, b : float\n    What they are.\n"
        "c : int, optional\n    Default: 3.\n\nExamples:\n>>> thing(1)\n2\n>>> thing(2)"
    )


def test_text_is_filled_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert prose.wrapped("one two three four five six seven\neight", "  ", "    ") == (
        "  one two three four five six\n    seven\n  eight"
    )
    monkeypatch.setenv("COLUMNS", "500")
    assert max(map(len, prose.wrapped("word " * 100).split("\n"))) <= 100

"""What a prompt and a notebook show of the nouns."""

import pytest

import theory_sim as ts
from counterexamples import reddi
from theory_sim.app import catalogue
from theory_sim.nouns import html

SWEEP = ts.Sweep(reddi.periodic(10.0), ts.adam(0.5), {"beta2": [0.1, 0.9]}, steps=5, name="mine")


def test_a_repr_is_what_is_written_to_make_it() -> None:
    for one in (reddi.periodic(10.0), ts.adam(0.5), ts.power(0.5), ts.qadam().up, SWEEP):
        assert repr(one) == str(one)
    assert repr(ts.power(0.5)) == "power(s=0.5)"
    assert repr(SWEEP) == f"mine: Adam on {reddi.periodic(10.0)} over 2 beta2, 1 seed, 5 steps, cyclic"


@pytest.mark.parametrize(
    ("noun", "words"),
    [
        (ts.adam(0.5), ("<code>adam(lr=0.5", "beta2 = 0.999", "m, v, c1, c2")),
        (ts.qadam(), ("up log_levels(k=2",)),
        (reddi.periodic(10.0), ("ratio = 10.0", "distance")),
        (SWEEP, ("axis beta2", "0.1, 0.9", ">2<")),
        (catalogue.theorems()["reddi2018.thm2"], ("Theorem 2", "derived")),
        (catalogue.claims()["zhang2022.Z1a"], ("zhang2022.phase", "In cyclic order Adam diverges")),
    ],
)
def test_a_notebook_shows_a_table(noun: object, words: tuple[str, ...]) -> None:
    shown = noun._repr_html_()  # type: ignore[attr-defined]
    assert shown.count("<tr>") == shown.count("</tr>") > 1
    for word in words:
        assert word in shown


def test_names_of_a_user_are_escaped_and_empty_rows_left_out() -> None:
    shown = html.table("<b>&", {"<i>": "<script>", "none": None, "empty": "", "zero": 0})
    assert "<script>" not in shown
    assert "<i>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown
    assert "none" not in shown
    assert "empty" not in shown
    assert "zero" in shown

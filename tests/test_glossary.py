"""The table of names: every fact of the catalogue is in it, and no measure hides a method of a Dataset."""

import re
from typing import Any

import pytest
import xarray as xr

from theory_sim import checks
from theory_sim.app import catalogue
from theory_sim.nouns.glossary import FACTS

REQUIRED: dict[str, tuple[Any, ...]] = {
    "reddi.periodic": (3.0,),
    "reddi.stochastic": (3.0, 1.0),
    "reddi.rescaled": (1.0,),
    "shi.periodic": (3,),
    "shi.two_hit": (3,),
    "zhang.batch": (4, 2),
    "sequences.geometric": (0.5,),
    "sequences.heavy_tailed": (1.0,),
}


@pytest.mark.parametrize("name", catalogue.problems())
def test_facts_are_in_the_table_and_measures_can_be_attributes(name: str) -> None:
    problem = catalogue.problems()[name](*REQUIRED.get(name, ()))
    for fact in problem.facts:
        checks.known(f"fact of {name}", re.sub(r"^s\d+$", "s0", fact), FACTS)
    for measure in problem.measures:
        assert not hasattr(xr.Dataset, measure)


def test_an_unknown_fact_gets_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"Unknown fact 'sigma_2': did you mean sigma"):
        checks.known("fact", "sigma_2", FACTS)


def test_every_symbol_of_a_theorem_has_a_meaning() -> None:
    for theorem in catalogue.theorems().values():
        assert set(theorem.symbols) <= set(theorem.meaning), theorem.id

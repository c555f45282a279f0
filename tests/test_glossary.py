"""The table of names: every fact of the catalogue is in it, and no measure hides a method of a Dataset."""

import math
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

from counterexamples import gossip, quantized, smooth, zeroth_order
from theory_sim.app import catalogue
from theory_sim.engine.evaluate import component_gradients, measures
from theory_sim.nouns.glossary import FACTS
from theory_sim.rules import checks

REQUIRED: dict[str, tuple[Any, ...]] = {
    "reddi.periodic": (3.0,),
    "reddi.stochastic": (3.0, 1.0),
    "reddi.rescaled": (1.0,),
    "shi.periodic": (3,),
    "shi.two_hit": (3,),
    "zhang.batch": (4, 2),
    "sequences.geometric": (0.5,),
    "sequences.heavy_tailed": (1.0,),
    "sequences.periodic": ((3, -1, -1),),
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


@pytest.mark.parametrize("name", catalogue.problems())
def test_a_norm_of_the_gradient_is_the_one_that_its_name_says(name: str) -> None:
    problem = catalogue.problems()[name](*REQUIRED.get(name, ()))
    orders = {"gradient_norm": 2, "gradient_l1": 1}
    found = [measure for measure in problem.measures if measure in orders]
    assert len(found) < 2  # a first hit is that of the one
    # at the mean of the nodes; of f itself, of which the gradient is an estimate
    if not found or problem.family in (gossip.heterogeneous, zeroth_order.spsa):
        return
    x = np.linspace(0.3, 0.9, problem.dim) + np.asarray(problem.start)
    slope = component_gradients(problem, x).mean(axis=0)
    seen = measures(problem, x[None])[found[0]].item()
    assert seen == pytest.approx(np.linalg.norm(slope, orders[found[0]]), rel=1e-9)


@pytest.mark.parametrize("d", [1, 5])
def test_bounds_of_a_gradient_are_those_of_a_coordinate_and_of_the_norm(d: int) -> None:
    facts = quantized.bowl(0.5, d=d).facts
    assert facts["G"] == smooth.bounded(d, width=0.5).facts["G"]  # the same slopes, noise of the same size
    assert facts["G_norm"] == pytest.approx(math.sqrt(d) * facts["G"])

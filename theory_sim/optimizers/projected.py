"""SGD on a sphere: the iterate keeps the length that it starts with."""

from __future__ import annotations

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import nonzero
from theory_sim.rules.language import norm


def _coordinate(x: float) -> float:
    return x


def _moved(g: float, lr: float, x: float) -> float:
    return x - lr * g


def _first_length(t: int, length: float, radius: float) -> float:
    return length if t == 1 else radius


def _projected(g: float, lr: float, radius: float, moved: float, x: float) -> float:
    return radius * _moved(g, lr, x) / nonzero(moved)


@family
def projected_sgd(lr: float = 0.1, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """SGD whose iterate is put back to its first length after every step, as NaP does with weights (arXiv:2407.01800).

    For weights whose scale does not matter, since a normalisation follows them (Lyle et al. 2024, "Normalize and project").

    Parameters
    ----------
    lr : float
        > 0.
    schedule : Schedule

    Notes
    -----
    What the toy supports (`counterexamples.normalization`): without the projection w grows and the effective step lr/|w|^2
    falls, a schedule that nobody chose; with it the step on the direction is the one that is set, and starting at c w with
    c^2 lr gives the same directions.  Where the scale of a weight does matter, this is another problem.
    """
    return Optimizer(
        "Projected SGD",
        _projected,
        lr,
        rows=("radius",),
        reductions={"length": norm(_coordinate), "moved": norm(_moved)},
        once=_first_length,
        shared=("radius",),
        schedule=schedule,
        paper="lyle2024",
    )


OPTIMIZERS = [projected_sgd]

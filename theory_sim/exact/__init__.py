"""The rules in other arithmetics: rigorous balls, many digits, symbols."""

from theory_sim.exact.arithmetic import Arithmetic, Undecidable, balls, digits, symbols
from theory_sim.exact.replay import Run, rebind, run

__all__ = ["Arithmetic", "Run", "Undecidable", "balls", "digits", "rebind", "run", "symbols"]

"""Smooth strongly convex functions that interpolate a cycle, on which a method with a constant step never arrives."""

from __future__ import annotations

from theory_sim.evidence.hunter.functions import hull, piecewise

PAPER = "goujaud2023"
PROBLEMS = [piecewise, hull]

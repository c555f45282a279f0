"""Figures of the suite, one noun per file."""

from figures import boundary, neighbourhood, phase, reddi

FIGURES = [figure for module in (reddi, phase, boundary, neighbourhood) for figure in module.FIGURES]

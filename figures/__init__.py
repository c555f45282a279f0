"""Figures of the suite, one noun per file."""

from figures import boundary, generic_adam, minibatch, neighbourhood, phase, reddi, shi, smoothness

_MODULES = (reddi, shi, phase, boundary, neighbourhood, generic_adam, minibatch, smoothness)

FIGURES = [figure for module in _MODULES for figure in module.FIGURES]

"""Figures of the suite, one noun per file."""

from figures import (
    boundary,
    certified,
    generic_adam,
    heavy_tails,
    lion,
    minibatch,
    neighbourhood,
    phase,
    reddi,
    reshuffled_adam,
    separation,
    shi,
    sign_failures,
    sign_rates,
    smoothness,
)

_MODULES = (
    reddi,
    shi,
    phase,
    certified,
    boundary,
    neighbourhood,
    generic_adam,
    minibatch,
    smoothness,
    separation,
    heavy_tails,
    reshuffled_adam,
    sign_failures,
    sign_rates,
    lion,
)

FIGURES = [figure for module in _MODULES for figure in module.FIGURES]

"""Theorems of the papers as objects, one topic per file: conditions with margins, bounds beside runs."""

from paper_checks.theorems import (
    clipping,
    compression,
    defossez2022,
    generic_adam,
    momentum,
    reddi2018,
    shi2021,
    sign,
    zhang2022,
)

_MODULES = (reddi2018, shi2021, generic_adam, zhang2022, defossez2022, momentum, clipping, sign, compression)

THEOREMS = [theorem for module in _MODULES for theorem in module.THEOREMS]

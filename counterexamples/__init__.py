"""Problems on which optimizers are put on trial, with their closed-form oracles."""

from counterexamples import (
    averaged,
    clipping,
    cycles,
    finetuning,
    generalized_smooth,
    gossip,
    linear,
    noisy_well,
    quadratics,
    quantized,
    reddi,
    separable,
    sequences,
    shi,
    sign,
    smooth,
    twopoint,
    zhang,
    zoo,
)

_FAMILIES = (
    reddi,
    shi,
    zhang,
    averaged,
    twopoint,
    linear,
    sequences,
    smooth,
    generalized_smooth,
    noisy_well,
    zoo,
    clipping,
    sign,
    separable,
    gossip,
    quantized,
    cycles,
    quadratics,
    finetuning,
)

PROBLEMS = {
    f"{family.__name__.split('.')[-1]}.{constructor.__name__}": constructor
    for family in _FAMILIES
    for constructor in family.PROBLEMS
}

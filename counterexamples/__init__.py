"""Problems on which optimizers are put on trial, with their closed-form oracles."""

from counterexamples import (
    averaged,
    clipping,
    cycles,
    finetuning,
    generalized_smooth,
    gossip,
    layers,
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
    zeroth_order,
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
    layers,
    zeroth_order,
)

PROBLEMS = {
    f"{family.__name__.split('.')[-1]}.{constructor.__name__}": constructor
    for family in _FAMILIES
    for constructor in family.PROBLEMS
}

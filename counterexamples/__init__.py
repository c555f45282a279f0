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
    lipschitz,
    noisy_well,
    nonsmooth,
    normalization,
    perceptron,
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
from counterexamples import (
    newton as newton,  # has no problem, but a public name
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
    nonsmooth,
    perceptron,
    quadratics,
    finetuning,
    layers,
    zeroth_order,
    lipschitz,
    normalization,
)

PROBLEMS = {
    f"{family.__name__.split('.')[-1]}.{constructor.__name__}": constructor
    for family in _FAMILIES
    for constructor in family.PROBLEMS
}

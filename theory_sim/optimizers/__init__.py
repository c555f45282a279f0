"""Optimizers, one family per file; each file ends with the list of its constructors."""

from theory_sim.optimizers import (
    adam,
    adaptive,
    blockwise,
    cautious,
    clipped,
    descendants,
    feedback,
    gossip,
    layerwise,
    learning_rate_free,
    lowbit,
    matrix,
    momentum,
    projected,
    quantized,
    schedule_free,
    server,
    sign,
)

OPTIMIZERS = {
    constructor.__name__: constructor
    for family in (
        momentum,
        adaptive,
        adam,
        descendants,
        clipped,
        sign,
        cautious,
        schedule_free,
        gossip,
        feedback,
        quantized,
        server,
        lowbit,
        blockwise,
        layerwise,
        matrix,
        learning_rate_free,
        projected,
    )
    for constructor in family.OPTIMIZERS
}

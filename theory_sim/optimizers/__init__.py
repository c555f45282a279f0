"""Optimizers, one family per file; each file ends with the list of its constructors."""

from theory_sim.optimizers import (
    adam,
    adaptive,
    clipped,
    feedback,
    gossip,
    lowbit,
    momentum,
    quantized,
    server,
    sign,
)

OPTIMIZERS = {
    constructor.__name__: constructor
    for family in (momentum, adaptive, adam, clipped, sign, gossip, feedback, quantized, server, lowbit)
    for constructor in family.OPTIMIZERS
}

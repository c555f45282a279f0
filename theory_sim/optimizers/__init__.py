"""Optimizers, one family per file; each file ends with the list of its constructors."""

from theory_sim.optimizers import adam, adaptive, clipped, gossip, momentum, sign

OPTIMIZERS = {
    constructor.__name__: constructor
    for family in (momentum, adaptive, adam, clipped, sign, gossip)
    for constructor in family.OPTIMIZERS
}

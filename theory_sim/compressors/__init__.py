"""Compressors of messages, one family per file: exact constants, rules, vector functions, packed payloads.

All are rules of one coordinate and reductions, but four that no rule can say: top_k sorts, rand_k draws a
subset one index after the other, dynamic8 searches a table, low_rank factorizes a matrix.
"""

from collections.abc import Callable

from theory_sim.compressors.box import spacing, weights
from theory_sim.compressors.codebook import dynamic8, dynamic_levels
from theory_sim.compressors.compressor import Compressor, Payload
from theory_sim.compressors.dithers import natural_dithering, qsgd, terngrad
from theory_sim.compressors.floats import bf16, fp16, identity
from theory_sim.compressors.levels import linear8, log_levels, uniform
from theory_sim.compressors.matrix import low_rank
from theory_sim.compressors.powers import natural, nearest_power
from theory_sim.compressors.signs import l1_sign, rms_sign, two_mean
from theory_sim.compressors.sparse import rand_k, top_k

__all__ = [
    "COMPRESSORS",
    "Compressor",
    "Payload",
    "bf16",
    "dynamic8",
    "dynamic_levels",
    "fp16",
    "identity",
    "l1_sign",
    "linear8",
    "log_levels",
    "low_rank",
    "natural",
    "natural_dithering",
    "nearest_power",
    "qsgd",
    "rand_k",
    "rms_sign",
    "spacing",
    "terngrad",
    "top_k",
    "two_mean",
    "uniform",
    "weights",
]

COMPRESSORS: dict[str, Callable[..., Compressor]] = {
    constructor.__name__: constructor
    for constructor in (
        bf16,
        dynamic8,
        fp16,
        identity,
        l1_sign,
        linear8,
        log_levels,
        low_rank,
        natural,
        natural_dithering,
        nearest_power,
        qsgd,
        rand_k,
        rms_sign,
        terngrad,
        top_k,
        two_mean,
        uniform,
        weights,
    )
}

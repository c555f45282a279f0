"""Strategies that several test files draw from."""

import math
import os

import numpy as np
from hypothesis import strategies as st

from theory_sim import compressors
from theory_sim.compressors import Compressor

# Instances of a theorem that its tests draw.
INSTANCES = 1_000 if os.environ.get("THEORY_SIM_TIER") == "full" else 100


def examples(lanes: int) -> int:
    """How many grids of so many lanes make up the instances."""
    return math.ceil(INSTANCES / lanes)


def axis(
    low: float, high: float, size: int, *, log: bool = False, digits: int = 4
) -> st.SearchStrategy[list[float]]:
    """`size` increasing numbers in [low, high]: so many decimals, or with `log` digits of numbers spread in the logarithm."""
    ends = (math.log(low), math.log(high)) if log else (low, high)

    def number(u: float) -> float:
        value = float(f"{math.exp(u):.{digits}g}") if log else round(u, digits)
        return min(max(value, low), high)

    return st.lists(st.floats(*ends), min_size=size, max_size=size, unique_by=number).map(
        lambda values: sorted(number(u) for u in values)
    )


def contractions(d: int) -> st.SearchStrategy[Compressor]:
    """Deterministic compressors of R^d with delta > 0, whose messages carry 64-bit floats."""
    return st.one_of(
        st.integers(1, d).map(lambda k: compressors.top_k(k, word=64)),
        st.sampled_from([b for b in range(1, d + 1) if d % b == 0]).map(
            lambda b: compressors.l1_sign(block=b, word=64)
        ),
        st.integers(0, 5).map(lambda k: compressors.log_levels(k, word=64)),
        st.integers(2, 6).map(lambda bits: compressors.uniform(bits, word=64)),
        st.just(compressors.two_mean(word=64)),
        st.just(compressors.nearest_power()),
        st.just(compressors.identity(word=64)),
    )


@st.composite
def bounded_inputs(draw: st.DrawFn, shape: tuple[int, ...]) -> np.ndarray:
    """Vectors (..., d) of norm at most 1: noisy, in one direction, one coordinate at a time, or of very different sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "drift", "spikes", "scales"]))
    values = rng.normal(size=shape)
    if kind == "drift":
        values = 0.1 * values + rng.normal(size=shape[-1])
    elif kind == "spikes":
        values = values * np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
    values /= np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-300)
    return values * 10.0 ** rng.uniform(-4.0, 0.0, (*shape[:-1], 1)) if kind == "scales" else values

"""Counter-based randomness: every number is a hash of (seed, step, slot).

There is no generator state, so a run gives the same bits for any number of threads, tile size, chunking or
resume, and two cells of a sweep with the same seed see the same numbers (common random numbers).

The hash is SplitMix64 (Steele, Lea, Flood 2014) of ``key + (2**16 t + slot + 1) * golden`` with the key from
`numpy.random.SeedSequence`.  Slots 0 ... w-1 serve the component order of the w workers, the next ones the
noise of the problem, then come the noise of the optimizer and the messages of the workers and of the server.
Steps count from 1; a start that is itself a message reads the slots of step 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


def key(entropy: int, seed: int) -> np.uint64:
    """Return the 64-bit key of the stream `seed` of a sweep whose entropy is `entropy`."""
    return np.uint64(np.random.SeedSequence(entropy, spawn_key=(seed,)).generate_state(1, np.uint64)[0])


def uniform_at(stream: int, step: int, slot: int) -> float:
    """Return the uniform in [0, 1) at one (step, slot) of the stream with key `stream`, in Python integers.

    The reference for the compiled kernel `uniform`, and the way to replay single draws by hand.
    """
    z = (int(stream) + ((step << 16) + slot + 1) * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def uniform(t: int, slot: int, key: Any, out: Any) -> None:
    """Fill out (q, L) with the uniforms of step t, slots slot ... slot + q - 1."""
    draws, lanes = out.shape
    for q in range(draws):
        offset = np.uint64(t * 65536 + slot + q + 1) * np.uint64(0x9E3779B97F4A7C15)
        for lane in range(lanes):
            z = key[lane] + offset
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            out[q, lane] = float(z >> np.uint64(11)) * 1.1102230246251565e-16

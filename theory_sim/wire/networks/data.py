"""Data of the networks: the digits of scikit-learn, and a text that ships with Python."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import ndtri

from theory_sim import random
from theory_sim.rules import build, tile

Array = np.ndarray[Any, Any]
PURPOSES = ("batches", "start", "probe")  # what a stream of a seed is for
# sha256 of the pixels, then the labels, of load_digits as bytes.
_DIGITS = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
OTHER = 96  # newline, the 95 printable characters of ASCII, and everything else
CHARACTERS = 97
_SLOTS = 1 << 16


@dataclass(frozen=True)
class Data:
    """Samples of one kind.

    Parameters
    ----------
    name : str
    inputs : ndarray
        Images (n, 64) with entries of mean 0, or the tokens (n,) of a text.
    targets : ndarray of int, shape (n,)
        Classes; of a text the next tokens.
    classes : int
    digest : str
        sha256 of what was read.
    context : int
        Tokens that a sample of a text has, from its position on; 0 for images.
    """

    name: str
    inputs: Array
    targets: Array
    classes: int
    digest: str
    context: int = 0

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.inputs) - max(self.context - 1, 0)


@cache
def digits() -> Data:
    """Return the 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships.

    Raises
    ------
    ValueError
        If they are not those that the claims were made with.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    found = hashlib.sha256(pixels.astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if found != _DIGITS:
        raise ValueError(
            f"The digits of this scikit-learn have digest {found[:16]}, not {_DIGITS[:16]}; install another one."
        )
    return Data("digits", pixels / 16.0 - (pixels / 16.0).mean(), labels.astype(np.int64), 10, found)


def text(context: int) -> Data:
    """Return the reference topics of Python (`pydoc_data.topics`), character by character.

    About 460,000 characters of English and code that every Python has, of which no other module has as many.
    They differ between versions of Python, so their digest is part of what identifies a run.

    Parameters
    ----------
    context : int
        Characters of a sample.
    """
    tokens, found = _tokens()
    return Data("text", tokens[:-1], tokens[1:], CHARACTERS, found, context)


@cache
def _tokens() -> tuple[Array, str]:
    from pydoc_data.topics import topics

    joined = "\n".join(topics[name] for name in sorted(topics))
    points = np.frombuffer(joined.encode("utf-32-le"), dtype="<u4").astype(np.int64)
    tokens = np.where((points >= 32) & (points < 127), points - 31, OTHER)
    tokens[points == 10] = 0
    return tokens, hashlib.sha256(joined.encode()).hexdigest()


def _key(entropy: int, seed: int, purpose: str) -> np.uint64:
    return random.key(entropy, len(PURPOSES) * seed + PURPOSES.index(purpose))


def _uniforms(keys: Array, step: int, count: int) -> Array:
    """Return (count, keys) uniforms of one step, at most 65536 per key."""
    out = np.empty((count, len(keys)))
    build.compiled(tile.raw("uniform", random.uniform))(step, 0, keys, out)
    return out


class Sampler:
    """Positions of the samples of every step, with replacement; seeds differ, cells of a seed do not.

    Parameters
    ----------
    entropy, seeds : int
    batch : int
        Samples per step; 0 takes all in every step.
    count : int
        Samples that there are.
    """

    def __init__(self, entropy: int, seeds: int, batch: int, count: int) -> None:
        self.batch, self.count = batch, count
        self._keys = np.array([_key(entropy, seed, "batches") for seed in range(seeds)], dtype=np.uint64)

    def __call__(self, t: int) -> Array:
        """Return the positions of step t, shape (seeds, batch)."""
        if self.batch == 0:
            return np.broadcast_to(np.arange(self.count), (len(self._keys), self.count))
        uniforms = _uniforms(self._keys, t, self.batch).T
        return np.minimum((uniforms * self.count).astype(np.int64), self.count - 1)


def normals(entropy: int, seed: int, count: int, purpose: str) -> Array:
    """Return (count,) standard normals of a seed, by the inverse of their distribution function."""
    keys = np.array([_key(entropy, seed, purpose)], dtype=np.uint64)
    rows = [_uniforms(keys, t, min(_SLOTS, count - t * _SLOTS))[:, 0] for t in range(-(-count // _SLOTS))]
    half = 2.0**-54  # uniforms are multiples of 2^-53 from 0 on
    return np.asarray(ndtri(np.concatenate(rows) + half))

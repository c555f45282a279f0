"""Counter-based randomness: the compiled stream against Python integers, and the three sampling orders."""

import math

import numpy as np
import pytest

from theory_sim import random
from theory_sim.nouns.order import ORDERS
from theory_sim.rules import build, tile

UNIFORM = build.compiled(tile.raw("uniform", random.uniform))


def draw(order: str, n: int, steps: int, lanes: int = 4, workers: int = 1, entropy: int = 0) -> np.ndarray:
    """Component indices, shape (steps, workers, lanes)."""
    drawn = ORDERS[order]
    sampler = build.compiled(tile.raw("sampler", drawn.kernel))
    key = np.array([random.key(entropy, lane) for lane in range(lanes)], dtype=np.uint64)
    u = np.zeros((workers, lanes))
    idx = np.full((workers, lanes), n - 1, dtype=np.int64)
    table = np.zeros((1 + n if drawn.permutes else 0, workers, lanes), dtype=np.int64)
    size = np.full(lanes, n, dtype=np.int64)
    out = []
    for t in range(1, steps + 1):
        UNIFORM(t, 0, key, u)
        sampler(t, size, u, table, idx)
        out.append(idx.copy())
    return np.array(out)


@pytest.mark.parametrize("seed", [0, 7])
def test_compiled_uniforms_equal_python_integers(seed: int) -> None:
    stream = random.key(3, seed)
    out = np.zeros((5, 2))
    for t in (1, 2, 1000, 2**40):
        UNIFORM(t, 3, np.array([stream, stream], dtype=np.uint64), out)
        expected = [random.uniform_at(int(stream), t, 3 + q) for q in range(5)]
        assert out[:, 0].tolist() == out[:, 1].tolist() == expected


def test_streams_of_different_seeds_steps_and_slots_differ() -> None:
    values = {
        random.uniform_at(int(random.key(entropy, seed)), t, slot)
        for entropy in range(3)
        for seed in range(5)
        for t in range(1, 30)
        for slot in range(5)
    }
    assert len(values) == 3 * 5 * 29 * 5


def test_moments_and_correlations_of_the_stream() -> None:
    """Mean, variance, lag-one and cross-seed correlation; each beyond 5 sigma with probability 6e-7."""
    n = 200_000
    keys = np.array([random.key(0, seed) for seed in (0, 1)], dtype=np.uint64)
    u = np.zeros((n, 2))
    row = np.zeros((1, 2))
    for t in range(n):
        UNIFORM(t + 1, 0, keys, row)
        u[t] = row
    centred = u - 0.5
    assert abs(centred.mean()) < 5 * math.sqrt(1 / 12 / (2 * n))
    assert abs(centred.var() - 1 / 12) < 5 * math.sqrt(1 / 180 / (2 * n))
    assert abs(np.mean(centred[1:, 0] * centred[:-1, 0])) < 5 / 12 / math.sqrt(n)
    assert abs(np.mean(centred[:, 0] * centred[:, 1])) < 5 / 12 / math.sqrt(n)


def test_cyclic_order_starts_at_component_zero() -> None:
    assert draw("cyclic", 3, 7)[:, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("workers", [1, 3])
def test_every_epoch_of_the_reshuffled_order_is_a_permutation(workers: int) -> None:
    idx = draw("reshuffled", 7, 70, workers=workers)
    epochs = idx.reshape(10, 7, -1)
    assert (np.sort(epochs, axis=1) == np.arange(7)[None, :, None]).all()
    assert len({tuple(epoch) for epoch in epochs.transpose(0, 2, 1).reshape(-1, 7)}) > 5


def test_reshuffled_positions_are_uniform() -> None:
    """Chi-square of component 0's position over 6000 epochs of 5, false-alarm probability 1e-6."""
    from scipy.stats import chi2

    epochs = draw("reshuffled", 5, 5 * 600, lanes=10).reshape(600, 5, 10)
    position = np.argmax(epochs == 0, axis=1).ravel()
    counts = np.bincount(position, minlength=5)
    assert ((counts - 1200) ** 2 / 1200).sum() < chi2.isf(1e-6, 4)


def test_replacement_draws_every_component_equally_often() -> None:
    """Chi-square over 30 000 draws of 6, false-alarm probability 1e-6."""
    from scipy.stats import chi2

    counts = np.bincount(draw("replacement", 6, 3000, lanes=10).ravel(), minlength=6)
    assert len(counts) == 6
    assert ((counts - 5000) ** 2 / 5000).sum() < chi2.isf(1e-6, 5)

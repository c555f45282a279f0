"""Every kernel against a reference in vector form, and its ties."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from theory_sim.compressors import (
    Compressor,
    bf16,
    dynamic8,
    dynamic_levels,
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
    spacing,
    terngrad,
    top_k,
    two_mean,
    uniform,
    weights,
)
from theory_sim.compressors.sparse import selection
from theory_sim.rules import build

Array = np.ndarray
Reference = Callable[[Array, Array], Array]


def signs(x: Array) -> Array:
    return np.where(x >= 0.0, 1.0, -1.0)


def blockwise(block: int, one: Callable[[Array], Array]) -> Reference:
    return lambda x, u: np.concatenate([one(x[i : i + block]) for i in range(0, len(x), block)])


def nearest(levels: Array) -> Callable[[Array], Array]:
    """The codebook map: the level at the least distance, by trying all of them."""

    def one(x: Array) -> Array:
        largest = np.linalg.norm(x, math.inf)
        return largest * levels[np.abs(x[:, None] / largest - levels).argmin(axis=1)]

    return one


def dithered(levels: Array, order: float) -> Reference:
    """|x_i| / ||x|| goes to the upper neighbour among `levels` if u is below its relative position."""

    def one(x: Array, u: Array) -> Array:
        norm = np.linalg.norm(x, order)
        t = np.abs(x) / norm
        upper = np.searchsorted(levels, t).clip(1)
        low, high = levels[upper - 1], levels[upper]
        return np.sign(x) * norm * np.where(u < (t - low) / (high - low), high, low)

    return one


def largest(k: int) -> Reference:
    def one(x: Array, u: Array) -> Array:
        y = np.zeros_like(x)
        kept = np.argsort(-np.abs(x), kind="stable")[:k]
        y[kept] = x[kept]
        return y

    return one


def sides(x: Array, u: Array) -> Array:
    return np.where(x < 0.0, x[x < 0.0].mean(), x[x >= 0.0].mean())


def two_powers(x: Array, u: Array) -> Array:
    low = 2.0 ** np.floor(np.log2(np.abs(x)))
    return np.sign(x) * low * (1.0 + (u < np.abs(x) / low - 1.0))


def power(x: Array, u: Array) -> Array:
    powers = 2.0 ** np.arange(-60, 60)
    return np.sign(x) * powers[np.abs(np.abs(x)[:, None] - powers).argmin(axis=1)]


def projected(rank: int, rows: int) -> Reference:
    def one(x: Array, u: Array) -> Array:
        matrix = x.reshape(rows, -1)
        vectors = np.linalg.eigh(matrix @ matrix.T)[1][:, -rank:]
        return (vectors @ (vectors.T @ matrix)).ravel()

    return one


def decimal(digits: int, lowest: int) -> Reference:
    def one(x: Array, u: Array) -> Array:
        scale = [2.0 ** (max(math.frexp(v)[1], lowest) - digits) for v in x]
        return np.array([round(v / unit) * unit for v, unit in zip(x, scale, strict=True)])

    return one


POWERS = np.array([0.125, 0.25, 0.5, 1.0])
PAIRS: list[tuple[Compressor, Reference]] = [
    (identity(64), lambda x, u: x),
    (identity(), lambda x, u: x.astype(np.float32).astype(float)),
    (top_k(7, 64), largest(7)),
    (l1_sign(word=64), lambda x, u: np.abs(x).mean() * signs(x)),
    (l1_sign(9, 64), blockwise(9, lambda b: np.abs(b).mean() * signs(b))),
    (rms_sign(9, 64), blockwise(9, lambda b: np.sqrt((b**2).mean()) * signs(b))),
    (two_mean(64), sides),
    (qsgd(5, word=64), dithered(np.arange(6) / 5, 2)),
    (qsgd(1, shrink=0.25, word=64), lambda x, u: 0.25 * dithered(np.arange(2.0), 2)(x, u)),
    (terngrad(word=64), dithered(np.arange(2.0), math.inf)),
    (natural_dithering(4, 1, word=64), dithered(np.array([0.0, *POWERS]), 1)),
    (natural_dithering(4, 2, word=64), dithered(np.array([0.0, *POWERS]), 2)),
    (natural_dithering(4, math.inf, word=64), dithered(np.array([0.0, *POWERS]), math.inf)),
    (natural(), two_powers),
    (natural(0.5), lambda x, u: 0.5 * two_powers(x, u)),
    (nearest_power(), power),
    (log_levels(3, word=64), blockwise(60, nearest(np.array([*-POWERS, 0.0, *POWERS])))),
    (log_levels(3, 7, 64), blockwise(7, nearest(np.array([*-POWERS, 0.0, *POWERS])))),
    (uniform(4, word=64), blockwise(60, nearest(np.arange(-7, 8) / 7))),
    (linear8(16, word=64), blockwise(16, nearest(np.linspace(-1.0, 1.0, 255)))),
    (dynamic8(16, word=64), blockwise(16, nearest(dynamic_levels()))),
    (weights(3), lambda x, u: np.clip(np.round(x * 16.0) / 16.0, -0.5, 0.5)),
    (weights(3, stochastic=True), lambda x, u: np.clip(np.ceil(x * 16.0 - u) / 16.0, -0.5, 0.5)),
    (low_rank(2, rows=5, word=64), projected(2, 5)),
    (low_rank(2, word=64), projected(2, 6)),
    (fp16(), lambda x, u: x.astype(np.float16).astype(float)),
    (bf16(), decimal(8, -125)),
]


@pytest.mark.parametrize(("compressor", "reference"), PAIRS, ids=[str(one) for one, _ in PAIRS])
def test_every_lane_follows_the_reference(compressor: Compressor, reference: Reference) -> None:
    rng = np.random.default_rng(5)
    d, lanes = 60, 40
    p = rng.normal(size=(d, lanes)) * 10.0 ** rng.uniform(-2.0, 2.0, lanes)
    u = rng.random((compressor.draws(d), lanes))
    out = np.empty_like(p)
    with np.errstate(all="ignore"):  # plain Python warns, compiled code does not
        build.compiled(compressor.source)(p, u, np.array([*compressor.hyper.values()], dtype=float), out)
    for lane in range(lanes):
        # Sums of 60 terms in another order, the singular vectors by another factorization.
        expected = reference(p[:, lane], u[:, lane])
        np.testing.assert_allclose(out[:, lane], expected, rtol=1e-12, atol=1e-12 * np.abs(p[:, lane]).max())
        if lane < 3:
            assert (compressor.quantize(p[:, lane], uniforms=u[:, lane]) == out[:, lane]).all()


@pytest.mark.parametrize(
    ("compressor", "levels"), [(dynamic8, dynamic_levels(False)), (linear8, np.arange(256) / 255)]
)
def test_maps_without_signs_follow_the_reference(
    compressor: Callable[..., Compressor], levels: Array
) -> None:
    x = np.random.default_rng(3).random(200) ** 4
    expected = blockwise(64, nearest(levels))(x, x)
    np.testing.assert_allclose(compressor(64, signed=False, word=64).quantize(x), expected, rtol=1e-12)


@pytest.mark.parametrize("exponent", [-40, -25, -20, -14, 0, 15])
def test_fp16_is_the_cast_of_numpy_down_to_its_subnormals(exponent: int) -> None:
    x = np.random.default_rng(9).uniform(-2.0, 2.0, 500) * 2.0**exponent
    x = x[np.abs(x) < 65520.0]
    assert (fp16().quantize(x) == x.astype(np.float16)).all()


@pytest.mark.parametrize("exponent", [-140, -133, -130, -126])
def test_bf16_has_subnormals(exponent: int) -> None:
    x = np.random.default_rng(9).uniform(-2.0, 2.0, 500) * 2.0**exponent
    assert (bf16().quantize(x) == decimal(8, -125)(x, x)).all()


def test_rand_k_draws_every_subset_alike() -> None:
    # 15 subsets of 2 out of 6, chi-square with 14 degrees of freedom over 6000 draws: beyond 42.6 w.p. 1e-4.
    rng = np.random.default_rng(0)
    drawn = [tuple(selection(int(seed), 6, 2)) for seed in rng.integers(0, 2**32, 6000)]
    counts = np.array([drawn.count(subset) for subset in set(drawn)])
    assert len(counts) == 15
    assert ((counts - 400.0) ** 2 / 400.0).sum() < 42.6


@pytest.mark.parametrize("k", [1, 4, 50])
def test_rand_k_keeps_the_selection_of_its_seed(k: int) -> None:
    x = np.random.default_rng(k).normal(size=50)
    for u in (0.0, 0.3, 1.0 - 2.0**-53):
        y = rand_k(k, scaled=True, word=64).quantize(x, uniforms=[u])
        kept = selection(int(u * 2**32), 50, k)
        assert np.flatnonzero(y).tolist() == kept.tolist()
        np.testing.assert_allclose(y[kept], x[kept] * 50 / k, rtol=1e-15)


def test_ties() -> None:
    assert top_k(2).quantize([1.0, -1.0, 1.0, 2.0]).tolist() == [1.0, 0.0, 0.0, 2.0]  # the first of equals
    assert nearest_power().quantize([1.5, -3.0, 1.4999]).tolist() == [2.0, -4.0, 1.0]  # the larger power
    assert log_levels(1).quantize([1.0, 0.75, -0.75, 0.25, 0.2499]).tolist() == [1.0, 1.0, -1.0, 0.5, 0.0]
    assert uniform(2).quantize([1.0, 0.5, -0.5, 0.51]).tolist() == [1.0, 0.0, 0.0, 1.0]  # the even level
    assert weights(0).quantize([0.25, -0.25, 0.26, 3.0]).tolist() == [0.0, 0.0, 0.5, 0.5]
    assert fp16().quantize([1.0 + 2.0**-11, 1.0 + 3 * 2.0**-11]).tolist() == [1.0, 1.0 + 2.0**-9]
    assert l1_sign().quantize([0.0, -2.0]).tolist() == [1.0, -1.0]  # one bit cannot say 0
    assert two_mean().quantize([0.0, 2.0, -3.0]).tolist() == [1.0, 1.0, -3.0]


def test_a_rounded_norm_never_pushes_a_level_beyond_the_last() -> None:
    x = np.array([1.0 + 2.0**-26])  # the 32-bit norm is 1, so |x| / norm > 1
    for compressor in (qsgd(4), terngrad(), natural_dithering(3), uniform(4), log_levels(2), dynamic8()):
        assert compressor.quantize(x, uniforms=np.zeros(compressor.draws(1))).tolist() == [1.0]


def test_stochastic_weights_stay_on_their_grid_point() -> None:
    last = 1.0 - 2.0**-53
    x = np.arange(-8, 9) * spacing(3)
    for u in (0.0, 0.5, last):
        assert (weights(3, stochastic=True).quantize(x, uniforms=np.full(17, u)) == x).all()

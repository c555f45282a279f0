"""The exact constants: never exceeded, attained at the tight vector; the second moments of the random maps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from theory_sim.compressors.codebook import worst_ratio

Array = np.ndarray

# Zeros and entries of 2^-9 ... 2^9 with ties: in the normal range of every code.
ENTRIES = st.just(0.0) | st.builds(
    lambda m, e, s: s * m * 2.0**e,
    st.sampled_from([1.0, 1.25, 4 / 3, 1.5, 1.999]) | st.floats(1.0, 2.0),
    st.integers(-8, 8),
    st.sampled_from([-1.0, 1.0]),
)
VECTORS = st.lists(ENTRIES, min_size=1, max_size=40).map(np.array)


def ratio(compressor: Compressor, x: Array) -> float:
    return float(((compressor.quantize(x) - x) ** 2).sum() / (x**2).sum())


def one_hot(d: int) -> Array:
    return np.eye(d)[d // 2]


def flat(d: int, first: float, rest: float) -> Array:
    return np.array([first] + [rest] * (d - 1))


DETERMINISTIC = [
    *(identity, fp16, bf16, nearest_power),
    *(lambda word, k=k: top_k(k, word=word) for k in (1, 2)),
    *(lambda word, b=b: l1_sign(b, word=word) for b in (0, 3)),
    *(lambda word, b=b: rms_sign(b, word=word) for b in (0, 3)),
    lambda word: two_mean(word=word),
    *(lambda word, k=k: log_levels(k, word=word) for k in (0, 1, 4)),
    *(lambda word, b=b: uniform(b, 5, word=word) for b in (2, 5)),
    lambda word: low_rank(1, word=word),
    lambda word: dynamic8(4, word=word),
    lambda word: linear8(word=word),
]


@settings(max_examples=60)
@given(VECTORS)
def test_no_vector_exceeds_the_worst_case(x: Array) -> None:
    if not x.any():
        return
    for build in DETERMINISTIC:
        cast = build in (fp16, bf16, nearest_power)
        # Sums of 40 squares round by 1e-14; a 32-bit word errs by 6e-8 of ||x||, a sup being
        # flat to first order.
        for compressor, tolerance in (
            [(build(), 1e-12)] if cast else [(build(word=64), 1e-12), (build(word=32), 1e-6)]
        ):
            if compressor.name == "top_k" and compressor.arguments["k"] > len(x):
                continue
            assert ratio(compressor, x) <= compressor.error(len(x)) + tolerance, compressor


TIGHT = [
    *((top_k(3, 64), np.full(d, -0.3)) for d in (4, 64)),
    *((l1_sign(word=64), one_hot(d)) for d in (1, 2, 64)),
    (l1_sign(4, 64), one_hot(10)),
    *((rms_sign(word=64), one_hot(d)) for d in (2, 64, 1024)),
    (two_mean(64), one_hot(16)),
    (nearest_power(), np.full(5, -1.5)),
    *((log_levels(k, word=64), flat(d, 1.0, 2.0 ** -(k + 1))) for k, d in ((0, 16), (1, 256), (4, 256))),
    *((log_levels(k, word=64), flat(d, -1.0, 0.75)) for k, d in ((4, 16), (8, 256))),
    *((uniform(b, word=64), flat(256, 1.0, 0.5 / (2 ** (b - 1) - 1))) for b in (2, 4, 8)),
    (linear8(word=64), flat(256, 1.0, 0.5 / 127)),
    (linear8(signed=False, word=64), flat(256, 1.0, 0.5 / 255)),
    *((low_rank(r, word=64), np.eye(8).ravel()) for r in (1, 3, 8)),
    (low_rank(2, rows=4, word=64), np.eye(4, 16).ravel()),
    (fp16(), np.full(3, 1.0 + 2.0**-11)),
    (bf16(), np.full(3, -1.0 - 2.0**-8)),
]


@pytest.mark.parametrize(("compressor", "x"), TIGHT, ids=[f"{one}-{len(x)}" for one, x in TIGHT])
def test_the_worst_case_is_attained(compressor: Compressor, x: Array) -> None:
    assert compressor.exact
    assert ratio(compressor, x) == pytest.approx(compressor.error(len(x)), rel=1e-9, abs=1e-15)
    assert compressor.delta(len(x)) == 1.0 - compressor.error(len(x))


def test_closed_forms() -> None:
    # 1 - delta of the log levels at d = 256: 255/(4^(k+1) + 255).
    assert 1.0 - log_levels(1).delta(256) == pytest.approx(0.9410, abs=5e-5)
    assert 1.0 - log_levels(4).delta(256) == pytest.approx(0.1994, abs=5e-5)
    # RMS-sign: 2 (1 - 1/sqrt d) passes 1 at d = 4.
    assert [rms_sign().delta(d) > 0.0 for d in (3, 4, 5)] == [True, False, False]
    assert l1_sign(64).delta(1000) == 1 / 64
    assert l1_sign(64).delta(10) == pytest.approx(1 / 10, rel=1e-14)
    assert rand_k(4).delta(16) == 0.25
    assert rand_k(4, scaled=True).omega(16) == 3.0
    assert qsgd(2).omega(64) == 3.0  # sqrt(64)/2 - 1
    assert qsgd(16).omega(64) == 64 / (4 * 256)
    assert terngrad().omega(49) == 3.0
    assert natural().omega(7) == 0.125
    assert natural(shrink=8 / 9).delta(7) == pytest.approx(8 / 9, rel=1e-14)
    assert qsgd(2, shrink=0.25).delta(64) == 0.25  # 1/(1 + omega)
    assert not qsgd(2, shrink=0.25).unbiased


@pytest.mark.parametrize("d", [1, 2, 5, 64, 256, 10**6])
def test_the_general_rule_gives_the_closed_forms(d: int) -> None:
    for k in (0, 1, 4, 8):
        powers = 2.0 ** np.arange(-k, 1.0)
        levels = np.sort(np.concatenate([powers, [0.0], -powers]))
        assert worst_ratio(levels, d) == pytest.approx(log_levels(k).error(d), rel=1e-12, abs=1e-15)
    for bits in (2, 4, 8):
        s = 2 ** (bits - 1) - 1
        assert worst_ratio(np.arange(-s, s + 1) / s, d) == pytest.approx(
            uniform(bits).error(d), rel=1e-12, abs=1e-15
        )
    levels = dynamic_levels()
    t = np.linspace(-1.0, 1.0, 400001)[:, None]
    e = np.concatenate([np.abs(t[i : i + 4000] - levels).min(axis=1) for i in range(0, len(t), 4000)])
    for own in (e[0], e[-1]):
        assert ((own**2 + (d - 1) * e**2) / (1.0 + (d - 1) * t[:, 0] ** 2)).max() <= worst_ratio(
            levels, d
        ) * (1 + 1e-9)


@settings(max_examples=60)
@given(VECTORS)
def test_identities_of_the_one_bit_maps(x: Array) -> None:
    total, size, d = (x**2).sum(), np.abs(x).sum(), len(x)
    error = {
        one.name: ((one.quantize(x) - x) ** 2).sum()
        for one in (l1_sign(0, 64), rms_sign(0, 64), two_mean(64))
    }
    assert error["l1_sign"] == pytest.approx(total - size**2 / d, rel=1e-12, abs=1e-12 * total)
    rms = 2.0 * (total - math.sqrt(total / d) * size)
    assert error["rms_sign"] == pytest.approx(rms, rel=1e-12, abs=1e-12 * total)
    assert error["two_mean"] <= error["l1_sign"] + 1e-12 * total


RANDOM = [
    *(qsgd(s, word=64) for s in (1, 3, 20)),
    terngrad(word=64),
    natural(),
    *(natural_dithering(s, p, word=64) for s in (1, 4, 8) for p in (1, 2, math.inf)),
    weights(2, stochastic=True),
]


def two_points(compressor: Compressor, x: Array) -> tuple[Array, Array]:
    """The two values an entry can take: the map at u = 0 and at the last u below 1."""
    ends = (0.0, 1.0 - 2.0**-53)
    high, low = (compressor.quantize(x, uniforms=np.full(len(x), u)) for u in ends)
    return high, low


def second_moment(compressor: Compressor, x: Array) -> float:
    """E ||C(x) - x||^2 of an unbiased map on two values: (high - x)(x - low) in every entry."""
    high, low = two_points(compressor, x)
    return float(((high - x) * (x - low)).sum())


@pytest.mark.parametrize("compressor", RANDOM, ids=str)
@settings(max_examples=25)
@given(VECTORS)
def test_random_maps_are_unbiased(compressor: Compressor, x: Array) -> None:
    x = x / 1024.0 if compressor.name == "weights" else x  # into the box
    high, low = two_points(compressor, x)
    q = np.divide(x - low, high - low, out=np.full(len(x), 0.5), where=np.abs(high - low) > 1e-9 * np.abs(x))
    # An unbiased law on {low, high} takes high iff u < q; both sides of q, a rounding apart, show it.
    below, above = np.clip(q - 1e-9, 0.0, None), np.clip(q + 1e-9, None, 1.0 - 2.0**-53)
    assert (compressor.quantize(x, uniforms=below) == high)[q > 1e-9].all()
    assert (compressor.quantize(x, uniforms=above) == low)[q < 1.0 - 1e-9].all()


@pytest.mark.parametrize("compressor", RANDOM[:-1], ids=str)
@settings(max_examples=40)
@given(VECTORS)
def test_no_second_moment_exceeds_omega(compressor: Compressor, x: Array) -> None:
    total = (x**2).sum()
    assert second_moment(compressor, x) <= (compressor.omega(len(x)) + 1e-12) * total
    if compressor.name == "terngrad":
        closed = np.abs(x).max() * np.abs(x).sum() - total
        assert second_moment(compressor, x) == pytest.approx(closed, rel=1e-9, abs=1e-12 * total)
    if compressor.name == "qsgd" and total:
        s = compressor.arguments["levels"]
        part = np.modf(s * np.abs(x) / math.sqrt(total))[0]
        closed = total / s**2 * (part * (1.0 - part)).sum()
        assert second_moment(compressor, x) == pytest.approx(closed, rel=1e-9, abs=1e-12 * total)


def geometric(s: int, d: int) -> Array:
    """The tight vector of natural dithering with the maximum norm: a = l / (2 (1 + omega))."""
    return flat(d, 1.0, 2.0 ** (1 - s) / (2.0 * (1.0 + natural_dithering(s, math.inf).omega(d))))


TIGHT_RANDOM = [
    *((qsgd(s, word=64), np.ones(d)) for s, d in ((1, 4), (1, 64), (4, 256), (8, 256))),
    *((terngrad(word=64), flat(d, 1.0, 1.0 / (1.0 + math.sqrt(d)))) for d in (1, 2, 64, 1024)),
    (natural(), np.full(6, -4 / 3)),
    *((natural_dithering(s, 2, word=64), np.ones(256)) for s in (1, 3)),
    *((natural_dithering(s, 1, word=64), np.ones(256)) for s in (1, 3, 7)),
    *((natural_dithering(s, math.inf, word=64), geometric(s, 256)) for s in (1, 3)),
]


@pytest.mark.parametrize(
    ("compressor", "x"), TIGHT_RANDOM, ids=[f"{one}-{len(x)}" for one, x in TIGHT_RANDOM]
)
def test_omega_is_attained(compressor: Compressor, x: Array) -> None:
    assert second_moment(compressor, x) == pytest.approx(
        compressor.omega(len(x)) * (x**2).sum(), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize(
    "compressor", [qsgd(2), terngrad(), natural(), natural_dithering(3), rand_k(4, scaled=True)], ids=str
)
def test_means_over_messages(compressor: Compressor) -> None:
    # Direction-wise: |mean - x| < 5 sigma for 12 entries, false alarm 12 * 6e-7 = 7e-6; the seeds are fixed.
    x = np.random.default_rng(2).normal(size=12)
    images = np.array([compressor.quantize(x, seed=seed) for seed in range(2000)])
    assert (np.abs(images.mean(axis=0) - x) < 5.0 * images.std(axis=0) / math.sqrt(2000) + 1e-6).all()
    errors = ((images - x) ** 2).sum(axis=1)
    bound = compressor.omega(12) * (x**2).sum()
    slack = 5.0 * errors.std() / math.sqrt(2000)
    assert errors.mean() <= bound + slack
    if compressor.name == "rand_k":  # equality for every x
        assert errors.mean() >= bound - slack


@pytest.mark.parametrize(
    "build",
    [lambda a: qsgd(2, a, 64), lambda a: terngrad(a, 64), natural],
    ids=["qsgd", "terngrad", "natural"],
)
@pytest.mark.parametrize("d", [16, 256])
def test_shrinking_an_unbiased_map_makes_a_contraction(build: Callable[[float], Compressor], d: int) -> None:
    omega = build(1.0).omega(d)
    a = 1.0 / (1.0 + omega)
    assert build(a).delta(d) == pytest.approx(a, rel=1e-12)
    assert build(0.5).error(d) == pytest.approx(omega / 4.0 + 0.25, rel=1e-12)
    x = np.random.default_rng(d).normal(size=d)
    u = np.random.default_rng(1).random(d)
    np.testing.assert_allclose(
        build(a).quantize(x, uniforms=u), a * build(1.0).quantize(x, uniforms=u), rtol=1e-14
    )


@settings(max_examples=40)
@given(VECTORS, st.integers(0, 12))
def test_weights_err_by_half_a_cell_in_the_box(x: Array, k: int) -> None:
    x = x / 2048.0  # |x_i| <= 1/2
    error = np.linalg.norm(weights(k).quantize(x) - x)
    assert error <= math.sqrt(len(x)) * spacing(k) / 2.0 * (1.0 + 1e-12)
    moment = second_moment(weights(k, stochastic=True), x)
    assert moment <= len(x) * spacing(k) ** 2 / 4.0 * (1.0 + 1e-12)
    centre = np.full(5, spacing(k) / 2.0)
    assert np.linalg.norm(weights(k).quantize(centre) - centre) == pytest.approx(
        math.sqrt(5) * spacing(k) / 2.0
    )


def test_gaussian_vectors() -> None:
    # Limits in d: l1-sign delta 2/pi, RMS-sign error 2 (1 - sqrt(2/pi)); d = 1e5 leaves 5 sigma < 0.01.
    x = np.random.default_rng(0).normal(size=100_000)
    assert 1.0 - ratio(l1_sign(), x) == pytest.approx(2.0 / math.pi, abs=0.01)
    assert ratio(rms_sign(), x) == pytest.approx(2.0 * (1.0 - math.sqrt(2.0 / math.pi)), abs=0.01)
    # By quadrature; 3/(4 ln 2) - 1 = 0.0820 would be the mean over a log-uniform scale.
    t = np.linspace(1e-4, 8.0, 400_001)
    low = 2.0 ** np.floor(np.log2(t))
    density = np.sqrt(2.0 / math.pi) * np.exp(-(t**2) / 2.0)
    omega = float(np.trapezoid((2.0 * low - t) * (t - low) * density, t))
    assert second_moment(natural(), x) / (x**2).sum() == pytest.approx(omega, abs=0.002)

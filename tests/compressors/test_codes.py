"""Every compressor's code: round trips bit for bit, stated bits, fixed points, what is refused."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from theory_sim.compressors import (
    COMPRESSORS,
    Compressor,
    Payload,
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
    spacing,
    terngrad,
    top_k,
    two_mean,
    uniform,
    weights,
)
from theory_sim.nouns.papers import PAPERS
from theory_sim.rules import build
from theory_sim.rules.digest import captured

ALL = [
    *(identity(), identity(word=64), fp16(), bf16()),
    *(top_k(1), top_k(1, word=64), rand_k(1), rand_k(1, scaled=True, word=64)),
    *(l1_sign(), l1_sign(3, 64), rms_sign(), rms_sign(7, 64), two_mean(), two_mean(64)),
    *(qsgd(1), qsgd(4, 0.5, 64), qsgd(1000), terngrad(), terngrad(0.3, 64)),
    *(natural(), natural(8 / 9), nearest_power()),
    *(natural_dithering(1), natural_dithering(5, 1, 0.7), natural_dithering(9, math.inf, word=64)),
    *(
        log_levels(0),
        log_levels(3, word=64),
        log_levels(8, 5),
        uniform(2),
        uniform(8, word=64),
        uniform(32, 7),
    ),
    *(weights(0), weights(3), weights(50, stochastic=True), low_rank(1), low_rank(1, word=64)),
    *(dynamic8(), dynamic8(3, word=64), dynamic8(signed=False), linear8(), linear8(7, signed=False)),
]


def vectors(d: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random and adversarial vectors that fit every code, fp16 aside."""
    yield from (
        np.zeros(d),
        -np.zeros(d),
        np.eye(d)[d // 2],
        -np.eye(d)[0],
        np.full(d, 0.3),
        np.full(d, -0.7),
    )
    yield rng.normal(size=d)
    yield np.repeat(rng.normal(size=(d + 1) // 2), 2)[:d]  # ties
    yield rng.choice([-1.0, 1.0], d) * 0.75 * 2.0 ** rng.integers(-10, 3, d)  # half-way points
    yield rng.normal(size=d) * 1e30
    yield rng.normal(size=d) * 1e-300
    yield rng.normal(size=d) * 1e-45  # subnormal 32-bit words
    yield 10.0 ** rng.uniform(-320.0, -290.0, d)
    yield 10.0 ** rng.uniform(-50.0, 3.0, d)


@pytest.mark.parametrize("compressor", ALL, ids=str)
@pytest.mark.parametrize("d", [1, 2, 5, 64, 1000])
def test_what_is_decoded_is_what_the_kernel_gave(compressor: Compressor, d: int) -> None:
    for seed, x in enumerate(vectors(d, np.random.default_rng(d))):
        x = np.abs(x) if compressor.arguments.get("signed") is False else x
        if compressor.name == "fp16" and np.abs(x).max() > 1e4:
            continue
        image = compressor.quantize(x, seed=seed)
        payload = compressor.compress(x, seed=seed)
        assert payload.bits == compressor.bits(d)
        assert len(payload.data) == -(-payload.bits // 8)
        assert compressor.decompress(payload).tobytes() == image.tobytes()
        assert x.any() or not image.any()


@pytest.mark.parametrize("compressor", [one for one in ALL if one.idempotent], ids=str)
@pytest.mark.parametrize("d", [1, 2, 5, 64, 1000])
def test_an_image_is_its_own_image(compressor: Compressor, d: int) -> None:
    for x in vectors(d, np.random.default_rng(d)):
        x = np.abs(x) if compressor.arguments.get("signed") is False else x
        largest = np.abs(x).max()
        if (largest > 1e4 and compressor.name == "fp16") or 0.0 < largest < 1e-37:  # no normal words
            continue
        image = compressor.quantize(x, seed=1)
        assert compressor.quantize(image, seed=2).tobytes() == image.tobytes()


def test_these_maps_are_idempotent() -> None:
    assert {one.name for one in ALL if one.idempotent} == {
        *("identity", "top_k", "l1_sign", "nearest_power", "log_levels", "uniform", "weights"),
        *("fp16", "bf16", "linear8", "dynamic8"),
    }
    assert not l1_sign(word=64).idempotent  # the mean of equal 53-bit numbers may round
    assert not dynamic8().idempotent  # no level -1
    y = dynamic8().quantize([-1.0, 0.2])
    assert dynamic8().quantize(y)[0] != y[0]


# Bits of the table of constants, for d = 1000.
@pytest.mark.parametrize(
    ("compressor", "bits"),
    [
        (identity(), 32000),
        (top_k(7), 7 * (32 + 10)),
        (rand_k(7), 7 * 32 + 32),
        (l1_sign(), 1032),
        (l1_sign(64), 1000 + 16 * 32),
        (rms_sign(), 1032),
        (two_mean(), 1064),
        (qsgd(4), 1000 * (1 + 3) + 32),
        (terngrad(), 2032),
        (natural(), 9000),
        (nearest_power(), 9000),
        (natural_dithering(7), 1000 * (1 + 3) + 32),
        (log_levels(0), 2032),
        (log_levels(2), 3032),
        (log_levels(4), 4032),
        (log_levels(8), 5032),
        (uniform(4), 4032),
        (weights(6), 8000),
        (low_rank(2, rows=20), 32 * 2 * (20 + 50)),
        (low_rank(2), 32 * 2 * (25 + 40)),
        (fp16(), 16000),
        (bf16(), 16000),
        (dynamic8(), 8000 + 4 * 32),
        (linear8(), 8000 + 4 * 32),
        (top_k(7, word=64), 7 * (64 + 10)),
    ],
    ids=str,
)
def test_stated_bits(compressor: Compressor, bits: int) -> None:
    assert compressor.bits(1000) == bits


@pytest.mark.parametrize("compressor", ALL, ids=str)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_never_silent(compressor: Compressor, bad: float) -> None:
    rng = np.random.default_rng(1)
    p = np.abs(rng.normal(size=(6, 3)))
    p[2, 1] = bad
    out = np.empty_like(p)
    rows = np.array([*compressor.hyper.values()], dtype=float)
    with np.errstate(all="ignore"):  # plain Python warns, compiled code does not
        build.compiled(compressor.source)(p, rng.random((compressor.draws(6), 3)), rows, out)
    assert np.isfinite(out[:, [0, 2]]).all()
    block = compressor.arguments.get("block") or 6
    alone = compressor.name in ("identity", "fp16", "bf16", "natural", "nearest_power", "weights")
    lost = [2] if alone else range(2 // block * block, min(2 // block * block + block, 6))
    assert np.flatnonzero(np.isnan(out[:, 1])).tolist() == list(lost)
    with pytest.raises(ValueError, match=r"x\[2\] = .*; a message must be finite"):
        compressor.compress(p[:, 1])


@pytest.mark.parametrize(
    ("compressor", "x"),
    [
        (fp16(), [65520.0]),
        (bf16(), [3.4e38]),
        (natural(), [2.0**128 * 1.1]),
        (identity(), [1e39]),
        (top_k(1), [1.0, 1e39]),
        (l1_sign(), [1e39, 0.0]),
        (log_levels(2), [1e39, 0.0]),
        (dynamic8(signed=False), [1.0, -0.1]),
        (linear8(signed=False), [1.0, -0.1]),
    ],
    ids=str,
)
def test_what_the_code_cannot_say_is_refused(compressor: Compressor, x: list[float]) -> None:
    with pytest.raises(ValueError, match="outside the range of the code"):
        compressor.compress(x, uniforms=np.zeros(compressor.draws(len(x))))


REFUSED = [
    (lambda: top_k(0), "k = 0 must be an integer >= 1"),
    (lambda: top_k(6).delta(5), "k = 6 exceeds the d = 5 coordinates"),
    (lambda: top_k(6).quantize(np.ones(5)), "k = 6 exceeds the d = 5 coordinates"),
    (lambda: rand_k(6).bits(5), "k = 6 exceeds the d = 5 coordinates"),
    (lambda: rand_k(2, scaled=1), "scaled = 1 must be True or False"),
    (lambda: uniform(1), r"bits = 1 must be a finite number in \[2, 32\]"),
    (lambda: uniform(33), r"bits = 33 must be a finite number in \[2, 32\]"),
    (lambda: log_levels(-1), "k = -1 must be an integer >= 0"),
    (lambda: l1_sign(block=-1), "block = -1 must be an integer >= 0"),
    (lambda: dynamic8(block=-1), "block = -1 must be an integer >= 0"),
    (lambda: identity(word=16), "word = 16 must be 32 or 64"),
    (lambda: qsgd(4, word=16), "word = 16 must be 32 or 64"),
    (lambda: qsgd(0), "levels = 0 must be an integer >= 1"),
    (lambda: qsgd(4, shrink=0.0), r"shrink = 0.0 must be a finite number in \(0, 1\]"),
    (lambda: natural(shrink=1.5), r"shrink = 1.5 must be a finite number in \(0, 1\]"),
    (lambda: natural_dithering(4, p=3), "p = 3 must be 1, 2 or inf"),
    (lambda: natural_dithering(1001), r"levels = 1001 must be a finite number in \[1, 1000\]"),
    (lambda: weights(51), r"k = 51 must be a finite number in \[0, 50\]"),
    (lambda: weights(3).delta(4), "weights.* has no relative constant"),
    (lambda: spacing(-1), "k = -1 must be an integer >= 0"),
    (lambda: low_rank(1, rows=3).delta(8), "rows = 3 does not divide the d = 8 coordinates"),
    (lambda: low_rank(3).delta(8), r"rank = 3 exceeds that of a \(2, 4\) matrix"),
    (lambda: top_k(1).omega(5), r"top_k\(k=1, word=32\) is biased and has no omega; ask delta\(d\)"),
    (lambda: top_k(1).delta(0), "d = 0 must be an integer >= 1"),
    (lambda: top_k(1).replace(rank=2), "Unknown parameter of top_k 'rank'"),
    (lambda: l1_sign().decompress(Payload(b"", 0, 5)), "A payload of 0 bytes cannot hold 37 bits"),
    (lambda: identity().quantize([[1.0]]), r"x has shape \(1, 1\); a message is a non-empty vector"),
    (lambda: natural().quantize([1.0], uniforms=[0.1, 0.2]), r"uniforms have shape \(2,\); natural"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED, ids=range(len(REFUSED)))
def test_errors_name_value_rule_and_way_out(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert str(caught.value).endswith((".", "]."))
    assert "\n" not in str(caught.value)


def test_maps_freeze_no_value_of_their_module() -> None:
    waiting = [rule for one in ALL for rule in (one.rule, one.once) if rule is not None]
    waiting += [reduction.term for one in ALL for reduction in one.reductions.values()]
    while waiting:
        helpers = captured(waiting.pop()).values()
        assert all(inspect.isfunction(one) for one in helpers)
        waiting += helpers


def test_the_registry_builds_every_family() -> None:
    given = {"top_k": {"k": 2}, "rand_k": {"k": 2}, "qsgd": {"levels": 4}, "natural_dithering": {"levels": 4}}
    given |= {"log_levels": {"k": 2}, "weights": {"k": 2}, "uniform": {"bits": 4}, "low_rank": {"rank": 1}}
    assert list(COMPRESSORS) == sorted(COMPRESSORS)
    for name, constructor in COMPRESSORS.items():
        compressor = constructor(**given.get(name, {}))
        assert compressor.name == name
        assert compressor.paper in {*PAPERS, ""}
        assert str(compressor.replace(**compressor.arguments)) == str(compressor)
        assert compressor.bits(8) > 0

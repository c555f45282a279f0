"""A user's own compressor: a rule, its reductions, and what is refused."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quantized
from theory_sim.compressors import Compressor, identity, l1_sign, rms_sign, top_k
from theory_sim.rules import build
from theory_sim.rules.language import Reduction, largest, norm, total

RUN: dict[str, Any] = {"steps": 400, "workers": 3, "checkpoints": (1, 10, 400)}


def size(p: float) -> float:
    return abs(p)


def thresholded(p: float, peak: float, cut: float) -> float:
    """Entries of at least a part of the largest magnitude arrive, the others decode to 0."""
    return p if abs(p) >= cut * peak else 0.0 * p


def worst(d: int) -> float:
    return 0.25 * (d - 1) / (1 + 0.25 * (d - 1))


THRESHOLD = Compressor("threshold", thresholded, {"cut": 0.5}, {"peak": largest(size)}, error=worst)


def test_an_own_rule_runs_in_a_sweep_of_ef_sgd() -> None:
    problem = quantized.quadratic(d=6, decades=1.0, spread=0.5)
    method = ts.ef_sgd(0.05, up=THRESHOLD)
    assert "up.cut" in method.axes
    grid = ts.Sweep(problem, method, {"up.cut": [0.0, 0.5, 1.0]}, **RUN).run()
    paths = grid.x.sel(seed=0).transpose("up.cut", ...).values

    def path(up: Compressor) -> Any:
        return ts.Sweep(problem, ts.ef_sgd(0.05, up=up), **RUN).run().x.sel(seed=0).values

    assert (paths[0] == path(identity(word=64))).all()
    assert (paths[2] == path(top_k(1, word=64))).all()  # no two entries are equal
    assert not (paths[1, 1] == paths[0, 1]).all()
    assert np.abs(paths[:, 2] - paths[0, 2]).max() < 1e-2  # the feedback delivers what was cut
    assert grid.bits_up.values.ravel()[-1] == 400 * 6 * 64


def test_its_code_and_its_constants() -> None:
    x = np.array([1.0, -0.5, 0.25, -0.49])
    assert THRESHOLD.quantize(x).tolist() == [1.0, -0.5, 0.0, 0.0]
    payload = THRESHOLD.compress(x)
    assert payload.bits == THRESHOLD.bits(4) == 256
    assert THRESHOLD.decompress(payload).tobytes() == THRESHOLD.quantize(x).tobytes()
    tight = np.array([1.0, *[0.5 - 1e-12] * 3])
    assert ((THRESHOLD.quantize(tight) - tight) ** 2).sum() / (tight**2).sum() == pytest.approx(
        1.0 - THRESHOLD.delta(4), rel=1e-9
    )
    assert str(THRESHOLD.replace(cut=0.25)) == "threshold(cut=0.25)"
    again = pickle.loads(pickle.dumps(THRESHOLD.replace(cut=0.25)))
    assert again.quantize(x).tolist() == x.tolist()


def scaled(p: float, length: float, d: int) -> float:
    return math.copysign(length / math.sqrt(d), p)


def itself(p: float) -> float:
    return p


def shifted(p: float, u: float, i: int) -> float:
    return p + u if i > 0 else p


def test_reductions_uniforms_places_and_blocks() -> None:
    whole = Compressor("scaled", scaled, reductions={"length": norm(itself)})
    cut = Compressor("scaled", scaled, {"block": 4.0}, reductions={"length": norm(itself)})
    x = np.random.default_rng(0).normal(size=10)
    np.testing.assert_allclose(whole.quantize(x), rms_sign(word=64).quantize(x), rtol=1e-14)
    np.testing.assert_allclose(cut.quantize(x), rms_sign(4, 64).quantize(x), rtol=1e-14)
    for block, lost in ((0.0, [0]), (3.0, [0, 3, 6, 9])):
        one, u = Compressor("shifted", shifted, {"block": block}), np.linspace(0.1, 0.9, 10)
        u_used = np.where(np.isin(np.arange(10), lost), 0.0, u)
        assert (one.quantize(x, uniforms=u) == x + u_used).all()
    assert (one.draws(10), whole.draws(10)) == (10, 0)


def test_blocks_share_one_kernel() -> None:
    assert l1_sign(3).source is l1_sign(8).source
    assert l1_sign(3).source is not rms_sign(3).source
    assert build.python(l1_sign(3).source) is not None


def other(p: float, size: float) -> float:
    return p * size


def pair(p: float) -> tuple[float, float]:
    return p, p


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": other}, "Rule other of mine names 'size', which is not declared"),
        ({"rule": pair}, "Rule pair of mine returns 2 numbers; it must return 1: the image"),
        ({"rule": itself, "hyper": {"p": 1.0}}, "Hyperparameter 'p' of mine is taken"),
        ({"rule": itself, "hyper": {"k": math.nan}}, "k = nan of mine must be a number"),
        ({"rule": other, "reductions": {"size": total(other)}}, "Reduction 'size' of mine names itself"),
        ({"rule": other, "reductions": {"size": Reduction("sum", itself, "workers")}}, "over coordinates"),
        ({"rule": other, "reductions": {"size": 3.0}}, "use total, norm or largest"),
        ({"rule": other, "shared": ("size",)}, "must name the results of the rule once; give both"),
        ({"rule": np.abs}, "is no rule: give a plain Python function"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        Compressor("mine", **arguments)
    assert "\n" not in str(caught.value)


def test_constants_that_are_not_stated_are_refused() -> None:
    with pytest.raises(ValueError, match="states no worst case; give error="):
        Compressor("mine", itself).delta(3)

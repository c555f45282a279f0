"""Transformations of optax on trial: refusals, blocks, scales, states that are lost, gradients as jax sees them."""

import functools
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import theory_sim as ts
from tests.engine.test_stream import PROBLEMS, instance
from theory_sim.app.audit import _bouts, contender
from theory_sim.evidence.bout import Bout, Native

pytest.importorskip("optax", reason='needs optax: pip install "theory-sim[optax]"')

import jax
import jax.numpy as jnp
import optax

from theory_sim.wire.optax_audit import Called, lowered

ON = "shi.periodic"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("optax:adamm", "did you mean adam"),
        ("optax:adam:foo=2", "Unknown argument of adam"),
        ("optax:adam:learning_rate=2", "sets learning_rate itself"),
        ("optax:scale_by_adam", "no optimizer"),
        ("optax:lbfgs", "its first update raised TypeError"),
    ],
)
def test_refusals(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ts.audit(spec)


def test_steps_of_optax_go_on_after_a_block() -> None:
    """A scan has 10,000 steps; the next one must not begin at step 1 again."""
    bout = replace(_bouts("zhang.piecewise")[1], steps=10_500, seeds=2, lr=0.1, checkpoints=20)
    (theirs,), (ours,) = (one.run([bout]) for one in (contender("optax:sgd"), Native(ts.sgd(), "ours")))
    assert theirs.grid is not None
    assert ours.grid is not None
    xr.testing.assert_allclose(theirs.grid.x, ours.grid.x, rtol=1e-9, atol=1e-9)  # both round


def test_a_transformation_of_optax_is_scaled() -> None:
    made, factory = ts.audit(optax.adam(0.01), ON, steps=2000), ts.audit("optax:adam", ON, steps=2000)
    assert made.rows[0].verdict == factory.rows[0].verdict
    assert made.rows[0].lr * 0.01 == pytest.approx(factory.rows[0].lr)
    assert made.rows[0].x_final == pytest.approx(factory.rows[0].x_final, abs=1e-6)
    assert made.settings == "made already: lr multiplies its steps"
    with pytest.raises(ValueError, match=r"lead upward; chain it with optax.scale\(-1.0\)"):
        ts.audit(optax.scale_by_adam(), ON, steps=2000)


def test_a_state_of_optax_that_overflows_shows_nothing() -> None:
    """Steps become 0 where v is infinite, wherever x is then."""

    def signs(learning_rate: Any, after: float = math.inf) -> Any:
        def update(g: Any, state: Any, x: Any = None) -> Any:
            t, v = state[0] + 1.0, jnp.where(state[0] >= after, jnp.inf, g * g)
            return -learning_rate * g / jnp.sqrt(v), (t, v)

        return optax.GradientTransformation(lambda x: (jnp.zeros(()), 0.0 * x), update)

    row, lost = (
        ts.audit(functools.partial(signs, after=after), "shi.periodic", steps=6000).rows[0]
        for after in (math.inf, 5000.0)
    )
    assert (row.verdict, row.note) == ("DIVERGED", "")
    assert (lost.verdict, lost.x_final) == ("UNDECIDED", None)
    assert "its state is not finite at the end" in lost.note


def test_kernels_of_a_problem_serve_optax_too() -> None:
    cards = [ts.audit(one, "zoo.logistic", steps=500, lr=0.1) for one in ("optax:adam", "adam")]
    assert "by a call between the steps" in cards[0].note
    a, b = (card.grids["zoo.logistic"] for card in cards)
    xr.testing.assert_allclose(a, b.drop_dims("row"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("order", ["cyclic", "reshuffled"])
def test_jax_sees_the_gradients_of_the_stream(order: str) -> None:
    tried = 0
    for name in PROBLEMS:
        problem = instance(name)
        if problem.facts.get("workers", 1) != 1:
            continue
        seen_by_jax = lowered(Bout(name, problem))
        if isinstance(seen_by_jax, Called):  # its own kernel, which is the one of the stream
            continue
        tried += 1
        stream = problem.stream(order, seeds=2)
        points = stream.start + np.array([[0.3], [-1.7]])
        for t in (1, 2, 7):
            index, uniforms = stream.components(t)[0], stream.uniforms(t).T
            with jax.enable_x64(True):
                found = [seen_by_jax.gradient(jax.numpy.asarray(x), t, i, u)
                         for x, i, u in zip(points, index, jax.numpy.asarray(uniforms), strict=True)]  # fmt: skip
            np.testing.assert_allclose(found, stream.gradient(points, t), rtol=1e-9, atol=1e-12, err_msg=name)
            for measure, value in stream.measures(points, t).items() if problem.measures else ():
                if measure not in problem.online:
                    with jax.enable_x64(True):
                        seen = [seen_by_jax.measure(jax.numpy.asarray(x), t, i, measure)
                                for x, i in zip(points, index, strict=True)]  # fmt: skip
                    np.testing.assert_allclose(seen, value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert tried > 30

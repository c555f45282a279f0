"""The identities of error feedback, from the rules themselves run on symbols, with compressors that are unknowns.

With e the workers' errors and E the server's, x - E - mean(e) moves by the mean uncompressed update, whatever
the compressors do: here their images are fresh symbols, so the identity is proved and not sampled.
"""

from typing import Any

import numpy as np
import pytest
import sympy

import theory_sim as ts
from theory_sim.exact import symbols
from theory_sim.rules import build

WORKERS, D = 2, 2
NOTHING = np.empty((0, 1), dtype=object)


class Exchange:
    """One round of an optimizer on symbols: state and x before and after, and the g (w, d, 1) and lr (1,) it saw."""

    def __init__(self, optimizer: ts.Optimizer, t: int = 2) -> None:
        self.optimizer, arithmetic = optimizer, symbols()
        fresh = iter(range(1000))

        def array(*shape: int, **assumptions: bool) -> Any:
            out = np.empty(shape, dtype=object)
            for index in np.ndindex(shape):
                out[index] = arithmetic.number(sympy.Symbol(f"s_{next(fresh)}", **assumptions))
            return out

        def unknown(p: Any, u: Any, rows: Any, out: Any) -> None:
            out[...] = array(*p.shape, real=True)

        rows = len(optimizer.rows) + WORKERS * len(optimizer.worker_rows)
        # Second moments are positive, and the sign of no other row is asked for.
        state, x = array(rows, D, 1, positive=True), array(D, 1, real=True)
        g, lr = array(WORKERS, D, 1, real=True), array(1, positive=True)
        hyper = [[arithmetic.number(sympy.Rational(str(value)))] for value in optimizer.hyper.values()]
        self.state, self.x, self.g, self.lr = plain(state), plain(x), plain(g), plain(lr)[0]
        source, scratch = optimizer.source
        message = (unknown, np.empty(0), NOTHING)
        build.python(source, arithmetic.namespace)(
            *(g, t, lr, np.array(hyper, dtype=object).reshape(-1, 1), NOTHING, state, x, *message, *message),
            np.empty((scratch + 3 * D, 1), dtype=object),
        )
        self.new_state, self.new_x = plain(state), plain(x)

    def row(self, name: str, *, new: bool = False) -> Any:
        """Return a row of the server (d, 1), or of the workers (w, d, 1)."""
        state, own = self.new_state if new else self.state, self.optimizer.worker_rows
        if name in self.optimizer.rows:
            return state[self.optimizer.rows.index(name)]
        return state[len(self.optimizer.rows) + own.index(name) :: len(own)]

    def moved(self, name: str) -> Any:
        """Return by how much a row has changed, on average over the workers for one of theirs."""
        change = self.row(name, new=True) - self.row(name)
        return change if name in self.optimizer.rows else change.mean(axis=0)


def plain(values: Any) -> Any:
    """Return sympy expressions of an object array."""
    return np.vectorize(lambda one: getattr(one, "raw", one), otypes=[object])(values)


def vanishes(expressions: Any) -> bool:
    return all(sympy.simplify(one) == 0 for one in np.ravel(expressions))


def test_two_way_feedback_of_sgd() -> None:
    one = Exchange(ts.ef_sgd())
    moved = one.new_x - one.x - one.moved("E") - one.moved("e")
    assert vanishes(moved + one.lr * one.g.mean(axis=0))


@pytest.mark.parametrize("weights", [False, True])
def test_feedback_of_quantized_adam(weights: bool) -> None:
    one = Exchange((ts.qadam if weights else ts.efficient_adam)(0.1, 0.5, 0.75, 0.25))
    # the full-precision weights, or x - E
    moved = one.moved("weights") if weights else one.new_x - one.x - one.moved("E")
    # u_j = lr m_j/sqrt(v_j + 1/4), from the moments that the round stored
    root = np.vectorize(sympy.sqrt, otypes=[object])(one.row("v", new=True) + sympy.Rational(1, 4))
    update = one.lr * one.row("m", new=True) / root
    assert vanishes(moved - one.moved("e") + update.mean(axis=0))


def test_local_moments_are_averages_of_the_gradients_of_their_worker() -> None:
    one = Exchange(ts.efficient_adam(0.1, 0.5, 0.75, 0.25))
    assert vanishes(one.row("m", new=True) - (one.row("m") + one.g) / 2)
    assert vanishes(one.row("v", new=True) - (3 * one.row("v") + one.g**2) / 4)


def test_memory_in_gradient_units_conserves_the_gradient() -> None:
    # gt_i + e_i' = g_i + e_i: nothing is lost, so the sums of sent and of true gradients differ by e alone.
    # beta1 = 0: m is the mean message.  beta2 = 0: sympy sees that v = g^2 is not negative.
    one = Exchange(ts.comp_ams(0.1, 0.0, 0.0, 0.25, amsgrad=False))
    assert vanishes(one.row("m", new=True) + one.moved("e") - one.g.mean(axis=0))


def test_onebit_adam_keeps_the_momentum_it_did_not_send() -> None:
    # m' + E' + mean e' = E + mean e + beta1 m + (1 - beta1) mean g
    one = Exchange(ts.onebit_adam(0.1, 0.5, 0.75, 0.25, warmup=1))
    m = one.row("m", new=True) + one.moved("E") + one.moved("e")
    assert vanishes(m - one.row("m") / 2 - one.g.mean(axis=0) / 2)


def test_ef21_moves_by_its_public_gradients() -> None:
    one = Exchange(ts.ef21())
    assert vanishes(one.new_x - one.x + one.lr * one.row("h", new=True).mean(axis=0))


def test_forgetting_the_error_breaks_the_identity() -> None:
    one = Exchange(ts.ef_sgd(error_feedback=False))
    moved = one.new_x - one.x - one.moved("E") - one.moved("e")
    assert not vanishes(moved + one.lr * one.g.mean(axis=0))

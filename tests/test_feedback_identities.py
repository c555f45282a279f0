"""The identities of error feedback, from the kernels themselves run on symbols, with compressors that are unknowns.

With e the workers' errors and E the server's, x - E - mean(e) moves by the mean uncompressed update, whatever the
compressors do: here their images are fresh symbols, so the identity is proved and not sampled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy

import theory_sim as ts
from theory_sim.exact import rebind, symbols
from theory_sim.optimizers.feedback import ef21_kernel, ef_sgd_kernel
from theory_sim.optimizers.quantized import local_moments_kernel
from theory_sim.optimizers.server import comp_ams_kernel, onebit_adam_kernel

WORKERS, D = 2, 2
NOTHING = np.empty((0, 1), dtype=object)


def exchange(
    kernel: Callable[..., None], optimizer: ts.Optimizer, state: Any, x: Any, t: int = 2
) -> tuple[Any, Any]:
    """Run one exchange on symbols; return the gradients g (w, d, 1) and lr (1,) it saw."""
    arithmetic = symbols()
    fresh = iter(range(1000))

    def unknown(p: Any, u: Any, rows: Any, out: Any) -> None:
        for i in range(p.shape[0]):
            out[i, 0] = arithmetic.number(sympy.Symbol(f"c_{next(fresh)}", real=True))

    def table(*shape: int, name: str) -> Any:
        values = np.empty(shape, dtype=object)
        for index in np.ndindex(shape):
            values[index] = arithmetic.number(sympy.Symbol(name + "".join(map(str, index)), real=True))
        return values

    g = table(WORKERS, D, 1, name="g")
    lr = np.array([arithmetic.number(sympy.Symbol("lr", positive=True))], dtype=object)
    hyper = np.array(
        [[arithmetic.number(sympy.Rational(str(value)))] for value in optimizer.hyper.values()], dtype=object
    )
    for array in (state, x):
        for index in np.ndindex(array.shape):
            array[index] = arithmetic.number(array[index])
    rebind(kernel, arithmetic)(
        g, t, lr, hyper, NOTHING, state, x, unknown, np.empty(0), NOTHING, unknown, np.empty(0), NOTHING
    )
    return g, lr


def plain(values: Any) -> Any:
    """Return sympy expressions of an object array."""
    return np.vectorize(lambda one: getattr(one, "raw", one), otypes=[object])(values)


def start(rows: int) -> tuple[Any, Any]:
    """Return state (rows, d, 1) and x (d, 1) of symbols; second moments are positive."""
    state = np.empty((rows, D, 1), dtype=object)
    for r, i in np.ndindex(rows, D):
        state[r, i, 0] = sympy.Symbol(f"s_{r}_{i}", positive=True)
    x = np.array([[sympy.Symbol(f"x_{i}", real=True)] for i in range(D)], dtype=object)
    return state, x


def vanishes(expressions: Any) -> bool:
    return all(sympy.simplify(one) == 0 for one in np.ravel(expressions))


def test_two_way_feedback_of_sgd() -> None:
    state, x = start(3 + WORKERS)
    before = x - state[2] - state[3:].mean(axis=0)
    g, lr = exchange(ef_sgd_kernel, ts.ef_sgd(), state, x)
    after = plain(x) - plain(state)[2] - plain(state)[3:].mean(axis=0)
    assert vanishes(after - before + plain(lr)[0] * plain(g).mean(axis=0))


@pytest.mark.parametrize("weights", [False, True])
def test_feedback_of_quantized_adam(weights: bool) -> None:
    optimizer = (ts.qadam if weights else ts.efficient_adam)(0.1, 0.5, 0.75, 0.25)
    state, x = start(8 + 3 * WORKERS)
    rows = [10 + 3 * j for j in range(WORKERS)]

    def virtual(state: Any, x: Any) -> Any:
        hidden = state[2] if weights else x - state[2]  # the full-precision weights, or x - E
        return hidden - state[rows].mean(axis=0)

    before = virtual(state, x)
    _, lr = exchange(local_moments_kernel, optimizer, state, x)
    found = plain(state)
    # u_j = lr m_j/sqrt(v_j + 1/4), from the moments the kernel stored
    update = [
        plain(lr)[0] * found[8 + 3 * j] / (found[9 + 3 * j] + sympy.Rational(1, 4)) ** sympy.Rational(1, 2)
        for j in range(WORKERS)
    ]
    assert vanishes(virtual(found, plain(x)) - before + np.mean(update, axis=0))


def test_memory_in_gradient_units_conserves_the_gradient() -> None:
    # gt_i + e_i' = g_i + e_i: nothing is lost, so the sums of sent and of true gradients differ by e alone.
    state, x = start(7 + WORKERS)
    before = state[7:].sum(axis=0)
    # beta2 = 0: sympy sees that v = g^2 is not negative
    g, _ = exchange(comp_ams_kernel, ts.comp_ams(0.1, 0.5, 0.0, 0.25, amsgrad=False), state, x)
    found = plain(state)
    assert vanishes(found[1] + found[7:].sum(axis=0) - before - plain(g).sum(axis=0))


def test_onebit_adam_keeps_the_momentum_it_did_not_send() -> None:
    # m' + E' + mean e' = E + mean e + beta1 m + (1 - beta1) mean g
    optimizer = ts.onebit_adam(0.1, 0.5, 0.75, 0.25, warmup=1)
    state, x = start(5 + WORKERS)
    before = state[2] + state[5:].mean(axis=0) + state[3] / 2
    g, _ = exchange(onebit_adam_kernel, optimizer, state, x)
    found = plain(state)
    after = found[3] + found[2] + found[5:].mean(axis=0)
    assert vanishes(after - before - plain(g).mean(axis=0) / 2)


def test_ef21_moves_by_its_public_gradients() -> None:
    state, x = start(2 + WORKERS)
    before = x.copy()
    _, lr = exchange(ef21_kernel, ts.ef21(), state, x)
    assert vanishes(plain(x) - before + plain(lr)[0] * plain(state)[2:].mean(axis=0))


def test_forgetting_the_error_breaks_the_identity() -> None:
    state, x = start(3 + WORKERS)
    before = x - state[2] - state[3:].mean(axis=0)
    g, lr = exchange(ef_sgd_kernel, ts.ef_sgd(error_feedback=False), state, x)
    after = plain(x) - plain(state)[2] - plain(state)[3:].mean(axis=0)
    assert not vanishes(after - before + plain(lr)[0] * plain(g).mean(axis=0))

"""Methods that send messages: against plain numpy references, and what the engine promises about them."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quantized, reddi
from theory_sim import compressors, random
from theory_sim.compressors import (
    Compressor,
    Payload,
    identity,
    l1_sign,
    log_levels,
    qsgd,
    rms_sign,
    top_k,
    weights,
)

Array = np.ndarray[Any, Any]
A = np.array([[-3.0, 2.0, 2.0], [2.0, -3.0, 2.0], [2.0, 2.0, -3.0]])
STEPS = 40
EXACT = identity(word=64)


def gradients(x: Array) -> Array:
    """grad f_j for f_j = <a_j, x>^2 + ||x||^2/4, shape (3, 3)."""
    return 2.0 * (A @ x)[:, None] * A + 0.5 * x


def run(optimizer: ts.Optimizer) -> Array:
    grid = ts.simulate(
        quantized.three_quadratics(),
        optimizer,
        steps=STEPS,
        workers=3,
        x0=[1.0, 0.7, -0.4],
        checkpoints=range(1, STEPS + 1),
    )
    return np.asarray(grid.x.values[0])


def reference(step: Callable[[int, Array], Array], x: Array | None = None) -> Array:
    x = np.array([1.0, 0.7, -0.4]) if x is None else x
    path = []
    for t in range(1, STEPS + 1):
        x = step(t, x)
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("feedback", [True, False])
def test_ef_sgd_is_its_algorithm(feedback: bool) -> None:
    up, down = top_k(1), l1_sign()
    e, server = np.zeros((3, 3)), np.zeros(3)

    def step(t: int, x: Array) -> Array:
        nonlocal e, server
        p = 0.02 * gradients(x) + feedback * e
        sent = np.array([up.quantize(one) for one in p])
        e = p - sent
        total = sent.mean(axis=0) + feedback * server
        back = down.quantize(total)
        server = total - back
        return x - back

    found = run(ts.ef_sgd(0.02, up=up, down=down, error_feedback=feedback))
    np.testing.assert_allclose(found, reference(step), rtol=0, atol=1e-12)


def test_ef21_is_its_algorithm() -> None:
    h = np.zeros((3, 3))

    def step(t: int, x: Array) -> Array:
        nonlocal h
        h = h + np.array([top_k(1).quantize(one) for one in gradients(x) - h])
        return x - 0.01 * h.mean(axis=0)

    np.testing.assert_allclose(run(ts.ef21(0.01, up=top_k(1))), reference(step), rtol=0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_ef21_sgdm_is_its_algorithm(momentum: float) -> None:
    h, seen = np.zeros((3, 3)), []

    def step(t: int, x: Array) -> Array:
        nonlocal h
        seen.append(gradients(x))
        ages = momentum ** np.arange(t - 1.0, -1.0, -1.0)
        weights = (1.0 - momentum) * ages
        weights[0] = ages[0]  # v_1 = g_1
        m = np.tensordot(weights, np.array(seen), axes=1)
        h = h + np.array([top_k(1).quantize(one) for one in m - h])
        return x - 0.01 * h.mean(axis=0)

    np.testing.assert_allclose(
        run(ts.ef21_sgdm(0.01, momentum, up=top_k(1))), reference(step), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_diana_is_its_algorithm(shift: float) -> None:
    # Messages of top-1, which draw nothing: the algorithm does not ask what they are.
    h = np.zeros((3, 3))

    def step(t: int, x: Array) -> Array:
        nonlocal h
        sent = np.array([top_k(1).quantize(one) for one in gradients(x) - h])
        estimate = (h + sent).mean(axis=0)
        h = h + shift * sent
        return x - 0.01 * estimate

    np.testing.assert_allclose(run(ts.diana(0.01, shift, up=top_k(1))), reference(step), rtol=0, atol=1e-12)


def local_updates(
    lr: float, beta1: float, beta2: float, eps: float, amsgrad: bool, theta: float | None, corrected: bool
) -> Callable[[int, Array], Array]:
    m, v, top = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))

    def update(t: int, g: Array) -> Array:
        nonlocal m, v, top
        b2 = beta2 if theta is None else 1.0 - theta / t
        m = beta1 * m + (1 - beta1) * g
        v = b2 * v + (1 - b2) * g * g
        top = np.maximum(top, v)
        root = np.sqrt((top if amsgrad else v) / (1 - b2**t if corrected else 1.0) + eps)
        return lr * m / (1 - beta1**t if corrected else 1.0) / root

    return update


@pytest.mark.parametrize(
    ("amsgrad", "theta", "corrected"),
    [(False, None, False), (True, None, False), (False, 0.9, False), (False, None, True)],
)
def test_efficient_adam_is_its_algorithm(amsgrad: bool, theta: float | None, corrected: bool) -> None:
    up, down = log_levels(k=2), top_k(2)
    update = local_updates(0.05, 0.9, 0.99, 1e-6, amsgrad, theta, corrected)
    e, server = np.zeros((3, 3)), np.zeros(3)

    def step(t: int, x: Array) -> Array:
        nonlocal e, server
        p = update(t, gradients(x)) + e
        sent = np.array([up.quantize(one) for one in p])
        e = p - sent
        total = sent.mean(axis=0) + server
        back = down.quantize(total)
        server = total - back
        return x - back

    found = run(
        ts.efficient_adam(
            0.05,
            0.9,
            0.99,
            1e-6,
            up=up,
            down=down,
            amsgrad=amsgrad,
            theta=theta,
            bias_correction=corrected,
        )
    )
    np.testing.assert_allclose(found, reference(step), rtol=0, atol=1e-12)


def test_qadam_queries_gradients_at_the_quantized_weights() -> None:
    up, down = l1_sign(), weights(k=3)
    update = local_updates(0.05, 0.9, 0.99, 1e-6, False, None, False)
    e, full = np.zeros((3, 3)), np.array([0.43, 0.21, -0.38])

    def step(t: int, x: Array) -> Array:
        nonlocal e, full
        p = update(t, gradients(x)) + e
        sent = np.array([up.quantize(one) for one in p])
        e = p - sent
        full = full - sent.mean(axis=0)
        return down.quantize(full)

    start = down.quantize(full)  # 7/16 = .4375, 3/16 = .1875, -3/8: the grid has step 1/16
    assert start.tolist() == [0.4375, 0.1875, -0.375]
    grid = ts.simulate(
        quantized.three_quadratics(),
        ts.qadam(0.05, 0.9, 0.99, 1e-6, up=up, down=down),
        steps=STEPS,
        workers=3,
        x0=[0.43, 0.21, -0.38],
        checkpoints=range(1, STEPS + 1),
    )
    np.testing.assert_allclose(grid.x.values[0], reference(step, start), rtol=0, atol=1e-12)


@pytest.mark.parametrize("amsgrad", [True, False])
def test_comp_ams_is_its_algorithm(amsgrad: bool) -> None:
    up = top_k(1)
    e, m, v, top = np.zeros((3, 3)), np.zeros(3), np.zeros(3), np.zeros(3)

    def step(t: int, x: Array) -> Array:
        nonlocal e, m, v, top
        p = gradients(x) + e
        sent = np.array([up.quantize(one) for one in p])
        e = p - sent
        g = sent.mean(axis=0)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        top = np.maximum(top, v)
        return x - 0.05 * m / np.sqrt((top if amsgrad else v) + 1e-4)

    found = run(ts.comp_ams(0.05, 0.9, 0.99, 1e-4, up=up, amsgrad=amsgrad))
    np.testing.assert_allclose(found, reference(step), rtol=0, atol=1e-12)


def test_onebit_adam_is_its_algorithm() -> None:
    up = rms_sign()
    e, server, m, v = np.zeros((3, 3)), np.zeros(3), np.zeros(3), np.zeros(3)

    def step(t: int, x: Array) -> Array:
        nonlocal e, server, m, v
        g = gradients(x)
        if t <= 10:
            m = 0.9 * m + 0.1 * g.mean(axis=0)
            v = 0.99 * v + 0.01 * g.mean(axis=0) ** 2
        else:
            p = 0.9 * m + 0.1 * g + e
            sent = np.array([up.quantize(one) for one in p])
            e = p - sent
            total = sent.mean(axis=0) + server
            m = up.quantize(total)
            server = total - m
        return x - 0.05 * m / (np.sqrt(v) + 1e-8)

    optimizer = ts.onebit_adam(0.05, 0.9, 0.99, warmup=10, up=up)
    np.testing.assert_allclose(run(optimizer), reference(step), rtol=0, atol=1e-12)
    # ten rounds of 3 words, thirty of 3 signs and a scale
    assert optimizer.bits(3, STEPS) == (10 * 96 + 30 * 35, 10 * 96 + 30 * 35)


RING = np.eye(5) / 3 + np.roll(np.eye(5), 1, 0) / 3 + np.roll(np.eye(5), -1, 0) / 3
# A tree in which no two edges have the same weight.
UNEQUAL = np.zeros((5, 5))
UNEQUAL[[0, 0, 0, 3], [1, 2, 3, 4]] = [0.1, 0.2, 0.3, 0.4]
UNEQUAL += UNEQUAL.T
UNEQUAL += np.diag(1.0 - UNEQUAL.sum(axis=1))


@pytest.mark.parametrize(("matrix", "w"), [(None, RING), (RING, RING), (UNEQUAL, UNEQUAL)])
def test_choco_gossip_is_its_algorithm(matrix: np.ndarray | None, w: np.ndarray) -> None:
    nodes, d, mixing, up = 5, 4, 0.4, top_k(2)
    problem = quantized.consensus(nodes, d=d)
    x = np.array(problem.start).reshape(nodes, d)
    public, mean = np.zeros_like(x), x.mean(axis=0)
    for _ in range(STEPS):
        public = public + np.array([up.quantize(one) for one in x - public])
        x = x + mixing * (w @ public - public)
    grid = ts.simulate(problem, ts.choco(nodes=nodes, mixing=mixing, up=up, matrix=matrix), steps=STEPS)
    found = grid.x_final.values.reshape(nodes, d)
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.mean(axis=0), mean, rtol=0, atol=1e-13)
    assert grid.bits_up.item() == STEPS * up.bits(d)


def test_eight_bit_adam_stores_its_moments_in_the_code() -> None:
    up, down = compressors.dynamic8(block=16), compressors.dynamic8(block=16, signed=False)
    problem = quantized.quadratic(d=40, decades=1.0)
    curvature = np.logspace(0, -1, 40)
    x, m, v = np.ones(40), np.zeros(40), np.zeros(40)
    for t in range(1, STEPS + 1):
        g = curvature * x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - 0.01 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        m, v = up.quantize(m), down.quantize(v)
    grid = ts.simulate(problem, ts.eight_bit_adam(0.01, up=up, down=down), steps=STEPS)
    np.testing.assert_allclose(grid.x_final.values[0], x, rtol=0, atol=1e-12)
    assert grid.bits_up.item() == 0


def test_without_compression_one_worker_is_adam() -> None:
    problem = quantized.quadratic(0.3, d=5, decades=1.0)
    common = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-8, "bias_correction": True, "eps_mode": "outside"}
    ours = ts.efficient_adam(0.01, up=EXACT, down=EXACT, **common)
    plain = ts.simulate(problem, ts.adam(0.01, **common), steps=300, seeds=3)
    for optimizer in (ours, ts.comp_ams(0.01, up=EXACT, amsgrad=False, **common)):
        grid = ts.simulate(problem, optimizer, steps=300, seeds=3)
        np.testing.assert_allclose(grid.x_final.values, plain.x_final.values, rtol=0, atol=1e-12)


def test_one_worker_with_scaled_signs_is_ef_signsgd() -> None:
    problem = quantized.quadratic(0.3, d=5, decades=1.0)
    ours = ts.ef_sgd(0.01, up=l1_sign(word=64), down=EXACT)
    grid = ts.simulate(problem, ours, steps=300, seeds=3)
    plain = ts.simulate(problem, ts.ef_signsgd(0.01, at_zero=1.0), steps=300, seeds=3)
    np.testing.assert_allclose(grid.x_final.values, plain.x_final.values, rtol=0, atol=1e-13)


def test_random_messages_read_their_own_slots() -> None:
    # Slots: 0 ... w-1 component order, then the problem's noise (none), the optimizer's (none), the messages.
    up = qsgd(levels=2, word=64)
    grid = ts.simulate(
        quantized.three_quadratics(), ts.ef_sgd(0.01, up=up, down=EXACT), steps=1, workers=3, entropy=5
    )
    stream = int(random.key(5, 0))
    x = np.ones(3)
    sent = [
        up.quantize(0.01 * one, uniforms=[random.uniform_at(stream, 1, 3 + 3 * j + i) for i in range(3)])
        for j, one in enumerate(gradients(x))
    ]
    np.testing.assert_allclose(grid.x_final.values[0], x - np.mean(sent, axis=0), rtol=0, atol=1e-15)


def test_a_start_that_is_a_message_reads_the_uniforms_of_step_0() -> None:
    up, down = qsgd(levels=2), weights(k=2, stochastic=True)
    line = ts.Problem("line", lambda x: x, dim=2, start=0.3,
                      measure=lambda x0, x1: (x0 + x1, x0), measures=("sum_x", "x_0"))  # fmt: skip
    grid = ts.simulate(line, ts.qadam(0.1, up=up, down=down), steps=1, seeds=20, workers=3, running=True)
    slot = 3 * (1 + up.draws(2))  # component orders and messages of the workers come first
    for seed in range(20):
        drawn = [random.uniform_at(int(random.key(0, seed)), 0, slot + i) for i in range(2)]
        start = down.quantize([0.3, 0.3], uniforms=drawn)
        assert grid.sum_x_mean.values[seed] == start.sum()
        assert grid.x_0_mean.values[seed] == start[0]
    assert len(np.unique(grid.sum_x_mean)) == 3  # 1/4 or 3/8, twice


@pytest.fixture(scope="module")
def mixed() -> ts.Sweep:
    return ts.Sweep(
        quantized.bowl(d=6),
        ts.efficient_adam(0.01, up=compressors.uniform(bits=4), down=qsgd(levels=4, shrink=0.5)),
        axes={"workers": [1, 3, 2], "up.bits": [2, 6], "lr": [0.01, 0.02]},
        steps=30,
        seeds=3,
        checkpoints=(10,),
    )


def test_workers_and_compressors_are_axes_like_any_other(mixed: ts.Sweep) -> None:
    grid = mixed.run()
    for workers in (1, 2, 3):
        for bits in (2, 6):
            cell = grid.sel({"workers": workers, "up.bits": bits, "lr": 0.02})
            alone = ts.simulate(
                mixed.problem,
                mixed.optimizer.replace(**{"up.bits": bits, "lr": 0.02}),
                steps=30,
                seeds=3,
                workers=workers,
            )
            np.testing.assert_array_equal(cell.x_final.values, alone.x_final.values)
            assert (cell.bits_up.values == np.array([10, 30]) * (6 * bits + 32)).all()
            assert (cell.bits_down.values == np.array([10, 30]) * (6 * 4 + 32)).all()  # sign, 3 bits of level
            absent = cell.state_final.sel(row=[f"e_{j}" for j in range(workers, 3)])
            assert np.isnan(absent.values).all()
            assert np.isfinite(cell.state_final.sel(row=[f"e_{j}" for j in range(workers)]).values).all()


def test_results_do_not_depend_on_threads_or_chunks(mixed: ts.Sweep, tmp_path: Any) -> None:
    one, two = mixed.run(threads=1), mixed.run(tmp_path, threads=2)
    assert one.identical(two)
    assert mixed.run(tmp_path).identical(one)


def test_the_digest_sees_the_compressor() -> None:
    problem = quantized.bowl(d=4)
    digests = {
        ts.Sweep(problem, ts.efficient_adam(up=up, down=EXACT)).job.digest
        for up in (l1_sign(), l1_sign(block=2), rms_sign(), log_levels(k=2), log_levels(k=3))
    }
    assert len(digests) == 5


def test_the_digest_sees_what_the_optimizer_declares() -> None:
    def kernel(
        g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any, up: Any, down: Any
    ) -> None:
        pass

    def rule(g: float, lr: float, x: float, m: float) -> tuple[float, float]:
        return x - lr * m, g

    def declared(step: Any = kernel, **fields: Any) -> str:
        optimizer = ts.Optimizer("own", step, up=EXACT, down=EXACT, **fields)
        return ts.Sweep(quantized.bowl(d=4), optimizer).job.digest

    fields = ({}, {"worker_rows": ("e",)}, {"nodes": 2}, {"warmup": 3}, {"distributed": True})
    assert len({declared(**one) for one in fields}) == 5
    assert declared(rule, rows=("m",)) != declared(rule, rows=("m",), stored=("m",))


def test_an_axis_that_makes_messages_random_makes_seeds_count() -> None:
    method = ts.qadam(up=EXACT, down=weights(k=2))
    sweep = ts.Sweep(quantized.bowl(d=4), method, {"down.stochastic": [False, True]})
    assert sweep.job.random
    with pytest.raises(ValueError, match="use fewer"):
        _ = ts.Sweep(quantized.quadratic(d=70_000), method, {"down.stochastic": [False, True]}).job.lanes


def test_nodes_are_an_axis() -> None:
    problem = quantized.quadratic(d=12, spread=0.4)
    for build in (ts.choco, ts.gossip_signum):
        both = ts.Sweep(problem, build(0.003), {"nodes": [2, 4]}, steps=60).run()
        for nodes in (2, 4):
            alone = ts.simulate(problem, build(0.003, nodes=nodes), steps=60)
            np.testing.assert_array_equal(both.x_final.sel(nodes=nodes).values, alone.x_final.values)


def test_seeds_of_a_random_compressor_differ() -> None:
    sweep = ts.Sweep(quantized.three_quadratics(), ts.ef_sgd(up=qsgd(levels=1)), workers=3, seeds=4, steps=5)
    assert sweep.job.random
    assert len(np.unique(sweep.run().x_final.values[:, 0])) == 4
    assert not ts.Sweep(quantized.three_quadratics(), ts.ef_sgd(), workers=3, seeds=4).job.random


def test_a_message_that_is_not_finite_is_a_status() -> None:
    for up in (l1_sign(), top_k(1), log_levels(k=2), qsgd(levels=2)):
        grid = ts.simulate(quantized.three_quadratics(), ts.ef_sgd(1e200, up=up), steps=50, workers=3)
        assert grid.status.item() == "NONFINITE"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ts.Optimizer("half", lambda *a: None, up=l1_sign()), "has one compressor only"),
        (lambda: ts.efficient_adam(up="l1_sign"), "'l1_sign' is not a Compressor"),
        (lambda: ts.efficient_adam(theta=1.5), "theta = 1.5"),
        (lambda: ts.efficient_adam(eps_mode="both"), "eps_mode"),
        (lambda: ts.efficient_adam().replace(**{"up.k": 3}), "up.k"),
        (lambda: ts.Sweep(quantized.bowl(d=4), ts.ef_sgd(up=top_k(5)), steps=1).run(), "k = 5"),
        (lambda: ts.Sweep(quantized.bowl(), ts.ef_sgd(), {"workers": [0]}).job.lanes, "workers = 0"),
        (lambda: ts.Sweep(quantized.bowl(d=4000), ts.ef_sgd(), workers=17), "use fewer"),
        (lambda: ts.choco(mixing=0.0), "mixing = 0.0"),
        (lambda: ts.Sweep(quantized.bowl(d=12), ts.choco(nodes=5)).job.lanes, "cannot be shared by 5 nodes"),
        (
            lambda: ts.Sweep(quantized.bowl(), ts.qadam(), {"amsgrad": [False, True]}).job.lanes,
            "changes worker_rows",
        ),
        (lambda: ts.Sweep(reddi.periodic(3.0), ts.qadam()).job.lanes, "use a problem without a domain"),
        (lambda: ts.Sweep(quantized.three_quadratics(), ts.ef21(), workers=4).job.lanes, "use workers=3"),
        (lambda: ts.Sweep(quantized.different_workers(), ts.ef21()).job.lanes, "use workers=2"),
        (lambda: ts.ef_sgd(error_feedback=0.3), "error_feedback = 0.3"),
        (lambda: quantized.different_workers(curvatures=(1.0, -1.0)), "curvatures[1] = -1.0"),
        (lambda: quantized.quadratic(x0="a"), "x0 = 'a' is not a number"),
        (lambda: l1_sign().decompress(b"abc"), "is not a Payload"),
        (lambda: top_k(1).decompress(Payload(b"\xff" * 5, 40, 129)), "is damaged"),
        (lambda: ts.onebit_adam(warmup=0), "warmup = 0"),
    ],
)
def test_a_mistake_gets_one_sentence(build: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_every_method_survives_a_replace() -> None:
    for optimizer in (ts.ef_sgd(), ts.ef21(), ts.qadam(), ts.efficient_adam(), ts.comp_ams(), ts.choco()):
        other = optimizer.replace(lr=0.5, up=rms_sign())
        assert isinstance(other.up, Compressor)
        assert (other.lr, other.up.name) == (0.5, "rms_sign")


def test_sweeps_with_messages_can_be_pickled(mixed: ts.Sweep) -> None:
    import pickle

    for optimizer in (mixed.optimizer, ts.choco(), ts.onebit_adam(), ts.eight_bit_adam()):
        copy = pickle.loads(pickle.dumps(optimizer))
        assert str(copy) == str(optimizer)
        assert copy.bits(12, 300) == optimizer.bits(12, 300)
    assert pickle.loads(pickle.dumps(mixed)).job.digest == mixed.job.digest

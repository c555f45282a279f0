"""Decentralised Signum against a dense-matrix reference, its exact limit, and the errors of bad graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import gossip, separable
from theory_sim.engine import evaluate
from theory_sim.optimizers.gossip import gossip_signum
from theory_sim.optimizers.sign import signum

STEPS = 150


def ring(n: int) -> np.ndarray:
    """1/3 for a node and each neighbour; the two neighbours of a ring of two are the same node."""
    W = np.zeros((n, n))
    for i in range(n):
        for j in (i - 1, i, i + 1):
            W[i, j % n] += 1 / 3
    return W


def random_matrix(n: int) -> np.ndarray:
    """A symmetric doubly stochastic matrix: a mean of permutation matrices and their transposes."""
    generator = np.random.default_rng(3)
    parts = [np.eye(n)[generator.permutation(n)] for _ in range(4)]
    return np.mean([(part + part.T) / 2 for part in [*parts, np.eye(n)]], axis=0)


def start(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=n * d)


def reference(
    problem: ts.Problem,
    W: np.ndarray,
    lr: float,
    beta: float,
    rounds: int,
    mixing: float,
    compressed: bool,
    d: int,
) -> np.ndarray:
    """The iterates x_2 ... by whole-matrix operations, nodes as rows."""
    n = len(W)
    x, m, u, public = start(n, d).reshape(n, d), np.zeros((n, d)), np.zeros((n, d)), np.zeros((n, d))
    out = []
    for _ in range(STEPS):
        new = beta * m + (1 - beta) * evaluate.gradients(problem, x.reshape(1, -1))[0].reshape(n, d)
        u, m = u + new - m, new
        for _ in range(rounds):
            p = u - public
            public = public + (np.abs(p).mean(axis=1, keepdims=True) * np.sign(p) if compressed else p)
            u = u + mixing * (W @ public - public)
        x = W @ x - lr * np.sign(u)
        out.append(x.ravel())
    return np.array(out)


def path(problem: ts.Problem, optimizer: ts.Optimizer, n: int, d: int) -> Any:
    return ts.simulate(
        problem, optimizer, steps=STEPS, x0=start(n, d).tolist(), checkpoints=range(1, STEPS + 1)
    )


@pytest.mark.parametrize("compression", ["scaled_sign", "none"])
@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize(("n", "graph"), [(1, "ring"), (2, "ring"), (3, "ring"), (5, "ring"), (5, "random")])
def test_same_iterates_as_the_reference(n: int, graph: str, rounds: int, compression: str) -> None:
    d = 4
    problem = gossip.heterogeneous(n, d, sigma=0.0)
    W = ring(n) if graph == "ring" else random_matrix(n)
    optimizer = gossip_signum(
        0.037,
        n,
        0.8,
        rounds=rounds,
        mixing=0.3,
        compression=compression,
        matrix=None if graph == "ring" else W,
    )
    ours = path(problem, optimizer, n, d).x.values[0]
    theirs = reference(problem, W, 0.037, 0.8, rounds, 0.3, compression == "scaled_sign", d)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_ring_is_its_matrix() -> None:
    problem = gossip.heterogeneous(6, 3, sigma=1.0)
    plain, given = (
        path(problem, gossip_signum(0.03, 6, 0.9, matrix=matrix), 6, 3).x.values for matrix in (None, ring(6))
    )
    np.testing.assert_allclose(plain, given, rtol=1e-12, atol=1e-12)


def test_exact_averaging_is_signum() -> None:
    # One round with the matrix 1/n averages u exactly, and the shifts of the nodes cancel: every
    # node moves as Signum.
    n, d = 4, 5
    optimizer = gossip_signum(
        0.01, n, 0.9, rounds=1, mixing=1.0, compression="none", matrix=np.full((n, n), 1 / n)
    )
    runs = {"steps": STEPS, "x0": 2.0, "checkpoints": range(1, STEPS + 1)}
    nodes = ts.simulate(gossip.heterogeneous(n, d, sigma=0.0), optimizer, **runs).x.values.reshape(
        STEPS, n, d
    )
    central = ts.simulate(separable.logarithms(d, sigma=0.0), signum(0.01, 0.9), **runs).x.values[0]
    np.testing.assert_allclose(nodes, np.repeat(central[:, None], n, axis=1), rtol=1e-12, atol=1e-12)


def test_exchange_keeps_the_mean_momentum() -> None:
    n, d = 7, 3
    state = path(gossip.heterogeneous(n, d), gossip_signum(0.05, n, 0.9), n, d).state_final
    m, u = (state.sel(row=row).values.reshape(n, d) for row in ("m", "u"))
    np.testing.assert_allclose(u.mean(axis=0), m.mean(axis=0), rtol=0, atol=1e-13)
    assert np.abs(u - m).max() > 0.1  # and it does exchange


def test_rounds_and_mixing_can_be_axes() -> None:
    problem, axes = gossip.heterogeneous(3, 2), {"rounds": [0, 1, 4], "mixing": [0.1, 0.5]}
    grid = ts.Sweep(problem, gossip_signum(0.05, 3, 0.9), axes, steps=40).run()
    for rounds in axes["rounds"]:
        for mixing in axes["mixing"]:
            one = ts.simulate(problem, gossip_signum(0.05, 3, 0.9, rounds=rounds, mixing=mixing), steps=40)
            ours = grid.x_final.sel(rounds=rounds, mixing=mixing)
            assert np.array_equal(ours.values, one.x_final.values)


def test_coordinates_that_are_no_multiple_of_the_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shared by 5 nodes"):
        ts.simulate(gossip.heterogeneous(4, 3), gossip_signum(nodes=5), steps=3)


SKEW = [[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.25, 0.0, 0.75]]
SPLIT = np.kron(np.eye(2), np.full((2, 2), 0.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"nodes": 3, "matrix": SKEW},
            r"matrix\[0, 1\] = 0.5 and matrix\[1, 0\] = 0.25 differ; .* symmetric\.$",
        ),
        (
            {"nodes": 4, "matrix": SPLIT},
            "The gossip graph is disconnected: no path .* node 0 to node 2; add an edge",
        ),
        ({"nodes": 2, "matrix": [[0.6, 0.5], [0.5, 0.5]]}, "Row 0 of matrix sums to 1.1; .* must sum to 1"),
        (
            {"nodes": 2, "matrix": [[1.5, -0.5], [-0.5, 1.5]]},
            "matrix has an entry that is negative or not finite",
        ),
        (
            {"nodes": 2, "matrix": [[np.nan, 1.0], [1.0, 0.0]]},
            "matrix has an entry that is negative or not finite",
        ),
        ({"nodes": 3, "matrix": np.eye(2)}, r"matrix has shape \(2, 2\); nodes = 3 need \(3, 3\)"),
        ({"nodes": 0}, "nodes = 0 must be an integer >= 1"),
        ({"rounds": -1}, "rounds = -1 must be an integer >= 0"),
        ({"mixing": 1.5}, r"mixing = 1.5 must be a finite number in \[0, 1\]"),
        ({"compression": "sign"}, "Unknown compression 'sign': did you mean scaled_sign"),
        ({"at_zero": 0.5}, "at_zero = 0.5 must be 0"),
        ({"beta": 1.0}, r"beta = 1.0 must be a finite number in \[0, 1\)"),
    ],
)
def test_bad_input_gets_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gossip_signum(**arguments)


def test_replace_keeps_the_matrix() -> None:
    changed = gossip_signum(0.1, 5, matrix=random_matrix(5)).replace(lr=0.2)
    assert changed.lr == 0.2
    assert changed.hyper == gossip_signum(0.2, 5, matrix=random_matrix(5)).hyper

"""Decentralised methods: neighbours exchange compressed differences (Signum with gossip, CHOCO-SGD).

n nodes with d coordinates each share the coordinate axis: node i owns coordinates i d ... (i+1) d - 1, and
the problem gives each node its own gradient there (`counterexamples.gossip`).  A number of coordinates that
is not a multiple of n is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.compressors import identity, l1_sign
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import zero_or_one
from theory_sim.rules import checks

COMPRESSIONS = ("scaled_sign", "none")
Matrix = Sequence[Sequence[float]] | np.ndarray[Any, Any]


def gossip_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, u, the public copy of u, workspace.  Hyper rows 6 ...: (i, j, w_ij) per edge, or the ring."""
    rows, lanes = x.shape
    nodes = int(hyper[0, 0])
    d = rows // nodes
    ring = hyper.shape[0] == 6
    edges = nodes if ring else (hyper.shape[0] - 6) // 3
    rounds = 0
    for lane in range(lanes):
        rounds = max(rounds, int(hyper[2, lane]))
    for i in range(rows):
        for lane in range(lanes):
            # m_t = beta m_{t-1} + (1 - beta) g_t; u_t = u_{t-1} + m_t - m_{t-1}
            m = hyper[1, lane] * state[0, i, lane] + (1.0 - hyper[1, lane]) * g[0, i, lane]
            state[1, i, lane] += m - state[0, i, lane]
            state[0, i, lane] = m
    for r in range(rounds):
        for node in range(nodes):
            first = node * d
            for lane in range(lanes):
                state[3, first, lane] = 0.0
            for i in range(first, first + d):
                for lane in range(lanes):
                    state[3, first, lane] += abs(state[1, i, lane] - state[2, i, lane])
            for i in range(first, first + d):
                for lane in range(lanes):
                    p = state[1, i, lane] - state[2, i, lane]
                    sign = 1.0 if p > 0.0 else (-1.0 if p < 0.0 else hyper[5, lane])
                    # uhat_i = uhat_i + C(u_i - uhat_i), C(p) = ||p||_1/d sign(p) or p itself
                    sent = state[3, first, lane] / d * (sign + 0.0 * p) if hyper[4, lane] > 0.0 else p
                    state[2, i, lane] += sent if r < hyper[2, lane] else 0.0
        for e in range(edges):
            one = (e if ring else int(hyper[6 + 3 * e, 0])) * d
            other = ((e + 1) % nodes if ring else int(hyper[7 + 3 * e, 0])) * d
            for i in range(d):
                for lane in range(lanes):
                    weight = 1.0 / 3.0 if ring else hyper[8 + 3 * e, lane]
                    # u_i = u_i + mixing sum_j w_ij (uhat_j - uhat_i)
                    flow = hyper[3, lane] * weight * (state[2, other + i, lane] - state[2, one + i, lane])
                    if r >= hyper[2, lane]:
                        flow = 0.0
                    state[1, one + i, lane] += flow
                    state[1, other + i, lane] -= flow
    for i in range(rows):
        for lane in range(lanes):
            state[3, i, lane] = x[i, lane]
    for e in range(edges):
        one = (e if ring else int(hyper[6 + 3 * e, 0])) * d
        other = ((e + 1) % nodes if ring else int(hyper[7 + 3 * e, 0])) * d
        for i in range(d):
            for lane in range(lanes):
                weight = 1.0 / 3.0 if ring else hyper[8 + 3 * e, lane]
                flow = weight * (state[3, other + i, lane] - state[3, one + i, lane])
                x[one + i, lane] += flow
                x[other + i, lane] -= flow
    for i in range(rows):
        for lane in range(lanes):
            u = state[1, i, lane]
            sign = 1.0 if u > 0.0 else (-1.0 if u < 0.0 else hyper[5, lane])
            # x_i = sum_j w_ij x_j - lr_t sign(u_i)
            x[i, lane] -= lr[lane] * (sign + 0.0 * u)


def choco_kernel(
    g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any, up: Any, down: Any
) -> None:
    """Rows: public copy xhat, workspaces.  Hyper rows: nodes, mixing, (i, j, w_ij) per edge, or the ring."""
    rows, lanes = x.shape
    nodes = int(hyper[0, 0])
    d = rows // nodes
    ring = hyper.shape[0] == 2
    edges = nodes if ring else (hyper.shape[0] - 2) // 3
    draws = up.noise.shape[0] // nodes
    for i in range(rows):
        for lane in range(lanes):
            # x_i^(t+1/2) = x_i^t - lr_t g_i^t
            x[i, lane] -= lr[lane] * g[0, i, lane]
            state[1, i, lane] = x[i, lane] - state[0, i, lane]
    for node in range(nodes):
        first = node * d
        last = first + d
        # q_i = Q(x_i - xhat_i)
        uniforms = up.noise[node * draws : (node + 1) * draws]
        up.send(state[1, first:last], uniforms, up.hyper, state[2, first:last])
    for i in range(rows):
        for lane in range(lanes):
            # xhat_i = xhat_i + q_i
            state[0, i, lane] += state[2, i, lane]
    for e in range(edges):
        one = (e if ring else int(hyper[2 + 3 * e, 0])) * d
        other = ((e + 1) % nodes if ring else int(hyper[3 + 3 * e, 0])) * d
        for i in range(d):
            for lane in range(lanes):
                weight = 1.0 / 3.0 if ring else hyper[4 + 3 * e, lane]
                # x_i = x_i + mixing sum_j w_ij (xhat_j - xhat_i)
                flow = hyper[1, lane] * weight * (state[0, other + i, lane] - state[0, one + i, lane])
                x[one + i, lane] += flow
                x[other + i, lane] -= flow


def _edges(matrix: Matrix, nodes: int) -> list[tuple[int, int, float]]:
    """Return (i, j, w_ij) for i < j of a symmetric doubly stochastic matrix with a connected graph."""
    weights = np.asarray(matrix, dtype=float)
    if weights.shape != (nodes, nodes):
        raise ValueError(f"matrix has shape {weights.shape}; nodes = {nodes} need ({nodes}, {nodes}).")
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise ValueError(
            "matrix has an entry that is negative or not finite; mixing weights must be in [0, 1]."
        )
    skew = np.abs(weights - weights.T)
    if skew.max() > 1e-12:
        i, j = divmod(int(skew.argmax()), nodes)
        raise ValueError(
            f"matrix[{i}, {j}] = {weights[i, j]:g} and matrix[{j}, {i}] = {weights[j, i]:g} differ; a mixing matrix must "
            "be symmetric."
        )
    sums = weights.sum(axis=1)
    if np.abs(sums - 1.0).max() > 1e-12:
        i = int(np.abs(sums - 1.0).argmax())
        raise ValueError(f"Row {i} of matrix sums to {sums[i]:g}; the rows of a mixing matrix must sum to 1.")
    reached = np.arange(nodes) == 0
    for _ in range(nodes):
        reached |= weights[reached].sum(axis=0) > 0.0
    if not reached.all():
        lost = int(np.argmin(reached))
        raise ValueError(
            f"The gossip graph is disconnected: no path of positive weights leads from node 0 to node {lost}; add an edge."
        )
    return [
        (i, j, float(weights[i, j])) for i in range(nodes) for j in range(i + 1, nodes) if weights[i, j] > 0
    ]


def _edge_rows(matrix: Matrix | None, nodes: int) -> dict[str, float]:
    """Return the rows (i, j, w_ij) of every edge by name; none for the ring."""
    edges = [] if matrix is None else _edges(matrix, nodes)
    return {
        f"{name}_{e}": float(value)
        for e, edge in enumerate(edges)
        for name, value in zip(("from", "to", "weight"), edge, strict=True)
    }


def _plain(matrix: Matrix | None) -> tuple[tuple[float, ...], ...] | None:
    """Return the matrix as a hashable value."""
    return None if matrix is None else tuple(map(tuple, np.asarray(matrix, dtype=float).tolist()))


@family
def gossip_signum(
    lr: float = 0.01,
    nodes: int = 4,
    beta: float = 0.9,
    *,
    rounds: int = 3,
    mixing: float = 0.3,
    compression: str = "scaled_sign",
    matrix: Matrix | None = None,
    at_zero: float = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Signum on n nodes with momentum tracking and compressed gossip.

    Our stand-in for the decentralised method of Sun et al. 2023 (arXiv:2310.14616), whose algorithm was
    not available to us: u_i tracks the mean momentum (sum u_i = sum m_i always), with the compressed
    exchange of CHOCO-Gossip.

    Parameters
    ----------
    lr : float
        > 0.
    nodes : int
        n >= 1; the problem has n d coordinates.
    beta : float
        In [0, 1).
    rounds : int
        Exchanges of u per step, >= 0; 0 leaves every node its own momentum.
    mixing : float
        Weight in [0, 1] of an exchange of u; 1 without compression is plain averaging with the matrix.
    compression : {"scaled_sign", "none"}
        What a node sends of a difference p: ||p||_1/d sign(p), or p itself.
    matrix : (n, n) array, optional
        Symmetric doubly stochastic mixing matrix; default: the ring, 1/3 for a node and for
        each of its neighbours.
    at_zero : {0, 1}
        sign(0).
    schedule : Schedule

    Raises
    ------
    ValueError
        If the matrix is not symmetric, not stochastic, or its graph is disconnected.
    """
    checks.count("nodes", nodes)
    checks.known("compression", compression, COMPRESSIONS)
    return Optimizer(
        "Gossip Signum",
        gossip_kernel,
        lr,
        {
            "nodes": float(nodes),
            "beta": checks.beta("beta", beta),
            "rounds": float(checks.count("rounds", rounds, 0)),
            "mixing": checks.number("mixing", mixing, 0.0, 1.0),
            "compressed": float(compression != "none"),
            "at_zero": zero_or_one(at_zero),
            **_edge_rows(matrix, nodes),
        },
        rows=("m", "u", "public", "workspace"),
        schedule=schedule,
        variant={"compression": compression, "nodes": str(nodes)},
        nodes=nodes,
        paper="sun2023",
    )


@family
def choco(
    lr: float = 0.01,
    nodes: int = 4,
    *,
    mixing: float = 0.3,
    up: Compressor | None = None,
    matrix: Matrix | None = None,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """CHOCO-SGD (Koloskova, Stich, Jaggi 2019, arXiv:1902.00340 and 1907.09356, Algorithm 1) on n nodes.

    With zero gradients it is CHOCO-Gossip.  A message counts once, however many neighbours receive it.

    Parameters
    ----------
    lr : float
        lr > 0.
    nodes : int
        n >= 1; the problem has n d coordinates.
    mixing : float
        The consensus step gamma in (0, 1].
    up : Compressor
        Q on the difference to the public copy; default l1_sign().
    matrix : (n, n) array, optional
        Symmetric doubly stochastic mixing matrix; default: the ring, 1/3 for a node and for
        each of its neighbours.
    schedule : Schedule

    Raises
    ------
    ValueError
        If the matrix is not symmetric, not stochastic, or its graph is disconnected.
    """
    checks.count("nodes", nodes)
    return Optimizer(
        "CHOCO-SGD",
        choco_kernel,
        lr,
        {
            "nodes": float(nodes),
            "mixing": checks.number("mixing", mixing, 0.0, 1.0, open_low=True),
            **_edge_rows(matrix, nodes),
        },
        rows=("public", "difference", "message"),
        schedule=schedule,
        variant={"nodes": str(nodes)},
        up=up or l1_sign(),
        down=identity(),
        nodes=nodes,
        paper="choco2019",
    )


OPTIMIZERS = [gossip_signum, choco]

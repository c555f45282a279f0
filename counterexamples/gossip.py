"""A heterogeneous problem for decentralised methods: every node sees a shifted gradient, and the shifts cancel."""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule

PAPER = "sun2023"


def heterogeneous_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """a_k x_ik/(1 + |x_ik|) + b_ik + noise for node i and coordinate k, sum_i b_ik = 0."""
    workers, rows, lanes = out.shape
    nodes = int(theta[2, 0])
    d = rows // nodes
    for j in range(workers):
        for i in range(rows):
            node, k = i // d, i % d
            a = 0.2 + 0.8 * k / max(d - 1, 1)
            # A frequency in 1 ... n-1, so that the shifts of a coordinate sum to 0 over the nodes.
            turn = 2.0 * math.pi * node * (1 + k % max(nodes - 1, 1)) / nodes
            shift = math.sqrt(2.0) * math.cos(turn) if nodes > 1 else 0.0
            for lane in range(lanes):
                error = theta[0, lane] * 3.4641016151377544 * (noise[j * rows + i, lane] - 0.5)
                slope = a * x[i, lane] / (1.0 + abs(x[i, lane]))
                out[j, i, lane] = slope + theta[1, lane] * shift + error


def heterogeneous_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||grad f||_1 at the mean of the nodes, and the largest distance of a node from it in one coordinate."""
    rows, lanes = x.shape
    nodes = int(theta[2, 0])
    d = rows // nodes
    for lane in range(lanes):
        total = 0.0
        apart = 0.0
        for k in range(d):
            a = 0.2 + 0.8 * k / max(d - 1, 1)
            mean = 0.0
            for node in range(nodes):
                mean += x[node * d + k, lane]
            mean /= nodes
            total += a * abs(mean) / (1.0 + abs(mean))
            for node in range(nodes):
                apart = max(apart, abs(x[node * d + k, lane] - mean))
        out[0, lane] = total
        out[1, lane] = apart


def heterogeneous(
    nodes: int = 4, d: int = 20, sigma: float = 3.0, heterogeneity: float = 1.0, x0: float = 2.0
) -> Problem:
    """Node i sees grad f(x_i) + b_i + noise with f = sum a_k (|x_k| - log(1 + |x_k|)) and sum_i b_i = 0.

    For `theory_sim.optimizers.gossip`, with the same number of nodes.

    Parameters
    ----------
    nodes : int
        n; the problem has n d coordinates.
    d : int
        Coordinates of a node; a_k is evenly spaced on [0.2, 1].
    sigma : float
        >= 0, standard deviation of the uniform noise of each coordinate of each node.
    heterogeneity : float
        >= 0, root mean square of b_ik over the nodes; 0 for one node.
    x0 : float
        Start of every coordinate of every node.

    Returns
    -------
    Problem
        Measures: gradient_norm ||grad f||_1 at the mean of the nodes, consensus max |x_ik - mean_k|.
    """
    checks.count("nodes", nodes)
    return Problem(
        name="gossip.heterogeneous",
        gradient=heterogeneous_gradient,
        constants={
            "sigma": checks.number("sigma", sigma, 0.0),
            "heterogeneity": checks.number("heterogeneity", heterogeneity, 0.0),
            "nodes": float(nodes),
        },
        dim=nodes * checks.count("d", d),
        draws=nodes * d,
        measure=heterogeneous_measure,
        measures=("gradient_norm", "consensus"),
        start=checks.number("x0", x0),
        optimum=0.0,
        # Half of the run: the first half is the way to the neighbourhood that the noise leaves.
        rule=Rule("gradient_norm", converged=0.5, diverged=2.0, relative=True, window=0.5),
        paper=PAPER,
        family=heterogeneous,
        arguments={"nodes": nodes, "d": d, "sigma": sigma, "heterogeneity": heterogeneity},
    )


PROBLEMS = [heterogeneous]

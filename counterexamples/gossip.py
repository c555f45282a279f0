"""A heterogeneous problem for decentralised methods: nodes see shifted gradients, and the shifts cancel."""

from __future__ import annotations

import math
from typing import Any

from counterexamples.objectives import logarithm_slope
from counterexamples.separable import box_curvatures
from theory_sim.nouns.family import family
from theory_sim.nouns.noise import UNIFORM
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks

PAPER = "sun2023"


def _slope(x: float, a: float, shift: float, heterogeneity: float, noise: float) -> float:
    return logarithm_slope(x, a) + heterogeneity * shift + noise


def _measures(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||grad f||_1 at the mean of the nodes, and the largest distance of a node from it in one coordinate."""
    rows, lanes = x.shape
    nodes = int(theta[0, 0])
    d = rows // nodes
    for lane in range(lanes):
        total = 0.0
        apart = 0.0
        for k in range(d):
            mean = 0.0
            for node in range(nodes):
                mean += x[node * d + k, lane]
            mean /= nodes
            total += abs(logarithm_slope(mean, theta[3 + k, lane]))
            for node in range(nodes):
                apart = max(apart, abs(x[node * d + k, lane] - mean))
        out[0, lane] = total
        out[1, lane] = apart


def _shift(node: int, k: int, nodes: int) -> float:
    """Frequencies in 1 ... n-1, so that the shifts of a coordinate k sum to 0 over the nodes."""
    turn = 2.0 * math.pi * node * (1 + k % max(nodes - 1, 1)) / nodes
    return math.sqrt(2.0) * math.cos(turn) if nodes > 1 else 0.0


@family
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
        Measures: gradient_l1 ||grad f||_1 at the mean of the nodes, consensus max |x_ik - mean_k|.
    """
    checks.count("nodes", nodes)
    checks.count("d", d)
    return Problem(
        name="gossip.heterogeneous",
        gradient=_slope,
        constants={
            "nodes": float(nodes),
            "sigma": checks.number("sigma", sigma, 0.0),
            "heterogeneity": checks.number("heterogeneity", heterogeneity, 0.0),
            "a": tuple(box_curvatures(d).tolist()) * nodes,
            "shift": tuple(_shift(node, k, nodes) for node in range(nodes) for k in range(d)),
        },
        dim=nodes * d,
        noise=UNIFORM,
        measure=_measures,
        measures=("gradient_l1", "consensus"),
        start=checks.number("x0", x0),
        optimum=0.0,
        # Half of the run: the first half is the way to the neighbourhood that the noise leaves.
        rule=Rule("gradient_l1", converged=0.5, diverged=2.0, relative=True, window=0.5),
        paper=PAPER,
    )


PROBLEMS = [heterogeneous]

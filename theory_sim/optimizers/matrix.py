"""Muon: the momentum of a matrix, made nearly orthogonal.

Coordinates are the entries of a matrix, row by row.  Methods that need eigenvectors or a QR decomposition (SOAP,
COSMOS, GaLore) are no kernels of loops; they are numpy recursions beside the claims on them.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import of_beta, of_decay
from theory_sim.rules import checks


def orthogonalised(state: Any, first: int, m: int, n: int, lane: int, steps: int) -> None:
    """Run Newton-Schulz on the m x n matrix in row 1 of the state, from entry `first` on; rows 2 and 3 are scratch."""
    k, long = min(m, n), max(m, n)
    # entry (a, c) of the matrix or, if it is tall, of its transpose
    down, along = (n, 1) if m <= n else (1, n)
    square = 0.0
    for e in range(first, first + m * n):
        square += state[1, e, lane] * state[1, e, lane]
    for e in range(first, first + m * n):
        state[1, e, lane] /= math.sqrt(square) + 1e-7
    for _ in range(steps):
        for a in range(k):
            for b in range(k):
                total = 0.0
                for c in range(long):
                    total += (
                        state[1, first + a * down + c * along, lane]
                        * state[1, first + b * down + c * along, lane]
                    )
                state[2, first + a * k + b, lane] = total
        for a in range(k):
            for b in range(k):
                total = 0.0
                for c in range(k):
                    total += state[2, first + a * k + c, lane] * state[2, first + c * k + b, lane]
                state[3, first + a * k + b, lane] = (
                    2.0315 * total - 4.7750 * state[2, first + a * k + b, lane]
                )
        for c in range(long):
            for a in range(k):
                total = 3.4445 * state[1, first + a * down + c * along, lane]
                for b in range(k):
                    total += state[3, first + a * k + b, lane] * state[1, first + b * down + c * along, lane]
                state[2, first + a, lane] = total
            for a in range(k):
                state[1, first + a * down + c * along, lane] = state[2, first + a, lane]


def muon_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, the direction, scratch twice.  Hyper rows: columns, beta, iterations, weight_decay."""
    d, lanes = x.shape
    n = d if hyper[0, 0] == 0.0 else min(int(hyper[0, 0]), d)
    rows = d // n
    for i in range(d):
        for lane in range(lanes):
            beta = hyper[1, lane]
            state[0, i, lane] = beta * state[0, i, lane] + (1.0 - beta) * g[0, i, lane]
            state[1, i, lane] = (1.0 - beta) * g[0, i, lane] + beta * state[0, i, lane]
    # the matrix, and what is left over as a row; one call, which is compiled once
    for part in range(2):
        first, height, width = (0, rows, n) if part == 0 else (rows * n, 1, d - rows * n)
        for lane in range(lanes):
            if width > 0:
                orthogonalised(state, first, height, width, lane, int(hyper[2, lane]))
    for i in range(d):
        scale = math.sqrt(max(1.0, rows / n)) if i < rows * n else 1.0
        for lane in range(lanes):
            kept = x[i, lane] - lr[lane] * hyper[3, lane] * x[i, lane]
            x[i, lane] = kept - lr[lane] * scale * state[1, i, lane]


@family
def muon(
    lr: float = 0.02,
    beta: float = 0.95,
    weight_decay: float = 0.0,
    *,
    columns: int = 0,
    iterations: int = 5,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Muon (Jordan et al. 2024): descent with the nearly orthogonal factor of the momentum of a matrix.

    m = beta m + (1 - beta) g, U = (1 - beta) g + beta m as a matrix, and x = x - lr sqrt(max(1, rows/columns)) NS(U): five
    steps of a polynomial take most singular values of U into [0.68, 1.13].

    Parameters
    ----------
    lr : float
        > 0, about the length of the step in the spectral norm.
    beta : float
        In [0, 1).
    weight_decay : float
        >= 0, decoupled.
    columns : int
        Columns of the matrix, whose rows follow each other in x; a rest is a row of its own.  0: x is one row, and the
        method is normalised momentum.
    iterations : int
        Steps of Newton-Schulz.
    schedule : Schedule

    Notes
    -----
    What the toys support (`paper_checks.jordan2024muon`): all directions of a matrix move equally fast, in any
    basis, which pays where there are few steps beside the condition number.  Where steps are ample, on a smooth
    quadratic without noise, momentum and Adam end many decades lower: a step has length lr wherever the minimum
    is, so the end is set by how lr decays.  Singular values below 1 % of the Frobenius norm are lifted only in part.
    Networks are not in these toys; in practice embeddings, heads and vectors are left to AdamW.
    """
    return Optimizer(
        "Muon",
        muon_kernel,
        lr,
        {
            "columns": checks.count("columns", columns, 0),
            **of_beta(beta=beta),
            "iterations": checks.count("iterations", iterations),
            **of_decay(weight_decay),
        },
        rows=("m", "direction", "product", "polynomial"),
        schedule=schedule,
        variant={"columns": str(columns)},
        paper="jordan2024muon",
    )


OPTIMIZERS = [muon]

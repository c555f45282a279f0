"""The Order noun: in which order the component functions of a problem are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theory_sim.rules import checks


@dataclass(frozen=True)
class Order:
    """A sampling order.

    Parameters
    ----------
    name : str
    kernel : callable
        Sampler kernel ``(t, size, u, table, idx)``; see `theory_sim.rules.build`.
    draws : bool
        Whether a worker reads one uniform per step.
    permutes : bool
        Whether a worker needs a permutation table.
    unbiased : bool
        Whether each step's gradient is that of the objective in expectation, given the past.
    epochs : bool
        Whether every n consecutive steps draw each of n components once.
    """

    name: str
    kernel: Callable[..., None]
    draws: bool = False
    permutes: bool = False
    unbiased: bool = False
    epochs: bool = False

    @property
    def lockstep(self) -> bool:
        """Whether lanes with equally many components draw the same one at every step."""
        return not self.draws


def cyclic(t: int, size: Any, u: Any, table: Any, idx: Any) -> None:
    """Components 0, 1, ..., n-1, 0, 1, ...: step 1 draws component 0."""
    workers, lanes = idx.shape
    for j in range(workers):
        for lane in range(lanes):
            following = 0 if t == 1 else idx[j, lane] + 1
            idx[j, lane] = 0 if following == size[lane] else following


def replacement(t: int, size: Any, u: Any, table: Any, idx: Any) -> None:
    """Independent uniform components."""
    workers, lanes = idx.shape
    for j in range(workers):
        for lane in range(lanes):
            idx[j, lane] = int(u[j, lane] * size[lane])


def reshuffled(t: int, size: Any, u: Any, table: Any, idx: Any) -> None:
    """Each epoch of n steps draws a fresh permutation, one Fisher-Yates swap per step.

    table[0] is the position in the epoch, table[1:] the permutation so far.
    """
    workers, lanes = idx.shape
    for j in range(workers):
        for lane in range(lanes):
            n = size[lane]
            position = table[0, j, lane]
            if position == 0:
                for i in range(n):
                    table[1 + i, j, lane] = i
            chosen = position + int(u[j, lane] * (n - position))
            idx[j, lane] = table[1 + chosen, j, lane]
            table[1 + chosen, j, lane] = table[1 + position, j, lane]
            table[0, j, lane] = position + 1 if position + 1 < n else 0


ORDERS = {
    order.name: order
    for order in (
        Order("cyclic", cyclic, epochs=True),
        Order("reshuffled", reshuffled, draws=True, permutes=True, epochs=True),
        Order("replacement", replacement, draws=True, unbiased=True),
    )
}


def order(name: str) -> Order:
    """Return the sampling order of this name.

    Raises
    ------
    ValueError
        If there is none.
    """
    checks.known("order", name, ORDERS)
    return ORDERS[name]

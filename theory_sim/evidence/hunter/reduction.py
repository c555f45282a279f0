"""Delta debugging of a counterexample: the same failure with fewer and smaller integers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

Fails = Callable[[Sequence[int]], bool]


def primitive(gradients: Sequence[int]) -> tuple[int, ...]:
    """Divide by the greatest common divisor."""
    common = math.gcd(*gradients) or 1
    return tuple(one // common for one in gradients)


def size(gradients: Sequence[int]) -> tuple[int, int, int]:
    """Period, height and sum of sizes: what a reduction lowers, in this order."""
    sizes = [abs(one) for one in gradients]
    return len(sizes), max(sizes), sum(sizes)


def _smaller(g: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield neighbours of g, the much smaller ones first."""
    n = len(g)
    for length in range(n // 2, 0, -1):
        for start in range(0, n, length):
            rest = g[:start] + g[start + length :]
            yield rest
            if rest:  # what was dropped may be needed for the sum: give it to a neighbour
                at = min(start, len(rest) - 1)
                yield (*rest[:at], rest[at] + sum(g[start : start + length]), *rest[at + 1 :])
    height = max(map(abs, g))
    for parts in (2, 4, 8, 16, 64, 256):
        yield tuple(round(one * (1.0 - 1.0 / parts)) for one in g)
    for lower in range(1, 4):
        for k in range(n):
            if abs(g[k]) == height:
                cut = (*g[:k], g[k] - int(math.copysign(lower, g[k])), *g[k + 1 :])
                yield cut
                for j in range(n):
                    if j != k:
                        yield (*cut[:j], cut[j] + int(math.copysign(lower, g[k])), *cut[j + 1 :])
    for k in range(n):
        if g[k]:
            yield (*g[:k], 0, *g[k + 1 :])
            yield (*g[:k], g[k] - int(math.copysign(1, g[k])), *g[k + 1 :])


def reduced(gradients: Sequence[int], fails: Fails, most: int = 20_000) -> tuple[int, ...]:
    """Return a counterexample that no single move makes smaller.

    Parameters
    ----------
    gradients : sequence of int
        A counterexample.
    fails : callable
        Whether a sequence with a positive sum is one.
    most : int
        Calls of `fails` after which to stop.
    """
    best = primitive([int(one) for one in gradients])
    tried: set[tuple[int, ...]] = set()
    moved = True
    while moved:
        moved = False
        for raw in _smaller(best):
            if sum(raw) <= 0:
                continue
            one = primitive(raw)
            if one in tried or size(one) >= size(best):
                continue
            tried.add(one)
            if len(tried) > most:
                return best
            if fails(one):
                best, moved = one, True
                break
    return best

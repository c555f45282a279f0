"""What the loops record at a step: sums and extremes of the measures, first hits."""

from __future__ import annotations

from typing import Any


def observe(
    t: int, row: Any, total: Any, low: Any, high: Any, running: int,
    watched: int, target: float, path: Any, hits: Any, stopped: Any,
) -> None:  # fmt: skip
    """Add the measures ``row`` (k, L) at x_t to the sums of the present window, and note first hits.

    Arrays of `theory_sim.rules.build.Record`, one by one: a tuple of all of them costs more
    to pass than to fill.
    """
    many, lanes = row.shape
    for k in range(many):
        for lane in range(lanes):
            total[k, lane] += row[k, lane]
    if running:
        for k in range(many):
            for lane in range(lanes):
                value = row[k, lane]
                # 0 * (value - value) keeps a NaN, which min and max of compiled code lose
                low[k, lane] = min(low[k, lane], value) + (value - value)
                high[k, lane] = max(high[k, lane], value) + (value - value)
    if watched >= 0:
        for lane in range(lanes):
            path[lane] += row[watched, lane]
            gone = stopped[lane] > 0  # a measure may turn the NaN of such a lane into a number
            if not gone and hits[0, lane] < 0 and row[watched, lane] <= target:
                hits[0, lane] = t - 1
            if not gone and hits[1, lane] < 0 and path[lane] <= target * t:
                hits[1, lane] = t - 1

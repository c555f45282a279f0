"""What the loops record at a step: sums and extremes of the measures, first hits."""

from __future__ import annotations

from typing import Any

from theory_sim.rules.build import Limits, Record, Tile


def observe(measure: Any, watch: Any, t: int, tile: Tile, limits: Limits, record: Record) -> None:
    """Add the measures at x_t to the sums of the present window, and note first hits."""
    row, total, path, hits = record.row, record.total, record.path, record.hits
    own, watched, stopped = limits.measures, limits.watched, tile.stopped
    many, lanes = row.shape
    measure(tile.x, t, tile.idx, tile.noise, tile.theta, row[:own], tile.work)
    if own < many:
        watch(
            tile.mean if limits.averaged else tile.g,
            t,
            tile.lr,
            tile.hyper,
            tile.state,
            tile.x,
            row[own:],
            tile.work,
        )
    for k in range(many):
        for lane in range(lanes):
            total[k, lane] += row[k, lane]
    if limits.running:
        for k in range(many):
            for lane in range(lanes):
                value = row[k, lane]
                # 0 * (value - value) keeps a NaN, which min and max of compiled code lose
                record.low[k, lane] = min(record.low[k, lane], value) + (value - value)
                record.high[k, lane] = max(record.high[k, lane], value) + (value - value)
    if watched >= 0:
        for lane in range(lanes):
            path[lane] += row[watched, lane]
            gone = stopped[lane] > 0  # a measure may turn the NaN of such a lane into a number
            if not gone and hits[0, lane] < 0 and row[watched, lane] <= limits.target:
                hits[0, lane] = t - 1
            if not gone and hits[1, lane] < 0 and path[lane] <= limits.target * t:
                hits[1, lane] = t - 1

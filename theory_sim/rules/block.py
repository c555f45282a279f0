"""A pair of rules, a gradient's and an optimizer's, in one loop over one block of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theory_sim.rules.build import AHEAD
from theory_sim.rules.language import Rule, Source, Stage
from theory_sim.rules.observe import observe
from theory_sim.rules.tile import HUGE, Names, NoiseRows, Writer, finished, indented, of_constants


@dataclass(frozen=True)
class Layout:
    """Rows of the block in which a pair finds its numbers, each of `width` lanes.

    In this order: lr before and after the schedule, hyperparameters, constants, uniforms, x (dim rows),
    state (dim rows for each).
    """

    hyper: int
    theta: int
    noise: int
    state: int
    dim: int
    width: int

    @property
    def first(self) -> dict[str, int]:
        """The first row of each array."""
        sizes = {
            "lr0": 1,
            "lr": 1,
            "hyper": self.hyper,
            "theta": self.theta,
            "noise": self.noise,
            "x": self.dim,
        }
        places, row = {}, 0
        for name, size in sizes.items():
            places[name] = row
            row += size
        return {**places, "state": row}

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.first["state"] + self.state * self.dim


_PAIR = """\
block, stopped, idx, size, factor = tile.block, tile.stopped, tile.idx, tile.size, tile.factor
x, noise, theta, work = tile.x, tile.noise, tile.theta, tile.work
row, total, lowest, highest = record.row, record.total, record.low, record.high
path, hits, running, watched, target = record.path, record.hits, limits.running, limits.watched, limits.target
low, high = limits.low, limits.high
boxed = low > -math.inf or high < math.inf
index = (first - 1) % size[0]
for t in range(first, last + 1):
    if tile.halt[0] > 0:
        break
    tile.halt[1] = t
    {draws}
    if accumulate:
        {shown}
        measure(x, t, idx, noise, theta, row, work)
        observe(t, row, total, lowest, highest, running, watched, target, path, hits, stopped)
    if limits.varying or t == first:
        {rates}
    fresh = 0
    if dead > 0:
{some}
    else:
{none}
    if fresh > 0:
        return t
    {following}
return 0
"""


def pair(
    layout: Layout,
    lockstep: bool,
    each: bool,
    known: Names,
    stage: Stage,
    rule: Rule,
    owner: str,
    constants: Mapping[str, Any],
    noise: NoiseRows | None,
) -> Source:
    """Return the kernel that runs a pair of rules, the gradient's and the optimizer's, over several steps.

    It stops after a step at which a lane has become non-finite and returns that step, else 0.  One block of
    constant layout tells the compiler that no two rows overlap.

    Parameters
    ----------
    layout : Layout
    lockstep : bool
        Whether all lanes draw the same component, ``index``.
    each : bool
        Whether the schedule has parameters of its own in each lane.
    known, stage
        The optimizer's names and its rule, of one stage.
    rule, owner, constants, noise
        The gradient's rule, its problem, and what that declares.
    """
    writer, w = Writer(known.owner), layout.width
    coordinate = "0" if layout.dim == 1 else "i"
    places = {name: w * row for name, row in layout.first.items()}

    def at(array: str, row: str) -> str:
        return f"block[{places[array]} + {w} * ({row}) + lane]"

    def moved(text: str) -> str:
        """Rewrite ``array[row, lane]`` or ``state[row, i, lane]`` as a place of the block."""
        array, _, rest = text.partition("[")
        rows = [part.strip().replace("i", coordinate) for part in rest[:-1].split(",")][:-1]
        if array not in places or not rest:
            return text
        return at(
            array, f"{rows[0]} * {layout.dim} + {rows[1]}" if array == "state" else rows[0] if rows else "0"
        )

    own = {"x": "x[i, lane]", "t": "t", "i": coordinate, "d": f"{layout.dim}", "j": "0", "workers": "1"}
    drawn = {"index": "index" if lockstep else "idx[0, lane]"}
    scope = {name: moved(text) for name, text in {**of_constants(constants), **own}.items()} | drawn
    if noise is not None:
        place = {"coordinate": coordinate, "pair": f"{coordinate} // 2", "worker": "0"}[noise.each]
        uniforms = {
            n: at("noise", f"{noise.draws} * ({place}) + {q}") for q, n in enumerate("uv"[: noise.draws])
        }
        scope["noise"] = writer.call(noise.rule, {**scope, **uniforms})
    rate = at("lr", "0") if each else f"{at('lr0', '0')} * common"
    of_step = {name: moved(text) for name, text in known.at_coordinate().items()}
    of_step |= {
        "g": f"np.float64({writer.call(rule, scope)})",
        "lr": rate,
        "d": f"{layout.dim}",
        "i": coordinate,
    }
    rows, x = stage.writes[1:], of_step["x"]
    lines = f"{', '.join(('point', *(f'{row}_new' for row in rows)))} = {writer.call(stage.rule, of_step)}\n"
    lines += "".join(f"{of_step[row]} = {row}_new\n" for row in rows)
    lines += f"point = np.float64(point)\nbad = not (abs(point) <= {HUGE})\n"
    # A box must not turn infinity into a clean corner; without one, infinity is kept for the record.  The
    # operators are those of bits, since a branch would keep the loop from being vectorised.
    none = f"fresh += bad\n{x} = math.nan if bad & boxed else min(max(point, low), high)\n"
    some = "gone = stopped[lane] > 0\nfresh += bad & (not gone)\n"
    some += f"{x} = math.nan if gone | (bad & boxed) else min(max(point, low), high)\n"

    def loop(text: str) -> str:
        each_lane = f"for lane in range({w}):\n{indented(text)}"
        return each_lane if layout.dim == 1 else f"for i in range({layout.dim}):\n{indented(each_lane)}"

    draws = "" if lockstep else "if tile.u.shape[0] > 0:\n    uniform(t, 0, tile.key, tile.u)\n"
    draws += "" if lockstep else "if limits.sampled:\n    sampler(t, size, tile.u, tile.table, idx)\n"
    draws += "" if noise is None else "uniform(t, 1, tile.key, tile.noise)\n"
    rates = "schedule(t, tile.parameters, factor)\n"
    rates += f"for lane in range({w}):\n    {at('lr', '0')} = {at('lr0', '0')} * factor[lane]\n"
    if not each:
        rates = f"place = (t - 1) % {AHEAD}\nif place == 0 or t == first:\n"
        rates += "    schedule(t - place, tile.parameters, factor)\ncommon = factor[place]\n"
    body = _PAIR.format(
        draws=indented(draws).strip(), rates=indented(rates, 2).strip(),
        some=indented(loop(lines + some), 2), none=indented(loop(lines + none), 2),
        shown="idx[:, :] = index" if lockstep else "pass",
        following="index = index + 1 if index + 1 < size[0] else 0" if lockstep else "",
    )  # fmt: skip
    return finished("pair", writer.functions, body, {"observe": observe})

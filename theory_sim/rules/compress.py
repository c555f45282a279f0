"""From a compressor's rule to its kernel."""

from __future__ import annotations

from collections.abc import Sequence

from theory_sim.rules.language import Reductions, Rule, Source, Stage
from theory_sim.rules.tile import LANE, Writer, finished, indented


def compress(
    rule: Rule, owner: str, hyper: Sequence[str], reductions: Reductions, once: Stage | None
) -> Source:
    """Return the compress kernel of a rule.

    Parameters
    ----------
    rule : callable
        At each coordinate; sees its entry ``p`` and its uniform ``u``, and gives the image.
    owner : str
    hyper : sequence of str
        One called ``block`` cuts the message into blocks of so many coordinates, 0 for one block: each is
        compressed as a message of its own, with its own reductions, ``i`` and ``d``.
    reductions : mapping
        Over the coordinates.
    once : Stage, optional
        Before it, at each lane; writes numbers that the rule names.
    """
    writer = Writer(owner, reductions)
    lane = {**{name: f"hyper_{h}" for h, name in enumerate(hyper)}, "d": "d"}
    coordinate = {**lane, "p": "p[i, lane]", "u": "u[i, lane]", "i": "i"}
    text = ""
    if once is not None:
        shared = {name: f"work[{r}, lane]" for r, name in enumerate(once.writes)}
        writer.rows = len(shared)
        text, scope = writer.at_lane(once.rule, coordinate, lane)
        text += f"{LANE}    {writer.assigned(once, {**scope, **shared})}"
        coordinate |= shared
    text += writer.coordinates(rule, coordinate, lambda inner: f"out[i, lane] = {writer.call(rule, inner)}\n")
    # Numbers of their own, which no store to out can change: so a choice by one of them leaves the loops.
    body = "d, lanes = p.shape\n" + "".join(f"hyper_{h} = hyper[{h}]\n" for h in range(len(hyper)))
    if writer.rows:
        body += f"work = np.empty(({writer.rows}, lanes))\n"
    if "block" in hyper:
        block = f"hyper_{tuple(hyper).index('block')}"
        part = "[first : first + size]"
        text = f"p, u, out = whole_p{part}, whole_u{part}, whole_out{part}\nd = p.shape[0]\n{text}"
        body += f"whole_p, whole_u, whole_out = p, u, out\nsize = d if {block} == 0.0 else int({block})\n"
        text = f"for first in range(0, whole_p.shape[0], size):\n{indented(text)}"
    return finished("compress", writer.functions, body + text)

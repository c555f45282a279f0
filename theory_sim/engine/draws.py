"""The random numbers and the components of several steps as tensors, with the bits of the lanes.

Lanes with equal keys and sizes meet the same numbers, so a block of steps draws once for each such *stream*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns.order import order

if TYPE_CHECKING:
    from theory_sim.engine.tensor_loop import Loop

Array = np.ndarray[Any, Any]
Block = dict[str, Any]

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # 64-bit words of a tensor have a sign
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)


def _shifted(z: Any, bits: int) -> Any:
    """Return z >> bits of a word without a sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def uniforms(t: Any, first: int, slots: Any, key: Any) -> Any:
    """Return the uniforms of `theory_sim.random.uniform`.

    Parameters
    ----------
    t : int64 tensor, shape (K, 1, 1)
        Steps.
    first : int
        The first slot.
    slots : int64 tensor, shape (q, 1)
        0, 1, ..., q - 1.
    key : int64 tensor, shape (S,)
        The words of the keys.

    Returns
    -------
    float64 tensor, shape (K, q, S)
    """
    z = key + (t * 65536 + (slots + (first + 1))) * _GOLDEN
    z = (z ^ _shifted(z, 30)) * _FIRST
    z = (z ^ _shifted(z, 27)) * _SECOND
    return _shifted(z ^ _shifted(z, 31), 11).double() * 2.0**-53


def cyclic(t: Any, size: Any, u: Any, table: Any) -> Any:
    """`theory_sim.nouns.order.cyclic`."""
    return ((t - 1) % size).expand(-1, table.shape[1], -1)


def replacement(t: Any, size: Any, u: Any, table: Any) -> Any:
    """`theory_sim.nouns.order.replacement`."""
    return (u * size).long()


def reshuffled(t: Any, size: Any, u: Any, table: Any) -> Any:
    """`theory_sim.nouns.order.reshuffled`.

    An entry of the permutation counts only if it was written in the present epoch e = 1, 2, ..., as e n + value; else
    component i is at place i.  So no epoch has to begin with a fresh table.
    """
    position, base = (t - 1) % size, ((t - 1) // size + 1) * size
    chosen = position + (u * (size - position)).long()
    out = chosen.new_empty(chosen.shape)
    for k in range(len(t)):
        at, there = position[k].expand_as(chosen[k]), chosen[k]
        ours, out[k] = (_entry(table, place, base[k]) for place in (at, there))
        table.scatter_(0, there[None], (base[k] + ours)[None])
    return out


def _entry(table: Any, place: Any, base: Any) -> Any:
    kept = table.gather(0, place[None])[0] - base
    return kept.where(kept >= 0, place)


ORDERS = {"cyclic": cyclic, "replacement": replacement, "reshuffled": reshuffled}


class Streams:
    """The streams of some lanes, and what they draw.

    Parameters
    ----------
    loop : Loop
    cut : ndarray of int
        The lanes.
    """

    def __init__(self, loop: Loop, cut: Array) -> None:
        torch, lanes, device = loop.torch, loop.lanes, loop.target.device
        self.loop = loop
        uses = any(count for _, count in loop.slots.values())
        keys = lanes.key[cut].view(np.int64) if uses else np.zeros(len(cut), np.int64)
        pairs, which = np.unique(np.stack([keys, lanes.size[cut]]), axis=1, return_inverse=True)
        identity = len(which) == pairs.shape[1]
        self.key, self.size = (
            torch.asarray(np.ascontiguousarray(one)).to(device)
            for one in ((keys, lanes.size[cut]) if identity else pairs)
        )
        shared = identity or pairs.shape[1] == 1
        self.which = [] if shared else [torch.asarray(which.ravel()).to(device)]
        permuted = order(lanes.order).permutes and loop.sampled
        depth = int(lanes.size.max()) if permuted else 0
        self.table = torch.zeros((depth, loop.w, len(self.key)), dtype=torch.int64, device=device)

    def uniforms(self, t: Any, name: str) -> Any:
        """Return the uniforms of some kind at some steps, (K, q, S)."""
        torch, (first, count) = self.loop.torch, self.loop.slots[name]
        if count == 0:
            return torch.zeros((len(t), 0, 1), dtype=torch.float64, device=t.device)
        slots = torch.arange(count, device=t.device)[:, None]
        return uniforms(t[:, None, None], first, slots, self.key)

    def noises(self, t: Any) -> Block:
        """Return all uniforms but those that order the components."""
        found = {name: self.uniforms(t, name) for name in ("noise", "own", "up", "down")}
        if self.loop.real is not self.loop.torch.float64:
            # The leading bits that the shorter type has, since rounding could give 1.
            found = {name: (one * 2.0**24).floor() * 2.0**-24 for name, one in found.items()}
        return {name: one.to(self.loop.real) for name, one in found.items()}

    def draw(self, t: Any) -> Block:
        """Return all numbers of the steps t, (K, q, S); every step is asked for once, in order."""
        loop, torch = self.loop, self.loop.torch
        if loop.sampled:
            u = self.uniforms(t, "u")
            follow = ORDERS[loop.lanes.order]
            idx = follow(t[:, None, None], self.size, u, self.table)
        else:
            idx = torch.zeros((len(t), loop.w, 1), device=t.device)
        return {"idx": idx.to(loop.real), **self.noises(t)}

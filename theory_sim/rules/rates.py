"""From a schedule's rule to its kernels."""

from __future__ import annotations

from collections.abc import Sequence

from theory_sim.rules.language import Rule, Source
from theory_sim.rules.tile import Writer, finished


def schedule(rule: Rule, owner: str, parameters: Sequence[str], ahead: bool) -> Source:
    """Return the schedule kernel of a rule ``(t, *parameters) -> factor``.

    It gives the factors of all lanes at step t or, `ahead`, those that all lanes share at t, t + 1, ...
    """
    writer = Writer(owner)
    lane, t = ("0", "t + lane") if ahead else ("lane", "t")
    scope = {"t": t, **{name: f"parameters[{r}, {lane}]" for r, name in enumerate(parameters)}}
    body = f"for lane in range(factor.shape[0]):\n    factor[lane] = {writer.call(rule, scope)}\n"
    return finished("schedule", writer.functions, body)


def raw_schedule_ahead(kernel: Rule) -> Source:
    """Return the kernel that asks a schedule kernel written by hand for the factors at t, t + 1, ..."""
    body = "for k in range(factor.shape[0]):\n    raw(t + k, parameters, factor[k : k + 1])\n"
    return finished("schedule", {"raw": kernel}, body)

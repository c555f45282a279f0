"""One page for each paper: its claims with their evidence, its theorems, its ledger."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from theory_sim.app.report.evidence import kills
from theory_sim.app.report.pages import Page, Site, paper_path, sweeps_of
from theory_sim.nouns.claim import Claim


def _source(claim: Claim) -> tuple[str, str]:
    """Return where the check of a claim is written, and its text; both empty if no file has it."""
    check = inspect.unwrap(claim.check)
    try:
        lines, first = inspect.getsourcelines(check)
    except (OSError, TypeError):
        return "", ""
    path = Path(inspect.getsourcefile(check) or "")
    package = check.__module__.partition(".")[0]
    inside = path.parts[path.parts.index(package) :] if package in path.parts else path.parts[-1:]
    return f"{'/'.join(inside)}, line {first}", textwrap.dedent("".join(lines)).rstrip()


def _extras(site: Site, id: str, killed: Mapping[str, Any]) -> dict[str, Any]:
    claim = site.claims[id]
    place, source = _source(claim)
    return {
        "figures": [one for one in site.shown_in.get(id, ()) if one.name in site.drawings],
        "sweeps": list(sweeps_of(claim, site.document["tier"])),
        "place": place,
        "source": source,
        **killed.get(id, {"killed": (), "missed": ()}),
    }


def pages(site: Site) -> Iterator[Page]:
    """Yield the page of every paper."""
    killed = kills()["claims"]
    tier = site.document["tier"]
    for key, paper in site.papers.items():
        records = site.of_paper.get(key, [])
        yield site.render(
            "paper.html.j2",
            paper_path(key),
            paper=paper,
            records=records,
            extras={one["id"]: _extras(site, one["id"], killed) for one in records},
            theorems=[one for one in site.theorems.values() if one.paper == key],
            deviations=[row for row in site.deviations if row.paper == key],
            tier="" if tier == "full" else f" --tier {tier}",
        )

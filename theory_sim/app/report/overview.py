"""The first page, with the matrix of papers and claims, and the page of all claims with its filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from theory_sim.app.report.evidence import kills
from theory_sim.app.report.pages import CONSTANTS, KINDS, MARKS, Page, Site


def pages(site: Site) -> Iterator[Page]:
    """Yield ``index.html`` and ``claims.html``."""
    records = list(site.records.values())
    rows = [
        {"paper": paper, "records": site.of_paper[key], "counts": site.counts(site.of_paper[key])}
        for key, paper in site.papers.items()
        if key in site.of_paper
    ]
    crossed = {
        kind: Counter(one["status"] for one in records if one["constants"] == kind) for kind in CONSTANTS
    }
    yield site.render(
        "index.html.j2",
        "index.html",
        counts=site.counts(records),
        rows=rows,
        silent=[paper for key, paper in site.papers.items() if key not in site.of_paper],
        crossed=crossed,
        kills=kills(),
    )
    choices = (
        ("status", "Status", [*MARKS]),
        ("paper", "Paper", sorted(site.of_paper)),
        ("kind", "Kind", [*KINDS]),
        ("constants", "Constants", [*CONSTANTS]),
    )
    yield site.render("claims.html.j2", "claims.html", choices=choices)

"""The index that the search box reads: a script, because a page opened from disk may not fetch a file."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

from theory_sim.app import errata
from theory_sim.app.report.pages import (
    Page,
    Site,
    claim_path,
    figure_path,
    optimizer_path,
    paper_path,
    theorem_path,
)


def _rows(site: Site) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield kind, name, address, status and text of everything that has a place of its own."""
    for key, paper in site.papers.items():
        yield "paper", key, paper_path(key), "", f"{paper.title}. {paper.authors}, {paper.year}"
    for key, make in site.optimizers.items():
        text = (inspect.getdoc(make) or "").partition("\n")[0]
        yield "optimizer", key, optimizer_path(key), "", text
    for record in site.records.values():
        text = f"{record['where']}: {record['statement']}"
        yield "claim", record["id"], claim_path(record), record["status"], text
    for theorem in site.theorems.values():
        yield "theorem", theorem.id, theorem_path(theorem.id), "", f"{theorem.where}: {theorem.statement}"
    for figure in site.figures:
        yield "figure", figure.name, figure_path(figure.name), "", figure.caption
    for one in errata.errata():
        yield "erratum", one.id, f"errata.html#{one.id}", "", f"{one.subject}, {one.where}: {one.printed}"


def pages(site: Site) -> Iterator[Page]:
    """Yield ``assets/search.js``."""
    text = json.dumps(list(_rows(site)), ensure_ascii=False, separators=(",", ":"))
    yield Page("assets/search.js", f"window.SEARCH={text};\n")

"""One page for each theorem: conditions, conclusion, symbols, and the claims on the same place of the paper."""

from __future__ import annotations

from collections.abc import Iterator

from theory_sim.app import catalogue
from theory_sim.app.report.pages import Page, Site, theorem_path


def pages(site: Site) -> Iterator[Page]:
    """Yield ``theorems.html`` and the page of every theorem."""
    yield site.render("theorems.html.j2", "theorems.html")
    for theorem in site.theorems.values():
        place = theorem.where.partition(",")[0]
        same = [
            one for one in site.of_paper.get(theorem.paper, ()) if one["where"].partition(",")[0] == place
        ]
        yield site.render(
            "theorem.html.j2",
            theorem_path(theorem.id),
            theorem=theorem,
            paper=catalogue.papers()[theorem.paper],
            records=same,
        )

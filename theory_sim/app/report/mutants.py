"""The kill matrix: which planted bugs the claims and the tests noticed."""

from __future__ import annotations

from collections.abc import Iterator

from theory_sim.app.report.evidence import kills, planted
from theory_sim.app.report.pages import Page, Site


def pages(site: Site) -> Iterator[Page]:
    """Yield ``mutants.html``."""
    yield site.render("mutants.html.j2", "mutants.html", kills=kills(), mutants=planted())

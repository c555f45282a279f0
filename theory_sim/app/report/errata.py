"""What was found wrong in print, as a page of the site."""

from __future__ import annotations

import json
from collections.abc import Iterator

from theory_sim.app import errata
from theory_sim.app.report.pages import Page, Site


def pages(site: Site) -> Iterator[Page]:
    """Yield ``errata.html`` and the list itself, ``errata.json``."""
    rows, known = errata.errata(), errata.document()
    yield Page("errata.json", json.dumps(known, indent=1, ensure_ascii=False))
    yield site.render(
        "errata.html.j2", "errata.html", rows=rows, known=known, severity=errata.SEVERITY, basis=errata.BASIS
    )

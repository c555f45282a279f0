"""The gallery, and one page for each figure: caption, features, data, the claims that it shows."""

from __future__ import annotations

from collections.abc import Iterator

from theory_sim.app.report.pages import Page, Site, figure_path, sweeps_of


def pages(site: Site) -> Iterator[Page]:
    """Yield ``figures.html`` and the page of every figure."""
    yield site.render("figures.html.j2", "figures.html")
    tier = site.document["tier"]
    for figure in site.figures:
        yield site.render(
            "figure.html.j2",
            figure_path(figure.name),
            figure=figure,
            drawing=site.drawings[figure.name],
            records=[site.records[id] for id in figure.claims if id in site.records],
            sweeps=list(sweeps_of(figure, tier)),
            tier="" if tier == "full" else f" --tier {tier}",
        )

"""Writing the site: a folder of pages that needs no server and fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from theory_sim.app.report import (
    errata,
    explorer,
    figures,
    mutants,
    optimizers,
    overview,
    papers,
    search,
    theorems,
)
from theory_sim.app.report.pages import Drawing, Page, Site, files_of
from theory_sim.nouns.figure import Figure

_KINDS: tuple[Callable[[Site], Iterator[Page]], ...] = (
    *(overview.pages, papers.pages, figures.pages, optimizers.pages),
    *(theorems.pages, errata.pages, mutants.pages, explorer.pages, search.pages),
)
_ASSETS = ("site.css", "site.js", "plotly-cartesian.min.js")


def drawings(
    chosen: Sequence[Figure], files: Mapping[str, Sequence[Path]], folder: Path
) -> dict[str, Drawing]:
    """Return what pages say of drawn figures.

    Parameters
    ----------
    chosen : sequence of Figure
    files : mapping of str to sequence of Path
        Files of each figure by name, inside `folder`: PNG, SVG and JSON first, as `Figure.save` returns them.
    folder : Path
    """
    found = {}
    for figure in chosen:
        png, _, data, *_ = files[figure.name]
        head = png.read_bytes()[:24]  # the size is in the first chunk of a PNG
        size = (int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))
        found[figure.name] = Drawing(files_of(files[figure.name], folder), size, json.loads(data.read_text()))
    return found


def write_site(site: Site, folder: Path) -> Path:
    """Write every page, the style, the script and ``claims.json``, and return the first page.

    Parameters
    ----------
    site : Site
    folder : Path
        Where the files of the figures already are.
    """
    made = [page for kind in _KINDS for page in kind(site)]
    templates = resources.files("theory_sim.app").joinpath("templates", "site")
    made += [Page(f"assets/{name}", templates.joinpath(name).read_text()) for name in _ASSETS]
    made.append(Page("claims.json", json.dumps(site.document, indent=1, ensure_ascii=False)))
    for page in made:
        path = folder / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.text, encoding="utf-8")
    return folder / "index.html"

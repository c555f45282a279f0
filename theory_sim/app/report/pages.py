"""What all pages of the site share: addresses, statuses, templates."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from theory_sim.app import catalogue
from theory_sim.app.report import prose
from theory_sim.nouns.claim import Claim, Deviation
from theory_sim.nouns.papers import Paper

if TYPE_CHECKING:
    import xarray as xr
    from jinja2 import Environment, Template

    from theory_sim.nouns.figure import Figure
    from theory_sim.nouns.optimizer import Optimizer
    from theory_sim.nouns.sweep import Sweep
    from theory_sim.nouns.theorem import Theorem
    from theory_sim.nouns.training import Source

MARKS = {"PASS": "✓", "FAIL": "✗", "UNDECIDED": "?", "UNJUDGED": "–"}
KINDS = {
    "exact": "equal up to rounding",
    "upper": "an upper bound holds",
    "lower": "a lower bound holds",
    "tight": "equal to the bound",
    "region": "a map agrees outside a stated band",
    "rate": "an exponent lies in an interval",
    "order": "one beats the other",
    "weak": "a wrong constant could pass too",
}
CONSTANTS = {
    "read": "read in the paper",
    "derived": "derived here",
    "recalled": "recalled without the text at hand",
    "none": "none of a paper",
}


def slug(name: str) -> str:
    """Return a name as part of an address: itself where it is plain, else with a digest, so that none collide."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Page:
    """An address inside the site and the text there."""

    path: str
    text: str


@dataclass(frozen=True)
class Drawing:
    """The files of a figure.

    Parameters
    ----------
    files : tuple of str
        Addresses inside the site, the PNG first.
    size : (int, int)
        Of the PNG in pixels.
    content : mapping
        What `Figure.save` writes as JSON: features, panels, curves.
    """

    files: tuple[str, ...]
    size: tuple[int, int]
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """Everything that pages are made of.

    Parameters
    ----------
    document : mapping
        `theory_sim.app.report.evidence.document`; its records are the only source of results.
    claims : mapping of str to Claim
    figures : sequence of Figure
    drawings : mapping of str to Drawing
        By the name of the figure.
    theorems : mapping of str to Theorem
    optimizers : mapping of str to callable
    deviations : sequence of Deviation
    maps : sequence of (Sweep, xarray.Dataset)
        What the explorer shows.
    """

    document: Mapping[str, Any]
    claims: Mapping[str, Claim]
    figures: Sequence[Figure]
    drawings: Mapping[str, Drawing]
    theorems: Mapping[str, Theorem] = field(default_factory=dict)
    optimizers: Mapping[str, Callable[..., Optimizer]] = field(default_factory=dict)
    deviations: Sequence[Deviation] = ()
    maps: Sequence[tuple[Sweep, xr.Dataset]] = ()

    @cached_property
    def records(self) -> Mapping[str, Mapping[str, Any]]:
        """The record of every claim by id."""
        return {record["id"]: record for record in self.document["claims"]}

    @cached_property
    def open(self) -> Sequence[Mapping[str, Any]]:
        """Records that do not pass: FAIL first, then UNDECIDED, then UNJUDGED."""
        rest = [one for one in self.records.values() if one["status"] != "PASS"]
        return sorted(rest, key=lambda one: [*MARKS].index(one["status"]))

    @cached_property
    def papers(self) -> Mapping[str, Paper]:
        """Papers with a claim, a theorem or a deviation, those with claims first."""
        keys = [record["paper"] for record in self.records.values()]
        keys += [theorem.paper for theorem in self.theorems.values()]
        keys += [row.paper for row in self.deviations]
        known = catalogue.papers()
        return {key: known[key] for key in dict.fromkeys(keys)}

    @cached_property
    def of_paper(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Records by paper."""
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for record in self.records.values():
            found[record["paper"]].append(record)
        return found

    @cached_property
    def shown_in(self) -> Mapping[str, Sequence[Figure]]:
        """Figures by the claims that they illustrate."""
        found: dict[str, list[Figure]] = defaultdict(list)
        for figure in self.figures:
            for id in figure.claims:
                found[id].append(figure)
        return found

    @cached_property
    def used_by(self) -> Mapping[str, Sequence[str]]:
        """Ids of claims by the names of the optimizers that their sweeps run."""
        found: dict[str, list[str]] = defaultdict(list)
        for id in self.records:
            for name in dict.fromkeys(sweep.optimizer.name for sweep in self.claims[id].sweeps):
                found[name].append(id)
        return found

    def counts(self, records: Sequence[Mapping[str, Any]], key: str = "status") -> Counter[str]:
        """Return how many records have each value of a field."""
        return Counter(record[key] for record in records)

    def alternative(self, figure: Figure) -> str:
        """Return what a reader hears in place of a picture: its panels, their axes and their curves."""
        drawing = self.drawings[figure.name]
        curves: dict[int, list[str]] = defaultdict(list)
        for curve in drawing.content.get("curves", ()):
            curves[curve["panel"]].append(prose.label(curve["label"]))
        parts = []
        panels = drawing.content.get("panels", ())
        for i, panel in enumerate(panels):
            title, x, y = (prose.label(panel[name]) for name in ("title", "x", "y"))
            named = len(panels) == 1 or title.startswith("(")  # with its own letter
            said = ": ".join(filter(None, ("" if named else f"panel {i + 1}", title)))
            axes = f"{y} against {x}" if x and y else x or y
            drawn = ", ".join(f"“{label}”" for label in dict.fromkeys(curves[i]))
            lines = f"lines: {drawn}" if drawn else ""
            parts.append("; ".join(filter(None, (said, axes, lines))))
        heard = [part for part in parts if part] or [figure.caption.partition(". ")[0]]
        return f"Figure {figure.name}. {'. '.join(heard)}"

    def render(self, name: str, path: str, **values: Any) -> Page:
        """Return a page made of a template.

        Parameters
        ----------
        name : str
            Of the template, in the folder ``site``.
        path : str
            Its address inside the site; links are made relative to it.
        **values
            What the template reads beside `site` and the filters.
        """
        root = "../" * path.count("/")
        program = shlex.join(["theory-sim", *(word for one in catalogue.modules() for word in ("-m", one))])
        text = template(f"site/{name}").render(site=self, root=root, here=path, program=program, **values)
        return Page(path, text)


def paper_path(key: str) -> str:
    """Return the address of a paper."""
    return f"papers/{slug(key)}.html"


def claim_path(record: Mapping[str, Any]) -> str:
    """Return the address of a claim, which is a place on the page of its paper."""
    return f"{paper_path(record['paper'])}#{slug(record['id'])}"


def figure_path(name: str) -> str:
    """Return the address of a figure."""
    return f"figures/{slug(name)}.html"


def optimizer_path(name: str) -> str:
    """Return the address of an optimizer."""
    return f"optimizers/{slug(name)}.html"


def theorem_path(id: str) -> str:
    """Return the address of a theorem."""
    return f"theorems/{slug(id)}.html"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("theory_sim.app"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        prose=prose.prose,
        formula=prose.formula,
        relation=prose.relation,
        breakable=prose.breakable,
        docstring=prose.docstring,
        number=prose.number,
        duration=prose.duration,
        slug=slug,
        word=shlex.quote,
        address=quote,
        paper_path=paper_path,
        claim_path=claim_path,
        figure_path=figure_path,
        optimizer_path=optimizer_path,
        theorem_path=theorem_path,
    )
    environment.globals.update(MARKS=MARKS, KINDS=KINDS, CONSTANTS=CONSTANTS, definition=prose.definition)
    return environment


def template(name: str) -> Template:
    """Return a template of the application, which escapes whatever it is given."""
    return _environment().get_template(name)


def files_of(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """Return files of a folder as addresses inside it."""
    return tuple(path.relative_to(folder).as_posix() for path in paths)


def sweeps_at(sweep: Source, tier: str) -> dict[str, Any]:
    """Return the fields of a sweep or a training at a tier, which is faster than to build it."""
    return {**vars(sweep), **({} if tier == "full" else getattr(sweep, tier, {}))}


def sweeps_of(claim: Claim | Figure, tier: str) -> Iterator[dict[str, Any]]:
    """Yield what each sweep or training runs, as pairs of a name and a text."""
    for sweep in claim.sweeps:
        at = sweeps_at(sweep, tier)
        axes = ", ".join(f"{name} ({len(values)} values)" for name, values in at["axes"].items())
        on = sweep.network if hasattr(sweep, "network") else str(sweep.problem)
        yield {
            "name": sweep.name,
            "rows": {
                "on": on,
                "optimizer": str(sweep.optimizer),
                "axes": axes or "none",
                "steps": f"{at['steps']:,}",
                "seeds": str(at["seeds"]),
                **({"order": at["order"]} if "order" in at else {}),
            },
        }

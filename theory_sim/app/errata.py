"""What was found wrong in published statements, figures and code: the list that stands beside the claims."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from theory_sim.app import catalogue
from theory_sim.app.evidence_files import cell
from theory_sim.nouns.claim import Outcome
from theory_sim.rules import checks

SEVERITY = {
    "typo": "a slip of the pen that misleads nobody who reads on",
    "constant": "a constant or a bound is not the stated one",
    "proof": "a step of a proof fails; the statement stands, or has been repaired",
    "figure": "a picture shows something else than it says",
    "code": "code does something else than the text",
    "statement": "a statement is false as printed",
}
BASIS = {"read": "the text or code was read", "secondary": "known through another text that was read"}


@dataclass(frozen=True)
class Erratum:
    """One thing that is wrong.

    Parameters
    ----------
    id : str
        Stable: paper key, dash, number.
    paper : str
        Key of the paper whose ledger has it.
    of : str
        What is concerned, if it is not the paper itself: another paper, a library.
    where : str
        The exact place.
    severity : str
        A key of `SEVERITY`.
    basis : str
        A key of `BASIS`.
    printed, right : str
        What is printed, and what is right, with what survives.
    claims : mapping of str to str
        The claims that show it, with the status that they have.
    evidence : str
        What was computed, and what that does not show.
    """

    id: str
    paper: str
    of: str
    where: str
    severity: str
    basis: str
    printed: str
    right: str
    claims: Mapping[str, str]
    evidence: str

    def __post_init__(self) -> None:
        checks.known("paper", self.paper, catalogue.papers())
        checks.known("severity", self.severity, SEVERITY)
        checks.known("basis", self.basis, BASIS)
        for name, status in self.claims.items():
            checks.known("claim", name, catalogue.claims())
            checks.known("status", status, [one.value for one in Outcome])
        for name in ("id", "where", "printed", "right", "evidence"):
            if not getattr(self, name):
                raise ValueError(f"Erratum {self.id!r} has no {name}; write it, or leave the erratum out.")

    @property
    def subject(self) -> str:
        """What is concerned, in words."""
        return self.of or catalogue.papers()[self.paper].title


def document() -> dict[str, Any]:
    """Return the content of ``errata.json``: version, about, errata."""
    found: dict[str, Any] = json.loads(
        resources.files("paper_checks").joinpath("errata.json").read_text(encoding="utf-8")
    )
    return found


def errata() -> tuple[Erratum, ...]:
    """Return every erratum.

    Raises
    ------
    ValueError
        For one that names no known paper, claim, severity, basis or status, or lacks a text.
    """
    return tuple(Erratum(**row) for row in document()["errata"])


def markdown(rows: Sequence[Erratum]) -> str:
    """Return a page in Markdown, a section for each erratum."""
    known = document()
    lines = ["# Errata", "", cell(known["about"]), "", f"Version {known['version']}.", ""]
    for one in rows:
        lines += [
            f"## {one.id}: {cell(one.subject)}",
            "",
            f"*{cell(one.where)}* ({one.severity}: {SEVERITY[one.severity]}; {BASIS[one.basis]})",
            "",
            f"- **Printed:** {cell(one.printed)}",
            f"- **Right:** {cell(one.right)}",
            f"- **Evidence:** {cell(one.evidence)}{_claims(one)}",
            "",
        ]
    return "\n".join(lines)


def _claims(one: Erratum) -> str:
    shown = ", ".join(f"`{name}` ({status})" for name, status in one.claims.items())
    return f" Claims: {shown}." if shown else ""


def html(rows: Sequence[Erratum]) -> str:
    """Return a page in HTML, without a script and with nothing to fetch."""
    from theory_sim.app.report import template

    known = document()
    page: str = template("errata.html.j2").render(
        title="Errata", known=known, rows=rows, severity=SEVERITY, basis=BASIS
    )
    return page

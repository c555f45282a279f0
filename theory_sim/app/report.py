"""The report: one self-contained folder with the claims, the ledger and the figures."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory_sim.app import catalogue
from theory_sim.nouns.claim import Deviation, Outcome, Result
from theory_sim.nouns.figure import Figure

if TYPE_CHECKING:
    from jinja2 import Template


def summary(results: Sequence[Result]) -> str:
    """Return "n PASS, n FAIL, n UNDECIDED"."""
    counts = Counter(result.evidence.status.value for result in results)
    return ", ".join(f"{counts[status]} {status}" for status in ("PASS", "FAIL", "UNDECIDED"))


def provenance(results: Sequence[Result]) -> str:
    """Return how many claims have constants that were read, derived here, recalled, or have none."""
    counts = Counter(result.claim.constants for result in results)
    return ", ".join(
        f"{counts[kind]} {words}"
        for kind, words in (
            ("read", "with constants read in the paper"),
            ("derived", "with constants derived here"),
            ("recalled", "with recalled constants"),
            ("none", "without constants of a paper"),
        )
        if counts[kind]
    )


def document(results: Sequence[Result], tier: str) -> dict[str, Any]:
    """Return the machine-readable form: {"claims": [...], "tier", "summary", "provenance", "versions"}."""
    packages = ("theory-sim", "numpy", "numba", "scipy")
    return {
        "tier": tier,
        "summary": summary(results),
        "provenance": provenance(results),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "claims": [result.record() for result in results],
    }


def kills() -> dict[str, Any]:
    """Return which planted bugs each claim noticed in the last full run, which is kept beside the claims.

    Returns
    -------
    dict
        ``count``, ``by_tests``, ``subjects`` (bugs that a claim is about), ``by_claims``, and ``claims``: for
        every claim the names of those that it noticed, ``killed``, and of those that it did not, ``missed``.
    """
    kept = resources.files("paper_checks").joinpath("mutants.json")
    mutants = json.loads(kept.read_text())["mutants"]
    claims: dict[str, dict[str, list[str]]] = {}
    for mutant in mutants:
        for claim, status in mutant["claims"].items():
            row = claims.setdefault(claim, {"killed": [], "missed": []})
            row["missed" if status == Outcome.PASS.value else "killed"].append(mutant["name"])
    return {
        "count": len(mutants),
        "by_tests": sum(mutant["killed_by_tests"] for mutant in mutants),
        "subjects": sum(bool(mutant["claims"]) for mutant in mutants),
        "by_claims": sum(bool(mutant["killed_by_claims"]) for mutant in mutants),
        "claims": dict(sorted(claims.items())),
    }


def smallest() -> list[dict[str, str]]:
    """Return the smallest counterexamples of every optimizer, from the data of the hunter's claims."""
    kept = resources.files("paper_checks").joinpath("hunter/data.json")
    rows = []
    for name, found in json.loads(kept.read_text())["fronts"].items():
        front = [
            f"{max(map(abs, one['gradients']))} at {len(one['gradients'])}" for one in found.get("front", [])
        ]
        first = next(iter(found.get("front", [])), None)
        rows.append(
            {
                "name": name,
                "front": ", ".join(front) or ("none" if "identity" in found else "not searched"),
                "first": ", ".join(map(str, first["gradients"])) if first else "",
                "known": first["how"] if first else found.get("identity") or found.get("reason", ""),
            }
        )
    return rows


def write_json(results: Sequence[Result], tier: str, path: Path) -> None:
    """Write `document` to a file, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(results, tier), indent=1, ensure_ascii=False))


def template(name: str) -> Template:
    """Return a template of the application, which escapes whatever it is given."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader("theory_sim.app"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def write_html(
    results: Sequence[Result],
    figures: Sequence[Figure],
    files: Mapping[str, Sequence[Path]],
    deviations: Sequence[Deviation],
    tier: str,
    folder: Path,
) -> Path:
    """Write ``index.html``, which opens from disk without a network.

    Parameters
    ----------
    results : sequence of Result
    figures : sequence of Figure
    files : mapping of str to sequence of Path
        Files of each figure by name, inside `folder`, the PNG first.
    deviations : sequence of Deviation
    tier : str
    folder : Path
    """
    data = document(results, tier)
    keys = dict.fromkeys([claim["paper"] for claim in data["claims"]] + [row.paper for row in deviations])
    page = template("report.html.j2").render(
        data=data,
        kills=kills(),
        smallest=smallest(),
        papers=[
            {
                "paper": catalogue.papers()[key],
                "claims": [claim for claim in data["claims"] if claim["paper"] == key],
                "deviations": [row for row in deviations if row.paper == key],
            }
            for key in keys
        ],
        figures=[
            {"figure": figure, "files": [path.relative_to(folder).as_posix() for path in files[figure.name]]}
            for figure in figures
        ],
    )
    path = folder / "index.html"
    path.write_text(page)
    return path

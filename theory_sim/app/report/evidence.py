"""What the report rests on: the records of claims, how they were made, and what is kept beside them."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import theory_sim
from theory_sim.nouns.claim import Outcome, Result

STATUSES = tuple(one.value for one in Outcome)
PROVENANCE = {
    "read": "with constants read in the paper",
    "derived": "with constants derived here",
    "recalled": "with recalled constants",
    "none": "without constants of a paper",
}


def summary(results: Sequence[Result]) -> str:
    """Return "n PASS, n FAIL, n UNDECIDED", and the number of those that were not run if there are any."""
    counts = Counter(result.evidence.status for result in results)
    shown = [one for one in Outcome if one is not Outcome.UNJUDGED or counts[one]]
    return ", ".join(f"{counts[status]} {status}" for status in shown)


def provenance(results: Sequence[Result]) -> str:
    """Return how many claims have constants that were read, derived here, recalled, or have none."""
    counts = Counter(result.claim.constants for result in results)
    return ", ".join(f"{counts[kind]} {words}" for kind, words in PROVENANCE.items() if counts[kind])


def commit() -> str:
    """Return the commit of the checkout that runs, marked where files differ from it; empty if it is none."""
    folder = Path(theory_sim.__file__).parents[1]
    if not (folder / ".git").exists():
        return ""
    try:
        git = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def document(results: Sequence[Result], tier: str, begin: float | None = None) -> dict[str, Any]:
    """Return the machine-readable form: how it was made, and one record for each claim.

    Parameters
    ----------
    results : sequence of Result
    tier : str
    begin : float, optional
        ``time.perf_counter()`` when the work began; the duration is left out without it.

    Returns
    -------
    dict
        ``tier``, ``summary``, ``provenance``, ``versions``, ``commit``, ``command``, ``date``, ``seconds`` and
        ``claims``.
    """
    packages = ("theory-sim", "numpy", "numba", "scipy")
    return {
        "tier": tier,
        "summary": summary(results),
        "provenance": provenance(results),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "commit": commit(),
        "command": shlex.join(["theory-sim", *sys.argv[1:]]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": None if begin is None else round(time.perf_counter() - begin, 3),
        "claims": [result.record() for result in results],
    }


@cache
def planted() -> Sequence[Mapping[str, Any]]:
    """Return the planted bugs and what became of them in the last full run, which is kept beside the claims."""
    kept = resources.files("paper_checks").joinpath("mutants.json")
    found: list[dict[str, Any]] = json.loads(kept.read_text())["mutants"]
    return found


def kills() -> dict[str, Any]:
    """Return which planted bugs each claim noticed in the last full run, which is kept beside the claims.

    Returns
    -------
    dict
        ``count``, ``by_tests``, ``subjects`` (bugs that a claim is about), ``by_claims``, and ``claims``: for
        every claim the names of those that it noticed, ``killed``, and of those that it did not, ``missed``.
    """
    claims: dict[str, dict[str, list[str]]] = {}
    for mutant in planted():
        for claim, status in mutant["claims"].items():
            row = claims.setdefault(claim, {"killed": [], "missed": []})
            row["missed" if status == Outcome.PASS.value else "killed"].append(mutant["name"])
    return {
        "count": len(planted()),
        "by_tests": sum(mutant["killed_by_tests"] for mutant in planted()),
        "subjects": sum(bool(mutant["claims"]) for mutant in planted()),
        "by_claims": sum(bool(mutant["killed_by_claims"]) for mutant in planted()),
        "claims": dict(sorted(claims.items())),
    }


@cache
def smallest() -> Mapping[str, Mapping[str, Any]]:
    """Return what the hunter's claims keep of every optimizer: its front, or why there is none."""
    kept = resources.files("paper_checks").joinpath("hunter/data.json")
    found: dict[str, dict[str, Any]] = json.loads(kept.read_text())["fronts"]
    return found


@cache
def cards() -> Mapping[str, Any]:
    """Return the audits of optimizers of other libraries that are kept with the figures."""
    found: dict[str, Any] = json.loads(resources.files("figures").joinpath("audits.json").read_text())
    return found


def write_json(results: Sequence[Result], tier: str, path: Path, begin: float | None = None) -> None:
    """Write `document` to a file, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(results, tier, begin), indent=1, ensure_ascii=False))

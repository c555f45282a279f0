"""Claims: what a paper states, in our words, with a check that can fail."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any

from theory_sim.nouns import html, papers
from theory_sim.nouns.training import Source
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("exact", "upper", "lower", "tight", "region", "rate", "order", "weak")
CONSTANTS = ("read", "derived", "recalled", "none")


class Outcome(StrEnum):
    """The result of a check."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNDECIDED = "UNDECIDED"
    UNJUDGED = "UNJUDGED"  # not run: something that it needs is not installed


@dataclass(frozen=True)
class Evidence:
    """What a check saw.

    Parameters
    ----------
    status : Outcome
    observed, expected : float or str
        The decisive number and what it is compared with.
    margin : float
        Slack in the units of `observed`: >= 0 on PASS, negative on FAIL.
    note : str
        What was compared, on which instances.
    part : str
        Of evidence that consists of several parts, the note of the one that decides.
    """

    status: Outcome
    observed: float | str
    expected: float | str
    margin: float
    note: str = ""
    part: str = ""


def _evidence(observed: float, expected: float | str, margin: float, note: str) -> Evidence:
    # A comparison with NaN is False, so a NaN can never pass; nor can an infinite bound or observation.
    status = Outcome.PASS if 0.0 <= margin < math.inf else Outcome.FAIL
    return Evidence(status, observed, expected, margin, note)


def at_most(observed: float, bound: float, note: str = "") -> Evidence:
    """PASS iff observed <= bound."""
    return _evidence(float(observed), f"<= {bound:.6g}", float(bound) - float(observed), note)


def at_least(observed: float, bound: float, note: str = "") -> Evidence:
    """PASS iff observed >= bound."""
    return _evidence(float(observed), f">= {bound:.6g}", float(observed) - float(bound), note)


def within(observed: float, expected: float, tolerance: float, note: str = "") -> Evidence:
    """PASS iff |observed - expected| <= tolerance."""
    return _evidence(
        float(observed), float(expected), float(tolerance) - abs(float(observed) - float(expected)), note
    )


def undecided(observed: float | str, expected: float | str, note: str) -> Evidence:
    """Neither shown nor refuted; `note` says what would decide it."""
    return Evidence(Outcome.UNDECIDED, observed, expected, math.nan, note)


def unjudged(reason: str) -> Evidence:
    """Not run, for a reason that says nothing of the claim; `reason` says what would let it run."""
    return Evidence(Outcome.UNJUDGED, "not run", "a run", math.nan, reason)


def all_of(parts: Sequence[Evidence]) -> Evidence:
    """Combine evidence that must hold jointly: the worst part decides and is reported, with every note.

    FAIL is worse than UNDECIDED, which is worse than PASS; among equals the smallest margin relative to the
    size of its observation is the worst.
    """
    if not parts:
        raise ValueError("all_of() got no evidence; a claim without instances shows nothing.")
    rank = {Outcome.FAIL: 0, Outcome.UNDECIDED: 1, Outcome.UNJUDGED: 1, Outcome.PASS: 2}

    def tightness(part: Evidence) -> tuple[int, float]:
        size = (
            abs(part.observed) if isinstance(part.observed, float) and math.isfinite(part.observed) else 1.0
        )
        margin = part.margin / max(size, 1e-300)
        return rank[part.status], -math.inf if math.isnan(margin) else margin

    worst = min(parts, key=tightness)
    notes = "; ".join(dict.fromkeys(part.note for part in parts if part.note))
    part = worst.part or worst.note
    return Evidence(worst.status, worst.observed, worst.expected, worst.margin, notes, part)


def failed(error: Exception) -> Evidence:
    """FAIL because the check itself could not be computed."""
    message = " ".join(str(error).split())
    return Evidence(Outcome.FAIL, "no result", "a result", math.nan, f"{type(error).__name__}: {message}")


@dataclass(frozen=True, eq=False)
class Claim:
    """One statement of a paper and how it is checked.

    Parameters
    ----------
    id : str
        Short and stable, for instance ``"reddi2018.R1"``: paper key, dot, label.
    where : str
        Theorem, figure or section of the paper.
    statement : str
        In our words.
    kind : str
        One of `KINDS`; says what a PASS means: exact and tight compare equal, upper and lower bound, region
        is agreement of a map, rate an exponent in an interval, order "A beats B"; weak, that a wrong
        constant could pass too, for the reason that the ledger gives.
    check : callable
        ``check(grids, tier) -> Evidence``, with one Dataset per sweep.
    sweeps : tuple of Sweep or Training
        The data of the check; empty for a closed form.
    constants : {"read", "derived", "recalled", "none"}
        Where the numbers of the paper in it come from: read there, derived here, recalled without the text at
        hand; none if it has none.
    """

    id: str
    where: str
    statement: str
    kind: str
    check: Callable[[Sequence[xr.Dataset], str], Evidence]
    sweeps: tuple[Source, ...] = ()
    constants: str = "none"

    def __post_init__(self) -> None:
        checks.known("claim kind", self.kind, KINDS)
        checks.known("provenance of constants", self.constants, CONSTANTS)
        papers.check_id("claim", self.id)

    def __repr__(self) -> str:
        return f"Claim({self.id}: {self.statement})"

    def _repr_html_(self) -> str:
        return html.table(
            self.id,
            {
                "where": self.where,
                "statement": self.statement,
                "kind": self.kind,
                "constants": self.constants,
                "data": html.listed(sweep.name for sweep in self.sweeps),
            },
        )

    @property
    def paper(self) -> str:
        """Key of a paper: of `theory_sim.nouns.papers`, or of a module's own."""
        return self.id.split(".")[0]


def claim(
    id: str, where: str, kind: str, *sweeps: Source, constants: str = "none"
) -> Callable[[Callable[..., Evidence]], Claim]:
    """Turn a check into a `Claim`, whose statement is the check's docstring.

    The check takes one Dataset for each sweep, in order, and the keyword ``tier`` if it has a
    parameter of that name.

    Parameters
    ----------
    id, where, kind, *sweeps, constants
        Fields of `Claim`.

    Raises
    ------
    ValueError
        If the check has no docstring.

    Examples
    --------
    >>> @claim("reddi2018.R0", "Theorem 1", "exact")
    ... def the_sum_of_a_period_is_positive():
    ...     \"\"\"The three slopes of Theorem 1 sum to C - 2.\"\"\"
    ...     return within(3.0 - 1.0 - 1.0, 1.0, 0.0)
    """

    def decorate(function: Callable[..., Evidence]) -> Claim:
        statement = " ".join((inspect.getdoc(function) or "").split())
        if not statement:
            raise ValueError(
                f"{function.__name__} has no docstring; write the statement of claim {id} there."
            )
        wants_tier = "tier" in inspect.signature(function).parameters

        @wraps(function)  # whose source the report shows
        def check(grids: Sequence[xr.Dataset], tier: str) -> Evidence:
            return function(*grids, tier=tier) if wants_tier else function(*grids)

        return Claim(id, where, statement, kind, check, sweeps, constants)

    return decorate


@dataclass(frozen=True)
class Deviation:
    """A place where the paper's text and the computation differ, or where a setting had to be supplied.

    Parameters
    ----------
    paper : str
        Key of a paper: of `theory_sim.nouns.papers`, or of a module's own.
    where : str
        Theorem, figure or section.
    stated : str
        What the paper states or leaves open.
    run : str
        What is run here instead, and why.
    claims : tuple of str
        Claims that show it.
    """

    paper: str
    where: str
    stated: str
    run: str
    claims: tuple[str, ...] = ()


def ledger(paper: str, *rows: tuple[str, ...]) -> list[Deviation]:
    """Return the deviations of a paper from rows (where, stated, run, labels of claims such as "R1" ...)."""
    return [
        Deviation(paper, where, stated, run, tuple(f"{paper}.{label}" for label in labels))
        for where, stated, run, *labels in rows
    ]


def plain(value: Any) -> Any:
    """Return a value with every number that JSON cannot write replaced by None."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Result:
    """A claim, its evidence, and the seconds it took, with those sweeps that no earlier claim had run."""

    claim: Claim
    evidence: Evidence
    seconds: float

    def record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        claim, evidence = self.claim, self.evidence

        return {
            "id": claim.id,
            "paper": claim.paper,
            "where": claim.where,
            "statement": claim.statement,
            "kind": claim.kind,
            "constants": claim.constants,
            "status": evidence.status.value,
            "observed": plain(evidence.observed),
            "expected": plain(evidence.expected),
            "margin": plain(evidence.margin),
            "note": evidence.note,
            "part": evidence.part,
            "seconds": round(self.seconds, 3),
            "sweeps": [sweep.name for sweep in claim.sweeps],
        }

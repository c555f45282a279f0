"""Certificates of the hunter: what is claimed, in numbers that anyone can recompute.

A certificate holds integers, hyperparameters as decimal strings, and formulas.  `verify` takes nothing from it on
trust: the formulas are traced anew from the optimizer's rule, and the drift is enclosed anew in balls.  The file
`check.py` does the same with the standard library and shares no code with this.

Why the sign of D decides (linear losses on a box, cyclic order, steps lr t^-s, 0 < s <= 1): gradients do not
depend on x, so the state tends to its periodic orbit geometrically, from any start, and the signs and masks
there, being strict, are those of the orbit from some step on.  As lr_t / lr_(t+n) -> 1, a period away from the
walls moves x by -lr_t (D + o(1)).  If D < 0, x rises, for the steps have no finite sum, to within O(lr_t) of the
upper wall, and stays there; if the sum S of the gradients is positive, that is the worst point.  This is the
argument of `counterexamples.drift.certificate`, which needs of Adam nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from theory_sim.evidence.hunter import orbit
from theory_sim.evidence.hunter.check import PROVES
from theory_sim.evidence.hunter.steady import NoFormula, Steady, steady
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import checks

FORMAT = 1
CHECKER = Path(__file__).with_name("check.py")
_DECIMAL = re.compile(r"\d+(\.\d+)?(e-?\d{1,3})?")
_FIELDS = {"format", "class", "optimizer", "fixed", "hyper", "formulas", "digest", "gradients", "proves"}


class Refused(ValueError):
    """Why a certificate is not confirmed."""


def decimal(value: float) -> str:
    """Return the shortest decimal that gives a float >= 0 back, as an exact number."""
    text = repr(float(value)).removesuffix(".0")
    return text.replace("e-0", "e-").replace("e+", "e")


def settings(optimizer: Optimizer, system: Steady) -> dict[str, str]:
    """Return what the formulas depend on beside ``system.hyper``: variants, and hyperparameters at 0 or infinity."""
    words = {
        name: str(value).lower()
        for name, value in optimizer.arguments.items()
        if isinstance(value, str | bool)
    }
    words = {name: value for name, value in words.items() if name not in optimizer.initial and name != "m0"}
    rest = {name: decimal(value) for name, value in optimizer.hyper.items() if name not in system.hyper}
    return dict(sorted({**words, **rest}.items()))


def exact(system: Steady) -> dict[str, Fraction]:
    """Return the hyperparameters of a limit system as the decimals that they are written as."""
    return {name: Fraction(decimal(system.values[name])) for name in system.hyper}


def make(optimizer: Optimizer, name: str, system: Steady, gradients: Sequence[int]) -> dict[str, Any]:
    """Return the certificate of a counterexample.

    Parameters
    ----------
    optimizer : Optimizer
    name : str
        Its constructor in this suite, or ``path.py:name``.
    system : Steady
        Its limit system.
    gradients : sequence of int

    Raises
    ------
    Refused
        If the drift is not proved to have the wrong sign.
    """
    made: dict[str, Any] = {
        "format": FORMAT,
        "class": "periodic",
        "optimizer": name,
        "fixed": settings(optimizer, system),
        "hyper": {one: decimal(system.values[one]) for one in system.hyper},
        "formulas": system.formulas,
        "digest": "",
        "gradients": [int(one) for one in gradients],
        "proves": PROVES,
    }
    made["digest"] = _digest(made)
    _require_wrong(system, exact(system), made["gradients"])
    return made


def _digest(record: Mapping[str, Any]) -> str:
    said = json.dumps([record["optimizer"], record["fixed"], record["formulas"]])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _require_wrong(system: Steady, hyper: Mapping[str, Fraction], gradients: Sequence[int]) -> None:
    if not gradients or any(type(one) is not int for one in gradients) or sum(gradients) <= 0:
        raise Refused("the gradients are no integers with a positive sum")
    found = orbit.wrong(system, hyper, gradients)
    if not found:
        why = (
            "its sign cannot be decided, or a sign or mask may vanish" if found is None else "it is positive"
        )
        raise Refused(f"the drift is not proved to be negative: {why}")


def verify(record: Any, build: Callable[[str, Mapping[str, str]], Optimizer]) -> str:
    """Recompute a certificate and return what was found in one line.

    Parameters
    ----------
    record : dict
        What `json.load` gives.
    build : callable
        ``build(name, variants)`` returns the optimizer with this name.

    Raises
    ------
    Refused
        With the reason in one sentence.
    """
    if not isinstance(record, dict) or set(record) != _FIELDS:
        raise Refused("its fields are not those of a certificate of the class periodic")
    if (record["format"], record["class"], record["proves"]) != (FORMAT, "periodic", PROVES):
        raise Refused("its format, class or words are others")
    maps = [record[name] for name in ("fixed", "hyper", "formulas")]
    if not all(isinstance(one, dict) and all(isinstance(text, str) for text in one.values()) for one in maps):
        raise Refused("fixed, hyper and formulas have to map names to text")
    gradients = record["gradients"]
    if not isinstance(gradients, list) or not isinstance(record["optimizer"], str):
        raise Refused("the gradients are no list, or the optimizer is no name")
    if record["digest"] != _digest(record):
        raise Refused("the digest is not that of its optimizer, settings and formulas")
    if not all(_DECIMAL.fullmatch(text) for text in record["hyper"].values()):
        raise Refused("a hyperparameter is no decimal number >= 0")
    hyper = {name: Fraction(text) for name, text in record["hyper"].items()}
    for name, value in hyper.items():
        if name[:4] in ("beta", "mome") and value >= 1:
            raise Refused(f"{name} = {record['hyper'][name]} is a weight of 1 or more")
    system = _traced(record, hyper, build)
    if system.formulas != record["formulas"] or list(system.formulas) != list(record["formulas"]):
        raise Refused("its formulas are not those of the optimizer's rule")
    if set(system.hyper) != hyper.keys():
        raise Refused("its hyperparameters are not those of the formulas")
    _require_wrong(system, hyper, gradients)
    ball = orbit.drift(system, hyper, gradients)
    return f"S = {sum(gradients)} > 0 > D = {ball.str(12)}"


def _traced(
    record: Mapping[str, Any],
    hyper: Mapping[str, Fraction],
    build: Callable[[str, Mapping[str, str]], Optimizer],
) -> Steady:
    """Return the limit system of the optimizer that a certificate names."""
    fixed = record["fixed"]
    numbers = {name: float(text) for name, text in fixed.items() if _DECIMAL.fullmatch(text)}
    try:
        plain = build(
            record["optimizer"], {name: text for name, text in fixed.items() if name not in numbers}
        )
        given = {**{name: float(value) for name, value in hyper.items()}, **numbers}
        for name in given:
            checks.known(f"hyperparameter of {plain.name}", name, plain.hyper)
        made = replace(plain, hyper={**plain.hyper, **given})
        system = steady(made)
    except (NoFormula, TypeError, ValueError, OverflowError) as error:
        raise Refused(f"the optimizer cannot be built: {checks.sentence(error).rstrip('.')}") from None
    if settings(made, system) != fixed:
        raise Refused("its settings are not those of the optimizer")
    return system

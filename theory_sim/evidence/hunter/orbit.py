"""The drift of a limit system in balls: a proof of its sign, with every sign and mask decided near the steady state.

The start of every row is widened, so a comparison that is decided has the same outcome at all states near the
periodic orbit, and hence from some step on in every run: the state tends to the orbit from any start.  An
argument that is 0 at every state, such as m g with g = 0, is no obstacle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from theory_sim.evidence.hunter.formula import Formula
from theory_sim.evidence.hunter.steady import Steady
from theory_sim.exact import Undecidable, balls
from theory_sim.exact.arithmetic import Arithmetic, Number, module

MAX_BITS = 1024


@lru_cache(4096)
def _code(formula: Formula) -> Any:
    return compile(str(formula), "<formula>", "eval")


def _space(arithmetic: Arithmetic) -> dict[str, Any]:
    functions = {name: getattr(arithmetic.namespace["math"], name) for name in ("sqrt", "exp", "log", "tanh")}
    return {**functions, "max": arithmetic.greatest, "abs": abs, "__builtins__": {}}


def drift(system: Steady, hyper: Mapping[str, Fraction], gradients: Sequence[int], bits: int = 256) -> Any:
    """Enclose D, the sum of the updates over one period at the steady state.

    Parameters
    ----------
    system : Steady
        Without rows that forget nothing.
    hyper : mapping of str to Fraction
        Exact values of ``system.hyper``.
    gradients : sequence of int
    bits : int
        Working precision.

    Returns
    -------
    flint.arb

    Raises
    ------
    Undecidable
        If a row does not forget, a comparison is not decided near the steady state, or precision ran out.
    """
    arithmetic, arb = balls(bits), module("flint").arb
    with arithmetic.precision():
        wide = Number(arb(0, arb(2) ** -(bits // 2)), arithmetic)
        space = _space(arithmetic)
        known = {name: arithmetic.number(hyper[name]) for name in system.hyper}
        steps: list[dict[str, Any]] = [{**known, "g": arithmetic.number(g)} for g in gradients]

        def value(formula: Formula, at: Mapping[str, Any]) -> Any:
            return arithmetic.number(eval(_code(formula), space, dict(at)))

        for row in system.rows:
            pairs = [(value(row.a, at), value(row.b, at)) for at in steps]
            product, state = arithmetic.number(1), arithmetic.number(0)
            for a, b in pairs:  # a maximum that began at 0 is on its orbit after one period
                product, state = product * a, _after(row.kind, a, b, state, arithmetic)
            if not abs(product) < 1:
                raise Undecidable(f"{row.name} forgets nothing over a period.")
            state = (state if row.kind == "maximum" else state / (1 - product)) + wide
            for at, (a, b) in zip(steps, pairs, strict=True):
                at[row.name] = state
                state = _after(row.kind, a, b, state, arithmetic)
        total = arithmetic.number(0)
        for at in steps:
            total = total + value(system.update, at)
        if not total.raw.is_finite():
            raise Undecidable(f"D is {total.raw}: precision ran out.")
        return total.raw


def _after(kind: str, a: Any, b: Any, state: Any, arithmetic: Arithmetic) -> Any:
    return arithmetic.greatest(a * state, b) if kind == "maximum" else a * state + b


def wrong(system: Steady, hyper: Mapping[str, Fraction], gradients: Sequence[int]) -> bool | None:
    """Return whether D < 0 is proved (True) or refuted; None if the sign cannot be decided."""
    bits = 192
    while bits <= MAX_BITS:
        try:
            found = drift(system, hyper, gradients, bits)
        except (Undecidable, ZeroDivisionError):
            pass
        else:
            if found < 0 or found > 0 or found == 0:
                return bool(found < 0)
        bits *= 2
    return None

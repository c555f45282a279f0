"""What a rule returns, tried on plain numbers before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence

from theory_sim.rules import checks
from theory_sim.rules.language import Rule, names, opcodes, require_calls
from theory_sim.rules.whole import require_bounded

_PROBES = (0.5, 2.0, 1.0, 0.0)
_INTEGERS = {"t": 1, "index": 0, "i": 0, "j": 0, "d": 2, "workers": 1}


def results(rule: Rule, owner: str) -> int:
    """Return how many numbers a rule returns, from calls with plain numbers.

    Raises
    ------
    ValueError
        If it cannot be called, or returns something that is no real number.
    """
    require_calls(rule, f"Rule {rule.__name__} of {owner}")
    for name, value in opcodes(rule):
        if name == "RAISE_VARARGS" or (name in ("LOAD_CONST", "RETURN_CONST") and value is None):
            what = "raises an exception" if name == "RAISE_VARARGS" else "uses or returns None"
            raise ValueError(
                f"Rule {rule.__name__} of {owner} {what} on some branch; it must return numbers on all of them."
            )
        if name == "LOAD_CONST" and type(value) is int and not -(2**63) <= value < 2**63:
            raise ValueError(
                f"Rule {rule.__name__} of {owner} has the integer {checks.shown(value)}, beyond 64 bits; "
                "write it as a float."
            )
    failure: Exception | None = None
    for probe in _PROBES:
        given = [_INTEGERS.get(name, probe) for name in names(rule)]
        try:
            value = rule(*given)
        except (ArithmeticError, ValueError) as error:  # outside the domain of a function: try other numbers
            failure = error
            continue
        except Exception as error:
            raise ValueError(f"Rule {rule.__name__} of {owner} cannot be called: {error}.") from error
        many = value if isinstance(value, tuple) else (value,)
        for one in many:
            if isinstance(one, complex) or not hasattr(one, "__float__"):
                raise ValueError(
                    f"Rule {rule.__name__} of {owner} returns {one!r}; it must return real numbers."
                )
        return len(many)
    raise ValueError(f"Rule {rule.__name__} of {owner} fails for every number tried: {failure}.")


def require_results(rule: Rule, expected: Sequence[str], owner: str) -> None:
    """Raise ValueError unless a rule returns one number for each expected name."""
    found = results(rule, owner)
    require_bounded(rule, owner)
    if found != len(expected):
        raise ValueError(
            f"Rule {rule.__name__} of {owner} returns {found} number{'s' * (found != 1)}; "
            f"it must return {len(expected)}: {', '.join(expected)}."
        )

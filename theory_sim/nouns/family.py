"""Constructors of nouns: a family lists its parameters once, in its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from theory_sim import checks

P = ParamSpec("P")
Noun = TypeVar("Noun")


def family(constructor: Callable[P, Noun]) -> Callable[P, Noun]:
    """Let what a constructor builds know its ``family`` and its ``arguments``, so that it can be built again.

    Raises
    ------
    TypeError
        When the constructor is called with a parameter that it does not have, or without one that it needs.
    """
    signature = inspect.signature(constructor)

    @wraps(constructor)
    def build(*args: P.args, **kwargs: P.kwargs) -> Noun:
        for name in kwargs:
            if name not in signature.parameters:
                hint = checks.suggestion(name, signature.parameters)
                raise TypeError(f"{constructor.__name__}() has no parameter {name!r}: {hint}")
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        try:
            made = constructor(*args, **kwargs)
        except ArithmeticError as error:
            given = ", ".join(f"{name}={checks.shown(value)}" for name, value in bound.arguments.items())
            raise ValueError(
                f"{constructor.__name__}({given}) has values beyond float64: {error}."
            ) from error
        arguments: dict[str, Any] = dict(bound.arguments)
        object.__setattr__(made, "family", build)
        object.__setattr__(made, "arguments", arguments)
        return made

    return build

"""Constructors of nouns: a family lists its parameters once, in its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from theory_sim.rules import checks
from theory_sim.rules.digest import digest

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
    defaults: dict[str, Any] = {name: one.default for name, one in signature.parameters.items()}

    @wraps(constructor)
    def build(*args: P.args, **kwargs: P.kwargs) -> Noun:
        for name in kwargs:
            if name not in signature.parameters:
                hint = checks.suggestion(name, signature.parameters)
                raise TypeError(f"{constructor.__name__}() has no parameter {name!r}: {hint}")
        # Sweeps build an optimizer for every value of an axis, so only what is given by position is bound.
        given = {**signature.bind_partial(*args).arguments, **kwargs} if args else kwargs
        arguments = {name: given.get(name, default) for name, default in defaults.items()}
        try:
            made = constructor(*args, **kwargs)
        except ArithmeticError as error:
            shown = ", ".join(f"{name}={checks.shown(value)}" for name, value in arguments.items())
            raise ValueError(
                f"{constructor.__name__}({shown}) has values beyond float64: {error}."
            ) from error
        object.__setattr__(made, "family", build)
        object.__setattr__(made, "arguments", arguments)
        object.__setattr__(made, "_by_hand", {})
        return made

    return build


def rebuilt(
    noun: Any, changes: Mapping[str, Any], kept: Collection[str] = (), given: Collection[str] = ()
) -> Any:
    """Return what a family builds with other arguments, and with what was replaced by hand in a noun.

    Parameters
    ----------
    noun : dataclass
        What a family built; `dataclasses.replace` may have been used on it since.
    changes : mapping
        The other arguments.
    kept : collection of str
        Fields that stay as they were replaced, whatever else the arguments change.
    given : collection of str
        Fields that the other arguments give anew.

    Raises
    ------
    ValueError
        If the other arguments change what was replaced by hand.
    """
    made = noun.family(**{**noun.arguments, **changes})
    own = {}
    for (field, key), (before, value) in by_hand(noun).items():
        if {field, key} & changes.keys() or field in given:
            continue
        now = _part(made, field, key)
        stands = field in kept or value is _ABSENT or _same(now, before) or _same(now, value)
        if not stands:
            what = field if key is None else f"{field}[{key!r}]"
            raise ValueError(
                f"{what} of {noun.name} was replaced by hand, and {', '.join(changes)} would change it too; give it "
                "to the constructor instead."
            )
        if key is None:
            own[field] = value
        else:
            whole = {**own.get(field, getattr(made, field)), key: value}
            own[field] = {name: one for name, one in whole.items() if one is not _ABSENT}
    return replace(made, **own) if own else made


_ABSENT = object()


def _part(noun: Any, field: str, key: Any) -> Any:
    """Return a field, or an entry of one that is a mapping."""
    value = getattr(noun, field)
    return value if key is None else value.get(key, _ABSENT)


def _same(a: Any, b: Any) -> bool:
    """Return whether two values mean the same: rules by their code, for a constructor may make them anew."""
    if a is b or type(a) is not type(b):
        return a is b
    if inspect.isfunction(a):
        return digest(a) == digest(b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if is_dataclass(a):
        names = ("family", "arguments") if getattr(a, "arguments", None) else [one.name for one in fields(a)]
        return all(_same(getattr(a, name), getattr(b, name)) for name in names)
    return bool(a == b)


def by_hand(noun: Any) -> dict[tuple[str, Any], tuple[Any, Any]]:
    """Return what was replaced since a family built a noun: (field, key of a mapping) -> before, now."""
    if "_by_hand" not in noun.__dict__:
        plain, found = noun.family(**noun.arguments), {}
        for field in {one.name for one in fields(noun)} - {"family", "arguments"}:
            one, other = getattr(plain, field), getattr(noun, field)
            maps = isinstance(one, Mapping) and isinstance(other, Mapping)
            for key in [*{**one, **other}] if maps else [None]:
                before, value = _part(plain, field, key), _part(noun, field, key)
                if not _same(before, value):
                    found[field, key] = before, value
        object.__setattr__(noun, "_by_hand", found)
    known: dict[tuple[str, Any], tuple[Any, Any]] = noun.__dict__["_by_hand"]
    return known

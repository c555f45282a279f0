"""Claims and theorems of the papers: a module for each paper, or a package with a module for each part of it.

A module lists its ``CLAIMS``, its ledger ``DEVIATIONS``, or its ``THEOREMS``.
"""

from importlib import import_module
from typing import Any

_LISTS = {"CLAIMS": "claim_list", "DEVIATIONS": "claim_list", "THEOREMS": "theorem_list"}


def __getattr__(name: str) -> Any:
    """Return a list of all papers, imported when it is asked for: theorems alone take a quarter of the time."""
    if name not in _LISTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LISTS[name]}"), name)

"""Raw kernels are tried before they are compiled: an index out of range is a sentence, never a wrong number."""

from __future__ import annotations

from typing import Any


def require(problem: Any, optimizer: Any, tile: Any) -> None:
    """Raise ValueError if a kernel written by hand reads or writes outside its arrays."""

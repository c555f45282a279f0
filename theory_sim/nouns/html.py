"""What a notebook shows of a noun: its name and a table, in HTML; everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any


def listed(values: Mapping[str, Any] | Iterable[Any]) -> str:
    """Return ``a = 1, b = 2`` for a mapping, ``a, b`` for names."""
    if isinstance(values, Mapping):
        return ", ".join(f"{name} = {value}" for name, value in values.items())
    return ", ".join(map(str, values))


def table(title: str, rows: Mapping[str, Any]) -> str:
    """Return a caption and a row for each entry that is not empty."""
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left;white-space:pre-wrap">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
        if value is not None and str(value) != ""
    )
    caption = f'<caption style="text-align:left"><code>{escape(title)}</code></caption>'
    return f"<table>{caption}{cells}</table>"

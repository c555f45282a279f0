"""Tables and progress on the terminal."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

STATUS_STYLE = {
    **dict.fromkeys(("PASS", "HOLDS"), "bold green"),
    **dict.fromkeys(("FAIL", "FAILS"), "bold red"),
    "UNDECIDED": "bold yellow",
}
_PATIENCE, _REDRAW, _LOG = 2.0, 0.1, 10.0  # seconds before the line appears, and between two of them


def console() -> Console:
    """Return a console that keeps whole tables readable when the output is a file."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=160)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; cells that are a status are coloured."""
    table = Table(title=title or None, title_justify="left", header_style="bold", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell), style=STATUS_STYLE.get(str(cell), "")) for cell in row))
    console().print(table)


def number(value: Any) -> str:
    """Format an observation: six significant digits, text as it is, nothing for None."""
    return "" if value is None else value if isinstance(value, str) else f"{value:.6g}"


def point(value: Any) -> str:
    """Format an end point: a number, or the first three of several and how many there are."""
    if not isinstance(value, list):
        return number(value)
    shown = ", ".join(map(number, value[:3]))
    return shown if len(value) <= 3 else f"{shown}, ... ({len(value)})"


class Progress:
    """One line on standard error for work that takes more than two seconds; a context manager.

    On a terminal the line is written over; elsewhere, such as in a log, a new one appears every ten seconds.
    """

    def __init__(self) -> None:
        self._shown = self._begin = time.monotonic()
        self._first: tuple[float, float] | None = None  # when the first share was told, and which

    def __enter__(self) -> Self:
        return self

    def __call__(self, text: str, share: float) -> None:
        """Show what is being done and, from the finished share of the work, how long the rest takes."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        since, start = self._first = self._first or (now, share)
        if now - self._begin < _PATIENCE or now - self._shown < (_REDRAW if terminal else _LOG):
            return
        self._shown = now
        left = (now - since) * (1.0 - share) / (share - start) if share > start else math.inf
        line = f"{text}, {duration(left)} left" if math.isfinite(left) else text
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\033[K{line[:width]}" if terminal else f"{line}\n")
        sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.stderr.isatty() and self._shown > self._begin:
            sys.stderr.write("\r\033[K")


def duration(seconds: float) -> str:
    """Format seconds: 40 s, 12 min, 3.5 h."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 6000.0 else f"{seconds / 3600.0:.3g} h"

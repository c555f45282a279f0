"""Tables and progress on the terminal."""

from __future__ import annotations

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
_PATIENCE = 2.0  # seconds before a progress bar appears


def console() -> Console:
    """Return a console that keeps whole tables readable when the output is a file."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=160)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; cells that are a status are coloured."""
    table = Table(title=title, title_justify="left", header_style="bold", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell), style=STATUS_STYLE.get(str(cell), "")) for cell in row))
    console().print(table)


def number(value: Any) -> str:
    """Format an observation: six significant digits, text as it is, nothing for None."""
    return "" if value is None else value if isinstance(value, str) else f"{value:.6g}"


class Progress:
    """A progress bar on standard error for work that takes more than two seconds; a context manager."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, name: str, share: float) -> None:
        """Show that a share of the work called `name` is done."""
        if self._bar is None:
            if time.monotonic() - self._begin < _PATIENCE:
                return
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:3.0f} %"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(name, total=1.0)
        self._bar.update(self._task, description=name, completed=share)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

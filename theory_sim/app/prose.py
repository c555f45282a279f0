"""Text for the terminal: paragraphs that are filled, and docstrings in numpydoc's form without its markup."""

from __future__ import annotations

import re
import shutil
import textwrap

_WIDEST = 100


def wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Return each line of a text, filled to the width of the terminal, at most 100 characters.

    Parameters
    ----------
    text : str
    first, rest : str
        What the first line of each, and its others, begin with.
    """
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    return "\n".join(
        textwrap.fill(
            line,
            width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


def formatted(docstring: str) -> str:
    """Return a numpydoc docstring as plain text: headings without a rule, paragraphs filled, no backticks."""
    text = re.sub(r"``(.+?)``|`(.+?)`", lambda found: found[1] or found[2], docstring)
    text = re.sub(r"^([A-Z][\w ]*)\n-{3,}$", r"\1:", text, flags=re.MULTILINE)
    paragraphs: list[tuple[str, str]] = []  # indent, text
    joins = False
    for line in text.split("\n"):
        bare = line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        # A parameter is a line of its own; so is whatever follows a heading, a blank line or a change of indent.
        alone = not bare or bool(re.fullmatch(r"[A-Z][\w ]*:", bare)) or bool(re.match(r"[\w*, ]+ : ", bare))
        alone = alone or bare.startswith((">>>", "..."))
        if joins and not alone and paragraphs and paragraphs[-1][0] == indent:
            paragraphs[-1] = (indent, f"{paragraphs[-1][1]} {bare}")
        else:
            paragraphs.append((indent, bare))
        joins = not alone
    return "\n".join(wrapped(one, indent, indent) for indent, one in paragraphs)

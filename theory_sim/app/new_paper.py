"""A folder to begin with: a module with one claim and one figure, its test, and a workflow that runs both."""

from __future__ import annotations

import datetime
import json
import keyword
import re
import sys
from importlib import resources, util
from pathlib import Path

from theory_sim.nouns.papers import PAPERS

_OURS = ("theory_sim", "counterexamples", "paper_checks", "figures")
_KEY = "mine2026"  # what the templates are written for
_FILES = {
    "module.txt": "{key}.py",
    "test.txt": "test_{key}.py",
    "workflow.txt": ".github/workflows/claims.yml",
    "pyproject.txt": "pyproject.toml",
    "readme.txt": "README.md",
    "gitignore.txt": ".gitignore",
}


def write(key: str, title: str, folder: Path) -> list[Path]:
    """Write the folder of a paper.

    Parameters
    ----------
    key : str
        Of the paper, and the name of its module: lower-case letters, digits and _.
    title : str
    folder : Path
        Created; may exist if it is empty.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ValueError
        If the key cannot be the name of a module or is taken, or the folder is not empty.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", key) or keyword.iskeyword(key):
        raise ValueError(
            f"KEY = {key!r} must be lower-case letters, digits and _, begin with a letter and be no word of "
            "Python's, such as author2026."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty; remove it, or choose another place with --out.")
    found = util.find_spec(key)  # a module of the same name would hide the one that others import
    if key in PAPERS or key in sys.stdlib_module_names or key in _OURS or (found and found.origin):
        raise ValueError(f"KEY = {key!r} is taken by a paper or a module; choose another, such as {key}_own.")
    written = []
    for template, name in _FILES.items():
        text = resources.files("theory_sim.app").joinpath("templates/new_paper", template).read_text()
        text = text.replace(_KEY, key).replace("=YEAR", f"={datetime.date.today().year}")
        text = text.replace('"TITLE"', json.dumps(title, ensure_ascii=False))
        path = folder / name.format(key=key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)
    return written

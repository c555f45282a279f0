"""What reproduce has found a moment ago, which need not be found again."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("theory_sim", "counterexamples", "paper_checks", "figures")


def statuses(out: Path, root: Path = ROOT) -> dict[str, str]:
    """Return the status of every claim, by id.

    Parameters
    ----------
    out : Path
        What `theory-sim reproduce --tier quick` has written.
    root : Path
        The folder of the packages.

    Raises
    ------
    ValueError
        If nothing is there, it is of the other tier, or a file of the packages has changed since.
    """
    again = "run `theory-sim reproduce --tier quick` again, or leave --reproduced out"
    file = out / "claims.json"
    if not file.exists():
        raise ValueError(f"{file} is not there; {again}.")
    found = json.loads(file.read_text())
    if found["tier"] != "quick":
        raise ValueError(f"{file} is of the tier {found['tier']}; {again}.")
    begun = file.stat().st_mtime - found["seconds"]
    for path in (path for name in PACKAGES for path in (root / name).rglob("*.py")):
        if path.stat().st_mtime > begun:
            raise ValueError(f"{path.relative_to(root)} has changed since {file} was made; {again}.")
    return {one["id"]: one["status"] for one in found["claims"]}

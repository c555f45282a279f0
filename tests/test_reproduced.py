"""Statuses that reproduce has found are taken over only where nothing has changed since."""

import json
import os
from pathlib import Path

import pytest

from tests.reproduced import statuses


def write(root: Path, tier: str = "quick") -> Path:
    """Write a suite of one file, of time 1000, and what reproduce found in the 50 s up to time 2000."""
    source, out = root / "theory_sim" / "one.py", root / "out"
    for folder in (source.parent, out):
        folder.mkdir()
    source.write_text("")
    os.utime(source, (1000.0, 1000.0))
    claims = [{"id": "a.1", "status": "PASS"}, {"id": "a.2", "status": "UNDECIDED"}]
    (out / "claims.json").write_text(json.dumps({"tier": tier, "seconds": 50.0, "claims": claims}))
    os.utime(out / "claims.json", (2000.0, 2000.0))
    return out


def test_every_claim_has_its_status(tmp_path: Path) -> None:
    assert statuses(write(tmp_path), tmp_path) == {"a.1": "PASS", "a.2": "UNDECIDED"}


def test_a_file_that_changed_during_or_after_the_run_is_named(tmp_path: Path) -> None:
    out = write(tmp_path)
    os.utime(tmp_path / "theory_sim" / "one.py", (1949.0, 1949.0))
    statuses(out, tmp_path)
    os.utime(tmp_path / "theory_sim" / "one.py", (1951.0, 1951.0))
    with pytest.raises(
        ValueError, match=r"theory_sim/one.py has changed since .*; run `theory-sim reproduce"
    ):
        statuses(out, tmp_path)


def test_what_is_not_there_or_of_the_full_tier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"claims.json is not there; run"):
        statuses(tmp_path / "out", tmp_path)
    with pytest.raises(ValueError, match=r"is of the tier full"):
        statuses(write(tmp_path, "full"), tmp_path)

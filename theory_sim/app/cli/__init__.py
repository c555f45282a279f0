"""The command line, ``theory-sim``."""

from theory_sim.app.cli import (
    audit,
    browse,
    distributed,
    doctor,
    errata,
    explain,
    hunt,
    networks,
    own,
    proofs,
    store,
    work,
)
from theory_sim.app.cli.group import main

__all__ = [
    "audit",
    "browse",
    "distributed",
    "doctor",
    "errata",
    "explain",
    "hunt",
    "main",
    "networks",
    "own",
    "proofs",
    "store",
    "work",
]

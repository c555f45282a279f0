"""The command line, ``theory-sim``."""

from theory_sim.app.cli import audit, browse, distributed, hunt, proofs, work
from theory_sim.app.cli.group import main

__all__ = ["audit", "browse", "distributed", "hunt", "main", "proofs", "work"]

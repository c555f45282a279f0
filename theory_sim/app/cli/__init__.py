"""The command line, ``theory-sim``."""

from theory_sim.app.cli import audit, browse, distributed, hunt, networks, proofs, work
from theory_sim.app.cli.group import main

__all__ = ["audit", "browse", "distributed", "hunt", "main", "networks", "proofs", "work"]

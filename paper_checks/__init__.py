"""Claims of the papers, one module per paper (two where one would be too long), each with its ledger of deviations."""

from paper_checks import reddi2018, reddi2018_experiment, zhang2022, zhang2026

_MODULES = (reddi2018, reddi2018_experiment, zhang2022, zhang2026)

CLAIMS = [claim for module in _MODULES for claim in module.CLAIMS]
DEVIATIONS = [row for module in _MODULES for row in module.DEVIATIONS]

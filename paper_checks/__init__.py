"""Claims of the papers, one module per paper (two where one would be too long), each with its ledger of deviations."""

from paper_checks import (
    chen2022,
    reddi2018,
    reddi2018_experiment,
    shi2021,
    zhang2022,
    zhang2026,
    zou2019,
)

_MODULES = (reddi2018, reddi2018_experiment, shi2021, zhang2022, zhang2026, zou2019, chen2022)

CLAIMS = [claim for module in _MODULES for claim in module.CLAIMS]
DEVIATIONS = [row for module in _MODULES for row in module.DEVIATIONS]

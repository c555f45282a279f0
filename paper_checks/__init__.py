"""Claims of the papers, one module per paper (two where one would be too long), each with its ledger of deviations."""

from paper_checks import (
    chen2022,
    chen2023lion,
    chen2023lionk,
    crawshaw2022,
    defossez2022,
    dereich2024,
    orvieto2025,
    reddi2018,
    reddi2018_experiment,
    shi2021,
    sun2023,
    taniguchi2024,
    wang2022,
    wang2022divergence,
    wang2024separability,
    wang2024separability_stochastic,
    wang2024separability_variations,
    zhang2020clipping,
    zhang2022,
    zhang2026,
    zou2019,
)

_MODULES = (
    reddi2018,
    reddi2018_experiment,
    zou2019,
    shi2021,
    chen2022,
    zhang2022,
    zhang2026,
    defossez2022,
    wang2022divergence,
    dereich2024,
    taniguchi2024,
    orvieto2025,
    zhang2020clipping,
    wang2022,
    wang2024separability,
    wang2024separability_variations,
    wang2024separability_stochastic,
    sun2023,
    crawshaw2022,
    chen2023lion,
    chen2023lionk,
)

CLAIMS = [claim for module in _MODULES for claim in module.CLAIMS]
DEVIATIONS = [row for module in _MODULES for row in module.DEVIATIONS]

"""Claims and theorems of the papers: a module for each paper, or a package with a module for each part of it.

A module lists its ``CLAIMS``, its ledger ``DEVIATIONS``, or its ``THEOREMS``.
"""

from paper_checks import (
    bernstein2018,
    chen2022,
    chen2023lion,
    chen2023lionk,
    choco2019,
    compams2022,
    compression_bounds,
    crawshaw2022,
    dereich2024,
    dettmers2022,
    ef21,
    he2024golore,
    jordan2024muon,
    karimireddy2019,
    liu2025cosmos,
    malladi2023,
    onebitadam2021,
    orvieto2025,
    pan2024lisa,
    sun2023,
    taniguchi2024,
    vyas2024soap,
    wang2022,
    wang2022divergence,
    you2020lamb,
    zhang2020clipping,
    zhang2026,
    zhao2024galore,
)
from paper_checks.defossez2022 import claims as defossez2022
from paper_checks.defossez2022 import theorems as of_defossez2022
from paper_checks.efficientadam2023 import quantizers, speed
from paper_checks.hunter import claims as hunter
from paper_checks.hunter import cycles
from paper_checks.networks import curvature, messages, phase, transformers
from paper_checks.qadam2021 import bias, constants, feedback
from paper_checks.reddi2018 import experiment, theory
from paper_checks.reddi2018 import theorems as of_reddi2018
from paper_checks.shi2021 import claims as shi2021
from paper_checks.shi2021 import theorems as of_shi2021
from paper_checks.theorems import clipping, compression, momentum, sign
from paper_checks.wang2024separability import deterministic, stochastic, variations
from paper_checks.zhang2022 import claims as zhang2022
from paper_checks.zhang2022 import theorems as of_zhang2022
from paper_checks.zhang2022 import verdicts
from paper_checks.zou2019 import claims as zou2019
from paper_checks.zou2019 import theorems as of_zou2019

_CLAIMS = (
    *(theory, experiment, zou2019, shi2021, chen2022, zhang2022, verdicts, zhang2026, defossez2022),
    *(wang2022divergence, dereich2024, taniguchi2024, orvieto2025, zhang2020clipping, wang2022),
    *(deterministic, variations, stochastic, bernstein2018, karimireddy2019, sun2023, crawshaw2022),
    *(chen2023lion, chen2023lionk, constants, bias, feedback, quantizers, speed, compression_bounds),
    *(compams2022, onebitadam2021, ef21, choco2019, dettmers2022, hunter, cycles),
    *(phase, transformers, curvature, messages),
    *(you2020lamb, pan2024lisa, malladi2023),
    *(zhao2024galore, he2024golore, jordan2024muon, vyas2024soap, liu2025cosmos),
)
_THEOREMS = (
    *(of_reddi2018, of_shi2021, of_zou2019, of_zhang2022, of_defossez2022),
    *(momentum, clipping, sign, compression),
    *(you2020lamb, malladi2023, zhao2024galore, jordan2024muon),
)

CLAIMS = [claim for module in _CLAIMS for claim in module.CLAIMS]
DEVIATIONS = [row for module in _CLAIMS for row in module.DEVIATIONS]
THEOREMS = [theorem for module in _THEOREMS for theorem in module.THEOREMS]

"""The claims and the ledgers of all papers, in the order in which they are shown."""

from paper_checks import (
    annealing2024,
    bernstein2018,
    bilevel,
    chen2022,
    chen2023lion,
    chen2023lionk,
    chen2024mofo,
    choco2019,
    compams2022,
    compression_bounds,
    crawshaw2022,
    dereich2024,
    dettmers2022,
    ef21,
    estimators,
    fedhyper,
    he2024golore,
    in_context,
    infinite2025,
    jordan2024muon,
    karimireddy2019,
    learning_rate_free,
    linear_programmes,
    liu2025cosmos,
    malladi2023,
    normalization,
    onebitadam2021,
    orvieto2025,
    pan2024lisa,
    power2024,
    rex2021,
    sun2023,
    taniguchi2024,
    vyas2024soap,
    wang2022,
    wang2022divergence,
    you2020lamb,
    zhang2020clipping,
    zhang2024mini,
    zhang2024transformers,
    zhang2026,
    zhao2024galore,
)
from paper_checks.defazio2023 import claims as defazio2023
from paper_checks.defossez2022 import claims as defossez2022
from paper_checks.efficientadam2023 import quantizers, speed
from paper_checks.hunter import claims as hunter
from paper_checks.hunter import cycles
from paper_checks.networks import curvature, messages, phase, transformers
from paper_checks.qadam2021 import bias, constants, feedback
from paper_checks.reddi2018 import experiment, theory
from paper_checks.results import RESULTS
from paper_checks.shi2021 import claims as shi2021
from paper_checks.tyurin2024 import claims as tyurin2024
from paper_checks.wang2024separability import deterministic, stochastic, variations
from paper_checks.zhang2022 import claims as zhang2022
from paper_checks.zhang2022 import verdicts
from paper_checks.zou2019 import claims as zou2019

_MODULES = (
    *(theory, experiment, zou2019, shi2021, chen2022, zhang2022, verdicts, zhang2026, defossez2022),
    *(wang2022divergence, dereich2024, taniguchi2024, orvieto2025, zhang2020clipping, wang2022),
    *(deterministic, variations, stochastic, bernstein2018, karimireddy2019, sun2023, crawshaw2022),
    *(chen2023lion, chen2023lionk, constants, bias, feedback, quantizers, speed, compression_bounds),
    *(compams2022, onebitadam2021, ef21, choco2019, dettmers2022, hunter, cycles),
    *RESULTS,
    *(phase, transformers, curvature, messages),
    *(defazio2023, rex2021, power2024, infinite2025, annealing2024, tyurin2024),
    *(learning_rate_free, fedhyper, bilevel, normalization, linear_programmes, in_context, estimators),
    *(you2020lamb, pan2024lisa, malladi2023),
    *(zhang2024transformers, zhang2024mini, chen2024mofo),
    *(zhao2024galore, he2024golore, jordan2024muon, vyas2024soap, liu2025cosmos),
)

CLAIMS = [claim for module in _MODULES for claim in module.CLAIMS]
DEVIATIONS = [row for module in _MODULES for row in module.DEVIATIONS]

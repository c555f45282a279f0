"""Claims and theorems of the papers: a module for each paper, or a package with a module for each part of it.

A module lists its ``CLAIMS``, its ledger ``DEVIATIONS``, or its ``THEOREMS``.
"""

from paper_checks import (
    ahn2024,
    alacaoglu2020,
    annealing2024,
    bernstein2018,
    bernstein2019,
    bilevel,
    chen2019,
    chen2020clipping,
    chen2020vote,
    chen2022,
    chen2023lion,
    chen2023lionk,
    chen2024mofo,
    choco2019,
    compams2022,
    compression_bounds,
    crawshaw2022,
    cutkosky2020,
    dereich2024,
    dettmers2022,
    ef21,
    estimators,
    fatkhullin2023,
    fedhyper,
    he2024golore,
    in_context,
    infinite2025,
    jordan2024muon,
    karimireddy2019,
    kingma2015,
    learning_rate_free,
    linear_programmes,
    liu2025cosmos,
    malladi2023,
    mishchenko2019,
    normalization,
    onebitadam2021,
    orvieto2025,
    pan2024lisa,
    power2024,
    powersgd2019,
    rex2021,
    savarese2019,
    sun2023,
    taniguchi2024,
    vyas2024soap,
    wang2022,
    wang2022divergence,
    xie2024adamw,
    you2020lamb,
    zaheer2018,
    zhang2020clipping,
    zhang2020heavy,
    zhang2024mini,
    zhang2024transformers,
    zhang2026,
    zhao2024galore,
    zhou2019,
)
from paper_checks.defazio2023 import claims as defazio2023
from paper_checks.defazio2023 import theorems as of_defazio2023
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
from paper_checks.theorems import clipping, compression, momentum, recursions, sign
from paper_checks.theorems import learning_rate_free as of_learning_rate_free
from paper_checks.tyurin2024 import claims as tyurin2024
from paper_checks.tyurin2024 import theorems as of_tyurin2024
from paper_checks.wang2024separability import deterministic, stochastic, variations
from paper_checks.zhang2022 import claims as zhang2022
from paper_checks.zhang2022 import theorems as of_zhang2022
from paper_checks.zhang2022 import verdicts
from paper_checks.zou2019 import claims as zou2019
from paper_checks.zou2019 import theorems as of_zou2019

# Results on Adam, momentum, votes and compressed messages, each a module with its theorem.
_RESULTS = (
    *(kingma2015, zaheer2018, chen2019, alacaoglu2020, zhou2019, savarese2019, xie2024adamw, ahn2024),
    *(cutkosky2020, zhang2020heavy, chen2020clipping, bernstein2019, chen2020vote),
    *(fatkhullin2023, mishchenko2019, powersgd2019),
)
_CLAIMS = (
    *(theory, experiment, zou2019, shi2021, chen2022, zhang2022, verdicts, zhang2026, defossez2022),
    *(wang2022divergence, dereich2024, taniguchi2024, orvieto2025, zhang2020clipping, wang2022),
    *(deterministic, variations, stochastic, bernstein2018, karimireddy2019, sun2023, crawshaw2022),
    *(chen2023lion, chen2023lionk, constants, bias, feedback, quantizers, speed, compression_bounds),
    *(compams2022, onebitadam2021, ef21, choco2019, dettmers2022, hunter, cycles),
    *_RESULTS,
    *(phase, transformers, curvature, messages),
    *(defazio2023, rex2021, power2024, infinite2025, annealing2024, tyurin2024),
    *(learning_rate_free, fedhyper, bilevel, normalization, linear_programmes, in_context, estimators),
    *(you2020lamb, pan2024lisa, malladi2023),
    *(zhang2024transformers, zhang2024mini, chen2024mofo),
    *(zhao2024galore, he2024golore, jordan2024muon, vyas2024soap, liu2025cosmos),
)
_THEOREMS = (
    *(of_reddi2018, of_shi2021, of_zou2019, of_zhang2022, of_defossez2022),
    *(momentum, clipping, sign, compression),
    *(of_defazio2023, of_tyurin2024),
    *(of_learning_rate_free, recursions),
    *(you2020lamb, malladi2023, zhao2024galore, he2024golore, jordan2024muon),
    *(zhang2024transformers,),
    *_RESULTS,
)

CLAIMS = [claim for module in _CLAIMS for claim in module.CLAIMS]
DEVIATIONS = [row for module in _CLAIMS for row in module.DEVIATIONS]
THEOREMS = [theorem for module in _THEOREMS for theorem in module.THEOREMS]

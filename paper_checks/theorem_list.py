"""The theorems of all papers, in the order in which they are shown."""

from paper_checks import (
    he2024golore,
    jordan2024muon,
    malladi2023,
    you2020lamb,
    zhang2024transformers,
    zhao2024galore,
)
from paper_checks.defazio2023 import theorems as of_defazio2023
from paper_checks.defossez2022 import theorems as of_defossez2022
from paper_checks.reddi2018 import theorems as of_reddi2018
from paper_checks.results import RESULTS
from paper_checks.shi2021 import theorems as of_shi2021
from paper_checks.theorems import clipping, compression, momentum, recursions, sign
from paper_checks.theorems import learning_rate_free as of_learning_rate_free
from paper_checks.tyurin2024 import theorems as of_tyurin2024
from paper_checks.zhang2022 import theorems as of_zhang2022
from paper_checks.zou2019 import theorems as of_zou2019

_MODULES = (
    *(of_reddi2018, of_shi2021, of_zou2019, of_zhang2022, of_defossez2022),
    *(momentum, clipping, sign, compression),
    *(of_defazio2023, of_tyurin2024),
    *(of_learning_rate_free, recursions),
    *(you2020lamb, malladi2023, zhao2024galore, he2024golore, jordan2024muon),
    *(zhang2024transformers,),
    *RESULTS,
)

THEOREMS = [theorem for module in _MODULES for theorem in module.THEOREMS]

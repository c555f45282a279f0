"""Results on Adam, momentum, votes and compressed messages, each a module with its theorem and its claims."""

from paper_checks import (
    ahn2024,
    alacaoglu2020,
    bernstein2019,
    chen2019,
    chen2020clipping,
    chen2020vote,
    cutkosky2020,
    fatkhullin2023,
    kingma2015,
    mishchenko2019,
    powersgd2019,
    savarese2019,
    xie2024adamw,
    zaheer2018,
    zhang2020heavy,
    zhou2019,
)

RESULTS = (
    *(kingma2015, zaheer2018, chen2019, alacaoglu2020, zhou2019, savarese2019, xie2024adamw, ahn2024),
    *(cutkosky2020, zhang2020heavy, chen2020clipping, bernstein2019, chen2020vote),
    *(fatkhullin2023, mishchenko2019, powersgd2019),
)

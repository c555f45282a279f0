"""A theorem of one's own on trial: conditions that are evaluated, a bound that a run can break."""

from dataclasses import replace

import theory_sim as ts
from counterexamples import smooth
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.theorem import Condition

descent = ts.Theorem(
    id="mine.descent",
    where="folklore",
    statement="Gradient descent with lr <= 1/L has a mean squared gradient of at most 2 gap/(lr T).",
    conditions=(Condition("lr*L <= 1"), Condition("sigma == 0", "no noise")),
    bound="2*gap/(lr*T)",
    quantity="gradient_square_mean",
    problem=smooth.quadratic,
    optimizer=ts.gd,
)
for lr in (0.01, 1.5):
    print(put_on_trial(descent, optimizer=ts.gd(lr), names={"steps": 100, "gap": 0.5}), end="\n\n")

# A constant that is too small is contradicted by a run.
wrong = replace(descent, id="mine.wrong", bound="gap/(2*lr*T)")
print(put_on_trial(wrong, optimizer=ts.gd(0.01), names={"steps": 100, "gap": 0.5}))

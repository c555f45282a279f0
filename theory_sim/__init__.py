"""Does this optimizer converge, where does it break, and does that theorem really say so?

The engine: problems, optimizers, sweeps over named axes, verdicts, claims and figures.  It knows no paper;
`counterexamples`, `paper_checks` and `figures` build on it.
"""

from theory_sim.claim import Claim, Evidence
from theory_sim.figure import Figure
from theory_sim.optimizer import Optimizer
from theory_sim.optimizers.adam import adam, amsgrad
from theory_sim.optimizers.adaptive import accumulating_adam, adagrad, adam_nc, adopt, generic_adam, rmsprop
from theory_sim.optimizers.clipped import adam_norm, clipped_gd, mixed_clipping, normalized_gd
from theory_sim.optimizers.gossip import gossip_signum
from theory_sim.optimizers.momentum import gd, sgd, sgdm
from theory_sim.optimizers.sign import (
    ef_signsgd,
    extrapolated_signum,
    generalized_signsgd,
    lion,
    lion_k,
    majority_vote,
    signsgd,
    signum,
)
from theory_sim.problem import Problem
from theory_sim.schedule import Schedule, constant, linear, power
from theory_sim.sweep import Sweep, simulate
from theory_sim.verdict import Rule, Status, Verdict, wilson

__all__ = [
    "Claim",
    "Evidence",
    "Figure",
    "Optimizer",
    "Problem",
    "Rule",
    "Schedule",
    "Status",
    "Sweep",
    "Verdict",
    "accumulating_adam",
    "adagrad",
    "adam",
    "adam_nc",
    "adam_norm",
    "adopt",
    "amsgrad",
    "clipped_gd",
    "constant",
    "ef_signsgd",
    "extrapolated_signum",
    "gd",
    "generalized_signsgd",
    "generic_adam",
    "gossip_signum",
    "linear",
    "lion",
    "lion_k",
    "majority_vote",
    "mixed_clipping",
    "normalized_gd",
    "power",
    "rmsprop",
    "sgd",
    "sgdm",
    "signsgd",
    "signum",
    "simulate",
    "wilson",
]

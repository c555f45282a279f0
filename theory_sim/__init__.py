"""Does this optimizer converge, where does it break, and does that theorem really say so?

The engine: problems, optimizers, sweeps over named axes, verdicts, claims and figures.  It knows no paper;
`counterexamples`, `paper_checks` and `figures` build on it.
"""

from theory_sim import plot
from theory_sim.app.audit import audit
from theory_sim.app.hunt import hunt
from theory_sim.app.runs import Runs
from theory_sim.compressors.compressor import Compressor
from theory_sim.evidence.last_iterate import schedule_score
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.claim import (
    Claim,
    Deviation,
    Evidence,
    Outcome,
    Result,
    all_of,
    at_least,
    at_most,
    claim,
    ledger,
    undecided,
    within,
)
from theory_sim.nouns.family import family
from theory_sim.nouns.figure import PALETTE, VERDICT_COLORS, Figure
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.papers import Paper
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import Schedule, constant, linear, power
from theory_sim.nouns.schedules import (
    cosine,
    cosine_restarts,
    exponential_decay,
    infinite,
    inverse_sqrt,
    linear_decay,
    polynomial_decay,
    power_crossover,
    power_decay,
    refined,
    rex,
    step_decay,
    tabulated,
    wsd,
    wsd_cosine,
)
from theory_sim.nouns.sweep import Sweep, simulate
from theory_sim.nouns.theorem import Answer, Condition, Theorem
from theory_sim.nouns.training import Training
from theory_sim.nouns.verdict import Rule, Status, Verdict, wilson
from theory_sim.optimizers.adam import adam, amsgrad
from theory_sim.optimizers.adaptive import (
    accumulating_adam,
    adagrad,
    adam_nc,
    adashift,
    adopt,
    centered_rmsprop,
    generic_adam,
    rmsprop,
    rmsprop_momentum,
)
from theory_sim.optimizers.blockwise import adam_mini, blockwise_gd, frozen_adam, mofo
from theory_sim.optimizers.cautious import cautious, cautious_adamw, cautious_lion, cautious_sgdm
from theory_sim.optimizers.clipped import (
    adam_norm,
    clipped_gd,
    mixed_clipping,
    normalized_gd,
    normalized_sgdm,
)
from theory_sim.optimizers.descendants import (
    adabelief,
    adabound,
    adamax,
    adamw,
    adan,
    ademamix,
    bounded_adam,
    nadam,
    radam,
    yogi,
)
from theory_sim.optimizers.feedback import diana, ef21, ef21_sgdm, ef_sgd
from theory_sim.optimizers.gossip import choco, gossip_signum
from theory_sim.optimizers.layerwise import lamb, lars, lisa
from theory_sim.optimizers.learning_rate_free import dadaptation, dog, mechanic, prodigy, prodigy_adam
from theory_sim.optimizers.lowbit import eight_bit_adam
from theory_sim.optimizers.matrix import muon
from theory_sim.optimizers.momentum import dampened_sgdm, gd, nesterov, sgd, sgdm
from theory_sim.optimizers.projected import projected_sgd
from theory_sim.optimizers.quantized import efficient_adam, qadam
from theory_sim.optimizers.schedule_free import schedule_free_adamw, schedule_free_sgd
from theory_sim.optimizers.server import comp_ams, onebit_adam
from theory_sim.optimizers.sign import (
    disturbed_vote,
    ef_signsgd,
    extrapolated_signum,
    generalized_signsgd,
    lion,
    lion_k,
    majority_vote,
    signsgd,
    signum,
)
from theory_sim.rules.language import Round, Stage, largest, norm, total

__all__ = [
    "PALETTE",
    "VERDICT_COLORS",
    "Answer",
    "Claim",
    "Compressor",
    "Condition",
    "Deviation",
    "Evidence",
    "Figure",
    "Noise",
    "Optimizer",
    "Outcome",
    "Paper",
    "Problem",
    "Result",
    "Round",
    "Rule",
    "Runs",
    "Schedule",
    "Stage",
    "Status",
    "Sweep",
    "Theorem",
    "Training",
    "Verdict",
    "accumulating_adam",
    "adabelief",
    "adabound",
    "adagrad",
    "adam",
    "adam_mini",
    "adam_nc",
    "adam_norm",
    "adamax",
    "adamw",
    "adan",
    "adashift",
    "ademamix",
    "adopt",
    "all_of",
    "amsgrad",
    "at_least",
    "at_most",
    "audit",
    "blockwise_gd",
    "bounded_adam",
    "cautious",
    "cautious_adamw",
    "cautious_lion",
    "cautious_sgdm",
    "centered_rmsprop",
    "choco",
    "claim",
    "clipped_gd",
    "comp_ams",
    "constant",
    "cosine",
    "cosine_restarts",
    "dadaptation",
    "dampened_sgdm",
    "diana",
    "disturbed_vote",
    "dog",
    "ef21",
    "ef21_sgdm",
    "ef_sgd",
    "ef_signsgd",
    "efficient_adam",
    "eight_bit_adam",
    "exponential_decay",
    "extrapolated_signum",
    "family",
    "frozen_adam",
    "gd",
    "generalized_signsgd",
    "generic_adam",
    "gossip_signum",
    "hunt",
    "infinite",
    "inverse_sqrt",
    "lamb",
    "largest",
    "lars",
    "ledger",
    "linear",
    "linear_decay",
    "lion",
    "lion_k",
    "lisa",
    "majority_vote",
    "mechanic",
    "mixed_clipping",
    "mofo",
    "muon",
    "nadam",
    "nesterov",
    "norm",
    "normalized_gd",
    "normalized_sgdm",
    "onebit_adam",
    "plot",
    "polynomial_decay",
    "power",
    "power_crossover",
    "power_decay",
    "prodigy",
    "prodigy_adam",
    "projected_sgd",
    "put_on_trial",
    "qadam",
    "radam",
    "refined",
    "rex",
    "rmsprop",
    "rmsprop_momentum",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "schedule_score",
    "sgd",
    "sgdm",
    "signsgd",
    "signum",
    "simulate",
    "step_decay",
    "tabulated",
    "total",
    "undecided",
    "wilson",
    "within",
    "wsd",
    "wsd_cosine",
    "yogi",
]


def __getattr__(name: str) -> str:
    """Return ``__version__``, which is looked up only when it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("theory-sim")

"""Which theorem of the papers explains a verdict, of our optimizers and of those that take the same steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from theory_sim.app import catalogue
from theory_sim.evidence.bout import Bout, Contender, Native
from theory_sim.evidence.probes import Probe, is_twin
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.theorem import Answer
from theory_sim.optimizers.adam import adam, amsgrad
from theory_sim.optimizers.adaptive import adagrad, rmsprop
from theory_sim.optimizers.momentum import sgd, sgdm
from theory_sim.optimizers.sign import lion, signsgd

if TYPE_CHECKING:
    from theory_sim.evidence.trial import Trial
    from theory_sim.nouns.optimizer import Optimizer

# What theorems speak of: the constructors, and the hyperparameters that are read from the other library.
_SPOKEN_OF: tuple[tuple[Callable[..., Optimizer], tuple[str, ...]], ...] = (
    (sgd, ()),
    (signsgd, ()),
    (sgdm, ("momentum",)),
    (adagrad, ("eps",)),
    (rmsprop, ("beta2", "eps")),
    (adam, ("beta1", "beta2", "eps")),
    (partial(amsgrad, variant="torch"), ("beta1", "beta2", "eps")),
    (partial(amsgrad, variant="optax"), ("beta1", "beta2", "eps")),
    (lion, ("beta1", "beta2", "weight_decay")),
)
_SPELLED = {"beta1": ("b1",), "beta2": ("b2", "alpha", "decay"), "eps": ("eps_root",)}
NONE = "no theorem of the suite speaks of this optimizer"


def _read(hyper: Mapping[str, Any]) -> dict[str, float]:
    """Return hyperparameters of torch or optax under our names."""
    betas = hyper.get("betas")
    found = dict(hyper)
    if isinstance(betas, tuple | list):
        found |= {f"beta{k + 1}": value for k, value in enumerate(betas)}
    for name, others in _SPELLED.items():
        spelled = [found[one] for one in others if one in found]
        if name not in found and spelled:
            found[name] = spelled[0]
    return {name: float(value) for name, value in found.items() if type(value) in (int, float)}


def twin(tried: Contender, found: Probe | None) -> Optimizer | None:
    """Return the optimizer of this suite, of those that theorems speak of, that takes the same steps."""
    if isinstance(tried, Native):
        return tried.optimizer
    if found is None:
        return None
    known = _read(tried.hyper)
    for make, names in _SPOKEN_OF:
        if set(names) <= known.keys():
            with suppress(ValueError):  # a value that our constructor refuses
                ours = make(**{name: known[name] for name in names})
                if is_twin(found, ours):
                    return ours
    return None


def explanation(optimizer: Optimizer | None, bout: Bout, verdict: str) -> str:
    """Return what the theorems that speak of an optimizer say of a bout, in a sentence.

    Parameters
    ----------
    optimizer : Optimizer or None
        None: one that is not ours and takes the steps of none of ours.
    bout : Bout
    verdict : str
        How the run ended.
    """
    if optimizer is None:
        return NONE
    ours = optimizer.replace(lr=bout.lr, schedule=bout.schedule)
    asked = [trial for theorem in catalogue.theorems() if (trial := _trial(theorem, ours, bout)) is not None]
    if not asked:
        return NONE if not _speak(ours) else f"no theorem of the suite speaks of {ours.name} on this problem"
    holding = [trial for trial in asked if trial.applies is Answer.HOLDS]
    if holding:
        return "; ".join(_says(trial, verdict) for trial in holding)
    nearest = min(
        asked, key=lambda trial: (not trial.theorem.own_problem, len(_missing(trial)), trial.foreign)
    )
    missing = _missing(nearest)
    shown = " and ".join(
        filter(None, ("".join(missing[:1]), f"{len(missing) - 1} more" if missing[1:] else ""))
    )
    said = nearest.theorem.verdict
    says = f", which says {said}," if said is not None else ""
    needs = f"needs: {shown}" if shown else f"may not: {nearest.foreign}"
    return f"no theorem applies for certain; {nearest.theorem.id}{says} {needs}"


def _speak(ours: Optimizer) -> bool:
    return any(
        one.optimizer is not None and one.optimizer().name == ours.name
        for one in catalogue.theorems().values()
    )


def _trial(name: str, ours: Optimizer, bout: Bout) -> Trial | None:
    """Return the trial of a theorem that is about this optimizer and may be about this problem."""
    theorem = catalogue.theorems()[name]
    if theorem.optimizer is None or theorem.optimizer().name != ours.name:
        return None
    named = theorem.problem() if theorem.own_problem and theorem.problem is not None else None
    if named is not None and bout.problem.family not in (named.family, *theorem.families):
        return None
    settings = {"steps": bout.steps, "seeds": bout.stream.seeds, "order": bout.order}
    return put_on_trial(theorem, bout.problem, ours, names=settings, run=False)


def _missing(trial: Trial) -> list[str]:
    return [str(row.condition) for row in trial.assessment.conditions if row.answer is not Answer.HOLDS]


def _says(trial: Trial, verdict: str) -> str:
    theorem, bound = trial.theorem, trial.assessment.bound
    if theorem.verdict is not None:
        same = theorem.verdict.value == verdict
        return f"{theorem.id} applies and says {theorem.verdict}" + (
            "" if same else f", the run is {verdict}"
        )
    sign = "<=" if theorem.side == "upper" else ">="
    return f"{theorem.id} applies and says {theorem.quantity} {sign} {bound:.3g}"

"""Which theorem of the papers explains a verdict, of our optimizers and of those that take the same steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
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
    from theory_sim.nouns.problem import Problem

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
_PERIODIC = ("reddi.periodic", "shi.periodic", "zhang.piecewise", "zhang.batch")


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


def cycle(problem: Problem, order: str) -> tuple[int, float] | None:
    """Return the period n and the ratio C of slopes (C, -1, ..., -1), if that is what the problem is about."""
    facts = problem.facts
    about = problem.name in _PERIODIC and order == "cyclic" and facts.get("slope", 1.0) > 0.0
    return (int(facts["n"]), float(facts["ratio"])) if about else None


def exact_drift(optimizer: Optimizer, bout: Bout) -> tuple[float, str] | None:
    """Return how far a period carries Adam, RMSProp or AMSGrad, and the hyperparameters that decide it.

    Parameters
    ----------
    optimizer : Optimizer
    bout : Bout

    Returns
    -------
    (float, str) or None
        D of `counterexamples.drift` in units of lr, for eps = 0 and steps that vanish; > 0 leads to the optimum.
        Of AMSGrad it is the sum S of the slopes, which has the sign of D: its v only rises, so that the steps of
        a period end up with one denominator.  None for another optimizer or problem.
    """
    found, hyper = cycle(bout.problem, bout.order), optimizer.hyper
    if found is None:
        return None
    n, C = found
    exact = import_module("counterexamples.drift").drift
    if optimizer.name == adam().name:
        named = f"beta1 = {hyper['beta1']:g}, beta2 = {hyper['beta2']:g}"
        return float(exact(hyper["beta1"], hyper["beta2"], n, C)), named
    if optimizer.name == rmsprop().name:
        return float(exact(0.0, hyper["beta2"], n, C)), f"beta2 = {hyper['beta2']:g}"
    if optimizer.name == amsgrad().name:
        return C - (n - 1), "any beta1 and beta2, as its v only rises"
    return None


def _of_drift(optimizer: Optimizer, bout: Bout) -> str:
    """Return the exact drift in a sentence, empty if it is not known."""
    found, periodic = exact_drift(optimizer, bout), cycle(bout.problem, bout.order)
    if found is None or periodic is None:
        return ""
    (D, named), (n, C) = found, periodic
    what = "the sign of the drift" if optimizer.name == amsgrad().name else "the exact drift"
    value = ("+" if D > 0.0 else "-") if optimizer.name == amsgrad().name else f"D = {D:.3g}"
    where = "to" if D > 0.0 else "away from"
    return (
        f"{what} of {optimizer.name} over a period of {n} slopes ({C:g}, -1, ..., -1) is {value} at {named}, with eps = 0 "
        f"and steps that vanish: it leads {where} the optimum"
    )


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
    return "; ".join(filter(None, (_of_theorems(ours, bout, verdict), _of_drift(ours, bout))))


def _of_theorems(ours: Optimizer, bout: Bout, verdict: str) -> str:
    asked = [trial for theorem in catalogue.theorems() if (trial := _trial(theorem, ours, bout)) is not None]
    if not asked:
        return NONE if not _speak(ours) else f"no theorem of the suite speaks of {ours.name} on this problem"
    holding = [trial for trial in asked if trial.applies is Answer.HOLDS]
    if holding:
        return "; ".join(_says(trial, verdict) for trial in holding)
    nearest = min(
        asked, key=lambda trial: (not trial.theorem.own_problem, len(_missing(trial)), trial.foreign)
    )
    missing, said = _missing(nearest), nearest.theorem.verdict
    says = f", which says {said}" if said is not None else ""
    if not missing:
        why = f"whether it speaks is open: {nearest.foreign}"
    elif len(missing) == 1:
        why = f"one condition keeps it from speaking: {missing[0]}"
    else:
        why = f"{len(missing)} conditions keep it from speaking, first: {missing[0]}"
    return f"no theorem applies for certain; the nearest is {nearest.theorem.id}{says}, and {why}"


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
    """Return the conditions that do not hold, and by how much."""
    return [
        f"{row.condition} ({row.reason.removesuffix('; give a value') or f'margin {row.margin:.3g}'})"
        for row in trial.assessment.conditions
        if row.answer is not Answer.HOLDS
    ]


def _says(trial: Trial, verdict: str) -> str:
    theorem, bound = trial.theorem, trial.assessment.bound
    assumed = "; ".join(one.rstrip(".") for one in theorem.assumes)
    given = f" (assumed, not checked: {assumed})" if assumed else ""
    if theorem.verdict is not None:
        same = theorem.verdict.value == verdict
        return f"{theorem.id} applies and says {theorem.verdict}{given}" + (
            "" if same else f", the run is {verdict}"
        )
    if math.isnan(bound):
        return (
            f"{theorem.id} applies, without a bound: {trial.assessment.reason.removesuffix('; give a value')}"
        )
    sign = "<=" if theorem.side == "upper" else ">="
    return f"{theorem.id} applies and says {theorem.quantity} {sign} {bound:.3g}{given}"

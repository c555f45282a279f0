"""Cautious methods: an update moves only the coordinates in which it has the sign of the gradient.

Without rescaling the mask is 1 or 0, and the method acts coordinate by coordinate.  Rescaled, the update of d
coordinates, k of which are kept, is multiplied by d/(k + xi) with the paper's xi = 1; its released code
divides by the mean of the mask instead, a factor d/k, which is 1 where d = 1.

`cautious` masks any method that acts coordinate by coordinate, by a rule that it makes from the rule of the method.
The three methods of the paper are written out as well: as the paper writes them, the search for periodic gradients
on which they fail can read them.
"""

from __future__ import annotations

import inspect
import linecache
import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import Moments
from theory_sim.optimizers.descendants import adamw
from theory_sim.optimizers.momentum import sgdm
from theory_sim.optimizers.parts import nonzero, sign
from theory_sim.optimizers.sign import lion
from theory_sim.rules import checks
from theory_sim.rules.digest import digest
from theory_sim.rules.language import Round, Rule, total


def _mask(update: float, g: float) -> float:
    return 1.0 if update * g > 0.0 else 0.0


def _rescaled(kept: float, d: int) -> float:
    return d / (kept + 1.0)


def _of_average(g: float, beta1: float, m: float) -> float:
    """The mask of AdamW, whose corrections and root are positive, and of Lion."""
    return _mask(beta1 * m + (1.0 - beta1) * g, g)


def _of_heavy_ball(g: float, momentum: float, m: float) -> float:
    return _mask(momentum * m + g, g)


def _cautious_adamw(
    g: float, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    x: float, m: float, v: float, c1: float, c2: float, scale: float = 1.0,
) -> Moments:  # fmt: skip
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    update = scale * _mask(m, g) * (m / c1) / nonzero(math.sqrt(v / c2) + eps)
    return x - lr * (update + weight_decay * x), m, v, c1, c2


def _cautious_lion(
    g: float, lr: float, beta1: float, beta2: float, weight_decay: float, at_zero: float,
    x: float, m: float, scale: float = 1.0,
) -> Moments:  # fmt: skip
    c = beta1 * m + (1.0 - beta1) * g
    update = scale * _mask(c, g) * sign(c, at_zero)
    return x - lr * (update + weight_decay * x), beta2 * m + (1.0 - beta2) * g


def _cautious_sgdm(g: float, lr: float, momentum: float, x: float, m: float, scale: float = 1.0) -> Moments:
    m = momentum * m + g
    return x - lr * scale * _mask(m, g) * m, m


def _agrees(step: float, g: float) -> float:
    """Return whether a step x - x' has the sign of g, which no underflow hides."""
    side = 1.0 if step > 0.0 else (-1.0 if step < 0.0 else 0.0)
    return 1.0 if side * g > 0.0 else 0.0


def _kept_or_not(x: float, new: float, plain: float, g: float) -> float:
    return new if _agrees(x - plain, g) > 0.0 else x + (new - plain)  # NaN where either is


def _scaled_or_not(x: float, new: float, plain: float, g: float, scale: float) -> float:
    step = x - plain
    return x - scale * _agrees(step, g) * step + (new - plain)


@lru_cache(256)
def _masking(base: Rule, rows: int, decayed: bool, rescale: bool) -> tuple[Rule, Rule]:
    """Return the rule that masks a base rule, and the rule for whether a coordinate is kept.

    Parameters
    ----------
    base : callable
    rows : int
        Results after the new x.
    decayed : bool
        Whether it has a weight_decay, whose part of the step is not masked.
    rescale : bool
    """
    own = inspect.signature(base).parameters
    masks = [name for name in (("kept", "d") if rescale else ()) if name not in own]
    more = [name for name in ("g", "x") if name not in own]
    head = [
        *more,
        *(f"{name}={name}_" if one.default is not one.empty else name for name, one in own.items()),
    ]
    results = [f"row{k}" for k in range(rows)]

    def call(first: str, values: list[str]) -> str:
        return f"{', '.join([first, *results])} = base({', '.join(values)})"

    plain = call("plain", ["0.0" if name == "weight_decay" else name for name in own])
    named = f"cautious_{base.__name__.strip('_')}"
    lines = [f"def {named}({', '.join(masks + head)}):"]
    lines += [plain, call("new", [*own])] if decayed else [call("new", [*own]), "plain = new"]
    moved = "scaled(x, new, plain, g, rescaled(kept, d))" if rescale else "chosen(x, new, plain, g)"
    lines.append(f"return {', '.join([moved, *results])}")
    kept = [f"def kept_by_{named}({', '.join(head)}):", plain, "return agrees(x - plain, g)"]
    space: dict[str, Any] = {
        "base": base, "agrees": _agrees, "chosen": _kept_or_not, "scaled": _scaled_or_not, "rescaled": _rescaled,
        **{f"{name}_": one.default for name, one in own.items()},
    }  # fmt: skip
    for text in ("\n    ".join(lines), "\n    ".join(kept)):
        file = f"<cautious {digest(base)} {decayed} {rescale} {text.partition('(')[0]}>"
        exec(compile(text, file, "exec"), space)  # noqa: S102
        linecache.cache[file] = (
            len(text),
            None,
            text.splitlines(keepends=True),
            file,
        )  # so that it can be shown
    return space[named], space[f"kept_by_{named}"]


def cautious(base: Optimizer, *, rescale: bool = False) -> Optimizer:
    """Return a method that moves only the coordinates whose update has the sign of the gradient.

    The update is x - x', x' being where the base rule would go (Liang et al. 2024, arXiv:2411.16085, Algorithm 1 for
    any base method).  What a weight_decay of the base adds to it is not masked; the rows of the state are those of
    the base.

    Parameters
    ----------
    base : Optimizer
        A rule at one coordinate, with or without reductions over coordinates.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.

    Returns
    -------
    Optimizer
        With the hyperparameters, the schedule and the rows of the base.

    Raises
    ------
    ValueError
        If the base sends or stores messages, sees workers, has a kernel in place of a rule, keeps its iterate in
        the state, which a mask on x would not reach, or is masked already.

    Examples
    --------
    >>> cautious(adamw(weight_decay=0.1)).name
    'Cautious AdamW'
    """
    checks.instance("base", base, Optimizer, "an Optimizer, such as theory_sim.nadam()")
    reason = ""
    if base.up is not None or isinstance(base.step, Round):
        reason = "it sends or stores compressed messages"
    elif not base.is_rule:
        reason = "its step is a kernel over arrays, not a rule"
    elif base.sees_workers:
        reason = "it needs the gradient of every worker"
    elif "rescale" in base.variant:
        reason = "it is masked already"
    elif base.boxless:
        reason = "it keeps its iterate in the state"
    if reason or isinstance(base.step, Round):
        raise ValueError(
            f"{base.name} has no update to mask, as {reason}; use a rule at one coordinate, such as adam."
        )
    rescaled = checks.flag("rescale", rescale)
    rows = len(base.rows) - len(base.shared)
    rule, kept = _masking(base.step, rows, "weight_decay" in base.hyper, rescaled)
    made = replace(
        base,
        name=f"Cautious {base.name}",
        step=rule,
        reductions={**base.reductions, **({"kept": total(kept)} if rescaled else {})},
        variant={**base.variant, "rescale": str(rescaled).lower()},
        family=None,
        arguments={},
    )
    if base.family is None:
        return made

    def build(*, rescale: bool, **arguments: Any) -> Optimizer:
        changed = {name: value for name, value in arguments.items() if value is not base.arguments.get(name)}
        return cautious(base.replace(**changed), rescale=rescale)

    build.__name__ = f"cautious({base.family.__name__})"
    for name, value in {
        "family": build, "arguments": {**base.arguments, "rescale": rescaled}, "_by_hand": {},
    }.items():  # fmt: skip
        object.__setattr__(made, name, value)
    return made


def _cautious(base: Optimizer, rule: Rule, mask: Rule, rescale: bool) -> Optimizer:
    """Return a base method with the rule that masks it."""
    rescaled = checks.flag("rescale", rescale)
    needs: dict[str, Any] = {"reductions": {"kept": total(mask)}, "once": _rescaled, "shared": ("scale",)}
    return Optimizer(
        f"Cautious {base.name}",
        rule,
        base.lr,
        base.hyper,
        rows=(*base.rows, "scale") if rescaled else base.rows,
        schedule=base.schedule,
        variant={"rescale": str(rescaled).lower()},
        paper="liang2024",
        **(needs if rescaled else {}),
    )


@family
def cautious_adamw(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    *,
    rescale: bool = False,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Cautious AdamW (Liang et al. 2024, arXiv:2411.16085); the decay is not masked.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay : float
        As in `theory_sim.adamw`.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.
    schedule : Schedule
    """
    base = adamw(lr, beta1, beta2, eps, weight_decay, schedule=schedule)
    return _cautious(base, _cautious_adamw, _of_average, rescale)


@family
def cautious_lion(
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    *,
    at_zero: float = 0.0,
    rescale: bool = False,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Cautious Lion (Liang et al. 2024, arXiv:2411.16085); the decay is not masked.

    Parameters
    ----------
    lr, beta1, beta2, weight_decay, at_zero : float
        As in `theory_sim.lion`; where the update or g is 0 nothing is kept.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.
    schedule : Schedule
    """
    base = lion(lr, beta1, beta2, weight_decay, at_zero=at_zero, schedule=schedule)
    return _cautious(base, _cautious_lion, _of_average, rescale)


@family
def cautious_sgdm(
    lr: float = 0.01, momentum: float = 0.9, *, rescale: bool = False, schedule: Schedule = CONSTANT
) -> Optimizer:
    """Cautious SGD with momentum, m = momentum m + g (Liang et al. 2024, arXiv:2411.16085).

    Parameters
    ----------
    lr, momentum : float
        As in `theory_sim.sgdm`.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.
    schedule : Schedule
    """
    return _cautious(sgdm(lr, momentum, schedule=schedule), _cautious_sgdm, _of_heavy_ball, rescale)


OPTIMIZERS = [cautious_adamw, cautious_lion, cautious_sgdm]

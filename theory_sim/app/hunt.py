"""The counterexample hunter by name: which optimizer, which class, and what is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory_sim.app import catalogue
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import checks

if TYPE_CHECKING:
    from theory_sim.evidence.bout import Contender
    from theory_sim.evidence.hunter.cycles import Cycles
    from theory_sim.evidence.hunter.maps import Map
    from theory_sim.evidence.hunter.periodic import Hunt

CLASSES = ("periodic", "line", "gram", "sign", "iid", "orbits")
MINIMISE = ("period,height", "strength", "margin")
_LOW = 10  # heights of a map of periods
_STEP_SIZE = re.compile(r"[:,](lr|learning_rate)=")
_OF_FILE = re.compile(r".+\.py:[A-Za-z_]\w*")


def hunt(
    optimizer: Any,
    cls: str = "periodic",
    *,
    minimise: str = "period,height",
    max_period: int = 6,
    max_height: int = 10_000_000,
    seconds: float = 60.0,
    strength: float = 0.01,
    seed: int = 0,
    mu: Any = 1,
    L: Any = None,
    order: str = "replacement",
    progress: Callable[[str], None] = lambda text: None,
) -> Hunt | Cycles:
    """Find the smallest problem of a class on which an optimizer provably fails.

    The class *periodic*: losses g_t x on [-1, 1] with integers g of one period whose sum is positive, steps
    lr t^-s with 0 < s <= 1.  A counterexample is certified in balls and drives x to the worst corner from
    every start.  What cannot be written as formulas of moving averages and maxima is run as a black box
    instead; a hit is then reduced and shown, and not certified.

    Parameters
    ----------
    optimizer : str or Optimizer
        ``"adam:beta2=0.99"`` of this suite, ``"path/to/file.py:name"`` of an Optimizer or of a function that
        returns one, or an Optimizer.  In the class periodic also a class or factory of torch or optax, such as
        ``"torch.optim:Adam"``, which is run as a black box.
    cls : {"periodic", "line", "gram", "sign", "iid", "orbits"}
        line and gram: the shortest cycle of a momentum method (sgdm, gd, nesterov) with its constant step size on
        mu-strongly convex, L-smooth functions, of one variable or of any number.  sign: the widest sweep to and fro of
        a sign method (signsgd, signum, lion) on such functions of one variable, in units of its step size.  iid: the
        fewest components n of slopes n, -1, ..., -1, drawn at random, on which adam or rmsprop with beta2 <=
        0.995 drifts the wrong way; `max_period` bounds n.  orbits: the cycle of rmsprop or uncorrected adam, both with
        eps = 0, or of lion, with a constant step size on every quadratic, and whether it attracts.
    minimise : {"period,height", "strength", "margin"}
        The Pareto front of the smallest ones, only the one that moves x fastest, or for each period the one with the
        largest sum S/max|g|, by which the best point is best.  Of the class periodic.
    max_period, max_height : int
        Bounds of the search for small ones; strong ones have periods and heights up to 100 whatever these are.
    seconds : float
        After which nothing new is begun.
    strength : float
        Steps in units of lr that the strong example should move x the wrong way per step; 0: none is looked for.
    seed : int
        Of the relaxation and of annealing.
    mu, L : exact number
        Of the classes line, gram and sign, where only `max_period` of the other bounds applies.
    order : {"replacement", "reshuffled"}
        Of the class iid: every component anew from all of them, or epochs in random orders.
    progress : callable
        Called with a line of text now and then.

    Returns
    -------
    Hunt or Cycles
        With ``front``, ``strong``, ``searched``, ``why_none`` and ``status``.

    Raises
    ------
    ValueError
        If the optimizer cannot be found or an argument breaks its rule; one sentence says why.

    Examples
    --------
    >>> import theory_sim as ts
    >>> ts.hunt("adam:beta1=0,beta2=0.1", max_period=3).front[0].gradients  # doctest: +SKIP
    (3, -1, -1)
    """
    checks.known("class", cls, CLASSES)
    checks.known("minimise", minimise, MINIMISE)
    checks.count("max_period", max_period, 2, 100)
    checks.count("max_height", max_height, 1, 10**12)
    checks.number("seconds", seconds, 0.0, open_low=True)
    checks.number("strength", strength, 0.0)
    if cls != "periodic" and minimise != "period,height":
        raise ValueError(
            f"minimise = {minimise!r} is of the class periodic; leave it out of the class {cls}."
        )
    if order != "replacement" and cls != "iid":
        raise ValueError(f"order = {order!r} is of the class iid; leave it out of the class {cls}.")
    if cls != "periodic":
        return _cycles(optimizer, cls, mu, L, max_period, order, progress)
    from theory_sim.evidence.hunter import blackbox, periodic, reduction
    from theory_sim.evidence.hunter.steady import NoFormula

    found, name = _entrant(optimizer)
    why = "an optimizer of another library has no formulas: it was run, and nothing is certified"
    if isinstance(found, Optimizer):
        limits = periodic.Limits(max_period, max_height, seconds, strength)
        try:
            return periodic.hunt(found, name, limits, minimise=minimise, seed=seed, progress=progress)
        except NoFormula as error:
            why = str(error)
    if minimise != "period,height":
        raise ValueError(f"minimise = {minimise!r} needs formulas; leave it out: {why}")
    progress("no formulas: running short sequences")
    hit, searched = blackbox.hunt(found, max_period, max_height, seconds=seconds)
    if hit is not None and isinstance(found, Optimizer):  # runs of other libraries cost too much to reduce
        small = reduction.reduced(hit.gradients, lambda g: blackbox.fails(found, g), most=200)
        hit = replace(hit, gradients=small)
    return periodic.Hunt(found, cls, searched=(*searched, why), seen=hit)


def chart(
    optimizer: Any,
    kind: str,
    grid: str,
    *,
    max_period: int = 6,
    max_height: int = 3,
    mu: Any = 1,
    L: Any = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Map:
    """Map how an optimizer fails over two of its hyperparameters.

    Parameters
    ----------
    optimizer : str or Optimizer
        As of `hunt`, with formulas.
    kind : {"height", "period", "strength", "cycle"}
        See `theory_sim.evidence.hunter.maps.survey`.
    grid : str
        ``"beta1=LO:HI:N,beta2=LO:HI:N"``; the first axis is vertical.
    max_period, max_height : int
        Largest ones looked at; height at most 10 in every cell.
    mu, L : exact number
        Of the kind cycle.
    progress : callable
        Called with a line of text now and then.

    Raises
    ------
    ValueError
        If an argument breaks its rule, or the optimizer has no formulas.
    """
    from theory_sim.app.phases import axes_of
    from theory_sim.evidence.hunter import maps

    checks.known("map", kind, maps.KINDS)
    period, height = checks.count("max_period", max_period, 2, 100), checks.count("max_height", max_height, 1)
    return maps.survey(
        _optimizer(optimizer, lr=kind == "cycle")[0],
        kind,
        axes_of(grid),
        period=period,
        height=min(height, _LOW),
        mu=float(checks.rational("mu", mu)),
        L=None if L is None else float(checks.rational("L", L)),
        progress=progress,
    )


def _cycles(
    optimizer: Any,
    cls: str,
    mu: Any,
    L: Any,
    max_period: int,
    order: str,
    progress: Callable[[str], None],
) -> Cycles:
    """Hunt in a class other than periodic."""
    from theory_sim.evidence.hunter import cycles, iid

    if cls == "orbits":
        return cycles.on_quadratics(_optimizer(optimizer)[0])
    if cls == "iid":
        checks.known("order", order, iid.ORDERS)
        return cycles.draws(_optimizer(optimizer)[0], max_period, order)
    if L is None:
        raise ValueError(f"The class {cls} needs the smoothness L of the functions; give L, such as L=25.")
    found = _optimizer(optimizer, lr=True)[0]
    low, high = checks.rational("mu", mu), checks.rational("L", L)
    return cycles.hunt(found, cls, low, high, max_period, progress)


def _entrant(given: Any) -> tuple[Optimizer | Contender, str]:
    """Return an optimizer, or one of another library, and how certificates name it."""
    from theory_sim.app.contenders import contender
    from theory_sim.evidence.bout import Native

    if isinstance(given, Optimizer):
        family = given.family
        return given, family.__name__ if family is not None else given.name
    if isinstance(given, str) and _STEP_SIZE.search(given):
        raise ValueError(f"The step size does not matter to what is hunted here; leave it out of {given!r}.")
    made = contender(given)
    if not isinstance(made, Native):
        return made, made.name
    name = made.name.partition(":")[0]
    return made.optimizer, name if name in catalogue.optimizers() else ":".join(made.name.split(":")[:2])


def _optimizer(given: Any, lr: bool = False) -> tuple[Optimizer, str]:
    """Return an optimizer of rules and how certificates name it; `lr` whether its step size matters."""
    if lr and isinstance(given, str) and given.partition(":")[0] in catalogue.optimizers():
        return catalogue.build_optimizer(given), given.partition(":")[0]
    found, name = _entrant(given)
    if not isinstance(found, Optimizer):
        raise ValueError(
            f"{name} is an optimizer of another library, which only the class periodic runs; write its rule as an "
            "Optimizer."
        )
    return found, name


def build(name: str, words: Mapping[str, str]) -> Optimizer:
    """Return the optimizer that a certificate names, with its named variants."""
    if _OF_FILE.fullmatch(name):
        return _optimizer(name)[0]
    checks.known("optimizer", name, catalogue.optimizers())
    values = {"true": True, "false": False}
    made: Optimizer = catalogue.optimizers()[name](
        **{key: values.get(text, text) for key, text in words.items()}
    )
    return made


def verify(path: Path) -> str:
    """Recompute a certificate and say in one line what was found.

    Raises
    ------
    Refused
        If it does not hold; the message says why.
    """
    import json

    from theory_sim.evidence.hunter import certificate, gram, iid, line, orbits, sign

    try:
        record = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise certificate.Refused(f"it is no JSON: {checks.sentence(error).rstrip('.')}") from None
    kind = record.get("class") if isinstance(record, dict) else None
    if kind == "line":
        return line.verify(record)
    if kind == "sign":
        return sign.verify(record)
    if kind == "iid":
        return iid.verify(record)
    if kind == "orbits":
        return orbits.verify(record)
    return gram.verify(record) if kind == "gram" else certificate.verify(record, build)

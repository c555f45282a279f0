"""The class *periodic*: integer gradients of positive sum whose drift is negative, smallest first.

Smallest has two measures, the period n and the height max |g|, so the answer is a Pareto front.  Small heights are
enumerated; beyond, a relaxation gives the largest margin S / max|g| over all directions (differential
evolution of scipy), whose inverse is where the enumeration starts: a bound by search, not by proof.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from theory_sim.evidence.bout import Contender
from theory_sim.evidence.hunter import certificate, orbit, reduction
from theory_sim.evidence.hunter.blackbox import Hit
from theory_sim.evidence.hunter.candidates import Array, Candidates
from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.counterexample import Counterexample, grows
from theory_sim.evidence.hunter.steady import Steady, steady
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.optimizers import OPTIMIZERS

Progress = Callable[[str], None]
_TOLERANCE = 1e-12  # |D| below this share of the sum of |u| is decided in balls, not in floats
_LISTED = 3_000_000  # drifts that the enumeration of one period may take before the relaxation
_PLANE = 40_000_000  # drifts of one height, once the relaxation says where to look
_ROUNDED = 400  # heights at which the relaxed direction is rounded
_STRONG = 0.01  # strength at which a run of some 10^4 steps shows the failure
_MOVES = 100_000  # of one annealing
_ROUGH = (10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000)  # heights at which a margin is tried
_SHARES = (0.0, 0.002, 0.01, 0.03, 0.1)  # of the margin that are given up, for D is 0 at the margin itself
_NEAR = 0.01  # of the margin that may be missing
# For a > b > 0 let N = a - beta1 b and M = b - beta1 a < N, P = a^2 + beta2 b^2 and Q = b^2 + beta2 a^2 <= P.  D is N/root(P)
# - M/root(Q) up to a positive factor, and positive if M <= 0.  If M > 0, N^2 Q > M^2 P for f(c) = (1 - beta1 c)/root(1 + beta2
# c^2) falls; eps in the root adds eps (N^2 - M^2) to the difference of these, and eps outside of it eps (N - M) to that of
# their roots, all positive.
_PAIRED = "for (a, -b), a > b > 0, D has the sign of f(b/a) - f(a/b), f(c) = (1 - beta1 c)/sqrt(1 + beta2 c^2), which falls"
_LADDER = (4, 6, 10, 16, 32, 50, 100)  # periods and heights of strong examples


@dataclass(frozen=True)
class Limits:
    """Where a hunt stops.

    Parameters
    ----------
    period, height : int
        Largest ones looked at.
    seconds : float
        After which nothing new is begun.
    strength : float
        What the strong example should have; 0: none is looked for.
    """

    period: int = 6
    height: int = 10_000_000
    seconds: float = 60.0
    strength: float = _STRONG


@dataclass(frozen=True)
class Searched:
    """What is known of one period.

    Parameters
    ----------
    period : int
    excluded : int
        No sequence of this period and at most this height fails, by enumeration.
    bound : int
        The relaxation found no margin for heights below this; 0 if it was not asked.
    found : int
        Height of the counterexample, 0 if none.
    note : str
    proved : str
        Why no sequence of this period fails, whatever its height; empty if that is not proved.
    """

    period: int
    excluded: int
    bound: int
    found: int
    note: str = ""
    proved: str = ""

    def __str__(self) -> str:
        text = f"period {self.period}: "
        if self.proved:
            return f"{text}no sequence of any height fails, which is proved: {self.proved}"
        if self.excluded:
            text += f"no sequence of height <= {self.excluded} fails, by enumeration"
        else:
            text += "no height was enumerated"
        if self.found and self.bound > self.excluded + 1:
            text += f"; none of height < {self.bound} was found by a search that proves nothing"
        return text + (f"; one of height {self.found} fails" if self.found else "") + self.note


@dataclass(frozen=True)
class Hunt:
    """The result of a hunt.

    Parameters
    ----------
    optimizer : Optimizer or Contender
        A Contender is an optimizer of another library.
    cls : str
    front : tuple of Counterexample
        Certified; longer periods have lower heights, or larger margins where these were asked for.
    strong : Counterexample or None
        One that a run shows.
    searched : tuple of Searched
    why_none : str
        The proof that there is none; empty if there is none such.
    seen : Hit or None
        What runs of a black box show, without a proof.
    seconds : float
    """

    optimizer: Optimizer | Contender
    cls: str
    front: tuple[Counterexample, ...] = ()
    strong: Counterexample | None = None
    searched: tuple[Any, ...] = ()
    why_none: str = ""
    seen: Hit | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def status(self) -> int:
        """Exit status: 0 found and certified, 3 proved that there is none, 2 nothing found within the limits."""
        return 0 if self.front else 3 if self.why_none else 2


@dataclass
class _Search:
    """One hunt under way."""

    optimizer: Optimizer
    name: str
    system: Steady
    limits: Limits
    seed: int
    say: Progress
    began: float = field(default_factory=time.monotonic)
    balls: int = 2000  # sequences that may still be decided in balls

    def __post_init__(self) -> None:
        self.candidates = Candidates(self.system)
        self.hyper = certificate.exact(self.system)
        self.grown = self._scaling()

    @property
    def late(self) -> bool:
        return time.monotonic() - self.began > self.limits.seconds

    @property
    def paired(self) -> bool:
        """Whether the update is that of Adam or RMSProp, which never fails at period 2."""
        return any(self.system.formulas == steady(OPTIMIZERS[one]()).formulas for one in ("adam", "rmsprop"))

    def _scaling(self) -> bool:
        """Whether the sign of D does not change when gradients double: the relaxation needs this."""
        probe = np.array([[7e5, -2e5, -4e5, 1e5], [1.4e6, -4e5, -8e5, 2e5], [2.8e6, -8e5, -16e5, 4e5]])
        d, size = self.candidates.drifts(probe)
        share = d / np.where(size > 0.0, size, 1.0)
        return bool(np.ptp(share) <= 1e-6)

    def fails(self, gradients: Sequence[int]) -> bool:
        """Whether D is negative beyond the rounding of floats."""
        d, size = self.candidates.drifts(gradients)
        return bool(d[0] < -_TOLERANCE * size[0])

    def certified(self, gradients: Any, how: str = "") -> Counterexample | None:
        whole = [int(one) for one in gradients]
        try:
            made = certificate.make(self.optimizer, self.name, self.system, whole)
        except Refused:
            return None
        return Counterexample(self.optimizer, self.system, made, how)

    def plane(self, n: int, height: int, most: int) -> tuple[Counterexample | None, int]:
        """Look at every sequence of one period and height, with sums up to `most`; also return how many stay open."""
        close, _, hits, near = self.candidates.search(n, height, most, _TOLERANCE)
        for hit in hits:
            found = self.certified(hit)
            if found is not None:
                return found, 0
        open_ = close - len(near)
        for one in near:
            self.balls -= 1
            g = [int(entry) for entry in one]
            wrong = orbit.wrong(self.system, self.hyper, g) if self.balls >= 0 else None
            if wrong:
                return self.certified(g), 0
            open_ += wrong is None
        return None, open_

    def period(self, n: int, below: int) -> tuple[Counterexample | None, Searched]:
        """Return the lowest counterexample of a period with a height less than `below`, and what was excluded."""
        if n == 2 and self.paired:
            return None, Searched(n, 0, 0, 0, proved=_PAIRED)
        excluded, spent, open_ = 0, 0, 0
        while excluded + 1 < below and not self.late:
            height = excluded + 1
            spent += 2 * (2 * height + 1) ** (n - 2) * (height + 1)
            if spent > _LISTED:
                break
            self.say(f"period {n}, height {height}: enumerating")
            found, more = self.plane(n, height, n * height)
            open_ += more
            if found is not None:
                how = "smaller heights excluded by enumeration" + _open(open_)
                return replace(found, how=how), Searched(n, excluded, 0, height, _open(open_))
            excluded = height
        if excluded + 1 >= below:
            return None, Searched(n, excluded, 0, 0, _open(open_))
        if not self.grown:
            return None, Searched(
                n,
                excluded,
                0,
                0,
                _open(open_)
                + "; larger ones were not searched, for the sign of D changes when all gradients double",
            )
        if self.late:
            return None, Searched(n, excluded, 0, 0, _open(open_) + "; out of time")
        self.say(f"period {n}: relaxing")
        margin, direction = self.relaxed(n)
        if margin <= 1.0 / below:
            return None, Searched(n, excluded, below, 0, _open(open_) + _beyond(n, below, margin))
        bound = max(excluded + 1, math.ceil(1.0 / margin - 1e-9))
        found = self.above(n, bound, min(below, self.limits.height + 1), margin, direction)
        height = found.height if found else 0
        if found is not None:
            found = replace(
                found,
                how=f"height <= {excluded} excluded by enumeration; < {bound} not found by a search, no proof",
            )
        return found, Searched(n, excluded, bound, height, _open(open_))

    def relaxed(self, n: int) -> tuple[float, Array]:
        """Return the largest S / max|g| with D < 0 that a global search finds, and the direction."""
        from scipy.optimize import differential_evolution, minimize

        def below(z: Any) -> Any:
            many = np.asarray(z, dtype=float).reshape(n - 1, -1)
            found = -self.candidates.margins(many, 1e6)
            return found if np.ndim(z) > 1 else float(found[0])

        if n == 2:  # (1, -1) and (-1, 1) are all
            d, size = self.candidates.drifts([[1e6, -1e6], [-1e6, 1e6]])
            if not (d < -_TOLERANCE * size).any():
                return 0.0, np.zeros(1)
            ways = np.array([[1.0, -1.0]])
            found = self.candidates.margins(ways, 1e6)
            return float(found.max()), ways[:, int(np.argmax(found))]
        best, where = -math.inf, np.zeros(n - 1)
        for restart in range(2):
            found = differential_evolution(
                below, [(-1.0, 1.0)] * (n - 1), maxiter=60 + 40 * n, popsize=24, tol=1e-10, polish=False,
                rng=self.seed + restart, vectorized=True, updating="deferred",
            )  # fmt: skip
            near = minimize(
                below, found.x, method="Nelder-Mead",
                options={"xatol": 1e-11, "fatol": 1e-16, "maxiter": 3000, "maxfev": 6000},
            )  # fmt: skip
            for one in (found, near):
                if -float(one.fun) > best:
                    best, where = -float(one.fun), np.asarray(one.x)
        return best, where

    def above(self, n: int, bound: int, below: int, margin: float, direction: Array) -> Counterexample | None:
        """Return the lowest counterexample found from the relaxed bound on."""
        height = bound
        for _ in range(_ROUNDED):
            if height >= below or self.late:
                return None
            most = max(1, math.floor(margin * height))
            self.say(f"period {n}, height {height}: {'enumerating' if n == 3 else 'rounding'}")
            if 2 * (2 * height + 1) ** (n - 2) * most <= _PLANE:
                found, _ = self.plane(n, height, most)
            else:
                found = self.rounded(direction, height)
            if found is not None:
                return found
            height += 1 if height < bound + 100 else max(1, height // 100)
        return None

    def rounded(self, direction: Array, height: int) -> Counterexample | None:
        """Return a counterexample with sum 1 among the integer neighbours of a direction at a height."""
        base = np.append(direction, -direction.sum())
        base = base / np.abs(base).max() * height
        peak = int(np.argmax(np.abs(base)))
        fixed = round(float(base[peak]))
        free = [k for k in range(len(base)) if k != peak]
        offsets = np.array(list(itertools.product((-1, 0, 1), repeat=len(free) - 1)))
        many = np.empty((len(offsets), len(base)))
        many[:, peak] = fixed
        many[:, free[:-1]] = np.rint(base[free[:-1]]) + offsets
        many[:, free[-1]] = 1 - many[:, [peak, *free[:-1]]].sum(axis=1)
        many = many[np.abs(many).max(axis=1) <= height]
        if not len(many):
            return None
        d, size = self.candidates.drifts(many)
        for k in np.argsort(d / size, kind="stable")[:4]:
            if d[k] < -_TOLERANCE * size[k]:
                found = self.certified(many[k])
                if found is not None:
                    return found
        return None

    def widest(self, n: int) -> tuple[Counterexample | None, Searched]:
        """Return a counterexample of a period whose margin is nearly the largest one that the relaxation finds."""
        if n == 2 and self.paired:
            return None, Searched(n, 0, 0, 0, proved=_PAIRED)
        if not self.grown:
            return None, Searched(
                n,
                0,
                0,
                0,
                "; larger ones were not searched, for the sign of D changes when all gradients double",
            )
        self.say(f"period {n}: relaxing")
        margin, direction = self.relaxed(n)
        if margin <= 0.0:
            return None, Searched(n, 0, 0, 0, _beyond(n, self.limits.height + 1, margin))
        best: Counterexample | None = None
        for height, less in itertools.product(_ROUGH, _SHARES):
            if self.late or height > self.limits.height or (best and best.margin >= (1.0 - _NEAR) * margin):
                break
            g = [round(one) for one in (with_margin(direction, (1.0 - less) * margin) * height).tolist()]
            if sum(g) > (best.margin if best else 0.0) * max(map(abs, g)) and self.fails(g):
                best = self.certified(reduction.primitive(g)) or best
        how = f"the largest S/max|g| that a search finds is {margin:.6g}"
        found = None if best is None else replace(best, how=how)
        return found, Searched(n, 0, 0, found.height if found else 0, f"; {how}")

    def strongest(self, n: int, height: int) -> Counterexample | None:
        """Return the most visible counterexample with sum 1 that annealing finds."""
        heat = 0.1 * (height if grows(self.system) else 1)
        best: tuple[float, list[int]] = (0.0, [])
        for restart, large in itertools.product(range(2), dict.fromkeys((1, max(1, n // 10)))):
            start = burst(n, height, large)
            best = min(best, self.candidates.anneal(start, height, _MOVES, heat, self.seed + restart))
        return self.certified(best[1], "by annealing: stronger ones may exist") if best[0] < 0.0 else None

    def strong(self) -> Counterexample | None:
        """Return a counterexample that a run shows, with the shortest period of a ladder that is enough."""
        best: Counterexample | None = None
        for n in _LADDER:
            if self.late and best is not None:
                break
            self.say(f"strong example: annealing period {n}")
            found = self.strongest(n, n if n > 10 else 5 * n)
            if found is not None and (best is None or found.strength > best.strength):
                best = found
            if best is not None and best.strength >= self.limits.strength:
                break
        return best


def with_margin(direction: Array, margin: float) -> Array:
    """Return the direction g + S e_n, the entries of g of sum 0, with S/max|g| = margin and max|g| = 1."""
    g = np.append(direction, -direction.sum())
    others = np.abs(g[:-1]).max()
    total = margin * others
    if abs(g[-1] + total) > others:  # the last entry is the largest: S = margin |g_n + S|
        total = margin * abs(g[-1]) / (1.0 - math.copysign(margin, g[-1]))
    g[-1] += total
    return np.asarray(g / np.abs(g).max())


def burst(n: int, height: int, large: int) -> Array:
    """Return `large` gradients of a height and then evenly spread negative ones, with sum 1."""
    rest, need = n - large, large * height - 1
    if not 0 < need <= rest * height:
        raise ValueError(f"{large} gradients of height {height} leave no sum of 1 at period {n}; use fewer.")
    low = -(need // rest) - (np.arange(rest) >= rest - need % rest)
    return np.concatenate([np.full(large, height), low]).astype(float)


def _open(count: int) -> str:
    """Return in words how many sequences neither floats nor balls decide."""
    if not count:
        return ""
    which = "1 of these sequences is" if count == 1 else f"{count} of these sequences are"
    return f"; but {which} undecided, for D or the argument of a sign or mask is 0 there, or too near to 0"


def _beyond(n: int, below: int, margin: float) -> str:
    """Return in words what the relaxation tells of larger heights."""
    if n == 2 and margin <= 0.0:
        return "; of larger heights only the limit (1, -1) was looked at, where D is not negative: that proves nothing"
    if margin <= 0.0:
        return "; no larger one was found by a search that proves nothing"
    low = f"none of height < {below} was found"
    return f"; {low} by a search, whose largest S/max|g| is {margin:.3g}: it proves nothing"


def hunt(
    optimizer: Optimizer,
    name: str,
    limits: Limits = Limits(),
    *,
    minimise: str = "period,height",
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> Hunt:
    """Hunt in the class *periodic*.

    Parameters
    ----------
    optimizer : Optimizer
    name : str
        How certificates name it.
    limits : Limits
    minimise : {"period,height", "strength", "margin"}
        The Pareto front of the smallest, only the strongest, or the largest S/max|g| of each period, where it grows.
    seed : int
        Of the relaxation and of annealing.
    progress : callable
        Called with one line now and then.

    Raises
    ------
    NoFormula
        If the rule has no limit system: use `theory_sim.evidence.hunter.blackbox`.
    """
    system = steady(optimizer)
    began = time.monotonic()
    if system.identity is not None:
        return Hunt(optimizer, "periodic", why_none=system.identity)
    search = _Search(optimizer, name, system, limits, seed, progress)
    front: list[Counterexample] = []
    searched: list[Searched] = []
    below = limits.height + 1
    if minimise == "margin":
        for n in range(2, limits.period + 1):
            if search.late:
                break
            found, said = search.widest(n)
            searched.append(said)
            if found is not None and found.margin > max((one.margin for one in front), default=0.0):
                front.append(found)
    elif minimise != "strength":
        for n in range(2, limits.period + 1):
            if search.late:
                break
            found, said = search.period(n, below)
            searched.append(said)
            if found is not None:
                front.append(found)
                below = found.height
            if below <= 1:
                break
    wanted = minimise == "strength" or (front and limits.strength > 0.0)
    strong = search.strong() if wanted else None
    if minimise == "strength" and strong is not None:
        front = [strong]
    return Hunt(
        optimizer, "periodic", tuple(front), strong, tuple(searched), seconds=time.monotonic() - began
    )

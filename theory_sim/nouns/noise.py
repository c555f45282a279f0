"""The Noise noun: how the random part of a gradient comes from uniforms, and what its mean is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from theory_sim.rules import checks
from theory_sim.rules.language import Rule, names

EACH = ("coordinate", "pair", "worker")


@dataclass(frozen=True)
class Noise:
    """The value ``noise`` that a gradient rule names.

    Parameters
    ----------
    name : str
    rule : callable
        From the uniforms ``u`` and ``v`` in [0, 1), and names of the problem such as its
        constants, to the value.
    draws : int
        Uniforms per value, 1 or 2.
    each : {"coordinate", "pair", "worker"}
        What has uniforms of its own: every coordinate, every two coordinates 2 k and 2 k + 1,
        or every worker.
    mean : callable, optional
        Rule for the mean of the value, from names of the problem; default 0.
    """

    name: str
    rule: Rule
    draws: int = 1
    each: str = "coordinate"
    mean: Rule | None = None

    def __post_init__(self) -> None:
        checks.known("place of a noise", self.each, EACH)
        if self.draws not in (1, 2):
            raise ValueError(f"draws = {self.draws!r} of noise {self.name} must be 1 or 2.")
        if "v" in names(self.rule) and self.draws == 1:
            raise ValueError(f"Noise {self.name} names v, its second uniform; give draws=2.")

    def uniforms(self, dim: int) -> int:
        """Return how many uniforms one worker draws per step in `dim` dimensions."""
        return self.draws * {"coordinate": dim, "pair": (dim + 1) // 2, "worker": 1}[self.each]


def _uniform(u: float, sigma: float) -> float:
    return sigma * 3.4641016151377544 * (u - 0.5)


def _within(u: float, width: float) -> float:
    return width * (2.0 * u - 1.0)


def _normal(u: float, v: float, sigma: float) -> float:
    return sigma * (math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(6.283185307179586 * v))


def _normal_pair(u: float, v: float, i: int, sigma: float) -> float:
    angle = 6.283185307179586 * v
    return sigma * math.sqrt(-2.0 * math.log(1.0 - u)) * (math.cos(angle) if i % 2 == 0 else math.sin(angle))


def _two_point(u: float, C: float, small: float, p: float) -> float:
    return C if u < p else -small


def _two_point_mean(C: float, small: float, p: float) -> float:
    return p * C - (1.0 - p) * small


def _skewed(u: float, sigma: float, p: float) -> float:
    odds = p / (1.0 - p)
    return sigma * (math.sqrt(1.0 / odds) if u < p else -math.sqrt(odds))


def _student(u: float, v: float, sigma: float, tail: float) -> float:
    # nu (u^(-2/nu) - 1) with u in (0, 1] and tail = 1/nu; its limit -2 ln u is Box and Muller's
    radius = -2.0 * math.log(1.0 - u)
    if tail > 0.0:
        radius = (1.0 - 2.0 * tail) * math.expm1(radius * tail) / tail
    return sigma * (math.sqrt(radius) * math.sin(2.0 * math.pi * v))


def _pareto(u: float, v: float, tail: float) -> float:
    size: float = (1.0 - u) ** -tail
    return (1.0 if v < 0.5 else -1.0) * size


def _half_turn(x: float) -> float:
    """Return sin(pi x) for |x| <= 1/2 to 2 ulp: its Taylor series, which ends with an error below 2e-18."""
    z = x * x
    y = z * 5.392664662608129e-10 - 2.2948428997269873e-08
    y = z * y + 7.952054001475513e-07
    y = z * y - 2.1915353447830217e-05
    y = z * y + 0.00046630280576761255
    y = z * y - 0.007370430945714351
    y = z * y + 0.08214588661112823
    y = z * y - 0.5992645293207921
    y = z * y + 2.550164039877345
    y = z * y - 5.16771278004997
    return x * (z * y + math.pi)


def _cauchy(u: float, heavy: float) -> float:
    # tan(pi (u - 1/2)): only arithmetic, so with the same bits everywhere, and a ninth of the time of math.tan.
    # The gap to the pole is exact; u = 0 stands for [0, 2^-53), of which 2^-54 is the middle.
    w = u - 0.5
    return heavy * (_half_turn(w) / _half_turn(max(0.5 - abs(w), 5.551115123125783e-17)))


def _sign(u: float, sigma: float) -> float:
    return sigma if u < 0.5 else -sigma


UNIFORM = Noise("uniform", _uniform)
"""Uniform of standard deviation ``sigma``."""
WITHIN = Noise("uniform within", _within)
"""Uniform on [-``width``, ``width``)."""
NORMAL = Noise("normal", _normal, draws=2)
"""Normal of standard deviation ``sigma``, by the first of Box and Muller's two numbers."""
NORMAL_PAIRS = Noise("normal pairs", _normal_pair, draws=2, each="pair")
"""Normal of standard deviation ``sigma``; two coordinates share Box and Muller's two numbers."""
TWO_POINT = Noise("two-point", _two_point, each="worker", mean=_two_point_mean)
"""``C`` with probability ``p``, else -``small``; one draw per worker, of mean p C - (1 - p) small."""
SKEWED = Noise("skewed", _skewed)
"""Two values of mean 0 and standard deviation ``sigma``, the positive one with probability ``p``."""
SIGN = Noise("sign", _sign)
"""+-``sigma`` with equal probability."""
CAUCHY = Noise("Cauchy", _cauchy)
"""Cauchy of scale ``heavy``: symmetric, without a mean."""
STUDENT = Noise("Student", _student, draws=2)
"""Student's t at variance ``sigma``^2 with 1/``tail`` degrees of freedom (normal if 0), by the polar method
of R. W. Bailey, Math. Comp. 62 (1994) 779."""
PARETO = Noise("Pareto", _pareto, draws=2)
"""A random sign times (1 - u)^-``tail``: symmetric, with moments below 1/``tail``."""

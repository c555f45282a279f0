"""The class *orbits*: 2-cycles of Adam with a constant step size on quadratics, and whether they attract.

Without bias correction and eps Adam has on f(x) = c x^2/2 a cycle between +A lr and -A lr with
A = (1 - beta1)/(2 (1 + beta1)), whatever c and beta2 (2-cycles for all hyperparameters: Bock and Weiss 2022,
arXiv:2210.02070).  Scaling x by s, c by r takes m to s r m and v to (s r)^2 v, so the multipliers of the cycle, the
eigenvalues of the two-step map there, depend on beta1 and beta2 only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.orbit_check import PROVES
from theory_sim.exact import balls, rebind, symbols
from theory_sim.exact.arithmetic import module
from theory_sim.optimizers.adam import adam_rule
from theory_sim.rules import checks


def amplitude(beta1: Fraction) -> Fraction:
    """Return A, in units of lr."""
    return (1 - beta1) / (2 * (1 + beta1))


def missed(beta1: Any, beta2: Any, A: Any, curvature: Any = 1) -> list[Any]:
    """Return by how much x, m, v miss their start after two steps of Adam's own rule, in symbols.

    Parameters
    ----------
    beta1, beta2, A, curvature : exact number or sympy.Expr
    """
    arithmetic = symbols()
    rule = rebind(adam_rule, arithmetic)
    b1, b2, start, c = (arithmetic.number(one) for one in (beta1, beta2, A, curvature))
    zero, one = arithmetic.number(0), arithmetic.number(1)
    x, m, v = start, -(one - b1) / (one + b1) * c * start, (c * start) * (c * start)
    before = (x, m, v)
    with arithmetic.precision():
        for _ in range(2):
            x, m, v = rule(c * x, one, b1, b2, zero, zero, x, m, v)
            x, m, v = (arithmetic.number(module("sympy").simplify(q.raw)) for q in (x, m, v))
    return [module("sympy").simplify((a - b).raw) for a, b in zip((x, m, v), before, strict=True)]


@dataclass(frozen=True)
class Multipliers:
    """Enclosures of the absolute values of the eigenvalues of the two-step map, increasing.

    Parameters
    ----------
    sizes : tuple of (float, float)
        Lower and upper bounds.
    """

    sizes: tuple[tuple[float, float], ...]

    @property
    def attracts(self) -> bool | None:
        """Whether all are below 1 (True), one is above 1 (False), or neither is proved (None)."""
        if all(high < 1.0 for _, high in self.sizes):
            return True
        return False if any(low > 1.0 for low, _ in self.sizes) else None


def multipliers(beta1: Any, beta2: Any, bits: int = 256) -> Multipliers:
    """Enclose the multipliers of the cycle in balls, from the derivative of Adam's step, c = lr = 1."""
    flint, arithmetic = module("flint"), balls(bits)
    with arithmetic.precision():
        b1, b2 = (arithmetic.convert(checks.rational(n, b)) for n, b in (("beta1", beta1), ("beta2", beta2)))
        A = (1 - b1) / (2 * (1 + b1))
        product = flint.arb_mat([[int(i == j) for j in range(3)] for i in range(3)])
        for side in (1, -1):
            x = side * A
            m = (1 - b1) / (1 + b1) * x  # after the step's gradient
            root = A  # of v = A^2
            # d m' = beta1 dm + (1 - beta1) dx, d v' = beta2 dv + 2 (1 - beta2) x dx, d x' = dx - dm'/root + m'/(2 root^3) dv'
            dm, dv = [1 - b1, b1, 0], [2 * (1 - b2) * x, 0, b2]
            dx = [(1 if j == 0 else 0) - dm[j] / root + m / (2 * root**3) * dv[j] for j in range(3)]
            product = flint.arb_mat([dx, dm, dv]) * product
        values = flint.acb_mat(product).eig(multiple=True)
        ends = [(float(abs(one).lower()), float(abs(one).upper())) for one in values]
        found = sorted((math.nextafter(low, -1.0), math.nextafter(high, math.inf)) for low, high in ends)
        return Multipliers(tuple(found))


def certificate(beta1: str, beta2: str) -> dict[str, Any]:
    """Return the certificate of the cycle at one pair of hyperparameters."""
    A = amplitude(checks.rational("beta1", beta1))
    return {
        "format": 1,
        "class": "orbits",
        "optimizer": "adam",
        "hyper": {"beta1": beta1, "beta2": beta2},
        "amplitude": str(A),
        "proves": PROVES,
    }


def verify(record: Mapping[str, Any]) -> str:
    """Recompute a certificate with Adam's own rule in symbols and return what was found in one line.

    Raises
    ------
    Refused
        With the reason.
    """
    words = tuple(record.get(name) for name in ("format", "class", "optimizer", "proves"))
    names = {"format", "class", "optimizer", "hyper", "amplitude", "proves"}
    if set(record) != names or words != (1, "orbits", "adam", PROVES):
        raise Refused("its fields, format, class, method or words are others")
    try:
        if set(record["hyper"]) != {"beta1", "beta2"}:
            raise Refused("its hyperparameters are not beta1 and beta2")
        b1, b2 = (checks.rational(name, str(record["hyper"][name])) for name in ("beta1", "beta2"))
        A = checks.rational("amplitude", str(record["amplitude"]))
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(checks.sentence(error).rstrip(".")) from None
    if not (0 <= b1 < 1 and 0 <= b2 < 1 and A > 0) or any(one != 0 for one in missed(b1, b2, A)):
        raise Refused("Adam does not come back after two steps, or a weight is outside of [0, 1)")
    return f"a cycle between {A} lr and -{A} lr"

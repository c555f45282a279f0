"""The class *orbits*: cycles of Adam, RMSProp and Lion with a constant step size on quadratics, and whether they attract.

On f(x) = c x^2/2, whatever c > 0 is, Adam without bias correction and RMSProp, both with eps = 0, have a cycle between +A lr
and -A lr with A = (1 - beta1)/(2 (1 + beta1)), beta1 = 0 for RMSProp (2-cycles of Adam for all hyperparameters: Bock and
Weiss 2022, arXiv:2210.02070).  Lion without weight decay sweeps from +A lr to -A lr and back, lr at a time, in 4 A steps:
with A = 1/2, a 2-cycle, iff 2 beta1 < 1 + beta2.  Scaling x by s and c by r takes m to s r m and v to (s r)^2 v, so the
multipliers of a cycle, the eigenvalues of the map of a period there, depend on the betas only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.exhibit import start_of_sweep
from theory_sim.evidence.hunter.orbit_check import PROVES
from theory_sim.exact import Arithmetic, balls, rebind, symbols
from theory_sim.exact.arithmetic import module
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.rules import checks

METHODS = {"adam": ("beta1", "beta2"), "rmsprop": ("beta2",), "lion": ("beta1", "beta2")}
_ROWS = {"adam": ("x", "m", "v"), "rmsprop": ("x", "v"), "lion": ("x", "m")}
_LONGEST = 400  # steps of a cycle of Lion that is looked for


def _sign(raw: Fraction) -> tuple[int, int]:
    found = (raw > 0) - (raw < 0)
    return found, found


_RATIONALS = Arithmetic("rationals", Fraction, _sign, {}, lambda raw: True)


def _rule(method: str) -> Any:
    return OPTIMIZERS[method](**({"bias_correction": False} if method == "adam" else {})).step


def amplitude(method: str, hyper: Mapping[str, Fraction]) -> Fraction | None:
    """Return A, in units of lr; of Lion the least one of a sweep, None if none of up to 400 steps repeats."""
    if method != "lion":
        beta1 = hyper.get("beta1", Fraction(0))
        return (1 - beta1) / (2 * (1 + beta1))
    for steps in range(1, _LONGEST // 2 + 1):
        if comes_back(method, hyper, Fraction(steps, 2)):
            return Fraction(steps, 2)
    return None


def period(method: str, A: Fraction) -> int:
    """Return the steps of a cycle."""
    return int(4 * A) if method == "lion" else 2


def states(method: str, hyper: Mapping[str, Any], A: Any, curvature: Any = 1) -> dict[str, Any]:
    """Return the state on the cycle before the step at +A, by name."""
    if method == "lion":
        half, beta2 = int(2 * A), hyper["beta2"]
        m = start_of_sweep({A - t: A - t for t in range(half + 1)}, beta2, A)
        return {"x": A, "m": m * curvature}
    seen = curvature * A
    beta1 = hyper.get("beta1", Fraction(0))
    rows = {"x": A, "m": -(1 - beta1) / (1 + beta1) * seen, "v": seen * seen}
    return {name: rows[name] for name in _ROWS[method]}


def _after(rule: Any, hyper: Mapping[str, Any], state: Mapping[str, Any], g: Any, one: Any) -> dict[str, Any]:
    zero = one - one
    extra = (
        {"eps_inside": zero, "eps_outside": zero} if "v" in state else {"weight_decay": zero, "at_zero": zero}
    )
    return dict(zip(state, rule(g=g, lr=one, **hyper, **extra, **state), strict=True))


def missed(method: str, hyper: Mapping[str, Any], A: Any, curvature: Any = 1) -> list[Any]:
    """Return by how much the state misses its start after a period of the method's own rule, in symbols.

    Parameters
    ----------
    method : {"adam", "rmsprop"}
    hyper : mapping of str to exact number or sympy.Expr
    A, curvature : exact number or sympy.Expr
    """
    arithmetic, simplify = symbols(), module("sympy").simplify
    rule, one, c = rebind(_rule(method), arithmetic), arithmetic.number(1), arithmetic.number(curvature)
    known = {name: arithmetic.number(value) for name, value in hyper.items()}
    before = state = states(method, known, arithmetic.number(A), c)
    with arithmetic.precision():
        for _ in range(2):
            state = _after(rule, known, state, c * state["x"], one)
            state = {name: arithmetic.number(simplify(q.raw)) for name, q in state.items()}
    return [simplify((state[name] - before[name]).raw) for name in before]


def comes_back(method: str, hyper: Mapping[str, Fraction], A: Fraction) -> bool:
    """Whether the method's own rule is back after a period, with every argument of a sign other than 0."""
    if method != "lion":
        return all(one == 0 for one in missed(method, hyper, A))
    rule, number = rebind(_rule(method), _RATIONALS), _RATIONALS.number
    known = {name: number(value) for name, value in hyper.items()}
    before = {name: number(value) for name, value in states(method, hyper, A).items()}
    state = before
    for t in range(period(method, A)):
        argument = known["beta1"] * state["m"] + (1 - known["beta1"]) * state["x"]
        if (argument > 0) != (t < 2 * A) or argument == 0:
            return False
        state = _after(rule, known, state, state["x"], number(1))
    return all(state[name] == before[name] for name in before)


@dataclass(frozen=True)
class Multipliers:
    """Enclosures of the absolute values of the eigenvalues of the map of a period, increasing.

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


def jacobian(method: str, hyper: Mapping[str, Any]) -> Any:
    """Return the derivative of the step of Adam or RMSProp at +A, c = lr = 1, as a matrix of sympy: of its own rule."""
    sympy, arithmetic = module("sympy"), symbols()
    rule = rebind(_rule(method), arithmetic)
    known = {name: arithmetic.number(value) for name, value in hyper.items()}
    beta1 = hyper.get("beta1", Fraction(0))
    at = states(method, hyper, (1 - beta1) / (2 * (1 + beta1)))
    free = {
        name: sympy.Symbol(name, positive=True) if name != "m" else sympy.Symbol("m", real=True)
        for name in at
    }
    start = {name: arithmetic.number(symbol) for name, symbol in free.items()}
    with arithmetic.precision():
        after = _after(rule, known, start, start["x"], arithmetic.number(1))
    here = {free[name]: sympy.sympify(value) for name, value in at.items()}
    return sympy.Matrix([one.raw for one in after.values()]).jacobian([*free.values()]).subs(here)


def multipliers(method: str, hyper: Mapping[str, Any], A: Fraction, bits: int = 256) -> Multipliers:
    """Enclose the multipliers of the cycle in balls, from the derivative of the step, c = lr = 1.

    Lion's sign is constant near its cycle, so x keeps every displacement, a multiplier 1, and m forgets.
    """
    flint, arithmetic = module("flint"), balls(bits)
    known = {name: checks.rational(name, value) for name, value in hyper.items()}
    with arithmetic.precision():
        if method == "lion":
            kept = arithmetic.convert(known["beta2"]) ** period(method, A)
            ends = [(float(kept.lower()), float(kept.upper())), (1.0, 1.0)]
        else:
            turned = jacobian(method, known)
            for i, name in enumerate(_ROWS[method]):
                if name != "v":  # the other half of the cycle is the mirror image of this one
                    turned[i, :] = -turned[i, :]
            exact = [[Fraction(str(one)) for one in row] for row in turned.tolist()]
            half = flint.arb_mat([[arithmetic.convert(one) for one in row] for row in exact])
            values = flint.acb_mat(half * half).eig(multiple=True)
            ends = [(float(abs(one).lower()), float(abs(one).upper())) for one in values]
            ends = [(math.nextafter(low, -1.0), math.nextafter(high, math.inf)) for low, high in ends]
    return Multipliers(tuple(sorted(ends)))


def certificate(method: str, hyper: Mapping[str, str]) -> dict[str, Any]:
    """Return the certificate of the cycle at one pair of hyperparameters.

    Raises
    ------
    Refused
        If Lion has no sweep of at most 400 steps.
    """
    A = amplitude(method, {name: checks.rational(name, text) for name, text in hyper.items()})
    if A is None:
        raise Refused(f"no sweep of Lion of at most {_LONGEST} steps on a quadratic repeats")
    return {
        "format": 1,
        "class": "orbits",
        "optimizer": method,
        "hyper": dict(hyper),
        "amplitude": str(A),
        "proves": PROVES[method],
    }


def verify(record: Mapping[str, Any]) -> str:
    """Recompute a certificate with the method's own rule and return what was found in one line.

    Raises
    ------
    Refused
        With the reason.
    """
    names = {"format", "class", "optimizer", "hyper", "amplitude", "proves"}
    wanted = METHODS.get(str(record.get("optimizer")))
    if set(record) != names or wanted is None:
        raise Refused("its fields are others, or the class orbits has no such method")
    method = record["optimizer"]
    if (record["format"], record["class"], record["proves"]) != (1, "orbits", PROVES[method]):
        raise Refused("its format, class or words are others")
    try:
        if set(record["hyper"]) != set(wanted):
            raise Refused(f"its hyperparameters are not {' and '.join(wanted)}")
        hyper = {name: checks.rational(name, str(record["hyper"][name])) for name in wanted}
        A = checks.rational("amplitude", str(record["amplitude"]))
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(checks.sentence(error).rstrip(".")) from None
    if not all(0 <= one < 1 for one in hyper.values()) or not 0 < A <= _LONGEST // 4:
        raise Refused("a beta is outside of [0, 1), or the amplitude outside of (0, 100]")
    if method == "lion" and (2 * A).denominator != 1:
        raise Refused("the amplitude of a sweep of Lion is a multiple of 1/2")
    if not comes_back(method, hyper, A):
        raise Refused(f"{method} is not back after {period(method, A)} steps from the amplitude {A}")
    sizes = multipliers(method, hyper, A)
    return f"a cycle of {period(method, A)} steps between {A} lr and -{A} lr that {stability(sizes)}"


def stability(found: Multipliers) -> str:
    """Return whether a cycle attracts, and its multipliers, in words."""
    words = {True: "attracts", False: "repels", None: "neither attracts nor repels"}
    sizes = ", ".join(f"{high:.6g}" for _, high in found.sizes)
    return f"{words[found.attracts]} (multipliers of size {sizes})"

"""Check a 2-cycle of Adam on x^2/2 with the standard library alone: python check.py certificate.json.

Exit status 0 or 1.  Adam without bias correction and eps, lr = 1, takes two steps in rationals; the roots it needs are
those of squares.
"""

import json
import sys
from fractions import Fraction as F
from math import isqrt
from pathlib import Path
from typing import Any

PROVES = (
    "On f(x) = c x^2/2, for every c > 0, Adam without bias correction, with eps = 0 and a constant step size lr, has a "
    "cycle of two points, at +A lr and -A lr."
)


def root(q: F) -> F:
    """Return the root of a rational square."""
    top, bottom = isqrt(q.numerator), isqrt(q.denominator)
    if top * top != q.numerator or bottom * bottom != q.denominator or top == 0:
        raise ValueError("a root that is no positive rational")
    return F(top, bottom)


def check(c: Any) -> str:
    """Return what was found; raise if the certificate does not hold."""
    names = {"format", "class", "optimizer", "hyper", "amplitude", "proves"}
    if set(c) != names or (c["format"], c["class"], c["optimizer"], c["proves"]) != (
        1,
        "orbits",
        "adam",
        PROVES,
    ):
        raise ValueError("fields or words")
    if set(c["hyper"]) != {"beta1", "beta2"}:
        raise ValueError("hyperparameters")
    beta1, beta2, A = F(c["hyper"]["beta1"]), F(c["hyper"]["beta2"]), F(c["amplitude"])
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1 and A > 0):
        raise ValueError("weights or amplitude")
    # Before a step at A the momentum remembers gradients of alternating sign; c = 1, the others follow by scaling.
    start = x, m, v = A, -(1 - beta1) / (1 + beta1) * A, A * A
    for sign in (-1, 1):
        m, v = beta1 * m + (1 - beta1) * x, beta2 * v + (1 - beta2) * x * x
        x = x - m / root(v)
        if x != sign * A:
            raise ValueError("it does not reach the other point")
    if (x, m, v) != start:
        raise ValueError("it does not come back")
    return f"a cycle between {A} lr and -{A} lr"


if __name__ == "__main__":
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")

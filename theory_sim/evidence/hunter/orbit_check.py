"""Check a cycle of Adam, RMSProp or Lion on x^2/2 with the standard library alone: python check.py certificate.json.

Exit status 0 or 1, and 2 without a file.  The method, without bias correction, eps and weight decay, lr = 1, takes the steps
of a period in rationals; the roots it needs are those of squares.  Whether the cycle attracts is told by the
conditions of Schur and Cohn on the characteristic polynomial of half a period.
"""

# fmt: off
import json
import sys
from fractions import Fraction as F
from math import isqrt
from pathlib import Path
from typing import Any

ENDS = "for every c > 0, with a constant step size lr,"
PROVES = {
    "adam": f"On f(x) = c x^2/2, {ENDS} Adam without bias correction and with eps = 0 has a cycle of two points, at +A lr and -A lr.",
    "rmsprop": f"On f(x) = c x^2/2, {ENDS} RMSProp with eps = 0 has a cycle of two points, at +A lr and -A lr.",
    "lion": f"On f(x) = c x^2/2, {ENDS} Lion without weight decay goes from +A lr to -A lr and back for ever, lr at a time."}

def root(q: F) -> F:
    """Return the root of a rational square."""
    top, bottom = isqrt(q.numerator), isqrt(q.denominator)
    if top * top != q.numerator or bottom * bottom != q.denominator or top == 0:
        raise ValueError("a root that is no positive rational")
    return F(top, bottom)

def lion(beta1: F, beta2: F, A: F) -> str:
    half, m = int(2 * A), F(0)
    if (2 * A).denominator != 1 or half > 200:
        raise ValueError("an amplitude that is no multiple of 1/2, or above 100")
    for t in range(half):
        m = beta2 * m + (1 - beta2) * (A - t)
    start = x, m = A, -m / (1 + beta2**half)
    for t in range(2 * half):
        mixed = beta1 * m + (1 - beta1) * x
        if mixed == 0 or (mixed > 0) != (t < half):
            raise ValueError("a sign that is 0, or leads elsewhere")
        x, m = x - (1 if mixed > 0 else -1), beta2 * m + (1 - beta2) * x
    if (x, m) != start:
        raise ValueError("it does not come back")
    return f"neither attracts nor repels: x keeps a displacement, and m forgets, by {float(beta2 ** (2 * half)):.6g}"

def adam(beta1: F, beta2: F, A: F) -> str:
    # Before a step at A the momentum remembers gradients of alternating sign; c = 1, the others follow by scaling.
    start = x, m, v = A, -(1 - beta1) / (1 + beta1) * A, A * A
    for sign in (-1, 1):
        m, v = beta1 * m + (1 - beta1) * x, beta2 * v + (1 - beta2) * x * x
        x = x - m / root(v)
        if x != sign * A:
            raise ValueError("it does not reach the other point")
    if (x, m, v) != start:
        raise ValueError("it does not come back")
    m = (1 - beta1) / (1 + beta1) * A  # after the gradient at A
    dm, dv = [1 - beta1, beta1, F(0)], [2 * (1 - beta2) * A, F(0), beta2]  # by x, m, v
    dx = [F(j == 0) - dm[j] / A + m / (2 * A**3) * dv[j] for j in range(3)]
    J = [[-one for one in dx], [-one for one in dm], dv]  # and then the mirror image, x and m reversed
    a = -(J[0][0] + J[1][1] + J[2][2])
    b = sum(J[i][i] * J[j][j] - J[i][j] * J[j][i] for i, j in ((0, 1), (0, 2), (1, 2)))
    c = -sum(J[0][i] * (J[1][i - 2] * J[2][i - 1] - J[1][i - 1] * J[2][i - 2]) for i in range(3))
    tests = [1 + b + a + c, 1 + b - a - c, 1 - b + a * c - c * c]
    if min(tests) < 0:
        return "repels"
    return "attracts" if min(tests) > 0 and abs(a - 3 * c) < 3 - b else "neither provably attracts nor repels"

def check(c: Any) -> str:
    """Return what was found; raise if the certificate does not hold."""
    names, method = {"format", "class", "optimizer", "hyper", "amplitude", "proves"}, c["optimizer"]
    if set(c) != names or (c["format"], c["class"], c["proves"]) != (1, "orbits", PROVES[method]):
        raise ValueError("fields or words")
    if set(c["hyper"]) != {"beta2"} | (set() if method == "rmsprop" else {"beta1"}):
        raise ValueError("hyperparameters")
    beta1, beta2, A = F(c["hyper"].get("beta1", "0")), F(c["hyper"]["beta2"]), F(c["amplitude"])
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1 and A > 0):
        raise ValueError("weights or amplitude")
    said = (lion if method == "lion" else adam)(beta1, beta2, A)
    return f"a cycle between {A} lr and -{A} lr that {said}"

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("Name one certificate: python check.py certificate.json", file=sys.stderr)
        sys.exit(2)
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")

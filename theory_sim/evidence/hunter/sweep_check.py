"""Check a sweep of a sign method with the standard library alone: python check.py certificate.json.

Exit status 0 or 1.  The method runs in rationals, lr = 1, on the odd gradients listed, from x = A: after two sweeps x
and its momentum are back, and no argument of a sign was 0.  Slopes between neighbours are in [1, kappa].
"""

import itertools
import json
import sys
from fractions import Fraction as F
from pathlib import Path
from typing import Any

PROVES = (
    "The method with a constant step size lr sweeps over [-A lr, A lr] for ever on a 1-strongly convex, kappa-smooth "
    "function of one variable, the gradients of which at lr A, lr (A - 1), ... are lr times those listed, and odd."
)


def check(c: Any) -> str:
    """Return what was found; raise if the certificate does not hold."""
    names = {"format", "class", "optimizer", "hyper", "amplitude", "kappa", "gradients", "proves"}
    if set(c) != names or (c["format"], c["class"], c["proves"]) != (1, "sign", PROVES):
        raise ValueError("fields or words")
    wanted = {"signum": {"beta"}, "lion": {"beta1", "beta2"}}[c["optimizer"]]
    if set(c["hyper"]) != wanted:
        raise ValueError("hyperparameters")
    weights = [F(c["hyper"][name]) for name in sorted(wanted)]
    beta1, beta2 = weights[0], weights[-1]
    A, kappa, g = F(c["amplitude"]), F(c["kappa"]), [F(text) for text in c["gradients"]]
    if not (
        all(0 <= one < 1 for one in weights)
        and A > 0
        and (2 * A).denominator == 1
        and len(g) == -(-2 * A // 2)
    ):
        raise ValueError("weights, amplitude, or too many gradients")
    points = [A - k for k in range(len(g))]
    known = sorted([*zip(points, g, strict=True), *((-p, -one) for p, one in zip(points, g, strict=True))])
    if any(p == 0 for p in points):
        raise ValueError("a gradient at 0")
    known = sorted([*known, (F(0), F(0))]) if A.denominator == 1 else known
    slopes = [(h - f) / (q - p) for (p, f), (q, h) in itertools.pairwise(known)]
    if not all(1 <= slope <= kappa for slope in slopes):
        raise ValueError("a slope outside of [1, kappa]")
    slope_at, half, fed = dict(known), int(2 * A), F(0)
    for t in range(half):
        fed = beta2 * fed + (1 - beta2) * slope_at[A - t]
    start = -fed / (1 + beta2**half)
    x, m = A, start
    for t in range(2 * half):
        seen = slope_at[x]
        mixed = beta1 * m + (1 - beta1) * seen
        if mixed == 0 or (mixed > 0) != (t < half):
            raise ValueError("a sign that is 0, or leads elsewhere")
        x, m = x - (1 if mixed > 0 else -1), beta2 * m + (1 - beta2) * seen
    if (x, m) != (A, start):
        raise ValueError("it does not come back")
    return f"amplitude {A} lr at condition number {float(kappa):.6g}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("Name one certificate: python check.py certificate.json", file=sys.stderr)
        sys.exit(2)
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")

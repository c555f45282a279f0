"""Check a cycle of a momentum method with the standard library alone: python check.py certificate.json.

Exit status 0 or 1.  line: points x_0, ..., x_(K-1) repeat, with gradients whose slopes between neighbours are in
[mu, L], which is all that a mu-strongly convex, L-smooth function of one variable needs.  gram: x_t is a mix of
cos and sin of 2 pi l t / K with weights p_l, and the interpolation conditions between all points are positive.
"""

# fmt: off
import itertools
import json
import sys
from fractions import Fraction as F
from pathlib import Path
from typing import Any

PROVES = {
    "line": "The method repeats these points for ever on a mu-strongly convex, L-smooth function of one variable.",
    "gram": "The method has a cycle of this period on some mu-strongly convex, L-smooth function."}
Box = tuple[F, F]  # the numbers between two rationals

def need(holds: Any, why: str) -> None:
    if not holds:
        raise ValueError(why)

def add(*boxes: Box) -> Box: return sum((a for a, _ in boxes), F(0)), sum((b for _, b in boxes), F(0))

def mul(a: Box, b: Box) -> Box:
    ends = [p * q for p in a for q in b]
    low, high = min(ends), max(ends)
    return F((low * 2**200).__floor__(), 2**200), F((high * 2**200).__ceil__(), 2**200)

def point(q: F) -> Box: return q, q

def arctan(q: F) -> Box:
    terms = [(-1) ** k * q ** (2 * k + 1) / (2 * k + 1) for k in range(90)]  # an alternating series
    return min(sum(terms), sum(terms[:-1])), max(sum(terms), sum(terms[:-1]))

def turn(j: int, K: int, pi: Box) -> tuple[Box, Box]:
    """Enclose cos and sin of 2 pi j / K by their Taylor polynomials of degree 60 at an angle in [-pi, pi]."""
    j = (j + K // 2) % K - K // 2
    angle, power, found = mul(point(F(2 * j, K)), pi), point(F(1)), [point(F(0)), point(F(0))]
    for k in range(61):
        found[k % 2] = add(found[k % 2], power if k % 4 < 2 else (-power[1], -power[0]))
        power = mul(mul(power, angle), point(F(1, k + 1)))
    rest = (-max(map(abs, power)) * 2, max(map(abs, power)) * 2)  # 4^61/61! and smaller
    return add(found[0], rest), add(found[1], rest)

def gram(c: Any, alpha: F, beta: F, mu: F, top: F) -> str:
    K, weights = c["period"], [F(text) for text in c["weights"]]
    need(type(K) is int and K > 1 and len(weights) == K // 2 and min(weights) >= 0 < sum(weights) and mu < top, "modes")
    fifth, other = arctan(F(1, 5)), arctan(F(1, 239))
    pi, least = add(mul(point(F(16)), fifth), mul(point(F(-4)), other)), F(10**9)
    for d in range(1, K):
        total = point(F(0))
        for k, weight in enumerate(weights, 1):
            (re, im), (cos, sin) = turn(k, K, pi), turn(k * d, K, pi)
            # G = (1 + beta - beta conj(w) - w)/alpha, C = 1 or 1 + beta - beta conj(w), w = re + i im
            base = add(point(1 + beta), mul(point(-beta), re)), mul(point(beta), im)
            G = [mul(point(1 / alpha), add(one, (-w[1], -w[0]))) for one, w in zip(base, (re, im), strict=True)]
            C = base if c["optimizer"] == "nesterov" else (point(F(1)), point(F(0)))
            inner = add(mul(G[0], C[0]), mul(G[1], C[1])), add(mul(G[0], C[1]), mul(mul(point(F(-1)), G[1]), C[0]))
            moved, size = add(cos, point(F(-1))), [add(mul(z[0], z[0]), mul(z[1], z[1])) for z in (G, C)]
            bend = add(mul(point(1 / top), size[0]), mul(point(mu), size[1]), mul(point(-2 * mu / top), inner[0]))
            e = add(mul(moved, moved), mul(sin, sin))
            slack = add(mul(point(F(-1)), mul(inner[0], moved)), mul(inner[1], sin),
                        mul(point(-1 / (2 * (1 - mu / top))), mul(bend, e)))
            total = add(total, mul(point(weight), slack))
        need(total[0] > 0, f"the condition between points {d} apart is not positive")
        least = min(least, total[0])
    return f"a cycle of {K} points, every condition above {float(least):.3g}"

def check(c: Any) -> str:
    fields = {"line": {"points"}, "gram": {"period", "weights"}}[c["class"]]
    need(set(c) == {"format", "class", "optimizer", "hyper", "proves", *fields} and c["format"] == 1, "fields")
    need(c["proves"] == PROVES[c["class"]] and c["optimizer"] in ("heavy_ball", "nesterov"), "words, or the method")
    need(set(c["hyper"]) == {"alpha", "beta", "mu", "L"}, "hyperparameters")
    alpha, beta, mu, top = (F(c["hyper"][name]) for name in ("alpha", "beta", "mu", "L"))
    need(mu > 0, "mu <= 0")
    if c["class"] == "gram":
        return gram(c, alpha, beta, mu, top)
    x = [F(text) for text in c["points"]]
    moves = [beta * (x[t] - x[t - 1]) for t in range(len(x))]
    y = [x[t] + (moves[t] if c["optimizer"] == "nesterov" else 0) for t in range(len(x))]
    g = [(x[t] + moves[t] - x[(t + 1) % len(x)]) / alpha for t in range(len(x))]
    need(len(set(y)) == len(y) > 1, "points that meet")
    slopes = [(h - f) / (q - p) for (p, f), (q, h) in itertools.pairwise(sorted(zip(y, g, strict=True)))]
    need(all(mu <= slope <= top for slope in slopes), "a slope outside of [mu, L]")
    return f"{len(x)} points, slopes from {float(min(slopes)):.6g} to {float(max(slopes)):.6g}"

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("Name one certificate: python check.py certificate.json", file=sys.stderr)
        sys.exit(2)
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")

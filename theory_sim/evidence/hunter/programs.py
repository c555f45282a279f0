"""Programs of numpy that show a cycle, a sweep or a law: what stands beside certificates as ``problem.py``."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from theory_sim.evidence.hunter.exhibit import exhibit

_LINE = """import numpy as np
alpha, beta = {alpha}, {beta}
points = np.array([{points}])  # what x repeats
moves = beta * (points - np.roll(points, 1))
y = points{ahead}  # where gradients are taken
g = (points + moves - np.roll(points, -1)) / alpha
order = np.argsort(y)  # f' is linear between these points, with slopes in [{mu}, {L}]
last, x = points[-1], points[0]
for t in range({steps} + 1):
    print("t =", t, " x =", x)
    move = beta * (x - last)
    last, x = x, x + move - alpha * np.interp(x{by}, y[order], g[order])
"""

_SIGN = """import numpy as np
beta1, beta2, A, half = {beta1}, {beta2}, {A}, {half}
right = np.array([{points}])  # A, A - 1, ...; lr = 1
slopes = np.array([{gradients}])  # f' there; it is odd, and linear between them
knots, values = np.append(-right, right[::-1]), np.append(-slopes, slopes[::-1])
m, x = 0.0, A
for t in range(half):
    m = beta2 * m + (1 - beta2) * np.interp(A - t, knots, values)
m = -m / (1 + beta2**half)
for t in range(4 * half + 1):
    print("t =", t, " x =", x)
    g = np.interp(x, knots, values)
    x, m = x - np.sign(beta1 * m + (1 - beta1) * g), beta2 * m + (1 - beta2) * g
"""

_ORBITS = """import numpy as np
beta1, beta2, A = {beta1}, {beta2}, {A}
x, m, v = A, -(1 - beta1) / (1 + beta1) * A, A * A  # f = x^2/2 and lr = 1
for t in range(21):
    print("t =", t, " x =", x)
    m, v = beta1 * m + (1 - beta1) * x, beta2 * v + (1 - beta2) * x * x
    x = x - m / np.sqrt(v)
"""

_RMSPROP = """import numpy as np
beta2, A = {beta2}, {A}
x, v = A, A * A  # f = x^2/2 and lr = 1
for t in range(21):
    print("t =", t, " x =", x)
    v = beta2 * v + (1 - beta2) * x * x
    x = x - x / np.sqrt(v)
"""

_GRAM = """import numpy as np
alpha, beta, mu, rest = {alpha}, {beta}, {mu}, {L} - {mu}
v = np.array([{vertices}]).reshape({K}, {d})
def gradient(x):  # mu x and the projection of (L - mu) x onto the convex hull of the vertices v
    w = np.eye({K})[((v - rest * x) ** 2).sum(axis=1).argmin()]
    while True:  # move weight from the worst vertex to the best one
        inner = v @ (w @ v - rest * x)
        i, j = inner.argmin(), np.where(w > 0, inner, -np.inf).argmax()
        if inner[j] - inner[i] <= 1e-15 * (v**2).max():
            return mu * x + w @ v
        move = min(w[j], (inner[j] - inner[i]) / ((v[i] - v[j]) ** 2).sum())
        w[i], w[j] = w[i] + move, w[j] - move
x, m = np.array([{x0}]), {m0}  # every coordinate of the momentum begins at m0
for t in range({steps} + 1):
    print("t =", t, " x =", *x)  # the minimiser is 0
    g = gradient(x)
    m = beta * m + g
    x = x - alpha * {move}
"""

_IID = """import numpy as np
beta1, beta2, eps = {beta1}, {beta2}, {eps}
law = np.array({law}, dtype=float)  # mean > 0, so x = -1 is the best point of [-1, 1]
x, m, v, rng = -1.0, 0.0, float((law**2).max()), np.random.default_rng(0)
drawn = {drawn}
for t, g in enumerate(drawn.tolist(), 1):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    x = min(max(x - {lr} / t**0.5 * m / (v**0.5 + eps), -1.0), 1.0)
print("x =", x, "after", t, "steps")
"""
_DRAWN = {
    "replacement": "rng.choice(law, 100_000)",
    "reshuffled": "np.concatenate([rng.permutation(law) for _ in range(100_000 // len(law))])",
}


def program(record: Mapping[str, Any]) -> str:
    """Return a program of numpy alone that shows what a certificate proves.

    Parameters
    ----------
    record : mapping
        A certificate of the class line, gram, sign, orbits or iid.
    """
    hyper = record["hyper"]
    if record["class"] == "line":
        ahead = record["optimizer"] == "nesterov"
        rest = {"ahead": " + moves" if ahead else "", "by": " + move" if ahead else ""}
        points = record["points"]
        return _LINE.format(**hyper, **rest, points=", ".join(points), steps=4 * len(points))
    if record["class"] == "gram":
        one = exhibit(record)
        given = one.problem.arguments
        if "points" in given:  # of one variable
            return program({**record, "class": "line", "points": ["1", "-1"]})
        start = {
            "x0": ", ".join(map(repr, given["x0"])),
            "m0": one.method.arguments["m0"],
            "vertices": ", ".join(map(repr, given["vertices"])),
        }
        move = "(g + beta * m)" if record["optimizer"] == "nesterov" else "m"
        shape = {"K": record["period"], "d": given["d"], "steps": 4 * record["period"]}
        return _GRAM.format(**hyper, **start, **shape, move=move)
    if record["class"] == "sign" or record["optimizer"] == "lion":
        A = record["amplitude"]
        count = -(-2 * Fraction(A) // 2)
        g = record.get("gradients", [f"{A} - {k}" for k in range(count)])
        weights = [hyper[name] for name in sorted(hyper)]
        points = ", ".join(f"{A} - {k}" for k in range(len(g)))
        known = {"beta1": weights[0], "beta2": weights[-1], "A": A, "half": f"round(2 * {A})"}
        return _SIGN.format(**known, points=points, gradients=", ".join(g))
    if record["class"] == "orbits":
        text = _RMSPROP if record["optimizer"] == "rmsprop" else _ORBITS
        return text.format(**hyper, A=record["amplitude"])
    one = exhibit(record)
    law = [int(g) for g in one.problem.arguments["gradients"]]
    return _IID.format(**hyper, law=law, drawn=_DRAWN[record["order"]], lr=one.method.lr)

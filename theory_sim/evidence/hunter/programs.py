"""Programs of numpy that show a cycle, a sweep or a law: what stands beside certificates as ``problem.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theory_sim.evidence.hunter import iid

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

_IID = """import numpy as np
beta1, beta2, eps = {beta1}, {beta2}, {eps}
law, weights = np.array({gradients}), np.array({weights})  # mean > 0, so x = -1 is the best point of [-1, 1]
x, m, v = -1.0, 0.0, float((law**2).max())
drawn = np.random.default_rng(0).choice(law, 1_000_000, p=weights / weights.sum())
for t, g in enumerate(drawn.tolist(), 1):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    x = min(max(x - {lr:.3g} / t**0.5 * m / (v**0.5 + eps), -1.0), 1.0)
print("x =", x, "after", t, "steps")
"""


def program(record: Mapping[str, Any]) -> str:
    """Return a program of numpy alone that shows what a certificate proves.

    Parameters
    ----------
    record : mapping
        A certificate of the class line, sign, orbits or iid.  Of the class gram, whose functions are known at the
        points of the cycle only, there is none, and the text is empty.
    """
    hyper = record["hyper"]
    if record["class"] == "line":
        ahead = record["optimizer"] == "nesterov"
        rest = {"ahead": " + moves" if ahead else "", "by": " + move" if ahead else ""}
        points = record["points"]
        return _LINE.format(**hyper, **rest, points=", ".join(points), steps=4 * len(points))
    if record["class"] == "sign":
        g, A = record["gradients"], record["amplitude"]
        weights = [hyper[name] for name in sorted(hyper)]
        points = ", ".join(f"{A} - {k}" for k in range(len(g)))
        given = {"beta1": weights[0], "beta2": weights[-1], "A": A, "half": f"round(2 * {A})"}
        return _SIGN.format(**given, points=points, gradients=", ".join(g))
    if record["class"] == "orbits":
        return _ORBITS.format(**hyper, A=record["amplitude"])
    if record["class"] == "iid":
        beta1, beta2, eps = (float(hyper[name]) for name in ("beta1", "beta2", "eps"))
        law = record["gradients"], record["weights"]
        found = iid.bracket(law[0], law[1], beta1, beta2, eps, record["grid"])
        lr = 2.4 / (2000.0 * -found.high)  # 10^6 steps lr/sqrt(t) move x by 2000 lr times the drift
        return _IID.format(**hyper, gradients=law[0], weights=law[1], lr=lr)
    return ""

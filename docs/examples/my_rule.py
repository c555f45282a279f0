"""An optimizer of one's own: a plain function of named numbers, over a grid of its hyperparameters."""

import math

import theory_sim as ts
from counterexamples import zhang


def belief(g, lr, beta1, beta2, eps, x, m, s):
    """AdaBelief (arXiv:2010.07468) without bias correction: the new x first, then the rows in order."""
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * (g - m) ** 2
    return x - lr * m / (math.sqrt(s) + eps), m, s


hyper = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
adabelief = ts.Optimizer("AdaBelief", belief, lr=0.1, hyper=hyper, rows=("m", "s"), schedule=ts.power(0.5))

axes = {"beta1": [0.0, 0.5, 0.9], "beta2": [0.1, 0.5, 0.9, 0.99]}
sweep = ts.Sweep(zhang.piecewise(n=10, a=1.0), adabelief, axes, steps=50_000, seeds=10, order="reshuffled")
trial = sweep.run()
print(trial.diverged_fraction.to_pandas())
print("95 % at beta1 = 0.5, beta2 = 0.99: from", end=" ")
cell = trial.sel(beta1=0.5, beta2=0.99)
print(f"{cell.diverged_low.item():.2f} to {cell.diverged_high.item():.2f} of the seeds diverge")

# A name that binds to nothing is one sentence, at once.
try:
    ts.Optimizer("typo", lambda g, lr, x, mom: (x - lr * mom, mom), lr=0.1, rows=("m",))
except ValueError as error:
    print(error)

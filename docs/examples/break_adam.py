"""Break Adam: the rare large slope that is worth following, and that Adam divides by its own size."""

import matplotlib.pyplot as plt
import numpy as np

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift import critical_beta2, drift
from theory_sim import plot

# Slope 10 once in ten steps and -1 otherwise, on [-1, 1]: +1 per period, so the best point is -1.
problem = reddi.periodic(C=10.0, small=1.0, period=10)

for method in (ts.adam, ts.amsgrad):
    optimizer = method(lr=0.5, beta1=0.5, beta2=0.9, eps=0.0, schedule=ts.power(0.5))  # lr_t = 0.5/sqrt(t)
    run = ts.simulate(problem, optimizer, steps=100_000)
    print(f"{optimizer.name:8} ends at {run.x_final.item():+.3f}: {run.verdict.item()}")

# How large must beta2 be? The drift over a period has a closed form, and the boundary is where it vanishes.
print("beta2* at beta1 = 0.5:", critical_beta2(0.5, n=10, C=10.0))

axes = {"beta1": np.linspace(0.0, 0.9, 10), "beta2": 1.0 - 10.0 ** -np.linspace(0.0, 3.0, 16)}
adam = ts.adam(lr=0.5, eps=0.0, schedule=ts.power(0.5))
grid = ts.Sweep(problem, adam, axes, steps=50_000).run()
ax = plot.phase(grid, lambda beta1, beta2: drift(beta1, beta2, 10, 10.0))
ax.legend()
ax.figure.savefig("phase.png", dpi=150)
plt.close(ax.figure)
print({name: int((grid.verdict == name).sum()) for name in ("CONVERGED", "DIVERGED", "UNDECIDED")})

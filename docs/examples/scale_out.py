"""A larger sweep: what it would cost, a store that a killed run resumes from, workers of an executor."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import theory_sim as ts
from counterexamples import zhang

axes = {"n": [5, 10, 20], "beta1": np.linspace(0.0, 0.9, 10), "beta2": np.linspace(0.0, 0.99, 100)}
adam = ts.adam(lr=0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
sweep = ts.Sweep(zhang.piecewise(10), adam, axes, steps=2_000, name="mine.large")
print(sweep.size, "lanes")
with TemporaryDirectory() as folder:
    store = Path(folder) / "store"
    first = sweep.run(store=store)  # interrupted, it would go on from the chunks that are there
    again = sweep.run(store=store)
    with ThreadPoolExecutor(
        2
    ) as executor:  # any executor; a cluster's is distributed.Client(...).get_executor()
        other = sweep.run(executor=executor)
print(
    "the same bits:", bool((first.x_final == again.x_final).all() and (first.x_final == other.x_final).all())
)

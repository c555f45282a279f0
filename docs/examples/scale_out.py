"""A larger sweep: a store that a killed run resumes from, workers, a result that is read piece by piece."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import theory_sim as ts
from counterexamples import zhang
from theory_sim.nouns.dataset import pieces

axes = {"n": [5, 10, 20], "beta1": np.linspace(0.0, 0.9, 10), "beta2": np.linspace(0.0, 0.99, 100)}
adam = ts.adam(lr=0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
sweep = ts.Sweep(zhang.piecewise(10), adam, axes, steps=2_000, name="mine.large")
print(sweep.size, "lanes")
with TemporaryDirectory() as folder:
    store = Path(folder) / "store"
    first = sweep.run(store=store, chunk=500)  # interrupted, it would go on from the chunks that are there
    with ThreadPoolExecutor(2) as executor:  # or workers=2, or scheduler="tcp://node1:8786"
        again = sweep.run(store=store, executor=executor)
    diverged = sum(int((piece.verdict == "DIVERGED").sum()) for piece in pieces(again))
print("the same bits:", first.identical(again) and first.identical(sweep.run()))
print(diverged, "diverge")

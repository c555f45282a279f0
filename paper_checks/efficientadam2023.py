"""Chen, Shen, Liu, Luo, "Efficient-Adam: Communication-Efficient Distributed Adam", IEEE TSP 71, 2023, arXiv:2205.14473.

The full text was not available to us; no constant of its theorems is claimed.  Here is what holds for the two-way
method by derivation: when the server has nothing to feed back, that quantized updates leave no floor, and where moments
of the workers lead when their data differ.  Steps and bits are in `paper_checks.efficientadam2023_speed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import quantized
from paper_checks.qadam2021 import EXACT, Array, worst
from paper_checks.qadam2021_bias import predicted_floor, tail
from theory_sim.claim import Claim, Deviation, Evidence, all_of, at_least, at_most
from theory_sim.compressors import l1_sign, log_levels, nearest_power, top_k, uniform
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizers.quantized import efficient_adam
from theory_sim.schedule import power
from theory_sim.sweep import Sweep

if TYPE_CHECKING:
    import xarray as xr

Grids = Sequence["xr.Dataset"]

ROOT = power(0.5)

# The memory of the server.

IDEMPOTENT: dict[str, Compressor] = {
    "top_k": top_k(4),
    "l1_sign": l1_sign(),
    "log_levels": log_levels(2),
    "uniform": uniform(3),
    "nearest_power": nearest_power(),
}


def _bowl(name: str, up: Compressor, down: Compressor, **fields: Any) -> Sweep:
    return Sweep(
        quantized.bowl(),
        efficient_adam(0.05, up=up, down=down, schedule=ROOT),
        steps=200,
        seeds=4,
        checkpoints=range(1, 201),
        entropy=2205,
        name=f"efficientadam2023.{name}",
        **fields,
    )


TWO_WAY = {name: _bowl(f"two_way_{name}", one, one) for name, one in IDEMPOTENT.items()}
ONE_WAY = {name: _bowl(f"one_way_{name}", one, EXACT) for name, one in IDEMPOTENT.items()}
FOUR = _bowl("two_way_of_four", l1_sign(), l1_sign(), workers=4)


def server_error(grid: xr.Dataset) -> float:
    """Return the largest |E_i| at the end."""
    return float(np.max(np.abs(grid.state_final.sel(row="E").values)))


def _qc10(grids: Grids, tier: str) -> Evidence:
    count = len(IDEMPOTENT)
    both, one, four = grids[:count], grids[count : 2 * count], grids[-1]
    errors = dict(zip(IDEMPOTENT, map(server_error, both), strict=True))
    paths = {
        name: float(np.max(np.abs(a.x.values - b.x.values)))
        for name, a, b in zip(IDEMPOTENT, both, one, strict=True)
    }
    error, text = worst(errors, "|E_i| after 200 steps")
    path, note = worst(paths, "difference to the path without a server quantizer, every step")
    return all_of(
        [
            at_most(error, 0.0, text),
            at_most(path, 0.0, note),
            at_least(server_error(four), 1e-4, "control, four workers: |E_i|"),
        ]
    )


# No floor.

LAST = 1_000
QUIET = {
    name: Sweep(
        quantized.quadratic(d=20, spread=0.4, x0=0.0),
        efficient_adam(0.05, up=up, schedule=ROOT),
        axes={"instance": tuple(range(4))},
        steps=60_000,
        checkpoints=(60_000 - LAST, 60_000),
        running=True,
        name=f"efficientadam2023.quiet_{name}",
    )
    for name, up in (("l1_sign", l1_sign()), ("log_levels", log_levels(2)), ("top_k", top_k(2)))
}
NOISY = {
    name: Sweep(
        quantized.quadratic(0.1, d=20, spread=0.4, x0=0.0),
        efficient_adam(0.05, up=up, schedule=ROOT),
        axes={"workers": (4,)},
        steps=60_000,
        seeds=8,
        checkpoints=(50_000, 60_000),
        running=True,
        entropy=2205,
        name=f"efficientadam2023.noisy_{name}",
        quick={"steps": 20_000, "seeds": 2, "checkpoints": (15_000, 20_000)},
    )
    for name, up in (("full", EXACT), ("l1_sign", l1_sign()), ("log_levels", log_levels(2)))
}


def _qc16(grids: Grids, tier: str) -> Evidence:
    quiet, noisy = grids[: len(QUIET)], grids[len(QUIET) :]
    last = {name: tail(grid.gradient_square_mean) for name, grid in zip(QUIET, quiet, strict=True)}
    floor = {
        name: max(
            float(values.sel(instance=i).item()) / predicted_floor(6, i)
            for i in values.instance.values.tolist()
        )
        for name, values in last.items()
    }
    level, text = worst(
        {name: float(v.max(skipna=False)) for name, v in last.items()},
        f"mean ||grad f||^2, last {LAST} steps",
    )
    share, note = worst(floor, "the same over the floor of weights quantized with k = 6")
    full, *others = (float(tail(grid.gradient_square_mean).mean(skipna=False)) for grid in noisy)
    extra = {name: other / full - 1.0 for name, other in zip([*NOISY][1:], others, strict=True)}
    more, said = worst(extra, "noise .1, N = 4: relative excess over full precision")
    return all_of([at_most(level, 1e-5, text), at_most(share, 1.0 / 50.0, note), at_most(more, 0.05, said)])


# Workers with different data.

UPS: dict[str, Compressor] = {"full": EXACT, "l1_sign": l1_sign()}
TWO = {
    name: Sweep(
        quantized.different_workers(),
        efficient_adam(0.1, up=up, schedule=ROOT),
        axes={"sigma": (1.0, 10.0), "ratio": (0.1, 1.0, 10.0)},
        workers=2,
        steps=60_000,
        seeds=8,
        checkpoints=(30_000, 60_000),
        running=True,
        entropy=2205,
        name=f"efficientadam2023.two_workers_{name}",
        quick={"seeds": 3},
    )
    for name, up in UPS.items()
}
THREE = {
    name: Sweep(
        quantized.different_workers((1.0, 1.0, 1.0), (0.0, 0.0, 3.0)),
        efficient_adam(0.1, up=up, schedule=ROOT),
        axes={"sigma": (0.1, 1.0)},
        workers=3,
        steps=60_000,
        seeds=8,
        checkpoints=(30_000, 60_000),
        running=True,
        entropy=2205,
        name=f"efficientadam2023.three_workers_{name}",
        quick={"seeds": 3},
    )
    for name, up in UPS.items()
}


def points(grid: xr.Dataset, sweep: Sweep) -> tuple[Array, Array]:
    """Return where the iterates settle, the mean of x over the second half and the seeds, and where theory says."""
    seen = tail(grid.mean_x_mean).mean("seed", skipna=False)
    names = [str(name) for name in seen.dims]
    cells = [
        dict(zip(names, cell, strict=True)) for cell in _cells([seen[name].values.tolist() for name in names])
    ]
    predicted = [quantized.local_moment_point(sweep.problem.replace(**cell)) for cell in cells]
    return seen.values.ravel(), np.array(predicted)


def _cells(values: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    from itertools import product

    return list(product(*values))


def _qc23(grids: Grids, tier: str) -> Evidence:
    sweeps = {
        **{f"two workers, {k}": v for k, v in TWO.items()},
        **{f"three workers, {k}": v for k, v in THREE.items()},
    }
    off, wrong = {}, {}
    for (name, sweep), grid in zip(sweeps.items(), grids, strict=True):
        seen, predicted = points(grid, sweep)
        off[name] = float(np.max(np.abs(seen - predicted)))
        wrong[name] = -float(np.max(np.abs(seen - float(sweep.problem.optimum or 0.0))))
    far, text = worst(off, "distance to the root of sum f_j'/sqrt(f_j'^2 + sigma_j^2)")
    miss, note = worst(wrong, "- largest distance to the minimiser")
    return all_of([at_most(far, 0.01, text), at_most(miss, -0.1, note)])


CLAIMS = [
    Claim(
        "efficientadam2023.QC10",
        "two-way error feedback",
        "With one worker and the same idempotent quantizer at worker and server the server's error is exactly 0 in every "
        "step, so that two-way is one-way.",
        "exact",
        _qc10,
        (*TWO_WAY.values(), *ONE_WAY.values(), FOUR),
    ),
    Claim(
        "efficientadam2023.QC16",
        "quantized updates against quantized weights",
        "Two-way quantized updates with feedback leave no floor: without noise ||grad f||^2 falls below 1e-5 and a fiftieth "
        "of the floor of weights on a grid of 8 bits; with noise it ends within 5 % of full precision.",
        "upper",
        _qc16,
        (*QUIET.values(), *NOISY.values()),
    ),
    Claim(
        "efficientadam2023.QC23",
        "workers with different data, not in the paper",
        "Moments of the workers lead to the root of sum_j f_j'(x)/sqrt(f_j'(x)^2 + sigma_j^2), which is not the minimiser "
        "unless the data are alike; compression with feedback does not move it.",
        "tight",
        _qc23,
        (*TWO.values(), *THREE.values()),
    ),
]

DEVIATIONS = [
    Deviation(
        "efficientadam2023",
        "whole paper",
        "Iteration and communication complexities with constants, a toy stochastic convex problem, vision and language runs.",
        "The full text was not available to us: only its abstract and two independent implementations, both with errors in "
        "the feedback. The algorithm is as we recall it; neither a constant nor a table is claimed, and the problems are "
        "ours.",
        ("efficientadam2023.QC10", "efficientadam2023.QC16"),
    ),
    Deviation(
        "efficientadam2023",
        "setting",
        "Workers that minimise a common objective, with a server.",
        "The workers' own moments need data that are alike. With f_1 = 10 ||x - 1||^2/2 and f_2 = ||x + 1||^2/2 the minimiser is "
        "9/11 and the method ends at 0 or .98 when the noise of the workers differs tenfold; equal noise gives 9/11 by "
        "coincidence. Without noise every point between the centers is stationary.",
        ("efficientadam2023.QC23",),
    ),
    Deviation(
        "efficientadam2023",
        "error feedback",
        "Both directions carry a memory.",
        "With one worker and the same idempotent quantizer on both sides the server's memory is always 0; its quantizer "
        "matters from two workers on.",
        ("efficientadam2023.QC10",),
    ),
    Deviation(
        "efficientadam2023",
        "algorithm",
        "eps is inside the root and there is no bias correction, as we recall it.",
        "So it is in these runs, with beta2 = .999 constant and eps = 1e-8; steps and bits are counted with bias correction "
        "and eps outside, as in common libraries.",
        ("efficientadam2023.QC16", "efficientadam2023.QC23"),
    ),
]

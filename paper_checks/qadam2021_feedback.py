"""Chen, Shen, Huang, Liu 2021 (arXiv:2004.14180): the identity of error feedback, and errors that it catches.

The iterate less what is still in the memories moves by the uncompressed update.  Two programming errors seen in public
code are kept as negative controls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import quantized
from paper_checks.qadam2021 import EXACT, Array, worst
from theory_sim.claim import Claim, Deviation, Evidence, all_of, at_least, at_most
from theory_sim.compressors import log_levels, natural, qsgd, rand_k, top_k
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizer import Optimizer
from theory_sim.optimizers.feedback import ef_sgd
from theory_sim.optimizers.quantized import efficient_adam, qadam
from theory_sim.optimizers.server import comp_ams
from theory_sim.problem import Problem
from theory_sim.schedule import power
from theory_sim.sweep import Sweep

if TYPE_CHECKING:
    import xarray as xr

Grids = Sequence["xr.Dataset"]

# The gradient does not depend on x, so every method sees the same one, and the
# path without compression is the virtual path of all others.

D, STEPS = 16, 1_000


def slope_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """slope + uniform noise of width 1, wherever x is."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                out[j, i, lane] = theta[0, lane] + noise[j * d + i, lane] - 0.5 + 0.0 * x[i, lane]


SLOPE = Problem("qadam2021.slope", slope_gradient, {"slope": 0.25}, dim=D, draws=D, paper="qadam2021")
RANDOM: dict[str, Compressor] = {
    "natural": natural(),
    "qsgd": qsgd(4, word=64),
    "rand": rand_k(4, word=64),
}
ROOT = power(0.5)


def _identity_sweep(name: str, optimizer: Optimizer, **fields: Any) -> Sweep:
    settings = {"axes": {"workers": (1, 4, 16)}, "steps": STEPS, "seeds": 2, "entropy": 2004, **fields}
    return Sweep(SLOPE, optimizer, name=f"qadam2021.identity_{name}", **settings)


def _families(compressor: Compressor) -> dict[str, Optimizer]:
    """One-way and two-way local moments; SGD; and COMP-AMS with eps so large that it sums its messages."""
    return {
        "qadam": qadam(0.01, up=compressor, down=EXACT, schedule=ROOT),
        "efficient_adam": efficient_adam(0.01, up=compressor, down=compressor, schedule=ROOT),
        "ef_sgd": ef_sgd(0.01, up=compressor, down=compressor, schedule=ROOT),
        "comp_ams": comp_ams(1e16, 0.0, 0.0, 1e32, up=compressor, amsgrad=False),
    }


VIRTUAL = {name: _identity_sweep(f"{name}_exact", one) for name, one in _families(EXACT).items()}
COMPRESSED = {
    (name, label): _identity_sweep(f"{name}_{label}", one)
    for label, compressor in RANDOM.items()
    for name, one in _families(compressor).items()
}


def virtual_point(grid: xr.Dataset) -> Array:
    """Return x~ = x - E - mean e of every lane at the end, shape (workers, seed, d); E = 0 for a method without one.

    COMP-AMS, set up so that x is x_1 minus the sum of its messages, has its memory in the units of that sum.
    """
    rows = grid.state_final.row.values.tolist()
    state = grid.state_final.transpose("workers", "seed", "row", "coordinate").values
    x = grid.x_final.transpose("workers", "seed", "coordinate").values
    if "weights" in rows:
        x = state[:, :, rows.index("weights")]
    if "E" in rows:
        x = x - state[:, :, rows.index("E")]
    own = [i for i, row in enumerate(rows) if row.startswith("e_")]
    # The rows of workers that a lane lacks are NaN.
    present = grid.workers.values[:, None] > np.arange(len(own))
    e = np.where(present[:, None, :, None], state[:, :, own], 0.0)
    mean = e.sum(axis=2) / grid.workers.values[:, None, None]
    return np.asarray(x - mean)


def identity_error(grid: xr.Dataset, virtual: xr.Dataset) -> float:
    """Return the largest |x~ - x of the run without compression|, relative to the largest |x|."""
    other = virtual_point(virtual)
    return float(np.max(np.abs(virtual_point(grid) - other)) / np.max(np.abs(other)))


def largest_memory(grid: xr.Dataset) -> float:
    """Return the largest |e_i| of worker 0 at the end."""
    return float(np.max(np.abs(grid.state_final.sel(row="e_0").values)))


def _qc08(grids: Grids, tier: str) -> Evidence:
    names = [*VIRTUAL]
    virtual = dict(zip(names, grids, strict=False))
    errors, empty = {}, {}
    for (name, label), grid in zip(COMPRESSED, grids[len(names) :], strict=True):
        errors[f"{name}, {label}"] = identity_error(grid, virtual[name])
        empty[f"{name}, {label}"] = -largest_memory(grid)
    error, text = worst(errors, f"x~ against the path without compression after {STEPS} steps, N = 1, 4, 16")
    memory, control = worst(empty, "control: there is a memory to account for, -|e|")
    return all_of([at_most(error, 1e-11, text), at_most(memory, -1e-5, control)])


# Two programming errors.


def doubled_kernel(
    g: Any,
    t: int,
    lr: Any,
    hyper: Any,
    noise: Any,
    state: Any,
    x: Any,
    up: Any,
    up_hyper: Any,
    up_noise: Any,
    down: Any,
    down_hyper: Any,
    down_noise: Any,
) -> None:
    """EF-SGD of one worker with e += p - C(p), where p contains e already."""
    if t == 0:
        return
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            state[0, i, lane] = lr[lane] * g[0, i, lane] + state[2, i, lane]
    up(state[0], up_noise, up_hyper, state[1])
    for i in range(d):
        for lane in range(lanes):
            state[2, i, lane] += state[0, i, lane] - state[1, i, lane]
            x[i, lane] -= state[1, i, lane]


def uncleared_kernel(
    g: Any,
    t: int,
    lr: Any,
    hyper: Any,
    noise: Any,
    state: Any,
    x: Any,
    up: Any,
    up_hyper: Any,
    up_noise: Any,
    down: Any,
    down_hyper: Any,
    down_noise: Any,
) -> None:
    """Two-way EF-SGD of one worker whose server adds its errors after compressing, and never clears their sum E."""
    if t == 0:
        return
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            state[3, i, lane] += lr[lane] * g[0, i, lane]
    up(state[3], up_noise, up_hyper, state[0])
    down(state[0], down_noise, down_hyper, state[1])
    for i in range(d):
        for lane in range(lanes):
            state[3, i, lane] -= state[0, i, lane]
            state[2, i, lane] += state[0, i, lane] - state[1, i, lane]
            x[i, lane] -= state[1, i, lane] + state[2, i, lane]


def _wrong(kernel: Callable[..., None], rows: tuple[str, ...], up: Compressor, down: Compressor) -> Optimizer:
    return Optimizer(
        kernel.__name__.removesuffix("_kernel"),
        kernel,
        lr=0.01,
        rows=rows,
        worker_rows=("e",),
        distributed=True,
        up=up,
        down=down,
        paper="qadam2021",
    )


def doubled(compressor: Compressor) -> Optimizer:
    """Return EF-SGD whose memory doubles."""
    return _wrong(doubled_kernel, ("workspace", "sent"), compressor, EXACT)


def uncleared(up: Compressor, down: Compressor) -> Optimizer:
    """Return EF-SGD whose server never clears its errors."""
    return _wrong(uncleared_kernel, ("workspace", "sent", "E"), up, down)


_WORDS = (top_k(4, word=64), log_levels(1, word=64))
RIGHT = _identity_sweep("right", ef_sgd(0.01, up=_WORDS[0], down=_WORDS[1]), axes={"workers": (1,)})
RIGHT_EXACT = _identity_sweep("right_exact", ef_sgd(0.01, up=EXACT, down=EXACT), axes={"workers": (1,)})
# Twenty steps: later the doubled memory has swallowed the rest.
DOUBLED = _identity_sweep("doubled", doubled(_WORDS[0]), axes={"workers": (1,)}, steps=20)
DOUBLED_EXACT = _identity_sweep(
    "doubled_exact", ef_sgd(0.01, up=EXACT, down=EXACT), axes={"workers": (1,)}, steps=20
)
UNCLEARED = _identity_sweep("uncleared", uncleared(*_WORDS), axes={"workers": (1,)})
BOWL_DOUBLED, BOWL_RIGHT = (
    Sweep(
        quantized.bowl(),
        optimizer,
        axes={"workers": (1,)},
        steps=300,
        seeds=4,
        entropy=2004,
        name=f"qadam2021.bowl_{name}",
    )
    for name, optimizer in (
        ("doubled", doubled(top_k(1, word=64))),
        ("right", ef_sgd(0.01, up=top_k(1, word=64), down=EXACT)),
    )
)


def _qc29(grids: Grids, tier: str) -> Evidence:
    right, exact, twice, twice_exact, kept, bowl_twice, bowl_right = grids
    return all_of(
        [
            at_most(identity_error(right, exact), 1e-11, "correct kernel: error of the identity"),
            at_least(identity_error(twice, twice_exact), 1.0, "e += p - C(p): error of the identity"),
            at_least(identity_error(kept, exact), 0.1, "errors never cleared: error of the identity"),
            at_least(largest_memory(bowl_twice), 1e10, "e += p - C(p), top-1 on the bowl: largest |e_i|"),
            at_most(largest_memory(bowl_right), 10.0, "correct kernel, top-1 on the bowl: largest |e_i|"),
        ]
    )


CLAIMS = [
    Claim(
        "qadam2021.QC08",
        "error feedback, one worker, one-way and two-way",
        "x - E - mean e, the iterate less what is still in the memories, moves by the uncompressed mean update exactly. For "
        "COMP-AMS, whose memory is in units of the gradient, the messages sum to the gradients less e.",
        "exact",
        _qc08,
        (*VIRTUAL.values(), *COMPRESSED.values()),
    ),
    Claim(
        "qadam2021.QC29",
        "negative control, not in the paper",
        "Two errors seen in public code, e += p - C(p) with e in p already, and a server that adds its errors and never "
        "clears them, break the identity of QC08; the first makes top-1 diverge on the bowl within 300 steps.",
        "order",
        _qc29,
        (RIGHT, RIGHT_EXACT, DOUBLED, DOUBLED_EXACT, UNCLEARED, BOWL_DOUBLED, BOWL_RIGHT),
    ),
]

DEVIATIONS = [
    Deviation(
        "qadam2021",
        "error feedback",
        "e_{t+1} = u_t + e_t - Q(u_t + e_t).",
        "Public implementations of the sibling method Efficient-Adam add p - Q(p) to an e that is in p already, or add "
        "the server's errors after compressing without ever clearing them. Both are kept here as negative controls.",
        ("qadam2021.QC29",),
    ),
    Deviation(
        "qadam2021",
        "error feedback",
        "The identity of the virtual iterate.",
        "It needs the memory in units of the update. COMP-AMS keeps it in units of the gradient, so with steps that vary "
        "x - e is no virtual iterate there; what holds is that the messages sum to the gradients less e.",
        ("qadam2021.QC08",),
    ),
]

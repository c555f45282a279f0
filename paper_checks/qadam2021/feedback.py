"""Chen, Shen, Huang, Liu 2021 (arXiv:2004.14180): the identity of error feedback, and errors that it catches.

The iterate less what is still in the memories moves by the uncompressed update.  Two programming errors seen
in public code are kept as negative controls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import quantized
from paper_checks.theorems.compression import EXACT
from theory_sim.compressors import Compressor, log_levels, natural, qsgd, rand_k, top_k
from theory_sim.evidence.cases import Array, worst_at_most
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import power
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.feedback import ef_sgd
from theory_sim.optimizers.quantized import efficient_adam, qadam
from theory_sim.optimizers.server import comp_ams
from theory_sim.rules.language import Round, Stage

if TYPE_CHECKING:
    import xarray as xr

# The gradient does not depend on x, so every method sees the same one, and the
# path without compression is the virtual path of all others.
D, STEPS = 16, 1_000


def _drawn(noise: float) -> float:
    return noise


def _around(u: float, slope: float, x: float) -> float:
    """slope + uniform noise of width 1, wherever x is; NaN where x is no number."""
    return slope + u - 0.5 + 0.0 * x


def _mean(slope: float) -> float:
    return slope


SLOPE = Problem(
    "qadam2021.slope",
    _drawn,
    {"slope": 0.25},
    dim=D,
    noise=Noise("around", _around, mean=_mean),
    paper="qadam2021",
)
RANDOM = {"natural": natural(), "qsgd": qsgd(4, word=64), "rand": rand_k(4, word=64)}
ROOT = power(0.5)


def _identity_sweep(name: str, optimizer: Optimizer, workers: tuple[int, ...], steps: int = STEPS) -> Sweep:
    fields: dict[str, Any] = {"axes": {"workers": workers}, "steps": steps, "seeds": 2, "entropy": 2004}
    return Sweep(SLOPE, optimizer, name=f"qadam2021.identity_{name}", **fields)


def _families(label: str, compressor: Compressor) -> dict[tuple[str, str], Sweep]:
    """One-way and two-way local moments; SGD; and COMP-AMS with eps so large that it sums its messages."""
    both: dict[str, Any] = {"up": compressor, "down": compressor, "schedule": ROOT}
    methods = {
        "qadam": qadam(0.01, up=compressor, down=EXACT, schedule=ROOT),
        "efficient_adam": efficient_adam(0.01, **both),
        "ef_sgd": ef_sgd(0.01, **both),
        "comp_ams": comp_ams(1e16, 0.0, 0.0, 1e32, up=compressor, amsgrad=False),
    }
    return {
        (name, label): _identity_sweep(f"{name}_{label}", one, (1, 4, 16)) for name, one in methods.items()
    }


VIRTUAL = {name: sweep for (name, _), sweep in _families("exact", EXACT).items()}
COMPRESSED = {case: sweep for each in RANDOM.items() for case, sweep in _families(*each).items()}


def virtual_point(grid: xr.Dataset) -> Array:
    """Return x~ = x - E - mean e at the end, shape (workers, seed, d); E = 0 for a method without one.

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
    return np.asarray(x - e.sum(axis=2) / grid.workers.values[:, None, None])


def identity_error(grid: xr.Dataset, virtual: xr.Dataset) -> float:
    """Return the largest |x~ - x of the run without compression|, relative to the largest |x|."""
    other = virtual_point(virtual)
    return float(np.max(np.abs(virtual_point(grid) - other)) / np.max(np.abs(other)))


def largest_memory(grid: xr.Dataset) -> float:
    """Return the largest |e_i| of worker 0 at the end."""
    return float(np.max(np.abs(grid.state_final.sel(row="e_0").values)))


@claim(
    "qadam2021.QC08",
    "error feedback, one worker, one-way and two-way",
    "exact",
    *VIRTUAL.values(),
    *COMPRESSED.values(),
)
def virtual_iterate(*grids: xr.Dataset) -> Evidence:
    """x - E - mean e, the iterate less what is still in the memories, moves by the uncompressed mean update
    exactly. For COMP-AMS, whose memory is in units of the gradient, the messages sum to the gradients less e.
    """
    virtual = dict(zip(VIRTUAL, grids, strict=False))
    compressed = dict(zip(COMPRESSED, grids[len(VIRTUAL) :], strict=True))
    error = {
        f"{name}, {label}": identity_error(grid, virtual[name]) for (name, label), grid in compressed.items()
    }
    empty = {f"{name}, {label}": -largest_memory(grid) for (name, label), grid in compressed.items()}
    what = f"x~ against the path without compression after {STEPS} steps, N = 1, 4, 16"
    control = "control: there is a memory to account for, -|e|"
    return all_of([worst_at_most(error, 1e-11, what), worst_at_most(empty, -1e-5, control)])


# Two programming errors.


def _sum(lr: float, g: float, e: float) -> float:
    return lr * g + e


def _doubled_memory(p: float, sent: float, e: float) -> float:
    """e += p - C(p), where p contains e already."""
    return e + (p - sent)


def _receive(mean: float, x: float) -> float:
    return x - mean


def _memory(p: float, sent: float) -> float:
    return p - sent


def _forward(mean: float) -> float:
    return mean


def _uncleared_sum(p: float, reply: float, x: float, E: float) -> tuple[float, float]:
    """The server adds its errors after compressing, and never clears their sum E."""
    E = E + (p - reply)
    return x - (reply + E), E


def _wrong(
    name: str, round_: Round, up: Compressor, down: Compressor, rows: tuple[str, ...] = ()
) -> Optimizer:
    return Optimizer(name, round_, 0.01, rows=rows, worker_rows=("e",), up=up, down=down, paper="qadam2021")


def doubled(compressor: Compressor) -> Optimizer:
    """Return EF-SGD of one worker whose memory doubles."""
    round_ = Round(Stage(_sum, ("p",)), Stage(_receive, ("x",)), keep=Stage(_doubled_memory, ("e",)))
    return _wrong("doubled", round_, compressor, EXACT)


def uncleared(up: Compressor, down: Compressor) -> Optimizer:
    """Return two-way EF-SGD of one worker whose server never clears its errors."""
    round_ = Round(
        Stage(_sum, ("p",)),
        Stage(_uncleared_sum, ("x", "E")),
        keep=Stage(_memory, ("e",)),
        reply=Stage(_forward, ("p",)),
    )
    return _wrong("uncleared", round_, up, down, ("E",))


_WORDS = (top_k(4, word=64), log_levels(1, word=64))
_UNCOMPRESSED = ef_sgd(0.01, up=EXACT, down=EXACT)
RIGHT = _identity_sweep("right", ef_sgd(0.01, up=_WORDS[0], down=_WORDS[1]), (1,))
RIGHT_EXACT = _identity_sweep("right_exact", _UNCOMPRESSED, (1,))
# Twenty steps: later the doubled memory has swallowed the rest.
DOUBLED = _identity_sweep("doubled", doubled(_WORDS[0]), (1,), 20)
DOUBLED_EXACT = _identity_sweep("doubled_exact", _UNCOMPRESSED, (1,), 20)
UNCLEARED = _identity_sweep("uncleared", uncleared(*_WORDS), (1,))
_BOWL: dict[str, Any] = {"axes": {"workers": (1,)}, "steps": 300, "seeds": 4, "entropy": 2004}
_TOP = top_k(1, word=64)
BOWL_DOUBLED, BOWL_RIGHT = (
    Sweep(quantized.bowl(), optimizer, name=f"qadam2021.bowl_{name}", **_BOWL)
    for name, optimizer in (("doubled", doubled(_TOP)), ("right", ef_sgd(0.01, up=_TOP, down=EXACT)))
)
_CONTROLS = (RIGHT, RIGHT_EXACT, DOUBLED, DOUBLED_EXACT, UNCLEARED, BOWL_DOUBLED, BOWL_RIGHT)


@claim("qadam2021.QC29", "negative control, not in the paper", "order", *_CONTROLS)
def wrong_memories_are_caught(*grids: xr.Dataset) -> Evidence:
    """Two errors seen in public code, e += p - C(p) with e in p already, and a server that adds its errors
    and never clears them, break the identity of QC08; the first makes top-1 diverge on the bowl within 300
    steps.
    """
    right, exact, twice, twice_exact, kept, bowl_twice, bowl_right = grids
    parts = [
        at_most(identity_error(right, exact), 1e-11, "correct kernel: error of the identity"),
        at_least(identity_error(twice, twice_exact), 1.0, "e += p - C(p): error of the identity"),
        at_least(identity_error(kept, exact), 0.1, "errors never cleared: error of the identity"),
        at_least(largest_memory(bowl_twice), 1e10, "e += p - C(p), top-1 on the bowl: largest |e_i|"),
        at_most(largest_memory(bowl_right), 10.0, "correct kernel, top-1 on the bowl: largest |e_i|"),
    ]
    return all_of(parts)


CLAIMS = [virtual_iterate, wrong_memories_are_caught]

DEVIATIONS = ledger(
    "qadam2021",
    (
        "error feedback",
        "e_{t+1} = u_t + e_t - Q(u_t + e_t).",
        "Public implementations of the sibling method Efficient-Adam add p - Q(p) to an e that is in p "
        "already, or add the server's errors after compressing without ever clearing them. Both are kept "
        "here as negative controls.",
        "QC29",
    ),
    (
        "error feedback",
        "The identity of the virtual iterate.",
        "It needs the memory in units of the update. COMP-AMS keeps it in units of the gradient, so with "
        "steps that vary x - e is no virtual iterate there; what holds is that the messages sum to the "
        "gradients less e.",
        "QC08",
    ),
)

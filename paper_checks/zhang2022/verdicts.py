"""Whether the suite's own verdicts can be trusted: they never contradict the exact drift on random cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import zhang
from counterexamples.drift import drift
from theory_sim.nouns.claim import Evidence, all_of, at_most, claim, ledger

if TYPE_CHECKING:
    import xarray as xr

SIZES = (3, 10, 30, 100)
SCALES = (1.0, 0.25, 0.02)  # C = n - 1 + 1/a
STEPS = 500_000


def _betas(rng: np.random.Generator, count: int) -> list[float]:
    """Return weights of which one half is uniform in (0, 1), the other log-uniform within 10^-4 ... 1/2 of 1."""
    near = 1.0 - 10.0 ** rng.uniform(-4.0, np.log10(0.5), count - count // 2)
    return sorted([*rng.random(count // 2).tolist(), *near.tolist()])


def _cells(seed: int, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"axes": {"n": SIZES, "a": SCALES, "beta1": _betas(rng, count), "beta2": _betas(rng, count)}}


# From rest, from rest with bias correction, and from moments that no start-up changes.
_STARTS: dict[str, dict[str, Any]] = {
    "plain": {"bias_correction": False},
    "corrected": {},
    "warm": {"bias_correction": False, "v0": "max_square"},
}
RANDOM = tuple(
    ts.Sweep(
        zhang.piecewise(10),
        ts.adam(0.1, 0.5, 0.5, eps=0.0, schedule=ts.power(0.5), **arguments),
        steps=STEPS,
        name=f"zhang2022.random_{name}",
        quick=_cells(seed, 10),
        **_cells(seed, 54),
    )
    for seed, (name, arguments) in enumerate(_STARTS.items())
)
# Steps so long beside the start, at distance 2, that x hovers farther away than it began while it comes back.
LONG = ts.Sweep(
    zhang.piecewise(10),
    ts.adam(
        100.0,
        0.5,
        0.5,
        0.0,
        bias_correction=False,
        m0="mean_gradient",
        v0="max_square",
        schedule=ts.power(0.3),
    ),
    steps=STEPS,
    name="zhang2022.random_long",
    quick=_cells(3, 10),
    **_cells(3, 30),
)


@claim("zhang2022.V1", "own: the verdict rule on trial", "region", *RANDOM, LONG, constants="none")
def verdicts_never_contradict_the_drift(*grids: xr.Dataset) -> Evidence:
    """No run is called DIVERGED where the drift D is positive, or CONVERGED where it is negative, on random cells
    (n, a, beta1, beta2) with beta1 < sqrt(beta2), from rest, bias-corrected and from full moments with steps
    0.1/sqrt(t), and with steps 100 t^-0.3; fewer than 5 % of the cells with the short steps are UNDECIDED at 5e5, and
    runs that a jump has brought to the curved part |x - x*| < 1, where D does not decide, are fewer than 0.1 %.
    """
    wrong = caught = open_ = total = 0
    silent = 1.0
    for k, grid in enumerate(grids):
        n, a, beta1 = (v[..., None] for v in np.ix_(grid.n.values, grid.a.values, grid.beta1.values))
        D = drift(beta1, grid.beta2.values, n, n - 1 + 1 / a)
        verdict, level = grid.verdict.values[..., 0], grid.distance_window.values[..., 0, 1]
        decides = np.broadcast_to(beta1 < np.sqrt(grid.beta2.values), D.shape)
        trapped = (D < 0.0) & (verdict == "CONVERGED") & (level < 1.0) & decides
        opposite = ((D < 0.0) & (verdict == "CONVERGED")) | ((D > 0.0) & (verdict == "DIVERGED"))
        wrong += int((opposite & decides & ~trapped).sum())
        caught += int(trapped.sum())
        undecided = (verdict != "CONVERGED") & (verdict != "DIVERGED")
        if k == len(RANDOM):
            silent = float(undecided.mean())
            continue
        open_ += int(undecided.sum())
        total += D.size
    return all_of(
        [
            at_most(
                wrong, 0, f"verdicts against the drift, of {total} with short steps and more with long ones"
            ),
            at_most(open_ / total, 0.05, f"share of UNDECIDED cells, {100 * open_ / total:.2f} %"),
            at_most(silent, 0.75, "control: a quarter of the cells with long steps is decided"),
            at_most(caught / total, 0.001, f"{caught} orbits trapped at x* although D < 0"),
        ]
    )


CLAIMS = [verdicts_never_contradict_the_drift]

DEVIATIONS = ledger("zhang2022",
    ("figures of the phase diagram", "No rule is given by which a run counts as divergent.",
     "The suite's own rule, level and trend of window means, on trial here; its thresholds were chosen on 21,600 "
     "other random cells. With steps that are long beside the start x hovers far away on its way back: DIVERGED is only "
     "what goes on outward.", "V1"),
)  # fmt: skip

"""Reddi, Kale, Kumar, "On the Convergence of Adam and Beyond" (ICLR 2018, arXiv:1904.09237).

Checked: the three divergence theorems, Theorem 6 on eps, the regret bounds of AMSGrad and AdamNC on both
sides, and the bound on Adam's update.  Section 3's experiment is in `paper_checks.reddi2018.experiment`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift import drift, monte_carlo, update_bound
from counterexamples.linear import MODELS, hindsight_regret, linear
from paper_checks.reddi2018.theorems import SCHEDULE as ROOT
from paper_checks.reddi2018.theorems import THEOREM_4, THEOREM_5, paper_adam
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.optimizers.adam import adam_rule
from theory_sim.rules.trace import elementwise

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]

SLOPES = (2.1, 3.0, 5.0, 10.0)
SHARES = tuple(1.0 / (1.0 + C * C) for C in SLOPES)

# (beta1, beta2): the smallest C at which Adam fails on the period-C problem of Theorem 2.
SMALLEST_C = {(0.0, 0.5): 4, (0.0, 0.9): 7, (0.0, 0.99): 21, (0.9, 0.95): 17, (0.9, 0.999): 74}


def _blocks(steps: int) -> dict[str, Any]:
    """Record the start of every block of three: x_{3k+1} is the iterate after 3k updates."""
    return {"steps": steps, "checkpoints": range(3, steps + 1, 3)}


THREE = reddi.periodic(3.0, period=3)
_LONG: dict[str, Any] = {**_blocks(30_000), "running": True, "quick": _blocks(1_500)}
THEOREM_1 = ts.Sweep(
    THREE,
    paper_adam(0.0, 0.1),
    {"C": SLOPES, "beta2": SHARES, "s": (0.0, 0.5), "lr": (0.1, 0.5)},
    x0=1.0,
    name="reddi2018.theorem_1",
    **_LONG,
)
STARTS = ts.Sweep(
    THREE, paper_adam(0.0, 0.1), {"x0": (-1.0, -0.5, 0.0, 0.5)}, name="reddi2018.starts", **_blocks(999)
)
EPS = (1e-8, 1.0, 100.0)
RESCALED = tuple(
    ts.Sweep(reddi.rescaled(eps), paper_adam(0.0, 0.01, eps), name=f"reddi2018.rescaled_{eps:g}", **_LONG)
    for eps in EPS
)
FIXED = ts.Sweep(
    reddi.rescaled(100.0, scale=1.0), paper_adam(0.0, 0.01, 100.0), steps=30_000, name="reddi2018.fixed"
)

DECAY = 0.99
LINEAR_BETA2 = 0.99
_LINEAR: dict[str, Any] = {
    "steps": 20_000,
    "checkpoints": range(1, 20_001),
    "seeds": 2,
    "quick": {"steps": 1_000, "checkpoints": range(1, 1_001)},
}
_AXES: dict[str, Any] = {"model": list(MODELS), "beta1": (0.0, 0.9), "lr": (0.05, 0.5)}
_AMSGRAD = ts.amsgrad(0.5, 0.9, LINEAR_BETA2, decay=DECAY, schedule=ROOT)
_ADAM_NC = ts.adam_nc(0.5, 0.9, decay=DECAY, schedule=ROOT)
LINEAR_AMSGRAD = ts.Sweep(linear(), _AMSGRAD, _AXES, name="reddi2018.linear_amsgrad", **_LINEAR)
LINEAR_ADAM_NC = ts.Sweep(linear(), _ADAM_NC, _AXES, name="reddi2018.linear_adam_nc", **_LINEAR)
# SGD with step 1 and no box sums the gradients, which are the same draws as in the other two sweeps.
LINEAR_SUMS = ts.Sweep(
    linear(domain=False), ts.sgd(1.0), {"model": _AXES["model"]}, name="reddi2018.linear_sums", **_LINEAR
)


def _theorem_1_cells(grid: xr.Dataset) -> xr.Dataset:
    """Return the cells with beta2 = 1/(1 + C^2), one per C."""
    import xarray as xr

    return grid.sel(C=xr.DataArray(list(SLOPES), dims="C"), beta2=xr.DataArray(list(SHARES), dims="C"))


@claim("reddi2018.R1a", "Theorem 1", "exact", THEOREM_1, constants="read")
def every_block_starts_at_the_wrong_corner(grid: xr.Dataset) -> Evidence:
    """On slopes (C, -1, -1) with beta1 = 0 and beta2 = 1/(1+C^2), Adam started at +1 is at +1 at the start of
    every block of three, although -1 is optimal."""
    cells = _theorem_1_cells(grid)
    note = (
        f"C = {SLOPES}, beta2 = 1/(1+C^2), lr 0.1 and 0.5, constant and 1/sqrt(t); "
        f"{cells.checkpoint.size} blocks, the first included"
    )
    return within(np.max(np.abs(cells.x.values - 1.0)), 0.0, 1e-12, note)


@claim("reddi2018.R1b", "Theorem 1", "lower", THEOREM_1, constants="read")
def every_block_costs_regret(grid: xr.Dataset) -> Evidence:
    """In the setting of Theorem 1 every block of three costs at least 2C - 4 of regret: R_T >= (2C - 4)
    T/3."""
    cells = _theorem_1_cells(grid)
    excess = cells.regret_mean - (2.0 * cells.C - 4.0) / 3.0
    worst = excess.isel(checkpoint=-1).max().item()
    note = f"smallest R_T/T - (2C-4)/3 over all T = 3k; at the last T it is at most {worst:.4f}"
    return at_least(np.min(excess.values), 0.0, note)


@claim("reddi2018.R2", "Theorem 1, proof", "exact", STARTS, constants="read")
def the_wrong_corner_attracts_every_start(grid: xr.Dataset) -> Evidence:
    """From any x_1 in the box Adam reaches +1 on the slopes (3, -1, -1) of Theorem 1 and is there at every
    later block start."""
    note = f"x_1 = {grid.x0.values.tolist()}, C = 3, every block start after t = 300"
    return within(np.max(np.abs(grid.x.sel(checkpoint=slice(300, None)).values - 1.0)), 0.0, 1e-12, note)


@claim("reddi2018.R3a", "Theorem 2", "exact", constants="derived")
def adam_fails_from_a_smallest_C_on() -> Evidence:
    """For each (beta1, beta2) with beta1 < sqrt(beta2), Adam follows the wrong sign on the period-C problem
    for every C from a smallest one on, and the right sign just below it."""
    parts = []
    for (beta1, beta2), smallest in SMALLEST_C.items():
        periods = np.unique(np.r_[3 : 3 * smallest, np.geomspace(3 * smallest, 5e4, 12).astype(int)])
        D = drift(beta1, beta2, periods, periods.astype(float))
        pair = f"({beta1:g}, {beta2:g}) fails from C = {smallest}"
        parts.append(within(float(periods[np.argmax(D < 0.0)]), smallest, 0.0, pair))
        parts.append(at_most(np.max(D[periods >= smallest]), 0.0))
    return all_of(parts)


def sufficient_C(beta1: float, beta2: float) -> int:
    """Return the smallest C = 2N with beta2^N C^2 <= 1 and N sqrt(1 - beta2) (1 - beta1/sqrt(beta2)) >= 4.

    These are the explicit conditions under which a machine-checked proof of Theorem 2 exists.
    """
    N = math.ceil(4.0 / (math.sqrt(1.0 - beta2) * (1.0 - beta1 / math.sqrt(beta2))))
    while N * math.log(beta2) + 2.0 * math.log(2 * N) > 0.0:
        N += 1
    return 2 * N


@claim("reddi2018.R3b", "Theorem 2", "weak", constants="read")
def the_sufficient_C_is_sufficient() -> Evidence:
    """The explicit conditions of a machine-checked proof of Theorem 2 give a C at which Adam does go
    wrong."""
    pairs = {pair: sufficient_C(*pair) for pair in SMALLEST_C}
    D = [float(drift(*pair, C, float(C))) for pair, C in pairs.items()]
    listed = ", ".join(f"{pair}: {C} against {SMALLEST_C[pair]}" for pair, C in pairs.items())
    return at_most(max(D), 0.0, f"drift at the sufficient C; sufficient against smallest C: {listed}")


@claim("reddi2018.R4", "Theorem 3", "order", constants="derived")
def the_expected_step_turns_at_a_critical_C(tier: str) -> Evidence:
    """With slope C drawn with probability (1+delta)/(C+1), else -1, the expected Adam step turns to the wrong
    way between .9 and 1.4 times C = 2 delta/(1-beta2), the first order of the critical C."""
    parts = []
    steps = 12_000 if tier == "quick" else 100_000
    for beta1, beta2, delta in ((0.9, 0.99, 1.0), (0.9, 0.99, 0.1), (0.0, 0.9, 1.0)):
        C = 2.0 * delta / (1.0 - beta2)
        pair = f"({beta1:g}, {beta2:g}), delta = {delta:g}"
        note = f"{pair}: C = .9 and 1.4 times {C:g}, in standard errors, two noises"
        problems = [reddi.stochastic(factor * C, delta=delta, domain=False) for factor in (0.9, 1.4)]
        for entropy in (0, 1):
            low, high = (
                monte_carlo.vector_field(problem, beta1, beta2, steps=steps, entropy=entropy)
                for problem in problems
            )
            parts.append(at_least(low.value / low.standard_error, 3.0, note))
            parts.append(at_most(high.value / high.standard_error, -3.0, note))
    return all_of(parts)


@claim("reddi2018.R5", "Theorem 6", "exact", *RESCALED, FIXED, constants="read")
def no_eps_repairs_adam(*grids: xr.Dataset) -> Evidence:
    """For every eps inside the root, slopes 10 sqrt(eps) (3, -1, -1) keep Adam at +1; at fixed slopes a large
    eps does repair it."""
    *rescaled, fixed = grids
    parts = []
    for eps, grid in zip(EPS, rescaled, strict=True):
        s = 10.0 * math.sqrt(eps)
        note = f"eps = {eps:g}, slopes {s:g} (3, -1, -1)"
        parts.append(within(np.max(np.abs(grid.x.values - 1.0)), 0.0, 1e-12, note))
        parts.append(at_least(np.min(grid.regret_mean.values) / (2.0 * s / 3.0), 1.0))
    control = at_most(fixed.x_final.item(), -0.99, "control: eps = 100, slopes (3, -1, -1)")
    return all_of([*parts, control])


def _hyper(grid: xr.Dataset) -> tuple[Array, Array]:
    """Return lr and beta1, shaped to broadcast over (model, beta1, lr, seed)."""
    return grid.lr.values.reshape(1, 1, -1, 1), grid.beta1.values.reshape(1, -1, 1, 1)


def _gradients(sums: xr.Dataset) -> Array:
    """Return the gradients g (T, d, model, 1, 1, seed) of the linear losses."""
    total = -sums.x.transpose("checkpoint", "coordinate", "model", "seed").values
    g: Array = np.diff(total, axis=0, prepend=0.0)[:, :, :, None, None, :]
    return g


def _seen(g: Array, root: Array, lr: Array, beta1: Array) -> dict[str, Array]:
    """Return the symbols of Theorems 4 and 5 for every T, with D_inf = 2."""
    T = np.arange(1.0, len(g) + 1.0).reshape(-1, 1, 1, 1, 1)
    roots = root.sum(axis=1)
    weighted = np.cumsum(beta1 * DECAY ** (T - 1.0) * roots * np.sqrt(T) / lr, axis=0)
    norms = np.sqrt(np.cumsum(g * g, axis=0)).sum(axis=1)
    fixed = {"D_inf": np.array(2.0), "beta2": np.array(LINEAR_BETA2), "lr": lr, "beta1": beta1, "zeta": lr}
    return {**fixed, "T": T, "roots": roots, "weighted": weighted, "norms": norms}


def _both_sides(grid: xr.Dataset, g: Array, root: Array, bounds: dict[str, Array]) -> Evidence:
    """Compare the average regret with each bound at every T, and the iterates with those of x - lr/sqrt(t) m/root on
    the box, with beta1_t = beta1 DECAY^(t-1)."""
    lr, beta1 = _hyper(grid)
    x = grid.x.transpose("checkpoint", "coordinate", "model", "beta1", "lr", "seed").values
    point, m, errors = np.zeros_like(x[0]), np.zeros_like(x[0]), []
    for t, iterate in enumerate(x):
        weight = beta1 * DECAY**t
        m = weight * m + (1.0 - weight) * g[t]
        move = lr / math.sqrt(t + 1.0) * m / np.where(root[t] == 0.0, np.inf, root[t])
        point = np.clip(point - move, -1.0, 1.0)
        errors.append(np.max(np.abs(iterate - point)))
    parts = [within(np.max(errors), 0.0, 1e-9, "iterates agree with a numpy recursion to 1e-9")]
    regret = hindsight_regret(g, np.concatenate([np.zeros_like(x[:1]), x[:-1]]))
    regret = regret / np.arange(1.0, len(g) + 1.0).reshape(-1, 1, 1, 1, 1)
    for name, bound in bounds.items():
        # No gradient seen yet: both sides are 0.  A NaN bound is not 0 and stays.
        ratio = np.divide(regret, bound, out=np.zeros_like(regret), where=bound != 0.0)
        last = f"at T = {len(g)} {np.min(ratio[-1]):.2g} to {np.max(ratio[-1]):.2g}"
        parts.append(
            at_most(np.max(ratio), 1.0, f"largest regret/bound, {name}: {np.max(ratio):.3g}, {last}")
        )
    return all_of(parts)


@claim("reddi2018.R6a", "Theorem 4", "weak", LINEAR_AMSGRAD, LINEAR_SUMS, constants="read")
def amsgrad_keeps_its_regret_bound(grid: xr.Dataset, sums: xr.Dataset) -> Evidence:
    """The regret of AMSGrad with beta1_t = beta1 lambda^(t-1) stays below the data-dependent bound at every
    T."""
    from scipy.signal import lfilter

    g = _gradients(sums)
    lr, beta1 = _hyper(grid)
    v = lfilter([1.0 - LINEAR_BETA2], [1.0, -LINEAR_BETA2], g * g, axis=0)
    root = np.sqrt(np.maximum.accumulate(v, axis=0))
    seen = _seen(g, root, lr, beta1)
    printed = {**seen, "weighted": seen["weighted"] * (1.0 - beta1) / 2.0}
    bounds = {
        "second coefficient 1/(1-beta1)^2": THEOREM_4.evaluate(seen),
        "second coefficient 1/(2(1-beta1))": THEOREM_4.evaluate(printed),
    }
    return _both_sides(grid, g, root, bounds)


@claim("reddi2018.R6b", "Theorem 5", "weak", LINEAR_ADAM_NC, LINEAR_SUMS, constants="read")
def adam_nc_keeps_its_regret_bound(grid: xr.Dataset, sums: xr.Dataset) -> Evidence:
    """The regret of AdamNC with beta2_t = 1 - 1/t stays below its data-dependent bound, zeta = alpha, at
    every T."""
    g = _gradients(sums)
    lr, beta1 = _hyper(grid)
    root = np.sqrt(np.cumsum(g * g, axis=0) / np.arange(1.0, len(g) + 1.0).reshape(-1, 1, 1, 1, 1, 1))
    return _both_sides(grid, g, root, {"zeta = alpha": THEOREM_5.evaluate(_seen(g, root, lr, beta1))})


def _largest_update(g: Array, beta1: float, beta2: float) -> Array:
    """Return the largest abs(m)/sqrt(v) of each sequence g (steps, number): Adam with lr 1 at x = 0."""
    rule = elementwise(adam_rule)
    m = v = largest = np.zeros(g.shape[1])
    for row in g:
        with np.errstate(invalid="ignore"):  # 0/0 on the side of a choice that is not taken
            x, m, v = rule(row, 1.0, beta1, beta2, 0.0, 0.0, 0.0, m, v)
        largest = np.maximum(largest, np.abs(x))
    return largest


@claim("reddi2018.P1", "Algorithm 1", "tight", constants="derived")
def an_update_has_a_largest_size() -> Evidence:
    """abs(m_t)/sqrt(v_t) is at most (1-beta1)/sqrt((1-beta2)(1-beta1^2/beta2)) for every gradient sequence,
    and sizes (beta1/beta2)^age approach this bound."""
    parts, steps = [], 400
    # Random gradients: normal, heavy-tailed and sparse, a third each.
    generator = np.random.default_rng(2018)
    random = generator.standard_normal((steps, 300))
    random[:, 1::3] *= np.exp(2.0 * generator.standard_normal(random[:, 1::3].shape))
    random[:, 2::3] *= generator.random(random[:, 2::3].shape) < 0.05
    for beta1, beta2 in ((0.0, 0.5), (0.5, 0.3), (0.9, 0.82), (0.9, 0.99), (0.9, 0.999), (0.99, 0.99)):
        bound = float(update_bound(beta1, beta2))
        extremal = (beta1 / beta2) ** np.arange(steps - 1, -1, -1.0)
        # sum_{j<t} (beta1^2/beta2)^j is 1 - (beta1^2/beta2)^t of its limit, in m^2 and in v alike.
        attained = math.sqrt(-math.expm1(steps * math.log(beta1**2 / beta2)) if beta1 > 0.0 else 1.0)
        worst = np.max(_largest_update(random, beta1, beta2)) / bound
        best = _largest_update(extremal[:, None], beta1, beta2)[0] / bound
        note = f"({beta1:g}, {beta2:g}): random {worst:.3f}, extremal {best:.4f} of {bound:.4f}"
        parts += [at_most(worst, 1.0 + 1e-9, note), within(best, attained, 1e-9)]
    return all_of(parts)


CLAIMS = [
    every_block_starts_at_the_wrong_corner, every_block_costs_regret, the_wrong_corner_attracts_every_start,
    adam_fails_from_a_smallest_C_on, the_sufficient_C_is_sufficient, the_expected_step_turns_at_a_critical_C,
    no_eps_repairs_adam, amsgrad_keeps_its_regret_bound, adam_nc_keeps_its_regret_bound,
    an_update_has_a_largest_size,
]  # fmt: skip

DEVIATIONS = ledger("reddi2018",
    ("Theorem 1, proof", "1/sqrt(3t+3) >= 1/sqrt(2(3t+1)), from which x_{3k+1} = 1 follows block by block.",
     "False in the first block: 0.577 against 0.707 at t = 0.  The statement holds all the same in every "
     "run, first block included.", "R1a", "R1b"),
    ("Theorem 1", "beta2 = 1/(1+C^2).",
     "Far inside the diverging region: for C = 2.1, 3, 5, 10 Adam goes wrong up to beta2 = 0.886, 0.472, "
     "0.237, 0.0983, against 0.185, 0.1, 0.0385, 0.0099.", "R1a"),
    ("Theorem 2",
     "Some C suffices for every beta1 < sqrt(beta2); the conditions of the proof, its eq. (7) as we recall "
     "it, are first met at C = 20, 204, 3218, 486, 42622 for (0, .5), (0, .9), (0, .99), (.9, .95), (.9, "
     ".999).",
     "The sign of the drift turns at C = 4, 7, 21, 17, 74; a machine-checked proof needs 16, 202, 3214, 482, "
     "42620: 4 to 580 times as large, so that other constants in its conditions would pass too.", "R3a", "R3b"),
    ("Theorem 3",
     "Some C suffices; the constants that a machine-checked proof makes explicit give C = 2.7e6 for (.9, "
     ".99), delta = 1.",
     "The simulated field changes sign near C = 215; the first-order value 2 delta/(1-beta2) is 200. The next "
     "order is not derived: the factors .9 and 1.4 are read off a first run, which turns at 1.1 (beta2 = .99) and "
     "1.15 (beta2 = .9).", "R4"),
    ("Theorem 6", "The proof has its own beta2, depending on C.",
     "C = 3, beta2 = 1/100, slopes 10 sqrt(eps), for which a machine-checked proof exists; the published "
     "argument has the first-block gap of Theorem 1.", "R5"),
    ("Theorem 4 and Corollary 1",
     "The 2018 text has D^2/(2(1-beta1)) before the sum over beta1_t; the proof treated beta1_t as constant "
     "(Tran and Phuong, arXiv:1904.03590).  Corollary 1's second term lacks a factor d/alpha.",
     "The coefficient D^2/(1-beta1)^2 of the revised, machine-checked statement.  Both are evaluated, at "
     "every T; neither is violated in these runs, so the runs do not tell them apart. At most a fifth of "
     "the bound is reached, most of it by the first term: the runs do not test the other two.", "R6a"),
    ("Theorem 5", "Condition 1 is printed with alpha_T.",
     "The proof uses alpha_t at every t; with it zeta = alpha for beta2_t = 1 - 1/t. At most .27 of the bound "
     "is reached, most of it by the first term.", "R6b"),
)  # fmt: skip

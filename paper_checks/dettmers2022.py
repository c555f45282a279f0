"""Dettmers, Lewis, Shleifer, Zettlemoyer, "8-bit Optimizers via Block-wise Quantization".

ICLR 2022, arXiv:2110.02861.  The dynamic 8-bit map against the linear one: levels, errors by decade and for
normal states, and the spread of gradient scales within a block that Adam survives with its moments stored in
8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.quantized import quadratic
from theory_sim.compressors import Compressor, dynamic8, linear8
from theory_sim.evidence.cases import Array
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.adam import adam
from theory_sim.optimizers.lowbit import eight_bit_adam

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 256
Build = Callable[[bool], Compressor]  # build(signed), the codes of m and of v


def dynamic(signed: bool) -> Compressor:
    """The dynamic map, in blocks of 256."""
    return dynamic8(BLOCK, signed, 64)


def linear(signed: bool) -> Compressor:
    """The linear map, in blocks of 256."""
    return linear8(BLOCK, signed, 64)


# The maps.


def levels(build: Build, signed: bool) -> Array:
    """Return the levels of a map in [-1, 1], from its images of a fine grid beside the largest entry 1."""
    grid = np.concatenate([np.geomspace(1e-8, 1.0, 20_000), np.linspace(0.0, 1.0, 5_000)])
    grid = np.concatenate([grid, -grid]) if signed else grid
    found = []
    for part in np.array_split(np.sort(grid), -(-len(grid) // (BLOCK - 1))):
        x = np.zeros(BLOCK)
        x[0], x[1 : 1 + len(part)] = 1.0, part
        found.append(build(signed).quantize(x)[: 1 + len(part)])
    values = np.unique(np.concatenate(found))
    return values[values >= (-1.0 if signed else 0.0)]


def worst_by_decade(build: Build) -> Array:
    """Return the largest |C(t) - t|/t over [10^-(j+1), 10^-j), j = 0 ... 6, beside an entry 1."""
    positive = levels(build, True)
    positive = positive[positive >= 0.0]
    middles, gaps = (positive[1:] + positive[:-1]) / 2.0, np.diff(positive) / 2.0
    decades = [(middles >= 10.0 ** -(j + 1)) & (middles < 10.0**-j) for j in range(7)]
    # Below half the smallest level everything is lost.
    return np.array([float((gaps / middles)[inside].max()) if inside.any() else 1.0 for inside in decades])


def tolerated(build: Build) -> float:
    """Return the decades of gradient scales in one block of v above which the smallest are stored as 0.

    That is below half the smallest level of v.
    """
    values = levels(build, False)
    return -0.5 * math.log10(float(values[values > 0.0][0] / 2.0))


# From the released construction, by another implementation.
DECADES = (0.061, 0.110, 0.180, 0.276, 0.466, 0.71, 1.0)


def map_facts(build: Build) -> Evidence:
    """Compare the levels and errors of the dynamic map with those of the released construction."""
    signed, unsigned = levels(build, True), levels(build, False)
    parts = [
        within(float(len(signed)), 256.0, 0.0, "signed levels"),
        within(float(len(unsigned)), 256.0, 0.0, "unsigned levels"),
        within(float(signed[signed > 0.0][0]) / 5.5e-7, 1.0, 1e-9, "smallest positive level, signed"),
        within(float(signed[0]), -0.99296875, 1e-12, "lowest level: there is no -1"),
        within(float(unsigned[1]) / 3.25e-7, 1.0, 1e-9, "smallest positive level, unsigned"),
        within(float(np.diff(signed).max()), 0.9 / 64.0, 1e-12, "largest gap, signed"),
        within(float(np.diff(unsigned).max()), 0.9 / 128.0, 1e-12, "largest gap, unsigned"),
    ]
    worst = worst_by_decade(build)
    note = f"relative error by decade: {', '.join(f'{value:.1%}' for value in worst)}"
    return all_of(
        parts + [within(float(a / b), 1.0, 0.05, note) for a, b in zip(worst, DECADES, strict=True)]
    )


@claim("dettmers2022.QC25a", "dynamic map", "exact", constants="read")
def dynamic_levels() -> Evidence:
    """The maps have 256 levels, the signed one none at -1; the relative error grows from 6 % in the first
    decade below the largest entry to 100 % in the seventh.
    """
    return map_facts(dynamic)


def normal_errors(build: Build, other: Build, draws: int) -> Evidence:
    """Compare the dynamic map with the thresholds of the released tests, and with the linear map (other)."""
    rng = np.random.default_rng(2110)
    normal, uniform = rng.normal(size=draws), rng.random(draws)

    def mean_errors(build: Build, signed: bool, x: Array) -> tuple[float, float]:
        error = np.abs(build(signed).quantize(x) - x)
        return float(error.mean()), float((error / np.abs(x)).mean())

    absolute, relative = mean_errors(build, True, normal)
    flat_absolute, flat_relative = mean_errors(other, True, normal)
    note = f"normal states: {absolute:.5f}, {relative:.4f}; linear {flat_absolute:.5f}, {flat_relative:.4f}"
    parts = [
        at_most(absolute, 0.011, note),
        at_most(relative, 0.018, note),
        within(absolute / 0.00851, 1.0, 0.05, note),
        within(relative / 0.0154, 1.0, 0.05, note),
        # Better absolutely, worse relatively: .00596 and .0313.
        at_most(flat_absolute / absolute, 0.8, note),
        at_least(flat_relative / relative, 1.5, note),
    ]
    # The largest entry of a block is its scale: it comes back exactly, or with the lowest level if negative.
    blocks = normal[: draws // BLOCK * BLOCK].reshape(-1, BLOCK)
    at = (np.arange(len(blocks)), np.abs(blocks).argmax(axis=1))
    largest, kept = blocks[at], build(True).quantize(blocks.ravel()).reshape(blocks.shape)[at]
    off = float(np.max(np.abs(kept / largest - np.where(largest > 0.0, 1.0, 0.99296875))))
    parts.append(
        at_most(off, 1e-12, f"largest entry of {len(blocks)} blocks over itself, against 1 or .99296875")
    )
    for signed, limits in ((True, (0.0036, 0.015)), (False, (0.0023, 0.012))):
        found = mean_errors(build, signed, uniform)
        what = f"uniform states, {'signed' if signed else 'unsigned'}: {found[0]:.5f}, {found[1]:.4f}"
        parts += [at_most(value, limit, what) for value, limit in zip(found, limits, strict=True)]
    return all_of(parts)


@claim("dettmers2022.QC25b", "quantization errors", "upper", constants="read")
def normal_states(tier: str) -> Evidence:
    """For normal states in blocks of 256 the mean absolute and relative errors are .0085 and .0154, below
    .011 and .018; the linear map has a smaller absolute and a larger relative error.
    """
    return normal_errors(dynamic, linear, 2**20 if tier == "full" else 2**17)


# Adam.
SPREADS = (1.0, 1.2, 1.5, 1.75, 2.0, 2.5, 3.0, 3.2, 3.3, 3.6, 3.8, 4.0)
_LINEAR = eight_bit_adam(0.01, up=linear8(BLOCK), down=linear8(BLOCK, False))
_FIELDS: dict[str, Any] = {"steps": 3_000, "seeds": 16, "checkpoints": (1_000, 2_000, 3_000), "entropy": 2110}
_FEW: dict[str, Any] = {"seeds": 8, "axes": {"decades": (1.0, 1.2, 1.5, 2.0, 3.0, 3.3, 3.8, 4.0)}}
_SPREADS = {"axes": {"decades": SPREADS}, "quick": _FEW, **_FIELDS}
FULL, DYNAMIC, LINEAR = (
    Sweep(quadratic(0.1, d=BLOCK, power=1.0), optimizer, name=f"dettmers2022.{name}", **_SPREADS)
    for name, optimizer in (
        ("full", adam(0.01)),
        ("dynamic", eight_bit_adam(0.01, up=dynamic8(BLOCK), down=dynamic8(BLOCK, False))),
        ("linear", _LINEAR),
    )
)
# Where the figure looks closer: on both sides of what `tolerated` returns for the linear and the dynamic map.
NEAR = tuple(
    Sweep(
        sweep.problem,
        sweep.optimizer,
        {"decades": spreads},
        name=f"{sweep.name}_near",
        quick={"seeds": 8},
        **_FIELDS,
    )
    for sweep, spreads in ((DYNAMIC, (3.5, 3.6)), (LINEAR, (1.3, 1.4)))
)
# The same two decades in one block, and sorted into two blocks of half as many each.
_SORTED: dict[str, Any] = {"axes": {"decades": (2.0,)}, "quick": {"seeds": 8}, **_FIELDS}
SORTED = Sweep(quadratic(0.1, d=2 * BLOCK, power=1.0), _LINEAR, name="dettmers2022.sorted", **_SORTED)


def level(grid: xr.Dataset) -> xr.DataArray:
    """Return the last mean_i x_i^2/2, by decades and seed; the scale of the gradients does not enter."""
    mean: xr.DataArray = (0.5 * grid.x_final**2).mean("coordinate", skipna=False)
    return mean


@claim("dettmers2022.QC26a", "stability of 8-bit Adam", "region", FULL, DYNAMIC, LINEAR)
def spread_survived(*grids: xr.Dataset) -> Evidence:
    """With gradient scales spread within a block, Adam with dynamic 8-bit moments is as good as in full
    precision to three decades and fails at four; with linear 8-bit moments it holds at one and fails at two.
    """
    full, one, other = (level(grid) for grid in grids)
    base = float(full.mean(skipna=False))
    largest = float(full.max(skipna=False))
    parts = [at_most(largest, 4e-4, f"full precision: mean {base:.2e} at every spread")]
    cases = (("dynamic", one, (1.0, 2.0, 3.0), 4.0), ("linear", other, (1.0,), 2.0))
    for name, values, healthy, broken in cases:
        for spread in healthy:
            ratio = float((values.sel(decades=spread) / full.sel(decades=spread)).max(skipna=False))
            note = f"{name}: largest ratio to full precision up to {healthy[-1]:g} decades"
            parts.append(at_most(ratio, 1.3, note))
        failed = values.sel(decades=broken)
        # Of 200 seeds at four decades 5 % survive; a mean of 8 (quick tier) is below 1 with probability .01.
        # Of 200 seeds 86 % are above 100 times full precision: fewer than half of 8 are with probability .002.
        mean, jumped = float(failed.mean(skipna=False)), float((failed > 100.0 * base).mean())
        parts.append(at_least(mean, 1.0, f"{name} at {broken:g} decades: mean {mean:.3g}"))
        parts.append(at_least(jumped, 0.5, f"share of seeds above 100 times full precision, {jumped:.2f}"))
    return all_of(parts)


def edge(full: xr.DataArray, values: xr.DataArray) -> tuple[float, float]:
    """Return the last spread before most seeds exceed twice full precision, and the first where they do."""
    healthy = ((values <= 2.0 * full).mean("seed") > 0.5).values
    first = int(np.argmin(healthy))
    if healthy.all() or first == 0:
        return math.nan, math.nan
    return float(values.decades.values[first - 1]), float(values.decades.values[first])


@claim(
    "dettmers2022.QC26b",
    "why small second moments matter",
    "tight",
    FULL,
    DYNAMIC,
    LINEAR,
    SORTED,
    constants="derived",
)
def edge_of_underflow(*grids: xr.Dataset) -> Evidence:
    """The edge is near where the smallest v falls below half the smallest level and is stored as 0: 3.39 decades
    for the dynamic and 1.35 for the linear map, between spreads .3 to .5 apart. It is the spread within a block that
    counts.
    """
    full, one, other, split = (level(grid) for grid in grids)
    parts = []
    for name, values, build in (("dynamic", one, dynamic), ("linear", other, linear)):
        (last, first), limit = edge(full, values), tolerated(build)
        found = f"{name}: healthy to {last:g}, not at {first:g}"
        note = f"{found}; half the smallest level of v is at {limit:.2f} decades"
        parts += [at_least(limit, last, note), at_most(limit, first, note)]
    ratio = float((split / full.mean()).max(skipna=False))
    note = "linear, two decades sorted into two blocks: largest ratio to full precision"
    return all_of([*parts, at_most(ratio, 1.5, note)])


CLAIMS = [dynamic_levels, normal_states, spread_survived, edge_of_underflow]

DEVIATIONS = ledger(
    "dettmers2022",
    (
        "dynamic map",
        "Described by an indicator bit, an exponent and a fraction.",
        "Built as the released library does, as the midpoints of 2^i intervals of [.1, 1] times 10^(i-6). "
        "The signed map has no -1, so the largest entry of a block comes back .7 % short if it is negative. "
        "Entries go to the nearest level; version 0.50 of that library, on a CPU, takes the next one for a quarter of "
        "them. "
        "Blocks of 256 as released, where the paper has 2048; tensors below 4096 entries stay in full "
        "precision there, and do not here.",
        "QC25a",
    ),
    (
        "quantization errors",
        "Dynamic quantization has smaller errors than linear.",
        "In blocks of 256 only the relative error is smaller, .0154 against .031; the absolute error of the "
        "linear map is .0060 against .0085.",
        "QC25b",
    ),
    (
        "stability of 8-bit Adam",
        "Shown on language models.",
        "f = sum lambda_i x_i^2/2 with noise .1 lambda_i, d = 256 in one block, lambda in equal ratios over "
        "1 to 4 decades, lr = .01 constant, 3000 steps, and the level mean x_i^2/2, in which the scales "
        "cancel: 2.5e-4 in full precision at every spread, where f itself would fall with the spread. With "
        "lambda sorted into two blocks of 256 each block spans half the decades, and the linear map survives "
        "two. A failed run jumps at random: of 200 seeds with the dynamic map at four decades the level has "
        "median 2, and 5 % of them stay below .003. As v fluctuates, single seeds can jump shortly before "
        "the edge: of 400 at 1.2 decades of the linear map 1 %, at 1.25 decades 16 %, by which one of 20 entropies with 8 "
        "seeds had its edge at 1.25. So the edge is asked for between 1.2 and 1.5 decades. "
        "Finer spreads show that it is no sharp line at the stated place: with 8 seeds most fail from 1.3 decades on with the "
        "linear map, and most are healthy at 3.5 with the dynamic one.",
        *("QC26a", "QC26b"),
    ),
)

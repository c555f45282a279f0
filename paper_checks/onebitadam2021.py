"""Tang et al., "1-bit Adam: Communication Efficient Large-Scale Training with Adam's Convergence Speed".

ICML 2021, arXiv:2102.02888.  The errors of the two one-bit compressors, and a quadratic on which compressing
the momentum with a frozen second moment works and compressing the gradients inside Adam does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.quantized import quadratic
from theory_sim.compressors import Compressor, identity, l1_sign, rms_sign
from theory_sim.evidence.cases import Array, errors, tail
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.feedback import unsent
from theory_sim.optimizers.parts import nonzero
from theory_sim.optimizers.server import comp_ams, onebit_adam
from theory_sim.rules.language import Round, Stage

if TYPE_CHECKING:
    import xarray as xr

EXACT = 1e-12  # of sums of up to 1024 squares

# One-bit compressors.
SIZES = (1, 2, 4, 5, 16, 64, 256, 1024)


def one_bit_errors(build: Callable[[], Compressor], exact: Callable[[Array], float]) -> tuple[float, float]:
    """Return how far ||C(x) - x||^2/||x||^2 is from `exact(x)`, and its largest share of 2 - 2/sqrt d."""
    rng = np.random.default_rng(2102)
    off, worst = 0.0, 0.0
    for d in SIZES:
        sparse = rng.normal(size=(10, d)) * (rng.random((10, d)) < 0.2)
        sparse[:, -1] = 1.0
        normal, heavy = rng.normal(size=(10, d)), rng.standard_cauchy((10, d))
        # One-hot, flat, normal, heavy-tailed and sparse.
        for x in (np.eye(d)[d // 2], -np.ones(d), *normal, *heavy, *sparse):
            error = float(errors(build(), x, 1, 0)[0])
            off = max(off, abs(error - exact(x)) if math.isfinite(error) else math.inf)
            worst = max(worst, error / (2.0 - 2.0 / math.sqrt(d)) if d > 1 else 0.0)  # no error at d = 1
    return off, worst


def one_hot(build: Callable[[], Compressor], d: int) -> float:
    """Return ||C(x) - x||^2/||x||^2 of a one-hot vector."""
    return float(errors(build(), np.eye(d)[0], 1, 0)[0])


def l1_constants(build: Callable[[], Compressor]) -> Evidence:
    """Compare the scaled sign with its identity, and its delta with 1/d."""
    off, _ = one_bit_errors(build, lambda x: float(1.0 - np.abs(x).sum() ** 2 / (len(x) * (x @ x))))
    parts = [at_most(off, EXACT, "||x||^2 - ||x||_1^2/d, relative to ||x||^2")]
    for d in SIZES:
        delta = 1.0 - one_hot(build, d)
        parts.append(within(delta * d, 1.0, EXACT * d, "d delta of a one-hot vector"))
    return all_of(parts)


def rms_constants(build: Callable[[], Compressor]) -> Evidence:
    """Compare the RMS-sign with its identity, and its worst ratio with 2 (1 - 1/sqrt d)."""
    off, worst = one_bit_errors(
        build, lambda x: float(2.0 * (1.0 - np.abs(x).sum() / math.sqrt(len(x) * (x @ x))))
    )
    parts = [
        at_most(off, EXACT, "2 ||x||^2 (1 - ||x||_1/(sqrt d ||x||)), relative to ||x||^2"),
        at_most(worst, 1.0 + EXACT, "no vector exceeds the worst ratio of its d"),
    ]
    for d in SIZES:
        hot = one_hot(build, d)
        parts.append(within(1.0 - build().delta(d), hot, EXACT, "1 - delta as the library states it"))
        parts.append(within(hot, 2.0 * (1.0 - 1.0 / math.sqrt(d)), EXACT, "ratio of a one-hot vector"))
        if d >= 5:
            parts.append(at_least(hot, 1.05, "no contraction for d >= 5"))
    return all_of(parts)


@claim("onebitadam2021.QC02", "scaled sign, as an alternative compressor", "exact", constants="derived")
def l1_sign_errors() -> Evidence:
    """The scaled sign errs by ||x||^2 - ||x||_1^2/d exactly; delta = 1/d, attained by a one-hot vector."""
    return l1_constants(lambda: l1_sign(word=64))


@claim("onebitadam2021.QC03", "compressor of the released code", "exact", constants="derived")
def rms_sign_errors() -> Evidence:
    """||x||/sqrt(d) sgn(x) errs by 2 ||x||^2 (1 - ||x||_1/(sqrt d ||x||)), at worst 2 (1 - 1/sqrt d) ||x||^2:
    it is no contraction for d >= 5.
    """
    return rms_constants(lambda: rms_sign(word=64))


# 1-bit Adam and one-bit gradients in Adam.


def _gradient(g: float, e: float) -> float:
    return e + g


def _server(p: float, reply: float, t: int, lr: float, beta1: float, beta2: float, eps: float,
            x: float, m: float, v: float) -> tuple[float, ...]:  # fmt: skip
    """Adam with bias correction on gt = C(mean C(p_i) + E)."""
    m = beta1 * m + (1.0 - beta1) * reply
    v = beta2 * v + (1.0 - beta2) * reply * reply
    scale = nonzero(math.sqrt(v / (1.0 - beta2**t)) + eps)
    return x - lr * m / (1.0 - beta1**t) / scale, m, v, p - reply


def _with_error(mean: float, E: float) -> float:
    return E + mean


_NAIVE = Round(
    send=Stage(_gradient, ("p",)),
    keep=Stage(unsent, ("e",)),
    reply=Stage(_with_error, ("p",)),
    apply=Stage(_server, ("x", "m", "v", "E")),
)


def naive(lr: float, side: Compressor) -> Optimizer:
    """Adam on gradients compressed both ways with error feedback: what 1-bit Adam is made to avoid."""
    return Optimizer(
        "naive 1-bit Adam",
        _NAIVE,
        lr,
        {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        rows=("E", "m", "v"),
        worker_rows=("e",),
        up=side,
        down=side,
        paper="onebitadam2021",
    )


LR, WARMUP, STEPS = 2e-3, 400, 4_000
# The frozen v is (1 - beta2^400) times an average of g^2; this factor on lr undoes it.
CORRECTION = math.sqrt(1.0 - 0.999**WARMUP)
TAIL = 3_000  # the mean of f over the later updates is compared


def _sweep(name: str, optimizer: Optimizer, checkpoints: tuple[int, ...] = (), **fields: Any) -> Sweep:
    return Sweep(
        quadratic(0.5, d=64, decades=1.5, power=0.5),
        optimizer,
        steps=STEPS,
        seeds=8,
        checkpoints=(*checkpoints, TAIL, STEPS),
        running=True,
        entropy=2102,
        name=f"onebitadam2021.{name}",
        quick={"seeds": 2},
        **fields,
    )


def _adam(up: Compressor) -> Optimizer:
    return comp_ams(LR, up=up, amsgrad=False, bias_correction=True, eps_mode="outside")


_EVERY = tuple(range(100, TAIL, 100))
_WORKERS = {"workers": (1, 4, 16)}
ADAM, NAIVE, ONE_WAY = (
    _sweep(name, optimizer, _EVERY, axes=_WORKERS)
    for name, optimizer in (
        ("adam", _adam(identity())),
        ("naive", naive(LR, rms_sign())),
        ("one_way", _adam(rms_sign())),
    )
)
_RATES = {"lr": (LR, CORRECTION * LR), **_WORKERS}
RMS, L1 = (
    _sweep(name, onebit_adam(LR, warmup=WARMUP, up=up), _EVERY, axes=_RATES)
    for name, up in (("rms", rms_sign()), ("l1", l1_sign()))
)
WARMUPS = _sweep("warmups", onebit_adam(LR), axes={"warmup": (20, 50, 100, 200, 400, 1000)}, workers=4)


def level(grid: xr.Dataset) -> xr.DataArray:
    """Return the mean of f over the last quarter of the run, averaged over the seeds."""
    return tail(grid.gap_mean).mean("seed", skipna=False)


def _shown(values: Any) -> str:
    return ", ".join(f"{value:.4f}" for value in np.ravel(values))


@claim(
    "onebitadam2021.QC24a",
    "motivation: why error feedback on gradients is not enough for Adam",
    "weak",
    *(ADAM, NAIVE, RMS, L1),
)
def one_bit_gradients_fail(*grids: xr.Dataset) -> Evidence:
    """With one bit both ways and N = 1, 4, 16 workers, 1-bit Adam ends within a factor 2 of Adam's loss, and
    Adam on one-bit gradients with error feedback at least 5 times higher than 1-bit Adam.
    """
    adam, bad, *onebit = (level(grid) for grid in grids)
    levels = f"mean f at N = 1, 4, 16: naive {_shown(bad)}; Adam {_shown(adam)}"
    parts = []
    for name, mean in zip(("RMS", "l1"), onebit, strict=True):
        for lr, what in ((LR, "lr"), (LR * CORRECTION, "lr sqrt(1 - beta2^400)")):
            at = mean.sel(lr=lr)
            note = f"1-bit, {name}-sign, {what}: {_shown(at)}"
            parts.append(at_least(float((bad / at).min(skipna=False)), 5.0, note))
            # Between .5 and 1.5 of Adam's is seen, the larger one without the correction.
            parts.append(at_most(float((at / adam).max(skipna=False)), 2.0, levels))
    return all_of(parts)


@claim("onebitadam2021.QC24b", "communication", "exact", ADAM, RMS, constants="derived")
def bits_saved(adam: xr.Dataset, onebit: xr.Dataset) -> Evidence:
    """After the warm-up a worker sends and receives d + 32 bits per step instead of 32 d: 2.33 Mbit against
    16.4 here.
    """
    parts = []
    for grid, bits in ((adam, 64.0 * 64 * STEPS), (onebit, 64.0 * 64 * WARMUP + 2.0 * 96 * (STEPS - WARMUP))):
        sent = (grid.bits_up + grid.bits_down).isel(checkpoint=-1)
        off = float(abs(sent - bits).max(skipna=False))
        parts.append(within(off, 0.0, 0.0, f"{bits / 1e6:.4g} Mbit per worker"))
    return all_of(parts)


@claim("onebitadam2021.QC24c", "warm-up, as released", "order", ADAM, RMS, WARMUPS, constants="derived")
def frozen_too_small(*grids: xr.Dataset) -> Evidence:
    """Without bias correction v freezes at (1 - beta2^W) of its level: at equal lr the loss of 1-bit Adam is
    then above Adam's, more so for a short warm-up; with lr times sqrt(1 - beta2^W) it is below, as v froze
    while gradients were large.
    """
    adam, onebit, warmups = (level(grid) for grid in grids)
    equal, corrected = (onebit.sel(lr=lr) / adam for lr in (LR, CORRECTION * LR))
    share = warmups / float(adam.sel(workers=4))
    note = ", ".join(f"{float(s):.2f} at {int(w)}" for w, s in zip(warmups.warmup, share, strict=True))
    parts = [
        at_least(float(equal.min(skipna=False)), 1.0, f"1-bit over Adam at equal lr: {_shown(equal)}"),
        at_most(float(corrected.max(skipna=False)), 1.0, f"with corrected lr: {_shown(corrected)}"),
        at_least(float(share.sel(warmup=20)), 2.0, f"at equal lr and N = 4, by warm-up: {note}"),
    ]
    return all_of(parts)


@claim("onebitadam2021.QC24d", "control, not in the paper's statements", "weak", ONE_WAY, RMS)
def one_way_control(one_way: xr.Dataset, onebit: xr.Dataset) -> Evidence:
    """If the server sends back the mean of the one-bit gradients uncompressed, the loss of Adam on them is at
    least 5 times that of 1-bit Adam with one worker and at most 3 times with 16.
    """
    ratio = level(one_way) / level(onebit).sel(lr=LR)
    note = f"one-way naive over 1-bit Adam at N = 1, 4, 16: {_shown(ratio)}"
    alone, many = (float(ratio.sel(workers=n)) for n in (1, 16))
    return all_of([at_least(alone, 5.0, note), at_most(many, 3.0, note)])


CLAIMS = [
    l1_sign_errors,
    rms_sign_errors,
    one_bit_gradients_fail,
    bits_saved,
    frozen_too_small,
    one_way_control,
]

DEVIATIONS = ledger(
    "onebitadam2021",
    (
        "algorithm",
        "Adam for W steps, then compressed momentum with v frozen; whether moments are bias-corrected is "
        "left open here.",
        "As in the released code there is no bias correction. With W = 400 and beta2 = .999 the frozen v is "
        "a third of its level, so equal lr means a step 1.74 times as long; both lr and lr sqrt(1 - beta2^W) "
        "are run. A report that 1-bit Adam reaches a lower loss than Adam at equal lr holds for the "
        "corrected v only.",
        "QC24c",
    ),
    (
        "compressor",
        "The analysis assumes a bounded compression error, not a contraction, as we recall it.",
        "The RMS-sign is no contraction for d >= 5, so no theorem for contractions covers it; with error "
        "feedback it does as well as the scaled sign here.",
        *("QC03", "QC24a"),
    ),
    (
        "one-bit gradients in Adam",
        "Compressing gradients with error feedback inside Adam does not work.",
        "Both ways, as 1-bit Adam does it, v sees flat magnitudes at every N, and the loss is 11 to 16 times "
        "as high. One way only, the mean of N messages is not flat: 11 times at N = 1 and 1.7 times at N = "
        "16. None of these factors is derived, and the limits 2, 5 and 3 were chosen after they were seen.",
        *("QC24a", "QC24d"),
    ),
    (
        "experiments",
        "BERT and image models, warm-up by a criterion on v.",
        "f = sum lambda_i x_i^2/2 with d = 64, lambda from 1 down to 10^-1.5, normal noise .5 sqrt(lambda_i) "
        "per worker, lr .002, 4000 steps, warm-up 400; the mean of f over the last 1000 steps is compared. "
        "eps = 1e-8 outside the root, betas .9 and .999, one scale per message.",
        *("QC24a", "QC24b", "QC24c"),
    ),
)

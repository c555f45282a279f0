"""Results on Adam, momentum, votes and compressed messages: what each paper says beside runs, a panel for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks import (
    ahn2024,
    bernstein2019,
    chen2020clipping,
    chen2020vote,
    cutkosky2020,
    fatkhullin2023,
    kingma2015,
    mishchenko2019,
    savarese2019,
    xie2024adamw,
    zaheer2018,
    zhang2020heavy,
)
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Grids = Sequence["xr.Dataset"]
Axis = np.ndarray[Any, np.dtype[np.object_]]

_DOTS: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "w", "ms": 4.0}


# Adam and normalised momentum.


def _draw_regret(ax: Axes, adam: xr.Dataset, amsgrad: xr.Dataset) -> None:
    T = adam.checkpoint.values[4:]
    ax.plot(T, kingma2015.bound(3.0, T), "--", color="0.4", label="bound for Adam, as printed")
    for grid, color, name in ((adam, PALETTE[1], "Adam"), (amsgrad, PALETTE[0], "AMSGrad")):
        ax.plot(T, grid.regret_mean.sel(C=3.0, checkpoint=T).isel(seed=0), color=color, label=name)
    ax.set(xscale="log", yscale="log", xlabel="steps $T$", ylabel="average regret $R_T/T$", ylim=(1e-2, 30.0))
    ax.set_title(r"(a) slopes $3,-1,-1$")
    ax.legend()


def _draw_corner(ax: Axes, corner: xr.Dataset) -> None:
    for color, gamma in zip(PALETTE, savarese2019.GAMMAS, strict=False):
        x = corner.x.sel(gamma=gamma).isel(seed=0)
        ax.plot(x.checkpoint, x, color=color, label=rf"$\gamma=10^{{{math.log10(gamma):.0f}}}$")
        ax.axvline(savarese2019.leaves(gamma), color=color, ls=":", lw=1.0)
    ax.set(
        xscale="log",
        xlim=(3, 3e4),
        ylim=(-1.1, 1.1),
        xlabel="step $t$",
        ylabel="$x_t$ at the end of a period",
    )
    ax.set_title("(b) AdaBound, bounds meeting at speed $\\gamma$")
    ax.legend(loc="lower left", handlelength=1.0, borderaxespad=0.1)


def _draw_batches(ax: Axes, by_eps: xr.Dataset, by_v: xr.Dataset) -> None:
    b = np.geomspace(1.0, 64.0, 50)
    rows = (
        (by_eps, zaheer2018.LR, zaheer2018.EPS, PALETTE[0], r"$\varepsilon=4$"),
        (by_v, zaheer2018.LR_V, 1e-8, PALETTE[1], r"$\varepsilon=10^{-8}$"),
    )
    for grid, lr, eps, color, name in rows:
        ax.plot(b, zaheer2018.floor(b, lr, eps), color=color, label=f"{name}: closed form")
        seen = zaheer2018.late(grid).mean(axis=1)
        ax.plot(zaheer2018.BATCHES, seen, color=color, label=f"{name}: runs", **_DOTS)
    ax.set(xscale="log", yscale="log", xlabel="batch $b$", ylabel=r"floor of $\|\nabla f\|^2$")
    ax.set_title("(c) Adam, constant step")
    ax.legend()


def _draw_box(ax: Axes, quadratic: xr.Dataset) -> None:
    centers = np.array(xie2024adamw.QUADRATIC.problem.constants["center"])
    line = np.linspace(-3.0, 3.0, 200)
    for color, decay in zip((PALETTE[6], *PALETTE), xie2024adamw.DECAYS, strict=False):
        limit = 1.0 / decay if decay else 9.0
        ax.plot(line, np.clip(line, -limit, limit), color=color, lw=0.8)
        x = quadratic.x_final.sel(weight_decay=decay).isel(seed=0)
        ax.plot(centers, x, color=color, label=rf"$\lambda={decay:g}$", **_DOTS)
    ax.set(xlabel="minimiser $c_i$", ylabel="$x_{T,i}$")
    ax.set_title(r"(d) AdamW ends in $|x_i|\leq 1/\lambda$")
    ax.legend(loc="upper left")


def _draw_updates(ax: Axes, decaying: xr.Dataset) -> None:
    t = np.arange(2.0, ahn2024.STEPS + 1.0)
    for color, beta in zip(PALETTE, ahn2024.BETAS, strict=False):
        moves = ahn2024.updates(decaying.sel(beta=beta, ratio=beta).isel(seed=0))
        ax.plot(t[::10], moves.values[::10], color=color, label=rf"$\beta={beta:g}$", **_DOTS)
        ax.plot(t, math.sqrt((1.0 - beta) / (1.0 + beta)) * np.sqrt(t), color=color, lw=0.8)
    ax.axhline(1.0, color="0.4", ls="--", lw=1.0, label="constant gradients")
    ax.set(xlabel="step $t$", ylabel=r"update $m_t/\sqrt{v_t}$", ylim=(0.0, 12.0))
    ax.set_title(r"(e) $\beta_2=\beta_1^2$, gradients $\beta^t$")
    ax.legend(loc="upper left")


def _draw_normalised(ax: Axes, skewed: xr.Dataset) -> None:
    T = skewed.checkpoint.values
    for momentum, color, name in ((0.0, PALETTE[1], "no momentum"), (0.99, PALETTE[0], "momentum 0.99")):
        x = np.abs(skewed.x.sel(momentum=momentum)).mean("seed", skipna=False).isel(checkpoint=-1)
        ax.plot(skewed.lr, x, color=color, label=name, **_DOTS)
    ax.plot(skewed.lr, 0.6 * skewed.lr * T[-1], color=PALETTE[1], lw=0.8, label=r"$0.6\,\eta T$")
    ax.set(xscale="log", yscale="log", xlabel=r"step size $\eta$", ylabel="mean $|x_T|$, $T=4000$")
    ax.set_title("(f) normalised SGD, skewed noise")
    ax.legend(loc="upper left")


def _draw_adam(axes: Axis, grids: Grids) -> None:
    adam, amsgrad, corner, by_eps, by_v, quadratic, decaying, skewed = grids
    _draw_regret(axes[0], adam, amsgrad)
    _draw_corner(axes[1], corner)
    _draw_batches(axes[2], by_eps, by_v)
    _draw_box(axes[3], quadratic)
    _draw_updates(axes[4], decaying)
    _draw_normalised(axes[5], skewed)
    _plain(axes)


def _adam_features(grids: Grids) -> dict[str, float]:
    """Regret over the bound, when corners are left, slopes of floors, distances from boxes and limits."""
    adam, amsgrad, corner, by_eps, by_v, quadratic, decaying, skewed = grids
    T = int(adam.checkpoint[-1])
    centers = np.array(xie2024adamw.QUADRATIC.problem.constants["center"])
    batches = np.log(zaheer2018.BATCHES)
    found = {
        f"regret_{name}": float(grid.regret_mean.sel(C=3.0).values[0, -1] / kingma2015.bound(3.0, T))
        for name, grid in (("adam", adam), ("amsgrad", amsgrad))
    }
    for gamma in savarese2019.GAMMAS:
        x = corner.x.sel(gamma=gamma).isel(seed=0).values
        late = corner.checkpoint.values > 30
        found[f"leaves_{gamma:g}"] = float(corner.checkpoint.values[late & (x < 1.0)][0])
    for name, grid in (("eps", by_eps), ("v", by_v)):
        found[f"floor_slope_{name}"] = float(
            np.polyfit(batches, np.log(zaheer2018.late(grid).mean(axis=1)), 1)[0]
        )
    for decay in xie2024adamw.DECAYS:
        limit = 1.0 / decay if decay else np.inf
        x = quadratic.x_final.sel(weight_decay=decay).isel(seed=0).values
        found[f"box_{decay:g}"] = float(np.max(np.abs(x - np.clip(centers, -limit, limit))))
    found["last_update"] = float(ahn2024.updates(decaying.sel(beta=0.9, ratio=0.9).isel(seed=0))[-1])
    last = np.abs(skewed.x.isel(checkpoint=-1)).mean("seed", skipna=False)
    found["walked"] = float(last.sel(momentum=0.0, lr=0.01))
    found["stayed"] = float(last.sel(momentum=0.99, lr=0.01))
    return found


# Noise, votes and messages.


def _draw_excursions(ax: Axes, sgd: xr.Dataset) -> None:
    T = sgd.checkpoint.values.astype(float)
    reach = np.sqrt(2.0 * sgd.gap_max.transpose("checkpoint", "seed").values) / zhang2020heavy.LR_SGD
    low, middle, high = np.quantile(reach, (0.25, 0.5, 0.75), axis=1)
    ax.fill_between(T, low, high, color=PALETTE[1], alpha=0.2, lw=0, label="half of the seeds")
    ax.plot(T, middle, color=PALETTE[1], label="median", **_DOTS)
    ax.plot(
        T,
        (T / math.log(2.0)) ** (1.0 / zhang2020heavy.A),
        color=PALETTE[1],
        lw=0.8,
        label=r"$(T/\ln 2)^{2/3}$",
    )
    ax.set(xscale="log", yscale="log", xlabel="steps $T$", ylabel=r"largest $|x_t|/\eta$")
    ax.set_title("(a) SGD, Pareto noise, exponent 3/2")
    ax.legend(loc="upper left")


def _draw_contraction(ax: Axes, uniform: xr.Dataset) -> None:
    t = np.arange(0, 401)
    for color, c in zip(PALETTE, chen2020clipping.THRESHOLDS, strict=False):
        ax.plot(t, 0.5 * (1.0 - chen2020clipping.LR * c / chen2020clipping.WIDTH) ** t, color=color, lw=0.8)
        x = uniform.x.sel(threshold=c).mean("seed", skipna=False)
        ax.plot(x.checkpoint, x.values.ravel(), color=color, label=f"$c={c:g}$", **_DOTS)
    ax.set(xlabel="step $t$", ylabel="mean $x_t$", ylim=(0.0, 0.55))
    ax.set_title("(b) clipping at $c$, noise on $[-4,4]$")
    ax.legend(loc="upper right")


def _draw_adversaries(ax: Axes, first: xr.Dataset) -> None:
    p = _right()
    exact = [float(bernstein2019.mean_vote(p, k).mean()) for k in range(bernstein2019.VOTERS + 1)]
    ax.plot(range(bernstein2019.VOTERS + 1), exact, color=PALETTE[2], label="binomial laws")
    ax.plot(bernstein2019.ADVERSARIES, _mean_steps(first), color=PALETTE[2], label="runs", **_DOTS)
    ax.axhline(0.0, color="0.4", lw=0.8)
    ax.set(xlabel="adversaries of nine", ylabel="mean step downhill")
    ax.set_title("(c) majority vote")
    ax.legend()


def _draw_median(ax: Axes, noisy: xr.Dataset) -> None:
    sigma = np.geomspace(0.1, 20.0, 80)
    ax.plot(
        sigma,
        [chen2020vote.settles(one) for one in sigma.tolist()],
        color=PALETTE[3],
        label="balance of votes",
    )
    ax.plot(
        chen2020vote.SIGMAS, chen2020vote.late(noisy).mean(axis=1), color=PALETTE[3], label="runs", **_DOTS
    )
    for level, name, style in ((chen2020vote.MEDIAN, "median", ":"), (chen2020vote.MEAN, "mean", "--")):
        ax.axhline(level, color="0.4", ls=style, lw=1.0, label=name)
    ax.set(xscale="log", xlabel=r"noise $\sigma$", ylabel="mean $x$")
    ax.set_title("(d) three different workers vote")
    ax.legend(loc="center right")


def _draw_kicks(ax: Axes, kicked: xr.Dataset) -> None:
    late = fatkhullin2023.late(kicked).mean(axis=-1)
    for color, momentum, row in zip(PALETTE, fatkhullin2023.MOMENTA, late.T, strict=False):
        if momentum in (0.0, 0.9, 0.99):
            name = "EF21-SGD" if momentum == 0.0 else f"momentum {momentum:g}"
            ax.plot(fatkhullin2023.STEPS_SIZES, row, "-o", mfc="w", ms=4.0, color=color, label=name)
    ax.axhline(3.0 / 170.0, color="0.4", ls="--", lw=1.0, label=r"$3\sigma^2/170$")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=r"step size $\eta$",
        ylabel=r"mean $\|\nabla f\|^2$",
        ylim=(1e-3, 0.7),
    )
    ax.set_xticks(fatkhullin2023.STEPS_SIZES, [f"{lr:g}" for lr in fatkhullin2023.STEPS_SIZES])
    ax.set_title("(e) EF21 with one gradient per step")
    ax.legend(loc="upper left")


def _draw_shifts(ax: Axes, paths: xr.Dataset) -> None:
    t = np.arange(0, 201)
    for color, shift in zip(PALETTE, paths["shift"].values.tolist(), strict=False):
        ax.plot(t, mishchenko2019.expected(shift, 200), color=color, lw=0.8)
        mean = paths.gradient_square.sel(shift=shift).mean("seed", skipna=False)
        name = "compressed GD" if shift == 0.0 else rf"DIANA, $\alpha={shift:g}$"
        ax.plot(mean.checkpoint, mean, color=color, label=name, **_DOTS)
    ax.set(yscale="log", xlabel="step $t$", ylabel=r"mean $\|x_t-x^*\|^2$", ylim=(1e-16, 1e3))
    ax.set_title("(f) rand-4 of 8, four different workers")
    ax.legend(loc=(0.45, 0.57))


def _right() -> np.ndarray[Any, np.dtype[np.float64]]:
    """The probability that an honest sign is right, per coordinate, at the start."""
    slopes = np.array(bernstein2019.FIRST.problem.constants["L"])
    return np.array([0.5 * math.erfc(-slope / math.sqrt(2.0)) for slope in slopes.tolist()])


def _mean_steps(first: xr.Dataset) -> list[float]:
    """The mean step downhill in units of lr, for each number of adversaries."""
    steps = (1.0 - first.x_final) / bernstein2019.LR
    return [float(steps.sel(adversaries=k).mean(skipna=False)) for k in bernstein2019.ADVERSARIES]


def _plain(axes: Axis) -> None:
    """Leave the ticks of a decade only."""
    from matplotlib.ticker import NullLocator

    for ax in axes:
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())


def _draw_noise(axes: Axis, grids: Grids) -> None:
    sgd, uniform, first, noisy, kicked, paths = grids
    _draw_excursions(axes[0], sgd)
    _draw_contraction(axes[1], uniform)
    _draw_adversaries(axes[2], first)
    _draw_median(axes[3], noisy)
    _draw_kicks(axes[4], kicked)
    _draw_shifts(axes[5], paths)
    _plain(axes)


def _noise_features(grids: Grids) -> dict[str, float]:
    """Medians, means and floors of the panels, and how far they are from what is exact."""
    sgd, uniform, first, noisy, kicked, paths = grids
    T = sgd.checkpoint.values.astype(float)
    reach = np.sqrt(2.0 * sgd.gap_max.transpose("checkpoint", "seed").values) / zhang2020heavy.LR_SGD
    late = fatkhullin2023.late(kicked).mean(axis=-1)
    steps, p = _mean_steps(first), _right()
    exact = [float(bernstein2019.mean_vote(p, k).mean()) for k in bernstein2019.ADVERSARIES]
    settled = chen2020vote.late(noisy).mean(axis=1)
    x = uniform.x.mean("seed", skipna=False).isel(checkpoint=-1)
    path = paths.gradient_square.mean("seed", skipna=False)
    return {
        "excursion_slope": float(np.polyfit(np.log(T), np.log(np.median(reach, axis=1)), 1)[0]),
        "contraction_2": float(x.sel(threshold=2.0).values.item()),
        "contraction_025": float(x.sel(threshold=0.25).values.item()),
        "vote_error": float(np.max(np.abs(np.array(steps) - exact))),
        **{f"settles_{sigma:g}": float(at) for sigma, at in zip(chen2020vote.SIGMAS, settled, strict=True)},
        "floor_none": float(late[0, 0] * 170.0 / 3.0),
        "floor_momentum": float(late[0, 3] * 170.0 / 3.0),
        "gd_end": float(path.sel(shift=0.0).isel(checkpoint=-1)),
        "diana_end": float(path.sel(shift=mishchenko2019.SHIFT).isel(checkpoint=-1)),
    }


FIGURES = [
    Figure(
        name="results-adam",
        caption=(
            "Six results on Adam and momentum. (a) Theorem 4.1 of Kingma and Ba is false: the average regret of Adam passes its "
            "bound, that of AMSGrad does not. (b) AdaBound leaves the worst corner when its bounds have come together (dotted), however "
            "late. (c) The batch sets the neighbourhood of Adam, like 1/b with a large eps and like 1/sqrt(b) else. (d) AdamW ends at the "
            "point of its box nearest to the minimiser. (e) Adam as discounted FTRL: its updates grow like sqrt(t) on gradients that decay. "
            "(f) A normalised step without momentum follows the usual sign of the noise, at every step size."
        ),
        panels=(2, 3),
        size=(9.6, 6.0),
        sweeps=(
            kingma2015.ADAM, kingma2015.AMSGRAD, savarese2019.CORNER, zaheer2018.BY_EPS, zaheer2018.BY_V,
            xie2024adamw.QUADRATIC, ahn2024.DECAYING, cutkosky2020.SKEWED,
        ),
        draw=_draw_adam,
        features=_adam_features,
        claims=(
            "kingma2015.K1", "kingma2015.K2", "savarese2019.B2", "zaheer2018.E2", "xie2024adamw.W2", "ahn2024.U2",
            "cutkosky2020.M1",
        ),
    ),
    Figure(
        name="results-noise",
        caption=(
            "Six results on noise, votes and messages. (a) The largest excursion of SGD under Pareto noise is that of one kick. (b) Under "
            "symmetric noise clipping is a smaller step (lines: (1 - lr c/4)^t/2). (c) A vote of nine bears four adversaries. (d) Voting "
            "workers with different data follow the median of their gradients, and with noise the mean. (e) EF21 with stochastic gradients "
            "has a floor at every step size, which momentum removes. (f) DIANA converges where compressed gradient descent has a floor "
            "(lines: exact expectations)."
        ),
        panels=(2, 3),
        size=(9.6, 6.0),
        sweeps=(
            zhang2020heavy.SGD, chen2020clipping.UNIFORM, bernstein2019.FIRST, chen2020vote.NOISY, fatkhullin2023.KICKED,
            mishchenko2019.PATHS,
        ),
        draw=_draw_noise,
        features=_noise_features,
        claims=(
            "zhang2020heavy.H1", "chen2020clipping.P1", "bernstein2019.Y1", "chen2020vote.V2", "fatkhullin2023.F1",
            "fatkhullin2023.F2", "mishchenko2019.D1", "mishchenko2019.D2",
        ),
    ),
]  # fmt: skip

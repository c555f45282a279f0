"""Clipped, normalised and plain descent on (L0, L1)-smooth functions."""

from __future__ import annotations

from fractions import Fraction
from math import exp, hypot, sqrt
from typing import Any

from tests.paper_checks.theorems.golden.rows import Golden, Row, above, at_most, equal


def _phi(u: float) -> float:
    return exp(u) - 1 - u


def _descent(gap_1: float, lr: float, gradient_norm_1: float, L0: float, L1: float, **_: Any) -> float:
    """f(x) + <g, y - x> + (L0 + L1 G)/L1^2 phi(L1 ||y - x||) at y = x - lr g."""
    G = gradient_norm_1
    return gap_1 - lr * G**2 + (L0 + L1 * G) / L1**2 * _phi(L1 * lr * G)


def _shifted(gap_1: float, lr: float, T: float, offset: float, **_: Any) -> float:
    """The G with lr G^2/(2 (G + offset)) = gap_1/T."""
    r = 2 * gap_1 / (lr * T)
    return r / 2 + sqrt((r / 2) ** 2 + r * offset)


def _normalized(gap_1: float, lr: float, T: float, L0: float, L1: float, **_: Any) -> float:
    """A step lowers f by lr G - (L0 + L1 G)/L1^2 phi(L1 lr)."""
    phi = _phi(L1 * lr)
    return (gap_1 / T + L0 * phi / L1**2) / (lr - phi / L1)


def _clipped(gap_1: float, lr: float, T: float, threshold: float, **_: Any) -> float:
    """min(G^2, threshold G) lr/2 = gap_1/T."""
    r = 2 * gap_1 / (lr * T)
    return max(sqrt(r), r / threshold)


def _complexity(T: float, L0: float, L1: float, gap_1: float, target: float, **_: Any) -> float:
    return T - 1 - 20 * gap_1 * (L0 / target**2 + max(1, L1**2) / L0)


def _K(mix: float, momentum: float, u: float) -> float:
    """The delay of the momentum, a geometric series, and the second order of the step."""
    return 2 * mix * momentum / (1 - momentum) * ((exp(u) - 1) / u) + 1 / (2 - 2 * u / 3)


def _mixed(
    gap_1: float, lr: float, threshold: float, mix: float, momentum: float, gradient_norm_1: float, T: float,
    L0: float, L1: float, **_: Any
) -> float:  # fmt: skip
    K = _K(mix, momentum, L1 * lr * threshold)
    start = gap_1 / lr + 2 * mix * threshold * (momentum / (1 - momentum)) * gradient_norm_1
    path = T * lr * threshold**2 * K * (L0 + threshold * L1 / 4)
    B = (start + path) / (T * (1 - mix / 2 - lr * threshold * L1 * K))
    return max(sqrt(B), B / threshold)


def _small_mixed(lr: float, threshold: float, L1: float, mix: float, momentum: float, **_: Any) -> float:
    u = L1 * lr * threshold
    return 1 - mix / 2 - u * _K(mix, momentum, u)


def _gd_updates(
    T: float, split: float, gap: float, target: float, L0: float, critical_lr: float, **_: Any
) -> float:
    """((1 - split) gap - 15 target^2/(4 L0))/(4 target^2 critical_lr) - T."""
    return ((1 - split) * gap - 3.75 * target**2 / L0) / (2 * target) ** 2 / critical_lr - T


def _momentum_updates(alpha: float, momentum: float, **v: Any) -> float:
    """The same for the step in units of the gradient."""
    return _gd_updates(**{**v, "critical_lr": alpha / (1 - momentum)})


_RUN = {"L0": 1.3, "L1": 0.7, "lr": 0.2, "T": 23, "gap_1": 2.1, "gradient_norm_1": 2.4}
_MIXED = {**_RUN, "threshold": 1.6, "mix": 0.35, "momentum": 0.45}
_UNIT = {"L1": 1, "threshold": 1}
_HARD = {"split": 0.3, "gap": 50, "gap_1": 50, "target": 0.4, "L0": 1.3, "M": 2.4, "T": 23}
_HARD |= {"gradient_norm_1": hypot(_HARD["M"], 2 * _HARD["target"])}
_TWO = {"split": 0.5, "gap": 10, "L0": 3.75, "target": 1}

GOLDEN = {
    "vankov2024.lemma": Golden(({**_RUN, "T": 1},), _descent, {"one step": equal("T", 1)}),
    "vankov2024.nonconvex": Golden(
        ({**_RUN, "offset": 0.5},),
        _shifted,
        {
            "steps of length at most 3/(4 L1)": Row(
                ({"L1": 3, "lr": 0.25}, {"L1": 3, "lr": 0.1}),
                ({"L1": 3, "lr": 0.250001},),
                lambda L1, lr, **_: 3 - 4 * L1 * lr,
            ),
            "steps of at most 1/L0": Row(
                ({"offset": 0.5, "L0": 2, "lr": 0.25}, {"offset": 9, "L0": 2, "lr": 0.25}),
                ({"offset": 0.499999, "L0": 2, "lr": 0.25},),
                lambda offset, L0, lr, **_: offset - lr * L0,
            ),
        },
    ),
    "zhang2020clipping.ngd": Golden(
        ({**_RUN, "offset": 0},),
        _normalized,
        {
            "steps of length below 1.256/L1": Row(
                ({"L1": 1, "lr": 1.256}, {"L1": 1, "lr": 0.1}),
                ({"L1": 1, "lr": 1.257}, {"L1": 1, "lr": 0}),
                lambda L1, lr, **_: L1 * lr - _phi(L1 * lr),
            ),
            "steps of constant length": equal("offset", 0),
        },
    ),
    "koloskova2023.deterministic": Golden(
        ({**_RUN, "threshold": 1.6}, {"threshold": 0.4}),
        _clipped,
        {
            "small steps": Row(
                tuple({"L0": 1, "L1": 0.75, "threshold": 1, "lr": lr} for lr in (0.5, 0.1)),
                ({"L0": 1, "L1": 0.75, "threshold": 1, "lr": 0.500001},),
                lambda L0, L1, threshold, lr, **_: 1 - lr * (L0 + L1 * threshold / 0.75),
            ),
            "threshold > 0": above("threshold", 0),
        },
    ),
    "zhang2020clipping.thm3": Golden(
        (
            {
                **_RUN,
                "L1": 1.7,
                "target": 0.4,
                "T": 701,
                "lr": Fraction(1, 13),
                "threshold": Fraction(13, 17),
            },
            {"L1": 0.6},
        ),
        lambda target, **_: target,
        {
            "step 1/(10 L0)": Row(
                ({"L0": 2, "lr": 0.05},),
                ({"L0": 2, "lr": 0.050001}, {"L0": 2, "lr": 0.049999}),
            ),
            "threshold min(10 L0, L0/L1)": Row(
                ({"threshold": 0.5, "L0": 2, "L1": 4}, {"threshold": 20, "L0": 2, "L1": 0.05}),
                tuple({"threshold": c, "L0": 2, "L1": 4} for c in (0.499999, 0.500001))
                + tuple({"threshold": c, "L0": 2, "L1": 0.05} for c in (19.999999, 20.000001)),
            ),
            "more updates than the complexity": Row(
                ({"T": 41, "L0": 1, "L1": 1, "gap_1": 1, "target": 1},),
                ({"T": 40.999999, "L0": 1, "L1": 1, "gap_1": 1, "target": 1},),
                _complexity,
            ),
            "target > 0": above("target", 0),
        },
    ),
    "zhang2020improved.deterministic": Golden(
        (_MIXED, {"L0": 0.3, "lr": 0.05, "T": 230}),
        _mixed,
        {
            "steps of length below 3/L1": Row(
                ({**_UNIT, "lr": 2.999999}, {**_UNIT, "lr": 1}),
                ({**_UNIT, "lr": 3}, {**_UNIT, "lr": 4}),
                lambda L1, lr, threshold, **_: 3 - L1 * lr * threshold,
            ),
            "small steps": Row(
                ({**_UNIT, "lr": 1.199999, "mix": 0, "momentum": 0.5},),
                tuple({**_UNIT, "lr": lr, "mix": 0, "momentum": 0.5} for lr in (1.2, 1.3)),
                _small_mixed,
            ),
            "mix <= 1": at_most("mix", 1),
        },
    ),
    "zhang2020clipping.gd": Golden(
        ({**_RUN, "G_max": 2.6, "level": 2.2},),
        lambda gap_1, lr, T, **_: sqrt(gap_1 / T / (lr / 2)),
        {
            "step small for the largest gradient": Row(
                tuple({"L0": 1, "L1": 0.75, "G_max": 1, "lr": lr} for lr in (0.5, 0.1)),
                ({"L0": 1, "L1": 0.75, "G_max": 1, "lr": 0.500001},),
                lambda L0, L1, G_max, lr, **_: 1 - lr * (L0 + L1 * G_max / 0.75),
            ),
            "a start below the level of G_max": Row(
                ({"gap_1": 2, "level": 2}, {"gap_1": 1, "level": 2}),
                ({"gap_1": 2.000001, "level": 2},),
                lambda gap_1, level, **_: level - gap_1,
            ),
        },
    ),
    "wang2024separability.gd": Golden(
        ({**_HARD, "critical_lr": 0.6},),
        lambda target, **_: target,
        {
            "fewer updates than the bound": Row(
                ({**_TWO, "critical_lr": 0.5, "T": 2}, {**_TWO, "critical_lr": 0.5, "T": 1}),
                ({**_TWO, "critical_lr": 0.5, "T": 2.000001},),
                _gd_updates,
            ),
            "the steep coordinate starts outside the target": Row(
                ({"M": 2.000001, "target": 2}, {"M": 9, "target": 2}),
                ({"M": 2, "target": 2}, {"M": 1, "target": 2}),
                lambda M, target, **_: M - target,
            ),
        },
    ),
    "wang2024separability.thm2": Golden(
        ({**_HARD, "alpha": 0.3, "momentum": 0.45},),
        lambda target, **_: target,
        {
            "fewer updates than the bound": Row(
                tuple({**_TWO, "alpha": 0.25, "momentum": 0.5, "T": T} for T in (2, 1)),
                ({**_TWO, "alpha": 0.25, "momentum": 0.5, "T": 2.000001},),
                _momentum_updates,
            ),
        },
    ),
}

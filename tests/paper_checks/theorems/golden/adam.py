"""Adam and its relatives: Reddi et al., Shi et al., Zou et al., Chen et al., Zhang et al., Defossez et al."""

from __future__ import annotations

from fractions import Fraction
from math import log, sqrt
from typing import Any

from tests.paper_checks.theorems.golden.rows import Golden, Row, above, at_least, at_most, below, equal

# Reddi et al.


def _regret(small: float, ratio: float, n: float, **_: Any) -> float:
    """A block from the wrong corner to itself: slopes ratio, -1, ..., -1 times small, each at distance 2."""
    return small * (ratio * 2.0 - (n - 1) * 2.0) / n


def _thm2(beta1: float, beta2: float, ratio: float, n: int, s: float, **_: Any) -> float:
    """Rise less fall: the steps lr/t^s from t = h + 1 on against the geometric series of gamma."""
    h = n // 2
    fall = (1 - beta1) / sqrt(1 - beta2) / (1 - beta1 / sqrt(beta2))
    m = 1 - beta1**h - (1 - beta1) * ratio * beta1**h
    v = 1 + (ratio * ratio - 1) * ((1 - beta2) * beta2**h / (1 - beta2**n))
    steps = ((n + 1) ** (1 - s) - (h + 1) ** (1 - s)) / (1 - s)
    return steps * m / sqrt(v) - fall


def _thm3(C: float, small: float, slope: float, beta1: float, beta2: float, **_: Any) -> float:
    """The slope in units of the small one, less 4 (1 + delta)^3 B^2/(1 - beta1)^2."""
    delta = slope / small
    K = 2 * (1 - beta1) / sqrt(beta2) / sqrt(1 - beta2)
    B = (1 - beta2) ** -0.5 + beta1 * K / (1 - beta1 * beta2**-0.5)
    return C / small - 4 * (1 + delta) * (1 + delta) ** 2 * (B / (1 - beta1)) ** 2


def _thm4(
    D_inf: float, T: float, lr: float, beta1: float, beta2: float, roots: float, weighted: float, norms: float,
    **_: Any
) -> float:  # fmt: skip
    """Theorem 4: D^2 sqrt(T)/(lr (1-b1)) roots + D^2/(1-b1)^2 weighted + lr sqrt(1 + log T)/... norms."""
    gamma = beta1 / sqrt(beta2)
    first = D_inf**2 * sqrt(T) / (lr * (1 - beta1)) * roots
    second = D_inf**2 / (1 - beta1) ** 2 * weighted
    third = lr * sqrt(1 + log(T)) / ((1 - beta1) ** 2 * (1 - gamma) * sqrt(1 - beta2)) * norms
    return (first + second + third) / T


def _cor1(
    D_inf: float, G: float, T: float, d: float, lr: float, beta1: float, beta2: float, decay: float, **_: Any
) -> float:
    """Corollary 1: Theorem 4 with roots <= d G, weighted <= beta1 d G/(lr (1-decay)^2), norms <= d G sqrt(T)."""
    return _thm4(D_inf, T, lr, beta1, beta2, d * G, beta1 * d * G / (lr * (1 - decay) ** 2), d * G * sqrt(T))


def _thm5(
    D_inf: float, T: float, lr: float, beta1: float, roots: float, weighted: float, norms: float, zeta: float,
    **_: Any
) -> float:  # fmt: skip
    first = D_inf**2 * sqrt(T) / (2 * lr * (1 - beta1)) * roots
    second = D_inf**2 / (1 - beta1) ** 2 * weighted
    return (first + second + 2 * zeta / (1 - beta1) ** 3 * norms) / T


def _cor2(
    D_inf: float, G: float, T: float, d: float, lr: float, beta1: float, decay: float, **_: Any
) -> float:
    """Corollary 2: Theorem 5 with roots <= d G, weighted <= beta1 d G/(lr (1-decay)^2), zeta = lr."""
    return _thm5(D_inf, T, lr, beta1, d * G, beta1 * d * G / (lr * (1 - decay) ** 2), d * G * sqrt(T), lr)


def _first_block(beta2: float, ratio: float, s: float, eps_inside: float, small: float, **_: Any) -> float:
    """Both rises less the fall, v_2 and v_3 exact, in units of the small slope."""
    e = eps_inside / small / small
    v1 = (1 - beta2) * ratio**2
    v2 = beta2 * v1 + (1 - beta2)
    v3 = beta2 * v2 + (1 - beta2)
    return 2**-s / sqrt(v2 + e) + 3**-s / sqrt(v3 + e) - ratio / sqrt(v1 + e)


def _later_block(beta2: float, ratio: float, s: float, eps_inside: float, small: float, **_: Any) -> float:
    """The same in a block that starts at t = 4, where v is at most that after infinitely many blocks."""
    e = eps_inside / small / small
    v2, v3 = ((1 - weight) + weight * ratio**2 for weight in (beta2, beta2**2))
    rise = (4 / 5) ** s / sqrt(v2 + e) + (4 / 6) ** s / sqrt(v3 + e)
    return rise - ratio / sqrt((1 - beta2) * ratio**2 + e)


_ONLINE = {"D_inf": 1.7, "T": 23, "lr": 0.6, "beta1": 0.3, "s": 0.5, "x0": 0.55}
_SEEN = {"roots": 2.3, "weighted": 3.1, "norms": 4.2}

REDDI = {
    "reddi2018.thm1": Golden(
        ({"small": 0.7, "ratio": 2.6, "n": 3, "beta2": 0.07, "s": 0.4, "x0": 1.3},),
        _regret,
        {
            "beta2 at most 1/(1+C^2)": Row(
                ({"beta2": 0.2, "ratio": 2}, {"beta2": 0.1, "ratio": 2.5}),
                ({"beta2": 0.200001, "ratio": 2},),
                lambda beta2, ratio, **_: 1 / (1 + ratio * ratio) - beta2,
            ),
            "the step size falls at most like 1/sqrt(t)": at_most("s", 0.5),
        },
    ),
    "reddi2018.thm2": Golden(
        (
            {"small": 0.7, "ratio": 22.5, "n": 19, "beta1": 0.3, "beta2": 0.6, "s": 0.35, "x0": 1.2},
            {"ratio": 5.5, "n": 5, "beta1": 0.6, "beta2": 0.7},
        ),
        _regret,
        {
            "m forgets the large slope within a period": Row(
                ({"beta1": 0.5, "n": 2, "ratio": 2}, {"beta1": 0.5, "n": 5, "ratio": 7}),
                ({"beta1": 0.5, "n": 2, "ratio": 2.000001},),
                lambda beta1, n, ratio, **_: 1 - beta1 ** (n - 1) - (1 - beta1) * ratio * beta1 ** (n - 1),
            ),
            "the small slopes carry x back within a period": Row(
                ({"beta1": 0, "beta2": 0.75, "n": 3, "ratio": 1, "s": 0},),
                ({"beta1": 0, "beta2": 0.75, "n": 3, "ratio": 1.000001, "s": 0},),
                _thm2,
            ),
        },
    ),
    "reddi2018.thm2_exact": Golden(),
    "reddi2018.thm3": Golden(
        ({"slope": 0.5, "x0": 0.8, "small": 0.7, "C": 150, "beta1": 0.2, "beta2": 0.55},),
        lambda slope, x0, **_: slope * (x0 - -1),
        {
            "the iterate is not confined": equal("domain", 0),
            "one slope per step": equal("workers", 1),
            "C at least 2 (1 + delta)": Row(
                ({"C": 2, "slope": 0.5, "small": 0.5}, {"C": 9, "slope": 0.5, "small": 0.5}),
                ({"C": 1.999999, "slope": 0.5, "small": 0.5},),
                lambda C, slope, small, **_: C / small - 2 * (1 + slope / small),
            ),
            "C at least 4 (1 + delta)^3 B^2/(1-beta1)^2": Row(
                ({"C": 32, "slope": 0.5, "small": 0.5, "beta1": 0, "beta2": 0.5},),
                ({"C": 31.999999, "slope": 0.5, "small": 0.5, "beta1": 0, "beta2": 0.5},),
                _thm3,
            ),
        },
    ),
    "reddi2018.thm4": Golden(({**_ONLINE, **_SEEN, "beta2": 0.55},), _thm4),
    "reddi2018.cor1": Golden(({**_ONLINE, "beta2": 0.55, "G": 1.9, "d": 4, "decay": 0.8},), _cor1),
    "reddi2018.thm5": Golden(
        ({**_ONLINE, **_SEEN, "zeta": 0.9, "slack": 0.1, "growth": 0.2},),
        _thm5,
        {
            "zeta is positive": above("zeta", 0),
            "condition 1, at every t": at_least("slack", 0),
            "condition 2": at_least("growth", 0),
        },
    ),
    "reddi2018.cor2": Golden(
        ({**_ONLINE, "G": 1.9, "d": 4, "decay": 0.8, "c": 1, "r": 1},),
        _cor2,
        {"beta2_t = 1 - 1/t^r": equal("c", 1), "beta2_t = 1 - c/t": equal("r", 1)},
    ),
    "reddi2018.thm6": Golden(
        ({"small": 0.7, "ratio": 4.3, "n": 3, "beta2": 0.04, "eps_inside": 0.3, "s": 0.3, "x0": 1.2},),
        _regret,
        {
            "x returns in the first block": Row(
                ({"beta2": 1, "ratio": 2, "s": 0, "small": 0.5, "eps_inside": 0.25},),
                ({"beta2": 1, "ratio": 2.000001, "s": 0, "small": 0.5, "eps_inside": 0.25},),
                _first_block,
            ),
            "x returns in every later block": Row(
                ({"beta2": 0.9075, "ratio": 1, "s": 0, "small": 1, "eps_inside": 0.21},),
                ({"beta2": 0.907501, "ratio": 1, "s": 0, "small": 1, "eps_inside": 0.21},),
                _later_block,
            ),
        },
    ),
}

# Shi et al.


def _rate(
    G: float, lr: float, T: float, s: float, gap_1: float, L: float, d: float, beta2: float, **_: Any
) -> float:
    """G/(lr_T T) times the gap and the sum of lr_t^2 L d/(2 (1-beta2))."""
    squares = lr**2 * (1 + log(T)) * (T ** (1 - 2 * s) if s < 0.5 else 1.0)
    return G / (lr * T**-s) / T * (gap_1 + L * d / (2 * (1 - beta2)) * squares)


def _t1(n: int, d: float, beta1: float, beta2: float, D1_sum: float) -> float:
    late = beta2**n
    return sqrt(5 * d / late) * d * n**2 * D1_sum * (beta1 / late) * ((1 - beta1) / (1 - beta1**n) + 1)


def _t2(n: int, d: float, beta2: float, D1_sum: float) -> float:
    late = beta2**n
    return sqrt(5 * d / late) * d * n**2 * D1_sum * ((1 - beta2) * (4 * n**2 / late - 1) / 2 + late**-0.5 - 1)


_SMALL_T = {"n": 3, "d": 2, "beta2": 0.9, "D1_sum": 1e-5}
_LARGE_T = {"n": 3, "d": 2, "beta2": 0.7, "D1_sum": 1}

SHI = {
    "shi2021.thm41": Golden(),
    "shi2021.thm41_rate": Golden(
        (
            {"G": 1.7, "L": 1.3, "d": 4, "gap_1": 2.1, "v0": 0.4, "beta2": 0.55}
            | {"lr": 0.6, "T": 23, "s": 0.3},
            {"s": 0.7},
        ),
        _rate,
        {
            "v starts at 0 or above": at_least("v0", 0),
            "v starts at G^2 or below": Row(
                ({"v0": 4, "G": 2}, {"v0": 0.3, "G": 0.6}),
                ({"v0": 4.000001, "G": 2},),
                lambda v0, G, **_: G * G - v0,
            ),
        },
    ),
    "shi2021.thm42": Golden(),
    "shi2021.thm43": Golden(
        ({"n": 3, "d": 2, "beta2": 0.7, "D1_sum": 3e-4},),
        rows={
            "T_2(beta2) at most (sqrt 2 - 1)/(2 sqrt 2)": Row(
                (_SMALL_T,),
                (_LARGE_T,),
                lambda n, d, beta2, D1_sum, **_: (1 - 1 / sqrt(2)) / 2 - _t2(n, d, beta2, D1_sum),
                strict=False,
            )
        },
    ),
    "shi2021.thm44": Golden(
        ({"n": 3, "d": 2, "beta2": 0.7, "beta1": 0.4, "D1_sum": 3e-4},),
        rows={
            "T_1 + T_2 below 1 - 1/sqrt 2": Row(
                ({**_SMALL_T, "beta1": 0.1},),
                ({**_LARGE_T, "beta1": 0.1},),
                lambda n, d, beta1, beta2, D1_sum, **_: (
                    1 - 0.5**0.5 - _t1(n, d, beta1, beta2, D1_sum) - _t2(n, d, beta2, D1_sum)
                ),
                strict=True,
            )
        },
    ),
    "shi2021.divergence": Golden(
        ({"ratio": 9.5, "period": 9.4, "beta2": 0.3},),
        rows={
            "one large slope C in a period of C": Row(
                ({"period": 10, "ratio": 10},),
                ({"period": 9.999999, "ratio": 10}, {"period": 10.000001, "ratio": 10}),
            ),
            "beta2 at least 0": at_least("beta2", 0),
            "beta2 at most C^(-4/(C-2))": Row(
                ({"beta2": 0.0625, "ratio": 4}, {"beta2": 0.3, "ratio": 10}),
                ({"beta2": 0.062501, "ratio": 4},),
                lambda beta2, ratio, **_: 1 / ratio ** (4 / (ratio - 2)) - beta2,
            ),
            "beta2 at most 1 - (9/(2C))^2": Row(
                ({"beta2": 0.75, "ratio": 9}, {"beta2": 0.7, "ratio": 10}),
                ({"beta2": 0.750001, "ratio": 9},),
                lambda beta2, ratio, **_: 1 - (4.5 / ratio) ** 2 - beta2,
            ),
        },
    ),
}

# Zou et al., Chen et al.


def _sum(T: float, p: float) -> float:
    """The bound on the sum of t^-p over t <= T."""
    return (1 + log(T)) * (T ** (1 - p) if p < 1 else 1.0)


def _corrections(G: float, L: float, lr: float, c: float, v0: float) -> float:
    """c_1 log(G^2/v_0), c_1 = 2 G chi_1 + L chi_1^2/2, chi_1 = lr/sqrt(c)."""
    chi = lr / sqrt(c)
    return (2 * G * chi + L * chi**2 / 2) * (2 * log(G) - log(v0))


def _rmsprop(
    G: float, L: float, lr: float, c: float, v0: float, T: float, s: float, r: float, gap_1: float, d: float,
    **_: Any
) -> float:  # fmt: skip
    """Step 4 of the derivation with alpha_t = lr/t^s, theta_t = 1 - c/t^r, theta_1 = 1 - c."""
    first = 2 * G * lr * sqrt(c) * _sum(T, s + r / 2)
    second = L * lr**2 / 2 * _sum(T, 2 * s)
    sums = (first + second) / (1 - c)
    return 2 * G / (T * (lr / T**s)) * (gap_1 + d * (_corrections(G, L, lr, c, v0) + sums))


def _horizon(
    G: float, L: float, lr: float, c: float, v0: float, T: float, gap_1: float, d: float, **_: Any
) -> float:
    """Step 3 with constant alpha and theta: c_1 (log(G^2/v_0) - T log theta)."""
    chi = lr / sqrt(c)
    drift = -T * log(1 - c) * (2 * G * chi + L * chi**2 / 2)
    return 2 * G / (lr * T) * (gap_1 + d * (_corrections(G, L, lr, c, v0) + drift))


def _half(r: float, s: float, **_: Any) -> float:
    return s - r / 2


_HALF = Row(({"r": 1, "s": 0.5}, {"r": 0.3, "s": 0.5}), ({"r": 1.000001, "s": 0.5},), _half)
_POWERS = {"T": 23, "lr": 0.6, "c": 0.4, "s": 0.3, "r": 0.55}
_BOUNDED = {"G": 1.7, "L": 1.3, "gap_1": 2.1, "d": 4, "v0": 0.8}

ZOU = {
    "zou2019.powers": Golden(
        ({**_POWERS, "A": 1.3, "B": 2.1, "beta1": 0.9}, {"s": 0.8, "r": 0.7}),
        lambda A, B, lr, c, T, s, r, **_: (
            ((A + B * lr * sqrt(c) * _sum(T, s + r / 2)) / (T * lr / T**s)) ** (1 / 1.5)
        ),
        {
            "(1) beta below 1": below("beta1", 1),
            "(2) theta_t below 1": above("c", 0),
            "(3) chi_t almost nonincreasing": _HALF,
            "(4) theta_t tends to 1": above("r", 0),
            "(4) T alpha_T grows without bound": below("s", 1),
        },
    ),
    "zou2019.rmsprop": Golden(
        ({**_POWERS, **_BOUNDED}, {"s": 0.9, "r": 0.7}),
        _rmsprop,
        {"theta_t nondecreasing": at_least("r", 0), "(3) chi_t nonincreasing": _HALF},
    ),
    "chen2022.horizon": Golden(
        ({**_POWERS, **_BOUNDED, "s": 0, "r": 0},), _horizon, {"constant theta": equal("r", 0)}
    ),
}

# Zhang et al.

_ROUNDED = Row(
    tuple({"n": 5, "a": (1 + sign * Fraction(1, 10**12)) / 16} for sign in (-1, 0, 1)),
    tuple({"n": 5, "a": (1 + sign * Fraction(11, 10**13)) / 16} for sign in (-1, 1)),
)

ZHANG = {
    "zhang2022.divergence": Golden(),
    "zhang2022.convergence_exact": Golden(),
    "zhang2022.thm31": Golden(
        ({"beta1": 0.4, "beta2": 0.7, "K": 2.3, "n": 3, "rho": 1.4},),
        rows={
            "beta2 above its threshold": Row(
                ({"beta1": 0.5, "beta2": 0.75, "K": Fraction(2, 3), "n": 2, "rho": 0.5},),
                ({"beta1": 0.5, "beta2": 0.749999, "K": Fraction(2, 3), "n": 2, "rho": 0.5},),
                lambda beta1, beta2, K, n, rho, **_: K / n**2 / rho * (1 - beta1**n) - (1 - beta2),
            )
        },
    ),
    "zhang2026.convergence": Golden(
        ({"beta1": 0.4, "beta2": 0.7, "K": 42.0, "n": 3},),
        rows={
            "beta2 above its threshold": Row(
                ({"beta1": 0.5, "beta2": 0.75, "K": Fraction(32, 3), "n": 2},),
                ({"beta1": 0.5, "beta2": 0.749999, "K": Fraction(32, 3), "n": 2},),
                lambda beta1, beta2, K, n, **_: K / n**5 * (1 - beta1**n) - (1 - beta2),
            ),
            "eps outside the root not negative": at_least("eps_outside", 0),
        },
    ),
    "zhang2026.d1_printed": Golden(
        ({"n": 5, "a": 0.0625},),
        lambda n, **_: 2 * n * n,
        {"a = 1/(n-1)^2, to rounding": _ROUNDED, "at least three components": at_least("n", 3)},
    ),
    "zhang2026.d1": Golden(
        ({"n": 5, "a": 0.0625},),
        lambda n, **_: n**4 / (n - 1) ** 2 + n**2 / (n - 1) ** 3,
        {"a = 1/(n-1)^2, to rounding": _ROUNDED, "at least two components": at_least("n", 2)},
    ),
}

# Defossez et al.


def _adagrad(G: float, v0: float, gap_1: float, lr: float, T: float, d: float, L: float, **_: Any) -> float:
    R = G + sqrt(v0)
    return 2 * R * gap_1 / (lr * sqrt(T)) + (4 * d * R**2 + lr * d * R * L) / sqrt(T) * log(1 + T * R**2 / v0)


def _adam(
    G: float, eps: float, gap_1: float, lr: float, T: float, d: float, L: float, beta2: float, **_: Any
) -> float:
    R = G + sqrt(eps)
    E = 4 * d * R**2 / sqrt(1 - beta2) + lr * d * R * L / (1 - beta2)
    return 2 * R * gap_1 / (lr * T) + E * (log(1 + R**2 / ((1 - beta2) * eps)) / T - log(beta2))


def _adam_with_momentum(
    G: float, eps: float, gap_1: float, lr: float, T: float, d: float, L: float, beta1: float, beta2: float,
    **_: Any
) -> float:  # fmt: skip
    R = G + sqrt(eps)
    N = T - beta1 / (1 - beta1)
    share = 1 - beta1 / beta2
    E = (
        lr * d * R * L * (1 - beta1) / (share * (1 - beta2))
        + 12 * d * R**2 * sqrt(1 - beta1) / (share**1.5 * sqrt(1 - beta2))
        + 2 * lr**2 * d * L**2 * beta1 / (share * (1 - beta2) ** 1.5)
    )
    return 2 * R * gap_1 / (lr * N) + E * (log(1 + R**2 / ((1 - beta2) * eps)) / N - T / N * log(beta2))


_RUN = {"G": 1.7, "gap_1": 2.1, "lr": 0.6, "T": 23, "d": 4, "L": 1.3}

DEFOSSEZ = {
    "defossez2022.thm1": Golden(
        ({**_RUN, "v0": 0.8, "eps": 0},), _adagrad, {"nothing added to the root": equal("eps", 0)}
    ),
    "defossez2022.thm2": Golden(({**_RUN, "eps": 0.7, "beta2": 0.55},), _adam),
    "defossez2022.thm4": Golden(
        ({**_RUN, "eps": 0.7, "beta1": 0.35, "beta2": 0.55},),
        _adam_with_momentum,
        {
            "beta1 at least 0": at_least("beta1", 0),
            "beta1 below beta2": Row(
                ({"beta1": 0.499999, "beta2": 0.5}, {"beta1": 0.1, "beta2": 0.5}),
                ({"beta1": 0.5, "beta2": 0.5}, {"beta1": 0.7, "beta2": 0.5}),
                lambda beta1, beta2, **_: beta2 - beta1,
            ),
            "more steps than the memory of m": Row(
                ({"T": 1.000001, "beta1": 0.5}, {"T": 9, "beta1": 0.5}),
                ({"T": 1, "beta1": 0.5},),
                lambda T, beta1, **_: T - 1 / (1 / beta1 - 1),
            ),
        },
    ),
}

GOLDEN = REDDI | SHI | ZOU | ZHANG | DEFOSSEZ

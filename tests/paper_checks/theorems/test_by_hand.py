"""Every bound, and every condition with constants of its own, at one generic point against the printed formula.

The formulas are written out once more, in floats: a bound that a run meets with room to spare shows no wrong constant.
"""

import math
from math import exp, log, sqrt

import pytest

from theory_sim.app import catalogue

T, lr, d, L, G, gap, x0 = 7.0, 0.3, 3.0, 1.7, 2.3, 5.0, 1.9
beta1, beta2, eps, D, roots, weighted, norms = 0.4, 0.7, 0.6, 1.3, 2.9, 4.1, 3.7
C, n, s, small, decay, zeta, ratio = 6.1, 5.0, 0.2, 0.9, 0.8, 1.1, 6.7
L0, L1, u, target, split = 1.9, 0.8, 0.5, 0.7, 0.4
sigma, workers, batch, delta, q, p = 0.35, 3.0, 2.0, 0.45, 0.55, 0.65
mu, momentum, alpha, offset, threshold, mix = 0.15, 0.35, 0.25, 0.85, 1.2, 0.75
gamma = beta1 / sqrt(beta2)
POINT = {
    "T": T, "lr": lr, "d": d, "L": L, "G": G, "gap_1": gap, "gap": gap, "x0": x0, "beta1": beta1, "beta2": beta2,
    "D_inf": D, "roots": roots, "weighted": weighted, "norms": norms, "C": C, "n": n, "s": s, "small": small,
    "decay": decay, "zeta": zeta, "ratio": ratio, "L0": L0, "L1": L1, "target": target, "split": split,
    "sigma2": sigma, "sigma_sum": sigma, "workers": workers, "batch": batch, "delta_up": delta, "q_up": q, "q_down": p,
    "mu": mu, "momentum": momentum, "alpha": alpha, "offset": offset, "threshold": threshold, "mix": mix,
    "distance_1": x0, "eps": eps, "eps_inside": eps, "v0": 0.21, "c": 0.26, "r": 0.15, "slope": 1.15, "L_sum": L,
    "beta": beta1, "R": 2.2, "second_moment": 3.1, "optimum": 0.4, "weight_decay": 0.5, "gradient_norm_1": 1.4,
    "M": 2.6, "critical_lr": 0.33, "U": 0.95, "G_inf": 1.25, "sigma2_g": 0.72, "L_tilde": 2.1, "spread_1": 1.6,
    "size_1": 2.4, "rho": 0.31, "K": 1.45, "G_max": 1.85, "delta_x": 0.05, "reach": 0.3, "D1_sum": 1.05, "A": 0.77,
    "B": 0.88, "a": 0.12, "D": D, "growth": 0.37, "drift": 0.2,
}  # fmt: skip
v0, c, r, slope, R, S, M, U, Gi, sg, w = 0.21, 0.26, 0.15, 1.15, 2.2, 3.1, 2.6, 0.95, 1.25, 0.72, 0.5
chi, hand_C0 = lr / sqrt(c), sqrt(Gi**2 + eps)
noisy, step_phi = sigma / sqrt(workers), L1 * lr
phi = exp(step_phi) - 1 - step_phi
through, back = q / (1 - q), p * (1 + q) / ((1 - p) * (1 - q))
theta = 1 - sqrt(1 - delta)
q2 = 1 - q**2
S1 = beta1 / (1 - beta1) + 2 * q / q2
S0 = sqrt(4 * (1 + q**2) ** 3 / q2**2 * G**2 + eps)
Rd, Re = G + sqrt(v0), G + sqrt(eps)


def quantized(noise: float, early: float, away: float) -> float:
    """D1 and D2."""
    return (
        2 * hand_C0 * (gap / (T * lr) + lr * L * noise / eps + lr**2 * L**2 * hand_C0 * beta1**2 * sigma / ((1 - beta1) ** 2 * eps**2))
        + 2 * hand_C0 * d * Gi**2 / T * (1 / ((1 - beta1) * sqrt(eps)) + lr * L * early / ((1 - beta1) ** 2 * eps))
        + 2 * hand_C0 * L * G / sqrt(eps) * away
    )  # fmt: skip


def mixed() -> float:
    v = L1 * lr * threshold
    K = 2 * mix * momentum * (exp(v) - 1) / (v * (1 - momentum)) + 1 / (2 * (1 - v / 3))
    top = (
        gap / lr
        + 2 * mix * threshold * momentum * 1.4 / (1 - momentum)
        + T * lr * threshold**2 * K * (L0 + threshold * L1 / 4)
    )
    B = top / (T * (1 - mix / 2 - lr * threshold * L1 * K))
    return max(sqrt(B), B / threshold)


def adam_with_momentum() -> float:
    N, share = T - beta1 / (1 - beta1), 1 - beta1 / beta2
    E = (
        lr * d * Re * L * (1 - beta1) / (share * (1 - beta2))
        + 12 * d * Re**2 * sqrt(1 - beta1) / (share**1.5 * sqrt(1 - beta2))
        + 2 * lr**2 * d * L**2 * beta1 / (share * (1 - beta2) ** 1.5)
    )
    return 2 * Re * gap / (lr * N) + E * (log(1 + Re**2 / ((1 - beta2) * eps)) - T * log(beta2)) / N


root = sqrt(1 + log(T))
descent = 2 * gap / (lr * T)
BOUNDS = {
    "reddi2018.thm1": small * (2 * ratio - 4) / 3,
    "reddi2018.thm2": 2 * small * (ratio - n + 1) / n,
    "reddi2018.thm3": slope * (1 + x0),
    "reddi2018.thm4": (
        D**2 * sqrt(T) / (lr * (1 - beta1)) * roots
        + D**2 / (1 - beta1) ** 2 * weighted
        + lr * root / ((1 - beta1) ** 2 * (1 - gamma) * sqrt(1 - beta2)) * norms
    ) / T,
    "reddi2018.cor1": (
        d * D**2 * G * sqrt(T) / (lr * (1 - beta1))
        + d * beta1 * D**2 * G / (lr * (1 - beta1) ** 2 * (1 - decay) ** 2)
        + d * lr * G * sqrt(T) * root / ((1 - beta1) ** 2 * (1 - gamma) * sqrt(1 - beta2))
    ) / T,
    "reddi2018.thm5": (
        D**2 * sqrt(T) / (2 * lr * (1 - beta1)) * roots
        + D**2 / (1 - beta1) ** 2 * weighted
        + 2 * zeta / (1 - beta1) ** 3 * norms
    ) / T,
    "reddi2018.cor2": (
        d * G * sqrt(T) * (D**2 / (2 * lr * (1 - beta1)) + 2 * lr / (1 - beta1) ** 3)
        + d * beta1 * D**2 * G / (lr * (1 - beta1) ** 2 * (1 - decay) ** 2)
    ) / T,
    "reddi2018.thm6": small * (2 * ratio - 4) / 3,
    "shi2021.thm41_rate": G / (lr * T ** (1 - s))
    * (gap + L * d * lr**2 * T ** (1 - 2 * s) * (1 + log(T)) / (2 * (1 - beta2))),
    "zou2019.powers": (
        (0.77 + 0.88 * lr * sqrt(c) * T ** (1 - s - r / 2) * (1 + log(T))) / (lr * T ** (1 - s))
    ) ** (2 / 3),
    "zou2019.rmsprop": 2 * G / (lr * T ** (1 - s))
    * (
        gap
        + d * ((2 * G * chi + L * chi**2 / 2) * log(G**2 / v0)
        + (1 + log(T)) / (1 - c) * (2 * G * lr * sqrt(c) * T ** (1 - s - r / 2) + L * lr**2 / 2 * T ** (1 - 2 * s)))
    ),
    "chen2022.horizon": 2 * G / (lr * T)
    * (gap + d * (2 * G * chi + L * chi**2 / 2) * (log(G**2 / v0) - T * log(1 - c))),
    "zhang2026.d1_printed": 2 * n**2,
    "zhang2026.d1": n**2 * ((n / (n - 1)) ** 2 + (n - 1) ** -3),
    "defossez2022.thm1": 2 * Rd * gap / (lr * sqrt(T)) + d * Rd * (4 * Rd + lr * L) * log(1 + T * Rd**2 / v0) / sqrt(T),
    "defossez2022.thm2": 2 * Re * gap / (lr * T)
    + (4 * d * Re**2 / sqrt(1 - beta2) + lr * d * Re * L / (1 - beta2))
    * (log(1 + Re**2 / ((1 - beta2) * eps)) / T - log(beta2)),
    "defossez2022.thm4": adam_with_momentum(),
    "abbaszadehpeivasti2021.gd": 4 * gap / ((T - 1) * lr * (4 - L * lr) + 2 / L),
    "ghadimi2013.sgd": (descent + lr * L * sigma / (batch * workers)) / (2 - L * lr),
    "drori2014.thm3.1": L * x0**2 / (4 * T * L * lr + 2),
    "drori2014.conjecture": L * x0**2 / 2 * max(1 / (2 * T * L * lr + 1), (1 - L * lr) ** (2 * T)),
    "taylor2017.contraction": max(abs(1 - lr * mu), abs(1 - lr * L)) ** T * x0,
    "ghadimi2015.thm1": (1 - momentum) * x0**2 / (2 * alpha * T) + momentum * gap / ((1 - momentum) * T),
    "ghadimi2015.thm4": (1 - alpha * mu) ** T * gap,
    "ghadimi2015.nonconvex": 2 * gap / (alpha * T),
    "bernstein2018.thm1": gap / (lr * T) + lr * L / 2 + 2 * sigma / sqrt(batch * workers),
    "bernstein2018.thm2": gap / (lr * T) + lr * L / 2 + 2 * sigma / sqrt(batch * workers),
    "sun2023.signum": gap / (lr * T) + lr * L / 2
    + 2 * (noisy / ((1 - beta1) * T) + beta1 * lr * L / (1 - beta1) + sqrt((1 - beta1) / (1 + beta1)) * noisy),
    "sun2023.extrapolated": gap / (lr * T) + lr * L / 2
    + 2 * (noisy / ((1 - beta1) * T) + R * lr**2 * beta1 / (2 * (1 - beta1) ** 2) + sqrt((1 - beta1) / (1 + beta1)) * noisy)
    + lr * L * beta1 / (1 - beta1),
    "karimireddy2019.thm2": descent + lr * L * S + 4 * lr**2 * L**2 * S * (1 - 1 / d) * d**2,
    "karimireddy2019.convex": d * (x0 - 0.4) ** 2 / (2 * lr * T) + lr * S * (1 / 2 + 2 * sqrt(1 - 1 / d) * d),
    "karimireddy2019.ce1": gap + lr * T / 8,
    "karimireddy2019.ce2": 2 * eps * x0,
    "karimireddy2019.ce3": 8 * eps**2 * x0**2,
    "chen2023lionk.box": sqrt(d) * (1 / w + (1 - lr * w) ** T * max(x0 - 1 / w, 0)),
    "vankov2024.lemma": gap - lr * 1.4**2 + (L0 + L1 * 1.4) / L1**2 * (exp(L1 * lr * 1.4) - 1 - L1 * lr * 1.4),
    "vankov2024.nonconvex": (descent + sqrt(descent**2 + 4 * descent * offset)) / 2,
    "zhang2020clipping.ngd": (gap / (lr * T) + L0 * phi / (L1 * step_phi)) / (1 - phi / step_phi),
    "koloskova2023.deterministic": max(sqrt(descent), descent / threshold),
    "zhang2020clipping.thm3": target,
    "zhang2020improved.deterministic": mixed(),
    "zhang2020clipping.gd": sqrt(descent),
    "wang2024separability.gd": target,
    "wang2024separability.thm2": target,
    "qadam2021.memory": through * U,
    "karimireddy2019.memory": 4 * (1 - delta) / delta**2 * U**2,
    "efficientadam2023.memory": (through + back) * U,
    "qadam2021.D1": quantized(sigma, beta1**2, 0.05 + lr * G / sqrt(eps) * through),
    "qadam2021.D1_measured": quantized(sigma, beta1**2, D),
    "efficientadam2023.D2": quantized(sigma / workers, 1.0, lr * G / sqrt(eps) * (through + back)),
    "efficientadam2023.D2_measured": quantized(sigma / workers, 1.0, D),
    "karimireddy2019.ef_sgd": descent + L * lr * G**2 + 4 * L**2 * lr**2 * G**2 * (1 - delta) / delta**2,
    "ef21.rate": descent + (1 - delta) * 1.6 / (theta * T),
    "ef21.lyapunov": gap + lr * (1 - delta) * 1.6 / (2 * theta),
    "compams2022.rate": 2 * S0
    * (
        gap / (T * lr)
        + lr * L * sigma / (workers * eps)
        + 3 * lr**2 * L * S0 * S1 * sigma / (workers * eps**2)
        + 12 * lr**2 * q**2 * L * S0 * sg / (q2**2 * eps**2)
        + (1 + S1) * G**2 * d / (T * sqrt(eps))
        + lr * (1 + 2 * S1) * S1 * L * G**2 * d / (T * eps)
    ),
    "choco2019.consensus": (1 - 0.31**2 * delta / 82) ** T * (1.6 + 2.4),
    "choco2019.rate": (4 * gap + 4 * sigma * L) / sqrt(n * (T + 1)) + 24 * G**2 * n * L / ((0.31**2 * delta / 82) ** 2 * (T + 1)),
}  # fmt: skip


@pytest.mark.parametrize("id", sorted(BOUNDS))
def test_the_bound_is_the_printed_one(id: str) -> None:
    theorem = catalogue.theorems()[id]
    assert float(theorem.evaluate(POINT)) == pytest.approx(BOUNDS[id], rel=1e-12)


def test_every_bound_is_here() -> None:
    assert {theorem.id for theorem in catalogue.theorems().values() if theorem.bound} == BOUNDS.keys()


def T2() -> float:
    return (
        sqrt(5 * d / beta2**n)
        * d
        * n**2
        * 1.05
        * ((1 - beta2) * (4 * n**2 / beta2**n - 1) / 2 + beta2 ** (-n / 2) - 1)
    )


def T1() -> float:
    return sqrt(5 * d / beta2**n) * d * n**2 * 1.05 * beta1 / beta2**n * ((1 - beta1) / (1 - beta1**n) + 1)


def rise_over_fall() -> float:
    h = math.floor(n / 2)
    forgotten = 1 - beta1**h * (1 + (1 - beta1) * ratio)
    largest = 1 + (ratio**2 - 1) * (1 - beta2) * beta2**h / (1 - beta2**n)
    rise = ((n + 1) ** (1 - s) - (h + 1) ** (1 - s)) / (1 - s) * forgotten / sqrt(largest)
    return rise - (1 - beta1) / (sqrt(1 - beta2) * (1 - gamma))


def thm3() -> float:
    k = 2 * (1 - beta1) / sqrt(beta2 * (1 - beta2))
    factor = 1 / sqrt(1 - beta2) + beta1 * k / (1 - gamma)
    return C / small - 4 * (1 + slope / small) ** 3 * factor**2 / (1 - beta1) ** 2


e = eps / small**2
thm6_fall = ratio / sqrt((1 - beta2) * ratio**2 + e)
first_block = (1 / 2) ** s / sqrt((1 - beta2) * (1 + beta2 * ratio**2) + e)
first_block += (1 / 3) ** s / sqrt((1 - beta2) * (1 + beta2 + beta2**2 * ratio**2) + e)
later_block = (4 / 5) ** s / sqrt(1 + beta2 * (ratio**2 - 1) + e) + (2 / 3) ** s / sqrt(
    1 + beta2**2 * (ratio**2 - 1) + e
)
beyond_core = (1 - split) * gap - 15 * target**2 / (4 * L0)
# What is left of a condition: the larger side less the smaller one.
MARGINS = {
    ("reddi2018.thm1", "beta2 at most 1/(1+C^2)"): 1 / (1 + ratio**2) - beta2,
    ("reddi2018.thm2_exact", "the drift over a period is negative"): -0.2,
    ("zhang2022.divergence", "the drift over an epoch is negative"): -0.2,
    ("zhang2022.convergence_exact", "the drift over an epoch is positive"): 0.2,
    ("reddi2018.thm5", "condition 2"): 0.37,
    ("reddi2018.thm2", "m forgets the large slope within a period"): 1 - beta1 ** (n - 1) - (1 - beta1) * ratio * beta1 ** (n - 1),
    ("reddi2018.thm2", "the small slopes carry x back within a period"): rise_over_fall(),
    ("reddi2018.thm3", "C at least 2 (1 + delta)"): C / small - 2 * (1 + slope / small),
    ("reddi2018.thm3", "C at least 4 (1 + delta)^3 B^2/(1-beta1)^2"): thm3(),
    ("reddi2018.thm6", "x returns in the first block"): first_block - thm6_fall,
    ("reddi2018.thm6", "x returns in every later block"): later_block - thm6_fall,
    ("shi2021.thm43", "T_2(beta2) at most (sqrt 2 - 1)/(2 sqrt 2)"): (sqrt(2) - 1) / (2 * sqrt(2)) - T2(),
    ("shi2021.thm44", "T_1 + T_2 below 1 - 1/sqrt 2"): 1 - 1 / sqrt(2) - T1() - T2(),
    ("shi2021.divergence", "beta2 at most C^(-4/(C-2))"): ratio ** (-4 / (ratio - 2)) - beta2,
    ("shi2021.divergence", "beta2 at most 1 - (9/(2C))^2"): 1 - (9 / (2 * ratio)) ** 2 - beta2,
    ("zhang2022.thm31", "beta2 above its threshold"): 1.45 * (1 - beta1**n) / (n**2 * 0.31) - (1 - beta2),
    ("zhang2026.convergence", "beta2 above its threshold"): 1.45 * (1 - beta1**n) / n**5 - (1 - beta2),
    ("abbaszadehpeivasti2021.gd", "step of at most 1/L"): 1 - L * lr,
    ("ghadimi2013.sgd", "step below 2/L"): 2 - L * lr,
    ("ghadimi2015.thm4", "small momentum"): (1 - alpha * mu) * (1 - alpha * L) - momentum**2,
    ("ghadimi2015.nonconvex", "small momentum"): 1 - alpha * L - momentum**2,
    ("koloskova2023.deterministic", "small steps"): 1 - lr * (L0 + 4 * L1 * threshold / 3),
    ("zhang2020clipping.gd", "step small for the largest gradient"): 1 - lr * (L0 + 4 * L1 * 1.85 / 3),
    ("vankov2024.nonconvex", "steps of length at most 3/(4 L1)"): 3 - 4 * L1 * lr,
    ("zhang2020clipping.thm3", "more updates than the complexity"): T - 1
    - 20 * L0 * gap / target**2 - 20 * max(1, L1**2) * gap / L0,
    ("wang2024separability.gd", "fewer updates than the bound"): beyond_core / (4 * target**2 * 0.33) - T,
    ("wang2024separability.thm2", "fewer updates than the bound"): beyond_core * (1 - momentum) / (4 * target**2 * alpha) - T,
    ("qadam2021.D1", "lr at most eps (1 - beta1)/(4 L C0)"): eps * (1 - beta1) / (4 * L * hand_C0) - lr,
    ("ef21.rate", "lr at most 1/(L + L_tilde sqrt(beta/theta))"): 1 - lr * (L + 2.1 * sqrt((1 - delta) / theta / theta)),
    ("compams2022.rate", "lr at most eps/(6 L C0)"): eps / (6 * L * S0) - lr,
}  # fmt: skip


@pytest.mark.parametrize(("id", "meaning"), sorted(MARGINS))
def test_the_condition_is_the_printed_one(id: str, meaning: str) -> None:
    theorem = catalogue.theorems()[id]
    rows = theorem.assess({name: POINT[name] for name in theorem.symbols if name in POINT}).conditions
    (found,) = (row.margin for row in rows if str(row.condition) == meaning)
    assert found == pytest.approx(MARGINS[id, meaning], rel=1e-12)

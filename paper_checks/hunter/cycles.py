"""Cycles of the heavy ball: Lessard, Recht, Packard 2016, Goujaud, Taylor, Dieuleveut 2023, and what the hunter adds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from paper_checks.hunter import data
from theory_sim.evidence.hunter import cycle_check, gram, line, orbits, sign
from theory_sim.evidence.hunter.linear import Momentum, polyak, standard
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within

EDGE = 9.0 + 4.0 * math.sqrt(5.0)  # (2 + sqrt 5)^2


@claim("lessard2016.cycle", "Section 4.6", "exact", constants="recalled")
def the_heavy_ball_cycles_at_condition_number_25() -> Evidence:
    """At mu = 1, L = 25 the heavy ball with Polyak's alpha = 1/9, beta = 4/9 repeats 792/1225, -2208/1225, 2592/1225 on
    the function with slope 25 below 1, 1 from 1 to 2, and 25 above 2: exactly, in rationals."""

    def slope(x: Fraction) -> Fraction:
        return 25 * x if x < 1 else x + 24 if x < 2 else 25 * x - 24

    method = polyak(Fraction(25), Fraction(5))
    points = [Fraction(one, 1225) for one in (792, -2208, 2592)]
    left = [
        points[(t + 1) % 3]
        - points[t]
        - method.beta * (points[t] - points[t - 1])
        + method.alpha * slope(points[t])
        for t in range(3)
    ]
    return all_of(
        [
            within(float(method.alpha), 1.0 / 9.0, 0.0, "alpha"),
            within(float(method.beta), 4.0 / 9.0, 0.0, "beta"),
            at_most(float(max(map(abs, left))), 0.0, "what the three steps miss the next point by"),
        ]
    )


@claim("goujaud2023.roots", "cycles on roots of unity", "exact", constants="recalled")
def roots_of_unity_are_the_first_mode() -> Evidence:
    """The heavy ball has the K-cycle on the K-th roots of unity iff (mu a)^2 - 2 (beta - c + k (1 - beta c)) mu a
    + 2 k (1 - c)(1 + beta^2 - 2 beta c) <= 0 with c = cos(2 pi/K), k = mu/L, step size a: the first mode's condition."""
    rng, differ = np.random.default_rng(23), 0
    for _ in range(2000):
        K, beta, k = int(rng.integers(3, 13)), rng.uniform(0.0, 1.0), rng.uniform(0.005, 0.6)
        a, c = rng.uniform(0.05, 2.0 * (1.0 + beta)), math.cos(2.0 * math.pi / K)
        of_paper = (k * a) ** 2 - 2.0 * (beta - c + k * (1.0 - beta * c)) * k * a
        of_paper += 2.0 * k * (1.0 - c) * (1.0 + beta**2 - 2.0 * beta * c)
        ours = gram.conditions(Momentum("heavy_ball", a, beta), k, 1.0, K)[:, 0].min()
        differ += (of_paper <= 0.0) != (ours >= 0.0)
    return at_most(differ, 0, "of 2000 random methods and classes, those where the two conditions differ")


@claim("goujaud2023.region", "cycles on roots of unity", "region", constants="none")
def cycles_fill_the_fast_corner() -> Evidence:
    """At mu = 1, L = 25 the fastest tuning for quadratics, Polyak's, has a cycle, and a cell of the map that has one
    keeps it when the step size grows, up to the limit for quadratics."""
    kept = np.array(data.data()["cycles"]) > 0
    lost = int((kept[:-1] & ~kept[1:]).sum())
    method = polyak(Fraction(25), Fraction(5))
    found = gram.cycle(method, 1.0, 25.0, 3)
    return all_of(
        [
            at_least(found.margin, 0.0, "margin of the 3-cycle at Polyak's parameters"),
            at_most(lost, 0, "cells with a cycle whose neighbour with a larger step has none"),
        ]
    )


@claim("hunter.ball", "heavy ball", "tight")
def the_heavy_ball_cycles_from_nine_plus_four_root_five() -> Evidence:
    """At Polyak's parameters the heavy ball has a 3-cycle iff kappa >= (2 + sqrt 5)^2 = 17.944..., in any dimension (the
    condition is a positive factor times r^2 - 4 r - 1, r = sqrt kappa), and on the line too, numerically."""
    import sympy

    r = sympy.symbols("r", positive=True)
    alpha, beta = 4 / (r + 1) ** 2, ((r - 1) / (r + 1)) ** 2
    real, imaginary = (
        (1 + beta + beta / 2 + sympy.Rational(1, 2)) / alpha,
        sympy.sqrt(3) / 2 * (beta - 1) / alpha,
    )
    turned = (-sympy.Rational(3, 2), -sympy.sqrt(3) / 2)  # w^2 - 1, the tighter of the two conditions
    size = (real**2 + imaginary**2) / r**2 + 1 - 2 / r**2 * real
    slack = -(real * turned[0] + imaginary * turned[1]) - 3 * size / (2 * (1 - 1 / r**2))
    factor = 3 * (r**2 - 4 * r - 1) * (3 * r**2 + 4 * r - 3) / (32 * (r - 1) * (r + 1))
    low, high = EDGE * (1.0 - 1e-5), EDGE * (1.0 + 1e-5)
    on_line = [line.cycle(polyak(kappa), 1.0, kappa, 3).margin for kappa in (low, high)]
    return all_of(
        [
            within(
                float(sympy.simplify(slack - factor)),
                0.0,
                0.0,
                "the condition minus its factors, symbolically",
            ),
            within(gram.threshold(polyak, 3, 10.0, 30.0), EDGE, 1e-9, "threshold by bisection"),
            at_most(on_line[0], 0.0, "margin on the line at 0.99999 of the threshold"),
            at_least(on_line[1], 0.0, "margin on the line at 1.00001 of the threshold"),
        ]
    )


@claim("hunter.rational", "heavy ball", "exact")
def a_rational_cycle_below_eighteen_point_one() -> Evidence:
    """At kappa = 289/16 the heavy ball with alpha = 64/441, beta = 169/441 has a cycle of three rational points on the
    line, with slopes in [1, 289/16]; confirmed twice."""
    method = polyak(Fraction(289, 16), Fraction(17, 4))
    points = line.cycle(method, 1.0, 289 / 16, 3).points
    record = line.certificate(method, Fraction(1), Fraction(289, 16), points)
    said = cycle_check.check(record)
    return all_of(
        [
            within(float(method.alpha), 64 / 441, 0.0, "alpha"),
            within(float(method.beta), 169 / 441, 0.0, "beta"),
            within(float(len(record["points"])), 3.0, 0.0, f"{', '.join(record['points'])}: {said}"),
        ]
    )


@claim("hunter.shorter", "heavy ball", "upper")
def no_cycle_below_the_threshold() -> Evidence:
    """At kappa = 17.9 no circulant Gram matrix gives the heavy ball a cycle of up to 15 points, in any dimension, and
    Nesterov's method at its standard tuning has none up to 12 at kappa = 4 to 1000; linear programmes in binary64."""
    ball = max(gram.cycle(polyak(17.9), 1.0, 17.9, K).margin for K in range(2, 16))
    cases = [(kappa, K) for kappa in (4.0, 10.0, 100.0, 1000.0) for K in range(2, 13)]
    nesterov = max(gram.cycle(standard(kappa), 1.0, kappa, K).margin for kappa, K in cases)
    return all_of(
        [
            at_most(ball, -1e-4, "largest margin of the heavy ball; the programme is solved to 1e-7"),
            at_most(nesterov, -1e-4, "largest margin of Nesterov's method"),
        ]
    )


def conditioning(kappa: float) -> float:
    """Return the least condition number of a class on which the heavy ball tuned for kappa has a 3-cycle, on a grid."""
    method, best = polyak(kappa), math.inf
    for mu in np.linspace(1.0, kappa, 801)[:-1].tolist():
        low, high = mu * (1.0 + 1e-9), kappa
        if gram.conditions(method, mu, high, 3).min() < 0.0:  # there is one mode only
            continue
        for _ in range(40):
            middle = 0.5 * (low + high)
            holds = gram.conditions(method, mu, middle, 3).min() >= 0.0
            low, high = (low, middle) if holds else (middle, high)
        best = min(best, high / mu)
    return best


@claim("hunter.conditioned", "heavy ball", "tight")
def it_cycles_on_well_conditioned_functions() -> Evidence:
    """Tuned for kappa = 100 the heavy ball has a 3-cycle on functions with slopes in [62.5, 93], of condition number
    1.49, and tuned for 10,000 on slopes in [7350, 7658], of 1.042, certified; on a grid of mu nothing lower is found."""
    parts = []
    for kappa, mu, L, least in ((100, 62.5, 93.0, 1.486), (10_000, 7350.0, 7658.0, 1.0408)):
        exact = polyak(Fraction(kappa), Fraction(math.isqrt(kappa)))
        holds = gram.proved(exact, Fraction(mu), Fraction(L), 3, [Fraction(1)])
        parts.append(
            at_least(float(holds), 1.0, f"certified at slopes in [{mu:g}, {L:g}], tuned for {kappa:g}")
        )
        on_line = line.cycle(polyak(float(kappa)), mu, L, 3).margin
        parts.append(at_least(on_line, 0.0, f"margin there on the line, tuned for {kappa:g}"))
        parts.append(
            within(conditioning(kappa), least, 0.001, f"least condition number, tuned for {kappa:g}")
        )
    return all_of(parts)


_SWEEPS = {  # (beta1, beta2): amplitude in units of lr, smallest condition number
    ("0.9", "0.9"): (("7/2", 1.0), ("10", 181.0), ("15", 1287.5), ("20", 6359.9)),
    ("0.99", "0.99"): (("12", 1.0), ("30", 171.33), ("100", 19801.0)),
    ("0.9", "0.99"): (("1", 1.0), ("10", 195.38), ("30", 1017.3)),
}


@claim("hunter.sweeps", "sign methods", "tight")
def sign_methods_sweep_far_beyond_their_step(tier: str) -> Evidence:
    """With a constant step size lr Signum(0.9) sweeps over [-3.5 lr, 3.5 lr] on quadratics, and over 10, 15 and 20 lr from
    condition numbers 181, 1288 and 6360 on; Signum(0.99) over 12, 30 and 100 lr from 1, 171 and 19801; Lion(0.9, 0.99)
    over 1, 10 and 30 lr from 1, 195 and 1017: each certified in rationals 1 % above.  Other orbits are not searched."""
    parts = []
    for (beta1, beta2), rows in _SWEEPS.items():
        for amplitude, kappa in rows:
            if amplitude == "100" and tier != "full":
                continue
            found = sign.smallest(beta1, beta2, amplitude).kappa
            case = f"A = {amplitude}, betas {beta1} and {beta2}"
            # values are given to a tenth of a per mille; the programme is solved to 1e-7
            parts.append(within(found, kappa, 1e-4 * kappa, f"smallest condition number, {case}"))
            proof = sign.certified(beta1, beta2, amplitude)
            parts.append(at_least(float(proof is not None), 1.0, f"certified, {case}"))
    return all_of(parts)


@claim("bock2022.cycle", "2-cycles", "exact", constants="derived")
def adam_has_a_two_cycle_on_every_quadratic() -> Evidence:
    """Without bias correction, with eps = 0 and a constant step size lr Adam has on c x^2/2 a 2-cycle between +A lr and
    -A lr, A = (1 - beta1)/(2 (1 + beta1)), for every c > 0, beta1 and beta2: its own rule in symbols."""
    import sympy

    q1, q2, c = sympy.symbols("q1 q2 c", positive=True)  # beta = q/(1 + q) is any number in (0, 1)
    beta1, beta2 = q1 / (1 + q1), q2 / (1 + q2)
    general = orbits.missed("adam", {"beta1": beta1, "beta2": beta2}, (1 - beta1) / (2 * (1 + beta1)), c)
    half = {"beta1": Fraction(1, 2), "beta2": Fraction(9, 10)}
    wider = orbits.missed("adam", half, Fraction(1, 5))
    return all_of(
        [
            at_most(float(sum(one != 0 for one in general)), 0.0, "of x, m, v, how many do not come back"),
            at_least(
                float(sum(one != 0 for one in wider)), 1.0, "the same at another amplitude, 1/5 for 1/6"
            ),
        ]
    )


@claim("bock2022.stability", "2-cycles", "exact", constants="derived")
def the_cycle_attracts_for_small_momentum_only() -> Evidence:
    """The 2-cycle attracts for beta1 = 0, where its largest multiplier is beta2, and for (0.1, 0.999), and repels for
    (0.9, 0.999), (0.9, 0.99) and (0.5, 0.9): eigenvalues of the two-step map in balls."""
    parts = []
    for beta1, beta2, attracts in (
        ("0", "0.9", True), ("0", "0.999", True), ("0.1", "0.999", True),
        ("0.9", "0.999", False), ("0.9", "0.99", False), ("0.5", "0.9", False),
    ):  # fmt: skip
        hyper = {"beta1": beta1, "beta2": beta2}
        found = orbits.multipliers("adam", hyper, Fraction(1))
        low, high = found.sizes[-1]
        note = f"largest multiplier at ({beta1}, {beta2})"
        parts.append(at_most(high, 1.0, note) if attracts else at_least(low, 1.0, note))
        if beta1 == "0":
            parts.append(within(high, float(beta2), 1e-12, f"{note}, which is beta2"))
    return all_of(parts)


@claim("hunter.rmsprop", "2-cycles", "exact")
def the_two_cycle_of_rmsprop_always_attracts() -> Evidence:
    """With eps = 0 and a constant step size lr RMSProp has on c x^2/2 a 2-cycle between lr/2 and -lr/2, for every c > 0 and
    beta2, which attracts for every beta2 in (0, 1): the multipliers of half a period are the roots of z^2 - (3 beta2 - 1)
    z + beta2, of size root(beta2) for beta2 >= 1/9; from its own rule in symbols, and in balls."""
    import sympy

    q, c, z = sympy.symbols("q c z", positive=True)
    beta2 = q / (1 + q)  # any number in (0, 1)
    missed = orbits.missed("rmsprop", {"beta2": beta2}, sympy.Rational(1, 2), c)
    half = orbits.jacobian("rmsprop", {"beta2": beta2})
    half[0, :] = -half[0, :]  # the mirror image
    known = z**2 - (3 * beta2 - 1) * z + beta2
    differ = sympy.simplify(z**2 - half.trace() * z + half.det() - known)
    # all roots of z^2 + a z + b are inside of the circle iff |b| < 1 and 1 + a + b and 1 - a + b are positive
    jury = [sympy.factor(one) for one in (1 - beta2, known.subs(z, 1), known.subs(z, -1))]
    parts = [
        at_most(float(sum(one != 0 for one in missed)), 0.0, "of x and v, how many do not come back"),
        at_most(float(differ != 0), 0.0, "whether the characteristic polynomial is another one"),
        at_least(
            float(sum(bool(one.is_positive) for one in jury)), 3.0, "of three conditions, those that hold"
        ),
    ]
    for text in ("0.01", "0.5", "0.9", "0.999"):
        low, high = orbits.multipliers("rmsprop", {"beta2": text}, Fraction(1, 2)).sizes[-1]
        parts.append(at_most(high, 1.0, f"largest multiplier at beta2 = {text}"))
        if float(text) >= 1 / 9:
            # the enclosure is 256 bits wide, and its ends are floats
            parts.append(within(0.5 * (low + high), float(text), 1e-15, f"the same, which is beta2 = {text}"))
    return all_of(parts)


@claim("hunter.lion", "2-cycles", "exact")
def lion_goes_to_and_fro_on_every_quadratic() -> Evidence:
    """Without weight decay and with a constant step size lr Lion has a 2-cycle on c x^2/2 iff 2 beta1 < 1 + beta2, for which
    lr/2 and -lr/2 do; else it has longer ones, of 14 steps for (0.99, 0.9).  Their multipliers are 1, for x keeps its
    place between multiples of lr, and beta2 to the power of the period: its own rule in rationals on a grid of betas."""
    shares = [Fraction(one, 100) for one in (0, 10, 30, 50, 70, 80, 90, 95, 99)]
    differ, longer = 0, 0
    for beta1, beta2 in ((one, other) for one in shares for other in shares):
        hyper = {"beta1": beta1, "beta2": beta2}
        # x = a and a - 1 before a step: the momentum then makes the sign's arguments a - b and a - 1 + b, b = beta1/(1 + beta2)
        b = beta1 / (1 + beta2)
        exists = max(Fraction(0), b) < min(Fraction(1), 1 - b)
        differ += orbits.comes_back("lion", hyper, Fraction(1, 2)) != exists or exists != (
            2 * beta1 < 1 + beta2
        )
        longer += orbits.amplitude("lion", hyper) is None
    slow = {"beta1": "0.99", "beta2": "0.9"}
    record = orbits.certificate("lion", slow)
    known = orbits.multipliers("lion", slow, Fraction(record["amplitude"])).sizes
    return all_of(
        [
            at_most(
                float(differ), 0.0, "of 81 pairs of betas, where a 2-cycle exists and is not found, or not"
            ),
            at_most(float(longer), 0.0, "of 81 pairs of betas, without a cycle of up to 400 steps"),
            within(float(4 * Fraction(record["amplitude"])), 14.0, 0.0, "period at (0.99, 0.9)"),
            within(known[-1][1], 1.0, 0.0, "its largest multiplier"),
            within(known[0][1], 0.9**14, 1e-14, "its other multiplier, 0.9^14"),
        ]
    )


CLAIMS = [
    adam_has_a_two_cycle_on_every_quadratic,
    the_cycle_attracts_for_small_momentum_only,
    the_two_cycle_of_rmsprop_always_attracts,
    lion_goes_to_and_fro_on_every_quadratic,
    sign_methods_sweep_far_beyond_their_step,
    the_heavy_ball_cycles_at_condition_number_25,
    roots_of_unity_are_the_first_mode,
    cycles_fill_the_fast_corner,
    the_heavy_ball_cycles_from_nine_plus_four_root_five,
    a_rational_cycle_below_eighteen_point_one,
    no_cycle_below_the_threshold,
    it_cycles_on_well_conditioned_functions,
]

DEVIATIONS = [
    *ledger(
        "goujaud2023",
        ("cycles", "A semidefinite programme decides about a cycle.", "Averaged over the rotations of the cycle, its Gram "
         "matrix is circulant, and a linear programme in Fourier weights decides.", "region"),
    ),
    *ledger(
        "lessard2016",
        ("Section 4.6", "The paper runs the method from starts near the cycle.", "The three points, recalled, are mapped "
         "exactly in rationals.", "cycle"),
    ),
    *ledger(
        "bock2022",
        ("2-cycles", "The paper treats Adam's 2-cycles on quadratics for all hyperparameters; its text was not at hand.",
         "Existence and multipliers are derived here from the rule, without bias correction and with eps = 0.", "cycle",
         "stability"),
    ),
]  # fmt: skip

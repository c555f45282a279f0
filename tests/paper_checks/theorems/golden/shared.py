"""Conditions of several theorems, by their words and then by their symbols."""

from __future__ import annotations

from tests.paper_checks.theorems.golden.rows import Row, above, at_least, at_most, below, equal, word

_CONDITIONS: dict[str, tuple[Row, ...]] = {
    # the step size
    "positive step": (above("lr", 0), above("alpha", 0)),
    "constant step": (equal("s", 0),),
    "lr_t = lr/sqrt(t)": (equal("s", 0.5),),
    "the step size does not grow": (at_least("s", 0),),
    "the step sizes add up to infinity": (below("s", 1),),
    "vanishing steps": (above("s", 0),),
    "step of at most 1/L": (
        Row(
            ({"L": 2, "lr": 0.5}, {"L": 2, "lr": 0.4}),
            ({"L": 2, "lr": 0.500001},),
            lambda L, lr, **_: 1 - L * lr,
        ),
    ),
    "step below 2/L": (
        Row(
            ({"L": 2, "lr": 0.999999}, {"L": 2, "lr": 0.4}),
            ({"L": 2, "lr": 1}, {"L": 2, "lr": 1.1}),
            lambda L, lr, **_: 2 - L * lr,
        ),
    ),
    # gradients
    "exact gradients": (equal("stochastic", 0),),
    "unbiased gradients, independent given x_t": (equal("unbiased", 1),),
    "components in cyclic order": (word("order", "cyclic", "reshuffled", "replacement"),),
    "reshuffled components": (word("order", "reshuffled", "cyclic", "replacement"),),
    "components drawn with replacement": (word("order", "replacement", "cyclic", "reshuffled"),),
    "one gradient per step": (equal("workers", 1),),
    "x starts at least 1 from the minimiser": (
        Row(
            ({"x0": -1}, {"x0": -3}, {"x0": 0.5}, {"x0": -3.7}),
            ({"x0": -1.000001}, {"x0": -2.999999}, {"x0": -2}),
            lambda x0, **_: abs(x0 + 2) - 1,
        ),
    ),
    "x stays on the straight part, right of the kink at -1": (
        Row(
            ({"x0": 0.5, "lr": 2, "reach": 0.75}, {"x0": -1, "lr": 2, "reach": 0}),
            ({"x0": 0.499999, "lr": 2, "reach": 0.75}, {"x0": -1, "lr": 2, "reach": 0.000001}),
            lambda x0, lr, reach, **_: 1 + x0 - reach * lr,
        ),
    ),
    "the moments start at the mean gradient and the largest square": (equal("warm", 1),),
    "strong growth: all gradients vanish where the mean does": (equal("D0", 0),),
    "f is convex": (at_least("mu", 0),),
    "f is strongly convex": (above("mu", 0),),
    "at least one gradient per step": (
        Row(
            ({"batch": 0.5, "workers": 2}, {"batch": 3, "workers": 2}),
            ({"batch": 0.5, "workers": 1.999999},),
            lambda batch, workers, **_: batch * workers - 1,
        ),
    ),
    # moments and eps
    "no momentum": (equal("beta1", 0), equal("momentum", 0)),
    "bounded updates": (
        Row(
            ({"beta1": 0.899999999, "beta2": 0.81}, {"beta1": 0.2, "beta2": 0.5}),
            ({"beta1": 0.9, "beta2": 0.81}, {"beta1": 0.6, "beta2": 0.35}),
            lambda beta1, beta2, **_: beta2**0.5 - beta1,
        ),
    ),
    "beta1 below 1": (below("beta1", 1),),
    "beta2 above 0": (above("beta2", 0),),
    "beta2 below 1": (below("beta2", 1),),
    "beta1_t decays geometrically": (below("decay", 1),),
    "m starts at 0": (equal("m0", 0),),
    "v starts at 0": (equal("v0", 0),),
    "eps above 0": (above("eps", 0), above("v0", 0)),
    "v_0 above 0": (above("v0", 0),),
    "v_0 at most G^2": (
        Row(
            ({"v0": 4, "G": 2}, {"v0": 0.3, "G": 0.6}),
            ({"v0": 4.000001, "G": 2},),
            lambda v0, G, **_: G * G - v0,
        ),
    ),
    "no eps inside the root": (equal("eps_inside", 0),),
    "no eps outside the root": (equal("eps_outside", 0),),
    "no bias correction": (equal("bias_correction", 0),),
    "the running maximum of v": (equal("amsgrad", 1),),
    "momentum < 1": (below("momentum", 1),),
    "eps > 0": (above("eps", 0),),
    # Generic Adam
    "theta_t below 1": (above("c", 0),),
    "theta_1 above 0": (below("c", 1),),
    # drifts and slopes
    "the start is the wrong corner, x_1 = 1": (at_least("x0", 1),),
    "period 3": (equal("n", 3),),
    "the optimum is -1": (
        above("ratio", 2),
        above("slope", 0),
        Row(
            ({"ratio": 4.000001, "n": 5}, {"ratio": 9, "n": 3}),
            ({"ratio": 4, "n": 5}, {"ratio": 3, "n": 5}),
            lambda ratio, n, **_: ratio - (n - 1),
        ),
    ),
    "the start is in the box": (
        Row(
            ({"x0": -0.5, "D_inf": 1}, {"x0": 0.5, "D_inf": 1}),
            ({"x0": -0.500001, "D_inf": 1}, {"x0": 0.500001, "D_inf": 1}),
            lambda x0, D_inf, **_: D_inf / 2 - abs(x0),
        ),
    ),
    "the drift over a period is negative": (below("drift", 0),),
    "the drift over an epoch is negative": (below("drift", 0),),
    "the drift over an epoch is positive": (above("drift", 0),),
    # (L0, L1)-smooth functions
    "L1 > 0": (above("L1", 0),),
    "the gap of the function's own start": (
        Row(
            ({"gap_1": 2.000000002, "gap": 2}, {"gap_1": 1.999999998, "gap": 2}),
            ({"gap_1": 2.0000000021, "gap": 2}, {"gap_1": 1.9999999979, "gap": 2}),
        ),
    ),
    "the gradient of the function's own start": (
        Row(
            tuple({"gradient_norm_1": norm, "M": 3, "target": 2} for norm in (4.999999997, 5.000000003)),
            tuple({"gradient_norm_1": norm, "M": 3, "target": 2} for norm in (4.9999999969, 5.0000000031)),
        ),
    ),
    # messages
    "error feedback": (equal("error_feedback", 1),),
    "a bound on the inputs": (at_least("U", 0),),
    "q_up at least 0": (at_least("q_up", 0),),
    "q_down at least 0": (at_least("q_down", 0),),
    "the messages up are contractions": (below("q_up", 1),),
    "the messages down are contractions": (below("q_down", 1),),
    "the messages are contractions": (above("delta_up", 0),),
    "delta at most 1": (at_most("delta_up", 1),),
    "one worker": (equal("workers", 1),),
    "a connected graph": (above("rho", 0),),
}

SHARED = {(words, frozenset(row.holds[0])): row for words, rows in _CONDITIONS.items() for row in rows}

"""Theorems on compressed messages: quantized Adam with error feedback, EF-SGD, EF21, COMP-AMS, CHOCO.

The texts of QAdam and Efficient-Adam were not available to us, only their abstracts: D1 and D2 have the
structure that the abstracts claim, and every constant is ours.  The route of the proof is that of
arXiv:2506.01863, appendix E.

**Memory.**  Let ||x|| be the norm of L2 for random vectors and q = sqrt(1 - delta), so that ||C(p) - p|| <= q
||p||.  Then e' = u + e - C(u + e) gives ||e'|| <= q (U + ||e||), hence ||e_t|| <= q U/(1-q), for random maps
too.  As q/(1-q) = q (1+q)/delta <= 2 sqrt(1-delta)/delta, this is never above the usual 4 (1-delta)
U^2/delta^2 for ||e||^2.  What a worker sends is p - e', of norm at most (1+q)(U + ||e||) <= (1+q) U/(1-q);
that is the input of the server's memory E.

**D1 and D2.**  Let Gamma_t = diag(1/sqrt(vhat_t + eps)), Gamma_0 = I/sqrt(eps), u_t = lr Gamma_t m_t, each
per worker; let mean be the one over workers, r = beta1/(1-beta1), and x~_t the weights less all memories, so
that x~_{t+1} = x~_t - mean(u_t).

1. z_t = x~_t + r (x~_t - x~_{t-1}) starts at x_1 and obeys z_{t+1} - z_t = -lr mean(Gamma_t g_t) + lr r
   mean(K_t m_{t-1}) with K_t = Gamma_{t-1} - Gamma_t >= 0, which is also -lr mean(Gamma_{t-1} g_t) + lr
   mean(K_t (g_t + r m_{t-1})).  Smoothness at z_t bounds f(z_{t+1}) - f(z_t).
2. First order.  Gamma_{t-1} and z_t are known before g_t is drawn at y_t, so the part without K_t has the
   mean -lr <grad f(z_t), mean(Gamma_{t-1}) grad f(y_t)>.  With grad f(y_t) in place of grad f(z_t) it is at
   most -lr ||grad f(y_t)||^2/C0.  The difference costs lr L ||z_t - y_t|| ||mean(Gamma_{t-1}) grad f(y_t)||,
   where z_t - y_t = -r mean(u_{t-1}) + (x~_t - y_t).  The second summand gives lr L (G_norm/sqrt(eps)) ||y_t
   - x~_t||; the first, by Young, lr ||grad f(y_t)||^2/(4 C0) + lr^3 L^2 r^2 C0/eps^2 mean(||m_{t-1}||^2), and
   sum_t E ||m_{t-1}||^2 is at most sum_t (E ||grad f(y_t)||^2 + sigma^2).
3. The part with K_t.  |g + r m| <= (1+r) G and |grad f(z_t)| <= G in every coordinate, and
   sum_t trace K_t <= d/sqrt(eps), as Gamma falls: in all at most lr d G^2/((1-beta1) sqrt(eps)).
4. Second order.  (L/2) ||a + b||^2 <= L ||a||^2 + L ||b||^2, with the first form for one worker and the
   second for many, whose a has independent noise: E ||a||^2 <= lr^2 (E ||grad f(y_t)||^2 + sigma^2/N)/eps.
   By sum_t ||K_t||_F^2 <= d/eps the sum of ||b||^2 is at most lr^2 d G^2/eps times r^2, or (1+r)^2.
5. With lr <= eps (1-beta1)/(4 L C0) the factors of lr E ||grad f(y_t)||^2 leave at least
   (1 - 1/4 - (1-beta1)/4 - beta1^2/16)/C0 >= 1/(2 C0).  Sum over t and divide by lr T/(2 C0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from counterexamples import quantized
from paper_checks.theorems.conditions import (
    CONSTANT,
    EPS,
    EXACT_GRADIENTS,
    NO_EPS_OUTSIDE,
    UNBIASED,
    UNCORRECTED,
)
from theory_sim.compressors import identity, l1_sign, log_levels, spacing, top_k, weights
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.feedback import ef21, ef_sgd
from theory_sim.optimizers.gossip import choco
from theory_sim.optimizers.quantized import efficient_adam, qadam
from theory_sim.optimizers.server import comp_ams

EXACT = identity(word=64)  # a compressor that loses nothing

# The memory of one link, and of two links in a row.

_INPUT = Condition("U >= 0", "a bound on the inputs")
_MEMORY: dict[str, Any] = {
    "meaning": {"U": "bound on the norm of every input u_t of the memory"},
    "assumes": ("All memories start at 0.",),
}
_UP = (Condition("q_up >= 0", "q_up at least 0"), Condition("q_up < 1", "the messages up are contractions"))
_DOWN = (
    Condition("q_down >= 0", "q_down at least 0"),
    Condition("q_down < 1", "the messages down are contractions"),
)
_CONTRACTION = (
    Condition("delta_up > 0", "the messages are contractions"),
    Condition("delta_up <= 1", "delta at most 1"),
)
_ONE_WAY = "q_up/(1 - q_up)"
_TWO_WAY = "q_up/(1 - q_up) + q_down*(1 + q_up)/((1 - q_down)*(1 - q_up))"

MEMORY = Theorem(
    id="qadam2021.memory",
    where="ours; the contraction is QAdam's assumption on its gradient quantizer",
    statement="The memory e of error feedback on inputs of norm at most U is at most q U/(1 - q), in the "
    "norm of L2 if the compressor is random.",
    conditions=(*_UP, _INPUT),
    bound=f"{_ONE_WAY}*U",
    quantity="norm of e",
    **_MEMORY,
)

MEMORY_SQUARED = Theorem(
    id="karimireddy2019.memory",
    where="the lemma on the residual",
    statement="The squared memory of error feedback on inputs of norm at most U is at most 4 (1 - delta) "
    "U^2/delta^2 on average; the square of the bound of qadam2021.memory is never larger.",
    conditions=(*_CONTRACTION, _INPUT),
    bound="4*(1 - delta_up)/delta_up^2*U^2",
    quantity="squared norm of e",
    **_MEMORY,
)

MEMORY_TWO_WAY = Theorem(
    id="efficientadam2023.memory",
    where="ours; compressed updates both ways with feedback both ways",
    statement="The weights differ from x~, the weights less the memories of server and workers, by at most "
    "a multiple of U that the two contraction constants determine.",
    conditions=(*_UP, *_DOWN, _INPUT),
    bound=f"U*({_TWO_WAY})",
    quantity="norm of x - x~",
    **_MEMORY,
)

# Quantized Adam.

_FEEDBACK = Condition("error_feedback == 1", "error feedback")
_AMSGRAD = (
    EPS,
    NO_EPS_OUTSIDE,
    Condition("amsgrad == 1", "the running maximum of v"),
    UNCORRECTED,
    CONSTANT,
    _FEEDBACK,
    UNBIASED,
)
_CAP = Condition("lr <= eps*(1 - beta1)/(4*L*C0)", "lr at most eps (1 - beta1)/(4 L C0)")
_ONE = Condition("workers == 1", "one worker")
_BOX = Condition("delta_x*(reach - 1/2) <= 0", "quantized weights stay in the box |x_i| <= 1/2")
_C0 = {"C0": "sqrt(G^2 + eps)"}
_STEP = {"U": "lr*G_norm/sqrt(eps)"}
_ADAM = (
    "All workers share f, which is bounded below and L-smooth; their noise is independent, with mean 0.",
    "|g_i| <= G and ||g|| <= G_norm for every stochastic gradient and every gradient of f.",
)
_OURS = "ours, not the paper's: its text was not available, and only the structure is that of its abstract"


def _rate(noise: str, early: str) -> str:
    """Return the bound of D1 and D2, given the noise of a step and the factor of the O(1/T) part."""
    return (
        f"2*C0*(gap_1/(T*lr) + lr*L*{noise}/eps + lr^2*L^2*C0*beta1^2*sigma2/((1 - beta1)^2*eps^2))"
        f" + 2*C0*d*G^2/T*(1/((1 - beta1)*sqrt(eps)) + lr*L*{early}/((1 - beta1)^2*eps))"
        " + 2*C0*L*G_norm/sqrt(eps)*D"
    )


def _weight_error(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return delta_x of the compressor of the weights; without one also the reach, which then is no limit."""
    down = optimizer.down
    if down is None:
        return {}
    if down.family is weights:
        return {"delta_x": math.sqrt(problem.dim) * spacing(int(down.arguments["k"])) / 2.0}
    return {"delta_x": 0.0, "reach": 0.0} if down.family is identity else {}


_D_MEANING = {
    "D": "mean over t of E ||y_t - x~_t||, the query point against the weights less all memories",
    "delta_x": "bound on the distance of a quantized weight vector inside the box",
    "reach": "largest |x_i| of the full-precision weights along the run; 0 if they are not quantized",
}
_D1: dict[str, Any] = {
    "meaning": _D_MEANING,
    "where": f"D1, {_OURS}",
    "bound": _rate("sigma2", "beta1^2"),
    "quantity": "gradient_square_mean",
    "assumes": _ADAM,
    "problem": quantized.bowl,
    "optimizer": lambda: qadam(0.005, 0.9, eps=1.0, up=log_levels(2, word=64), down=EXACT, amsgrad=True),
    "run": {"steps": 2_000, "seeds": 4},
    "values": _weight_error,
}

D1 = Theorem(
    id="qadam2021.D1",
    statement="QAdam with the running maximum of v, one worker: the average squared gradient at the "
    "quantized weights is of order 1/(lr T) + lr + delta_x; the bound on D is that of the memory.",
    conditions=(*_AMSGRAD, _ONE, _CAP, *_UP, _BOX),
    where_symbols={**_C0, **_STEP, "D": f"delta_x + U*{_ONE_WAY}"},
    **_D1,
)

D1_MEASURED = Theorem(
    id="qadam2021.D1_measured",
    statement="The same for the D of the run, whatever the compressors are.",
    conditions=(*_AMSGRAD, _ONE, _CAP),
    where_symbols=_C0,
    **_D1,
)

_D2: dict[str, Any] = {
    "meaning": _D_MEANING,
    "where": f"D2, {_OURS}",
    "bound": _rate("sigma2/workers", "1"),
    "quantity": "gradient_square_mean",
    "assumes": _ADAM,
    "problem": quantized.bowl,
    "optimizer": lambda: efficient_adam(0.005, 0.9, eps=1.0, up=log_levels(2, word=64), amsgrad=True),
    "run": {"steps": 2_000, "seeds": 4, "workers": 4},
}

D2 = Theorem(
    id="efficientadam2023.D2",
    statement="Efficient-Adam with the running maximum of v, N workers with common f: the average squared "
    "gradient is of order 1/(lr T) + lr/N + lr; the last summand is D, bounded by the memories, so that "
    "quantized updates leave no floor as lr falls.",
    conditions=(*_AMSGRAD, _CAP, *_UP, *_DOWN),
    where_symbols={**_C0, **_STEP, "D": f"U*({_TWO_WAY})"},
    **_D2,
)

D2_MEASURED = Theorem(
    id="efficientadam2023.D2_measured",
    statement="The same for the D of the run, whatever the compressors are: with lr = sqrt(N/T) it is of "
    "order 1/sqrt(N T) + N/T if D = O(lr^2).",
    conditions=(*_AMSGRAD, _CAP),
    where_symbols=_C0,
    **_D2,
)

# Compressed SGD.

EF_SGD = Theorem(
    id="karimireddy2019.ef_sgd",
    where="the non-convex theorem for EF-SGD, with the constants that our proof gives for the average over "
    "the path",
    statement="EF-SGD: the average squared gradient is of order 1/(lr T) + lr; compression enters at order "
    "lr^2 only.",
    conditions=(
        CONSTANT,
        _FEEDBACK,
        UNBIASED,
        *_CONTRACTION,
        Condition("q_down == 0", "nothing is lost on the way down"),
    ),
    bound="2*gap_1/(lr*T) + L*lr*G_norm^2 + 4*L^2*lr^2*G_norm^2*(1 - delta_up)/delta_up^2",
    quantity="gradient_square_mean",
    assumes=(
        "f, the mean of the workers' objectives, is bounded below and L-smooth.",
        "E ||g||^2 <= G_norm^2 for every worker.",
    ),
    problem=quantized.bowl,
    optimizer=lambda: ef_sgd(0.02, up=top_k(4, word=64), down=EXACT),
    run={"steps": 2_000, "seeds": 4},
)


_EF21: dict[str, Any] = {
    "conditions": (
        CONSTANT,
        EXACT_GRADIENTS,
        *_CONTRACTION,
        Condition("lr*(L + L_tilde*sqrt(beta/theta)) <= 1", "lr at most 1/(L + L_tilde sqrt(beta/theta))"),
    ),
    "where_symbols": {
        "theta": "1 - sqrt(1 - delta_up)",
        "beta": "(1 - delta_up)/theta",
        "G0": "(1 - delta_up)*spread_1",
    },
    "meaning": {
        "spread_1": "mean_i ||grad f_i(x_1)||^2; the first message leaves (1 - delta) of it at most",
    },
    "assumes": ("f is bounded below.",),
    "problem": quantized.three_quadratics,
    "optimizer": lambda: ef21(0.005, up=top_k(1, word=64)),
    "run": {"steps": 1_000, "workers": 3},
}

EF21_RATE = Theorem(
    id="ef21.rate",
    where="the general non-convex theorem; the condition on lr as read, the rest as we derive it",
    statement="EF21: the average squared gradient is of order 1/T for full gradients, without a floor.",
    bound="2*gap_1/(lr*T) + G0/(theta*T)",
    quantity="gradient_square_mean",
    **_EF21,
)

EF21_LYAPUNOV = Theorem(
    id="ef21.lyapunov",
    where="its Lyapunov function f + lr/(2 theta) mean_i ||g_i - grad f_i||^2, which falls by (lr/2) ||grad "
    "f||^2",
    statement="EF21: no iterate is above the start by more than lr/(2 theta) times the error of the first "
    "messages.",
    bound="gap_1 + lr*G0/(2*theta)",
    quantity="gap_max",
    **_EF21,
)

# Compressed gradients with the moments on the server.


def _heterogeneity(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return sigma2_g = 0 where all workers share f."""
    return {"sigma2_g": 0.0} if problem.family in (quantized.bowl, quantized.quadratic) else {}


COMP_AMS = Theorem(
    id="compams2022.rate",
    where="the convergence theorem; its C2 is not defined in the text, and C2 <= 2 L is assumed here",
    statement="COMP-AMS: the average squared gradient is of order 1/(lr T) + lr/N + lr^2 + d/T.",
    conditions=(*_AMSGRAD, *_UP, Condition("lr <= eps/(6*L*C0)", "lr at most eps/(6 L C0)")),
    bound="2*C0*(gap_1/(T*lr) + lr*L*sigma2/(workers*eps) + 3*lr^2*L*C0*C1*sigma2/(workers*eps^2)"
    " + 12*lr^2*q_up^2*L*C0*sigma2_g/((1 - q_up^2)^2*eps^2) + (1 + C1)*G_norm^2*d/(T*sqrt(eps))"
    " + lr*(1 + 2*C1)*C1*L*G_norm^2*d/(T*eps))",
    quantity="gradient_square_mean",
    where_symbols={
        "C0": "sqrt(4*(1 + q_up^2)^3/(1 - q_up^2)^2*G_norm^2 + eps)",
        "C1": "beta1/(1 - beta1) + 2*q_up/(1 - q_up^2)",
    },
    meaning={"sigma2_g": "bound on mean_i ||grad f_i - grad f||^2"},
    assumes=(
        "Every f_i is L-smooth and f is bounded below.",
        "||g|| <= G_norm; independent noise of mean 0.",
    ),
    constants="read",
    problem=quantized.bowl,
    optimizer=lambda: comp_ams(0.002, 0.9, eps=1.0, up=top_k(8, word=64)),
    run={"steps": 2_000, "seeds": 4, "workers": 4},
    values=_heterogeneity,
)

# Compressed gossip.


def _graph(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return rho = 1 - |lambda_2| and beta = ||I - W||_2 of the mixing matrix W, and the number of nodes."""
    if optimizer.nodes < 2:
        return {}
    matrix = optimizer.arguments["matrix"]
    if matrix is None:
        ring = np.eye(optimizer.nodes)
        matrix = (ring + np.roll(ring, 1, 0) + np.roll(ring, -1, 0)) / 3.0
    values = np.linalg.eigvalsh(np.asarray(matrix))
    second = np.sort(np.abs(values))[-2]
    return {"rho": float(1.0 - second), "beta": float(1.0 - values[0]), "n": float(optimizer.nodes)}


def gossip_step(rho: float, beta: float, delta: float) -> float:
    """Return the mixing step gamma* for which the contraction of CHOCO is proved."""
    return rho**2 * delta / (16 * rho + rho**2 + 4 * beta**2 + 2 * rho * beta**2 - 8 * rho * delta)


def consensus_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """sum_i ||x_i - mean||^2 and sum_i ||x_i||^2 over the nodes."""
    rows, lanes = x.shape
    nodes = int(theta[0, 0])
    d = rows // nodes
    for lane in range(lanes):
        spread = 0.0
        size = 0.0
        for k in range(d):
            mean = 0.0
            for node in range(nodes):
                mean += x[node * d + k, lane] / nodes
            for node in range(nodes):
                value = x[node * d + k, lane]
                spread += (value - mean) ** 2
                size += value * value
        out[0, lane] = spread
        out[1, lane] = size


def measured_consensus(nodes: int = 9, d: int = 10) -> Problem:
    """`quantized.consensus` with the measures spread and size."""
    plain = quantized.consensus(nodes, d=d)
    return replace(
        plain,
        constants={"nodes": float(nodes)},
        measure=consensus_measure,
        measures=("spread", "size"),
        family=None,
    )


def theory_choco(nodes: int = 9, d: int = 10) -> Optimizer:
    """CHOCO with l1-sign messages on the ring, at the mixing step of the theorem."""
    optimizer = choco(0.1, nodes, up=l1_sign(word=64))
    graph = _graph(quantized.consensus(nodes, d=d), optimizer)
    return optimizer.replace(mixing=gossip_step(graph["rho"], graph["beta"], l1_sign().delta(d)))


_MIXING = Condition("Abs(mixing - gamma) <= gamma/10^9", "the mixing step gamma*, up to rounding")
_GOSSIP = {
    "gamma": "rho^2*delta_up/(16*rho + rho^2 + 4*beta^2 + 2*rho*beta^2 - 8*rho*delta_up)",
    "c": "rho^2*delta_up/82",
}
_GOSSIP_MEANING = {
    "n": "number of nodes",
    "rho": "1 - |lambda_2| of the mixing matrix",
    "beta": "||I - W||_2 of the mixing matrix",
    "spread_1": "sum_i ||x_i - mean||^2 at the start",
    "size_1": "sum_i ||x_i||^2 at the start, where the public copies are 0",
}
_CONNECTED = Condition("rho > 0", "a connected graph")

CHOCO_CONSENSUS = Theorem(
    id="choco2019.consensus",
    where="the theorem on consensus, with the constants of arXiv:1907.09356",
    statement="CHOCO-Gossip: the squared distance to consensus and to the public copies contracts by 1 - "
    "rho^2 delta/82.",
    conditions=(*_CONTRACTION, _CONNECTED, _MIXING),
    bound="(1 - c)^T*(spread_1 + size_1)",
    quantity="spread_final",
    where_symbols=_GOSSIP,
    meaning=_GOSSIP_MEANING,
    assumes=("W is symmetric and doubly stochastic.",),
    constants="read",
    problem=measured_consensus,
    own_problem=True,
    covers=("nodes",),
    optimizer=theory_choco,
    run={"steps": 500},
    values=_graph,
)

CHOCO_SGD = Theorem(
    id="choco2019.rate",
    where="the non-convex theorem for CHOCO-SGD",
    statement="CHOCO-SGD: the average squared gradient at the mean of the nodes is of order 1/sqrt(n T); "
    "the other term has a factor 24/c^2 >= 1.6e5 and says nothing at the horizons of a simulation.",
    conditions=(
        *_CONTRACTION,
        _CONNECTED,
        _MIXING,
        Condition("T >= 64*n*L^2", "T at least 64 n L^2"),
        Condition("Abs(lr^2*(T + 1) - n) <= n/10^9", "lr = sqrt(n/(T + 1)), up to rounding"),
        CONSTANT,
    ),
    bound="(4*gap + 4*sigma2*L)/sqrt(n*(T + 1)) + 24*G_norm^2*n*L/(c^2*(T + 1))",
    quantity="squared gradient at the mean of the nodes",
    where_symbols=_GOSSIP,
    meaning=_GOSSIP_MEANING,
    assumes=("W is symmetric and doubly stochastic.", "Every f_i is L-smooth, E ||g_i||^2 <= G_norm^2."),
    constants="read",
    values=_graph,
)

THEOREMS = [
    MEMORY,
    MEMORY_SQUARED,
    MEMORY_TWO_WAY,
    D1,
    D1_MEASURED,
    D2,
    D2_MEASURED,
    EF_SGD,
    EF21_RATE,
    EF21_LYAPUNOV,
    COMP_AMS,
    CHOCO_CONSENSUS,
    CHOCO_SGD,
]

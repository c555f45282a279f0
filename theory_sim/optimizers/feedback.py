"""SGD with compressed messages: error feedback, EF21, DIANA, and plain distributed compressed gradient descent.

N workers send one message per round to a server, which averages them.
"""

from __future__ import annotations

from theory_sim.compressors import identity, rand_k, top_k
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.rules import checks
from theory_sim.rules.language import Round, Stage, total


def _with_error(g: float, lr: float, error_feedback: float, e: float) -> float:
    return lr * g + error_feedback * e


def unsent(p: float, sent: float) -> float:
    """e_{t+1} = p_t - C(p_t), what a worker keeps."""
    return p - sent


def feed_back(mean: float, error_feedback: float, E: float) -> float:
    """What a server with a memory replies: the mean message and its own error."""
    return mean + error_feedback * E


def move_by_reply(p: float, reply: float, x: float) -> tuple[float, float]:
    """x_{t+1} = x_t - C(p_t), and what the server keeps, E_{t+1} = p_t - C(p_t)."""
    return x - reply, p - reply


EF_SGD = Round(
    send=Stage(_with_error, ("p",)),
    keep=Stage(unsent, ("e",)),
    reply=Stage(feed_back, ("p",)),
    apply=Stage(move_by_reply, ("x", "E")),
)


def _difference(g: float, h: float) -> float:
    return g - h


def _public(sent: float, h: float) -> float:
    """g_i^t = g_i^{t-1} + C(grad f_i(x^t) - g_i^{t-1})."""
    return h + sent


def _estimate(h: float) -> float:
    return h


def _descend(lr: float, estimates: float, workers: int, x: float) -> float:
    """x^{t+1} = x^t - lr mean_i g_i^t."""
    return x - lr * (estimates / workers)


def _momentum_difference(g: float, t: int, momentum: float, m: float, h: float) -> tuple[float, float]:
    """C(v_i^t - g_i^{t-1}) with v_i^t = momentum v_i^{t-1} + (1 - momentum) grad f_i(x^t, xi); v_i^1 = g."""
    m = g if t == 1 else momentum * m + (1.0 - momentum) * g
    return m - h, m


def _shifted(sent: float, shift: float, h: float) -> float:
    """h_i^{t+1} = h_i^t + shift C(grad f_i(x^t) - h_i^t)."""
    return h + shift * sent


def _descend_shifted(mean: float, lr: float, shift: float, x: float, H: float) -> tuple[float, float]:
    """x^{t+1} = x^t - lr (h^t + mean_i C(...)), and h^{t+1}, the mean of h_i^{t+1}."""
    return x - lr * (H + mean), H + shift * mean


DIANA = Round(
    send=Stage(_difference, ("p",)),
    keep=Stage(_shifted, ("h",)),
    apply=Stage(_descend_shifted, ("x", "H")),
)
EF21_SGDM = Round(
    send=Stage(_momentum_difference, ("p", "m")),
    keep=Stage(_public, ("h",)),
    apply=Stage(_descend, ("x",)),
)
EF21 = Round(send=Stage(_difference, ("p",)), keep=Stage(_public, ("h",)), apply=Stage(_descend, ("x",)))


@family
def ef_sgd(
    lr: float = 0.01,
    *,
    up: Compressor | None = None,
    down: Compressor | None = None,
    error_feedback: bool = True,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """SGD whose workers send C(lr g + e) and keep the rest e (Karimireddy et al. 2019, Algorithm 2).

    One worker with up=l1_sign(word=64) and down=identity(word=64) is `theory_sim.ef_signsgd`, which stays for
    the choice of sign(0) and because it passes no messages.

    Parameters
    ----------
    lr : float
        lr > 0; it is inside the memory, so the memory has the units of x.
    up, down : Compressor
        Workers to server, default top_k(k=1), and server to workers, default identity; the server feeds
        its own error back too.
    error_feedback : bool
        False forgets every error: compressed (distributed) gradient descent.
    schedule : Schedule
    """
    feedback = checks.flag("error_feedback", error_feedback)
    return Optimizer(
        "EF-SGD" if feedback else "compressed SGD",
        EF_SGD,
        lr,
        {"error_feedback": float(feedback)},
        rows=("E",),
        worker_rows=("e",),
        schedule=schedule,
        variant={"error_feedback": str(feedback)},
        up=up or top_k(k=1),
        down=down or identity(),
        paper="karimireddy2019",
    )


@family
def ef21(
    lr: float = 0.01,
    *,
    up: Compressor | None = None,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """EF21 (Richtarik et al. 2021, arXiv:2106.05203, Algorithm 2): workers send C(gradient - last estimate).

    The first message is C(grad f_i(x_1)), so that g_i^0 = C(grad f_i(x^0)) in the paper's numbering.

    Parameters
    ----------
    lr : float
        lr > 0.
    up : Compressor
        A contraction; default top_k(k=1).
    schedule : Schedule
    """
    return Optimizer(
        "EF21",
        EF21,
        lr,
        worker_rows=("h",),
        reductions={"estimates": total(_estimate, over="workers")},
        schedule=schedule,
        up=up or top_k(k=1),
        down=identity(),
        paper="ef21",
    )


@family
def ef21_sgdm(
    lr: float = 0.01,
    momentum: float = 0.9,
    *,
    up: Compressor | None = None,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """EF21 of local momenta (Fatkhullin, Tyurin, Richtarik 2023, arXiv:2305.15155, Algorithm 1).

    With momentum = 0 it is EF21 on stochastic gradients, EF21-SGD, which keeps a distance to the minimum at every step
    size unless batches are large.  In the toy problem `quantized.three_kicks` momentum .9 removes it, and more adds little.

    Parameters
    ----------
    lr : float
        lr > 0.
    momentum : float
        1 - eta of the paper, in [0, 1); the momentum starts at the first gradient.
    up : Compressor
        A contraction; default top_k(k=1).
    schedule : Schedule
    """
    return Optimizer(
        "EF21-SGDM",
        EF21_SGDM,
        lr,
        {"momentum": checks.beta("momentum", momentum)},
        worker_rows=("m", "h"),
        reductions={"estimates": total(_estimate, over="workers")},
        schedule=schedule,
        up=up or top_k(k=1),
        down=identity(),
        paper="fatkhullin2023",
    )


@family
def diana(
    lr: float = 0.01,
    shift: float = 0.1,
    *,
    up: Compressor | None = None,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """DIANA without regularizer (Mishchenko et al. 2019, arXiv:1901.09269, Algorithm 1): shifts learn gradients.

    Workers send C(gradient - h_i), and h_i moves by `shift` times what was sent.  It repairs what compression adds where
    workers differ, with exact gradients; noise of the gradients leaves it a floor, as it does SGD.

    Parameters
    ----------
    lr : float
        lr > 0.
    shift : float
        alpha of the paper, in [0, 1]; 0 is compressed gradient descent, and 1/(1 + omega) is the largest that its
        theorem allows.
    up : Compressor
        An unbiased compressor; default rand_k(k=1, scaled=True).
    schedule : Schedule
    """
    return Optimizer(
        "DIANA",
        DIANA,
        lr,
        {"shift": checks.number("shift", shift, 0.0, 1.0)},
        rows=("H",),
        worker_rows=("h",),
        schedule=schedule,
        up=up or rand_k(k=1, scaled=True),
        down=identity(),
        paper="mishchenko2019",
    )


OPTIMIZERS = [ef_sgd, ef21, ef21_sgdm, diana]

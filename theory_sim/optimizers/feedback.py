"""SGD with compressed messages: error feedback, EF21, and plain distributed compressed gradient descent.

N workers send one message per round to a server, which averages them.
"""

from __future__ import annotations

from theory_sim.compressors import identity, top_k
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


OPTIMIZERS = [ef_sgd, ef21]

"""Adam and AMSGrad, with every variant found in the wild under those names.

Bias correction divides the moments by c_t = 1 - beta**t, kept as a state row, c_t = beta c_{t-1} + (1 -
beta): a sum of positive terms, so nothing cancels for beta near 1 and no power is taken per step.
"""

from __future__ import annotations

import math

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import nonzero, of_beta
from theory_sim.rules import checks
from theory_sim.rules.language import Rule

EPS_MODES = ("outside", "inside")
Moments = tuple[float, ...]


def adam_rule(
    g: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps_inside: float,
    eps_outside: float,
    x: float,
    m: float,
    v: float,
) -> Moments:
    """Kingma and Ba 2015, Algorithm 1, without the correction of the moments."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    return x - lr * m / nonzero(math.sqrt(v + eps_inside) + eps_outside), m, v


def corrected_rule(
    g: float, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float,
    x: float, m: float, v: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Kingma and Ba 2015, Algorithm 1."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    return x - lr * (m / c1) / nonzero(math.sqrt(v / c2 + eps_inside) + eps_outside), m, v, c1, c2


def _amsgrad(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float, decay: float,
    x: float, m: float, v: float, vhat: float, beta1_t: float,
) -> Moments:  # fmt: skip
    """Reddi, Kale, Kumar 2018, Algorithm 2, with beta1_t = beta1 decay^(t-1)."""
    beta1_t = beta1 if t == 1 else beta1_t * decay
    m = beta1_t * m + (1.0 - beta1_t) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    vhat = max(vhat, v)
    return x - lr * m / nonzero(math.sqrt(vhat + eps_inside) + eps_outside), m, v, vhat, beta1_t


def _amsgrad_torch(
    g: float, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float,
    x: float, m: float, v: float, vhat: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Maximum of the raw second moment, then both corrections, then eps (torch.optim.Adam(amsgrad=True))."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    vhat = max(vhat, v)
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    return x - lr * (m / c1) / nonzero(math.sqrt(vhat / c2 + eps_inside) + eps_outside), m, v, vhat, c1, c2


def _amsgrad_optax(
    g: float, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float,
    x: float, m: float, v: float, vhat: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Maximum of the bias-corrected second moment (optax.amsgrad)."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    vhat = max(vhat, v / c2)
    return x - lr * (m / c1) / nonzero(math.sqrt(vhat + eps_inside) + eps_outside), m, v, vhat, c1, c2


def _amsgrad_keras(
    g: float, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float,
    x: float, m: float, v: float, vhat: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Maximum of the raw second moment, eps before the corrections (keras.optimizers.Adam(amsgrad=True))."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    vhat = max(vhat, v)
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    alpha = math.sqrt(c2) / c1
    return x - lr * alpha * m / nonzero(math.sqrt(vhat + eps_inside) + eps_outside), m, v, vhat, c1, c2


AMSGRAD_VARIANTS: dict[str, Rule] = {
    "paper": _amsgrad,
    "torch": _amsgrad_torch,
    "optax": _amsgrad_optax,
    "keras": _amsgrad_keras,
}


def of_eps(eps: float, eps_mode: str) -> dict[str, float]:
    """Return the two hyperparameters of eps: the one of its mode, and 0 for the other."""
    checks.known("eps_mode", eps_mode, EPS_MODES)
    checks.number("eps", eps, 0.0)
    return {f"eps_{mode}": eps if mode == eps_mode else 0.0 for mode in ("inside", "outside")}


@family
def adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    bias_correction: bool = True,
    eps_mode: str = "outside",
    m0: float | str = 0.0,
    v0: float | str = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1; uncorrected: Reddi et al. 2018, 1904.09237).

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, betas in [0, 1), eps >= 0.
    bias_correction : bool
        Whether the moments are divided by 1 - beta**t.
    eps_mode : {"outside", "inside"}
        sqrt(v) + eps, or sqrt(v + eps).
    m0, v0 : float or {"mean_gradient", "max_square"}
        Initial moments; the names evaluate the component gradients at the start.
    schedule : Schedule
    """
    corrected = checks.flag("bias_correction", bias_correction)
    return Optimizer(
        "Adam",
        corrected_rule if corrected else adam_rule,
        lr,
        {**of_beta(beta1=beta1, beta2=beta2), **of_eps(eps, eps_mode)},
        rows=("m", "v", "c1", "c2") if corrected else ("m", "v"),
        schedule=schedule,
        initial={"m": m0, "v": v0},
        variant={"bias_correction": str(corrected).lower(), "eps_mode": eps_mode},
        paper="kingma2015" if corrected else "reddi2018",
    )


@family
def amsgrad(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    *,
    variant: str = "paper",
    decay: float = 1.0,
    eps_mode: str = "outside",
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AMSGrad (Reddi, Kale, Kumar 2018, arXiv:1904.09237, Algorithm 2) and its three library versions.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `adam`.
    variant : {"paper", "torch", "optax", "keras"}
        paper: no bias correction.  torch: maximum of the raw v, then correction.  optax: maximum of the
        corrected v.  keras: as torch, with eps added to the uncorrected root.
    decay : float
        lambda in (0, 1] of beta1_t = beta1 lambda^(t-1) (Corollary 1); only for the paper's variant.
    eps_mode : {"outside", "inside"}
    schedule : Schedule
    """
    checks.known("variant", variant, AMSGRAD_VARIANTS)
    checks.number("decay", decay, 0.0, 1.0, open_low=True)
    paper = variant == "paper"
    if decay != 1.0 and not paper:
        raise ValueError(f"decay = {decay} is defined for variant='paper' only, not {variant!r}.")
    hyper = {**of_beta(beta1=beta1, beta2=beta2), **of_eps(eps, eps_mode)}
    return Optimizer(
        "AMSGrad",
        AMSGRAD_VARIANTS[variant],
        lr,
        {**hyper, "decay": decay} if paper else hyper,
        rows=("m", "v", "vhat", "beta1_t") if paper else ("m", "v", "vhat", "c1", "c2"),
        schedule=schedule,
        variant={"variant": variant, "eps_mode": eps_mode},
        paper="reddi2018",
    )


OPTIMIZERS = [adam, amsgrad]

"""Stationary momentum methods, heavy ball and Nesterov's, and their cycles on smooth strongly convex functions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory_sim.nouns.optimizer import Optimizer

METHODS = ("heavy_ball", "nesterov")


@dataclass(frozen=True)
class Momentum:
    """x_{t+1} = x_t + beta (x_t - x_{t-1}) - alpha g(y_t), y_t = x_t for the heavy ball.

    For Nesterov's method y_t = x_t + beta (x_t - x_{t-1}).

    Parameters
    ----------
    method : {"heavy_ball", "nesterov"}
    alpha, beta : Fraction or float
    """

    method: str
    alpha: Any
    beta: Any

    def query(self, now: Any, before: Any) -> Any:
        """Return y_t of x_t and x_{t-1}."""
        return now + self.beta * (now - before) if self.method == "nesterov" else now

    def gradient(self, after: Any, now: Any, before: Any) -> Any:
        """Return the gradient that leads from x_{t-1}, x_t to x_{t+1}."""
        return (now + self.beta * (now - before) - after) / self.alpha


def polyak(kappa: Any, root: Any = None) -> Momentum:
    """Return the heavy ball at Polyak's parameters for mu = 1 and L = kappa; exact if `root` is the root of kappa."""
    r = kappa**0.5 if root is None else root
    return Momentum("heavy_ball", 4 / (r + 1) ** 2, ((r - 1) / (r + 1)) ** 2)


def standard(kappa: Any, root: Any = None) -> Momentum:
    """Return Nesterov's method at alpha = 1/L, beta = (r - 1)/(r + 1) for mu = 1 and L = kappa = r^2."""
    r = kappa**0.5 if root is None else root
    return Momentum("nesterov", 1 / (r * r), (r - 1) / (r + 1))


def momentum(optimizer: Optimizer) -> Momentum:
    """Return an optimizer of this suite as a momentum method, its floats as the decimals they are written as.

    Raises
    ------
    ValueError
        If it is no stationary momentum method.
    """
    from theory_sim.evidence.hunter.certificate import decimal

    name = optimizer.family.__name__ if optimizer.family is not None else ""
    if name not in ("gd", "sgd", "sgdm", "nesterov"):
        raise ValueError(
            f"{optimizer.name} is no stationary momentum method; the classes line and gram take gd, sgdm and nesterov."
        )
    lr, beta = Fraction(decimal(optimizer.lr)), Fraction(decimal(optimizer.hyper.get("momentum", 0.0)))
    ema = optimizer.variant.get("convention") == "ema" or optimizer.arguments.get("convention") == "ema"
    return Momentum("nesterov" if name == "nesterov" else "heavy_ball", lr * (1 - beta) if ema else lr, beta)

"""What a certificate of a cycle, a sweep or a law looks like in a run: its problem, the method, and its figure.

Every problem is one of the catalogue, so that other commands take it by its `problem_text`.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.evidence.hunter.functions import hull, piecewise
from theory_sim.evidence.hunter.linear import Momentum
from theory_sim.evidence.hunter.sequence import periodic
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import power
from theory_sim.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[np.float64]]
_STEPS = 100_000  # of a run on random gradients
_SHOWN = 48  # steps of a cycle that its figure shows, and three periods at least


@dataclass(frozen=True)
class Exhibit:
    """A run that shows a failure beside one that is right.

    Parameters
    ----------
    problem : Problem
        Its start is on the cycle.
    method : Optimizer
        With the certificate's hyperparameters, and with a state that is on the cycle.
    right : Optimizer
        What goes to the minimiser of the same problem.
    beside : str
        What that is, in words.
    period : int
        Of the cycle; 0 for a law.
    order : str
        In which the components are drawn.
    """

    problem: Problem
    method: Optimizer
    right: Optimizer
    beside: str
    period: int = 0
    order: str = "cyclic"

    @property
    def steps(self) -> int:
        """Steps that the figure shows."""
        return self.period * max(3, _SHOWN // self.period) if self.period else _STEPS

    @property
    def command(self) -> str:
        """A command that runs the method on the problem."""
        steps = f"--steps {2000 if self.period else _STEPS}"
        law = "" if self.period else f"--schedule power:s=0.5 --order {self.order} "
        return command(self.problem, self.method, law + steps)

    def path(self, optimizer: Optimizer, steps: int, seeds: int = 1) -> tuple[Array, Array]:
        """Return checkpoints (c,) and the iterates there, shape (seeds, c, d), of a run on the problem."""
        from theory_sim.nouns.sweep import simulate

        shown = range(1, steps + 1) if self.period else 200
        run = simulate(self.problem, optimizer, steps=steps, seeds=seeds, order=self.order, checkpoints=shown)
        x = run.x if "coordinate" in run.x.dims else run.x.expand_dims("coordinate")
        return run.checkpoint.values, x.transpose("seed", "checkpoint", "coordinate").values

    def figure(self) -> Figure:
        """Draw the path of the method beside that of one that is right, and where on the problem it is."""
        import matplotlib.pyplot as plt

        from theory_sim.nouns.figure import PALETTE, STYLE

        with plt.rc_context(STYLE):
            drawn, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3), layout="constrained")
            draw = _draw_cycle if self.period else _draw_law
            draw(self, left, right, PALETTE)
            left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return drawn


def _draw_cycle(one: Exhibit, left: Any, right: Any, colors: Sequence[str]) -> None:
    start = np.broadcast_to(np.array(one.problem.start, dtype=float), (one.problem.dim,))
    paths = []
    for optimizer in (one.method, one.right):
        t, x = one.path(optimizer, one.steps)
        paths.append((np.concatenate([[0], t]), np.vstack([start, x[0]])))
    (t, wrong), (s, good) = paths
    flat = one.problem.dim == 1
    center = float(one.problem.optimum or 0.0)
    for time, x, color, label in (
        (t, wrong, colors[1], one.method.name),
        (s, good, colors[0], one.beside),
    ):
        shown = x[:, 0] if flat else np.linalg.norm(x, axis=1)
        left.plot(time, shown, color=color, marker="o", ms=2.5, lw=0.9, label=label)
    left.axhline(center, ls=":", c="k", lw=0.8)
    left.set(xlabel="step t", ylabel="$x_t$; dotted: the minimiser" if flat else "distance to the minimiser")
    if flat:
        low, high = wrong.min(), wrong.max()
        wide = np.linspace(low - 0.15 * (high - low), high + 0.15 * (high - low), 801)
        points, gradients = (np.array(one.problem.arguments[name]) for name in ("points", "gradients"))
        slopes = np.diff(gradients) / np.diff(points)
        at = np.clip(np.searchsorted(points, wide) - 1, 0, len(slopes) - 1)
        right.plot(wide, gradients[at] + slopes[at] * (wide - points[at]), color="0.45", lw=1.0)
        k = np.clip(np.searchsorted(points, wrong[:, 0]) - 1, 0, len(slopes) - 1)
        right.plot(
            wrong[:, 0], gradients[k] + slopes[k] * (wrong[:, 0] - points[k]), "o", ms=5, color=colors[1]
        )
        right.axhline(0.0, ls=":", c="k", lw=0.8)
        right.set(xlabel="x", ylabel="$f'(x)$", title="where gradients are taken")
        return
    right.plot(wrong[:, 0], wrong[:, 1], color=colors[1], marker="o", ms=3.5, lw=0.9)
    right.plot(good[:, 0], good[:, 1], color=colors[0], marker="o", ms=2.5, lw=0.9)
    right.plot(0.0, 0.0, marker="*", ms=11, color="k", ls="")
    rest = "" if one.problem.dim == 2 else f" of {one.problem.dim}"
    right.set(xlabel="$x_1$", ylabel="$x_2$", title=f"two coordinates{rest}; star: the minimiser")
    right.set_aspect("equal", adjustable="datalim")


def _draw_law(one: Exhibit, left: Any, right: Any, colors: Sequence[str]) -> None:
    for optimizer, color, label in (
        (one.method, colors[1], one.method.name),
        (one.right, colors[0], one.beside),
    ):
        t, x = one.path(optimizer, one.steps, seeds=4)
        for k, path in enumerate(x[:, :, 0]):
            left.semilogx(t, path, color=color, lw=0.8, alpha=0.8, label=label if k == 0 else None)
    left.set_yticks((-1.0, 0.0, 1.0), ("best point, -1", "0", "worst point, 1"))
    left.set(xlabel=r"step t; step sizes $\alpha/\sqrt{t}$", ylabel="$x_t$, 4 seeds", ylim=(-1.08, 1.08))
    gradients = one.problem.arguments["gradients"]
    right.bar(
        np.arange(1, len(gradients) + 1),
        gradients,
        color=[colors[1] if g > 0 else colors[5] for g in gradients],
    )
    right.axhline(0.0, c="k", lw=0.6)
    drawn = "drawn with replacement" if one.order == "replacement" else "reshuffled in every epoch"
    right.set(xlabel="component", ylabel="gradient", title=f"sum {sum(gradients):g} > 0; {drawn}")


def problem_text(problem: Problem) -> str:
    """Return a problem of the catalogue as the command line names it."""
    return f"{problem.name}:{_text(problem.arguments)}"


def command(problem: Problem, method: Optimizer, options: str) -> str:
    """Return the command that runs a method on a problem; empty for a method that no constructor of this suite made."""
    name = "" if method.family is None else method.family.__name__
    if name not in OPTIMIZERS or OPTIMIZERS[name] is not method.family:
        return ""
    usual = inspect.signature(OPTIMIZERS[name]).parameters
    given = {k: v for k, v in method.arguments.items() if k != "schedule" and v != usual[k].default}
    return f"theory-sim simulate --problem '{problem_text(problem)}' --optimizer '{name}:{_text(given)}' {options}"


def _text(arguments: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        if isinstance(value, tuple):
            return f"({','.join(map(shown, value))})"
        return str(value).lower() if isinstance(value, str | bool) else repr(value)

    return ",".join(f"{name}={shown(value)}" for name, value in arguments.items())


def exhibit(record: Mapping[str, Any]) -> Exhibit:
    """Return what shows a certificate of the class line, gram, sign, iid or orbits.

    Parameters
    ----------
    record : mapping
        A certificate that holds.
    """
    of = {"line": _line, "gram": _gram, "sign": _sign, "orbits": _orbits, "iid": _iid}
    return of[record["class"]](record)


def _momentum(record: Mapping[str, Any]) -> tuple[Momentum, Fraction, Fraction]:
    values = {name: Fraction(text) for name, text in record["hyper"].items()}
    return Momentum(record["optimizer"], values["alpha"], values["beta"]), values["mu"], values["L"]


def _run(method: Momentum, m0: float) -> Optimizer:
    """Return the optimizer of this suite with a start of its momentum."""
    name = "nesterov" if method.method == "nesterov" else "sgdm"
    made: Optimizer = OPTIMIZERS[name](lr=float(method.alpha), momentum=float(method.beta), m0=m0)
    return made


def _line(record: Mapping[str, Any]) -> Exhibit:
    method, mu, L = _momentum(record)
    x = [Fraction(text) for text in record["points"]]
    n = len(x)
    y = [method.query(x[t], x[t - 1]) for t in range(n)]
    g = [method.gradient(x[(t + 1) % n], x[t], x[t - 1]) for t in range(n)]
    knots = with_plateaus(sorted(zip(y, g, strict=True)), mu, L, _calm(method, mu, L))
    problem = piecewise(*(tuple(map(float, one)) for one in zip(*knots, strict=True)), x0=float(y[0]))
    right = OPTIMIZERS["gd"](lr=float(1 / L))
    return Exhibit(
        problem, _run(method, float((x[-1] - x[0]) / method.alpha)), right, "gradient descent, lr = 1/L", n
    )


def _calm(method: Momentum, mu: Fraction, L: Fraction) -> Fraction:
    """Return the slope in [mu, L] at which errors of the method shrink fastest, or nearly so."""
    best = 1 / method.alpha if method.method == "nesterov" else (1 + method.beta) / method.alpha
    return min(max(Fraction(best), mu), L)


def with_plateaus(
    knots: Sequence[tuple[Fraction, Fraction]], mu: Fraction, L: Fraction, slope: Fraction
) -> list[tuple[Fraction, Fraction]]:
    """Return knots between which slopes stay in [mu, L], with one slope around every given knot.

    If the method converges on the quadratic of that slope, a cycle on the knots attracts, and rounding does not lead away
    from it.  Where slopes between the knots are mu or L themselves there is no room, and the knots are returned.
    """
    reach = min(b[0] - a[0] for a, b in itertools.pairwise(knots)) / 4
    for _ in range(30):
        both = [(p + side * reach, g + side * reach * slope) for p, g in knots for side in (-1, 1)]
        between = [(h - f) / (b - a) for (a, f), (b, h) in itertools.pairwise(both)]
        if all(mu <= one <= L for one in between):
            return both
        reach /= 2
    return list(knots)


def _gram(record: Mapping[str, Any]) -> Exhibit:
    method, mu, L = _momentum(record)
    n, weights = record["period"], [float(Fraction(text)) for text in record["weights"]]
    t = np.arange(n)
    columns = []
    for mode, weight in enumerate(weights, 1):
        angle = 2.0 * np.pi * mode * t / n
        turned = [np.cos(angle), np.sin(angle)] if 2 * mode < n else [np.cos(angle)]
        columns += [np.sqrt(weight) * one for one in turned if weight > 0.0]
    x = np.array(columns).T
    if x.shape[1] == 1:  # every second point is the same
        return _line({**record, "points": ["1", "-1"]})
    before, after = np.roll(x, 1, axis=0), np.roll(x, -1, axis=0)
    plain = Momentum(method.method, float(method.alpha), float(method.beta))
    y, g = plain.query(x, before), plain.gradient(after, x, before)
    m0 = (before[0] - x[0]) / plain.alpha
    d = x.shape[1]
    size = float(np.linalg.norm(m0)) / np.sqrt(d)
    # a reflection after which every coordinate of the momentum is the same, as the start of a state row has to be
    axis = m0 - size
    flip = np.eye(d) - 2.0 * np.outer(axis, axis) / max(float(axis @ axis), 1e-300)
    vertices = (g - float(mu) * y) @ flip
    vertices -= vertices.mean(axis=0)
    problem = hull(tuple(vertices.ravel().tolist()), d, float(mu), float(L), x0=tuple((y[0] @ flip).tolist()))
    right = OPTIMIZERS["gd"](lr=float(1 / L))
    return Exhibit(problem, _run(method, float(size)), right, "gradient descent, lr = 1/L", n)


def _sign(record: Mapping[str, Any]) -> Exhibit:
    weights = [Fraction(record["hyper"][name]) for name in sorted(record["hyper"])]
    beta2, A = weights[-1], Fraction(record["amplitude"])
    right = [(A - k, Fraction(text)) for k, text in enumerate(record["gradients"])]
    knots = sorted([*right, *((-p, -g) for p, g in right)])
    return Exhibit(
        piecewise(*(tuple(map(float, one)) for one in zip(*knots, strict=True)), x0=float(A)),
        _signed(record, float(start_of_sweep(dict(knots), beta2, A))),
        _signed(record, 0.0).replace(schedule=power(0.5)),
        r"steps lr/$\sqrt{t}$",
        int(4 * A),
    )


def start_of_sweep(slope: Mapping[Fraction, Fraction], beta2: Fraction, A: Fraction) -> Fraction:
    """Return the momentum at the start of a sweep from A, which is minus that after half a period."""
    fed, half = Fraction(0), int(2 * A)
    for t in range(half):
        fed = beta2 * fed + (1 - beta2) * slope.get(A - t, Fraction(0))  # odd, so 0 at 0
    return -fed / (1 + beta2**half)


def _signed(record: Mapping[str, Any], m0: float) -> Optimizer:
    hyper = {name: float(Fraction(text)) for name, text in record["hyper"].items()}
    made: Optimizer = OPTIMIZERS[record["optimizer"]](lr=1.0, m0=m0, **hyper)
    return made


def _orbits(record: Mapping[str, Any]) -> Exhibit:
    hyper = {name: Fraction(text) for name, text in record["hyper"].items()}
    name, A = record["optimizer"], Fraction(record["amplitude"])
    shown: dict[str, Any] = {one: float(value) for one, value in hyper.items()}
    if name == "lion":
        half = int(2 * A)
        start = {"m0": float(start_of_sweep({A - t: A - t for t in range(half + 1)}, hyper["beta2"], A))}
    else:
        beta1 = hyper.get("beta1", Fraction(0))
        start = {"v0": float(A * A)}
        shown |= {"eps": 0.0}
        if name == "adam":
            start["m0"] = float(-(1 - beta1) / (1 + beta1) * A)
            shown |= {"bias_correction": False}
    return Exhibit(
        piecewise((-1.0, 1.0), (-1.0, 1.0), x0=float(A)),
        OPTIMIZERS[name](lr=1.0, **shown, **start),
        OPTIMIZERS[name](lr=1.0, **shown, **start, schedule=power(0.5)),
        r"steps lr/$\sqrt{t}$",
        int(4 * A) if name == "lion" else 2,
    )


def _iid(record: Mapping[str, Any]) -> Exhibit:
    from theory_sim.evidence.hunter import iid

    hyper = {name: float(text) for name, text in record["hyper"].items()}
    found = iid.of(record)
    drawn = tuple(
        float(g) for g, w in zip(record["gradients"], record["weights"], strict=True) for _ in range(w)
    )
    # steps lr/sqrt(t) move x by 2 lr sqrt(T) times the drift, which has to be more than the width of the box
    lr = 2.4 / (2.0 * _STEPS**0.5 * -found.high)
    method = OPTIMIZERS["adam"](
        lr=float(f"{lr:.3g}"),
        beta1=hyper["beta1"],
        beta2=hyper["beta2"],
        eps=hyper["eps"],
        schedule=power(0.5),
    )
    right = OPTIMIZERS["sgd"](lr=0.2 / max(map(abs, drawn)), schedule=power(0.5))
    return Exhibit(periodic(drawn, x0=-1.0), method, right, "SGD", 0, record["order"])

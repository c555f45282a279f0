"""A certified counterexample: its numbers, its problem, a program of numpy that shows it, and its figure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.evidence.hunter import certificate, exhibit
from theory_sim.evidence.hunter.candidates import Candidates
from theory_sim.evidence.hunter.sequence import periodic
from theory_sim.evidence.hunter.steady import Steady
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import power

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 4_000_000  # steps that problem.py may take
_LR = 0.5


@dataclass(frozen=True)
class Counterexample:
    """Integer gradients on which an optimizer provably goes the wrong way.

    Parameters
    ----------
    optimizer : Optimizer
    system : Steady
        Its limit system.
    certificate : dict
        What `theory_sim.evidence.hunter.certificate.verify` confirms.
    how : str
        What is known of smaller ones.
    """

    optimizer: Optimizer
    system: Steady
    certificate: Mapping[str, Any]
    how: str = ""

    @property
    def gradients(self) -> tuple[int, ...]:
        """One period."""
        return tuple(self.certificate["gradients"])

    @property
    def period(self) -> int:
        """Number of gradients."""
        return len(self.gradients)

    @property
    def height(self) -> int:
        """Largest |g|."""
        return max(map(abs, self.gradients))

    @cached_property
    def drift(self) -> float:
        """D, the sum of the updates over a period, negative; times -lr it is how far x moves."""
        return float(Candidates(self.system).drifts(self.gradients)[0][0])

    @property
    def strength(self) -> float:
        """How far x moves the wrong way per step, in units of lr; per lr and height where updates grow with g."""
        scale = self.height if grows(self.system) else 1
        return -self.drift / self.period / scale

    @property
    def margin(self) -> float:
        """S/max|g|: by how much the best point is best, whatever the units of the gradients are."""
        return sum(self.gradients) / self.height

    @property
    def problem(self) -> Problem:
        """Linear losses on [-1, 1]."""
        return periodic(tuple(float(one) for one in self.gradients))

    @property
    def lr(self) -> float:
        """A step size at which a run of the strong example shows the failure."""
        return _LR / (self.height if grows(self.system) else 1)

    @property
    def steps(self) -> int:
        """How many steps lr t^(-1/2) lead from the best point to the worst, at most four million."""
        rate = self.lr * -self.drift / self.period  # x moves by 2 rate sqrt(T)
        needed = (2.4 / (2.0 * rate)) ** 2 if rate > 0.0 else math.inf
        whole = min(max(needed, 1000.0), float(_LONGEST))
        return self.period * math.ceil(whole / self.period)

    @property
    def command(self) -> str:
        """A command that runs the optimizer on the problem from the best point; empty if it is none of this suite."""
        method = self.optimizer.replace(lr=self.lr)
        options = f"--schedule power:s=0.5 --steps {self.steps}"
        return exhibit.command(self.problem.replace(x0=-1.0), method, options)

    def verify(self) -> str:
        """Recompute the certificate with the optimizer's own rule and say in one line what was found.

        Raises
        ------
        Refused
            If it does not hold.
        """
        return certificate.verify(dict(self.certificate), lambda name, words: self.optimizer)

    def code(self) -> str:
        """Return a program of numpy that runs the limit system from the best point and prints where x ends."""
        system, g = self.system, list(self.gradients)
        lines = [
            "import numpy as np",
            "from numpy import sqrt, exp, log, tanh",
            f"gradients = np.array({g}, dtype=float)  # sum {sum(g)} > 0, so x = -1 is the best point of [-1, 1]",
        ]
        hyper = [f"{name} = {certificate.decimal(system.values[name])}" for name in system.hyper]
        start = [f"{row.name} = 0.0" for row in system.rows]
        lines.append("; ".join(["x = -1.0", *hyper, *start]))
        lines.append(f"for t in range(1, {self.steps + 1}):")
        lines.append(f"    g, lr = gradients[(t - 1) % {len(g)}], {self.lr!r} / sqrt(t)")
        left = ", ".join(["x", *(row.name for row in system.rows)])
        update = f"min(max(x - lr * ({system.update}), -1.0), 1.0)"
        lines.append(f"    {left} = {', '.join([update, *(str(row.after) for row in system.rows)])}")
        lines.append('print("x =", x, "after", t, "steps")')
        return "\n".join(lines) + "\n"

    def path(self, optimizer: Optimizer, lr: float) -> tuple[Any, Any]:
        """Return checkpoints and x of a run of an optimizer on the problem with steps lr t^(-1/2)."""
        from theory_sim.nouns.sweep import simulate

        problem = self.problem.replace(x0=-1.0)
        run = simulate(
            problem, optimizer.replace(lr=lr, schedule=power(0.5)), steps=self.steps, checkpoints=200
        )
        return run.checkpoint.values, run.x.values.reshape(run.checkpoint.size, -1)[:, 0]

    def figure(self) -> Figure:
        """Draw the path to the wrong corner beside that of SGD, and the gradients of one period."""
        import matplotlib.pyplot as plt

        from theory_sim.nouns.figure import PALETTE, STYLE
        from theory_sim.optimizers.momentum import sgd

        with plt.rc_context(STYLE):
            drawn, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.2), layout="constrained")
            t, x = self.path(self.optimizer, self.lr)
            left.semilogx(t, x, color=PALETTE[1], label=self.optimizer.name)
            sums = np.cumsum(self.gradients)
            calm = 0.2 / max(float(np.ptp(sums)), 1.0)  # a period moves SGD by a fifth of a unit at most
            t, x = self.path(sgd(), calm)
            left.semilogx(t, x, color=PALETTE[0], label="SGD")
            left.axhline(-1.0, ls=":", c="k")
            left.axhline(1.0, ls=":", c="0.6")
            # names on the walls themselves, where no path can hide them; the legend stands beside the paths
            left.set_yticks((-1.0, 0.0, 1.0), ("best point, -1", "0", "worst point, 1"))
            left.set(
                xlabel=r"step t; step sizes $\alpha/\sqrt{t}$",
                ylabel="$x_t$",
                ylim=(-1.08, 1.08),
            )
            left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
            k = np.arange(1, self.period + 1)
            right.bar(k, self.gradients, color=[PALETTE[1] if g > 0 else PALETTE[5] for g in self.gradients])
            right.axhline(0.0, c="k", lw=0.6)
            if max(map(abs, self.gradients)) > 20 * np.median(np.abs(self.gradients)) > 0:
                right.set_yscale("symlog", linthresh=1)
            right.set(
                xlabel="step of a period",
                ylabel="gradient",
                title=f"sum {sum(self.gradients)}, so $x = -1$ is best",
            )
        return drawn


def grows(system: Steady) -> bool:
    """Whether updates double when gradients do, as those of SGD."""
    probe = np.array([[5.0, -3.0, 2.0], [10.0, -6.0, 4.0]])
    _, size = Candidates(system).drifts(probe)
    return bool(1.5 < size[1] / size[0] < 3.0) if size[0] > 0.0 else False


def write(folder: Path, minimal: Sequence[Counterexample], strong: Counterexample | None) -> list[Path]:
    """Write the files of a hit: certificates, checker, program and figure.

    Parameters
    ----------
    folder : Path
    minimal : sequence of Counterexample
        The front; ``certificate.json`` is of the first one.
    strong : Counterexample or None
        The one that a run shows.
    """
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    shown = strong or minimal[0]
    named = {f"certificate-{one.period}": one for one in minimal[1:]}
    files = {"certificate": minimal[0], **named, **({"strong": strong} if strong else {})}
    written = []
    for name, one in files.items():
        written.append(folder / f"{name}.json")
        written[-1].write_text(json.dumps(one.certificate, indent=1) + "\n")
    for name, text in (("check.py", certificate.CHECKER.read_text()), ("problem.py", shown.code())):
        written.append(folder / name)
        written[-1].write_text(text)
    drawn = shown.figure()
    for kind in ("png", "svg"):
        written.append(folder / f"figure.{kind}")
        drawn.savefig(written[-1])
    plt.close(drawn)
    return written

"""Hunts in all classes but *periodic*: cycles with a constant step size on strongly convex functions, and random laws."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from theory_sim.evidence.hunter import gram, iid, line, orbits, sign
from theory_sim.evidence.hunter.certificate import Refused, decimal
from theory_sim.evidence.hunter.exhibit import Exhibit, exhibit
from theory_sim.evidence.hunter.linear import momentum
from theory_sim.evidence.hunter.programs import program
from theory_sim.nouns.optimizer import Optimizer

CHECKERS = {
    "line": "cycle_check.py",
    "gram": "cycle_check.py",
    "sign": "sweep_check.py",
    "iid": "iid_check.py",
    "orbits": "orbit_check.py",
}


@dataclass(frozen=True)
class Cycles:
    """The result of a hunt for cycles.

    Parameters
    ----------
    optimizer : Optimizer
    cls : {"line", "gram", "sign", "iid", "orbits"}
    front : tuple of mapping
        Certificates: of the shortest cycle, the widest sweep, or the law with the fewest components.
    searched : tuple of str
    why_none : str
        Always empty: that a linear programme in floats finds no cycle is no proof.
    """

    optimizer: Optimizer
    cls: str
    front: tuple[Mapping[str, Any], ...] = ()
    searched: tuple[str, ...] = ()
    why_none: str = ""

    @property
    def status(self) -> int:
        """Exit status: 0 found and certified, 2 nothing found within the limits."""
        return 0 if self.front else 2

    @property
    def shown(self) -> Exhibit:
        """What shows the first certificate of the front: a problem, the method on its cycle, and their figure."""
        return exhibit(self.front[0])

    def write(self, folder: Path) -> list[Path]:
        """Write certificate.json, check.py, problem.py and the figure."""
        import matplotlib.pyplot as plt

        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "certificate.json": json.dumps(self.front[0], indent=1) + "\n",
            "check.py": Path(__file__).with_name(CHECKERS[self.cls]).read_text(),
            "problem.py": program(self.front[0]),
        }
        written = [folder / name for name in files]
        for path in written:
            path.write_text(files[path.name])
        drawn = self.shown.figure()
        for kind in ("png", "svg"):
            written.append(folder / f"figure.{kind}")
            drawn.savefig(written[-1])
        plt.close(drawn)
        return written


def hunt(
    optimizer: Optimizer, cls: str, mu: Fraction, L: Fraction, longest: int, progress: Callable[[str], None]
) -> Cycles:
    """Look for the shortest cycle, or the widest sweep, on mu-strongly convex, L-smooth functions.

    Raises
    ------
    ValueError
        If the optimizer is none of the class, or not 0 < mu < L.
    """
    if not 0 < mu < L:
        raise ValueError(f"mu = {mu} and L = {L} must satisfy 0 < mu < L.")
    if cls == "sign":
        return _sweep(optimizer, L / mu)
    method = momentum(optimizer)
    best: line.Cycle | gram.Cycle
    if cls == "line" and longest > line.LONGEST:
        raise ValueError(
            f"max_period = {longest} is more than {line.LONGEST} in the class line, where orders of points are enumerated; "
            "give a smaller one, or use the class gram."
        )
    searched: list[str] = []
    for period in range(2, longest + 1):
        progress(f"period {period}")
        best = (line if cls == "line" else gram).cycle(method, float(mu), float(L), period)
        if best.margin < 0.0:
            searched.append(
                f"period {period}: the linear programme has the margin {best.margin:.3g} < 0: no cycle"
            )
            continue
        try:
            if isinstance(best, line.Cycle):
                found = line.certificate(method, mu, L, best.points)
            else:
                found = gram.certificate(method, mu, L, best)
        except Refused as error:
            searched.append(f"period {period}: margin {best.margin:.3g}, not certified: {error}")
        else:
            return Cycles(optimizer, cls, (found,), (*searched, f"period {period}: margin {best.margin:.3g}"))
    return Cycles(optimizer, cls, (), tuple(searched))


def draws(optimizer: Optimizer, most: int, order: str) -> Cycles:
    """Look for the law of fewest components on which Adam drifts the wrong way, drawn at random.

    Parameters
    ----------
    optimizer : Optimizer
    most : int
        Components.
    order : {"replacement", "reshuffled"}

    Raises
    ------
    ValueError
        If the optimizer is not Adam or RMSProp with eps outside the root, or beta2 is above 0.995.
    """
    name = optimizer.family.__name__ if optimizer.family is not None else ""
    if name not in ("adam", "rmsprop") or optimizer.hyper["eps_inside"]:
        raise ValueError(
            f"{optimizer.name} is not of the class iid, which takes adam and rmsprop with eps outside the root."
        )
    hyper = [decimal(optimizer.hyper.get(one, 0.0)) for one in ("beta1", "beta2", "eps_outside")]
    found, said = iid.hunt(hyper[0], hyper[1], hyper[2], most, order)
    return Cycles(optimizer, "iid", (found,) if found is not None else (), tuple(said))


def on_quadratics(optimizer: Optimizer) -> Cycles:
    """Return the cycle on quadratics, with its multipliers.

    Raises
    ------
    ValueError
        If the optimizer is not Adam without bias correction or RMSProp, with eps = 0, or Lion without weight decay.
    """
    name = optimizer.family.__name__ if optimizer.family is not None else ""
    hyper, corrected = optimizer.hyper, optimizer.variant.get("bias_correction") == "true"
    extra = any(hyper.get(one) for one in ("eps_inside", "eps_outside", "weight_decay"))
    if name not in orbits.METHODS or extra or corrected:
        raise ValueError(
            f"{optimizer.name} is not of the class orbits, which takes rmsprop and adam:bias_correction=false with eps=0, "
            "and lion with weight_decay=0."
        )
    given = {one: decimal(hyper[one]) for one in orbits.METHODS[name]}
    try:
        record = orbits.certificate(name, given)
    except Refused as error:
        return Cycles(optimizer, "orbits", (), (str(error),))
    return Cycles(optimizer, "orbits", (record,), (orbits.verify(record),))


def _sweep(optimizer: Optimizer, kappa: Fraction) -> Cycles:
    """Look for the widest sweep of a sign method."""
    name = optimizer.family.__name__ if optimizer.family is not None else ""
    if name not in ("signsgd", "signum", "lion") or optimizer.hyper.get("weight_decay"):
        raise ValueError(
            f"{optimizer.name} is no sign method of the class sign, which takes signsgd, signum and lion without weight decay."
        )
    method = "lion" if name == "lion" else "signum"
    hyper = {one: decimal(optimizer.hyper[one]) for one in sign.METHODS[method]}
    A = sign.largest(method, hyper, kappa)
    said = f"amplitude {A + Fraction(1, 2)} and the next two need a larger L/mu than {float(kappa):g}; other orbits are not searched"
    if not A:
        return Cycles(optimizer, "sign", (), (said,))
    try:
        return Cycles(optimizer, "sign", (sign.certificate(method, hyper, A, kappa),), (said,))
    except Refused as error:
        return Cycles(optimizer, "sign", (), (said, f"amplitude {A} is not certified: {error}"))

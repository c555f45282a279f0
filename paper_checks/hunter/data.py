"""The findings of long searches, kept in ``data.json``; ``python -m paper_checks.hunter.data`` makes it anew (eight minutes).

Claims recompute what they state from the sequences in it; only "nothing smaller was found" rests on the search.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import theory_sim as ts
from theory_sim.evidence.hunter import certificate, maps, orbit
from theory_sim.evidence.hunter.candidates import Candidates
from theory_sim.evidence.hunter.periodic import Limits, burst, hunt
from theory_sim.evidence.hunter.steady import NoFormula, steady
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.optimizers import OPTIMIZERS

FILE = Path(__file__).with_name("data.json")

# Every optimizer with formulas is hunted with its defaults, weight decay apart; these settings too.
EXTRA: dict[str, Optimizer] = {
    "rmsprop:beta2=0.9": ts.rmsprop(beta2=0.9),
    "rmsprop:beta2=0.999": ts.rmsprop(beta2=0.999),
    "adam:beta1=0,beta2=0.1": ts.adam(beta1=0.0, beta2=0.1),
    "adam:beta1=0.9,beta2=0.99": ts.adam(beta2=0.99),
    "lion:beta1=0.95,beta2=0.98": ts.lion(beta1=0.95, beta2=0.98),
    "ademamix:beta3=0.999999": ts.ademamix(beta3=0.999999),
}
BETA1, RATE2 = np.linspace(0.0, 0.98, 36), np.logspace(-0.01, -4.0, 36)  # heights: beta1, 1 - beta2
SMALL1, SMALL2 = np.linspace(0.0, 0.93, 32), np.linspace(0.005, 0.98, 32)  # periods
STRONG1, STRONG2 = np.linspace(0.0, 0.95, 12), 1.0 - np.logspace(-0.5, -3.0, 12)  # strengths
HEIGHT, LONGEST, LENGTH = 3, 7, 50
SHARES, BETAS = np.linspace(0.02, 0.98, 33), np.linspace(0.0, 0.96, 33)  # cycles
KAPPA, CYCLES = 25.0, 12


@cache
def data() -> dict[str, Any]:
    """Return the content of the file."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@cache
def _adam() -> Candidates:
    return Candidates(steady(ts.adam(eps=0.0)))


def adam(beta1: float, beta2: float) -> Candidates:
    """Return the searches for Adam with eps = 0, which are compiled once for all betas."""
    system = _adam().system
    return Candidates(replace(system, values={**system.values, "beta1": beta1, "beta2": beta2}))


def heights() -> list[list[float]]:
    """Return 1/margin at period 3 over BETA1 and RATE2: no lower height fails, as far as the line search sees."""
    return [[round(1.0 / maps.margin(adam(b1, 1.0 - r2))[0], 6) for r2 in RATE2] for b1 in BETA1]


def periods() -> list[list[int]]:
    """Return the shortest period up to LONGEST with max|g| <= HEIGHT over SMALL1 and SMALL2, 0 for none; enumerated."""
    return [[maps.shortest(adam(b1, b2), LONGEST, HEIGHT) for b2 in SMALL2] for b1 in SMALL1]


def strengths() -> list[list[float]]:
    """Return -D/n of the best sequence with sum 1 and n = max|g| = LENGTH that annealing finds."""
    return [[round(maps.strongest(adam(b1, b2), LENGTH), 7) for b2 in STRONG2] for b1 in STRONG1]


def fronts() -> dict[str, Any]:
    """Hunt every optimizer of the suite; its front and its strong example, its identity, or why it has no formulas."""
    every: dict[str, Optimizer] = {}
    for name, make in OPTIMIZERS.items():
        try:
            one = make()
        except TypeError:  # it has parameters without defaults
            continue
        every[name] = make(weight_decay=0.0) if one.hyper.get("weight_decay") else one
    found: dict[str, Any] = {}
    for name, optimizer in {**every, **EXTRA}.items():
        sys.stderr.write(f"{name}\n")
        try:
            result = hunt(optimizer, name.partition(":")[0], Limits(period=6, seconds=90.0))
        except NoFormula as error:
            found[name] = {"reason": str(error)}
            continue
        if result.why_none:
            found[name] = {"identity": result.why_none}
            continue
        found[name] = {
            "front": [dict(one.certificate) | {"how": one.how} for one in result.front],
            "strong": dict(result.strong.certificate) if result.strong else None,
            "searched": [str(one) for one in result.searched],
        }
    return found


def cycles() -> list[list[int]]:
    """Return the shortest cycle up to CYCLES of the heavy ball on functions with mu = 1, L = KAPPA, 0 for none.

    Over SHARES, of the largest step size 2 (1 + beta)/L for quadratics, and BETAS.
    """

    def shortest(share: float, beta: float) -> int:
        step = share * 2.0 * (1.0 + beta) / KAPPA
        return maps.shortest_cycle(ts.sgdm(lr=step, momentum=beta), 1.0, KAPPA, CYCLES)

    return [[shortest(share, beta) for beta in BETAS] for share in SHARES]


def bursts() -> list[list[int]]:
    """Return long sequences of low height and sum 1 that fail Adam(0.9, 0.999), found by annealing from a burst.

    For each height the shortest period at which two tries succeed, in steps of 5 % down.
    """
    candidates = adam(0.9, 0.999)
    exact = certificate.exact(candidates.system)
    found = []
    for height in (1, 2, 3, 4, 6, 10, 20, 40):
        n, best = 400, None
        while n >= 20:
            tries = [
                candidates.anneal(burst(n, height, max(1, n // 10)), height, 400_000, 0.02, k) for k in (0, 1)
            ]
            least, g = min(tries)
            if least >= 0.0 or not orbit.wrong(candidates.system, exact, g):
                break
            best, n = g, int(0.95 * n)
        if best is not None:
            found.append(best)
            sys.stderr.write(f"height {height}: period {len(best)}\n")
    return found


def main() -> None:
    """Write the file, or only the parts that are named."""
    made = json.loads(FILE.read_text()) if FILE.exists() else {}
    for part in (heights, periods, strengths, fronts, cycles, bursts):
        if part.__name__ in sys.argv[1:] or len(sys.argv) == 1:
            made[part.__name__] = part()
    FILE.write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

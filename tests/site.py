"""A whole site of the suite's own nouns whose evidence is made up, so that no claim is run."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import theory_sim as ts
from counterexamples import zhang
from theory_sim.app import catalogue
from theory_sim.app.report import Site, document
from theory_sim.app.report.pages import Drawing
from theory_sim.app.report.site import write_site
from theory_sim.nouns.claim import Claim, Deviation, Result, at_most, undecided, unjudged
from theory_sim.nouns.figure import Figure
from theory_sim.optimizers import OPTIMIZERS

# What an attacker, or an author with a taste for markup, would put into a name or a sentence.
HOSTILE = (
    "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp; $\\beta$ x_<b>^2 <b>2</b> in the end"
)


def hostile_claim() -> Claim:
    return Claim(
        f"reddi2018.{HOSTILE}", HOSTILE, HOSTILE, "upper", lambda grids, tier: at_most(0, 1, HOSTILE)
    )


def hostile_figure() -> Figure:
    def draw(axes: Any, grids: Any) -> None: ...

    claims = (hostile_claim().id,)
    return Figure(HOSTILE, HOSTILE, (1, 1), (1.0, 1.0), (), draw, lambda grids: {HOSTILE: 1.0}, claims)


def a_map(name: str) -> ts.Sweep:
    """Return a sweep that the explorer shows: cells on both sides of the exact curve."""
    adam = ts.adam(0.1, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
    axes = {"n": [5, 10], "beta1": np.linspace(0.0, 0.7, 8), "beta2": np.linspace(0.1, 0.95, 9)}
    return ts.Sweep(zhang.piecewise(5), adam, axes, steps=2000, name=name)


def picture() -> bytes:
    """Return a white PNG of 8 by 4 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 8, 4, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff" * 8) * 4)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def drawing(name: str) -> Drawing:
    stem = f"figures/{name}"
    content = {
        "features": {HOSTILE if "<" in name else "area": 0.5},
        "panels": [{"title": "a", "x": "$t$", "y": "gap"}],
        "curves": [{"panel": 0, "label": HOSTILE if "<" in name else "Adam", "x": [], "y": []}],
    }
    return Drawing((f"{stem}.png", f"{stem}.svg", f"{stem}.json"), (8, 4), content)


def made_up(hostile: bool = False) -> Site:
    """Return the site of every noun of the suite; every tenth claim is UNDECIDED, one was not run."""
    claims = dict(catalogue.claims())
    figures = list(catalogue.figures().values())
    deviations = list(catalogue.deviations())
    if hostile:
        claims[hostile_claim().id] = hostile_claim()
        figures.append(hostile_figure())
        deviations.append(Deviation("reddi2018", HOSTILE, HOSTILE, HOSTILE, (hostile_claim().id,)))
    results = []
    for i, claim in enumerate(claims.values()):
        evidence = (
            undecided(HOSTILE, "< 1", "more steps") if i % 10 == 3 else at_most(0.5, 1.0, "a note " * 50)
        )
        results.append(Result(claim, unjudged("it needs torch") if i == 5 else evidence, 0.25))
    return Site(
        document={**document(results, "quick"), "date": "2026-01-02 03:04 UTC", "seconds": 61.5},
        claims=claims,
        figures=figures,
        drawings={one.name: drawing(one.name if one.name != HOSTILE else "a <b>.x") for one in figures},
        theorems=catalogue.theorems(),
        optimizers=OPTIMIZERS,
        deviations=deviations,
        maps=[(one, one.run()) for one in (a_map(HOSTILE), a_map("test.map"))],
    )


def written(site: Site, folder: Path) -> Path:
    """Write a site with a white picture for every figure, and return its folder."""
    (folder / "figures").mkdir(parents=True)
    for one in site.drawings.values():
        for file in one.files:
            (folder / file).write_bytes(picture())
    write_site(site, folder)
    return folder

"""The battery of an audit: every row tells optimizers apart, says why it is there, and has a horizon that decides it."""

import os
import re

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import clipping
from theory_sim.app import audit as audits
from theory_sim.app.battery import BATTERY
from theory_sim.evidence.bout import Native
from theory_sim.nouns.papers import PAPERS

# C, D, u and - of SGD, Adam, AMSGrad, RMSProp, signSGD, clipped SGD, by row.  Derived, not only seen:
# signs follow the many small slopes (reddi, shi, zhang, sign.linear) and stay on a line (sign.pair); so does clipping at
# 1, but for sign.pair, where gradients soon are below 1; v of Adam and RMSProp forgets 150 steps (D < 0 at both), and
# not 10; SGD is thrown over the walls, keeps its step from the top of the wall, and sums Cauchy noise.
SEEN = {
    "smooth.quadratic": "CCCCCC",
    "reddi.periodic": "CDCDDD",
    "shi.periodic": "CCCCDD",
    "zhang.piecewise@cyclic": "CCCCDD",
    "zhang.piecewise@reshuffled": "CCCuDD",
    "sign.linear": "CCCCDD",
    "sign.pair": "CCCCDC",
    "sign.skewed": "CCCCDD",
    "generalized_smooth.hard_function": "DCCCCC",
    "noisy_well.noisy_well": "uCuCCC",
    "clipping.cauchy": "DuuCCC",
}
TRIED = (
    ts.sgd(), ts.adam(), ts.amsgrad(variant="torch"), ts.rmsprop(), ts.signsgd(), ts.clipped_gd(),
)  # fmt: skip


# Every row tells two of these three apart; each optimizer more is as many kernels, and their runs.
CHOSEN = range(len(TRIED)) if os.environ.get("THEORY_SIM_TIER") == "full" else (0, 1, 4)


def letters(optimizer: ts.Optimizer) -> str:
    bouts, lr = audits.prepared("battery", None, 4, "calibrate", 0)
    rows = audits._rows(audits._run(Native(optimizer, "tried"), bouts, lr), None)
    return "".join({"UNDECIDED": "u", "UNJUDGED": "-"}.get(row.verdict, row.verdict[0]) for row in rows)


def test_every_row_tells_optimizers_apart() -> None:
    assert SEEN.keys() == BATTERY.keys()
    seen = {name: "".join(row[k] for k in CHOSEN) for name, row in SEEN.items()}
    found = [letters(TRIED[k]) for k in CHOSEN]
    assert {name: "".join(row) for name, row in zip(BATTERY, zip(*found, strict=True), strict=True)} == seen
    for name, row in seen.items():
        assert "C" in row
        assert name == "smooth.quadratic" or set(row) != {"C"}


def test_every_row_says_why_it_is_there() -> None:
    years = {str(paper.year) for paper in PAPERS.values()}
    for name, entry in BATTERY.items():
        assert re.search(r"; (failing|not CONVERGED) means that [^.;]+\.$", entry.why), name
        assert name == "smooth.quadratic" or set(re.findall(r"\b(?:19|20)\d\d\b", entry.why)) & years or (
            "same components" in entry.why
        ), name  # fmt: skip
        assert len(entry.why) < 300, name


def test_horizons_suit_the_rules() -> None:
    bouts, _ = audits.prepared("battery", None, 4, "calibrate", 0)
    assert [bout.short for bout in bouts] == [""] * len(BATTERY)
    assert [bout.steps for bout in bouts] == [entry.steps for entry in BATTERY.values()]
    assert max(bout.steps for bout in bouts) == 100_000


def test_sgd_sums_cauchy_noise_to_its_scale_whatever_the_steps() -> None:
    """x_T = Pi + heavy (1 - Pi) zeta: half of the lanes are within heavy (1 - Pi) of Pi."""
    problem, lr, steps = clipping.cauchy(heavy=3.0, d=20), 0.1, 400
    for schedule in (ts.constant(), ts.power(0.5)):
        rates = lr * (np.ones(steps) if schedule == ts.constant() else np.arange(1, steps + 1) ** -0.5)
        left = float(np.prod(1.0 - rates))
        run = ts.Sweep(problem, ts.sgd(lr, schedule=schedule), steps=steps, seeds=200).run()
        inside = np.abs(run.x_final.values - left) <= 3.0 * (1.0 - left)
        assert inside.size == 4000
        assert inside.mean() == pytest.approx(0.5, abs=4.0 * 0.5 / np.sqrt(4000))  # four standard deviations


def test_the_spread_is_bounded_and_half_for_a_standard_cauchy_variable() -> None:
    """E |z|/(1 + |z|) = (2/pi) int t/((1 + t)(1 + t^2)) = 1/2."""
    z = np.tan(np.pi * (np.arange(100_000) + 0.5) / 100_000 - np.pi / 2)[:, None] * np.ones(20)
    seen = clipping.cauchy().stream(seeds=len(z)).measures(z, 1)["spread"]
    assert seen.max() < 1.0
    assert seen.mean() == pytest.approx(0.5, abs=1e-4)
    with pytest.raises(ValueError, match="heavy = 0"):
        clipping.cauchy(heavy=0.0)


def test_an_undecided_run_that_goes_nowhere_says_where_it_was() -> None:
    bouts, lr = audits.prepared("zhang.piecewise@cyclic", None, 4, "calibrate", 0)
    ran = audits._run(Native(ts.lion(), "lion"), bouts, lr)
    (row,), (grid,) = audits._rows(ran, None), audits._grids(ran).values()
    assert row.verdict == "UNDECIDED"
    assert np.isnan(grid.decides_at.values).all()
    means = ", ".join(f"{one:.3g}" for one in grid.distance_window.values[0])
    # distance 7 at the start: 0.9 and 1.1 of it
    assert row.note == (
        f"distance {means} at a quarter, half and end of the steps; CONVERGED takes less than 6.3, DIVERGED more than 7.7, "
        "and neither with a way back"
    )


def test_the_conclusion_names_what_was_run() -> None:
    card = ts.audit("sgd", "sign.linear,shi.periodic,smooth.quadratic", steps=3000, seeds=3)
    assert [row.seeds for row in card.rows] == [3, 1, 3]
    assert card.conclusion.startswith(
        "On 3 problems, 1 to 3 seeds of 3000 steps each, with lr/sqrt(t) from a mean |step|"
    )
    one = ts.audit("sgd", "shi.periodic", seeds=3)
    assert one.conclusion.startswith("On 1 problem, 1 seed of 100000 steps each, with")
    assert card.record()["why"].keys() == {"sign.linear", "shi.periodic", "smooth.quadratic"}


def test_only_a_control_on_trial_shares_its_runs() -> None:
    card = ts.audit(ts.adam(0.3), "smooth.quadratic", steps=1000)
    assert card.grids["smooth.quadratic"] is card.control_grids["Adam"]["smooth.quadratic"]

    def up(g: float, lr: float, x: float) -> float:
        return x + lr * g

    for other in (ts.adam(beta2=0.99), ts.Optimizer("sgd", up, 0.01)):  # a name is not enough
        card = ts.audit(other, "smooth.quadratic", steps=1000)
        for grids in card.control_grids.values():
            assert not grids["smooth.quadratic"].x_final.equals(card.grids["smooth.quadratic"].x_final)

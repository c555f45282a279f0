"""The recursion of expected losses: by hand, and against runs of SGD."""

import math

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import smooth
from counterexamples.power_law import losses


def test_one_step_by_hand() -> None:
    # curvatures 1 and 1/2 at exponent 1, squared starts 1: eta = 1/2 leaves 1/4 + .25/4 x 1 and 9/16 + .25/4 x 1/2
    found = losses(np.array([[0.5]]), d=2, spectrum=1.0, start=0.0, noise=0.25)
    assert found.item() == pytest.approx(1.0 + 0.5 * (0.25 + 1 / 16) + 0.25 * (9 / 16 + 1 / 32), rel=1e-15)


def test_sgd_has_these_losses_on_average() -> None:
    lr, steps = 0.3, 8
    schedule = ts.cosine(steps, 0.1)
    # curvature 1 and noise of variance .25
    run = ts.Sweep(
        smooth.quadratic(1, 0.5),
        ts.sgd(lr, schedule=schedule),
        steps=steps,
        seeds=4000,
        checkpoints=range(1, steps + 1),
    ).run()
    exact = losses(lr * schedule.factors(steps)[None, :], d=1) - 1.0
    error = run.gap.std("seed", ddof=1) / math.sqrt(4000)
    # 5 standard errors of the mean over seeds, and the noise moves the result by more than that
    assert (abs(run.gap.mean("seed").values - exact[0]) < 5.0 * error.values).all()
    assert (
        abs(losses(lr * schedule.factors(steps)[None, :], d=1, noise=0.5) - 1.0 - exact)[0]
        > 5.0 * error.values
    ).all()

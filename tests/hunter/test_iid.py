"""Independent gradients: brackets of the mean drift against a long run, hunts, and certificates."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.evidence.hunter import iid, iid_check


@pytest.mark.parametrize(("beta1", "beta2", "n"), [(0.0, 0.5, 3), (0.9, 0.9, 10), (0.5, 0.9, 4)])
def test_a_long_run_is_inside_the_bracket(beta1: float, beta2: float, n: int) -> None:
    found = iid.bracket((n, -1), (1, n - 1), beta1, beta2, grid=2000)
    rng, lanes, steps = np.random.default_rng(4), 4000, 600
    m, v, total = np.zeros(lanes), np.ones(lanes), np.zeros(lanes)
    for t in range(steps):
        g = np.where(rng.random(lanes) < 1.0 / n, float(n), -1.0)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        if t >= 200:
            total += m / np.sqrt(v) / 400
    error = 4.0 * total.std() / np.sqrt(lanes)
    assert found.low - error <= total.mean() <= found.high + error
    # a narrower bracket is inside a wider one, as each of them holds the same number
    finer = iid.bracket((n, -1), (1, n - 1), beta1, beta2, grid=8000)
    assert max(finer.low, found.low) <= min(finer.high, found.high)
    assert finer.high - finer.low < found.high - found.low


def test_a_chain_of_two_values_by_hand() -> None:
    # beta1 = beta2 = 0: v = g^2, so the drift is E sign(g) = 1/3 - 2/3; v is rounded by a cell of log 9/1999 at most
    found = iid.bracket((3, -1), (1, 2), 0.0, 0.0, grid=2000)
    assert found.low <= -1.0 / 3.0 <= found.high
    assert found.high - found.low < 2.2 / 1999


def test_the_hunt_and_its_certificate(tmp_path: Path) -> None:
    out = tmp_path / "law"
    words = [
        "hunt",
        "adam:beta1=0.9,beta2=0.9,eps=0",
        "--class",
        "iid",
        "--max-period",
        "8",
        "--out",
        str(out),
    ]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 0, ran.output
    assert "7 components, slope 7 once and slope -1 6 times, drawn with replacement" in ran.output
    assert ran.output.count("right") == 5  # 2 to 6 components, each proved
    record = json.loads((out / "certificate.json").read_text())
    assert CliRunner().invoke(main, ["hunt", "--verify", str(out / "certificate.json")]).exit_code == 0
    assert iid_check.check(record)
    with pytest.raises(ValueError, match="takes adam and rmsprop"):
        ts.hunt("lion", "iid")


@pytest.mark.parametrize(
    ("beta1", "beta2", "law"),
    [(0.0, 0.5, ((3, -1), (1, 2))), (0.9, 0.9, ((6, -1), (1, 5))), (0.5, 0.8, ((5, -1, -2), (1, 2, 1)))],
)
def test_reshuffled_runs_are_inside_the_bracket(beta1: float, beta2: float, law: Any) -> None:
    found = iid.bracket(*law, beta1, beta2, grid=3000, order="reshuffled")
    rng, lanes, epochs = np.random.default_rng(9), 4000, 60
    epoch = np.repeat(*law).astype(float)
    m, v, total = np.zeros(lanes), np.ones(lanes), np.zeros(lanes)
    for k in range(epochs):
        for g in rng.permuted(np.tile(epoch, (lanes, 1)), axis=1).T:
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            total += (k >= 20) * m / np.sqrt(v) / (40 * len(epoch))
    error = 4.0 * total.std() / np.sqrt(lanes)
    assert found.low - error <= total.mean() <= found.high + error
    assert found.high - found.low < 0.01


def test_two_gradients_reshuffled_by_hand() -> None:
    # beta1 = beta2 = 0: v = g^2 and the drift is E sign(g) = 0 for (2, -1), in any order
    plain = iid.bracket((2, -1), (1, 1), 0.0, 0.0, grid=2000, order="reshuffled")
    assert plain.low <= 0.0 <= plain.high
    # beta1 = 0, beta2 = 1/2 and (2, -1), one of each in an epoch: what is left is both, (2) or (-1), at times 1/2, 1/4, 1/4
    found = iid.urn((1, 1), "reshuffled")
    assert found.start == (0.5, 0.25, 0.25)
    assert len(found.moves) == 4
    assert found.most == 2
    # every state has probability 1 of going on, and the start is stationary
    flow = np.zeros((3, 3))
    for before, after, _, share in found.moves:
        flow[before, after] += share
    assert np.array_equal(flow.sum(axis=1), np.ones(3))
    assert np.array_equal(np.array(found.start) @ flow, np.array(found.start))


def test_remainders_of_an_epoch() -> None:
    assert len(iid.urn((1,) * 7, "reshuffled").start) == 2**7 - 1  # the empty one is the full one
    with pytest.raises(ValueError, match="more than 400 remainders"):
        iid.urn((1,) * 9, "reshuffled")
    with pytest.raises(ValueError, match="order"):
        iid.urn((1, 2), "cyclic")
    with pytest.raises(ValueError, match="is of the class iid"):
        ts.hunt("adam", order="reshuffled")


@pytest.mark.parametrize("order", iid.ORDERS)
def test_forgeries_are_refused_by_both(order: str) -> None:
    record = iid.certificate((4, -1), (1, 3), {"beta1": "0", "beta2": "0.5", "eps": "0"}, 100, order)
    rng, passed = random.Random(2), 0
    for _ in range(40):
        forged = copy.deepcopy(record)
        field = rng.choice(["gradients", "weights", "grid", "hyper", "proves", "order"])
        if field in ("gradients", "weights"):
            forged[field][rng.randrange(2)] += rng.choice([-1, 1, 2])
        elif field == "hyper":
            forged[field][rng.choice(["beta1", "beta2", "eps"])] = rng.choice(
                ["0.1", "0.9", "1", "-0.1", "x", "0.4"]
            )
        else:
            forged[field] = rng.choice([5, 20, 100, "x", "reshuffled"])
        if forged == record:
            continue
        found = []
        for check in (iid_check.check, iid.verify):
            try:
                check(forged)
                found.append(True)
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
                found.append(False)
        assert found[0] == found[1], forged
        passed += found[0]
    assert 0 < passed < 40


@pytest.mark.parametrize("order", iid.ORDERS)
def test_the_checker_bounds_as_the_bracket_does(order: str) -> None:
    found = iid.bracket((5, -1, -2), (1, 2, 1), 0.5, 0.8, grid=60, order=order)
    bound = iid_check.drift([5, -1, -2], [1, 2, 1], order, 0.5, 0.8, 0.0, 60)
    # the same sums in another order; grid points by exp of logarithms that differ by an ulp
    assert bound == pytest.approx(found.high, abs=1e-9)

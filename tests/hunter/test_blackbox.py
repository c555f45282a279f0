"""Optimizers of other libraries in the black box: the same drifts, hits and refusals as those of the suite."""

import numpy as np
import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.app.contenders import contender
from theory_sim.evidence.hunter import blackbox

MANY = np.array([[3.0, -1.0, -1.0], [2.0, 1.0, -1.0], [3.0, -2.0, 0.0]])


@pytest.fixture
def torchs() -> None:
    pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')


@pytest.mark.usefixtures("torchs")
def test_the_drifts_of_torch_are_those_of_the_suite() -> None:
    # the same formulas in another order of operations: 300 steps of a few roundings of |x| < 1000 each
    theirs = blackbox.drifts(contender("torch.optim:Adam:betas=(0.5,0.6),eps=0.0"), MANY, 60)
    ours = blackbox.drifts(ts.adam(beta1=0.5, beta2=0.6, eps=0.0), MANY, 60)
    assert np.allclose(theirs, ours, rtol=0.0, atol=1e-10)


@pytest.mark.usefixtures("torchs")
def test_a_hit_of_torch_is_seen_and_not_certified() -> None:
    words = ["hunt", "torch.optim:Adam:betas=(0.0,0.1)", "--max-period", "3", "--max-height", "3"]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 2, ran.output
    assert "seen in runs, not certified: (3, -1, -1)" in ran.output


@pytest.mark.usefixtures("torchs")
def test_no_hit_and_refusals_of_torch() -> None:
    found = ts.hunt("torch.optim:SGD:momentum=0.9", max_period=3, max_height=3)
    assert (found.status, found.seen, len(found.searched)) == (2, None, 3)
    with pytest.raises(ValueError, match="moves x by itself"):
        ts.hunt("torch.optim:AdamW", max_period=2, max_height=1)
    with pytest.raises(ValueError, match="needs formulas"):
        ts.hunt("torch.optim:Adam", minimise="strength")
    with pytest.raises(ValueError, match="only the class periodic"):
        ts.hunt("torch.optim:SGD", "gram", L=4)


def test_the_drifts_of_optax_are_those_of_the_suite() -> None:
    pytest.importorskip("optax", reason='needs optax: pip install "theory-sim[optax]"')
    theirs = blackbox.drifts(contender("optax:adam:b1=0.5,b2=0.6,eps=0.0"), MANY, 60)
    ours = blackbox.drifts(ts.adam(beta1=0.5, beta2=0.6, eps=0.0), MANY, 60)
    assert np.allclose(theirs, ours, rtol=0.0, atol=1e-10)


def test_a_step_size_is_refused() -> None:
    with pytest.raises(ValueError, match="step size does not matter"):
        ts.hunt("adam:beta2=0.9,lr=0.1")


def test_time_ends_the_black_box() -> None:
    hit, said = blackbox.hunt(ts.sgd(), 3, 3, burn_in=5, seconds=0.0)
    assert hit is None
    assert said == ["period 2: out of time"]

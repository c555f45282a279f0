"""The noisy well: the law of its noise, its facts, and the closed forms of escape."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

import theory_sim as ts
from counterexamples import noisy_well as nw
from counterexamples.generalized_smooth import well
from theory_sim.engine.evaluate import gradients, measures
from theory_sim.optimizers.momentum import sgdm


def noise(nu: float, seeds: int = 40_000, entropy: int = 0) -> np.ndarray:
    """Draws of zeta: one step of size 1 from the minimum moves x by -zeta."""
    grid = ts.simulate(nw.noisy_well(nu=nu), ts.sgd(lr=1.0), steps=1, seeds=seeds, x0=0.0, entropy=entropy)
    return -grid.x_final.values.ravel()


@pytest.mark.parametrize("nu", [2.5, 3.0, 8.0, math.inf])
def test_noise_has_the_stated_law(nu: float) -> None:
    # Kolmogorov-Smirnov on 40,000 draws; false alarm 1e-4 per law.
    scale = 1.0 if nu == math.inf else math.sqrt((nu - 2.0) / nu)
    law = stats.norm() if nu == math.inf else stats.t(nu, scale=scale)
    assert stats.kstest(noise(nu), law.cdf).pvalue > 1e-4


def test_noise_by_hand() -> None:
    # u = 1 - 3/4 = 1/4 and v = 1/4, so sin(2 pi v) = 1: zeta^2 = (nu - 2)(u^(-2/nu) - 1) = 2 (4^(1/2) -
    # 1) = 2 at nu = 4, and -2 ln u = 4 ln 2 for the Gaussian.  The gradient at 1/2 is 1/2 + sigma zeta.
    for nu, square in ((4.0, 2.0), (math.inf, 4.0 * math.log(2.0))):
        found = gradients(nw.noisy_well(nu=nu, sigma=3.0), [[0.5]], uniforms=[[0.75], [0.25]]).item()
        assert found == pytest.approx(0.5 + 3.0 * math.sqrt(square), rel=1e-13)


@pytest.mark.parametrize("nu", [2.5, 3.0, 5.0, math.inf])
def test_moments(nu: float) -> None:
    facts = nw.noisy_well(nu=nu).facts
    law = stats.norm() if nu == math.inf else stats.t(nu, scale=math.sqrt((nu - 2.0) / nu))
    assert law.var() == pytest.approx(1.0)
    exact = 2.0 * integrate.quad(lambda z: z * law.pdf(z), 0.0, math.inf)[0]
    assert facts["mean_absolute"] == pytest.approx(exact, rel=1e-7)
    if nu > 4.0:
        assert facts["kurtosis"] == pytest.approx(3.0 + float(law.stats("k")), rel=1e-12)
    else:
        assert "kurtosis" not in facts
    z = np.array([-1.0, 0.0, 2.0, 1e3])
    np.testing.assert_allclose(nw.survival(z, nu), law.sf(z), rtol=1e-9)


def test_without_noise_it_is_the_well() -> None:
    quiet, noisy = well(2.0, 0.5, 8.0), nw.noisy_well(2.0, 0.5, sigma=0.0, delta=8.0)
    assert noisy.start == quiet.start
    for x in (-6.0, -1.0, 0.3, 5.0):
        assert measures(noisy, [[x]])["distance"].item() == abs(x)
        assert gradients(noisy, [[x]]) == pytest.approx(gradients(quiet, [[x]]), rel=1e-15)
    a, b = (ts.simulate(p, ts.sgd(lr=0.1), steps=50, checkpoints=5) for p in (quiet, noisy))
    for name in ("x", "gap", "gradient_norm"):
        np.testing.assert_array_equal(a[name], b[name])


def test_measures_at_the_start() -> None:
    grid = ts.simulate(nw.noisy_well(delta=8.0), ts.sgd(lr=1e-300), steps=1)
    assert float(grid.gap_final[0]) == pytest.approx(8.0)
    assert float(grid.gradient_norm_final[0]) == pytest.approx(8.5)  # L1 delta + L0/(2 L1)
    assert float(grid.distance_final[0]) == pytest.approx(1.0 + math.log(8.5))


def test_nu_is_an_axis() -> None:
    sweep = ts.Sweep(nw.noisy_well(), ts.sgd(lr=0.1), axes={"nu": (2.5, math.inf)}, steps=3, x0=0.0)
    values = sweep.run().x_final.values.ravel()
    assert np.isfinite(values).all()
    assert values[0] != values[1]


@pytest.mark.parametrize(("name", "value"), [("nu", 2.0), ("nu", math.nan), ("sigma", -1.0), ("L1", 0.0),
                                             ("L0", -1.0), ("delta", 0.0)])  # fmt: skip
def test_rejects_bad_constants(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} = {value}"):
        nw.noisy_well(**{name: value})


@pytest.mark.parametrize("lr", [1.0, 0.5, 0.1])
def test_escape_point_separates_gradient_descent(lr: float) -> None:
    edge = nw.escape_point(lr)
    assert lr * math.exp(edge - 1.0) == pytest.approx(2.0 * edge)
    sweep = ts.Sweep(well(), ts.sgd(lr=lr), axes={"x0": (edge * (1 - 1e-9), edge * (1 + 1e-9))}, steps=2_000)
    assert sweep.run().status.values.ravel().tolist() == ["FINITE", "NONFINITE"]
    # Without momentum a kick z at rest moves x by -lr z.
    assert nw.kick_escapes([0.999 * edge / lr, 1.001 * edge / lr], lr, 0.0).tolist() == [False, True]


def test_kicks_agree_with_the_lane_loop() -> None:
    # A kick z at rest is the momentum m_0 with beta m_0 = (1 - beta) z and no noise.
    lr, beta = 0.7, 0.5
    z = np.geomspace(2.0, 60.0, 40)
    inside = nw.kick_escapes(z, lr, beta)
    for value, escapes in zip(z, inside, strict=True):
        optimizer = sgdm(lr, beta, convention="ema", m0=(1.0 - beta) * value / beta)
        grid = ts.simulate(well(), optimizer, steps=2_000, x0=0.0)
        assert (grid.status.values[0] == "NONFINITE") == escapes
    assert 0 < inside.sum() < inside.size
    # Near the edge kicks that return lie among those that escape: the set is no half-line.
    near = nw.kick_escapes(np.linspace(18.0, 20.0, 400), 0.5, beta)
    assert np.any(near[:-1] & ~near[1:])


def test_escape_probability_without_momentum_is_the_resolved_set() -> None:
    # The same integral on the grid of kicks that momentum needs: 2000 cells over a factor 400, .3 % each, and
    # a tail like z^-3, so the edge of the set costs at most 1 %.
    for lr in (1.0, 0.3):
        edges = np.geomspace(1.0, 400.0, 2_001) / lr
        inside = nw.kick_escapes(np.sqrt(edges[1:] * edges[:-1]), lr, 0.0)
        total = 2.0 * float(-np.diff(nw.survival(edges, 3.0)) @ inside + nw.survival(edges[-1], 3.0))
        assert nw.escape_probability(lr, 3.0) == pytest.approx(total, rel=0.01)


def test_escape_times() -> None:
    times = [nw.median_escape_time(lr, 3.0, beta) for lr in (1.0, 0.3, 0.1) for beta in (0.0, 0.5, 0.9)]
    assert times == sorted(times[:3]) + sorted(times[3:6]) + sorted(times[6:])
    assert nw.median_escape_time(0.1, math.inf) > 1e100  # 53 standard deviations
    with pytest.raises(ValueError, match="lr = 2"):
        nw.escape_probability(2.0, 3.0)
    with pytest.raises(ValueError, match="lr = 6"):
        nw.escape_probability(6.0, 3.0, 0.5)


def test_capped_gradient_against_direct_quadrature() -> None:
    # E min(|E'(x)|, K) over the density of zeta, cut where the exponential passes K.
    x0, lr, K = 2.0, 0.5, 50.0
    law = stats.t(3.0, scale=math.sqrt(1.0 / 3.0))

    def value(z: float) -> float:
        x = abs(x0 - lr * (math.exp(x0 - 1.0) + z))
        return min(x if x <= 1.0 else math.exp(min(x, 700.0) - 1.0), K) * law.pdf(z)

    points = np.linspace(-60.0, 60.0, 241)
    total = sum(integrate.quad(value, a, b, epsabs=1e-12)[0] for a, b in itertools.pairwise(points))
    total += 2.0 * K * law.sf(60.0)
    assert 10.0 ** nw.capped_gradient(K, x0, lr, 3.0) == pytest.approx(total, rel=1e-6)


def test_capped_gradient_grows_only_under_heavy_tails() -> None:
    for nu, low, high in ((3.0, 94.0, 96.0), (math.inf, -1e-6, 1e-6)):
        growth = nw.capped_gradient(1e128, 3.0, 0.5, nu) - nw.capped_gradient(1e32, 3.0, 0.5, nu)
        assert low <= growth <= high

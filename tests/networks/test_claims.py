"""Claims on networks fail on grids that were changed on purpose."""

import numpy as np
import pytest
import xarray as xr

from paper_checks.networks import curvature, messages, phase, transformers
from paper_checks.networks.ends import final, half_width, lost, mean_within, tuned
from tests.tampering import fails_on_tampered_grids
from theory_sim.nouns.claim import Outcome

pytest.importorskip("torch", reason='networks need torch: pip install "theory-sim[networks]"')
pytest.importorskip("sklearn", reason='networks need scikit-learn: pip install "theory-sim[networks]"')


def swapped(grid: xr.Dataset) -> xr.Dataset:
    """beta1 and beta2 exchanged: the loss at (b1, b2) is that at the nearest (b2, b1)."""
    one, two = grid.beta1.values, grid.beta2.values
    i = np.abs(one[:, None] - two).argmin(axis=0)  # the row of each beta2
    j = np.abs(two[:, None] - one).argmin(axis=0)  # the column of each beta1
    return grid.assign(loss=(grid.loss.dims, grid.loss.values[i[None, :], j[:, None]]))


def later(grid: xr.Dataset, factor: float, plus: float = 0.0) -> xr.Dataset:
    """The losses after the start changed."""
    return grid.assign(loss=grid.loss.where(grid.checkpoint == 0, factor * grid.loss + plus))


def flat(grid: xr.Dataset) -> xr.Dataset:
    """The same loss everywhere, below that at the start."""
    return later(grid.assign(loss=np.minimum(grid.loss, 1e9)), 0.0, 0.1)


def alike(grid: xr.Dataset) -> xr.Dataset:
    """All blocks as the first."""
    return grid.isel(block=np.zeros(grid.sizes["block"], int))


test_phase = fails_on_tampered_grids(
    "zhang2022",
    ("N1", "networks", swapped),
    ("N2", "networks", flat),
    ("N3", "networks", swapped),
    ("N3", "networks", flat),
)
test_transformers = fails_on_tampered_grids(
    "zhang2024transformers",
    ("N1", "transformer_sgdm", "loss", lambda loss: 0.5 * loss),
    ("N1", "transformer_adam", lambda grid: later(grid, 1.3)),
    ("N3", "transformer_spectra", alike),
)
test_clipping = fails_on_tampered_grids(
    "zhang2020clipping", ("N2", "cnn", "smoothness", lambda smoothness: 1.0 / smoothness)
)
test_edge = fails_on_tampered_grids(
    "cohen2022",
    ("N1", "edge", "preconditioned", lambda sharpness: 1.15 * sharpness),
    ("N1", "edge", lambda grid: grid.assign_coords(beta1=grid.beta1[::-1].values)),
)
test_messages = fails_on_tampered_grids(
    "qadam2021",
    ("N1", "quantized", "loss", lambda loss: 1.3 * loss),
    (
        "N2",
        "quantized",
        lambda grid: grid.assign(
            loss=grid.loss.isel(error_feedback=[1, 1]).assign_coords(error_feedback=grid.error_feedback)
        ),
    ),
)


def grid_of(loss: np.ndarray, **axes: list[float]) -> xr.Dataset:
    """A grid whose four checkpoints have the same loss (axes ..., seed)."""
    dims = (*axes, "seed")
    coords = {**axes, "seed": range(loss.shape[-1]), "checkpoint": range(4)}
    values = np.repeat(loss[..., None], 4, axis=-1)
    return xr.Dataset(
        {"loss": ((*dims, "checkpoint"), values), "nonfinite_step": (dims, np.full(loss.shape, -1))}, coords
    )


def test_a_loss_is_infinite_or_lost() -> None:
    grid = grid_of(np.array([[1.0], [np.nan]]), lr=[0.1, 1.0])
    assert lost(grid)
    grid["nonfinite_step"][1] = 7
    assert not lost(grid)
    assert final(grid).values.tolist() == [[1.0], [np.inf]]
    assert tuned(grid).values.tolist() == [1.0]


def test_the_interval_is_students() -> None:
    # Of 1, 2, 3: standard deviation 1, t with 2 degrees of freedom 4.303, over sqrt(3): 2.484.
    assert half_width(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.484, abs=1e-3)
    assert half_width(np.array([1.0])) == np.inf


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.9, 1.0, 1.1], Outcome.PASS),  # 1 +- 0.248 lies in [0.5, 1.5]
        ([0.2, 0.4, 0.6], Outcome.UNDECIDED),  # 0.4 +- 0.497 contains 0.5
        ([0.55, 0.6, 0.65, 1.5], Outcome.UNDECIDED),  # of a mean of 0.825 in there
        ([0.1, 0.2, 0.15], Outcome.FAIL),  # 0.15 +- 0.124 lies below
        ([1.9, 2.0, 2.1], Outcome.FAIL),  # 2 +- 0.248 lies above
        ([0.0, 3.0, 1.0], Outcome.UNDECIDED),  # 1.33 +- 3.79 says nothing
        ([1.0], Outcome.UNDECIDED),  # one seed shows nothing
        ([1.0, 1.0, np.nan], Outcome.FAIL),
    ],
)
def test_an_interval_over_seeds_decides(values: list[float], expected: Outcome) -> None:
    evidence = mean_within(np.array(values), 0.5, 1.5, "mean")
    assert evidence.status is expected
    if expected is Outcome.FAIL:
        assert not evidence.margin >= 0.0


def test_the_line_by_hand() -> None:
    # 0.9 / sqrt(0.81) = 1, 0.6 / sqrt(0.09) = 2; at beta2 = 0 every beta1 > 0 is beyond.
    grid = xr.Dataset(coords={"beta1": [0.0, 0.6, 0.9], "beta2": [0.0, 0.09, 0.81]})
    found = phase.ratio(grid)
    assert float(found.sel(beta1=0.9, beta2=0.81)) == pytest.approx(1.0)
    assert float(found.sel(beta1=0.6, beta2=0.09)) == pytest.approx(2.0)
    assert found.sel(beta2=0.0).values.tolist() == [0.0, 1e300, 1e300]


def test_the_edge_of_bad_beta2_is_interpolated() -> None:
    # log(loss / least / 3) is log 3 at beta2 = 0.5 and -log 3 at 0.7: zero half-way, at 0.6; beta1 = 0.5 is left out.
    loss = np.broadcast_to(np.array([np.inf, 9.0, 1.0])[None, :, None], (2, 3, 2))
    grid = grid_of(loss, beta1=[0.5, 0.9], beta2=[0.0, 0.5, 0.7])
    assert phase.edges(grid).values == pytest.approx(0.6)
    check = phase.the_region_of_bad_beta2_follows_the_line.check
    assert check([grid], "full").status is Outcome.PASS  # c = 0.9 / sqrt(0.6) = 1.16
    # The least loss at beta2 = 0.5 already: the edge is between 0 and 0.5, c > 0.9 / sqrt(0.3) = 1.64.
    early = grid_of(
        np.where(loss == 9.0, 1.0, np.minimum(loss, 4.0)), beta1=[0.5, 0.9], beta2=[0.0, 0.5, 0.7]
    )
    assert check([early], "full").status is Outcome.FAIL


def test_ranges_that_touch_decide_nothing() -> None:
    # The best 1 - beta2 is 0.01 for every batch: least and greatest are equal, which does not refute "larger".
    loss = np.array([2.0, 1.0, 2.0])[None, :, None] + np.array([0.0, 0.01])
    grid = grid_of(loss, lr=[0.1], beta2=[0.9, 0.99, 0.999])
    assert phase.plateau(grid) == pytest.approx((0.01, 0.01))
    assert phase.plateau(grid.isel(seed=[0])) == pytest.approx((0.001, 0.1))  # one seed tells nothing apart
    check = phase.the_best_beta2_falls_with_the_batch.check
    assert check([grid] * 4, "full").status is Outcome.UNDECIDED
    other = grid_of(loss[:, [1, 0, 2]], lr=[0.1], beta2=[0.9, 0.99, 0.999])  # the best is 0.1
    assert check([grid, grid, grid, other], "full").status is Outcome.PASS
    assert check([other, grid, grid, grid], "full").status is Outcome.FAIL


def batches(power: float, noise: float) -> list[xr.Dataset]:
    """Losses 1 + (1 - beta2) / (0.01 batch^power): a quarter more at 1 - beta2 = 0.0025 batch^power."""
    away, generator = np.geomspace(0.5, 1e-3, 40), np.random.default_rng(0)
    return [
        grid_of(
            (1.0 + away[None, :, None] / (0.01 * batch**power))
            * np.exp(noise * generator.normal(size=(1, 40, 4))),
            lr=[0.1],
            beta2=[*(1.0 - away)],
        )
        for batch in phase.BATCHES
    ]


@pytest.mark.parametrize(
    ("power", "noise", "expected"),
    [(0.5, 0.001, Outcome.PASS), (-0.2, 0.001, Outcome.FAIL), (0.0, 0.1, Outcome.UNDECIDED)],
)
def test_the_exponent_in_the_batch_size(power: float, noise: float, expected: Outcome) -> None:
    check = phase.larger_batches_admit_smaller_beta2.check
    evidence = check(batches(power, noise), "full")
    assert evidence.status is expected
    if expected is Outcome.PASS:
        # The best loss is that at 1 - beta2 = 0.001, slightly above 1.
        assert evidence.observed == pytest.approx(0.5, abs=0.05)


def test_smoothness_needs_a_range_of_gradients() -> None:
    gradient = np.geomspace(1.0, 1.5, 40)[None]
    path = xr.Dataset({"gradient_norm": (("seed", "checkpoint"), gradient), "smoothness": (("seed", "checkpoint"), gradient**2)}, {"seed": [0]})  # fmt: skip
    check = curvature.smoothness_grows_with_the_gradient_on_text.check
    assert check([path], "full").status is Outcome.UNDECIDED
    wider = path.assign(gradient_norm=path.gradient_norm**4, smoothness=path.smoothness**4)
    evidence = check([wider], "full")
    assert evidence.status is Outcome.PASS
    assert evidence.observed == pytest.approx(2.0)  # the exponent, without noise


def test_a_tuned_step_at_an_edge_decides_nothing() -> None:
    worse = np.array([[2.0], [3.0], [4.0]])
    grid = grid_of(worse, lr=[0.1, 1.0, 10.0])
    check = transformers.adam_beats_sgdm_on_a_transformer.check
    assert check([grid, grid], "full").status is Outcome.UNDECIDED


def sharpness_of(path: np.ndarray, beta1: list[float], seeds: int = 3) -> xr.Dataset:
    """The same path of preconditioned sharpness for each beta1 and seed at lr = 0.1."""
    values = np.broadcast_to(path, (1, len(beta1), seeds, len(path)))
    dims = ("lr", "beta1", "seed", "checkpoint")
    return xr.Dataset({"preconditioned": (dims, values)}, {"lr": [0.1], "beta1": beta1})


def test_the_edge_by_hand() -> None:
    # (2 + 2 beta1)/((1 - beta1) lr): 2/0.1 = 20, 3/(0.5 0.1) = 60, 3.8/(0.1 0.1) = 380.
    grid = sharpness_of(np.ones(20), [0.0, 0.5, 0.9])
    np.testing.assert_allclose(curvature.threshold(grid).values.ravel(), [20.0, 60.0, 380.0], rtol=1e-12)
    rising = sharpness_of(np.minimum(np.arange(1.0, 21.0) * 4.0, 21.0), [0.0, 0.5])
    assert {pair: [*one] for pair, one in curvature.plateaus(rising).items()} == {
        (0.1, 0.0): pytest.approx([1.05] * 3)
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            np.linspace(20.0, 100.0, 40),
            Outcome.UNDECIDED,
        ),  # one value of beta1 arrives at most, the others may
        (np.linspace(5.0, 15.0, 40), Outcome.UNDECIDED),  # rises still, to 0.75 of the least threshold
        (np.linspace(15.0, 5.0, 40), Outcome.FAIL),  # falls from below
    ],
)
def test_a_sharpness_below_the_edge_fails_only_if_it_falls(path: np.ndarray, expected: Outcome) -> None:
    # Thresholds 60 and 380; 36 steps of the first path come within 10% of 60 in time, and stay around it.
    grid = sharpness_of(np.minimum(path, 62.0), [0.5, 0.9])
    assert curvature.preconditioned_sharpness_stays_at_the_edge.check([grid], "full").status is expected


def test_the_cost_is_a_geometric_mean() -> None:
    whole = grid_of(np.array([[1.0, 4.0]]), lr=[0.1])
    quantized = grid_of(np.array([[2.0, 2.0]]), lr=[0.1])
    # Ratios 2 and 1/2.
    assert float(messages.cost(whole, quantized)) == pytest.approx(1.0)

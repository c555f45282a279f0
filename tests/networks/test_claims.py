"""Claims on networks fail on grids that were changed on purpose."""

import numpy as np
import pytest
import xarray as xr

from paper_checks.networks import curvature, messages, phase, transformers
from paper_checks.networks.ends import final, half_width, lost, tuned
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


def test_the_line_by_hand() -> None:
    # 0.9 / sqrt(0.81) = 1, 0.6 / sqrt(0.09) = 2; at beta2 = 0 every beta1 > 0 is beyond.
    grid = xr.Dataset(coords={"beta1": [0.0, 0.6, 0.9], "beta2": [0.0, 0.09, 0.81]})
    found = phase.ratio(grid)
    assert float(found.sel(beta1=0.9, beta2=0.81)) == pytest.approx(1.0)
    assert float(found.sel(beta1=0.6, beta2=0.09)) == pytest.approx(2.0)
    assert found.sel(beta2=0.0).values.tolist() == [0.0, 1e300, 1e300]


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


def sharpness_of(path: np.ndarray, beta1: list[float]) -> xr.Dataset:
    """The same path of preconditioned sharpness for each beta1 at lr = 0.1."""
    values = np.broadcast_to(path, (1, len(beta1), 1, len(path)))
    dims = ("lr", "beta1", "seed", "checkpoint")
    return xr.Dataset({"preconditioned": (dims, values)}, {"lr": [0.1], "beta1": beta1})


def test_the_edge_by_hand() -> None:
    # (2 + 2 beta1)/((1 - beta1) lr): 2/0.1 = 20, 3/(0.5 0.1) = 60, 3.8/(0.1 0.1) = 380.
    grid = sharpness_of(np.ones(20), [0.0, 0.5, 0.9])
    np.testing.assert_allclose(curvature.threshold(grid).values.ravel(), [20.0, 60.0, 380.0], rtol=1e-12)
    rising = sharpness_of(np.minimum(np.arange(20.0) * 4.0, 21.0), [0.0, 0.5])
    assert curvature.plateaus(rising) == {(0.1, 0.0): pytest.approx(1.05)}
    # One value of beta1 is not enough, as a constant would do for it.
    assert curvature.preconditioned_sharpness_stays_at_the_edge.check([rising], "full").status is Outcome.FAIL


def test_the_cost_is_a_geometric_mean() -> None:
    whole = grid_of(np.array([[1.0, 4.0]]), lr=[0.1])
    quantized = grid_of(np.array([[2.0, 2.0]]), lr=[0.1])
    # Ratios 2 and 1/2.
    assert float(messages.cost(whole, quantized)) == pytest.approx(1.0)

"""Every claim about QAdam in the quick tier, and what must make each of them fail."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quantized
from paper_checks.qadam2021 import bias as qadam2021_bias
from paper_checks.qadam2021 import constants as qadam2021
from paper_checks.qadam2021 import feedback as qadam2021_feedback
from paper_checks.theorems.compression import EXACT
from tests.tampering import fails_on_tampered_grids, grids_of, one_nan, status
from theory_sim import compressors
from theory_sim.app.runs import Runs
from theory_sim.compressors import l1_sign, log_levels, rand_k, rms_sign, top_k, uniform, weights
from theory_sim.nouns.claim import Outcome
from theory_sim.optimizers.quantized import efficient_adam, qadam
from theory_sim.optimizers.server import comp_ams

test_tampered_grids_fail = fails_on_tampered_grids(
    "qadam2021",
    ("QC08", "identity_qadam_exact", "state_final", lambda s: s * (1.0 + 1e-9)),  # the virtual path of QAdam
    ("QC08", "identity_efficient_adam_natural", "x_final", one_nan),
    ("QC08", "identity_ef_sgd_natural", "x_final", lambda x: x + 1e-7),
    ("QC08", "identity_qadam_natural", "state_final", lambda s: 0.0 * s),  # no memory at all
    ("QC11", "bias_gradient_log_levels", "offset_mean", lambda b: 100.0 * b),
    ("QC11", "bias_gradient_l1_sign", "offset_mean", np.zeros_like),
    ("QC11", "bias_update_l1_sign", "offset_mean", one_nan),
    ("QC12", "kink_scaled", "total_max", lambda s: s + 1e-9),
    ("QC12", "kink_scaled", "gap_min", lambda f: f - 1e-6),
    ("QC12", "kink_sign", "total_min", one_nan),
    ("QC12", "kink_scaled", "gap_final", lambda f: f + 0.01),
    ("QC12", "pair", "gap_final", one_nan),
    ("QC14", "floor", "gradient_square_mean", lambda g: 1.03 * g),
    ("QC14", "floor_both", "gradient_square_mean", one_nan),
    ("QC15", "floor", "gradient_square_mean", np.sqrt),  # linear in the grid
    ("QC15", "floor", "gradient_square_mean", lambda g: 2.0 * g),
    ("QC15", "floor", "gradient_square_mean", lambda g: g * 0.9 ** np.arange(8.0).reshape(8, 1, 1, 1)),
    ("QC15", "floor", "gradient_square_mean", one_nan),
    ("QC29", "identity_right", "state_final", lambda s: 0.0 * s),
    ("QC29", "bowl_doubled", "state_final", one_nan),
    ("QC31", "adam_bowl_qadam", "x", lambda x: x + 1e-11),
    ("QC31", "adam_quadratic_qadam", "x", one_nan),
    ("QC32", "symmetric", "gradient_square_mean", one_nan),
)


@pytest.mark.parametrize("label", ["QC11", "QC12", "QC32"])
def test_claim_fails_with_feedback_on_and_off_exchanged(label: str, runs: Runs) -> None:
    grids = []
    for grid in grids_of(f"qadam2021.{label}", runs):
        if "error_feedback" in grid.dims:
            grid = grid.isel(error_feedback=[1, 0]).assign_coords(error_feedback=grid.error_feedback.values)
        grids.append(grid)
    assert status(f"qadam2021.{label}", grids) is Outcome.FAIL


def test_the_wrong_kernels_are_the_right_one_where_nothing_is_lost() -> None:
    # With top-d as quantizer there is no error to treat wrongly.
    every = top_k(qadam2021_feedback.D, word=64)
    exact = qadam2021_feedback.RIGHT_EXACT.run()
    for wrong in (qadam2021_feedback.doubled(every), qadam2021_feedback.uncleared(every, every)):
        grid = replace(qadam2021_feedback.RIGHT_EXACT, optimizer=wrong).run()
        assert qadam2021_feedback.identity_error(grid, exact) < 1e-12


def test_a_memory_in_gradient_units_gives_no_virtual_iterate_when_steps_vary() -> None:
    sweep = qadam2021_feedback.VIRTUAL["comp_ams"]
    arguments = {"amsgrad": False, "schedule": qadam2021_feedback.ROOT}
    one, other = (
        replace(sweep, optimizer=comp_ams(1e16, 0.0, 0.0, 1e32, up=up, **arguments)).run()
        for up in (rand_k(4, word=64), EXACT)
    )
    assert qadam2021_feedback.identity_error(one, other) > 1e-2


def test_a_wrong_constant_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    name, (compressor, t) = next(iter(qadam2021.QUANTIZERS.items()))
    for factor in (0.999, 1.001):
        wrong = replace(compressor, error=lambda d, factor=factor: factor * compressor.error(d))
        monkeypatch.setitem(qadam2021.QUANTIZERS, name, (wrong, t))
        assert status("qadam2021.QC06", []) is Outcome.FAIL


def test_a_memory_above_its_bound_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # rand-k loses all but its messages: with delta overstated four times the mean of ||e||^2 is too large.
    wrong = replace(rand_k(4), error=lambda d: 0.0 if d < 4 else 1.0 - min(16.0 / d, 0.999))
    monkeypatch.setitem(qadam2021.CONTRACTIONS, "rand-4", wrong)
    assert status("qadam2021.QC09", []) is Outcome.FAIL


@pytest.mark.parametrize("name", ["MEMORY", "MEMORY_SQUARED"])
def test_a_vacuous_bound_of_the_memory_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = getattr(qadam2021, name)
    monkeypatch.setattr(qadam2021, name, replace(theorem, bound=f"2*({theorem.bound})"))
    assert status("qadam2021.QC09", []) is Outcome.FAIL


def test_the_memory_of_rms_sign_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # (1, 0, 0): the message is (1, 1, 1)/sqrt 3, so ||e||^2 = 2 - 2/sqrt 3 = .8453.
    first = qadam2021.remembered(rms_sign(word=64), [np.array([1.0, 0.0, 0.0])])[0]
    assert np.linalg.norm(first) ** 2 == pytest.approx(2.0 - 2.0 / math.sqrt(3.0), rel=1e-14)
    # d = 4: r/s = 1, y = 2/3, rho^2 = 2 (4/9)(1/3) = 8/27; d = 8: y^2 = 2 - 2/sqrt 8 = 1.29289, r/s = .546918.
    assert qadam2021.two_steps(4) == pytest.approx(math.sqrt(8.0 / 27.0), rel=1e-14)
    assert qadam2021.two_steps(8) == pytest.approx(
        math.sqrt(2.5857864 * (1.0 - 1.1370556 * 0.5469182)), rel=1e-5
    )
    assert qadam2021.rms_memory(4) == pytest.approx((2.0 + 0.5443311) / 0.4556689, rel=1e-6)
    assert qadam2021.two_steps(9) > 1.0
    # Shorter inputs, and a rho that is too small or too large, are seen.
    wrong = {d: one[:-1] for d, one in qadam2021.INPUTS.items()}
    monkeypatch.setattr(qadam2021, "INPUTS", wrong)
    assert status("qadam2021.QC33", []) is Outcome.FAIL
    right = qadam2021.two_steps
    for factor in (0.8, 1.1):
        monkeypatch.setattr(qadam2021, "two_steps", lambda d, factor=factor: factor * right(d))
        assert status("qadam2021.QC34", []) is Outcome.FAIL


def test_memory_of_rand_k_in_closed_form() -> None:
    # An input u that stays: e_i = A u_i, A updates since i was last sent, P(A = a) = p (1-p)^a once
    # stationary: E ||e||^2 = E A^2 = (1-p)(2-p)/p^2 = 10.5 at p = k/d = 1/4.  Var A^2 = 1036.4 bounds the
    # variance of one run: 30,000 / 3 runs give a standard deviation below .33, five of which have a
    # false-alarm probability of 6e-7.
    count, p = 30_000, 0.25
    squares = qadam2021.memories(rand_k(4, word=64), 16, 120, count, 3)
    mean = squares[-1, count // 3 : 2 * count // 3].mean()
    assert mean == pytest.approx((1.0 - p) * (2.0 - p) / p**2, abs=5.0 * 0.33)


def test_the_scale_belongs_to_the_block() -> None:
    assert log_levels(2, block=16).delta(256) == log_levels(2).delta(16) > 2.0 * log_levels(2).delta(256)


def test_the_quantizer_of_weights_clips() -> None:
    assert weights(3).quantize([0.7, -2.0, 0.3]).tolist() == [0.5, -0.5, 0.3125]


@pytest.mark.parametrize("k", [1, 5])
def test_floor_of_one_coordinate_by_hand(k: int) -> None:
    # d = 1, c = a + h/4: visits in the ratio 3 : 1, mean square (3 (h/4)^2 + (3h/4)^2)/4 = 3 h^2/16.
    h = compressors.spacing(k)
    problem = quantized.quadratic(d=1, x0=0.0)
    problem = replace(problem, constants={**problem.constants, "center": (0.25 * h,)}, family=None)
    grid = ts.simulate(problem, qadam2021_bias.FLOOR.optimizer.replace(**{"down.k": k}), steps=20_000,
                       checkpoints=(10_000, 20_000), running=True)  # fmt: skip
    assert qadam2021_bias.tail(grid.gradient_square_mean).item() == pytest.approx(
        3.0 * h * h / 16.0, rel=2e-3
    )


def test_the_linear_bound_by_hand() -> None:
    # 2 C0 L G delta_x/sqrt(eps), k = 1: C0 = .9, G = .9 sqrt(20), delta_x = sqrt(20)/8, eps = 1e-8.
    assert qadam2021_bias.linear_bound(1) == pytest.approx(2 * 0.9 * 0.9 * 20 / 8 * 1e4, rel=1e-6)


# Quantizers of their own in numpy, inside QAdam and Efficient-Adam of their own.


def nearest(levels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    def apply(p: np.ndarray) -> np.ndarray:
        scale = np.abs(p).max()
        return scale * levels[np.abs(p[:, None] / scale - levels).argmin(axis=1)]

    return apply


def top(p: np.ndarray) -> np.ndarray:
    return np.where(np.abs(p) >= np.sort(np.abs(p))[-3], p, 0.0)


def scaled_sign(p: np.ndarray) -> np.ndarray:
    return np.abs(p).mean() * np.where(p >= 0.0, 1.0, -1.0)


POWERS = np.array([0.25, 0.5, 1.0])
IN_NUMPY = {
    "log_levels": (log_levels(2, word=64), nearest(np.concatenate([-POWERS, [0.0], POWERS]))),
    "uniform": (uniform(3, word=64), nearest(np.arange(-3, 4) / 3.0)),
    "l1_sign": (l1_sign(word=64), scaled_sign),
    "top_k": (top_k(3, word=64), top),
}


@pytest.mark.parametrize("name", IN_NUMPY)
@pytest.mark.parametrize("method", ["qadam", "efficient_adam"])
def test_a_quantized_path_is_that_of_numpy(name: str, method: str) -> None:
    compressor, quantize = IN_NUMPY[name]
    problem = quantized.quadratic(d=12, decades=2.0, spread=0.4, x0=0.3)
    down = weights(6) if method == "qadam" else compressor
    optimizer = {"qadam": qadam, "efficient_adam": efficient_adam}[method](
        0.02, 0.8, eps=1e-6, up=compressor, down=down, theta=0.9, schedule=ts.power(0.5)
    )
    grid = ts.simulate(problem, optimizer, steps=150, checkpoints=range(1, 151))
    curvature, center = (np.array(problem.constants[key]) for key in ("curvature", "center"))
    h = 2.0**-7
    x = np.full(12, 0.3)
    y = np.round(x / h) * h if method == "qadam" else x
    m, v, e, E = np.zeros((4, 12))
    for t in range(1, 151):
        g = curvature * (y - center)
        m, v = 0.8 * m + 0.2 * g, (1.0 - 0.9 / t) * v + 0.9 / t * g * g
        p = 0.02 / math.sqrt(t) * m / np.sqrt(v + 1e-6) + e
        c = quantize(p)
        e = p - c
        if method == "qadam":
            x = x - c
            y = np.clip(np.round(x / h) * h, -0.5, 0.5)
        else:
            b = quantize(c + E)
            E = c + E - b
            x = y = x - b
        np.testing.assert_allclose(grid.x.values[0, t - 1], y, rtol=0.0, atol=1e-12)


def test_without_quantizers_it_is_adam_of_torch() -> None:
    torch = pytest.importorskip("torch")
    problem = quantized.bowl(0.0, d=5)
    start = [1.5, -0.3, 0.7, 2.0, -1.1]
    optimizer = qadam(0.05, up=EXACT, down=EXACT, bias_correction=True, eps_mode="outside")
    grid = ts.simulate(problem, optimizer, steps=200, x0=start)
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    reference = torch.optim.Adam([x], lr=0.05, betas=(0.9, 0.999), eps=1e-8)
    for _ in range(200):
        reference.zero_grad()
        (x * x / (1.0 + x * x)).sum().backward()
        reference.step()
    np.testing.assert_allclose(grid.x_final.values[0], x.detach().numpy(), rtol=0.0, atol=1e-12)

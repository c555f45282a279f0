"""Curvature of small networks against dense Hessians, and distances of distributions by hand."""

from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim.nouns.training import Training
from theory_sim.wire.networks.spectra import densities, jensen_shannon

torch = pytest.importorskip("torch", reason='networks need torch: pip install "theory-sim[networks]"')
pytest.importorskip("sklearn", reason='networks need scikit-learn: pip install "theory-sim[networks]"')

from theory_sim.wire.networks import models, probes, update
from theory_sim.wire.networks.curvature import hessian, lanczos, preconditioned

TINY = {"width": 1}  # 64 + 1 + 10 + 10 = 85 parameters


def losses(model: models.Model, count: int = 40) -> Any:
    given = model.data()
    inputs, targets = torch.tensor(given.inputs[:count]), torch.tensor(given.targets[:count])
    return lambda x: torch.func.vmap(model.of_vector, (0, None, None))(x, inputs, targets)


@pytest.fixture(scope="module")
def dense() -> tuple[Any, Any, np.ndarray]:
    """Two tiny MLPs: their losses, their parameters (2, 85) and their Hessians."""
    model = models.mlp(**TINY)
    x = torch.tensor(np.stack([model.start(0, seed) for seed in range(2)]))
    of = losses(model)
    matrices = [torch.autograd.functional.hessian(lambda w: of(w[None])[0], one).numpy() for one in x]
    return of, x, np.array(matrices)


def test_products_are_those_of_the_dense_hessian(dense: Any) -> None:
    of, x, matrices = dense
    v = torch.tensor(np.random.default_rng(0).normal(size=(2, 85)))
    expected = np.einsum("cij,cj->ci", matrices, v.numpy())
    np.testing.assert_allclose(hessian(of, x)(v).numpy(), expected, rtol=0.0, atol=1e-13)


def test_all_steps_of_lanczos_give_every_eigenvalue_of_a_tiny_network(dense: Any) -> None:
    """As many steps as dimensions: Ritz values are eigenvalues, weights the squared components of the start."""
    of, x, matrices = dense
    start = torch.tensor(np.random.default_rng(1).normal(size=(2, 85)))
    nodes, weights = lanczos(hessian(of, x), start, 85)
    for cell in range(2):
        values, vectors = np.linalg.eigh(matrices[cell])
        unit = start[cell].numpy() / np.linalg.norm(start[cell])
        # Eigenvalues of units whose gradient is almost 0 lie within 1e-10 of each other, so moments are compared.
        for power in range(8):
            moment = (weights[cell] * nodes[cell] ** power).sum()
            assert moment == pytest.approx(
                ((vectors.T @ unit) ** 2 * values**power).sum(), rel=1e-9, abs=1e-12
            )
        assert nodes[cell].max() == pytest.approx(values.max(), rel=1e-10)
        assert nodes[cell].min() == pytest.approx(values.min(), rel=1e-8, abs=1e-12)


def test_no_ghosts() -> None:
    """100 steps on eigenvalues 0 ... 1 and one at 100: without reorthogonalisation 100 would appear several times."""
    values = torch.cat([torch.linspace(0.0, 1.0, 149, dtype=torch.float64), torch.tensor([100.0]).double()])
    nodes, weights = lanczos(lambda v: v * values, torch.ones(1, 150, dtype=torch.float64), 100)
    assert (nodes > 50.0).sum() == 1
    assert weights[nodes > 50.0].sum() == pytest.approx(1.0 / 150.0, rel=1e-10)  # the start has equal parts
    assert weights.sum() == pytest.approx(1.0, rel=1e-12)


def test_an_exhausted_space_has_no_more_weight() -> None:
    """Three different eigenvalues, seven steps: the first three nodes carry everything."""
    values = torch.tensor([1.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0], dtype=torch.float64)
    nodes, weights = lanczos(lambda v: v * values, torch.ones(1, 7, dtype=torch.float64), 7)
    kept = weights[0] > 1e-12
    np.testing.assert_allclose(nodes[0][kept], [1.0, 2.0, 5.0], rtol=1e-12)
    np.testing.assert_allclose(weights[0][kept], [1 / 7, 2 / 7, 4 / 7], rtol=1e-12)


def test_preconditioned_has_the_eigenvalues_of_the_quotient(dense: Any) -> None:
    of, x, matrices = dense
    scale = torch.tensor(np.random.default_rng(2).uniform(0.1, 2.0, size=(2, 85)))
    start = torch.tensor(np.random.default_rng(3).normal(size=(2, 85)))
    nodes, _ = lanczos(preconditioned(hessian(of, x), scale), start, 60)
    for cell in range(2):
        expected = np.linalg.eigvals(matrices[cell] / scale[cell].numpy()[:, None]).real.max()
        assert nodes[cell, -1] == pytest.approx(expected, rel=1e-8)


def test_the_preconditioner_is_what_divides_the_mean_gradient() -> None:
    """x_t - x_{t+1} = lr m_t / D_t, by the step of `torch.optim.Adam` after three gradients."""
    g = torch.tensor(np.random.default_rng(4).normal(size=(3, 5)))
    x = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    method = torch.optim.Adam([x], lr=0.1, betas=(0.8, 0.9), eps=0.01)
    made = update.stacked(ts.adam(0.1, 0.8, 0.9, 0.01), [{}])
    mover, y = update.Mover(made, torch.zeros(1, 1, 5).double(), [5]), torch.zeros(1, 1, 5).double()
    for t, one in enumerate(g, start=1):
        before, x.grad = x.detach().clone(), one
        method.step()
        y = mover.step(t, y, one[None, None])
    state = probes.State(models.mlp(2), torch.sum, y[0], y[0], made, mover.rows, 1, 0)
    m = method.state[x]["exp_avg"]
    np.testing.assert_allclose((0.1 * m / probes.preconditioner(state)[0]).numpy(), (before - x.detach()).numpy(), rtol=1e-12)  # fmt: skip


def test_smoothness_of_a_quadratic_is_the_quotient_along_the_step() -> None:
    """f = x^T diag(1, 4) x / 2: along (1, 0) it is 1, along (0, 1) 4, along (1, 1) sqrt(17/2)."""
    curvature = torch.tensor([1.0, 4.0]).double()
    before = torch.tensor([[1.0, 2.0]] * 3).double()
    step = torch.tensor([[0.1, 0.0], [0.0, 0.1], [0.1, 0.1]]).double()
    of = lambda x: 0.5 * (curvature * x * x).sum(1)
    state = probes.State(models.mlp(2), of, before, before + step, [], {}, 1, 0)
    found = probes.smoothness(state)
    np.testing.assert_allclose(found["smoothness"], [1.0, 4.0, np.sqrt(8.5)], rtol=1e-12)
    np.testing.assert_allclose(found["gradient_norm"], np.hypot(1.0, 8.0), rtol=1e-12)


def test_blocks_are_the_diagonal_blocks_of_the_hessian(dense: Any) -> None:
    """The first moment of a block's quadrature is u^T H_bb u, the mean over its four vectors u."""
    of, x, matrices = dense
    model = models.mlp(**TINY)
    state = probes.State(model, of, x, x, [], {}, 2, 0)
    found = probes.spectrum(state)
    assert found["nodes"].shape[:2] == (2, 2)
    assert found["weights"].sum(-1) == pytest.approx(1.0)
    for block, (a, b) in enumerate(((0, 64), (65, 75))):
        vectors = [state.vector(i, b - a).numpy() for i in range(4)]
        for cell in range(2):
            matrix = matrices[cell][a:b, a:b]
            expected = np.mean([u @ matrix @ u / (u @ u) for u in vectors])
            moment = (found["nodes"][cell, block] * found["weights"][cell, block]).sum()
            assert moment == pytest.approx(expected, rel=1e-9)
            values = np.linalg.eigvalsh(matrix)
            assert found["nodes"][cell, block].max() == pytest.approx(values.max(), rel=1e-6)


def test_jensen_shannon_by_hand() -> None:
    # Disjoint: 1.  Equal: 0.  (1, 0) and (1/2, 1/2): m = (3/4, 1/4), JS = (log2(4/3) + 1/2 log2(2/3) + 1/2)/2.
    p, q = np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    third = np.sqrt((np.log2(4 / 3) + 0.5 * np.log2(2 / 3) + 0.5) / 2)
    np.testing.assert_allclose(jensen_shannon(p, q), [1.0, 0.0, third], rtol=1e-12, atol=1e-12)


def test_masses_go_into_their_bins() -> None:
    mass = densities(
        np.array([-9.0, 0.5, 1.0, 9.0]), np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 1.0, 2.0])
    )
    np.testing.assert_allclose(mass, [0.3, 0.7])  # 1.0 is in [1, 2); what lies beyond is in the outer bins


def test_a_probe_needs_what_it_probes() -> None:
    training = Training("mlp", ts.sgd(), {}, 1, 4, probe="sharpness", sizes=TINY, evaluated=16)
    with pytest.raises(ValueError, match="has no preconditioner"):
        training.run()

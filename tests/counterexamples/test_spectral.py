"""Matrix methods: first steps by hand, and each method where it is another one."""

import numpy as np
import pytest

from counterexamples import spectral
from counterexamples.spectral import Adam, Cosmos, Momentum, Muon, Soap, train

RNG = np.random.default_rng(3)
EYE = np.eye(2)


def test_the_polynomial_by_hand() -> None:
    # 3.4445 - 4.7750 + 2.0315 = .701; at 1/2: 1.72225 - .596875 + .063484375
    assert spectral.quintic(1.0, 1) == pytest.approx(0.701)
    assert spectral.quintic(0.5, 1) == pytest.approx(1.188859375)
    assert spectral.quintic(-0.5) == -spectral.quintic(0.5)
    found = spectral.newton_schulz(np.diag([3.0, 4.0]), 1)  # norm 5
    np.testing.assert_allclose(found, np.diag(spectral.quintic([0.6, 0.8], 1)), rtol=1e-6)  # 1e-7 is added
    tall = RNG.standard_normal((6, 2))
    np.testing.assert_allclose(spectral.newton_schulz(tall), spectral.newton_schulz(tall.T).T, rtol=1e-12)
    both = spectral.newton_schulz(np.stack([tall, 2.0 * tall]))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-5)


def test_first_steps_by_hand() -> None:
    G = np.array([[[2.0, 0.0], [0.0, -3.0]]])
    momentum = Momentum(0.5)
    assert momentum(G, 1).tolist() == G.tolist()
    assert momentum(G, 2).tolist() == (1.5 * G).tolist()
    adam = Adam(0.9, 0.9, 0.0)
    np.testing.assert_allclose(adam(G + 1.0, 1), np.sign(G + 1.0))
    np.testing.assert_allclose(Adam(0.9, 0.9, 1.0)(G, 1)[0], np.diag([2 / 3, -3 / 4]))
    np.testing.assert_allclose(Muon(0.5, spectral.polar)(G, 1)[0], np.diag([1.0, -1.0]), atol=1e-15)
    tall = Muon(0.5, spectral.polar)(np.array([[[2.0], [0.0], [0.0], [0.0]]]), 1)
    assert tall.ravel().tolist() == [2.0, 0.0, 0.0, 0.0]  # sqrt(4/1)
    assert Soap()(G, 1).tolist() == np.zeros((1, 2, 2)).tolist()


def test_muon_looks_ahead() -> None:
    # M_1 = G/2, then gradient H: M_2 = G/4 + H/2, and U = H/2 + M_2/2 = G/8 + 3 H/4.
    seen = []
    muon = Muon(0.5, lambda U: seen.append(U) or U)
    G, H = RNG.standard_normal((2, 3, 3))
    muon(G, 1)
    muon(H, 2)
    np.testing.assert_allclose(seen[1], G / 8 + 3 * H / 4)


def test_soap_turns_into_the_eigenbasis() -> None:
    # A gradient a u v^T of rank one: in its eigenbasis one entry, and Adam's first direction is its sign.
    u, v = np.array([0.6, 0.8]), np.array([0.0, 1.0])
    G = 5.0 * np.outer(u, v)[None]
    soap = Soap(eps=1e-6)
    soap(G, 1)
    np.testing.assert_allclose(soap(G, 2)[0], np.outer(u, v), atol=1e-6)


def test_cosmos_in_its_span_is_adam_and_outside_muon() -> None:
    # First step on diag(4, 1) with rank 1: the average .05 (4, 1) is not corrected, so A = .05 e1 e1^T; B = 0.2 sqrt 4
    # e2 e2^T; scaled to norm 2.
    D = Cosmos(1, eps=1e-14)(np.diag([4.0, 1.0])[None], 1)[0]
    np.testing.assert_allclose(D, 2.0 * np.diag([0.05, 0.4]) / 0.1625**0.5, atol=1e-12)


def test_shampoo_and_adafactor_by_hand() -> None:
    # One gradient diag(2, 1): L = R = diag(4, 1), sqrt(tr L) = sqrt 5, L^-1/2 G R^-1/2 = diag(1/2, 1).
    G, L = np.diag([2.0, 1.0]), np.diag([4.0, 1.0])
    np.testing.assert_allclose(spectral.shampoo(G, L, L), 5**0.5 * np.diag([0.5, 1.0]), atol=1e-14)
    rows = np.array([4.0, 1.0])
    np.testing.assert_allclose(spectral.adafactor(G, rows, rows), 5**0.5 * np.diag([0.5, 1.0]))


def test_training_by_hand() -> None:
    # A = diag(1, 2), C = 1, W = (1, 1): f = 3/2, gradient (1, 2); lr 1/4 and then, linearly decayed, 1/8.
    A, C, W = np.diag([1.0, 2.0]), np.ones((1, 1)), np.ones((2, 1))
    assert spectral.loss(A, C, W) == pytest.approx(1.5)
    found = train(Momentum(0.0), A, C, W, [0.25, 0.0], 2)
    assert found[0].ravel().tolist() == pytest.approx([0.75 * 0.875, 0.5 * 0.75])
    assert found[1].tolist() == W.tolist()
    assert train(Momentum(0.0), A, C, W, 0.25, 2, decay=False).ravel().tolist() == pytest.approx(
        [0.5625, 0.25]
    )


def test_the_kronecker_quadratic_has_its_condition_number() -> None:
    A, C, W = spectral.kronecker(4, 3, 100.0, 2, turned=True)
    values = np.linalg.eigvalsh(np.kron(A, C))
    assert values[-1] / values[0] == pytest.approx(100.0)
    A0, C0, W0 = spectral.kronecker(4, 3, 100.0, 2, turned=False)
    assert not (A0 - np.diag(np.diagonal(A0))).any()
    assert spectral.loss(A, C, W) == pytest.approx(
        float(spectral.loss(A0, C0, W0))
    )  # the same problem, turned
    assert np.abs(A - A0).max() > 0.1

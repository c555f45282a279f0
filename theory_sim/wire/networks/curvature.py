"""Second derivatives of the losses of many cells: Hessian products and Lanczos quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Array = np.ndarray[Any, Any]
Losses = Callable[[Any], Any]


def hessian(losses: Losses, x: Any) -> Callable[[Any], Any]:
    """Return the product of the Hessian of each cell with a vector of each.

    Parameters
    ----------
    losses : callable
        From parameters (C, P) to the losses (C,) of C cells, each of its own row only.
    x : tensor, shape (C, P)

    Returns
    -------
    callable
        From (C, P) to (C, P); the graph of the gradient is built once.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(losses(x).sum(), x, create_graph=True)

    def product(v: Any) -> Any:
        (out,) = torch.autograd.grad(gradient, x, v, retain_graph=True)
        return out

    return product


def lanczos(product: Callable[[Any], Any], start: Any, steps: int) -> tuple[Array, Array]:
    """Return the Gauss quadrature of the spectral measure of symmetric maps at start vectors.

    Golub and Meurant 2010, chapter 6: the Ritz values are the nodes, the squared first entries of the
    eigenvectors of the tridiagonal matrix the weights.  The basis is orthogonalised twice against all of it, so
    no eigenvalue appears as a ghost.

    Parameters
    ----------
    product : callable
        From (C, P) to (C, P).
    start : tensor, shape (C, P)
        Vectors other than 0.
    steps : int
        Nodes k; at most P are distinct, and where the space that a start spans is exhausted the other nodes have
        weight 0.

    Returns
    -------
    nodes, weights : ndarray, shape (C, k)
        Nodes increasing, weights that sum to 1.
    """
    cells, dimension = start.shape
    steps = min(steps, dimension)
    basis = [start / start.norm(dim=1, keepdim=True)]
    diagonal, beside = [], []
    scale = torch.zeros(cells, dtype=start.dtype, device=start.device)
    for k in range(steps):
        q = basis[-1]
        w = product(q)
        diagonal.append((q * w).sum(1))
        scale = torch.maximum(scale, w.norm(dim=1))
        for _ in range(2):
            for one in basis:
                w = w - (one * w).sum(1, keepdim=True) * one
        length = w.norm(dim=1)
        # What is left of an exhausted space is rounding: 1e-10 of the largest product in float64.
        length = torch.where(length > 1e-10 * scale, length, 0.0)
        if k < steps - 1:
            beside.append(length)
            basis.append(w / torch.where(length > 0.0, length, torch.inf)[:, None])
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    if beside:
        off = torch.stack(beside, 1)
        matrix = matrix + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    matrix = matrix.double().cpu()
    lost = ~matrix.isfinite().all((1, 2))
    values, vectors = torch.linalg.eigh(torch.where(lost[:, None, None], torch.eye(steps).double(), matrix))
    values = torch.where(lost[:, None], torch.nan, values)
    return values.numpy(), vectors[:, 0].square().numpy()


def preconditioned(product: Callable[[Any], Any], scale: Any) -> Callable[[Any], Any]:
    """Return D^(-1/2) H D^(-1/2), which has the eigenvalues of D^(-1) H, for a diagonal D > 0 (C, P)."""
    root = scale.rsqrt()
    return lambda v: root * product(root * v)

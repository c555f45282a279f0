"""What lanes run on: compiled tiles of the CPU, or tensors of a device."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from theory_sim.rules import checks

BACKENDS = ("numba", "torch")
DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Target:
    """Tensors of a device.

    Parameters
    ----------
    device : str
        As torch names it: "cpu", "cuda", "cuda:1".
    dtype : {"float64", "float32"}
        Of the arithmetic; sums over steps and the Dataset have 64 bits.
    compiled : bool, optional
        Whether blocks of steps are compiled; default: where the work is worth it.
    """

    device: str = "cpu"
    dtype: str = "float64"
    compiled: bool | None = None

    @property
    def key(self) -> str:
        """What tells stored results apart: others round otherwise."""
        return f"torch {self.kind} {self.dtype}"

    @property
    def kind(self) -> str:
        """The kind of device, such as "cuda"."""
        return self.device.partition(":")[0]


def target_of(backend: str, device: str, dtype: str) -> Target | None:
    """Return the tensors that these names stand for, or None for the compiled tiles.

    Raises
    ------
    ValueError
        For an unknown name, a device that is not there, or a device or type that tiles do not have.
    ImportError
        Without torch.
    """
    checks.known("backend", backend, BACKENDS)
    checks.known("dtype", dtype, DTYPES)
    checks.instance("device", device, str, 'a name of torch, such as "cpu" or "cuda"')
    if backend == "numba":
        for name, value, only in (("device", device, "cpu"), ("dtype", dtype, "float64")):
            if value != only:
                raise ValueError(f'{name} = {value!r} needs tensors; give backend="torch".')
        return None
    if importlib.util.find_spec("torch") is None:
        raise ImportError('backend = "torch" needs torch; install it with pip install "theory-sim[torch]".')
    import torch

    try:
        torch.empty(1, device=device, dtype=getattr(torch, dtype))
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f'device = {device!r} cannot be used here ({reason}); "cpu" always can.') from None
    return Target(device, dtype)

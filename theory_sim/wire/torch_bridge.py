"""Quantized Adam as an optimizer of torch, for models instead of problems; needs the extra ``theory-sim[torch]``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from theory_sim import checks, random
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizers.adam import EPS_MODES

try:
    import torch
except ImportError as error:
    raise ImportError(
        'theory_sim.wire.torch_bridge needs torch; install it with pip install "theory-sim[torch]".'
    ) from error

SCOPES = ("tensor", "group")


class QuantizedAdam(torch.optim.Optimizer):  # type: ignore[misc, unused-ignore]  # Any where torch is not installed
    """Adam whose update passes a compressor with error feedback: one worker of QAdam (arXiv:2004.14180).

    x_{t+1} = x_t - C(u_t + e_t), e_{t+1} = u_t + e_t - C(u_t + e_t), u_t = lr m_t / sqrt(v_t + eps).  Without a
    compressor, ``bias_correction=True, eps_mode="outside"`` is `torch.optim.Adam`.  Messages are quantized in float64
    on the CPU by the kernels of this suite, which is meant for study, not for speed.

    State of a parameter: ``step``, ``exp_avg``, ``exp_avg_sq``, ``max_exp_avg_sq`` with amsgrad, ``error`` with a
    compressor, and ``decay``, the product of all beta2.

    Parameters
    ----------
    params : iterable
        Parameters or groups; a group can have values of its own for everything below.
    lr, betas, eps : float, (float, float), float
        lr > 0, betas in [0, 1), eps >= 0.
    compressor : Compressor, optional
        From `theory_sim.compressors`; None sends the update as it is.
    scope : {"tensor", "group"}
        Whether a message is one tensor or all tensors of the group, flattened and joined; scales and counts such as
        the k of top_k, and so the constants of the compressor, are those of a message.
    theta, amsgrad, bias_correction, eps_mode, error_feedback
        As for `theory_sim.qadam`.
    entropy : int
        Root of the uniforms of random compressors; message i of step t has the stream (entropy, i).

    Raises
    ------
    ValueError
        If a value breaks its rule, or a gradient is not finite; then no parameter has moved.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        compressor: Compressor | None = None,
        scope: str = "tensor",
        theta: float | None = None,
        amsgrad: bool = False,
        bias_correction: bool = False,
        eps_mode: str = "inside",
        error_feedback: bool = True,
        entropy: int = 0,
    ) -> None:
        self.entropy = checks.count("entropy", entropy, 0)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "compressor": compressor,
                "scope": scope,
                "theta": theta,
                "amsgrad": amsgrad,
                "bias_correction": bias_correction,
                "eps_mode": eps_mode,
                "error_feedback": error_feedback,
            },
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, after the checks of its values."""
        group = {**self.defaults, **param_group}
        checks.number("lr", group["lr"], 0.0, open_low=True)
        if len(group["betas"]) != 2:
            raise ValueError(f"betas = {group['betas']!r} must be two numbers, beta1 and beta2.")
        for name, beta in zip(("beta1", "beta2"), group["betas"], strict=True):
            checks.beta(name, beta)
        checks.number("eps", group["eps"], 0.0)
        if group["theta"] is not None:
            checks.number("theta", group["theta"], 0.0, 1.0, open_low=True)
        checks.known("scope", group["scope"], SCOPES)
        checks.known("eps_mode", group["eps_mode"], EPS_MODES)
        for name in ("amsgrad", "bias_correction", "error_feedback"):
            checks.flag(name, group[name])
        if not isinstance(group["compressor"], Compressor | None):
            raise TypeError(
                f"{group['compressor']!r} is not a Compressor; call its constructor in theory_sim.compressors."
            )
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take one step and return the loss of the closure, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        messages = 0
        for group in self.param_groups:
            for tensor in group["params"]:
                if tensor.grad is not None and not tensor.grad.is_sparse and not tensor.grad.isfinite().all():
                    raise ValueError(
                        f"The gradient of a parameter of shape {tuple(tensor.shape)} is not finite; nothing has moved."
                    )
        with torch.no_grad():
            for group in self.param_groups:
                tensors = [parameter for parameter in group["params"] if parameter.grad is not None]
                together = group["scope"] == "group"
                for part in [tensors] if together else [[tensor] for tensor in tensors]:
                    self._send(part, group, messages)
                    messages += 1
        return loss

    def _send(self, tensors: list[Any], group: dict[str, Any], number: int) -> None:
        """Move some tensors by one message."""
        updates = [self._update(tensor, group) for tensor in tensors]
        compressor: Compressor | None = group["compressor"]
        if compressor is None or not tensors:
            for tensor, update in zip(tensors, updates, strict=True):
                tensor.sub_(update)
            return
        errors = [self.state[tensor].setdefault("error", torch.zeros_like(tensor)) for tensor in tensors]
        sums = [update + error for update, error in zip(updates, errors, strict=True)]
        p = torch.cat([one.reshape(-1) for one in sums]).double().cpu().numpy()
        stream, t = int(random.key(self.entropy, number)), self.state[tensors[0]]["step"]
        u = np.array([random.uniform_at(stream, t, slot) for slot in range(compressor.draws(p.size))])
        image: Any = torch.from_numpy(compressor.quantize(p, uniforms=u))
        images = image.split([one.numel() for one in sums])
        for tensor, error, one, part in zip(tensors, errors, sums, images, strict=True):
            sent = part.reshape(one.shape).to(one)
            tensor.sub_(sent)
            if group["error_feedback"]:
                error.copy_(one - sent)

    def _update(self, tensor: Any, group: dict[str, Any]) -> Any:
        """Return u_t of one tensor, of its shape."""
        g, state = tensor.grad, self.state[tensor]
        if g.is_sparse or tensor.is_complex():
            raise ValueError(
                f"A parameter of shape {tuple(tensor.shape)} is sparse or complex; give dense real ones."
            )
        if not state:
            state["step"], state["decay"] = 0, 1.0
            names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]
            for name in names:
                state[name] = torch.zeros_like(tensor)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        if group["theta"] is not None:
            beta2 = 1.0 - group["theta"] / state["step"]
        state["decay"] *= beta2
        m, second = state["exp_avg"], state["exp_avg_sq"]
        m.mul_(beta1).add_(g, alpha=1.0 - beta1)
        second.mul_(beta2).addcmul_(g, g, value=1.0 - beta2)
        if group["amsgrad"]:
            second = torch.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
        rate = group["lr"]
        if group["bias_correction"]:
            rate = rate / (1.0 - beta1 ** state["step"])
            second = second / (1.0 - state["decay"])
        if group["eps_mode"] == "inside":
            scale = (second + group["eps"]).sqrt()
        else:
            scale = second.sqrt() + group["eps"]
        return rate * m / scale.masked_fill(scale == 0.0, math.inf)

"""Optimizers of the suite as optimizers of torch, for models instead of problems; needs the extra ``theory-sim[torch]``.

The rules are those of the lanes, called on tensors by `theory_sim.rules.trace.elementwise` on the device of each
parameter (tested on the CPU; no test has seen a GPU); a reduction over coordinates is one over the coordinates of a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from theory_sim import random
from theory_sim.compressors import identity
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.optimizers.feedback import unsent
from theory_sim.optimizers.quantized import qadam
from theory_sim.rules import build, checks
from theory_sim.rules.language import Round, Rule, names
from theory_sim.rules.trace import elementwise

try:
    import torch
except ImportError as error:
    raise ImportError(
        'theory_sim.torch_bridge needs torch; install it with pip install "theory-sim[torch]".'
    ) from error

_names = cache(names)
_OWN = ("_names", "optimizer", "entropy")  # what a copy keeps beside the attributes of torch
_MOST_MADE = 100  # a scheduler may change a value in every step
SCOPES = ("tensor", "group")
_OF_TORCH = ("params", "param_names", "initial_lr")  # entries of a group that are no values of ours
_FOLDS: Mapping[str, Callable[[Any], Any]] = {
    "sum": torch.sum,
    "norm": torch.linalg.vector_norm,
    "max": lambda terms: (terms + 0.0 * terms).amax(),  # NaN for what is not finite, as in lanes
}


def _full(value: Any, tensor: Any) -> Any:
    """Return a number or a tensor as a new tensor that is like another one."""
    return torch.as_tensor(value, dtype=tensor.dtype, device=tensor.device).expand_as(tensor).clone()


def _called(optimizer: Optimizer, rule: Rule, known: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the results of a rule, after the reductions over coordinates that it names."""
    inner, x = dict(known), known["x"]
    if "i" in _names(rule):
        inner["i"] = torch.arange(x.numel(), dtype=x.dtype, device=x.device).view_as(x)
    for key, one in optimizer.reductions.items():
        own = (key,) if isinstance(key, str) else key
        if set(own) & set(_names(rule)):
            terms = _called(optimizer, one.term, known)
            inner.update(zip(own, (_FOLDS[one.fold](_full(term, x)) for term in terms), strict=True))
    return elementwise(rule, torch)(**{name: inner[name] for name in _names(rule) if name in inner})


def _require_rule(optimizer: Optimizer) -> None:
    """Raise ValueError unless an optimizer is a rule at one coordinate and reductions over coordinates."""
    step, reason = optimizer.step, ""
    if optimizer.up is not None or isinstance(step, Round):
        reason = "it sends or stores compressed messages"
    elif not optimizer.is_rule:
        reason = "its step is a kernel over arrays, not a rule"
    elif optimizer.sees_workers:
        reason = "it needs the gradient of every worker"
    elif any(isinstance(start, str) for start in optimizer.initial.values()):
        reason = "a row of it starts from the gradients of a problem"
    if reason:
        raise ValueError(
            f"{optimizer.name} cannot move tensors, as {reason}; use a rule at one coordinate, such as adam."
        )
    terms = (one.term for one in optimizer.reductions.values())
    for rule in (optimizer.once, step, *terms):
        if rule is not None and not isinstance(rule, Round):
            elementwise(rule, torch)


class _OfRules(torch.optim.Optimizer):  # type: ignore[misc, unused-ignore]  # Any where torch is not installed
    """An optimizer of torch whose groups have values for an optimizer of the suite."""

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self._made: dict[tuple[Any, ...], Optimizer] = {}
        self._names = tuple(defaults)  # torch adds more to its defaults
        super().__init__(params, defaults)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: torch keeps its own attributes only."""
        own = {name: value for name, value in vars(self).items() if name in _OWN}
        return {**super().__getstate__(), **own, "_made": {}}

    def build(self, values: Mapping[str, Any]) -> Optimizer:
        """Return the optimizer of the suite with the values of a group."""
        raise NotImplementedError

    def of(self, group: Mapping[str, Any]) -> Optimizer:
        """Return the optimizer of a group, whatever its step size, which a scheduler may change in every step."""
        values = {name: group[name] for name in self._names if name != "lr"}
        key = tuple(tuple(value) if isinstance(value, list) else value for value in values.values())
        if key not in self._made:
            if len(self._made) == _MOST_MADE:
                self._made.clear()
            self._made[key] = self.build(values)
        return self._made[key]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, after the checks of its values."""
        for name in param_group:
            checks.known("entry of a group", name, (*self._names, *_OF_TORCH))
        group = {**self.defaults, **param_group}
        checks.number("lr", group["lr"], 0.0, open_low=True)
        self.of(group)
        super().add_param_group(param_group)

    @property
    def made_of(self) -> str:
        """The method and its variant, whatever the values of the groups: what a saved state belongs to."""
        return type(self).__name__

    def state_dict(self) -> dict[str, Any]:
        """Return the state as torch does, and of which optimizer it is."""
        return {**super().state_dict(), "made_of": self.made_of}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, after a check that it is of this optimizer.

        Raises
        ------
        ValueError
            If it is of another one, even if its parameters have the same names.
        """
        of = state_dict.get("made_of", "an optimizer of elsewhere")
        if of != self.made_of:
            raise ValueError(f"The state is of {of}, and this is {self.made_of}; load it into the former.")
        for group in state_dict["param_groups"]:
            missing = [name for name in self._names if name not in group]
            if missing:
                raise ValueError(
                    f"The state has no {' and no '.join(missing)}: it is of another optimizer; load it into that one."
                )
        super().load_state_dict(state_dict)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take one step and return the loss of the closure, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [[one for one in group["params"] if one.grad is not None] for group in self.param_groups]
        for tensor in (one for tensors in moving for one in tensors):
            shape = tuple(tensor.shape)
            if tensor.grad.is_sparse or tensor.is_complex():
                raise ValueError(f"A parameter of shape {shape} is sparse or complex; give dense real ones.")
            if not tensor.grad.isfinite().all():
                raise ValueError(
                    f"The gradient of a parameter of shape {shape} is not finite; nothing has moved."
                )
        messages = 0
        with torch.no_grad():
            for group, tensors in zip(self.param_groups, moving, strict=True):
                together = group.get("scope") == "group"
                for part in [tensors] if together else [[tensor] for tensor in tensors]:
                    self.move(part, group, messages)
                    messages += 1
        return loss

    def move(self, tensors: list[Any], group: dict[str, Any], number: int) -> None:
        """Move some tensors, which share the message of this number."""
        raise NotImplementedError

    def begun(self, tensor: Any, group: Mapping[str, Any], rows: tuple[str, ...]) -> dict[str, Any]:
        """Return what a rule knows in the next step of a tensor, after the rule that is called once."""
        optimizer, state = self.of(group), self.state[tensor]
        for row in (*rows, *optimizer.shared):
            if row not in state:
                start = optimizer.initial.get(row, 0.0)
                state[row] = start if row in optimizer.shared else _full(start, tensor)
        state["step"] = t = state.get("step", 0) + 1
        schedule, factor = optimizer.schedule, np.empty(1)
        parameters = np.array([*schedule.parameters.values()], dtype=float)[:, None]
        build.compiled(schedule.source)(t, parameters, factor)
        known = {**state, **optimizer.hyper, "t": t, "lr": group["lr"] * factor.item(), "workers": 1}
        known |= {"g": tensor.grad, "x": tensor, "d": tensor.numel()}
        if optimizer.once is not None:
            shared = dict(zip(optimizer.shared, _called(optimizer, optimizer.once, known), strict=True))
            state.update(shared)
            known |= shared
        return known

    def keep(self, tensor: Any, rows: tuple[str, ...], values: tuple[Any, ...]) -> None:
        """Store the rows of a tensor: new tensors, as a rule may return a row or x itself."""
        self.state[tensor].update(
            {row: _full(value, tensor) for row, value in zip(rows, values, strict=True)}
        )


class TorchOptimizer(_OfRules):
    """An optimizer of the suite on the parameters of a model; `torch_optimizer` makes one.

    State of a parameter: ``step``, and the rows of the optimizer by name, tensors like the parameter; a row
    with one value for all coordinates is one number.

    Parameters
    ----------
    params : iterable
        Parameters, or groups, whose entries may be lr and the parameters of the optimizer by
        name, such as ``beta1``.
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If a value breaks its rule, or a gradient is not finite; then no parameter has moved.
    """

    def __init__(self, params: Any, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        given = optimizer.hyper if optimizer.family is None else optimizer.arguments
        own = {name: given[name] for name in given if name in optimizer.axes}
        super().__init__(params, {**own, "lr": optimizer.lr})

    @property
    def made_of(self) -> str:
        """The method and its variant."""
        variant = ", ".join(f"{name} = {value}" for name, value in self.optimizer.variant.items())
        return f"{self.optimizer.name} ({variant})" if variant else self.optimizer.name

    def build(self, values: Mapping[str, Any]) -> Optimizer:
        """Return the optimizer with the values of a group."""
        made = self.optimizer.replace(**values)
        _require_rule(made)
        return made

    def move(self, tensors: list[Any], group: dict[str, Any], number: int) -> None:
        """Move one tensor."""
        (tensor,), optimizer = tensors, self.of(group)
        rows = tuple(row for row in optimizer.rows if row not in optimizer.shared)
        known = self.begun(tensor, group, rows)
        x, *values = _called(optimizer, optimizer.step, known)  # type: ignore[arg-type]  # no Round here
        self.keep(tensor, rows, tuple(values))
        tensor.copy_(_full(x, tensor))


def torch_optimizer(optimizer: Optimizer) -> Callable[[Any], TorchOptimizer]:
    """Return an optimizer of the suite as one for torch: call the result with the parameters of a model.

    Parameters
    ----------
    optimizer : Optimizer
        A rule at one coordinate, with its schedule.  A reduction over coordinates is over
        those of one tensor.

    Raises
    ------
    TypeError
        If it is no Optimizer.
    ValueError
        If the optimizer sends messages, sees workers, or is a kernel.

    Examples
    --------
    ``torch_optimizer(theory_sim.lion(1e-4))(model.parameters())``; and with groups
    ``torch_optimizer(theory_sim.adam(1e-3))([{"params": body}, {"params": head, "lr": 1e-4, "beta2": 0.99}])``.
    """
    checks.instance("optimizer", optimizer, Optimizer, "an Optimizer, such as theory_sim.lion(1e-4)")
    _require_rule(optimizer)
    return partial(TorchOptimizer, optimizer=optimizer)


class QuantizedAdam(_OfRules):
    """Adam whose update passes a compressor with error feedback: one worker of QAdam (arXiv:2004.14180).

    x_{t+1} = x_t - C(u_t + e_t), e_{t+1} = u_t + e_t - C(u_t + e_t), u_t = lr m_t / sqrt(v_t + eps): the
    rules of `theory_sim.qadam`.  Without a compressor, ``bias_correction=True, eps_mode="outside"`` is
    `torch.optim.Adam`.  Messages are quantized in float64 on the CPU by the kernels of this suite, which is
    meant for study, not for speed.

    State of a parameter: ``step``, the rows of `theory_sim.qadam`, ``m``, ``v``, ``vhat`` with amsgrad,
    numbers that all coordinates share, and ``error`` with a compressor.

    Parameters
    ----------
    params : iterable
        Parameters or groups; a group can have values of its own for everything below.
    lr, betas, eps : float, (float, float), float
        lr > 0, betas in [0, 1), eps >= 0.
    compressor : Compressor, optional
        From `theory_sim.compressors`; None sends the update as it is.
    scope : {"tensor", "group"}
        Whether a message is one tensor or all tensors of the group, flattened and joined; scales and counts
        such as the k of top_k, and so the constants of the compressor, are those of a message.
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
        own = {"lr": lr, "betas": betas, "eps": eps, "compressor": compressor, "scope": scope, "theta": theta}
        own |= {"amsgrad": amsgrad, "bias_correction": bias_correction, "eps_mode": eps_mode}
        super().__init__(params, {**own, "error_feedback": error_feedback})

    def build(self, values: Mapping[str, Any]) -> Optimizer:
        """Return QAdam with the values of a group."""
        given = dict(values)
        checks.known("scope", given.pop("scope"), SCOPES)
        betas, compressor = given.pop("betas"), given.pop("compressor")
        if len(betas) != 2:
            raise ValueError(f"betas = {betas!r} must be two numbers, beta1 and beta2.")
        up = identity() if compressor is None else compressor
        return qadam(beta1=betas[0], beta2=betas[1], up=up, **given)

    def move(self, tensors: list[Any], group: dict[str, Any], number: int) -> None:
        """Move some tensors by one message."""
        round_, compressor = self.of(group).step, group["compressor"]
        assert isinstance(round_, Round)
        sums = [self._update(tensor, group, round_) for tensor in tensors]
        if compressor is None or not tensors:
            for tensor, update in zip(tensors, sums, strict=True):
                tensor.sub_(update)
            return
        p = torch.cat([one.reshape(-1) for one in sums]).double().cpu().numpy()
        stream, t = int(random.key(self.entropy, number)), self.state[tensors[0]]["step"]
        u = np.array([random.uniform_at(stream, t, slot) for slot in range(compressor.draws(p.size))])
        image: Any = torch.from_numpy(compressor.quantize(p, uniforms=u))
        images = image.split([one.numel() for one in sums])
        for tensor, one, part in zip(tensors, sums, images, strict=True):
            sent = part.reshape(one.shape).to(one)
            tensor.sub_(sent)
            self.keep(tensor, ("error",), elementwise(unsent, torch)(one, sent))

    def _update(self, tensor: Any, group: dict[str, Any], round_: Round) -> Any:
        """Return what one tensor sends, u_t + e_t, after the step of its moments."""
        rows = round_.send.writes[1:]
        known = self.begun(tensor, group, rows)
        known["e"] = 0.0 if group["compressor"] is None else known.get("error", 0.0)
        p, *values = _called(self.of(group), round_.send.rule, known)
        self.keep(tensor, rows, tuple(values))
        return p

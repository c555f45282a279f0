"""A communication hook for `torch.nn.parallel.DistributedDataParallel`: gradients travel as packed messages.

A message is the gradient of one parameter; those of a bucket travel together, so how torch fills its buckets changes
nothing.  Every rank gathers the messages of all ranks, decodes them, and plays the server: the reply, and the rows
that the server keeps, are the same bits on each of them, so no reply has to travel.  It runs over gloo on the CPU; over
nccl the bytes pass through tensors of the GPU, which no test of this suite has seen.
"""

# No annotations from __future__: torch looks at those of the hook.
from collections.abc import Mapping
from typing import Any

import numpy as np

from theory_sim import random
from theory_sim.compressors.compressor import Compressor, Payload
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import checks
from theory_sim.rules.language import Round, Stage, names
from theory_sim.rules.trace import Expression, expressions
from theory_sim.wire.replica import FloatArray, Rules, drawn_at, size_of

try:
    import torch
    import torch.distributed as dist
except ImportError as error:
    raise ImportError(
        'theory_sim.wire.ddp needs torch; install it with pip install "theory-sim[torch]".'
    ) from error


def _reads(node: Any, name: str) -> bool:
    """Return whether an expression depends on a name."""
    if not isinstance(node, Expression):
        return False
    own = node.operation == "name" and node.parts[0] == name
    return own or any(_reads(part, name) for part in node.parts)


def _subtracts(stage: Stage) -> bool:
    """Return whether a stage moves x by something that does not depend on x."""
    out = expressions(stage.rule)[stage.writes.index("x")]
    left, right = out.parts if out.operation == "-" else (None, None)
    is_x = isinstance(left, Expression) and left.operation == "name" and left.parts[0] == "x"
    return is_x and not _reads(right, "x")


def _require(method: Optimizer) -> None:
    """Raise ValueError unless gradients are all that a method needs to know."""
    round_, reason = method.step, ""
    if not isinstance(round_, Round) or method.up is None or method.down is None:
        reason = "it sends no messages to a server"
    elif round_.start is not None or method.warmup:
        reason = "its first messages are others"
    elif method.reductions:
        reason = "it needs a number from all coordinates or workers"
    elif any("x" in names(one.rule) for one in (round_.send, round_.keep, round_.reply) if one is not None):
        reason = "a message depends on the parameters"
    elif not _subtracts(round_.apply):
        reason = "its step depends on the parameters"
    if reason:
        raise ValueError(
            f"{method.name} has no hook, as {reason}; use a method such as ef_sgd or efficient_adam."
        )


class DDPState:
    """What one rank keeps between the steps of a model whose gradients are compressed.

    Parameters
    ----------
    method : Optimizer
        With messages: what its workers send, what they keep (the error e of error feedback) and what the server
        makes of their mean.  The gradients that the hook returns are the steps x_t - x_{t+1} of this method, so
        ``torch.optim.SGD(..., lr=1)`` follows it; with ``ef_sgd(1.0, ...)`` they are compressed gradients for any
        optimizer.
    parameters : iterable of tensor
        Of the model, in its order.
    entropy : int
        Root of the uniforms of random compressors; parameter number i has the stream (entropy, i), as the lane of
        seed i has, with the slots of a problem without noise.
    group : ProcessGroup, optional
        Default: that of all ranks.

    Attributes
    ----------
    bits : int
        Bits of all messages that this rank has sent: each time `Compressor.bits` of every parameter.
    bytes_sent : int
        Bytes of these messages on the wire, each padded to whole bytes; every other rank receives them once.

    Raises
    ------
    ValueError
        If a step of the method is more than a function of gradients.
    """

    def __init__(self, method: Optimizer, parameters: Any, entropy: int = 0, group: Any = None) -> None:
        _require(method)
        assert isinstance(method.step, Round)
        assert method.up is not None
        assert method.down is not None
        self.method, self.group = method, group
        self.round, self.up, self.down = method.step, method.up, method.down
        self.entropy = checks.count("entropy", entropy, 0)
        self.numbers = {one: number for number, one in enumerate(parameters)}
        self.rules: dict[int, Rules] = {}
        self.steps: dict[int, int] = {}
        self.bits = self.bytes_sent = 0
        for one in self.numbers:
            method.require(one.numel())

    def state_dict(self) -> dict[str, Any]:
        """Return the steps and rows of every parameter by its number, as plain arrays, for a checkpoint."""
        kept = (*self.method.rows, *self.method.worker_rows, *self.method.shared)
        rows = {n: {row: np.copy(one.values[row]) for row in kept} for n, one in self.rules.items()}
        return {"steps": dict(self.steps), "rows": rows, "bits": self.bits, "bytes_sent": self.bytes_sent}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned on this rank."""
        self.bits, self.bytes_sent, self.steps = state["bits"], state["bytes_sent"], dict(state["steps"])
        for number, rows in state["rows"].items():
            self._rules(number, len(next(iter(rows.values()), []))).values.update(rows)

    def _rules(self, number: int, d: int) -> Rules:
        if number not in self.rules:
            self.rules[number] = Rules(self.method, d, dist.get_world_size(self.group))
        return self.rules[number]

    def send(self, number: int, gradient: Any) -> bytes:
        """Return the message of a parameter, after the worker has kept what it does not send."""
        rank, workers = dist.get_rank(self.group), dist.get_world_size(self.group)
        g = gradient.detach().reshape(-1).double().cpu().numpy()
        rules, d = self._rules(number, g.size), g.size
        self.steps[number] = t = self.steps.get(number, 0) + 1
        rules.begin(t)
        q = self.up.draws(d)
        p = rules.run(self.round.send, g=g, j=rank)["p"]
        payload = self.up.compress(p, uniforms=self._uniforms(number, workers + rank * q, q))
        if self.round.keep is not None:
            rules.run(self.round.keep, p=p, sent=self.up.decompress(payload), g=g, j=rank)
        self.bits += payload.bits
        self.bytes_sent += len(payload.data)
        return payload.data

    def receive(self, number: int, d: int, messages: list[bytes]) -> FloatArray:
        """Return the step of a parameter from the messages of all ranks, in their order."""
        rules, workers = self._rules(number, d), len(messages)
        mean = sum(self.up.decompress(Payload(data, 8 * len(data), d)) for data in messages) / workers
        known: dict[str, Any] = {"mean": mean}
        if self.round.reply is not None:
            p = rules.run(self.round.reply, **known)["p"]
            first = workers * (1 + self.up.draws(d))
            u = self._uniforms(number, first, self.down.draws(d))
            known |= {"p": p, "reply": _decoded(self.down, p, u)}
        return np.asarray(-rules.run(self.round.apply, x=np.zeros(d), **known)["x"])

    def _uniforms(self, number: int, first: int, count: int) -> FloatArray:
        return drawn_at(int(random.key(self.entropy, number)), self.steps[number], first, count)


def _decoded(compressor: Compressor, p: Any, uniforms: FloatArray) -> FloatArray:
    """Return what a receiver of the message of p would decode."""
    return compressor.decompress(compressor.compress(p, uniforms=uniforms))


def reduce(
    state: DDPState,
    bucket: dist.GradBucket,  # type: ignore[name-defined, unused-ignore]  # torch names it where it can
) -> torch.futures.Future[torch.Tensor]:
    """Return the future of a bucket's gradients after the messages of all ranks: the hook itself."""
    parameters, gradients, buffer = bucket.parameters(), bucket.gradients(), bucket.buffer()
    own = [state.numbers[one] for one in parameters]
    data = b"".join(state.send(number, one) for number, one in zip(own, gradients, strict=True))
    message = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(buffer.device)
    arrived = [torch.empty_like(message) for _ in range(dist.get_world_size(state.group))]
    work = dist.all_gather(arrived, message, group=state.group, async_op=True)

    def decoded(future: Any) -> Any:
        future.value()  # raises what the exchange has met
        packed, at = [bytes(one.cpu().numpy()) for one in arrived], 0
        for number, gradient in zip(own, gradients, strict=True):
            d = gradient.numel()
            end = at + size_of(state.up, d)
            step = state.receive(number, d, [one[at:end] for one in packed])
            gradient.copy_(torch.from_numpy(step).view_as(gradient))
            at = end
        return buffer

    reduced: torch.futures.Future[torch.Tensor] = work.get_future().then(decoded)
    return reduced


def ddp_hook(model: Any, method: Optimizer, entropy: int = 0) -> DDPState:
    """Let the gradients of a model travel as the messages of a method, and return what this rank keeps.

    Parameters
    ----------
    model : torch.nn.parallel.DistributedDataParallel
        On every rank, with the same method and entropy.
    method, entropy
        See `DDPState`.

    Raises
    ------
    TypeError
        If the model is not wrapped.
    ValueError
        If a step of the method is more than a function of gradients.  A gradient that is not finite is refused in the
        backward pass of its rank.

    Examples
    --------
    >>> state = ddp_hook(DistributedDataParallel(net), ts.ef_sgd(1.0, up=top_k(100)))  # doctest: +SKIP
    """
    checks.instance(
        "model", model, torch.nn.parallel.DistributedDataParallel, "a model in DistributedDataParallel"
    )
    moving = [one for one in model.module.parameters() if one.requires_grad]
    state = DDPState(method, moving, entropy, model.process_group)
    model.register_comm_hook(state, reduce)
    return state

"""The networks: pure functions of named tensors, for one cell; `torch.func.vmap` makes them functions of many."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim.rules import checks
from theory_sim.wire.networks.data import CHARACTERS, Array, Data, digits, normals, text

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A network with its loss.

    Parameters
    ----------
    name : str
    shapes : mapping of str to tuple of int
        Parameters by name, in their order in the vector of all.
    scales : mapping of str to float
        Standard deviation of the normal start of each; NaN for a gain, which starts at 1.
    loss : callable
        ``loss(parameters, inputs, targets)``: the mean cross entropy, in nats.
    data : callable
        What it learns.
    """

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    scales: Mapping[str, float]
    loss: Callable[[Tensors, Any, Any], Any]
    data: Callable[[], Data]

    @property
    def sizes(self) -> list[int]:
        """Number of entries of each parameter."""
        return [math.prod(shape) for shape in self.shapes.values()]

    @property
    def matrices(self) -> tuple[str, ...]:
        """Parameters that are weights between units, no biases and no gains."""
        return tuple(name for name, shape in self.shapes.items() if len(shape) > 1)

    def named(self, vector: Any) -> dict[str, Any]:
        """Return the parameters in a vector (P,), as views; the gradient of ``split`` is one concatenation."""
        parts = zip(self.shapes.items(), vector.split(self.sizes), strict=True)
        return {name: part.view(shape) for (name, shape), part in parts}

    def of_vector(self, vector: Any, inputs: Any, targets: Any) -> Any:
        """Return the loss at a vector (P,) of all parameters."""
        return self.loss(self.named(vector), inputs, targets)

    def start(self, entropy: int, seed: int) -> Array:
        """Return the initial vector (P,) of a seed."""
        scale = np.repeat([*self.scales.values()], self.sizes)
        drawn = normals(entropy, seed, len(scale), "start")
        return np.where(np.isnan(scale), 1.0, drawn * np.nan_to_num(scale))


def _dense(
    name: str, outs: int, ins: int, gain: float
) -> tuple[dict[str, tuple[int, ...]], dict[str, float]]:
    shapes = {f"{name}.weight": (outs, ins), f"{name}.bias": (outs,)}
    return shapes, {f"{name}.weight": gain / math.sqrt(ins), f"{name}.bias": 0.0}


def mlp(width: int = 32, depth: int = 1) -> Model:
    """Return a perceptron with tanh on the digits: 64 pixels, `depth` layers of `width` units, 10 classes."""
    from torch.nn.functional import cross_entropy, linear

    outs = [*(checks.count("width", width) for _ in range(checks.count("depth", depth))), 10]
    shapes: dict[str, tuple[int, ...]] = {}
    scales: dict[str, float] = {}
    for i, (ins, out) in enumerate(zip([64, *outs], outs, strict=False)):
        own, spread = _dense(f"layer{i}", out, ins, 1.0)
        shapes |= own
        scales |= spread

    def loss(p: Tensors, inputs: Any, targets: Any) -> Any:
        h = inputs
        for i in range(depth + 1):
            h = linear(h, p[f"layer{i}.weight"], p[f"layer{i}.bias"])
            h = h.tanh() if i < depth else h
        return cross_entropy(h, targets)

    return Model("mlp", shapes, scales, loss, digits)


def cnn(width: int = 8) -> Model:
    """Return a network of three 3 x 3 convolutions with ReLU on the digits; each but the last halves the sides.

    Parameters
    ----------
    width : int
        Channels of the first; the others have twice as many.
    """
    from torch.nn.functional import avg_pool2d, conv2d, cross_entropy, linear

    channels = [1, checks.count("width", width), 2 * width, 2 * width]
    shapes: dict[str, tuple[int, ...]] = {}
    scales: dict[str, float] = {}
    for i in range(3):
        shapes |= {
            f"conv{i}.weight": (channels[i + 1], channels[i], 3, 3),
            f"conv{i}.bias": (channels[i + 1],),
        }
        scales |= {f"conv{i}.weight": math.sqrt(2.0 / (9 * channels[i])), f"conv{i}.bias": 0.0}
    own, spread = _dense("out", 10, 8 * width, 1.0)
    shapes |= own
    scales |= spread

    def loss(p: Tensors, inputs: Any, targets: Any) -> Any:
        h = inputs.reshape(-1, 1, 8, 8)
        for i in range(3):
            h = conv2d(h, p[f"conv{i}.weight"], p[f"conv{i}.bias"], padding=1).relu()
            h = avg_pool2d(h, 2) if i < 2 else h
        return cross_entropy(linear(h.flatten(1), p["out.weight"], p["out.bias"]), targets)

    return Model("cnn", shapes, scales, loss, digits)


def transformer(width: int = 32, depth: int = 2, heads: int = 2, context: int = 32) -> Model:
    """Return a causal Transformer on the characters of a text: norms before blocks, GELU, no biases.

    Parameters
    ----------
    width, depth, heads, context : int
        Width of the residual stream, blocks, heads of attention, characters of a sample.
    """
    import torch
    from torch.nn.functional import cross_entropy, gelu, one_hot

    d = checks.count("width", width)
    if d % checks.count("heads", heads):
        raise ValueError(f"width = {width} is no multiple of heads = {heads}; choose one.")
    shapes: dict[str, tuple[int, ...]] = {"embed": (CHARACTERS, d), "position": (context, d)}
    scales = {"embed": 1.0, "position": 0.1}
    for i in range(checks.count("depth", depth)):
        shapes |= {f"block{i}.gain1": (d,), f"block{i}.gain2": (d,)}
        scales |= {f"block{i}.gain1": math.nan, f"block{i}.gain2": math.nan}
        for name, outs, ins in (
            *((one, d, d) for one in ("q", "k", "v", "o")),
            ("up", 4 * d, d),
            ("down", d, 4 * d),
        ):
            shapes[f"block{i}.{name}"] = (outs, ins)
            scales[f"block{i}.{name}"] = 1.0 / math.sqrt(ins)
    shapes |= {"gain": (d,), "unembed": (CHARACTERS, d)}
    scales |= {"gain": math.nan, "unembed": 1.0 / math.sqrt(d)}

    def norm(h: Any, gain: Any) -> Any:
        centred = h - h.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain

    def attention(h: Any, p: Tensors, i: int) -> Any:
        def split(name: str) -> Any:  # (B, heads, context, d / heads)
            return (h @ p[f"block{i}.{name}"].T).unflatten(-1, (heads, d // heads)).transpose(-3, -2)

        q, k, v = split("q"), split("k"), split("v")
        scores = q @ k.transpose(-2, -1) * math.sqrt(heads / d)
        mask = torch.ones(context, context, dtype=torch.bool, device=h.device).triu(1)
        mixed = scores.masked_fill(mask, -math.inf).softmax(-1) @ v
        return mixed.transpose(-3, -2).flatten(-2) @ p[f"block{i}.o"].T

    def loss(p: Tensors, inputs: Any, targets: Any) -> Any:
        # A product with indicators instead of a look-up: its gradient has one order of summation on every device.
        h = one_hot(inputs, CHARACTERS).to(p["embed"].dtype) @ p["embed"] + p["position"]
        for i in range(depth):
            h = h + attention(norm(h, p[f"block{i}.gain1"]), p, i)
            h = h + gelu(norm(h, p[f"block{i}.gain2"]) @ p[f"block{i}.up"].T) @ p[f"block{i}.down"].T
        logits = norm(h, p["gain"]) @ p["unembed"].T
        return cross_entropy(logits.flatten(0, -2), targets.flatten())

    return Model("transformer", shapes, scales, loss, lambda: text(context))


MODELS: dict[str, Callable[..., Model]] = {"mlp": mlp, "cnn": cnn, "transformer": transformer}

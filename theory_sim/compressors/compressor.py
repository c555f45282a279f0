"""The Compressor noun: what a message becomes, how many bits it costs, and its exact worst case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory_sim import random
from theory_sim.compressors.packing import floats, pack, unpack, words
from theory_sim.rules import build, checks, declared, inspection, tile
from theory_sim.rules.compress import compress
from theory_sim.rules.language import (
    Reduction,
    Reductions,
    Rule,
    Source,
    Stage,
    require_names,
)
from theory_sim.rules.results import require_results

FloatArray = NDArray[np.float64]
Field = tuple[np.ndarray[Any, Any], int]


@dataclass(frozen=True)
class Payload:
    """A packed message.

    Parameters
    ----------
    data : bytes
    bits : int
        Bits written, before the padding to whole bytes.
    dim : int
        Number of coordinates d of the vector.
    """

    data: bytes
    bits: int
    dim: int


def _not_stated(d: int) -> float:
    raise ValueError("This compressor states no worst case; give error=.")


def _of_words(d: int) -> Sequence[tuple[int, int]]:
    return [(d, 64)]


def _as_words(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
    return [(words(y, 64), 64)]


def _from_words(d: int, entries: Any) -> FloatArray:
    return floats(entries, 64)


def _none(d: int) -> int:
    return 0


def _one_each(d: int) -> int:
    return d


def _of_any_size(d: int) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Compressor:
    """A map C from R^d to R^d with a code.

    The rule gives the vector that the receiver will decode; `encode` and `decode` are its code.  An entry
    that is not finite makes everything NaN in the lanes that shares a scale or a choice with it, and an
    entry too large for the code becomes NaN or infinite; `compress` refuses both.  The zero vector
    decodes to the zero vector.

    The constants `delta` and `omega` are those of the map on real numbers.  The code rounds a float of the
    message to its word, by a relative 2^-24 for 32 bits (normal range 1.2e-38 ... 3.4e38) and 2^-53 for 64,
    and below the range of its code it flushes to 0.

    Parameters
    ----------
    name : str
    rule : callable
        A rule of named scalars that returns the image of one coordinate: the names are its entry ``p``, a
        uniform ``u`` of its own, its place ``i`` of ``d``, the hyperparameters, `reductions` and `shared`.
        Or, for a map that sorts or chooses, a compress kernel ``(p, u, hyper, out)``; see
        `theory_sim.rules.build`.
    hyper : mapping of str to float
        Hyperparameters by name.  With one called ``block`` the map acts on each block of so many coordinates,
        0 for one block, as on a vector of its own; the last one may be shorter.
    reductions : mapping of str, or tuple of str, to Reduction
        Numbers from all coordinates that the rules name.
    once : callable, optional
        Rule that is called once per message, or block, before the coordinates, and returns
        the numbers `shared`.
    shared : tuple of str
    error : callable
        ``error(d)`` = sup over x of E ||C(x) - x||^2 / ||x||^2, exactly or, where `exact` is
        False, from above.
    layout : callable
        ``layout(d)``: (count, width) of the fields of a message; without a code of its own, d
        words of 64 bits.
    encode : callable
        ``encode(x, y, u)``: the fields of a message, from the vector x, its image y = C(x)
        and the uniforms u (q,).
    decode : callable
        ``decode(d, *fields)``: y.
    family : callable, optional
        The constructor, called again by `replace`.
    arguments : mapping
        The constructor's arguments, or without one the hyperparameters; each can be an axis of a sweep, as
        ``up.NAME`` or ``down.NAME``.
    draws : callable
        ``draws(d)``, the uniforms that a message reads; 0 for a deterministic map, d for a rule that names u.
    unbiased : bool
        Whether E C(x) = x.
    idempotent : bool
        Whether C(C(x)) = C(x) for every x, bit for bit, as long as the floats of the message are normal ones.
    exact : bool
        Whether `error` is attained (as a supremum) for every d.
    paper : str
        Key of `theory_sim.nouns.papers`.
    require : callable
        ``require(d)`` raises ValueError unless the map acts on R^d.

    Examples
    --------
    A user's own compressor is one rule and one line:

    >>> def clipped(p, bound):
    ...     return min(max(p, -bound), bound)
    >>> Compressor("clip", clipped, {"bound": 0.5}).quantize([0.25, -2.0]).tolist()
    [0.25, -0.5]
    """

    name: str
    rule: Rule
    hyper: Mapping[str, float] = field(default_factory=dict)
    reductions: Reductions = field(default_factory=dict)
    once: Rule | None = None
    shared: tuple[str, ...] = ()
    error: Callable[[int], float] = _not_stated
    layout: Callable[[int], Sequence[tuple[int, int]]] = _of_words
    encode: Callable[[FloatArray, FloatArray, FloatArray], Sequence[Field]] = _as_words
    decode: Callable[..., FloatArray] = _from_words
    family: Callable[..., Compressor] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    draws: Callable[[int], int] = _none
    unbiased: bool = False
    idempotent: bool = False
    exact: bool = True
    paper: str = ""
    require: Callable[[int], None] = _of_any_size

    def __post_init__(self) -> None:
        for name in ("hyper", "reductions"):
            checks.instance(name, getattr(self, name), Mapping, "a mapping of names to values")
        for key, one in self.reductions.items():
            if not isinstance(one, Reduction) or one.over != "coordinates":
                raise TypeError(
                    f"Reduction {key!r} of {self.name} is {one!r}; use total, norm or largest, over coordinates."
                )
        reduced = [one for key in self.reductions for one in ((key,) if isinstance(key, str) else key)]
        taken = ("p", "u", "i", "d")
        require_names("Hyperparameter", self.hyper, taken, self.name)
        require_names("Reduction", reduced, (*taken, *self.hyper), self.name)
        require_names("Shared number", self.shared, (*taken, *self.hyper, *reduced), self.name)
        if (self.once is None) != (not self.shared):
            raise ValueError(
                f"shared = {self.shared} of {self.name} must name the results of the rule once; give both."
            )
        for name, value in self.hyper.items():
            if not isinstance(value, int | float) or math.isnan(value):
                raise ValueError(f"{name} = {value!r} of {self.name} must be a number.")
        if self.family is None:
            object.__setattr__(self, "arguments", dict(self.hyper))
        if not self.is_rule:
            return
        self.source  # noqa: B018  names that do not bind are refused here
        if "u" in declared.reached(self.rule, self.reductions):
            object.__setattr__(self, "draws", _one_each)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the constructor and its arguments: codes are closures."""
        if self.family is not None:
            return partial(self.family, **self.arguments), ()
        return partial(Compressor, **{one.name: getattr(self, one.name) for one in fields(self)}), ()

    @property
    def is_rule(self) -> bool:
        """Whether the map is written as a rule, not as a kernel."""
        return not build.is_raw("compress", self.rule)

    @cached_property
    def source(self) -> Source:
        """The compress kernel."""
        if not self.is_rule:
            return tile.raw("compress", self.rule)
        once = None if self.once is None else Stage(self.once, tuple(self.shared))
        return _compress(self.rule, self.name, tuple(self.hyper), tuple(self.reductions.items()), once)

    def inspect(self, d: int) -> None:
        """Raise ValueError if a kernel written by hand does not fit; see `theory_sim.rules.inspection`."""
        if self.is_rule:
            return
        lanes = inspection.LANES
        arrays = {
            "p": np.linspace(-1.0, 1.5, d * lanes).reshape(d, lanes),
            "u": np.linspace(0.0, 0.99, self.draws(d) * lanes).reshape(-1, lanes),
            "hyper": np.array([*self.hyper.values()], dtype=float),
            "out": np.empty((d, lanes)),
        }
        inspection.require("compress", self.rule, self.name, arrays, {"hyper": tuple(self.hyper)})

    def replace(self, **changes: Any) -> Compressor:
        """Return a copy with other parameters, checked by the same rules."""
        for name in changes:
            checks.known(f"parameter of {self.name}", name, self.arguments)
        if self.family is None:
            return replace(self, hyper={**self.hyper, **changes})
        return self.family(**{**self.arguments, **changes})

    def delta(self, d: int) -> float:
        """Return the largest delta with E ||C(x) - x||^2 <= (1 - delta) ||x||^2 for all x in R^d.

        A value <= 0 means that C is no contraction.  Where `exact` is False it is a lower bound.
        """
        return 1.0 - self.error(self._admitted(d))

    def omega(self, d: int) -> float:
        """Return the least omega with E ||C(x) - x||^2 <= omega ||x||^2; C must be unbiased.

        Raises
        ------
        ValueError
            If C is biased.
        """
        if not self.unbiased:
            raise ValueError(f"{self} is biased and has no omega; ask delta(d).")
        return self.error(self._admitted(d))

    def bits(self, d: int) -> float:
        """Return the number of bits of a message of d coordinates."""
        return sum(count * width for count, width in self.layout(self._admitted(d)))

    def uniforms(self, d: int, seed: int) -> FloatArray:
        """Return the uniforms (q,) of the message number `seed`."""
        stream = random.key(seed, 0)
        return np.array([random.uniform_at(int(stream), 0, slot) for slot in range(self.draws(d))])

    def quantize(self, x: ArrayLike, *, seed: int = 0, uniforms: ArrayLike | None = None) -> FloatArray:
        """Return C(x), what `decompress` makes of ``compress(x)``.

        Parameters
        ----------
        x : array_like of float, shape (d,)
        seed : int
            Number of the message, for a random compressor.
        uniforms : array_like of float, shape (q,), optional
            The uniforms themselves, instead of a seed.

        Raises
        ------
        ValueError
            If x is no finite vector, or lies outside the range of the code.
        """
        x, u = self._message(x, seed, uniforms)
        rows = np.array([*self.hyper.values()], dtype=float)
        out = np.empty((x.size, 1))
        with np.errstate(all="ignore"):  # what overflows is reported below
            build.compiled(self.source)(x[:, None].copy(), u[:, None].copy(), rows, out)
        if not np.isfinite(out).all():
            raise ValueError(
                f"x has entries in [{x.min():g}, {x.max():g}], outside the range of the code of {self}; "
                "scale x or send wider words."
            )
        return out[:, 0]

    def compress(self, x: ArrayLike, *, seed: int = 0, uniforms: ArrayLike | None = None) -> Payload:
        """Return the packed message of x; see `quantize` for the parameters."""
        x, u = self._message(x, seed, uniforms)
        data, bits = pack(self.encode(x, self.quantize(x, uniforms=u), u))
        return Payload(data, bits, x.size)

    def decompress(self, payload: Payload) -> FloatArray:
        """Return the vector (d,) of a message.

        Raises
        ------
        ValueError
            If the payload is not as long as this compressor's messages are.
        """
        if not isinstance(payload, Payload):
            raise TypeError(f"{payload!r} is not a Payload; give what compress returns.")
        try:
            return self.decode(payload.dim, *unpack(payload.data, self.layout(payload.dim)))
        except IndexError as error:
            raise ValueError(f"A payload of {self} is damaged: {error}.") from None

    def _admitted(self, d: int) -> int:
        """Return d, a dimension the map acts on."""
        d = checks.count("d", d)
        self.require(d)
        return d

    def _message(self, x: ArrayLike, seed: int, uniforms: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
        point = np.asarray(x, dtype=float)
        if point.ndim != 1 or point.size == 0:
            raise ValueError(f"x has shape {point.shape}; a message is a non-empty vector.")
        bad = np.flatnonzero(~np.isfinite(point))
        if bad.size:
            raise ValueError(f"x[{bad[0]}] = {point[bad[0]]}; a message must be finite.")
        self.require(point.size)
        u = self.uniforms(point.size, seed) if uniforms is None else np.asarray(uniforms, dtype=float)
        if u.shape != (self.draws(point.size),):
            raise ValueError(
                f"uniforms have shape {u.shape}; {self} reads {self.draws(point.size)} of them for d = {point.size}."
            )
        return point, u

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"

    __repr__ = __str__


@lru_cache(1024)
def _compress(
    rule: Rule,
    owner: str,
    hyper: tuple[str, ...],
    reductions: tuple[tuple[Any, Reduction], ...],
    once: Stage | None,
) -> Source:
    """Return the compress kernel of what a compressor declares, after checking every rule of it."""
    declared.require_reductions(reductions, owner)
    made = compress(rule, owner, hyper, dict(reductions), once)
    if once is not None:
        require_results(once.rule, once.writes, owner)
    require_results(rule, ("the image",), owner)
    return made


def word_bits(value: int) -> int:
    """Return the width of a float in a message, 32 or 64 bits."""
    if value not in (32, 64):
        raise ValueError(f"word = {value!r} must be 32 or 64, the bits of a float in a message.")
    return int(value)


def index_bits(count: int) -> int:
    """Return ceil(log2 count), the bits that tell `count` values apart."""
    return math.ceil(math.log2(count)) if count > 1 else 0


def no_error(d: int) -> float:
    """The error of a map that loses nothing."""
    return 0.0

"""From rules to loops: the text of the kernels that run a rule over the lanes of a tile.

Lanes are the innermost, contiguous axis of every array, so that one SIMD instruction advances several runs.
``work`` (r, L) is scratch: rows for the results of reductions, then, with messages, 3 d rows for the message
p, for what its receiver decodes and for the sum over the workers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from theory_sim.rules.declared import Shapes
from theory_sim.rules.language import (
    FOLDS,
    Reduction,
    Reductions,
    Round,
    Rule,
    Source,
    Stage,
    bind,
    names,
)
from theory_sim.rules.product import multiply

Scope = dict[str, str]

LANE = "for lane in range(lanes):\n"
HUGE = "1.7976931348623157e308"
HEADS = {
    "step": "g, t, lr, hyper, noise, state, x, up, up_hyper, up_noise, down, down_hyper, down_noise, work",
    "gradient": "x, t, idx, noise, theta, out, work",
    "measure": "x, t, idx, noise, theta, out, work",
    "watch": "g, t, lr, hyper, state, x, out, work",
    "schedule": "t, parameters, factor",
    "compress": "p, u, hyper, out",
    "sampler": "t, size, u, table, idx",
    "uniform": "t, slot, key, out",
    "pair": "measure, schedule, sampler, uniform, tile, limits, record, first, last, dead, accumulate",
}
_MESSAGES = "Message(up, up_hyper, up_noise), Message(down, down_hyper, down_noise)"
RAW = {
    "step": "g, t, lr, hyper, noise, state, x",
    "exchange": f"g, t, lr, hyper, noise, state, x, {_MESSAGES}",
    "gradient": "x, t, idx, noise, theta, out",
    "measure": "x, t, idx, noise, theta, out",
}


def indented(text: str, levels: int = 1) -> str:
    """Return the text, indented by so many levels."""
    return textwrap.indent(text, 4 * levels * " ")


def finished(
    kind: str, functions: Mapping[str, Rule], body: str, own: Mapping[str, Rule] | None = None
) -> Source:
    """Return a kernel with this body, which calls rules, and functions of the engine's own."""
    text = f"def kernel({HEADS[kind]}):\n{indented(body)}"
    return Source(kind, text, {**functions, **(own or {})}, frozenset(own or ()))


@cache
def empty(kind: str) -> Source:
    """Return the kernel that does nothing."""
    return finished(kind, {}, "return 0\n" if kind == "pair" else "pass\n")


@cache
def raw(kind: str, kernel: Rule) -> Source:
    """Return the kernel that hands its arrays on to one written by hand."""
    inner = "step" if kind == "exchange" else kind
    own = kind in ("sampler", "uniform")
    call = f"raw({RAW.get(kind, HEADS[inner])})\n"
    return finished(inner, {}, call, {"raw": kernel}) if own else finished(inner, {"raw": kernel}, call)


@dataclass
class Writer:
    """Writes the loops of one kernel.

    Parameters
    ----------
    owner : str
        Whose rules they are, for messages.
    reductions : mapping
        Those that its rules may name.
    at_worker : mapping of str to str
        What a rule at one worker knows besides.
    matrices : tuple of (str, tuple of int)
        Names and shapes of the problem's matrices, which lie in theta after the constants.
    constants : str
        Rows of theta with constants.
    dim : int
        Number of coordinates.  Texts say ``d`` for it, so that a kernel with matrices serves every dimension.
    """

    owner: str
    reductions: Reductions = field(default_factory=dict)
    at_worker: Scope = field(default_factory=dict)
    matrices: Shapes = ()
    constants: str = ""
    dim: int = 0
    functions: dict[str, Rule] = field(default_factory=dict)
    rows: int = 0
    long: list[int] = field(default_factory=list)

    def call(self, rule: Rule, scope: Scope) -> str:
        """Return the text of a call of a rule, and remember the rule."""
        arguments = bind(rule, scope, self.owner)
        base = rule.__name__ if rule.__name__.isidentifier() else "rule"
        number = 1
        while self.functions.setdefault(f"{base}_{number}", rule) is not rule:
            number += 1
        return f"{base}_{number}({', '.join(arguments)})"

    def assigned(self, stage: Stage, scope: Scope) -> str:
        """Return the line that calls the rule of a stage and stores its results."""
        return f"{', '.join(scope[name] for name in stage.writes)} = {self.call(stage.rule, scope)}\n"

    def named(self, rule: Rule, over: str) -> list[tuple[tuple[str, ...], Reduction]]:
        """Return the reductions over coordinates or workers that a rule names."""
        rows = [((key,) if isinstance(key, str) else tuple(key), one) for key, one in self.reductions.items()]
        return [(key, one) for key, one in rows if one.over == over and set(names(rule)) & set(key)]

    def fold(self, key: Sequence[str], one: Reduction, scope: Scope, loop: Callable[[Any], str]) -> str:
        """Return the code of one reduction, and put the places of its results into the scope."""
        rows = [f"work[{self.row(k)}, lane]" for k in range(len(key))]
        self.rows += len(key)
        first, rule = FOLDS[one.fold]

        def lines(inner: Scope) -> str:
            terms = [f"term{k}" for k in range(len(key))]  # functions are named term_1 ...
            text = f"{', '.join(terms)} = {self.call(one.term, inner)}\n"
            pairs = zip(rows, terms, strict=True)
            return text + "".join(f"{row} = {rule.format(total=row, term=term)}\n" for row, term in pairs)

        start = LANE + "".join(f"    {row} = {first}\n" for row in rows)
        text = start + loop(lines)
        scope.update(zip(key, rows, strict=True))
        return text

    def before(self, rule: Rule, scope: Scope) -> str:
        """Return the reductions over coordinates and columns that a rule names, and put their results into the scope."""
        text = ""
        for key, one in self.named(rule, "columns"):
            text += self.product(key[0], one, scope)
        for key, one in self.named(rule, "coordinates"):
            text += self.fold(key, one, scope, partial(self.coordinates, one.term, dict(scope)))
        return text

    def product(self, name: str, one: Reduction, scope: Scope) -> str:
        """Return the code of a matrix times the vector of a term, and put the place of entry i into the scope."""
        names, place = [key for key, _ in self.matrices], "0"
        for _, (a, b) in self.matrices[: names.index(one.matrix)]:
            place += " + 2 * {0} + 2 * {1} + {0} * {1}".format(self.extent(a), self.extent(b))
        shape = dict(self.matrices)[one.matrix]
        columns, rows = shape if one.transposed else shape[::-1]
        source = self.taken(columns)
        entry = f"work[{source} + i, lane]"
        text = self.coordinates(
            one.term, scope, lambda inner: f"{entry} = {self.call(one.term, inner)}\n", self.extent(columns)
        )
        target = self.taken(rows)
        scope[name] = f"work[{target} + i, lane]"
        given = (self.constants, place, *map(self.extent, shape), int(one.transposed), "work", source, target)
        return f"{text}multiply(theta, {', '.join(map(str, given))})\n"

    def extent(self, n: int) -> str:
        """Return a length as text, ``d`` for that of the coordinates."""
        return "d" if n == self.dim else str(n)

    def row(self, k: int = 0) -> str:
        """Return the place of the next row of scratch, or the k-th after it."""
        return "".join(f"{self.extent(n)} + " for n in self.long) + str(self.rows - sum(self.long) + k)

    def taken(self, n: int) -> str:
        """Return the place of the next n rows of scratch, which are taken."""
        first = self.row()
        self.long.append(n)
        self.rows += n
        return first

    @property
    def own(self) -> dict[str, Rule]:
        """Functions of the engine that the kernel calls."""
        return {"multiply": multiply} if self.matrices else {}

    def at_lane(self, rule: Rule, terms: Scope, scope: Scope) -> tuple[str, Scope]:
        """Return the reductions over coordinates that a rule at one lane names, and what it then knows.

        Parameters
        ----------
        rule : callable
        terms, scope : mapping of str to str
            What the terms of reductions know, at a coordinate, and what the rule knows besides.
        """
        for (name,), _ in self.named(rule, "columns"):
            raise ValueError(
                f"Rule {rule.__name__} of {self.owner} names the product {name!r}, which has an entry for each coordinate; "
                "fold it with a reduction."
            )
        places = dict(terms)
        text = self.before(rule, places)
        return text, scope | {name: places[name] for name in places.keys() - terms.keys()}

    def at_workers(self, rule: Rule, scope: Scope) -> str:
        """Return the reductions over workers that a rule names, and put their results into the scope."""
        text = ""
        for key, one in self.named(rule, "workers"):
            text += self.fold(key, one, scope, partial(self.over_workers, {**scope, **self.at_worker}))
        return text

    def over_workers(self, scope: Scope, lines: Callable[[Scope], str]) -> str:
        """Return the loop over workers and lanes, at one coordinate."""
        return f"for j in range(workers):\n    {LANE}{indented(lines(scope), 2)}"

    def coordinates(self, rule: Rule, scope: Scope, lines: Callable[[Scope], str], many: str = "d") -> str:
        """Return the loop over coordinates, or `many` entries, and lanes for lines with a rule, and its reductions."""
        inner = dict(scope)
        text = self.before(rule, inner)
        each = self.at_workers(rule, inner)
        return f"{text}for i in range({many}):\n{indented(each)}    {LANE}{indented(lines(inner), 2)}"

    def lanes(self, rule: Rule, scope: Scope, lines: Callable[[Scope], str]) -> str:
        """Return the loop over lanes for lines with a rule, and the reductions that it names."""
        inner = dict(scope)
        text = self.before(rule, inner) + self.at_workers(rule, inner)
        return f"{text}{LANE}{indented(lines(inner))}"


@dataclass(frozen=True)
class NoiseRows:
    """How the value ``noise`` of a rule comes from the uniforms of a step.

    Parameters
    ----------
    rule : callable
        From the uniforms u and v and names of the problem to the value.
    draws : int
        Uniforms per value, 1 or 2.
    each : {"coordinate", "pair", "worker"}
        What has uniforms of its own: a coordinate, a pair of coordinates 2 k and 2 k + 1, a worker.
    """

    rule: Rule
    draws: int
    each: str

    def expression(self, writer: Writer, scope: Scope) -> str:
        """Return the expression of the value at worker j and coordinate i."""
        place = {"coordinate": "j * d + i", "pair": "j * ((d + 1) // 2) + i // 2", "worker": "j"}[self.each]
        uniforms = {
            name: f"noise[{self.draws} * ({place}) + {q}, lane]" for q, name in enumerate("uv"[: self.draws])
        }
        return writer.call(self.rule, {**scope, **uniforms})


def of_constants(constants: Mapping[str, Any]) -> Scope:
    """Return the places of constants; a tuple has one value for each coordinate i."""
    scope, first = {}, 0
    for name, value in constants.items():
        several = isinstance(value, tuple)
        scope[name] = f"theta[{first} + i, lane]" if several else f"theta[{first}, lane]"
        first += len(value) if several else 1
    return scope


def _rows(constants: Mapping[str, Any]) -> str:
    """Return how many rows of theta constants take, with d for the number of coordinates."""
    several = sum(isinstance(value, tuple) for value in constants.values())
    return f"{len(constants) - several} + {several} * d"


def points(dim: int) -> Scope:
    """Return the places of ``x0``, ``x1``, ... where a rule may name all coordinates."""
    return {f"x{i}": f"x[{i}, lane]" for i in range(dim)} if 1 < dim <= 9 else {}


def gradient(
    rule: Rule,
    owner: str,
    dim: int,
    constants: Mapping[str, Any],
    noise: NoiseRows | None,
    reductions: Reductions,
    matrices: Shapes = (),
) -> tuple[Source, int]:
    """Return the gradient kernel of a rule, and its rows of scratch.

    The rule gives one coordinate; one that names ``x0``, ``x1``, ... gives all of them.
    """
    writer = Writer(owner, reductions, matrices=matrices, constants=_rows(constants), dim=dim)
    own = {
        "x": "x[i, lane]",
        "t": "t",
        "i": "i",
        "d": "d",
        "j": "j",
        "index": "idx[j, lane]",
        "workers": "workers",
    }
    scope = {**points(dim), **of_constants(constants), **own}
    if noise is not None:
        scope["noise"] = noise.expression(writer, scope)
    if set(names(rule)) & points(dim).keys():
        targets = ", ".join(f"out[j, {i}, lane]" for i in range(dim))
        each = writer.lanes(rule, scope, lambda inner: f"{targets} = {writer.call(rule, inner)}\n")
    else:
        each = writer.coordinates(
            rule, scope, lambda inner: f"out[j, i, lane] = {writer.call(rule, inner)}\n"
        )
    body = f"workers, d, lanes = out.shape\nfor j in range(workers):\n{indented(each)}"
    return finished("gradient", writer.functions, body, writer.own), writer.rows


def measure(
    rule: Rule,
    owner: str,
    count: int,
    dim: int,
    constants: Mapping[str, Any],
    reductions: Reductions,
    matrices: Shapes = (),
) -> tuple[Source, int]:
    """Return the measure kernel of a rule that gives `count` measures, and its rows of scratch.

    The rule sees reductions and scalar constants, and ``x`` in one dimension or ``x0``, ``x1``, ... in a few.
    """
    at_worker = {"j": "j", "index": "idx[j, lane]"}
    writer = Writer(owner, reductions, at_worker, matrices, _rows(constants), dim)
    scope = {**points(dim), **of_constants(constants), "t": "t", "d": "d", "workers": "workers"}
    terms = {**scope, "x": "x[i, lane]", "i": "i"}
    # A rule at the lane itself sees no single coordinate; in one dimension that is the only one.
    place = {"x": "x[0, lane]"} if dim == 1 else {}
    hidden = {name for name, value in constants.items() if isinstance(value, tuple)}
    targets = ", ".join(f"out[{k}, lane]" for k in range(count))

    seen: Scope = {name: text for name, text in scope.items() if name not in hidden} | place
    text, inner = writer.at_lane(rule, terms, seen)
    text += writer.at_workers(rule, inner)
    body = f"d, lanes = x.shape\nworkers = idx.shape[0]\n{text}{LANE}    {targets} = {writer.call(rule, inner)}\n"
    return finished("measure", writer.functions, body, writer.own), writer.rows


@dataclass(frozen=True)
class Names:
    """What an optimizer declares.

    Parameters
    ----------
    owner : str
    hyper, rows, shared, worker_rows : tuple of str
        Hyperparameters; state rows; those of them with one value for all coordinates; rows of each worker.
    reductions : tuple of (str or tuple of str, Reduction)
    averaged : bool
        Whether the rules see the mean gradient of the workers.
    """

    owner: str
    hyper: tuple[str, ...]
    rows: tuple[str, ...]
    shared: tuple[str, ...] = ()
    worker_rows: tuple[str, ...] = ()
    reductions: tuple[tuple[Any, Reduction], ...] = ()
    averaged: bool = True

    def at_lane(self) -> Scope:
        """Return what a rule at one lane knows."""
        hyper = {name: f"hyper[{h}, lane]" for h, name in enumerate(self.hyper)}
        shared = {row: f"state[{r}, 0, lane]" for r, row in enumerate(self.rows) if row in self.shared}
        # From a mean gradient no rule can tell how many workers it is the mean of.
        workers = {} if self.averaged else {"workers": "workers"}
        return {**hyper, **shared, **workers, "t": "t", "d": "d", "lr": "lr[lane]"}

    def at_coordinate(self) -> Scope:
        """Return what a rule at one coordinate knows."""
        rows = {row: f"state[{r}, i, lane]" for r, row in enumerate(self.rows) if row not in self.shared}
        gradient = {"g": "g[0, i, lane]"} if self.averaged else {}
        return {**self.at_lane(), **rows, **gradient, "i": "i", "x": "x[i, lane]"}

    def at_worker(self) -> Scope:
        """Return what a rule at one worker knows besides."""
        first, own = len(self.rows), len(self.worker_rows)
        rows = {row: f"state[{first + k} + {own} * j, i, lane]" for k, row in enumerate(self.worker_rows)}
        return {**rows, "g": "g[j, i, lane]", "j": "j"}

    def writer(self) -> Writer:
        """Return a writer for rules of this optimizer."""
        return Writer(self.owner, dict(self.reductions), self.at_worker())


_SHAPES = "workers = g.shape[0]\nd, lanes = x.shape\n"


def _once(known: Names, writer: Writer, once: Stage | None) -> str:
    """Return the loop of a stage over lanes, whose reductions see the coordinates."""
    if once is None:
        return ""
    text, scope = writer.at_lane(once.rule, known.at_coordinate(), known.at_lane())
    return f"{text}{LANE}    {writer.assigned(once, scope)}"


def step(known: Names, stage: Stage, once: Stage | None, stored: Sequence[str]) -> tuple[Source, int]:
    """Return the step kernel of a rule, and its rows of scratch.

    Parameters
    ----------
    known : Names
    stage : Stage
        At each coordinate; writes ``x`` and rows.
    once : Stage, optional
        Before it, at each lane; writes shared rows.
    stored : sequence of str
        Up to two rows that pass through the compressors `up` and `down` after the step.
    """
    writer = known.writer()
    body = _once(known, writer, once)
    body += writer.coordinates(stage.rule, known.at_coordinate(), lambda inner: writer.assigned(stage, inner))
    for side, row in zip(("up", "down"), stored, strict=False):
        r, first = known.rows.index(row), writer.rows
        body += f"{side}(state[{r}], {side}_noise, {side}_hyper, work[{first} : {first} + d])\n"
        body += f"for i in range(d):\n    {LANE}        state[{r}, i, lane] = work[{first} + i, lane]\n"
    return finished("step", writer.functions, _SHAPES + body), writer.rows


def exchange(known: Names, round_: Round, once: Stage | None, warmup: int) -> tuple[Source, int]:
    """Return the step kernel of a method with messages, and its rows of scratch besides those of messages.

    Parameters
    ----------
    known : Names
    round_ : Round
    once : Stage, optional
        First, at each lane; writes shared rows.
    warmup : int
        Steps whose messages arrive as they are.
    """
    # Two passes: the first counts the rows of scratch that come before those of the messages.
    counted = _exchange(known, round_, once, warmup, 0)[1]
    return _exchange(known, round_, once, warmup, counted)


def _exchange(known: Names, round_: Round, once: Stage | None, warmup: int, first: int) -> tuple[Source, int]:
    writer = known.writer()
    p, decoded, total = (f"work[{first} + {k} * d + i, lane]" for k in range(3))
    slices = [f"work[{first} + {k} * d : {first} + {k + 1} * d]" for k in range(3)]

    def sent(side: str, uniforms: str) -> str:
        plain = f"for i in range(d):\n    {LANE}        {decoded} = {p}\n"
        text = f"{side}({slices[0]}, {uniforms}, {side}_hyper, {slices[1]})\n"
        return text if warmup == 0 else f"if t <= {warmup}:\n{indented(plain)}else:\n{indented(text)}"

    def loop(stage: Stage, scope: Scope) -> str:
        return writer.coordinates(stage.rule, scope, lambda inner: writer.assigned(stage, inner))

    server = {name: text for name, text in known.at_coordinate().items() if name != "g"}
    worker = {**server, **known.at_worker()}
    replied = {**server, "p": p, "reply": decoded}
    mean = {"mean": f"{total} / workers"}
    body = _SHAPES
    if round_.start is not None:
        begun = loop(round_.start, {**server, "p": p}) + sent("down", "down_noise")
        begun += loop(round_.apply, {**replied, **mean}) + "return\n"
        body += f"if t == 0:\n{indented(begun)}"
    body += _once(known, writer, once)
    body += "draws = up_noise.shape[0] // workers\n"
    body += f"for i in range(d):\n    {LANE}        {total} = 0.0\n"
    each = loop(round_.send, {**worker, "p": p})
    each += sent("up", "up_noise[j * draws : (j + 1) * draws]")
    kept = "" if round_.keep is None else writer.assigned(round_.keep, {**worker, "p": p, "sent": decoded})
    each += f"for i in range(d):\n    {LANE}{indented(kept + f'{total} += {decoded}' + chr(10), 2)}"
    body += f"for j in range(workers):\n{indented(each)}"
    if round_.reply is not None:
        body += loop(round_.reply, {**server, **mean, "p": p}) + sent("down", "down_noise")
        body += loop(round_.apply, {**replied, **mean})
    else:
        body += loop(round_.apply, {**server, **mean})
    return finished("step", writer.functions, body), writer.rows


def watch(known: Names, rule: Rule, count: int) -> tuple[Source, int]:
    """Return the kernel of the measures of an optimizer's state, and its rows of scratch."""
    writer = known.writer()
    text, scope = writer.at_lane(rule, known.at_coordinate(), known.at_lane())
    targets = ", ".join(f"out[{k}, lane]" for k in range(count))
    body = f"{_SHAPES}{text}{LANE}    {targets} = {writer.call(rule, scope)}\n"
    return finished("watch", writer.functions, body), writer.rows

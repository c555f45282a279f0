"""A sweep as work: its lanes, what identifies its result, and running it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory_sim import random
from theory_sim.engine import grid, loop, memory, run
from theory_sim.engine.lanes import Lanes, expand
from theory_sim.engine.target import Target
from theory_sim.engine.tiles import Pair, pair_of
from theory_sim.nouns.order import order
from theory_sim.nouns.sweep import uniforms
from theory_sim.rules.digest import digest

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.nouns.sweep import Sweep
    from theory_sim.rules.language import Source


@cache
def _engine(name: str) -> str:
    """Return the digest of what every run in this sampling order goes through."""
    return digest(loop.advance, random.uniform, order(name).kernel)


class Job:
    """What the engine makes of a sweep.

    Parameters
    ----------
    sweep : Sweep
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._pairs: dict[int, Pair | None] = {}

    @cached_property
    def lanes(self) -> Lanes:
        """The arrays of all lanes, in C order over (axes ..., seed)."""
        sweep = self.sweep
        memory.require(sweep)
        return expand(
            sweep.problem,
            sweep.optimizer,
            sweep.coordinates,
            seeds=sweep.seeds,
            entropy=sweep.entropy,
            order=sweep.order,
            workers=sweep.workers,
            x0=sweep.x0,
            judged=sweep.rule is None,
            cells=sweep.cells,
        )

    @property
    def random(self) -> bool:
        """Whether seeds can differ: something in a run reads the random stream."""
        sampled = order(self.sweep.order).draws and bool((self.lanes.size > 1).any())
        return sampled or any(uniforms(self.sweep.problem, one, 1) > 1 for one in self.lanes.variants)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """What the result is of, for people, in plain JSON types."""
        sweep, optimizer = self.sweep, self.sweep.optimizer
        return {
            "name": sweep.name,
            "problem": str(sweep.problem),
            "optimizer": str(optimizer),
            "axes": {name: values.tolist() for name, values in sweep.coordinates.items()}
            if sweep.cells is None
            else {name: values[[0, -1]].tolist() for name, (_, values) in sweep.labels.items()},
            "order": sweep.order,
            "lanes": sweep.size,
            "seeds": sweep.seeds,
            "entropy": sweep.entropy,
            "steps": sweep.steps,
            "checkpoints": list(sweep.plan.checkpoints),
            "windows": list(sweep.plan.windows),
        }

    @property
    def digest(self) -> str:
        """16 hex digits of all that determines the result: the arrays of the lanes and the kernels.

        The kernels are as they are now: a value that one captures may have changed since the last run.
        """
        optimizer, problem = self.sweep.optimizer, self.sweep.problem
        sources = [one for one, _ in (optimizer.source, optimizer.watch, *problem.source)]
        texts = [one.digest for one in (*sources, optimizer.schedule.source)]
        messages = [source.digest for source in self._compressors]
        return digest(texts, messages, self._inputs)

    def digest_of(self, target: Target | None, decide: str = "horizon") -> str:
        """Return the digest of the result on tensors, which round otherwise, or of lanes that may stop before T."""
        if decide != "horizon":
            return digest(self.digest, decide, self.sweep.judged)
        return self.digest if target is None else digest(self.digest, target.key)

    @cached_property
    def _compressors(self) -> list[Source]:
        sides = [side for variant in self.lanes.variants for side in (variant.up, variant.down)]
        return [side.source for side in sides if side is not None]

    @cached_property
    def _inputs(self) -> str:
        sweep, lanes, plan = self.sweep, self.lanes, self.sweep.plan
        optimizer, problem = sweep.optimizer, sweep.problem
        messages = [
            (tuple(side.hyper.values()), variant.draws_of_messages(problem.dim, 1))
            for variant in lanes.variants
            for side in (variant.up, variant.down)
            if side is not None
        ]
        arrays = (
            *(lanes.lr, lanes.hyper, lanes.schedule, lanes.theta),
            *(lanes.size, lanes.key, lanes.x0, lanes.state),
        )
        shape = (lanes.workers, lanes.group, lanes.variant, problem.dim, problem.draws, optimizer.draws)
        names = (problem.measures, optimizer.measures, optimizer.rows, optimizer.worker_rows)
        structure = (
            *(optimizer.warmup, optimizer.nodes, optimizer.sees_workers),
            *(problem.domain, problem.online),
        )
        plans = (plan.steps, plan.checkpoints, plan.running, plan.windows, plan.first_hit)
        shared = ((lanes.entries, lanes.matrices),) if problem.matrices else ()
        return digest(*shared, messages, arrays, shape, names, structure, plans, _engine(sweep.order))

    def pair(self, width: int) -> Pair | None:
        """Return what `theory_sim.engine.tiles.pair_of` gives for tiles of this width, worked out once."""
        if width not in self._pairs:
            self._pairs[width] = pair_of(self.lanes, width)
        return self._pairs[width]

    def run(
        self,
        store: str | Path | None = None,
        *,
        chunk: int | None = None,
        threads: int | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        executor: Any = None,
        progress: Callable[[float], None] | None = None,
        target: Target | None = None,
        decide: str = "horizon",
    ) -> xr.Dataset:
        """Run every lane and return the labelled results; see `theory_sim.Sweep.run`."""
        from theory_sim.engine import large

        where = {"workers": workers, "scheduler": scheduler, "executor": executor}
        elsewhere = any(one is not None for one in where.values())
        if target is None and large.applies(self.sweep, store, chunk, elsewhere):
            assert store is not None
            return large.run(
                self.sweep, store, chunk=chunk, threads=threads, progress=progress, decide=decide, **where
            )
        if target is not None and (elsewhere or chunk is not None):
            raise ValueError(
                "chunk, workers, scheduler and executor run compiled tiles; leave out the backend."
            )
        records = run.run(self.sweep, store, threads=threads, progress=progress, target=target, decide=decide)
        return grid.assemble(self.sweep, records, target, decide)

"""Where the blocks of a sweep run: in this process, on an executor, or on workers of Dask."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from importlib import import_module
from logging import CRITICAL
from multiprocessing import resource_tracker
from typing import Any

from theory_sim.rules import checks

ANSWER = 10.0  # seconds that a scheduler has


@contextmanager
def connected(
    workers: int | None, scheduler: str | None, executor: Executor | None
) -> Iterator[tuple[Executor | None, int]]:
    """Give what runs the blocks of a sweep elsewhere, or None: this process does; and how many run at once.

    Parameters
    ----------
    workers : int, optional
        Processes of a cluster of Dask that is started on this machine; together they have a thread per core.
    scheduler : str, optional
        Address of a running scheduler of Dask.
    executor : concurrent.futures.Executor, optional

    Raises
    ------
    ValueError
        If more than one of them is given, or Dask is not installed.
    OSError
        If the scheduler does not answer within 10 seconds, or is lost, or a block kills its workers.
    """
    given = {"workers": workers, "scheduler": scheduler, "executor": executor}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} each say where a sweep runs; give one of them.")
    if executor is not None:
        if not hasattr(executor, "submit"):
            raise TypeError(f"executor = {executor!r} must be a concurrent.futures.Executor.")
        yield executor, os.cpu_count() or 1
    elif not named:
        yield None, os.cpu_count() or 1
    else:
        with _client(workers, scheduler) as client, _in_words(scheduler):
            # Not pure: a task is told by its block, not by its result.
            yield client.get_executor(pure=False), sum(client.nthreads().values())


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise ValueError('workers and scheduler need Dask: pip install "theory-sim[cluster]".') from error
    if scheduler is not None:
        checks.instance("scheduler", scheduler, str, "an address such as 'tcp://node1:8786'")
        try:
            client = distributed.Client(scheduler, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise OSError(
                f"scheduler = {scheduler} does not answer within {ANSWER:g} s; start one with `dask scheduler`, or give its "
                "address as tcp://host:port."
            ) from error
        with client:
            yield client
        return
    count = checks.count("workers", 0 if workers is None else workers)
    # Threads and processes inherit the mask: Ctrl-C in a terminal reaches this process, which ends its workers.
    resource_tracker.ensure_running()  # which would lift it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # Chunks are one call of compiled code, of which a profile would tell nothing.
        with import_module("dask").config.set({"distributed.worker.profile.enabled": False}):
            local = distributed.LocalCluster(
                n_workers=count,
                threads_per_worker=max((os.cpu_count() or 1) // count, 1),
                dashboard_address="127.0.0.1:0",
                silence_logs=CRITICAL,
            )
    except RuntimeError as error:
        raise OSError(
            f"workers = {count} could not be started ({error}); in a script, run the sweep below `if __name__ == "
            "'__main__':`, since each worker imports it."
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with local, distributed.Client(local, set_as_default=False) as client:
        yield client


@contextmanager
def _in_words(scheduler: str | None) -> Iterator[None]:
    """Turn what Dask raises when it is lost into a sentence."""
    KilledWorker = import_module("distributed").KilledWorker
    try:
        yield
    except CancelledError as error:
        raise OSError(
            f"The scheduler {scheduler or 'of the workers'} is lost; what was finished is in the store, and the same call "
            "goes on from there."
        ) from error
    except KilledWorker as error:
        raise OSError(
            f"A block killed each worker that tried it, perhaps for lack of memory ({error.task}); the others are in the "
            "store: give a smaller chunk."
        ) from error

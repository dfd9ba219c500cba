"""Trainings of a simulation side by side, each in a process of its own with one thread.

The number of threads is the same however many processes there are: with another, sums are rounded in another order, and
the weights differ.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import active_children
from typing import TypeVar

from curation.building.local_engine import LOCAL
from curation.building.worker_process import MORTAL
from curation.errors import EnvironmentProblem
from pipelines.command_line.options import HERE, RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.experiments.simulation_steps import Simulation

R = TypeVar("R")


def side_by_side(tasks: Sequence[Callable[..., R]], *, simulation: Simulation, run: RunOptions, name: str) -> list[R]:
    """Return the result of each task, in their order, by as many processes as `run` has workers.

    With less than two, with a single task, or where other machines predict, all is done in this process, one task after
    the other. Raises what a task raises, and EnvironmentProblem where a process dies; the others are ended then.
    """
    number = min(run.workers, len(tasks))
    if number < 2 or run.engine != HERE:
        from models.networks.cost import with_threads

        with with_threads(1):
            return [task(simulation=simulation, run=run) for task in tasks]
    with _processes(number) as pool, progress_bar(name, total=len(tasks), run=run, unit="way") as show:
        waiting = [pool.submit(_carried_out, task, simulation=simulation, run=run) for task in tasks]
        for done, future in enumerate(as_completed(waiting), start=1):
            future.result()  # raises at once what stops all
            show(done)
    return [future.result() for future in waiting]


@contextmanager
def _processes(number: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes, and kill those that are still at work when the block ends; what they made stays."""
    from models.data.batches import prepare_loader

    others = set(active_children())
    prepare = partial(prepare_loader, 0, parent_pid=os.getpid())  # one thread, deaf to Ctrl-C, as those that load
    pool = ProcessPoolExecutor(number, mp_context=MORTAL, initializer=prepare)
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool as error:
        raise EnvironmentProblem(
            "a process that trains has died",
            remedy="free some memory, or give fewer --workers; the same command continues where it was",
        ) from error
    finally:
        for process in set(active_children()) - others:
            process.kill()
        pool.shutdown(cancel_futures=True)


def _carried_out(task: Callable[..., R], *, simulation: Simulation, run: RunOptions) -> R:
    # what travelled here is a copy of the engine of this machine, which others know by being the one
    return task(simulation=simulation, run=replace(run, workers=0, quiet=True, machines=LOCAL))

"""Work over many samples: processes on this machine, one bad item never stops the run, and none disappears.

An item that crashes, hangs or exhausts its process is tried again alone and then set aside as WORKER_DIED. Outcomes
come in any order; whoever stores them sorts by id, so that the result is the same for any number of workers.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final, Protocol

import cv2
from pebble import ProcessExpired, ProcessPool

from curation.errors import CurateError, EnvironmentProblem
from curation.files import cannot_write
from curation.quarantine import BadRecord, Code
from curation.samples import Item, Outcome
from curation.worker_process import MORTAL, WORKER_MEMORY_BYTES, prepare_worker

Work = Callable[[Item, Path], Outcome]
ChunkResult = tuple[tuple[Outcome, ...], CurateError | None]

MAX_CHUNK: Final = 16
"""Items handed over at once: large enough that the hand-over is cheap, small enough to redo after a crash."""
MAX_TRIES: Final = 2
SECONDS_PER_CHUNK_ITEM: Final = 2.0
GRACE_S: Final = 30.0
"""Beyond the time that the longest work in hand may take; a run from which nothing comes for longer is stuck."""
MACHINE_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What the machine refuses, not the item: it would refuse the next item as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOptions:
    """How work is spread: `workers` processes (0: in this process, without isolation), seconds allowed for one item,
    and bytes of address space for one worker."""

    workers: int
    item_timeout_s: float = 20.0
    worker_memory_bytes: int = WORKER_MEMORY_BYTES


class Engine(Protocol):
    """Where chunks are worked on: processes here, or a cluster that offers the same two verbs."""

    def submit(self, work: Work, chunk: Sequence[Item], *, folder: Path) -> Future[ChunkResult]:
        """Start a chunk."""

    def stop(self) -> None:
        """End all work at once and leave nothing behind; what is submitted later starts afresh."""


class LocalProcesses:
    """Processes on this machine, each with a memory limit, replaced when one dies."""

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._pool: _OrderlyPool | None = None

    def submit(self, work: Work, chunk: Sequence[Item], *, folder: Path) -> Future[ChunkResult]:
        """Start a chunk; its time limit counts from when a worker takes it."""
        if self._pool is None:
            self._pool = _OrderlyPool(
                max_workers=self._options.workers,
                context=MORTAL,  # fork would copy the locks of threads that exist here
                initializer=_prepare_worker,
                # the work too: its modules are imported now, not while a worker holds the lock to take its first task
                initargs=(os.getpid(), self._options.worker_memory_bytes, work),
            )
        with signals_held():  # the first task starts the pool
            future: Future[ChunkResult] = self._pool.schedule(
                work_chunk, args=(work, tuple(chunk), folder), timeout=time_limit_s(chunk, options=self._options)
            )
        return future

    def stop(self) -> None:
        """Kill the workers."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None


class _OrderlyPool(ProcessPool):
    """Ends its workers, then deletes the locks that they are started with.

    Pebble does so the other way round, and a worker that is not yet up prints a traceback.
    """

    def _stop_pool(self) -> None:
        if self._pool_manager_loop is not None:
            self._pool_manager_loop.join()
        self._pool_manager.worker_manager.force_stop_workers()  # type: ignore[no-untyped-call]
        super()._stop_pool()  # type: ignore[no-untyped-call]


class ThisProcess:
    """No processes: for debugging, and for a handful of items."""

    def submit(self, work: Work, chunk: Sequence[Item], *, folder: Path) -> Future[ChunkResult]:
        """Work on the chunk now."""
        future: Future[ChunkResult] = Future()
        future.set_result(work_chunk(work, chunk, folder))
        return future

    def stop(self) -> None:
        """Do nothing: no work outlives `submit`."""


def run_items(
    items: Sequence[Item], *, work: Work, folder: Path, stage: str, options: RunnerOptions
) -> Generator[Outcome, None, None]:
    """Give the outcome of every item, each once, in no particular order; `close()` ends the work early.

    `work` must be a module-level function, or a partial of one. Raises what stops a run, say a full disk.
    """
    if not items:
        return
    workers = min(options.workers, len(items))
    engine: Engine = LocalProcesses(replace(options, workers=workers)) if workers else ThisProcess()
    try:
        yield from _drive(engine, items, work=work, folder=folder, stage=stage, options=options)
    finally:
        engine.stop()


def time_limit_s(chunk: Sequence[Item], *, options: RunnerOptions) -> float:
    """Give the seconds that a worker may take for the items together."""
    return options.item_timeout_s + SECONDS_PER_CHUNK_ITEM * (len(chunk) - 1)


def work_chunk(work: Work, chunk: Sequence[Item], folder: Path) -> ChunkResult:
    """Work on items one after the other, in a worker; what stops the run comes back as a value with what is done."""
    outcomes = []
    for item in chunk:
        try:
            outcomes.append(work(item, folder))
        except BadRecord as problem:
            outcomes.append(set_aside(problem, item=item, stage=work_name(work)))
        except CurateError as error:
            return tuple(outcomes), error
        except OSError as error:
            if error.errno in MACHINE_ERRNOS:
                return tuple(outcomes), cannot_write(Path(os.fsdecode(error.filename or folder)), error)
            outcomes.append(set_aside(_unexpected(error), item=item, stage=work_name(work)))
        except Exception as error:  # noqa: BLE001 - a fault of ours on one of 100,000 images must not stop the run
            outcomes.append(set_aside(_unexpected(error), item=item, stage=work_name(work)))
    return tuple(outcomes), None


def set_aside(problem: BadRecord, *, item: Item, stage: str) -> Outcome:
    """Give the outcome of an item that is broken."""
    record = problem.record(stage=stage, file=item.file, record_id=item.id)
    return Outcome(id=item.id, broken=problem.code, records=(record,))


def work_name(work: Work) -> str:
    """Give the name of a work function, looking through partials."""
    inner = getattr(work, "func", work)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _drive(
    engine: Engine, items: Sequence[Item], *, work: Work, folder: Path, stage: str, options: RunnerOptions
) -> Iterator[Outcome]:
    workers = max(1, options.workers)
    waiting = deque(_chunks(items, workers=workers))
    running: dict[Future[ChunkResult], Sequence[Item]] = {}
    tries: Counter[str] = Counter()
    stalls = 0
    while waiting or running:
        while waiting and len(running) < 2 * workers:
            chunk = waiting.popleft()
            running[engine.submit(work, chunk, folder=folder)] = chunk
        patience_s = GRACE_S + max(time_limit_s(chunk, options=options) for chunk in running.values())
        done = wait(running, timeout=patience_s, return_when=FIRST_COMPLETED).done
        if not done:  # a worker was killed while it held the lock that the others take their tasks with
            stalls += 1
            if stalls > MAX_TRIES:
                remedy = "run the same command again, it goes on; --workers 0 works in this process alone"
                raise EnvironmentProblem("the worker processes do not answer any more", remedy=remedy)
            engine.stop()
            waiting.extend((item,) for chunk in running.values() for item in chunk)
            running.clear()
        for future in done:
            chunk = running.pop(future)
            died = _reason_of_death(future)
            if died is None:
                outcomes, error = future.result()
                yield from outcomes
                if error is not None:
                    raise error
            elif len(chunk) > 1:
                waiting.extend((item,) for item in chunk)
            else:
                tries[chunk[0].id] += 1
                if tries[chunk[0].id] < MAX_TRIES:
                    waiting.append(chunk)
                else:
                    yield set_aside(BadRecord(Code.WORKER_DIED, died), item=chunk[0], stage=stage)


def _chunks(items: Sequence[Item], *, workers: int) -> Iterator[Sequence[Item]]:
    size = max(1, min(MAX_CHUNK, len(items) // (workers * 4)))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _reason_of_death(future: Future[ChunkResult]) -> str | None:
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, ProcessExpired):
        return f"the worker process died with exit code {error.exitcode}"
    if isinstance(error, TimeoutError):
        return f"no result within {error.args[1]:.0f} s" if len(error.args) > 1 else "no result in time"
    if isinstance(error, BrokenProcessPool):
        raise EnvironmentProblem(
            "the worker processes end as soon as they are started",
            remedy="free some memory, or work in this process alone: --workers 0",
        ) from error
    raise error


def _unexpected(error: Exception) -> BadRecord:
    if isinstance(error, MemoryError):
        return BadRecord(Code.WORKER_DIED, "the worker ran out of memory")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return BadRecord(Code.UNEXPECTED, f"{type(error).__name__} at {place}: {error}")


@contextmanager
def signals_held() -> Iterator[None]:
    """Start processes undisturbed: a signal in the middle would leave a child without its instructions.

    Ctrl-C, which is for the parent alone, is also masked: workers and the threads that replace them inherit that.
    """
    caught: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    untouched = (None, signal.SIG_IGN)
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if is_main and signal.getsignal(n) not in untouched]
    handlers = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in numbers}
    resource_tracker.ensure_running()  # started with the first process, it would lift the mask again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for held in caught:
        signal.raise_signal(held)


def _prepare_worker(parent_pid: int, memory_bytes: int, _: Work) -> None:
    prepare_worker(parent_pid, memory_bytes)
    cv2.setNumThreads(1)  # workers share the cores; threads inside each would only wait for one another

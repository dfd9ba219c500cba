"""Processes on this machine that work side by side, each behind a pipe of its own, so that none waits for another.

One that crashes or hangs is replaced. What it was working on is tried again, each item alone; what waited in its pipe
it had not begun.
"""

from __future__ import annotations

import itertools
import os
import pickle
import time
import traceback
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Generic, TypeAlias

import cv2

from curation.building.engine import Job, Lost, R, T, Work
from curation.building.worker_process import MORTAL, prepare_worker, signals_held
from curation.errors import EnvironmentProblem

Message: TypeAlias = tuple[Sequence[Any], Exception | None]
"""What comes from a process: the results of its oldest chunk, none when it is ready for the first one, and what it
ends with."""
DEPTH: Final = 2
"""Chunks in hand, so that a process has the next one when it has done the last."""
LOOKAHEAD: Final = 4
"""Where order is kept, results that may wait for an earlier one, as a multiple of the items in hand."""
FITS_PIPE_BYTES: Final = 64 << 10
"""So much always fits into an empty pipe. A process that is at work does not read: to write more would wait for it, as
it may wait for its result to be read."""
MAX_FAILED_STARTS: Final = 3
STARTING_TIMEOUT_S: Final = 600.0


def run_in_processes(job: Job[T, R], items: Sequence[T]) -> Generator[tuple[int, R | Lost], None, None]:
    """Yield the place of each item and its result, with `job.workers` processes; see `Engine`."""
    pool = _Pool(job, items)
    try:
        yield from pool.results()
    finally:
        pool.stop()


@dataclass(slots=True, kw_only=True, eq=False)
class _Member:
    """A process: `in_hand` are the places of the chunks that it was given and has not answered, the oldest first."""

    process: SpawnProcess
    pipe: Connection
    deadline: float
    is_ready: bool = False
    in_hand: deque[range] = field(default_factory=deque)


class _Waiting:
    """The chunks that nobody works on, as places of items: first those that are tried again, then new ones."""

    def __init__(self, items: int, *, chunk: int) -> None:
        self._again: deque[range] = deque()
        self._new, self._items, self._chunk = 0, items, chunk

    def __len__(self) -> int:
        return len(self._again) - (self._new - self._items) // self._chunk

    def first(self) -> range:
        """Return the next chunk."""
        return self._again[0] if self._again else range(self._new, min(self._new + self._chunk, self._items))

    def popleft(self) -> range:
        """Return the next chunk, which is handed out."""
        places = self.first()
        if self._again:
            self._again.popleft()
        else:
            self._new = places.stop
        return places

    def extendleft(self, chunks: Iterable[range]) -> None:
        """Put chunks before the others, one after the other."""
        self._again.extendleft(chunks)


class _Pool(Generic[T, R]):
    """The processes of a job, what is still to do, and what is done but waits for an earlier item."""

    def __init__(self, job: Job[T, R], items: Sequence[T]) -> None:
        self._items = items
        self._job = job
        self._size = min(job.workers, job.max_processes, len(items))
        self._pickled = pickle.dumps(job)
        self._waiting = _Waiting(len(items), chunk=job.chunk)
        self._tries: Counter[int] = Counter()
        self._results: dict[int, R | Lost] = {}
        self._given = 0
        self._members: list[_Member] = []
        self._failed_starts = 0

    def results(self) -> Iterator[tuple[int, R | Lost]]:
        """Start the processes, and yield the result of every item."""
        for _ in range(self._size):
            self._members.append(self._started())
        for member in self._members:  # they import side by side
            self._hand_job(member)
        while self._given < len(self._items):
            self._hand_out()
            error = self._collect()
            if error is None:
                self._hand_out()  # before whoever takes the results keeps this process busy
            yield from self._due()
            if error is not None:
                raise error

    def stop(self) -> None:
        """Kill the processes."""
        for member in self._members:
            member.process.kill()
        for member in self._members:
            member.process.join()
            member.pipe.close()

    def _hand_out(self) -> None:
        """Give chunks to those with the least in hand; the last ones only to those who have nothing to do."""
        for depth in range(DEPTH):
            for member in self._members:
                if not self._waiting or (depth and len(self._waiting) <= self._size) or self._is_far_ahead():
                    return
                if member.is_ready and len(member.in_hand) == depth:
                    self._give(member)

    def _is_far_ahead(self) -> bool:
        if not self._job.keeps_order:
            return False
        return self._waiting.first().stop - self._given > LOOKAHEAD * DEPTH * self._size * self._job.chunk

    def _give(self, member: _Member) -> None:
        places = self._waiting.first()
        data = pickle.dumps(self._items[places.start : places.stop])
        if member.in_hand:
            if len(data) > FITS_PIPE_BYTES:
                return
        else:
            member.deadline = time.monotonic() + self._limit_s(places)
        member.in_hand.append(self._waiting.popleft())
        with suppress(OSError):  # it died; `_collect` finds out
            member.pipe.send_bytes(data)

    def _limit_s(self, places: range) -> float:
        return self._job.first_s + self._job.more_s * (len(places) - 1)

    def _collect(self) -> Exception | None:
        """Wait until something happened, and note it; return what stops the job."""
        busy = [member for member in self._members if member.in_hand or not member.is_ready]
        patience_s = max(0.0, min(member.deadline for member in busy) - time.monotonic())
        heard = connection.wait([member.pipe for member in self._members], timeout=patience_s)
        for member in list(self._members):
            if member.pipe in heard:
                if (error := self._listen(member)) is not None:
                    return error
            elif member in busy and member.deadline <= time.monotonic():
                limit_s = self._limit_s(member.in_hand[0]) if member.in_hand else STARTING_TIMEOUT_S
                self._replace(member, reason=f"no result within {limit_s:.0f} s")
        return None

    def _listen(self, member: _Member) -> Exception | None:
        try:
            results, error = _receive(member.pipe)
        except (EOFError, OSError):
            member.process.join()
            self._replace(member, reason=f"the worker process died with exit code {member.process.exitcode}")
            return None
        if member.is_ready:
            self._results.update(zip(member.in_hand.popleft(), results, strict=error is None))
        elif error is None:
            member.is_ready, self._failed_starts = True, 0
        if member.in_hand:
            member.deadline = time.monotonic() + self._limit_s(member.in_hand[0])
        return error

    def _replace(self, member: _Member, *, reason: str) -> None:
        """Put a new process in the place of one that died or hangs."""
        member.process.kill()
        member.process.join()
        member.pipe.close()
        self._failed_starts += not member.is_ready
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise EnvironmentProblem(
                f"the worker processes end as soon as they are started: {reason}",
                remedy="free some memory, give fewer --workers, or work in this process alone: --workers 0",
            )
        self._members[self._members.index(member)] = new = self._started()
        self._hand_job(new)
        self._waiting.extendleft(reversed(list(member.in_hand)[1:]))
        if member.in_hand:
            self._try_again(member.in_hand[0], reason=reason)

    def _try_again(self, places: range, *, reason: str) -> None:
        """Put what ended its process first in the queue, each item alone; what did so alone too often is lost."""
        self._tries.update(places if len(places) == 1 else ())
        if self._tries[places[0]] >= self._job.tries:
            self._results[places[0]] = Lost(reason=reason)
        else:
            self._waiting.extendleft(range(place, place + 1) for place in reversed(places))

    def _due(self) -> Iterator[tuple[int, R | Lost]]:
        """Yield the results whose turn it is."""
        places = itertools.count(self._given) if self._job.keeps_order else list(self._results)
        for place in itertools.takewhile(self._results.__contains__, places):
            self._given += 1
            yield place, self._results.pop(place)

    def _started(self) -> _Member:
        ours, theirs = MORTAL.Pipe()
        limits = {"memory_bytes": self._job.memory_bytes, "threads": max(1, self._job.workers // self._size)}
        settings = {"parent_pid": os.getpid(), **limits}
        process = MORTAL.Process(target=_serve, args=(theirs,), kwargs=settings, daemon=True)
        with signals_held():
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return _Member(process=process, pipe=ours, deadline=time.monotonic() + STARTING_TIMEOUT_S)

    def _hand_job(self, member: _Member) -> None:
        """Send the job, once its process was started.

        As an argument it would travel through a pipe whose other end this process holds open as well: where the new
        process is killed before it reads, the writing would never end.
        """
        with suppress(OSError):  # it died; `_collect` finds out
            member.pipe.send_bytes(self._pickled)


def _serve(pipe: Connection, *, parent_pid: int, memory_bytes: int, threads: int) -> None:
    """Work on the job that comes first through the pipe, chunk by chunk, until it is closed."""
    prepare_worker(parent_pid, memory_bytes)
    cv2.setNumThreads(1)  # workers share the cores; threads inside each would only wait for one another
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent needs no more
        work, error = _opened(pipe.recv(), threads=threads)
        _send(pipe, ((), error))
        while work is not None:
            _send(pipe, _results(work, pipe.recv()))


def _opened(job: Job[Any, Any], *, threads: int) -> tuple[Work[Any, Any] | None, Exception | None]:
    try:
        return job.open(threads), None
    except Exception as error:  # noqa: BLE001 - raised again where the results are wanted
        return None, _with_traceback(error)


def _results(work: Work[Any, Any], chunk: Sequence[Any]) -> Message:
    results: list[Any] = []
    try:
        results.extend(work(chunk))
    except Exception as error:  # noqa: BLE001 - raised again where the results are wanted
        return results, _with_traceback(error)
    return results, None


def _with_traceback(error: Exception) -> Exception:
    error.add_note(traceback.format_exc())  # the traceback itself does not travel
    return error


def _send(pipe: Connection, message: Message) -> None:
    """Send a message; arrays in it as they lie in memory, which costs a tenth of pickling them."""
    arrays: list[pickle.PickleBuffer] = []
    pipe.send((pickle.dumps(message, protocol=5, buffer_callback=arrays.append), len(arrays)))
    for array in arrays:
        pipe.send_bytes(array.raw())


def _receive(pipe: Connection) -> Message:
    """Return the next message of a worker. Raises EOFError or OSError when it died."""
    data, number = pipe.recv()
    message: Message = pickle.loads(data, buffers=[pipe.recv_bytes() for _ in range(number)])  # noqa: S301 - of a process that we started
    return message

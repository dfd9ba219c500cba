"""Processes that predict side by side, each with an engine of its own on its share of the cores.

One engine over all cores computes no faster than one for each core, and its threads would wait for the decoding. A
process that crashes or hangs is replaced; whatever it had in hand is tried again, each file alone.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final

from curation.errors import CurateError, EnvironmentProblem
from curation.runner import signals_held
from curation.worker_process import MORTAL, WORKER_MEMORY_BYTES
from models.prediction.engine_worker import READY, FileResult, WorkerSettings, receive, serve
from models.prediction.protocol import EngineOptions
from models.prediction.ready import ReadyModel

MAX_PROCESSES: Final = 16
"""Each holds the model; with more cores, each process computes with several."""
MAX_GPU_PROCESSES: Final = 4
"""They share the GPU; decoding is what they do side by side."""
MAX_FAILED_STARTS: Final = 3
STARTING_TIMEOUT_S: Final = 600.0
REMEDY: Final = "run the same command with fewer --workers, or with more memory free"


@dataclass(slots=True, kw_only=True, eq=False)
class Member:
    """A process at work: `in_hand` are the indices that it was given and has not answered, the oldest first.

    `is_alone` says that it has a file in hand that is suspected to end its process, and gets no other meanwhile.
    """

    process: SpawnProcess
    pipe: Connection
    deadline: float
    is_ready: bool = False
    is_alone: bool = False
    in_hand: deque[int] = field(default_factory=deque)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A process died or hung, with these files in hand."""

    indices: tuple[int, ...]
    reason: str


class Crew:
    """The processes: hand out files with `give`, learn what became of them with `collect`, and `stop` at the end."""

    def __init__(self, model: ReadyModel, *, options: EngineOptions, files: int) -> None:
        on_cpu = model.device == "cpu"
        self.size = max(1, min(options.workers, MAX_PROCESSES if on_cpu else MAX_GPU_PROCESSES, files))
        self.depth = 2 * model.batch
        """Files in hand, so that a process has the next ones when it has done the last."""
        self._model = model
        self._seconds = options.item_timeout_s * model.batch
        self._settings = WorkerSettings(
            parent_pid=os.getpid(),
            threads=max(1, options.workers // self.size),
            with_flips=options.with_flips,
            with_scales=options.with_scales,
            with_windows=options.with_windows,
            memory_bytes=WORKER_MEMORY_BYTES + 8 * len(model.data) if on_cpu else resource.RLIM_INFINITY,
        )
        self._members: list[Member] = []
        self._failed_starts = 0

    def start(self) -> None:
        """Start the processes; they open their engines side by side."""
        self._members = [self._started() for _ in range(self.size)]
        for member in self._members:
            self._hand_model(member)

    def with_room(self) -> list[Member]:
        """Give the members that can be given files, those with the least in hand first."""
        able = [member for member in self._members if self.has_room(member)]
        return sorted(able, key=lambda member: len(member.in_hand))

    def has_room(self, member: Member) -> bool:
        """Tell whether a member can be given another file."""
        return member.is_ready and not member.is_alone and len(member.in_hand) < self.depth

    def give(self, member: Member, *, index: int, file: Path, alone: bool = False) -> None:
        """Hand a file to a member, `alone` to give it nothing else until it has answered."""
        if not member.in_hand:
            member.deadline = time.monotonic() + self._seconds
        member.is_alone = alone
        member.in_hand.append(index)
        with contextlib.suppress(OSError):  # it died; `collect` finds out
            member.pipe.send((index, file))

    def collect(self) -> Iterator[FileResult | Lost]:
        """Wait until something happened, and give it. Raises what stops a run, also when no process starts."""
        patience_s = max(0.0, min(member.deadline for member in self._busy()) - time.monotonic())
        heard = connection.wait([member.pipe for member in self._members], timeout=patience_s)
        for member in list(self._members):
            if member.pipe in heard:
                yield from self._listen(member)
            elif member in self._busy() and member.deadline <= time.monotonic():
                yield self._replace(member, reason=f"no result within {self._seconds:.0f} s")

    def stop(self) -> None:
        """Kill the processes."""
        for member in self._members:
            member.process.kill()
        for member in self._members:
            member.process.join()
            member.pipe.close()

    def _busy(self) -> list[Member]:
        return [member for member in self._members if member.in_hand or not member.is_ready]

    def _listen(self, member: Member) -> Iterator[FileResult | Lost]:
        try:
            message = receive(member.pipe)
        except (EOFError, OSError):
            member.process.join()
            yield self._replace(member, reason=f"its process died with exit code {member.process.exitcode}")
            return
        if isinstance(message, CurateError):
            raise message
        member.deadline = time.monotonic() + self._seconds
        if message == READY:
            member.is_ready, self._failed_starts = True, 0
        else:
            assert isinstance(message, FileResult), "a worker sends READY, errors and results"
            member.in_hand.remove(message.index)
            member.is_alone = False
            yield message

    def _replace(self, member: Member, *, reason: str) -> Lost:
        """Put a new process in the place of one that died or hangs."""
        member.process.kill()
        member.process.join()
        member.pipe.close()
        self._failed_starts += not member.is_ready
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise EnvironmentProblem(f"the engine does not start: {reason}", where=self._model.name, remedy=REMEDY)
        new = self._members[self._members.index(member)] = self._started()
        self._hand_model(new)
        return Lost(indices=tuple(member.in_hand), reason=reason)

    def _started(self) -> Member:
        context = MORTAL  # fork would copy the locks of threads that exist here
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self._settings), daemon=True)
        with signals_held():
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return Member(process=process, pipe=ours, deadline=time.monotonic() + STARTING_TIMEOUT_S)

    def _hand_model(self, member: Member) -> None:
        """Send the model, once its process was started.

        As an argument it would travel through a pipe whose other end this process holds open as well: where the new
        process is killed before it reads, the writing would never end.
        """
        with contextlib.suppress(OSError):  # it died; `collect` finds out
            member.pipe.send(self._model)

"""What a worker process promises: to leave Ctrl-C to its parent, to die with it, and to stay within its memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final

from curation.building.engine import WORKER_MEMORY_BYTES
from curation.remote.object_store import hurry

PR_SET_PDEATHSIG: Final = 1
STARTING: Final = threading.Lock()


class MortalProcess(SpawnProcess):
    """A process that dies with its parent from its first moment on, before it imports what it works with.

    The first object that it unpickles names its parent, and asks the kernel for a signal at the parent's death. It does
    not run the script of its parent again: its work is imported from modules, so a script needs no main guard.
    """

    def start(self) -> None:
        """Start the process; see `multiprocessing.Process.start`."""
        with _without_script():
            super().start()

    def __reduce__(self) -> tuple[Any, ...]:
        """Put the parent before the state, whose reading imports the modules of the work."""
        return _revived, (_Parent(os.getpid()), type(self), vars(self))


@contextmanager
def _without_script() -> Iterator[None]:
    """Put an empty module in the place of `__main__`: a process that starts imports the main module of its parent."""
    with STARTING:  # one thread after the other: each puts back what it found
        script = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


class _Parent:
    """The process that starts another: when it is read there, that one dies with it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __reduce__(self) -> tuple[Any, ...]:
        return die_with, (self._pid,)


def _revived(_: None, kind: type[MortalProcess], state: dict[str, Any]) -> MortalProcess:
    process = kind.__new__(kind)
    vars(process).update(state)
    return process


class MortalContext(SpawnContext):
    """Starts processes afresh, not as copies, which would hold the locks of threads here; each is mortal."""

    Process = MortalProcess


MORTAL: Final = MortalContext()
"""Of all processes that a command starts."""


def prepare_worker(parent_pid: int, memory_bytes: int = WORKER_MEMORY_BYTES) -> None:
    """Prepare this process, just started by `parent_pid`, for work; `memory_bytes` limits its address space."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent_pid)
    limits = [one for one in resource.getrlimit(resource.RLIMIT_AS) if one != resource.RLIM_INFINITY]
    allowed = min(memory_bytes, *limits) if limits else memory_bytes  # nobody may raise a limit above the hard one
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    hurry()  # an item has a time limit


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent died before prctl
        os._exit(1)


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

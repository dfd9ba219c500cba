"""What a worker process promises: to leave Ctrl-C to its parent, to die with it, and to stay within its memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
WORKER_MEMORY_BYTES: Final = 8 << 30


class MortalProcess(SpawnProcess):
    """A process that dies with its parent from its first moment on, before it imports what it works with.

    It is told so by what it is made of: the first thing that it reads says by whom it was started.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Put the parent before the state, whose reading imports the modules of the work."""
        return _revived, (_Parent(os.getpid()), type(self), vars(self))


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
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler waits for native code that hangs
    die_with(parent_pid)
    limits = [one for one in resource.getrlimit(resource.RLIMIT_AS) if one != resource.RLIM_INFINITY]
    allowed = min(memory_bytes, *limits) if limits else memory_bytes  # nobody may raise a limit above the hard one
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent died before prctl
        os._exit(1)

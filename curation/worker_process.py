"""What a worker process promises: to leave Ctrl-C to its parent, to die with it, and to stay within its memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Final

PR_SET_PDEATHSIG: Final = 1
WORKER_MEMORY_BYTES: Final = 8 << 30


def prepare_worker(parent_pid: int, memory_bytes: int = WORKER_MEMORY_BYTES) -> None:
    """Prepare this process, just started by `parent_pid`, for work; `memory_bytes` limits its address space."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler waits for native code that hangs
    die_with(parent_pid)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent died before prctl
        os._exit(1)

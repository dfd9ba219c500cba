"""The machine on which times are measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def is_busy() -> bool:
    """Say whether more is running here than there are processors, so that what is measured is too long."""
    return os.getloadavg()[0] > len(os.sched_getaffinity(0))


def processor() -> str:
    """Return the name of the processor as its maker says it, or at least its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()

"""Files of the cache, each put in its place whole: those that were fetched, and stand-ins of those that were not."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from curation.errors import EnvironmentProblem
from curation.remote.places import CACHE, MARK, Place

INCOMING: Final = "incoming"
STAND_IN: Final = stat.S_ISVTX
"""The mode of a file whose content is not here yet: nobody but the superuser can open it."""


def is_stand_in(status: os.stat_result) -> bool:
    """Tell whether a file stands for one that is not here yet."""
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & STAND_IN)


def stand_in(path: Path, *, size: int, changed_ns: int, home: Path) -> None:
    """Put a file of this size, in bytes, that takes no space in the place of `path`, whole or not at all."""
    beside = _beside(home)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(descriptor, size)
        os.utime(descriptor, ns=(changed_ns, changed_ns))
        os.fchmod(descriptor, STAND_IN)
    finally:
        os.close(descriptor)
    _place(beside, path)


def keep(path: Path, chunks: Iterable[bytes], *, home: Path, changed_ns: int | None = None) -> None:
    """Write what was fetched in the place of `path`, whole or not at all.

    Raises EnvironmentProblem where the disk refuses.
    """
    beside = _beside(home)
    try:
        with beside.open("xb") as stream:
            for chunk in chunks:
                stream.write(chunk)
        if changed_ns is not None:
            os.utime(beside, ns=(time.time_ns(), changed_ns))
        _place(beside, path)
    except OSError as error:
        remedy = f"free some space, or set {CACHE} to a folder of another disk; then run the same command again"
        reason = f"what was fetched cannot be kept: {(error.strerror or str(error)).lower()}"
        raise EnvironmentProblem(reason, where=home, remedy=remedy) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def write_mark(home: Path, place: Place) -> None:
    """Write the mark of a folder of the cache, whole or not at all."""
    keep(home / MARK, [msgspec.json.encode(place)], home=home)


def _beside(home: Path) -> Path:
    (home / INCOMING).mkdir(parents=True, exist_ok=True)
    return home / INCOMING / f"{os.getpid()}-{threading.get_ident()}-{os.urandom(4).hex()}"


def _place(beside: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.replace(path)

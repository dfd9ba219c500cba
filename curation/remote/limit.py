"""How much of object stores is kept on this machine: what was used longest ago goes first."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from curation.errors import ConfigurationProblem
from curation.remote.kept_files import is_stand_in, stand_in
from curation.remote.places import MARK, cache_folder, read_mark

VARIABLE: Final = "CURATE_STORE_CACHE_GB"
USUAL_GB: Final = 50.0
STEP: Final = 64
"""A process looks whenever it fetched this part of what may be kept."""
LEFT: Final = 0.75
"""This share is left then, so that 16 processes that fetch at once stay within the limit."""
FORGOTTEN_S: Final = 7 * 86400
"""What no command named for so long goes with the names that were listed; outputs never."""


def limit_bytes() -> int:
    """Return how many bytes may be kept; raises ConfigurationProblem for what is no number above 0."""
    text = os.environ.get(VARIABLE, "") or str(USUAL_GB)
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ConfigurationProblem(f"{VARIABLE} {text!r} is no number of gigabytes", remedy="give one such as 50")
    return int(number * 1e9)


class _Kept(NamedTuple):
    """When a file was used last, ns since 1970, its size in bytes, and where it lies."""

    used_ns: int
    size: int
    path: str
    home: str
    is_listed: bool


class Limit:
    """Counts what this process fetched, and looks over all that is kept now and then."""

    def __init__(self) -> None:
        self._fetched = 0

    def spend(self, size: int) -> None:
        """Make room for a file of this size, in bytes, that was fetched."""
        self._fetched += size
        limit = limit_bytes()
        if self._fetched * STEP > limit:
            self._fetched = 0
            keep_within(limit, coming=size)


LIMIT: Final = Limit()
"""Of this process: what is kept on a disk belongs to all."""


def keep_within(limit: int, *, coming: int = 0) -> None:
    """Drop files that can be fetched again where with those to come more bytes than `limit` are kept.

    One process does so at a time.
    """
    root = cache_folder()
    descriptor = os.open(root / ".limit", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = sorted(_kept(root))
        total = sum(one.size for one in found)
        if total + coming <= limit:
            return
        for one in found:
            if total <= min(LEFT * limit, limit - coming):
                break
            total -= one.size
            _drop(Path(one.path), home=Path(one.home), is_listed=one.is_listed)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def drop_forgotten(*, now: float | None = None) -> None:
    """Drop all of the addresses that no command named for a week, but what is still to be published."""
    moment = time.time() if now is None else now
    for home in _homes(cache_folder()):
        place = read_mark(home)
        if place is None or place.kind == "output":
            continue
        with suppress(OSError):
            if moment - (home / MARK).stat().st_mtime > FORGOTTEN_S:
                shutil.rmtree(home)


def _homes(root: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from (path for path in root.iterdir() if path.is_dir())


def _kept(root: Path) -> Iterator[_Kept]:
    """Yield what can be fetched again: files of listed folders, of buckets, and those in the folders of data sets.

    Card and manifest of a data set stay.
    """
    for home in _homes(root):
        place = read_mark(home)
        if place is None or place.kind not in {"folder", "dataset", "bucket"}:
            continue
        own, is_listed = home / place.name, place.kind == "folder"
        for folder, _, names in os.walk(own):
            if place.kind == "dataset" and Path(folder) in {own, own / "manifest"}:
                continue
            for name in names:
                path = f"{folder}/{name}"
                with suppress(OSError):
                    if not is_stand_in(status := os.lstat(path)):
                        yield _Kept(status.st_atime_ns, status.st_size, path, str(home), is_listed)


def _drop(path: Path, *, home: Path, is_listed: bool) -> None:
    """Drop the content of a file; of a listed folder a stand-in stays."""
    with suppress(OSError):
        status = path.lstat()
        if is_listed:
            stand_in(path, size=status.st_size, changed_ns=status.st_mtime_ns, home=home)
        else:
            path.unlink()

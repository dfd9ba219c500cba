"""Files of object stores, fetched when they are read first, and kept within a limit.

A folder that was listed holds an empty stand-in of the right size for every object. A file of a data set is fetched
where it is missing. So whoever lists, counts or looks for files needs not know; `bring` is called where files are
opened. Files that are fetched are never written to, and what is fetched again is put in their place whole.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from curation.byte_range import byte_range
from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord, Code
from curation.remote.kept_files import is_stand_in, keep
from curation.remote.limit import LIMIT, VARIABLE
from curation.remote.object_store import Changed, Missing, ObjectStore, Stored
from curation.remote.places import MARK, Place, home_at, read_mark, told

INDEX: Final = "index.sqlite"
TRIES: Final = 5
SEEN_AGAIN_NS: Final = 60 * 10**9
"""So often at most a file that is read is noted as used."""
STARTED_NS: Final = time.time_ns()
"""Objects that a manifest names may have been replaced since an earlier command fetched them."""


def bring(path: Path) -> None:
    """Have the content of a file here that lies in an object store; any other path is left alone.

    Of a tar file only the bytes that a path names are fetched (see `byte_range`).
    Raises BadRecord: MISSING_FILE, CHECKSUM where the object was changed since its folder was listed, or TRUNCATED; and
    what stops a command: RemoteUnavailable, ConfigurationProblem, EnvironmentProblem.
    """
    if (found := home_at(path)) is None:
        return
    home, key = found
    status = _status(path)
    if status is not None and not is_stand_in(status):
        mark = read_mark(home) if status.st_ctime_ns < STARTED_NS else None
        if mark is None or mark.kind != "bucket" or _is_as_it_was(path, status, key=key, place=mark):
            _note_use(path, status, home=home)
            return
        status = None
    place = read_mark(home)
    if place is None or place.kind == "file" or (place.kind == "output" and not place.is_published):
        return
    _fetch(path, key=key, home=home, place=place, status=status)


def opened_whole(path: Path, open_: Callable[[], int]) -> int:
    """Return the descriptor that `open_` gives of a file whose content is here, fetched where need be.

    Another process may drop it again between the two. Raises what `bring` and `open_` raise.
    """
    for _ in range(TRIES):
        bring(path)
        try:
            descriptor = open_()
        except PermissionError:
            status = _status(path)
            if status is None or not is_stand_in(status):
                raise
            continue
        if not is_stand_in(os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
    remedy = f"let more be kept ({VARIABLE})"
    raise EnvironmentProblem("what is fetched is dropped again before it is read", where=told(str(path)), remedy=remedy)


def start_of(path: Path, *, length: int) -> bytes | None:
    """Return the first bytes of a file that is not here yet, without fetching all of it; None for any other.

    Raises what `bring` raises.
    """
    found = home_at(path)
    status = None if found is None else _status(path)
    if found is None or status is None or not is_stand_in(status):
        return None
    home, key = found
    place = read_mark(home)
    if place is None or status.st_size == 0:
        return None
    try:
        etag = _etag(home, key=key)
        return _store(place.address).read(key, etag=etag, length=min(length, status.st_size))
    except (Missing, Changed) as error:
        raise _gone(error, address=f"{place.address}/{key}") from error


def _fetch(path: Path, *, key: str, home: Path, place: Place, status: os.stat_result | None) -> None:
    store = _store(place.address)
    try:
        changed_ns = None
        if status is not None:
            etag = _etag(home, key=key)
            size, listed = status.st_size, status.st_mtime_ns
            chunks = store.chunks(Stored(key=key, size=size, etag=etag, changed_ns=listed))
        elif place.kind == "bucket":
            stored = _found(store, key)
            size, chunks, changed_ns = stored.size, store.chunks(stored), stored.changed_ns
        else:
            data = _read(store, key)
            size, chunks = len(data), iter([data])
        LIMIT.spend(size)  # before it is there: it is not the one to go
        keep(path, chunks, home=home, changed_ns=changed_ns)
        os.utime(home / MARK)
    except (Missing, Changed) as error:
        raise _gone(error, address=store.of(key)) from error


def _is_as_it_was(path: Path, status: os.stat_result, *, key: str, place: Place) -> bool:
    """Tell whether an object is the one that was fetched, by its size and time; where it is not, what is here goes."""
    try:
        stored = _found(_store(place.address), key)
    except Missing as error:
        raise _gone(error, address=f"{place.address}/{key}") from error
    if (stored.size, stored.changed_ns) == (status.st_size, status.st_mtime_ns):
        with suppress(OSError):
            os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))  # it is not asked for again
        return True
    path.unlink(missing_ok=True)
    return False


def _found(store: ObjectStore, key: str) -> Stored:
    """Return what is known of an object; raises Missing."""
    if (stored := store.head(key)) is None:
        raise Missing(key)
    return stored


def _read(store: ObjectStore, key: str) -> bytes:
    """Return an object, or the bytes of a tar file that a key names; raises Missing, and BadRecord: TRUNCATED."""
    place = byte_range(key)
    if place is None:
        return store.read(key)
    data = store.read(place.file, start=place.start, length=place.size)
    if len(data) < place.size:
        reason = f"the tar file ends after {len(data):,} of these {place.size:,} bytes"
        hint = "restore the tar file, or publish the data set again at another address"
        raise BadRecord(Code.TRUNCATED, reason, file=store.of(key), hint=hint)
    return data


def _store(address: str) -> ObjectStore:
    """Return a store with its connections, the same for a file as for the one before it."""
    ours = ("AWS_", "GOOGLE_", "AZURE_", "CURATE_STORE_")
    return _store_of(address, tuple(sorted(one for one in os.environ.items() if one[0].startswith(ours))))


@lru_cache(maxsize=8)
def _store_of(address: str, _environment: tuple[tuple[str, str], ...]) -> ObjectStore:
    return ObjectStore(address)


def _gone(error: Exception, *, address: str) -> BadRecord:
    if isinstance(error, Changed):
        hint = "run the command again when nothing writes there; the folder is then listed anew"
        return BadRecord(Code.CHECKSUM, "the object changed since its folder was listed", file=address, hint=hint)
    return BadRecord(Code.MISSING_FILE, "there is no such object", file=address)


def _etag(home: Path, *, key: str) -> str:
    """Return the ETag under which an object was listed; raises Missing where it was not."""
    with closing(sqlite3.connect(f"{(home / INDEX).as_uri()}?mode=ro", uri=True)) as index:
        row = index.execute("SELECT etag FROM objects WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise Missing(key)
    return str(row[0])


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _note_use(path: Path, status: os.stat_result, *, home: Path) -> None:
    """Note that a file is used, and its address: a training may last longer than what is unused is kept."""
    now = time.time_ns()
    if now - status.st_atime_ns > SEEN_AGAIN_NS:
        with suppress(OSError):
            os.utime(path, ns=(now, status.st_mtime_ns))
            os.utime(home / MARK)

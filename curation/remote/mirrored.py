"""What lies at an address as paths on this machine: a file, a folder with all its names, a data set with its manifest.

Their contents come when they are read (see `fetch`), but for a file, a card and a manifest, which come at once.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from curation.errors import InputRefused
from curation.remote.fetch import INDEX
from curation.remote.kept_files import keep, stand_in, write_mark
from curation.remote.limit import drop_forgotten
from curation.remote.object_store import Changed, Missing, ObjectStore, Stored
from curation.remote.places import Kind, Place, home_of, read_mark

CARD: Final = "dataset.json"
PARTS: Final = "manifest"
MAX_NAME_BYTES: Final = 255
TRIES: Final = 5
"""So often a data set is read again that is changed while it is read."""
TABLE: Final = "CREATE TABLE objects (key TEXT PRIMARY KEY, size INTEGER, etag TEXT) WITHOUT ROWID"


def mirrored_file(address: str) -> Path:
    """Return the path of a file that lies at an address, fetched now where it is another than before.

    Raises InputRefused where there is none, and what `ObjectStore` raises.
    """
    folder, _, name = address.rpartition("/")
    store = ObjectStore(folder)
    stored = store.head(name)
    if stored is None:
        raise InputRefused("there is no such object", where=address, remedy="correct the address")
    home = _held(address, kind="file", version=stored.etag)
    path = home / name
    with _alone(home):
        if not path.exists():
            try:
                keep(path, store.chunks(stored), home=home, changed_ns=stored.changed_ns)
            except (Changed, Missing) as error:
                raise _is_changing(address) from error
    return path


def mirrored_folder(address: str) -> Path:
    """Return a folder in which a stand-in lies for each object below an address; its names are listed anew.

    Raises InputRefused where there is nothing, or where a name cannot be that of a file.
    """
    home = _held(address, kind="folder")
    folder = home / address.rpartition("/")[2]
    with _alone(home), closing(_new_index(home)) as index:
        number = 0
        for some in ObjectStore(address).everything():
            rows = [_row(one, address=address) for one in some if not one.key.endswith("/") and one.key]
            index.executemany("INSERT INTO objects VALUES (?, ?, ?)", rows)
            number += len(rows)
            for one in some:
                if one.key and not one.key.endswith("/") and not _is_known(one, index=index, folder=folder):
                    _put_stand_in(one, folder=folder, home=home, address=address)
        if not number:
            raise InputRefused("there is nothing here", where=address, remedy="correct the address")
        for (key,) in index.execute("SELECT key FROM old.objects EXCEPT SELECT key FROM objects"):
            (folder / key).unlink(missing_ok=True)
        index.commit()
        index.execute("DETACH old")
        _beside(home).replace(home / INDEX)
    return folder


def mirrored_dataset(address: str) -> Path:
    """Return a folder that holds card, manifest and what lies beside them of a data set.

    Raises InputRefused where there is none, or where it is changed again and again.
    """
    store = ObjectStore(address)
    for _ in range(TRIES):
        stored = store.head(CARD)
        if stored is None:
            remedy = f"give the address of a data set, in which {CARD} lies"
            raise InputRefused(f"no data set here: {CARD} is missing", where=address, remedy=remedy)
        home = _held(address, kind="dataset", version=stored.etag)
        folder = home / address.rpartition("/")[2]
        with _alone(home):
            if (folder / CARD).exists() or fetch_outermost(store, folder=folder, home=home, last=stored):
                return folder
    raise _is_changing(address)


def mirrored_object(bucket: str, *, key: str) -> Path:
    """Return the path of an object of a bucket that a manifest names; it is fetched when it is read."""
    home = home_of(bucket, kind="bucket")
    if read_mark(home) is None:
        _held(bucket, kind="bucket")
    return home / bucket.rpartition("/")[2] / key


def fetch_outermost(store: ObjectStore, *, folder: Path, home: Path, last: Stored) -> bool:
    """Fetch a card, a manifest and what lies beside them, the file that makes all whole `last`; False where it changed
    meanwhile.
    """
    found = [*store.outermost(), *store.outermost(PARTS)]
    for one in found:
        _row(one, address=store.address)
    try:
        for one in found:
            if one.key != last.key and "." in one.key:
                keep(folder / one.key, store.chunks(one), home=home, changed_ns=one.changed_ns)
        data = store.read(last.key, etag=last.etag)
    except (Changed, Missing):
        return False
    keep(folder / last.key, [data], home=home, changed_ns=last.changed_ns)
    return True


def _held(address: str, *, kind: Kind, version: str = "") -> Path:
    """Return the folder that is kept for an address, which is noted as named now."""
    home = home_of(address, kind=kind, version=version)
    write_mark(home, Place(address=address, kind=kind))
    drop_forgotten()
    return home


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Wait until no other command lists or fetches here."""
    descriptor = os.open(home / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _beside(home: Path) -> Path:
    return home / f"{INDEX}.new"


def _new_index(home: Path) -> sqlite3.Connection:
    """Open an empty index beside the one of the listing before, which is attached as `old`."""
    old = home / INDEX
    _beside(home).unlink(missing_ok=True)
    if not old.exists():
        with closing(sqlite3.connect(old)) as empty:
            empty.execute(TABLE)
    index = sqlite3.connect(_beside(home))
    index.execute("PRAGMA journal_mode = OFF")
    index.execute(TABLE)
    index.commit()
    index.execute("ATTACH ? AS old", (str(old),))
    return index


def _row(stored: Stored, *, address: str) -> tuple[str, int, str]:
    """Return what is noted of an object. Raises InputRefused for a key that cannot be a path below a folder."""
    for part in stored.key.split("/"):
        if part in {"", ".", ".."} or "\0" in part or len(part.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
            reason = f"the name of the object {stored.key[:MAX_NAME_BYTES]!r} cannot be that of a file"
            raise InputRefused(reason, where=address, remedy="rename the object, or give an address without it")
    return stored.key, stored.size, stored.etag


def _is_known(stored: Stored, *, index: sqlite3.Connection, folder: Path) -> bool:
    """Tell whether what lies here is of the object as it is now."""
    row: Any = index.execute("SELECT etag FROM old.objects WHERE key = ?", (stored.key,)).fetchone()
    return row is not None and row[0] == stored.etag and os.path.lexists(folder / stored.key)


def _put_stand_in(stored: Stored, *, folder: Path, home: Path, address: str) -> None:
    try:
        stand_in(folder / stored.key, size=stored.size, changed_ns=stored.changed_ns, home=home)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        reason = f"{stored.key!r} is an object and a folder of others at once"
        raise InputRefused(reason, where=address, remedy="rename one of them") from error


def _is_changing(address: str) -> InputRefused:
    return InputRefused(
        "this is being changed while it is read",
        where=address,
        remedy="run the command again when nothing writes there",
    )

"""What a command makes is made on this machine, and then published at an address: all of it or nothing.

A claim (`.curate/claim.json`, written where there is none) keeps others away from the first moment on. Files are
written in any order; the file that makes the folder whole comes last, by one conditional write. Whoever looks before
that finds nothing, and a command that was killed goes on where it was. A finished data set of which only card and
manifest change is changed as on a disk: the new card, which holds the old one, over the very card that was read; the
manifest; the new card alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from curation.errors import CurateError, EnvironmentProblem, InputRefused
from curation.remote.kept_files import write_mark
from curation.remote.mirrored import CARD, PARTS, fetch_outermost
from curation.remote.object_store import PART_BYTES, Changed, Missing, ObjectStore, Stored
from curation.remote.places import Place, home_of, read_mark

CLAIM: Final = ".curate/claim.json"
WORKSPACE: Final = ".curate"
LAST: Final = (CARD, "metrics.json")
"""What makes a data set whole, or an evaluation; the first that is there is written last."""
MANIFEST: Final = "manifest.parquet"
QUARANTINE: Final = "quarantine.jsonl"
AT_ONCE: Final = 16
"""Files on their way at once: each waits for the store most of its time."""
HALF_WRITTEN: Final = ".writing-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a command makes what is to be published: `folder`, which holds card and manifest of what is `published`.

    `before` is the card that a change starts from.
    """

    address: str
    home: Path
    folder: Path
    published: Stored | None
    before: dict[str, Any] | None = None


def begin_output(address: str, *, overwrite: bool) -> Output:
    """Claim an address, and return where to make what is published there; work that was stopped is found there.

    Raises InputRefused where something else lies there, or with `overwrite` where something was published;
    EnvironmentProblem where another machine makes something there; and what `ObjectStore` raises.
    """
    store = ObjectStore(address)
    home, folder = _place(address)
    published = next((found for name in LAST if (found := store.head(name)) is not None), None)
    if published is not None and overwrite:
        remedy = f"choose another --out, or delete everything below {address} first"
        raise InputRefused("what was published is not replaced: others may read it", where=address, remedy=remedy)
    mark = read_mark(home)
    if published is None:
        _refuse_foreign(store)
        _claim(store, home=home)
    elif mark is None or mark.is_published or not folder.exists():
        _lay_out(store, home=home, folder=folder, last=published)
    return Output(address=address, home=home, folder=folder, published=published)


def begin_change(address: str) -> Output:
    """Claim a published data set, and return where its card and manifest lie to be changed.

    Raises InputRefused where there is no data set, or one whose manifest is in parts; and what `begin_output` raises.
    """
    store = ObjectStore(address)
    home, folder = _place(address)
    card = store.head(CARD)
    if card is None:
        remedy = f"give the address of one, in which {CARD} lies"
        raise InputRefused(f"no data set here: {CARD} is missing", where=address, remedy=remedy)
    if store.outermost(PARTS):
        remedy = "make the change on a copy of this machine, and publish that: curate merge COPY --out ADDRESS"
        raise InputRefused("a manifest in parts is not changed where it lies", where=address, remedy=remedy)
    _claim(store, home=home)
    _lay_out(store, home=home, folder=folder, last=card)
    before = json.loads((folder / CARD).read_bytes())
    previous = before.pop("previous", None)
    if previous and hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() != before["manifest_sha256"]:
        before = previous
    return Output(address=address, home=home, folder=folder, published=card, before=before)


def publish(output: Output, *, told: Callable[[int], None]) -> None:
    """Publish what was made; where it is what was published already, nothing is written.

    `told` hears how many of the files lie there.

    Raises EnvironmentProblem where another command was quicker, and what `ObjectStore` raises.
    """
    store, folder = ObjectStore(output.address), output.folder
    last = next((name for name in LAST if (folder / name).exists()), None)
    if last is None:
        raise EnvironmentProblem("the command left nothing to publish", where=output.address, remedy="run it again")
    data = (folder / last).read_bytes()
    if output.published is None:
        _write_files(store, folder=folder, but=last, told=told)
        _write_last(store, last, data=data)
    elif data != store.read(last):
        if output.before is None:
            raise _other_published(store.of(last))
        _change(store, output=output, card=data)
    _end(store, home=output.home)


def give_up(output: Output) -> None:
    """Take the claim back where a command ended that made nothing, or was to change something."""
    if output.published is not None or _is_empty(output.folder):
        _end(ObjectStore(output.address), home=output.home)


def _end(store: ObjectStore, *, home: Path) -> None:
    """Take a claim back, and drop what was made here: a claim that stays is in nobody's way where all is published."""
    with suppress(CurateError):
        if _held_claim(store).get("owner") == _owner(home):
            store.delete(CLAIM)
    with suppress(FileNotFoundError):
        shutil.rmtree(home)


def _place(address: str) -> tuple[Path, Path]:
    home = home_of(address, kind="output")
    return home, home / address.rpartition("/")[2]


def _owner(home: Path) -> str:
    mark = read_mark(home)
    return secrets.token_hex(8) if mark is None or not mark.owner else mark.owner


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or all(path.name == WORKSPACE and not any(path.iterdir()) for path in folder.iterdir())


def _refuse_foreign(store: ObjectStore) -> None:
    if store.head(CLAIM) is None and next((some for some in store.everything() if some), None) is not None:
        remedy = f"choose another --out, or delete everything below {store.address} first"
        raise InputRefused("something lies here that is not of curate", where=store.address, remedy=remedy)


def _claim(store: ObjectStore, *, home: Path) -> None:
    """Keep others away; a claim of this machine stays from a command that was stopped."""
    owner = _owner(home)
    write_mark(home, Place(address=store.address, kind="output", owner=owner))
    claim = {"owner": owner, "host": socket.gethostname(), "pid": os.getpid()}
    try:
        store.write_new(CLAIM, json.dumps(claim).encode())
        refuse_unconditional(store, key=CLAIM)
    except Changed:
        held = _held_claim(store)
        if held.get("owner") != owner:
            raise EnvironmentProblem(
                f"another command is at work here, on {held.get('host', 'another machine')}",
                where=store.address,
                remedy="wait for its end, run it again there to finish it, or choose another --out; where it is gone "
                f"for good, delete {store.of(CLAIM)}",
            ) from None


def refuse_unconditional(store: ObjectStore, *, key: str) -> None:
    """Refuse a store that writes over an object although it is told to write only where there is none.

    The object is there. Raises InputRefused.
    """
    with suppress(Changed):
        store.write_new(key, store.read(key))
        store.delete(key)
        raise InputRefused(
            "this store ignores conditional writes (If-None-Match), so that two commands could write over each other",
            where=store.address,
            remedy="publish on a store that honours them, or give --out on this machine and copy it there",
        )


def _held_claim(store: ObjectStore) -> dict[str, Any]:
    try:
        held = json.loads(store.read(CLAIM))
    except (Missing, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _lay_out(store: ObjectStore, *, home: Path, folder: Path, last: Stored) -> None:
    """Have what was published here as far as a command looks at it: card, manifest, and what lies beside them."""
    owner = _owner(home)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    write_mark(home, Place(address=store.address, kind="output", owner=owner, is_published=True))
    if not fetch_outermost(store, folder=folder, home=home, last=last):
        remedy = "run the command again when nothing writes there"
        raise InputRefused("this is being changed while it is read", where=store.address, remedy=remedy)


def _write_files(store: ObjectStore, *, folder: Path, but: str, told: Callable[[int], None]) -> None:
    """Write all files that do not lie there yet; what an earlier try left that is not among them is deleted."""
    there = {one.key: one for some in store.everything() for one in some}
    own = {path.relative_to(folder).as_posix(): path for path in made_files(folder)}
    todo = [key for key, path in own.items() if key != but and not _is_there(path, there.get(key))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for number, _ in enumerate(pool.map(lambda key: store.write(key, own[key]), todo), start=1):
                told(len(own) - len(todo) + number)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else all others would be tried first
            raise
    for key in there.keys() - own.keys() - {CLAIM}:
        store.delete(key)


def made_files(folder: Path) -> Iterator[Path]:
    """Yield the files of an output that are published, without what a command keeps for itself."""
    for place, folders, names in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name != WORKSPACE]
        yield from (Path(place) / name for name in names if not name.startswith(HALF_WRITTEN))


def _is_there(path: Path, stored: Stored | None) -> bool:
    """Tell whether an object holds the bytes of a file: by the MD5 that most stores give as ETag.

    Of what was sent in parts it is the MD5 of the MD5 of each, and how many there are.
    """
    if stored is None or stored.size != path.stat().st_size:
        return False
    etag, is_in_parts = stored.etag.strip('"'), "-" in stored.etag
    md5 = partial(hashlib.md5, usedforsecurity=False)
    with path.open("rb") as stream:
        if not is_in_parts:
            return etag == hashlib.file_digest(stream, md5).hexdigest()
        parts = [md5(data).digest() for data in iter(partial(stream.read, PART_BYTES), b"")]
    return etag == f"{md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _write_last(store: ObjectStore, key: str, *, data: bytes) -> None:
    """Publish by the file that makes all whole; one that is there with the same bytes is of a try before this one."""
    try:
        store.write_new(key, data)
    except Changed:
        if store.read(key) != data:
            raise _other_published(store.of(key)) from None


def _other_published(where: str) -> EnvironmentProblem:
    remedy = "choose another --out; what was made here stays in the cache until then"
    return EnvironmentProblem("another command published something else here", where=where, remedy=remedy)


def _change(store: ObjectStore, *, output: Output, card: bytes) -> None:
    """Bring a published data set from one card and manifest to others; a kill leaves either."""
    assert output.published is not None, "only what is published is changed"
    both = json.dumps(json.loads(card) | {"previous": output.before}, ensure_ascii=False).encode()
    try:
        etag = store.write_over(CARD, both, etag=output.published.etag)
        for name in (QUARANTINE, MANIFEST):
            store.write(name, output.folder / name)
        store.write_over(CARD, card, etag=etag)
    except Changed:
        remedy = "run the same command again"
        reason = "another command changed the data set meanwhile"
        raise EnvironmentProblem(reason, where=output.address, remedy=remedy) from None

"""The journal of a run: which items are done, so that a run which was stopped or killed continues where it was.

One line per outcome, behind a header that says which run it belongs to: a checksum, and JSON. Lines are committed in
groups: first the files that they speak of are brought to the disk, then the lines. What a line that was torn by a
kill, or damaged by the disk, spoke of is done again.
"""

from __future__ import annotations

import itertools
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from curation.storage.files import telling_where, write_durable
from curation.storage.flush import flush_filesystem
from curation.storage.open_unfollowed import open_unfollowed
from curation.storage.text_set import TextSet

COMMIT_INTERVAL_S: Final = 2.0
"""At most this much finished work is redone after a kill."""
LINES_AT_ONCE: Final = 4096


class HasId(Protocol):
    """What a journal can keep: a msgspec structure with the id of its item."""

    @property
    def id(self) -> str:
        """The id of the item that needs no more work."""


T = TypeVar("T", bound=HasId)


class Journal(Generic[T]):
    """Appends outcomes of one `kind` to a file; `done` holds the ids that need no more work."""

    def __init__(self, path: Path, *, kind: type[T]) -> None:
        self.path = path
        self.kind = kind
        self.done = TextSet()
        self._waiting: list[bytes] = []
        self._last_commit = time.monotonic()

    def start(self, *, run_id: str) -> None:
        """Begin a new journal for the run, or continue the existing one.

        Raises ValueError when the journal that is there belongs to another run.
        """
        header = msgspec.json.encode({"run": run_id})
        found, end = self._read()
        if found is None:
            self._waiting = [header]
            self._write(mode="wb")
            return
        if found != header:
            raise ValueError("the journal belongs to another run")
        self.done = TextSet()
        for outcomes in self._chunks():
            self.done.add_all([outcome.id for outcome in outcomes])
        with telling_where(self.path), open_unfollowed(self.path, "rb+") as stream:
            stream.truncate(end)

    def add(self, outcome: T) -> None:
        """Note an outcome; it is on the disk within `COMMIT_INTERVAL_S`, or at the next `commit`."""
        self.done.add(outcome.id)
        self._waiting.append(msgspec.json.encode(outcome))
        if time.monotonic() - self._last_commit > COMMIT_INTERVAL_S:
            self.commit()

    def commit(self) -> None:
        """Bring all noted outcomes, and the files that they speak of, to the disk."""
        if self._waiting:
            flush_filesystem(self.path.parent)
            self._write(mode="ab")
        self._last_commit = time.monotonic()

    def drop(self, is_dropped: Callable[[T], bool]) -> None:
        """Forget committed outcomes: their items are worked on again."""
        lines = _whole_lines(self.path)
        told = [(line, self._decoded(line)) for line in lines[1:]]
        kept = [line for line, outcome in told if outcome is not None and not is_dropped(outcome)]
        write_durable(self.path, b"".join(line + b"\n" for line in (lines[0], *kept)))

    def outcomes(self) -> Iterator[T]:
        """Yield every committed outcome, in the order of their commit, each id once."""
        seen = TextSet()
        for outcomes in self._chunks():
            is_new = seen.add_all([outcome.id for outcome in outcomes])
            yield from itertools.compress(outcomes, is_new)

    def _chunks(self) -> Iterator[list[T]]:
        """Yield the outcomes of all whole lines, some at a time."""
        with telling_where(self.path), open_unfollowed(self.path, "rb") as stream:
            next(stream)
            while lines := list(itertools.islice(stream, LINES_AT_ONCE)):
                told = (self._decoded(line[:-1]) for line in lines if line.endswith(b"\n"))
                yield [outcome for outcome in told if outcome is not None]

    def _read(self) -> tuple[bytes | None, int]:
        """Return the header, None where there is none, or a damaged one; and the bytes up to the end of whole lines."""
        with telling_where(self.path), suppress(FileNotFoundError), open_unfollowed(self.path, "rb") as stream:
            first = stream.readline()
            torn = 0
            for last in stream:
                torn = 0 if last.endswith(b"\n") else len(last)
            if first.endswith(b"\n"):
                return _checked(first[:-1]), stream.tell() - torn
        return None, 0

    def _decoded(self, line: bytes) -> T | None:
        """Return the outcome of a line; a damaged line gives None, and its item is worked on again."""
        text = _checked(line)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=self.kind)
        except (msgspec.DecodeError, ValueError):  # written by another version
            return None

    def _write(self, *, mode: str) -> None:
        with telling_where(self.path), open_unfollowed(self.path, mode) as stream:
            stream.write(b"".join(b"%08x %b\n" % (zlib.crc32(text), text) for text in self._waiting))
            stream.flush()
            os.fsync(stream.fileno())
        self._waiting = []


def _checked(line: bytes) -> bytes | None:
    """Return the text of a line, None where its checksum is another."""
    checksum, _, text = line.partition(b" ")
    return text if checksum == b"%08x" % zlib.crc32(text) else None


def _whole_lines(path: Path) -> list[bytes]:
    with telling_where(path), suppress(FileNotFoundError), open_unfollowed(path, "rb") as stream:
        return stream.read().split(b"\n")[:-1]
    return []

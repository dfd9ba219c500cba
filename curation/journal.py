"""The journal of a run: which items are done, so that a run which was stopped or killed goes on where it was.

One JSON line per outcome, behind a header that says which run it belongs to. Lines are committed in groups: first the
files that they speak of are brought to the disk, then the lines. A line that was torn by a kill is redone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from curation.files import flush_filesystem, telling_where
from curation.samples import Outcome

COMMIT_INTERVAL_S: Final = 2.0
"""At most this much finished work is redone after a kill."""


class Journal:
    """Appends outcomes to a file; `done` holds the ids that need no more work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: set[str] = set()
        self._waiting: list[bytes] = []
        self._last_commit = time.monotonic()

    def start(self, *, run_id: str) -> None:
        """Begin a new journal for the run, or go on with the one that is there.

        Raises ValueError when the journal that is there belongs to another run.
        """
        header = msgspec.json.encode({"run": run_id})
        lines = _whole_lines(self.path)
        if not lines:
            self._waiting = [header]
            self._write(mode="wb")
            return
        if lines[0] != header:
            raise ValueError("the journal belongs to another run")
        self.done = {outcome.id for outcome in _outcomes(lines)}
        with telling_where(self.path), self.path.open("rb+") as stream:
            stream.truncate(sum(len(line) + 1 for line in lines))

    def add(self, outcome: Outcome) -> None:
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

    def outcomes(self) -> Iterator[Outcome]:
        """Give every committed outcome, in the order of their commit, each id once."""
        seen: set[str] = set()
        with self.path.open("rb") as stream:
            next(stream)
            for line in stream:
                outcome = _decoded(line)
                if outcome is not None and outcome.id not in seen:
                    seen.add(outcome.id)
                    yield outcome

    def _write(self, *, mode: str) -> None:
        with telling_where(self.path), self.path.open(mode) as stream:
            stream.write(b"".join(line + b"\n" for line in self._waiting))
            stream.flush()
            os.fsync(stream.fileno())
        self._waiting = []


def _whole_lines(path: Path) -> list[bytes]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    return text.split(b"\n")[:-1]


def _outcomes(lines: list[bytes]) -> Iterator[Outcome]:
    for line in lines[1:]:
        outcome = _decoded(line)
        if outcome is not None:
            yield outcome


def _decoded(line: bytes) -> Outcome | None:
    """Give the outcome of a line; a damaged line gives None, and its item is worked on again."""
    try:
        return msgspec.json.decode(line, type=Outcome)
    except (msgspec.DecodeError, ValueError):
        return None

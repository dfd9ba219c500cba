"""One shard on one machine: its items are worked on by the local engine there, and results are laid down as they come.

Crashes, hangs and the limit of memory are dealt with by the local engine, as on one machine.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from curation.building.engine import Job
from curation.building.local_engine import LOCAL
from curation.cluster.spool import Block, Parcel, packed, unpacked
from curation.errors import CurateError
from curation.storage.files import write_bytes
from curation.storage.flush import flush_filesystem

BLOCK_S: Final = 2.0
"""At most this much work of a machine that is lost is done again."""
BLOCK_BYTES: Final = 32 << 20
LOG_BYTES: Final = 4_000
"""So much of the end of a log is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a machine is asked to do: `places` are those of the items in the whole job, `cwd` where paths begin."""

    name: str
    job: Parcel
    items: Parcel
    places: Sequence[int]
    workers: int
    spool: Path | None
    cwd: str
    variables: dict[str, str | None] = field(default_factory=dict)

    @property
    def log(self) -> Path | None:
        """The file with what the processes of the shard print."""
        return None if self.spool is None else self.spool / f"{self.name}.log"

    def block(self, number: int) -> Path:
        """Return the file of a block of results; only where there is a spool."""
        assert self.spool is not None, "without a spool, results travel with what comes back"
        return self.spool / f"{self.name}.{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What comes back of a shard: how many blocks lie in the spool, those that do not, and what ended it early."""

    blocks: int
    held: tuple[bytes, ...] = ()
    error: Exception | None = None


def work_on(order: Order) -> Done:
    """Work on a shard. What the work raises comes back, after what was done before it."""
    os.chdir(order.cwd)
    blocks = _Blocks(order)
    with _with_variables(order.variables), _printing_into(order.log):
        try:
            job: Job[Any, Any] = unpacked(order.job.read())
            items = unpacked(order.items.read())
            results = LOCAL.run(replace(job, workers=order.workers), items)
            with closing(results):
                for place, result in results:
                    blocks.add(order.places[place], result)
            blocks.commit()
        except Exception as error:  # noqa: BLE001 - raised again where the results are wanted
            os.write(2, traceback.format_exc().encode(errors="replace"))
            with suppress(CurateError):  # the disk may be what is full; what is not laid down is done again
                blocks.commit()
            return blocks.done(_that_travels(error))
    return blocks.done(None)


class _Blocks:
    """The results of a shard; each block is there whole, once the files that it speaks of are on the disk."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._block = Block()
        self._number = 0
        self._held: list[bytes] = []
        self._last_commit = time.monotonic()

    def add(self, place: int, result: Any) -> None:
        self._block.add(place, result)
        if self._order.spool is not None and (
            time.monotonic() - self._last_commit > BLOCK_S or self._block.size > BLOCK_BYTES
        ):
            self.commit()

    def commit(self) -> None:
        if not len(self._block):
            return
        if self._order.spool is None:
            self._held.append(self._block.data())
        else:
            flush_filesystem(self._order.spool)
            write_bytes(self._order.block(self._number), self._block.data())  # refused where the job is over
            self._number += 1
        self._block, self._last_commit = Block(), time.monotonic()

    def done(self, error: Exception | None) -> Done:
        return Done(blocks=self._number, held=tuple(self._held), error=error)


def _that_travels(error: Exception) -> Exception:
    """Return an error that can be read where it is raised again; its notes hold where it came from."""
    error.add_note(traceback.format_exc())
    error.__traceback__ = None
    try:
        unpacked(packed(error))
    except Exception:  # noqa: BLE001 - whatever a library put into it
        return RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return error


@contextmanager
def _with_variables(variables: dict[str, str | None]) -> Iterator[None]:
    """Set variables of the environment, or unset them, as they are where the command was given."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _printing_into(log: Path | None) -> Iterator[None]:
    """Send what this process and those that it starts print into a file."""
    if log is None:
        yield
        return
    kept = os.dup(1), os.dup(2)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, one in zip((1, 2), kept, strict=True):
            os.dup2(one, number)
            os.close(one)


def end_of(log: Path | None) -> str:
    """Return the end of what a shard printed, "" where it printed nothing or the file is not here."""
    try:
        data = b"" if log is None else log.read_bytes()
    except OSError:
        return ""
    return data[-LOG_BYTES:].decode(errors="replace").strip()

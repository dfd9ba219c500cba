"""What is too large to travel between machines: files in the folder of the command, each whole or not there.

A spool is made anew for each job, by the machine that leads it, and is there for as long as the job runs: where it is
gone, whoever still works for that job stops.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from curation.building.engine import Job
from curation.errors import EnvironmentProblem
from curation.storage.claimed_folder import lock_file
from curation.storage.files import make_folder, write_bytes
from curation.storage.lock import spools_of

PATIENCE_S: Final = 120.0
"""A network file system may show a new file this much later on another machine."""
LOOK_AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Bytes on their way: in the file that is named by their SHA-256, or `data` where there is no spool."""

    sha256: str
    file: Path | None = None
    data: bytes = b""

    def read(self) -> bytes:
        """Return the bytes. Raises EnvironmentProblem where the file does not come, or holds others."""
        data = self.data if self.file is None else read_soon(self.file)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise EnvironmentProblem("the file changed", where=self.file, remedy="run the same command again")
        return data


def open_spool(job: Job[Any, Any]) -> Path | None:
    """Make the spool of a job; None for one whose folder nobody holds: what it gives is small, or little."""
    if job.folder is None or not lock_file(job.folder).exists():
        return None
    folder = job.folder.resolve()
    spool = spools_of(lock_file(folder)) / os.urandom(8).hex()
    make_folder(spool, below=folder)
    spool.chmod(0o700)  # what lies in it is unpickled
    return spool


def close_spool(spool: Path | None) -> None:
    """Drop a spool and all that lies in it."""
    if spool is not None:
        with suppress(OSError):  # who still writes there finds no folder the next time
            shutil.rmtree(spool)
        with suppress(OSError):
            spool.parent.rmdir()


def put(data: bytes, *, spool: Path | None) -> Parcel:
    """Lay bytes down, and return what to send for them."""
    sha256 = hashlib.sha256(data).hexdigest()
    if spool is None:
        return Parcel(sha256=sha256, data=data)
    file = spool / sha256
    write_bytes(file, data)
    return Parcel(sha256=sha256, file=file)


def read_soon(file: Path) -> bytes:
    """Return the bytes of a file that another machine says it has written; raises EnvironmentProblem."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(FileNotFoundError):
            return file.read_bytes()
        if time.monotonic() > deadline:
            raise EnvironmentProblem(
                f"another machine wrote this file, and after {PATIENCE_S:.0f} s it is not here",
                where=file,
                remedy="mount the same file system under the same path on all machines",
            )
        with suppress(OSError):
            os.listdir(file.parent)  # noqa: PTH208 - asks the server, where an answer about one file may be remembered
        time.sleep(LOOK_AGAIN_S)


def packed(value: object) -> bytes:
    """Return a value as bytes, for a machine that has the same programs."""
    return pickle.dumps(value, protocol=5)


def unpacked(data: bytes) -> Any:
    """Return what `packed` was given: by a process that we started, or that started us."""
    return pickle.loads(data)  # noqa: S301


class _Noting(pickle.Pickler):
    """Pickles, and notes which paths are in it."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), protocol=5)
        self.paths: list[Path] = []

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, PurePath):
            self.paths.append(Path(value))
        return NotImplemented


def paths_in(value: object) -> list[Path]:
    """Return the paths that stand anywhere in a value that travels."""
    noting = _Noting()
    noting.dump(value)
    return noting.paths


class Block:
    """Results as they come, kept as the bytes of a file: first which places they are for, then one after the other."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._stream = io.BytesIO()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        return self._stream.tell()

    def add(self, place: int, result: Any) -> None:
        """Add the result of one item."""
        self._places.append(place)
        pickle.dump(result, self._stream, protocol=5)

    def data(self) -> bytes:
        """Return the bytes of all of it."""
        return pickle.dumps(self._places) + self._stream.getvalue()


def places_in(data: bytes) -> Sequence[int]:
    """Return which places the results of a block are for."""
    places: Sequence[int] = pickle.loads(data)  # noqa: S301 - of a process that we started, in a folder that we made
    return places


def results_in(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield place and result of each item of a block."""
    stream = io.BytesIO(data)
    for place in pickle.load(stream):  # noqa: S301 - see `places_in`
        yield place, pickle.load(stream)  # noqa: S301

"""One run at a time in a folder. The kernel drops the lock when its holder dies, so nobody has to tidy up."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import EnvironmentProblem
from curation.files import cannot_write, make_folder


@contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Hold the lock while the block runs.

    Raises EnvironmentProblem at once, naming the holder, when another run has it.
    """
    make_folder(lock_file.parent)
    descriptor = _acquire(lock_file)
    try:
        yield
    finally:
        lock_file.unlink(missing_ok=True)
        os.close(descriptor)


def refuse_if_held(lock_file: Path) -> None:
    """Raise EnvironmentProblem when another run holds the lock; take nothing."""
    if lock_file.exists():
        with exclusive(lock_file):
            pass


def _acquire(lock_file: Path) -> int:
    while True:
        try:
            descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise cannot_write(lock_file, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise EnvironmentProblem(
                f"another run is at work in this folder: {_holder(lock_file)}",
                where=lock_file.parent.parent,
                remedy="wait until it ends, stop it, or choose another --out",
            ) from error
        if _is_same_file(descriptor, lock_file):
            os.truncate(descriptor, 0)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
            return descriptor
        os.close(descriptor)  # the last holder removed the file between our open and our flock


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(lock_file: Path) -> str:
    try:
        holder = json.loads(lock_file.read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError):
        return "a process that just started"

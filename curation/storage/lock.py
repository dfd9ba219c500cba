"""One run at a time in a folder. The kernel drops the lock when its holder dies, so nobody has to tidy up."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from curation.errors import EnvironmentProblem
from curation.storage.files import cannot_write, make_folder


@contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Hold the lock while the block runs; afterwards the lock file is gone, and its folder if nothing else is in it.

    Raises EnvironmentProblem at once, naming the holder, when another run has it.
    """
    descriptor = _acquire(lock_file)
    try:
        if (spools := spools_of(lock_file)).is_dir():  # of a holder that died
            with suppress(OSError):
                shutil.rmtree(spools)
        yield
    finally:
        _release(descriptor, lock_file=lock_file)


def spools_of(lock_file: Path) -> Path:
    """Return the folder, beside the lock, of what several machines lay down for each other while one holds it."""
    return lock_file.with_name("spool")


def _acquire(lock_file: Path) -> int:
    while True:
        make_folder(lock_file.parent, below=lock_file.parent.parent)
        try:
            descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:
            continue  # the last holder removed the folder after we saw it
        except OSError as error:
            raise cannot_write(lock_file, error) from error
        if _is_taken(descriptor, lock_file=lock_file):
            return descriptor
        os.close(descriptor)  # the last holder removed the file between our open and our flock


def _is_taken(descriptor: int, *, lock_file: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_same_file(descriptor, lock_file):
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    except BlockingIOError as error:
        os.close(descriptor)
        raise EnvironmentProblem(
            f"another run works in this folder: {_holder(lock_file)}",
            where=lock_file.parent.parent,
            remedy="wait until it ends, stop it, or choose another --out",
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise cannot_write(lock_file, error) from error
    return True


def _release(descriptor: int, *, lock_file: Path) -> None:
    # Where the folder was moved away meanwhile, the name may be the lock of another run by now
    with suppress(OSError):
        if _is_same_file(descriptor, lock_file):
            lock_file.unlink()
            lock_file.parent.rmdir()  # refused while a journal is in it
    os.close(descriptor)


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(lock_file: Path) -> str:
    try:
        holder = json.loads(lock_file.read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that just started"

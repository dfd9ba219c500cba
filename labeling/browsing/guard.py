"""Keep a database up for as long as somebody uses it: `python -m labeling.browsing.guard FOLDER MONGOD`.

Who uses the database holds the file `users` shared. This process waits until it gets that file for itself: then all
have left, also those that were killed, since the kernel drops their locks. It then stops the database and ends.

The database has no port: it listens on a socket file in a folder that no other user can enter. It takes no compressed
messages (CVE-2025-14847 is in zlib) and runs no JavaScript.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from curation.storage.files import make_folder, write_durable
from labeling.local_server import PARENT_DIED

ADDRESS: Final = "database.json"
USERS: Final = "users"
LOG: Final = "mongod.log"
SOCKET: Final = "mongod.sock"
PREFIX: Final = "curate-"
LONGEST_SOCKET: Final = 107
"""Bytes in the path of a socket. Source: unix(7)."""
CACHE_GB: Final = 0.5
"""MongoDB would take half of the memory; a view of 34,000 samples has 60 MB."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The socket file on which a database listens, and its process."""

    pid: int
    socket: str


def guard(folder: Path, *, mongod: str) -> int:
    """Start the database of a folder, tell where it listens, stop it when nobody uses it; give its exit code."""
    make_folder(folder / "db")
    (folder / "db").chmod(0o700)
    socket = _socket_folder() / SOCKET
    where = ["--dbpath", str(folder / "db"), "--logpath", str(folder / LOG), "--logappend"]
    network = ["--bind_ip", str(socket), "--nounixsocket", "--networkMessageCompressors", "disabled", "--noscripting"]
    size = ["--wiredTigerCacheSizeGB", str(CACHE_GB), "--setParameter", "diagnosticDataCollectionEnabled=false"]
    process = subprocess.Popen(
        [mongod, *where, *network, *size],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,
    )
    write_durable(folder / ADDRESS, msgspec.json.encode(Address(pid=process.pid, socket=str(socket))))
    with (folder / USERS).open("rb") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait()
        remove_socket(socket)
        return code


def remove_socket(socket: Path) -> None:
    """Remove a socket file and its folder, where that holds nothing else."""
    with suppress(OSError):
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()


def _socket_folder() -> Path:
    """Make a folder that only its user can enter, with a path that is short enough for a socket."""
    is_short = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_SOCKET - len(f"/{PREFIX}12345678/{SOCKET}")
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=None if is_short else "/tmp"))  # noqa: S108 - 0700, a name of chance


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGTERM)
    os.setpgrp()


if __name__ == "__main__":
    sys.exit(guard(Path(sys.argv[1]), mongod=sys.argv[2]))

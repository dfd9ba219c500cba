"""Keep a database up for as long as somebody uses it: `python -m labeling.fiftyone_guard FOLDER MONGOD`.

Who uses the database holds the file `users` shared. This process waits until it gets that file for itself: then all
have left, also those that were killed, since the kernel drops their locks. It then stops the database and ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from curation.files import make_folder, write_durable
from labeling.local_server import LOOPBACK, PARENT_DIED, free_port

ADDRESS: Final = "database.json"
USERS: Final = "users"
LOG: Final = "mongod.log"
CACHE_GB: Final = 0.5
"""MongoDB would take half of the memory; a view of 34,000 samples has 60 MB."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a database listens, and its process."""

    pid: int
    port: int


def guard(folder: Path, *, mongod: str) -> int:
    """Start the database of a folder, tell where it listens, stop it when nobody uses it; give its exit code."""
    make_folder(folder / "db")
    port = free_port(0)
    where = ["--dbpath", str(folder / "db"), "--logpath", str(folder / LOG), "--logappend"]
    network = ["--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"]
    size = ["--wiredTigerCacheSizeGB", str(CACHE_GB), "--setParameter", "diagnosticDataCollectionEnabled=false"]
    process = subprocess.Popen(
        [mongod, *where, *network, *size],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,
    )
    write_durable(folder / ADDRESS, msgspec.json.encode(Address(pid=process.pid, port=port)))
    with (folder / USERS).open("rb") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGTERM)
    os.setpgrp()


if __name__ == "__main__":
    sys.exit(guard(Path(sys.argv[1]), mongod=sys.argv[2]))

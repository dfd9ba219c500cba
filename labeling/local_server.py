"""A server of another program on this machine, for us alone: on 127.0.0.1, and gone when we are."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from curation.errors import ConfigurationProblem
from curation.storage.files import telling_where

LOOPBACK: Final = "127.0.0.1"
PARENT_DIED: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
ADDRESS, STATE, UID, LISTENS = 1, 3, 7, "0A"
"""Columns of /proc/net/tcp, and the state of a socket that listens. Source: proc_net_tcp(5)."""
ANY: Final = range(1)
"""Port 0: whichever is free."""


def free_port(port: int | None, *, usual: range = ANY) -> int:
    """Return the port, or with None the first of the usual ones that is free; 0 takes any.

    Raises ConfigurationProblem when it is taken, or all of them are.
    """
    wanted = usual if port is None else [port]
    for number in wanted:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, number))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    taken = f"the ports {wanted[0]} to {wanted[-1]} are" if port is None else f"port {port} is"
    raise ConfigurationProblem(f"{taken} not free", remedy="give another --port; 0 takes any that is free")


def open_port(port: int | None, *, usual: range = ANY) -> socket.socket:
    """Return a socket that listens on the port, chosen as `free_port` does; from then on nobody else can take it."""
    number = free_port(port, usual=usual)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, number))
        listening.listen()
    except OSError as error:  # taken since it was found free
        listening.close()
        raise ConfigurationProblem(f"a port is not free: {error}", remedy="run the same command again") from error
    return listening


def is_ours(port: int) -> bool:
    """Tell whether it is this user who listens on a port of 127.0.0.1.

    Between the moment that a port was found free and that in which a server takes it, another user of the machine may
    have it, and be told what is meant for the server.
    """
    table = Path("/proc/net/tcp")
    if not table.exists():  # not Linux
        return True
    wanted = f"{int.from_bytes(socket.inet_aton(LOOPBACK), sys.byteorder):08X}:{port:04X}"
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    owners = {int(row[UID]) for row in rows if row[ADDRESS] == wanted and row[STATE] == LISTENS}
    return owners == {os.getuid()}


def start_server(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, keep: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a server that ends when this process does, with all that it says in `log`, for its owner's eyes only.

    `keep` are open files that it gets under their numbers. Raises OSError when the program cannot be started.
    """
    with telling_where(log):
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def die_with_parent() -> None:
        with suppress(AttributeError):  # a system without prctl
            libc.prctl(PARENT_DIED, signal.SIGTERM)
        if os.getppid() != parent:  # killed before it could be said
            os._exit(1)

    try:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            pass_fds=keep,
            start_new_session=True,  # Ctrl-C is ours; we stop it
            preexec_fn=die_with_parent,  # nothing but system calls
        )
    finally:
        os.close(stream)


def stop_server(process: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """End a server and all that it started: first kindly, then, after `patience_s`, not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience_s)
            break
    with suppress(ProcessLookupError, PermissionError):  # what it started, and what did not heed the first signal
        os.killpg(process.pid, signal.SIGKILL)

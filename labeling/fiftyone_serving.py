"""The App of FiftyOne on this machine: its server listens on 127.0.0.1 alone and ends with us."""

from __future__ import annotations

import ctypes
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import ConfigurationProblem, EnvironmentProblem
from curation.files import make_folder, telling_where
from labeling.fiftyone_database import is_answering, stopped
from labeling.fiftyone_guard import DIE_WITH_PARENT, LOOPBACK

FIRST_PORT: Final = 5151
PORTS_TRIED: Final = 50
LOG: Final = "app.log"
START_S: Final = 900.0
"""FiftyOne takes ten seconds of a whole core to start, and a busy machine gives it a small part of one."""
STOP_S: Final = 10.0
LOOK_S: Final = 0.5
LOOK_AT_DATABASE_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A server that is up: its address, its process, and the database that it shows."""

    url: str
    uri: str
    log: Path
    process: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Return never: Ctrl-C ends it, and so does the end of the server or of the database, by an error."""
        looked = time.monotonic()
        while True:
            _refuse_ended(self.process, log=self.log)
            if time.monotonic() - looked > LOOK_AT_DATABASE_S:
                if not is_answering(self.uri):
                    raise stopped(self.uri)
                looked = time.monotonic()
            time.sleep(LOOK_S)


@contextmanager
def serving(folder: Path, *, uri: str, port: int | None) -> Iterator[App]:
    """Start the App on a port, and stop it after the block; its log is in `folder`.

    Raises ConfigurationProblem when the port is taken, EnvironmentProblem when the server does not come up.
    """
    number = free_port(port)
    make_folder(folder)
    process = _start(folder, uri=uri, port=number)
    try:
        _wait_until_up(process, port=number, log=folder / LOG)
        yield App(url=f"http://{LOOPBACK}:{number}", uri=uri, log=folder / LOG, process=process)
    finally:
        _stop(process)


def free_port(port: int | None) -> int:
    """Give the port, or the first free one from 5151 on; raises ConfigurationProblem when it is taken."""
    wanted = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else [port]
    for number in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, number))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    taken = f"the ports {wanted[0]} to {wanted[-1]} are" if port is None else f"port {port} is"
    raise ConfigurationProblem(f"{taken} not free", remedy="give another --port; 0 takes any that is free")


def _start(folder: Path, *, uri: str, port: int) -> subprocess.Popen[bytes]:
    package = importlib.util.find_spec("fiftyone")
    assert package is not None and package.origin is not None, "it was imported a moment ago"
    program = Path(package.origin).parent / "server" / "main.py"
    with telling_where(folder / LOG):
        log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        with suppress(AttributeError):  # a system without prctl
            libc.prctl(DIE_WITH_PARENT, signal.SIGTERM)

    try:
        return subprocess.Popen(
            [sys.executable, str(program), "--port", str(port), "--address", LOOPBACK],
            env=os.environ | {"FIFTYONE_DATABASE_URI": uri},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours; we stop it
            preexec_fn=die_with_parent,  # one system call
        )
    finally:
        os.close(log)


def _wait_until_up(process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        _refuse_ended(process, log=log)
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=LOOK_S * 10)
        try:
            connection.request("GET", "/fiftyone")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(LOOK_S)
    raise EnvironmentProblem(f"the App does not answer within {START_S:.0f} s", where=log, remedy="look there")


def _refuse_ended(process: subprocess.Popen[bytes], *, log: Path) -> None:
    if (code := process.poll()) is not None:
        raise EnvironmentProblem(
            f"the App ended by itself with {code}", where=log, remedy="look there, and run the same command again"
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and whatever it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(STOP_S)
            return
        except subprocess.TimeoutExpired:
            continue

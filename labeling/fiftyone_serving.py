"""The App of FiftyOne on this machine: its server listens on 127.0.0.1 alone and ends with us."""

from __future__ import annotations

import http.client
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import EnvironmentProblem
from curation.files import make_folder
from labeling.fiftyone_database import is_answering, stopped
from labeling.local_server import LOOPBACK, free_port, start_server, stop_server

USUAL_PORTS: Final = range(5151, 5201)
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
    number = free_port(port, usual=USUAL_PORTS)
    make_folder(folder)
    process = _start(folder, uri=uri, port=number)
    try:
        _wait_until_up(process, port=number, log=folder / LOG)
        yield App(url=f"http://{LOOPBACK}:{number}", uri=uri, log=folder / LOG, process=process)
    finally:
        stop_server(process, patience_s=STOP_S)


def _start(folder: Path, *, uri: str, port: int) -> subprocess.Popen[bytes]:
    package = importlib.util.find_spec("fiftyone")
    assert package is not None and package.origin is not None, "it was imported a moment ago"
    program = Path(package.origin).parent / "server" / "main.py"
    return start_server(
        [sys.executable, str(program), "--port", str(port), "--address", LOOPBACK],
        environment=os.environ | {"FIFTYONE_DATABASE_URI": uri},
        log=folder / LOG,
    )


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

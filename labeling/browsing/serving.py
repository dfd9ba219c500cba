"""The App of FiftyOne on this machine: its server listens on 127.0.0.1, behind our doorkeeper, and ends with us."""

from __future__ import annotations

import http.client
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from curation.errors import EnvironmentProblem
from curation.storage.files import make_folder
from labeling.browsing.app_server import SHOWN
from labeling.browsing.database import is_answering, stopped
from labeling.browsing.doorkeeper import TOKEN, Shown
from labeling.local_server import LOOPBACK, open_port, start_server, stop_server

if TYPE_CHECKING:
    import socket

    from labeling.browsing.app import Loaded

USUAL_PORTS: Final = range(5151, 5201)
LOG: Final = "app.log"
NO_PLUGINS: Final = "no-plugins"
"""An empty folder: plugins are code that the App would run, and offer on its page."""
START_S: Final = 900.0
"""FiftyOne takes ten seconds of a whole core to start, and a busy machine gives it a small part of one."""
STOP_S: Final = 10.0
LOOK_S: Final = 0.5
LOOK_AT_DATABASE_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A server that is up: its address, its process, and the database that it shows.

    `url_once` opens it once: a browser is given its address as an argument, which every user of the machine can see.
    """

    url: str
    url_once: str
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
def serving(folder: Path, *, uri: str, loaded: Loaded, folders: Sequence[Path], port: int | None) -> Iterator[App]:
    """Start the App on a port, and stop it after the block; its log is in `folder`.

    It shows what was loaded, with the pictures below `folders`, to whoever opens its address, which ends in a token.
    Raises ConfigurationProblem when the port is taken, EnvironmentProblem when the server does not come up.
    """
    make_folder(folder)
    with open_port(port, usual=USUAL_PORTS) as listening:
        shown = Shown(
            port=listening.getsockname()[1],
            token=secrets.token_urlsafe(),
            once=secrets.token_urlsafe(),
            name=loaded.name,
            view=loaded.first,
            folders=tuple(str(one.resolve()) for one in folders),
        )
        process = _start(folder, uri=uri, shown=shown, listening=listening)
    try:
        _wait_until_up(process, shown=shown, log=folder / LOG)
        url, once = (
            f"http://{LOOPBACK}:{shown.port}/datasets/{quote(loaded.name)}?{TOKEN}={secret}"
            for secret in (shown.token, shown.once)
        )
        yield App(url=url, url_once=once, uri=uri, log=folder / LOG, process=process)
    finally:
        stop_server(process, patience_s=STOP_S)


def _start(folder: Path, *, uri: str, shown: Shown, listening: socket.socket) -> subprocess.Popen[bytes]:
    make_folder(folder / NO_PLUGINS)
    own = {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_SERVER": "1",
        "FIFTYONE_ALLOWED_ORIGINS": "",
        "FIFTYONE_PLUGINS_DIR": str(folder / NO_PLUGINS),
        SHOWN: msgspec.json.encode(shown).decode(),
    }
    inherited = {name: value for name, value in os.environ.items() if name != "FIFTYONE_DISABLE_SERVICES"}
    return start_server(
        [sys.executable, "-m", "labeling.browsing.app_server", str(listening.fileno())],
        environment=inherited | own,
        log=folder / LOG,
        keep=[listening.fileno()],
    )


def _wait_until_up(process: subprocess.Popen[bytes], *, shown: Shown, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        _refuse_ended(process, log=log)
        connection = http.client.HTTPConnection(LOOPBACK, shown.port, timeout=LOOK_S * 10)
        try:
            connection.request("GET", "/fiftyone", headers={"Cookie": f"{shown.cookie}={shown.token}"})
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

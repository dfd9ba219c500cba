"""Our own Label Studio: one process on this machine, with SQLite, that nobody but its user can reach.

It listens on 127.0.0.1 only and answers to no other name (a hostile page could make a name of its own mean 127.0.0.1),
takes no new users, calls nobody, and shows no file but those in its own folder `files`.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from curation.errors import EnvironmentProblem
from curation.storage.claimed_folder import lock_file
from curation.storage.files import make_folder, write_durable
from curation.storage.lock import exclusive
from labeling.label_tools.label_studio.server.access import FILES, RUNNING, Running, Secrets, make_secrets, read_running
from labeling.local_server import LOOPBACK, free_port, is_ours, start_server, stop_server

USUAL_PORTS: Final = range(8080, 8180)
START_S: Final = 1200.0
"""The first start makes the database: half a minute, and many minutes where others keep the machine busy."""
STOP_S: Final = 15.0
LOG: Final = "server.log"
LOG_LINES_TOLD: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that is up, and the process that it is."""

    running: Running
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        """Wait until the server ends by itself, and give its exit code."""
        return self.process.wait()


@contextmanager
def serving(folder: Path, *, program: Path, port: int | None, tell: Callable[[str], None]) -> Iterator[Server | None]:
    """Run a server with its data in `folder` while the block runs; None where one is up there already.

    `port` None takes the first free one from 8080 on.
    Raises ConfigurationProblem for a port that is taken, EnvironmentProblem when the server does not come up.
    """
    if is_up(folder):
        yield None
        return
    make_folder(folder)
    folder.chmod(0o700)
    with exclusive(lock_file(folder)):
        process = _start(folder, program=program, port=free_port(port, usual=USUAL_PORTS))
        try:
            running = _wait_until_up(folder, process=process, tell=tell)
            yield Server(running=running, process=process)
        finally:
            stop_server(process, patience_s=STOP_S)
            (folder / RUNNING).unlink(missing_ok=True)


def is_up(folder: Path) -> bool:
    """Tell whether the server of a folder answers; what a killed one left behind does not count."""
    running = read_running(folder)
    return running is not None and _answers(running.url)


def _start(folder: Path, *, program: Path, port: int) -> subprocess.Popen[bytes]:
    secrets = make_secrets(folder)
    make_folder(folder / FILES)
    make_folder(folder / "data")
    command = [str(program), "start", "--no-browser", "--internal-host", LOOPBACK, "--port", str(port)]
    try:
        process = start_server(
            [*command, "--data-dir", str(folder.resolve() / "data")],
            environment=_environment(folder, secrets=secrets),
            log=folder / LOG,
        )
    except OSError as error:
        raise EnvironmentProblem(
            f"the server cannot be started: {error.strerror}", where=program, remedy="delete that environment"
        ) from error
    write_durable(folder / RUNNING, msgspec.json.encode(Running(pid=process.pid, url=f"http://{LOOPBACK}:{port}")))
    return process


def _environment(folder: Path, *, secrets: Secrets) -> dict[str, str]:
    """Return the environment of the server: our settings, and nothing that another Label Studio was meant to read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LABEL_STUDIO_", "PYTHON"))}
    settings = {
        "USERNAME": secrets.email,
        "PASSWORD": secrets.password,
        "USER_TOKEN": secrets.token,
        "ENABLE_LEGACY_API_TOKEN": "true",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "CORS_ALLOW_ALL_ORIGINS": "false",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(folder.resolve() / FILES),
        "LOG_LEVEL": "WARNING",
        "DJANGO_DB": "sqlite",
    }
    return kept | {f"LABEL_STUDIO_{name}": value for name, value in settings.items()}


def _wait_until_up(folder: Path, *, process: subprocess.Popen[bytes], tell: Callable[[str], None]) -> Running:
    running = read_running(folder)
    assert running is not None, "it was written when the process was started"
    tell(f"Label Studio starts, which takes up to a minute; its log is {folder / LOG}")
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(running.url):
            return running
        time.sleep(0.2)
    said = "it does not answer" if process.poll() is None else f"it ended with {process.returncode}"
    raise EnvironmentProblem(f"Label Studio did not come up: {said}{_last_lines(folder)}", where=folder / LOG)


def _answers(url: str) -> bool:
    if not is_ours(urlsplit(url).port or 0):
        return False
    try:
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            return "UP" in client.get(f"{url}/health").text
    except httpx.HTTPError:
        return False


def _last_lines(folder: Path) -> str:
    lines = (folder / LOG).read_text(errors="replace").strip().splitlines()[-LOG_LINES_TOLD:]
    return "".join(f"\n  {line}" for line in lines)

"""A Ray cluster of several machines on this one: each a raylet of its own, started as `ray start` starts it."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

from tests.places import REPOSITORY

TOKEN: Final = "a-token-of-the-tests-that-opens-nothing-else"
START_S: Final = 180.0
HAS_RAY: Final = find_spec("ray") is not None
DRIVE: Final = "import pickle, sys; function, arguments = pickle.load(sys.stdin.buffer); function(*arguments)"
START: Final = "from ray.scripts.scripts import main; main()"


@dataclass(slots=True, kw_only=True)
class Raylets:
    """A cluster: `client` is its address for clients, `variables` what a command needs to join it."""

    folder: Path
    port: int
    client: str
    variables: Mapping[str, str]
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(
        self, *, cpus: int = 1, gpus: int = 0, within: tuple[str, ...] = (), **variables: str
    ) -> subprocess.Popen[bytes]:
        """Add a machine, and return the process that holds it; `within` is a command that it is started by."""
        ports = [f"--port={self.port}", f"--ray-client-server-port={self.client.rpartition(':')[2]}"]
        head = ["--head", *ports, "--include-dashboard=false", f"--temp-dir={self.folder}"]
        role = head if not self.nodes else [f"--address=127.0.0.1:{self.port}"]
        arguments = [
            *(*role, "--block", "--disable-usage-stats", f"--num-cpus={cpus}", f"--num-gpus={gpus}"),
            *("--object-store-memory=80000000", "--node-ip-address=127.0.0.1"),
        ]
        environment = {**os.environ, **self.variables, "PYTHONPATH": str(REPOSITORY), **variables}
        with (self.folder / f"node-{len(self.nodes)}.log").open("wb") as log:
            node = subprocess.Popen(
                [*within, sys.executable, "-c", START, "start", *arguments],
                env={name: value for name, value in environment.items() if name != "RAY_ADDRESS"},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(node)
        return node

    def wait(self, *, nodes: int) -> None:
        """Wait until so many machines have joined; each has an agent that is up when its raylet is."""
        deadline = time.monotonic() + START_S
        while self.said().count("Ray runtime started") < nodes or not _listens(self.client):
            is_well = time.monotonic() < deadline
            assert is_well, self.said()
            time.sleep(0.2)

    def joined(self, **variables: str) -> dict[str, str]:
        """Return the environment of a command that joins this cluster with `--engine ray`."""
        address = {"RAY_ADDRESS": f"127.0.0.1:{self.port}", "PYTHONPATH": str(REPOSITORY)}
        return {**os.environ, **self.variables, **address, **variables}

    def drive(self, function: Callable[..., None], *arguments: object, **variables: str) -> None:
        """Call a function in a process of its own, which may join this cluster: Ray reads its token once a process."""
        done = subprocess.run(
            [sys.executable, "-c", DRIVE],
            input=pickle.dumps((function, arguments)),
            env=self.joined(**variables),
            cwd=self.folder,  # Ray lets machines import from where the driver stands
            capture_output=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-8000:]

    def said(self) -> str:
        """Return what the machines have printed."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("node-*.log")))

    def stop(self) -> None:
        """End all machines."""
        for node in self.nodes:
            kill(node)
        for one in psutil.process_iter():  # what a machine left that failed to start
            with suppress(psutil.Error):
                if any(str(self.folder) in word for word in one.cmdline()):
                    one.kill()


def raylet_of(node: subprocess.Popen[bytes]) -> psutil.Process | None:
    """Return the raylet of a machine, None where it is not there yet, or no more."""
    with suppress(psutil.NoSuchProcess):
        for one in psutil.Process(node.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if one.name() == "raylet":
                    return one
    return None


def kill(node: subprocess.Popen[bytes]) -> None:
    """Kill a machine at once, with all that runs on it."""
    everything = []
    with suppress(psutil.NoSuchProcess):
        psutil.Process(node.pid).suspend()  # so that it starts nothing more meanwhile
        everything = psutil.Process(node.pid).children(recursive=True)
    for one in everything:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def raylets(*, nodes: int = 2, cpus: int = 1) -> Iterator[Raylets]:
    """Yield a cluster of so many machines, which ask for a token."""
    with tempfile.TemporaryDirectory(prefix="ray-") as name:  # short: sockets lie in it
        variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_raylet_start_wait_time_s": "120"}
        client = f"ray://127.0.0.1:{free_port()}"
        cluster = Raylets(folder=Path(name), port=free_port(), client=client, variables=variables)
        try:
            cluster.add(cpus=cpus)
            cluster.wait(nodes=1)
            for number in range(1, nodes):  # one after the other: they would take the same ports
                cluster.add(cpus=cpus)
                cluster.wait(nodes=number + 1)
            yield cluster
        finally:
            cluster.stop()


def _listens(address: str) -> bool:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with suppress(OSError):
        socket.create_connection((host, int(port)), timeout=1.0).close()
        return True
    return False

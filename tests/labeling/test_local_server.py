"""A server of another program: nothing that it started outlives it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem
from labeling.local_server import is_ours, open_port, start_server, stop_server
from tests.pipelines.commands import processes_of

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1000)"
LEADER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}]).wait()"


def test_what_a_server_started_is_ended_although_it_does_not_heed_the_signal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_server([sys.executable, "-c", LEADER], environment={}, log=log)
    while "deaf" not in log.read_text():
        time.sleep(0.05)
    assert len(processes_of(process.pid)) == 2
    stop_server(process, patience_s=30)
    assert processes_of(process.pid, patience_s=5) == []


def test_an_open_port_is_taken_at_once_and_listens_on_loopback_alone() -> None:
    with open_port(0) as listening:
        address, port = listening.getsockname()
        assert address == "127.0.0.1"
        assert is_ours(port)
        socket.create_connection((address, port)).close()
        with pytest.raises(ConfigurationProblem, match="not free"):
            open_port(port)
    assert not is_ours(port)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a program as somebody else")
def test_a_server_of_another_user_is_not_ours() -> None:
    code = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    command = ["/usr/bin/env", "python3", "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=65534, cwd="/"
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert not is_ours(port)
        other.communicate("")

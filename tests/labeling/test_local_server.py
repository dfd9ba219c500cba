"""A server of another program: nothing that it started outlives it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from labeling.local_server import start_server, stop_server
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

"""A real Label Studio for tests, started by our own command; and a proxy before it that injects faults."""

from __future__ import annotations

import http.client
import io
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from labeling.label_tools.label_studio.server.access import Access, find_access
from labeling.label_tools.label_studio.server.install import SERVER

CURATE = Path(sys.executable).with_name("curate")
START_S = 1500
HOP_HEADERS = {"connection", "transfer-encoding", "content-length", "host"}


@contextmanager
def serving(folder: Path) -> Iterator[Access]:
    """Give a server that is up: the one in `CURATE_LABEL_STUDIO_FOLDER`, else one that is started for these tests."""
    given = os.environ.get("CURATE_LABEL_STUDIO_FOLDER")
    if given:
        yield find_access(Path(given))
        return
    if not SERVER.is_installed() and not os.environ.get("CURATE_INSTALL_LABEL_STUDIO"):
        pytest.skip(
            "Label Studio is not installed; run `curate label serve` once, or set CURATE_INSTALL_LABEL_STUDIO=1"
        )
    process = start(folder)
    try:
        wait_until_up(process)
        yield find_access(folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def start(folder: Path) -> subprocess.Popen[str]:
    """Start `curate label serve` on a free port."""
    command = [str(CURATE), "label", "serve", "--folder", str(folder), "--port", "0"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until_up(process: subprocess.Popen[str]) -> None:
    """Wait until the command says that the server is up."""
    assert process.stderr is not None
    for line in process.stderr:
        if "is up:" in line:
            return
    pytest.fail(f"the server did not come up: {process.wait()}")


def chromium() -> str:
    """Return the browser; the test is left out where there is none."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


@contextmanager
def proxy(
    target: str,
    *,
    fault: Callable[[str, str], str] = lambda method, path: "",
    delay_s: float = 0.0,
    twist: Callable[[str, str, bytes], bytes] = lambda method, path, content: content,
) -> Iterator[str]:
    """Stand before a server, and answer or break as `fault` says for each request; gives the address.

    `twist` gets the bytes of each answer, and returns those that are sent.
    """
    held = {
        "target": urlsplit(target).netloc,
        "fault": staticmethod(fault),
        "delay_s": delay_s,
        "twist": staticmethod(twist),
    }
    handler = type("Bound", (Handler,), held)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Forwards to the server `target`, or breaks."""

    target: str
    fault: Callable[[str, str], str]
    delay_s: float
    twist: Callable[[str, str, bytes], bytes]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.fault(self.command, self.path)
        if kind.endswith("before"):
            return self._break(kind)
        status, headers, content = self._forward(data)
        if kind == "timeout after":
            time.sleep(self.delay_s)
        return self._break(kind) if kind in {"500 after", "reset after"} else self._send(status, headers, content)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - as the library calls them

    def _forward(self, data: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.target, timeout=600)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
        connection.request(self.command, self.path, body=data, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        content = self.twist(self.command, urlsplit(self.path).path, content)
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_HEADERS]
        connection.close()
        return answer.status, kept, content

    def _break(self, kind: str) -> None:
        if kind.startswith("500"):
            return self._send(500, [], b"{}")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.rfile = self.wfile = io.BytesIO()  # type: ignore[assignment]
        return None

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in [*headers, ("Content-Length", str(len(content)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the client did not wait
            self.close_connection = True

"""A server that speaks S3, moto's, in a process of its own; and a door before it that can answer as a store in trouble.

No store of another kind is to be had from the package registries; moto keeps objects in memory, and honours
`If-None-Match` and `If-Match`.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from curation.remote.object_store import PATIENCE, ObjectStore
from curation.remote.places import CACHE

SIGNED = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
STARTS_WITHIN_S = 120.0


@contextmanager
def served() -> Iterator[str]:
    """Run the server, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while not _answers(port):
            assert server.poll() is None, "moto's server ended"
            assert time.monotonic() < until, "moto's server does not answer"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def bucket(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, `s3://...`, and an environment in which curate finds it."""
    name = f"bucket-{uuid.uuid4().hex}"
    variables = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        CACHE: str(tmp_path / "cache"),
        PATIENCE: "2",
    }
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    put_raw(f"s3://{name}")
    return f"s3://{name}"


def put_raw(bucket: str, key: str = "", content: bytes = b"") -> None:
    """Make a bucket, or an object of any name in it."""
    asking = http.client.HTTPConnection(os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"))
    asking.request("PUT", f"/{bucket.removeprefix('s3://')}/{key}".rstrip("/"), content, {"Authorization": SIGNED})
    assert asking.getresponse().status == http.HTTPStatus.OK
    asking.close()


def upload(folder: Path, address: str) -> str:
    """Put the files of a folder at an address, which is given back."""
    store = ObjectStore(address)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.write(path.relative_to(folder).as_posix(), path)
    return address


def keys(address: str) -> list[str]:
    return sorted(one.key for some in ObjectStore(address).everything() for one in some)


def objects(address: str) -> dict[str, bytes]:
    """Return what lies below an address, by key."""
    store = ObjectStore(address)
    return {key: store.read(key) for key in keys(address)}


class Trouble:
    """What the door answers in place of the server: `status` and `code`, so many times, to requests of a method.

    `heard` is called with each request before it reaches the server.
    """

    def __init__(self) -> None:
        self.status, self.code, self.times, self.method = 0, "", 0, ""
        self.requests: list[str] = []
        self.heard: Callable[[str], None] | None = None

    def set(self, status: int, code: str, *, times: int = 10**9, method: str = "") -> None:
        self.status, self.code, self.times, self.method = status, code, times, method

    def hear(self, request: str) -> None:
        self.requests.append(request)
        if self.heard is not None:
            self.heard(request)

    def takes(self, method: str) -> bool:
        if self.times <= 0 or not method.startswith(self.method):
            return False
        self.times -= 1
        return True


@pytest.fixture
def trouble(s3_server: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    """Put a door before the server, through which curate goes."""
    told, port = Trouble(), int(s3_server.rpartition(":")[2])

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.hear(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            if told.takes(self.command):
                text = f"<Error><Code>{told.code}</Code><Message>as a test wants it</Message></Error>".encode()
                self._send(told.status, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else text)
                return
            asking = http.client.HTTPConnection("127.0.0.1", port)
            asking.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = asking.getresponse()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in {"connection", "transfer-encoding"}}
            self._send(answer.status, headers, answer.read())
            asking.close()

        def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(data))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError):  # a command that was killed hears no answer
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield told
        server.shutdown()

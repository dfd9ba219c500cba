"""A webhook on this machine that answers as it is told to, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook: the codes that it answers, the last one for ever, and what it was sent."""

    codes: list[int] = field(default_factory=lambda: [200])
    url: str = ""
    paths: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Hook]:
    """Give a webhook that listens while the block runs."""
    held = Hook()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            held.paths.append(self.path)
            held.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            code = held.codes.pop(0) if len(held.codes) > 1 else held.codes[0]
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", f"{held.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - as the library calls it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield held
    server.shutdown()
    thread.join()
    server.server_close()

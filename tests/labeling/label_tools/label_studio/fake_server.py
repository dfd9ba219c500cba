"""A Label Studio that lives in memory, and fails as it is told to: before or after it has done what was asked."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

TOKEN = "0123456789abcdef0123456789abcdef01234567"
FILE_NAME = re.compile(r'filename="([^"]+)"')
FAULTS = ("500 before", "500 after", "reset before", "reset after", "timeout after")


@dataclass
class FakeServer:
    """What the server holds. `fault` is asked, for each request, which fault it shall have, "" for none.

    `twist` gets the bytes of each answer, and returns those that are sent.
    """

    fault: Callable[[str, str], str] = lambda method, path: ""
    twist: Callable[[str, str, bytes], bytes] = lambda method, path, content: content
    redirect: str = ""
    token: str = TOKEN
    delay_s: float = 1.0
    url: str = ""
    projects: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    annotations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    drafts: set[int] = field(default_factory=set)
    comments: set[int] = field(default_factory=set)
    touched: list[int] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    drops: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def uids(self) -> list[str]:
        """Return the uid of every task, as often as it is there."""
        return [task["data"]["sample_uid"] for task in self.tasks.values()]

    def annotate(self, task: int, *, result: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
        """Let an annotator submit."""
        number = next(self.ids)
        made = {
            "id": number,
            "result": result,
            "completed_by": 1,
            "was_cancelled": False,
            "lead_time": 60.0,
            "updated_at": f"2030-01-01T00:00:{number % 60:02d}Z",
        } | values
        self.annotations.setdefault(task, []).append(made)
        self.tasks[task]["updated_at"] = made["updated_at"]
        return made

    def answer(self, method: str, path: str, *, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Do what is asked, and give status and JSON."""
        parts = [part for part in path.split("/") if part][1:]
        if parts[0] == "projects":
            return self._projects(method, parts[1:], query=query, body=body)
        if parts == ["tasks"] and method == "GET":
            return 200, {"tasks": self._listed(query)}
        if parts[0] == "tasks" and method == "GET":
            return (200, self._whole(int(parts[1]))) if int(parts[1]) in self.tasks else (404, {})
        if parts == ["dm", "actions"] and query["id"] == "delete_tasks":
            return 200, {"processed_items": self._deleted(body)}
        return 404, {"detail": path}

    def _projects(self, method: str, parts: list[str], *, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if not parts and method == "GET":
            found = [one for one in self.projects.values() if query["title"].lower() in one["title"].lower()]
            return 200, {"count": len(found), "results": found}
        if not parts:
            number = next(self.ids)
            labels = {"mask": {"labels": ["person", "other mask"]}}
            self.projects[number] = {**body, "id": number, "parsed_label_config": labels, "model_version": ""}
            return 201, self.projects[number]
        project = self.projects[int(parts[0])]
        if method == "PATCH":
            versions = {one["model_version"] for task in self.tasks.values() for one in task.get("predictions", ())}
            if body.get("model_version", "") not in {"", *versions}:
                return 400, {"detail": "Validation error"}  # as the real server does
            project.update(body)
            return 200, project
        if parts[1:] == ["file-uploads"]:
            return 200, [{"file": f"upload/{project['id']}/01234567-{name}"} for name in self.uploads]
        if query.get("commit_to_project") == "false":
            self.uploads += body
            return 201, {"file_upload_ids": list(range(1, len(body) + 1))}
        return 201, {"task_ids": self._imported(body, project=project["id"])}

    def _imported(self, body: list[dict[str, Any]], *, project: int) -> list[int]:
        dropped, self.drops = self.drops, 0
        ids = []
        for task in body[dropped:]:
            number = next(self.ids)
            self.tasks[number] = {**task, "id": number, "project": project, "updated_at": "2029-01-01T00:00:00Z"}
            ids.append(number)
        return ids

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        asked = json.loads(query["query"])
        tasks = [task for task in self.tasks.values() if task["project"] == int(query["project"])]
        if "selectedItems" in asked:
            chosen = set(asked["selectedItems"]["included"])
            return [
                {k: v for k, v in self._whole(t["id"]).items() if k in {"id", "annotations", "predictions"}}
                for t in tasks
                if t["id"] in chosen
            ]
        wanted = {one["filter"].rpartition(":")[2]: one["value"] for one in asked["filters"]["items"]}
        tasks = [task for task in tasks if task["id"] > wanted["id"]]
        if "draft_exists" in wanted:
            tasks = [task for task in tasks if task["id"] in self.drafts]
        if "updated_at" in wanted:
            tasks = [task for task in tasks if task["updated_at"] > wanted["updated_at"]]
        return [self._row(task) for task in sorted(tasks, key=lambda task: task["id"])][: int(query["page_size"])]

    def _whole(self, number: int) -> dict[str, Any]:
        task = self.tasks[number]
        traces = {"drafts": [{"id": 1}] if number in self.drafts else [], "draft_exists": number in self.drafts}
        traces |= {"annotations": self.annotations.get(number, []), "comment_count": int(number in self.comments)}
        people: dict[str, Any] = {"created_at": "2029-01-01T00:00:00Z", "annotators": [], "updated_by": []}
        return (
            self._row(task) | traces | people | {"project": task["project"], "predictions": task.get("predictions", [])}
        )

    def _deleted(self, body: dict[str, Any]) -> int:
        """Delete the chosen tasks for which each condition holds, as the real server does."""
        chosen = [self._whole(number) for number in body["selectedItems"]["included"] if number in self.tasks]
        for one in body["filters"]["items"]:
            name, value = one["filter"].rpartition(":")[2], one["value"]
            value = {"false": False}.get(value, value) if one["type"] == "Boolean" else value
            if one["operator"] == "less":
                chosen = [task for task in chosen if task[name].replace("Z", ".000000Z") < value]
            else:
                chosen = [task for task in chosen if task[name] == value]
        for task in chosen:
            del self.tasks[task["id"]]
        return len(chosen)

    def _row(self, task: dict[str, Any]) -> dict[str, Any]:
        made = self.annotations.get(task["id"], [])
        skipped = sum(one["was_cancelled"] for one in made)
        counts = {"total_annotations": len(made) - skipped, "cancelled_annotations": skipped}
        return {"id": task["id"], "data": task["data"], "updated_at": task["updated_at"]} | counts


@contextmanager
def running(server: FakeServer) -> Iterator[FakeServer]:
    """Let the server listen while the block runs."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"held": server}))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def one_in(number: int, *, seed: int) -> Callable[[str, str], str]:
    """Return faults of all kinds to one request of so many, drawn with a seed."""
    rng = np.random.default_rng(seed)
    lock = threading.Lock()

    def fault(method: str, path: str) -> str:
        with lock:
            return str(rng.choice(FAULTS)) if rng.random() < 1 / number else ""

    return fault


class Handler(BaseHTTPRequestHandler):
    """Answers for the server that it holds."""

    held: FakeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_form = self.headers.get_content_type() == "multipart/form-data"
        self.held.requests.append((self.command, parts.path))
        fault = self.held.fault(self.command, parts.path)
        if fault == "reset before":
            return self._reset()
        if fault == "500 before":
            return self._send(500, {})
        if fault.startswith("status "):
            _, status, *after = fault.split()
            return self._send(int(status), {}, retry_after=after[0] if after else None)
        if self.headers.get("Authorization") != f"Token {self.held.token}":
            return self._send(401, {"detail": "Invalid token."})
        with self.held.lock:
            body = FILE_NAME.findall(data.decode("latin-1")) if is_form else json.loads(data or b"null")
            status, answer = self.held.answer(self.command, parts.path, query=query, body=body)
        if fault == "reset after":
            return self._reset()
        if fault == "timeout after":
            time.sleep(self.held.delay_s)
        return self._send(500, {}) if fault == "500 after" else self._send(status, answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - as the library calls them

    def _send(self, status: int, answer: Any, *, retry_after: str | None = None) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        content = self.held.twist(self.command, urlsplit(self.path).path, content)
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if self.held.redirect:
                self.send_header("Location", self.held.redirect)
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the client did not wait
            self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.rfile = self.wfile = io.BytesIO()  # type: ignore[assignment]

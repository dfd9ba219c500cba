"""Answers of a server that went mad: each is a real one with one thing in it changed, drawn with a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"7",
    b"true",
    b"<!doctype html><title>Sign in</title>",
    b"\xff\xfe\x00",
    b'{"tasks": ["\\ud800"]}',
    b"[" * 100_000 + b"]" * 100_000,
    b'{"tasks": [1e999]}',
)
VALUES: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "7",
    7,
    -1,
    0,
    1.5,
    10**30,
    True,
    False,
    [7],
    {"id": 7},
    "../../../x",
    "/etc/passwd",
    "9999-99-99T99:99:99Z",
    "\x00",
    "person",
    [[[]]],
)


class Twist:
    """Changes one thing in the answers from the request of a drawn number on; `told` says what that was."""

    def __init__(self, seed: int, *, first: int = 8) -> None:
        self.rng = np.random.default_rng(seed)
        self.number = int(self.rng.integers(first))
        self.asked = 0
        self.told = "nothing"

    def __call__(self, method: str, path: str, content: bytes) -> bytes:
        self.asked += 1
        if self.asked <= self.number:
            return content
        changed, what = self._changed(content)
        self.told = f"{self.asked}: {method} {path}: {what}"
        return changed

    def _changed(self, content: bytes) -> tuple[bytes, str]:
        kind = self.rng.random()
        if kind < 0.15:
            body = BODIES[int(self.rng.integers(len(BODIES)))]
            return body, f"all is {body[:40]!r}"
        if kind < 0.2:
            cut = int(self.rng.integers(len(content) + 1))
            return content[:cut], f"cut at {cut}"
        try:
            answer = json.loads(content)
        except ValueError:
            return content, "nothing, it is no JSON"
        places = list(_places(answer))
        if not places:
            return content, "nothing, it is empty"
        holder, key, told = places[int(self.rng.integers(len(places)))]
        if isinstance(holder, dict) and self.rng.random() < 0.25:
            del holder[key]
            return json.dumps(answer).encode(), f"without {told}"
        value = VALUES[int(self.rng.integers(len(VALUES)))]
        holder[key] = value
        return json.dumps(answer).encode(), f"{told} is {value!r}"


def _places(answer: Any, told: str = "$") -> Iterator[tuple[Any, Any, str]]:
    """Yield every place in an answer, as what holds it and its key; of a long list the ends."""
    keys: list[Any] = list(answer) if isinstance(answer, dict) else []
    if isinstance(answer, list):
        keys = sorted({*range(min(3, len(answer))), *range(max(0, len(answer) - 2), len(answer))})
    for key in keys:
        yield answer, key, f"{told}[{key!r}]"
        yield from _places(answer[key], f"{told}[{key!r}]")


def endless(make: Callable[[int], Any]) -> Callable[[str, str, bytes], bytes]:
    """Return a twist that answers each listing of tasks with a page of its own making, the first one being number 0."""
    numbers = iter(range(10**9))

    def twist(method: str, path: str, content: bytes) -> bytes:
        return json.dumps(make(next(numbers))).encode() if (method, path) == ("GET", "/api/tasks") else content

    return twist

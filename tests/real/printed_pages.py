"""What stands where on the pages of a PDF that Chromium printed: its text with its tags, and its pictures.

A reader of what Skia writes, and no more: objects are plain, only the content of pages is compressed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

OBJECT = re.compile(rb"(?m)^(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
KIDS = re.compile(rb"/K (\d+(?=>>)|\[[\d ]*\])")
TOKEN = re.compile(rb"\((?:\\.|[^\\)])*\)|<[0-9A-Fa-f]*>|<<.*?>>|\[[^\]]*\]|[^\s\[\]<>()]+", re.DOTALL)
Matrix = tuple[float, ...]
PLAIN: Matrix = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A text or a picture: its tags from the innermost on, and how far up it stands, as a share of the page."""

    tags: tuple[str, ...]
    height: float

    @property
    def is_heading(self) -> bool:
        return any(re.fullmatch("H[1-6]", tag) for tag in self.tags)


def printed_pages(data: bytes) -> list[list[Mark]]:
    """Return the marks of every page."""
    objects = {int(number): body for number, body in OBJECT.findall(data)}
    tags = _tags(objects)
    found = []
    for number, body in objects.items():
        if re.search(rb"/Type /Page\b(?!s)", body):
            whole = float(re.search(rb"/MediaBox \[0 0 [\d.]+ ([\d.]+)", body)[1])  # type: ignore[index]
            content = objects[int(re.search(rb"/Contents (\d+)", body)[1])]  # type: ignore[index]
            stream = zlib.decompress(content[content.index(b"stream\n") + 7 : content.rindex(b"\nendstream")])
            marks = [Mark(tags=tags.get((number, mcid), ()), height=y / whole) for mcid, y in _drawn(stream)]
            found.append(marks)
    return found


def _tags(objects: dict[int, bytes]) -> dict[tuple[int, int | None], tuple[str, ...]]:
    """Return the tags of each marked content, by its page and its number there."""
    elements = {number: body for number, body in objects.items() if b"/StructElem" in body}

    def chain(number: int) -> Iterator[str]:
        while number in elements:
            yield re.search(rb"/S /(\w+)", elements[number])[1].decode()  # type: ignore[index]
            number = int(re.search(rb"/P (\d+)", elements[number])[1])  # type: ignore[index]

    found: dict[tuple[int, int | None], tuple[str, ...]] = {}
    for number, body in elements.items():
        page, kids = re.search(rb"/Pg (\d+)", body), KIDS.search(body)
        if page and kids:
            found |= {(int(page[1]), int(one)): tuple(chain(number)) for one in re.findall(rb"\d+", kids[1])}
    return found


def _drawn(stream: bytes) -> Iterator[tuple[int | None, float]]:
    """Yield for each text and picture the number of its marked content, and the lowest it reaches, in points."""
    saved, now, text = [], PLAIN, PLAIN
    given: list[bytes] = []
    mcid: int | None = None
    for token in TOKEN.findall(stream):
        if re.match(rb"[-+.\d/<(\[]", token):
            given.append(token)
            continue
        if token == b"q":
            saved.append(now)
        elif token == b"Q":
            now = saved.pop()
        elif token == b"cm":
            now = _times(tuple(map(float, given[-6:])), now)
        elif token == b"Tm":
            text = tuple(map(float, given[-6:]))
        elif token in {b"BDC", b"BMC", b"EMC"}:
            number = re.search(rb"/MCID (\d+)", given[-1]) if given else None
            mcid = int(number[1]) if number else None
        elif token in {b"Tj", b"TJ"}:
            yield mcid, _times(text, now)[5]
        elif token == b"Do":
            yield mcid, min(now[5], now[5] + now[3])
        given = []


def _times(one: Matrix, other: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    m, n, o, p, q, r = other
    return (a * m + b * o, a * n + b * p, c * m + d * o, c * n + d * p, e * m + f * o + q, e * n + f * p + r)

"""Large JSON files: mapped, decoded by type, and refused with the byte or the key when something is amiss."""

from __future__ import annotations

import codecs
import json
import mmap
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from curation.errors import InputRefused

MAX_FILE_BYTES: Final = 4 * 1024**3
"""Reading keeps the file mapped and one small object per annotation; beyond this it would not fit a usual machine."""
SIGNATURES: Final = (
    (b"\x1f\x8b", "the file is gzip-compressed", "decompress it first: gunzip"),
    (b"PK\x03\x04", "the file is a zip archive", "unpack it first"),
    (b"\xef\xbb\xbf", "the file starts with a UTF-8 byte order mark", "save it as UTF-8 without a mark"),
    (b"\xff\xfe", "the file is UTF-16 or UTF-32", "save it as UTF-8"),
    (b"\xfe\xff", "the file is UTF-16", "save it as UTF-8"),
    (b"{\x00", "the file is UTF-16 or UTF-32", "save it as UTF-8"),
    (b"\x00{", "the file is UTF-16", "save it as UTF-8"),
    (b"\x00\x00", "the file is UTF-32, or no text", "save it as UTF-8"),
)
ESCAPED_LETTER: Final = re.compile(rb"\\u00([4-7][0-9A-Fa-f])")
"""No writer escapes letters. Somebody who does may hide a key that occurs twice from those who look for its name."""
CHUNK_BYTES: Final = 1 << 18
"""Of text in which keys are counted at a time; a larger one leaves the processor's cache."""
NUMBERS: Final = b"0123456789.,[] -\n"
"""Most of a COCO file, and in no key: without these, keys are counted in half the time."""
Whole = TypeVar("Whole")


class NotStrict(ValueError):
    """JSON text that some readers accept: a key twice in one object, a wrong escape, bytes that are not UTF-8."""


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a JSON file into memory; raises InputRefused for what cannot be one.

    What was decoded keeps the map alive for as long as it holds raw JSON, so the map is not closed here.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                remedy = "give a file; a pipe or a device cannot be read twice"
                raise InputRefused("not a regular file", where=path, remedy=remedy)
            size = status.st_size
            if size > MAX_FILE_BYTES:
                reason = f"{size:,} bytes; the limit is {MAX_FILE_BYTES:,}"
                raise InputRefused(reason, where=path, remedy="split the file and give each part as --annotations")
            if size == 0:
                raise InputRefused("the file is empty (0 bytes)", where=path, remedy="fetch the file again")
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except IsADirectoryError as error:
        raise InputRefused("this is a folder", where=path, remedy="name the .json file inside it") from error
    except (OSError, ValueError) as error:
        remedy = "check the path and the permissions"
        reason = getattr(error, "strerror", None) or str(error)
        raise InputRefused(f"cannot be read: {reason.lower()}", where=path, remedy=remedy) from error
    for signature, reason, remedy in SIGNATURES:
        if data[: len(signature)] == signature:
            raise InputRefused(f"{reason} (byte offset 0)", where=path, remedy=remedy)
    yield data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer would block


def decode_whole(data: mmap.mmap, *, kind: type[Whole], path: Path) -> Whole:
    """Decode a whole file; raises InputRefused with the byte offset or the key."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise InputRefused(_structure_reason(str(error)), where=path, remedy=_expected_keys(kind)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, data=data, path=path) from error


def _structure_reason(message: str) -> str:
    missing = re.search(r"missing required field `(\w+)`", message)
    if missing:
        return f"the key {missing[1]!r} is missing"
    if message.startswith("Expected `object`, got `array`") and "$" not in message:
        return "the file holds a list at the top, not an object (byte offset 0)"
    return f"wrong structure: {message}"


def _expected_keys(kind: type) -> str:
    required = [item.name for item in msgspec.structs.fields(kind) if item.required]
    keys = ", ".join(required)
    return f"give a COCO file, such as instances_train2017.json: one JSON object with the keys {keys}, each a list"


def malformed(error: Exception, *, data: mmap.mmap | bytes, path: Path) -> InputRefused:
    """Say where the text stops being JSON."""
    remedy = "fetch or export the file again; `python -m json.tool FILE` shows the place"
    if isinstance(error, RecursionError):
        return InputRefused("the JSON is nested too deep", where=path, remedy=remedy)
    if isinstance(error, UnicodeDecodeError):
        reason = f"not valid UTF-8 at byte offset {_first_that_is_not_utf8(data):,}"
        return InputRefused(reason, where=path, remedy="save the file as UTF-8")
    place = re.search(r"\(byte (\d+)\)", str(error))
    if place is None:
        return InputRefused(f"the file is cut off at byte offset {len(data):,}", where=path, remedy=remedy)
    offset = int(place[1])
    if re.match(rb"NaN|-?Infinity|nan|-?inf", data[offset : offset + 10]):
        reason = f"NaN or Infinity, which JSON does not have, at byte offset {offset:,}"
        return InputRefused(reason, where=path, remedy="write null or a number there")
    said = str(error).removeprefix("JSON is malformed: ").split(" (byte")[0]
    return InputRefused(f"not valid JSON: {said} at byte offset {offset:,}", where=path, remedy=remedy)


def _first_that_is_not_utf8(data: mmap.mmap | bytes) -> int:
    try:
        codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError as error:
        return error.start
    return 0


def loads_strictly(text: bytes) -> Any:
    """Parse JSON; raises NotStrict where an object names a key twice, or a value is not what JSON allows."""
    try:
        return json.loads(text, object_pairs_hook=_object_of_unique_keys)
    except ValueError as error:
        raise NotStrict(str(error)) from error


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise NotStrict(f"the key {next(key for key in names if names.count(key) > 1)!r} occurs twice")
    return found


def count_keys(text: mmap.mmap | bytes, *, keys: Sequence[str]) -> Counter[str]:
    """Count how often each of `keys`, short words, stands in quotes in JSON text that has no escapes.

    >>> count_keys(b'{"id": 1, "image_id": 2, "id": 3}', keys=("id", "image_id", "area"))
    Counter({'id': 2, 'image_id': 1})
    """
    counts: Counter[str] = Counter()
    start = 0
    while start < len(text):
        stop = text.find(b"}", start + CHUNK_BYTES) + 1 or len(text)  # no key holds a brace, so none is cut
        words = text[start:stop].translate(None, NUMBERS)
        counts.update({key: words.count(b'"%b"' % key.encode()) for key in keys})
        start = stop
    return +counts


def count_keys_in(path: Path, *, keys: Sequence[str]) -> Counter[str]:
    """Count keys in a file, for another process."""
    with mapped(path) as data:
        return count_keys(data, keys=keys)

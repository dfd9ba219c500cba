"""Sample ids: each names files (`masks/<id>.png`), so none may hold anything that leads out of a folder.

An id is checked where it comes in: `safe_id` where a command makes one or a server sends one, the type itself where
msgspec decodes a journal or a ledger, `check_ids` where a table is read. Behind these borders it is a file name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, NewType

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import SecurityRefused
from curation.quarantine import BadRecord, Code
from curation.storage.files import check_name, check_portable

MAX_ID_BYTES: Final = 240
"""In UTF-8. With what commands put around it, such as `.v12.png`, an id stays under the 255 bytes of a file name."""
PATTERN: Final = r"^(?!\.{1,2}\Z)[^/\\\x00\ud800-\udfff]{1,240}\Z"
STAYS: Final = re.compile(PATTERN)
PLAIN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,239}$"
"""What almost every id matches; only the others are looked at one by one."""

SafeId = NewType("SafeId", Annotated[str, msgspec.Meta(pattern=PATTERN)])
"""An id that stays in its folder as a file name; msgspec refuses any other text when it decodes."""


def safe_id(text: object, *, file: str = "", field: str = "id", max_bytes: int = MAX_ID_BYTES) -> SafeId:
    """Return `text` as an id when it can name files on every file system.

    `file` and `field` say where it was found. Raises BadRecord: PATH_ESCAPE for what could lead out of a folder, NAME
    for what cannot be shown or stored.

    >>> safe_id("1803151818-00000000")
    '1803151818-00000000'
    """
    if not isinstance(text, str):
        raise BadRecord(Code.NAME, "an id is a text", file=file, field=field, value=text)
    where = file or text
    if "/" in text or "\0" in text or text in {".", ".."}:
        reason = f"{text!r} is no id: it could lead out of its folder"
        raise BadRecord(Code.PATH_ESCAPE, reason, file=where, field=field, value=text)
    try:
        check_name(text)
        check_portable(text, file=where)
        if len(text.encode()) > max_bytes:
            raise BadRecord(Code.NAME, f"the name is longer than {max_bytes} bytes")
    except BadRecord as problem:
        raise BadRecord(problem.code, problem.reason, file=where, field=field, value=text) from problem
    return SafeId(text)


def check_ids(table: pa.Table, *, where: Path) -> None:
    """Refuse a table with an id that could lead out of a folder; raises SecurityRefused, naming the first one."""
    ids = table["id"].drop_null()
    if pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type):
        ids = ids.filter(pc.invert(pc.match_substring_regex(ids, PLAIN)))
    for text in ids.to_pylist():
        if not isinstance(text, str) or not STAYS.match(text) or len(text.encode()) > MAX_ID_BYTES:
            raise SecurityRefused(
                f"the id {text!r} could lead out of its folder, or is no file name at all",
                where=where,
                remedy="do not use this file: no command writes such an id; make the data set again from its source",
            )

"""Records whose fields are written otherwise than they should be, and what can be read of them for certain."""

from __future__ import annotations

import re
from typing import Any, Final

from curation.quarantine import BadRecord, Code
from curation.sources.coco.records import MAX_ID, MAX_SIDE, Annotation, ImageEntry

WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,16}")


class LooseAnnotation(Annotation, kw_only=True, gc=False):
    """An annotation whose `image_id` may be written in any way."""

    image_id: Any = None


class LooseImage(ImageEntry, kw_only=True, gc=False):
    """An image whose size may be missing, null, 0 or written as text: its file has it."""

    width: Any = None
    height: Any = None


def side_of(value: object, *, key: str) -> int:
    """Return a side of an image in pixels, 0 where the record does not state it; raise BadRecord for what is none.

    >>> [side_of(value, key="width") for value in (640, 0, None, "640", 640.0)]
    [640, 0, 0, 0, 0]
    """
    if is_id(value) and 1 <= value <= MAX_SIDE:  # type: ignore[operator]
        return int(value)  # type: ignore[call-overload, no-any-return]
    number = 0 if value is None else whole_number(value)
    if number is None or not 0 <= number <= MAX_SIDE:
        raise BadRecord(Code.JSON_VALUE, f"{key} is no number of pixels from 1 to {MAX_SIDE:,}", field=key, value=value)
    return 0


def whole_number(value: object) -> int | None:
    """Return the id that a value stands for in whatever way it is written; None where that is not certain.

    >>> [whole_number(value) for value in (7, "7", "-7", 7.0, 7.5, "7.0", True, None, "abc")]
    [7, 7, -7, 7, None, None, None, None, None]
    """
    is_written = isinstance(value, str) and WHOLE_NUMBER.fullmatch(value)
    if not (is_written or is_id(value) or (isinstance(value, float) and value.is_integer())):
        return None
    number = int(value)  # type: ignore[call-overload]
    return number if -MAX_ID <= number <= MAX_ID else None


def is_id(value: object) -> bool:
    """Tell whether a value is a whole number; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)

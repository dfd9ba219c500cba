"""Names of what lies in a tar file: `labels/part-00000.tar/1536+20480.png` are 20,480 bytes of it, from byte 1536 on.

Such a name stands in a manifest like that of any other file. Where it is read, the bytes are read from the tar file.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

TAR: Final = ".tar"
SUFFIX: Final = r"\.[A-Za-z0-9]{1,8}"
RANGE: Final = re.compile(
    rf"(?P<file>.+{re.escape(TAR)})/(?P<start>0|[1-9][0-9]{{0,17}})\+(?P<size>[1-9][0-9]{{0,8}})"
    rf"(?P<suffix>{SUFFIX})?",
    re.DOTALL,
)


class ByteRange(NamedTuple):
    """`size` bytes of a file, from byte `start` on; `suffix` is what tells of their content, such as `.png`."""

    file: str
    start: int
    size: int
    suffix: str

    def __str__(self) -> str:
        """Return the name.

        >>> str(ByteRange("labels/part-00000.tar", 1536, 20480, ".png"))
        'labels/part-00000.tar/1536+20480.png'
        """
        return f"{self.file}/{self.start}+{self.size}{self.suffix}"


def byte_range(name: str) -> ByteRange | None:
    """Return what a name says of the bytes of a tar file; None for the name of any other file.

    >>> byte_range("labels/part-00000.tar/1536+20480.png")
    ByteRange(file='labels/part-00000.tar', start=1536, size=20480, suffix='.png')
    >>> byte_range("masks/1536+20480.png"), byte_range("a.tar/-1+5"), byte_range("a.tar/1+0")
    (None, None, None)
    """
    found = RANGE.fullmatch(name)
    if found is None:
        return None
    return ByteRange(found["file"], int(found["start"]), int(found["size"]), found["suffix"] or "")


def known_suffix(suffix: str) -> str:
    """Return a suffix that such a name can have: the one given, or "" where it is none.

    >>> known_suffix(".png"), known_suffix(".p n")
    ('.png', '')
    """
    return suffix if re.fullmatch(SUFFIX, suffix) else ""

"""Opening files to write in folders that may be a stranger's: no link is followed, and nothing blocks.

A folder that somebody else made may hold a symbolic link under any name that we write to: that of a journal, or of a
file that we make and rename. Followed, it would let us write over whatever our user may write.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from curation.errors import InputRefused

FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_unfollowed(path: Path, mode: str) -> IO[bytes]:
    """Open a file in a binary mode; raises OSError (ELOOP) where it is a symbolic link."""
    opened: IO[Any] = open(path, mode, opener=_opener)  # noqa: SIM115 - the caller closes it
    return opened


def make_anew(path: Path, *, is_secret: bool = False) -> IO[bytes]:
    """Make a file and open it for writing; what stood under its name is gone, and a link's target as it was."""
    with suppress(FileNotFoundError):
        path.unlink()
    opener = partial(_opener, permissions=0o600) if is_secret else _opener
    opened: IO[Any] = open(path, "xb", opener=opener)  # noqa: SIM115 - the caller closes it
    return opened


def refuse_links(folder: Path, *, below: Path) -> None:
    """Raise InputRefused where a link stands on the way from `below` to a folder of ours, and would lead elsewhere."""
    place = below
    for name in folder.relative_to(below).parts:
        place = place / name
        if place.is_symlink():
            remedy = "remove the link, or choose another folder"
            raise InputRefused("a symbolic link, where a folder of ours belongs", where=place, remedy=remedy)


def _opener(path: str, flags: int, *, permissions: int = 0o666) -> int:
    return os.open(path, flags | FLAGS, permissions)

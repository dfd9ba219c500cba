"""Opening files to read that may be a stranger's: no link is followed, nothing blocks, parts of tar files are found.

See `files` for what `below` is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from curation.byte_range import ByteRange, byte_range
from curation.quarantine import BadRecord, Code
from curation.remote.fetch import opened_whole
from curation.remote.kept_files import is_stand_in
from curation.storage.image_places import LINK_HINT as URI_LINK_HINT
from curation.storage.image_places import located

FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS: Final = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
LINKS: Final[dict[int | None, str]] = {
    errno.ELOOP: "a symbolic link, which is not followed",
    errno.ENOTDIR: "a symbolic link, which is not followed, or no folder at all, stands on the way",
}
LINK_HINT: Final = "copy what it leads to (cp -L), or, where a command has it, give --follow-links DIR"
TAR_HINT: Final = "restore the tar file, or make the dataset again with --overwrite"


class Opened(NamedTuple):
    """A regular file that was opened, and which of its bytes are meant: `size` of them, from byte `start` on."""

    descriptor: int
    start: int
    size: int


def opened(path: Path, *, below: Path | None) -> Opened:
    """Open a regular file, or what its path names: bytes of a tar file (see `byte_range`), or what lies at a URI
    (see `located`). The caller closes it.

    Raises BadRecord: MISSING_FILE, UNREADABLE, PATH_ESCAPE; TRUNCATED for a tar file that ends before; SecurityRefused.
    """
    real, root = located(path, below=below)
    place = byte_range(str(real))
    try:
        if place is not None and (found := _in_tar(real, place, below=root)) is not None:
            return found
        descriptor = opened_whole(real, partial(_open, real, below=root))
    except FileNotFoundError:
        if place is None:
            raise BadRecord(Code.MISSING_FILE, "the file does not exist", file=path) from None
        reason = "the tar file that should hold it does not exist"
        raise BadRecord(Code.MISSING_FILE, reason, file=path, hint=TAR_HINT) from None
    except OSError as error:
        hint = (LINK_HINT if real == path else URI_LINK_HINT) if error.errno in LINKS else ""
        raise BadRecord(Code.UNREADABLE, LINKS.get(error.errno, said(error)), file=path, hint=hint) from error
    return Opened(descriptor, 0, _status_of(descriptor, path=path).st_size)


@contextmanager
def folder_of(path: Path, *, below: Path | None) -> Iterator[int | None]:
    """Open the folder that holds `path`, and each on the way there from `below`; None where `below` is not given."""
    if below is None:
        yield None
        return
    descriptor = os.open(below, FOLDER_FLAGS)
    try:
        for name in path.relative_to(below).parts[:-1]:
            inner = os.open(name, FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def said(error: OSError) -> str:
    """Return what the operating system says."""
    return (error.strerror or str(error)).lower()


def _open(path: Path, *, below: Path | None) -> int:
    with folder_of(path, below=below) as folder:
        return os.open(path if folder is None else path.name, FILE_FLAGS, dir_fd=folder)


def _in_tar(path: Path, place: ByteRange, *, below: Path | None) -> Opened | None:
    """Open a tar file; None where a folder has its name, or nothing: what is fetched from a store lies in a folder."""
    try:
        descriptor = _open(Path(place.file), below=below)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    if (size := _status_of(descriptor, path=path).st_size) < place.start + place.size:
        os.close(descriptor)
        reason = f"the tar file has {size:,} bytes, and {place.start + place.size:,} are needed"
        raise BadRecord(Code.TRUNCATED, reason, file=path, hint=TAR_HINT)
    return Opened(descriptor, place.start, place.size)


def _status_of(descriptor: int, *, path: Path) -> os.stat_result:
    """Return what is known of a regular file that was opened; anything else is closed. Raises BadRecord: UNREADABLE."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or is_stand_in(status):
        os.close(descriptor)
        raise BadRecord(Code.UNREADABLE, "not a regular file", file=path)
    return status

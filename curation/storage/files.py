"""Files and folders: safe reading, atomic writing, links, fingerprints. The only writer of final paths.

What lies below a folder that the user named may have been put there by anybody. So where a function takes that folder
as `below`, no symbolic link is followed on the way from there: not by name, and not by one swapped in meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from curation.errors import EnvironmentProblem
from curation.image_uri import image_uri
from curation.quarantine import BadRecord, Code
from curation.remote.fetch import opened_whole, start_of
from curation.remote.kept_files import is_stand_in
from curation.storage.image_places import located
from curation.storage.open_unfollowed import make_anew, refuse_links
from curation.storage.opened import LINKS, folder_of, opened, said

MAX_IMAGE_BYTES: Final = 100_000_000
MAX_NAME_BYTES: Final = 255
UNPORTABLE: Final = frozenset('<>:"/\\|?*')
"""Characters that some file systems refuse; a dataset folder can be copied to any of them."""
_MACHINE: Final = os.urandom(4).hex()
TEMPORARY_PREFIX: Final = ".writing-"
"""Files of this prefix are half-written; a run that goes on sweeps them away."""
NO_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
)
"""Why a hard link cannot be made, although a copy of what was read may be."""


def read_file(path: Path, *, below: Path | None = None, max_bytes: int = MAX_IMAGE_BYTES) -> bytes:
    """Return the bytes of a regular file, or of a part of a tar file (see `byte_range`).

    Links, devices, pipes and folders are not read, and nothing blocks.
    Raises BadRecord: MISSING_FILE, UNREADABLE, TOO_LARGE, TRUNCATED.
    """
    found = opened(path, below=below)
    with os.fdopen(found.descriptor, "rb") as stream:
        if found.size > max_bytes:
            raise BadRecord(Code.TOO_LARGE, f"{found.size:,} bytes; the limit is {max_bytes:,}", file=path)
        try:
            stream.seek(found.start)
            return stream.read(found.size)  # of a larger number, Python sets as much memory aside first
        except OSError as error:
            raise BadRecord(Code.UNREADABLE, said(error), file=path) from error


def read_start(path: Path, *, below: Path, length: int) -> bytes:
    """Return the first `length` bytes of a regular file; raises BadRecord: MISSING_FILE, UNREADABLE."""
    if (start := start_of(path, length=length)) is not None:
        return start
    found = opened(path, below=below)
    with os.fdopen(found.descriptor, "rb", buffering=0) as stream, telling_where(path):
        stream.seek(found.start)
        return stream.read(min(length, found.size)) or b""


def safe_join(root: Path, name: str) -> Path:
    """Return `root / name`, for a name that was read from data.

    Raises BadRecord: PATH_ESCAPE for a URI, an absolute path, a drive, `..`, `~`, a backslash, NUL, or a link that
    leaves `root`; NAME for a name that cannot be shown or stored.

    >>> safe_join(Path("images"), "a/b.jpg").as_posix()
    'images/a/b.jpg'
    """
    if image_uri(name) is not None:
        raise BadRecord(Code.PATH_ESCAPE, "a URI stands where the name of a file is expected", file=name, value=name)
    pure = PurePosixPath(name)
    has_drive = len(name) > 1 and name[1] == ":"
    has_bad_character = "\\" in name or "\0" in name or name.startswith("~")
    if pure.is_absolute() or has_drive or has_bad_character or ".." in pure.parts:
        raise BadRecord(Code.PATH_ESCAPE, "the name points outside its folder", file=name, value=name)
    check_name(name if pure.parts else "")
    path = root / pure
    if path.parent != root and not path.parent.resolve().is_relative_to(root.resolve()):
        raise BadRecord(Code.PATH_ESCAPE, "a link leads outside the folder", file=name, value=name)
    return path


def named_file(root: Path, name: str) -> Path:
    """Return `root / name` for what a manifest names: a file, as `safe_join` does, or a URI, which is judged when it is
    opened (see `located`).
    """
    return safe_join(root, name) if image_uri(name) is None else root / name


def check_name(name: str) -> None:
    """Refuse a name that is empty, unprintable, undecodable or longer than a file system holds.

    Raises BadRecord: NAME.
    """
    if not name or name in {".", ".."}:
        raise BadRecord(Code.NAME, "the name is empty", file=name, value=name)
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRecord(Code.NAME, "the name is not valid UTF-8", file=name, value=name) from None
    if not name.isprintable():
        raise BadRecord(Code.NAME, "the name holds control characters", file=name, value=name)
    if max(len(part) for part in encoded.split(b"/")) > MAX_NAME_BYTES:
        raise BadRecord(Code.NAME, f"a part of the name is longer than {MAX_NAME_BYTES} bytes", file=name, value=name)


def check_portable(name: str, *, file: str) -> None:
    """Refuse a name, without folders, that some file systems cannot hold; raises BadRecord: NAME, naming `file`."""
    if bad := sorted(UNPORTABLE.intersection(name)):
        raise BadRecord(Code.NAME, f"not every file system can hold {' '.join(bad)} in a name", file=file)


def folded(name: str) -> str:
    """Return what is the same for two names which some file system takes for one: by case, or by Unicode form.

    >>> folded("Cafe\u0301.JPG") == folded("caf\u00e9.jpg")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` under `path` whole or not at all: beside the target first, then renamed.

    The data reaches the disk with the next `flush_filesystem`, once for many files.
    Raises EnvironmentProblem when the disk is full or not writable; the old file is then untouched.
    """
    temporary = _beside(path)
    try:
        with make_anew(temporary) as stream:
            stream.write(data)
        temporary.replace(path)
    except OSError as error:
        _discard(temporary)
        raise cannot_write(path, error, needed=len(data)) from error


def write_durable(path: Path, data: bytes, *, is_secret: bool = False) -> None:
    """Write `data` under `path` whole or not at all, and return when it is on the disk; a secret is its owner's."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")  # the name stays, so a later run writes over it
    try:
        with make_anew(temporary, is_secret=is_secret) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _discard(temporary)
        raise cannot_write(path, error, needed=len(data)) from error


def link_or_copy(source: Path, target: Path, *, below: Path | None = None, data: bytes | None = None) -> None:
    """Make `target` the same bytes as `source`: a hard link where the file system allows it, else a copy.

    `data`, where given, is what was read and checked: a copy writes it rather than reading the file again, and a
    source that was swapped since then for a link or for a file of another size is not linked. `below` is for `source`.
    Raises EnvironmentProblem when the target cannot be written, BadRecord when the source cannot be read.
    """
    temporary = _beside(target)
    _discard(temporary)
    real, root = located(source, below=below)
    try:
        with folder_of(real, below=root) as folder:
            name = real if folder is None else real.name
            os.link(name, temporary, src_dir_fd=folder, follow_symlinks=False)
        if _is_still(temporary, data=data):
            # rename(2) does nothing when both names are already one file, and then leaves the temporary name behind
            temporary.replace(target)
            return
    except OSError as error:
        if error.errno not in NO_LINK:
            raise cannot_write(target, error) from error
    finally:
        _discard(temporary)
    write_bytes(target, read_file(source, below=below) if data is None else data)


def make_folder(path: Path, *, below: Path | None = None) -> None:
    """Make the folder and its parents; raises EnvironmentProblem where that cannot be, InputRefused for a link."""
    if below is not None:
        refuse_links(path, below=below)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def fingerprint_file(path: Path) -> str:
    """Return the SHA-256 of a file of any size; raises BadRecord: MISSING_FILE, UNREADABLE."""
    try:
        with os.fdopen(opened_whole(path, partial(os.open, path, os.O_RDONLY | os.O_CLOEXEC)), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise BadRecord(Code.MISSING_FILE, "the file does not exist", file=path) from None
    except OSError as error:
        raise BadRecord(Code.UNREADABLE, said(error), file=path) from error


def cannot_write(path: Path, error: OSError, *, needed: int | None = None) -> EnvironmentProblem:
    """Say why a path cannot be written, with the bytes needed and free."""
    remedy = "choose another --out, or correct the permissions; then run the same command again"
    reason = f"cannot write: {LINKS[error.errno] if error.errno == errno.ELOOP else said(error)}"
    if error.errno == errno.EFBIG:
        reason = "files may not be so large here (ulimit -f, or a limit of the file system)"
        remedy = "raise the limit; then run the same command again; it continues"
    elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = _free_bytes(path)
        amount = "" if needed is None else f" ({needed:,} bytes needed, {free:,} free)"
        reason, remedy = f"the disk is full{amount}", "free some space; then run the same command again; it continues"
    return EnvironmentProblem(reason, where=path, remedy=remedy)


@contextmanager
def telling_where(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses inside the block into an EnvironmentProblem that names the path."""
    try:
        yield
    except BrokenPipeError:  # no file: the reader of our output left
        raise
    except OSError as error:
        raise cannot_write(Path(os.fsdecode(error.filename)) if error.filename else path, error) from error


def _beside(path: Path) -> Path:
    """Return the temporary name of this thread in the folder of `path`; a name of 255 bytes leaves no room for more.

    Two machines that write into one folder may have a process of the same number.
    """
    return path.with_name(f"{TEMPORARY_PREFIX}{_MACHINE}-{os.getpid()}-{threading.get_ident()}")


def _discard(temporary: Path) -> None:
    with suppress(OSError):  # whatever stands in the way, the next run sweeps it
        temporary.unlink()


def _is_still(path: Path, *, data: bytes | None) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and not is_stand_in(status) and (data is None or status.st_size == len(data))


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(next(place for place in (path, *path.parents) if place.exists())).free


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

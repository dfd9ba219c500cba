"""Failures of the machine at unexpected places, which are reported as such, not as a bug of ours."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from curation.errors import CurateError, EnvironmentProblem, InputRefused
from curation.storage.files import cannot_write

REFUSED: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE}
    | {errno.ENFILE, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ETXTBSY, errno.ESTALE}
)
NO_MEMORY: Final = ("cannot allocate memory", "failed to map segment", "can't start new thread", "not enough memory")
"""What libraries say that do not raise MemoryError."""


def refuse_lost_folder() -> None:
    """Refuse to work in a folder that was deleted: no relative path means anything, and no process can be started.

    Raises EnvironmentProblem.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise EnvironmentProblem(
            "the working folder is not there any more",
            remedy="cd to one that is there; then run the command again",
        ) from error


def machine_problem(error: BaseException) -> CurateError | None:
    """Return the problem behind an exception that the machine, or an impossible path, causes; else None."""
    said = str(error).lower()
    has_no_memory = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    if has_no_memory or any(words in said for words in NO_MEMORY):
        return EnvironmentProblem(
            "there is not enough memory, or less is allowed than the command needs (ulimit -v)",
            remedy="free memory, or raise the limit (--workers 1 needs less); then run the same command again",
        )
    if (isinstance(error, ValueError) and "null byte" in said) or "null character" in said:
        return InputRefused("a path holds the character NUL", remedy="correct the path; no file can have this name")
    if not isinstance(error, OSError):
        return None
    name = os.fsdecode(error.filename) if error.filename else ""
    if error.errno == errno.ENAMETOOLONG:
        return InputRefused(
            f"the path is too long ({len(name):,} characters)", where=f"{name[:60]}...", remedy="give a shorter one"
        )
    return cannot_write(Path(name), error) if name and error.errno in REFUSED else None

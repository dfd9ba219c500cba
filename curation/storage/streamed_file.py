"""Files that are too large to be held in memory, written piece by piece, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from curation.storage.files import TEMPORARY_PREFIX, cannot_write, sync_folder
from curation.storage.open_unfollowed import make_anew


@contextmanager
def streamed_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content stands under `path` once the block has ended, and is then on the disk.

    Where the block raises, nothing new stands there. Raises EnvironmentProblem where the disk is full or not writable.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
    try:
        with make_anew(temporary) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()

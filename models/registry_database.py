"""The database of a registry, made whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def make_whole(file: Path, *, make: Callable[[Path], None]) -> None:
    """Have a database made that is not there yet, under another name, and give it its own when it is whole.

    MLflow makes its tables one by one, and never opens a database again that was left with a part of them.
    """
    if file.exists():
        return
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    make(unfinished)
    with suppress(FileExistsError, FileNotFoundError):  # another process was quicker, and may have tidied up
        os.link(unfinished, file)
    for left in file.parent.glob(f".{file.name}.*"):
        left.unlink(missing_ok=True)

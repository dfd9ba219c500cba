"""Work that the machines of a test do: it must be found there under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from curation.storage.files import telling_where


def open_writing(folder: Path, *, bytes_: int) -> Callable[[int], Any]:
    """Return what opens work that writes a file for each item, so large, of which the disk holds a page."""
    return partial(_opened, folder=folder, bytes_=bytes_)


def _opened(threads: int, *, folder: Path, bytes_: int) -> Any:
    return partial(_written, folder=folder, bytes_=bytes_)


def _written(chunk: Sequence[int], *, folder: Path, bytes_: int) -> Iterator[int]:
    for item in chunk:
        with telling_where(folder / str(item)), (folder / str(item)).open("wb") as stream:
            stream.seek(bytes_ - 1)
            stream.write(b"x")
        yield item

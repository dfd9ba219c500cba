"""Work that the machines of a test do: it must be found there under its name."""

from __future__ import annotations

import os
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


def open_naming_gpu(threads: int) -> Any:
    """Return work that tells for each item which GPU its process may use."""
    return _gpus


def _gpus(chunk: Sequence[int]) -> Iterator[str]:
    for _ in chunk:
        yield os.environ.get("CUDA_VISIBLE_DEVICES", "")

"""Many raw JSON values, held or left in their file: the latter weigh little on the way to another process."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused

Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileTexts:
    """Texts that stand in a file, each from the byte `starts`, and `lengths` bytes long.

    `changed_ns` is the file's time of change when the places were found: in a changed file other text stands there.
    """

    path: Path
    changed_ns: int
    starts: Integers
    lengths: Integers

    def take(self, rows: Integers) -> FileTexts:
        """Give some of the texts."""
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows])

    def load(self) -> list[bytes]:
        """Read the texts; raises InputRefused when the file has changed."""
        if len(self.starts) == 0:
            return []
        with self.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if os.fstat(stream.fileno()).st_mtime_ns != self.changed_ns:
                remedy = "run the command again when nothing writes to it"
                raise InputRefused("the file changed while it was being read", where=self.path, remedy=remedy)
            stops = (self.starts + self.lengths).tolist()
            return [data[start:stop] for start, stop in zip(self.starts.tolist(), stops, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldTexts:
    """Texts in memory."""

    texts: Sequence[bytes]

    @property
    def lengths(self) -> Integers:
        """The bytes of each."""
        return np.fromiter(map(len, self.texts), np.int64, len(self.texts))

    def take(self, rows: Integers) -> HeldTexts:
        """Give some of the texts."""
        return HeldTexts(texts=[self.texts[row] for row in rows.tolist()])

    def load(self) -> list[bytes]:
        """Give the texts."""
        return list(self.texts)


Texts: TypeAlias = FileTexts | HeldTexts

"""WebDataset: `<set>-000000.tar`, whose members `<key>.jpg`, `<key>.mask.png`, ... and `<key>.json` are one sample.

Readers take what stands before the first dot of a name for its key. So a key is the id, in which dots, and whatever is
not plain, are written `%2E`: two samples never share a key, and no member name leads out of a folder. The JSON holds
the row of the manifest with the id as it is. Source: WebDataset, "The WebDataset Format"; POSIX.1-1988 (ustar).
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from curation.dataset.dataset import FILE_COLUMNS
from curation.exchange.form import Conversion, Part, Placed
from curation.exchange.travelling import WITHOUT_WEBP, Rules, Travelling
from curation.images.header import EXTENSIONS
from curation.storage.streamed_file import streamed_file

END: Final = bytes(2 * tarfile.BLOCKSIZE)
"""Two empty blocks end an archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDataset:
    """The form `webdataset`. Its readers decode JPEG and PNG; WebP travels as PNG."""

    samples_per_part: int
    rules: Rules = WITHOUT_WEBP
    name: str = "webdataset"
    folders: tuple[str, ...] = ()

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Return the members of one sample as a piece of an archive."""
        key = key_of(sample.id)
        names = {"image": f"{key}{EXTENSIONS[sample.format]}"}
        names |= {column: f"{key}.{column}{sample.suffixes[column].lower()}" for column in sample.labels}
        row = {name: value for name, value in sample.row.items() if name not in FILE_COLUMNS}
        members = [(f"{key}.json", msgspec.json.encode(row) + b"\n")]
        members += [
            (name, sample.image if column == "image" else sample.labels[column]) for column, name in names.items()
        ]
        return Placed(paths=names, record=b"".join(_member(name, data) for name, data in sorted(members)))

    @contextmanager
    def writing(self, part: Part, *, folder: Path) -> Iterator[Callable[[Any], object]]:
        """Write one shard."""
        with streamed_file(folder / f"{part.set}-{part.number:06d}.tar") as stream:
            yield stream.write
            stream.write(END)

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Nothing speaks of all samples."""

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return nothing: no command reads it."""
        return ""


def key_of(id_: str) -> str:
    """Return the key of a sample.

    >>> key_of("train2017_000000000009"), key_of("a.b"), key_of("..")
    ('train2017_000000000009', 'a%2Eb', '%2E%2E')
    """
    return quote(id_, safe="").replace(".", "%2E")


def _member(name: str, data: bytes) -> bytes:
    """Return one member: nothing in its header depends on who writes it, or when."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    header = info.tobuf(format=tarfile.PAX_FORMAT)
    return header + data + bytes(-len(data) % tarfile.BLOCKSIZE)

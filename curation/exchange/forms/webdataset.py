"""WebDataset: `<set>-000000.tar`, whose members `<key>.jpg`, `<key>.mask.png`, ... and `<key>.json` are one sample.

The key is the id, its dots written otherwise (see `tar_members`); the JSON holds the row of the manifest with the id as
it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from curation.dataset.dataset import FILE_COLUMNS
from curation.exchange.form import Conversion, Part, Placed
from curation.exchange.travelling import WITHOUT_WEBP, Rules, Travelling
from curation.images.header import EXTENSIONS
from curation.storage.tar_members import header_of, key_of, padded, tar_file


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
        pieces = [header_of(name, size=len(data)) + padded(data) for name, data in sorted(members)]
        return Placed(paths=names, record=b"".join(pieces))

    @contextmanager
    def writing(self, part: Part, *, folder: Path) -> Iterator[Callable[[Any], object]]:
        """Write one shard."""
        with tar_file(folder / f"{part.set}-{part.number:06d}.tar") as stream:
            yield stream.write

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Nothing speaks of all samples."""

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return nothing: no command reads it."""
        return ""

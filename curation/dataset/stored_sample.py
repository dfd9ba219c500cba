"""A sample of a dataset on disk, as a script or a notebook holds it: its row, and its pictures as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.images.pixels import Alpha, Gray, Image, Mask, decode_gray, decode_image, decode_mask
from curation.labels.trimaps import Trimap
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import check_row_digest
from curation.storage.files import named_file, read_file

DECODERS: Final[dict[str, Callable[..., NDArray[np.uint8]]]] = {"image": decode_image, "mask": decode_mask}
"""How the file of a column is decoded; all others are gray pictures."""


def read_picture(row: Mapping[str, Any], *, column: str, folder: Path) -> NDArray[np.uint8]:
    """Return the picture that the row of a manifest names in `column`: (h, w, 3) RGB of an image, (h, w) of a label.

    Raises BadRecord: CHECKSUM for a file that changed since it was made, and those of the file and its decoder.
    """
    path = named_file(folder, row[column])
    data = read_file(path)
    picture = DECODERS.get(column, decode_gray)(data, file=str(path))
    check_row_digest(data, row=row, column=column, file=path)  # last: what is wrong with a file says more
    return picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class StoredSample:
    """A sample of the dataset in `folder`. `row` is its row of the manifest.

    Its arrays are read from the files each time, as every command reads them: in sRGB, as displayed, and checked
    against the SHA-256 in the manifest. InputRefused is raised where a file is missing, damaged or not the one that was
    imported.
    """

    folder: Path
    row: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Return the id of the sample."""
        return str(self.row["id"])

    @property
    def image(self) -> Image:
        """Return the image, (h, w, 3) uint8 RGB."""
        return self._read("image")

    @property
    def mask(self) -> Mask | None:
        """Return the mask, (h, w) uint8 of 0 and 255 for person; None where there is none."""
        return self._label("mask")

    @property
    def alpha(self) -> Alpha | None:
        """Return the alpha, (h, w) uint8; None where there is none."""
        return self._label("alpha")

    @property
    def trimap(self) -> Trimap | None:
        """Return the trimap, (h, w) uint8 of 0, 128 for unknown, and 255; None where there is none."""
        return self._label("trimap")

    def __repr__(self) -> str:
        """Return one line: id, size and which labels there are."""
        labels = [name for name in ("mask", "alpha", "trimap") if self.row.get(name) is not None]
        size = f"{self.row['width']} x {self.row['height']}"
        return f"<Sample {self.id!r}: {size}, {', '.join(labels) or 'no label'}>"

    def _label(self, column: str) -> Gray | None:
        return None if self.row.get(column) is None else self._read(column)

    def _read(self, column: str) -> NDArray[np.uint8]:
        try:
            picture = read_picture(self.row, column=column, folder=self.folder)
            size = self.row["height"], self.row["width"]
            if picture.shape[:2] != size:
                reason = f"is {picture.shape[:2]}, the manifest says {size} (height, width)"
                raise BadRecord(Code.SIZE_MISMATCH, reason, file=self.folder / str(self.row[column]))
        except BadRecord as problem:
            raise InputRefused(
                f"{problem.code}: {problem.reason}", where=problem.file, remedy=problem.hint
            ) from problem
        return picture

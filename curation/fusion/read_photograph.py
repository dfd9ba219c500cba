"""A photograph of a plan of fusion: its row and its folder, and its pixels, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from curation.images.pixels import Alpha, Image, decode_image, decode_mask, decode_matte
from curation.labels.masks import check_alpha, check_mask
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import check_row_digest
from curation.storage.files import named_file, read_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A row of a foreground or a background, and the folder of its dataset.

    `label` is the column that shows the person, `alpha` or `mask`; a background has none.
    """

    folder: str
    row: dict[str, Any]
    label: str | None = None

    def path(self, column: str) -> Path:
        """Return the file that a column names; raises BadRecord: PATH_ESCAPE, NAME."""
        return named_file(Path(self.folder), self.row[column])


def read_person(photograph: Photograph, *, threshold: int) -> tuple[Image, Alpha]:
    """Return a photograph and its label, checked; an alpha shows a person where it is above `threshold`.

    Raises BadRecord: whatever is wrong with one of them, or with both together.
    """
    image, alpha = read_image(photograph), _alpha(photograph)
    file = str(photograph.path(photograph.label or "image"))
    if alpha.shape != image.shape[:2]:
        said = " x ".join(map(str, alpha.shape[::-1]))
        reason = f"is {said}, its image {image.shape[1]} x {image.shape[0]} (width x height)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=file, record_id=photograph.row["id"])
    if photograph.label == "mask":
        check_mask(alpha, file=file)
    else:
        check_alpha(alpha, file=file, threshold=threshold)
    return image, alpha


def read_image(photograph: Photograph) -> Image:
    """Return a photograph (h, w, 3), checked against the hash of its row; raises BadRecord."""
    return decode_image(_checked(photograph, column="image"), file=str(photograph.path("image")))


def _alpha(photograph: Photograph) -> Alpha:
    column = photograph.label or "mask"
    data = _checked(photograph, column=column)
    decode = decode_matte if column == "alpha" else decode_mask
    return decode(data, file=str(photograph.path(column)))


def _checked(photograph: Photograph, *, column: str) -> bytes:
    path = photograph.path(column)
    data = read_file(path, below=Path(photograph.folder))
    check_row_digest(data, row=photograph.row, column=column, file=path)
    return data


def scaled_down(picture: Any, *, max_side: int) -> Any:
    """Return a picture (h, w) or (h, w, 3) with its longer side at most `max_side` pixels: it bounds the memory."""
    height, width = picture.shape[:2]
    if max(height, width) <= max_side:
        return picture
    scale = max_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

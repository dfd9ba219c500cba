"""What a prediction is measured against: mask, pixels that count, and alpha with the unknown band of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.dataset.stored_sample import read_picture
from curation.images.pixels import Alpha, Gray, Mask
from curation.labels.trimaps import UNKNOWN, Trimap
from curation.quarantine import BadRecord, Code

IGNORED: Final = 128
"""The value in `ignores/<id>.png` of a pixel that does not count; the others are 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is known of a sample, all (h, w): `valid` is None where every pixel counts, `band` the unknown one of
    `trimap`."""

    mask: Mask
    valid: NDArray[np.bool_] | None = None
    alpha: Alpha | None = None
    band: NDArray[np.bool_] | None = None
    trimap: Trimap | None = None


def has_truth(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of a manifest has a mask, or is known to show nobody, so that it needs none."""
    return row["mask"] is not None or row["persons"] == 0


def read_truth(row: Mapping[str, Any], *, folder: Path, with_alpha: bool) -> Truth:
    """Read the label of a row of a manifest: masks, ignored pixels and, `with_alpha`, alpha and trimap.

    A row without a mask shows nobody (`has_truth`).
    Raises BadRecord: SIZE_MISMATCH among the files, MASK_VALUES when no pixel counts, CHECKSUM for a file that changed
    since it was made, and those of the decoders.
    """
    if row["mask"] is None:
        return Truth(mask=np.zeros((row["height"], row["width"]), np.uint8))
    mask = read_picture(row, column="mask", folder=folder)
    ignored = _gray(row, column="ignore", folder=folder, like=mask)
    valid = None if ignored is None else ignored != IGNORED
    if valid is not None and not valid.any():
        file = folder / row["mask"]
        raise BadRecord(Code.MASK_VALUES, "every pixel is ignored, so that nothing can be scored", file=file)
    if not with_alpha:
        return Truth(mask=mask, valid=valid)
    alpha = _gray(row, column="alpha", folder=folder, like=mask)
    trimap = _gray(row, column="trimap", folder=folder, like=mask)
    band = None if trimap is None else trimap == UNKNOWN
    return Truth(mask=mask, valid=valid, alpha=alpha, band=band, trimap=trimap)


def _gray(row: Mapping[str, Any], *, column: str, folder: Path, like: Mask) -> Gray | None:
    if row.get(column) is None:
        return None
    picture = read_picture(row, column=column, folder=folder)
    if picture.shape != like.shape:
        reason = f"{picture.shape[1]} x {picture.shape[0]}, the mask is {like.shape[1]} x {like.shape[0]}"
        raise BadRecord(Code.SIZE_MISMATCH, f"{reason} (width x height)", file=folder / row[column], field=column)
    return picture

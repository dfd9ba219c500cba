"""What a prediction is measured against: mask, pixels that count, and alpha with the unknown band of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.checksums import check_row_digest
from curation.files import read_file, safe_join
from curation.pixels import Alpha, Gray, Mask, decode_gray, decode_mask
from curation.quarantine import BadRecord, Code
from curation.trimaps import UNKNOWN

IGNORED: Final = 128
"""The value in `ignores/<id>.png` of a pixel that does not count; the others are 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is known of a sample, all (h, w): `valid` is None where every pixel counts."""

    mask: Mask
    valid: NDArray[np.bool_] | None = None
    alpha: Alpha | None = None
    band: NDArray[np.bool_] | None = None


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
    path = safe_join(folder, row["mask"])
    mask = _decoded(row, column="mask", path=path, decode=decode_mask)
    ignored = _gray(row, column="ignore", folder=folder, like=mask)
    valid = None if ignored is None else ignored != IGNORED
    if valid is not None and not valid.any():
        raise BadRecord(Code.MASK_VALUES, "every pixel is ignored, so that nothing can be scored", file=path)
    if not with_alpha:
        return Truth(mask=mask, valid=valid)
    alpha = _gray(row, column="alpha", folder=folder, like=mask)
    trimap = _gray(row, column="trimap", folder=folder, like=mask)
    return Truth(mask=mask, valid=valid, alpha=alpha, band=None if trimap is None else trimap == UNKNOWN)


def _decoded(row: Mapping[str, Any], *, column: str, path: Path, decode: Callable[..., Gray]) -> Gray:
    data = read_file(path)
    picture = decode(data, file=str(path))
    check_row_digest(data, row=row, column=column, file=path)  # last: what is wrong with a label says more
    return picture


def _gray(row: Mapping[str, Any], *, column: str, folder: Path, like: Mask) -> Gray | None:
    if row.get(column) is None:
        return None
    path = safe_join(folder, row[column])
    picture = _decoded(row, column=column, path=path, decode=decode_gray)
    if picture.shape != like.shape:
        reason = f"{picture.shape[1]} x {picture.shape[0]}, the mask is {like.shape[1]} x {like.shape[0]}"
        raise BadRecord(Code.SIZE_MISMATCH, f"{reason} (width x height)", file=path, field=column)
    return picture

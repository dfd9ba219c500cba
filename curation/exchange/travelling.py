"""One sample as it leaves a data set: read, checked, and its image such that every reader sees it as we do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.dataset.dataset import FILE_COLUMNS
from curation.images.header import EXTENSIONS, Format, ImageHeader, inspect
from curation.images.pixels import Mask, decode_gray, decode_image, decode_mask, encode_image
from curation.quarantine import BadRecord, Code
from curation.short_repr import short_repr
from curation.storage.checksums import read_named
from curation.storage.files import sha256_of

UPRIGHT: Final = 1
PLAIN_BITS: Final = 8
ALL_FORMATS: Final[frozenset[Format]] = frozenset({"JPEG", "PNG", "WEBP"})
LABELS: Final = tuple(column for column in FILE_COLUMNS if column != "image")
"""The columns of label files, the mask among them."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How images travel: the formats that are kept as they are, and whether every other kind of image becomes PNG."""

    kept: frozenset[Format] = ALL_FORMATS
    as_png: bool = False


AS_THEY_ARE: Final = Rules()
WITHOUT_WEBP: Final = Rules(kept=frozenset({"JPEG", "PNG"}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Travelling:
    """A sample of which every file was read and is the one that was imported.

    `image` are the bytes of the image file as it leaves, of `format`; `origin` is the file to link where these are its
    own bytes, None where it was encoded anew. `labels` are the bytes of label files by column, `suffixes` their file
    name extensions. `mask` is (height, width), 0 and 255, `ignored` (height, width) bool; None where there is none.
    """

    row: Mapping[str, Any]
    image: bytes
    format: Format
    channels: int
    origin: Path | None
    labels: Mapping[str, bytes]
    suffixes: Mapping[str, str]
    mask: Mask | None
    ignored: NDArray[np.bool_] | None

    __repr__ = short_repr

    @property
    def id(self) -> str:
        """Return the id of the sample."""
        return str(self.row["id"])

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        return int(self.row["height"]), int(self.row["width"])

    @property
    def image_name(self) -> str:
        """Return the name of the image file: ids are unique, and names in the source need not be."""
        return f"{self.id}{EXTENSIONS[self.format]}"


def read_travelling(row: Mapping[str, Any], *, folder: Path, rules: Rules) -> Travelling:
    """Return the sample of one row of the data set in `folder`.

    An image that EXIF turns, of inks, of 16 bits, or of a format that the other side does not read, is written as PNG
    as it is shown, in sRGB: readers disagree on these. Some would lay the label on a picture on its side, or see white
    for gray of 16 bits.
    Raises BadRecord: CHECKSUM for a file that changed since its import, SIZE_MISMATCH, and those of a file and its
    decoder.
    """
    given = [column for column in FILE_COLUMNS if row.get(column) is not None]
    files = {column: read_named(row, column=column, folder=folder) for column in given}
    image, place = files.pop("image"), folder / str(row["image"])
    header = inspect(image, file=str(place))
    _check_size((header.height, header.width), row=row, file=place)
    is_kept = _is_kept(header, rules=rules)
    mask, ignored = files.get("mask"), files.get("ignore")
    return Travelling(
        row=row,
        image=image if is_kept else encode_image(decode_image(image, file=str(place))),
        format=header.format if is_kept else "PNG",
        channels=_channels(header) if is_kept else 3,
        origin=place if is_kept else None,
        labels=files,
        suffixes={column: PurePosixPath(str(row[column])).suffix for column in files},
        mask=None if mask is None else _checked_mask(mask, row=row, folder=folder),
        ignored=None if ignored is None else _ignored(ignored, row=row, folder=folder),
    )


def pixel_digest(mask: Mask | None) -> str | None:
    """Return the SHA-256 of the pixels of a mask, whatever file they lie in; None for no mask.

    >>> pixel_digest(np.zeros((1, 2), np.uint8)) == pixel_digest(np.zeros((2, 1), np.uint8))
    False
    """
    if mask is None:
        return None
    height, width = mask.shape
    return sha256_of(f"{height} {width}\n".encode() + np.ascontiguousarray(mask).tobytes())


def _is_kept(header: ImageHeader, *, rules: Rules) -> bool:
    is_plain = header.orientation == UPRIGHT and header.mode != "CMYK" and header.bit_depth <= PLAIN_BITS
    return is_plain and header.format in rules.kept and (header.format == "PNG" or not rules.as_png)


def _channels(header: ImageHeader) -> int:
    return {"L": 1, "LA": 2, "RGBA": 4}.get(header.mode, 3)


def _checked_mask(data: bytes, *, row: Mapping[str, Any], folder: Path) -> Mask:
    file = folder / str(row["mask"])
    mask = decode_mask(data, file=str(file))
    _check_size(mask.shape, row=row, file=file)
    return mask


def _ignored(data: bytes, *, row: Mapping[str, Any], folder: Path) -> NDArray[np.bool_]:
    file = folder / str(row["ignore"])
    ignored = decode_gray(data, file=str(file))
    _check_size(ignored.shape, row=row, file=file)
    return ignored > 0


def _check_size(size: tuple[int, ...], *, row: Mapping[str, Any], file: Path) -> None:
    expected = int(row["height"]), int(row["width"])
    if tuple(size) != expected:
        reason = f"is {size[0]} x {size[1]}, the manifest says {expected[0]} x {expected[1]} (height x width)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=file)

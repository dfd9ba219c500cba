"""What an image file says about itself, and whether it is whole: read from its bytes, without decoding a pixel."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from curation.quarantine import BadRecord, Code

Format = Literal["JPEG", "PNG", "WEBP"]
Mode = Literal["L", "LA", "RGB", "RGBA", "P", "CMYK"]
EXTENSIONS: Final[dict[Format, str]] = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is read at most; beyond it an image is refused as TOO_LARGE before anything is decoded."""

    max_pixels: int = 64_000_000
    max_side_px: int = 20_000
    max_bytes: int = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """The header of a whole image file.

    `stored_width` and `stored_height` are pixels as they lie in the file; `width` and `height` are pixels as
    displayed, after the EXIF `orientation` (1..8) is applied. `has_alpha` tells of a channel (or palette entries)
    made for transparency; a single colour declared transparent is not one.
    """

    format: Format
    stored_width: int
    stored_height: int
    orientation: int = 1
    mode: Mode = "RGB"
    bit_depth: int = 8
    has_alpha: bool = False

    @property
    def extension(self) -> str:
        """The file name extension that belongs to the format: `.jpg`, `.png` or `.webp`."""
        return EXTENSIONS[self.format]

    @property
    def width(self) -> int:
        """Width in pixels as displayed."""
        return self.stored_height if self.orientation >= SIDEWAYS else self.stored_width

    @property
    def height(self) -> int:
        """Height in pixels as displayed."""
        return self.stored_width if self.orientation >= SIDEWAYS else self.stored_height


SIDEWAYS: Final = 5
"""EXIF orientations 5 to 8 exchange width and height."""
NO_LIMITS_GIVEN: Final = Limits()


def inspect(data: bytes, *, file: str, limits: Limits = NO_LIMITS_GIVEN) -> ImageHeader:
    """Give the header of a JPEG, PNG or WebP file and make sure that its end is there.

    The format is told from the first bytes, never from the name. Sizes are checked before anything else is read.
    Bytes after the end of the image are tolerated: cameras write them. A broken EXIF block means orientation 1.
    Raises BadRecord: NOT_IMAGE (no image at all), FORMAT (an image of another kind, or an animation), TRUNCATED (the
    end is missing, or a checksum is wrong), TOO_LARGE, MODE (pixels that cannot be turned into 8-bit RGB).
    """
    if len(data) > limits.max_bytes:
        raise BadRecord(Code.TOO_LARGE, f"{len(data):,} bytes; the limit is {limits.max_bytes:,}", file=file)
    if data.startswith(b"\xff\xd8\xff"):
        return _Jpeg(data, file=file, limits=limits).header()
    if data.startswith(PNG_SIGNATURE):
        return _Png(data, file=file, limits=limits).header()
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _WebP(data, file=file, limits=limits).header()
    raise _not_allowed(data, file=file)

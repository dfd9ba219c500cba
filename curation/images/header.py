"""What an image file says about itself, and whether it is whole: read from its bytes, without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from curation.images.file_kinds import other_format, start_of_text
from curation.images.segments import (
    JPEG_SCAN,
    PNG_SIGNATURE,
    RIFF_HEADER_BYTES,
    chunk_name,
    damaged,
    jpeg_segments,
    png_chunks,
    webp_chunks,
)
from curation.quarantine import BadRecord, Code
from curation.storage.files import MAX_IMAGE_BYTES

Format = Literal["JPEG", "PNG", "WEBP"]
Mode = Literal["L", "LA", "RGB", "RGBA", "P", "CMYK"]
EXTENSIONS: Final[dict[Format, str]] = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
SIDEWAYS: Final = 5
"""EXIF orientations 5 to 8 exchange width and height."""

JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
JPEG_EXIF: Final = 0xE1
JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Sequential and progressive frames (ITU-T T.81, table B.1): those that decode to 8 bits a channel."""
JPEG_OTHER_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})
JPEG_MODES: Final[dict[int, Mode]] = {1: "L", 3: "RGB", 4: "CMYK"}

PNG_MODES: Final[dict[int, tuple[Mode, frozenset[int]]]] = {
    0: ("L", frozenset({1, 2, 4, 8, 16})),
    2: ("RGB", frozenset({8, 16})),
    3: ("P", frozenset({1, 2, 4, 8})),
    4: ("LA", frozenset({8, 16})),
    6: ("RGBA", frozenset({8, 16})),
}
"""Colour type -> mode and the bit depths it may have (W3C PNG, third edition, table 8)."""


MAX_PIXELS: Final = 64_000_000
MAX_SIDE_PX: Final = 20_000
"""Beyond these an image is refused as TOO_LARGE before anything is decoded, as is a file of over `MAX_IMAGE_BYTES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """The header of a whole image file.

    `stored_width` and `stored_height` are pixels as they lie in the file; `width` and `height` are pixels as
    displayed, after the EXIF `orientation` (1..8) is applied. `has_alpha` means a channel, or palette entries,
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


def inspect(data: bytes, *, file: str) -> ImageHeader:
    """Return the header of a JPEG, PNG or WebP file, after making sure that its end is there.

    The format is found from the first bytes, never from the name. Sizes are checked before anything else is read.
    Bytes after the end of the image are tolerated: cameras write them. A broken EXIF block means orientation 1.
    Raises BadRecord: NOT_IMAGE (no image at all), FORMAT (an image of another kind, or an animation), TRUNCATED (the
    end is missing, or the structure is damaged), TOO_LARGE, MODE (pixels that do not turn into 8-bit RGB).
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise BadRecord(Code.TOO_LARGE, f"{len(data):,} bytes; the limit is {MAX_IMAGE_BYTES:,}", file=file)
    known = format_of(data)
    if known is None:
        raise not_read(data, file=file)
    return {"JPEG": _inspect_jpeg, "PNG": _inspect_png, "WEBP": _inspect_webp}[known](data, file=file)


def format_of(data: bytes) -> Format | None:
    """Return the format that a file begins like, whatever its name says; None where it is none that is read.

    >>> format_of(JPEG_SIGNATURE + b"...")
    'JPEG'
    """
    if data.startswith(JPEG_SIGNATURE):
        return "JPEG"
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    return "WEBP" if data.startswith(b"RIFF") and data[8:RIFF_HEADER_BYTES] == b"WEBP" else None


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation 1..8 that an EXIF block (its TIFF part) states, 1 when it is broken or says nothing.

    Source: EXIF 2.32, section 4.6.4 (tag 0x0112).

    >>> exif_orientation(b"MM\\0*\\0\\0\\0\\x08\\0\\x01\\x01\\x12\\0\\x03\\0\\0\\0\\x01\\0\\x06\\0\\0")
    6
    >>> exif_orientation(b"II*")
    1
    """
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    if tiff[:4] not in {b"II*\0", b"MM\0*"}:
        return 1
    directory = int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[directory : directory + 2], order)
    for start in range(directory + 2, min(directory + 2 + 12 * entries, len(tiff) - 11), 12):
        if int.from_bytes(tiff[start : start + 2], order) == 0x0112:
            kind = int.from_bytes(tiff[start + 2 : start + 4], order)
            value_bytes = {3: 2, 4: 4}.get(kind, 0)  # SHORT as the standard says, LONG as some write it
            value = int.from_bytes(tiff[start + 8 : start + 8 + value_bytes], order)
            return value if 1 <= value <= 8 else 1
    return 1


def _inspect_jpeg(data: bytes, *, file: str) -> ImageHeader:
    frame: ImageHeader | None = None
    orientation, has_scan = 1, False
    for marker, start, end in jpeg_segments(data, file=file):
        if marker in JPEG_FRAMES:
            if frame is not None:
                damaged("a second frame header", file=file)
            frame = _jpeg_frame(data[start:end], file=file)
        elif marker in JPEG_OTHER_FRAMES:
            reason = f"a lossless or hierarchical JPEG (frame type 0x{marker:02x})"
            raise BadRecord(Code.MODE, reason, file=file)
        elif marker == JPEG_EXIF and orientation == 1 and data.startswith(b"Exif\0\0", start):
            orientation = exif_orientation(data[start + 6 : end])
        elif marker == JPEG_SCAN:
            has_scan = True
            if frame is None:
                damaged("a scan without a frame header", file=file)
    if frame is None or not has_scan:
        damaged("the end marker comes before any picture", file=file)
    return replace(frame, orientation=orientation)


def _jpeg_frame(segment: bytes, *, file: str) -> ImageHeader:
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5]:
        damaged("the frame header has the wrong length", file=file)
    precision, channels = segment[0], segment[5]
    height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    check_frame_size(width, height, file=file)
    if precision != 8 or channels not in JPEG_MODES:
        raise BadRecord(Code.MODE, f"a JPEG of {channels} channels and {precision} bits", file=file)
    return ImageHeader(format="JPEG", stored_width=width, stored_height=height, mode=JPEG_MODES[channels])


def _inspect_png(data: bytes, *, file: str) -> ImageHeader:
    header: ImageHeader | None = None
    orientation, kinds = 1, set[bytes]()
    for kind, start, end in png_chunks(data, file=file):
        if (header is None) != (kind == b"IHDR"):
            damaged(f"chunk {chunk_name(kind)} is out of place", file=file)
        if header is None:
            header = _png_header(data[start:end], file=file)
        elif kind == b"acTL":
            raise BadRecord(Code.FORMAT, "an animated PNG", file=file)
        elif kind == b"eXIf":
            orientation = exif_orientation(data[start:end])
        kinds.add(kind)
    if header is None or b"IDAT" not in kinds:
        damaged("no picture data", file=file)
    if header.mode == "P" and b"PLTE" not in kinds:
        damaged("no palette", file=file)
    has_alpha = header.mode in {"LA", "RGBA"} or (header.mode == "P" and b"tRNS" in kinds)
    return replace(header, orientation=orientation, has_alpha=has_alpha)


def _png_header(segment: bytes, *, file: str) -> ImageHeader:
    if len(segment) != 13:
        damaged("the header has the wrong length", file=file)
    width, height = int.from_bytes(segment[:4], "big"), int.from_bytes(segment[4:8], "big")
    check_frame_size(width, height, file=file)
    bit_depth, colour_type = segment[8], segment[9]
    if colour_type not in PNG_MODES or bit_depth not in PNG_MODES[colour_type][1]:
        damaged(f"a PNG of colour type {colour_type} and {bit_depth} bits", file=file)
    mode = PNG_MODES[colour_type][0]
    return ImageHeader(format="PNG", stored_width=width, stored_height=height, mode=mode, bit_depth=bit_depth)


def _inspect_webp(data: bytes, *, file: str) -> ImageHeader:
    """Read the picture's size from `VP8 ` (lossy) or `VP8L` (lossless), and what `VP8X` adds (RFC 9649, section 2)."""
    frame: ImageHeader | None = None
    orientation, has_alpha = 1, False
    for kind, start, end in webp_chunks(data, file=file):
        if kind == b"VP8X":
            width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (start + 4, start + 7))
            check_frame_size(width, height, file=file)
        elif kind in {b"ANIM", b"ANMF"}:
            raise BadRecord(Code.FORMAT, "an animated WebP", file=file)
        elif kind == b"ALPH":
            has_alpha = True
        elif kind == b"EXIF":  # some writers put JPEG's prefix before the TIFF part
            orientation = exif_orientation(data[start:end].removeprefix(b"Exif\0\0"))
        elif kind in {b"VP8 ", b"VP8L"} and frame is None:
            frame = _webp_frame(data[start : start + 10], is_lossless=kind == b"VP8L", file=file)
            check_frame_size(frame.stored_width, frame.stored_height, file=file)
    if frame is None:
        damaged("no picture data", file=file)
    has_alpha = has_alpha or frame.has_alpha
    return replace(frame, orientation=orientation, has_alpha=has_alpha, mode="RGBA" if has_alpha else "RGB")


def _webp_frame(segment: bytes, *, is_lossless: bool, file: str) -> ImageHeader:
    if is_lossless:  # RFC 9649, section 3.4: signature, 14 bits width - 1, 14 bits height - 1, 1 bit alpha
        bits = int.from_bytes(segment[1:5], "little")
        width, height, has_alpha = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
        is_sound = segment[0] == 0x2F
    else:  # RFC 6386, section 9.1: a key frame, its start code, 14 bits width, 14 bits height
        width, height = (int.from_bytes(segment[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        is_sound, has_alpha = segment[3:6] == b"\x9d\x01\x2a" and not segment[0] & 1, False
    if not is_sound:
        damaged("the picture data does not start as it must", file=file)
    return ImageHeader(format="WEBP", stored_width=width, stored_height=height, has_alpha=has_alpha)


def check_frame_size(width: int, height: int, *, file: str) -> None:
    """Refuse a picture without pixels, or with more of them than is read."""
    said = f"the header says {width} x {height} pixels"
    if width < 1 or height < 1:
        raise BadRecord(Code.NOT_IMAGE, said, file=file)
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        allowed = f"{MAX_PIXELS:,} pixels and {MAX_SIDE_PX:,} to a side"
        raise BadRecord(Code.TOO_LARGE, f"{said}; the limit is {allowed}", file=file)


def not_read(data: bytes, *, file: str) -> BadRecord:
    """Say what a file is, from its start at least, that is neither JPEG nor PNG nor WebP."""
    if not data:
        return BadRecord(Code.NOT_IMAGE, "the file is empty", file=file)
    is_start = any(whole.startswith(data[:8]) for whole in (JPEG_SIGNATURE, PNG_SIGNATURE, b"RIFF"))
    if is_start or (len(data) < RIFF_HEADER_BYTES and data.startswith(b"RIFF")):
        return BadRecord(Code.TRUNCATED, f"the file ends after {len(data):,} bytes", file=file)
    other = other_format(data, name=file)
    if other is not None:
        return BadRecord(Code.FORMAT, f"a file of format {other}", file=file, value=data[:16])
    kind = "an HTML page" if start_of_text(data).startswith((b"<!doctype", b"<html")) else "not an image"
    return BadRecord(Code.NOT_IMAGE, kind, file=file, value=data[:16])

"""The parts an image file is made of, walked to its end: JPEG segments, PNG chunks, WebP chunks.

Nothing is decoded and no byte is looked at twice, so that a walk tells in a tenth of a millisecond whether a
photograph is whole. Each walk gives (kind, start, end) of a part, in file order; `start` and `end` bound its content.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final, NoReturn

from curation.quarantine import BadRecord, Code

JPEG_SCAN: Final = 0xDA
JPEG_END: Final = 0xD9
JPEG_RESTARTS: Final = range(0xD0, 0xD8)
JPEG_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Ends entropy-coded data: 0xFF followed by neither a stuffed 0, nor a restart marker, nor another fill byte."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
RIFF_HEADER_BYTES: Final = 12
FRAME_HEADER_BYTES: Final = 10


def jpeg_segments(data: bytes, *, file: str) -> Iterator[tuple[int, int, int]]:
    """Yield the marker segments of a JPEG up to its end marker, which must be there.

    The content of a segment is stepped over, so that the end marker of a thumbnail inside EXIF does not count.
    Raises BadRecord: TRUNCATED.
    Source: ITU-T T.81, annex B.
    """
    position, size = 2, len(data)
    while True:
        marker, start = _jpeg_marker(data, position=position, file=file)
        if marker == JPEG_END:
            return
        if marker == 0x01 or marker in JPEG_RESTARTS:  # these have no content
            position = start
            continue
        length = int.from_bytes(data[start : start + 2], "big")
        position = start + length
        if start + 2 > size or position > size:
            cut_off(f"the file ends after {size:,} bytes, inside segment 0x{marker:02x}", file=file)
        if length < 2:
            damaged(f"segment 0x{marker:02x} has length {length}", file=file)
        yield marker, start + 2, position
        if marker == JPEG_SCAN:
            found = JPEG_NEXT_MARKER.search(data, position)
            if found is None:
                cut_off(f"the file ends after {size:,} bytes, inside the picture", file=file)
            position = found.start()


def _jpeg_marker(data: bytes, *, position: int, file: str) -> tuple[int, int]:
    """Return the marker at `position` and where its content starts; fill bytes 0xFF may stand before it."""
    if position + 1 < len(data) and data[position] != 0xFF:
        damaged(f"no marker at byte {position:,}", file=file)
    while position < len(data) and data[position] == 0xFF:
        position += 1
    if position >= len(data):
        cut_off(f"the file ends after {len(data):,} bytes, before the end of the picture", file=file)
    if data[position] in {0x00, 0xD8}:
        damaged(f"no marker at byte {position:,}", file=file)
    return data[position], position + 1


def png_chunks(data: bytes, *, file: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield the chunks of a PNG up to IEND, which must be there; each checksum is compared.

    Raises BadRecord: TRUNCATED.
    Source: W3C PNG (third edition), section 5.3.
    """
    view, position, kind = memoryview(data), len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        start = position + 8
        kind, end = data[position + 4 : start], start + int.from_bytes(data[position : position + 4], "big")
        if kind == b"IHDR" and end <= len(data):
            yield kind, start, end  # the size of the picture is looked at before anything else
        if end + 4 > len(data):
            place = f"inside chunk {chunk_name(kind)}" if kind else "before chunk IEND"
            cut_off(f"the file ends after {len(data):,} bytes, {place}", file=file)
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            damaged(f"the checksum of chunk {chunk_name(kind)} at byte {position:,} is wrong", file=file)
        if kind != b"IHDR":
            yield kind, start, end
        position = end + 4


def webp_chunks(data: bytes, *, file: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield the chunks of a WebP up to the end that its RIFF header states, which must be there.

    Raises BadRecord: TRUNCATED.
    Source: RFC 9649, section 2.
    """
    size = len(data)
    whole = 8 + int.from_bytes(data[4:8], "little")
    position = RIFF_HEADER_BYTES
    while position < whole:
        start = position + 8
        kind, end = data[position : position + 4], start + int.from_bytes(data[position + 4 : start], "little")
        if start + FRAME_HEADER_BYTES <= min(end, size):
            yield kind, start, end  # as above: sizes first
        if whole > size or end > size:
            cut_off(f"{size:,} bytes, where the header says {max(whole, end):,}", file=file)
        if end > whole:
            damaged(f"chunk {chunk_name(kind)} at byte {position:,} is longer than the file", file=file)
        position = end + end % 2  # chunks start at even bytes


def chunk_name(kind: bytes) -> str:
    """Return the name of a chunk as it is shown; a damaged file holds any bytes there.

    >>> chunk_name(b"IDAT")
    'IDAT'
    """
    return kind.decode("ascii", "backslashreplace")


def cut_off(reason: str, *, file: str) -> NoReturn:
    """Refuse a file whose end is missing."""
    raise BadRecord(Code.TRUNCATED, reason, file=file)


def damaged(reason: str, *, file: str) -> NoReturn:
    """Refuse a file whose bytes contradict each other: no clean cut, but not whole either."""
    raise BadRecord(Code.TRUNCATED, reason, file=file, hint="fetch the file again; it is damaged")

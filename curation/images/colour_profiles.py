"""The ICC profile inside an image file: found and joined, and looked over before native code reads it.

A fault of a profile is returned as text, never raised: the picture itself is sound, and is read as sRGB.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from curation.images.header import ImageHeader
from curation.images.segments import JPEG_SCAN, jpeg_segments, png_chunks, webp_chunks

MAX_PROFILE_BYTES: Final = 4 << 20
"""The largest profiles of printing presses have 3 MB; JPEG has room for 16, a PNG for as much as inflates."""
HEADER_BYTES: Final = 128
TAG_BYTES: Final = 12
MAX_TAGS: Final = 100
"""What littlecms reads at most (lcms2_internal.h, MAX_TABLE_TAG)."""
JPEG_APP2: Final = 0xE2
JPEG_PREFIX: Final = b"ICC_PROFILE\0"
CLASSES: Final = frozenset({b"mntr", b"scnr", b"prtr", b"spac"})
"""Displays, cameras and scanners, printers, colour spaces. Device links, abstract and named-colour profiles say nothing
of what the values of one picture mean."""
CONNECTIONS: Final = frozenset({b"XYZ ", b"Lab "})
SPACES: Final[dict[str, tuple[bytes, ...]]] = {
    "L": (b"GRAY", b"RGB "),
    "LA": (b"GRAY", b"RGB "),
    "RGB": (b"RGB ",),
    "RGBA": (b"RGB ",),
    "P": (b"RGB ",),
    "CMYK": (b"CMYK",),
}
"""The spaces that a profile may have, by the mode of its picture; of a gray one all channels are equal in RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedProfile:
    """The profile of an image file: its bytes where it can be used, `problem` where it cannot, and neither if none."""

    data: bytes = b""
    problem: str = ""


def embedded_profile(data: bytes, *, header: ImageHeader, file: str) -> EmbeddedProfile:
    """Return the ICC profile of an image file that `inspect` found whole.

    Source: ICC.1:2022, annex B.4 (JPEG); W3C PNG (third edition), section 11.3.2.3; RFC 9649, section 2.7.1.4.
    """
    find = {"JPEG": _in_jpeg, "PNG": _in_png, "WEBP": _in_webp}[header.format]
    found = find(data, file=file)
    if not found.data:
        return found
    problem = profile_problem(found.data, mode=header.mode)
    return EmbeddedProfile(problem=problem) if problem else found


def _in_jpeg(data: bytes, *, file: str) -> EmbeddedProfile:
    parts: dict[int, bytes] = {}
    wanted = set[int]()
    for marker, start, end in jpeg_segments(data, file=file):
        if marker == JPEG_SCAN:
            break
        if marker == JPEG_APP2 and data.startswith(JPEG_PREFIX, start) and end - start >= len(JPEG_PREFIX) + 2:
            number, total = data[start + len(JPEG_PREFIX)], data[start + len(JPEG_PREFIX) + 1]
            if number in parts:
                return EmbeddedProfile(problem=f"part {number} of the profile occurs twice")
            parts[number] = data[start + len(JPEG_PREFIX) + 2 : end]
            wanted.add(total)
    if not parts:
        return EmbeddedProfile()
    if len(wanted) > 1 or set(parts) != set(range(1, max(wanted) + 1)):
        return EmbeddedProfile(problem=f"the profile has {max(wanted)} parts, of which {len(parts)} are there")
    return EmbeddedProfile(data=b"".join(parts[number] for number in sorted(parts)))


def _in_png(data: bytes, *, file: str) -> EmbeddedProfile:
    for kind, start, end in png_chunks(data, file=file):
        if kind == b"IDAT":
            break
        if kind == b"iCCP":
            _, _, rest = data[start:end].partition(b"\0")
            return _inflated(rest[1:])
    return EmbeddedProfile()


def _inflated(compressed: bytes) -> EmbeddedProfile:
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(compressed, MAX_PROFILE_BYTES + 1)
    except zlib.error as error:
        return EmbeddedProfile(problem=f"the profile does not inflate: {error}")
    if not stream.eof and len(profile) <= MAX_PROFILE_BYTES:
        return EmbeddedProfile(problem="the profile does not inflate: its end is missing")
    return EmbeddedProfile(data=profile)


def _in_webp(data: bytes, *, file: str) -> EmbeddedProfile:
    for kind, start, end in webp_chunks(data, file=file):
        if kind == b"ICCP":
            return EmbeddedProfile(data=data[start:end])
    return EmbeddedProfile()


def profile_problem(profile: bytes, *, mode: str) -> str:
    """Say why a profile cannot be used for a picture of `mode`; nothing if it can, as far as its header tells.

    Source: ICC.1:2022, sections 7.2 (header) and 7.3 (tag table).
    """
    if len(profile) > MAX_PROFILE_BYTES:
        return f"the profile has more than {MAX_PROFILE_BYTES:,} bytes"
    if len(profile) < HEADER_BYTES + 4 or profile[36:40] != b"acsp":
        return f"{len(profile):,} bytes that are no ICC profile"
    size, kind, space = int.from_bytes(profile[:4], "big"), profile[12:16], profile[16:20]
    if size > len(profile):
        return f"the profile ends after {len(profile):,} of {size:,} bytes"
    if kind not in CLASSES or profile[20:24] not in CONNECTIONS:
        return f"a profile of class {_name(kind)}, which does not tell the colours of a picture"
    if space not in SPACES[mode]:
        return f"a profile for {_name(space)} in a picture of mode {mode}"
    return "" if all(end <= size for end in _tag_ends(profile)) else "the tags of the profile lie outside it"


def _tag_ends(profile: bytes) -> Iterator[int]:
    number = int.from_bytes(profile[HEADER_BYTES : HEADER_BYTES + 4], "big")
    yield HEADER_BYTES + 4 + TAG_BYTES * number
    for index in range(min(number, MAX_TAGS)):
        at = HEADER_BYTES + 4 + TAG_BYTES * index + 4
        yield int.from_bytes(profile[at : at + 4], "big") + int.from_bytes(profile[at + 4 : at + 8], "big")


def _name(signature: bytes) -> str:
    return repr(signature.decode("ascii", "backslashreplace").strip())

"""Pictures as they are shared: lying as displayed, and with no metadata of the place or the photographer.

A file that is such already is shared byte by byte. Any other is decoded as the models see it and written again: a
browser would turn it by its EXIF orientation, of which the mask knows nothing, and EXIF tells the place.
"""

from __future__ import annotations

from typing import Final

from curation.images.header import EXTENSIONS, ImageHeader, inspect
from curation.images.pixels import decode_image, encode_image
from curation.images.segments import jpeg_segments, png_chunks, webp_chunks
from curation.storage.files import sha256_of

QUALITY: Final = 95
NAME_LENGTH: Final = 32
JPEG_END: Final = b"\xff\xd9"
PNG_END: Final = b"IEND\xaeB`\x82"
JPEG_APPLICATION: Final = range(0xE0, 0xF0)
JPEG_COMMENT: Final = 0xFE
JPEG_PLAIN: Final = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""The segments of applications that say nothing but how to show the picture, and how each begins."""
PNG_PLAIN: Final = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYs", b"bKGD"}
)
WEBP_PLAIN: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"})


def shared_picture(data: bytes, *, file: str) -> tuple[str, bytes]:
    """Return name and bytes of a picture as it is shared; the name depends on the content alone.

    Raises BadRecord as `decode_image` does.
    """
    header = inspect(data, file=file)
    extension = EXTENSIONS[header.format]
    if not _is_plain(data, header=header, file=file):
        image = decode_image(data, file=file)
        is_lossless = header.format == "PNG"
        data = encode_image(image, quality=None if is_lossless else QUALITY)
        extension = ".png" if is_lossless else ".jpg"
    return f"{sha256_of(data)[:NAME_LENGTH]}{extension}", data


def _is_plain(data: bytes, *, header: ImageHeader, file: str) -> bool:
    if header.orientation != 1 or header.mode == "CMYK" or header.has_alpha or header.bit_depth > 8:
        return False
    if header.format == "JPEG":
        return data.endswith(JPEG_END) and all(
            _is_plain_segment(marker, content=data[start:end]) for marker, start, end in jpeg_segments(data, file=file)
        )
    if header.format == "PNG":
        return data.endswith(PNG_END) and all(kind in PNG_PLAIN for kind, _, _ in png_chunks(data, file=file))
    return all(kind in WEBP_PLAIN for kind, _, _ in webp_chunks(data, file=file))


def _is_plain_segment(marker: int, *, content: bytes) -> bool:
    if marker == JPEG_COMMENT:
        return False
    if marker not in JPEG_APPLICATION:
        return True
    beginning = JPEG_PLAIN.get(marker)
    has_thumbnail = marker == 0xE0 and content[12:14] != b"\0\0"
    return beginning is not None and content.startswith(beginning) and not has_thumbnail

"""The kind of a file that is no JPEG, PNG or WebP, an image of another format or no image, by its first bytes."""

from __future__ import annotations

import os
from typing import Final, Literal

HEAD_BYTES: Final = 1024
"""So much of a file tells what it is."""
Stray = Literal["video", "audio", "text", "document", "archive", "other_file"]
"""Why a file of an image folder is left out: it holds no image."""

IMAGE_FORMATS: Final = (
    (b"GIF8", "GIF"),
    (b"II*\0\x10\0\0\0CR", "camera raw (Canon)"),
    (b"FUJIFILMCCD-RAW", "camera raw (Fujifilm)"),
    (b"IIRO", "camera raw (Olympus)"),
    (b"IIRS", "camera raw (Olympus)"),
    (b"IIU\0", "camera raw (Panasonic)"),
    (b"FOVb", "camera raw (Sigma)"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"8BPB", "Photoshop"),
    (b"gimp xcf", "GIMP"),
    (b"\x8aMNG", "MNG"),
    (b"\0\0\1\0", "icon"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"v/1\1", "OpenEXR"),
)
OTHER_STARTS: Final[tuple[tuple[bytes, Stray], ...]] = (
    (b"\x1aE\xdf\xa3", "video"),
    (b"FLV\1", "video"),
    (b"\0\0\1\xba", "video"),
    (b"\0\0\1\xb3", "video"),
    (b"ID3", "audio"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"PK\3\4", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\0", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
)
PAGES: Final = frozenset({"PDF", "PostScript"})
"""Pages, not photographs: in a folder they are documents, although a reader of images knows their format."""
HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
RAW_SUFFIXES: Final = frozenset(
    {".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".raf", ".pef", ".srw"}
    | {".x3f", ".3fr", ".iiq", ".erf", ".kdc", ".dcr", ".mrw"}
)
"""Most cameras write their own data as TIFF."""
READ_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp"})
"""Files of these names are images, or broken; they are not opened to tell."""
IMAGE_SUFFIXES: Final = (
    READ_SUFFIXES
    | RAW_SUFFIXES
    | {".jpe", ".mpo", ".jps", ".pns", ".apng", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".jp2", ".j2k", ".jxl", ".jxr"}
    | {
        ".heic",
        ".heif",
        ".hif",
        ".avif",
        ".psd",
        ".psb",
        ".xcf",
        ".tga",
        ".ppm",
        ".pgm",
        ".pbm",
        ".svg",
        ".exr",
        ".hdr",
    }
)
"""Files of these names promise an image, whatever they hold."""


def other_format(head: bytes, *, name: str) -> str | None:
    """Return the name of the image format that a file begins like, of those that are not read; None for no image.

    >>> other_format(b"\\0\\0\\0\\x18ftypheic", name="a.jpg"), other_format(b"II*\\0", name="a.NEF")
    ('HEIF', 'camera raw (.nef)')
    """
    suffix = suffix_of(name)
    for magic, format_name in IMAGE_FORMATS:
        if head.startswith(magic):
            return f"camera raw ({suffix})" if format_name == "TIFF" and suffix in RAW_SUFFIXES else format_name
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":  # two letters alone also begin texts
        return "BMP"
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    start = start_of_text(head)
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "SVG"
    return None


def heif_kind(data: bytes) -> Literal["HEIF", "AVIF"] | None:
    """Return which of the formats of telephones a file is by its first bytes, those that an extra decodes.

    >>> heif_kind(b"\\0\\0\\0\\x18ftypheic\\0\\0\\0\\0"), heif_kind(b"GIF89a")
    ('HEIF', None)
    """
    kind = _of_brands(data[:HEAD_BYTES]) if data[4:8] == b"ftyp" else None
    return kind if kind in ("HEIF", "AVIF") else None  # type: ignore[return-value]


def stray_kind(head: bytes) -> Stray:
    """Return what a file is that begins like no image.

    >>> stray_kind(b"name,width\\n"), stray_kind(b"\\0\\0\\0\\x14ftypqt  "), stray_kind(b"\\0\\1\\2")
    ('text', 'video', 'other_file')
    """
    for magic, kind in OTHER_STARTS:
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF"):
        return {b"AVI ": "video", b"WAVE": "audio"}.get(head[8:12], "other_file")  # type: ignore[return-value]
    if head[4:8] in {b"ftyp", b"moov", b"mdat"}:
        return "audio" if head[8:11] == b"M4A" else "video"
    return "text" if _is_text(head) else "other_file"


def start_of_text(head: bytes) -> bytes:
    """Return how a text begins, in small letters, without a byte order mark and space."""
    return head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in small letters, with its dot."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - PurePath takes five times as long


def stem_of(name: str) -> str:
    """Return a path without the suffix of its file name."""
    return os.path.splitext(name)[0]  # noqa: PTH122 - as above


def _of_brands(head: bytes) -> str | None:
    """Return the format of an ISO media file (ISO/IEC 14496-12, section 4.3) by its brand and those it is like."""
    size = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    if head[8:12] == b"crx ":
        return "camera raw (Canon)"
    return "HEIF" if head[8:12] in HEIF_BRANDS else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if not head or error.start < len(head) - 3 or len(head) < HEAD_BYTES:  # a letter may be cut by the end
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text)

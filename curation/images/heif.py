"""HEIC and AVIF photographs, as telephones take them, where what decodes them is installed.

They are no part of what every browser, label tool and trainer reads, so a data set never holds one: their pixels enter
it as PNG. How a picture is turned stands in the container and is applied by the decoder; what EXIF says of it as well
is for information alone. Source: ISO/IEC 23008-12, section 6.5.10 (irot) and 6.5.12 (imir).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.images.colours import Colours, profile_colours
from curation.images.file_kinds import heif_kind
from curation.images.header import check_frame_size
from curation.quarantine import HINTS, BadRecord, Code

if TYPE_CHECKING:
    import PIL.Image

HOW: Final = {
    "HEIF": "install what reads it: pip install 'portrait-curate[heif]' (pillow-heif); or ",
    "AVIF": "install a Pillow that is built with AVIF (pip install --upgrade pillow); or ",
}
"""How a format is read that is not, before the usual hint."""
HDR: Final = frozenset({16, 18})
"""Transfer characteristics PQ and HLG (ITU-T H.273, table 3): read as sRGB, such a picture is far too dark or pale."""


def decode_heif(data: bytes, *, file: str) -> NDArray[np.uint8]:
    """Return the picture in a HEIC or AVIF file as (height, width, 3) uint8 sRGB, as displayed.

    Raises BadRecord: FORMAT where nothing is installed that decodes it, or where it does not decode; TOO_LARGE; MODE
    for a picture of high dynamic range.
    """
    kind = heif_kind(data)
    assert kind is not None, "it was asked whether it is one"
    try:
        opened = (_opened_heif if kind == "HEIF" else _opened_avif)(data, file=file)
        _refuse_hdr(opened.info, file=file)
        values = np.asarray(opened.convert("RGB"), np.uint8)
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError) as error:
        reason = f"a file of format {kind} that does not decode: {str(error).strip()}"
        raise BadRecord(Code.FORMAT, reason, file=file, value=data[:16]) from error
    return _colours(opened.info).to_srgb(np.ascontiguousarray(values))


def _opened_heif(data: bytes, *, file: str) -> PIL.Image.Image:
    try:
        import pillow_heif
    except ImportError:
        raise _unread("HEIF", data, file=file) from None
    found: Any = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    check_frame_size(*found.size, file=file)
    picture: PIL.Image.Image = found.to_pillow()
    return picture


def _opened_avif(data: bytes, *, file: str) -> PIL.Image.Image:
    import PIL.features
    import PIL.Image
    import PIL.ImageOps

    if not PIL.features.check("avif"):
        raise _unread("AVIF", data, file=file)
    picture = PIL.Image.open(io.BytesIO(data), formats=("AVIF",))
    check_frame_size(*picture.size, file=file)
    if getattr(picture, "n_frames", 1) > 1:
        raise BadRecord(Code.FORMAT, "an animated AVIF", file=file)
    info = dict(picture.info)
    shown = PIL.ImageOps.exif_transpose(picture)  # Pillow tells irot and imir as an EXIF orientation
    shown.info = info
    return shown


def _unread(kind: str, data: bytes, *, file: str) -> BadRecord:
    hint = f"{HOW[kind]}{HINTS[Code.FORMAT]}"
    return BadRecord(Code.FORMAT, f"a file of format {kind}", file=file, value=data[:16], hint=hint)


def _refuse_hdr(info: dict[Any, Any], *, file: str) -> None:
    told = info.get("nclx_profile")
    if isinstance(told, dict) and told.get("transfer_characteristics") in HDR:
        hint = "save it with standard dynamic range, 8 bits, as JPEG"
        raise BadRecord(Code.MODE, "a picture of high dynamic range (PQ or HLG)", file=file, hint=hint)


def _colours(info: dict[Any, Any]) -> Colours:
    profile = info.get("icc_profile")
    return profile_colours(profile) if isinstance(profile, bytes) and profile else Colours()

"""The pixel door: the only file that decodes and encodes images, so that there is one rule for each kind of pixel.

The rules, for everything that comes in:
- the structure is checked first (`header.inspect`), so that no decoder sees a bomb or a format not allowed;
- what a decoder can only guess, or complains about, is refused: no grey areas where data is missing;
- the EXIF orientation is applied, so that all pictures of one file lie the same way;
- 16-bit values become 8-bit ones by `round(value * 255 / 65535)`; gray is copied to three channels, a palette is
  looked up, CMYK ink without a profile is taken off white (`(255 - ink) * (255 - black) / 255`);
- colours are brought to sRGB where an embedded profile says otherwise (`colours`); values of labels never are;
- transparency is left out of an image: its colours stay as stored, nothing is composited.

What is encoded is sRGB and says nothing of it, which every program reads as sRGB.
"""

from __future__ import annotations

import io
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.alpha_scale import check_scale
from curation.images.colours import colours_of
from curation.images.decoder_stderr import decoder_complaints
from curation.images.file_kinds import heif_kind
from curation.images.header import ImageHeader, inspect
from curation.images.heif import decode_heif
from curation.images.mask_values import mask_hint
from curation.images.orientation import turned
from curation.images.plain_png import plain_png_alpha, plain_png_gray
from curation.images.written_png import png_of
from curation.quarantine import BadRecord, Code

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3) RGB, 0..255, as displayed."""
Mask: TypeAlias = NDArray[np.uint8]
"""(height, width), 0 = background, 255 = person."""
Alpha: TypeAlias = NDArray[np.uint8]
"""(height, width), 0 = background, 255 = foreground."""
Gray: TypeAlias = NDArray[np.uint8]
"""(height, width), 0..255."""
Probability: TypeAlias = NDArray[np.float32]
"""(height, width) float32: the probability of person, 0..1."""
Stored: TypeAlias = NDArray[Any]
"""What the decoder gives: (height, width) or (height, width, 3 or 4) in BGR order, uint8 or uint16, not yet turned."""

VALUES_SHOWN: Final = 6
CUT_OUT_HINT: Final = (
    "where its alpha channel is the label, read it as an alpha (`curate pairs --alphas`, `curate hf --alpha-column`)"
)
COLOURED_HINT: Final = "a label has one value for each pixel: save it as gray, or as PNG with a palette; no colours"
JPEG_NOISE: Final = 16
"""JPEG moves black and white by less at usual qualities."""
DAMAGED_HINT: Final = "fetch the file again; it is damaged"


def decode_image(data: bytes, *, file: str) -> Image:
    """Return the picture in a JPEG, PNG or WebP file as (height, width, 3) uint8 sRGB, as displayed.

    HEIC and AVIF files are decoded where something is installed that does (`heif`).
    Raises BadRecord: NOT_IMAGE, FORMAT, TRUNCATED, TOO_LARGE, MODE.
    """
    if heif_kind(data) is not None:
        return decode_heif(data, file=file)
    header = inspect(data, file=file)
    colours = colours_of(data, header=header, file=file)
    if header.mode == "CMYK":
        ink = _decode_ink(data, file=file)
        image = colours.to_srgb(ink) if colours.is_converted else _off_white(ink)
        return turned(image, orientation=header.orientation)
    if header.bit_depth == 16:  # OpenCV's own way to 8 bits depends on the libpng it was built with
        image = _to_8_bit(_three_channels(_decode(data, flags=cv2.IMREAD_UNCHANGED, file=file)))
    else:
        image = _decode(data, flags=cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION, file=file)
    return turned(colours.to_srgb(image), orientation=header.orientation)


def decode_alpha(data: bytes, *, file: str) -> Alpha:
    """Return the alpha channel of a PNG or WebP file as (height, width) uint8, as displayed.

    A file without one is refused, never taken for opaque; so is one whose values are no alpha (`alpha_scale`).
    Raises BadRecord: NO_ALPHA, ALPHA_SCALE, and those of `decode_image`.
    """
    header = inspect(data, file=file)
    if not header.has_alpha:
        raise BadRecord(Code.NO_ALPHA, f"a {header.format} of mode {header.mode}, without alpha", file=file)
    if (plain := plain_png_alpha(data)) is not None:
        return _scaled_alpha(plain, header=header, file=file)
    stored = _decode(data, flags=cv2.IMREAD_UNCHANGED, file=file)
    if stored.ndim != 3 or stored.shape[2] != 4:
        raise BadRecord(Code.NO_ALPHA, "the header promises an alpha channel, the picture has none", file=file)
    return _scaled_alpha(cv2.extractChannel(stored, 3), header=header, file=file)


def decode_matte(data: bytes, *, file: str, may_be_jpeg: bool = False) -> Alpha:
    """Return a matte that is stored as a gray picture (one channel, or three equal ones) as (height, width) uint8.

    Raises BadRecord: MASK_VALUES (a JPEG that may not be one, or a coloured picture), ALPHA_SCALE, and those of
    `decode_image`.
    """
    header = inspect(data, file=file)
    stored = _gray(_decode(data, flags=cv2.IMREAD_UNCHANGED, file=file), file=file)
    if header.format == "JPEG" and not may_be_jpeg:
        hint = mask_hint(np.unique(stored), is_jpeg=True)
        raise BadRecord(Code.MASK_VALUES, f"a matte saved as JPEG: {histogram(stored)}", file=file, hint=hint)
    return _scaled_alpha(stored, header=header, file=file)


def decode_gray(data: bytes, *, file: str) -> Gray:
    """Return a gray picture of 8 bits, such as a stored prediction, as (height, width) uint8, whatever its values are.

    Raises BadRecord: MODE for 16 bits, MASK_VALUES (a coloured picture), and those of `decode_image`.
    """
    header = inspect(data, file=file)
    if (stored := plain_png_gray(data)) is None:
        stored = _gray(_decode(data, flags=cv2.IMREAD_UNCHANGED, file=file), file=file)
    if stored.dtype != np.uint8:
        raise BadRecord(Code.MODE, f"{header.bit_depth} bits a pixel, 8 were expected", file=file)
    return turned(stored, orientation=header.orientation)


def decode_mask(data: bytes, *, file: str) -> Mask:
    """Return a binary mask as (height, width) uint8 of 0 and 255, as displayed.

    The file holds 0 and 255, or 0 and 1, or (16 bits) 0 and 65535, in one channel or in three equal ones. A palette
    is looked up; where its colours are no such values, the indices 0 and 1 count.
    Raises BadRecord: MASK_VALUES with a histogram of the values, and those of `decode_image`.
    """
    header = inspect(data, file=file)
    if (stored := plain_png_gray(data)) is None:
        stored = _decode(data, flags=cv2.IMREAD_UNCHANGED, file=file)
    if header.mode == "P" and not _is_binary(stored):
        stored = _opened_by_pillow(data, kind="PNG")
    stored = _gray(stored, file=file)
    is_jpeg = header.format == "JPEG"
    if is_jpeg or not _is_binary(stored):
        kind = "a mask saved as JPEG" if is_jpeg else "values that are no mask"
        hint = mask_hint(np.unique(stored), is_jpeg=is_jpeg)
        raise BadRecord(Code.MASK_VALUES, f"{kind}: {histogram(stored)}", file=file, hint=hint)
    mask = (stored > 0).view(np.uint8) * np.uint8(255)
    return turned(mask, orientation=header.orientation)


def decode_values(data: bytes, *, file: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the values of a gray label as they are stored, (height, width) of 8 or 16 bits, as displayed.

    Of a picture with a palette these are the indices, which are its classes.
    Raises BadRecord: MASK_VALUES (a coloured picture), and those of `decode_image`.
    """
    header = inspect(data, file=file)
    stored: Stored = _decode(data, flags=cv2.IMREAD_UNCHANGED, file=file)
    if header.mode == "P":
        stored = _opened_by_pillow(data, kind="PNG")
    return turned(_gray(stored, file=file), orientation=header.orientation)


def encode_mask(mask: Mask) -> bytes:
    """Return a mask as PNG: 8 bits, one channel, 0 and 255. Equal masks give equal bytes."""
    return encode_gray(mask)


def encode_gray(array: Gray) -> bytes:
    """Return an alpha, a trimap or a class map, (height, width) uint8, as an 8-bit one-channel PNG.

    Equal arrays give equal bytes, on every machine. OpenCV's fast bilevel mode writes 1-bit files, which Pillow reads
    as booleans, so that `> 127` gives an empty mask.
    """
    return png_of(array)


def encode_image(image: Image, *, quality: int | None = None) -> bytes:
    """Return a picture, (height, width, 3) RGB or (height, width, 4) RGBA, as PNG, or as JPEG of that `quality`
    (0..100).

    Equal pictures give equal bytes.
    """
    assert image.ndim == 3 and image.dtype == np.uint8, f"expected (h, w, c) uint8, got {image.shape} {image.dtype}"
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[image.shape[2]]
    extension, settings = (".png", []) if quality is None else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    is_encoded, encoded = cv2.imencode(extension, cv2.cvtColor(image, order), settings)
    assert is_encoded, "OpenCV encodes every picture of 8 bits"
    return encoded.tobytes()


def encode_webp(image: Image, *, quality: int) -> bytes:
    """Return a picture, (height, width, 3) RGB, as WebP of that `quality` (0..100), for pages."""
    is_encoded, encoded = cv2.imencode(
        ".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality]
    )
    assert is_encoded, "OpenCV encodes every picture of 8 bits"
    return encoded.tobytes()


def histogram(values: Stored) -> str:
    """Say which values an array holds, the most frequent first.

    >>> histogram(np.array([[0, 0, 0], [255, 255, 7]], dtype=np.uint8))
    '0 (3x), 255 (2x), 7 (1x)'
    """
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = ", ".join(f"{found[i]} ({counts[i]:,}x)" for i in order[:VALUES_SHOWN])
    return shown if len(found) <= VALUES_SHOWN else f"{shown} and {len(found) - VALUES_SHOWN} more values"


def _decode(data: bytes, *, flags: int, file: str) -> Stored:
    """Decode with OpenCV; whatever it cannot decode wholly is refused."""
    with decoder_complaints() as complaints:
        try:
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise BadRecord(Code.TRUNCATED, f"does not decode: {error.err}", file=file, hint=DAMAGED_HINT) from error
    if decoded is None or complaints:
        said = "; ".join(complaints) or "the data does not decode"
        raise BadRecord(Code.TRUNCATED, said, file=file, hint=DAMAGED_HINT)
    return decoded


def _decode_ink(data: bytes, *, file: str) -> NDArray[np.uint8]:
    """Return the ink of a CMYK or YCCK JPEG, (height, width, 4), 255 = full.

    It lies inverted in such files, whoever wrote them.
    """
    _decode(data, flags=cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, file=file)  # Pillow would not complain
    return _opened_by_pillow(data, kind="JPEG")


def _off_white(ink: NDArray[np.uint8]) -> Image:
    wide = ink.astype(np.uint32)
    product = (255 - wide[..., :3]) * (255 - wide[..., 3:])
    return ((product + 127) // 255).astype(np.uint8)


def _opened_by_pillow(data: bytes, *, kind: str) -> NDArray[np.uint8]:
    import PIL.Image  # only here: most commands need it for no file, and it would slow the start of each process

    with PIL.Image.open(io.BytesIO(data), formats=(kind,)) as picture:
        return np.asarray(picture, dtype=np.uint8)


def _three_channels(stored: Stored) -> Stored:
    """Return BGR, BGRA or gray values as RGB, whatever the number of bits."""
    if stored.ndim == 2:
        return np.repeat(stored[:, :, None], 3, axis=2)
    return stored[:, :, 2::-1]


def _gray(stored: Stored, *, file: str) -> Stored:
    """Return the one channel of a gray picture; three equal channels are one, and an opaque alpha says nothing."""
    if stored.ndim == 2:
        return stored
    if stored.shape[2] == 4 and (stored[..., 3] != np.iinfo(stored.dtype).max).any():
        reason = "a gray picture was expected, this one is partly transparent"
        raise BadRecord(Code.MASK_VALUES, reason, file=file, hint=CUT_OUT_HINT)
    blue, green, red = (stored[..., channel] for channel in range(3))
    is_coloured = (blue != green) | (green != red)
    if is_coloured.any():
        reason = f"a gray picture was expected, this one is coloured ({np.count_nonzero(is_coloured):,} pixels)"
        raise BadRecord(Code.MASK_VALUES, reason, file=file, hint=COLOURED_HINT)
    return np.ascontiguousarray(green)


def _scaled_alpha(stored: Stored, *, header: ImageHeader, file: str) -> Alpha:
    """Return stored alpha values on the scale 0..255, as displayed; raise BadRecord: ALPHA_SCALE (`check_scale`)."""
    alpha = _to_8_bit(stored)
    if header.format == "JPEG":  # what JPEG scatters around black and white would look like areas of few values
        plain = np.where(alpha <= JPEG_NOISE, 0, np.where(alpha >= 255 - JPEG_NOISE, 255, alpha)).astype(np.uint8)
        check_scale(plain, stored=plain, file=file)
    else:
        check_scale(alpha, stored=stored, file=file)
    return turned(alpha, orientation=header.orientation)


def _to_8_bit(stored: Stored) -> NDArray[np.uint8]:
    """Rescale 16-bit values exactly: round(value * 255 / 65535) is (value + 128) // 257, for 65535 = 255 * 257."""
    if stored.dtype == np.uint8:
        return stored
    return ((stored.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _is_binary(stored: Stored) -> bool:
    """Tell whether the values are 0 and one of 1, 255 and (16 bits) 65535."""
    highest = stored.max()
    return highest in {0, 1, 255, 65535} and bool(((stored == 0) | (stored == highest)).all())

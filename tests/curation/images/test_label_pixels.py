"""Decoding labels: alphas, mattes and masks of every kind of file, and what is refused."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import PIL.Image
import pytest

from curation.images.pixels import decode_alpha, decode_gray, decode_mask, decode_matte
from curation.quarantine import BadRecord, Code


def picture(width: int = 64, height: int = 48, *, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(values, (0, 0), 2)


def saved(array: np.ndarray | PIL.Image.Image, kind: str = "PNG", **more: object) -> bytes:
    stream = io.BytesIO()
    image = array if isinstance(array, PIL.Image.Image) else PIL.Image.fromarray(array)
    image.save(stream, kind, **more)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, rows: list[bytes], *, colour_type: int, depth: int = 8, extra: bytes = b"") -> bytes:
    """Write a PNG by hand, so that neither decoder has a say in what it holds."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    end = chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + end


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


PALETTE = chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 0, 7, 8, 9, 255, 255, 255]))


def refusal(decode: Callable[..., np.ndarray], data: bytes) -> BadRecord:
    with pytest.raises(BadRecord) as refused:
        decode(data, file="a.png")
    assert refused.value.file == "a.png"
    return refused.value


# --- alphas and mattes


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(png(2, [bytes([1, 2, 3, 4, 5, 6, 7, 200])], colour_type=6), [4, 200], id="RGBA"),
        pytest.param(png(2, [bytes([9, 0, 9, 77])], colour_type=4), [0, 77], id="LA"),
        pytest.param(png(2, [words(1, 2, 3, 40_000, 5, 6, 7, 65_535)], colour_type=6, depth=16), [156, 255], id="16"),
        pytest.param(png(2, [words(9, 40_000, 9, 300)], colour_type=4, depth=16), [156, 1], id="LA 16"),
        pytest.param(
            png(4, [b"\x1b"], colour_type=3, depth=2, extra=PALETTE + chunk(b"tRNS", b"\0\x50")),
            [0, 80, 255, 255],
            id="palette",
        ),
        pytest.param(png(2, [bytes([1, 2, 3, 0] * 2)], colour_type=6), [0, 0], id="all transparent"),
    ],
)
def test_each_kind_of_alpha_is_read_exactly(data: bytes, expected: list[int]) -> None:
    assert decode_alpha(data, file="a").tolist() == [expected]


def test_the_alpha_of_a_webp_is_read() -> None:
    alpha = picture()[..., 0]
    data = saved(np.dstack([picture(seed=1), alpha]), "WEBP", lossless=True, exact=True)
    assert decode_alpha(data, file="a").tolist() == alpha.tolist()


@pytest.mark.parametrize(
    "data",
    [
        png(1, [bytes([1, 2, 3])], colour_type=2),
        png(1, [bytes([1])], colour_type=0),
        png(1, [b"\0"], colour_type=3, extra=PALETTE),
        png(1, [bytes([1, 2, 3])], colour_type=2, extra=chunk(b"tRNS", words(1, 2, 3))),
        saved(picture(), "JPEG"),
        saved(picture(), "WEBP"),
    ],
)
def test_a_file_without_alpha_is_refused_and_not_taken_for_opaque(data: bytes) -> None:
    assert refusal(decode_alpha, data).code is Code.NO_ALPHA


@pytest.mark.parametrize(
    "data",
    [
        png(2, [bytes([9, 9, 9, 0, 9, 9, 9, 1])], colour_type=6),
        png(2, [bytes([9, 9, 9, 0, 9, 9, 9, 100])], colour_type=6),
        png(2, [words(9, 9, 9, 0, 9, 9, 9, 255)], colour_type=6, depth=16),
        png(2, [words(9, 9, 9, 0, 9, 9, 9, 4095)], colour_type=6, depth=16),
        png(2, [words(9, 9, 9, 0, 9, 9, 9, 16383)], colour_type=6, depth=16),
    ],
)
def test_an_alpha_on_a_scale_that_can_only_be_guessed_is_refused(data: bytes) -> None:
    assert refusal(decode_alpha, data).code is Code.ALPHA_SCALE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(3, [bytes([0, 99, 255])], colour_type=0), [0, 99, 255]),
        (png(2, [bytes([9, 9, 9, 250, 250, 250])], colour_type=2), [9, 250]),
        (png(2, [words(40_000, 0)], colour_type=0, depth=16), [156, 0]),
        (png(2, [bytes([9, 9, 9, 255, 250, 250, 250, 255])], colour_type=6), [9, 250]),
        (png(8, [b"\xf0"], colour_type=0, depth=1), [255] * 4 + [0] * 4),
    ],
)
def test_a_gray_picture_is_read_as_a_matte(data: bytes, expected: list[int]) -> None:
    assert decode_matte(data, file="a").tolist() == [expected]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (saved(picture(), "PNG"), Code.MASK_VALUES),
        (saved(picture()[..., 0], "JPEG"), Code.MASK_VALUES),
        (png(1, [bytes([9, 9, 9, 200])], colour_type=6), Code.MASK_VALUES),
        (png(2, [bytes([0, 1])], colour_type=0), Code.ALPHA_SCALE),
    ],
)
def test_what_is_no_gray_matte_is_refused(data: bytes, code: Code) -> None:
    assert refusal(decode_matte, data).code is code


# --- masks

BLACK_WHITE = chunk(b"PLTE", bytes([255, 255, 255, 0, 0, 0]))
VOC = chunk(b"PLTE", bytes([0, 0, 0, 128, 0, 0, 0, 128, 0]))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(png(2, [bytes([0, 255])], colour_type=0), [0, 255], id="0 and 255"),
        pytest.param(png(2, [bytes([0, 1])], colour_type=0), [0, 255], id="0 and 1"),
        pytest.param(png(2, [bytes([1, 1])], colour_type=0), [255, 255], id="only 1"),
        pytest.param(png(2, [bytes([0, 0])], colour_type=0), [0, 0], id="empty"),
        pytest.param(png(8, [b"\x03"], colour_type=0, depth=1), [0] * 6 + [255] * 2, id="1 bit"),
        pytest.param(png(2, [words(0, 65_535)], colour_type=0, depth=16), [0, 255], id="16 bits"),
        pytest.param(png(2, [words(0, 1)], colour_type=0, depth=16), [0, 255], id="16 bits, 0 and 1"),
        pytest.param(png(2, [bytes([0, 0, 0, 255, 255, 255])], colour_type=2), [0, 255], id="RGB"),
        pytest.param(png(2, [bytes([0, 0, 0, 255, 1, 1, 1, 255])], colour_type=6), [0, 255], id="opaque RGBA"),
        pytest.param(png(2, [bytes([0, 1])], colour_type=3, extra=BLACK_WHITE), [255, 0], id="palette: colours win"),
        pytest.param(png(2, [bytes([0, 1])], colour_type=3, extra=VOC), [0, 255], id="palette: index of a class"),
    ],
)
def test_each_kind_of_binary_mask_is_read(data: bytes, expected: list[int]) -> None:
    assert decode_mask(data, file="a").tolist() == [expected]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(4, [bytes([0, 0, 7, 255])], colour_type=0), r"0 \(2x\), 7 \(1x\), 255 \(1x\)"),
        (png(3, [bytes([0, 1, 255])], colour_type=0), r"255 \(1x\)"),
        (png(2, [bytes([0, 2])], colour_type=0), r"2 \(1x\)"),
        (png(3, [bytes([0, 1, 2])], colour_type=3, extra=VOC), r"2 \(1x\)"),
        (png(2, [words(0, 40_000)], colour_type=0, depth=16), "40000"),
        (saved(picture()), "coloured"),
        (png(1, [bytes([0, 0, 0, 0])], colour_type=6), "transparent"),
        (saved(np.full((8, 8), 255, np.uint8), "JPEG"), r"JPEG: 255 \(64x\)"),
        (saved(picture()[..., 0]), "more values"),
    ],
)
def test_what_is_no_binary_mask_is_refused_with_its_values(data: bytes, said: str) -> None:
    refused = refusal(decode_mask, data)
    assert refused.code is Code.MASK_VALUES
    with pytest.raises(BadRecord, match=said):
        raise refused


@pytest.mark.parametrize("values", [(0, 1), (0, 128, 255), (7,)])
def test_a_gray_picture_is_given_as_stored_whatever_its_scale(values: tuple[int, ...]) -> None:
    stored = np.random.default_rng(0).choice(np.array(values, np.uint8), size=(9, 7))
    assert (decode_gray(saved(stored), file="a.png") == stored).all()


def test_a_gray_picture_of_16_bits_or_of_colours_is_no_stored_one() -> None:
    with pytest.raises(BadRecord) as deep:
        decode_gray(saved(np.full((4, 4), 300, np.uint16)), file="a.png")
    with pytest.raises(BadRecord) as coloured:
        decode_gray(saved(picture()), file="a.png")
    assert (deep.value.code, coloured.value.code) == (Code.MODE, Code.MASK_VALUES)

"""The alpha, or the gray, of a plain PNG is the one that OpenCV gives; what is not plain is left alone."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.images.pixels import encode_gray
from curation.images.plain_png import plain_png_alpha, plain_png_gray

FILTERS = {
    "none": cv2.IMWRITE_PNG_FILTER_NONE,
    "sub": cv2.IMWRITE_PNG_FILTER_SUB,
    "up": cv2.IMWRITE_PNG_FILTER_UP,
    "average": cv2.IMWRITE_PNG_FILTER_AVG,
    "paeth": cv2.IMWRITE_PNG_FILTER_PAETH,
}


def png(pixels: np.ndarray, *, filter_name: str = "sub") -> bytes:
    settings = (cv2.IMWRITE_PNG_FILTER, FILTERS[filter_name])
    return cv2.imencode(".png", pixels, settings)[1].tobytes()


def noise(height: int, width: int, channels: int = 4, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(4))))
def test_the_alpha_of_what_opencv_writes_is_what_opencv_reads(pixels: np.ndarray) -> None:
    alpha = plain_png_alpha(png(pixels))
    assert alpha is not None
    assert np.array_equal(alpha, pixels[..., 3])


@pytest.mark.parametrize("size", [(800, 600), (3, 40_000), (2000, 7), (1, 1)])
@pytest.mark.parametrize("filter_name", ["none", "sub"])
def test_many_blocks_make_one_alpha(size: tuple[int, int], filter_name: str) -> None:
    pixels = noise(*size)
    assert np.array_equal(plain_png_alpha(png(pixels, filter_name=filter_name)), pixels[..., 3])


@pytest.mark.parametrize("filter_name", ["up", "average", "paeth"])
def test_rows_that_depend_on_the_row_above_are_left_to_the_decoder(filter_name: str) -> None:
    assert plain_png_alpha(png(noise(20, 20), filter_name=filter_name)) is None


def test_rows_of_both_plain_kinds_in_one_file_are_left_to_the_decoder() -> None:
    rows = b"".join(bytes([kind]) + bytes(range(16)) for kind in (0, 1, 0, 1))
    assert plain_png_alpha(with_data(png(noise(4, 4)), zlib.compress(rows))) is None


@pytest.mark.parametrize("pixels", [noise(5, 5, 3), noise(5, 5, 1), noise(5, 5).astype(np.uint16) * 257])
def test_other_modes_are_left_to_the_decoder(pixels: np.ndarray) -> None:
    assert plain_png_alpha(png(pixels)) is None


def with_data(data: bytes, compressed: bytes) -> bytes:
    """Return the PNG with other compressed data."""
    chunk = b"IDAT" + compressed
    idat = len(compressed).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return data[:33] + idat + data[-12:]


def test_data_of_another_length_than_the_header_says_is_left_to_the_decoder() -> None:
    data, row = png(noise(4, 4)), bytes(17)
    good = with_data(data, zlib.compress(row * 4))
    assert np.array_equal(plain_png_alpha(good), np.zeros((4, 4)))
    for wrong in (row * 3, row * 5, row * 4 + b"\0", row * 3 + b"\0"):
        assert plain_png_alpha(with_data(data, zlib.compress(wrong))) is None


def test_damaged_data_is_left_to_the_decoder() -> None:
    data, compressed = png(noise(4, 4)), zlib.compress(bytes(17 * 4))
    bad_sum = compressed[:-1] + bytes([compressed[-1] ^ 1])
    for wrong in (bad_sum, compressed[:-4], compressed[:-5], compressed[:1], b"", b"\xff" * 20):
        assert plain_png_alpha(with_data(data, wrong)) is None


def test_the_data_may_lie_in_many_chunks() -> None:
    pixels = noise(30, 30)
    data = png(pixels)
    compressed, position = b"", 8
    while data[position + 4 : position + 8] != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"IDAT":
            compressed += data[position + 8 : position + 8 + length]
        position += length + 12
    chunks = b""
    for start in range(0, len(compressed), 100):
        chunk = b"IDAT" + compressed[start : start + 100]
        chunks += (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert np.array_equal(plain_png_alpha(data[:33] + chunks + data[-12:]), pixels[..., 3])


@pytest.mark.parametrize("size", [(800, 600), (3, 300_000), (2000, 7), (1, 1)])
def test_a_gray_picture_of_ours_is_read_as_opencv_reads_it(size: tuple[int, int]) -> None:
    data = encode_gray(noise(*size, 1)[..., 0])
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(plain_png_gray(data), expected)


def test_gray_pictures_that_others_write_are_the_same_or_left_to_the_decoder() -> None:
    pixels = noise(20, 30, 1)[..., 0]
    assert np.array_equal(plain_png_gray(png(pixels, filter_name="none")), pixels)
    for filter_name in ("sub", "up", "average", "paeth"):
        assert plain_png_gray(png(pixels, filter_name=filter_name)) is None
    for other in (noise(5, 5, 3), noise(5, 5), pixels.astype(np.uint16) * 257):
        assert plain_png_gray(png(other)) is None


def test_a_gray_picture_with_a_transparent_level_is_left_to_the_decoder() -> None:
    data, chunk = encode_gray(np.zeros((4, 4), np.uint8)), b"tRNS\0\0"
    transparent = (2).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert plain_png_gray(data[:33] + transparent + data[33:]) is None


def test_gray_pictures_that_are_damaged_or_of_another_length_are_left_to_the_decoder() -> None:
    data, row = encode_gray(np.zeros((4, 4), np.uint8)), bytes(5)
    assert np.array_equal(plain_png_gray(with_data(data, zlib.compress(row * 4))), np.zeros((4, 4)))
    good = zlib.compress(row * 4)
    for wrong in (zlib.compress(row * 3), zlib.compress(row * 5), good[:-1] + bytes([good[-1] ^ 1]), good[:-4], b""):
        assert plain_png_gray(with_data(data, wrong)) is None
    nothing = data[:16] + bytes(4) + data[20:]
    assert plain_png_gray(nothing) is None and plain_png_gray(b"no picture") is None

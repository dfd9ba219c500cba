"""Decoding and encoding: golden pixels for each kind of file, turned pictures, damage, masks, alphas and mattes."""

import io
import os
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from curation.images.pixels import (
    decode_alpha,
    decode_image,
    decode_mask,
    decode_matte,
)
from curation.quarantine import BadRecord, Code
from tests.places import REAL_DATA

MUTATIONS = int(os.environ.get("CURATE_MUTATIONS", "2000"))
DECODERS: list[Callable[..., np.ndarray]] = [decode_image, decode_alpha, decode_matte, decode_mask]


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


def exif(orientation: int) -> PIL.Image.Exif:
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    return block


PALETTE = chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 0, 7, 8, 9, 255, 255, 255]))


def refusal(decode: Callable[..., np.ndarray], data: bytes) -> BadRecord:
    with pytest.raises(BadRecord) as refused:
        decode(data, file="a.png")
    assert refused.value.file == "a.png"
    return refused.value


# --- pictures


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(png(2, [bytes([7, 200])], colour_type=0), [[7] * 3, [200] * 3], id="gray"),
        pytest.param(
            png(8, [b"\xa5"], colour_type=0, depth=1), [[255 * bit] * 3 for bit in (1, 0, 1, 0, 0, 1, 0, 1)], id="1 bit"
        ),
        pytest.param(png(4, [b"\x1b"], colour_type=0, depth=2), [[85 * i] * 3 for i in range(4)], id="2 bits"),
        pytest.param(png(2, [b"\x0f"], colour_type=0, depth=4), [[0] * 3, [255] * 3], id="4 bits"),
        pytest.param(png(2, [words(1000, 40_000)], colour_type=0, depth=16), [[4] * 3, [156] * 3], id="gray 16"),
        pytest.param(png(2, [bytes([7, 0, 200, 9])], colour_type=4), [[7] * 3, [200] * 3], id="LA"),
        pytest.param(png(1, [words(40_000, 1)], colour_type=4, depth=16), [[156] * 3], id="LA 16"),
        pytest.param(png(1, [bytes([1, 2, 3])], colour_type=2), [[1, 2, 3]], id="RGB"),
        pytest.param(png(1, [words(40_000, 128, 129)], colour_type=2, depth=16), [[156, 0, 1]], id="RGB 16"),
        pytest.param(png(1, [bytes([1, 2, 3, 0])], colour_type=6), [[1, 2, 3]], id="RGBA, transparent"),
        pytest.param(png(1, [words(65_535, 257, 0, 5)], colour_type=6, depth=16), [[255, 1, 0]], id="RGBA 16"),
        pytest.param(
            png(4, [b"\x1b"], colour_type=3, depth=2, extra=PALETTE),
            [[10, 20, 30], [200, 100, 0], [7, 8, 9], [255, 255, 255]],
            id="palette",
        ),
        pytest.param(
            png(2, [b"\x10"], colour_type=3, depth=2, extra=PALETTE + chunk(b"tRNS", b"\0\x50")),
            [[10, 20, 30], [200, 100, 0]],
            id="palette with transparency",
        ),
        pytest.param(
            png(1, [bytes([1, 2, 3])], colour_type=2, extra=chunk(b"tRNS", words(1, 2, 3))),
            [[1, 2, 3]],
            id="colour key",
        ),
    ],
)
def test_each_kind_of_png_gives_the_declared_rgb(data: bytes, expected: list[list[int]]) -> None:
    image = decode_image(data, file="a.png")
    assert image.dtype == np.uint8
    assert image.tolist() == [expected]


@given(values=arrays(np.uint16, (3, 5)))
def test_sixteen_bits_become_eight_by_exact_rounding(values: np.ndarray) -> None:
    data = png(5, [words(*row) for row in values.tolist()], colour_type=0, depth=16)
    expected = [[round(value * 255 / 65535) for value in row] for row in values.tolist()]
    assert decode_image(data, file="a")[..., 1].tolist() == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_pixels_are_those_that_pillow_reads(mode: str, kind: str) -> None:
    if kind == "JPEG" and mode in {"P", "LA", "RGBA"}:
        mode = "RGB"
    image = PIL.Image.fromarray(picture()).convert(mode)
    data = saved(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    with PIL.Image.open(io.BytesIO(data)) as read:
        assert decode_image(data, file="a").tolist() == np.asarray(read.convert("RGB")).tolist()


@pytest.mark.parametrize("has_adobe_marker", [True, False])
def test_cmyk_ink_is_taken_off_white_whether_or_not_the_file_has_adobes_marker(has_adobe_marker: bool) -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[..., 0], ink[..., 3] = 200, 40  # cyan and black
    data = saved(PIL.Image.fromarray(ink, "CMYK"), "JPEG", quality=100)
    if not has_adobe_marker:
        at = data.index(b"\xff\xee")
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    white = 255 - ink[0, 0].astype(int)
    expected = white[:3] * white[3] / 255
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(by_opencv - expected).max() <= 2
    assert np.abs(decode_image(data, file="a").astype(float) - expected).max() <= 1.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_as_pillow_turns_them(kind: str, orientation: int) -> None:
    data = saved(picture(), kind, exif=exif(orientation))
    with PIL.Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(PIL.ImageOps.exif_transpose(image))
    assert decode_image(data, file="a").tolist() == expected.tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_alphas_mattes_and_masks_are_turned_with_their_picture(orientation: int) -> None:
    alpha = picture()[..., 0]
    cutout = saved(PIL.Image.fromarray(np.dstack([picture(), alpha])), exif=exif(orientation))
    gray = saved(alpha, exif=exif(orientation))
    mask = saved((alpha > 127) * np.uint8(255), exif=exif(orientation))
    with PIL.Image.open(io.BytesIO(gray)) as image:
        expected = np.asarray(PIL.ImageOps.exif_transpose(image))
    assert decode_alpha(cutout, file="a").tolist() == expected.tolist()
    assert decode_matte(gray, file="a").tolist() == expected.tolist()
    assert decode_mask(mask, file="a").tolist() == ((expected > 127) * 255).tolist()


# --- damage


def test_a_jpeg_cut_short_and_closed_again_is_refused_not_filled_with_grey(capfd: pytest.CaptureFixture[str]) -> None:
    data = saved(picture(160, 120), "JPEG", quality=95)
    assert refusal(decode_image, data[: len(data) // 2] + b"\xff\xd9").code is Code.TRUNCATED
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "content",
    [
        zlib.compress(bytes(4 * 13))[:-5],
        zlib.compress(bytes(2 * 13)),
        zlib.compress(b"\7" * 4 * 13),
        zlib.compress(bytes(4 * 13))[:-1] + b"x",
        b"no zlib stream",
    ],
)
@pytest.mark.parametrize("decode", [decode_image, decode_alpha])
def test_png_data_that_does_not_fill_the_picture_is_refused(
    decode: Callable[..., np.ndarray], content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 4, 8, 6, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    assert refusal(decode, data).code is Code.TRUNCATED
    assert capfd.readouterr().err == ""


def test_a_webp_whose_data_stops_early_is_refused() -> None:
    data = saved(picture(), "WEBP", quality=80)
    half = data[20 : 20 + len(data) // 4 * 2]
    short = b"WEBPVP8 " + struct.pack("<I", len(half)) + half
    assert refusal(decode_image, b"RIFF" + struct.pack("<I", len(short)) + short).code is Code.TRUNCATED


def test_a_broken_colour_profile_is_no_reason_to_refuse(capfd: pytest.CaptureFixture[str]) -> None:
    data = png(1, [bytes([1, 2, 3])], colour_type=2, extra=chunk(b"iCCP", b"broken\0\0" + zlib.compress(b"junk")))
    assert decode_image(data, file="a").tolist() == [[[1, 2, 3]]]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"GIF89a" + b"\0" * 50, b"%!PS-Adobe\nquit\n"])
def test_no_decoder_is_asked_about_what_is_no_allowed_image(decode: Callable[..., np.ndarray], data: bytes) -> None:
    assert refusal(decode, data).code in {Code.NOT_IMAGE, Code.FORMAT}


def test_a_bomb_is_refused_by_our_limit_before_the_decoders_have_to() -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    content = zlib.compress(bytes(2501 * 20_000))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    for decode in DECODERS:
        assert refusal(decode, data).code is Code.TOO_LARGE
    assert PIL.Image.MAX_IMAGE_PIXELS is not None  # theirs stays on
    assert PIL.Image.MAX_IMAGE_PIXELS > 64_000_000


def test_random_damage_never_raises_anything_else(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    image = picture()
    wholes = [
        saved(image, "JPEG"),
        saved(image, "JPEG", progressive=True, exif=exif(6)),
        saved(PIL.Image.fromarray(image).convert("CMYK"), "JPEG"),
        saved(np.dstack([image, image[..., :1]])),
        saved(PIL.Image.fromarray(image).convert("P")),
        saved(PIL.Image.fromarray(image).convert("1")),
        saved(image, "WEBP"),
        saved(np.dstack([image, image[..., :1]]), "WEBP", lossless=True),
    ]
    for number in range(MUTATIONS):
        data = bytearray(wholes[number % len(wholes)])
        for at in rng.integers(0, min(len(data), 10 ** rng.integers(1, 5)), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        try:
            result = DECODERS[number // len(wholes) % len(DECODERS)](bytes(data), file="a")
        except BadRecord:
            continue
        assert result.dtype == np.uint8
        assert result.size > 0
    assert capfd.readouterr().err == ""


# --- encoding


@pytest.mark.real
@pytest.mark.parametrize("folder", ["coco/train2017", "portraits/images"])
def test_real_photographs_are_read_as_pillow_reads_them(folder: str) -> None:
    paths = sorted((REAL_DATA / "data" / folder).glob("*.jpg"))[:40]
    if not paths:
        pytest.skip(f"no photographs in {folder} of the real data (CURATE_REAL_DATA)")
    for path in paths:
        with PIL.Image.open(path) as image:
            profile, expected = image.info.get("icc_profile"), PIL.ImageOps.exif_transpose(image).convert("RGB")
        found = decode_image(path.read_bytes(), file=str(path))
        if profile is None or np.array_equal(found, expected):
            assert np.array_equal(found, expected), path
        else:
            embedded = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
            shown = PIL.ImageCms.profileToProfile(expected, embedded, PIL.ImageCms.createProfile("sRGB"), 1)
            assert np.array_equal(found, shown), path

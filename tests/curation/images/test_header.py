"""Image files checked by structure: what they say about themselves, cuts, damage, bombs, other formats, orientation."""

import io
import struct
import time
import zlib

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.images.header import exif_orientation, inspect
from curation.quarantine import BadRecord, Code

CUTS = 1000


def picture(width: int = 160, height: int = 120, *, seed: int = 0) -> PIL.Image.Image:
    """Return noise on a gradient: every format writes many bytes for it."""
    rng = np.random.default_rng(seed)
    values = np.linspace(0, 200, width)[None, :, None] + rng.integers(0, 56, (height, width, 3))
    return PIL.Image.fromarray(values.astype(np.uint8))


def saved(image: PIL.Image.Image, kind: str, **settings_of_kind: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings_of_kind)
    return stream.getvalue()


def exif(orientation: int) -> PIL.Image.Exif:
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    return block


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_start(width: int, height: int, *, depth: int = 8, colour_type: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)


def with_thumbnail(image: PIL.Image.Image) -> bytes:
    """Return a JPEG whose EXIF block holds a whole JPEG, end marker included."""
    thumbnail = saved(image.resize((40, 30)), "JPEG")
    return saved(image, "JPEG", quality=90, exif=b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail)


FILES = {
    "baseline JPEG": saved(picture(), "JPEG", quality=90),
    "progressive JPEG": saved(picture(), "JPEG", quality=90, progressive=True),
    "JPEG with restart markers": saved(picture(), "JPEG", quality=90, restart_marker_rows=1),
    "JPEG with a thumbnail": with_thumbnail(picture()),
    "gray JPEG": saved(picture().convert("L"), "JPEG"),
    "PNG": saved(picture(), "PNG"),
    "RGBA PNG": saved(picture().convert("RGBA"), "PNG"),
    "lossy WebP": saved(picture(), "WEBP", quality=80),
    "lossless WebP": saved(picture(), "WEBP", lossless=True),
    "WebP with alpha": saved(picture().convert("RGBA").rotate(20), "WEBP", exif=exif(3)),
}


def refusal(data: bytes) -> BadRecord:
    with pytest.raises(BadRecord) as refused:
        inspect(data, file="a.jpg")
    assert refused.value.file == "a.jpg"
    return refused.value


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_accepted_with_its_size(name: str) -> None:
    header = inspect(FILES[name], file=name)
    assert (header.width, header.height) == (160, 120)
    assert header.format in name.upper()


@pytest.mark.parametrize("name", FILES)
def test_no_cut_is_accepted(name: str) -> None:
    data = FILES[name]
    for length in np.unique(np.linspace(1, len(data) - 1, CUTS).astype(int)):
        assert refusal(data[:length]).code is Code.TRUNCATED, length


@pytest.mark.parametrize("name", [name for name in FILES if "WebP" not in name])  # WebP has no end marker
def test_a_file_whose_second_half_never_arrived_and_is_zero_is_refused(name: str) -> None:
    data = FILES[name]
    assert refusal(data[: len(data) // 2] + bytes(len(data) - len(data) // 2)).code is Code.TRUNCATED


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("tail", [b"\0" * 100, b"SEFT\xff\xd8\xff\xe0", b"<?php echo 1; ?>"])
def test_bytes_after_the_end_are_tolerated(name: str, tail: bytes) -> None:
    assert inspect(FILES[name] + tail, file=name) == inspect(FILES[name], file=name)


def test_fill_bytes_before_jpeg_markers_are_stepped_over() -> None:
    data = FILES["baseline JPEG"]
    at = data.index(b"\xff\xdb")
    assert inspect(data[:at] + b"\xff\xff\xff" + data[at:-2] + b"\xff\xff\xd9", file="a").width == 160


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.NOT_IMAGE),
        (b"<!DOCTYPE html><html>404</html>", Code.NOT_IMAGE),
        (b"  \n<html><svg/></html>", Code.NOT_IMAGE),
        (b"not found", Code.NOT_IMAGE),
        (b"BMW owners' list", Code.NOT_IMAGE),
        (b"RIFF\x24\0\0\0WAVEfmt ", Code.NOT_IMAGE),
        (b"\0" * 5000, Code.NOT_IMAGE),
        (saved(picture(), "GIF"), Code.FORMAT),
        (saved(picture(), "TIFF"), Code.FORMAT),
        (saved(picture(), "BMP"), Code.FORMAT),
        (saved(picture(), "JPEG2000"), Code.FORMAT),
        (saved(picture(), "EPS"), Code.FORMAT),
        (saved(picture(), "AVIF"), Code.FORMAT),
        (b"\0\0\0\x18ftypheic\0\0\0\0", Code.FORMAT),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', Code.FORMAT),
        (b"<svg/>", Code.FORMAT),
        (saved(picture(), "PNG", save_all=True, append_images=[picture(seed=1)]), Code.FORMAT),
        (saved(picture(), "WEBP", save_all=True, append_images=[picture(seed=1)]), Code.FORMAT),
    ],
)
def test_what_is_no_still_jpeg_png_or_webp_is_refused_with_its_code(data: bytes, code: Code) -> None:
    assert refusal(data).code is code


def test_a_png_of_400_megapixels_is_refused_before_it_is_read() -> None:
    bomb = png_start(20_000, 20_000) + b"\0" * 1_000_000
    started = time.process_time()
    assert refusal(bomb).code is Code.TOO_LARGE
    assert time.process_time() - started < 0.1


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(FILES["baseline JPEG"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (png_start(2**31 - 1, 1), Code.TOO_LARGE),
        (png_start(20_001, 1), Code.TOO_LARGE),
        (png_start(8001, 8000), Code.TOO_LARGE),
        (jpeg_claiming(65_500, 65_500), Code.TOO_LARGE),
        (png_start(0, 5), Code.NOT_IMAGE),
        (jpeg_claiming(0, 5), Code.NOT_IMAGE),
        (b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6, Code.TOO_LARGE),
    ],
)
def test_impossible_sizes_in_a_header_are_refused(data: bytes, code: Code) -> None:
    assert refusal(data).code is code


@pytest.mark.parametrize(("limit", "largest"), [("MAX_PIXELS", 160 * 120), ("MAX_SIDE_PX", 160)])
def test_what_is_larger_than_a_limit_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str, largest: int) -> None:
    monkeypatch.setattr(f"curation.images.header.{limit}", largest)
    assert inspect(FILES["PNG"], file="a").height == 120
    monkeypatch.setattr(f"curation.images.header.{limit}", largest - 1)
    assert {refusal(data).code for data in FILES.values()} == {Code.TOO_LARGE}


def test_a_file_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.images.header.MAX_IMAGE_BYTES", 100)
    assert {refusal(data).code for data in FILES.values()} == {Code.TOO_LARGE}


def changed(name: str, old: bytes, new: bytes) -> bytes:
    assert old in FILES[name]
    return FILES[name].replace(old, new, 1)


@pytest.mark.parametrize(
    "data",
    [
        changed("baseline JPEG", b"\xff\xdb\0", b"\xff\xdb\xf0"),
        changed("baseline JPEG", b"\xff\xdb\0\x43", b"\xff\xdb\0\x01"),
        changed("baseline JPEG", b"\xff\xdb", b"\x12\xdb"),
        changed("baseline JPEG", b"\xff\xdb", b"\xff\x00"),
        changed("baseline JPEG", b"\xff\xc0\0\x11\x08", b"\xff\xe2\0\x11\x08"),
        changed("baseline JPEG", b"\xff\xc0\0\x11\x08\0\x78\0\xa0\x03", b"\xff\xc0\0\x11\x08\0\x78\0\xa0\x04"),
        b"\xff\xd8\xff\xd9" * 2,
        b"\xff\xd8" + 2 * b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\0\0\0" + b"\xff\xd9",
        png_start(1, 1) + png_chunk(b"IEND", b""),
        png_start(1, 1, colour_type=3) + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b""),
        png_start(1, 1, colour_type=2, depth=4),
        png_start(1, 1, colour_type=5),
        png_start(1, 1) + png_start(1, 1)[8:],
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", b"12 bytes..ok"),
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IDAT", b"x"),
        changed("lossy WebP", b"\x9d\x01\x2a", b"\x9d\x01\x2b"),
        b"RIFF\x0c\0\0\0WEBPXXXX\0\0\0\0",
        b"RIFF\x0c\0\0\0WEBPXXXX\x02\0\0\0" + b"\0" * 20,
    ],
)
def test_bytes_that_contradict_each_other_are_refused(data: bytes) -> None:
    assert refusal(data).code is Code.TRUNCATED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FILES["PNG"][:60], "inside chunk IDAT"),
        (FILES["PNG"][:33], "before chunk IEND"),
        (png_start(1, 1) + png_start(1, 1)[8:], "chunk IHDR is out of place"),
        (b"RIFF\x0c\0\0\0WEBPXXXX\x02\0\0\0" + b"\0" * 20, "chunk XXXX at byte 12 is longer than the file"),
    ],
)
def test_chunks_are_named_as_they_are_written_in_the_standards(data: bytes, reason: str) -> None:
    assert refusal(data).reason.endswith(reason)


@pytest.mark.parametrize(
    "data",
    [
        changed("baseline JPEG", b"\xff\xc0", b"\xff\xc3"),
        changed("baseline JPEG", b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
        b"\xff\xd8\xff\xc0\0\x0e\x08\0\x01\0\x01\x02" + b"\0" * 6 + b"\xff\xd9",
    ],
)
def test_jpegs_that_do_not_turn_into_8_bit_rgb_are_refused(data: bytes) -> None:
    assert refusal(data).code is Code.MODE


@given(at=st.integers(8, len(FILES["PNG"]) - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_of_a_png_is_noticed(at: int, bit: int) -> None:
    data = bytearray(FILES["PNG"])
    data[at] ^= 1 << bit
    with pytest.raises(BadRecord):
        inspect(bytes(data), file="a")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_size_is_that_of_the_picture_as_pillow_turns_it(kind: str, orientation: int) -> None:
    from PIL import ImageOps

    data = saved(picture(40, 30), kind, exif=exif(orientation))
    header = inspect(data, file="a")
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert (header.width, header.height) == ImageOps.exif_transpose(image).size
        assert (header.stored_width, header.stored_height) == image.size
    assert header.orientation == orientation


@pytest.mark.parametrize("block", [b"", b"II*\0", b"Exif", b"II*\0\xff\xff\xff\x7f", exif(9).tobytes()[6:]])
def test_a_broken_exif_block_means_upright(block: bytes) -> None:
    assert exif_orientation(block) == 1
    assert inspect(saved(picture(), "JPEG", exif=b"Exif\0\0" + block), file="a").orientation == 1


@given(block=st.binary(max_size=200))
@settings(max_examples=300)
def test_no_exif_block_raises(block: bytes) -> None:
    assert 1 <= exif_orientation(block) <= 8
    assert 1 <= exif_orientation(b"II*\0\x08\0\0\0" + block) <= 8


@pytest.mark.parametrize(
    ("mode", "settings_of_mode", "expected"),
    [
        ("1", {}, ("L", 1, False)),
        ("L", {}, ("L", 8, False)),
        ("LA", {}, ("LA", 8, True)),
        ("P", {}, ("P", 8, False)),
        ("P", {"transparency": 3}, ("P", 8, True)),
        ("RGB", {}, ("RGB", 8, False)),
        ("RGB", {"transparency": (1, 2, 3)}, ("RGB", 8, False)),
        ("RGBA", {}, ("RGBA", 8, True)),
        ("I;16", {}, ("L", 16, False)),
    ],
)
def test_the_kind_of_pixels_in_a_png_is_told(
    mode: str, settings_of_mode: dict[str, object], expected: tuple[str, int, bool]
) -> None:
    header = inspect(saved(picture().convert("L").convert(mode), "PNG", **settings_of_mode), file="a")
    assert (header.mode, header.bit_depth, header.has_alpha) == expected


def test_alpha_in_webp_is_told() -> None:
    assert not inspect(FILES["lossy WebP"], file="a").has_alpha
    assert inspect(FILES["WebP with alpha"], file="a").has_alpha
    assert inspect(saved(picture().convert("RGBA").rotate(20), "WEBP", lossless=True), file="a").has_alpha

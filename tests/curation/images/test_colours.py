"""Colours: profiles bring pixels to sRGB as the formulas of their spaces say; what cannot be used is told."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import pytest

from curation.images.colours import file_colours
from curation.images.pixels import decode_alpha, decode_gray, decode_image, decode_mask, decode_matte
from tests.curation.images.test_pixels import chunk, exif, picture, png, saved, words
from tests.icc_profiles import (
    ADOBE_FILE,
    ADOBE_GAMMA,
    ADOBE_RGB,
    DISPLAY_P3,
    P3_FILE,
    SRGB,
    SRGB_FILE,
    gamma,
    gray_profile,
    in_srgb,
    ink_profile,
    lab_in_srgb,
    profile,
    rgb_profile,
    srgb_encoded,
    srgb_linear,
)

GRID = np.stack(np.meshgrid(*[np.arange(0, 256, 17, dtype=np.uint8)] * 3), axis=-1).reshape(64, 64, 3)
SPACES = {
    "Display P3": (P3_FILE, DISPLAY_P3, srgb_linear),
    "Adobe RGB (1998)": (ADOBE_FILE, ADOBE_RGB, gamma(ADOBE_GAMMA)),
}
MUTATIONS = int(os.environ.get("CURATE_MUTATIONS", "2000")) // 20


def iccp(data: bytes) -> bytes:
    return chunk(b"iCCP", b"a profile\0\0" + zlib.compress(data))


def within(found: np.ndarray, expected: np.ndarray, *, most: float) -> bool:
    print(np.abs(found - expected).max())
    return bool(np.abs(found - expected).max() <= most)


# --- what a profile says is done


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_colours_are_those_that_the_formulas_of_the_space_give(name: str, kind: str) -> None:
    data, primaries, curve = SPACES[name]
    file = saved(GRID, kind, icc_profile=data, **({"lossless": True} if kind == "WEBP" else {}))
    assert within(decode_image(file, file="a"), in_srgb(GRID, primaries=primaries, curve=curve), most=1.5)
    colours = file_colours(file, file="a")
    assert (colours.name, colours.is_converted, colours.problem) == (name, True, "")


@pytest.mark.parametrize("name", SPACES)
def test_a_jpeg_is_converted_after_it_is_decoded(name: str) -> None:
    data, primaries, curve = SPACES[name]
    stored = np.repeat(np.repeat(GRID[:8, :8], 16, axis=0), 16, axis=1)
    file = saved(stored, "JPEG", quality=100, subsampling=0, icc_profile=data)
    plain = decode_image(saved(stored, "JPEG", quality=100, subsampling=0), file="a")
    assert within(decode_image(file, file="a"), in_srgb(plain, primaries=primaries, curve=curve), most=1.5)


def test_white_black_and_gray_stay_where_the_white_is_the_same() -> None:
    stored = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert within(decode_image(saved(stored, icc_profile=P3_FILE), file="a"), stored.astype(int), most=1)


def test_a_profile_in_many_segments_is_joined_by_their_numbers() -> None:
    large = rgb_profile(ADOBE_RGB, curve=gamma(ADOBE_GAMMA), name="large", more={b"priv": b"data" + bytes(200_000)})
    file = saved(picture(), "JPEG", icc_profile=large)
    expected = decode_image(saved(picture(), "JPEG", icc_profile=ADOBE_FILE), file="a")
    assert file.count(b"ICC_PROFILE\0") == 4
    assert np.array_equal(decode_image(file, file="a"), expected)
    start = file.index(b"ICC_PROFILE\0") - 4
    length = 2 + int.from_bytes(file[start + 2 : start + 4], "big")
    swapped = file[:start] + file[start + length : start + 2 * length] + file[start : start + length]
    assert np.array_equal(decode_image(swapped + file[start + 2 * length :], file="a"), expected)


def test_gray_is_converted_by_its_own_curve() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    linear = gray_profile(gamma(1.0))
    expected = np.repeat(255 * srgb_encoded(gray / 255)[..., None], 3, axis=2)
    for kind in ("PNG", "JPEG"):
        file = saved(gray, kind, icc_profile=linear, **({"quality": 100} if kind == "JPEG" else {}))
        stored = decode_image(saved(gray, kind, **({"quality": 100} if kind == "JPEG" else {})), file="a")
        found = decode_image(file, file="a")
        assert within(found, 255 * srgb_encoded(stored / 255), most=1)
    assert within(decode_image(saved(gray, icc_profile=linear), file="a"), expected, most=1)


def test_a_gray_picture_with_a_profile_for_rgb_is_read_as_three_equal_channels() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = in_srgb(np.repeat(gray[..., None], 3, axis=2), primaries=ADOBE_RGB, curve=gamma(ADOBE_GAMMA))
    assert within(decode_image(png(16, [bytes(row) for row in gray], colour_type=0, extra=iccp(ADOBE_FILE)), file="a"),
                  expected, most=1.5)  # fmt: skip


def test_palettes_and_sixteen_bits_are_converted_too() -> None:
    palette = chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 0]))
    file = png(2, [b"\x10"], colour_type=3, depth=4, extra=iccp(ADOBE_FILE) + palette)
    colours = np.array([[[200, 100, 0], [10, 20, 30]]])
    expected = in_srgb(colours, primaries=ADOBE_RGB, curve=gamma(ADOBE_GAMMA))
    assert within(decode_image(file, file="a"), expected, most=1.5)
    deep = png(1, [words(200 * 257, 100 * 257, 0)], colour_type=2, depth=16, extra=iccp(ADOBE_FILE))
    assert within(decode_image(deep, file="a"), expected[:, :1], most=1.5)


def lab_of(cyan: float, magenta: float, yellow: float, black: float) -> tuple[float, float, float]:
    light = 1 - black
    return 100 * light * (1 - 0.3 * cyan) * (1 - 0.4 * magenta), light * (20 * magenta - 20 * cyan), light * 40 * yellow


def test_inks_are_what_their_profile_says() -> None:
    inks = np.array([[[255 * (n >> bit & 1) for bit in (3, 2, 1, 0)]] for n in range(16)], np.uint8)
    stored = np.repeat(np.repeat(inks, 16, axis=0), 16, axis=1)  # (256, 16, 4)
    file = saved(PIL.Image.frombytes("CMYK", (16, 256), stored.tobytes()), "JPEG", quality=100,
                 icc_profile=ink_profile(lab_of))  # fmt: skip
    found = decode_image(file, file="a")[8::16, 8]
    expected = np.stack([lab_in_srgb(*lab_of(*(ink[0] / 255.0))) for ink in inks])
    assert within(found, expected, most=3)  # 8 bits of L*a*b*, and JPEG
    assert np.abs(expected - (255 - inks[:, 0, :3])).max() > 50  # not what the plain rule gives


def test_turning_comes_after_the_colours() -> None:
    file = saved(picture(), "JPEG", icc_profile=ADOBE_FILE, exif=exif(6))
    with PIL.Image.open(io.BytesIO(file)) as opened:
        turned = PIL.ImageOps.exif_transpose(opened)
        adobe = PIL.ImageCms.ImageCmsProfile(io.BytesIO(ADOBE_FILE))
        expected = PIL.ImageCms.profileToProfile(
            turned, adobe, PIL.ImageCms.createProfile("sRGB"), PIL.ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    assert np.array_equal(decode_image(file, file="a"), np.asarray(expected))


# --- what is sRGB stays as it is


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(SRGB_FILE, id="ours"),
        pytest.param(PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes(), id="littlecms"),
        pytest.param(rgb_profile(SRGB, curve=srgb_linear, name="Display P3"), id="with another name"),
    ],
)
def test_a_profile_that_is_srgb_changes_no_bit(data: bytes) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        file = saved(picture(), kind, icc_profile=data)
        assert np.array_equal(decode_image(file, file="a"), decode_image(saved(picture(), kind), file="a"))
        assert not file_colours(file, file="a").is_converted


def test_a_gray_profile_of_srgbs_own_curve_changes_no_bit() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    file = saved(gray, icc_profile=gray_profile(srgb_linear))
    assert np.array_equal(decode_image(file, file="a")[..., 0], gray)


def test_a_name_alone_does_not_make_a_profile_srgb() -> None:
    named = rgb_profile(ADOBE_RGB, curve=gamma(ADOBE_GAMMA), name="sRGB IEC61966-2.1")
    assert np.array_equal(
        decode_image(saved(GRID, icc_profile=named), file="a"),
        decode_image(saved(GRID, icc_profile=ADOBE_FILE), file="a"),
    )


def test_labels_are_values_and_no_colours() -> None:
    gray = picture()[..., 0]
    mask = (gray > 127) * np.uint8(255)
    cutout = np.dstack([picture(), gray])
    linear = gray_profile(gamma(1.0))
    assert np.array_equal(decode_gray(saved(gray, icc_profile=linear), file="a"), gray)
    assert np.array_equal(decode_matte(saved(gray, icc_profile=linear), file="a"), gray)
    assert np.array_equal(decode_mask(saved(mask, icc_profile=linear), file="a"), mask)
    assert np.array_equal(decode_alpha(saved(cutout, icc_profile=ADOBE_FILE), file="a"), gray)


def test_gamma_and_primaries_of_a_png_are_not_followed() -> None:
    extra = chunk(b"gAMA", struct.pack(">I", 100_000))
    extra += chunk(
        b"cHRM", struct.pack(">8I", *(round(100_000 * v) for xy in ((0.3127, 0.329), *DISPLAY_P3) for v in xy))
    )
    rows = [bytes(row.reshape(-1)) for row in picture()]
    assert np.array_equal(decode_image(png(64, rows, colour_type=2, extra=extra), file="a"), picture())


# --- what cannot be used

UNUSABLE = {
    "no profile": (b"junk" * 100, "no ICC profile"),
    "cut off": (P3_FILE[:-1000], "ends after"),
    "gray in RGB": (gray_profile(gamma(1.8)), "for 'GRAY' in a picture of mode RGB"),
    "ink in RGB": (ink_profile(lab_of), "for 'CMYK' in a picture of mode RGB"),
    "large": (rgb_profile(DISPLAY_P3, curve=srgb_linear, name="", more={b"priv": bytes(5 << 20)}), "more than"),
    "device link": (rgb_profile(DISPLAY_P3, curve=srgb_linear, name="", kind=b"link"), "class 'link'"),
    "named colours": (rgb_profile(DISPLAY_P3, curve=srgb_linear, name="", kind=b"nmcl"), "class 'nmcl'"),
    "nothing in it": (profile({}), "littlecms cannot use"),
    "a tag outside": (profile({b"desc": bytes(40)}).replace(struct.pack(">I", 144), b"\x7f\xff\xff\xff"), "outside"),
    "all black": (rgb_profile(SRGB, curve=lambda value: value * 0, name="black"), "one colour of all"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_profile_that_cannot_be_used_is_told_and_the_picture_is_read_as_srgb(name: str, kind: str) -> None:
    data, reason = UNUSABLE[name]
    file = saved(picture(), kind, icc_profile=data)
    assert np.array_equal(decode_image(file, file="a"), decode_image(saved(picture(), kind), file="a"))
    assert reason in file_colours(file, file="a").problem


def test_a_profile_for_rgb_says_nothing_of_inks() -> None:
    inks = PIL.Image.fromarray(picture()).convert("CMYK")
    file = saved(inks, "JPEG", icc_profile=P3_FILE)
    assert np.array_equal(decode_image(file, file="a"), decode_image(saved(inks, "JPEG"), file="a"))
    assert "for 'RGB' in a picture of mode CMYK" in file_colours(file, file="a").problem


def test_a_lost_or_doubled_segment_is_told() -> None:
    large = rgb_profile(ADOBE_RGB, curve=gamma(ADOBE_GAMMA), name="large", more={b"priv": b"data" + bytes(200_000)})
    file = saved(picture(), "JPEG", icc_profile=large)
    start = file.index(b"ICC_PROFILE\0") - 4
    length = 2 + int.from_bytes(file[start + 2 : start + 4], "big")
    lost, doubled = file[:start] + file[start + length :], file[:start] + file[start : start + length] + file[start:]
    assert file_colours(lost, file="a").problem == "the profile has 4 parts, of which 3 are there"
    assert "twice" in file_colours(doubled, file="a").problem
    plain = decode_image(saved(picture(), "JPEG"), file="a")
    assert np.array_equal(decode_image(lost, file="a"), plain)
    assert np.array_equal(decode_image(doubled, file="a"), plain)


def test_a_png_profile_that_does_not_inflate_or_inflates_without_end_is_told() -> None:
    rows = [bytes(3)]
    cut = chunk(b"iCCP", b"a\0\0" + zlib.compress(P3_FILE)[:-20])
    bomb = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(20 << 20)))
    for extra, reason in ((cut, "its end is missing"), (bomb, "more than")):
        file = png(1, rows, colour_type=2, extra=extra)
        assert decode_image(file, file="a").tolist() == [[[0, 0, 0]]]
        assert reason in file_colours(file, file="a").problem


def test_random_damage_to_a_profile_never_keeps_a_picture_from_being_read(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    wholes = [P3_FILE, ADOBE_FILE, ink_profile(lab_of)]
    inks = PIL.Image.fromarray(picture(8, 8)).convert("CMYK")
    told = 0
    for number in range(MUTATIONS):
        data = bytearray(wholes[number % 3])
        for at in rng.integers(0, min(len(data), 10 ** rng.integers(2, 5)), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        file = saved(inks if number % 3 == 2 else picture(8, 8), "JPEG", icc_profile=bytes(data))
        assert decode_image(file, file="a").shape == (8, 8, 3)
        told += bool(file_colours(file, file="a").problem)
    assert 0 < told < MUTATIONS
    assert capfd.readouterr().err == ""


def test_pixels_are_converted_in_strips_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(picture(), icc_profile=ADOBE_FILE)
    whole = decode_image(file, file="a")
    monkeypatch.setattr("curation.images.colours.PIXELS_AT_ONCE", 100)
    assert np.array_equal(decode_image(file, file="a"), whole)


def test_what_is_written_is_the_srgb_that_was_read(tmp_path: Path) -> None:
    from curation.images.pixels import encode_image

    converted = decode_image(saved(GRID, icc_profile=P3_FILE), file="a")
    data = encode_image(converted)
    assert "icc_profile" not in PIL.Image.open(io.BytesIO(data)).info
    assert np.array_equal(cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB), converted)

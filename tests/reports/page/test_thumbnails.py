"""Small pictures, against pictures drawn by another library."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from curation.images.thumbnails import outline_path, thumbnail, thumbnail_size
from reports.page.thumbnails import alpha_tile, error_paths, prediction_path, trimap_tile


def pixels(data: bytes) -> NDArray[np.uint8]:
    with PIL.Image.open(BytesIO(data)) as picture:
        return np.asarray(picture)


def filled(path: str, *, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill an SVG path by the even-odd rule, with its rim, by Pillow."""
    area = np.zeros(size, bool)
    rim = np.zeros(size, bool)
    for ring in re.findall(r"M(-?\d+) (-?\d+)l([^z]*)z", path):
        steps = np.array(list(map(int, ring[2].split()))).reshape(-1, 2)
        points = [tuple(map(int, point)) for point in np.cumsum([(int(ring[0]), int(ring[1])), *steps], axis=0)]
        picture = PIL.Image.new("1", (size[1], size[0]))
        PIL.ImageDraw.Draw(picture).polygon(points, fill=1, outline=1)
        area ^= np.asarray(picture)
        picture = PIL.Image.new("1", (size[1], size[0]))
        PIL.ImageDraw.Draw(picture).line([*points, points[0]], fill=1)
        rim |= np.asarray(picture)
    either: NDArray[np.bool_] = area | rim
    return either


@given(height=st.integers(1, 20000), width=st.integers(1, 20000))
def test_a_thumbnail_keeps_its_shape_and_fits(height: int, width: int) -> None:
    h, w = thumbnail_size((height, width))
    assert 1 <= h <= 320
    assert 1 <= w <= 320
    assert abs(h * width - w * height) <= max(height, width)


def test_a_thumbnail_keeps_the_order_of_colours_and_drops_metadata() -> None:
    image = np.full((400, 200, 3), (220, 30, 60), np.uint8)
    data = thumbnail(image, size=(320, 160))
    assert np.abs(pixels(data).astype(int) - (220, 30, 60)).max() < 12
    with PIL.Image.open(BytesIO(data)) as picture:
        assert (picture.format, picture.size, dict(picture.getexif())) == ("WEBP", (160, 320), {})
    assert len(data) < 2000


@pytest.mark.parametrize("shape", ["disc", "ring", "two parts", "touching the border"])
def test_a_filled_outline_is_the_mask_but_for_its_rim(shape: str) -> None:
    y, x = np.mgrid[:80, :60]
    inside = {
        "disc": (y - 40) ** 2 + (x - 30) ** 2 < 400,
        "ring": ((y - 40) ** 2 + (x - 30) ** 2 < 600) & ((y - 40) ** 2 + (x - 30) ** 2 > 150),
        "two parts": ((y < 20) & (x > 40)) | ((y > 60) & (x < 20)),
        "touching the border": (y > 30) & (x > 10),
    }[shape]
    mask = np.where(inside, np.uint8(255), np.uint8(0))
    wrong = filled(outline_path(mask, size=(80, 60)), size=(80, 60)) != inside
    assert wrong.sum() <= (60 if shape == "ring" else 0), "only the inner rim of a hole may be counted as inside"


def test_an_empty_mask_has_no_outline() -> None:
    assert outline_path(np.zeros((50, 40), np.uint8), size=(25, 20)) == ""


def test_a_single_pixel_far_away_still_has_an_outline() -> None:
    mask = np.zeros((1000, 1000), np.uint8)
    mask[500, 500] = 255
    assert outline_path(mask, size=(320, 320)).startswith("M")


def test_a_scaled_trimap_holds_three_values_and_keeps_its_band() -> None:
    trimap = np.zeros((900, 900), np.uint8)
    trimap[:, 450:] = 255
    trimap[:, 448:451] = 128
    tile = pixels(trimap_tile(trimap, size=(320, 320)))
    assert set(np.unique(tile)) == {0, 128, 255}
    assert (tile == 128).any(axis=1).all()


def test_an_alpha_tile_keeps_soft_values() -> None:
    tile = pixels(alpha_tile(np.full((640, 480), 77, np.uint8), size=(320, 240)))
    assert tile.shape == (320, 240)
    assert np.unique(tile).tolist() == [77]


def test_the_two_kinds_of_errors_are_where_prediction_and_label_differ() -> None:
    label, prediction = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    label[2:6, 0:4] = 255
    prediction[2:6, 2:6] = 128
    extra, missed = error_paths(prediction, label=label, valid=None, size=(8, 8))
    assert extra == outline_path(rectangle(rows=(2, 6), columns=(4, 6)), size=(8, 8))
    assert missed == outline_path(rectangle(rows=(2, 6), columns=(0, 2)), size=(8, 8))


def test_pixels_that_do_not_count_are_no_errors() -> None:
    everything, nothing = np.full((8, 8), 255, np.uint8), np.zeros((8, 8), np.uint8)
    valid = np.zeros((8, 8), np.bool_)
    assert error_paths(everything, label=nothing, valid=valid, size=(8, 8)) == ("", "")


def test_a_probability_below_one_half_is_no_person() -> None:
    assert prediction_path(np.full((4, 4), 127, np.uint8), size=(4, 4)) == ""


def rectangle(*, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.uint8]:
    drawn = np.zeros((8, 8), np.uint8)
    drawn[slice(*rows), slice(*columns)] = 255
    return drawn

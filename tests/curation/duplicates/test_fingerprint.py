"""Copies look alike, other pictures do not; nothing here knows how a look is made."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

from curation.duplicates.fingerprint import look_of
from curation.duplicates.near_duplicates import ALIKE_DISTANCE, NearSearch, look_distance
from curation.images.pixels import Image

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def photograph(name: str) -> Image:
    image: Image = np.ascontiguousarray(getattr(skimage.data, name)())
    return image


def as_jpeg(image: Image, *, quality: int) -> Image:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), dtype=np.uint8)


def resized(image: Image, *, scale: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def brightened(image: Image, *, factor: float) -> Image:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def copies(image: Image) -> dict[str, Image]:
    height, width = image.shape[:2]
    top, left = round(0.05 * height), round(0.05 * width)
    return {
        "poor JPEG": as_jpeg(image, quality=30),
        "half the size": resized(image, scale=0.5),
        "twice the size": resized(image, scale=2.0),
        "cropped left": image[:, left:],
        "cropped in a corner": image[top:, : width - left],
        "cropped all around": image[top // 2 : height - top // 2, left // 2 : width - left // 2],
        "brighter": brightened(image, factor=1.15),
        "darker": brightened(image, factor=0.85),
        "all of it": as_jpeg(resized(brightened(image[top:, left:], factor=1.15), scale=0.5), quality=30),
    }


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("change", list(copies(np.zeros((64, 64, 3), np.uint8))))
def test_a_changed_copy_looks_like_its_original(name: str, change: str) -> None:
    image = photograph(name)
    copy = np.ascontiguousarray(copies(image)[change])
    assert look_distance(look_of(image), look_of(copy)) <= ALIKE_DISTANCE
    assert [pair[:2] for pair in NearSearch(np.stack([look_of(image), look_of(copy)])).pairs()] == [(0, 1)]


def test_different_photographs_do_not_look_alike() -> None:
    looks = np.stack([look_of(photograph(name)) for name in PHOTOGRAPHS])
    assert list(NearSearch(looks).pairs()) == []


def test_the_distance_is_the_same_both_ways() -> None:
    first, second = look_of(photograph("coffee")), look_of(photograph("rocket"))
    assert look_distance(first, second) == look_distance(second, first)


def test_a_picture_of_one_colour_resembles_nothing_not_even_itself() -> None:
    looks = np.stack([look_of(np.full((80, 60, 3), level, np.uint8)) for level in (0, 128, 128, 255)])
    assert list(NearSearch(looks).pairs()) == []


def test_a_mirrored_picture_is_another_picture() -> None:
    image = photograph("chelsea")
    assert look_distance(look_of(image), look_of(np.ascontiguousarray(image[:, ::-1]))) > ALIKE_DISTANCE


def test_every_pair_is_found_across_the_edges_of_blocks() -> None:
    rng = np.random.default_rng(0)
    different = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(40)]
    looks = np.stack([look_of(picture) for picture in different])
    repeated = np.tile(looks, (60, 1, 1))  # 2,400: more than two blocks
    pairs = {pair[:2] for pair in NearSearch(repeated).pairs()}
    assert pairs == {(i, j) for i in range(2400) for j in range(i + 1, 2400) if (j - i) % 40 == 0}


@pytest.mark.parametrize(
    ("turn", "turned"),
    [
        ("mirrored", lambda image: image[:, ::-1]),
        ("upside down", lambda image: image[::-1]),
        ("half turn", lambda image: image[::-1, ::-1]),
    ],
)
def test_a_mirror_image_is_a_copy_also_when_it_is_brighter_and_cropped(turn: str, turned: Any) -> None:
    image = cv2.resize(np.random.default_rng(3).integers(0, 200, (6, 8, 3), dtype=np.uint8), (160, 120))
    brighter = np.clip(image.astype(np.float32) * 1.2 + 10, 0, 255).astype(np.uint8)
    for copy in (turned(image), turned(brighter)[3:-2, 4:-1]):
        looks = np.stack([look_of(image), look_of(np.ascontiguousarray(copy))])
        assert [pair[3] for pair in NearSearch(looks).pairs()] == [turn]


def test_a_symmetric_image_is_a_plain_copy_of_itself_and_no_image_of_its_own() -> None:
    half = cv2.resize(np.random.default_rng(4).integers(0, 200, (6, 4, 3), dtype=np.uint8), (80, 120))
    image = np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))
    assert [pair[:2] + pair[3:] for pair in NearSearch(np.stack([look_of(image)] * 2)).pairs()] == [(0, 1, "")]

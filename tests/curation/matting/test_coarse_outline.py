"""Background inside of a coarse outline: discs of known colours, with outlines that are too large by known pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.images.pixels import Image, Mask
from curation.matting.coarse_outline import without_background

COAT, GRASS = (150, 60, 50), (70, 150, 60)


def disc(radius: int, *, size: int = 400) -> Mask:
    return np.asarray(cv2.circle(np.zeros((size, size), np.uint8), (size // 2, size // 2), radius, 255, -1), np.uint8)


def photograph(person: Mask, *, behind: tuple[int, int, int] = GRASS, noise: float = 6.0) -> Image:
    """Return a person in a coat, its edge a little soft, with noise on everything."""
    soft = cv2.GaussianBlur(person, (0, 0), 1).astype(np.float64)[:, :, None] / 255
    picture = soft * COAT + (1 - soft) * np.array(behind)
    grain = np.random.default_rng(0).normal(0, noise, picture.shape)
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


def overlap(one: Mask, other: Mask) -> float:
    return float(np.count_nonzero((one > 0) & (other > 0)) / np.count_nonzero((one > 0) | (other > 0)))


@pytest.mark.parametrize(("beyond", "least"), [(4, 0.985), (8, 0.96)])
def test_what_lies_beyond_the_person_is_taken_away(beyond: int, least: float) -> None:
    """Before, it is 120^2 / 124^2 = 0.937 and 120^2 / 128^2 = 0.879 of both."""
    truth = disc(120)
    found = without_background(photograph(truth), mask=disc(120 + beyond))
    assert overlap(found, truth) > least
    assert set(np.unique(found)) == {0, 255}


@pytest.mark.parametrize("off", [-6, 0, 1])
def test_an_outline_on_the_person_stays_as_it_is(off: int) -> None:
    mask = disc(120 + off)
    assert without_background(photograph(disc(120)), mask=mask) is mask


def test_where_colours_tell_nothing_the_outline_stays() -> None:
    mask = disc(128)
    assert without_background(photograph(disc(120), behind=(144, 62, 54)), mask=mask) is mask


def test_a_part_of_the_colour_of_the_background_stays_where_it_is_enclosed() -> None:
    truth = disc(120)
    picture = photograph(truth)
    button = disc(3)
    picture[np.roll(button, 110, axis=1) > 0] = GRASS
    found = without_background(picture, mask=disc(127))
    assert found[200, 200 + 110] == 255 and overlap(found, truth) > 0.98


@pytest.mark.parametrize(
    "mask", [np.zeros((50, 60), np.uint8), np.full((50, 60), 255, np.uint8), disc(2, size=50), disc(24, size=50)]
)
def test_nobody_a_full_frame_and_some_pixels_stay(mask: Mask) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    assert without_background(picture, mask=mask) is mask

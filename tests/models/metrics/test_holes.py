from __future__ import annotations

import numpy as np
import pytest
from skimage import measure

from models.metrics.holes import MIN_HOLE_SHARE, hole_recall, label_holes


def body(*, holes: list[tuple[slice, slice]]) -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    mask[10:, 10:90] = 255
    for hole in holes:
        mask[hole] = 0
    return mask


ARM = (slice(40, 60), slice(20, 30))
SMALL = (slice(70, 72), slice(70, 72))
AT_THE_EDGE = (slice(80, 100), slice(40, 50))


def test_a_hole_is_background_inside_the_person_and_large_enough() -> None:
    holes = label_holes(body(holes=[ARM, SMALL, AT_THE_EDGE]))
    expected = np.zeros((100, 100), bool)
    expected[ARM] = True
    assert SMALL[0].stop - SMALL[0].start == 2 and MIN_HOLE_SHARE * 100 * 100 > 4
    assert ((holes == 255) == expected).all()


def test_a_gap_that_meets_the_outside_at_a_corner_alone_is_a_hole() -> None:
    mask = body(holes=[(slice(10, 20), slice(10, 20)), (slice(20, 30), slice(20, 30))])
    holes = label_holes(mask)
    assert np.count_nonzero(holes) == 100 and (holes[20:30, 20:30] == 255).all()


@pytest.mark.parametrize("fill", [0, 255])
def test_masks_of_one_value_have_no_hole(fill: int) -> None:
    assert not label_holes(np.full((40, 30), fill, np.uint8)).any()


def test_holes_are_those_that_scikit_image_labels() -> None:
    rng = np.random.default_rng(1)
    mask = body(holes=[])
    for _ in range(25):
        y, x = rng.integers(0, 95, size=2)
        height, width = rng.integers(1, 12, size=2)
        mask[y : y + height, x : x + width] = 0
    expected = np.zeros(mask.shape, bool)
    for region in measure.regionprops(measure.label(mask == 0, connectivity=1)):
        top, left, bottom, right = region.bbox
        is_inside = top > 0 and left > 0 and bottom < 100 and right < 100
        if is_inside and region.area >= MIN_HOLE_SHARE * mask.size:
            expected[tuple(region.coords.T)] = True
    assert expected.any()
    assert ((label_holes(mask) == 255) == expected).all()


def test_recall_is_the_share_of_hole_pixels_left_as_background() -> None:
    holes = label_holes(body(holes=[ARM, (slice(20, 30), slice(70, 80))]))
    assert np.count_nonzero(holes) == 300
    filled_first = body(holes=[(slice(20, 30), slice(70, 80))])
    assert hole_recall(filled_first, holes=holes) == 100 / 300
    assert hole_recall(body(holes=[]), holes=holes) == 0.0
    assert hole_recall(np.zeros((100, 100), np.uint8), holes=holes) == 1.0


def test_recall_without_a_hole_is_none() -> None:
    nothing = np.zeros((100, 100), np.uint8)
    assert hole_recall(nothing, holes=nothing) is None


def test_recall_counts_valid_pixels_only() -> None:
    holes = label_holes(body(holes=[ARM]))
    half = np.ones((100, 100), bool)
    half[50:] = False
    filled_below = body(holes=[(slice(40, 50), slice(20, 30))])
    assert hole_recall(filled_below, holes=holes) == 0.5
    assert hole_recall(filled_below, holes=holes, valid=half) == 1.0
    assert hole_recall(filled_below, holes=holes, valid=np.zeros((100, 100), bool)) is None

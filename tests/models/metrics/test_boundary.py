from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from models.metrics import boundary
from models.metrics.boundary import boundary_iou, boundary_width, inner_boundary


def square(size: tuple[int, int], *, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 255
    return mask


def boundary_by_distance(mask: np.ndarray, *, width: int) -> np.ndarray:
    """Look at every pair of a person pixel and a background pixel, those outside of the frame included."""
    framed = np.pad(mask, 1)
    outside = np.argwhere(framed == 0)
    near = np.zeros(framed.shape, bool)
    for y, x in np.argwhere(framed):
        near[y, x] = np.abs(outside - (y, x)).max(axis=1).min() <= width
    return near[1:-1, 1:-1]


def test_the_width_is_two_percent_of_the_diagonal_and_at_least_one() -> None:
    assert boundary_width((480, 640)) == 16
    assert boundary_width((3000, 4000)) == 100
    assert boundary_width((1, 1)) == 1


@given(masks=arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))), width=st.integers(1, 3))
def test_the_boundary_is_what_a_search_over_all_pixels_finds(masks: np.ndarray, width: int) -> None:
    mask = np.where(masks, np.uint8(255), np.uint8(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundary, "boundary_width", lambda _: width)
        found = inner_boundary(mask)
    assert ((found == 255) == boundary_by_distance(mask, width=width)).all()


def test_the_boundary_of_a_large_mask_is_that_of_a_chessboard_distance() -> None:
    rng = np.random.default_rng(3)
    noise = ndimage.gaussian_filter(rng.normal(size=(240, 320)), 12)
    mask = np.where(noise > 0, np.uint8(255), np.uint8(0))
    distance = ndimage.distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
    assert ((inner_boundary(mask) == 255) == ((mask > 0) & (distance <= 8))).all()


def test_boundary_iou_of_two_squares_worked_by_hand() -> None:
    # 50 x 50 has a width of 1; the outlines of two 10 x 10 squares, one pixel apart, have 36 pixels each. They share
    # nine in the top row, nine in the bottom row, and none at the sides
    truth = square((50, 50), rows=slice(20, 30), columns=slice(20, 30))
    shifted = square((50, 50), rows=slice(20, 30), columns=slice(21, 31))
    assert boundary_iou(shifted, truth=truth) == 18 / (72 - 18)


def test_the_edge_of_the_frame_is_a_boundary() -> None:
    full = np.full((10, 10), 255, np.uint8)
    assert np.count_nonzero(inner_boundary(full)) == 36


def test_boundary_iou_without_a_person_is_one_and_with_one_missed_is_zero() -> None:
    empty, truth = np.zeros((20, 20), np.uint8), square((20, 20), rows=slice(5, 15), columns=slice(5, 15))
    assert boundary_iou(empty, truth=empty) == 1.0
    assert boundary_iou(empty, truth=truth) == 0.0
    assert boundary_iou(truth, truth=truth) == 1.0


def test_boundary_pixels_that_are_not_valid_do_not_count() -> None:
    truth = square((50, 50), rows=slice(20, 30), columns=slice(20, 30))
    larger = square((50, 50), rows=slice(20, 30), columns=slice(20, 35))
    left_half = np.zeros((50, 50), bool)
    left_half[:, :25] = True
    assert boundary_iou(larger, truth=truth) < 1
    assert boundary_iou(larger, truth=truth, valid=left_half) == 1.0

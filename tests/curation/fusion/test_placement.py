"""Where a person may stand, as laws that hold for every draw; and backgrounds that fill a frame unstretched."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.fusion.framing import background_for, covering
from curation.fusion.placement import SOLID, Placement, draw_placement, placed
from curation.images.pixels import Alpha
from curation.quarantine import BadRecord

H, W = 60, 48
seeds = st.integers(0, 2**32 - 1)


def person(*, top: int, bottom: int, left: int, right: int) -> Alpha:
    alpha = np.zeros((H, W), np.uint8)
    alpha[top:bottom, left:right] = 255
    return alpha


def edges(alpha: Alpha) -> list[bool]:
    solid = alpha > SOLID
    return [bool(edge.any()) for edge in (solid[0], solid[-1], solid[:, 0], solid[:, -1])]


boxes = st.tuples(st.integers(0, H - 9), st.integers(8, H), st.integers(0, W - 9), st.integers(8, W)).filter(
    lambda box: box[1] - box[0] >= 8 and box[3] - box[2] >= 8
)


@settings(max_examples=150, deadline=None)
@given(boxes, seeds)
def test_a_person_stays_at_the_edges_that_cut_it_and_reaches_no_other(box: tuple[int, ...], seed: int) -> None:
    alpha = person(top=box[0], bottom=box[1], left=box[2], right=box[3])
    placement = draw_placement(np.random.default_rng(seed), alpha=alpha)
    _, moved = placed(np.zeros((H, W, 3), np.uint8), alpha=alpha, placement=placement)
    top, bottom, left, right = edges(alpha)
    if placement.is_flipped:
        left, right = right, left
    now = edges(moved)
    for was_cut, is_cut in zip((top, bottom, left, right), now, strict=True):
        assert is_cut or not was_cut
    # nobody is cut anew: the whole person is still there, up to the rounding of its outline
    if not any(now):
        outline = 2 * (box[1] - box[0] + box[3] - box[2]) * placement.scale
        area = (box[1] - box[0]) * (box[3] - box[2]) * placement.scale**2
        assert abs((moved / 255.0).sum() - area) <= outline


def test_the_same_generator_draws_the_same_placement() -> None:
    alpha = person(top=20, bottom=60, left=10, right=30)
    first, second = (draw_placement(np.random.default_rng(5), alpha=alpha) for _ in range(2))
    assert first == second


def test_a_placement_that_changes_nothing_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
    alpha = person(top=20, bottom=60, left=10, right=30)
    still = Placement(is_flipped=False, scale=1.0, right_px=0.0, down_px=0.0)
    moved, moved_alpha = placed(image, alpha=alpha, placement=still)
    assert np.array_equal(moved, image)
    assert np.array_equal(moved_alpha, alpha)


def test_a_mirror_image_is_mirrored() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
    alpha = person(top=20, bottom=60, left=10, right=30)
    mirror = Placement(is_flipped=True, scale=1.0, right_px=0.0, down_px=0.0)
    moved, moved_alpha = placed(image, alpha=alpha, placement=mirror)
    assert np.array_equal(moved, image[:, ::-1])
    assert np.array_equal(moved_alpha, alpha[:, ::-1])


@pytest.mark.parametrize("size", [(200, 300), (300, 200), (30, 40), (61, 20), (23, 19), (60, 48)])
@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_background_that_is_large_enough_fills_the_frame(size: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    background = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    assert background_for(background, size=(H, W), rng=rng).shape == (H, W, 3)


@pytest.mark.parametrize(("size", "fits"), [((23, 60), True), ((22, 60), False), ((60, 19), True), ((60, 18), False)])
def test_enlarged_two_and_a_half_times_all_but_a_twentieth_must_be_there(size: tuple[int, int], fits: bool) -> None:
    """Worked out by hand: 95 % of 60 are 57, of 48 are 45.6; 2.5 times 23 are 57.5, times 22 are 55, times 19 are 47.5,
    and times 18 are 45."""
    assert covering(size, frame=(60, 48)) == fits
    flat = np.zeros((*size, 3), np.uint8)
    if fits:
        background_for(flat, size=(60, 48), rng=np.random.default_rng(0))
        return
    with pytest.raises(BadRecord, match=f"{size[1]} x {size[0]} is too little to fill a frame of 48 x 60"):
        background_for(flat, size=(60, 48), rng=np.random.default_rng(0))


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 130), st.integers(20, 130), seeds)
def test_hardly_anything_of_a_frame_is_a_mirror_image(height: int, width: int, seed: int) -> None:
    """Columns and rows of a background rise without end; where they fall again, it is mirrored."""
    size = (60, 48)
    if not covering((height, width), frame=size):
        return
    down, across = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    background = np.stack([down, across, down], axis=2).astype(np.uint8)
    frame = background_for(background, size=size, rng=np.random.default_rng(seed)).astype(int)
    assert np.count_nonzero(np.diff(frame[:, 10, 0]) < 0) <= 0.05 * size[0]
    assert np.count_nonzero(np.diff(frame[10, :, 1]) < 0) <= 0.05 * size[1]


@pytest.mark.parametrize("size", [(400, 400), (300, 700), (46, 46)])
def test_a_circle_in_the_background_stays_a_circle(size: tuple[int, int]) -> None:
    background = np.zeros((*size, 3), np.uint8)
    radius = min(size) // 8
    for y in range(2 * radius, size[0], 4 * radius):
        for x in range(2 * radius, size[1], 4 * radius):
            cv2.circle(background, (x, y), radius, (255, 255, 255), -1)
    for seed in range(5):
        frame = background_for(background, size=(120, 90), rng=np.random.default_rng(seed))
        mask = (frame[:, :, 0] > 127).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        whole = [
            (width, height)
            for left, top, width, height, _ in stats[1:count]
            if left > 0 and top > 0 and left + width < 90 and top + height < 120
        ]
        assert all(abs(width - height) <= 2 for width, height in whole)

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.metrics.parts import connected_parts


def noise(*, size: tuple[int, int], share: float, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(size) < share, np.uint8(255), np.uint8(0))


def areas_by_opencv(mask: np.ndarray) -> list[int]:
    return sorted(cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:, cv2.CC_STAT_AREA].tolist())


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 2), (40, 57)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.6, 0.9, 1.0])
def test_the_parts_are_those_that_opencv_finds(size: tuple[int, int], share: float) -> None:
    for seed in range(5):
        mask = noise(size=size, share=share, seed=seed)
        found = connected_parts(mask)
        assert sorted(found.area[found.is_person].tolist()) == areas_by_opencv(mask)
        assert sorted(found.area[~found.is_person].tolist()) == areas_by_opencv(cv2.bitwise_not(mask))


def test_a_spiral_and_a_comb_are_one_part_each() -> None:
    comb = np.zeros((20, 31), np.uint8)
    comb[:, ::2] = comb[-1] = 255
    assert connected_parts(comb).is_person.tolist().count(True) == 1
    spiral = np.zeros((41, 41), np.uint8)
    y, x, dy, dx = 0, 0, 0, 1
    for length in (40, 40, 40, *(side for side in range(38, 0, -2) for _ in range(2))):
        cv2.line(spiral, (x, y), (x + dx * length, y + dy * length), 255)
        y, x, dy, dx = y + dy * length, x + dx * length, dx, -dy
    found = connected_parts(spiral)
    assert found.is_person.tolist().count(True) == 1 and found.area.sum() == spiral.size


def test_parts_that_touch_at_corners_alone_are_apart() -> None:
    assert connected_parts(np.uint8([[255, 0], [0, 255]])).area.tolist() == [1, 1, 1, 1]


def test_what_does_not_reach_the_frame_is_surrounded() -> None:
    mask = np.full((7, 9), 255, np.uint8)
    mask[3, 4] = mask[1:3, 7] = mask[0, 2] = 0
    found = connected_parts(mask)
    assert found.area[~found.is_person & ~found.touches_frame].tolist() == [2, 1]


def test_chosen_parts_are_drawn_and_nothing_else() -> None:
    mask = noise(size=(30, 40), share=0.5)
    found = connected_parts(mask)
    assert (found.drawn(found.is_person) == mask).all()
    assert not found.drawn(np.zeros(len(found.area), bool)).any()
    (largest,) = (found.area == found.area.max()).nonzero()[0][:1]
    drawn = found.drawn(np.arange(len(found.area)) == largest)
    assert np.count_nonzero(drawn) == found.area.max() and areas_by_opencv(drawn) == [found.area.max()]

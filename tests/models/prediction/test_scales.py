from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.prediction.scales import framed, unframed

SIZE = (40, 60)


def test_the_image_lies_in_the_middle_and_is_mirrored_around_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 48, 3), dtype=np.uint8)
    found = framed(image, size=SIZE, scale=0.5)
    assert found.shape == (*SIZE, 3) and found.dtype == np.uint8
    inside = found[10:30, 15:45]
    assert abs(inside.mean() - image.mean()) < 3
    np.testing.assert_array_equal(found[9::-1, 15:45], found[11:21, 15:45])
    np.testing.assert_array_equal(found[:, 14::-1], found[:, 16:31])


def test_what_was_at_a_place_of_the_image_comes_back_to_it() -> None:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    image = np.dstack([y * 4, x * 4, y + x]).astype(np.uint8)
    for scale in (0.9, 0.75, 0.5):
        red = framed(image, size=SIZE, scale=scale)[..., 1].astype(np.float32)
        back = unframed(red, size=SIZE, scale=scale)
        assert back.shape == SIZE and np.abs(back - image[..., 1])[3:-3, 3:-3].max() < 3


def test_an_output_smaller_than_the_input_keeps_its_size() -> None:
    score = cv2.resize(np.mgrid[:40, :60][1].astype(np.float32), (15, 10), interpolation=cv2.INTER_AREA)
    back = unframed(score, size=SIZE, scale=0.5)
    assert back.shape == (10, 15)
    # of a ramp from 0 to 59 the middle half is seen, from 15 to 44
    assert back[5, 0] == pytest.approx(15.5, abs=1) and back[5, -1] == pytest.approx(43.5, abs=1)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (224, 224)])
def test_any_size_is_framed(size: tuple[int, int]) -> None:
    image = np.full((7, 5, 3), 200, np.uint8)
    assert (framed(image, size=size, scale=0.9) == 200).all()
    assert unframed(np.zeros(size, np.float32), size=size, scale=0.9).shape == size

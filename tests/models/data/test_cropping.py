from __future__ import annotations

import numpy as np
import pytest

from models.data.cropping import OUTSIDE, SCALES, cropped
from models.losses import IGNORED


def gradient(height: int, width: int) -> np.ndarray:
    """Give an image whose red is its row and whose green its column, in steps of 4."""
    y, x = np.mgrid[:height, :width]
    return np.stack([4 * y, 4 * x, np.zeros_like(x)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_cut_is_a_part_of_the_image_at_the_scales_of_the_policy(seed: int) -> None:
    """Red rises by 4 a row: how fast it rises in the result tells the scale, whatever was cut out where."""
    size = (30, 30)
    image = gradient(60, 60)
    label = np.ones((60, 60), np.uint8)
    cut, cut_label = cropped(image, label, size=size, classes=1, rng=np.random.default_rng(seed))
    assert cut.shape == (30, 30, 3)
    inside = cut_label == 1
    rows = np.flatnonzero(inside.any(axis=1))[2:-2]
    column = int(np.flatnonzero(inside.any(axis=0)).mean())
    slope = np.polyfit(rows, cut[rows, column, 0].astype(float) / 4, 1)[0]
    whole = slope * 30 / 60
    low, high = 1 / SCALES[1], 1 / SCALES[0]
    assert low * 0.97 < slope < high * 1.03 or low * 0.97 < whole < high * 1.03


def test_an_image_smaller_than_the_crop_lies_in_it_and_the_rest_is_ignored() -> None:
    image, label = np.full((6, 6, 3), 9, np.uint8), np.ones((6, 6), np.uint8)
    seen = []
    for seed in range(20):
        cut, cut_label = cropped(image, label, size=(24, 24), classes=1, rng=np.random.default_rng(seed))
        assert set(np.unique(cut_label)) <= {1, IGNORED}
        assert (cut_label == 1).any()
        corner = cut_label[:, :, None] == IGNORED
        if corner.mean() > 0.8:  # a patch: the image at its own size
            assert tuple(np.median(cut[cut_label == IGNORED], axis=0)) == OUTSIDE
            seen.append(int((cut_label == 1).sum()))
    assert min(seen) >= (6 * SCALES[0] - 2) ** 2
    assert max(seen) <= (6 * SCALES[1] + 2) ** 2


def test_the_same_generator_cuts_the_same() -> None:
    image, label = gradient(40, 50), np.zeros((40, 50), np.uint8)
    one, other = (cropped(image, label, size=(16, 16), classes=1, rng=np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one[0], other[0])

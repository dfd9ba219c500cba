from __future__ import annotations

import numpy as np
import pytest

from models.data.crop import OUTSIDE, SCALES, cropped, framed, patched
from models.losses.targets import IGNORED


def gradient(height: int, width: int) -> np.ndarray:
    """Return an image whose red is its row and whose green its column, in steps of 4."""
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


@pytest.mark.parametrize("side", [100, 400])
def test_patches_are_of_their_size_or_the_whole_and_half_of_them_at_their_scale(side: int) -> None:
    """Red rises by 1 a row: what of it is seen from top to bottom tells how many rows were cut out."""
    rows = np.arange(250)
    image = np.repeat(np.repeat(rows[:, None, None], 200, axis=1), 3, axis=2).astype(np.uint8)
    label = np.ones((250, 200), np.uint8)
    seen = {"patch": 0, "whole": 0, "patch, scaled": 0, "whole, scaled": 0}
    rng = np.random.default_rng(0)
    for _ in range(300):
        given = {"size": (100, 100), "patch_px": side, "classes": 1, "rng": rng}
        cut, cut_label = patched(image, label, **given)
        assert cut.shape == (100, 100, 3)
        inside = np.flatnonzero((cut_label == 1).any(axis=1))[3:-3]
        column = int(np.flatnonzero((cut_label == 1).any(axis=0)).mean())
        slope = np.polyfit(inside, cut[inside, column, 0].astype(float), 1)[0]  # rows of the image in a row of the cut
        is_patch = abs(slope - side / 100) < 0.02
        is_whole = abs(slope - 2.5) < 0.05
        kind = "patch" if is_patch else "whole" if is_whole else None
        near = "patch" if side / 100 / 1.25 < slope + 0.02 and slope - 0.02 < side / 100 / 0.75 else "whole"
        seen[kind or f"{near}, scaled"] += 1
    assert sum(seen.values()) == 300
    if side == 100:  # the two ranges do not meet: a quarter of each kind
        assert all(50 < number < 105 for number in seen.values()), seen


def test_a_patch_larger_than_the_image_holds_it_and_the_rest_is_ignored() -> None:
    image, label = np.full((30, 20, 3), 9, np.uint8), np.ones((30, 20), np.float32)
    areas = []
    for seed in range(60):
        given = {"size": (100, 100), "patch_px": 100, "classes": 1, "rng": np.random.default_rng(seed)}
        cut, cut_label = patched(image, label, **given)
        assert cut.shape == (100, 100, 3)
        assert set(np.unique(cut_label)) <= {np.float32(1), np.float32(IGNORED)}
        if (cut_label == IGNORED).mean() > 0.7:
            areas.append(int((cut_label == 1).sum()))
            assert tuple(np.median(cut[cut_label == IGNORED], axis=0)) == OUTSIDE
    assert 600 in areas
    assert 0.75**2 * 600 * 0.9 < min(areas) < max(areas) < 1.25**2 * 600 * 1.1


def disc_label(side: int, *, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] - side / 2
    return (np.hypot(rows, columns) < radius).astype(np.uint8)


@pytest.mark.parametrize("radius", [45, 60])
def test_in_framed_windows_the_person_is_small_and_large_equally_often(radius: int) -> None:
    label = disc_label(200, radius=radius)
    image = np.repeat(label[..., None] * np.uint8(255), 3, axis=2)
    shares = []
    for seed in range(200):
        window, cut = framed(image, label, size=(96, 96), classes=1, rng=np.random.default_rng(seed))
        assert window.shape == (96, 96, 3) and cut.shape == (96, 96) and (cut == 1).any()
        known = cut != IGNORED
        assert (((window[..., 0] > 127) == (cut == 1)) | ~known).mean() > 0.97, "image and label are cut alike"
        shares.append((cut == 1).mean())
    assert np.quantile(shares, 0.1) < 0.25 and np.quantile(shares, 0.9) > 0.5


def test_a_framed_window_without_a_person_is_a_part_of_the_image() -> None:
    image = np.full((50, 80, 3), 9, np.uint8)
    window, label = framed(image, np.zeros((50, 80), np.uint8), size=(32, 32), classes=1, rng=np.random.default_rng(3))
    assert (window == 9).all() and not label.any()

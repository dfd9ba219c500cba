import numpy as np
import pytest

from models.prediction.windows import LEAST_CELLS, SURE, WINDOW_SHARES, WindowMap, windows_of

SIZES = [(480, 640), (640, 480), (100, 100), (30, 900), (7, 5), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_windows_cover_every_pixel_in_both_sizes_and_stay_inside(size: tuple[int, int]) -> None:
    for share in WINDOW_SHARES:
        side = max(1, round(np.sqrt(size[0] * size[1] * share)))
        seen = np.zeros(size, int)
        for top, left, height, width in windows_of(size):
            assert 0 <= top <= top + height <= size[0] and 0 <= left <= left + width <= size[1]
            if (height, width) == (min(side, size[0]), min(side, size[1])):
                seen[top : top + height, left : left + width] += 1
        assert seen.min() >= 1


def test_a_person_of_a_twentieth_of_a_window_lies_whole_in_one_of_them() -> None:
    windows = windows_of((480, 640))
    for top, left in np.random.default_rng(0).integers((0, 0), (420, 580), (200, 2)):
        assert any(y <= top and x <= left and top + 60 <= y + h and left + 60 <= x + w for y, x, h, w in windows)


def mapped(odds: np.ndarray) -> WindowMap:
    """Return each window exactly its part of the log-odds of a frame."""
    found = WindowMap((odds.shape[0], odds.shape[1]))
    for y, x, h, w in windows_of((odds.shape[0], odds.shape[1])):
        found.add(odds[y : y + h, x : x + w], window=(y, x, h, w))
    return found


@pytest.mark.parametrize("size", SIZES[:3])
def test_windows_that_agree_give_back_the_frame(size: tuple[int, int]) -> None:
    odds = np.full(size, -5, np.float32)
    h, w = size
    odds[h // 4 : h // 2, w // 4 : w // 2] = 6
    blob = mapped(odds).strongest()
    assert blob.share == pytest.approx((h // 2 - h // 4) * (w // 2 - w // 4) / (h * w), rel=0.15)
    assert 5 < blob.strength <= 6
    rows, columns = np.nonzero(blob.mask)
    height, width = blob.mask.shape
    assert (rows.mean() / height, columns.mean() / width) == (pytest.approx(0.37, abs=0.03),) * 2


def test_the_strongest_mean_wins_whatever_its_size_and_a_speck_never_does() -> None:
    odds = np.full((480, 640), -5, np.float32)
    odds[0:240, 0:320] = 4
    odds[300:400, 400:480] = 7
    odds[20:28, 600:608] = 12
    blob = mapped(odds).strongest()
    assert blob.share == pytest.approx(100 * 80 / (480 * 640), rel=0.15)
    assert 6 < blob.strength <= 7


def test_where_nothing_is_sure_the_largest_value_tells_and_no_more_than_sure() -> None:
    odds = np.full((480, 640), -5, np.float32)
    assert mapped(odds).strongest().strength == pytest.approx(-5)
    odds[20:28, 600:608] = 12  # a speck
    blob = mapped(odds).strongest()
    assert (blob.strength, blob.share, int(blob.mask.max())) == (SURE, 0.0, 0)
    assert LEAST_CELLS / 6400 > 8 * 8 / (480 * 640)


def test_windows_that_contradict_each_other_are_averaged() -> None:
    found = WindowMap((480, 640))
    for number, window in enumerate(windows_of((480, 640))):
        odds = np.full(window[2:], 10 if number % 2 else -10, np.float32)
        found.add(odds, window=window)
    assert found.strongest().strength < 10

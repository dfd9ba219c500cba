from __future__ import annotations

import numpy as np
import pytest

from models.metrics.disagreement import disagreement
from models.metrics.specks import specks


def square() -> np.ndarray:
    mask = np.zeros((60, 60), np.uint8)
    mask[10:40, 10:40] = 255
    return mask


def test_one_whole_person_has_no_specks_and_nobody_has_none() -> None:
    assert specks(square()) == 0.0
    assert specks(np.zeros((9, 9), np.uint8)) == 0.0
    assert specks(np.full((9, 9), 255, np.uint8)) == 0.0


def test_specks_and_small_holes_are_counted_by_their_pixels() -> None:
    mask = square()
    mask[50:53, 50:53] = 255  # 9 pixels
    mask[20:22, 20:22] = 0  # 4 pixels
    assert specks(mask) == pytest.approx((9 + 4) / (900 - 4 + 9))


def test_a_second_person_is_no_speck_and_a_gap_at_the_frame_no_hole() -> None:
    mask = square()
    mask[45:57, 45:57] = 255  # 144 of 900 pixels: more than a twentieth
    assert specks(mask) == 0.0
    mask[45:57, 59] = 255
    full = np.full((20, 20), 255, np.uint8)
    full[0, 5] = 0
    assert specks(full) == 0.0


def test_disagreement_is_the_mean_over_pairs_worked_by_hand() -> None:
    one, other = np.uint8([[255, 255, 0, 0]]), np.uint8([[255, 0, 0, 0]])
    # person 1/2, background 2/3
    pair = 1 - (1 / 2 + 2 / 3) / 2
    assert disagreement([one, other]) == pytest.approx(pair)
    assert disagreement([one, other, one]) == pytest.approx(2 / 3 * pair)
    assert disagreement([one]) == 0.0

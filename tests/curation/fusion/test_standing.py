"""How much of a drawn person is in the frame, how high she gets, and the shadow at her feet."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.fusion.placement import draw_placement, placed_alpha
from curation.fusion.standing import SHARES, Shot, shaded, shot_of
from curation.images.pixels import Alpha

SIZE = (400, 300)


def person(*, head_px: int, feet: int | None, crown: int = 20) -> Alpha:
    """Draw head, neck, shoulders and body down to the row `feet`, or beyond the frame."""
    alpha, middle = np.zeros(SIZE, np.uint8), SIZE[1] // 2
    bottom = SIZE[0] if feet is None else feet
    cv2.ellipse(alpha, (middle, crown + head_px // 2), (round(0.37 * head_px), head_px // 2), 0, 0, 360, 255, -1)
    chin = crown + head_px
    alpha[chin - 2 : chin + head_px // 4, middle - head_px // 5 : middle + head_px // 5] = 255
    alpha[chin + head_px // 4 : bottom, middle - head_px : middle + head_px] = 255
    return alpha


@pytest.mark.parametrize(
    ("head_px", "feet", "shot"),
    [(190, None, "head"), (100, None, "half"), (45, 375, "whole"), (45, 120, None)],
)
def test_the_class_of_a_shot_follows_from_heads_and_from_the_edge(head_px: int, feet: int | None, shot: Shot) -> None:
    assert shot_of(person(head_px=head_px, feet=feet)) == shot
    assert shot_of(np.zeros(SIZE, np.uint8)) is None


@pytest.mark.parametrize("seed", range(12))
def test_who_stands_gets_a_plausible_height_and_feet_in_the_lower_third(seed: int) -> None:
    small, large = person(head_px=16, feet=150), person(head_px=48, feet=390, crown=4)
    for alpha in (small, large):
        placement = draw_placement(np.random.default_rng(seed), alpha=alpha, shot="whole")
        rows = np.flatnonzero((placed_alpha(alpha, placement=placement) > 127).any(axis=1))
        share = (rows[-1] + 1 - rows[0]) / SIZE[0]
        assert share <= SHARES["whole"][1] + 0.01
        assert share >= SHARES["whole"][0] - 0.01
        assert rows[-1] >= 2 / 3 * SIZE[0]


def test_the_shadow_is_dark_at_the_feet_and_nowhere_else() -> None:
    alpha = person(head_px=45, feet=340)
    frame = np.full((*SIZE, 3), 200, np.uint8)
    shadow = 200 - shaded(frame, alpha=alpha)[:, :, 0].astype(int)
    assert shadow[342].max() >= 60 and (shadow >= 0).all()
    assert shadow[:280].max() == 0 and shadow[:, :20].max() <= 5 and shadow[-10:].max() <= 10
    assert shadow[342, 150] > shadow[355, 150] > 0
    assert np.array_equal(shaded(frame, alpha=np.zeros(SIZE, np.uint8)), frame)

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.fusion.head_shape import find_head, without_holes
from curation.images.pixels import Alpha, Image


def drawn(*, top: int = 100, bottom: int = 800, neck: bool = True) -> tuple[Image, Alpha]:
    """Return a person whose head is 160 wide and 220 high, on a frame of 800 x 600, with shoulders of 400."""
    alpha = np.zeros((800, 600), np.uint8)
    cv2.ellipse(alpha, (300, top + 110), (80, 110), 0, 0, 360, 255, -1)
    if neck:
        cv2.rectangle(alpha, (260, top + 150), (340, top + 290), 255, -1)
    cv2.ellipse(alpha, (300, top + 600), (200, 330), 0, 0, 360, 255, -1)
    alpha[bottom:] = 0
    image = np.full((800, 600, 3), 90, np.uint8)
    image[alpha > 0] = (200, 160, 120)
    return image, alpha


def test_the_head_of_a_drawn_person_is_found() -> None:
    head = find_head(drawn()[1])
    assert head is not None and head.is_sure
    assert head.crown == pytest.approx(100, abs=3) and head.middle == pytest.approx(300, abs=3)
    assert head.height == pytest.approx(220, rel=0.2)


def test_a_body_without_a_neck_is_unsure_and_nobody_is_nobody() -> None:
    column = np.zeros((800, 600), np.uint8)
    column[100:, 220:380] = 255
    head = find_head(column)
    assert head is not None and not head.is_sure and head.height == pytest.approx(1.35 * 160, abs=3)
    assert find_head(np.zeros((9, 9), np.uint8)) is None
    legs = np.zeros((800, 600), np.uint8)  # a torso, a waist, hips: no head of that size
    legs[100:400, 200:400] = legs[400:460, 240:360] = legs[460:800, 200:400] = 255
    assert not find_head(legs).is_sure  # type: ignore[union-attr]


def test_holes_in_the_head_are_filled_and_those_of_the_arms_stay() -> None:
    _, alpha = drawn()
    holed = np.array(alpha)
    holed[180:200, 290:310] = 0
    holed[600:640, 290:310] = 0
    head = find_head(holed)
    assert head is not None
    filled = without_holes(holed, head=head)
    assert (filled[180:200, 290:310] == 255).all() and (filled[600:640, 290:310] == 0).all()

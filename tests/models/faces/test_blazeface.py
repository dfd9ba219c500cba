"""Anchors, decoding and blending against numbers worked by hand, and regions against what an affine map must do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.faces.blazeface import FULL_RANGE, SHORT_RANGE, blended, decoded
from models.faces.face_mesh import around_points
from models.faces.regions import Region, brought_back, seen, whole


def test_anchors_are_those_of_mediapipes_graphs() -> None:
    """The short range has 16 x 16 cells with 2 and 8 x 8 with 6 boxes, 896; the full range 48 x 48, 2304."""
    short, full = SHORT_RANGE.centres(), FULL_RANGE.centres()
    assert short.shape == (896, 2) and full.shape == (2304, 2)
    assert short[0].tolist() == short[1].tolist() == [0.5 / 16, 0.5 / 16]
    assert short[2].tolist() == [1.5 / 16, 0.5 / 16], "x runs faster than y"
    assert short[511].tolist() == [15.5 / 16, 15.5 / 16] and short[512].tolist() == [0.5 / 8, 0.5 / 8]
    assert full[48].tolist() == [0.5 / 48, 1.5 / 48]


def test_a_box_and_its_points_count_from_the_anchor_in_pixels_of_the_input() -> None:
    coded = np.zeros((2, 16))
    coded[0, :4] = 12.8, -12.8, 64, 32  # middle +0.1, -0.1; 0.5 wide, 0.25 high
    coded[0, 4:6] = -6.4, 0  # the first point lies 0.05 to the left of the anchor
    centres = np.array([[0.5, 0.5], [0.2, 0.2]])
    faces, confidence = decoded(coded, scores=np.array([math.log(9), -3.0]), centres=centres, size=128)
    assert confidence == pytest.approx([0.9])
    assert faces[0, :2].tolist() == pytest.approx(np.array([[0.35, 0.275], [0.85, 0.525]]))
    assert faces[0, 2].tolist() == pytest.approx([0.45, 0.5]) and faces[0, 7].tolist() == pytest.approx([0.5, 0.5])


def test_scores_beyond_any_number_do_not_overflow() -> None:
    coded = np.ones((2, 16))
    _, confidence = decoded(coded, scores=np.array([1e4, -1e4]), centres=np.zeros((2, 2)), size=128)
    assert confidence.tolist() == [1.0]


def test_overlapping_faces_become_their_mean_by_confidence_and_others_stay() -> None:
    def face(left: float) -> np.ndarray:
        return np.array([[left, 0.0], [left + 1, 1.0], *[[left, 0.5]] * 6])

    found = blended(np.stack([face(0.0), face(0.3), face(5.0)]), np.array([0.6, 0.9, 0.7]))
    assert [confidence for _, confidence in found] == [0.9, 0.7]
    assert found[0][0][0, 0] == pytest.approx((0.6 * 0.0 + 0.9 * 0.3) / 1.5)  # they share 0.7 / 1.3 of their union
    assert found[1][0][0, 0] == 5.0


def test_points_come_back_from_where_a_region_shows_them() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[120:130, 200:210] = 255
    for region in (whole(image), Region(x=190, y=110, side=120, angle=0.4), Region(x=200, y=120, side=900, angle=-1)):
        shown = seen(image, region=region, size=128, is_black_beyond=True)[..., 0].astype(float)
        rows, columns = np.indices(shown.shape)
        middle = np.array([[(columns * shown).sum(), (rows * shown).sum()]]) / shown.sum() + 0.5
        assert brought_back(middle, region=region, size=128)[0].tolist() == pytest.approx([205, 125], abs=1.2)


def test_the_square_around_a_turned_mesh_is_turned_with_it() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (468, 3))
    points[33, :2], points[263, :2] = (20, 50), (80, 50)
    level = around_points(points)
    assert level.angle == 0 and level.side == pytest.approx(1.5 * np.ptp(points[:, :2], axis=0).max())
    cos, sin = math.cos(0.3), math.sin(0.3)
    turned = points.copy()
    turned[:, :2] = points[:, :2] @ np.array([[cos, sin], [-sin, cos]])
    region = around_points(turned)
    assert region.angle == pytest.approx(0.3) and region.side == pytest.approx(level.side)
    assert (region.x, region.y) == pytest.approx((cos * level.x - sin * level.y, sin * level.x + cos * level.y))

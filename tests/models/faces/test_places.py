"""Where a face lies: worked by hand, and by laws of turning, mirroring and cutting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from curation.images.faces import Face
from models.faces.places import (
    CANONICAL,
    WINDOW_HALF,
    in_window,
    mirrored,
    no_place,
    pixels_to_window,
    place_of,
    place_of_largest,
    seen_through,
)

SIZE = (120, 160)


def canonical_face(*, unit: float = 20.0, degrees: float = 0.0, middle: tuple[float, float] = (90.0, 45.0)) -> Face:
    """Return the canonical face with `unit` pixels between its eyes, turned clockwise, its eyes around `middle`."""
    turn = unit * complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    left, right, mouth, chin = ((z.real, z.imag) for z in CANONICAL * turn + complex(*middle))
    return Face(box=(0, 0, 1, 1), confidence=1, eyes=(left, right), mouth=mouth, chin=chin, is_chin_seen=True)


def seen(place: NDArray[np.float64], point: tuple[float, float], *, size: tuple[int, int] = SIZE) -> list[float]:
    """Return where a point in pixels lies in the window of the face."""
    x, y = 2 * point[0] / size[1] - 1, 2 * point[1] / size[0] - 1
    return [float(value) for value in place @ (x, y, 1)]


def test_the_middle_of_the_eyes_and_a_point_beside_it_by_hand() -> None:
    # the window reaches 6 eye distances to each side of its middle, which lies 2.5 below the eyes
    place = place_of(canonical_face(), size=SIZE)
    assert seen(place, (90, 45)) == pytest.approx([0, -2.5 / 6])
    assert seen(place, (90 + 60, 45)) == pytest.approx([3 / 6, -2.5 / 6])  # 60 pixels are 3 eye distances
    assert seen(place, (90, 45 + 50)) == pytest.approx([0, 0])


def test_of_a_face_on_its_side_down_is_where_its_chin_is() -> None:
    place = place_of(canonical_face(degrees=90), size=SIZE)  # the eye at the right of the face is now below
    assert seen(place, (90, 45 + 20)) == pytest.approx([1 / 6, -2.5 / 6])
    assert seen(place, (90 - 50, 45)) == pytest.approx([0, 0])  # the chin is at the left


@pytest.mark.parametrize("degrees", [-30.0, 12.5, 45.0])
def test_a_turned_face_sees_turned_points_where_they_were(degrees: float) -> None:
    turn = complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    for offset in (3 + 4j, -20 + 9j):
        straight = seen(place_of(canonical_face(), size=SIZE), (90 + offset.real, 45 + offset.imag))
        there = offset * turn
        turned = seen(place_of(canonical_face(degrees=degrees), size=SIZE), (90 + there.real, 45 + there.imag))
        assert turned == pytest.approx(straight)


def test_a_place_is_the_least_squares_similarity() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(20, 100, (4, 2))
    eyes = sorted(map(tuple, points[:2].tolist()))
    face = Face(
        box=(0, 0, 1, 1), confidence=1, eyes=(eyes[0], eyes[1]), mouth=tuple(points[2]), chin=tuple(points[3]),
        is_chin_seen=True,
    )  # fmt: skip
    # the same as real least squares over (a, b, c, d) of x' = a x - b y + c, y' = b x + a y + d, from window to pixels
    known = np.array([[z.real, z.imag] for z in CANONICAL])
    given = np.array([*face.eyes, face.mouth, face.chin])
    rows = [row for x, y in known for row in ([x, -y, 1, 0], [y, x, 0, 1])]
    a, b, c, d = np.linalg.lstsq(np.array(rows), given.ravel(), rcond=None)[0]
    for x, y in ((0.0, 2.5), (1.0, 0.5)):  # in eye distances
        pixel = (a * x - b * y + c, b * x + a * y + d)
        assert seen(place_of(face, size=SIZE), pixel) == pytest.approx([x / WINDOW_HALF, (y - 2.5) / WINDOW_HALF])


def test_the_place_in_a_mirror_is_that_of_the_mirrored_face() -> None:
    face = canonical_face(degrees=20)
    width = SIZE[1]
    (lx, ly), (rx, ry) = face.eyes
    mirror = Face(
        box=(0, 0, 1, 1), confidence=1, eyes=((width - rx, ry), (width - lx, ly)),
        mouth=(width - face.mouth[0], face.mouth[1]), chin=(width - face.chin[0], face.chin[1]), is_chin_seen=True,
    )  # fmt: skip
    np.testing.assert_allclose(mirrored(place_of(face, size=SIZE)), place_of(mirror, size=SIZE), atol=1e-12)


@pytest.mark.parametrize("window", [(10, 30, 60, 80), (-20, -5, 200, 180)])
def test_the_place_in_a_window_is_that_of_the_face_in_the_picture_cut_out(window: tuple[int, int, int, int]) -> None:
    top, left, height, width = window
    cut = canonical_face(middle=(90 - left, 45 - top), degrees=10)
    found = in_window(place_of(canonical_face(degrees=10), size=SIZE), window=window, size=SIZE)
    np.testing.assert_allclose(found, place_of(cut, size=(height, width)), atol=1e-12)


def test_a_place_holds_at_any_size_of_the_image() -> None:
    small = canonical_face(unit=10, middle=(45, 22.5))
    np.testing.assert_allclose(place_of(small, size=(60, 80)), place_of(canonical_face(), size=SIZE), atol=1e-12)


def test_without_a_face_there_are_zeros_and_they_stay() -> None:
    assert not place_of_largest([], size=SIZE).any()
    point = (3.0, 3.0)
    one = Face(box=(0, 0, 1, 1), confidence=1, eyes=(point, point), mouth=point, chin=point, is_chin_seen=True)
    assert not place_of(one, size=SIZE).any()
    assert not mirrored(no_place()).any()
    assert not in_window(no_place(), window=(1, 2, 30, 40), size=SIZE).any()
    assert not seen_through(no_place(), np.eye(2, 3)).any()


def test_pixels_of_the_window_lie_where_the_place_says() -> None:
    place = place_of(canonical_face(degrees=15), size=SIZE)
    x, y = pixels_to_window(place, size=SIZE, side=128) @ (70, 33, 1)  # the middle of this pixel is (70.5, 33.5)
    assert [(2 * (x + 0.5)) / 128 - 1, (2 * (y + 0.5)) / 128 - 1] == pytest.approx(seen(place, (70.5, 33.5)))

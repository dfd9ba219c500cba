"""Shapes cover the pixels whose centres lie inside: checked by the angles under which a centre sees the outline."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labeling.label_tools.label_studio.drawing.shapes import ellipse_mask, polygon_mask, rectangle_corners

SIZE = {"height": 17, "width": 23}
COORDINATE = st.floats(min_value=-9, max_value=31, allow_nan=False).map(lambda number: round(number, 3) + 0.00017)
"""Polygons reach out of the picture."""
NEAR = 1e-6
"""A centre that lies on the outline is seen by its corners under an angle of half a turn, which has no sign."""


def windings(points: np.ndarray) -> np.ndarray:
    """Return how often the outline runs around each centre: the angles between its corners, as seen from there."""
    rows, columns = np.mgrid[: SIZE["height"], : SIZE["width"]]
    corners = points[:, 0] + 1j * points[:, 1]
    seen = corners[None, None, :] - (columns + 0.5 + 1j * (rows + 0.5))[..., None]
    seen = np.where(seen == 0, 1e-9, seen)  # a corner on a centre
    angles = np.angle(np.roll(seen, -1, axis=2) / seen)
    return np.rint(angles.sum(axis=2) / (2 * np.pi)).astype(int)


def distances(points: np.ndarray) -> np.ndarray:
    """Return how far each centre is from the outline, in pixels."""
    rows, columns = np.mgrid[: SIZE["height"], : SIZE["width"]]
    centres = (columns + 0.5 + 1j * (rows + 0.5))[..., None]
    starts = points[:, 0] + 1j * points[:, 1]
    sides = np.roll(starts, -1) - starts
    lengths = np.maximum(np.abs(sides) ** 2, np.finfo(float).tiny)
    along = np.clip(((centres - starts) * sides.conj()).real / lengths, 0, 1)
    nearest: np.ndarray = np.abs(centres - starts - along * sides).min(axis=2)
    return nearest


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=9))
@settings(max_examples=60, deadline=None)
@example([(0.00017, 0.00017), (0.00017, 1.00017), (10.00017, 10.00017)])
def test_a_polygon_covers_the_centres_that_its_outline_runs_around(corners: list[tuple[float, float]]) -> None:
    points = np.array(corners)
    is_clear = distances(points) > NEAR
    assert np.array_equal((polygon_mask(points, **SIZE) > 0)[is_clear], (windings(points) != 0)[is_clear])


@given(st.integers(0, 46), st.integers(0, 34), st.booleans())
@settings(max_examples=40, deadline=None)
def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out(x: int, y: int, down: bool) -> None:
    """Corners on borders and on centres of pixels: the places where a rule is needed."""
    middle = (x / 2, y / 2)
    whole = [(0.0, 0.0), (23.0, 0.0), (23.0, 17.0), (0.0, 17.0)]
    parts = [
        polygon_mask(np.array([*(pair if down else pair[::-1]), middle]), **SIZE)
        for pair in zip(whole, [*whole[1:], whole[0]], strict=True)
    ]
    assert np.array_equal(sum((part > 0).astype(int) for part in parts), np.ones((17, 23), int))


def test_both_loops_of_a_crossing_outline_are_filled() -> None:
    """A star of five corners, drawn in one line: its middle, which is run around twice, is inside on a canvas."""
    turns = np.arange(5) * 2 * 2 * np.pi / 5
    star = np.stack([11.3 + 8.1 * np.sin(turns), 8.6 - 8.1 * np.cos(turns)], axis=1)
    mask = polygon_mask(star, **SIZE)
    assert windings(star)[8, 11] in {2, -2}
    assert mask[8, 11] == 255


@given(
    st.floats(0.5, 9), st.floats(0.5, 9), st.floats(-400, 400), st.floats(-3, 26), st.floats(-3, 20), st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_an_ellipse_covers_what_a_polygon_of_its_outline_covers(
    radius_x: float, radius_y: float, degrees: float, x: float, y: float, seed: int
) -> None:
    del seed
    turns = np.linspace(0, 2 * np.pi, 4001)[:-1]
    outline = (radius_x * np.cos(turns) + 1j * radius_y * np.sin(turns)) * np.exp(1j * np.radians(degrees))
    points = np.stack([x + outline.real, y + outline.imag], axis=1)
    mask = ellipse_mask(x=x, y=y, radii=(radius_x, radius_y), degrees=degrees, **SIZE)
    inside = windings(points) != 0
    rows, columns = np.nonzero((mask > 0) != inside)
    for row, column in zip(rows, columns, strict=True):  # only where the centre lies on the outline itself
        assert np.hypot(points[:, 0] - column - 0.5, points[:, 1] - row - 0.5).min() < 0.02


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, (slice(4, 6), slice(10, 14))),
        (90, (slice(4, 8), slice(8, 10))),
        (180, (slice(2, 4), slice(6, 10))),
        (270, (slice(0, 4), slice(10, 12))),
        (360, (slice(4, 6), slice(10, 14))),
        (-90, (slice(0, 4), slice(10, 12))),
    ],
)
def test_a_rectangle_turns_clockwise_about_its_first_corner(degrees: float, expected: tuple[slice, slice]) -> None:
    truth = np.zeros((17, 23), np.uint8)
    truth[expected] = 255
    corners = rectangle_corners(x=10, y=4, width=4, height=2, degrees=degrees)
    assert np.array_equal(polygon_mask(corners, **SIZE), truth)


def test_a_circle_of_hand_counted_pixels() -> None:
    mask = ellipse_mask(x=3, y=3, radii=(2, 2), degrees=33, height=6, width=6)
    assert (mask > 0).sum(axis=1).tolist() == [0, 2, 4, 4, 2, 0]


def test_an_ellipse_without_a_radius_covers_nothing() -> None:
    assert not ellipse_mask(x=3, y=3, radii=(0, 2), degrees=0, height=6, width=6).any()

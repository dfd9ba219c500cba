"""Where a face lies, as an affine map from the frame of its image to a window around a canonical face.

Source: Shen et al. 2016, Automatic Portrait Segmentation for Image Stylization, section 4.2: x, y and a mean mask are
brought to the face by a transform between its points and those of a canonical pose. Here that is the similarity (shift,
turn and scale) that fits eyes, mouth and chin best, so that a face turned to the side is not stretched.

Both are counted from -1 to 1 between their edges, x to the right and y downwards, so that a map holds at any size of
the image. A place of zeros says that there is no face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.images.faces import Face

Place: TypeAlias = NDArray[np.float64]
"""(2, 3) float64: from a point (x, y, 1) of the frame to the window of the face."""
CANONICAL: Final = np.array([-0.5, 0.5, 1.06j, 1.85j])
"""Eyes, mouth and chin, x + iy, from the middle of the eyes in distances between them: medians of 103 portraits."""
WINDOW_MIDDLE: Final = 2.5j
WINDOW_HALF: Final = 6.0
"""The window is so large, in distances between the eyes, that a portrait down to the chest lies in it."""


def place_of(face: Face, *, size: tuple[int, int]) -> Place:
    """Return where a face lies in an image of `size` (height, width); zeros where its points are all one.

    >>> face = Face(box=(3, 3, 9, 9), confidence=1, eyes=((4, 4), (8, 4)), mouth=(6, 8.24), chin=(6, 11.4),
    ...             is_chin_seen=True)
    >>> (place_of(face, size=(28, 12)) @ (0, 0, 1)).round(6).tolist()
    [0.0, 0.0]
    """
    points = np.array([complex(*point) for point in (*face.eyes, face.mouth, face.chin)])
    spread = points - points.mean()
    if not np.abs(spread).max() > 0:
        return no_place()
    middle = CANONICAL.mean()
    # least squares of a similarity, as one complex factor from the window's unit to pixels
    factor = np.vdot(CANONICAL - middle, spread) / np.vdot(CANONICAL - middle, CANONICAL - middle).real
    if factor == 0:
        return no_place()
    turn = 1 / (factor * WINDOW_HALF)
    shift = (middle - WINDOW_MIDDLE) / WINDOW_HALF - turn * points.mean()
    to_window = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    height, width = size
    return followed_by(np.array([[width / 2, 0, width / 2], [0, height / 2, height / 2]]), to_window)


def place_of_largest(faces: Sequence[Face], *, size: tuple[int, int]) -> Place:
    """Return where the first, the largest, of the faces in an image of `size` lies; zeros where there is none."""
    return place_of(faces[0], size=size) if faces else no_place()


def no_place() -> Place:
    """Return the place that says that there is no face."""
    return np.zeros((2, 3))


def followed_by(first: Place, second: Place) -> Place:
    """Return the map that is `second` after `first`."""
    return np.asarray(second @ np.vstack((first, (0.0, 0.0, 1.0))))


def seen_through(place: Place, to_frame: Place) -> Place:
    """Return the place of a face in another picture of the same image, of which `to_frame` leads to the frame.

    In a mirror a face is a mirrored face, whose eye at the left is again at the left.
    """
    found = followed_by(to_frame, place)
    is_mirrored = np.linalg.det(found[:, :2]) < 0
    return np.stack((-found[0], found[1])) if is_mirrored else found


def mirrored(place: Place) -> Place:
    """Return the place of a face in the mirror image.

    >>> mirrored(np.array([[2.0, 0, 0.5], [0, 2, 0]])).tolist()
    [[2.0, 0.0, -0.5], [0.0, 2.0, 0.0]]
    """
    return seen_through(place, np.array([[-1.0, 0, 0], [0, 1, 0]])) + 0.0


def in_window(place: Place, *, window: tuple[int, int, int, int], size: tuple[int, int]) -> Place:
    """Return the place of a face in a window (top, left, height, width) of an image of `size`; it may reach beyond.

    >>> in_window(np.eye(2, 3), window=(0, 0, 4, 2), size=(4, 4)).tolist()
    [[0.5, 0.0, -0.5], [0.0, 1.0, 0.0]]
    """
    top, left, height, width = window
    whole_height, whole_width = size
    across = [width / whole_width, 0, (2 * left + width) / whole_width - 1]
    down = [0, height / whole_height, (2 * top + height) / whole_height - 1]
    return followed_by(np.array([across, down]), place)


def pixels_to_window(place: Place, *, size: tuple[int, int], side: int) -> Place:
    """Return the map from pixels of an image of `size` (height, width) to those of a picture of its face's window.

    That has `side` pixels a side. Both count from the middle of the first pixel, as OpenCV does.
    """
    height, width = size
    to_frame = np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1]])
    to_picture = np.array([[side / 2, 0, (side - 1) / 2], [0, side / 2, (side - 1) / 2]])
    return followed_by(followed_by(to_frame, place), to_picture)

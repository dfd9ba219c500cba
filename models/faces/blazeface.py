"""BlazeFace: faces with six points each, from anchors that lie evenly over the picture.

Source: Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (anchors 3.2, blending
of overlapping faces 3.3), and the options of MediaPipe's graphs face_detection_short_range and
face_detection_full_range, from which the sizes, strides and thresholds below are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image
from models.faces.network import Network
from models.faces.regions import brought_back, seen, whole

LEAST_CONFIDENCE: Final = 0.5
MOST_OVERLAP: Final = 0.3
"""Boxes whose intersection over union is larger are one face."""
SCORE_LIMIT: Final = 100.0
"""Scores are cut off here before the logistic function."""
POINTS: Final = 6
"""Eye at the left of the picture, eye at the right, tip of the nose, mouth, and the two ears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """The grids of a detector: the side of its input in pixels, and of each grid the stride and the boxes a cell."""

    size: int
    grids: tuple[tuple[int, int], ...]

    def centres(self) -> NDArray[np.float64]:
        """Return the middles of all anchors, (n, 2) as x, y in 0..1; row by row, a grid after the other.

        >>> Anchors(size=128, grids=((8, 2), (16, 6))).centres().shape
        (896, 2)
        """
        found = []
        for stride, boxes in self.grids:
            cells = self.size // stride
            rows, columns = np.mgrid[:cells, :cells]
            one = np.stack([columns.ravel(), rows.ravel()], axis=1)
            found.append(np.repeat((one + 0.5) / cells, boxes, axis=0))
        return np.concatenate(found)


SHORT_RANGE: Final = Anchors(size=128, grids=((8, 2), (16, 6)))
FULL_RANGE: Final = Anchors(size=192, grids=((4, 1),))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A face that was seen: its box xyxy and six points (6, 2), in pixels of the image."""

    box: NDArray[np.float64]
    points: NDArray[np.float64]
    confidence: float


class BlazeFace:
    """The detector of one range."""

    def __init__(self, network: Network, *, anchors: Anchors) -> None:
        self._network = network
        self._size = anchors.size
        self._centres = anchors.centres()

    def find(self, image: Image) -> list[Seen]:
        """Return the faces in an image (h, w, 3), the surest first."""
        region = whole(image)
        picture = seen(image, region=region, size=self._size, is_black_beyond=True)
        outputs = self._network.run((picture.astype(np.float32) / 127.5 - 1)[None])
        raw = sorted(outputs.values(), key=lambda output: output.shape[-1])
        scores, coded = raw[0].reshape(-1).astype(np.float64), raw[1][0].astype(np.float64)
        found = blended(*decoded(coded, scores=scores, centres=self._centres, size=self._size))
        corners_and_points = [brought_back(one * self._size, region=region, size=self._size) for one, _ in found]
        return [
            Seen(box=points[:2].ravel(), points=points[2:], confidence=confidence)
            for points, (_, confidence) in zip(corners_and_points, found)
        ]


def decoded(
    coded: NDArray[np.float64], *, scores: NDArray[np.float64], centres: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return of each anchor that sees a face the corners and points, (n, 8, 2) in 0..1, and the confidence, (n,).

    `coded` (n, 16) holds a middle, a width and height, and six points, in pixels of the input; the middle and the
    points count from the anchor.
    """
    confidence = 1 / (1 + np.exp(-np.clip(scores, -SCORE_LIMIT, SCORE_LIMIT)))
    pairs = coded.reshape(len(coded), -1, 2) / size
    middles, halves = pairs[:, 0] + centres, pairs[:, 1] / 2
    points = pairs[:, 2:] + centres[:, None]
    kept = (confidence >= LEAST_CONFIDENCE) & (halves > 0).all(axis=1)
    corners = np.stack([middles - halves, middles + halves], axis=1)
    return np.concatenate([corners, points], axis=1)[kept], confidence[kept]


def blended(faces: NDArray[np.float64], confidence: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], float]]:
    """Return the faces (8, 2) of which each is the mean, by confidence, of those that overlap the surest of them."""
    found = []
    left = np.argsort(-confidence, kind="stable")
    while len(left):
        overlaps = _overlaps(faces[left[0], :2], faces[left, :2]) > MOST_OVERLAP
        overlaps[0] = True
        same = left[overlaps]
        mean = np.average(faces[same], axis=0, weights=confidence[same])
        found.append((mean, float(confidence[left[0]])))
        left = left[~overlaps]
    return found


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the intersection over union of two boxes xyxy."""
    return float(_overlaps(one.reshape(2, 2), other.reshape(1, 2, 2))[0])


def _overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of a box (2, 2) with others (n, 2, 2)."""
    sides = np.clip(np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0]), 0, None)
    shared = sides.prod(axis=1)
    union = (box[1] - box[0]).prod() + (boxes[:, 1] - boxes[:, 0]).prod(axis=1) - shared
    return np.asarray(shared / union, np.float64)

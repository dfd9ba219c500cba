"""CenterFace: faces as peaks of a map, each with its size and five points. It sees no chin, which is estimated.

Source: Xu et al. 2019, "CenterFace: Joint Face Detection and Alignment Using Face as Point", section 3.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.faces import Face, Point
from curation.images.pixels import Image
from models.faces.blazeface import MOST_OVERLAP, overlap
from models.faces.card import FaceCard
from models.faces.network import Network
from models.faces.regions import Region, brought_back, seen
from models.preprocessing import ORDERS

CELL: Final = 4
"""Pixels of the picture under one cell of the outputs."""
BELOW_MOUTH: Final = 0.79
"""From the mouth to the chin, over the distance from the eyes to the mouth: of 120 portraits of EG1800, from the points
of CenterFace to the chin by the face mesh, 0.79 with a standard deviation of 0.09."""


class CenterFace:
    """A model of faces that a card says is read as CenterFace."""

    def __init__(self, network: Network, *, card: FaceCard, name: str, sha256: str) -> None:
        self.name = name
        self.sha256 = sha256
        self._network = network
        self._card = card

    def find(self, image: Image) -> list[Face]:
        """Return the faces in an image (h, w, 3) uint8 RGB, the largest first."""
        card = self._card
        height, width = image.shape[:2]
        side = max(height, width)
        region = Region(x=side / 2, y=side / 2, side=side)  # the photograph lies in the upper left corner
        picture = seen(image, region=region, size=card.side, is_black_beyond=True)[..., ORDERS[card.channels]]
        mean, std = np.array(card.mean, np.float32), np.array(card.std, np.float32)
        values = (picture.astype(np.float32) - mean) / std
        outputs = self._network.run(np.ascontiguousarray(values.transpose(2, 0, 1))[None])
        boxes, points, confidence = peaks(
            outputs[card.heatmap],
            sizes=outputs[card.sizes],
            offsets=outputs[card.offsets],
            points=outputs[card.points],
            least=card.least_confidence,
        )
        kept = _apart(boxes, confidence)
        faces = []
        for index in kept:
            box = brought_back(boxes[index].reshape(2, 2), region=region, size=card.side).ravel()
            five = brought_back(points[index], region=region, size=card.side)
            faces.append(_face(box, five, confidence=float(confidence[index])))
        return sorted(faces, key=lambda face: face.box[1] - face.box[3])


def peaks(
    heatmap: NDArray[np.float32],
    *,
    sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    points: NDArray[np.float32],
    least: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return boxes xyxy (n, 4), points (n, 5, 2) and confidences (n,), in pixels of the picture.

    Outputs are (1, c, h, w): of sizes and offsets the first channel is down, the second across; of points down and
    across in turn, from the upper left corner of the box in its heights and widths.
    """
    rows, columns = np.nonzero(heatmap[0, 0] > least)
    down, across = np.exp(sizes[0][:, rows, columns].astype(np.float64)) * CELL
    y = (rows + offsets[0, 0, rows, columns] + 0.5) * CELL - down / 2
    x = (columns + offsets[0, 1, rows, columns] + 0.5) * CELL - across / 2
    boxes = np.stack([x, y, x + across, y + down], axis=1)
    pairs = points[0][:, rows, columns].astype(np.float64).T.reshape(len(rows), 5, 2)
    places = np.stack(
        [x[:, None] + pairs[..., 1] * across[:, None], y[:, None] + pairs[..., 0] * down[:, None]], axis=2
    )
    return boxes, places, heatmap[0, 0, rows, columns].astype(np.float64)


def _apart(boxes: NDArray[np.float64], confidence: NDArray[np.float64]) -> list[int]:
    """Return the indices of the surest boxes, without those that overlap a surer one."""
    kept: list[int] = []
    for index in np.argsort(-confidence, kind="stable"):
        if all(overlap(boxes[index], boxes[other]) < MOST_OVERLAP for other in kept):
            kept.append(int(index))
    return kept


def _face(box: NDArray[np.float64], five: NDArray[np.float64], *, confidence: float) -> Face:
    """Return a face by its box and the points of eyes, nose and corners of the mouth."""
    mouth = five[3:].mean(axis=0)
    chin = mouth + BELOW_MOUTH * (mouth - five[:2].mean(axis=0))
    left, top, right, bottom = (float(side) for side in box)
    return Face(
        box=(left, top, right, bottom),
        confidence=confidence,
        eyes=(_point(five[0]), _point(five[1])),
        mouth=_point(mouth),
        chin=_point(chin),
        is_chin_seen=False,
    )


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])

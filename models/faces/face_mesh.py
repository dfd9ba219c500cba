"""The face mesh: 468 points of one face, in a square around it.

Source: Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs"; the square and
its turn as MediaPipe's face_detection_front_detection_to_roi sets them; numbers of points by its canonical face model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.faces import Face, Point
from curation.images.pixels import Image
from models.faces.blazeface import Seen
from models.faces.network import Network
from models.faces.regions import Region, brought_back, seen

SIZE: Final = 192
WIDER: Final = 1.5
"""The square is so much longer than the longer side of the box."""
VALUES: Final = 3 * 468
CHIN: Final = 152
BELOW_CHIN: Final = 0.08
"""The outline of a chin ends so many distances between the eyes below its point of the mesh: 0.080 +- 0.048 over 20
portraits of EG1800, 0.069 +- 0.044 over 20 others, marked by hand (`python -m tests.bench id_photos`)."""
FOREHEAD: Final = 10
LIPS: Final = (13, 14)
MOUTH_CORNERS: Final = (61, 291)
CHEEKS: Final = (234, 454)
"""Points before the ears: at the left of the picture, and at the right."""
EYE_CORNERS: Final = ((33, 133), (362, 263))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """The points of a face, (468, 3): x and y in pixels of the image, z in the same unit; and how sure it is, 0..1."""

    points: NDArray[np.float64]
    confidence: float


class FaceMesh:
    """The network of the mesh."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def find(self, image: Image, *, face: Seen) -> Mesh:
        """Return the mesh of a face in an image (h, w, 3), found twice: the second time around the first points."""
        first = self._points(image, region=around_box(face))
        return self._points(image, region=around_points(first.points))

    def _points(self, image: Image, *, region: Region) -> Mesh:
        picture = seen(image, region=region, size=SIZE, is_black_beyond=False)
        outputs = self._network.run((picture.astype(np.float32) / np.float32(255))[None])
        score, values = sorted(outputs.values(), key=lambda output: output.size)
        points = values.reshape(-1, 3).astype(np.float64)
        planes = brought_back(points[:, :2], region=region, size=SIZE)
        depth = points[:, 2] * region.side / SIZE
        return Mesh(
            points=np.column_stack([planes, depth]), confidence=1 / (1 + math.exp(-float(score.reshape(-1)[0])))
        )


def around_box(face: Seen) -> Region:
    """Return the square around the box of a face, turned so that its eyes are level."""
    (left, top), (right, bottom) = face.box.reshape(2, 2)
    return Region(
        x=(left + right) / 2,
        y=(top + bottom) / 2,
        side=WIDER * max(right - left, bottom - top),
        angle=_angle(face.points[0], face.points[1]),
    )


def around_points(points: NDArray[np.float64]) -> Region:
    """Return the square around the points (n, 3) of a mesh, turned so that its eyes are level."""
    angle = _angle(points[EYE_CORNERS[0][0]], points[EYE_CORNERS[1][1]])
    back = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    level = points[:, :2] @ back.T
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = back.T @ ((low + high) / 2)
    return Region(x=float(x), y=float(y), side=WIDER * float((high - low).max()), angle=angle)


def face_of(mesh: Mesh, *, confidence: float, openness: tuple[float, float] | None = None) -> Face:
    """Return what is known of a face by its mesh; how far its eyes are open is told by `eyelids`."""
    points = mesh.points
    plane = points[:, :2]
    eyes = [_point(plane[list(corners)].mean(axis=0)) for corners in EYE_CORNERS]
    (left, top), (right, bottom) = plane.min(axis=0), plane.max(axis=0)
    return Face(
        box=(float(left), float(top), float(right), float(bottom)),
        confidence=min(confidence, mesh.confidence),
        eyes=(eyes[0], eyes[1]),
        mouth=_point(plane[list(LIPS)].mean(axis=0)),
        chin=_chin(plane, between_eyes=np.mean(eyes, axis=0), unit=math.dist(*eyes)),
        is_chin_seen=True,
        turned=_turned(points),
        nodded=_nodded(points),
        openness=openness,
    )


def _chin(plane: NDArray[np.float64], *, between_eyes: NDArray[np.float64], unit: float) -> Point:
    """Return the end of the chin's outline, further down the line from the eyes to the chin of the mesh."""
    down = plane[CHIN] - between_eyes
    return _point(plane[CHIN] + BELOW_CHIN * unit * down / max(1e-6, float(np.hypot(*down))))


def _turned(points: NDArray[np.float64]) -> float:
    """Return the degrees by which a face is turned to the side: how far one cheek is nearer than the other."""
    across = points[CHEEKS[1]] - points[CHEEKS[0]]
    return math.degrees(math.atan2(across[2], math.hypot(across[0], across[1])))


def _nodded(points: NDArray[np.float64]) -> float:
    """Return the degrees by which a face leans back: how far the chin is nearer than the forehead."""
    down = points[CHIN] - points[FOREHEAD]
    return math.degrees(math.atan2(-down[2], math.hypot(down[0], down[1])))


def _angle(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return math.atan2(float(right[1] - left[1]), float(right[0] - left[0]))


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])

"""How far the eyes of a face are open, by the network that finds irises and lids.

Source: Ablavatski et al. 2020, "Real-time Pupil Tracking from Monocular Video for Digital Puppetry"; the square around
an eye as MediaPipe's iris_landmark_landmarks_to_roi sets it. The network knows eyes at the left of a picture; the other
one is mirrored.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image
from models.faces.face_mesh import EYE_CORNERS, Mesh
from models.faces.network import Network
from models.faces.regions import Region, seen

SIZE: Final = 64
WIDER: Final = 2.3
"""The square is so many times as long as the eye is wide."""
CONTOUR: Final = "output_eyes_contours_and_brows"
CORNERS: Final = (0, 8)
LIDS: Final = ((11, 3), (12, 4), (13, 5))
"""Points of the upper lid, each with the one of the lower lid under it."""


class Eyelids:
    """The network of irises and lids."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def openness(self, image: Image, *, mesh: Mesh) -> tuple[float, float]:
        """Return of both eyes of a face in an image (h, w, 3) the height over the width, that at the left first."""
        left, right = (self._openness(image, mesh=mesh, eye=eye) for eye in (0, 1))
        return left, right

    def _openness(self, image: Image, *, mesh: Mesh, eye: int) -> float:
        inner, outer = (mesh.points[corner, :2] for corner in EYE_CORNERS[eye])
        picture = seen(image, region=around_eye(inner, outer), size=SIZE, is_black_beyond=False)
        if eye == 1:
            picture = picture[:, ::-1]
        outputs = self._network.run(np.ascontiguousarray(picture.astype(np.float32) / np.float32(255))[None])
        points = outputs[CONTOUR].reshape(-1, 3)[:, :2].astype(np.float64)
        width = math.dist(points[CORNERS[0]], points[CORNERS[1]])
        height = float(np.mean([math.dist(points[upper], points[lower]) for upper, lower in LIDS]))
        return height / max(1e-6, width)


def around_eye(left: NDArray[np.float64], right: NDArray[np.float64]) -> Region:
    """Return the square around an eye with these corners (x, y), level with it."""
    across = right - left
    x, y = (left + right) / 2
    return Region(x=float(x), y=float(y), side=WIDER * float(np.hypot(*across)), angle=math.atan2(across[1], across[0]))

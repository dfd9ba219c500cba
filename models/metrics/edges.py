"""How clean the edge of a prediction is: burrs along its outlines, and a halo of background around the person."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Gray

REACH_SHARE: Final = 0.02
"""How far from the true edge is looked, as a share of the diagonal: as Boundary IoU does (Cheng et al. 2021)."""
OPAQUE: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeErrors:
    """What is wrong at an edge.

    `burr` is by how much longer the outlines of the prediction are than the true ones, over all levels of alpha: 0 for
    the truth, 1 for twice as long, below 0 where they are smoother. `halo` is the mean alpha that background pixels
    near the person got, 0 to 1: so much of the old background comes along.
    """

    burr: float
    halo: float


def edge_errors(prediction: Gray, *, truth: Alpha, valid: NDArray[np.bool_] | None = None) -> EdgeErrors | None:
    """Compare an alpha with the true one, or with a mask, both (h, w) uint8; None where the truth has no edge.

    The length of the outlines, averaged over all levels, is the total variation (coarea formula, Federer 1959); it is
    taken along rows and columns, so that steps of a slanting outline count as much as its soft edge does.

    >>> truth = np.zeros((60, 60), np.uint8); truth[20:, 20:40] = 255
    >>> edge_errors(truth, truth=truth)
    EdgeErrors(burr=0.0, halo=0.0)
    """
    near = _near_edge(truth)
    if valid is not None:
        near &= valid
    length = _variation(truth, where=near)
    if not length:
        return None
    background = near & (truth == 0)
    halo = float(prediction[background].mean()) / OPAQUE if background.any() else 0.0
    return EdgeErrors(burr=_variation(prediction, where=near) / length - 1, halo=halo)


def _near_edge(truth: Alpha) -> NDArray[np.bool_]:
    """Return the pixels within reach of one that is soft, or of a step from background to person."""
    reach = max(1, round(REACH_SHARE * math.hypot(*truth.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray((cv2.dilate(truth, kernel) > 0) & (cv2.erode(truth, kernel) < OPAQUE))


def _variation(picture: Gray, *, where: NDArray[np.bool_]) -> float:
    """Return the sum of the steps between neighbours, as shares of 1, of which both pixels count."""
    values = picture.astype(np.int16)
    down = np.abs(np.diff(values, axis=0))[where[1:] & where[:-1]]
    across = np.abs(np.diff(values, axis=1))[where[:, 1:] & where[:, :-1]]
    return float(down.sum(dtype=np.int64) + across.sum(dtype=np.int64)) / OPAQUE

"""How good a predicted trimap is: what matting can start from, and nothing soft that it would miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha
from curation.labels.trimaps import UNKNOWN, Trimap

VALUES: Final = (0, UNKNOWN, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapScores:
    """How a predicted trimap compares with the true one.

    `miou` is the mean over background, unknown and foreground of their intersection over union, of those that either
    holds. `recall` is the share of the true unknown band that is called unknown, None without a band. `covered` is the
    share of truly soft pixels (0 < alpha < 255) that is called unknown: matting can find no other; None without any.
    """

    miou: float
    recall: float | None
    covered: float | None

    @property
    def score(self) -> float:
        """Return the geometric mean of those that are known, by which a network of trimaps is chosen.

        What calls everything unknown covers all that is soft, and so an arithmetic mean would like it.
        """
        known = [one for one in (self.miou, self.recall, self.covered) if one is not None]
        return float(np.prod(known) ** (1 / len(known)))


def trimap_scores(
    prediction: Trimap, *, truth: Trimap, alpha: Alpha | None = None, valid: NDArray[np.bool_] | None = None
) -> TrimapScores:
    """Compare trimaps (h, w) of 0, 128 and 255, and the true alpha where one is known, over the `valid` pixels.

    >>> trimap_scores(np.array([[0, 128, 255]], np.uint8), truth=np.array([[0, 128, 128]], np.uint8)).recall
    0.5
    """
    where = np.ones(truth.shape, np.bool_) if valid is None else valid
    found, wanted = prediction[where], truth[where]
    ious = [iou for value in VALUES if (iou := _iou(found == value, wanted == value)) is not None]
    is_unknown = found == UNKNOWN
    soft = None if alpha is None else (alpha[where] > 0) & (alpha[where] < 255)
    return TrimapScores(
        miou=float(np.mean(ious)) if ious else 1.0,
        recall=_share(is_unknown, of=wanted == UNKNOWN),
        covered=None if soft is None else _share(is_unknown, of=soft),
    )


def _iou(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float | None:
    union = np.count_nonzero(found | wanted)
    return np.count_nonzero(found & wanted) / union if union else None


def _share(found: NDArray[np.bool_], *, of: NDArray[np.bool_]) -> float | None:
    number = np.count_nonzero(of)
    return np.count_nonzero(found & of) / number if number else None

"""One image scored: a predicted probability against its truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import msgspec
import numpy as np

from curation.images.pixels import Gray, Probability
from curation.labels.masks import mask_of
from curation.labels.trimaps import Trimap
from models.data.truth import Truth
from models.evaluation.score_table import Score
from models.evaluation.scores_for_mining import mask_scores, matting_errors, prediction_scores, truth_scores
from models.metrics.edges import edge_errors
from models.metrics.holes import label_holes
from models.metrics.levels import count_levels
from models.metrics.trimaps import trimap_scores
from models.metrics.uncertainty import outline_band
from models.preprocessing import at_size


def to_8_bit(probability: Probability) -> Gray:
    """Return a probability (h, w) in 0..1 as it is stored: (h, w) uint8, 255 x probability, rounded.

    >>> to_8_bit(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).tolist()
    [[0, 128, 255]]
    """
    return np.asarray(cv2.convertScaleAbs(probability, alpha=255), dtype=np.uint8)


def score_image(
    probability: Probability | None, *, truth: Truth | None, row: Mapping[str, Any], dataset: str
) -> tuple[Score, Gray | None]:
    """Return the score of a prediction, and the prediction as it is stored, at the size of the truth.

    `row` is the sample's row of the manifest. A sample without a label has no `truth`. A probability that is None, or
    not finite somewhere, has no scores.
    """
    holes = None if truth is None else label_holes(truth.mask)
    score = _row_score(row, dataset=dataset)
    if truth is not None and holes is not None:
        score = msgspec.structs.replace(score, **truth_scores(truth, holes=holes))
    if probability is None or not np.isfinite(probability).all():
        return score, None
    probability = at_size(probability, size=(score.height, score.width))
    stored = to_8_bit(probability)
    mask, band = mask_of(stored), outline_band(stored)
    if truth is None or holes is None:
        levels = count_levels(stored, chosen=band)
        return msgspec.structs.replace(score, is_finite=True, **prediction_scores(mask, levels=levels)), stored
    levels = count_levels(stored, chosen=band, truth=truth.mask, valid=truth.valid)
    score = msgspec.structs.replace(
        score,
        is_finite=True,
        **prediction_scores(mask, levels=levels),
        **mask_scores(mask, levels=levels, truth=truth, holes=holes),
        **matting_errors(probability, truth=truth),
    )
    return score, stored


def _row_score(row: Mapping[str, Any], *, dataset: str) -> Score:
    """Return the part of a score that stands in the manifest."""
    return Score(
        id=row["id"],
        dataset=dataset,
        is_finite=False,
        width=row["width"],
        height=row["height"],
        persons=row["persons"],
        source=row["source"],
        split=row["split"],
        label_version=row["label_version"],
        group=row["group"],
    )


def edge_scores(stored: Gray, *, truth: Truth) -> dict[str, float]:
    """Return the part of a score that tells how clean the edge is, against the alpha where there is one."""
    found = edge_errors(stored, truth=truth.mask if truth.alpha is None else truth.alpha, valid=truth.valid)
    return {} if found is None else {"burr": found.burr, "halo": found.halo}


def trimap_columns(trimap: Trimap, *, truth: Truth) -> dict[str, float | None]:
    """Return the part of a score that is of a predicted trimap; nothing without a true one."""
    if truth.trimap is None:
        return {}
    found = trimap_scores(trimap, truth=truth.trimap, alpha=truth.alpha, valid=truth.valid)
    return {"trimap_miou": found.miou, "unknown_recall": found.recall, "soft_covered": found.covered}

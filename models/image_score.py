"""One image scored: a predicted probability against its truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cv2
import msgspec
import numpy as np

from curation.masks import person_area
from curation.pixels import Gray, Mask
from models.metrics.boundary import boundary_iou
from models.metrics.confusion import background_iou, confusion, image_miou, person_iou
from models.metrics.holes import hole_recall, label_holes
from models.metrics.label_quality import quality_of
from models.metrics.levels import LevelCounts, count_levels
from models.metrics.matting import error_maps
from models.metrics.specks import specks
from models.metrics.uncertainty import outline_band, uncertainty_of
from models.prediction.protocol import Probability
from models.preprocessing import at_size
from models.scores import Score
from models.truth import Truth

HALF: Final = 128
"""A stored probability from here on is person: 255 x 0.5, rounded."""


def to_8_bit(probability: Probability) -> Gray:
    """Give a probability (h, w) in 0..1 as it is stored: (h, w) uint8, 255 x probability, rounded.

    >>> to_8_bit(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).tolist()
    [[0, 128, 255]]
    """
    return np.asarray(cv2.convertScaleAbs(probability, alpha=255), dtype=np.uint8)


def mask_of(stored: Gray) -> Mask:
    """Give the mask that a stored probability stands for: the same as of the probability itself, cut at one half.

    >>> mask_of(np.array([[0, 127, 128]], dtype=np.uint8)).tolist()
    [[0, 0, 255]]
    """
    return np.asarray(cv2.threshold(stored, HALF - 1, 255, cv2.THRESH_BINARY)[1], dtype=np.uint8)


def score_image(
    probability: Probability | None, *, truth: Truth | None, row: Mapping[str, Any], dataset: str
) -> tuple[Score, Gray | None]:
    """Give the score of a prediction, and the prediction as it is stored, at the size of the truth.

    `row` is the sample's row of the manifest. A sample without a label has no `truth`. A probability that is None, or
    not finite somewhere, has no scores.
    """
    holes = None if truth is None else label_holes(truth.mask)
    score = _row_score(row, dataset=dataset)
    if truth is not None and holes is not None:
        score = msgspec.structs.replace(score, **_truth_scores(truth, holes=holes))
    if probability is None or not np.isfinite(probability).all():
        return score, None
    probability = at_size(probability, size=(score.height, score.width))
    stored = to_8_bit(probability)
    mask, band = mask_of(stored), outline_band(stored)
    if truth is None or holes is None:
        levels = count_levels(stored, chosen=band)
        return msgspec.structs.replace(score, is_finite=True, **_prediction_scores(mask, levels=levels)), stored
    levels = count_levels(stored, chosen=band, truth=truth.mask, valid=truth.valid)
    score = msgspec.structs.replace(
        score,
        is_finite=True,
        **_prediction_scores(mask, levels=levels),
        **_mask_scores(mask, levels=levels, truth=truth, holes=holes),
        **_matting_errors(probability, truth=truth),
    )
    return score, stored


def _row_score(row: Mapping[str, Any], *, dataset: str) -> Score:
    """Give the part of a score that stands in the manifest."""
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


def _truth_scores(truth: Truth, *, holes: Mask) -> dict[str, Any]:
    """Give the part of a score that needs the label alone."""
    height, width = truth.mask.shape
    return {
        "width": width,
        "height": height,
        "person_area": person_area(truth.mask),
        "hole_area": person_area(holes),
        "touches_border": _touches_border(truth.mask),
    }


def _mask_scores(mask: Mask, *, levels: LevelCounts, truth: Truth, holes: Mask) -> dict[str, Any]:
    assert levels.given is not None, "the levels of a labelled sample are counted by label"
    counts = confusion(mask, truth=truth.mask, valid=truth.valid)
    shows_nobody = counts.tp + counts.fn == 0
    return {
        "miou": image_miou(counts),
        "iou_person": person_iou(counts),
        "iou_background": background_iou(counts),
        "boundary_iou": boundary_iou(mask, truth=truth.mask, valid=truth.valid),
        "label_quality": quality_of(levels.given),
        "hole_recall": hole_recall(mask, holes=holes, valid=truth.valid),
        "false_foreground": counts.fp / counts.valid if shows_nobody else None,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "tn": counts.tn,
    }


def _prediction_scores(mask: Mask, *, levels: LevelCounts) -> dict[str, float]:
    """Give the part of a score that needs the prediction alone."""
    found = uncertainty_of(levels)
    return {
        "uncertainty": found.everywhere,
        "uncertainty_boundary": found.at_boundary,
        "closeness_boundary": found.closeness,
        "specks": specks(mask),
    }


def _matting_errors(probability: Probability, *, truth: Truth) -> dict[str, float]:
    if truth.alpha is None:
        return {}
    maps = error_maps(probability, truth=truth.alpha)
    found: dict[str, float] = {}
    band = truth.band if truth.band is None or truth.valid is None else truth.band & truth.valid
    for ending, errors in (("", maps.over(truth.valid)), ("_band", None if band is None else maps.over(band))):
        if errors is not None:
            found |= {
                f"sad{ending}": errors.sad,
                f"mse{ending}": errors.mse,
                f"gradient{ending}": errors.gradient,
                f"connectivity{ending}": errors.connectivity,
            }
    return found


def _touches_border(mask: Mask) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())

"""The numbers by which `curate mine` ranks an image, and of which `curate evaluate` takes the mean.

A new one is a function in `models/metrics/`, a line here, and a field of `Score` in `score_table.py`.
"""

from __future__ import annotations

from typing import Any

from curation.images.pixels import Mask, Probability
from curation.labels.masks import person_area
from models.data.truth import Truth
from models.metrics.boundary import boundary_iou
from models.metrics.confusion import background_iou, confusion, image_miou, person_iou
from models.metrics.holes import hole_recall
from models.metrics.label_quality import quality_of
from models.metrics.levels import LevelCounts
from models.metrics.matting import error_maps
from models.metrics.specks import specks
from models.metrics.uncertainty import uncertainty_of


def truth_scores(truth: Truth, *, holes: Mask) -> dict[str, Any]:
    """Return the part of a score that needs the label alone; `holes` is (h, w) of 0 and 255, as the label."""
    height, width = truth.mask.shape
    return {
        "width": width,
        "height": height,
        "person_area": person_area(truth.mask),
        "hole_area": person_area(holes),
        "touches_border": _touches_border(truth.mask),
    }


def mask_scores(mask: Mask, *, levels: LevelCounts, truth: Truth, holes: Mask) -> dict[str, Any]:
    """Return the part of a score that compares the predicted mask with the label.

    `mask` and `holes` are (h, w) of 0 and 255 at the size of the label; `levels` was counted with that label.
    """
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


def prediction_scores(mask: Mask, *, levels: LevelCounts) -> dict[str, float]:
    """Return the part of a score that needs the prediction alone: its mask, (h, w) of 0 and 255, and its levels."""
    found = uncertainty_of(levels)
    return {
        "uncertainty": found.everywhere,
        "uncertainty_boundary": found.at_boundary,
        "closeness_boundary": found.closeness,
        "specks": specks(mask),
    }


def matting_errors(probability: Probability, *, truth: Truth) -> dict[str, float]:
    """Return the matting errors of a probability (h, w) in 0..1, over the frame and over the band; none without alpha.

    The label has the same size.
    """
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

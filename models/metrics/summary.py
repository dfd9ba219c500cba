"""The scores of many images in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.metrics.confusion import Confusion, image_miou

HARD_BELOW: Final = 0.8
"""An image under this mIoU is a hard case. A convention."""
MATTING: Final = ("sad", "mse", "gradient", "connectivity")
MATTING_COLUMNS: Final = (*MATTING, *(f"{name}_band" for name in MATTING))
EDGE_COLUMNS: Final = ("burr", "halo")
TRIMAP_COLUMNS: Final = ("trimap_miou", "unknown_recall", "soft_covered")

ScoreColumns: TypeAlias = Mapping[str, NDArray[np.float64]]
"""Columns of scores (images,) float64 by name; NaN where an image has no such score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The scores of a set of images; None where no image has such a score.

    `images` counts all, `not_finite` those for which the model gave no finite prediction: they have no scores, and
    count as hard. `miou_image` is the mean of the mIoU of each image, with population standard deviation `std` and
    percentiles, `miou_dataset` that of summed pixel counts. `iou_person` and `boundary_iou` are means over the images
    with a person in label or prediction. `false_foreground` is the mean share of the frame taken for person, over the
    images `without_person`. `matting` are means over the images with an alpha, those named `_band` over the unknown
    band of their trimaps. `edge` are means over the images whose label has an edge, `trimap` over those with a trimap,
    of a model of three classes.
    """

    images: int
    not_finite: int
    miou_image: float | None
    miou_dataset: float | None
    std: float | None
    p5: float | None
    p50: float | None
    p95: float | None
    share_under: float | None
    iou_person: float | None
    iou_background: float | None
    boundary_iou: float | None
    with_holes: int
    hole_recall: float | None
    without_person: int
    false_foreground: float | None
    uncertainty: float | None
    uncertainty_boundary: float | None
    matting: dict[str, float]
    edge: dict[str, float]
    trimap: dict[str, float]


def summarise(scores: ScoreColumns) -> Summary:
    """Return the summary of scores: miou, tp, fp, fn, tn, iou_person, ... of each image.

    >>> columns = {name: np.array([0.5, 0.9]) for name in ("miou", "iou_person", "tp", "fp", "fn", "tn")}
    >>> found = summarise(columns)
    >>> found.miou_image, found.share_under
    (0.7, 0.5)
    """
    miou = scores["miou"]
    finite = miou[np.isfinite(miou)]
    p5, p50, p95 = np.percentile(finite, (5, 50, 95)).tolist() if finite.size else (None, None, None)
    hard = int((finite < HARD_BELOW).sum()) + miou.size - finite.size
    has_person = scores["tp"] + scores["fp"] + scores["fn"] > 0
    return Summary(
        images=miou.size,
        not_finite=miou.size - finite.size,
        miou_image=_mean(miou),
        miou_dataset=image_miou(_summed(scores)) if finite.size else None,
        std=float(finite.std()) if finite.size else None,
        p5=p5,
        p50=p50,
        p95=p95,
        share_under=hard / miou.size if miou.size else None,
        iou_person=_mean(scores["iou_person"][has_person]),
        iou_background=_column_mean(scores, "iou_background"),
        boundary_iou=_mean(scores["boundary_iou"][has_person]) if "boundary_iou" in scores else None,
        with_holes=_number(scores, "hole_recall"),
        hole_recall=_column_mean(scores, "hole_recall"),
        without_person=_number(scores, "false_foreground"),
        false_foreground=_column_mean(scores, "false_foreground"),
        uncertainty=_column_mean(scores, "uncertainty"),
        uncertainty_boundary=_column_mean(scores, "uncertainty_boundary"),
        matting=_column_means(scores, MATTING_COLUMNS),
        edge=_column_means(scores, EDGE_COLUMNS),
        trimap=_column_means(scores, TRIMAP_COLUMNS),
    )


def _summed(scores: ScoreColumns) -> Confusion:
    tp, fp, fn, tn = (int(np.nansum(scores[name])) for name in ("tp", "fp", "fn", "tn"))
    return Confusion(tp=tp, fp=fp, fn=fn, tn=tn)


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _column_mean(scores: ScoreColumns, name: str) -> float | None:
    return _mean(scores[name]) if name in scores else None


def _column_means(scores: ScoreColumns, names: Iterable[str]) -> dict[str, float]:
    return {name: mean for name in names if (mean := _column_mean(scores, name)) is not None}


def _number(scores: ScoreColumns, name: str) -> int:
    return int(np.isfinite(scores[name]).sum()) if name in scores else 0

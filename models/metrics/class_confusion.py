"""How many pixels of each class were taken for which class, the IoU of each that follows, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

ClassMap: TypeAlias = NDArray[np.uint8]
"""(height, width): the number of the class of each pixel."""
Counts: TypeAlias = NDArray[np.int64]
"""(classes, classes): pixels of the class of the row that were taken for the class of the column."""
CELL_PX: Final = 34
LABEL_PX: Final = 110
DARK_FROM: Final = 0.5
"""Above this share a cell is so dark that its number is white."""


def class_confusion(
    prediction: ClassMap, *, truth: ClassMap, classes: int, valid: NDArray[np.bool_] | None = None
) -> Counts:
    """Count the pixels of a predicted class map, (h, w), by true and by predicted class, where `valid`.

    >>> class_confusion(np.uint8([[0, 1, 1]]), truth=np.uint8([[0, 0, 1]]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    assert prediction.shape == truth.shape, f"a prediction of {prediction.shape} for a label of {truth.shape}"
    pairs = truth.astype(np.int64) * classes + prediction
    counted = np.bincount(pairs.ravel() if valid is None else pairs[valid], minlength=classes * classes)
    return counted.reshape(classes, classes)


def class_ious(counts: Counts) -> list[float | None]:
    """Return the IoU of each class over all pixels that were counted; None where it is in no label and no prediction.

    Source: Everingham et al. 2010, The Pascal Visual Object Classes (VOC) Challenge, its segmentation accuracy.

    >>> class_ious(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
    [0.5, 0.5, None]
    """
    right = counts.diagonal()
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    return [float(hits / pixels) if pixels else None for hits, pixels in zip(right, union, strict=True)]


def mean_class_iou(counts: Counts) -> float | None:
    """Return the mean of the IoUs of the classes that occur in a label or a prediction; None where none does.

    >>> mean_class_iou(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
    0.5
    """
    known = [value for value in class_ious(counts) if value is not None]
    return float(np.mean(known)) if known else None


def person_iou_of_classes(counts: Counts) -> float | None:
    """Return the IoU of person, which is every class but 0, over all pixels; None where there is none anywhere.

    >>> person_iou_of_classes(np.array([[4, 1, 0], [1, 0, 2], [0, 1, 1]]))
    0.6666666666666666
    """
    both, union = int(counts[1:, 1:].sum()), int(counts.sum() - counts[0, 0])
    return both / union if union else None


def class_facts(counts: Counts, *, names: Sequence[str]) -> dict[str, Any]:
    """Return what is known of the classes as plain values: names, IoUs, their mean, that of person, and the counts."""
    return {
        "names": list(names),
        "iou": dict(zip(names, class_ious(counts), strict=True)),
        "mean_iou": mean_class_iou(counts),
        "person_iou": person_iou_of_classes(counts),
        "confusion": counts.tolist(),
    }


def confusion_picture(counts: Counts, *, names: Sequence[str]) -> bytes:
    """Return an SVG of the shares of each true class (row) that were taken for each class (column); equal counts give
    equal bytes.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    width = height = LABEL_PX + CELL_PX * len(names) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="4" y="{LABEL_PX - 22}">true class</text><text x="4" y="{LABEL_PX - 8}">by predicted</text>',
    ]
    for number, name in enumerate(names):
        middle = LABEL_PX + CELL_PX * (number + 0.5)
        parts.append(f'<text x="{LABEL_PX - 6}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>')
        turn = f"translate({middle + 4},{LABEL_PX - 6}) rotate(-90)"
        parts.append(f'<text transform="{turn}">{escape(name)}</text>')
    for row, column in np.ndindex(counts.shape):
        parts.append(_cell(float(shares[row, column]), row=row, column=column))
    return "\n".join([*parts, "</svg>", ""]).encode()


def _cell(share: float, *, row: int, column: int) -> str:
    x, y = LABEL_PX + CELL_PX * column, LABEL_PX + CELL_PX * row
    light = round(255 * (1 - share))
    text = "white" if share > DARK_FROM else "#333"
    square = (
        f'<rect x="{x}" y="{y}" width="{CELL_PX}" height="{CELL_PX}" fill="rgb({light},{light},255)" stroke="#ddd"/>'
    )
    if share < 0.005:  # what would be written as 0.00
        return square
    middle = CELL_PX / 2
    return f'{square}<text x="{x + middle}" y="{y + middle + 4}" fill="{text}" text-anchor="middle">{share:.2f}</text>'

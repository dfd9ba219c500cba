"""Tables of scores that a test makes up: one image a number."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from models.evaluation.score_table import Score, table_of_scores


def scored(mious: Sequence[float | None], *, dataset: str = "t", groups: Sequence[str] | None = None) -> pa.Table:
    """Return the scores of images 0, 1, ... of a test set; None for a prediction that is not finite."""
    return table_of_scores(
        Score(
            id=str(number),
            dataset=dataset,
            is_finite=miou is not None,
            miou=miou,
            iou_person=miou,
            iou_background=miou,
            boundary_iou=None if miou is None else miou / 2,
            tp=None if miou is None else 1,
            fp=None if miou is None else 0,
            fn=None if miou is None else 0,
            tn=None if miou is None else 1,
            width=4,
            height=4,
            persons=1,
            source="drawn",
            split="test",
            label_version=0,
            group=None if groups is None else groups[number],
        )
        for number, miou in enumerate(mious)
    )

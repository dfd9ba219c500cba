"""Samples that train and show what a test shows: the same image, or another of its group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from curation.dataset.dataset import Dataset
from curation.operations.leak_groups import IDENTITY_COLUMNS
from models.data.choose_samples import apart
from models.evaluation.choose_sets import EvaluationSet


def shared_samples(
    training: Sequence[Dataset], *, files: Collection[tuple[Path, str]], test: Sequence[EvaluationSet]
) -> list[str]:
    """Return the ids of rows that share a group or an image with a row of the tests, of those whose images train.

    `files` are pairs of a dataset's folder and an image in it.
    """
    tables = [
        dataset.table.filter(
            pa.array([(dataset.folder, image) in files for image in dataset.table["image"].to_pylist()], pa.bool_())
        )
        for dataset in training
    ]
    kept = apart(tables, held_out=[one.read(IDENTITY_COLUMNS) for one in test])
    return [
        id_
        for table, rest in zip(tables, kept, strict=True)
        for own in [set(rest["id"].to_pylist())]
        for id_ in table["id"].to_pylist()
        if id_ not in own
    ]

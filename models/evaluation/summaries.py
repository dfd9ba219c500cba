"""What the scores of one or two models say: summaries of sets and of slices, and whether one model is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.rows import Batches
from curation.storage.text_keys import keys_of_texts, numbered
from curation.storage.text_numbers import TextNumbers
from models.evaluation.score_table import ReadColumns, columns_in, columns_of
from models.evaluation.slices import SliceName, parts_of
from models.metrics.comparison import Comparison, compare_paired
from models.metrics.summary import ScoreColumns, Summary, summarise

PAIRED: Final = ("dataset", "id", "miou")
OF_PARTS: Final = ("miou", "iou_person", "boundary_iou", "tp", "fp", "fn", "tn")
"""What the short summaries are made of."""


def describe(scores: Batches, *, slices: Sequence[SliceName]) -> dict[str, Any]:
    """Return the summary of scores, and a short one of each part of each slice, as data for `metrics.json`."""
    columns = columns_in(scores, OF_PARTS)
    return {
        "summary": asdict(summarise(ReadColumns(scores))),
        "slices": {
            name: {
                value: _short(summarise(_rows(columns, where=where)))
                for value, where in parts_of(scores, name=name).items()
            }
            for name in slices
        },
    }


def compare(first: Batches, *, second: Batches, slices: Sequence[SliceName], seed: int) -> dict[str, Any]:
    """Compare the mIoU of two models for the same samples, overall and in each part of each slice.

    `first` is the baseline, `second` the model that may be better. Samples that only one could score are left out and
    counted. Every interval is drawn with a generator of its own from `seed`, so that none depends on the others.
    """
    theirs = TextNumbers(
        (_text_of(key), miou)
        for table in first(PAIRED)
        for key, miou in zip(row_keys(table), columns_of(table)["miou"].tolist(), strict=True)
    )
    known = [theirs.of(list(map(_text_of, row_keys(table))), unknown=np.nan) for table in second(PAIRED)]
    before, after = np.concatenate(known), columns_in(second, ["miou"])["miou"]
    groups = group_numbers(second)

    def compared(where: NDArray[np.bool_]) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        found: Comparison = compare_paired(before[where], second=after[where], rng=rng, groups=groups[where])
        return asdict(found)

    return {
        "overall": compared(np.ones(after.size, dtype=np.bool_)),
        "slices": {
            name: {value: compared(where) for value, where in parts_of(second, name=name).items()} for name in slices
        },
    }


def row_keys(table: pa.Table) -> list[tuple[str, str]]:
    """Return the data set and the id of each row of a table of scores."""
    return list(zip(table["dataset"].to_pylist(), table["id"].to_pylist(), strict=True))


def group_numbers(scores: Batches) -> NDArray[np.int64]:
    """Return a number for each row, the same for rows of one group; a row without one is a group of its own.

    The first row has the number 0, the first one of another group 1, and so on.
    """
    keys = [keys_of_texts([])]
    for table in scores(["group", "dataset", "id"]):
        groups = zip(table["group"].to_pylist(), row_keys(table), strict=True)
        keys.append(keys_of_texts(f"group {group}" if group else _text_of(key) for group, key in groups))
    numbers, count = numbered(np.concatenate(keys))
    first = np.zeros(count, dtype=np.int64)
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)  # of several rows of a group, the first one stays
    return np.asarray(np.argsort(np.argsort(first))[numbers], dtype=np.int64)


def _text_of(key: tuple[str, str]) -> str:
    """Return what stands for a row among others; no name of a file holds what is between the two."""
    return "row {}\0{}".format(*key)


def _short(summary: Summary) -> dict[str, Any]:
    names = ("images", "not_finite", "miou_image", "std", "share_under", "boundary_iou")
    return {name: getattr(summary, name) for name in names}


def _rows(columns: ScoreColumns, *, where: NDArray[np.bool_]) -> ScoreColumns:
    return {name: values[where] for name, values in columns.items()}

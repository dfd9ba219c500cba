"""What the scores of one or two models say: summaries of sets and of slices, and whether one model is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.evaluation.score_table import columns_of
from models.evaluation.slices import SliceName, slices_of
from models.metrics.comparison import Comparison, compare_paired
from models.metrics.summary import ScoreColumns, Summary, summarise


def describe(table: pa.Table, *, slices: Sequence[SliceName]) -> dict[str, Any]:
    """Return the summary of a table of scores, and a short one of each part of each slice, as data for
    `metrics.json`.
    """
    columns = columns_of(table)
    parts = slices_of(table, names=slices)
    return {
        "summary": asdict(summarise(columns)),
        "slices": {
            name: {value: _short(summarise(_rows(columns, where=where))) for value, where in values.items()}
            for name, values in parts.items()
        },
    }


def compare(first: pa.Table, *, second: pa.Table, slices: Sequence[SliceName], seed: int) -> dict[str, Any]:
    """Compare the mIoU of two models for the same samples, overall and in each part of each slice.

    `first` is the baseline, `second` the model that may be better. Samples that only one could score are left out and
    counted. Every interval is drawn with a generator of its own from `seed`, so that none depends on the others.
    """
    theirs = dict(zip(row_keys(first), first["miou"].to_pylist(), strict=True))
    before = np.array([theirs.get(key) for key in row_keys(second)], dtype=np.float64)
    after = columns_of(second)["miou"]
    groups = group_numbers(second)

    def compared(where: NDArray[np.bool_]) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        found: Comparison = compare_paired(before[where], second=after[where], rng=rng, groups=groups[where])
        return asdict(found)

    parts = slices_of(second, names=slices)
    return {
        "overall": compared(np.ones(after.size, dtype=np.bool_)),
        "slices": {name: {value: compared(where) for value, where in values.items()} for name, values in parts.items()},
    }


def row_keys(table: pa.Table) -> list[tuple[str, str]]:
    """Return the data set and the id of each row of a table of scores."""
    return list(zip(table["dataset"].to_pylist(), table["id"].to_pylist(), strict=True))


def group_numbers(table: pa.Table) -> NDArray[np.int64]:
    """Return a number for each row, the same for rows of one group; a row without one is a group of its own."""
    names = zip(table["group"].to_pylist(), row_keys(table), strict=True)
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(group or key, len(numbers)) for group, key in names], dtype=np.int64)


def _short(summary: Summary) -> dict[str, Any]:
    names = ("images", "not_finite", "miou_image", "std", "share_under", "boundary_iou")
    return {name: getattr(summary, name) for name in names}


def _rows(columns: ScoreColumns, *, where: NDArray[np.bool_]) -> ScoreColumns:
    return {name: values[where] for name, values in columns.items()}

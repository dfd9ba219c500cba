"""What is in a dataset, as numbers: counts, person areas, sizes. Plain data; nothing on the disk is changed."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from curation.dataset.card import Counts
from curation.dataset.dataset import Dataset
from curation.dataset.label_sources import counted_sources
from curation.dataset.licenses import flagged_counts, row_licenses
from curation.dataset.sample import COLUMNS
from curation.operations.split import groups_across_splits, leak_groups

AREA_BINS: Final = 10
QUANTILES: Final = (0.05, 0.5, 0.95)
UNKNOWN: Final = "none"


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Smallest, middle and largest of some whole numbers, here pixels."""

    low: int
    median: int
    high: int


class AreaSpread(msgspec.Struct, frozen=True, kw_only=True):
    """How `person_area` (a share of the frame) is spread.

    `histogram` counts samples in ten equal bins of 0..1, 1 itself in the last; `unknown` samples have no area.
    Quantiles are linear between neighbours, and None without any value.
    """

    p5: float | None
    p50: float | None
    p95: float | None
    histogram: list[int]
    unknown: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one dataset. Each `by_...` counts samples, the largest number first, `none` for null.

    `by_label_source` counts those whose label a model made, by the model and its licence.
    `non_commercial` and `no_derivatives` count samples with such a licence of any of their photographs. `reread` counts
    samples whose source, group or licence does not stand so in the manifest, since it is of an older form.
    `groups` counts what must stay on one side of a split; `groups_across_splits` of them do not.
    """

    folder: str
    name: str
    command: str
    samples: int
    counts: Counts
    records: dict[str, int]
    by_source: dict[str, int]
    by_split: dict[str, int]
    by_license: dict[str, int]
    non_commercial: int
    no_derivatives: int
    by_label_version: dict[str, int]
    by_persons: dict[str, int]
    by_label_source: dict[str, int]
    person_area: AreaSpread
    width_px: Range | None
    height_px: Range | None
    groups: int
    groups_across_splits: int
    with_mask: int
    with_alpha: int
    with_trimap: int
    columns_added: dict[str, str]
    parents: list[str]
    reread: dict[str, int]


def describe(dataset: Dataset) -> Statistics:
    """Return the numbers of a dataset, from its card and manifest alone."""
    table, card = dataset.table, dataset.card
    return Statistics(
        folder=str(dataset.folder),
        name=card.name,
        command=card.command,
        samples=len(dataset),
        counts=card.counts,
        records=card.records,
        by_source=_counted(table["source"]),
        by_split=_counted(table["split"]),
        by_license=_counted(table["license"]),
        **flagged_counts(row_licenses(table)),
        by_label_version=_counted(table["label_version"]),
        by_persons=_counted(table["persons"]),
        by_label_source=counted_sources(table),
        person_area=area_spread(table["person_area"].to_pylist()),
        width_px=_range(table["width"]),
        height_px=_range(table["height"]),
        groups=len(set(leak_groups(table))),
        groups_across_splits=len(groups_across_splits(table)),
        with_mask=table.num_rows - table["mask"].null_count,
        with_alpha=table.num_rows - table["alpha"].null_count,
        with_trimap=table.num_rows - table["trimap"].null_count,
        columns_added={field.name: str(field.type) for field in table.schema if field.name not in COLUMNS},
        parents=card.parents,
        reread=dict(dataset.reread),
    )


def area_spread(areas: list[float | None]) -> AreaSpread:
    """Return quantiles and histogram of shares in 0..1.

    >>> area_spread([0.1, 0.2, 0.3, None]).p50
    0.2
    >>> area_spread([0.05, 0.95, 1.0]).histogram
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    """
    known = np.array([area for area in areas if area is not None], dtype=np.float64)
    p5, p50, p95 = (float(np.quantile(known, share)) if known.size else None for share in QUANTILES)
    histogram, _ = np.histogram(known, bins=AREA_BINS, range=(0.0, 1.0))
    return AreaSpread(p5=p5, p50=p50, p95=p95, histogram=histogram.tolist(), unknown=len(areas) - known.size)


def _counted(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    counted = Counter(UNKNOWN if value is None else str(value) for value in column.to_pylist())
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _range(column: pa.ChunkedArray) -> Range | None:
    values = column.drop_null().to_numpy()
    if not values.size:
        return None
    return Range(low=int(values.min()), median=int(np.median(values)), high=int(values.max()))

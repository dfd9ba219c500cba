"""What is in a dataset, as numbers: counts, person areas, sizes. Plain data; nothing on the disk is changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.dataset.card import Counts
from curation.dataset.dataset import Dataset
from curation.dataset.label_sources import counted_sources
from curation.dataset.licenses import LICENSE_COLUMNS, RESTRICTIONS, flagged_counts, row_licenses
from curation.dataset.rows import Batches
from curation.dataset.sample import COLUMNS
from curation.operations.leak_groups import batches_of, find_leak_groups
from curation.operations.leaks import clusters_across_splits, splits_of_rows

AREA_BINS: Final = 10
QUANTILES: Final = (0.05, 0.5, 0.95)
UNKNOWN: Final = "none"
COUNTED: Final = ("source", "split", "license", "label_version", "persons")
MEASURED: Final = ("person_area", "width", "height")
FILES: Final = ("mask", "alpha", "trimap")


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
    card, batches = dataset.card, batches_of(dataset)
    groups = find_leak_groups(batches)
    across = clusters_across_splits(groups, splits=splits_of_rows(batches)[1])
    number_of_groups = len(groups)
    del groups  # what follows needs the memory
    tally = _tallied(batches)
    return Statistics(
        folder=str(dataset.folder),
        name=card.name,
        command=card.command,
        samples=len(dataset),
        counts=card.counts,
        records=card.records,
        by_source=tally.by("source"),
        by_split=tally.by("split"),
        by_license=tally.by("license"),
        **tally.flagged,
        by_label_version=tally.by("label_version"),
        by_persons=tally.by("persons"),
        by_label_source=dict(tally.label_sources.most_common()),
        person_area=_spread(tally.values["person_area"], unknown=tally.nulls["person_area"]),
        width_px=_range(tally.values["width"]),
        height_px=_range(tally.values["height"]),
        groups=number_of_groups,
        groups_across_splits=len(across),
        with_mask=len(dataset) - tally.nulls["mask"],
        with_alpha=len(dataset) - tally.nulls["alpha"],
        with_trimap=len(dataset) - tally.nulls["trimap"],
        columns_added={field.name: str(field.type) for field in dataset.schema if field.name not in COLUMNS},
        parents=card.parents,
        reread=dict(dataset.reread),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tally:
    """What was counted in the columns of all rows; `values` are those that are known of a column, in any order."""

    counted: dict[str, Counter[Any]]
    nulls: Counter[str]
    values: dict[str, NDArray[Any]]
    flagged: Counter[str]
    label_sources: Counter[str]

    def by(self, column: str) -> dict[str, int]:
        """Return the number of rows for each value, the largest number first."""
        counted = {UNKNOWN if value is None else str(value): number for value, number in self.counted[column].items()}
        return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _tallied(batches: Batches) -> _Tally:
    counted: dict[str, Counter[Any]] = {name: Counter() for name in COUNTED}
    nulls, flagged, label_sources = Counter[str](), Counter[str](dict.fromkeys(RESTRICTIONS, 0)), Counter[str]()
    values: dict[str, list[NDArray[Any]]] = {name: [] for name in MEASURED}
    for table in batches([*dict.fromkeys((*COUNTED, *MEASURED, *FILES, *LICENSE_COLUMNS))]):
        for name in COUNTED:
            found = pc.value_counts(table[name].combine_chunks())
            counted[name].update(dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))
        for name in MEASURED:
            values[name].append(table[name].drop_null().to_numpy())
        nulls.update({name: table[name].null_count for name in (*FILES, *MEASURED)})
        flagged.update(flagged_counts(row_licenses(table)))
        label_sources.update(counted_sources(table))
    joined = {name: np.concatenate(some) for name, some in values.items()}
    return _Tally(counted=counted, nulls=nulls, values=joined, flagged=flagged, label_sources=label_sources)


def area_spread(areas: list[float | None]) -> AreaSpread:
    """Return quantiles and histogram of shares in 0..1.

    >>> area_spread([0.1, 0.2, 0.3, None]).p50
    0.2
    >>> area_spread([0.05, 0.95, 1.0]).histogram
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    """
    known = np.array([area for area in areas if area is not None], dtype=np.float64)
    return _spread(known, unknown=len(areas) - known.size)


def _spread(known: NDArray[Any], *, unknown: int) -> AreaSpread:
    p5, p50, p95 = (float(np.quantile(known, share)) if known.size else None for share in QUANTILES)
    histogram, _ = np.histogram(known, bins=AREA_BINS, range=(0.0, 1.0))
    return AreaSpread(p5=p5, p50=p50, p95=p95, histogram=histogram.tolist(), unknown=unknown)


def _range(values: NDArray[Any]) -> Range | None:
    if not values.size:
        return None
    return Range(low=int(values.min()), median=int(np.median(values)), high=int(values.max()))

"""Which groups lie in more than one split, and how many samples each split has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.dataset.rows import Batches
from curation.errors import InputRefused
from curation.operations.leak_groups import LeakGroups, Numbers, batches_of, find_leak_groups

SPLITS: Final = ("train", "val", "test")
NAMES_SHOWN: Final = 5


def splits_of_rows(batches: Batches) -> tuple[list[str], Numbers]:
    """Return the names of the splits that rows have, and of each row the number of its split among them, -1 for none.

    >>> names, numbers = splits_of_rows(batches_of(pa.table({"split": ["val", None, "train", "val"]})))
    >>> names, numbers.tolist()
    (['val', 'train'], [0, -1, 1, 0])
    """
    names: dict[str, int] = {}
    found = [np.empty(0, dtype=np.int32)]
    for table in batches(["split"]):
        for chunk in table["split"].cast(pa.string()).chunks:
            coded = chunk.dictionary_encode()
            numbers = [names.setdefault(name, len(names)) for name in coded.dictionary.to_pylist()]
            places = pc.fill_null(coded.indices, len(numbers)).to_numpy(zero_copy_only=False)
            found.append(np.array([*numbers, -1], dtype=np.int32)[places])
    return list(names), np.concatenate(found)


def clusters_across_splits(groups: LeakGroups, *, splits: Numbers) -> dict[int, list[int]]:
    """Return the clusters that lie in more than one split, with the numbers of these; rows without one do not count."""
    if not splits.size:
        return {}
    known = splits >= 0
    width = int(splits.max()) + 1
    pairs = np.unique(groups.of_row[known].astype(np.int64) * width + splits[known]) if width else splits[:0]
    clusters, sides = pairs // max(1, width), pairs % max(1, width)
    is_again = clusters[1:] == clusters[:-1]
    wanted = np.isin(clusters, clusters[1:][is_again])
    found: dict[int, list[int]] = {}
    for cluster, side in zip(clusters[wanted].tolist(), sides[wanted].tolist(), strict=True):
        found.setdefault(cluster, []).append(side)
    return found


def groups_across_splits(table: pa.Table) -> dict[str, tuple[str, ...]]:
    """Return the groups that lie in more than one split, with these splits; rows without a split do not count."""
    groups = find_leak_groups(batches_of(table))
    names, splits = splits_of_rows(batches_of(table))
    return _named(groups, names=names, leaks=clusters_across_splits(groups, splits=splits))


def refuse_leaks(batches: Batches, *, where: object, remedy: str) -> None:
    """Raise InputRefused, naming some, when groups of rows lie in more than one split."""
    groups = find_leak_groups(batches)
    names, splits = splits_of_rows(batches)
    refuse_known_leaks(groups, names=names, splits=splits, where=where, remedy=remedy)


def refuse_known_leaks(
    groups: LeakGroups, *, names: Sequence[str], splits: Numbers, where: object, remedy: str
) -> None:
    """Raise InputRefused as `refuse_leaks` does, where groups and splits of the rows are known."""
    if found := clusters_across_splits(groups, splits=splits):
        leaks = _named(groups, names=names, leaks=found)
        shown = "; ".join(f"{group!r} in {' and '.join(leaks[group])}" for group in list(leaks)[:NAMES_SHOWN])
        raise InputRefused(
            f"{len(leaks)} groups (or equal images) lie in more than one split: {shown}", where=where, remedy=remedy
        )


def split_counts(table: pa.Table) -> dict[str, int]:
    """Return the number of samples in each split, in the order train, val, test; `none` where a sample has no split."""
    return told_counts(Counter(table["split"].to_pylist()))


def told_counts(counted: Mapping[str | None, int]) -> dict[str, int]:
    """Return numbers of samples by split as they are told: see `split_counts`."""
    counts = {split: counted.get(split, 0) for split in SPLITS}
    return counts | ({"none": none} if (none := counted.get(None, 0)) else {})


def _named(
    groups: LeakGroups, *, names: Sequence[str], leaks: Mapping[int, Iterable[int]]
) -> dict[str, tuple[str, ...]]:
    wanted: NDArray[np.bool_] = np.zeros(len(groups), dtype=np.bool_)
    wanted[list(leaks)] = True
    told = {name: tuple(sorted(names[at] for at in leaks[cluster])) for cluster, name in groups.names(wanted).items()}
    return dict(sorted(told.items()))

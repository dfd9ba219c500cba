"""Which samples must stay on one side of a split: those of a group, and those that show one image.

Names of groups and hashes of images are told apart by their keys (see `text_keys`); the names themselves are read again
where they are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.dataset.dataset import Dataset
from curation.dataset.rows import Batches
from curation.storage.text_keys import Keys, in_order, keys_of, numbered

IMAGE_COLUMNS: Final = ("sha256", "foreground_sha256", "background_sha256", "second_sha256")
"""Hashes of what a sample shows; only fused samples have more than the first."""
BEHIND: Final = ("background_group", "second_group")
"""The groups of the photographs behind the person of a fused sample, whose own `group` is that of the person."""
IDENTITY_COLUMNS: Final = ("id", "group", *IMAGE_COLUMNS, *BEHIND)
"""What tells which samples belong together."""
NAME_COLUMNS: Final = ("id", "group", *BEHIND)
Numbers: TypeAlias = NDArray[np.int32]
NO_KEYS: Final[Keys] = np.empty((0, 2), dtype=np.uint64)
NO_ROWS: Final[Numbers] = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeakGroups:
    """What belongs together: of each row the number of its cluster, from 0.

    `first` is the first row of each cluster, and `is_joined` tells of which clusters the rows name several groups.
    """

    batches: Batches
    of_row: Numbers
    first: NDArray[np.int64]
    is_joined: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.first)

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of rows of each cluster."""
        return np.bincount(self.of_row, minlength=len(self))

    def names(self, wanted: NDArray[np.bool_]) -> dict[int, str]:
        """Return the names of the wanted clusters: the first member of each in alphabetical order."""
        found: dict[int, str] = {}
        for cluster, name in self._members(wanted):
            if name < found.setdefault(cluster, name):
                found[cluster] = name
        return found

    def every_name(self) -> Iterator[tuple[NDArray[np.int64], list[bytes]]]:
        """Yield, some at a time, the clusters and their names in UTF-8."""
        yield from self._single_names()
        if joined := self.names(self.is_joined):
            yield np.fromiter(joined, dtype=np.int64), [name.encode() for name in joined.values()]

    def _single_names(self) -> Iterator[tuple[NDArray[np.int64], list[bytes]]]:
        """Yield, some at a time, the clusters of one group alone, and their names in UTF-8."""
        for start, table in _numbered_rows(self.batches, ("id", "group")):
            rows = np.arange(start, start + table.num_rows)
            own = self.of_row[start : start + table.num_rows]
            chosen = (self.first[own] == rows) & ~self.is_joined[own]
            yield own[chosen].astype(np.int64), _texts(_own_names(table).filter(pa.array(chosen)))

    def _members(self, wanted: NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
        for start, table in _numbered_rows(self.batches, NAME_COLUMNS):
            own = self.of_row[start : start + table.num_rows]
            is_first = self.first[own] == np.arange(start, start + table.num_rows)
            chosen = wanted[own] & (self.is_joined[own] | is_first)
            if not chosen.any():
                continue
            clusters, mask = own[chosen].tolist(), pa.array(chosen)
            for names in (_own_names(table), *(_values(table, column) for column in BEHIND)):
                told = names.filter(mask).to_pylist()
                yield from ((one, name) for one, name in zip(clusters, told, strict=True) if name is not None)


def leak_groups(table: pa.Table) -> list[str]:
    """Return for every row the name of what must stay together: its group, joined with groups that share an image.

    A fused sample shows two photographs or three, and joins what belongs to any. A joined group is named for its first
    member in alphabetical order. A row without a group stands for itself.

    >>> rows = {"id": ["a", "b", "c"], "group": ["g2", "g1", "g3"], "sha256": ["x", "x", "y"]}
    >>> leak_groups(pa.table(rows))
    ['g1', 'g1', 'g3']
    """
    groups = find_leak_groups(batches_of(table))
    names = groups.names(np.ones(len(groups), dtype=np.bool_))
    return [names[cluster] for cluster in groups.of_row.tolist()]


def are_apart(parts: Sequence[Batches], *, held_out: Sequence[Batches]) -> list[NDArray[np.bool_]]:
    """Tell of each row of some parts whether it belongs together with no row that is held out: by group, or by image.

    A row without a group stands for itself, also where another part has a row of its id.
    """
    firsts = [0, *accumulate(sum(table.num_rows for table in part(["id"])) for part in parts)]
    of_row = find_leak_groups(partial(_in_turn, [*parts, *held_out])).of_row
    is_taken = np.zeros(of_row.max(initial=-1) + 1, dtype=np.bool_)
    is_taken[of_row[firsts[-1] :]] = True
    return [~is_taken[of_row[first:end]] for first, end in pairwise(firsts)]


def _in_turn(parts: Sequence[Batches], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of each part, the number of the part before their ids."""
    for number, part in enumerate(parts):
        for table in part(columns):
            ids = pc.binary_join_element_wise(str(number), table["id"].cast(pa.string()), "/")
            yield table.set_column(table.column_names.index("id"), "id", ids)


def batches_of(rows: pa.Table | Dataset) -> Batches:
    """Return how the rows of a table, or of a dataset, are read some at a time."""
    if isinstance(rows, pa.Table):
        return lambda columns: [rows.select([name for name in columns if name in rows.column_names])]
    return lambda columns: rows.batches([name for name in columns if name in rows.schema.names])


def find_leak_groups(batches: Batches) -> LeakGroups:
    """Find what belongs together among rows: see `leak_groups`."""
    own, shown, behind = [NO_KEYS], [NO_KEYS], [NO_KEYS]
    shown_by, behind_of = [NO_ROWS], [NO_ROWS]
    number = 0
    for number, table in _numbered_rows(batches, IDENTITY_COLUMNS):
        own.append(keys_of(_texts(_own_names(table))))
        for columns, keys, rows in ((IMAGE_COLUMNS, shown, shown_by), (BEHIND, behind, behind_of)):
            for column in (_values(table, name) for name in columns if name in table.column_names):
                keys.append(keys_of(_texts(column.drop_null())))
                rows.append(np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).astype(np.int32) + number)
    rows_read = sum(map(len, own))
    names, groups = numbered(np.concatenate([*own, *behind]))
    own.clear()
    of_row = names[:rows_read]
    edges = [np.stack([of_row[np.concatenate(behind_of)], names[rows_read:]])]
    edges.append(of_row[_pairs_of_equals(np.concatenate(shown), of=np.concatenate(shown_by))])
    clusters = _joined(np.concatenate(edges, axis=1), number=groups)
    of_row = clusters[of_row]
    first = np.zeros(clusters.max(initial=-1) + 1, dtype=np.int64)
    first[of_row[::-1]] = np.arange(rows_read - 1, -1, -1)  # of several rows of a cluster, the last one stays
    is_joined = np.bincount(clusters, minlength=len(first)) > 1
    return LeakGroups(batches=batches, of_row=of_row, first=first, is_joined=is_joined)


def _numbered_rows(batches: Batches, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    start = 0
    for table in batches(columns):
        yield start, table
        start += table.num_rows


def _own_names(table: pa.Table) -> pa.ChunkedArray:
    """Return the group of each row, or its id where it has none."""
    return pc.coalesce(_values(table, "group"), _values(table, "id"))


def _values(table: pa.Table, column: str) -> pa.ChunkedArray:
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    return table[column].cast(pa.string())


def _texts(column: pa.ChunkedArray) -> list[bytes]:
    texts: list[bytes] = column.cast(pa.binary()).to_pylist()
    return texts


def _pairs_of_equals(keys: Keys, *, of: Numbers) -> NDArray[np.int32]:
    """Return the rows that show the same, as 2 x P pairs of neighbours among them."""
    order, is_equal = in_order(keys)
    places = np.flatnonzero(is_equal)
    return np.stack([of[order[places - 1]], of[order[places]]])


def _joined(edges: NDArray[np.int32], *, number: int) -> Numbers:
    """Return the cluster of each of `number` groups of which some are joined, as 2 x E pairs."""
    edges = edges[:, edges[0] != edges[1]]
    if not edges.size:
        return np.arange(number, dtype=np.int32)
    from scipy.sparse import coo_array  # takes long to import, and most datasets join nothing
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(edges.shape[1], dtype=np.int8), (edges[0], edges[1])), shape=(number, number))
    _, clusters = connected_components(graph, directed=False)
    return np.asarray(clusters, dtype=np.int32)

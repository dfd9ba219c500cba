"""Split a dataset by group into train, val and test, so that nothing of one group is on two sides.

Samples with the same image (equal SHA-256) count as one group: else the same picture could train and test a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_quarantine
from curation.dataset.manifest_files import write_rows
from curation.dataset.rows import Batches
from curation.errors import ConfigurationProblem, InputRefused
from curation.operations.leak_groups import LeakGroups, Numbers, batches_of, find_leak_groups
from curation.operations.leaks import SPLITS, refuse_known_leaks, splits_of_rows, told_counts
from curation.operations.rewrite import rewriting
from curation.setting import setting

AGAIN: Final = "give --overwrite to split all samples again"
DRAWN_BYTES: Final = 16
"""Of the hash by which groups are drawn; two of ten million that agree in them are not to be met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitShares:
    """What share of the samples goes to `val` and to `test`; the rest is `train`."""

    val: float = setting("Share of the samples for validation.", default=0.1)
    test: float = setting("Share of the samples for the test set.", default=0.1)

    def __post_init__(self) -> None:
        """Refuse what is no share, and shares that leave nothing to train on."""
        for name, share in (("val", self.val), ("test", self.test)):
            if not 0 <= share <= 1:
                raise ConfigurationProblem(
                    f"--{name} {share:g} is no share of the samples", remedy="give a number from 0 to 1: 0.1 is 10 %"
                )
        if self.val + self.test >= 1:
            raise ConfigurationProblem(
                f"--val {self.val:g} and --test {self.test:g} leave nothing to train on",
                remedy="give shares whose sum is below 1",
            )

    def of(self, split: str) -> float:
        """Return the share of one split."""
        return {"val": self.val, "test": self.test, "train": 1 - self.val - self.test}[split]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Splitting:
    """How rows are split: of each the number of its split among `SPLITS`, before and now; -1 where it has none.

    A split that is none of them has the number -2.
    """

    before: NDArray[np.int8]
    now: NDArray[np.int8]

    @property
    def is_changed(self) -> bool:
        """Tell whether any row has another split than before."""
        return not np.array_equal(self.before, self.now)

    @property
    def kept(self) -> int:
        """The number of rows that have the split that they had."""
        return int(((self.before == self.now) & (self.before >= 0)).sum())

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows in each split."""
        return told_counts({split: int((self.now == number).sum()) for number, split in enumerate(SPLITS)})


def split_dataset(folder: Path, *, shares: SplitShares, seed: int, keep: bool = True, from_train: bool = False) -> Card:
    """Split the dataset in `folder` in place and give its card; where all splits are kept, nothing is changed.

    Raises InputRefused when a group lies on two sides already, EnvironmentProblem when the folder is in use.
    """
    return split_in_place(folder, shares=shares, seed=seed, keep=keep, from_train=from_train)[0]


def split_in_place(
    folder: Path, *, shares: SplitShares, seed: int, keep: bool = True, from_train: bool = False
) -> tuple[Card, Splitting]:
    """Split a dataset as `split_dataset` does; give its card, and how its rows were split."""
    with rewriting(folder) as dataset:
        found = draw_splits(batches_of(dataset), shares=shares, seed=seed, keep=keep, from_train=from_train)
        if keep and not found.is_changed:
            return dataset.card, found  # its note tells how these splits were made
        note = {"seed": seed, "val": shares.val, "test": shares.test, "counts": found.counts}
        card = msgspec.structs.replace(dataset.card, notes={**dataset.card.notes, "split": note})
        if card != dataset.card or found.is_changed:
            card = write_splits(dataset, card=card, splitting=found)
        return card, found


def write_splits(dataset: Dataset, *, card: Card, splitting: Splitting) -> Card:
    """Write a dataset, which the caller is `rewriting`, with the splits of now in place of those before."""
    rows = _split_rows(dataset.batches(), splitting=splitting)
    return write_rows(dataset.folder, card=card, rows=rows, quarantine=read_quarantine(dataset.folder))


def assign_splits(
    table: pa.Table, *, shares: SplitShares, seed: int, keep: bool = True, from_train: bool = False
) -> pa.Table:
    """Return the table with its `split` column filled: see `draw_splits`."""
    found = draw_splits(batches_of(table), shares=shares, seed=seed, keep=keep, from_train=from_train)
    (split,) = _split_rows([table], splitting=found)
    return split


def draw_splits(
    batches: Batches, *, shares: SplitShares, seed: int, keep: bool = True, from_train: bool = False
) -> Splitting:
    """Draw a split for every row.

    With `keep` a group that has a split stays there, so that a test set stays frozen when samples are added. The
    other groups come in the order of a hash of seed and name, each to the split that is furthest below its share;
    the order of the rows does not matter. With `from_train` groups that train go to `val`, in the same order, as long
    as that brings it nearer to its share; the last one stays. Raises InputRefused when a kept group lies in more than
    one split.
    """
    groups = find_leak_groups(batches)
    names, before = splits_of_rows(batches)
    own = _own_numbers(names)
    chosen = np.full(len(groups), -1, dtype=np.int8)
    if keep:
        _refuse_unfit(groups, names=names, splits=before)
        chosen[groups.of_row[before >= 0]] = own[before[before >= 0]]
    sizes = groups.sizes()
    if from_train or (chosen < 0).any():
        order = _drawn_order(groups, seed=seed)
        _fill(chosen, order=order, sizes=sizes, shares=shares)
        if from_train:
            _take_from_train(chosen, order=order, sizes=sizes, shares=shares)
    return Splitting(before=own[before], now=chosen[groups.of_row])


def numbers_of_splits(batches: Batches) -> NDArray[np.int8]:
    """Return the number of the split of each row, as in `Splitting.before`."""
    names, splits = splits_of_rows(batches)
    return np.asarray(_own_numbers(names)[splits])


def _own_numbers(names: Sequence[str]) -> NDArray[np.int8]:
    """Return the number of each split, and behind them that of no split."""
    return np.array([*(SPLITS.index(name) if name in SPLITS else -2 for name in names), -1], dtype=np.int8)


def _refuse_unfit(groups: LeakGroups, *, names: Sequence[str], splits: Numbers) -> None:
    """Refuse splits that cannot be kept."""
    refuse_known_leaks(groups, names=names, splits=splits, where="the manifest", remedy=AGAIN)
    if strange := sorted(set(names) - set(SPLITS)):
        raise InputRefused(
            f"the column split holds {', '.join(map(repr, strange))}; it may hold {', '.join(SPLITS)}", remedy=AGAIN
        )


def _fill(chosen: NDArray[np.int8], *, order: NDArray[np.int64], sizes: NDArray[np.int64], shares: SplitShares) -> None:
    """Give every group that has no split, in this order, the one that is furthest below its share."""
    total = int(sizes.sum())
    filled = [int(sizes[chosen == number].sum()) for number in range(len(SPLITS))]
    aims = {number: shares.of(split) * total for number, split in enumerate(SPLITS) if shares.of(split) > 0}
    waiting = order[chosen[order] < 0]
    given = []
    for size in sizes[waiting].tolist():
        split = max(aims, key=lambda number: aims[number] - filled[number])
        filled[split] += size
        given.append(split)
    chosen[waiting] = np.array(given, dtype=np.int8)


def _take_from_train(
    chosen: NDArray[np.int8], *, order: NDArray[np.int64], sizes: NDArray[np.int64], shares: SplitShares
) -> None:
    train, val = SPLITS.index("train"), SPLITS.index("val")
    missing = shares.val * int(sizes.sum()) - int(sizes[chosen == val].sum())
    left = int(sizes[chosen == train].sum())
    training = order[chosen[order] == train]
    taken = []
    for group, size in zip(training.tolist(), sizes[training].tolist(), strict=True):
        if size < min(2 * missing, left):
            taken.append(group)
            missing, left = missing - size, left - size
    chosen[taken] = val


def _drawn_order(groups: LeakGroups, *, seed: int) -> NDArray[np.int64]:
    """Return the groups in the order of a hash of seed and name."""
    drawn = np.empty((len(groups), 2), dtype=np.uint64)
    for clusters, names in groups.every_name():
        drawn[clusters] = _draws(names, seed=seed)
    return np.asarray(np.lexsort((drawn[:, 1], drawn[:, 0])), dtype=np.int64)


def _draws(names: Iterable[bytes], *, seed: int) -> NDArray[np.uint64]:
    before = f"{seed}\0".encode()
    data = b"".join([hashlib.sha256(before + name).digest()[:DRAWN_BYTES] for name in names])
    return np.frombuffer(data, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _split_rows(tables: Iterable[pa.Table], *, splitting: Splitting) -> Iterator[pa.Table]:
    """Yield the rows, some at a time, with their splits of now."""
    start = 0
    for table in tables:
        numbers = splitting.now[start : start + table.num_rows]
        start += table.num_rows
        column = pa.array(SPLITS, pa.string()).take(pa.array(numbers, mask=numbers < 0))
        yield table.set_column(table.column_names.index("split"), "split", column)

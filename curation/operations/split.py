"""Split a dataset by group into train, val and test, so that nothing of one group is on two sides.

Samples with the same image (equal SHA-256) count as one group: else the same picture could train and test a model.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_quarantine, write_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.operations.clusters import Clusters
from curation.operations.rewrite import rewriting
from curation.setting import setting

SPLITS: Final = ("train", "val", "test")
NAMES_SHOWN: Final = 5
IMAGE_COLUMNS: Final = ("sha256", "foreground_sha256", "background_sha256", "second_sha256")
"""Hashes of what a sample shows; only fused samples have more than the first."""
BEHIND: Final = ("background_group", "second_group")
"""The groups of the photographs behind the person of a fused sample, whose own `group` is that of the person."""
IDENTITY_COLUMNS: Final = ("id", "group", *IMAGE_COLUMNS, *BEHIND)
"""What tells which samples belong together."""


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


def split_dataset(folder: Path, *, shares: SplitShares, seed: int, keep: bool = True, from_train: bool = False) -> Card:
    """Split the dataset in `folder` in place and give its card; where all splits are kept, nothing is changed.

    Raises InputRefused when a group lies on two sides already, EnvironmentProblem when the folder is in use.
    """
    with rewriting(folder) as dataset:
        table = assign_splits(dataset.table, shares=shares, seed=seed, keep=keep, from_train=from_train)
        if keep and table.equals(dataset.table):
            return dataset.card  # its note tells how these splits were made
        card = noted_card(dataset, table=table, shares=shares, seed=seed)
        if card != dataset.card or not table.equals(dataset.table):
            return write_dataset(folder, card=card, table=table, quarantine=read_quarantine(folder))
        return card


def noted_card(dataset: Dataset, *, table: pa.Table, shares: SplitShares, seed: int) -> Card:
    """Return the dataset's card with a note of how `table` was split."""
    note = {"seed": seed, "val": shares.val, "test": shares.test, "counts": split_counts(table)}
    return msgspec.structs.replace(dataset.card, notes={**dataset.card.notes, "split": note})


def assign_splits(
    table: pa.Table, *, shares: SplitShares, seed: int, keep: bool = True, from_train: bool = False
) -> pa.Table:
    """Return the table with its `split` column filled.

    With `keep` a group that has a split stays there, so that a test set stays frozen when samples are added. The
    other groups come in the order of a hash of seed and name, each to the split that is furthest below its share;
    the order of the rows does not matter. With `from_train` groups that train go to `val`, in the same order, as long
    as that brings it nearer to its share; the last one stays. Raises InputRefused when a kept group lies in more than
    one split.
    """
    groups = leak_groups(table)
    sizes = Counter(groups)
    chosen = _present(table, groups=groups) if keep else {}
    filled = Counter(dict.fromkeys(SPLITS, 0))
    wanted = [split for split in SPLITS if shares.of(split) > 0]
    for group, split in chosen.items():
        filled[split] += sizes[group]
    for group in sorted(sizes.keys() - chosen.keys(), key=lambda name: _draw(name, seed=seed)):
        split = max(wanted, key=lambda name: shares.of(name) * table.num_rows - filled[name])
        chosen[group] = split
        filled[split] += sizes[group]
    missing, left = shares.val * table.num_rows - filled["val"], filled["train"]
    training = [group for group, split in chosen.items() if split == "train"] if from_train else []
    for group in sorted(training, key=lambda name: _draw(name, seed=seed)):
        if sizes[group] < min(2 * missing, left):
            chosen[group] = "val"
            missing, left = missing - sizes[group], left - sizes[group]
    column = pa.array([chosen[group] for group in groups], pa.string())
    return table.set_column(table.column_names.index("split"), "split", column)


def leak_groups(table: pa.Table) -> list[str]:
    """Return for every row the name of what must stay together: its group, joined with groups that share an image.

    A fused sample shows two photographs or three, and joins what belongs to any. A joined group is named for its first
    member in alphabetical order. A row without a group stands for itself.

    >>> rows = {"id": ["a", "b", "c"], "group": ["g2", "g1", "g3"], "sha256": ["x", "x", "y"]}
    >>> leak_groups(pa.table(rows))
    ['g1', 'g1', 'g3']
    """
    names = table["group"].to_pylist()
    ids = table["id"].to_pylist()
    groups = [id_ if name is None else name for name, id_ in zip(names, ids, strict=True)]
    clusters = Clusters[str]()
    shown = [digest for column in IMAGE_COLUMNS for digest in _values(table, column)]
    clusters.join_equal(groups * len(IMAGE_COLUMNS), values=shown)
    for column in BEHIND:
        for group, other in zip(groups, _values(table, column), strict=True):
            if other is not None:
                clusters.join(group, second=other)
    return [clusters.leader(group) for group in groups]


def _values(table: pa.Table, column: str) -> list[Any]:
    return table[column].to_pylist() if column in table.column_names else [None] * len(table)


def groups_across_splits(table: pa.Table) -> dict[str, tuple[str, ...]]:
    """Return the groups that lie in more than one split, with these splits; rows without a split do not count."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for group, split in zip(leak_groups(table), table["split"].to_pylist(), strict=True):
        if split is not None:
            found[group].add(split)
    return {group: tuple(sorted(splits)) for group, splits in sorted(found.items()) if len(splits) > 1}


def refuse_leaks(table: pa.Table, *, where: object, remedy: str) -> None:
    """Raise InputRefused, naming some, when groups lie in more than one split."""
    if leaks := groups_across_splits(table):
        shown = "; ".join(f"{group!r} in {' and '.join(leaks[group])}" for group in list(leaks)[:NAMES_SHOWN])
        raise InputRefused(
            f"{len(leaks)} groups (or equal images) lie in more than one split: {shown}", where=where, remedy=remedy
        )


def split_counts(table: pa.Table) -> dict[str, int]:
    """Return the number of samples in each split, in the order train, val, test; `none` where a sample has no split."""
    counted = Counter(table["split"].to_pylist())
    counts = {split: counted[split] for split in SPLITS}
    return counts | ({"none": counted[None]} if counted[None] else {})


def _present(table: pa.Table, *, groups: Sequence[str]) -> dict[str, str]:
    refuse_leaks(table, where="the manifest", remedy="give --overwrite to split all samples again")
    present = {g: s for g, s in zip(groups, table["split"].to_pylist(), strict=True) if s is not None}
    if strange := sorted(set(present.values()) - set(SPLITS)):
        raise InputRefused(
            f"the column split holds {', '.join(map(repr, strange))}; it may hold {', '.join(SPLITS)}",
            remedy="give --overwrite to split all samples again",
        )
    return present


def _draw(group: str, *, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{group}".encode("utf-8", "surrogatepass")).hexdigest()

"""Which backgrounds a foreground may be laid on: those of its own split, so that no photograph is on two sides.

A background without a split is dealt to one, once and for all: by a hash of its group, whatever the seed, and in the
proportions of the foregrounds. Fusing again with another seed keeps it there.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from curation.errors import InputRefused
from curation.operations.leak_groups import batches_of, leak_groups
from curation.operations.leaks import SPLITS, refuse_leaks

TRAIN: Final = "train"
"""Of a foreground without a split; `curate train` takes it the same way."""


def deal_backgrounds(foregrounds: pa.Table, *, backgrounds: pa.Table, where: str) -> dict[str, list[int]]:
    """Give, for each split that foregrounds have, the numbers of the rows of backgrounds that it may use.

    Raises InputRefused when a group (or an image) of both lies in two splits already, or a split has no background.
    """
    both = pa.concat_tables([_identities(foregrounds, is_foreground=True), _identities(backgrounds)])
    remedy = "split them again: merge both, `curate split`, and select them again"
    refuse_leaks(batches_of(both), where=where, remedy=remedy)
    groups, splits = leak_groups(both), both["split"].to_pylist()
    wanted = Counter(splits[: len(foregrounds)])
    split_of = {group: split for group, split in zip(groups, splits, strict=True) if split is not None}
    own = groups[len(foregrounds) :]
    sizes = Counter(own)
    dealt = _dealt(sizes, split_of=split_of, wanted=wanted)
    usable: defaultdict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(own):
        usable[dealt[group]].append(number)
    if lacking := [split for split in SPLITS if wanted[split] and not usable[split]]:
        raise InputRefused(
            f"no background is left for {_told(lacking, wanted=wanted)}; there are "
            f"{', '.join(f'{len(numbers)} of the split {split}' for split, numbers in usable.items()) or 'none'}",
            where=where,
            remedy="give more --backgrounds, at least one photograph for each split that the foregrounds have",
        )
    return {split: usable[split] for split in SPLITS if wanted[split]}


def split_of(row: Mapping[str, Any]) -> str:
    """Return the split of a foreground."""
    return row["split"] or TRAIN


def _identities(table: pa.Table, *, is_foreground: bool = False) -> pa.Table:
    """Return what tells which rows belong together, in columns that can be joined."""
    splits = [TRAIN if split is None and is_foreground else split for split in table["split"].to_pylist()]
    return pa.table(
        {
            "id": table["id"].cast(pa.string()),
            "group": table["group"].cast(pa.string()),
            "sha256": table["sha256"].cast(pa.string()),
            "split": pa.array(splits, pa.string()),
        }
    )


def _dealt(sizes: Mapping[str, int], *, split_of: Mapping[str, str], wanted: Mapping[str, int]) -> dict[str, str]:
    """Return the split of every group of backgrounds: its own, or the one that lacks most."""
    dealt = {group: split_of[group] for group in sizes if group in split_of}
    filled = Counter(dict.fromkeys(wanted, 0))
    for group, split in dealt.items():
        filled[split] += sizes[group]
    total, foregrounds = sum(sizes.values()), sum(wanted.values())
    splits: Sequence[str] = sorted(wanted, key=lambda split: -wanted[split])
    for group in sorted(sizes.keys() - dealt.keys(), key=_draw):
        empty = [split for split in splits if not filled[split]]
        lacks = {split: wanted[split] / foregrounds * total - filled[split] for split in empty or splits}
        split = max(lacks, key=lambda name: lacks[name])
        dealt[group] = split
        filled[split] += sizes[group]
    return dealt


def _draw(group: str) -> str:
    return hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest()


def _told(splits: Sequence[str], *, wanted: Mapping[str, int]) -> str:
    return " and ".join(f"the {wanted[split]} foregrounds of the split {split}" for split in splits)

"""What a person said of samples while browsing, written into the dataset: the column `review`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from curation.dataset.dataset import read_quarantine, write_dataset
from curation.operations.rewrite import rewriting
from labeling.browsing.fiftyone_dataset import REVIEW, REVIEWS, review_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What reading tags back did: samples by review now, how many reviews changed, samples that nobody was shown."""

    counts: Mapping[str, int]
    changed: int
    unseen: int
    both: tuple[str, ...]


def write_reviews(folder: Path, *, tags: Sequence[Mapping[str, Sequence[str]]], is_trial: bool = False) -> Reviewed:
    """Write the reviews that tags tell into the column `review` of a dataset.

    `tags` holds, for each place where the dataset was shown, the tags of its samples by id. A review goes when its tag
    is gone everywhere; a sample that is shown nowhere keeps the one it has. Where nothing changed, nothing is written.
    """
    with rewriting(folder) as dataset:
        table = dataset.table
        ids = table["id"].to_pylist()
        before = table[REVIEW].to_pylist() if REVIEW in table.column_names else [None] * len(ids)
        seen = {id_: [tag for one in tags for tag in one.get(id_, ())] for one in tags for id_ in one}
        after = [review_of(seen[id_]) if id_ in seen else old for id_, old in zip(ids, before, strict=True)]
        changed = sum(old != new for old, new in zip(before, after, strict=True))
        if changed and not is_trial:
            column = pa.array(after, pa.string())
            if REVIEW in table.column_names:
                table = table.set_column(table.column_names.index(REVIEW), REVIEW, column)
            else:
                table = table.append_column(REVIEW, column)
            write_dataset(folder, card=dataset.card, table=table, quarantine=read_quarantine(folder))
    return Reviewed(
        counts={review: Counter(after)[review] for review in REVIEWS},
        changed=changed,
        unseen=sum(id_ not in seen for id_ in ids),
        both=tuple(id_ for id_ in ids if set(REVIEWS) <= set(seen.get(id_, ()))),
    )

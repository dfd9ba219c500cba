"""The training set of a round: everything that trains, with its labels as they are now, without what was set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from curation.dataset import MANIFEST, Dataset, of_ids
from curation.files import fingerprint_file
from curation.joining import join_tables
from curation.licenses import FILTERED, LicenseRules, licenses_of
from curation.merging import (
    joined_sources,
    merge_item,
    merge_sample,
    named_folders,
    parent_name,
    prefixes_of,
    refuse_twice,
)
from curation.samples import Plan
from labeling.browsing import DROP, REVIEW
from labeling.label_studio.batches import STATUS
from labeling.label_studio.config import Verdict
from models.data.choosing import REPEATS, apart

LABELLED: Final = frozenset({Verdict.RIGHT, Verdict.FIXED, Verdict.NO_PERSON})
"""What an annotator says of a label that trains."""
LABEL_ERROR: Final = "label_error"
SET_ASIDE: Final = frozenset({Verdict.AMBIGUOUS, Verdict.UNUSABLE})

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingParts:
    """Where a training set comes from: datasets that train, pools of which only what a person labelled does, and rows
    of test sets, which nothing that trains may share a photograph with. `licenses` says what else may not train."""

    train: Sequence[Dataset]
    pool: Sequence[Dataset]
    test: Sequence[pa.Table]
    licenses: LicenseRules | None = None


def plan_training_set(parts: TrainingParts, *, hard: Mapping[tuple[str, str], str | None], weight: int) -> Plan:
    """Plan the training set. Rows of the split val stay in it to judge; rows of the split test, and what goes with
    them, are left out.

    `hard` holds the verdicts on hard cases, by dataset and id: each trains `weight` times in an epoch, unless its label
    looks wrong and nobody looked at it. Raises InputRefused as a merge does.
    """
    datasets = [*parts.train, *parts.pool]
    refuse_twice(datasets)
    prefixes = prefixes_of(datasets, prefix=len(datasets) > 1)
    joined = join_tables(datasets, prefixes=prefixes)
    pool = frozenset(range(len(parts.train), len(datasets)))
    rows: list[dict[str, Any]] = joined.table.to_pylist()
    filtered = Counter[str]()
    for reason, is_left_out in _rules(joined.owner, pool=pool, licenses=parts.licenses).items():
        kept = [row for row in rows if not is_left_out(row)]
        filtered[reason] += len(rows) - len(kept)
        rows = kept
    remaining = {row["id"] for row in rows}
    (table,) = apart([of_ids(joined.table, remaining)], held_out=parts.test)
    filtered["in_test"] += len(remaining) - len(table)
    names = [(dataset.card.name, prefix) for dataset, prefix in zip(datasets, prefixes, strict=True)]
    items = []
    for row in table.to_pylist():
        name, prefix = names[joined.owner[row["id"]]]
        row[REPEATS] = weight if _is_hard(row, key=(name, row["id"].removeprefix(prefix)), hard=hard) else 1
        items.append(merge_item(row, joined=joined, datasets=datasets, prefixes=prefixes))
    manifests = [fingerprint_file(dataset.folder / MANIFEST)[:16] for dataset in datasets]
    repeats = {item.id: item.payload["row"][REPEATS] for item in items}
    return Plan(
        command="retrain",
        settings={"manifests": manifests, "hard": sum(number > 1 for number in repeats.values()), "repeats": repeats},
        sources=joined_sources(source for dataset in datasets for source in dataset.card.sources),
        considered=joined.table.num_rows,
        items=items,
        work=merge_sample,
        filtered={reason: number for reason, number in sorted(filtered.items()) if number},
        parents=[parent_name(dataset) for dataset in datasets],
        inputs=[dataset.folder for dataset in datasets],
        folders=named_folders(table),
        columns={**joined.columns, REPEATS: pa.int32()},
    )


def _rules(
    owner: Mapping[str, int], *, pool: frozenset[int], licenses: LicenseRules | None
) -> dict[str, Callable[[Row], bool]]:
    return {
        "test": lambda row: row["split"] == "test",
        "not_labelled_by_a_person": lambda row: owner[row["id"]] in pool and row.get(STATUS) not in LABELLED,
        "dropped": lambda row: row.get(REVIEW) == DROP,
        "set_aside": lambda row: row.get(STATUS) in SET_ASIDE,
        "no_mask": lambda row: row["mask"] is None,
        FILTERED: lambda row: licenses is not None and not licenses.allow_all(licenses_of(row)),
    }


def _is_hard(row: Row, *, key: tuple[str, str], hard: Mapping[tuple[str, str], str | None]) -> bool:
    """Tell whether a row is to train more often: it is a hard case, and its label is right as far as is known."""
    return key in hard and row["split"] != "val" and (hard[key] != LABEL_ERROR or row.get(STATUS) in LABELLED)

"""The training set of a round: everything that trains, with its labels as they are now, without what was set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from curation.dataset.dataset import Dataset, of_ids
from curation.dataset.licenses import FILTERED, LicenseRules, licenses_of
from curation.dataset.sample import Item, Plan
from curation.operations.join import Joined, join_tables
from curation.operations.merge import (
    joined_sources,
    merge_item,
    merge_sample,
    named_folders,
    parent_name,
    prefixes_of,
    refuse_twice,
)
from labeling.answers import ANNOTATION, LABELLED, STATUS, Answer
from labeling.browsing.fiftyone_dataset import DROP, REVIEW
from models.data.choose_samples import REPEATS, apart
from models.data.truth import has_truth

LABEL_ERROR: Final = "label_error"
STAYS: Final = ("split", "group", REVIEW)
SET_ASIDE: Final = frozenset({Answer.AMBIGUOUS, Answer.UNUSABLE})

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingParts:
    """Where a training set comes from: datasets that train, pools of which only what a person labelled does, and rows
    of test sets, which nothing that trains may share a photograph with. `licenses` says what else may not train.

    `taught` are the pools once more, with the labels of teachers. With `with_unlabelled` what nobody labelled in the
    pools is there too, for a student to learn what its teacher says of it.
    """

    train: Sequence[Dataset]
    pool: Sequence[Dataset]
    test: Sequence[pa.Table]
    licenses: LicenseRules | None = None
    taught: Sequence[Dataset] = ()
    with_unlabelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Earlier:
    """A training set of before, whose labels are taken; an epoch is filled up to so many samples, for as many steps."""

    dataset: Dataset
    samples: int


def plan_training_set(
    parts: TrainingParts,
    *,
    hard: Mapping[tuple[str, str], str | None],
    weight: int,
    before: Earlier | None = None,
) -> Plan:
    """Plan the training set. Rows of the split val stay in it to judge; rows of the split test, and what goes with
    them, are left out.

    `hard` holds the verdicts on hard cases, by dataset and id: each trains `weight` times in an epoch, unless its label
    looks wrong and nobody looked at it. With `before` whatever a person said since that training set is undone: such a
    row is as it was then, and left out where it had no label then. Raises InputRefused as a merge does.
    """
    datasets = [*parts.train, *parts.pool, *parts.taught]
    refuse_twice(datasets)
    prefixes = prefixes_of(datasets, prefix=len(datasets) > 1)
    joined = join_tables(datasets, prefixes=prefixes)
    now: list[dict[str, Any]] = joined.table.to_pylist()
    rows = now if before is None else _as_before(now, older=before.dataset.table)
    undone = {old["id"] for old, row in zip(rows, now, strict=True) if old is not row}
    table, filtered = _chosen(rows, joined=joined, parts=parts)
    kept = set(table["id"].to_pylist())
    items = []
    for row in (row for row in rows if row["id"] in kept):
        owner = joined.owner[row["id"]]
        key = (datasets[owner].card.name, row["id"].removeprefix(prefixes[owner]))
        row[REPEATS] = weight if _is_hard(row, key=key, hard=hard) else 1
        item = merge_item(row, joined=joined, datasets=datasets, prefixes=prefixes)
        if before is not None and row["id"] in undone:
            item = replace(item, payload={"folder": str(before.dataset.folder.resolve()), "prefix": "", "row": row})
        items.append(item)
    folders, told = {*named_folders(table)}, dict[str, Any]()
    if before is not None:
        _fill_up(items, samples=before.samples)
        folders |= {*named_folders(before.dataset.table)}
        told["before"] = before.dataset.card.manifest_sha256[:16]
    repeats = {item.id: item.payload["row"][REPEATS] for item in items}
    told |= {"hard": sum(number > 1 for number in repeats.values()), "repeats": repeats}
    return Plan(
        command="retrain",
        settings={"manifests": [one.card.manifest_sha256[:16] for one in datasets], **told},
        sources=joined_sources(source for dataset in datasets for source in dataset.card.sources),
        considered=joined.table.num_rows,
        items=items,
        work=merge_sample,
        filtered={reason: number for reason, number in sorted(filtered.items()) if number},
        parents=[parent_name(dataset) for dataset in datasets],
        inputs=[dataset.folder for dataset in datasets],
        folders=tuple(sorted(folders)),
        columns={**joined.columns, REPEATS: pa.int32()},
        notes=joined.notes,
    )


def samples_in_epoch(items: Sequence[Item]) -> int:
    """Return how many samples of a training set an epoch has: rows that train, each as often as it is to come."""
    return sum(row[REPEATS] for row in _that_train(items))


def _fill_up(items: Sequence[Item], *, samples: int) -> None:
    """Let rows come once more, evenly over the set, until an epoch has so many samples; one with more is left."""
    rows = _that_train(items)
    missing = max(0, samples - samples_in_epoch(items)) if rows else 0
    for number in range(missing):
        rows[number * len(rows) // missing][REPEATS] += 1


def _that_train(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [item.payload["row"] for item in items if item.payload["row"]["split"] != "val"]


def _as_before(rows: Sequence[dict[str, Any]], *, older: pa.Table) -> list[dict[str, Any]]:
    """Return rows as they were in an earlier training set; one of which nobody said anything since is the same row.

    What is no label, such as its split, stays as it is now. A row that was not there has no label.
    """
    then = {row["id"]: row for row in older.to_pylist()}
    found = []
    for row in rows:
        before = then.get(row["id"], {})
        if row.get(ANNOTATION) == before.get(ANNOTATION):
            found.append(row)
        elif before:
            found.append({name: row[name] if name in STAYS else before.get(name) for name in row})
        else:
            found.append({**row, "mask": None, STATUS: None})
    return found


def _chosen(rows: Sequence[dict[str, Any]], *, joined: Joined, parts: TrainingParts) -> tuple[pa.Table, Counter[str]]:
    """Return the table of what trains or judges, and how many rows were left out, by reason."""
    filtered = Counter[str]()
    for reason, is_left_out in _rules(joined.owner, parts=parts).items():
        left = [row for row in rows if not is_left_out(row)]
        filtered[reason] += len(rows) - len(left)
        rows = left
    (table,) = apart([of_ids(joined.table, {row["id"] for row in rows})], held_out=parts.test)
    filtered["in_test"] += len(rows) - len(table)
    return table, filtered


def _rules(owner: Mapping[str, int], *, parts: TrainingParts) -> dict[str, Callable[[Row], bool]]:
    end = len(parts.train) + len(parts.pool)
    pool, licenses = frozenset(range(len(parts.train), end)), parts.licenses
    by_teachers = {row["sha256"] for one in parts.taught for row in one.table.to_pylist() if row["mask"] is not None}

    def is_unlabelled(row: Row) -> bool:
        """Tell whether a row of a pool is there for what a teacher says of it; one that teachers labelled comes so."""
        is_wanted = parts.with_unlabelled and owner[row["id"]] in pool and row["sha256"] not in by_teachers
        return is_wanted and not has_truth(row)

    return {
        "test": lambda row: row["split"] == "test",
        "left_for_people": lambda row: owner[row["id"]] >= end and row["mask"] is None,
        "not_labelled_by_a_person": lambda row: (
            owner[row["id"]] in pool and row.get(STATUS) not in LABELLED and not is_unlabelled(row)
        ),
        "dropped": lambda row: row.get(REVIEW) == DROP,
        "set_aside": lambda row: row.get(STATUS) in SET_ASIDE,
        "no_mask": lambda row: row["mask"] is None and not is_unlabelled(row),
        FILTERED: lambda row: licenses is not None and not licenses.allow_all(licenses_of(row)),
    }


def _is_hard(row: Row, *, key: tuple[str, str], hard: Mapping[tuple[str, str], str | None]) -> bool:
    """Tell whether a row is to train more often: it is a hard case, and its label is right as far as is known."""
    return key in hard and row["split"] != "val" and (hard[key] != LABEL_ERROR or row.get(STATUS) in LABELLED)

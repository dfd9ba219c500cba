"""Which samples train a network and which judge it: by split, and so that no photograph is on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from curation.checksums import digest_column
from curation.dataset import Dataset, select_rows
from curation.errors import InputRefused
from curation.licenses import (
    FILTERED,
    LicenseRules,
    allowed_rows,
    flagged_counts,
    license_warnings,
    row_licenses,
)
from curation.made_before import is_incomplete
from curation.splitting import IDENTITY_COLUMNS, leak_groups

LABEL_COLUMN: Final = {1: "mask", 3: "trimap"}
"""What a network of so many classes learns from."""
HELD_OUT: Final = ("val", "test")
REPEATS: Final = "repeats"
"""Column that says how often a row trains in an epoch, varied anew each time; once where it is null or missing."""
LABEL_REMEDY: Final = {
    "mask": "make it with masks, for example with `curate pairs --images DIR --masks DIR --out D`",
    "trimap": "make it with trimaps, for example with `curate aifenge`, or train with --classes 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """Where an image and its label are.

    `key` names the sample among those of all datasets. `image`, `label` (a mask, or a trimap) and `ignore` (128 where
    pixels do not count) are paths below `folder`; `digests` holds the SHA-256 of those of which it is known.
    """

    key: str
    folder: Path
    image: str
    label: str
    ignore: str | None
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The samples of one training, and how many rows of the datasets were left out of it, by reason.

    `warnings` tell of rows that train under a licence with restrictions.
    """

    training: tuple[LabelledImage, ...]
    validation: tuple[LabelledImage, ...]
    left_out: Mapping[str, int]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to choose by: the classes of the network, at most how many samples, and of the rows that train a query and
    the licences that are allowed."""

    classes: int = 1
    query: str | None = None
    limit: int | None = None
    licenses: LicenseRules | None = None


def choose_samples(training: Sequence[Dataset], *, validation: Sequence[Dataset], choice: Choice) -> Chosen:
    """Give the samples that train (split `train`, or none) and those that judge.

    Of a dataset in `validation` the split `val` judges, or all of it where it has none; without such a dataset, the
    split `val` of those that train. A row shares no group and no image with one that judges, or with the test split of
    any of these datasets, and trains as often in an epoch as its column `repeats` says. Rows without a label are left
    out, and those whose mask lacks a person. Raises InputRefused when that leaves nothing on one side, or when no row
    of a dataset has a label.
    """
    column = LABEL_COLUMN[choice.classes]
    left_out: Counter[str] = Counter()
    judging = [_judging(dataset.table) for dataset in validation] or [of_split(d.table, "val") for d in training]
    judges = _labelled(validation or training, tables=judging, column=column, left_out=left_out)
    if not judges:
        raise InputRefused(
            "there is nothing to validate on",
            where=_places(validation or training),
            remedy="name a dataset with --val D, or split one: curate split D --val 0.1",
        )
    tables = [_asked_for(dataset, choice=choice, left_out=left_out) for dataset in training]
    held_out = [*judging, *(_held_out(dataset.table) for dataset in (*training, *validation))]
    kept = apart(tables, held_out=held_out)
    left_out["in_validation"] += sum(map(len, tables)) - sum(map(len, kept))
    samples = _labelled(training, tables=kept, column=column, left_out=left_out, with_repeats=True)
    if choice.limit is not None:
        left_out["limit"] += max(0, len(samples) - choice.limit)
        samples = samples[: choice.limit]
    left_out = +left_out
    if not samples:
        raise InputRefused(
            f"no sample is left to train on: {_told(left_out)}",
            where=_places(training),
            remedy="name other data, or split it so that some of it trains: curate split D --val 0.1",
        )
    licenses = [texts for table in kept for texts in row_licenses(table.filter(pc.is_valid(table[column])))]
    return Chosen(
        training=samples,
        validation=judges,
        left_out=dict(sorted(left_out.items())),
        warnings=license_warnings(flagged_counts(licenses), samples=len(licenses)),
    )


def of_split(table: pa.Table, *splits: str | None) -> pa.Table:
    """Give the rows of these splits; None stands for no split."""
    return table.filter(pa.array([split in splits for split in table["split"].to_pylist()], pa.bool_()))


def apart(tables: Sequence[pa.Table], *, held_out: Sequence[pa.Table]) -> list[pa.Table]:
    """Give the tables without rows that belong together with a row that is held out: by group, or by image."""
    parts = [_identities(table, prefix=number) for number, table in enumerate((*tables, *held_out))]
    groups = leak_groups(pa.concat_tables(parts, promote_options="default"))
    sizes = [len(table) for table in tables]
    taken = set(groups[sum(sizes) :])
    kept = []
    for number, table in enumerate(tables):
        own = groups[sum(sizes[:number]) : sum(sizes[: number + 1])]
        kept.append(table.filter(pa.array([group not in taken for group in own], pa.bool_())))
    return kept


def _judging(table: pa.Table) -> pa.Table:
    marked = of_split(table, "val")
    return marked if len(marked) else table


def _held_out(table: pa.Table) -> pa.Table:
    return of_split(table, *HELD_OUT)


def _asked_for(dataset: Dataset, *, choice: Choice, left_out: Counter[str]) -> pa.Table:
    table = of_split(dataset.table, "train", None)
    left_out["other_split"] += len(dataset.table) - len(table)
    if choice.query is not None and len(table):
        kept = select_rows(Dataset(folder=dataset.folder, card=dataset.card, table=table), choice.query)
        left_out["query"] += len(table) - len(kept)
        table = kept
    allowed = allowed_rows(table, rules=choice.licenses)
    left_out[FILTERED] += len(table) - len(allowed)
    return allowed


def _identities(table: pa.Table, *, prefix: int) -> pa.Table:
    """Give what tells which rows belong together; an id stands for a group that is missing, in its own table alone."""
    kept = {name: table[name].cast(pa.string()) for name in IDENTITY_COLUMNS if name in table.column_names}
    ids = pa.array([f"{prefix}/{id_}" for id_ in table["id"].to_pylist()], pa.string())
    return pa.table({**kept, "id": ids})


def _labelled(
    datasets: Sequence[Dataset],
    *,
    tables: Sequence[pa.Table],
    column: str,
    left_out: Counter[str],
    with_repeats: bool = False,
) -> tuple[LabelledImage, ...]:
    samples: list[LabelledImage] = []
    for dataset, table in zip(datasets, tables, strict=True):
        rows = table.to_pylist()
        found = [row for row in rows if row[column] is not None]
        if rows and not found:
            raise InputRefused(f"no {column}s: no sample has one", where=dataset.folder, remedy=LABEL_REMEDY[column])
        left_out[f"without_{column}"] += len(rows) - len(found)
        whole = [row for row in found if not is_incomplete(row)]
        left_out["broken_parts"] += len(found) - len(whole)
        for row in whole:
            times = (row.get(REPEATS) or 1) if with_repeats else 1
            samples += [_image(row, dataset=dataset, column=column, number=number) for number in range(times)]
    return tuple(samples)


def _image(row: Mapping[str, Any], *, dataset: Dataset, column: str, number: int) -> LabelledImage:
    again = f" {number + 1}" if number else ""  # what is drawn for a sample hangs on its key
    named = ((row.get(name), row.get(digest_column(name))) for name in ("image", column, "ignore"))
    digests = {path: digest for path, digest in named if path is not None and digest is not None}
    return LabelledImage(
        key=f"{dataset.card.name}/{row['id']}{again}",
        folder=dataset.folder,
        image=row["image"],
        label=row[column],
        ignore=row.get("ignore"),
        digests=digests,
    )


def _places(datasets: Sequence[Dataset]) -> str:
    return ", ".join(str(dataset.folder) for dataset in datasets)


def _told(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in left_out.items()) or "the datasets are empty"

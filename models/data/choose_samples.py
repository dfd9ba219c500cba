"""Which samples train a network and which judge it: by split, and so that no photograph is on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.dataset.dataset import Dataset
from curation.dataset.label_sources import counted_sources, label_licenses
from curation.dataset.licenses import (
    FILTERED,
    LicenseRules,
    allowed_rows,
    flagged_counts,
    license_warnings,
    row_licenses,
)
from curation.dataset.made_before import is_incomplete
from curation.dataset.query import select_rows
from curation.dataset.rows import InMemory
from curation.errors import InputRefused
from curation.operations.leak_groups import are_apart, batches_of
from curation.storage.checksums import digest_column
from curation.storage.files import sha256_of
from models.data.truth import has_truth
from models.faces.places import Place, no_place

LabelKind: TypeAlias = Literal["mask", "alpha", "classes"]
"""What is learnt from: `mask` (a trimap with 3 classes), `alpha`, shares of person from 0 to 1, or `classes`,
class maps of background and the parts of a person."""
LABEL_COLUMN: Final = {1: "mask", 3: "trimap"}
"""What a network of so many classes is judged by, and learns from with `labels: mask`."""
HELD_OUT: Final = ("val", "test")
REPEATS: Final = "repeats"
"""Column that says how often a row trains in an epoch, varied again each time; once where it is null or missing."""
PLURALS: Final = {"classes": "class maps"}
LABEL_REMEDY: Final = {
    "mask": "make it with masks, for example with `curate pairs --images DIR --masks DIR --out D`",
    "alpha": "make it with alphas, for example with `curate aifenge`, `curate matte` or `curate fuse`, or train with "
    "--labels mask",
    "trimap": "make it with trimaps, for example with `curate aifenge`, or train with --classes 1",
    "classes": "make it with class maps, for example with `curate celebamask`, or train with --labels mask and "
    "--classes 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """Where an image and its label are.

    `key` names the sample among those of all datasets. `image`, `label` (mask, trimap or class map), `ignore` (128
    where pixels do not count) and `alpha` are paths below `folder`; `digests` holds the SHA-256 of those of which it
    is known. A sample without a `label` is learnt from a teacher alone, whose probability lies in the file `taught`.
    `place` is that of its face row by row, see `models.faces.places`: () without a face, None where none is sought.
    """

    key: str
    folder: Path
    image: str
    label: str | None
    ignore: str | None
    digests: Mapping[str, str] = field(default_factory=dict)
    alpha: str | None = None
    is_class_map: bool = False
    taught: Path | None = None
    place: tuple[float, ...] | None = None

    @property
    def face(self) -> Place:
        """The place of its face, (2, 3), zeros without one."""
        return np.reshape(self.place, (2, 3)) if self.place else no_place()

    @property
    def digest(self) -> str:
        """The SHA-256 of the image as its manifest tells it, else of its place: every row that we make has one."""
        return self.digests.get(self.image) or sha256_of(f"{self.folder.resolve()}/{self.image}".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The samples of one training, and how many rows of the datasets were left out of it, by reason.

    `warnings` name training rows under a licence with restrictions. `label_sources` counts the rows whose label a model
    made, by the model and its licence, and `label_licenses` are the licences of these models.
    """

    training: tuple[LabelledImage, ...]
    validation: tuple[LabelledImage, ...]
    left_out: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    label_sources: Mapping[str, int] = field(default_factory=dict)
    label_licenses: tuple[str, ...] = ()

    @property
    def unlabelled(self) -> int:
        """The number of samples that a teacher alone teaches."""
        return sum(sample.label is None for sample in self.training)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleChoice:
    """What to choose by: the classes of the network, what it learns from, at most how many samples, and of the rows
    that train a query and the licences that are allowed. With a teacher rows without a label train as well."""

    classes: int = 1
    labels: LabelKind = "mask"
    query: str | None = None
    limit: int | None = None
    licenses: LicenseRules | None = None
    with_teacher: bool = False


def choose_samples(training: Sequence[Dataset], *, validation: Sequence[Dataset], choice: SampleChoice) -> Chosen:
    """Return the samples that train (split `train`, or none) and those that judge.

    Of a dataset in `validation` the split `val` judges, or all of it where it has none; without such a dataset, the
    split `val` of those that train. A row shares no group and no image with one that judges, or with the test split of
    any of these datasets, and trains as often in an epoch as its column `repeats` says. Rows without a label are left
    out, those whose mask lacks a person, and of those that train on alphas those without one. Raises InputRefused when
    that leaves nothing on one side, or when no row of a dataset has a label.
    """
    column = "classes" if choice.labels == "classes" else LABEL_COLUMN[choice.classes]
    left_out: Counter[str] = Counter()
    judging = [_judging(dataset.table) for dataset in validation] or [of_split(d.table, "val") for d in training]
    judges = _labelled(validation or training, tables=judging, which=_Which(columns=(column,)), left_out=left_out)
    if not judges:
        raise InputRefused(
            "there is nothing to validate on",
            where=_places(validation or training),
            remedy="name a dataset for it (--val D; in the configuration of a loop: data.val), or take some of the "
            "samples that train: curate split D --val 0.1 --from-train, which leaves a test set as it is",
        )
    tables = [_asked_for(dataset, choice=choice, left_out=left_out) for dataset in training]
    kept = apart(tables, held_out=[part.table for part in held_out_of(training, validation=validation)])
    left_out["in_validation"] += sum(map(len, tables)) - sum(map(len, kept))
    columns = (column, "alpha") if choice.labels == "alpha" else (column,)
    which = _Which(columns=columns, with_repeats=True, with_unlabelled=choice.with_teacher)
    samples = _labelled(training, tables=kept, which=which, left_out=left_out)
    if choice.limit is not None:
        left_out["limit"] += max(0, len(samples) - choice.limit)
        samples = samples[: choice.limit]
    left_out = +left_out
    if not samples:
        raise InputRefused(
            f"no sample is left to train on: {_told(left_out)}",
            where=_places(training),
            remedy="name other data; where none of it has the split train, curate split D --val 0.1 --overwrite splits "
            "all of it again",
        )
    learnt = kept if choice.with_teacher else [_labelled_rows(table, column=column) for table in kept]
    return Chosen(
        training=samples,
        validation=judges,
        left_out=dict(sorted(left_out.items())),
        warnings=(*_license_warnings(learnt), *_judged_by_models(judging)),
        label_sources=dict(sum((Counter(counted_sources(table)) for table in learnt), start=Counter[str]())),
        label_licenses=label_licenses(learnt),
    )


def held_out_of(training: Sequence[Dataset], *, validation: Sequence[Dataset]) -> list[Dataset]:
    """Return the rows that judge a training or are held out of it: what validates, and every split val and test."""
    judging = {dataset.folder for dataset in validation}
    tables = [(dataset, of_split(dataset.table, *HELD_OUT)) for dataset in training if dataset.folder not in judging]
    for dataset in validation:
        marked = of_split(dataset.table, *HELD_OUT)
        tables.append((dataset, marked if "val" in marked["split"].to_pylist() else dataset.table))
    return [replace(dataset, rows=InMemory(table)) for dataset, table in tables]


def _license_warnings(tables: Sequence[pa.Table]) -> tuple[str, ...]:
    licenses = [texts for table in tables for texts in row_licenses(table)]
    return license_warnings(flagged_counts(licenses), samples=len(licenses))


def _judged_by_models(judging: Sequence[pa.Table]) -> tuple[str, ...]:
    """Say that what judges a network are labels of another model."""
    number = sum(sum(counted_sources(table).values()) for table in judging)
    told = f"the labels of {number} samples that judge were made by models; better is what people labelled (--val D)"
    return (told,) if number else ()


def _labelled_rows(table: pa.Table, *, column: str) -> pa.Table:
    return table.filter(pc.is_valid(table[column])) if column in table.column_names else table.slice(0, 0)


def of_split(table: pa.Table, *splits: str | None) -> pa.Table:
    """Return the rows of these splits; None stands for no split."""
    return table.filter(pa.array([split in splits for split in table["split"].to_pylist()], pa.bool_()))


def apart(tables: Sequence[pa.Table], *, held_out: Sequence[pa.Table]) -> list[pa.Table]:
    """Return the tables without rows that belong together with a row that is held out: by group, or by image."""
    are_kept = are_apart([batches_of(table) for table in tables], held_out=[batches_of(table) for table in held_out])
    return [table.filter(pa.array(is_kept)) for table, is_kept in zip(tables, are_kept, strict=True)]


def _judging(table: pa.Table) -> pa.Table:
    marked = of_split(table, "val")
    return marked if len(marked) else table


def _asked_for(dataset: Dataset, *, choice: SampleChoice, left_out: Counter[str]) -> pa.Table:
    table = of_split(dataset.table, "train", None)
    left_out["other_split"] += len(dataset.table) - len(table)
    if choice.query is not None and len(table):
        kept = select_rows(Dataset(folder=dataset.folder, card=dataset.card, rows=InMemory(table)), choice.query)
        left_out["query"] += len(table) - len(kept)
        table = kept
    allowed = allowed_rows(table, rules=choice.licenses)
    left_out[FILTERED] += len(table) - len(allowed)
    return allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Which:
    """Which rows are taken: those with all `columns`, as often as they repeat; and those of which no label is known."""

    columns: tuple[str, ...]
    with_repeats: bool = False
    with_unlabelled: bool = False


def _labelled(
    datasets: Sequence[Dataset], *, tables: Sequence[pa.Table], which: _Which, left_out: Counter[str]
) -> tuple[LabelledImage, ...]:
    samples: list[LabelledImage] = []
    for dataset, table in zip(datasets, tables, strict=True):
        every: list[dict[str, Any]] = table.to_pylist()
        found = [row for row in every if not which.with_unlabelled or has_truth(row)]
        untold = [row for row in every if which.with_unlabelled and not has_truth(row)]
        for column in which.columns:
            rows, found = found, [row for row in found if row.get(column) is not None]
            if rows and not found and not untold:
                reason = f"no {PLURALS.get(column, f'{column}s')}: no sample has one"
                raise InputRefused(reason, where=dataset.folder, remedy=LABEL_REMEDY[column])
            left_out[f"without_{column}"] += len(rows) - len(found)
        whole = [row for row in (*found, *untold) if not is_incomplete(row)]
        left_out["broken_parts"] += len(found) + len(untold) - len(whole)
        for row in whole:
            times = (row.get(REPEATS) or 1) if which.with_repeats else 1
            column = which.columns[0]
            samples += [_image(row, dataset=dataset, column=column, number=number) for number in range(times)]
    return tuple(samples)


def _image(row: Mapping[str, Any], *, dataset: Dataset, column: str, number: int) -> LabelledImage:
    again = f" {number + 1}" if number else ""  # what is drawn for a sample depends on its key
    named = ((row.get(name), row.get(digest_column(name))) for name in ("image", column, "ignore", "alpha"))
    digests = {path: digest for path, digest in named if path is not None and digest is not None}
    return LabelledImage(
        key=f"{dataset.card.name}/{row['id']}{again}",
        folder=dataset.folder,
        image=row["image"],
        label=row.get(column),
        ignore=row.get("ignore"),
        alpha=row.get("alpha"),
        is_class_map=column == "classes",
        digests=digests,
    )


def _places(datasets: Sequence[Dataset]) -> str:
    return ", ".join(str(dataset.folder) for dataset in datasets)


def _told(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in left_out.items()) or "the datasets are empty"

"""A labelled data set whose labels are hidden: what a selection may see of it, and the part that is labelled so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from curation.dataset.dataset import Dataset, of_ids, read_dataset
from curation.dataset.sample import Item, Outcome, Plan
from curation.errors import InputRefused
from curation.images.pixels import decode_mask, encode_mask
from curation.labels.label_files import place_labels
from curation.labels.masks import person_area
from curation.operations.join import Joined, join_tables
from curation.operations.leak_groups import IDENTITY_COLUMNS
from curation.operations.merge import joined_sources, merge_item, merge_sample, named_folders, parent_name, refuse_twice
from curation.storage.files import read_file, sha256_of
from models.data.choose_samples import HELD_OUT, apart, of_split
from models.evaluation.choose_sets import EvaluationSet
from models.evaluation.score_dataset import Part
from models.evaluation.score_files import ScoringPlace

VISIBLE: Final = ("id", "image", "width", "height", "source", "source_id", "split", "group", "license", "sha256")
"""What is known of an image that nobody labelled. All else, the person area and the number of persons with it, comes
from labels, or from models that learned from them."""
GIVEN: Final = "given"
"""Of an item: the file whose mask stands in the place of the true one; None for no mask at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Masks that stand in the place of true ones, by id, None for no mask; and where they came from."""

    files: Mapping[str, Path | None] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)


NOTHING_GIVEN: Final = Given()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The samples that may be labelled, by id, sorted; `left_out` counts the others by reason."""

    datasets: Sequence[Dataset]
    joined: Joined
    ids: tuple[str, ...]
    left_out: dict[str, int]

    def first(self, *, count: int, seed: int) -> list[str]:
        """Draw the samples that are labelled from the start, in order of their ids."""
        drawn = np.random.default_rng(seed).choice(len(self.ids), size=count, replace=False)
        return sorted(self.ids[index] for index in drawn)

    def hidden(self, labelled: Collection[str], *, out: Path) -> list[Part]:
        """Return all other samples as images without labels, to be scored into `out`."""
        known, wanted = set(labelled), set(self.ids)
        parts = []
        for dataset in self.datasets:
            rows = [
                {name: value if name in VISIBLE else None for name, value in row.items()}
                for row in dataset.table.to_pylist()
                if row["id"] in wanted and row["id"] not in known
            ]
            name = dataset.folder.resolve().name
            place = ScoringPlace(dataset=dataset.folder, name=name, out=out, with_alpha=False)
            parts.append(Part(rows=rows, place=place))
        return [part for part in parts if part.rows]

    def plan_labelled(self, labelled: Collection[str], *, given: Given = NOTHING_GIVEN) -> Plan:
        """Plan the dataset of the samples that are labelled so far, its files linked, but for labels that are given."""
        chosen = set(labelled)
        table = self.joined.table
        kept = of_ids(table, chosen)
        manifests = [dataset.card.manifest_sha256[:16] for dataset in self.datasets]
        settings: dict[str, Any] = {"labelled": key_of(sorted(chosen)), "manifests": manifests}
        return Plan(
            command="simulate",
            settings=settings | ({GIVEN: {**given.told, "ids": key_of(sorted(given.files))}} if given.files else {}),
            sources=joined_sources(source for dataset in self.datasets for source in dataset.card.sources),
            considered=table.num_rows,
            items=[self._item(row, given=given) for row in kept.to_pylist()],
            work=labelled_sample,
            filtered={"hidden": table.num_rows - len(kept)} if len(kept) < table.num_rows else {},
            parents=[parent_name(dataset) for dataset in self.datasets],
            inputs=[dataset.folder for dataset in self.datasets],
            folders=tuple(sorted({*named_folders(kept), *(("masks",) if given.files else ())})),
            columns=self.joined.columns,
            notes=self.joined.notes,
        )

    def _item(self, row: dict[str, Any], *, given: Given) -> Item:
        item = merge_item(row, joined=self.joined, datasets=self.datasets, prefixes=[""] * len(self.datasets))
        if item.id not in given.files:
            return item
        return replace(item, payload={**item.payload, GIVEN: given.files[item.id]})


def labelled_sample(item: Item, folder: Path) -> Outcome:
    """Link the files of one sample; with a label that is given, its image alone, and write that mask.

    Raises BadRecord as `merge_sample` does.
    """
    if GIVEN not in item.payload:
        return merge_sample(item, folder)
    row = {name: value if name in VISIBLE else None for name, value in item.payload["row"].items()}
    linked = merge_sample(replace(item, payload={**item.payload, "row": row | {"label_version": 0}}), folder).sample
    assert linked is not None, "a row that is linked becomes a sample"
    if (file := item.payload[GIVEN]) is None:
        return Outcome(id=item.id, sample=linked)
    mask = decode_mask(read_file(file), file=str(file))
    placed = place_labels({"mask": encode_mask(mask)}, sample_id=item.id, folder=folder)
    extra = {**linked.extra, **placed.digests}
    sample = msgspec.structs.replace(linked, **placed.paths, person_area=person_area(mask), extra=extra)
    return Outcome(id=item.id, sample=sample)


def key_of(texts: Iterable[str]) -> str:
    """Return what some texts, such as ids, are known by in names and settings; another order is another key."""
    return sha256_of("\n".join(texts).encode("utf-8", "surrogatepass"))[:16]


def read_pool(
    folders: Sequence[Path], *, val: Sequence[Path], test: Sequence[EvaluationSet], limit: int | None
) -> Pool:
    """Return the samples of data sets that have a mask, are of no other split than `train`, and show nothing that
    judges.

    Raises InputRefused when a data set is named twice, and when two share an id.
    """
    datasets = [read_dataset(folder) for folder in folders]
    refuse_twice(datasets)
    joined = join_tables(datasets, prefixes=[""] * len(datasets))
    tables = [of_split(dataset.table, "train", None) for dataset in datasets]
    masked = [table.filter(table["mask"].is_valid()) for table in tables]
    judging = [
        *(of_split(dataset.table, *HELD_OUT) for dataset in datasets),
        *(_judging(read_dataset(folder).table) for folder in val),
        *(one.read(IDENTITY_COLUMNS) for one in test),
    ]
    kept = apart(masked, held_out=judging)
    ids = sorted(id_ for table in kept for id_ in table["id"].to_pylist())
    left_out = {
        "other_split": len(joined.table) - sum(map(len, tables)),
        "without_mask": sum(map(len, tables)) - sum(map(len, masked)),
        "in_validation": sum(map(len, masked)) - len(ids),
        "limit": max(0, len(ids) - (limit or len(ids))),
    }
    left_out = {reason: number for reason, number in left_out.items() if number}
    return Pool(datasets=datasets, joined=joined, ids=tuple(ids[:limit]), left_out=left_out)


def refuse_hidden_judges(val: Sequence[Path], *, data: Sequence[Path]) -> None:
    """Raise InputRefused for a data set that would judge with labels that are hidden: it has no split `val`."""
    pools = {folder.resolve() for folder in data}
    for folder in val:
        if folder.resolve() in pools and not len(of_split(read_dataset(folder).table, "val")):
            raise InputRefused(
                "there is nothing to validate on but labels that are hidden",
                where=folder,
                remedy="name a data set with --val D, or split this one: curate split D --val 0.1",
            )


def _judging(table: pa.Table) -> pa.Table:
    marked = of_split(table, *HELD_OUT)
    return marked if len(of_split(table, "val")) else table

"""The dataset of hard cases: rows of other datasets with their scores, and every score and prediction beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ChosenRows, Row
from curation.dataset.dataset import FILE_COLUMNS, Dataset
from curation.dataset.rows import Rows
from curation.dataset.sample import COLUMNS, Item, Outcome, Plan
from curation.operations.join import Joined
from curation.operations.merge import MadeOfRows, folders_of, item_of, joined_sources, merge_sample, parent_name
from curation.quarantine import QuarantineRecord
from curation.storage.files import link_or_copy, make_folder
from curation.storage.open_unfollowed import open_unfollowed
from curation.storage.streamed_file import streamed_file
from curation.storage.text_set import TextSet
from models.data.class_maps import PREDICTED_CLASSES
from models.evaluation.score_table import PREDICTIONS, SCORED_VERSION, SCORES

ROW_COLUMNS: Final = frozenset({*COLUMNS, "dataset", "is_finite"})
"""Of `scores.parquet`: what a row of the manifest says anyway."""
RANK, MINED_FROM, MINED_ID, PREDICTION = "hard_rank", "mined_from", "mined_id", "prediction"
NOT_HARD: Final = "not_hard"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mined:
    """What mining found: all scores, and the places of their rows among the joined ones; the numbers of the scores of
    the hard cases, the worst first; what is broken or was left out.

    `notes` are for the card. `staging` holds `scores.parquet` and `predictions/`; of a model that names classes also
    `predicted_classes/`.
    """

    scores: Rows
    places: NDArray[np.int64]
    hard: NDArray[np.int64]
    broken: Sequence[QuarantineRecord]
    remarks: Sequence[QuarantineRecord]
    filtered: Mapping[str, int]
    staging: Path
    class_names: Sequence[str] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Origin:
    """The datasets that were mined, their rows joined, and what stands before the ids of each."""

    datasets: Sequence[Dataset]
    prefixes: Sequence[str]
    joined: Joined


def plan_hard_cases(origin: Origin, *, mined: Mined, settings: Mapping[str, Any], notes: Mapping[str, Any]) -> Plan:
    """Plan the dataset of hard cases; its samples name the dataset and the id that they come from."""
    order = np.argsort(mined.hard)  # their scores, and so their rows, are then in the order of ids
    numbers = mined.hard[order]
    rows = ChosenRows(origin.joined, mined.places[numbers])
    filtered = dict(mined.filtered) | {NOT_HARD: len(mined.places) - len(numbers)}
    manifests = [dataset.card.manifest_sha256[:16] for dataset in origin.datasets]
    mapped = TextSet(path.stem for path in (mined.staging / PREDICTED_CLASSES).glob("*.png"))
    cases = _Cases(
        origin=origin,
        places=rows.places,
        in_order=np.argsort(rows.places),
        scores=ChosenRows(mined.scores, numbers),
        ranks=order + 1,
        mapped=mapped,
    )
    own = [name for name in FILE_COLUMNS if name not in (PREDICTION, PREDICTED_CLASSES)]  # not those of an earlier one
    return Plan(
        command="mine",
        settings={**settings, "manifests": manifests},
        sources=joined_sources(source for dataset in origin.datasets for source in dataset.card.sources),
        considered=len(origin.joined),
        items=MadeOfRows(rows, cases.items),
        work=mine_sample,
        filtered={reason: number for reason, number in filtered.items() if number},
        quarantined=mined.broken,
        records=mined.remarks,
        notes={**origin.joined.notes, **notes},
        parents=[parent_name(dataset) for dataset in origin.datasets],
        inputs=[dataset.folder for dataset in origin.datasets],
        folders=folders_of(rows.batches(own)),
        columns=_column_types(origin, scores=mined.scores.schema)
        | ({PREDICTED_CLASSES: pa.string()} if mapped else {}),
        finish=partial(place_findings, mined.staging),
    )


def mine_sample(item: Item, folder: Path) -> Outcome:
    """Link the files of one hard case and give its sample; raises BadRecord as `merge_sample` does."""
    outcome = merge_sample(item, folder)
    assert outcome.sample is not None
    extra = outcome.sample.extra | item.payload["found"]
    return Outcome(id=item.id, sample=msgspec.structs.replace(outcome.sample, extra=extra))


def place_findings(staging: Path, out: Path) -> None:
    """Put all scores and predictions into the dataset."""
    for name in (PREDICTIONS, PREDICTED_CLASSES):
        if not (staging / name).exists():
            continue
        make_folder(out / name, below=out)
        with os.scandir(staging / name) as entries:
            for entry in entries:
                link_or_copy(staging / name / entry.name, out / name / entry.name)
    with streamed_file(out / SCORES) as stream, open_unfollowed(staging / SCORES, "rb") as scores:
        shutil.copyfileobj(scores, stream)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cases:
    """The places of the rows of the hard cases, and in the same order their scores and ranks; `in_order` sorts the
    places, `mapped` are ids with class maps."""

    origin: Origin
    places: NDArray[np.int64]
    in_order: NDArray[np.int64]
    scores: ChosenRows
    ranks: NDArray[np.int64]
    mapped: TextSet

    def items(self, rows: list[Row], places: NDArray[np.int64]) -> list[Item]:
        """Return the items of some of the rows, which lie at these places among all."""
        at = self.in_order[np.searchsorted(self.places, places, sorter=self.in_order)]
        owners = self.origin.joined.owners(places).tolist()
        found = zip(rows, owners, self.scores.at(at), self.ranks[at].tolist(), strict=True)
        return [self._item(row, owner=owner, score=score, rank=rank) for row, owner, score, rank in found]

    def _item(self, row: Row, *, owner: int, score: Mapping[str, Any], rank: int) -> Item:
        assert row["id"] == score["id"], "scores are in the order of their rows"
        dataset, prefix = self.origin.datasets[owner], self.origin.prefixes[owner]
        found = {name: value for name, value in score.items() if name not in ROW_COLUMNS}
        found |= {
            RANK: rank,
            SCORED_VERSION: score["label_version"],
            MINED_FROM: parent_name(dataset),
            MINED_ID: row["id"].removeprefix(prefix),
            PREDICTION: f"{PREDICTIONS}/{row['id']}.png" if score["is_finite"] else None,
        } | ({PREDICTED_CLASSES: f"{PREDICTED_CLASSES}/{row['id']}.png"} if row["id"] in self.mapped else {})
        # what an earlier mining found is no longer true
        kept = {name: value for name, value in row.items() if name not in found and name != PREDICTED_CLASSES}
        item = item_of(kept, dataset=dataset, prefix=prefix)
        return Item(id=item.id, payload={**item.payload, "found": found}, file=item.file)


def _column_types(origin: Origin, *, scores: pa.Schema) -> dict[str, pa.DataType]:
    found = {field.name: field.type for field in scores if field.name not in ROW_COLUMNS}
    own = {RANK: pa.int32(), SCORED_VERSION: pa.int32()}
    own |= {MINED_FROM: pa.string(), MINED_ID: pa.string(), PREDICTION: pa.string()}
    return {**origin.joined.columns, **found, **own}

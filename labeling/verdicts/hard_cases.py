"""The dataset of hard cases: rows of other datasets with their scores, and every score and prediction beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.dataset import Dataset, of_ids
from curation.dataset.rows import blocks_of
from curation.dataset.sample import COLUMNS, Item, Outcome, Plan
from curation.operations.join import Joined
from curation.operations.merge import joined_sources, merge_item, merge_sample, named_folders, parent_name
from curation.quarantine import QuarantineRecord
from curation.storage.files import link_or_copy, make_folder, read_file, write_durable
from models.data.class_maps import PREDICTED_CLASSES
from models.evaluation.score_table import PREDICTIONS, SCORED_VERSION, SCORES

ROW_COLUMNS: Final = frozenset({*COLUMNS, "dataset", "is_finite"})
"""Of `scores.parquet`: what a row of the manifest says anyway."""
RANK, MINED_FROM, MINED_ID, PREDICTION = "hard_rank", "mined_from", "mined_id", "prediction"
NOT_HARD: Final = "not_hard"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mined:
    """What mining found: all scores, the ids of the hard cases (the worst first), what is broken or was left out.

    `notes` are for the card. `staging` holds `scores.parquet` and `predictions/`; of a model that names classes also
    `predicted_classes/`.
    """

    scores: pa.Table
    hard: Sequence[str]
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
    scores = {row["id"]: row for row in mined.scores.to_pylist()}
    ranks = {id_: rank for rank, id_ in enumerate(mined.hard, start=1)}
    kept = pa.concat_tables([of_ids(table, ranks) for table in blocks_of(origin.joined)])
    filtered = dict(mined.filtered) | {NOT_HARD: len(scores) - len(ranks)}
    manifests = [dataset.card.manifest_sha256[:16] for dataset in origin.datasets]
    mapped = frozenset(path.stem for path in (mined.staging / PREDICTED_CLASSES).glob("*.png"))
    earlier = [name for name in (PREDICTION, PREDICTED_CLASSES) if name in kept.column_names]
    return Plan(
        command="mine",
        settings={**settings, "manifests": manifests},
        sources=joined_sources(source for dataset in origin.datasets for source in dataset.card.sources),
        considered=len(origin.joined),
        items=[
            _item(row, origin=origin, score=scores[row["id"]], rank=ranks[row["id"]], mapped=mapped)
            for row in kept.to_pylist()
        ],
        work=mine_sample,
        filtered={reason: number for reason, number in filtered.items() if number},
        quarantined=mined.broken,
        records=mined.remarks,
        notes={**origin.joined.notes, **notes},
        parents=[parent_name(dataset) for dataset in origin.datasets],
        inputs=[dataset.folder for dataset in origin.datasets],
        folders=named_folders(kept.drop_columns(earlier)),
        columns=_column_types(origin, scores=mined.scores) | ({PREDICTED_CLASSES: pa.string()} if mapped else {}),
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
        for path in sorted((staging / name).iterdir()):
            link_or_copy(path, out / name / path.name)
    write_durable(out / SCORES, read_file(staging / SCORES))


def _item(row: dict[str, Any], *, origin: Origin, score: Mapping[str, Any], rank: int, mapped: frozenset[str]) -> Item:
    index = origin.joined.owner[row["id"]]
    found = {name: value for name, value in score.items() if name not in ROW_COLUMNS}
    found |= {
        RANK: rank,
        SCORED_VERSION: score["label_version"],
        MINED_FROM: parent_name(origin.datasets[index]),
        MINED_ID: row["id"].removeprefix(origin.prefixes[index]),
        PREDICTION: f"{PREDICTIONS}/{row['id']}.png" if score["is_finite"] else None,
    } | ({PREDICTED_CLASSES: f"{PREDICTED_CLASSES}/{row['id']}.png"} if row["id"] in mapped else {})
    # what an earlier mining found is no longer true
    kept = {name: value for name, value in row.items() if name not in found and name != PREDICTED_CLASSES}
    item = merge_item(kept, joined=origin.joined, datasets=origin.datasets, prefixes=origin.prefixes)
    return Item(id=item.id, payload={**item.payload, "found": found}, file=item.file)


def _column_types(origin: Origin, *, scores: pa.Table) -> dict[str, pa.DataType]:
    found = {field.name: field.type for field in scores.schema if field.name not in ROW_COLUMNS}
    own = {RANK: pa.int32(), SCORED_VERSION: pa.int32()}
    own |= {MINED_FROM: pa.string(), MINED_ID: pa.string(), PREDICTION: pa.string()}
    return {**origin.joined.columns, **found, **own}

"""What models found of a sample, as it is shown to people: predictions, scores and verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.dataset import Dataset
from curation.dataset.label_sources import TEACHER_AGREEMENT, TEACHER_DOUBT
from labeling.verdicts.hard_cases import RANK
from models.evaluation.choose_sets import Model
from models.evaluation.evaluation_folder import METRICS
from models.evaluation.score_table import SCORES, outdated_ids, read_scores

LONGEST_VERSION: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a model found about the samples: numbers by sample id, where its predictions lie, and its name.

    `source` is that model by its place and hashes, None where nothing tells. A dataset that `curate mine` made has such
    findings in it; those of `curate evaluate` lie in a folder. `outdated` are the ids of samples whose label is another
    by now than the one that was scored.
    """

    folder: Path
    rows: Mapping[str, Mapping[str, Any]]
    model: str
    source: Model | None = None
    outdated: frozenset[str] = frozenset()


def findings_of(dataset: Dataset, *, scores: Path | None) -> Findings:
    """Return what a model found: in the folder `scores`, else in the dataset itself, which may have nothing.

    Raises InputRefused when `scores` holds no scores.
    """
    folder = scores or dataset.folder
    if scores is not None or (folder / SCORES).exists():
        ids = {id_ for table in dataset.batches(["id"]) for id_ in table["id"].to_pylist()}
        rows = {row["id"]: row for row in read_scores(folder, ids=ids).to_pylist()}
    else:
        rows = {}
    own = {row["id"]: row for row in dataset.table.to_pylist()} if scores is None else {}
    merged = {id_: {**rows.get(id_, {}), **own.get(id_, {})} for id_ in rows.keys() | own.keys()}
    told = _told_model(dataset, folder=folder)
    outdated = outdated_ids(dataset, scores=scores)
    return Findings(folder=folder, rows=merged, model=_name_of(told), source=_source_of(told), outdated=outdated)


def worst_first(rows: Sequence[Mapping[str, Any]], *, findings: Findings) -> list[Mapping[str, Any]]:
    """Return the samples in the order in which a person should look at them.

    That is the rank that mining gave; else what teachers left for people, those first on which they agree least; else
    mIoU, without one first, since there the model failed; among equals the least certain first.
    """

    def key(row: Mapping[str, Any]) -> tuple[float, bool, float, float, float, str]:
        found = findings.rows.get(row["id"], {})
        rank = found.get(RANK)
        miou, uncertainty, agreement = found.get("miou"), found.get("uncertainty"), found.get(TEACHER_AGREEMENT)
        return (
            float("inf") if rank is None else rank,
            found.get(TEACHER_DOUBT) is None,
            -1.0 if agreement is None else agreement,
            -1.0 if miou is None else miou,
            0.0 if uncertainty is None else -uncertainty,
            row["id"],
        )

    return sorted(rows, key=key)


def _told_model(dataset: Dataset, *, folder: Path) -> Any:
    """Return the model as the folder of an evaluation tells it, or the card of a mined dataset."""
    try:
        return json.loads((folder / METRICS).read_bytes())["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return dataset.card.notes.get("model", dataset.card.settings.get("model"))


def _source_of(model: Any) -> Model | None:
    try:
        return msgspec.convert(model, Model)
    except msgspec.ValidationError:
        return None  # a name, or nothing


def _name_of(model: Any) -> str:
    if isinstance(model, dict):
        model = "-".join(str(part) for part in (model.get("name"), str(model.get("sha256", ""))[:8]) if part)
    return str(model or "model")[:LONGEST_VERSION]

"""What an annotator is shown first: the order of the samples, the worst first, and the mask to start from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np

from curation.dataset import Dataset
from curation.errors import InputRefused
from curation.files import read_file, safe_join
from curation.pixels import Mask, decode_gray, decode_mask
from curation.quarantine import BadRecord, Code
from labeling.hard_cases import RANK
from labeling.selection import Prefill
from models.evaluation_folder import METRICS
from models.evaluation_sets import Model
from models.image_score import mask_of
from models.scores import PREDICTIONS, SCORES, outdated_ids, read_scores

Source = Literal["label", "prediction"]
LONGEST_VERSION: Final = 100
AGREE: Final = 0.2
"""The most that predictions differ (1 - their mean mIoU) and still are taken to agree against a label."""


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """The mask that an annotator starts from, where it comes from, and the other one where that differs."""

    mask: Mask
    source: Source
    other: Mask | None = None


def findings_of(dataset: Dataset, *, scores: Path | None) -> Findings:
    """Give what a model found: in the folder `scores`, else in the dataset itself, which may have nothing.

    Raises InputRefused when `scores` holds no scores.
    """
    folder = scores or dataset.folder
    if scores is not None or (folder / SCORES).exists():
        rows = {row["id"]: row for row in read_scores(folder).to_pylist()}
    else:
        rows = {}
    own = {row["id"]: row for row in dataset.table.to_pylist()} if scores is None else {}
    merged = {id_: {**rows.get(id_, {}), **own.get(id_, {})} for id_ in rows.keys() | own.keys()}
    told = _told_model(dataset, folder=folder)
    outdated = outdated_ids(dataset, scores=scores)
    return Findings(folder=folder, rows=merged, model=_name_of(told), source=_source_of(told), outdated=outdated)


def worst_first(rows: Sequence[Mapping[str, Any]], *, findings: Findings) -> list[Mapping[str, Any]]:
    """Give the samples in the order in which a person should look at them.

    That is the rank that mining gave; else mIoU, without one first, since there the model failed; among equals the
    least certain first.
    """

    def key(row: Mapping[str, Any]) -> tuple[float, float, float, str]:
        found = findings.rows.get(row["id"], {})
        rank = found.get(RANK)
        miou, uncertainty = found.get("miou"), found.get("uncertainty")
        return (
            float("inf") if rank is None else rank,
            -1.0 if miou is None else miou,
            0.0 if uncertainty is None else -uncertainty,
            row["id"],
        )

    return sorted(rows, key=key)


def score_of(row: Mapping[str, Any], *, findings: Findings) -> float | None:
    """Give the score of a pre-annotation, 0..1, low where a person should look: mIoU, else how certain the model is.

    None where nothing is known of the label as it is now.
    """
    found = {} if row["id"] in findings.outdated else findings.rows.get(row["id"], {})
    if found.get("miou") is not None:
        return float(found["miou"])
    return None if found.get("uncertainty") is None else max(0.0, 1.0 - float(found["uncertainty"]))


def start_of(row: Mapping[str, Any], *, dataset: Dataset, findings: Findings, prefill: Prefill) -> Start | None:
    """Return the mask that an annotator starts from, None for an empty canvas.

    Raises BadRecord: SIZE_MISMATCH, and what is wrong with the file of the start; another mask that cannot be read is
    not offered.
    """
    source = least_repair(row, findings=findings) if prefill == "auto" else prefill
    if source == "none":
        return None
    mask = _mask_of(row, source=source, dataset=dataset, findings=findings)
    if mask is None:
        return None
    other = None
    if source == "prediction" or has_prediction(row, findings=findings):
        with suppress(BadRecord):
            beside: Source = "label" if source == "prediction" else "prediction"
            other = _mask_of(row, source=beside, dataset=dataset, findings=findings)
    is_same = other is None or not other.any() or np.array_equal(mask, other)
    return Start(mask=mask, source=source, other=None if is_same else other)


def least_repair(row: Mapping[str, Any], *, findings: Findings) -> Source:
    """Return whether label or prediction needs less repair, as far as a verdict tells.

    That is the label, unless several predictions agree that it is wrong; `tests.bench verdicts` measures it.
    """
    if row.get("mask") is None or not has_prediction(row, findings=findings):
        return "label" if row.get("mask") is not None else "prediction"
    found = findings.rows.get(row["id"], {})
    disagreement = found.get("model_disagreement")
    is_wrong = found.get("verdict") == "label_error" and disagreement is not None and disagreement <= AGREE
    return "prediction" if is_wrong and row["id"] not in findings.outdated else "label"


def _mask_of(row: Mapping[str, Any], *, source: Source, dataset: Dataset, findings: Findings) -> Mask | None:
    if source == "prediction":
        path = _prediction_file(row, findings=findings)
        stored = decode_gray(read_file(path, below=findings.folder), file=str(path))
        return _sized(mask_of(stored), row=row, file=path)
    if row.get("mask") is None:
        return None
    path = safe_join(dataset.folder, row["mask"])
    return _sized(decode_mask(read_file(path, below=dataset.folder), file=str(path)), row=row, file=path)


def has_prediction(row: Mapping[str, Any], *, findings: Findings) -> bool:
    """Tell whether a model predicted this sample."""
    return _prediction_file(row, findings=findings).exists()


def refuse_no_predictions(findings: Findings) -> None:
    """Raise InputRefused where predictions are asked for and there is none at all."""
    if not (findings.folder / PREDICTIONS).is_dir():
        raise InputRefused(
            f"there are no predictions in {PREDICTIONS}/",
            where=findings.folder,
            remedy="name the folder of `curate evaluate` or `curate mine` with --scores, or give --prefill label",
        )


def _prediction_file(row: Mapping[str, Any], *, findings: Findings) -> Path:
    return safe_join(findings.folder, f"{PREDICTIONS}/{row['id']}.png")


def _sized(mask: Mask, *, row: Mapping[str, Any], file: Path) -> Mask:
    if mask.shape != (row["height"], row["width"]):
        reason = f"is {mask.shape[1]} x {mask.shape[0]}, the image {row['width']} x {row['height']} (width x height)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=file)
    return mask


def _told_model(dataset: Dataset, *, folder: Path) -> Any:
    """Give the model as the folder of an evaluation tells it, or the card of a mined dataset."""
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

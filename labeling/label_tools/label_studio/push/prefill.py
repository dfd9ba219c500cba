"""What an annotator is shown first: the order of the samples, the worst first, and the mask to start from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from curation.images.pixels import Mask, decode_gray, decode_mask
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord, Code
from curation.storage.files import read_file, safe_join
from labeling.findings import Findings
from labeling.selection.select import Prefill
from models.evaluation.score_table import PREDICTIONS

Source = Literal["label", "prediction"]
AGREE: Final = 0.2
"""The most that predictions differ (1 - their mean mIoU) and still are taken to agree against a label."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """The mask that an annotator starts from, where it comes from, and the other one where that differs."""

    mask: Mask
    source: Source
    other: Mask | None = None


def score_of(row: Mapping[str, Any], *, findings: Findings) -> float | None:
    """Return the score of a pre-annotation, 0..1, low where a person should look: mIoU, else how certain the model is.

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
    return started(mask, source=source, other=other)


def started(mask: Mask, *, source: Source, other: Mask | None) -> Start:
    """Return a start, beside which the other mask is offered where it shows something else."""
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
        return predicted_mask(row, findings=findings)
    if row.get("mask") is None:
        return None
    path = safe_join(dataset.folder, row["mask"])
    return _sized(decode_mask(read_file(path, below=dataset.folder), file=str(path)), row=row, file=path)


def predicted_mask(row: Mapping[str, Any], *, findings: Findings) -> Mask:
    """Return what a model predicted. Raises BadRecord: SIZE_MISMATCH, and what is wrong with the file."""
    path = _prediction_file(row, findings=findings)
    stored = decode_gray(read_file(path, below=findings.folder), file=str(path))
    return _sized(mask_of(stored), row=row, file=path)


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

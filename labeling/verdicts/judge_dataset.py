"""Verdicts for a whole table of scores: what the stored predictions of several models say about each label.

What one model alone says is computed while its predictions are scored (`observe_alone`); what several say together is
gathered from their stored predictions afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import pyarrow as pa

from curation.images.pixels import Gray, Image, Mask, decode_gray, decode_image
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord
from curation.storage.files import read_file, safe_join
from labeling.verdicts.deep_verdicts import DEEP_COLUMNS, Heard, deepened, hear, planted_at
from labeling.verdicts.evidence import Evidence, evidence_of
from labeling.verdicts.outline_support import outline_support
from labeling.verdicts.verdict import CONTRADICTED, label_doubt, verdict
from labeling.verdicts.witnesses import witnesses_of
from models.data.truth import Truth, has_truth, read_truth
from models.evaluation.score_dataset import DatasetScores, Part
from models.evaluation.score_files import Observed, Row
from models.evaluation.score_table import PREDICTIONS, write_scores
from models.metrics.disagreement import disagreement
from models.metrics.summary import HARD_BELOW

Views: TypeAlias = Callable[[str], Path]
"""Gives the file with another prediction for the sample of an id; it may be absent."""
COLUMNS: Final = {
    "contradicted": pa.float64(),
    "interior_error": pa.float64(),
    "model_disagreement": pa.float64(),
    "best_other": pa.float64(),
    "outline_support": pa.float64(),
    "label_doubt": pa.float64(),
    "verdict": pa.string(),
}


def observe_alone(prediction: Gray, truth: Truth) -> Observed:
    """Return what a stored prediction by itself says about a label."""
    found = evidence_of(prediction, others=[], truth=truth.mask, valid=truth.valid)
    return {"contradicted": found.contradicted, "interior_error": found.interior_error}


def judged(
    found: DatasetScores,
    *,
    parts: Sequence[Part],
    views: Sequence[Views],
    staging: Path,
    workers: int,
    teacher: Views | None = None,
) -> Judged:
    """Return the table of scores with evidence and verdict for each labelled sample, and write it to `staging`.

    With a `teacher`, one of the views, verdicts are deeper; see `deep_verdicts`.

    Predictions lie in `staging/predictions`, others where `views` say. Without views, what was observed while scoring
    is the evidence. Of a sample without a label, views tell how far the predictions are from each other.
    """
    scores = {row["id"]: row for row in found.table.to_pylist()}
    observed = {} if views else found.observed
    tasks = [
        _Task(
            row=row,
            folder=part.place.dataset,
            score=scores[row["id"]],
            prediction=staging / PREDICTIONS / f"{row['id']}.png",
            observed=observed.get(row["id"]),
        )
        for part in parts
        for row in part.rows
        if row["id"] in scores and (has_truth(row) or views)
    ]
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="judge") as pool:
        judgements = pool.map(lambda task: _judge(task, views=views), tasks)
        verdicts = dict(zip((task.row["id"] for task in tasks), judgements, strict=True))
        share: float | None = None
        if teacher is not None:
            verdicts, share = deepened(verdicts, heard_of=_heard(tasks, views=[teacher, *views], pool=pool))
    table, ids = found.table, found.table["id"].to_pylist()
    for name, kind in (COLUMNS if teacher is None else COLUMNS | DEEP_COLUMNS).items():
        table = table.append_column(name, pa.array([verdicts.get(id_, {}).get(name) for id_ in ids], kind))
    write_scores(staging, table=table)
    return Judged(table=table, wrong_share=share)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """The table of scores with verdicts, and with a teacher the share of wrong labels, where it can be told."""

    table: pa.Table
    wrong_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    row: Row
    folder: Path
    score: Mapping[str, Any]
    prediction: Path
    observed: Observed | None


def _judge(task: _Task, *, views: Sequence[Views]) -> dict[str, Any]:
    score = task.score
    if not has_truth(task.row):
        return {"model_disagreement": _disagreement(task, views=views)}
    if not score["is_finite"]:
        return {"verdict": verdict(None, miou=None, boundary_iou=None)}
    found = _gathered(task, views=views) if task.observed is None else _alone(task.observed)
    return {
        "contradicted": found.contradicted,
        "interior_error": found.interior_error,
        "model_disagreement": found.disagreement,
        "best_other": found.best_other,
        "outline_support": found.outline_support,
        "label_doubt": label_doubt(found, miou=score["miou"]),
        "verdict": verdict(found, miou=score["miou"], boundary_iou=score["boundary_iou"]),
    }


def _disagreement(task: _Task, *, views: Sequence[Views]) -> float | None:
    others = _others(task, views=views)
    if not others or not task.score["is_finite"]:
        return None
    return disagreement([mask_of(_read(path)) for path in (task.prediction, *others)])


def _others(task: _Task, *, views: Sequence[Views]) -> list[Path]:
    return [path for view in views if (path := view(task.row["id"])).exists()]


def _alone(observed: Observed) -> Evidence:
    contradicted, interior_error = observed["contradicted"], observed["interior_error"]
    assert contradicted is not None and interior_error is not None
    return Evidence(contradicted=contradicted, interior_error=interior_error, disagreement=None, best_other=None)


def _gathered(task: _Task, *, views: Sequence[Views]) -> Evidence:
    truth = read_truth(task.row, folder=task.folder, with_alpha=False)
    others = _others(task, views=views)
    found = evidence_of(
        _read(task.prediction), others=[_read(path) for path in others], truth=truth.mask, valid=truth.valid
    )
    if not others or (task.score["miou"] >= HARD_BELOW and found.contradicted <= CONTRADICTED):
        return found  # to look at the image takes longer than all else, and nothing speaks against the label
    return replace(found, outline_support=_support(task, mask=truth.mask))


def _heard(tasks: Sequence[_Task], *, views: Sequence[Views], pool: ThreadPoolExecutor) -> dict[str, Heard]:
    """Return what all predictions, the first view first, say of the labels of samples that show somebody."""
    asked = [task for task in tasks if task.row["mask"] is not None and task.score["is_finite"]]

    def one(number: int) -> Heard | None:
        task = asked[number]
        image = _image(task)
        if image is None:
            return None
        files = list(dict.fromkeys(_others(task, views=views)))
        truth = read_truth(task.row, folder=task.folder, with_alpha=False)
        around = witnesses_of(image, predictions=[_read(path) for path in (*files, task.prediction)], valid=truth.valid)
        is_planted = planted_at(number, of=len(asked))
        other = _label(asked[(number + len(asked) // 2) % len(asked)]) if is_planted else None
        return hear(truth.mask, witnesses=around, other=other, number=number)

    answers = zip(asked, pool.map(one, range(len(asked))), strict=True)
    return {task.row["id"]: answer for task, answer in answers if answer is not None}


def _label(task: _Task) -> Mask:
    return read_truth(task.row, folder=task.folder, with_alpha=False).mask


def _support(task: _Task, *, mask: Mask) -> float | None:
    image = _image(task)
    if image is None:
        return None
    if image.shape[:2] != mask.shape:
        image = np.asarray(cv2.resize(image, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
    return outline_support(image, mask)


def _image(task: _Task) -> Image | None:
    try:
        path = safe_join(task.folder, task.row["image"])
        return decode_image(read_file(path), file=str(path))
    except BadRecord:
        return None  # it was there when it was predicted, maybe in an earlier run


def _read(path: Path) -> Gray:
    return decode_gray(read_file(path), file=str(path))

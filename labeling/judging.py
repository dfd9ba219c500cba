"""Verdicts for a whole table of scores: what the stored predictions of several models say about each label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

from curation.files import read_file
from curation.pixels import Gray, decode_gray
from labeling.evidence import evidence_of
from labeling.verdict import verdict
from models.dataset_scores import Part
from models.scores import PREDICTIONS, write_scores
from models.scoring import Row
from models.truth import has_truth, read_truth

Views: TypeAlias = Callable[[str], Path]
"""Gives the file with another prediction for the sample of an id; it may be absent."""
COLUMNS: Final = {
    "contradicted": pa.float64(),
    "interior_error": pa.float64(),
    "model_disagreement": pa.float64(),
    "best_other": pa.float64(),
    "verdict": pa.string(),
}


def judged(table: pa.Table, *, parts: Sequence[Part], views: Sequence[Views], staging: Path, workers: int) -> pa.Table:
    """Give a table of scores with evidence and verdict for each labelled sample, and write it to `staging`.

    Predictions lie in `staging/predictions`, others where `views` say.
    """
    scores = {row["id"]: row for row in table.to_pylist()}
    tasks = [
        _Task(row=row, folder=part.place.dataset, score=scores[row["id"]], prediction=_stored(staging, row["id"]))
        for part in parts
        for row in part.rows
        if row["id"] in scores and has_truth(row)
    ]
    found = dict(zip((task.row["id"] for task in tasks), _in_threads(tasks, views=views, workers=workers)))
    ids = table["id"].to_pylist()
    for name, kind in COLUMNS.items():
        table = table.append_column(name, pa.array([found.get(id_, {}).get(name) for id_ in ids], kind))
    write_scores(staging, table=table)
    return table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    row: Row
    folder: Path
    score: Mapping[str, Any]
    prediction: Path


def _stored(folder: Path, id_: str) -> Path:
    return folder / PREDICTIONS / f"{id_}.png"


def _in_threads(tasks: Sequence[_Task], *, views: Sequence[Views], workers: int) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="judge") as pool:
        yield from pool.map(lambda task: _judge(task, views=views), tasks)


def _judge(task: _Task, *, views: Sequence[Views]) -> dict[str, Any]:
    score = task.score
    if not score["is_finite"]:
        return {"verdict": verdict(None, miou=None, boundary_iou=None)}
    truth = read_truth(task.row, folder=task.folder, with_alpha=False)
    others = [path for view in views if (path := view(task.row["id"])).exists()]
    found = evidence_of(
        _read(task.prediction), others=[_read(path) for path in others], truth=truth.mask, valid=truth.valid
    )
    return {
        "contradicted": found.contradicted,
        "interior_error": found.interior_error,
        "model_disagreement": found.disagreement,
        "best_other": found.best_other,
        "verdict": verdict(found, miou=score["miou"], boundary_iou=score["boundary_iou"]),
    }


def _read(path: Path) -> Gray:
    return decode_gray(read_file(path), file=str(path))

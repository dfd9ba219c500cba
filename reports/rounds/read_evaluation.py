"""What a report stands on: an evaluation as it lies on the disk, with the scores of one model or of two."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import CurateError, InputRefused
from curation.operations.leak_groups import batches_of
from curation.quarantine import BadRecord
from curation.storage.files import read_file
from models.evaluation.evaluation_folder import METRICS
from models.evaluation.score_table import columns_of, read_scores
from models.evaluation.summaries import group_numbers, row_keys
from models.metrics.intervals import Measured, measure
from models.metrics.summary import ScoreColumns

BASELINE: Final = "baseline"
HISTORY: Final = "history.csv"
MAX_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluated:
    """An evaluation: its metrics, the scores of the model and of its baseline in the same order, its data sets.

    `folders` are those of the scores by the name of the set. A data set that is gone is None: nothing of it is drawn.
    """

    folder: Path
    metrics: Mapping[str, Any]
    scores: pa.Table
    baseline: pa.Table | None
    folders: Mapping[str, Path]
    datasets: Mapping[str, Dataset | None]

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self.metrics["model"]["name"])

    @property
    def other(self) -> str:
        """The name of the baseline, "" where there is none."""
        return "" if self.baseline is None else str(self.metrics["baseline"]["name"])


def read_evaluated(folder: Path) -> Evaluated:
    """Read a folder of `curate evaluate`. Raises InputRefused when it is none, unfinished or damaged."""
    metrics = _metrics(folder)
    names = list(metrics["sets"])
    folders = {name: folder if len(names) == 1 else folder / name for name in names}
    scores = pa.concat_tables([read_scores(one) for one in folders.values()])
    baseline = None
    if metrics["baseline"] is not None:
        theirs = pa.concat_tables([read_scores(one / BASELINE) for one in folders.values()])
        places = {key: index for index, key in enumerate(row_keys(theirs))}
        shared = [index for index, key in enumerate(row_keys(scores)) if key in places]
        scores = scores.take(shared)
        baseline = theirs.take([places[key] for key in row_keys(scores)])
    datasets = {name: _dataset(entry, beside=folder) for name, entry in metrics["sets"].items()}
    return Evaluated(
        folder=folder, metrics=metrics, scores=scores, baseline=baseline, folders=folders, datasets=datasets
    )


def measured(evaluated: Evaluated, *, seed: int = 0) -> dict[str, Measured]:
    """Return the numbers of the report with their intervals."""
    first = None if evaluated.baseline is None else _with_persons(evaluated.baseline)
    return measure(
        _with_persons(evaluated.scores),
        first=first,
        groups=group_numbers(batches_of(evaluated.scores)),
        rng=np.random.default_rng(seed),
    )


def miou_of(table: pa.Table) -> NDArray[np.float64]:
    """Return the mIoU of each image, NaN where there is none."""
    return columns_of(table)["miou"]


def read_history(run: Path) -> list[dict[str, str]]:
    """Return the epochs of a training, none where there is no history."""
    try:
        text = read_file(run / HISTORY, max_bytes=MAX_BYTES).decode(errors="replace")
    except BadRecord:
        return []
    return list(csv.DictReader(io.StringIO(text)))


def _with_persons(table: pa.Table) -> ScoreColumns:
    """Return the columns with a boundary IoU only where label or prediction show a person, as the summary counts it."""
    columns = dict(columns_of(table))
    has_person = columns["tp"] + columns["fp"] + columns["fn"] > 0
    columns["boundary_iou"] = np.where(has_person, columns["boundary_iou"], np.nan)
    return columns


def _metrics(folder: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(read_file(folder / METRICS, max_bytes=MAX_BYTES))
        complete = all(name in found for name in ("model", "baseline", "sets", "all")) and found["sets"]
    except BadRecord as problem:
        raise InputRefused(
            f"no report can be made of this: {problem.reason}",
            where=folder / METRICS,
            remedy="name a folder that `curate evaluate` or a round of `curate retrain` made",
        ) from problem
    except (ValueError, TypeError, RecursionError) as error:
        raise InputRefused(f"damaged: {error}", where=folder / METRICS, remedy=AGAIN) from error
    if not complete:
        raise InputRefused("these are not the metrics of an evaluation", where=folder / METRICS, remedy=AGAIN)
    metrics: dict[str, Any] = found
    return metrics


def _dataset(entry: Mapping[str, Any], *, beside: Path) -> Dataset | None:
    """Return a data set as it was evaluated, None where it is gone or another by now."""
    for folder in _places(str(entry["dataset"]), beside=beside):
        try:
            dataset = read_dataset(folder)
        except (CurateError, OSError):
            continue
        if dataset.card.manifest_sha256 == entry["manifest_sha256"]:
            return dataset
    return None


def _places(name: str, *, beside: Path) -> Sequence[Path]:
    """Return where a data set may lie: as it was named from here, or from the folder of the evaluation."""
    return [Path(name), beside / name, beside.parent / name]


AGAIN: Final = "run `curate evaluate` again, or name another folder"

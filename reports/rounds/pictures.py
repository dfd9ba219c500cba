"""The pictures of a report: what each model makes of an image, with its errors filled in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.sample import COLUMNS, Item, Outcome, Sample
from curation.images.pixels import decode_gray, decode_image
from curation.images.thumbnails import outline_path, thumbnail, thumbnail_size
from curation.storage.files import named_file, read_file
from curation.storage.safe_id import SafeId
from models.data.truth import has_truth, read_truth
from models.evaluation.score_files import prediction_path as prediction_file
from models.evaluation.summaries import row_keys
from models.preprocessing import resized
from reports.page.thumbnails import error_paths, prediction_path
from reports.rounds.read_evaluation import BASELINE, Evaluated, miou_of

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One model on one image: its name, its mIoU (None where its prediction is not finite), and what is drawn."""

    model: str
    miou: float | None
    prediction: str = ""
    extra: str = ""
    missed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image of the report: its picture as WebP in base64, the outline of its label, and a view for each model.

    `problem` says why nothing is drawn.
    """

    dataset: str
    id: str
    change: float | None
    views: tuple[View, ...]
    problem: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    outline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """The images of a report: where the model gained and lost most against the other, and where it is worst."""

    gains: tuple[Case, ...]
    losses: tuple[Case, ...]
    worst: tuple[Case, ...]


def cases_of(
    evaluated: Evaluated, *, number: int, first: Sequence[Key] = (), runner: RunnerOptions, work: Path
) -> Cases:
    """Choose and draw up to `number` images of each kind; losses named in `first`, those of the gate, come first.

    An image that cannot be read has a case that says why.
    """
    keys, miou = row_keys(evaluated.scores), miou_of(evaluated.scores)
    finite = np.array(evaluated.scores["is_finite"].to_pylist(), dtype=np.bool_)
    after = np.where(finite, miou, 0.0)
    worst = sorted(range(len(keys)), key=lambda i: (after[i], keys[i]))[:number]
    gains: list[int] = []
    losses: list[int] = []
    if evaluated.baseline is not None:
        was_finite = np.array(evaluated.baseline["is_finite"].to_pylist(), dtype=np.bool_)
        change = after - np.where(was_finite, miou_of(evaluated.baseline), 0.0)
        order = sorted((i for i in range(len(keys)) if change[i] == change[i]), key=lambda i: (change[i], keys[i]))
        named = [keys.index(key) for key in first if key in keys]
        losses = list(dict.fromkeys([*named, *(i for i in order if change[i] < 0)]))[:number]
        gains = [i for i in reversed(order) if change[i] > 0][:number]
    shown = sorted({*worst, *gains, *losses})
    drawn = dict(zip(shown, _drawn(evaluated, rows=shown, runner=runner, work=work), strict=True))
    return Cases(
        gains=tuple(drawn[i] for i in gains),
        losses=tuple(drawn[i] for i in losses),
        worst=tuple(drawn[i] for i in worst),
    )


def draw_case(item: Item, folder: Path) -> Outcome:
    """Draw one image with its label and its predictions; they come back as columns of a sample that is never stored.

    Raises BadRecord when one of its files is missing or broken.
    """
    row, origin = item.payload["row"], Path(item.payload["folder"])
    file = named_file(origin, row["image"])
    truth = read_truth(row, folder=origin, with_alpha=False) if has_truth(row) else None
    image = decode_image(read_file(file), file=str(file))
    if truth is not None:
        image = resized(image, size=(truth.mask.shape[0], truth.mask.shape[1]))
    size = thumbnail_size((image.shape[0], image.shape[1]))
    drawn: dict[str, Any] = {"width": size[1], "height": size[0], "outline": "", "views": []}
    drawn["image"] = base64.b64encode(thumbnail(image, size=size)).decode("ascii")
    if truth is not None:
        drawn["outline"] = outline_path(truth.mask, size=size)
    for place in item.payload["predictions"]:
        view = {"prediction": "", "extra": "", "missed": ""}
        if place is not None:
            path = prediction_file(Path(place), sample_id=row["id"])
            probability = decode_gray(read_file(path), file=str(path))
            view["prediction"] = prediction_path(probability, size=size)
            if truth is not None:
                view["extra"], view["missed"] = error_paths(probability, label=truth.mask, valid=truth.valid, size=size)
        drawn["views"].append(view)
    return Outcome(id=item.id, sample=Sample(**{name: row[name] for name in COLUMNS}, extra=drawn))


def _drawn(evaluated: Evaluated, *, rows: Sequence[int], runner: RunnerOptions, work: Path) -> list[Case]:
    cases = [_planned(evaluated, row=row) for row in rows]
    items = [item for number, row in enumerate(rows) if (item := _item(evaluated, row=row, number=number)) is not None]
    outcomes = {
        int(one.id): one for one in run_items(items, work=draw_case, folder=work, stage="report", options=runner)
    }
    return [_completed(case, outcome=outcomes.get(number)) for number, case in enumerate(cases)]


def _planned(evaluated: Evaluated, *, row: int) -> Case:
    tables = [(evaluated.other, evaluated.baseline), (evaluated.model, evaluated.scores)]
    views = tuple(
        View(model=name, miou=table["miou"][row].as_py() if table["is_finite"][row].as_py() else None)
        for name, table in tables
        if table is not None
    )
    dataset, name = row_keys(evaluated.scores.slice(row, 1))[0]
    change = None if len(views) == 1 else (views[1].miou or 0.0) - (views[0].miou or 0.0)
    return Case(dataset=dataset, id=name, change=change, views=views)


def _item(evaluated: Evaluated, *, row: int, number: int) -> Item | None:
    """Return the work of drawing a row, None where its data set is gone."""
    dataset, name = row_keys(evaluated.scores.slice(row, 1))[0]
    origin = evaluated.datasets.get(dataset)
    if origin is None:
        return None
    place = int(origin.table["id"].index(name).as_py())
    if place < 0:
        return None
    (sample,) = origin.table.slice(place, 1).to_pylist()
    folder = evaluated.folders[dataset].resolve()
    tables = [(folder / BASELINE, evaluated.baseline), (folder, evaluated.scores)]
    predictions = [
        str(where) if table["is_finite"][row].as_py() else None for where, table in tables if table is not None
    ]
    payload = {"folder": str(origin.folder.resolve()), "row": sample, "predictions": predictions}
    return Item(id=SafeId(str(number)), payload=payload, file=str(origin.folder / str(sample["image"])))


def _completed(case: Case, *, outcome: Outcome | None) -> Case:
    if outcome is None:
        return replace(case, problem="the data set is missing, or changed since the evaluation")
    if outcome.sample is None:
        record = outcome.records[0]
        return replace(case, problem=f"{record.code}: {record.reason}")
    drawn = dict(outcome.sample.extra)
    views = tuple(replace(view, **paths) for view, paths in zip(case.views, drawn.pop("views"), strict=True))
    return replace(case, views=views, **drawn)

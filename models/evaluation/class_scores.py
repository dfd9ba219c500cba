"""How well a network tells the classes of class maps apart, over all pixels of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.dataset.class_names import CLASSES
from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from curation.images.pixels import Image, decode_image, encode_gray
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, write_durable
from models.card import ModelCard
from models.data.choose_samples import LabelledImage
from models.data.class_maps import names_of_classes
from models.data.read_labels import Label, read_image, read_label
from models.losses.targets import IGNORED
from models.metrics.class_confusion import ClassMap, Counts, class_confusion
from models.prediction.outputs import class_map, class_probabilities
from models.prediction.predictor import EnginePredictor

SHOWN: Final = 8
"""Samples that are drawn with their classes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassSample:
    """An image (h, w, 3) with the predicted and the true class of each pixel, (h, w)."""

    id: str
    image: Image
    prediction: ClassMap
    truth: Label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """What was counted of a data set: pixels by class, samples, those without a class map, broken ones by id."""

    counts: Counts
    images: int
    without: int
    broken: Mapping[str, BadRecord]
    shown: Sequence[ClassSample]


def refuse_other_names(datasets: Sequence[Dataset], *, card: ModelCard) -> None:
    """Raise InputRefused where the class maps of a data set name a class otherwise than the model does."""
    for dataset in datasets:
        note: Mapping[str, Any] = dataset.card.notes.get(CLASSES) or {}
        names = names_of_classes([dataset], classes=card.classes)
        for value in sorted(map(int, note.values())):
            if names[value] != card.class_names[value]:
                raise InputRefused(
                    f"class {value} is called {names[value]!r} here, and {card.class_names[value]!r} by the model",
                    where=dataset.folder,
                    remedy="evaluate on class maps of the kind that the model was trained on",
                )


def score_classes(
    rows: Sequence[Mapping[str, Any]],
    *,
    dataset: Path,
    predictor: EnginePredictor,
    card: ModelCard,
    keep: Path | None,
    told: Callable[[int], None],
) -> ClassScores:
    """Predict the classes of samples that have class maps, one view of each, and count them against these.

    Predicted class maps are kept as `<id>.png` in the folder `keep`. `told` is told how many samples are done.
    """
    if keep is not None:
        make_folder(keep)
    counts = np.zeros((card.classes, card.classes), np.int64)
    broken: dict[str, BadRecord] = {}
    shown: list[ClassSample] = []
    without = 0
    for number, row in enumerate(rows, start=1):
        if row.get(CLASSES) is None:
            without += 1
            continue
        try:
            sample = _predicted(row, dataset=dataset, predictor=predictor, card=card)
        except BadRecord as problem:
            broken[row["id"]] = problem
            told(number)
            continue
        valid = sample.truth != IGNORED
        counts += class_confusion(sample.prediction, truth=sample.truth, classes=card.classes, valid=valid)
        if keep is not None:
            write_durable(keep / f"{sample.id}.png", encode_gray(sample.prediction))
        if len(shown) < SHOWN:
            shown.append(sample)
        told(number)
    return ClassScores(
        counts=counts,
        images=len(rows) - without - len(broken),
        without=without,
        broken=broken,
        shown=shown,
    )


def keep_class_maps(
    files: Mapping[str, Path], *, predictor: EnginePredictor, card: ModelCard, folder: Path, told: Callable[[int], None]
) -> None:
    """Predict the classes of image files by id, and write each class map as `<id>.png` into `folder`.

    What a stopped run wrote stays. A file that cannot be read has none: whoever links it sets it aside.
    """
    make_folder(folder)
    for number, (id_, file) in enumerate(files.items(), start=1):
        path = folder / f"{id_}.png"
        if not path.exists():
            with suppress(BadRecord):
                image = decode_image(read_file(file), file=str(file))
                write_durable(path, encode_gray(_class_map(image, predictor=predictor, card=card)))
        told(number)


def _class_map(image: Image, *, predictor: EnginePredictor, card: ModelCard) -> ClassMap:
    size = image.shape[0], image.shape[1]
    return class_map(class_probabilities(predictor.output([image]), card=card)[0], size=size)


def _predicted(row: Mapping[str, Any], *, dataset: Path, predictor: EnginePredictor, card: ModelCard) -> ClassSample:
    sample = LabelledImage(
        key=row["id"],
        folder=dataset,
        image=row["image"],
        label=row[CLASSES],
        ignore=row.get("ignore"),
        is_class_map=True,
    )
    image = read_image(sample)
    truth = read_label(sample, classes=card.classes, size=(image.shape[0], image.shape[1]))
    prediction = _class_map(image, predictor=predictor, card=card)
    return ClassSample(id=row["id"], image=image, prediction=prediction, truth=truth)

"""What a foreign model says of real pictures, before a command rests on it: a card that misleads shows there.

A file may be whole, its shapes may fit, and still every number is wrong: the background is taken for the person, pixels
come in other units, the plane is turned. None of that shows in a shape. It shows in what the model says of pictures of
the data at hand, of some plain ones, and, where there are labels, in which reading of the model fits them. Models that
`curate` made are known by their answer to the probe instead, see `probe`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.dataset.chosen_rows import column_of
from curation.errors import InputRefused
from curation.images.pixels import Image, decode_image
from curation.quarantine import BadRecord
from curation.storage.files import named_file, read_file
from models.data.truth import read_truth
from models.prediction.checks.other_readings import Labelled, refuse_better_reading
from models.prediction.checks.probe import PROBE_SIZE, probe_image
from models.prediction.checks.saturated import refuse_saturated
from models.prediction.checks.strange_answers import refuse_strange
from models.prediction.checks.turned import refuse_turned
from models.prediction.outputs import ROUNDING, is_sound, person_scores, probabilities
from models.prediction.ready_model import ReadyModel

T = TypeVar("T")

LOOKED_AT: Final = 8
"""Pictures of the data at hand; each costs two predictions or so, before thousands."""
ENOUGH: Final = 3
"""Labelled pictures that are no accident: one or two may be the very labels that are wrong."""
REPEATED: Final = 1e-2
"""By which share of itself, and by how much besides, a value may differ when the same picture is seen again."""
LEAST_SHARE, LARGEST_SHARE = 0.02, 0.98
"""Of person in a label that tells readings of a model apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A picture of the data at hand: its file, and where it is one of a dataset, its row and the folder."""

    file: Path
    row: Mapping[str, Any] | None = None
    folder: Path | None = None


def samples_of(parts: Iterable[tuple[Path, Sequence[Mapping[str, Any]]]]) -> list[Sample]:
    """Return a few samples of datasets, each a folder and rows of its manifest: from all over the data, with labels
    where some have one."""
    known = list(parts)
    has_label = np.concatenate([np.zeros(0, np.bool_), *(_have_label(rows) for _, rows in known)])
    firsts = np.cumsum([0, *(len(rows) for _, rows in known)])
    places = np.flatnonzero(has_label) if has_label.sum() >= ENOUGH else np.arange(len(has_label))
    samples = []
    for place in (int(places[at]) for at in few(range(len(places)))):
        number = int(np.searchsorted(firsts, place, side="right")) - 1
        folder, rows = known[number]
        row = rows[place - int(firsts[number])]
        with suppress(BadRecord):  # a name that leads out of the folder is reported where it is scored
            samples.append(Sample(file=named_file(folder, row["image"]), row=row, folder=folder))
    return samples


def _have_label(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
    return np.fromiter((mask is not None for mask in column_of(rows, "mask")), dtype=np.bool_, count=len(rows))


def few(found: Sequence[T]) -> list[T]:
    """Return a few of these, from the first on and evenly."""
    number = min(LOOKED_AT, len(found))
    return [found[index * len(found) // number] for index in range(number)]


def refuse_misread(model: ReadyModel, *, samples: Sequence[Sample], threads: int) -> ReadyModel:
    """Return a foreign model as it is to be read: one whose alphas stay within 0..1 gives probabilities.

    Raises InputRefused, naming the field of the card, where its answers to real and to plain pictures are all the same,
    implausibly large or turned, or where another reading fits the labels much better.
    """
    labelled, others = _read(samples)
    real = [*(one.image for one in labelled), *others]
    if model.card.is_of_curate or not (real or model.card.output == "alpha"):
        return model
    predictor = model.predictor(threads=threads)
    outputs = [predictor.output([image]) for image in (*real, probe_image(), *plain_pictures())]
    model = _with_unit(model, outputs=outputs)
    again = predictor.output([real[0]]) if real else outputs[0]
    if not np.allclose(again, outputs[0], equal_nan=True, rtol=REPEATED, atol=REPEATED):
        raise InputRefused(
            "the model gives another answer when it sees the same picture again: something in it is drawn at random",
            where=model.file,
            remedy="export the model again as it is used, `model.eval()`, without dropout and random numbers",
        )
    scores = [person_scores(output, card=model.card)[0] for output in outputs]
    if not all(map(is_sound, scores)):
        return model  # a picture whose answer is not finite is set aside by itself
    try:
        found = [probabilities(score, card=model.card) for score in scores]
    except InputRefused as error:
        raise InputRefused(error.reason, where=model.file, remedy=error.remedy) from error
    has_labels = len(labelled) >= ENOUGH
    refuse_strange(outputs, probabilities=found, real=len(real), has_labels=has_labels, model=model)
    refuse_turned(real, model=model, threads=threads)
    if not has_labels and len(real) >= ENOUGH:
        refuse_saturated(real, probabilities=found[: len(real)], model=model, threads=threads)
    if has_labels:
        refuse_better_reading(labelled, outputs=outputs[: len(labelled)], model=model, threads=threads)
    return model


def plain_pictures() -> list[Image]:
    """Return pictures of nobody: black, grey, white, and noise that is the same everywhere."""
    noise = np.random.default_rng(0).integers(0, 256, (*PROBE_SIZE, 3), dtype=np.uint8)
    return [*(np.full((*PROBE_SIZE, 3), level, np.uint8) for level in (0, 128, 255)), noise]


def _read(samples: Sequence[Sample]) -> tuple[list[Labelled], list[Image]]:
    """Return pictures with a label that shows person and background, and others; what is broken is reported later."""
    labelled, others = [], []
    for sample in samples:
        try:
            image = decode_image(read_file(sample.file), file=str(sample.file))
        except (BadRecord, OSError):
            continue
        label = _label(sample)
        if label is None:
            others.append(image)
        else:
            labelled.append(Labelled(image=image, truth=label))
    return labelled, others


def _label(sample: Sample) -> Any:
    row, folder = sample.row, sample.folder
    if row is None or folder is None or row["mask"] is None:
        return None
    try:
        truth = read_truth(row, folder=folder, with_alpha=False)
    except (BadRecord, OSError):
        return None
    share = float((truth.mask > 0).mean())
    return truth if LEAST_SHARE <= share <= LARGEST_SHARE else None


def _with_unit(model: ReadyModel, *, outputs: Sequence[NDArray[Any]]) -> ReadyModel:
    """Return the model, as one of probabilities where its alphas, such as (1, 1, h, w) of any dtype, lie in 0..1."""
    is_share = all(not np.issubdtype(one.dtype, np.integer) and float(one.max()) <= 1 + ROUNDING for one in outputs)
    if model.card.output != "alpha" or not is_share:
        return model
    return replace(model, card=msgspec.structs.replace(model.card, output="probability"), has_unit_alpha=True)

"""Whether labels fit another reading of a model than that of its card: another class, other units, other channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.images.pixels import Image
from curation.labels.masks import PERSON_FROM, mask_of
from models.card import OF_CLASSES, ModelCard
from models.data.truth import Truth
from models.metrics.confusion import confusion, image_miou
from models.prediction.output_axes import LAYOUTS, WrongShape, read_axes
from models.prediction.outputs import Scores, is_sound, person_scores, probabilities
from models.prediction.ready_model import ReadyModel
from models.preprocessing import at_size

POOR: Final = 0.6
"""A median mIoU from which on no other reading is looked for. Four trained models have 0.79 to 0.92 as their cards say,
0.30 to 0.43 in other units."""
GOOD: Final = 0.75
"""A median mIoU that no model has by accident: where one is misread, the opposite of what it says has 0.30 at most."""
MOST_CLASSES: Final = 256
NORMALISATIONS: Final[dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]]] = {
    "pixels as they are": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "pixels of 0..1": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    "pixels of -1..1": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "the mean and std of ImageNet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """A real picture and its label."""

    image: Image
    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A card that differs in one field; `told` is that field as it stands in a card."""

    card: ModelCard
    told: str


def refuse_better_reading(
    pictures: Sequence[Labelled], *, outputs: Sequence[NDArray[Any]], model: ReadyModel, threads: int
) -> None:
    """Raise InputRefused where the labels of pictures fit another reading well, and that of the card badly.

    `outputs` are what the model gives for them as the card has it, each of the shape of `ModelCard.output_layout`, such
    as (1, classes, h, w), and of any dtype.
    """
    fit = _fit(outputs, pictures=pictures, card=model.card)
    if not fit < POOR:
        return
    head = f"on {len(pictures)} labelled pictures of the data its mIoU is {fit:.2f} (median) as its card has it, and"
    opposite = _fit(outputs, pictures=pictures, card=model.card, is_opposite=True)
    others = [*_other_classes(outputs, model.card), *_other_layouts(outputs, model.card)]
    classes = {one.told: _fit(outputs, pictures=pictures, card=one.card) for one in others}
    inputs = {one.told: _fit_anew(one, pictures=pictures, model=model, threads=threads) for one in _inputs(model.card)}
    best = max(classes | inputs, key=lambda told: (classes | inputs)[told], default="")
    if best and (found := (classes | inputs)[best]) >= GOOD:
        raise InputRefused(f"{head} {found:.2f} with {best}", where=model.file, remedy=f"write {best} in the card")
    if opposite >= GOOD:
        raise InputRefused(
            f"{head} {opposite:.2f} for the opposite of what it says: it gives the background",
            where=model.file,
            remedy="export the model again with 1 - its probability, or turn the masks if they show the background",
        )
    scores = [person_scores(output, card=model.card)[0] for output in outputs]
    if (middle := _middle(scores, card=model.card)) is None:
        return
    planes = [(score > middle).astype(np.float32) for score in scores]
    if (found := _median(planes, pictures=pictures)) >= GOOD:
        raise InputRefused(
            f"{head} {found:.2f} with its values cut at {middle:.4g}, halfway between its smallest and its largest: "
            f"the card says {model.card.output}, and so it says the same of every pixel",
            where=model.file,
            remedy="correct output in the card: `alpha` is 0 to 255, `probability` 0 to 1; where none fits, export the "
            "model again so that it gives a probability",
        )


def _middle(scores: Sequence[Scores], *, card: ModelCard) -> float | None:
    """Return the middle of the values, where as the card has it every pixel of every picture is on one side."""
    found = [probabilities(score, card=card) >= PERSON_FROM for score in scores]
    if not (all(one.all() for one in found) or not any(one.any() for one in found)):
        return None
    return (min(float(one.min()) for one in scores) + max(float(one.max()) for one in scores)) / 2


def _other_classes(outputs: Sequence[NDArray[Any]], card: ModelCard) -> Iterator[_Reading]:
    """Yield readings that take another class for person of outputs such as (1, classes, h, w), of any dtype."""
    count = read_axes(outputs[0].shape, card=card).channels
    if card.output == "class_ids":
        count = 1 + max(int(one.max()) for one in outputs)
    if card.output in OF_CLASSES or count > 1:
        for index in set(range(min(count, MOST_CLASSES))) - {card.person_index}:
            yield _Reading(card=msgspec.structs.replace(card, person_index=index), told=f"`person_index: {index}`")


def _other_layouts(outputs: Sequence[NDArray[Any]], card: ModelCard) -> Iterator[_Reading]:
    """Yield readings of outputs such as (1, h, w, classes), of any dtype, in another order of axes that fits them."""
    for layout in LAYOUTS:
        changed = msgspec.structs.replace(card, output_layout=layout)
        with suppress(WrongShape):
            if read_axes(outputs[0].shape, card=changed).order != read_axes(outputs[0].shape, card=card).order:
                yield _Reading(card=changed, told=f"`output_layout: {layout}`")


def _inputs(card: ModelCard) -> Iterator[_Reading]:
    """Yield readings that give the model another input."""
    other = "BGR" if card.channels == "RGB" else "RGB"
    yield _Reading(card=msgspec.structs.replace(card, channels=other), told=f"`channels: {other}`")
    for name, changed in other_units(card):
        yield _Reading(card=changed, told=f"{told_units(changed)} ({name})")


def other_units(card: ModelCard) -> Iterator[tuple[str, ModelCard]]:
    """Yield the card with other usual units of pixels, and what these are called; of uint8 there are no others."""
    order = slice(None, None, 1 if card.channels == "RGB" else -1)
    for name, (mean, std) in () if card.dtype == "uint8" else NORMALISATIONS.items():
        changed = msgspec.structs.replace(card, mean=mean[order], std=std[order])
        if changed != card:
            yield name, changed


def told_units(card: ModelCard) -> str:
    """Return mean and std as they stand in a card."""
    return f"`mean: {list(card.mean)}` and `std: {list(card.std)}`"


def _fit_anew(reading: _Reading, *, pictures: Sequence[Labelled], model: ReadyModel, threads: int) -> float:
    predictor = replace(model, card=reading.card).predictor(threads=threads)
    return _fit([predictor.output([one.image]) for one in pictures], pictures=pictures, card=reading.card)


def _fit(
    outputs: Sequence[NDArray[Any]], *, pictures: Sequence[Labelled], card: ModelCard, is_opposite: bool = False
) -> float:
    """Return the median mIoU of outputs such as (1, classes, h, w), of any dtype; 0 where they give no probability."""
    planes = []
    for output in outputs:
        score = person_scores(output, card=card)
        if not is_sound(score):
            return 0.0
        try:
            probability = probabilities(score, card=card)[0]
        except InputRefused:
            return 0.0
        planes.append(1 - probability if is_opposite else probability)
    return _median(planes, pictures=pictures)


def _median(planes: Sequence[Scores], *, pictures: Sequence[Labelled]) -> float:
    """Return the median mIoU of planes (h, w) of 0..1, of any size, each cut at a half."""
    found = []
    for plane, picture in zip(planes, pictures, strict=True):
        truth = picture.truth
        mask = mask_of(at_size(plane, size=(truth.mask.shape[0], truth.mask.shape[1])))
        found.append(image_miou(confusion(mask, truth=truth.mask, valid=truth.valid)))
    return float(np.median(found))

"""Whether a model's input is too large, as its answers to real pictures without labels show beside other usual inputs.

A model is then sure of nearly every pixel, or what it takes for a person is in rags. Some models are as sure of
themselves as their cards have them (MediaPipe Selfie of 95 % of the pixels of portraits), and a crowd of small persons
is ragged too, so that this alone says nothing: another usual input has to leave doubt, or be smooth, and yet answer
each picture by itself. Networks whose activations are bounded, such as those of ReLU6, show neither: DeepLabV3+ on
MobileNetV2 gives smooth masks with doubt where its input is 128 times too large, and only labels tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from curation.errors import InputRefused
from curation.images.pixels import Image
from curation.labels.masks import PERSON_FROM
from models.prediction.checks.other_readings import other_units, told_units
from models.prediction.outputs import Scores, is_sound, person_scores, probabilities
from models.prediction.ready_model import ReadyModel

SURE: Final = 1e-6
"""So near to 0 or 1 a probability is one of which the model is sure."""
MANY: Final = 0.5
"""The share of such pixels in real pictures: PP-HumanSeg and a MobileNetV3 have 0.52 to 0.90 where their input is 255
times too large, and 0.00 to 0.01 where their cards are right."""
FEW: Final = 0.05
LEAST_SPREAD: Final = 8.0
"""Of the log-odds of some pixel from picture to picture: 13 to 49 where a card is right, less than 1 where the input is
255 times too small, which leaves doubt everywhere."""
RAGGED: Final = 25.0
"""Of `raggedness`, on 8 portraits, COCO images and street photographs each: five models have 5 to 19 where their cards
are right, and MediaPipe Selfie 78 to 92 where its input is 255 times too large, SINet 21 to 22, two others 31 to 42."""
SMOOTHER: Final = 4.0
"""How many times as ragged as with another input: 8 to 14 for MediaPipe Selfie, 2.2 at most where a card is right."""
LEAST_AREA: Final = 0.01
"""Of a person whose outline tells something."""
ENOUGH: Final = 3
"""Pictures that show one."""


def refuse_saturated(
    images: Sequence[Image], *, probabilities: Sequence[Scores], model: ReadyModel, threads: int
) -> None:
    """Raise InputRefused where a model is sure of most pixels of real pictures, and with another usual input of few, or
    where its masks are in rags, and with another usual input are not.

    `probabilities` (h, w) are those of the images as the card has it.
    """
    sure = 0.0 if model.card.output == "class_ids" else sure_share(probabilities)
    rags = raggedness(probabilities)
    if sure < MANY and rags < RAGGED:
        return
    for name, other in other_units(model.card):
        found = _answers(images, model=replace(model, card=other), threads=threads)
        if found is None:
            continue
        reason = None
        if sure >= MANY and sure_share(found) <= FEW and _spread(found) >= LEAST_SPREAD:
            told = f"of all pixels (within {SURE:g} of 0 or 1), and with {name} of {sure_share(found):.0%}"
            reason = f"the output is saturated: on pictures of the data the model is sure of {sure:.0%} {told}"
        elif rags >= RAGGED and 0 < (smooth := raggedness(found)) <= rags / SMOOTHER:
            told = f"{rags:.0f} times the root of their area, and with {name} {smooth:.0f} times"
            reason = f"the masks are in rags: on pictures of the data their outlines are {told}"
        if reason is not None:
            remedy = f"check mean and std in the card: they are in units of a pixel, 0..255; with {told_units(other)}"
            raise InputRefused(reason, where=model.file, remedy=f"{remedy} it would be {name}")


def sure_share(found: Sequence[Scores]) -> float:
    """Return the share of pixels of which a model is sure, of probabilities (h, w).

    >>> sure_share([np.array([[0.0, 0.5], [1.0, 0.001]], np.float32)])
    0.5
    """
    return float(np.mean([np.mean((one < SURE) | (one > 1 - SURE)) for one in found])) if found else 0.0


def raggedness(found: Sequence[Scores]) -> float:
    """Return the length of the outline of person in roots of its area, as a mean over probabilities (h, w).

    It is 4 for a square, and 0 where fewer than 3 pictures show a person.

    >>> square = np.zeros((6, 6), np.float32)
    >>> square[1:4, 1:4] = 1
    >>> raggedness([square] * 3), raggedness([square] * 2)
    (4.0, 0.0)
    """
    lengths = []
    for mask in (one >= PERSON_FROM for one in found):
        if mask.mean() >= LEAST_AREA:
            steps = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])
            lengths.append(steps / float(np.sqrt(np.count_nonzero(mask))))
    return float(np.mean(lengths)) if len(lengths) >= ENOUGH else 0.0


def _answers(images: Sequence[Image], *, model: ReadyModel, threads: int) -> list[Scores] | None:
    predictor = model.predictor(threads=threads)
    found = []
    for image in images:
        score = person_scores(predictor.output([image]), card=model.card)
        if not is_sound(score):
            return None
        found.append(probabilities(score, card=model.card)[0])
    return found


def _spread(found: Sequence[Scores]) -> float:
    inside = np.clip(np.stack(found).astype(np.float64), 1e-12, 1 - 1e-12)
    odds = np.log(inside / (1 - inside))
    return float((odds.max(axis=0) - odds.min(axis=0)).max())

"""Whether a model is sure of nearly every pixel only because its input is too large: what only labels tell otherwise.

Some models are as sure of themselves as their cards have them (MediaPipe Selfie of 95 % of the pixels of portraits), so
that this alone says nothing. An input that is too large shows in that another usual one leaves doubt and yet answers
each picture by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from curation.errors import InputRefused
from curation.images.pixels import Image
from models.prediction.checks.other_readings import NORMALISATIONS
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


def refuse_saturated(
    images: Sequence[Image], *, probabilities: Sequence[Scores], model: ReadyModel, threads: int
) -> None:
    """Raise InputRefused where a model is sure of most pixels of real pictures, and with another usual input of few.

    `probabilities` (h, w) are those of the images as the card has it. Of uint8 there is no other input.
    """
    card = model.card
    if card.dtype == "uint8" or card.output == "class_ids" or not images or sure_share(probabilities) < MANY:
        return
    for name, (mean, std) in NORMALISATIONS.items():
        order = slice(None, None, 1 if card.channels == "RGB" else -1)
        other = msgspec.structs.replace(card, mean=mean[order], std=std[order])
        if (other.mean, other.std) == (card.mean, card.std):
            continue
        found = _answers(images, model=replace(model, card=other), threads=threads)
        if found is not None and sure_share(found) <= FEW and _spread(found) >= LEAST_SPREAD:
            raise InputRefused(
                "the output is saturated: on pictures of the data the model is sure of "
                f"{sure_share(probabilities):.0%} of all pixels (within {SURE:g} of 0 or 1), and with {name} of "
                f"{sure_share(found):.0%}",
                where=model.file,
                remedy="check mean and std in the card: they are in units of a pixel, 0..255; with "
                f"`mean: {list(other.mean)}` and `std: {list(other.std)}` it would be {name}",
            )


def sure_share(found: Sequence[Scores]) -> float:
    """Return the share of pixels of which a model is sure, of probabilities (h, w).

    >>> sure_share([np.array([[0.0, 0.5], [1.0, 0.001]], np.float32)])
    0.5
    """
    return float(np.mean([np.mean((one < SURE) | (one > 1 - SURE)) for one in found]))


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

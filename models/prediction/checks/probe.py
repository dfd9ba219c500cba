"""The probe: one drawn picture whose prediction is known, so that a model that is read wrongly does not pass for sound.

A hash tells that the weights are whole. It does not tell that mean and std, channel order or architecture are those
with which they were trained; what the model says of one picture does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from curation.errors import InputRefused
from curation.images.pixels import Image
from models.card import ModelCard
from models.prediction.outputs import OPAQUE, SQUASHED, Scores

PROBE_SIZE: Final = (200, 150)
"""Height and width in pixels: of no network's own size, so that resizing is tested too."""
CELLS: Final = 4
"""The prediction is kept as means over this many by this many parts of the frame."""
LEAST_PROBABILITY: Final = 1e-4
"""Closer to 0 and 1, the rounding of float32 would show in the log-odds."""
TOLERANCE: Final = 1e-3
"""Of the largest number, or of 1: engines and processors round differently, by a tenth of it."""


def probe_image() -> Image:
    """Return the probe, (height, width, 3) uint8 RGB: a person of ellipses in colours that tell the channels apart.

    It is computed in whole numbers, so that it is the same everywhere.
    """
    height, width = PROBE_SIZE
    y, x = np.mgrid[:height, :width]
    image = np.stack((40 + x, 60 + y // 2, 200 - (x + y) // 4), axis=-1)
    for centre_y, centre_x, radius_y, radius_x, colour in (
        (210, 75, 95, 62, (150, 40, 60)),
        (70, 75, 48, 34, (224, 172, 140)),
        (38, 75, 24, 38, (70, 45, 30)),
    ):
        inside = ((y - centre_y) * radius_x) ** 2 + ((x - centre_x) * radius_y) ** 2 <= (radius_x * radius_y) ** 2
        image[inside] = colour
    return image.astype(np.uint8)


def probe_numbers(score: Scores, *, card: ModelCard) -> tuple[float, ...]:
    """Return the few numbers that stand for a score (h, w): means of its log-odds over `CELLS` x `CELLS` parts.

    Probabilities become log-odds first, so that a logit which the card calls a probability does not pass.
    """
    values = score.astype(np.float64)
    if card.output == "alpha":
        values /= OPAQUE
    if card.output not in SQUASHED:
        inside = np.clip(values, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        values = np.log(inside / (1 - inside))
    means = cv2.resize(values, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return tuple(round(float(mean), 6) for mean in means.ravel())


def refuse_other_answer(found: Sequence[float], *, card: ModelCard, where: object) -> None:
    """Raise InputRefused when a model does not say of the probe what its card remembers, if it remembers anything."""
    if not card.probe:
        return
    known, now = np.array(card.probe), np.array(found)
    if len(known) != len(now):
        raise InputRefused(
            f"the card holds {len(known)} numbers of the probe, there are {len(now)}", where=where, remedy=REMEDY
        )
    allowed = TOLERANCE * max(1.0, float(np.abs(known).max()))
    off = np.abs(known - now)
    is_other = ~(off <= allowed)  # so that NaN is refused
    if is_other.any():
        cell = int(off.argmax())
        raise InputRefused(
            f"the model does not answer as it did when it was saved: on the probe picture it gives {now[cell]:.4f} "
            f"instead of {known[cell]:.4f} (part {cell + 1} of {len(now)}; {np.count_nonzero(is_other)} differ)",
            where=where,
            remedy=REMEDY,
        )


REMEDY: Final = "mean, std, channels, input_size or network in the card are not those of the training; restore the card"

"""From what a model gives to the probability of person, for every engine alike."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from models.card import ModelCard

Scores: TypeAlias = NDArray[np.float32]
"""(n, height, width) float32: the log-odds of person, or where a model gives no less, its probability."""

ROUNDING: Final = 0.01
"""How far outside 0..1 a probability may lie: sums of bfloat16 values round by less. Beyond it, it is none."""


LEAST_PROBABILITY: Final = np.float32(1e-6)
"""Nearer to 0 and 1, neighbouring float32 probabilities are too far apart for log-odds."""


class WrongShape(InputRefused):
    """The model gives an output of another shape than its card says."""


def person_scores(output: NDArray[Any], *, card: ModelCard) -> Scores:
    """Give (n, h, w) float32 of a model's output: the log-odds of person, or its probability where the card says so.

    Of several classes, the log-odds of person are its logit less the log of the summed exponentials of the others.
    Raises WrongShape when the output has another shape than the card says.
    """
    planes = _planes(output, card=card)
    if card.output == "probability":
        return planes[:, card.person_index if planes.shape[1] > 1 else 0]
    if card.output == "logit":
        return planes[:, 0]
    person = planes[:, card.person_index]
    others = np.delete(planes, card.person_index, axis=1)
    with np.errstate(invalid="ignore"):  # infinite logits give NaN, which is looked for later
        # of one class this is the class itself, without the exponentials
        rest: Scores = others[:, 0] if others.shape[1] == 1 else np.logaddexp.reduce(others, axis=1)
        scores: Scores = person - rest
    return scores


def probabilities(scores: Scores, *, card: ModelCard) -> Scores:
    """Give the probability of person, 0..1, of `person_scores` that are finite.

    Raises InputRefused when the card promises probabilities and the model gives something else.
    """
    if card.output != "probability":
        # beyond 80 a float32 exponential overflows, and the probability is 0 or 1 long before
        squashed = 1 / (1 + np.exp(np.clip(-scores, -80, 80)))
        return squashed.astype(np.float32, copy=False)
    low, high = float(scores.min()), float(scores.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputRefused(
            f"the model gives values from {low:.3g} to {high:.3g} where its card promises a probability, 0..1",
            remedy="write `output: logits` (several classes) or `output: logit` (one) in the card",
        )
    return np.clip(scores, 0, 1)


def log_odds(scores: Scores, *, card: ModelCard) -> Scores:
    """Give the log-odds of person, of `person_scores` that are finite, whatever the model gives; at most 14 either way.

    Raises InputRefused as `probabilities` does.
    """
    probability = np.clip(probabilities(scores, card=card), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    odds: Scores = np.log(probability) - np.log1p(-probability)
    return odds


def is_sound(score: Scores) -> bool:
    """Tell whether a model's answer for one image is finite everywhere."""
    return bool(np.isfinite(score).all())


def _planes(output: NDArray[Any], *, card: ModelCard) -> Scores:
    """Give the output as (n, classes, h, w)."""
    planes = output
    if planes.ndim == 3 and card.output != "logits":
        planes = planes[:, None] if card.layout == "NCHW" else planes[..., None]
    if planes.ndim != 4:
        raise _wrong_shape(output, card=card)
    if card.layout == "NHWC":
        planes = planes.transpose(0, 3, 1, 2)
    channels = planes.shape[1]
    fits = {
        "logits": channels > max(1, card.person_index),
        "logit": channels == 1,
        "probability": channels == 1 or channels > card.person_index,
    }
    if not fits[card.output]:
        raise _wrong_shape(output, card=card)
    return planes.astype(np.float32, copy=False)


def _wrong_shape(output: NDArray[Any], *, card: ModelCard) -> WrongShape:
    wanted = {"logits": f"at least {max(2, card.person_index + 1)} channels", "logit": "one channel"}
    said = wanted.get(card.output, "one channel, or person among several")
    axes = "(n, channels, height, width)" if card.layout == "NCHW" else "(n, height, width, channels)"
    return WrongShape(
        f"the model gives an output of shape {output.shape}; `output: {card.output}` in the card asks for "
        f"{axes} with {said}",
        remedy="correct output, layout or person_index in the card, or export the model again",
    )

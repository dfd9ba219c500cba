"""From what a model gives to the probability of person, for every engine alike."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from models.card import ModelCard
from models.prediction.output_axes import SHARES, read_axes
from models.preprocessing import at_size

Scores: TypeAlias = NDArray[np.float32]
"""(n, height, width) float32: the log-odds of person, or where a model gives no less, its probability."""

ROUNDING: Final = 0.01
"""How far outside 0..1 a probability may lie: sums of bfloat16 values round by less. Beyond it, it is none."""
LEAST_PROBABILITY: Final = np.float32(1e-6)
"""Nearer to 0 and 1, neighbouring float32 probabilities are too far apart for log-odds."""
OPAQUE: Final = 255
"""The largest alpha, of a model whose alphas are no shares of 1."""
SQUASHED: Final = frozenset({"logits", "logit"})
"""Outputs that become probabilities by a sigmoid or softmax."""


def person_scores(output: NDArray[Any], *, card: ModelCard) -> Scores:
    """Return (n, h, w) float32 of a model's output: the log-odds of person, or its probability where the card says so.

    Of several classes, the log-odds of person are its logit less the log of the summed exponentials of the others;
    where the classes are parts of a person, they are those of background with the other sign. Of the numbers of
    classes, the probability is 1 where person is named, and 0 elsewhere. An alpha of 0..255 stays that.
    Raises WrongShape when the output has another shape than the card says.
    """
    planes = _planes(output, card=card)
    if card.output == "class_ids":
        found: Scores = (planes[:, 0] == card.person_index).astype(np.float32)
        return found
    planes = planes.astype(np.float32, copy=False)
    if card.output in SHARES:
        return planes[:, card.person_index if planes.shape[1] > 1 else 0]
    if card.output == "logit":
        return planes[:, 0]
    index = 0 if card.class_names else card.person_index
    person = planes[:, index]
    others = np.delete(planes, index, axis=1)
    with np.errstate(invalid="ignore"):  # infinite logits give NaN, which is looked for later
        # of one class this is the class itself, without the exponentials
        rest: Scores = others[:, 0] if others.shape[1] == 1 else np.logaddexp.reduce(others, axis=1)
        scores: Scores = rest - person if card.class_names else person - rest
    return scores


def class_probabilities(output: NDArray[Any], *, card: ModelCard) -> NDArray[np.float32]:
    """Return the probability of each class, (n, classes, h, w) in 0..1, of the logits of a model with `class_names`.

    Raises WrongShape when the output has another shape than the card says.
    """
    planes = _planes(output, card=card).astype(np.float32, copy=False)
    powers = np.exp(planes - planes.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def class_map(probability: NDArray[np.float32], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the likeliest class of each pixel at `size` (height, width), of probabilities (classes, h, w)."""
    whole = np.stack([at_size(one, size=size) for one in probability])
    return np.asarray(whole.argmax(axis=0), dtype=np.uint8)


def probabilities(scores: Scores, *, card: ModelCard) -> Scores:
    """Return the probability of person, 0..1, of `person_scores` that are finite.

    Raises InputRefused when the card promises probabilities or alphas and the model gives something else.
    """
    if card.output in SQUASHED:
        # beyond 80 a float32 exponential overflows, and the probability is 0 or 1 long before
        squashed = 1 / (1 + np.exp(np.clip(-scores, -80, 80)))
        return squashed.astype(np.float32, copy=False)
    if card.output == "alpha":
        scores = scores / np.float32(OPAQUE)
    low, high = float(scores.min()), float(scores.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise _out_of_range(low, high, card=card)
    return np.clip(scores, 0, 1)


def log_odds(scores: Scores, *, card: ModelCard) -> Scores:
    """Return the log-odds of person, of `person_scores` that are finite, whatever the model gives; at most 14 either
    way.

    Raises InputRefused as `probabilities` does.
    """
    probability = np.clip(probabilities(scores, card=card), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    odds: Scores = np.log(probability) - np.log1p(-probability)
    return odds


def is_sound(score: Scores) -> bool:
    """Tell whether a model's answer for one image is finite everywhere."""
    return bool(np.isfinite(score).all())


def _planes(output: NDArray[Any], *, card: ModelCard) -> NDArray[Any]:
    """Return the output, in the order of axes of the card and of any dtype, as (n, classes, h, w)."""
    axes = read_axes(output.shape, card=card)
    planes = output.transpose([axis for axis in axes.order if axis is not None])
    missing = tuple(at for at, axis in enumerate(axes.order) if axis is None)
    return np.expand_dims(planes, missing) if missing else planes


def _out_of_range(low: float, high: float, *, card: ModelCard) -> InputRefused:
    if card.output == "alpha":
        found = (
            f"the model gives values from {OPAQUE * low:.3g} to {OPAQUE * high:.3g} where its card promises an alpha"
        )
        return InputRefused(found, remedy="write `output: logit` if these are log-odds of person")
    remedy = "write `output: logits` (several classes) or `output: logit` (one) in the card"
    if low >= -ROUNDING and high <= OPAQUE * (1 + ROUNDING):
        remedy = (
            "write `output: alpha` in the card if 255 stands for person, `output: class_ids` if these are numbers of "
            "classes, or `output: logit` if they are log-odds"
        )
    return InputRefused(
        f"the model gives values from {low:.3g} to {high:.3g} where its card promises a probability, 0..1",
        remedy=remedy,
    )

"""Answers that no model gives whose card is right: the same for all pictures, implausibly large, or person everywhere.

The thresholds are between what four trained models say as their cards have it, and what they say with mean and std 255
times too large or too small (SINet, MediaPipe Selfie, PP-HumanSeg Lite, DeepLabV3+; 10 portraits, 10 COCO images).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from models.prediction.outputs import SQUASHED, Scores, person_scores
from models.prediction.ready_model import ReadyModel

LEAST_SPREAD: Final = 1.0
"""The log-odds of some pixel differ by more from picture to picture: by 13 to 49 where the card is right, by 0 to 0.9
where the input is 255 times too small."""
LARGEST_MEDIAN: Final = 1000.0
"""Of the log-odds, without their sign: 5 to 16 where the card is right, 1e8 to 1e17 where a network that gives log-odds
takes an input that is 255 times too large."""
EVERYWHERE: Final = 0.995
"""The share of person in a picture in which a model sees nothing else."""
PLAIN_SHARE: Final = 0.7
"""The share of person in all plain pictures from which on person is background: where the card is right, black has 0.04
at most, and noise 0.11."""
ALL: Final = 3
"""So many pictures stand for all."""
SUM_OFF: Final = 0.02
"""How far from 1 the probabilities of all classes may add up, in half precision."""
INSIDE: Final = 1e-12
"""Closer to 0 and 1 a probability has no log-odds worth comparing."""
UNITS: Final = "check mean and std in the card: they are in units of a pixel, 0..255, in the order of channels"


def refuse_strange(
    outputs: Sequence[NDArray[Any]], *, probabilities: Sequence[Scores], real: int, has_labels: bool, model: ReadyModel
) -> None:
    """Raise InputRefused, naming the field of the card, where answers show that it misleads.

    `outputs`, such as (1, classes, h, w) of any dtype, and their `probabilities` (h, w) are of pictures, of which the
    first are `real`, the next shows a drawn person, and the others nobody. A model that finds nobody in real pictures
    is not strange, whatever it gives.
    """
    scores = [person_scores(output, card=model.card)[0] for output in outputs]
    reason = _no_log_odds(outputs, model=model)
    if reason is not None:
        raise InputRefused(reason, where=model.file, remedy="write `output: probability` in the card")
    reason = _beyond_measure(scores, model=model) or _same(probabilities, has_labels=has_labels)
    if reason is None and not has_labels:
        reason = _everywhere(probabilities[:real])
    if reason is not None:
        raise InputRefused(reason, where=model.file, remedy=UNITS)
    if not has_labels and all((one >= 0.5).mean() > PLAIN_SHARE for one in probabilities[real + 1 :]):
        raise InputRefused(
            "the model takes black, grey, white and noise pictures for a person nearly everywhere",
            where=model.file,
            remedy="check person_index in the card: it may name the background",
        )


def _no_log_odds(outputs: Sequence[NDArray[Any]], *, model: ReadyModel) -> str | None:
    """Return what is wrong where the card promises log-odds, and all outputs (1, classes, h, w) lie in 0..1."""
    if model.card.output not in SQUASHED or any(one.min() < 0 or one.max() > 1 for one in outputs):
        return None
    if model.card.output == "logits":
        axis = 3 if model.card.planes == "NHWC" else 1
        if any(float(np.abs(one.astype(np.float32).sum(axis=axis) - 1).max()) > SUM_OFF for one in outputs):
            return None
    return f"the card says {model.card.output}, and all that the model gives lies in 0..1, as probabilities do"


def _beyond_measure(scores: Sequence[Scores], *, model: ReadyModel) -> str | None:
    median = float(np.median(np.abs(np.stack(scores))))
    if model.card.output not in SQUASHED or median <= LARGEST_MEDIAN:
        return None
    return (
        f"the log-odds that the model gives are implausibly large, in the median {median:.2g}: its input is too large"
    )


def _same(probabilities: Sequence[Scores], *, has_labels: bool) -> str | None:
    """Return what is wrong where all pictures, whatever they show, get nearly the same answer.

    Of a model that says only yes and no, nothing but no may be right where no label shows a person.
    """
    found = np.stack(probabilities).astype(np.float64)
    says_no = not found.any() and not has_labels
    inside = np.clip(found, INSIDE, 1 - INSIDE)
    odds = np.log(inside / (1 - inside))
    spread = float((odds.max(axis=0) - odds.min(axis=0)).max())
    if spread >= LEAST_SPREAD or says_no:
        return None
    told = "the same" if spread == 0 else f"nearly the same answer (log-odds differ by {spread:.2g} at most)"
    return f"the model gives {told} for {len(found)} pictures that have nothing in common"


def _everywhere(probabilities: Sequence[Scores]) -> str | None:
    if len(probabilities) < ALL or any((one >= 0.5).mean() < EVERYWHERE for one in probabilities):
        return None
    return f"the model sees nothing but person in each of {len(probabilities)} pictures of the data"

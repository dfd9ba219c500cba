"""Deeper verdicts, where a teacher looks as well: the probability that each label is wrong, and in what way it is."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.images.pixels import Mask
from labeling.verdicts.calibration import calibrated
from labeling.verdicts.error_kind import error_kind
from labeling.verdicts.planted_errors import PLANTED, planted
from labeling.verdicts.witnesses import Witnesses, deep_doubt, heard
from models.metrics.confusion import confusion, image_miou

PROBABILITY, KIND = "label_error_probability", "error_kind"
DEEP_COLUMNS: Final = {PROBABILITY: pa.float64(), KIND: pa.string()}
LIKELY: Final = 0.5
"""A label is an error where that is more likely than not."""
CALIBRATED_ON: Final = 1_000
"""So many labels at most get an error planted to learn what doubt wrong labels get."""
SAME: Final = 0.95
"""Above this mIoU with the label that it was made of, a planted error is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What witnesses say of a label: its doubt, that of a planted error, None without one, and in what way it differs
    from what the first of them sees."""

    doubt: float
    planted: float | None
    kind: str


def hear(label: Mask, *, witnesses: Witnesses, other: Mask | None, number: int) -> Heard:
    """Return what witnesses say of a label (H, W) of 0 and 255, the sample of this `number`.

    With the mask of an `other` image, an error is planted, each number another kind.
    """
    small = heard(label, witnesses=witnesses)
    wrong = (
        None if other is None or not small.any() else _planted(small, witnesses=witnesses, other=other, number=number)
    )
    return Heard(
        doubt=deep_doubt(small, witnesses=witnesses),
        planted=None if wrong is None else deep_doubt(wrong, witnesses=witnesses),
        kind=error_kind(small, person=witnesses.masks[0]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighed:
    """What witnesses say of labels, by number: `doubt` (n,), NaN where they say nothing, and `kind`; the `probability`
    (n,) that each is wrong, and the `share` of wrong ones, both None where too few labels were heard."""

    doubt: NDArray[np.float64]
    kind: Sequence[str]
    probability: NDArray[np.float64] | None
    share: float | None


def weigh(answers: Iterable[Heard | None]) -> Weighed:
    """Return what is said of labels, and how probable it is that each is wrong, calibrated on the planted errors."""
    doubts, kinds, planted = array("d"), list[str](), array("d")
    for answer in answers:
        doubts.append(math.nan if answer is None else answer.doubt)
        kinds.append("" if answer is None else answer.kind)
        if answer is not None and answer.planted is not None:
            planted.append(answer.planted)
    doubt = np.array(doubts, dtype=np.float64)
    is_heard = ~np.isnan(doubt)
    found = calibrated(doubt[is_heard], planted=np.array(planted, dtype=np.float64))
    if found is None:
        return Weighed(doubt=doubt, kind=kinds, probability=None, share=None)
    probability = np.full(len(doubt), np.nan)
    probability[is_heard] = found.probability
    return Weighed(doubt=doubt, kind=kinds, probability=probability, share=found.share)


def deepened(judgement: Mapping[str, Any], *, number: int, weighed: Weighed) -> dict[str, Any]:
    """Return the judgement of a label with the doubt, probability, kind and verdict of witnesses; `number` is that
    among the labels which they weighed.

    Where they say nothing it stays as it is; where there is no probability nothing is changed but the doubt.
    """
    told = dict(judgement)
    if math.isnan(weighed.doubt[number]):
        return told
    told["label_doubt"] = float(weighed.doubt[number])
    if weighed.probability is None:
        return told
    told[PROBABILITY] = float(weighed.probability[number])
    if told[PROBABILITY] >= LIKELY:
        told |= {"verdict": "label_error", KIND: weighed.kind[number]}
    elif told["verdict"] == "label_error":
        told["verdict"] = "ambiguous"
    return told


def planted_at(number: int, *, of: int) -> bool:
    """Tell whether the label of this number, of so many, gets a planted error."""
    return number % -(-of // CALIBRATED_ON) == 0


def _planted(label: Mask, *, witnesses: Witnesses, other: Mask, number: int) -> Mask | None:
    kind = PLANTED[number % len(PLANTED)]
    wrong = planted(label, kind=kind, other=other, rng=np.random.default_rng(number))
    if witnesses.valid is not None:
        wrong = np.asarray(wrong * witnesses.valid, np.uint8)
    is_same = image_miou(confusion(wrong, truth=label, valid=witnesses.valid)) > SAME
    return None if is_same else wrong

"""Deeper verdicts, where a teacher looks as well: the probability that each label is wrong, and in what way it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

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


def deepened(
    judgements: Mapping[str, Mapping[str, Any]], *, heard_of: Mapping[str, Heard]
) -> tuple[dict[str, dict[str, Any]], float | None]:
    """Return judgements with the doubt, probability, kind and verdict of witnesses, and the share of wrong labels.

    The probability is calibrated on the planted errors; where these are too few nothing is changed but the doubt, and
    the share is None.
    """
    ids = list(heard_of)
    doubts = np.array([heard_of[id_].doubt for id_ in ids])
    found = calibrated(doubts, planted=np.array([one.planted for one in heard_of.values() if one.planted is not None]))
    told = {id_: dict(judgement) for id_, judgement in judgements.items()}
    for number, id_ in enumerate(ids):
        told[id_]["label_doubt"] = heard_of[id_].doubt
        if found is None:
            continue
        probability = float(found.probability[number])
        told[id_][PROBABILITY] = probability
        if probability >= LIKELY:
            told[id_] |= {"verdict": "label_error", KIND: heard_of[id_].kind}
        elif told[id_]["verdict"] == "label_error":
            told[id_]["verdict"] = "ambiguous"
    return told, None if found is None else found.share


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

"""One label from the predictions of teachers: their mean, how alike they are, and why a person should look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from curation.images.pixels import Alpha, Gray, Image, Mask
from curation.labels.masks import mask_of, person_area
from labeling.verdicts.outline_support import outline_support
from models.metrics.disagreement import disagreement
from models.metrics.uncertainty import Uncertainty, uncertainty

Doubt: TypeAlias = Literal["no_answer", "nobody", "everywhere", "disagreement", "outline"]
DOUBTS: Final[dict[Doubt, str]] = {
    "no_answer": "a teacher gives nothing for the image, or what is not finite",
    "nobody": "the mean of the teachers shows nobody",
    "everywhere": "the mean of the teachers takes the whole frame for person",
    "disagreement": "the teachers, or the views of one, agree less than was asked for",
    "outline": "the outline lies on edges of the image less than was asked for",
}
"""Why a label is left for people; the first that holds is told."""
EVERYWHERE: Final = 0.98
"""Of the frame: a person who fills more of it leaves no background to be right about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRules:
    """What a label needs to be kept: `agreement` of the teachers and `support` of its outline, both 0..1 or more."""

    agreement: float
    support: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TeacherLabel:
    """The mean of the teachers as it is stored, `mean` (h, w), its mask, and the alpha of those that give alphas.

    `agreement` is 1 for labels that are all the same. With a `doubt` the label is for people.
    """

    mean: Gray
    mask: Mask
    alpha: Alpha | None
    agreement: float
    support: float
    uncertainty: Uncertainty
    doubt: Doubt | None


def teacher_label(
    image: Image, *, answers: Sequence[Gray], alphas: Sequence[Gray], views: float | None, rules: KeepRules
) -> TeacherLabel:
    """Return the label of an image (h, w, 3) from the `answers` of all teachers, each (h, w), 255 x the probability.

    `alphas` are those of the answers which are alphas. `views` is how far the views of a single teacher disagree; with
    several teachers it does not count. Agreement is the mean mIoU of all pairs of their masks, as in query by
    committee. Source: Seung et al. 1992, Query by Committee; the measure is that of this project.
    """
    mean = mean_of(answers)
    mask = mask_of(mean)
    if len(answers) == 1:
        assert views is not None, "of a single teacher several views are predicted"
        agreement = 1 - views
    else:
        agreement = 1 - disagreement([mask_of(answer) for answer in answers])
    support = outline_support(image, mask)
    return TeacherLabel(
        mean=mean,
        mask=mask,
        alpha=mean_of(alphas) if alphas else None,
        agreement=agreement,
        support=support,
        uncertainty=uncertainty(mean),
        doubt=_doubt(person_area(mask), agreement=agreement, support=support, rules=rules),
    )


def mean_of(answers: Sequence[Gray]) -> Gray:
    """Return the mean of pictures (h, w) uint8, rounded.

    >>> mean_of([np.array([[0, 100]], np.uint8), np.array([[255, 102]], np.uint8)]).tolist()
    [[128, 101]]
    """
    total = np.sum([answer.astype(np.uint16) for answer in answers], axis=0)
    return np.asarray((2 * total + len(answers)) // (2 * len(answers)), np.uint8)


def _doubt(area: float, *, agreement: float, support: float, rules: KeepRules) -> Doubt | None:
    if area == 0:
        return "nobody"
    if area > EVERYWHERE:
        return "everywhere"
    if agreement < rules.agreement:
        return "disagreement"
    return "outline" if support < rules.support else None

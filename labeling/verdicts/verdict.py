"""What is probably wrong with a sample: its label, the model, the outline alone, or nothing.

The rule, first match wins; shares are of the union of label and predicted person:

1. `label_error`   its doubt (see `label_doubt`) is above -0.1, or the predictions, together, are sure that more than
                   10 % of it is labelled wrongly; of two predictions, where its doubt is known, that alone counts. Of
                   labels with a mIoU of 0.8 and more that are not contradicted so, doubt is not asked;
2. `ok`            mIoU at least 0.8, and outlines that agree: a boundary IoU of at least 0.6;
3. `boundary_only` less than 2 % of it is wrong away from outlines;
4. `model_error`   another model gets mIoU at least 0.8 with the label, or the predictions differ among each other;
5. `ambiguous`     whatever is left: predictions agree, against the label, but are not sure, or the image is for it.

With a teacher `deep_verdicts` decides what is a `label_error`; what only rule 1 calls one is `ambiguous` then.

A prediction that is not finite is a `model_error`. What has no label has no verdict.

The rule and its thresholds are ours, not from a paper; `tests.bench verdicts` measures what they find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from models.metrics.summary import HARD_BELOW

if TYPE_CHECKING:
    from labeling.verdicts.evidence import Evidence

Verdict: TypeAlias = Literal["label_error", "model_error", "ambiguous", "boundary_only", "ok"]
VERDICTS: Final[dict[str, str]] = {
    "label_error": "predictions, and edges of the image, speak against the label",
    "model_error": "the label fits what other predictions say, or these differ among each other",
    "ambiguous": "the predictions agree against the label, but are not sure, or edges of the image are for it",
    "boundary_only": "only the outline differs",
    "ok": "label and prediction agree",
}
CONTRADICTED: Final = 0.1
"""Share of the union of label and predicted person, see rule 1."""
PAIR: Final = 2
"""Two models miss the same persons, who are far away or in the dark, and are sure; several seldom do."""
DOUBTED: Final = -0.1
"""Chosen on 15 plantings of 24 errors among 200 real portraits: there 0.85 of what it finds is wrong, and it finds 0.88
of what is wrong among the images under a mIoU of 0.8. `tests.bench verdicts` measures it on 5 others."""
SPLIT: Final = 0.5
"""Weight of the disagreement of the models, which lowers the doubt: where models differ, an image is hard."""
INTERIOR: Final = 0.02
"""Share of the union, see rule 3."""
OUTLINES_AGREE: Final = 0.6
"""Boundary IoU, see rule 2."""
DIFFER: Final = 1 - HARD_BELOW
"""Predictions that disagree more than this differ, see rule 4."""


def verdict(evidence: Evidence | None, *, miou: float | None, boundary_iou: float | None) -> Verdict:
    """Return the verdict on a labelled sample; without evidence the prediction was not finite.

    >>> from labeling.verdicts.evidence import Evidence
    >>> sure = Evidence(contradicted=0.3, interior_error=0.4, disagreement=0.1, best_other=0.6)
    >>> verdict(sure, miou=0.6, boundary_iou=0.2)
    'label_error'
    """
    if evidence is None or miou is None:
        return "model_error"
    if _is_wrong(evidence, doubt=label_doubt(evidence, miou=miou)):
        return "label_error"
    if miou >= HARD_BELOW and (boundary_iou or 0.0) >= OUTLINES_AGREE:
        return "ok"
    if evidence.interior_error < INTERIOR:
        return "boundary_only"
    differ = evidence.disagreement is not None and evidence.disagreement > DIFFER
    fits_other = evidence.best_other is not None and evidence.best_other >= HARD_BELOW
    return "model_error" if differ or fits_other else "ambiguous"


def _is_wrong(evidence: Evidence, *, doubt: float | None) -> bool:
    is_contradicted = evidence.contradicted > CONTRADICTED
    if doubt is None:
        return is_contradicted
    return doubt > DOUBTED or (is_contradicted and evidence.predictions > PAIR)


def label_doubt(evidence: Evidence, *, miou: float) -> float | None:
    """Return the doubt about a label, -1.5..1, higher = look first; None where its outline was not compared with edges.

    It is high where no model agrees with the label, the models agree with each other, and the outline does not follow
    the edges of the image: 1 - best mIoU - 0.5 x disagreement - outline support. The formula is ours.

    >>> from labeling.verdicts.evidence import Evidence
    >>> shifted = Evidence(contradicted=0.0, interior_error=0.4, disagreement=0.1, best_other=0.6, outline_support=0.1)
    >>> round(label_doubt(shifted, miou=0.5), 2)
    0.25
    """
    if evidence.outline_support is None:
        return None
    best = max(miou, evidence.best_other or 0.0)
    return 1 - best - SPLIT * (evidence.disagreement or 0.0) - evidence.outline_support

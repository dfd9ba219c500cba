"""What is wrong with a sample, as far as numbers can tell: its label, the model, the outline alone, or nothing.

The rule, first match wins; shares are of the union of label and predicted person:

1. `label_error`   the predictions, together, are sure that more than 10 % of it is labelled wrongly;
2. `ok`            mIoU at least 0.8, and outlines that agree: a boundary IoU of at least 0.6;
3. `boundary_only` less than 2 % of it is wrong away from outlines;
4. `model_error`   another model gets mIoU at least 0.8 with the label, or the predictions differ among each other;
5. `ambiguous`     whatever is left: predictions agree, against the label, but are not sure.

A prediction that is not finite is a `model_error`. What has no label has no verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from models.metrics.summary import HARD_BELOW

if TYPE_CHECKING:
    from labeling.evidence import Evidence

Verdict: TypeAlias = Literal["label_error", "model_error", "ambiguous", "boundary_only", "ok"]
VERDICTS: Final[dict[str, str]] = {
    "label_error": "the predictions are sure that part of the label is wrong",
    "model_error": "the label fits what other predictions say, or these differ among each other",
    "ambiguous": "the predictions agree against the label, but none is sure",
    "boundary_only": "only the outline differs",
    "ok": "label and prediction agree",
}
CONTRADICTED: Final = 0.1
INTERIOR: Final = 0.02
OUTLINES_AGREE: Final = 0.6
DIFFER: Final = 1 - HARD_BELOW


def verdict(evidence: Evidence | None, *, miou: float | None, boundary_iou: float | None) -> Verdict:
    """Give the verdict on a labelled sample; without evidence the prediction was not finite.

    >>> from labeling.evidence import Evidence
    >>> sure = Evidence(contradicted=0.3, interior_error=0.4, disagreement=0.1, best_other=0.6)
    >>> verdict(sure, miou=0.6, boundary_iou=0.2)
    'label_error'
    """
    if evidence is None or miou is None:
        return "model_error"
    if evidence.contradicted > CONTRADICTED:
        return "label_error"
    if miou >= HARD_BELOW and (boundary_iou or 0.0) >= OUTLINES_AGREE:
        return "ok"
    if evidence.interior_error < INTERIOR:
        return "boundary_only"
    differ = evidence.disagreement is not None and evidence.disagreement > DIFFER
    fits_other = evidence.best_other is not None and evidence.best_other >= HARD_BELOW
    return "model_error" if differ or fits_other else "ambiguous"

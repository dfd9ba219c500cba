"""What the annotations of a task say: whose counts, what was found, and the mask; pure, without a server or a disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from curation.images.pixels import Mask
from curation.quarantine import BadRecord, Code
from labeling.answers import Answer
from labeling.label_tools.label_studio.drawing.regions import Frame, Region, draw, labels_of, regions_of, unlabelled
from labeling.label_tools.label_studio.project.label_config import CONFIG_HASH, PERSON, VERDICT
from labeling.label_tools.label_studio.project.ledger import in_utc, server_time
from labeling.label_tools.label_studio.project.tasks import OFFERED, OFFERED_LABEL, Task
from labeling.label_tools.label_studio.server.responses import Annotation, Annotator, Prediction

WITHOUT_MASK: Final = frozenset({Answer.AMBIGUOUS, Answer.UNUSABLE})
"""What is said of a picture that keeps its label."""
UNSURE: Final = frozenset({None, Answer.FIXED})
"""Answers that cannot be of a mask which nobody changed."""
AS_SHOWN: Final = frozenset({Answer.RIGHT, Answer.OTHER})
"""Answers that take a mask as it was shown, and cannot be of one that was changed."""
LEAST_SHARE: Final = 0.1
"""Of the larger of two areas: one key does not replace a label by a mask when the smaller area is less. Among 200 real
portraits even the masks of two different pictures have areas this far apart in 2 of 100 pairs only."""
PERSONS: Final = frozenset({PERSON})
STILL_DRAWN: Final = (
    "open the task in Label Studio: where nobody is there, delete the mask; where somebody is, choose another answer; "
    "submit it again, then pull again"
)
UNLIKE: Final = (
    "open the task in Label Studio: where it was a slip, choose the answer that fits; where that mask is right, "
    "{}; submit it again, then pull again"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offered:
    """What the annotators of a task began with: the mask to start from and the other one, None where there was none.

    `with_answer`: the task was made for a page that takes no submission without an answer. `is_lost`: it had a mask to
    start from, which the server no longer holds. `is_other_label`: the other mask is the label, and the start is none.
    """

    start: Mask | None = None
    other: Mask | None = None
    with_answer: bool = False
    is_lost: bool = False
    is_other_label: bool = False


NOTHING_OFFERED: Final = Offered()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What one annotation says; `mask` is None where the label stays as it is."""

    annotation: int
    annotator: str
    verdict: Answer | None
    seconds: float | None
    annotated_at: str
    mask: Mask | None
    agreement: float | None = None


def offered_of(predictions: Sequence[Prediction], *, frame: Frame, task: Task) -> Offered:
    """Return what a task offered, as the server holds it. Raises BadRecord: BRUSH_RLE, REGION.

    Tasks of earlier versions hold one mask at most: the one to start from.
    """
    found: dict[str, Mask] = {}
    for one in predictions:
        name = "other" if (one.model_version or "").startswith(OFFERED) else "start"
        if name not in found:
            found[name] = drawn_mask(one, frame=frame)[0]
    return Offered(
        **found,
        with_answer=task.config == CONFIG_HASH,
        is_lost=task.with_start and "start" not in found,
        is_other_label=any(one.model_version == OFFERED_LABEL for one in predictions),
    )


def submitted_of(annotations: Iterable[Annotation | Mapping[str, Any]]) -> list[Annotation]:
    """Return the submitted annotations, the newest first; a skip is a cancelled one, a draft is none at all."""
    known = msgspec.convert(list(annotations), list[Annotation])  # those that are such already pass as they are
    submitted = [one for one in known if not one.was_cancelled]
    return sorted(submitted, key=lambda one: (in_utc(one.updated_at), one.id), reverse=True)


def labels_in(annotations: Sequence[Annotation], *, persons: frozenset[str]) -> set[str]:
    """Return the labels of all regions that carry none of a person; malformed ones are set aside with their task."""
    found: set[str] = set()
    for one in annotations:
        try:
            regions = labels_of(regions_of(one.result, name=""), name="")
        except BadRecord:  # its task is set aside when it is read
            continue
        found |= {label for _, labels in regions if not labels & persons for label in labels}
    return found


def read_annotations(
    annotations: Sequence[Annotation | Mapping[str, Any]],
    *,
    frame: Frame,
    persons: frozenset[str] = PERSONS,
    offered: Offered = NOTHING_OFFERED,
) -> Reading | None:
    """Return what the newest submitted annotation says, None where none is submitted.

    `persons` are the labels that mean a person. `agreement` is the lowest IoU of its mask with the newest of each
    other annotator. Raises BadRecord: BRUSH_RLE, REGION, AMBIGUOUS_EMPTY, UNANSWERED, CONTRADICTION.
    """
    submitted = submitted_of(annotations)
    if not submitted:
        return None
    newest = submitted[0]
    verdict = verdict_of(newest, frame=frame)
    drawn, regions = taken_mask(newest, frame=frame, persons=persons, offered=offered)
    if verdict in AS_SHOWN:
        painted, _ = drawn_mask(newest, frame=frame, persons=persons)
        _refuse_contradiction(painted, verdict=verdict, frame=frame, offered=offered)
    annotator = annotator_of(newest)
    return Reading(
        annotation=newest.id,
        annotator=annotator,
        verdict=verdict,
        seconds=newest.lead_time,
        annotated_at=server_time(newest.updated_at),
        mask=_meant(drawn, verdict=verdict, regions=regions, frame=frame, offered=offered),
        agreement=_agreement(
            drawn, others=submitted[1:], annotator=annotator, frame=frame, persons=persons, offered=offered
        ),
    )


def verdict_of(annotation: Annotation, *, frame: Frame) -> Answer | None:
    """Return the choice of an annotation, None where none was made or it is not ours. Raises BadRecord: REGION."""
    for region in regions_of(annotation.result, name=frame.name):
        if region.from_name == VERDICT:
            choices = region.value.get("choices")
            for choice in choices if isinstance(choices, list) else ():
                if isinstance(choice, str) and choice in set(Answer):
                    return Answer(choice)
    return None


def drawn_mask(
    annotation: Annotation | Prediction, *, frame: Frame, persons: frozenset[str] = PERSONS
) -> tuple[Mask, int]:
    """Return the union of all regions of persons, and how many these are.

    Raises BadRecord: BRUSH_RLE, REGION; where one region cannot be read, the others are not taken either.
    """
    mask = np.zeros((frame.height, frame.width), np.uint8)
    regions = persons_in(annotation, frame=frame, persons=persons)
    for region in regions:
        mask |= draw(region, frame=frame)
    return mask, len(regions)


def taken_mask(
    annotation: Annotation, *, frame: Frame, persons: frozenset[str] = PERSONS, offered: Offered
) -> tuple[Mask, int]:
    """Return the mask that an annotation takes, and of how many regions: the other one where its answer is that.

    Raises BadRecord: BRUSH_RLE, REGION, UNANSWERED where no other mask was offered.
    """
    if verdict_of(annotation, frame=frame) != Answer.OTHER:
        return drawn_mask(annotation, frame=frame, persons=persons)
    if offered.other is None:
        raise _unanswered(f"says {Answer.OTHER!r}, and the task offers no other mask", frame=frame)
    return offered.other, 1


def persons_in(annotation: Annotation | Prediction, *, frame: Frame, persons: frozenset[str]) -> list[Region]:
    """Return the regions of persons. Raises BadRecord: REGION where one says not what it is of."""
    found = []
    for region, labels in labels_of(regions_of(annotation.result, name=frame.name), name=frame.name):
        if not labels:
            raise unlabelled(region, frame=frame)
        if labels & persons:
            found.append(region)
    return found


def mask_iou(first: Mask, *, second: Mask) -> float:
    """Return the intersection of two masks over their union; two empty ones agree.

    >>> mask_iou(np.array([[255, 255, 0]], np.uint8), second=np.array([[0, 255, 255]], np.uint8))
    0.3333333333333333
    """
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def annotator_of(annotation: Annotation) -> str:
    """Return the number of the annotator, as text; names and mail addresses stay on the server."""
    by = annotation.completed_by
    return str(by.id if isinstance(by, Annotator) else by)


def _meant(drawn: Mask, *, verdict: Answer | None, regions: int, frame: Frame, offered: Offered) -> Mask | None:
    """Return the mask that is meant; an empty one only where somebody says that there is nobody.

    A mask that was only submitted again is no label: it counts where the answer is that it was right.
    """
    if verdict in WITHOUT_MASK:
        return None
    is_empty, hint = not drawn.any(), ""
    if is_empty == (verdict == Answer.NO_PERSON):
        _refuse_unanswered(drawn, verdict=verdict, frame=frame, offered=offered)
        return drawn
    if not is_empty:
        reason, hint = "says that nobody is there, and shows a mask", STILL_DRAWN
    elif regions:
        reason = f"what is drawn ({regions} regions) covers no pixel, and it is not said that there is nobody"
    else:
        reason = "no person is drawn, and not said that there is nobody"
    raise BadRecord(Code.AMBIGUOUS_EMPTY, reason, file=frame.name, field=VERDICT, hint=hint)


def _refuse_unanswered(drawn: Mask, *, verdict: Answer | None, frame: Frame, offered: Offered) -> None:
    """Raise BadRecord: UNANSWERED where nobody can say that a person looked at the mask, or changed it.

    A change without an answer counts in tasks of earlier versions, whose pages asked for none.
    """
    told = "there is no answer" if verdict is None else f"the answer is {str(verdict)!r}"
    if verdict in UNSURE and offered.is_lost:
        raise _unanswered(f"{told}, and the mask to start from is gone: whether it was changed is unknown", frame=frame)
    if verdict in UNSURE and offered.start is not None and np.array_equal(drawn, offered.start):
        raise _unanswered(f"{told}, and the mask is the one to start from, to the pixel", frame=frame)
    if verdict is None and offered.with_answer:
        raise _unanswered("a mask is drawn, and there is no answer", frame=frame)


def _refuse_contradiction(painted: Mask, *, verdict: Answer | None, frame: Frame, offered: Offered) -> None:
    """Raise BadRecord: CONTRADICTION where a mask shall be taken as it was shown, and something else was drawn.

    The same where it is far smaller or larger than the label that it would replace: a wrong key does that. Whoever
    answers that the other mask is right, and deleted the one to start from, has said both, and is believed.
    """
    if offered.start is None or not painted.any():
        return
    if changed := np.count_nonzero(painted != offered.start):
        reason = f"{str(verdict)!r} takes a mask as it was shown, and {changed:,} pixels were painted or erased"
        raise BadRecord(Code.CONTRADICTION, reason, file=frame.name, field=VERDICT)
    taken, label = (offered.start, offered.other) if verdict == Answer.RIGHT else (offered.other, offered.start)
    if taken is None or label is None or offered.is_other_label != (verdict == Answer.RIGHT) or not label.any():
        return  # the label stays, or there is none
    small, large = sorted(areas := (np.count_nonzero(taken), np.count_nonzero(label)))
    if small < LEAST_SHARE * large:
        iou = mask_iou(taken, second=label)
        reason = f"{str(verdict)!r} takes a mask of {areas[0]:,} pixels for a label of {areas[1]:,}, IoU {iou:.2f}"
        hint = UNLIKE.format(
            "touch it up and answer `fixed`" if verdict == Answer.RIGHT else "delete the blue one first"
        )
        raise BadRecord(Code.CONTRADICTION, reason, file=frame.name, field=VERDICT, hint=hint)


def _unanswered(reason: str, *, frame: Frame) -> BadRecord:
    return BadRecord(Code.UNANSWERED, reason, file=frame.name, field=VERDICT)


def _agreement(
    drawn: Mask,
    *,
    others: Sequence[Annotation],
    annotator: str,
    frame: Frame,
    persons: frozenset[str],
    offered: Offered,
) -> float | None:
    newest: dict[str, Annotation] = {}
    for one in others:
        newest.setdefault(annotator_of(one), one)
    masks = [
        taken_mask(one, frame=frame, persons=persons, offered=offered)[0]
        for who, one in newest.items()
        if who != annotator
    ]
    return min((mask_iou(drawn, second=mask) for mask in masks), default=None)

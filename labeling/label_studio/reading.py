"""What the annotations of a task say: whose counts, what was found, and the mask; pure, without a server or a disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np

from curation.pixels import Mask
from curation.quarantine import BadRecord, Code
from labeling.label_studio.answers import Annotation, Annotator, Prediction
from labeling.label_studio.config import CONFIG_HASH, PERSON, VERDICT, Verdict
from labeling.label_studio.regions import Frame, Region, draw, labels_of, regions_of, unlabelled
from labeling.label_studio.tasks import OFFERED, Task

WITHOUT_MASK: Final = frozenset({Verdict.AMBIGUOUS, Verdict.UNUSABLE})
"""What is said of a picture that keeps its label."""
UNSURE: Final = frozenset({None, Verdict.FIXED})
"""Answers that cannot be of a mask which nobody changed."""
PERSONS: Final = frozenset({PERSON})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offered:
    """What the annotators of a task began with: the mask to start from and the other one, None where there was none.

    `with_answer`: the task was made for a page that takes no submission without an answer. `is_lost`: it had a mask to
    start from, which the server no longer holds.
    """

    start: Mask | None = None
    other: Mask | None = None
    with_answer: bool = False
    is_lost: bool = False


NOTHING_OFFERED: Final = Offered()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What one annotation says; `mask` is None where the label stays as it is."""

    annotation: int
    annotator: str
    verdict: Verdict | None
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
    is_lost = task.with_start and "start" not in found
    return Offered(**found, with_answer=task.config == CONFIG_HASH, is_lost=is_lost)


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
    other annotator. Raises BadRecord: BRUSH_RLE, REGION, AMBIGUOUS_EMPTY, UNANSWERED.
    """
    submitted = submitted_of(annotations)
    if not submitted:
        return None
    newest = submitted[0]
    verdict = verdict_of(newest, frame=frame)
    drawn, regions = _taken(newest, frame=frame, persons=persons, offered=offered)
    annotator = annotator_of(newest)
    return Reading(
        annotation=newest.id,
        annotator=annotator,
        verdict=verdict,
        seconds=newest.lead_time,
        annotated_at=told(newest.updated_at),
        mask=_meant(drawn, verdict=verdict, regions=regions, frame=frame, offered=offered),
        agreement=_agreement(
            drawn, others=submitted[1:], annotator=annotator, frame=frame, persons=persons, offered=offered
        ),
    )


def verdict_of(annotation: Annotation, *, frame: Frame) -> Verdict | None:
    """Return the choice of an annotation, None where none was made or it is not ours. Raises BadRecord: REGION."""
    for region in regions_of(annotation.result, name=frame.name):
        if region.from_name == VERDICT:
            choices = region.value.get("choices")
            for choice in choices if isinstance(choices, list) else ():
                if isinstance(choice, str) and choice in set(Verdict):
                    return Verdict(choice)
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


def in_utc(moment: datetime) -> datetime:
    """Return a time of the server, which is of UTC where it does not say."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def told(moment: datetime) -> str:
    """Return a time as Label Studio writes it.

    >>> told(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return in_utc(moment).isoformat().replace("+00:00", "Z")


def _taken(annotation: Annotation, *, frame: Frame, persons: frozenset[str], offered: Offered) -> tuple[Mask, int]:
    """Return the mask that an annotation shows, and of how many regions: the other one where its answer takes that."""
    if verdict_of(annotation, frame=frame) != Verdict.OTHER:
        return drawn_mask(annotation, frame=frame, persons=persons)
    if offered.other is None:
        raise _unanswered(f"says {Verdict.OTHER!r}, and the task offers no other mask", frame=frame)
    return offered.other, 1


def _meant(drawn: Mask, *, verdict: Verdict | None, regions: int, frame: Frame, offered: Offered) -> Mask | None:
    """Return the mask that is meant; an empty one only where somebody says that there is nobody.

    A mask that was only submitted again is no label: it counts where the answer is that it was right.
    """
    if verdict in WITHOUT_MASK:
        return None
    is_empty = not drawn.any()
    if is_empty == (verdict == Verdict.NO_PERSON):
        _refuse_unanswered(drawn, verdict=verdict, frame=frame, offered=offered)
        return drawn
    if not is_empty:
        reason = "says that nobody is there, and shows a mask"
    elif regions:
        reason = f"what is drawn ({regions} regions) covers no pixel, and it is not said that there is nobody"
    else:
        reason = "no person is drawn, and not said that there is nobody"
    raise BadRecord(Code.AMBIGUOUS_EMPTY, reason, file=frame.name, field=VERDICT)


def _refuse_unanswered(drawn: Mask, *, verdict: Verdict | None, frame: Frame, offered: Offered) -> None:
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
        _taken(one, frame=frame, persons=persons, offered=offered)[0] for who, one in newest.items() if who != annotator
    ]
    return min((mask_iou(drawn, second=mask) for mask in masks), default=None)

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
from labeling.label_studio.answers import Annotation, Annotator
from labeling.label_studio.config import PERSON, VERDICT, Verdict
from labeling.label_studio.regions import Frame, Region, draw, labels_of, regions_of, unlabelled

WITHOUT_MASK: Final = frozenset({Verdict.AMBIGUOUS, Verdict.UNUSABLE})
"""What is said of a picture that keeps its label."""
PERSONS: Final = frozenset({PERSON})


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
    annotations: Sequence[Annotation | Mapping[str, Any]], *, frame: Frame, persons: frozenset[str] = PERSONS
) -> Reading | None:
    """Return what the newest submitted annotation says, None where none is submitted.

    `persons` are the labels that mean a person. `agreement` is the lowest IoU of its mask with the newest of each
    other annotator. Raises BadRecord: BRUSH_RLE, REGION, AMBIGUOUS_EMPTY.
    """
    submitted = submitted_of(annotations)
    if not submitted:
        return None
    newest = submitted[0]
    verdict = verdict_of(newest, frame=frame)
    drawn, regions = drawn_mask(newest, frame=frame, persons=persons)
    annotator = annotator_of(newest)
    return Reading(
        annotation=newest.id,
        annotator=annotator,
        verdict=verdict,
        seconds=newest.lead_time,
        annotated_at=told(newest.updated_at),
        mask=_meant(drawn, verdict=verdict, regions=regions, frame=frame),
        agreement=_agreement(drawn, others=submitted[1:], annotator=annotator, frame=frame, persons=persons),
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


def drawn_mask(annotation: Annotation, *, frame: Frame, persons: frozenset[str] = PERSONS) -> tuple[Mask, int]:
    """Return the union of all regions of persons, and how many these are.

    Raises BadRecord: BRUSH_RLE, REGION; where one region cannot be read, the others are not taken either.
    """
    mask = np.zeros((frame.height, frame.width), np.uint8)
    regions = persons_in(annotation, frame=frame, persons=persons)
    for region in regions:
        mask |= draw(region, frame=frame)
    return mask, len(regions)


def persons_in(annotation: Annotation, *, frame: Frame, persons: frozenset[str]) -> list[Region]:
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


def _meant(drawn: Mask, *, verdict: Verdict | None, regions: int, frame: Frame) -> Mask | None:
    """Return the mask that is meant; an empty one only where somebody says that there is nobody."""
    if verdict in WITHOUT_MASK:
        return None
    is_empty = not drawn.any()
    if is_empty == (verdict == Verdict.NO_PERSON):
        return drawn
    if not is_empty:
        reason = "says that nobody is there, and shows a mask"
    elif regions:
        reason = f"what is drawn ({regions} regions) covers no pixel, and it is not said that there is nobody"
    else:
        reason = "no person is drawn, and not said that there is nobody"
    raise BadRecord(Code.AMBIGUOUS_EMPTY, reason, file=frame.name, field=VERDICT)


def _agreement(
    drawn: Mask, *, others: Sequence[Annotation], annotator: str, frame: Frame, persons: frozenset[str]
) -> float | None:
    newest: dict[str, Annotation] = {}
    for one in others:
        newest.setdefault(annotator_of(one), one)
    masks = [drawn_mask(one, frame=frame, persons=persons)[0] for who, one in newest.items() if who != annotator]
    return min((mask_iou(drawn, second=mask) for mask in masks), default=None)

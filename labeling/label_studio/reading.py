"""What the annotations of a task say: whose counts, what was found, and the mask; pure, without a server or a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from curation.pixels import Mask
from curation.quarantine import BadRecord, Code
from labeling.label_studio.brush import decode_brush
from labeling.label_studio.config import BRUSH, VERDICT, Verdict

BRUSH_TYPES: Final = frozenset({"brushlabels", "brush"})
WITHOUT_MASK: Final = frozenset({Verdict.AMBIGUOUS, Verdict.UNUSABLE})
"""What is said of a picture that keeps its label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The picture of a task: its size as displayed, and its name for errors."""

    height: int
    width: int
    name: str


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


def submitted_of(annotations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the submitted annotations, the newest first; a skipped task has a cancelled one, a draft is none at all."""
    submitted = [one for one in annotations if not one.get("was_cancelled")]
    return sorted(submitted, key=lambda one: (one["updated_at"], one["id"]), reverse=True)


def labels_in(annotations: Sequence[Mapping[str, Any]]) -> set[str]:
    """Give the names of all labels that brush regions carry."""
    return {
        label for one in annotations for region in _regions(one) for label in region["value"].get("brushlabels", ())
    }


def read_annotations(annotations: Sequence[Mapping[str, Any]], *, frame: Frame) -> Reading | None:
    """Give what the newest submitted annotation says, None where none is submitted.

    `agreement` is the lowest IoU of its mask with the newest of each other annotator.
    Raises BadRecord: BRUSH_RLE, AMBIGUOUS_EMPTY.
    """
    submitted = submitted_of(annotations)
    if not submitted:
        return None
    newest = submitted[0]
    verdict = verdict_of(newest)
    drawn = drawn_mask(newest, frame=frame)
    return Reading(
        annotation=newest["id"],
        annotator=annotator_of(newest),
        verdict=verdict,
        seconds=newest.get("lead_time"),
        annotated_at=newest["updated_at"],
        mask=_meant(drawn, verdict=verdict, frame=frame),
        agreement=_agreement(drawn, others=submitted[1:], annotator=annotator_of(newest), frame=frame),
    )


def verdict_of(annotation: Mapping[str, Any]) -> Verdict | None:
    """Give the choice of an annotation, None where none was made or it is not ours."""
    for region in annotation.get("result") or ():
        if region.get("from_name") == VERDICT:
            for choice in region["value"].get("choices", ()):
                if choice in set(Verdict):
                    return Verdict(choice)
    return None


def drawn_mask(annotation: Mapping[str, Any], *, frame: Frame) -> Mask:
    """Give the union of all brush regions; what was erased in one is no part of it.

    Raises BadRecord: BRUSH_RLE.
    """
    mask = np.zeros((frame.height, frame.width), np.uint8)
    for region in _regions(annotation):
        size = (region.get("original_height"), region.get("original_width"))
        if size != mask.shape or region.get("image_rotation"):
            turned = f", turned by {region['image_rotation']}" if region.get("image_rotation") else ""
            reason = f"the region is {size[1]} x {size[0]}{turned}; the image is {frame.width} x {frame.height}"
            raise BadRecord(Code.BRUSH_RLE, reason, file=frame.name, field="original_width,original_height")
        rle = region["value"].get("rle")
        if region["value"].get("format") != "rle" or rle is None:
            raise BadRecord(Code.BRUSH_RLE, "the region holds no run lengths", file=frame.name, field="format")
        mask |= decode_brush(rle, height=frame.height, width=frame.width, file=frame.name)
    return mask


def mask_iou(first: Mask, *, second: Mask) -> float:
    """Give the intersection of two masks over their union; two empty ones agree.

    >>> mask_iou(np.array([[255, 255, 0]], np.uint8), second=np.array([[0, 255, 255]], np.uint8))
    0.3333333333333333
    """
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def annotator_of(annotation: Mapping[str, Any]) -> str:
    """Give the number of the annotator, as text; names and mail addresses stay on the server."""
    by = annotation.get("completed_by")
    return str(by.get("id") if isinstance(by, Mapping) else by)


def _regions(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        region
        for region in annotation.get("result") or ()
        if region.get("type") in BRUSH_TYPES and region.get("from_name") == BRUSH
    ]


def _meant(drawn: Mask, *, verdict: Verdict | None, frame: Frame) -> Mask | None:
    """Give the mask that is meant; an empty one only where somebody says that there is nobody."""
    if verdict in WITHOUT_MASK:
        return None
    is_empty = not drawn.any()
    if is_empty != (verdict == Verdict.NO_PERSON):
        reason = "nothing is drawn, and not said that there is nobody" if is_empty else "says that nobody is there"
        raise BadRecord(
            Code.AMBIGUOUS_EMPTY, reason if is_empty else f"{reason}, and shows a mask", file=frame.name, field=VERDICT
        )
    return drawn


def _agreement(drawn: Mask, *, others: Sequence[Mapping[str, Any]], annotator: str, frame: Frame) -> float | None:
    newest: dict[str, Mapping[str, Any]] = {}
    for one in others:
        newest.setdefault(annotator_of(one), one)
    found = [mask_iou(drawn, second=drawn_mask(one, frame=frame)) for who, one in newest.items() if who != annotator]
    return min(found, default=None)

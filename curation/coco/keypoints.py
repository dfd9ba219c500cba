"""Half-body portraits, told from COCO's person keypoints: the framing that portrait pictures have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from curation.coco.json_text import decode_whole, mapped
from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code, QuarantineRecord

STAGE: Final = "read keypoints"
# COCO's order: nose, left and right eye, ear, shoulder, elbow, wrist, hip, knee, ankle; each x, y, v with v = 0 not
# labelled, 1 labelled but hidden, 2 visible. Source: https://cocodataset.org/#format-data, "Keypoint Detection".
KEYPOINTS: Final = 17
NOSE: Final = 0
EYES: Final = (1, 2)
SHOULDERS: Final = (5, 6)
LEGS: Final = (13, 14, 15, 16)
"""Knees and ankles."""
VISIBLE: Final = 2
MIN_SHOULDER_SHARE: Final = 0.25
"""Of the frame's width: shoulders this wide fill a portrait even when a knee shows, as it does on seated people."""

Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]


class PersonKeypoints(msgspec.Struct, gc=False):
    """One record of a person keypoints file; `bbox` is x, y, width, height in pixels."""

    image_id: int
    keypoints: list[Number]
    bbox: tuple[Number, Number, Number, Number]


class _KeypointFile(msgspec.Struct):
    annotations: list[msgspec.Raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portraits:
    """The ids of the images whose largest person is framed like a portrait, and the records that could not be read."""

    image_ids: frozenset[int]
    broken: tuple[QuarantineRecord, ...] = ()


def read_portraits(path: Path, *, widths: dict[int, int]) -> Portraits:
    """Read a person keypoints file; `widths` holds the frame width of each image, other images are passed over.

    Raises InputRefused as `read_coco` does, and for a file in which no record has keypoints.
    """
    decoder = msgspec.json.Decoder(PersonKeypoints)
    largest: dict[int, PersonKeypoints] = {}
    broken: list[QuarantineRecord] = []
    with mapped(path) as data:
        annotations = decode_whole(data, kind=_KeypointFile, path=path).annotations
        if annotations and not any(b'"keypoints"' in bytes(raw) for raw in annotations):
            remedy = "give the keypoints file, named like person_keypoints_train2017.json, of the same images"
            raise InputRefused("no annotation of this file has keypoints", where=path, remedy=remedy)
        for position, raw in enumerate(annotations):
            try:
                person = _read_person(raw, decoder=decoder)
            except BadRecord as error:
                broken.append(error.record(stage=STAGE, file=path, record_id=f"annotations[{position}]"))
                continue
            known = largest.get(person.image_id)
            if known is None or _box_area(person) > _box_area(known):
                largest[person.image_id] = person
    portraits = (
        image_id
        for image_id, person in largest.items()
        if image_id in widths and is_half_body(person.keypoints, frame_width=widths[image_id])
    )
    return Portraits(image_ids=frozenset(portraits), broken=tuple(broken))


def is_half_body(keypoints: list[float], *, frame_width: int) -> bool:
    """Say whether a person with these 17 keypoints (x, y, v) is framed like a half-body portrait.

    The nose and an eye are visible, both shoulders are labelled, and either no knee or ankle is visible or the
    shoulders span at least `MIN_SHOULDER_SHARE` of the frame.

    >>> is_half_body([50, 20, 2, 55, 15, 2] + [0, 0, 0] * 3 + [30, 60, 2, 70, 60, 1] + [0, 0, 0] * 10, frame_width=100)
    True
    """
    flags = keypoints[2::3]
    has_face = flags[NOSE] == VISIBLE and any(flags[eye] == VISIBLE for eye in EYES)
    has_shoulders = all(flags[shoulder] > 0 for shoulder in SHOULDERS)
    if not (has_face and has_shoulders):
        return False
    left, right = (keypoints[3 * shoulder] for shoulder in SHOULDERS)
    has_legs = any(flags[leg] == VISIBLE for leg in LEGS)
    return not has_legs or abs(left - right) >= MIN_SHOULDER_SHARE * frame_width


def _read_person(raw: msgspec.Raw, *, decoder: msgspec.json.Decoder[PersonKeypoints]) -> PersonKeypoints:
    try:
        person = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(Code.JSON_VALUE, str(error), field="keypoints") from error
    if len(person.keypoints) != 3 * KEYPOINTS or not set(person.keypoints[2::3]) <= {0, 1, 2}:
        reason = f"expected {KEYPOINTS} triples x, y, v with v of 0, 1 or 2; got {len(person.keypoints)} numbers"
        raise BadRecord(Code.JSON_VALUE, reason, field="keypoints", value=person.keypoints)
    return person


def _box_area(person: PersonKeypoints) -> float:
    return person.bbox[2] * person.bbox[3]

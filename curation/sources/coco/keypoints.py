"""Half-body portraits, told from COCO's person keypoints: the framing that portrait pictures have.

Keypoints belong to the persons of an instances file: both files of a split give a person the same annotation id.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.sources.coco.json_file import decode_whole, mapped
from curation.sources.coco.records import RecordId

STAGE: Final = "read keypoints"
# COCO's order: nose, left and right eye, ear, shoulder, elbow, wrist, hip, knee, ankle; each x, y, v with v = 0 not
# labelled, 1 labelled but hidden, 2 visible. Source: https://cocodataset.org/#format-data, "Keypoint Detection".
KEYPOINTS: Final = 17
FACE: Final = slice(0, 5)
"""Nose, eyes and ears."""
LEGS: Final = slice(13, 17)
"""Knees and ankles."""
VISIBLE: Final = 2
# Chosen on the 36 images with persons of COCO's train2017 that `python -m tests.bench portraits` measures, with labels
# by eye; the other half, of val2017, did not take part in the choice.
MIN_FACE_POINTS: Final = 3
"""Of five: a face in profile shows nose, eye and ear."""
MIN_HEIGHT: Final = 0.5
"""Of the frame's height; the middle between the least portrait (0.66) and the largest other person so framed (0.36)."""
MIN_SHARE: Final = 0.15
"""Of the frame, covered by the person's box; the middle between 0.25 and 0.06, as above."""
MAX_TALL_OTHERS: Final = 1
"""Two people make a portrait of two; more, each at least half as tall as the largest, make a group or a crowd."""
TALL: Final = 0.5
MIN_MATCHED: Final = 0.5
"""Of the persons that either file has, whichever are fewer: files of one split, also where one holds only a part."""
REMEDY: Final = "give the keypoints file, named like person_keypoints_train2017.json, of the same images"

Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Length = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class PersonKeypoints(msgspec.Struct, gc=False):
    """One record of a person keypoints file; `bbox` is x, y, width, height in pixels."""

    id: RecordId
    image_id: RecordId
    keypoints: list[Number]
    bbox: tuple[Number, Number, Length, Length]
    num_keypoints: int | None = None
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool = 0

    @property
    def area(self) -> float:
        """Return the area of the box, in pixels."""
        return self.bbox[2] * self.bbox[3]


class _Place(msgspec.Struct, gc=False):
    image_id: RecordId


class _KeypointFile(msgspec.Struct):
    annotations: list[msgspec.Raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portraits:
    """Which images are half-body portraits (`image_ids`), and of which nothing can be said for lack of keypoints.

    `judged` are the ids of all images of which all persons have a record; `broken` the records that could not be read.
    """

    image_ids: frozenset[int]
    judged: frozenset[int] = frozenset()
    broken: tuple[QuarantineRecord, ...] = ()

    def reason_against(self, image_id: int) -> str | None:
        """Return the filter reason of an image with persons, None for a portrait."""
        if image_id in self.image_ids:
            return None
        return "not_portrait" if image_id in self.judged else "no_keypoints"


def read_portraits(path: Path, *, frames: Mapping[int, tuple[int, int]], persons: Mapping[int, int]) -> Portraits:
    """Read a person keypoints file beside the instances file that it belongs to.

    `frames` holds (height, width) of each image by id, `persons` the image id of each person of the instances file,
    crowds aside, by annotation id. Records of other images are passed over. An image is judged when both files have
    the same people for it, and no broken record names it.
    Raises InputRefused as `read_coco` does, for a file in which no record has keypoints, and for one that has too few
    persons in common with the instances file, as those of another split have.
    """
    with mapped(path) as data:
        annotations = decode_whole(data, kind=_KeypointFile, path=path).annotations
        if annotations and not any(b'"keypoints"' in bytes(raw) for raw in annotations):
            raise InputRefused("no annotation of this file has keypoints", where=path, remedy=REMEDY)
        records = _Records(path)
        for position, raw in enumerate(annotations):
            records.add(raw, position=position)
    sound = [one for one in records.sound() if not one.iscrowd]
    people: dict[int, list[PersonKeypoints]] = defaultdict(list)
    for one in sound:
        if persons.get(one.id) == one.image_id:
            people[one.image_id].append(one)
    _refuse_other_split(sum(map(len, people.values())), records=len(sound), persons=len(persons), path=path)
    # the largest person is known only where every person is in both files
    known, told = Counter(persons.values()), Counter(one.image_id for one in sound)
    whole = {image_id for image_id, some in people.items() if len(some) == known[image_id] == told[image_id]}
    judged = frozenset(whole - records.unsure)
    found = (image_id for image_id in judged if is_half_body(people[image_id], frame=frames[image_id]))
    return Portraits(image_ids=frozenset(found), judged=judged, broken=tuple(records.broken))


def is_half_body(people: Sequence[PersonKeypoints], *, frame: tuple[int, int]) -> bool:
    """Tell whether the largest of some people, none of them a crowd, is framed like a half-body portrait.

    At least `MIN_FACE_POINTS` of her face are visible and no knee or ankle is; her box has at least `MIN_HEIGHT` of
    the frame's height and `MIN_SHARE` of the frame (height, width); at most `MAX_TALL_OTHERS` other people are at
    least half as tall.

    >>> face, rest = [50, 20, 2, 55, 15, 2, 45, 15, 2], [0, 0, 0] * 14
    >>> person = PersonKeypoints(id=1, image_id=1, keypoints=face + rest, bbox=(20, 10, 60, 90))
    >>> is_half_body([person], frame=(100, 100)), is_half_body([person], frame=(200, 200))
    (True, False)
    """
    largest = max(people, key=lambda one: (one.area, -one.id))
    flags = largest.keypoints[2::3]
    tall = sum(one.bbox[3] >= TALL * largest.bbox[3] for one in people if one is not largest)
    return (
        flags[FACE].count(VISIBLE) >= MIN_FACE_POINTS
        and VISIBLE not in flags[LEGS]
        and largest.bbox[3] >= MIN_HEIGHT * frame[0]
        and largest.area >= MIN_SHARE * frame[0] * frame[1]
        and tall <= MAX_TALL_OTHERS
    )


def _refuse_other_split(matched: int, *, records: int, persons: int, path: Path) -> None:
    """Raise InputRefused when two files can hardly be of one split; without any person there is nothing to refuse."""
    if persons and (not records or matched < MIN_MATCHED * min(records, persons)):
        raise InputRefused(
            f"{matched} of the {records} persons of this file are among the {persons} persons of the instances file, "
            "by annotation id and image id: it is of another split, or of other images",
            where=path,
            remedy=REMEDY,
        )


class _Records:
    """The records of a keypoints file: the sound ones, and lines for the broken ones.

    `unsure` are the ids of the images that a broken record names.
    """

    def __init__(self, path: Path) -> None:
        self.broken: list[QuarantineRecord] = []
        self.unsure: set[int] = set()
        self._path = path
        self._decoder = msgspec.json.Decoder(PersonKeypoints)
        self._claims: dict[int, list[PersonKeypoints]] = {}

    def add(self, raw: msgspec.Raw, *, position: int) -> None:
        """Read one record."""
        try:
            person = _read_person(raw, decoder=self._decoder)
        except BadRecord as error:
            self._set_aside(error, record_id=f"annotations[{position}]", images=_image_of(raw))
            return
        claimants = self._claims.setdefault(person.id, [])
        if person not in claimants:  # said twice is said once
            claimants.append(person)

    def sound(self) -> Iterable[PersonKeypoints]:
        """Return the records whose id no other record claims; what is claimed by several is set aside."""
        for record_id, claimants in self._claims.items():
            if len(claimants) == 1:
                yield claimants[0]
                continue
            reason = f"{len(claimants)} records have the id {record_id}, and differ"
            images = {one.image_id for one in claimants}
            self._set_aside(BadRecord(Code.DUP_ID, reason, field="id"), record_id=str(record_id), images=images)

    def _set_aside(self, error: BadRecord, *, record_id: str, images: set[int]) -> None:
        self.broken.append(error.record(stage=STAGE, file=self._path, record_id=record_id))
        self.unsure |= images


def _image_of(raw: msgspec.Raw) -> set[int]:
    """Return the id of the image that a broken record names, as far as it can be read."""
    try:
        return {msgspec.json.decode(raw, type=_Place).image_id}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return set()


def _read_person(raw: msgspec.Raw, *, decoder: msgspec.json.Decoder[PersonKeypoints]) -> PersonKeypoints:
    try:
        person = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(Code.JSON_VALUE, str(error), field="keypoints") from error
    flags = person.keypoints[2::3]
    if len(person.keypoints) != 3 * KEYPOINTS or not set(flags) <= {0, 1, 2}:
        reason = f"expected {KEYPOINTS} triples x, y, v with v of 0, 1 or 2; got {len(person.keypoints)} numbers"
        raise BadRecord(Code.JSON_VALUE, reason, field="keypoints", value=person.keypoints)
    labelled = KEYPOINTS - flags.count(0)
    if person.num_keypoints not in (None, labelled):
        reason = f"num_keypoints says {person.num_keypoints}, {labelled} keypoints are labelled (v of 1 or 2)"
        raise BadRecord(Code.JSON_VALUE, reason, field="num_keypoints", value=person.num_keypoints)
    return person

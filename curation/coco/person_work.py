"""The work on one COCO image with people: draw the mask, check the image, place both in the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from curation.checksums import digest_column
from curation.coco.people import RawPerson, draw_outline
from curation.coco.raster import RunLengths, count_pixels, merge, to_array
from curation.labels import place_labels
from curation.originals import Verify, check_original, place_original
from curation.pixels import Mask, encode_gray, encode_mask
from curation.quarantine import BadRecord, QuarantineRecord
from curation.samples import Item, Outcome, Sample

COMMAND: Final = "coco-person"
IGNORED: Final = 128
"""The value of crowd pixels in `ignores/`: neither person nor background is certain there."""
Crowd = Literal["filter", "ignore"]


class PersonTask(msgspec.Struct, frozen=True, kw_only=True):
    """What the work on one image needs.

    `path` lies below the images `folder`, `size` is (height, width), `annotations` the file that names the image.
    `broken_parts` people and crowds of it are broken already in their whole record.
    """

    path: str
    folder: str
    annotations: str
    image_id: int
    size: tuple[int, int]
    people: tuple[RawPerson, ...]
    crowds: tuple[RawPerson, ...]
    broken_parts: int
    source: str
    license: str | None
    min_area: float
    with_ignore: bool
    verify: Verify


def work_person(item: Item, folder: Path) -> Outcome:
    """Make the sample of one image: its mask is the union of its sound people.

    What the pixels say counts: an image too small by them is filtered as `person_too_small`, whatever was planned.
    Broken annotations are left out, each with a line, and counted as `broken_parts`: at these places the mask may say
    background where a person is. When none is left the image is broken.
    """
    task: PersonTask = item.payload
    people, records = _draw_people(task.people, task=task)
    persons = len(task.people) - len(records)
    if not people:
        return Outcome(id=item.id, broken=records[0].code, records=records)
    crowds, crowd_records = _draw_people(task.crowds, task=task) if task.with_ignore else ([], ())
    records += crowd_records
    mask = merge(people)
    person_area = count_pixels(mask) / (task.size[0] * task.size[1])
    if person_area < task.min_area:
        return Outcome(id=item.id, filtered="person_too_small", records=records)
    try:
        original = check_original(Path(task.path), below=Path(task.folder), verify=task.verify, size=task.size)
    except BadRecord as error:
        line = error.record(stage=COMMAND, file=task.path, record_id=task.image_id)
        return Outcome(id=item.id, broken=error.code, records=(line, *records))
    pictures = {"mask": encode_mask(to_array(mask))}
    if crowds:
        pictures["ignore"] = encode_gray(to_array(merge(crowds), value=IGNORED))
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    ignore = {"ignore": placed.paths.get("ignore"), digest_column("ignore"): None} if task.with_ignore else {}
    extra = {**ignore, **placed.digests, "broken_parts": task.broken_parts + len(records)}
    sample = Sample(
        id=item.id,
        image=place_original(original, folder=folder, sample_id=item.id),
        mask=placed.paths["mask"],
        width=task.size[1],
        height=task.size[0],
        source=task.source,
        source_id=str(task.image_id),
        person_area=person_area,
        persons=persons,
        group=f"coco/{task.image_id}",  # the sets of 2014 and 2017 share photographs, under one id
        license=task.license,
        sha256=original.sha256,
        extra=extra,
    )
    return Outcome(id=item.id, sample=sample, records=records)


def person_mask(task: PersonTask) -> Mask:
    """Give the mask (height, width) of one image; raises BadRecord when no person of it is sound."""
    people, records = _draw_people(task.people, task=task)
    if not people:
        raise BadRecord(records[0].code, records[0].reason, file=task.path)
    return to_array(merge(people))


def _draw_people(
    people: Sequence[RawPerson], *, task: PersonTask
) -> tuple[list[RunLengths], tuple[QuarantineRecord, ...]]:
    sound: list[RunLengths] = []
    records: list[QuarantineRecord] = []
    for person in people:
        try:
            parts = draw_outline(person.segmentation, size=task.size)
        except BadRecord as error:
            records.append(
                error.record(
                    stage=COMMAND, file=task.annotations, record_id=person.annotation_id, image_id=task.image_id
                )
            )
        else:
            sound.extend(parts)
    return sound, tuple(records)

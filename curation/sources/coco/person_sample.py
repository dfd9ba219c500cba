"""The work on one COCO image with people: draw the mask, check the image, place both in the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.dataset.identity import photo_group
from curation.dataset.sample import TOUCHED, Item, Outcome, Sample
from curation.images.pixels import Mask, encode_gray, encode_mask
from curation.labels.label_files import FOLDERS, place_labels
from curation.labels.source_images import Original, Verify, check_original, place_original
from curation.quarantine import BadRecord, QuarantineRecord
from curation.sources.coco.person_pixels import Person, read_person, touched_share
from curation.sources.coco.rasterise import RunLengths, count_pixels, merge, to_array
from curation.sources.coco.records import RawPerson
from curation.sources.coco.settle_from_images import telling_near
from curation.storage.checksums import digest_column

COMMAND: Final = "coco-person"
IGNORED: Final = 128
"""The value in `ignores/` of crowds, and of where a broken outline may belong: nothing is certain there."""
Crowd = Literal["filter", "ignore", "persons"]


class PersonTask(msgspec.Struct, frozen=True, kw_only=True):
    """What the work on one image needs.

    `path` lies below the images `folder`, `size` is (height, width), `annotations` the file that names the image.
    `doubtful` are people and crowds of it whose whole record is broken, `others` the annotations of other things.
    `near` is a file of a near name, where `path` is missing.
    """

    path: str
    folder: str
    annotations: str
    image_id: int
    size: tuple[int, int]
    people: tuple[RawPerson, ...]
    crowds: tuple[RawPerson, ...]
    doubtful: tuple[RawPerson, ...]
    source: str
    license: str | None
    min_area: float
    with_ignore: bool
    verify: Verify
    links: tuple[str, ...] = ()
    by_uri: bool = False
    near: str | None = None
    others: tuple[RawPerson, ...] = ()
    group: str | None = None


def work_person(item: Item, folder: Path) -> Outcome:
    """Make the sample of one image: its mask is the union of its people, as far as their outlines are sound.

    What the pixels say counts: an image too small by them is filtered as `person_too_small`, whatever was planned.
    Broken annotations get a line each and are counted as `broken_parts`; where they may show a person, `ignores/` holds
    128, so that the mask's background is not believed there. When nobody is left the image is broken.
    Raises BadRecord for an annotation whose place is not known.
    """
    task: PersonTask = item.payload
    people, crowds, doubtful = (_read(some, task=task) for some in (task.people, task.crowds, task.doubtful))
    records = _lines_of_broken((*people, *crowds), task=task)
    drawn = _parts_of(people)
    if not drawn:
        return Outcome(id=item.id, broken=records[0].code, records=records)
    mask = merge(drawn)
    person_area = count_pixels(mask) / (task.size[0] * task.size[1])
    if person_area < task.min_area:
        return Outcome(id=item.id, filtered="person_too_small", records=records)
    try:
        original = _original(task)
    except BadRecord as error:
        return Outcome(id=item.id, broken=error.code, records=(_line_of_image(error, task=task), *records))
    pictures = {"mask": encode_mask(pixels := to_array(mask))}
    broken_parts = len(task.doubtful) + len(records)
    if broken_parts or crowds:
        unsure = _parts_of(doubtful) + [part for person in (*people, *crowds, *doubtful) for part in person.doubt or ()]
        pictures["ignore"] = encode_gray(_ignored(_parts_of(crowds), unsure=unsure, mask=mask))
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    extra: dict[str, Any] = {"ignore": None, digest_column("ignore"): None} if task.with_ignore else {}
    extra |= {TOUCHED: round(touched_share(pixels, others=(*task.others, *task.crowds)), 4)}
    extra |= {"ignore": placed.paths["ignore"]} if "ignore" in pictures else {}
    sample = Sample(
        id=item.id,
        image=place_original(original, folder=folder, sample_id=item.id, by_uri=task.by_uri),
        mask=placed.paths["mask"],
        width=task.size[1],
        height=task.size[0],
        source=task.source,
        source_id=str(task.image_id),
        person_area=person_area,
        persons=sum(bool(person.parts) for person in people),
        group=task.group or photo_group(task.source, source_id=str(task.image_id), sha256=original.sha256),
        license=task.license,
        sha256=original.sha256,
        extra={**extra, **placed.digests, "broken_parts": broken_parts},
    )
    return Outcome(id=item.id, sample=sample, records=(*records, *original.lines(record_id=task.image_id)))


def _line_of_image(error: BadRecord, *, task: PersonTask) -> QuarantineRecord:
    return error.record(stage=COMMAND, file=task.path, record_id=task.image_id)


def _original(task: PersonTask) -> Original:
    try:
        return check_original(
            Path(task.path), below=Path(task.folder), verify=task.verify, size=task.size, links=task.links
        )
    except BadRecord as error:
        raise telling_near(error, near=task.near) from None


def drop_empty_ignores(folder: Path) -> None:
    """Take the folder of ignored pixels away where no sample has any."""
    with suppress(OSError):
        (folder / FOLDERS["ignore"]).rmdir()


def person_mask(task: PersonTask) -> Mask | None:
    """Return the mask (height, width) of one image, None where no person in it is sound."""
    parts = _parts_of(_read(task.people, task=task))
    return to_array(merge(parts)) if parts else None


def _read(some: Sequence[RawPerson], *, task: PersonTask) -> list[Person]:
    found = [read_person(raw, size=task.size) for raw in some]
    for person in found:
        if person.doubt is None and person.problem is not None:  # the plan has left these out
            raise person.problem
    return found


def _lines_of_broken(people: Sequence[Person], *, task: PersonTask) -> tuple[QuarantineRecord, ...]:
    return tuple(
        person.problem.record(stage=COMMAND, file=task.annotations, record_id=raw.annotation_id, image_id=task.image_id)
        for raw, person in zip((*task.people, *task.crowds), people, strict=True)
        if person.problem is not None
    )


def _parts_of(people: Sequence[Person]) -> list[RunLengths]:
    return [part for person in people for part in person.parts]


def _ignored(crowds: list[RunLengths], *, unsure: list[RunLengths], mask: RunLengths) -> NDArray[np.uint8]:
    """Return what `ignores/` holds, (height, width): the crowds, and what is unsure, but for certain persons in it."""
    ignored = np.zeros(mask["size"], np.uint8)
    if unsure:
        ignored[(to_array(merge(unsure)) > 0) & (to_array(mask) == 0)] = IGNORED
    if crowds:
        ignored[to_array(merge(crowds)) > 0] = IGNORED
    return ignored

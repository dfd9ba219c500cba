"""COCO images with large persons: which ones, decided from the annotations alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.coco.entries import ImageEntry
from curation.coco.json_text import without_collection
from curation.coco.keypoints import Portraits, read_portraits
from curation.coco.person_area import AreaDecision, Outlines, decide_areas
from curation.coco.person_selection import PersonSelection, check_selection, settings_of
from curation.coco.person_work import COMMAND, PersonTask, RawPerson, work_person
from curation.coco.second_core import second_core
from curation.coco.sources import (
    CocoSource,
    read_sources,
    refuse_missing_folders,
    refuse_shared_ids,
    refuse_wrong_folders,
)
from curation.coco.unnamed import unnamed_note
from curation.quarantine import QuarantineRecord
from curation.samples import Item, Plan

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _People:
    """The person annotations of one source, by rising row of their image in `source.images`."""

    annotations: Integers
    """Their rows in the file's columns."""
    image: Integers
    is_crowd: NDArray[np.bool_]
    broken: dict[int, list[QuarantineRecord]]
    """Lines of people whose whole record is broken, by row of the image."""
    broken_crowds: Counter[int]
    """Number of crowds whose whole record is broken, by row of the image."""

    def counts(self, images: int) -> tuple[Integers, Integers]:
        """Give the number of people, and of crowds, for each image; broken ones are counted too."""
        people = np.bincount(self.image[~self.is_crowd], minlength=images)
        crowds = np.bincount(self.image[self.is_crowd], minlength=images)
        for row, lines in self.broken.items():
            people[row] += len(lines)
        crowds[list(self.broken_crowds)] += 1
        return people, crowds


@dataclass(kw_only=True)
class _Decided:
    """What became of the images of one source: a filter reason, lines of a broken one, or neither, by row."""

    reasons: list[str | None]
    broken: dict[int, QuarantineRecord]
    records: list[QuarantineRecord]


@dataclass(kw_only=True)
class _Found:
    """What a plan gathers over its sources."""

    is_preview: bool
    items: list[Item] = field(default_factory=list)
    filtered: Counter[str] = field(default_factory=Counter)
    quarantined: list[QuarantineRecord] = field(default_factory=list)
    records: list[QuarantineRecord] = field(default_factory=list)


def plan_persons(selection: PersonSelection, *, is_preview: bool = False) -> Plan:
    """Choose the images whose people, crowds aside, cover at least `min_area` of the frame.

    Filter reasons, the first that holds: `no_person`, `crowd`, `person_too_small`, `too_many_persons`, `no_keypoints`,
    `not_portrait`, `limit`. An image of which every person is broken is broken itself. Broken annotations of images
    that are kept get their line from the work. A preview decides the same, and cannot be worked on: its items hold
    nothing but their id.
    Raises InputRefused, ConfigurationProblem.
    """
    check_selection(selection)
    if not is_preview:
        refuse_missing_folders(selection.images)
    found = _Found(is_preview=is_preview)
    with without_collection(), second_core(selection.annotations) as beside:
        sources = read_sources(selection.annotations, images=selection.images, stage=COMMAND, beside=beside)
        for number, source in enumerate(sources):
            _add_source(found, source=source, number=number, selection=selection, beside=beside)
    if not is_preview:
        refuse_wrong_folders(sources)
    if len(sources) > 1:
        refuse_shared_ids(found.items)
    considered = sum(source.considered for source in sources)
    assert considered == len(found.items) + found.filtered.total() + len(found.quarantined)
    return Plan(
        command=COMMAND,
        settings=settings_of(selection),
        sources=[source.provenance(is_preview=is_preview) for source in sources],
        considered=considered,
        items=found.items,
        work=work_person,
        filtered=dict(found.filtered),
        quarantined=found.quarantined,
        records=found.records,
        notes={"repeats": [source.file.repeats for source in sources]} | ({} if is_preview else unnamed_note(sources)),
        inputs=[*selection.annotations, *selection.images, *selection.keypoints],
        folders=("images", "masks", "ignores") if selection.crowd == "ignore" else ("images", "masks"),
    )


def _add_source(
    found: _Found, *, source: CocoSource, number: int, selection: PersonSelection, beside: Executor
) -> None:
    people = _people_of(source)
    portraits = _portraits(selection, number=number, source=source, people=people)
    decided = _decide(source, people=people, selection=selection, portraits=portraits, beside=beside)
    kept = [row for row, reason in enumerate(decided.reasons) if reason is None and row not in decided.broken]
    room = len(kept) if selection.limit is None else max(selection.limit - len(found.items), 0)
    found.filtered.update(filter(None, decided.reasons))
    found.filtered.update(["limit"] * len(kept[room:]))
    if found.is_preview:
        found.items.extend(Item(id=source.sample_id(source.images[row]), payload=None) for row in kept[:room])
    else:
        found.items.extend(_items(kept[:room], source=source, people=people, selection=selection))
    found.quarantined += [*source.quarantined, *decided.broken.values()]
    found.records += decided.records
    if portraits is not None:
        found.records += portraits.broken


def _people_of(source: CocoSource) -> _People:
    file = source.file
    person = file.category_named("person")
    ids = np.fromiter((image.id for image in source.images), np.int64, len(source.images))
    found = np.flatnonzero(file.columns.category_ids == person)
    named = file.columns.image_ids[found]
    rows = np.searchsorted(ids, named)
    is_known = np.zeros(len(found), np.bool_)
    if len(ids):
        is_known = ids[np.minimum(rows, len(ids) - 1)] == named
    order = np.flatnonzero(is_known)
    order = order[np.argsort(rows[order], kind="stable")]
    row_of = {int(image_id): row for row, image_id in enumerate(ids)} if file.broken_annotations else {}
    broken: dict[int, list[QuarantineRecord]] = {}
    broken_crowds: Counter[int] = Counter()
    for record in file.broken_annotations:
        row = row_of.get(record.image_id) if record.image_id is not None else None
        # a broken record of unknown category may be a person
        if row is not None and record.category_id in (person, None):
            if record.is_crowd:
                broken_crowds[row] += 1
            else:
                broken.setdefault(row, []).append(record.line)
    return _People(
        annotations=found[order],
        image=rows[order],
        is_crowd=file.columns.is_crowd[found[order]],
        broken=broken,
        broken_crowds=broken_crowds,
    )


def _decide(
    source: CocoSource,
    *,
    people: _People,
    selection: PersonSelection,
    portraits: Portraits | None,
    beside: Executor,
) -> _Decided:
    images = source.images
    persons, crowds = people.counts(len(images))
    is_crowd = np.full(len(images), selection.crowd == "filter") & (crowds > 0)
    is_open = (persons > 0) & ~is_crowd
    rows = np.flatnonzero(is_open[people.image] & ~people.is_crowd)
    sizes = np.array([[image.height for image in images], [image.width for image in images]], np.int64).T
    texts = source.file.outlines.take(people.annotations[rows])
    outlines = Outlines(texts=texts, image=people.image[rows], sizes=sizes)
    areas = decide_areas(outlines, min_area=selection.min_area, beside=beside)
    lines = _lines_of_broken(areas, rows=rows, people=people, source=source)
    sound, is_large = np.bincount(people.image[rows], minlength=len(images)), areas.is_large.tolist()
    reasons: list[str | None] = np.where(is_crowd, "crowd", "no_person").tolist()
    decided = _Decided(reasons=reasons, broken={}, records=[item.line for item in source.file.broken_annotations])
    for row in np.flatnonzero(is_open).tolist():
        reasons[row] = None
        if is_large[row]:
            count = int(persons[row])
            reasons[row] = _reason_against(images[row], persons=count, selection=selection, portraits=portraits)
        elif len(lines.get(row, ())) == sound[row]:
            line = (lines.get(row) or people.broken[row])[0]
            decided.broken[row] = _image_line(line, image=images[row], source=source)
        else:
            reasons[row] = "person_too_small"
        if not (is_large[row] and reasons[row] is None):
            decided.records += lines.get(row, ())
    return decided


def _lines_of_broken(
    areas: AreaDecision, *, rows: Integers, people: _People, source: CocoSource
) -> dict[int, list[QuarantineRecord]]:
    lines: dict[int, list[QuarantineRecord]] = {}
    for index, error in sorted(areas.broken.items()):
        record_id = int(source.file.columns.ids[people.annotations[rows[index]]])
        row = int(people.image[rows[index]])
        image_id = source.images[row].id
        line = error.record(stage=COMMAND, file=source.file.path, record_id=record_id, image_id=image_id)
        lines.setdefault(row, []).append(line)
    return lines


def _image_line(line: QuarantineRecord, *, image: ImageEntry, source: CocoSource) -> QuarantineRecord:
    reason = f"every person of the image is broken; annotation {line.record_id}: {line.reason}"
    file = source.path_of(image)
    return msgspec.structs.replace(line, file=file, record_id=str(image.id), reason=reason, stage=COMMAND)


def _reason_against(
    image: ImageEntry, *, persons: int, selection: PersonSelection, portraits: Portraits | None
) -> str | None:
    if selection.max_persons is not None and persons > selection.max_persons:
        return "too_many_persons"
    return None if portraits is None else portraits.reason_against(image.id)


def _portraits(selection: PersonSelection, *, number: int, source: CocoSource, people: _People) -> Portraits | None:
    if not selection.portrait:
        return None
    columns = source.file.columns
    rows = people.annotations[~people.is_crowd]
    persons = dict(zip(columns.ids[rows].tolist(), columns.image_ids[rows].tolist(), strict=True))
    frames = {image.id: (image.height, image.width) for image in source.images}
    return read_portraits(selection.keypoints[number], frames=frames, persons=persons)


def _items(rows: Sequence[int], *, source: CocoSource, people: _People, selection: PersonSelection) -> list[Item]:
    base = PersonTask(
        path="",
        folder=str(source.folder),
        annotations=str(source.file.path),
        image_id=0,
        size=(0, 0),
        people=(),
        crowds=(),
        broken_parts=0,
        source=source.name,
        license=None,
        min_area=selection.min_area,
        with_ignore=selection.crowd == "ignore",
        verify=selection.verify,
    )
    items = []
    for row, (outlines, crowds) in zip(rows, _raw_people(rows, source=source, people=people), strict=True):
        image = source.images[row]
        path = source.path_of(image)
        task = msgspec.structs.replace(
            base,
            path=path,
            image_id=image.id,
            size=(image.height, image.width),
            people=outlines,
            crowds=crowds,
            broken_parts=len(people.broken.get(row, ())) + people.broken_crowds[row],
            license=source.license_of(image),
        )
        items.append(Item(id=source.sample_id(image), payload=task, file=path))
    return items


def _raw_people(
    rows: Sequence[int], *, source: CocoSource, people: _People
) -> Iterator[tuple[tuple[RawPerson, ...], tuple[RawPerson, ...]]]:
    """Give the people and the crowds of each of some images."""
    ids = source.file.columns.ids[people.annotations]
    kept = np.flatnonzero(np.isin(people.image, rows))
    raws = iter(source.file.outlines.take(people.annotations[kept]).load())
    for first, last in zip(
        *(np.searchsorted(people.image, rows, side=side) for side in ("left", "right")), strict=True
    ):
        found = [RawPerson(record_id, next(raws)) for record_id in ids[first:last].tolist()]
        is_crowd = people.is_crowd[first:last].tolist()
        yield (
            tuple(person for person, crowd in zip(found, is_crowd, strict=True) if not crowd),
            tuple(person for person, crowd in zip(found, is_crowd, strict=True) if crowd),
        )

"""COCO images with large persons: which ones, decided from the annotations alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec

from curation.coco.entries import Annotation, CocoFile, ImageEntry
from curation.coco.keypoints import Portraits, read_portraits
from curation.coco.people import RawPerson
from curation.coco.person_area import AreaDecision, Scene, decide_areas
from curation.coco.person_selection import PersonSelection, check_selection, settings_of
from curation.coco.person_work import COMMAND, PersonTask, work_person
from curation.coco.sources import (
    CocoSource,
    read_sources,
    refuse_changed_files,
    refuse_missing_folders,
    refuse_shared_ids,
    refuse_wrong_folders,
)
from curation.quarantine import QuarantineRecord
from curation.samples import Item, Plan


@dataclass(slots=True)
class _People:
    """The person annotations of one image; of those whose whole record is broken the lines, or the number of crowds."""

    people: list[Annotation] = field(default_factory=list)
    crowds: list[Annotation] = field(default_factory=list)
    broken: list[QuarantineRecord] = field(default_factory=list)
    broken_crowds: int = 0

    @property
    def persons(self) -> int:
        """The number of people, crowds aside; broken ones are counted too."""
        return len(self.people) + len(self.broken)


@dataclass(kw_only=True)
class _Found:
    """What a plan gathers over its sources."""

    selection: PersonSelection
    is_preview: bool
    items: list[Item] = field(default_factory=list)
    filtered: Counter[str] = field(default_factory=Counter)
    quarantined: list[QuarantineRecord] = field(default_factory=list)
    records: list[QuarantineRecord] = field(default_factory=list)


def plan_persons(selection: PersonSelection, *, is_preview: bool = False, workers: int = 0) -> Plan:
    """Choose the images whose people, crowds aside, cover at least `min_area` of the frame.

    Filter reasons, the first that holds: `crowd`, `no_person`, `person_too_small`, `too_many_persons`, `not_portrait`,
    `limit`. An image of which every person is broken is broken itself. Broken annotations of images that are kept get
    their line from the work. A preview decides the same, and cannot be worked on: its items hold nothing but their id.
    The outlines of a large file are drawn by `workers` processes.
    Raises InputRefused, ConfigurationProblem, EnvironmentProblem.
    """
    check_selection(selection)
    if not is_preview:
        refuse_missing_folders(selection.images)
    found = _Found(selection=selection, is_preview=is_preview)
    sources = read_sources(selection.annotations, images=selection.images, stage=COMMAND)
    for number, source in enumerate(sources):
        _add_source(
            found, source=source, portraits=_portraits(selection, number=number, source=source), workers=workers
        )
    refuse_changed_files(sources)
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
        notes={"repeats": [source.file.repeats for source in sources]},
        inputs=[*selection.annotations, *selection.images, *selection.keypoints],
        folders=("images", "masks", "ignores") if selection.crowd == "ignore" else ("images", "masks"),
    )


def _portraits(selection: PersonSelection, *, number: int, source: CocoSource) -> Portraits | None:
    if not selection.portrait:
        return None
    return read_portraits(selection.keypoints[number], widths={image.id: image.width for image in source.images})


def _add_source(found: _Found, *, source: CocoSource, portraits: Portraits | None, workers: int) -> None:
    by_image = _people_by_image(source.file)
    found.quarantined += source.quarantined
    found.records += [broken.line for broken in source.file.broken_annotations]
    found.records += () if portraits is None else portraits.broken
    candidates: list[tuple[ImageEntry, _People]] = []
    for image in source.images:
        people = by_image.get(image.id, _People())
        if found.selection.crowd == "filter" and (people.crowds or people.broken_crowds):
            found.filtered["crowd"] += 1
        elif not people.persons:
            found.filtered["no_person"] += 1
        else:
            candidates.append((image, people))
    scenes = [
        Scene((image.height, image.width), tuple(person.segmentation for person in one.people))
        for image, one in candidates
    ]
    areas = decide_areas(scenes, min_area=found.selection.min_area, workers=workers)
    for (image, people), area in zip(candidates, areas, strict=True):
        lines = _lines_of_broken(area, image=image, people=people, source=source)
        if area.is_large:
            reason = _reason_against(image, persons=people.persons, found=found, portraits=portraits)
            if reason is None:  # its lines come from the work
                found.items.append(_item(image, people=people, source=source, found=found))
                continue
            found.filtered[reason] += 1
        elif len(lines) < len(people.people):
            found.filtered["person_too_small"] += 1
        else:
            found.quarantined.append(_image_line([*lines, *people.broken][0], image=image, source=source))
        found.records += lines


def _people_by_image(file: CocoFile) -> dict[int, _People]:
    person = file.category_named("person")
    found: dict[int, _People] = defaultdict(_People)
    for annotation in file.annotations:
        if annotation.category_id == person:
            people = found[annotation.image_id]
            (people.crowds if annotation.iscrowd else people.people).append(annotation)
    for record in file.broken_annotations:
        # a broken record of unknown category may be a person
        if record.image_id is not None and record.category_id in (person, None):
            if record.is_crowd:
                found[record.image_id].broken_crowds += 1
            else:
                found[record.image_id].broken.append(record.line)
    return found


def _lines_of_broken(
    area: AreaDecision, *, image: ImageEntry, people: _People, source: CocoSource
) -> list[QuarantineRecord]:
    return [
        error.record(stage=COMMAND, file=source.file.path, record_id=people.people[place].id, image_id=image.id)
        for place, error in sorted(area.broken.items())
    ]


def _image_line(line: QuarantineRecord, *, image: ImageEntry, source: CocoSource) -> QuarantineRecord:
    reason = f"every person of the image is broken; annotation {line.record_id}: {line.reason}"
    file = source.path_of(image)
    return msgspec.structs.replace(line, file=file, record_id=str(image.id), reason=reason, stage=COMMAND)


def _reason_against(image: ImageEntry, *, persons: int, found: _Found, portraits: Portraits | None) -> str | None:
    selection = found.selection
    if selection.max_persons is not None and persons > selection.max_persons:
        return "too_many_persons"
    if portraits is not None and image.id not in portraits.image_ids:
        return "not_portrait"
    return "limit" if selection.limit is not None and len(found.items) >= selection.limit else None


def _item(image: ImageEntry, *, people: _People, source: CocoSource, found: _Found) -> Item:
    if found.is_preview:
        return Item(id=source.sample_id(image), payload=None)
    path = source.path_of(image)
    task = PersonTask(
        path=path,
        folder=str(source.folder),
        annotations=str(source.file.path),
        image_id=image.id,
        size=(image.height, image.width),
        people=tuple(RawPerson.of(one).copy() for one in people.people),
        crowds=tuple(RawPerson.of(one).copy() for one in people.crowds),
        broken_parts=len(people.broken) + people.broken_crowds,
        source=source.name,
        license=None if image.license is None else str(image.license),
        min_area=found.selection.min_area,
        with_ignore=found.selection.crowd == "ignore",
        verify=found.selection.verify,
    )
    return Item(id=source.sample_id(image), payload=task, file=path)

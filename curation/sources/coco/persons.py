"""COCO images with large persons: which ones, decided from the annotations alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from curation.dataset.sample import Item, Plan
from curation.errors import InputRefused
from curation.quarantine import BadRecord, QuarantineRecord
from curation.sources.coco.annotation_files import CocoSource, notes_of, read_sources
from curation.sources.coco.keypoints import Portraits, read_portraits
from curation.sources.coco.person_area import AreaDecision, Scene, decide_areas, processes
from curation.sources.coco.person_pixels import read_person
from curation.sources.coco.person_sample import COMMAND, PersonTask, drop_empty_ignores, work_person
from curation.sources.coco.person_settings import PersonSelection, check_selection, settings_of
from curation.sources.coco.read_careful import outlines_of
from curation.sources.coco.records import Annotation, BrokenRecord, CocoFile, ImageEntry, RawPerson
from curation.sources.coco.refusals import (
    refuse_changed_files,
    refuse_missing_folders,
    refuse_shared_ids,
    refuse_wrong_folders,
)
from curation.sources.coco.unnamed_files import unnamed_note

NO_OUTLINE: Final = frozenset({b"", b"null", b"[]", b"[[]]", b"{}"})


@dataclass(slots=True)
class _People:
    """The person annotations of one image; `broken` are those whose whole record is broken, which may be persons.

    `others` are the annotations of other things.
    """

    people: list[Annotation] = field(default_factory=list)
    crowds: list[Annotation] = field(default_factory=list)
    broken: list[BrokenRecord] = field(default_factory=list)
    others: list[Annotation] = field(default_factory=list)

    @property
    def persons(self) -> int:
        """The number of people, crowds aside; broken ones are counted too."""
        return len(self.people) + sum(not record.is_crowd for record in self.broken)

    @property
    def has_crowd(self) -> bool:
        """Whether one of them is a crowd."""
        return bool(self.crowds) or any(record.is_crowd for record in self.broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What is needed to settle the images of one annotation file; `outlines` are those that may need their box."""

    source: CocoSource
    portraits: Portraits | None
    outlines: Mapping[int, RawPerson]

    def outline(self, annotation: Annotation) -> RawPerson:
        """Return the outline of a record, in memory of its own, which does not depend on the file."""
        return self.outlines.get(annotation.id) or RawPerson(annotation.id, annotation.segmentation.copy())

    def line(self, error: BadRecord, *, annotation_id: object, image: ImageEntry) -> QuarantineRecord:
        """Return the line of a broken annotation."""
        return error.record(stage=COMMAND, file=self.source.file.path, record_id=annotation_id, image_id=image.id)


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

    Filter reasons, the first that holds: `crowd`, `no_person`, `persons_unlinked` (no person, but the file has some
    whose image is not known), `person_too_small`, `too_many_persons`, `no_keypoints`, `not_portrait`, `limit`. An image
    is broken where every person is, or where the place of an outline is not known. Broken annotations of
    images that are kept get their line from the work. A preview decides the same, and cannot be worked on: its items
    hold nothing but their id.
    The outlines of a large file are drawn by `workers` processes.
    Raises InputRefused, ConfigurationProblem, EnvironmentProblem.
    """
    check_selection(selection)
    if not is_preview:
        refuse_missing_folders(selection.images)
    found = _Found(selection=selection, is_preview=is_preview)
    with processes(selection.annotations, workers=workers) as pool:
        sources = read_sources(
            selection.annotations, images=selection.images, stage=COMMAND, pool=pool, links=selection.follow_links
        )
        for number, source in enumerate(sources):
            keypoints = selection.keypoints[number] if selection.portrait else None
            _add_source(found, source=source, keypoints=keypoints, pool=pool)
    refuse_changed_files(sources)
    _refuse_crowds_alone(found, sources=sources)
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
        notes=notes_of(sources) | ({} if is_preview else unnamed_note(sources)),
        inputs=[*selection.annotations, *selection.images, *selection.keypoints],
        folders=("images", "masks", "ignores"),
        finish=None if selection.crowd == "ignore" else drop_empty_ignores,
    )


def _portraits(path: Path | None, *, source: CocoSource, by_image: Mapping[int, _People]) -> Portraits | None:
    if path is None:
        return None
    frames = {image.id: (image.height, image.width) for image in source.images}
    persons = {one.id: image_id for image_id in frames if image_id in by_image for one in by_image[image_id].people}
    return read_portraits(path, frames=frames, persons=persons)


def _add_source(found: _Found, *, source: CocoSource, keypoints: Path | None, pool: Executor | None) -> None:
    persons = source.file.person_categories(found.selection.category)
    _refuse_boxes_alone(source.file, persons=persons)
    by_image = _people_by_image(source.file, persons=persons, are_crowds_people=found.selection.crowd == "persons")
    portraits = _portraits(keypoints, source=source, by_image=by_image)
    nobody = "persons_unlinked" if source.file.has_unlinked(persons) else "no_person"
    found.quarantined += source.quarantined
    found.records += [broken.line for broken in source.file.broken_annotations]
    found.records += () if portraits is None else portraits.broken
    candidates: list[tuple[ImageEntry, _People]] = []
    for image in source.images:
        people = by_image.get(image.id, _People())
        if found.selection.crowd == "filter" and people.has_crowd:
            found.filtered["crowd"] += 1
        elif not people.persons:
            found.filtered[nobody] += 1
        else:
            candidates.append((image, people))
    scenes = [
        Scene((image.height, image.width), tuple(person.segmentation for person in one.people))
        for image, one in candidates
    ]
    areas = decide_areas(scenes, min_area=found.selection.min_area, pool=pool)
    unclear = {
        people.people[place].id for (_, people), area in zip(candidates, areas, strict=True) for place in area.broken
    }
    unclear.update(crowd.id for _, people in candidates for crowd in people.crowds)
    outlines = outlines_of(source.file.path, ids=unclear)
    place = _Place(source=source, portraits=portraits, outlines=outlines)
    for (image, people), area in zip(candidates, areas, strict=True):
        _settle(found, image=image, people=people, area=area, place=place)


def _people_by_image(file: CocoFile, *, persons: Set[int], are_crowds_people: bool) -> dict[int, _People]:
    found: dict[int, _People] = defaultdict(_People)
    for annotation in file.annotations:
        if annotation.category_id in persons:
            people = found[annotation.image_id]
            (people.crowds if annotation.iscrowd and not are_crowds_people else people.people).append(annotation)
        else:
            found[annotation.image_id].others.append(annotation)
    for record in file.maybe_persons(persons):
        if record.image_id is not None:
            found[record.image_id].broken.append(replace(record, is_crowd=record.is_crowd and not are_crowds_people))
    return found


def _refuse_boxes_alone(file: CocoFile, *, persons: Set[int]) -> None:
    """Refuse a file in which no person has an outline: each image would be set aside, one by one."""
    people = [annotation for annotation in file.annotations if annotation.category_id in persons]
    if len(people) > 1 and all(bytes(one.segmentation) in NO_OUTLINE for one in people):
        raise InputRefused(
            f"the file has boxes but no outlines: none of its {len(people):,} persons has a segmentation, so that no "
            "masks can be made from it",
            where=file.path,
            remedy="give a file with outlines, such as COCO's instances_*.json; `curate images` takes the photographs "
            "without labels, as a pool to mine",
        )


def _refuse_crowds_alone(found: _Found, *, sources: Sequence[CocoSource]) -> None:
    """Refuse to make nothing of files in which every person is a crowd, which is how CVAT writes masks."""
    if found.items or found.selection.crowd == "persons":
        return
    crowds = 0
    for source in sources:
        persons = source.file.person_categories(found.selection.category)
        people = [annotation for annotation in source.file.annotations if annotation.category_id in persons]
        if not all(annotation.iscrowd for annotation in people):
            return
        crowds += len(people)
    if crowds > 1:  # one is a crowd as any other
        raise InputRefused(
            f"all {crowds:,} annotations of persons are crowds (iscrowd 1), so that no sample is left: the sign of "
            "an export of CVAT, which writes every brush mask so",
            where=", ".join(str(source.file.path) for source in sources),
            remedy="give --crowd persons to take each as a person",
        )


def _settle(found: _Found, *, image: ImageEntry, people: _People, area: AreaDecision, place: _Place) -> None:
    """Put one image to the items, the filtered or the quarantined ones."""
    lines = [
        place.line(error, annotation_id=people.people[number].id, image=image)
        for number, error in sorted(area.broken.items())
    ]
    reason = "person_too_small"
    spoiled = None
    if area.is_large:
        reason = _reason_against(image, persons=people.persons, selection=found.selection, portraits=place.portraits)
        if not reason and (lost := _lost_line(image, people=people, area=area, place=place)) is not None:
            spoiled = "where a person of the image is, is not known", lost
    elif len(lines) == len(people.people):
        spoiled = "every person of the image is broken", [*lines, *(record.line for record in people.broken)][0]
    if spoiled is not None:
        found.quarantined.append(_image_line(*spoiled, image=image, source=place.source))
    elif reason:
        found.filtered[reason] += 1
    elif found.selection.limit is not None and len(found.items) >= found.selection.limit:
        found.filtered["limit"] += 1
    else:
        found.items.append(_item(image, people=people, place=place, found=found))
        return  # its lines come from the work
    found.records += lines


def _lost_line(image: ImageEntry, *, people: _People, area: AreaDecision, place: _Place) -> QuarantineRecord | None:
    """Return the line of an annotation whose place is not known, if there is one."""
    annotated = [*(people.people[number] for number in sorted(area.broken)), *people.crowds]
    for outline in [*map(place.outline, annotated), *(record.outline for record in people.broken)]:
        person = read_person(outline, size=(image.height, image.width))
        if person.doubt is None and person.problem is not None:
            return place.line(person.problem, annotation_id=outline.annotation_id, image=image)
    return None


def _image_line(what: str, line: QuarantineRecord, *, image: ImageEntry, source: CocoSource) -> QuarantineRecord:
    reason = f"{what}; annotation {line.record_id}: {line.reason}"
    file = source.path_of(image)
    return msgspec.structs.replace(line, file=file, record_id=str(image.id), reason=reason, stage=COMMAND)


def _reason_against(image: ImageEntry, *, persons: int, selection: PersonSelection, portraits: Portraits | None) -> str:
    if selection.max_persons is not None and persons > selection.max_persons:
        return "too_many_persons"
    return "" if portraits is None else portraits.reason_against(image.id) or ""


def _item(image: ImageEntry, *, people: _People, place: _Place, found: _Found) -> Item:
    source = place.source
    if found.is_preview:
        return Item(id=source.sample_id(image), payload=None)
    path = source.path_of(image)
    task = PersonTask(
        path=path,
        folder=str(source.folder),
        annotations=str(source.file.path),
        image_id=image.id,
        size=(image.height, image.width),
        people=tuple(map(place.outline, people.people)),
        crowds=tuple(map(place.outline, people.crowds)),
        doubtful=tuple(record.outline for record in people.broken),
        source=source.name,
        license=source.license_of(image),
        min_area=found.selection.min_area,
        with_ignore=found.selection.crowd == "ignore",
        verify=found.selection.verify,
        links=source.links,
        by_uri=found.selection.image_uris,
        others=tuple(map(place.outline, people.others)),
        near=source.names.near.get(image.file_name),
        group=source.group_of(image),
    )
    return Item(id=source.sample_id(image), payload=task, file=path)

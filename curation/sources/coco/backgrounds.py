"""Person-free COCO images to be put behind cut-out people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.identity import photo_group
from curation.dataset.sample import FRAME_METRES, Item, Outcome, Plan, Sample
from curation.errors import InputRefused
from curation.labels.frame_metres import LONGEST_M, frame_metres
from curation.labels.source_images import Verify, check_original, place_original
from curation.quarantine import BadRecord
from curation.setting import setting
from curation.sources.coco.annotation_files import CocoSource, notes_of, read_sources
from curation.sources.coco.person_pixels import drawn_if_sound
from curation.sources.coco.person_settings import added_settings, annotations_setting, category_setting, images_setting
from curation.sources.coco.rasterise import box_of, merge
from curation.sources.coco.records import CocoFile, ImageEntry, RawPerson
from curation.sources.coco.refusals import refuse_missing_folders, refuse_shared_ids, refuse_wrong_folders
from curation.sources.coco.settle_from_images import telling_near
from curation.sources.coco.unnamed_files import unnamed_note
from curation.sources.shared_settings import follow_links_setting, image_uris_setting, verify_setting

COMMAND: Final = "coco-background"
ANY: Final = "any"
"""Stands for every supercategory, also in files that have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundSelection:
    """Which COCO images become backgrounds."""

    annotations: tuple[Path, ...] = annotations_setting()
    images: tuple[Path, ...] = images_setting()
    supercategories: str = setting(
        "At least one annotation of these COCO supercategories, separated by commas; any stands for all.",
        default="indoor,outdoor",
    )
    category: tuple[str, ...] = category_setting()
    verify: Verify = verify_setting()
    limit: int | None = None
    """Take only so many images, the first by image id."""
    follow_links: tuple[Path, ...] = follow_links_setting()
    image_uris: bool = image_uris_setting()

    def wanted(self) -> tuple[str, ...]:
        """Return the names of the supercategories."""
        return tuple(name for text in self.supercategories.split(",") if (name := text.strip()))


class BackgroundTask(msgspec.Struct, frozen=True, kw_only=True):
    """What the work on one background needs: its file below the images folder, and its `size` (height, width).

    `broken_parts` of its annotations are broken; none of them can be a person. `things` are the categories and outlines
    of those whose size is known.
    """

    path: str
    folder: str
    image_id: int
    size: tuple[int, int]
    broken_parts: int
    source: str
    license: str | None
    verify: Verify
    links: tuple[str, ...] = ()
    by_uri: bool = False
    near: str | None = None
    group: str | None = None
    things: tuple[tuple[str, RawPerson], ...] = ()


def plan_backgrounds(selection: BackgroundSelection, *, is_preview: bool = False) -> Plan:
    """Choose the images with an object of the supercategories and no person, a crowd or a broken one included.

    Filter reasons: `person`, `no_supercategory`, `persons_unlinked`, `limit`. Where the image of a single person is not
    known, no image of that file is known to show nobody: all are left out as `persons_unlinked`. Raises InputRefused.
    """
    if not is_preview:
        refuse_missing_folders(selection.images)
    sources = read_sources(selection.annotations, images=selection.images, stage=COMMAND, links=selection.follow_links)
    filtered: Counter[str] = Counter()
    items: list[Item] = []
    for source in sources:
        reasons = _reasons(source, supercategories=selection.wanted(), named=selection.category)
        broken = Counter(record.image_id for record in source.file.broken_annotations)
        things = _things(source.file, images={image.id for image, reason in zip(source.images, reasons) if not reason})
        for image, reason in zip(source.images, reasons, strict=True):
            if reason is None and selection.limit is not None and len(items) >= selection.limit:
                reason = "limit"
            if reason is None:
                items.append(
                    _item(image, source=source, broken_parts=broken[image.id], things=things, selection=selection)
                )
            else:
                filtered[reason] += 1
    if not is_preview:
        refuse_wrong_folders(sources)
    refuse_shared_ids(items)
    quarantined = [line for source in sources for line in source.quarantined]
    considered = sum(source.considered for source in sources)
    assert considered == len(items) + filtered.total() + len(quarantined)
    return Plan(
        command=COMMAND,
        settings=_settings(selection),
        sources=[source.provenance(is_preview=is_preview) for source in sources],
        considered=considered,
        items=items,
        work=work_background,
        filtered=dict(filtered),
        quarantined=quarantined,
        records=[broken.line for source in sources for broken in source.file.broken_annotations],
        notes=notes_of(sources) | ({} if is_preview else unnamed_note(sources)),
        inputs=[*selection.annotations, *selection.images],
        columns={FRAME_METRES: pa.float64()},
    )


def _settings(selection: BackgroundSelection) -> dict[str, Any]:
    return {
        **added_settings(selection),
        "supercategories": list(selection.wanted()),
        "verify": selection.verify,
        "limit": selection.limit,
        "images": [str(folder) for folder in selection.images],
    }


def work_background(item: Item, folder: Path) -> Outcome:
    """Check one background and place it in the dataset; its sample has no mask, as it has no person."""
    task: BackgroundTask = item.payload
    try:
        original = check_original(
            Path(task.path), below=Path(task.folder), verify=task.verify, size=task.size, links=task.links
        )
    except BadRecord as error:
        line = telling_near(error, near=task.near).record(stage=COMMAND, file=task.path, record_id=task.image_id)
        return Outcome(id=item.id, broken=error.code, records=(line,))
    sample = Sample(
        id=item.id,
        image=place_original(original, folder=folder, sample_id=item.id, by_uri=task.by_uri),
        width=task.size[1],
        height=task.size[0],
        source=task.source,
        source_id=str(task.image_id),
        person_area=0.0,
        persons=0,
        group=task.group or photo_group(task.source, source_id=str(task.image_id), sha256=original.sha256),
        license=task.license,
        sha256=original.sha256,
        extra={"broken_parts": task.broken_parts, FRAME_METRES: _metres(task)},
    )
    lines = original.lines(record_id=task.image_id)
    return Outcome(id=item.id, sample=sample, records=lines)


def _metres(task: BackgroundTask) -> float | None:
    """Return how many metres the frame shows at most (see `frame_metres`), None where nothing tells."""
    sides = []
    for name, outline in task.things:
        parts = drawn_if_sound(outline, size=task.size)
        sides.append((name, max(box_of(merge(parts))[2:]) if parts else 0.0))
    found = frame_metres(sides, height_px=task.size[0])
    return None if found is None else round(found, 3)


def _things(file: CocoFile, *, images: Set[int]) -> dict[int, list[tuple[str, RawPerson]]]:
    """Return, of each of these images, the single things whose size is known; their outlines have memory of their own,
    which does not depend on the file."""
    names = {category.id: category.name for category in file.categories if category.name in LONGEST_M}
    found: defaultdict[int, list[tuple[str, RawPerson]]] = defaultdict(list)
    for one in file.annotations:
        if one.image_id in images and one.category_id in names and not one.iscrowd:
            found[one.image_id].append((names[one.category_id], RawPerson(one.id, one.segmentation.copy())))
    return found


def _reasons(source: CocoSource, *, supercategories: tuple[str, ...], named: tuple[str, ...]) -> list[str | None]:
    file = source.file
    persons = file.person_categories(named)
    wanted = _wanted_categories(file, supercategories=supercategories)
    with_person = {annotation.image_id for annotation in file.annotations if annotation.category_id in persons}
    # a broken record of unknown category may be a person, and one of an unknown image may be on any
    with_person.update(record.image_id for record in file.maybe_persons(persons) if record.image_id is not None)
    with_wanted = {annotation.image_id for annotation in file.annotations if annotation.category_id in wanted}
    otherwise = "persons_unlinked" if file.has_unlinked(persons) else None
    return [
        "person" if image.id in with_person else otherwise if image.id in with_wanted else "no_supercategory"
        for image in source.images
    ]


def _wanted_categories(file: CocoFile, *, supercategories: tuple[str, ...]) -> frozenset[int]:
    if ANY in supercategories:
        return frozenset(category.id for category in file.categories)
    present = sorted({category.supercategory for category in file.categories if category.supercategory})
    unknown = sorted(set(supercategories) - set(present))
    if unknown or not supercategories:
        reason = f"there is no supercategory {unknown[0]!r}" if unknown else "no supercategory is given"
        remedy = f"choose --supercategories from: {', '.join([*present, ANY])} ({ANY}: whatever is annotated)"
        raise InputRefused(reason, where=file.path, remedy=remedy)
    return frozenset(category.id for category in file.categories if category.supercategory in supercategories)


def _item(
    image: ImageEntry,
    *,
    source: CocoSource,
    broken_parts: int,
    things: Mapping[int, list[tuple[str, RawPerson]]],
    selection: BackgroundSelection,
) -> Item:
    path = source.path_of(image)
    task = BackgroundTask(
        path=path,
        folder=str(source.folder),
        image_id=image.id,
        size=(image.height, image.width),
        broken_parts=broken_parts,
        source=source.name,
        license=source.license_of(image),
        verify=selection.verify,
        links=source.links,
        by_uri=selection.image_uris,
        near=source.names.near.get(image.file_name),
        group=source.group_of(image),
        things=tuple(things.get(image.id, ())),
    )
    return Item(id=source.sample_id(image), payload=task, file=path)

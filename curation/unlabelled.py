"""A plain folder of photographs without labels: a pool to mine, or backgrounds that somebody says show nobody."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from curation.errors import InputRefused
from curation.files import folded
from curation.folders import TOLD, Listing, list_source
from curation.grouping import grouping_line, groups_by_name
from curation.identity import photo_group
from curation.originals import Verify, check_original, place_original
from curation.pairing import (
    ADDED,
    FOLDER_MARK,
    Intake,
    Photograph,
    named_source,
    not_entered_note,
    plan_of,
    settings_of,
    strays_of,
    take_ids,
    without_suffix,
)
from curation.quarantine import BadRecord
from curation.samples import Item, Outcome, Plan, Sample, Source

COMMAND: Final = "images"
Use = Literal["pool", "background"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesSettings:
    """What to read; `use` says what is known of the images: nothing (`pool`), or that they show nobody (`background`).

    `source`, `split` and `license` are written into every row. For `group_by` see `groups_by_name`.
    """

    root: Path
    use: Use = "pool"
    source: str | None = None
    split: Literal["train", "val", "test"] | None = None
    license: str | None = None
    group_by: str | None = None
    verify: Verify = "full"
    limit: int | None = None
    follow_links: tuple[Path, ...] = field(default=(), metadata=ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRules:
    """What every row says, and how images are checked."""

    source: str
    split: str | None
    license: str | None
    is_background: bool
    verify: Verify


def plan_images(settings: ImagesSettings) -> Plan:
    """Take every image of a folder, in it and below.

    Raises InputRefused when there is none, or two files have one name to some file systems; ConfigurationProblem.
    """
    listing = list_source(settings.root, links=settings.follow_links)
    fingerprint = listing.fingerprint()
    source = named_source(settings.source, folder=settings.root, fingerprint=fingerprint, files=listing.files)
    names = _names(listing)
    groups = groups_by_name(names.values(), by=settings.group_by, source=source)
    items, broken = _items(names, groups=groups, settings=settings)
    if not items and not broken and not listing.broken:
        raise InputRefused(
            "there is no image here", where=settings.root, remedy="give the folder that holds the photographs as --root"
        )
    told = grouping_line(groups, by=settings.group_by, names=len(items))
    if settings.use == "background":
        told.append("taken as images that show nobody; `curate check-backgrounds` tells whether a model sees somebody")
    rules = ImageRules(
        source=source,
        split=settings.split,
        license=settings.license,
        is_background=settings.use == "background",
        verify=settings.verify,
    )
    intake = Intake(
        command=COMMAND,
        settings=settings_of(settings),
        source=Source(name=source, path=str(settings.root), fingerprint=fingerprint),
        inputs=[settings.root],
        items=items,
        broken=[*listing.broken, *broken],
        strays=strays_of(listing),
        notes=not_entered_note(listing) | ({TOLD: told} if told else {}),
        limit=settings.limit,
    )
    return plan_of(intake, work=partial(take_image, rules=rules), folders=("images",))


def _items(
    names: Mapping[str, str], *, groups: Mapping[str, str], settings: ImagesSettings
) -> tuple[list[Item], list[BadRecord]]:
    links = tuple(str(link) for link in settings.follow_links)
    return take_ids(
        (
            name.replace("/", FOLDER_MARK),
            Photograph(
                file=f"{settings.root}/{file}",
                root=str(settings.root),
                links=links,
                source_id=name,
                group=groups.get(name),
            ),
        )
        for file, name in names.items()
    )


def take_image(item: Item, folder: Path, *, rules: ImageRules) -> Outcome:
    """Check one image and link it; raises BadRecord: whatever is wrong with it."""
    photograph: Photograph = item.payload
    original = check_original(
        Path(photograph.file), below=Path(photograph.root), verify=rules.verify, links=photograph.links
    )
    sample = Sample(
        id=item.id,
        image=place_original(original, folder=folder, sample_id=item.id),
        width=original.header.width,
        height=original.header.height,
        source=rules.source,
        source_id=photograph.source_id,
        split=rules.split,
        person_area=0.0 if rules.is_background else None,
        persons=0 if rules.is_background else None,
        group=photograph.group or photo_group(rules.source, source_id=photograph.source_id, sha256=original.sha256),
        license=rules.license,
        sha256=original.sha256,
    )
    return Outcome(id=item.id, sample=sample, records=original.lines(record_id=item.id))


def _names(listing: Listing) -> Mapping[str, str]:
    """Return the name of each file: its path without the suffix, or with it where others differ in the suffix alone."""
    stems = {file.name: unicodedata.normalize("NFC", without_suffix(file.name)) for file in listing.files}
    claims = Counter(folded(stem) for stem in stems.values())
    return {
        name: stem if claims[folded(stem)] == 1 else unicodedata.normalize("NFC", name) for name, stem in stems.items()
    }

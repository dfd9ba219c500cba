"""A plain folder of photographs without labels: a pool to mine, or backgrounds that somebody says show nobody."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from curation.dataset.identity import photo_group
from curation.dataset.sample import Item, Outcome, Plan, Sample, Source
from curation.errors import InputRefused
from curation.images.folders import TOLD, Listing, list_source
from curation.labels.source_images import Verify, check_original, place_original
from curation.quarantine import BadRecord
from curation.setting import setting
from curation.sources.group_by_name import grouping_line, groups_by_name
from curation.sources.match_by_name import (
    FOLDER_MARK,
    Intake,
    Photograph,
    named_source,
    plan_of,
    settings_of,
    take_ids,
    without_suffix,
)
from curation.sources.shared_settings import follow_links_setting, group_by_setting, image_uris_setting, verify_setting
from curation.storage.files import folded

COMMAND: Final = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesSettings:
    """What to read, and what to write into every row."""

    root: Path = setting("Folder of photographs; sub-folders are read too.", metavar="DIR")
    as_: Literal["pool", "background"] = setting(
        "What is known of them: nothing (pool), or that they show nobody (background).", default="pool"
    )
    source: str | None = setting("Name of the source.  [default: the folder's name, made unique]", default=None)
    split: Literal["train", "val", "test"] | None = setting("Split of every sample.", default=None)
    license: str | None = setting("Licence of every sample.", default=None)
    group_by: str | None = group_by_setting()
    verify: Verify = verify_setting()
    limit: int | None = None
    follow_links: tuple[Path, ...] = follow_links_setting()
    image_uris: bool = image_uris_setting()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRules:
    """What every row says, and how images are checked."""

    source: str
    split: str | None
    license: str | None
    is_background: bool
    verify: Verify
    by_uri: bool


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
    if settings.as_ == "background":
        told.append(
            "taken as images that show nobody; `curate check-backgrounds` lists those in which a model sees somebody"
        )
    rules = ImageRules(
        source=source,
        split=settings.split,
        license=settings.license,
        is_background=settings.as_ == "background",
        verify=settings.verify,
        by_uri=settings.image_uris,
    )
    intake = Intake(
        command=COMMAND,
        settings={"use" if name == "as_" else name: value for name, value in settings_of(settings).items()},
        source=Source(name=source, path=str(settings.root), fingerprint=fingerprint),
        inputs=[settings.root],
        listings=[listing],
        items=items,
        broken=broken,
        notes={TOLD: told} if told else {},
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
        image=place_original(original, folder=folder, sample_id=item.id, by_uri=rules.by_uri),
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

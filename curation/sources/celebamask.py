"""CelebAMask-HQ: 30,000 faces of 1024 x 1024 with part masks of 512 x 512, merged to person masks and class maps.

Layout: `CelebA-HQ-img/<n>.jpg` and `CelebAMask-HQ-mask-anno/<folder>/<5 digits>_<part>.png`, 2,000 images a folder.
Source: Lee et al., "MaskGAN", CVPR 2020; README of github.com/switchablenorms/CelebAMask-HQ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from curation.dataset.sample import Item, Plan, Source
from curation.images.folders import FoundFile, Listing, list_source, require_folders
from curation.labels.source_images import Verify
from curation.quarantine import BadRecord, Code
from curation.setting import setting
from curation.sources.celebamask_parts import PARTS, Face, FaceRules, take_face
from curation.sources.known_defects import KnownBad, edition, met, quoted, read_catalogue
from curation.sources.match_by_name import Intake, by_key, plan_of, settings_of, without_suffix
from curation.sources.shared_settings import follow_links_setting, image_uris_setting, verify_setting
from curation.storage.safe_id import safe_id

NAME: Final = "celebamask"
IMAGES: Final = "CelebA-HQ-img"
ANNOTATIONS: Final = "CelebAMask-HQ-mask-anno"
LICENSE: Final = "CelebAMask-HQ"
LICENSES: Final = {LICENSE: "non-commercial research and educational purposes only, as its README states"}
PART_NAME: Final = re.compile(rf"(\d{{5}})_({'|'.join(PARTS)})")

Parts = dict[str, dict[str, str]]
"""Paths of part masks by image number and part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CelebamaskSettings:
    """What to read, and what to make of it."""

    root: Path = setting("Folder that holds CelebA-HQ-img and CelebAMask-HQ-mask-anno.", metavar="DIR")
    white: bool = setting("Also make pictures of the person on white: white/<id>.png.", default=False)
    known_bad: KnownBad = setting(
        "Records known to be bad: skip sets misaligned images aside and gives no class map where parts are missing; "
        "keep takes them as they are.",
        default="skip",
    )
    verify: Verify = verify_setting()
    limit: int | None = None
    follow_links: tuple[Path, ...] = follow_links_setting()
    image_uris: bool = image_uris_setting()


def plan_celebamask(settings: CelebamaskSettings) -> Plan:
    """Collect the part masks of each image by number, and tell what is no image with parts.

    Raises InputRefused: `root` does not hold the two folders, two files claim one name, or no image has a part mask.
    """
    require_folders(settings.root, names=[IMAGES, ANNOTATIONS])
    listing = list_source(
        settings.root, links=settings.follow_links, enter=lambda folder: folder.split("/")[0] in {IMAGES, ANNOTATIONS}
    )
    faces, parts, others = _told_apart(listing)
    images = by_key(faces, key=image_number, root=settings.root)
    part_paths = _parts_by_image(parts, root=settings.root)
    lonely = _lonely(images, part_paths)
    whole = {number: path for number, path in images.items() if number in part_paths}
    items, known_bad = _items(whole, part_paths, settings=settings)
    intake = Intake(
        command=NAME,
        settings=settings_of(settings) | {"catalogue": edition(NAME)},
        source=Source(name=NAME, path=str(settings.root), fingerprint=listing.fingerprint(), licenses=LICENSES),
        inputs=[settings.root],
        listings=[listing],
        items=items,
        broken=[*lonely, *known_bad],
        others=others,
        limit=settings.limit,
        notes={
            "catalogue": met(read_catalogue(NAME), present=set(whole)),
            "classes": {name: value for value, name in enumerate(["background", *PARTS])},
        },
    )
    rules = FaceRules(
        source=NAME, license=LICENSE, with_white=settings.white, verify=settings.verify, by_uri=settings.image_uris
    )
    folders = ("images", "masks", "classes", *(["white"] if settings.white else []))
    return plan_of(intake, work=partial(take_face, rules=rules), folders=folders)


def image_number(name: str) -> str:
    """Return the number of an image without leading zeros, as its part masks give it with five digits.

    >>> image_number("CelebA-HQ-img/234.jpg"), image_number("CelebA-HQ-img/cover.jpg")
    ('234', 'cover')
    """
    stem = without_suffix(name).partition("/")[2]
    return str(int(stem)) if stem.isascii() and stem.isdigit() else stem


def _told_apart(listing: Listing) -> tuple[list[FoundFile], list[FoundFile], list[str]]:
    """Return the images, the part masks, and the names of what is neither."""
    images, parts, others = [], [], []
    for file in listing.files:
        if file.name.startswith(f"{IMAGES}/"):
            images.append(file)
        elif file.name.startswith(f"{ANNOTATIONS}/") and PART_NAME.fullmatch(_stem(file.name)):
            parts.append(file)
        else:
            others.append(file.name)
    return images, parts, others


def _parts_by_image(files: Iterable[FoundFile], *, root: Path) -> Parts:
    """Return the part masks of each image; a part that lies in two folders is refused by `by_key`."""
    found: Parts = {}
    for stem, path in by_key(files, key=_stem, root=root).items():
        digits, _, part = stem.partition("_")
        found.setdefault(str(int(digits)), {})[part] = path
    return found


def _stem(name: str) -> str:
    return without_suffix(name.rpartition("/")[2])


def _lonely(images: Mapping[str, str], parts: Parts) -> list[BadRecord]:
    return [
        *(
            BadRecord(Code.NO_MASK, "the image has no part mask", file=path, record_id=number)
            for number, path in images.items()
            if number not in parts
        ),
        *(
            BadRecord(
                Code.ORPHAN_MASK,
                f"{len(paths)} part masks without an image",
                file=min(paths.values()),
                record_id=number,
            )
            for number, paths in parts.items()
            if number not in images
        ),
    ]


def _items(
    images: Mapping[str, str], parts: Parts, *, settings: CelebamaskSettings
) -> tuple[list[Item], list[BadRecord]]:
    """Return the items, and the records that are set aside because the catalogue says so."""
    catalogue = read_catalogue(NAME)
    skips_known_bad = settings.known_bad == "skip"
    misaligned = {number: known for known in catalogue.of("misaligned") for number in known.records}
    doubtful = {number: known.parts for known in catalogue.of("parts_missing") for number in known.records}
    same = {number: known.records[0] for known in catalogue.of("duplicates") for number in known.records}
    items, known_bad = [], []
    for number, path in images.items():
        if skips_known_bad and number in misaligned:
            reason = quoted(misaligned[number], catalogue=catalogue)
            known_bad.append(BadRecord(Code.KNOWN_BAD, reason, file=path, record_id=number))
            continue
        face = Face(
            root=str(settings.root),
            image=path,
            parts={part: parts[number][part] for part in PARTS if part in parts[number]},
            doubtful=tuple(doubtful.get(number, ())) if skips_known_bad else (),
            group=f"{NAME}/{same.get(number, number)}",
            links=tuple(str(link) for link in settings.follow_links),
        )
        items.append(Item(id=safe_id(number), payload=face, file=path))
    return items, known_bad

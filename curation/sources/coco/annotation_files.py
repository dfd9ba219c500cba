"""Pairs of a COCO annotation file and its images folder: sample ids, safe paths, and the images fit to be looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Any, Final

from curation.dataset.identity import COCO, content_fingerprint, own_coco_set, scoped
from curation.dataset.licenses import license_text
from curation.dataset.sample import Source
from curation.errors import InputRefused
from curation.images.folders import TOLD
from curation.images.header import MAX_PIXELS
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.sources.coco.read_file import read_coco
from curation.sources.coco.records import CocoFile, ImageEntry
from curation.sources.coco.settle_from_images import FileNames, names_in, sized_images, with_slashes
from curation.sources.group_by_name import groups_by_name
from curation.storage.files import fingerprint_file, folded, safe_join
from curation.storage.safe_id import MAX_ID_BYTES, SafeId, safe_id

MAX_ANNOTATIONS_PER_IMAGE: Final = 10_000
"""COCO's busiest image has fewer than 200 annotations; a million on one image is an attack or a broken export."""
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+")
"""A name that needs no closer look: no separators, no leading dot, nothing unprintable."""
PLAIN_NAMES: Final = re.compile(rf"{PLAIN_NAME.pattern}(?:\n{PLAIN_NAME.pattern})*+")
"""Possessive, so that nothing is kept to go back to: a seventh of the time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CocoSource:
    """One pair as a command needs it. `images` are those that can be selected, by ascending id.

    `name` is the value of the `source` column: `coco/train2017` for a set of COCO's own, else one that no other file
    has, such as `coco/images@3f2a9c1e`. `fingerprint` is the SHA-256 of the file as far as the name needed it.
    `quarantined` holds a line for every other image of the file. `names` are those of files that are written otherwise
    in the images folder, `links` the folders that links may lead into. `remarks` say how the file was read.
    """

    name: str
    fingerprint: str
    file: CocoFile
    folder: Path
    images: Sequence[ImageEntry]
    quarantined: Sequence[QuarantineRecord]
    names: FileNames
    links: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def considered(self) -> int:
        """The number of images the file lists, repeats of one record counted once."""
        return len(self.images) + len(self.quarantined)

    def path_of(self, image: ImageEntry) -> str:
        """Return the path of the image's file; its name has been checked."""
        return f"{self.folder}/{self.names.found.get(image.file_name, image.file_name)}"

    def group_of(self, image: ImageEntry) -> str | None:
        """Return the group that an image's name tells, of copies that an augmentation made; None for most."""
        stem = image.file_name.rpartition(".")[0]
        return groups_by_name([stem], by=None, source=self.name).get(stem) if ".rf." in stem else None

    def sample_id(self, image: ImageEntry) -> SafeId:
        """Return the id of the sample made from `image`."""
        return SafeId(sample_id(image.file_name, folder=self.folder))

    def license_of(self, image: ImageEntry) -> str | None:
        """Return name and URL of the licence of an image, since its id means something in this file only."""
        id_ = None if image.license is None else str(image.license)
        return None if id_ is None else license_text(self.file.licenses.get(id_), id_=id_, source=self.name)

    def provenance(self, *, is_preview: bool) -> Source:
        """Return the source for the dataset's card; for a preview without the fingerprint, which reads the file
        again.
        """
        return Source(
            name=self.name,
            path=str(self.file.path),
            fingerprint="" if is_preview else self.fingerprint or fingerprint_file(self.file.path),
            licenses=self.file.licenses,
        )


def sample_id(file_name: str, *, folder: Path) -> str:
    """Return a readable id that stays the same: the folder's name and the file's stem.

    >>> sample_id("000000000009.jpg", folder=Path("coco/train2017"))
    'train2017_000000000009'
    >>> sample_id("COCO_train2014_000000000009.jpg", folder=Path("coco/train2014"))
    'COCO_train2014_000000000009'
    """
    return _id_in(folder_name(folder), file_name=file_name)


def _id_in(name: str, *, file_name: str) -> str:
    # paths are slow to take apart, and there may be a hundred thousand
    stem = file_name.rpartition(".")[0] if PLAIN_NAME.fullmatch(file_name) and "." in file_name else ""
    stem = stem or "_".join(PurePosixPath(file_name).with_suffix("").parts)
    return stem if name in stem else f"{name}_{stem}"


def folder_name(folder: Path) -> str:
    """Return the folder's own name, also for `.` and `..`."""
    return folder.name or folder.resolve().name


def read_sources(
    annotations: Sequence[Path],
    *,
    images: Sequence[Path],
    stage: str,
    pool: Executor | None = None,
    links: Sequence[Path] = (),
) -> list[CocoSource]:
    """Read the pairs of annotation files and images folders, with the help of the processes of `pool`.

    Links are followed into the folders `links`.

    Raises InputRefused when a file cannot be used, or the numbers of files and folders differ.
    """
    if len(annotations) != len(images) or not annotations:
        reason = f"{len(annotations)} annotation files and {len(images)} images folders"
        raise InputRefused(reason, remedy="give one --images for each --annotations, in the same order")
    return [
        _read_source(path, folder=folder, stage=stage, pool=pool, links=tuple(map(str, links)))
        for path, folder in zip(annotations, images, strict=True)
    ]


def notes_of(sources: Sequence[CocoSource]) -> dict[str, Any]:
    """Return what the card says of the files: records said twice, and links that were read although oddly written."""
    relinked = [source.file.relinked for source in sources]
    told = [sentence for source in sources for sentence in source.remarks]
    notes: dict[str, Any] = {"repeats": [source.file.repeats for source in sources]}
    notes |= {"relinked": relinked} if any(relinked) else {}
    return notes | ({TOLD: told} if told else {})


def _read_source(path: Path, *, folder: Path, stage: str, pool: Executor | None, links: tuple[str, ...]) -> CocoSource:
    file = read_coco(path, pool=pool)
    lines = [broken.line for broken in file.broken_images]
    crowded = _crowded_ids(file)
    found = list(file.images)
    told = []
    is_plain = not crowded and _are_plain(found) and PLAIN_NAME.fullmatch(folder_name(folder))
    if not is_plain:
        found, slashed = with_slashes(found)
        if slashed:
            told.append(f"{path}: {slashed:,} file names are paths of Windows; each \\ was read as /")
        found = _sound_images(found, folder=folder, crowded=crowded, stage=stage, lines=lines)
    names = names_in(folder, images=found)
    if not is_plain:
        found, unstated = sized_images(found, folder=folder, names=names, links=links, stage=stage, lines=lines)
        if unstated:
            told.append(f"{path}: the size of {unstated:,} images is not stated, and was taken from their files")
    name, fingerprint = _named(file, folder=folder)
    return CocoSource(
        name=name,
        fingerprint=fingerprint,
        file=file,
        folder=folder,
        images=sorted(found, key=attrgetter("id")),
        quarantined=lines,
        names=names,
        links=links,
        remarks=tuple(told),
    )


def _named(file: CocoFile, *, folder: Path) -> tuple[str, str]:
    """Return the name of a source, and the fingerprint that the name is made of, if any."""
    own = own_coco_set(str(file.path), images=((image.id, image.file_name) for image in file.images))
    if own is not None:
        return f"{COCO}/{own}", ""
    fingerprint = fingerprint_file(file.path)
    content = content_fingerprint(fingerprint, folder=folder, names=(image.file_name for image in file.images))
    return scoped(f"{COCO}/{folder_name(folder)}", fingerprint=content), fingerprint


def _are_plain(images: Sequence[ImageEntry]) -> bool:
    """Say, without a look at each alone, whether names are plain, short and of different stems, and sizes fit."""
    names = [image.file_name for image in images]
    text = "\n".join(names)
    return (
        PLAIN_NAMES.fullmatch(text) is not None
        and text.count("\n") == len(names) - 1
        and max(map(len, names)) <= MAX_ID_BYTES // 4
        and len({name.rpartition(".")[0] for name in text.lower().split("\n")}) == len(names)
        and min(image.width * image.height for image in images) > 0
        and max(image.width * image.height for image in images) <= MAX_PIXELS
    )


def _sound_images(
    images: Sequence[ImageEntry],
    *,
    folder: Path,
    crowded: frozenset[int],
    stage: str,
    lines: list[QuarantineRecord],
) -> list[ImageEntry]:
    """Return the images fit to be looked at, and add a line for each other one."""
    found: list[ImageEntry] = []
    for image in images:
        try:
            _check_image(image, folder=folder, crowded=crowded)
        except BadRecord as error:
            lines.append(error.record(stage=stage, file=folder / image.file_name, record_id=image.id))
        else:
            found.append(image)
    name = folder_name(folder)
    ids = [folded(_id_in(name, file_name=image.file_name)) for image in found]
    if len(set(ids)) < len(found):
        claims = Counter(ids)
        claimants = [image for image, claimed in zip(found, ids, strict=True) if claims[claimed] > 1]
        lines.extend(_same_name(image, folder=folder, stage=stage) for image in claimants)
        found = [image for image, claimed in zip(found, ids, strict=True) if claims[claimed] == 1]
    return found


def _crowded_ids(file: CocoFile) -> frozenset[int]:
    counts = Counter(map(attrgetter("image_id"), file.annotations))
    return frozenset(image_id for image_id, count in counts.items() if count > MAX_ANNOTATIONS_PER_IMAGE)


def _check_image(image: ImageEntry, *, folder: Path, crowded: frozenset[int]) -> None:
    if not PLAIN_NAME.fullmatch(image.file_name):
        safe_join(folder, image.file_name)
    safe_id(sample_id(image.file_name, folder=folder), file=str(folder / image.file_name), field="file_name")
    if image.width * image.height > MAX_PIXELS:
        reason = f"{image.width} x {image.height} pixels; the limit is {MAX_PIXELS:,}"
        raise BadRecord(Code.TOO_LARGE, reason, field="width,height")
    if image.id in crowded:
        reason = f"more than {MAX_ANNOTATIONS_PER_IMAGE:,} annotations on one image"
        raise BadRecord(
            Code.JSON_VALUE, reason, field="annotations", hint="leave the image out, or join its annotations"
        )


def _same_name(image: ImageEntry, *, folder: Path, stage: str) -> QuarantineRecord:
    reason = f"more than one record names {image.file_name!r}, or a file of the same stem, but for upper and lower case"
    error = BadRecord(Code.DUP_ID, reason, field="file_name", value=image.file_name)
    return error.record(stage=stage, file=folder / image.file_name, record_id=image.id)

"""What the images folder settles where an annotation file does not: names of files, and sizes that are not stated."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import msgspec

from curation.images.header import inspect
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.sources.coco.records import ImageEntry
from curation.storage.files import folded, safe_join
from curation.storage.followed_links import read_followed

FRAME_HINT = "write the width and height of the frame in which the outlines were drawn into the record"
NEAR_HINT = "correct file_name in the annotation file, or rename the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNames:
    """Names in an images folder: `found` are files of names that are the same but for their Unicode form, `near` those
    of names that are not: in upper or lower case, or percent-encoded."""

    found: Mapping[str, str] = field(default_factory=dict)
    near: Mapping[str, str] = field(default_factory=dict)


def with_slashes(images: Iterable[ImageEntry]) -> tuple[list[ImageEntry], int]:
    """Return the images with paths of Windows written with slashes, and how many these are."""
    settled = [
        msgspec.structs.replace(image, file_name=image.file_name.replace("\\", "/"))
        if "\\" in image.file_name
        else image
        for image in images
    ]
    return settled, sum("\\" in image.file_name for image in images)


def names_in(folder: Path, *, images: Sequence[ImageEntry]) -> FileNames:
    """Return what the folder has for the names of images that are not in it as they are written."""
    missing = [image.file_name for image in images if not os.path.lexists(f"{folder}/{image.file_name}")]
    if not missing or not folder.is_dir():
        return FileNames()
    composed: dict[str, str] = {}
    loose: dict[str, str] = {}
    for place, _, files in os.walk(folder):
        for file in files:
            name = Path(place, file).relative_to(folder).as_posix()
            composed.setdefault(unicodedata.normalize("NFC", name), name)
            loose.setdefault(folded(name), name)
    found = {name: composed[form] for name in missing if (form := unicodedata.normalize("NFC", name)) in composed}
    near = {name: loose[form] for name in missing if name not in found and (form := folded(unquote(name))) in loose}
    return FileNames(found=found, near=near)


def telling_near(problem: BadRecord, *, near: str | None) -> BadRecord:
    """Return a problem that names the file that is there, where one of a near name is."""
    if near and problem.code is Code.MISSING_FILE:
        problem.reason += f"; there is {near!r}"
        problem.hint = NEAR_HINT
    return problem


def sized_images(
    images: Sequence[ImageEntry],
    *,
    folder: Path,
    names: FileNames,
    links: tuple[str, ...],
    stage: str,
    lines: list[QuarantineRecord],
) -> tuple[list[ImageEntry], int]:
    """Return the images with the sizes of their files where the records state none, how many these are, and a line for
    each other one."""
    found: list[ImageEntry] = []
    unstated = 0
    for image in images:
        if image.width and image.height:
            found.append(image)
            continue
        file_name = names.found.get(image.file_name, image.file_name)
        try:
            found.append(_sized(image, folder=folder, file_name=file_name, links=links))
            unstated += 1
        except BadRecord as error:
            problem = telling_near(error, near=names.near.get(image.file_name))
            lines.append(problem.record(stage=stage, file=folder / image.file_name, record_id=image.id))
    return found, unstated


def _sized(image: ImageEntry, *, folder: Path, file_name: str, links: Sequence[str]) -> ImageEntry:
    """Return the record of an image with the size of its file, as displayed, for what it does not state.

    Raises BadRecord: whatever is wrong with the file; SIZE_MISMATCH for a side that is stated and is another;
    LABEL_FRAME where EXIF turns the image, so that nothing tells in which frame its outlines lie.
    """
    path = safe_join(folder, file_name)
    header = inspect(read_followed(path, below=folder, links=links), file=str(path))
    if header.orientation != 1:
        reason = f"the record states no size, and EXIF turns the image (orientation {header.orientation})"
        raise BadRecord(Code.LABEL_FRAME, reason, file=path, field="width,height", hint=FRAME_HINT)
    for name, stated, real in (("width", image.width, header.width), ("height", image.height, header.height)):
        if stated not in (0, real):
            reason = f"the record states a {name} of {stated}, and no other side; the image has {real}"
            raise BadRecord(Code.SIZE_MISMATCH, reason, file=path, field=name, value=stated)
    return msgspec.structs.replace(image, width=header.width, height=header.height)

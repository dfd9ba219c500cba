"""What a number stands for: an id means one photograph only inside one file, or in a public data set.

Tools that export a file number its images again from 0 or 1, and folders are called `images` in many places. So the
name of a source ends with the beginning of the fingerprint of its file or folder, and the group of a sample with that
of its image. The exceptions are public data sets whose numbers are the same wherever they lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from curation.quarantine import BadRecord
from curation.storage.files import read_file, safe_join, sha256_of

NUMBERED_FOR_ALL: Final = frozenset({"aifenge", "celebamask"})
"""Sources whose ids are names of the public data set, so that two roots are parts of one numbering."""
COCO: Final = "coco"
MARK: Final = "@"
"""Stands in names of sources and groups between what is readable and what makes it one of a kind."""
DIGITS: Final = 8
"""Hexadecimal digits of a SHA-256, beside a readable name: two that differ agree in them once in 4 billion."""
OWN_FILE: Final = re.compile(
    r"(?:instances|person_keypoints|stuff|captions)_(?:valminusmini|mini)?((?:train|val)20(?:14|17))\.json"
    r"|image_info_((?:test|test-dev|unlabeled)20(?:14|15|17))\.json"
)
"""Annotation files as COCO publishes them. Source: https://cocodataset.org/#download."""
LOWEST_ID: Final = 9
"""The first image of COCO's train and val sets is 000000000009.jpg; who numbers on his own begins with 0 or 1."""
COCO_DIGITS: Final = 12
LOOKED_AT: Final = 8
"""So many images are enough to tell two sets apart."""


def scoped(name: str, *, fingerprint: str) -> str:
    """Return the name of a source whose readable name others may have too.

    >>> scoped("coco/images", fingerprint="3f2a9c1e77")
    'coco/images@3f2a9c1e'
    """
    return f"{name}{MARK}{fingerprint[:DIGITS]}"


def content_fingerprint(fingerprint: str, *, folder: Path, names: Iterable[str]) -> str:
    """Return a SHA-256 of a fingerprint and of the first few images of a folder, as far as they can be read.

    Two sets that are made alike may agree in their annotation files, or in the names and sizes of all their files.
    """
    digests = [fingerprint]
    for name in islice(names, LOOKED_AT):
        try:
            digests.append(sha256_of(read_file(safe_join(folder, name), below=folder)))
        except BadRecord:
            digests.append(name)
    return sha256_of("\n".join(digests).encode("utf-8", "surrogatepass"))


def photo_group(source: str, *, source_id: str, sha256: str) -> str:
    """Return the group of a photograph: by its number where that means one photograph everywhere, else by its image.

    COCO's own sets share one numbering: a photograph of 2014 has the same id in the sets of 2017.

    >>> photo_group("coco/train2017", source_id="9", sha256="ab" * 32), photo_group("aifenge", source_id="x", sha256="")
    ('coco/9', 'aifenge/x')
    >>> photo_group("coco/images@3f2a9c1e", source_id="9", sha256="ab" * 32)
    'coco/images/9@abababab'
    """
    if source in NUMBERED_FOR_ALL:
        return f"{source}/{source_id}"
    if source.startswith(f"{COCO}/") and MARK not in source:
        return f"{COCO}/{source_id}"
    return image_group(source, source_id=source_id, sha256=sha256)


def image_group(source: str, *, source_id: str, sha256: str) -> str:
    """Return the group of a photograph whose number may be that of another elsewhere.

    It says nothing of the file: the same image is the same photograph wherever it lies.
    """
    return f"{source.partition(MARK)[0]}/{source_id}{MARK}{sha256[:DIGITS]}"


def own_coco_set(annotations: str, *, images: Iterable[tuple[int, str]]) -> str | None:
    """Return which of COCO's own sets a file is, such as `train2017`, from its name and all its (id, file name).

    None for every other file, also one that only has the name of COCO's.

    >>> own_coco_set("a/instances_val2017.json", images=[(139, "000000000139.jpg")])
    'val2017'
    >>> own_coco_set("a/instances_minival2014.json", images=[(139, "COCO_val2014_000000000139.jpg")])
    'val2014'
    >>> own_coco_set("a/instances_val2017.json", images=[(1, "000000000001.jpg")])
    >>> own_coco_set("a/instances_val2017.json", images=[(139, "img139.jpg")])
    """
    found = OWN_FILE.fullmatch(PurePosixPath(annotations).name)
    if found is None:
        return None
    lowest = LOWEST_ID if found[1] else 1
    is_own = all(image_id >= lowest and _is_coco_name(name, number=f"{image_id:012d}.jpg") for image_id, name in images)
    return (found[1] or found[2]) if is_own else None


def _is_coco_name(path: str, *, number: str) -> bool:
    """Tell whether a file is named as COCO does: `000000000009.jpg`, or `COCO_train2014_000000000009.jpg`."""
    if path == number:
        return True
    name = path.rpartition("/")[2]
    return name == number or (name.startswith("COCO_") and name.endswith(f"_{number}"))

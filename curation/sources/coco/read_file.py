"""COCO instance files, read whole in one typed pass over the mapped file, outlines left where they stand.

A file with a single odd record is read a second time, record by record, by `records`.
"""

from __future__ import annotations

import mmap
from collections import Counter
from concurrent.futures import Executor, Future
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from curation.sources.coco.json_file import ESCAPED_LETTER, count_keys, count_keys_in, decode_whole, malformed, mapped
from curation.sources.coco.read_careful import LISTS, read_records, refuse_repeated_lists, small_tables
from curation.sources.coco.records import ABSENT, Annotation, CocoFile, ImageEntry, Records

IMAGE_KEYS: Final = ("file_name", "width", "height")
ANNOTATION_KEYS: Final = ("image_id", "category_id")
COUNTED: Final = ("id", *LISTS, *IMAGE_KEYS, "license", *ANNOTATION_KEYS, "iscrowd", "segmentation")


class _Plain(msgspec.Struct):
    images: list[ImageEntry]
    annotations: list[Annotation]
    categories: msgspec.Raw
    licenses: msgspec.Raw = ABSENT


def read_coco(path: Path, *, pool: Executor | None = None) -> CocoFile:
    """Read a COCO instances file; a process of `pool` looks for keys that stand twice meanwhile.

    Raises InputRefused, naming the byte or the key, when the file as a whole is not what it should be. A single broken
    record is set aside in `broken_images` or `broken_annotations`.
    """
    with mapped(path) as data:
        changed_ns = path.stat().st_mtime_ns
        counting = None if pool is None else pool.submit(count_keys_in, path, keys=COUNTED)
        found = _read_plainly(data, path=path, changed_ns=changed_ns, counting=counting)
        if found is not None:
            return found
        refuse_repeated_lists(data, path=path)
        return read_records(decode_whole(data, kind=Records, path=path), path=path, changed_ns=changed_ns)


def _read_plainly(
    data: mmap.mmap, *, path: Path, changed_ns: int, counting: Future[Counter[str]] | None = None
) -> CocoFile | None:
    """Return a file that is sound in every record; None where it takes a closer look."""
    try:
        plain = msgspec.json.decode(data, type=_Plain)
    except UnicodeDecodeError as error:
        raise malformed(error, data=data, path=path) from error
    except (msgspec.DecodeError, RecursionError):
        return None
    categories, licenses = small_tables(plain.categories, plain.licenses, path=path)
    category_ids = {category.id for category in categories}
    keys = count_keys(data, keys=COUNTED) if counting is None else counting.result()
    # a disguised key would not be counted
    is_hidden = data.find(b"\\u") >= 0 and ESCAPED_LETTER.search(data) is not None
    if is_hidden or not _names_each_key_once(plain, found=keys) or not _is_linked(plain, category_ids=category_ids):
        return None
    data.madvise(mmap.MADV_DONTNEED)  # what is needed again is read again; until then it weighs nothing
    return CocoFile(
        path=path,
        changed_ns=changed_ns,
        images=plain.images,
        annotations=plain.annotations,
        categories=categories,
        licenses=licenses,
    )


def _is_linked(plain: _Plain, *, category_ids: set[int]) -> bool:
    """Tell whether all ids are unique, and every annotation names an image and a category that are there."""
    image_ids = {image.id for image in plain.images}
    ids = np.fromiter(map(attrgetter("id"), plain.annotations), np.int64, len(plain.annotations))
    return (
        len(image_ids) == len(plain.images)
        and len(np.unique(ids)) == len(ids)
        and image_ids.issuperset(map(attrgetter("image_id"), plain.annotations))
        and category_ids.issuperset(map(attrgetter("category_id"), plain.annotations))
    )


def _names_each_key_once(plain: _Plain, *, found: Counter[str]) -> bool:
    """Tell whether no record names a key twice, where a decoder silently keeps the last.

    Each key stands as often in the file, `found`, as there are records that have it. Where it does not, for whatever
    reason, the careful reader looks closely.
    """
    small = count_keys(bytes(plain.categories) + bytes(plain.licenses), keys=COUNTED)
    images, annotations = len(plain.images), plain.annotations
    expected = dict.fromkeys(LISTS, 1) | dict.fromkeys(IMAGE_KEYS, images)
    expected |= dict.fromkeys(ANNOTATION_KEYS, len(annotations))
    expected["licenses"] = int(plain.licenses is not ABSENT)
    expected["license"] = sum(image.license is not None for image in plain.images)
    expected["id"] = images + len(annotations) + small["id"]
    expected["iscrowd"] = sum(annotation.iscrowd is not msgspec.UNSET for annotation in annotations)
    expected["segmentation"] = sum(annotation.segmentation is not ABSENT for annotation in annotations)
    return all(found[key] == count for key, count in expected.items())

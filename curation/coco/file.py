"""COCO instance files, read whole in one typed pass over the mapped file, outlines left as raw JSON.

A sound file of train2017's size takes about a second; a file with a single odd record is read a second time, record by
record, by `records`.
"""

from __future__ import annotations

import mmap
from collections import Counter
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path

import msgspec
import numpy as np

from curation.coco.entries import ABSENT, Annotation, CocoFile, Columns, ImageEntry, Records
from curation.coco.json_text import decode_whole, malformed, mapped, without_collection
from curation.coco.records import are_unique_and_linked, read_records, refuse_repeated_lists, small_tables
from curation.coco.second_core import HERE
from curation.json_keys import BLANK, count_keys, count_keys_in


class _Complete(Annotation, kw_only=True, gc=False):
    segmentation: msgspec.Raw


class _Quick(msgspec.Struct):
    images: list[ImageEntry]
    annotations: list[_Complete]
    categories: msgspec.Raw
    licenses: msgspec.Raw = ABSENT


def read_coco(path: Path, *, beside: Executor = HERE) -> CocoFile:
    """Read a COCO instances file; `beside` counts the keys meanwhile.

    Raises InputRefused, naming the byte or the key, when the file as a whole is not what it should be. A single broken
    record is set aside in `broken_images` or `broken_annotations`.
    """
    with mapped(path) as data, without_collection():
        keys = beside.submit(count_keys_in, path)
        beside.submit(import_module, "curation.coco")  # while there is nothing else to do: it takes a while
        quick = _decode_quickly(data, path=path)
        columns = None if quick is None else Columns.of(quick.annotations)
        if quick is not None and columns is not None and are_unique_and_linked(quick.images, columns):
            categories, licenses = small_tables(quick.categories, quick.licenses, path=path)
            known = {category.id for category in categories}
            if known.issuperset(np.unique(columns.category_ids).tolist()) and _is_plain(quick, found=keys.result()):
                return CocoFile(
                    path=path,
                    images=quick.images,
                    annotations=quick.annotations,
                    columns=columns,
                    categories=categories,
                    licenses=licenses,
                )
        del quick
        refuse_repeated_lists(data, path=path)
        return read_records(decode_whole(data, kind=Records, path=path), path=path)


def _decode_quickly(data: mmap.mmap, *, path: Path) -> _Quick | None:
    try:
        return msgspec.json.decode(data, type=_Quick)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, data=data, path=path) from error


def _is_plain(quick: _Quick, *, found: Counter[str]) -> bool:
    """Say whether no record names a key twice, where a decoder silently keeps the last.

    Each key stands as often in the file as in the records. Where it does not, for whatever reason, the slower reader
    looks closely.
    """
    small = count_keys(memoryview(quick.categories))
    small.update(count_keys(memoryview(quick.licenses)))
    images, annotations = len(quick.images), len(quick.annotations)
    expected = dict.fromkeys(("images", "annotations", "categories"), 1)
    expected |= dict.fromkeys(("file_name", "width", "height"), images)
    expected |= dict.fromkeys(("image_id", "category_id", "segmentation"), annotations)
    expected[BLANK] = small[BLANK]
    expected["id"] = images + annotations + small["id"]
    at_most = {"iscrowd": annotations, "license": images, "licenses": 1}
    return all(found[key] == count for key, count in expected.items()) and all(
        found[key] <= count for key, count in at_most.items()
    )

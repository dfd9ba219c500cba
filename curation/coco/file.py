"""COCO instance files, read whole in one typed pass over the mapped file, outlines left where they stand.

A sound file of train2017's size takes about a second on two cores, each reading a part; a file with a single odd
record is read a second time, record by record, by `records`.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from curation.annotation_parts import ABSENT, Columns, Span, read_part
from curation.coco.entries import CocoFile, ImageEntry, Records
from curation.coco.json_text import decode_whole, malformed, mapped, without_collection
from curation.coco.records import are_unique_and_linked, read_records, refuse_repeated_lists, small_tables
from curation.coco.second_core import HERE
from curation.coco.texts import FileTexts
from curation.json_keys import BLANK, count_keys

FIRST_SHARE: Final = 0.62
"""Of the annotations, for this process; a second one has to start first."""
OPENING: Final = re.compile(rb'"annotations"\s*:\s*\[')
BETWEEN: Final = re.compile(rb"\}\s*(,)\s*\{")
CLOSING: Final = re.compile(rb'\}\s*(\])\s*(?:,\s*"|\})')


class _Rest(msgspec.Struct):
    """A COCO file without its annotations: a number stands in their place, so that the place is known."""

    images: list[ImageEntry]
    annotations: list[int]
    categories: msgspec.Raw
    licenses: msgspec.Raw = ABSENT


def read_coco(path: Path, *, beside: Executor = HERE) -> CocoFile:
    """Read a COCO instances file; `beside` reads a part of it.

    Raises InputRefused, naming the byte or the key, when the file as a whole is not what it should be. A single broken
    record is set aside in `broken_images` or `broken_annotations`.
    """
    with mapped(path) as data, without_collection():
        found = _read_plainly(data, path=path, beside=beside)
        if found is not None:
            return found
        refuse_repeated_lists(data, path=path)
        return read_records(decode_whole(data, kind=Records, path=path), path=path)


def _read_plainly(data: mmap.mmap, *, path: Path, beside: Executor) -> CocoFile | None:
    """Read a file that is sound in every record; None where it takes a closer look."""
    changed_ns = path.stat().st_mtime_ns
    spans = _spans_of_annotations(data)
    if not spans:
        return None
    later = [beside.submit(read_part, path, span=span) for span in spans[1:]]
    beside.submit(import_module, "curation.coco")  # while there is nothing else to do: it takes a while
    first = read_part(path, span=spans[0])
    text = b"%b[%d]%b" % (data[: spans[0].start], len(data), data[spans[-1].stop + 1 :])
    rest, keys = _read_rest(text, mark=len(data), path=path), count_keys(memoryview(text))
    parts = [part for part in (first, *(part.result() for part in later)) if part is not None]
    if rest is None or len(parts) < len(spans):
        return None
    columns = Columns.join([part.columns for part in parts])
    if not are_unique_and_linked(rest.images, columns):
        return None
    categories, licenses = small_tables(rest.categories, rest.licenses, path=path)
    known = {category.id for category in categories}
    found = sum((part.keys for part in parts), start=keys)
    is_plain = _is_plain(rest, found=found, annotations=len(columns.ids))
    if not known.issuperset(np.unique(columns.category_ids).tolist()) or not is_plain:
        return None
    return CocoFile(
        path=path,
        images=rest.images,
        columns=columns,
        outlines=FileTexts(
            path=path,
            changed_ns=changed_ns,
            starts=np.concatenate([part.starts for part in parts]),
            lengths=np.concatenate([part.lengths for part in parts]),
        ),
        categories=categories,
        licenses=licenses,
    )


def _spans_of_annotations(data: mmap.mmap) -> list[Span]:
    """Guess where the list of annotations stands, cut in two between records; a wrong guess cannot be read."""
    opening = OPENING.match(data, max(data.find(b'"annotations"'), 0))
    closing = CLOSING.search(data, max(data.rfind(b'"segmentation"'), 0))
    if opening is None or closing is None or opening.end() > closing.start():
        return []
    start, stop = opening.end() - 1, closing.start(1)
    between = BETWEEN.search(data, start + int(FIRST_SHARE * (stop - start)), stop)
    if between is None:
        return [Span(start, stop)]
    return [Span(start, between.start(1)), Span(between.start(1), stop)]


def _read_rest(text: bytes, *, mark: int, path: Path) -> _Rest | None:
    try:
        rest = msgspec.json.decode(text, type=_Rest)
    except UnicodeDecodeError as error:
        raise malformed(error, data=text, path=path) from error
    except (msgspec.DecodeError, RecursionError):
        return None
    return rest if rest.annotations == [mark] else None


def _is_plain(rest: _Rest, *, found: Counter[str], annotations: int) -> bool:
    """Say whether no record names a key twice, where a decoder silently keeps the last.

    `found` counts the file's keys, `annotations` its annotations: each key stands as often in the file as in the
    records. Where it does not, for whatever reason, the slower reader looks closely.
    """
    small = count_keys(memoryview(rest.categories))
    small.update(count_keys(memoryview(rest.licenses)))
    images = len(rest.images)
    expected = dict.fromkeys(("images", "annotations", "categories"), 1)
    expected |= dict.fromkeys(("file_name", "width", "height"), images)
    expected |= dict.fromkeys(("image_id", "category_id", "segmentation"), annotations)
    expected[BLANK] = small[BLANK]
    expected["id"] = images + annotations + small["id"]
    at_most = {"iscrowd": annotations, "license": images, "licenses": 1}
    return all(found[key] == count for key, count in expected.items()) and all(
        found[key] <= count for key, count in at_most.items()
    )
